package testbed

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// slotKey is one sample's place.
type slotKey struct {
	node mib.NodeID
	slot uint32
}

// checks is what the world remembers to judge by. The names in brackets are
// those of the violations in the explicit-state model.
type checks struct {
	broken  []string
	readBy  map[mib.NodeID]uint64    // the newest life that has read a child's list
	truth   map[mib.NodeID]ownership // by the newest commit of all, restored stores or not
	fresh   map[mib.NodeID]reconfig.Instant
	reading reading
	moves   int  // planned ones that were committed
	rival   bool // a second manager has been at work: it may destroy and trim
}

type ownership struct {
	owner mib.NodeID
	epoch mib.Epoch
}

func newChecks() checks {
	return checks{
		readBy: make(map[mib.NodeID]uint64), truth: make(map[mib.NodeID]ownership), fresh: make(map[mib.NodeID]reconfig.Instant),
	}
}

func (k *checks) forget(id mib.NodeID) { delete(k.readBy, id) }

// reading is what a parent has just been told of a log, until it is stored.
type reading struct {
	child   mib.NodeID
	from    reconfig.Cursor
	to      uint64 // incarnation
	records []mib.Record
	nodes   map[mib.NodeID]reconfig.Node // as the store had them before
}

// beforeStep looks at an event that an engine is about to be told.
func (w *World) beforeStep(p *Parent, ev reconfig.Event) {
	k := &w.checks
	switch ev := ev.(type) {
	case reconfig.ChildReported:
		if ev.Report.Full && !p.rival {
			k.readBy[ev.Child] = max(k.readBy[ev.Child], p.life)
		}
	case reconfig.LogRead:
		if p != w.Parent {
			return
		}
		k.reading = reading{ev.Child, p.Store.Cursors[ev.Child], ev.Incarnation, ev.Records, make(map[mib.NodeID]reconfig.Node)}
		for _, r := range ev.Records {
			k.reading.nodes[r.Node] = p.Store.Nodes[r.Node]
		}
	}
}

// checkRead: with the cursor, what was read to there is stored. A sample of
// an owner, or of one that still owes its row, fills its slot; a target's is
// kept aside (S2).
func (w *World) checkRead(p *Parent) {
	read := w.checks.reading
	w.checks.reading = reading{}
	cur := p.Store.Cursors[read.child]
	for _, r := range read.records {
		n := read.nodes[r.Node]
		now, known := p.Store.Nodes[r.Node]
		if r.Kind != mib.RecordSample || !known || n.Kind < 0 || now.Kind < 0 || read.from.Incarnation == read.to && r.Seq <= read.from.Seq ||
			cur.Incarnation != read.to || cur.Seq < r.Seq {
			continue
		}
		l := p.Store.Ledgers[r.Node]
		held := slices.ContainsFunc(l.Held, func(h reconfig.HeldSample) bool { return h.Slot == r.Slot })
		switch {
		case n.Owner == read.child || slices.Contains(n.Prev, read.child):
			if !l.Filled(r.Slot) {
				w.Fail("node %d slot %d: the sample of %d was read and dropped", r.Node, r.Slot, read.child)
			}
		case n.Intent.Target == read.child && now.Intent == n.Intent:
			if !held && !l.Filled(r.Slot) {
				w.Fail("node %d slot %d: the sample of %d, to which it moves, was not kept", r.Node, r.Slot, read.child)
			}
		}
	}
}

