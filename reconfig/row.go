package reconfig

import (
	"time"

	"simone/mib"
)

// RowStatus is one row of the list with what was learned of its node.
type RowStatus struct {
	Row         mib.SupportRow // Slot and Due are the next slot's that is not concluded
	First       uint32
	Samples     uint32
	Failing     bool
	Failures    uint32
	LastAt      Instant // 0: never
	RTT, Jitter time.Duration
	Cost        time.Duration
	Polls, Lost uint64
	// Away says that a manager below polls the node. Inner is the
	// epoch at which this manager's engine has it, zero without one.
	Away  bool
	Inner mib.Epoch
}

// Row gives the status of a row.
func (l *List) Row(now Instant, id mib.NodeID) (RowStatus, bool) {
	e, have := l.rows[id]
	if !have {
		return RowStatus{}, false
	}
	s := RowStatus{
		Row: e.Row, Failing: e.failing, Failures: e.failures,
		LastAt: e.lastAt, RTT: e.rtt, Jitter: e.jitter, Cost: e.cost, Polls: e.polls, Lost: e.lost, Away: e.Away, Inner: e.Inner,
	}
	// A slot is concluded when its answer is in the log or given up, not when
	// its poll has left: the parent takes a passed slot for a logged one.
	s.Row.Slot = e.next
	if e.flying != 0 {
		s.Row.Slot = e.flying
	}
	// What is under way below is given this time to arrive; a slot that has not
	// come then does not hold up those that have come after it.
	below := e.arrived
	below.begin(slotAt(e.Zero, e.Row.Interval, now.Add(-awaySlots*e.Row.Interval-l.state.Settings.belowDelay())))
	switch {
	case e.Away:
		s.Row.Slot = below.next
	case below.next < e.ownNext:
		s.Row.Slot = min(s.Row.Slot, below.next)
	}
	s.First, s.Samples = e.proof(s.Row.Slot)
	s.Row.Due = due(e.Zero, e.Row.Interval, s.Row.Slot).Sub(now)
	return s, true
}

// awaySlots is after how many intervals, and belowDelay, a slot of a node that a
// manager below polls counts as concluded without an answer.
const awaySlots = 4

// belowDelay is how long what was polled below an ILM may take to its log: at
// each level the manager may fail to read a log for almost as long as it takes
// to call an ILM silent.
func (i IlmSettings) belowDelay() time.Duration {
	return (mib.Levels - 2) * time.Duration(i.Rules.Misses+1) * time.Duration(i.Rules.ProbeMillis) * time.Millisecond
}

// Relay takes a record of a manager below into the log.
func (l *List) Relay(now Instant, r mib.Record) {
	at := now.Add(-r.Age)
	e, have := l.rows[r.Node]
	switch {
	case !have:
	case r.Kind == mib.RecordSample:
		if e.Away {
			e.follow(r.Slot, at)
		}
		e.proved(r.Slot)
		e.lastAt = max(e.lastAt, at)
		e.failing, e.failures = false, 0
		if e.Away {
			e.next = max(e.next, r.Slot+1)
		}
		e.arrived.take(r.Slot)
	case r.Kind == mib.RecordFailing:
		e.failing = e.Away || e.failing
	case r.Kind == mib.RecordBack:
		e.failing = !e.Away && e.failing
	}
	l.log.add(mib.Record{Kind: r.Kind, Node: r.Node, Slot: r.Slot, Payload: r.Payload}, at)
}

// follow has a row that is away go by the numbers of who polls it. Clocks drift
// apart, and one that was set while its list was down has that count other slots
// than the manager below does: what comes from there would be taken for what was
// polled before the row began, or for slots that are long past, for good. What
// was taken before the row began tells nothing.
func (e *entry) follow(slot uint32, at Instant) {
	if at < e.since || at <= e.followed {
		return
	}
	e.followed = at
	every := e.Row.Interval
	if late := at.Sub(due(e.Zero, every, slot)); late > -every && late < 2*every {
		return
	}
	e.Zero = at.Add(-time.Duration(slot) * every)
	e.begun, e.next, e.first, e.samples = slot, slot, 0, 0
	e.arrived = arrivals{next: slot}
}
