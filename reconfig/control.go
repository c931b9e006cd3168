package reconfig

import (
	"time"

	"simone/mib"
)

// control sends each child what it lacks, one control SET at a time. What that
// is is found out for all of them first: what one is sent hides what it has
// until it answers.
func (e *Engine) control() {
	type lack struct {
		c    *child
		rows []mib.SupportRow
		gone []mib.Tombstone
	}
	var lacks []lack
	for _, c := range e.stirred() {
		if e.free(c) {
			open := sortedKeys(c.open)
			l := lack{c: c, rows: e.toStage(c, open)}
			if len(l.rows) == 0 {
				l.gone = e.toDestroy(c, open)
			}
			lacks = append(lacks, l)
		}
	}
	for _, l := range lacks {
		c, n := l.c, e.state.Nodes[l.c.id]
		settings := e.ilmSettings(&n)
		switch {
		case n.Wanted && !c.self && (!c.report.Active || c.settings != settings):
			e.send(c, ControlSet{Verb: Promote, Settings: settings})
		case len(l.rows) > 0:
			e.stages(c, l.rows)
			e.send(c, ControlSet{Verb: Stage, Apply: mib.Apply{Stage: l.rows}})
		case len(l.gone) > 0:
			e.send(c, ControlSet{Verb: Release, Apply: mib.Apply{Destroy: l.gone}})
		case n.Retiring && e.drainedOut(c):
			e.send(c, ControlSet{Verb: Demote})
		default:
			e.acknowledge(c)
		}
	}
}

// stages notes from which slots on nodes are staged where they move to.
func (e *Engine) stages(c *child, rows []mib.SupportRow) {
	for i := range rows {
		if n := e.state.Nodes[rows[i].Node]; n.Intent.Target == c.id {
			e.stagedFrom[n.ID] = rows[i].Slot
		}
	}
}

// toStage is what a child lacks of the open nodes, as many rows as one
// simoneIlmApply holds.
func (e *Engine) toStage(c *child, open []mib.NodeID) (rows []mib.SupportRow) {
	if !c.report.Active {
		return nil
	}
	size := 1
	for _, id := range open {
		n, known := e.state.Nodes[id]
		if _, open := e.open[id]; !open || !known || n.leaving() {
			continue
		}
		ep := n.Epoch
		if c.id != n.Owner {
			if ep = n.Intent.Epoch; c.id != n.Intent.Target {
				continue
			}
		}
		row, ok := e.lacks(&n, c.id, ep)
		if !ok {
			continue
		}
		if size += row.Len(); size > mib.MaxApply && len(rows) > 0 {
			break
		}
		if rows = append(rows, row); c.single > 0 {
			break
		}
	}
	return rows
}

// toDestroy is the rows of a child that may go, as many as one simoneIlmApply
// holds: those that were left over, those of nodes that nobody knows, and
// those of nodes that have left.
func (e *Engine) toDestroy(c *child, open []mib.NodeID) (gone []mib.Tombstone) {
	var leaving []mib.NodeID
	for _, id := range open {
		n, known := e.state.Nodes[id]
		if _, open := e.open[id]; !open || !known {
			continue
		}
		if n.leaving() {
			leaving = append(leaving, id)
		} else if r := c.rows[id]; r != nil && c.id != n.Owner && c.id != n.Intent.Target && e.destroyable(&n, c, r) {
			gone = append(gone, mib.Tombstone{Node: id, Epoch: r.Row.Epoch})
		}
	}
	gone = append(gone, e.straysAt(c)...)
	gone = append(gone, e.leavingAt(c, leaving)...)
	return gone[:min(len(gone), maxDestroy)]
}

// straysAt is the rows of a child that nobody is taken to know any more. Below
// the top another manager may: one that had the child until now, with what it
// polls. It learns that it has lost the child, and gives the node to others, when
// the manager above both has concluded the move of the child, for which that wants
// to see two polls. Until then the row is all that the node has.
func (e *Engine) straysAt(c *child) []mib.Tombstone {
	until := e.now
	if e.state.Meta.Level > 0 {
		until = e.now.Add(-e.formTime() - 2*e.settings.Interval)
	}
	var gone []mib.Tombstone
	for _, id := range sortedKeys(c.strays) {
		s := c.strays[id]
		if _, known := e.state.Nodes[id]; known { // it has come since
			delete(c.strays, id)
		} else if s.since <= until {
			gone = append(gone, mib.Tombstone{Node: id, Epoch: s.epoch})
		}
	}
	return gone
}

// ilmSettings is what an ILM is told. One that is to hand over its list keeps
// no ILMs below itself any more.
func (e *Engine) ilmSettings(n *Node) IlmSettings {
	s := IlmSettings{
		TriggerMillis: uint32(e.settings.Trigger.Milliseconds()),
		PollMillis:    uint32(e.settings.Interval.Milliseconds()),
		Rules:         e.settings.Rules(),
	}
	s.Rules.Paused = e.paused()
	if levels := e.levels(); levels > 0 && (!n.Drained && !n.Retiring || !e.keeps(GuardTakeBack)) {
		s.Levels, s.Below, s.FanIn = uint32(levels), uint32(e.settings.Below), uint32(e.settings.FanIn)
	}
	return s
}