// checkSet looks at a control SET that a node is about to obey.
func (w *World) checkSet(p *Parent, life uint64, c *Node, a reconfig.Control) {
	if p.rival || w.checks.rival {
		return
	}
	// vOldSet: nothing that was sent in an older life comes after a newer one
	// has read the list.
	if life < w.checks.readBy[c.ID] {
		w.Fail("%v of life %d arrives at %d, whose list life %d has read", a.Verb, life, c.ID, w.checks.readBy[c.ID])
	}
	if life != w.Parent.life {
		return
	}
	store := w.Parent.Store
	for _, t := range a.Apply.Destroy {
		n, known := store.Nodes[t.Node]
		r, have := c.List.Row(c.now(w), t.Node)
		if !known || !have || n.Kind < 0 || t.Epoch.Less(r.Row.Epoch) {
			continue
		}
		// vDestroyOwner: the owner's row goes only by a commit elsewhere. Who
		// owns it is what was committed last of all, whatever a store that was
		// restored says.
		if top := w.checks.truth[t.Node]; top.owner == c.ID && top.epoch == r.Row.Epoch {
			w.Fail("node %d: the owner's row at %d is destroyed", t.Node, c.ID)
		}
		// vBlind: a row that works stays until the owner has reached the node.
		o, m := w.Nodes[n.Owner], w.Nodes[t.Node]
		if o == nil || m == nil || !o.Up || o.Cut || r.Failing || r.Samples == 0 || !m.Up || m.Unseen[c.ID] || !m.Unseen[o.ID] {
			continue
		}
		if or, have := o.List.Row(o.now(w), t.Node); have && or.Row.Epoch == n.Epoch && or.Samples == 0 {
			w.Fail("node %d: its row at %d works and is destroyed; %d has never reached it", t.Node, c.ID, o.ID)
		}
	}
}

// checkTrim: what has left a log is in the store.
func (w *World) checkTrim(life uint64, c *Node, before uint32) {
	l := c.List.Log()
	if cur := w.Parent.Store.Cursors[c.ID]; l.Tail() > before && life == w.Parent.life && !w.checks.rival &&
		(cur.Incarnation != l.Head().Incarnation || cur.Seq < l.Tail()) {
		w.Fail("log of %d is trimmed to %d, but the store's cursor is %+v", c.ID, l.Tail(), cur)
	}
}

// checkEpochs: no two live lists hold a node at one epoch (vSameEpoch).
func (w *World) checkEpochs(a reconfig.Control) {
	for _, row := range a.Apply.Stage {
		holders := 0
		for _, o := range w.Nodes {
			if r, have := o.List.Row(w.Now, row.Node); o.Up && have && r.Row.Epoch == row.Epoch {
				holders++
			}
		}
		if holders > 1 {
			w.Fail("node %d: two lists hold it at epoch %v", row.Node, row.Epoch)
		}
	}
}

// checkTxn looks at a transaction before it is done.
func (w *World) checkTxn(p *Parent, t reconfig.Txn) {
	if p.rival {
		return
	}
	if p != w.Parent { // vOldStore
		w.Fail("life %d writes the store, life %d leads", p.life, w.Parent.life)
	}
	for _, n := range t.Nodes {
		old := p.Store.Nodes[n.ID]
		if old.Owner != 0 && n.Owner != old.Owner && old.Intent.Why != reconfig.KindFailover && old.Intent.Why != reconfig.KindAdopt {
			w.checks.moves++
		}
		if n.Owner == old.Owner && n.Epoch == old.Epoch || n.Kind < 0 {
			continue
		}
		// vVoidEpoch: ownership never goes back to an older epoch.
		if top := w.checks.truth[n.ID]; n.Epoch.Less(top.epoch) || n.Epoch == top.epoch && n.Owner != top.owner {
			w.Fail("node %d: given to %d at epoch %v, but %d had it at %v", n.ID, n.Owner, n.Epoch, top.owner, top.epoch)
		}
		w.checks.truth[n.ID] = ownership{n.Owner, n.Epoch}
	}
	twice := make(map[slotKey]bool, len(t.Samples))
	for _, x := range t.Samples {
		k := slotKey{x.Node, x.Slot}
		if by, stored := p.Store.History[k]; stored || twice[k] {
			w.Fail("node %d slot %d is stored twice (by %d and %d)", x.Node, x.Slot, by, x.By)
		}
		twice[k] = true
		w.checks.fresh[x.Node] = w.Now
	}
}

