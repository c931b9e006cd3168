package reconfig

import (
	"fmt"
	"slices"

	"simone/mib"
)

// claimAll raises the fence of children that are not claimed.
func (e *Engine) claimAll() {
	for _, c := range e.stirred() {
		if !c.claimed && c.set == nil && c.reportAt > 0 && !c.silent && !c.lost && e.now >= c.retryAt {
			if !e.keeps(GuardClaim) { // taken for claimed as it is
				c.claimed, c.full, c.probeAt, c.acked = true, true, e.now, c.report.Fence
				continue
			}
			e.send(c, ControlSet{Verb: Claim})
		}
	}
}

// send sends a control SET under the next fence.
func (e *Engine) send(c *child, set ControlSet) {
	c.seq++
	set.Fence = mib.Fence{Parent: e.state.Meta.Self, Own: e.state.Nodes[c.id].Epoch, Term: e.state.Meta.Term, Seq: c.seq}
	c.sent = set.Fence
	ctl := Control{ID: e.action(), Child: c.id, ControlSet: set}
	c.set = &ctl
	switch set.Verb {
	case Claim:
		e.counters.Claims++
	case Stage:
		for i := range set.Apply.Stage {
			c.given[set.Apply.Stage[i].Node] = set.Apply.Stage[i].Epoch
		}
	case Release:
		for _, t := range set.Apply.Destroy {
			delete(c.given, t.Node)
		}
	}
	e.do(ctl)
}

// foreign reports whether a fence is one that this life of the manager did
// not write and that its own would not outrank.
func (e *Engine) foreign(c *child, f mib.Fence) bool {
	limit := c.sent
	if c.seq == 0 {
		limit = mib.Fence{Own: e.state.Nodes[c.id].Epoch, Term: e.state.Meta.Term}
	}
	d := f.Compare(limit)
	return d > 0 || d == 0 && c.seq > 0 && f.Parent != e.state.Meta.Self
}

// maxOutranks is how many terms may be spent at once on outranking others;
// after that one each trigger, so that two managers which fight over the same
// nodes do not use up their terms in minutes.
const maxOutranks = 8

// outrank raises the term (and the epoch of the child's own row) above a
// foreign fence; the children are then claimed again.
func (e *Engine) outrank(c *child, f mib.Fence) {
	level := e.state.Meta.Level
	c.settings = IlmSettings{}                                                                 // whoever wrote that may have told it others
	if own := e.state.Nodes[c.id]; e.foreignGrant(&own, f.Own) && e.keeps(GuardLostChildren) { // it is somebody else's by now
		e.outgrown(&own, f.Own)
		if !c.lost {
			c.lost, c.claimed, c.set = true, false, nil
			// As it goes when the manager above has others for it: nothing that
			// anybody would have to look after.
			e.record(Entry{Kind: KindLeft, Node: c.id, Nodes: len(e.owned[c.id]), Seen: fmt.Sprintf("it obeys a newer manager (%v): it is not this one's any more", f)})
		}
		return
	}
	c.lost = false
	if c.self && level > 0 { // an earlier life's, of which nothing is left (KeptTerm)
		e.forgot()
	}
	term := max(e.state.Meta.Term, f.Term)
	if own := e.state.Nodes[c.id]; slices.Compare(f.Own[:level], own.basis(level)) == 0 {
		term = max(term, f.Own.Term(level))
	}
	if term >= maxTerm {
		c.claimed, c.retryAt = false, e.now.Add(e.settings.Trigger)
		e.alert("node %d obeys a fence that cannot be outranked (%v): stop whoever wrote it, remove that node's state directory and restart it", c.id, f)
		return
	}
	if e.rankAt.Sub(e.now) > maxOutranks*e.settings.Trigger || !e.keeps(GuardTermRaise) {
		c.claimed, c.full = false, true
		return
	}
	if e.rankAt = max(e.rankAt, e.now).Add(e.settings.Trigger); e.rankAt.Sub(e.now) > maxOutranks*e.settings.Trigger {
		e.alert("node %d obeys another manager (%v): two managers claim the same nodes; stop one of them", c.id, f)
	}
	e.raiseTerm(term + 1)
	if n, ok := e.node(c.id); ok && !f.Own.Less(n.Epoch) {
		e.sawEpoch(f.Own)
		e.raiseOwner(n)
	}
}