// maxDestroy is how many tombstones surely fit one simoneIlmApply.
const maxDestroy = mib.MaxApply/(1+5+5*mib.Levels) - 1

// free reports whether a control SET may be sent to the child now.
func (e *Engine) free(c *child) bool {
	return e.readable(c) && c.set == nil && e.now >= c.retryAt
}

// lacks gives the row that is to be staged at a child, if it lacks one.
func (e *Engine) lacks(n *Node, at mib.NodeID, ep mib.Epoch) (mib.SupportRow, bool) {
	c := e.children[at]
	if at == 0 || c == nil || !e.free(c) || !c.report.Active || ep.Term(e.state.Meta.Level) < e.state.Meta.Term && c.rows[n.ID] == nil && e.keeps(GuardFreshEp) {
		return mib.SupportRow{}, false
	}
	r := c.rows[n.ID]
	if r != nil && !r.Row.Epoch.Less(ep) || at == n.Owner && n.banned(at, e.now) && !e.mayInsist(n, c, r) {
		return mib.SupportRow{}, false
	}
	if at != n.Owner && r == nil && !e.gone(n.Owner) {
		// The schedule travels with the row: wait for a fresh look at it.
		o := e.children[n.Owner]
		if or := o.rows[n.ID]; e.readable(o) && or != nil && or.at < e.openedAt[n.ID] {
			return mib.SupportRow{}, false
		}
	}
	kind := n.Kind
	if n.Wanted {
		kind = mib.KindILM
	}
	every := e.interval(n)
	slot := slotAt(n.Zero, every, e.now.Add(stageMargin))
	in := due(n.Zero, every, slot).Sub(e.now)
	if e.now < n.Zero { // by a clock that was set since
		in %= every
	}
	l := e.state.Ledgers[n.ID]
	return mib.SupportRow{
		Node: n.ID, Epoch: ep, Slot: max(slot, l.Last()+1), Due: in, Interval: every, Kind: kind,
		Name: n.Name, Address: n.Address, Profile: n.Profile, Credential: n.Credential, Zone: n.Zone, Candidate: n.Candidate,
	}, true
}

// mayInsist reports whether an owner is given its row although it is excluded:
// it has the row, and only the epoch is to be raised, or this manager is
// itself the owner, and the last resort. What it refuses it is not asked
// again at once.
func (e *Engine) mayInsist(n *Node, c *child, r *seenRow) bool {
	return (r != nil || c.self) && e.now >= e.quietUntil[n.ID]
}

// stageMargin is how far ahead the first slot of a staged row lies at least,
// so that it is not past when the SET arrives.
const stageMargin = 20 * time.Millisecond

// acknowledge tells a child how far its log is stored, now and then.
func (e *Engine) acknowledge(c *child) {
	if !e.unacknowledged(c) {
		return
	}
	cur := e.state.Cursors[c.id]
	const many = 4096 // records: do not wait while a log fills up
	// What a probe reads while a SET is out is not believed. Where triggers
	// and probes keep step, each probe would have an acknowledgement beside it.
	probed := c.probe != 0 || e.now >= c.probeAt
	if (e.now < c.ackAt || probed) && cur.Seq-c.ackedSeq < many {
		return
	}
	c.ackAt = e.now.Add(e.settings.Trigger)
	if !e.keeps(GuardCurBatch) {
		cur = c.report.Log
	}
	e.send(c, ControlSet{Verb: Acknowledge, Cursor: cur})
}

// unacknowledged reports whether more of a child's log is stored than it knows.
func (e *Engine) unacknowledged(c *child) bool {
	cur := e.state.Cursors[c.id]
	return cur.Incarnation != 0 && cur.Incarnation == c.report.Log.Incarnation && cur.Seq > c.ackedSeq
}

// drainedOut reports whether a retiring ILM has nothing left: no rows, no
// moves to it, nothing in its log that is not stored.
func (e *Engine) drainedOut(c *child) bool {
	if len(e.owned[c.id]) > 0 || len(e.tied[c.id]) > 0 || len(c.rows) > 0 || len(c.strays) > 0 || c.report.Digest.Count != 0 {
		return false
	}
	if c.report.Fence != c.acked && e.keeps(GuardDemoteLast) {
		return false // its log may have grown until its last row went
	}
	cur := e.state.Cursors[c.id]
	return !e.keeps(GuardDemoteLast) || c.report.Log.Seq == 0 || cur.Incarnation == c.report.Log.Incarnation && cur.Seq >= c.report.Log.Seq
}

// demoted: an ILM has become a leaf.
func (e *Engine) demoted(c *child) {
	n, ok := e.node(c.id)
	if !ok {
		return
	}
	*n = n.clone()
	e.unmake(n)
	e.record(Entry{Kind: KindDemote, Node: c.id})
}

// unmake has a node be no ILM of this manager any more. The managers above, which
// leave ILMs where they are, hear of it.
func (e *Engine) unmake(n *Node) {
	n.Wanted, n.Retiring, n.Vouched = false, false, false
	e.removeChild(n.ID)
	e.save(n)
	e.raiseOwner(n) // its row says now that it is a leaf
}