// Holders is the managers that are up and have a row for a node.
func (w *World) Holders(id mib.NodeID) []mib.NodeID {
	var out []mib.NodeID
	for _, k := range w.ids {
		if m := w.Nodes[k]; m.Up {
			if _, have := m.List.Row(w.Now, id); have {
				out = append(out, k)
			}
		}
	}
	return out
}

// CheckCalm says what is wrong in a world that had time to settle since the
// last fault began or ended: I1 and I3 of DESIGN section 5, that every move
// has ended, and that every node that can be polled is.
func (w *World) CheckCalm() []string {
	var bad []string
	p := w.Parent
	if p.Engine == nil {
		return []string{"no parent runs"}
	}
	for _, id := range slices.Sorted(maps.Keys(p.Store.Nodes)) {
		n := p.Store.Nodes[id]
		if n.Kind < 0 { // on its way out, and waits for a manager that is not there
			if holders := slices.DeleteFunc(w.Holders(id), func(k mib.NodeID) bool { return w.Nodes[k].Cut }); len(holders) > 0 {
				bad = append(bad, fmt.Sprintf("node %d has left and is still on the lists of %v", id, holders))
			}
			continue
		}
		holders := slices.DeleteFunc(w.Holders(id), func(k mib.NodeID) bool { return w.Nodes[k].Cut })
		switch {
		case len(holders) == 0:
			bad = append(bad, fmt.Sprintf("I1: node %d has no row in the list of a live manager", id))
			continue
		case len(holders) > 1 && n.Wanted && w.Nodes[id].Cut:
			continue // only its parent can look after an ILM; it is not to be had before it is back
		case len(holders) > 1:
			bad = append(bad, fmt.Sprintf("I3: node %d is on the lists of %v", id, holders))
			continue
		case holders[0] != n.Owner:
			bad = append(bad, fmt.Sprintf("I3: node %d is polled by %d, the store says %d", id, holders[0], n.Owner))
			continue
		case n.Intent.Target != 0:
			bad = append(bad, fmt.Sprintf("node %d: the move to %d never ends", id, n.Intent.Target))
			continue
		}
		every := p.Settings.Interval
		if n.Interval > 0 {
			every = n.Interval
		}
		if m := w.Nodes[id]; m.Up && !m.Unseen[n.Owner] && !(m.Cut && n.Owner == p.Self) && w.Now.Sub(w.checks.fresh[id]) > 3*every+time.Second {
			bad = append(bad, fmt.Sprintf("node %d answers, but no sample of it was stored for %v", id, w.Now.Sub(w.checks.fresh[id])))
		}
		if p.Store.Nodes[n.Owner].Drained && !n.Pinned && n.Owner != p.Self {
			for _, c := range p.Engine.Children() {
				host := p.Store.Nodes[c.ID]
				banned := slices.ContainsFunc(n.Banned, func(b reconfig.Ban) bool { return b.Target == c.ID && p.at(w).Now < b.Until })
				if c.Ready && !host.Drained && !host.Retiring && !banned {
					bad = append(bad, fmt.Sprintf("node %d stays on %d, which is drained, although %d could take it", id, n.Owner, c.ID))
				}
			}
		}
	}
	return bad
}

// Changes counts what a world that has settled does no more.
func (w *World) Changes() uint64 {
	c := w.Parent.Engine.Counters()
	return c.Moves + c.Aborts + c.Claims + uint64(w.Parent.Engine.Meta().Term)
}

// PlannedMoves counts the moves that were committed, without failovers.
func (w *World) PlannedMoves() int { return w.checks.moves }

// Gaps is the slots of a node between the first and the newest one stored
// that were not stored.
func (w *World) Gaps(id mib.NodeID) []uint32 {
	l := w.Parent.Store.Ledgers[id]
	var gaps []uint32
	if len(l.Runs) == 0 {
		return nil
	}
	for s := l.Runs[0].From; s <= l.Last(); s++ {
		if !l.Filled(s) {
			gaps = append(gaps, s)
		}
	}
	return gaps
}