// done takes the success of a control SET.
func (e *Engine) done(id ActionID) {
	c := e.byAction(id)
	if c == nil {
		return
	}
	e.stir(c)
	set := c.set
	c.set, c.acked = nil, set.Fence
	switch set.Verb {
	case Claim:
		c.claimed, c.full, c.probeAt = true, true, e.now
		if c.probe != 0 { // begun under the old fence
			c.probe = 0
		}
	case Stage:
		for _, row := range set.Apply.Stage {
			old := c.rows[row.Node]
			r := &seenRow{}
			if old != nil {
				*r = *old
				slot, due := r.Row.Slot, r.Row.Due
				r.Row, r.at = row, 0
				r.Row.Slot, r.Row.Due = slot, due
				r.First = row.Slot // it may have jumped there: no fence below that
			} else {
				r.Row = row
			}
			e.setRow(c, r)
			delete(c.marks, row.Node)
			e.touch(row.Node)
		}
		c.single = max(c.single-1, 0)
	case Release:
		for _, t := range set.Apply.Destroy {
			if r := c.rows[t.Node]; r != nil && !t.Epoch.Less(r.Row.Epoch) {
				e.dropRow(c, t.Node)
			}
			delete(c.strays, t.Node)
			e.touch(t.Node)
		}
	case Promote:
		c.settings = set.Settings
		if !c.report.Active {
			c.full, c.probeAt = true, e.now
			e.record(Entry{Kind: KindPromote, Node: c.id})
		}
	case Demote:
		e.demoted(c)
	case Acknowledge:
		if set.Cursor.Incarnation == c.report.Log.Incarnation {
			c.ackedSeq = max(c.ackedSeq, set.Cursor.Seq)
		}
	}
}

// failed takes the failure of an action.
func (e *Engine) failed(ev ActionFailed) {
	if ev.Action == 0 || e.scoutMissed(ev.Action) || e.lookFailed(ev.Action) {
		return
	}
	for _, c := range e.line {
		switch ev.Action {
		case c.probe:
			e.stir(c)
			c.probe = 0
			c.missed++
			if c.missed >= e.settings.Misses && !c.self {
				e.silence(c)
			}
			return
		case c.reading:
			e.stir(c)
			c.reading = 0
			return
		}
	}
	c := e.byAction(ev.Action)
	if c == nil {
		return
	}
	e.stir(c)
	set := c.set
	c.set = nil
	c.retryAt = e.now.Add(e.settings.Probe / 2)
	// Whatever it was: look again before anything more is concluded.
	c.full, c.probeAt = true, min(c.probeAt, e.now)
	switch ev.Why {
	case TimedOut:
		// The SET may still arrive. Raising the fence makes sure that it
		// cannot, before the list is read.
		c.claimed = !e.keeps(GuardReadFence)
		c.retryAt = e.now
	case FenceStale:
		e.counters.StaleFences++
		c.claimed = false
	case NotILM: // it has lost its role, or another has taken it: read it, and promote it again
		c.report.Active, c.settings = false, IlmSettings{}
	case EpochStale, NotHeld, Malformed:
		e.refused(c, set, ev)
	}
}

// refused deals with rows, or a role, that a child does not accept.
func (e *Engine) refused(c *child, set *Control, ev ActionFailed) {
	rows := set.Apply.Stage
	if set.Verb != Stage || len(rows) == 0 {
		c.retryAt = e.now.Add(e.settings.Trigger)
		e.alert("node %d refused to %v: %s", c.id, set.Verb, ev.Text)
		return
	}
	if len(rows) > 1 {
		c.single = len(rows)
		return
	}
	n, ok := e.node(rows[0].Node)
	if !ok {
		return
	}
	*n = n.clone()
	if ev.Why == EpochStale && !e.keeps(GuardTombRaise) {
		return
	}
	if ev.Why == EpochStale { // a tombstone at or above our epoch: go above it
		switch c.id {
		case n.Owner:
			e.raiseOwner(n)
		case n.Intent.Target:
			n.Intent.Epoch = e.newEpoch(n)
			e.save(n)
		}
		return
	}
	n.ban(c.id, e.now.Add(e.settings.BanFor))
	e.quietUntil[n.ID] = e.now.Add(e.settings.Trigger)
	e.alert("ILM %d refused node %d (%s): %s", c.id, n.ID, n.Name, ev.Text)
	if n.Intent.Target == c.id {
		e.abort(n, ev.Text)
	}
	e.save(n)
}

func (e *Engine) byAction(id ActionID) *child {
	for _, c := range e.line {
		if c.set != nil && c.set.ID == id {
			return c
		}
	}
	return nil
}
