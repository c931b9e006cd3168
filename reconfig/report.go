package reconfig

import (
	"fmt"
	"slices"
	"time"

	"simone/mib"
)

// probeAll sends the probes that are due.
func (e *Engine) probeAll() {
	e.probeScouts()
	for _, c := range e.stirred() {
		if c.probe != 0 || e.now < c.probeAt || c.lost { // a lost one is to miss a parent, and look for one
			continue
		}
		c.probe, c.probeSeq, c.calm = e.action(), c.seq, c.set == nil
		c.probeAt = e.now.Add(e.settings.Probe)
		p := Probe{ID: c.probe, Child: c.id, Full: c.full && c.claimed}
		if !p.Full && e.readable(c) {
			p.Rows = e.watched(c)
		}
		c.asked = p.Rows
		e.do(p)
	}
}

// maxWatched bounds the rows that one probe asks for.
const maxWatched = 256

// watched is the rows of a child on which something waits.
func (e *Engine) watched(c *child) []mib.NodeID {
	var ids []mib.NodeID
	for id := range c.open {
		if _, open := e.open[id]; !open {
			delete(c.open, id)
			continue
		}
		n := e.state.Nodes[id]
		if c.rows[id] != nil || n.Owner == c.id || n.Intent.Target == c.id {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	if len(ids) > maxWatched { // the others' turn comes by chance
		e.chance.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		ids = ids[:maxWatched]
		slices.Sort(ids)
	}
	return ids
}

// reported takes a child's report.
func (e *Engine) reported(ev ChildReported) {
	e.scouted(ev)
	e.looked(ev)
	c := e.children[ev.Child]
	if c == nil || c.probe == 0 || c.probe != ev.Action {
		return
	}
	c.probe, c.missed = 0, 0
	r := ev.Report
	if c.silent {
		c.silent, c.full, c.announced = false, true, false
		e.record(Entry{Kind: KindBack, Node: c.id, Seen: fmt.Sprintf("answers again after %v", e.now.Sub(c.silentAt).Round(time.Millisecond))})
	}
	if e.foreign(c, r.Fence) {
		e.counters.StaleFences++
		e.outrank(c, r.Fence)
		return
	}
	// Whatever was read while a control SET was under way may be older than
	// the SET; the fence tells.
	current := c.claimed && c.set == nil && (r.Fence == c.acked || !e.keeps(GuardReadFence))
	if c.claimed && c.set == nil && c.calm && c.seq == c.probeSeq && r.Fence != c.acked {
		// It lost what it had kept, or another has written a fence between the
		// last SET that was obeyed and one that was refused.
		c.claimed, c.full, c.settings = false, true, IlmSettings{}
	}
	if r.Log.Incarnation != c.report.Log.Incarnation {
		c.ackedSeq = 0
	}
	if r.Log.Incarnation != c.report.Log.Incarnation || r.Windows < c.report.Windows { // it restarted, perhaps by another clock
		c.full, c.probeAt = true, e.now
	}
	if r.Active && !c.report.Active { // what this manager keeps itself may go there
		for id := range e.owned[e.state.Meta.Self] {
			e.touch(id)
		}
	}
	rows := r.Rows
	r.Rows = nil
	c.lastHead = c.report.Log
	if r.Host.Known && r.Host.Load > c.report.Host.Load && e.rose == 0 {
		e.rose = e.now
	}
	c.report, c.reportAt = r, e.now
	if !current {
		if c.full { // as soon as what was read can count: its own list answers a manager in no time
			c.probeAt = min(c.probeAt, max(e.now, c.retryAt))
		}
		return
	}
	if r.Full {
		e.readWhole(c, rows)
	} else {
		e.readRows(c, rows)
	}
	if c.digest != r.Digest && e.keeps(GuardAudit) { // changed by others, or lost
		c.full = true
		if !r.Full { // else at the usual pace: somebody keeps changing it
			c.probeAt = e.now
		}
		return
	}
	e.census(c)
}

// readWhole takes a child's whole list for what it has.
func (e *Engine) readWhole(c *child, rows []RowReport) {
	for id := range c.rows {
		e.touch(id)
	}
	e.dropRows(c)
	strays := c.strays
	c.strays = make(map[mib.NodeID]stray)
	for i := range rows {
		r := &rows[i]
		e.setRow(c, &seenRow{*r, e.now})
		e.touch(r.Row.Node)
	}
	for id := range e.owned[c.id] {
		e.touch(id)
	}
	for id := range c.marks {
		e.touch(id)
	}
	for id := range e.tied[c.id] {
		e.touch(id)
	}
	c.full = false
	for _, id := range sortedKeys(c.rows) {
		e.takeOver(c, c.rows[id])
	}
	e.gather(c)
	for id, s := range c.strays {
		if old, was := strays[id]; was {
			s.since = old.since
			c.strays[id] = s
		}
	}
}

// readRows takes the rows that a probe asked for; what was asked for and did
// not come is not there.
func (e *Engine) readRows(c *child, rows []RowReport) {
	for _, id := range c.asked {
		e.touch(id)
		i := slices.IndexFunc(rows, func(r RowReport) bool { return r.Row.Node == id })
		if i < 0 {
			e.dropRow(c, id)
			continue
		}
		r := &seenRow{rows[i], e.now}
		if old := c.rows[id]; old != nil && r.Row.Interval == 0 {
			r.Row.Interval = old.Row.Interval
		}
		e.setRow(c, r)
		e.takeOver(c, r)
	}
}

// takeOver takes an owner's schedule as the node's, so that clocks which
// drift apart do not tear a schedule when the node moves, and its word on
// whether the node answers, which an earlier life may have read in the log.
func (e *Engine) takeOver(c *child, r *seenRow) {
	n, ok := e.state.Nodes[r.Row.Node]
	if !ok || n.Owner != c.id {
		return
	}
	if r.Failing {
		e.failing[n.ID] = true
		e.unreached(n.ID)
	}
	if e.state.Meta.Level > 0 && r.Row.Epoch != n.Epoch {
		return // the manager above may have changed the numbers since that row was written
	}
	// By the interval that is to be: the numbers go on when the pace changes.
	n.Zero = e.now.Add(r.Row.Due - time.Duration(r.Row.Slot)*e.interval(&n))
	e.state.Nodes[n.ID] = n // not worth a write of its own
}

// gather learns, at the first whole reading in a term, what happened while
// this manager was away: epochs seen, owners' rows that are newer than the
// store knows, and rows of moves that the store does not know.
func (e *Engine) gather(c *child) {
	if c.seen { // but rows of nodes that nobody knows can come at any time
		for _, id := range sortedKeys(c.rows) {
			if _, known := e.state.Nodes[id]; !known {
				e.learn(c, id, e.state.Meta.High)
			}
		}
		return
	}
	level := e.state.Meta.Level
	for _, id := range sortedKeys(c.rows) {
		r := c.rows[id]
		if n := e.state.Nodes[id]; slices.Compare(r.Row.Epoch[:level], n.basis(level)) != 0 {
			continue // of another grant: its counts are not to be compared with ours
		}
		if t := r.Row.Epoch.Term(level); t > e.state.Meta.Term && t < maxTerm {
			e.sawEpoch(r.Row.Epoch)
			e.raiseTerm(t + 1)
			return
		}
	}
	high := e.state.Meta.High
	for _, id := range sortedKeys(c.rows) {
		e.learnAddress(&c.rows[id].Row, high)
		e.learn(c, id, high)
	}
	for id, r := range c.rows {
		if n := e.state.Nodes[id]; slices.Compare(r.Row.Epoch[:level], n.basis(level)) == 0 {
			e.sawEpoch(r.Row.Epoch)
		}
	}
	c.seen, c.fresh = true, false
}

// learnAddress takes a node's address from a row that was written after the
// backup that the store came from: a node that has moved since, and is polled
// there, does not announce itself.
func (e *Engine) learnAddress(r *mib.SupportRow, high mib.Epoch) {
	n, known := e.node(r.Node)
	if !known || e.state.Meta.Level > 0 || e.state.Meta.Restored == 0 || n.leaving() || r.Address == "" || !e.strange(r.Epoch, high) ||
		!e.addressed[r.Node].Less(r.Epoch) {
		return
	}
	e.addressed[r.Node] = r.Epoch
	if n.Address == r.Address {
		return
	}
	*n = n.clone()
	n.Address = r.Address
	e.save(n)
	if n.Owner != 0 {
		e.raiseOwner(n)
	}
}

// learn looks at one row that was found at a child.
func (e *Engine) learn(c *child, id mib.NodeID, high mib.Epoch) {
	r := c.rows[id]
	ep := r.Row.Epoch
	n, known := e.node(id)
	switch {
	case !known && (e.state.Meta.Level > 0 || ep[0] <= high[0] && id < e.state.Meta.NextID):
		// A node that was forgotten, wherever below the row has got to.
		c.strays[id] = stray{ep, e.now}
	case !known: // joined after the backup that this store came from
		e.sawEpoch(ep)
		kind := r.Row.Kind
		if kind == mib.KindILM {
			kind = mib.KindLeaf
		}
		*n = Node{
			ID: id, Key: r.Row.Name, Name: r.Row.Name, Address: r.Row.Address, Kind: kind, Profile: r.Row.Profile,
			Credential: r.Row.Credential, Interval: r.Row.Interval, Owner: c.id, Epoch: ep, Fence: r.Row.Slot,
			Zero: e.now.Add(r.Row.Due - time.Duration(r.Row.Slot)*r.Row.Interval),
		}
		e.state.Meta.NextID = max(e.state.Meta.NextID, id+1)
		e.save(n)
		e.raiseOwner(n)
		e.record(Entry{Kind: KindAdopt, Node: id, To: c.id, Seen: fmt.Sprintf("row at epoch %v of a node that the store does not know", ep)})
	case e.foreignGrant(n, ep):
		e.outgrown(n, ep)
	case n.Owner == c.id && n.Epoch.Less(ep):
		e.sawEpoch(ep)
		e.raiseOwner(n)
	case n.Owner != c.id && n.Epoch.Less(ep) && e.strange(ep, high) && (n.Intent.Target == 0 || n.Intent.Epoch.Less(ep)):
		// Perhaps a move that was under way, perhaps one that was done: an
		// open intent proves itself before it takes the node over.
		e.sawEpoch(ep)
		if !e.keeps(GuardAdoptMove) {
			e.takeAsOwner(n, c.id)
			return
		}
		if e.keepsOwnRow(n, c.id) {
			return
		}
		e.openIntent(n, c.id, KindAdopt)
		n.unban(c.id)
		e.save(n)
		e.record(Entry{Kind: KindAdopt, Node: id, From: n.Owner, To: c.id, Seen: fmt.Sprintf("row at epoch %v, newer than the store knows", ep)})
	}
}
