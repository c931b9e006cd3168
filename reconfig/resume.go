package reconfig

import (
	"container/heap"

	"simone/mib"
)

// This file has a list go on where an earlier process has left it: the log
// with its numbers, and the slots that came due while nobody ran.

// polledBefore gives what is known of the slots that were polled before this
// process, by node: from the log, if one was kept, and from whoever else knows.
func polledBefore(limits ListLimits) func(mib.NodeID) (slot uint32, known bool) {
	kept := limits.Kept
	if kept == nil || kept.Incarnation == 0 {
		if limits.Polled == nil {
			return func(mib.NodeID) (uint32, bool) { return 0, false }
		}
		return limits.Polled
	}
	last := make(map[mib.NodeID]uint32)
	for _, r := range kept.Records {
		if r.Kind == mib.RecordSample {
			last[r.Node] = max(last[r.Node], r.Slot)
		}
	}
	return func(id mib.NodeID) (uint32, bool) {
		slot := max(last[id], kept.Polled[id])
		if limits.Polled != nil {
			more, _ := limits.Polled(id)
			slot = max(slot, more)
		}
		return slot, true
	}
}

// takeRunning has the slot polled that is running now, if the earlier process
// has not: it came due while nobody ran, and would stay empty. Half of what is
// left of each slot is waited for, so that not all leave at once.
func (l *List) takeRunning(e *entry, polled func(mib.NodeID) (uint32, bool), now Instant) {
	last, known := polled(e.Row.Node)
	if known && !e.Away && e.next <= last && due(e.Zero, e.Row.Interval, last) <= now { // the row is so new that its first slot still runs
		e.next = last + 1
		e.at = due(e.Zero, e.Row.Interval, e.next)
		heap.Fix(&l.queue, e.heapAt)
	}
	running := e.next - 1
	if !known || e.Away || running <= last || running < e.Row.Slot || running == 0 ||
		due(e.Zero, e.Row.Interval, running) > now || due(e.Zero, e.Row.Interval, e.next) <= now {
		return
	}
	e.at = now.Add(due(e.Zero, e.Row.Interval, e.next).Sub(now) / 2)
	e.next, e.begun = running, running
	heap.Fix(&l.queue, e.heapAt)
}

// Flying is how many polls have left and are not concluded.
func (l *List) Flying() (polls int) {
	for _, e := range l.rows {
		if e.flying != 0 {
			polls++
		}
	}
	return polls
}

// LastBatch is the last batch of a process that ends in good order: nobody
// polls any more.
func (l *List) LastBatch() LogBatch {
	b := l.log.Batch(true)
	b.Polled = make(map[mib.NodeID]uint32, len(l.rows))
	for id, e := range l.rows {
		if b.Polled[id] = e.next - 1; e.flying != 0 { // it has left and nobody will hear the answer
			b.Polled[id] = e.flying - 1
		}
	}
	return b
}
