package reconfig

import (
	"slices"

	"simone/mib"
)

// logRead takes what a child's log brought: samples and cursor go into one
// transaction, and only what is stored is acknowledged.
func (e *Engine) logRead(ev LogRead) {
	c := e.children[ev.Child]
	if c == nil || c.reading == 0 || c.reading != ev.Action {
		return
	}
	c.reading = 0
	if e.state.Meta.Level > 0 {
		e.relay(c, ev)
		return
	}
	cur := e.state.Cursors[c.id]
	if cur.Incarnation == 0 || cur.Incarnation != ev.Incarnation && e.keeps(GuardBootID) {
		cur = Cursor{Incarnation: ev.Incarnation}
		c.ackedSeq = 0
	}
	for i := range ev.Records {
		r := &ev.Records[i]
		if r.Seq <= cur.Seq {
			continue
		}
		cur.Seq = r.Seq
		e.heard(c, r)
		if r.Kind == mib.RecordSample {
			e.accept(c, r)
		}
	}
	if len(ev.Records) == 0 && ev.Incarnation == c.readHead.Incarnation {
		// What was there when it was asked for has left the log: the cursor is
		// of a store that was restored.
		cur.Seq = max(cur.Seq, c.readHead.Seq)
	}
	if cur != e.state.Cursors[c.id] {
		e.state.Cursors[c.id] = cur
		e.dirtyCursors[c.id] = struct{}{}
	} else { // nothing new, whatever the head said: ask again, but not at once
		c.readAt = e.now.Add(e.settings.Probe)
	}
}

// accept decides what becomes of one sample: an owner's (or of one that polls
// for it) and an earlier owner's fill their slot if it is empty, a move's target's is kept aside
// until the commit, others decide nothing.
func (e *Engine) accept(c *child, r *mib.Record) {
	n, known := e.state.Nodes[r.Node]
	if !known || n.leaving() {
		return
	}
	l := e.state.Ledgers[n.ID]
	s := Stored{Node: n.ID, Slot: r.Slot, At: e.now.Add(-r.Age), By: c.id, Payload: append([]byte(nil), r.Payload...)}
	switch {
	case n.Owner == c.id || n.wasOwner(c.id) || e.onBehalf(c, &n):
		l.Runs = append([]Run(nil), l.Runs...)
		e.fill(&l, s)
		if e.overtaken(&n, &l) {
			e.touch(n.ID)
		}
	case n.Intent.Target == c.id && !e.keeps(GuardHold):
		l.Runs = append([]Run(nil), l.Runs...)
		e.fill(&l, s)
	case n.Intent.Target == c.id:
		l = l.clone()
		l.hold(HeldSample{Slot: s.Slot, At: s.At, By: s.By, Payload: s.Payload})
	default:
		return
	}
	e.state.Ledgers[n.ID] = l
	e.dirtyLedgers[n.ID] = struct{}{}
}

// onBehalf reports whether a child polls a node for the node's owner, or for an
// earlier one that still has its row: it was an ILM below that, which gave it
// the node, before it came to this manager.
func (e *Engine) onBehalf(c *child, n *Node) bool {
	level := e.state.Meta.Level
	r := c.rows[n.ID]
	if r == nil || r.Row.Epoch[level+1] == 0 {
		return false
	}
	grant := r.Row.Epoch[level]
	return grant == n.Epoch[level] || slices.ContainsFunc(n.Prev, func(id mib.NodeID) bool {
		p := e.children[id]
		return p != nil && p.rows[n.ID] != nil && p.rows[n.ID].Row.Epoch[level] == grant
	})
}

// overtaken reports whether slots are filled that are not due yet, as the
// manager knows the owner's schedule: the owner's row has to be looked at.
func (e *Engine) overtaken(n *Node, l *Ledger) bool {
	return l.Last() > slotAt(n.Zero, e.interval(n), e.now)+2
}

func (e *Engine) fill(l *Ledger, s Stored) {
	if !l.Fill(s.Slot) && e.keeps(GuardFilled) {
		l.Refused++
		e.counters.SamplesRefused++
		return
	}
	e.counters.SamplesStored++
	e.samples = append(e.samples, s)
}

// readLog asks for what a child's log has beyond the cursor.
func (e *Engine) readLog(c *child) {
	if c.reading != 0 || !e.readable(c) || e.now < c.readAt {
		return
	}
	head := c.report.Log
	cur := e.readTo(c)
	if head.Incarnation == 0 || head.Seq == 0 || cur.Incarnation == head.Incarnation && cur.Seq >= head.Seq {
		return
	}
	c.reading, c.readHead = e.action(), head
	e.do(ReadLog{ID: c.reading, Child: c.id, From: cur})
}
