package reconfig

import (
	"time"

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
		switch r.Kind {
		case mib.RecordSample:
			e.accept(c, r)
		case mib.RecordNewer:
			e.newerBelow(r)
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

// accept decides what becomes of one sample: an owner's and an earlier owner's
// fill their slot if it is empty, as do those of others below that were taken
// in time; a move's target's is kept aside until the commit.
func (e *Engine) accept(c *child, r *mib.Record) {
	n, known := e.state.Nodes[r.Node]
	if !known || n.leaving() {
		return
	}
	l := e.state.Ledgers[n.ID]
	s := Stored{Node: n.ID, Slot: r.Slot, At: e.now.Add(-r.Age), By: c.id, Payload: append([]byte(nil), r.Payload...)}
	switch {
	case n.Owner == c.id || n.wasOwner(c.id) || n.Intent.Target != c.id && e.stands(&n, &s):
		l.Runs = append([]Run(nil), l.Runs...)
		if n.Owner == c.id && l.Filled(s.Slot) {
			e.renumber(&n, &s)
		}
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

// stands reports whether a sample of one that has not got the node from this
// manager was taken when its slot ran. Where there are several levels an ILM
// may change hands, or be adopted, with what it polled for a manager between in
// its log: nobody else may have polled those slots, and whether anybody knows
// who gave it the node depends on what else has happened by the time the log is
// read.
func (e *Engine) stands(n *Node, s *Stored) bool {
	every := e.interval(n)
	since := s.At.Sub(due(n.Zero, every, s.Slot))
	return e.layered() && since > -every && since < 2*every
}

// renumber takes the owner's schedule from a sample whose slot is filled, if it is
// of another schedule than the manager knows: its list, or one below it that this
// manager does not see start, counts from an earlier slot since its clock was set
// back. Its row is to be looked at, and given the slots that are due (behind).
func (e *Engine) renumber(n *Node, s *Stored) {
	every := e.interval(n)
	if s.At.Sub(due(n.Zero, every, s.Slot)) > 2*every {
		n.Zero = s.At.Add(-time.Duration(s.Slot) * every)
		e.state.Nodes[n.ID] = *n // not worth a write of its own
	}
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
