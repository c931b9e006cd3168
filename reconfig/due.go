package reconfig

import (
	"cmp"
	"container/heap"
	"slices"

	"simone/mib"
)

// Poll is one poll that is due.
type Poll struct {
	Row  mib.SupportRow
	Slot uint32
	Due  Instant
	// Failing says that the node has not answered lately: a cheap probe will do.
	Failing bool
}

// failsWhen is how many polls in a row must stay unanswered, each with its
// retries, until a node counts as failing: a move must not be given up for
// one lost datagram.
const failsWhen = 2

// maxBackoff is the most slots that a node which does not answer is left
// alone between polls.
const maxBackoff = 8

// Due takes the polls that are due at now, oldest first. The host starts each
// and answers it with Polled or Failed, or concludes it with Shed at once. The slice is valid until the next call.
func (l *List) Due(now Instant) []Poll {
	polls := l.dueTrials(now, l.due[:0])
	for len(l.queue) > 0 && l.queue[0].at <= now {
		e := l.queue[0]
		step := uint32(1)
		if late := now.Sub(e.at); late > e.Row.Interval { // the host was stopped, or overslept
			missed := uint32(late / e.Row.Interval)
			l.SkippedPolls += uint64(missed)
			e.next += missed
			e.at = due(e.Zero, e.Row.Interval, e.next)
		}
		if e.flying != 0 {
			// The poll before left late, or has to be repeated. This one leaves
			// as soon as that has ended, unless the next is due by then.
			if e.waiting != 0 {
				l.SkippedPolls++
			}
			e.waiting = e.next
		} else {
			polls = append(polls, Poll{Row: e.Row, Slot: e.next, Due: e.at, Failing: e.failing})
			e.flying = e.next
			e.polls++
			if e.failures > 1 {
				step = min(e.failures, maxBackoff)
			}
		}
		e.next += step
		e.at = due(e.Zero, e.Row.Interval, e.next)
		heap.Fix(&l.queue, 0)
	}
	l.due = polls
	return polls
}

// Next is when the next poll is due; ok is false if there is none.
func (l *List) Next() (Instant, bool) {
	if len(l.trials) > 0 {
		return l.trialsAt, true
	}
	if len(l.queue) == 0 {
		return 0, false
	}
	return l.queue[0].at, true
}

// Polled concludes a poll that was answered: the sample goes into the log.
func (l *List) Polled(now Instant, node mib.NodeID, slot uint32, s mib.Sample) {
	e, have := l.rows[node]
	if slot == trialSlot {
		if have {
			e.tried = e.samples == 0
			e.learn(now, s)
		}
		return
	}
	l.packed = s.Append(l.packed[:0])
	l.log.add(mib.Record{Kind: mib.RecordSample, Node: node, Slot: slot, Payload: slices.Clone(l.packed)}, now)
	if !have {
		return
	}
	l.landed(e, slot)
	e.concluded(slot)
	if e.proved(slot) {
		if e.ownFirst == 0 {
			e.ownFirst = slot
		}
		e.ownSamples++
	}
	e.learn(now, s)
	if e.failing {
		l.log.add(mib.Record{Kind: mib.RecordBack, Node: node, Slot: slot}, now)
		e.failing = false
		if i := slotAt(e.Zero, e.Row.Interval, now); i < e.next { // end the back-off
			e.next, e.at = i, due(e.Zero, e.Row.Interval, i)
			heap.Fix(&l.queue, e.heapAt)
		}
	}
	e.failures = 0
}

// learn takes what an answer tells beside the values.
func (e *entry) learn(now Instant, s mib.Sample) {
	e.lastAt = now
	e.cost = s.Cost
	if e.rtt == 0 {
		e.rtt = s.RTT
	}
	e.jitter += ((s.RTT - e.rtt).Abs() - e.jitter) / 16 // RFC 3550, 6.4.1
	e.rtt += (s.RTT - e.rtt) / 8                        // RFC 6298, 2.3
}

// proved notes a sample, of this manager or of one below, and reports whether it
// says that the row is polled: one that was taken for an earlier row of the node
// and comes late does not, and no commit is to rest on it.
func (e *entry) proved(slot uint32) bool {
	if slot < e.begun {
		return false
	}
	if e.first == 0 {
		e.first = slot
	}
	e.samples++
	return true
}

// Shed concludes a poll that did not leave, as the host has no time for it:
// nothing of that is the node's fault.
func (l *List) Shed(node mib.NodeID, slot uint32) {
	l.SkippedPolls++
	e, have := l.rows[node]
	if !have {
		return
	}
	e.polls--
	if slot == trialSlot {
		return
	}
	l.landed(e, slot)
	e.concluded(slot)
}

// landed notes that a poll has ended: one that waited for that is due.
func (l *List) landed(e *entry, slot uint32) {
	if e.flying != slot {
		return
	}
	e.flying = 0
	if e.waiting != 0 && e.heapAt >= 0 {
		e.next, e.at = e.waiting, due(e.Zero, e.Row.Interval, e.waiting)
		heap.Fix(&l.queue, e.heapAt)
	}
	e.waiting = 0
}

// concluded notes that this manager is done with a slot; what managers below
// polled before may still come.
func (e *entry) concluded(slot uint32) {
	if e.arrived.next >= e.ownNext {
		e.arrived.begin(slot)
	}
	e.arrived.take(slot)
}

// Failed concludes a poll that nobody answered.
func (l *List) Failed(now Instant, node mib.NodeID, slot uint32) {
	e, have := l.rows[node]
	if !have {
		return
	}
	if slot == trialSlot { // its slots will show
		e.lost++
		return
	}
	l.landed(e, slot)
	e.concluded(slot)
	e.lost++
	e.failures++
	if !e.failing && e.failures >= failsWhen {
		e.failing = true
		l.log.add(mib.Record{Kind: mib.RecordFailing, Node: node, Slot: slot}, now)
	}
}

// dueQueue is a heap of rows by when they are due, then by node.
type dueQueue []*entry

func (q dueQueue) Len() int { return len(q) }
func (q dueQueue) Less(i, j int) bool {
	if c := cmp.Compare(q[i].at, q[j].at); c != 0 {
		return c < 0
	}
	return q[i].Row.Node < q[j].Row.Node
}
func (q dueQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].heapAt, q[j].heapAt = i, j
}

// Push implements heap.Interface.
func (q *dueQueue) Push(x any) {
	e := x.(*entry)
	e.heapAt = len(*q)
	*q = append(*q, e)
}

// Pop implements heap.Interface.
func (q *dueQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	e.heapAt = -1
	*q = old[:len(old)-1]
	return e
}
