package reconfig

import (
	"time"

	"simone/mib"
)

// A row that comes to a list is tried at once, beside its schedule: the node
// is asked, and the answer proves that this manager reaches it and gives it
// the values from which the first slot's rates are reckoned. So a move need
// not wait until slots have passed, of which both managers would fill each:
// it takes a second or two, whatever the interval. What the trial brings is no
// sample of any slot.

// trialSlot stands for the slot of such a poll.
const trialSlot = 0

// newSlots is up to which slot a row is of a node that has just come: all
// nodes do at once when a tree is begun, and their first slots are soon enough.
const newSlots = 5

// trialFrom is the interval from which on a row is tried. Where slots follow each
// other faster two of them are soon enough, and a poll beside them is a burden.
const trialFrom = 5 * time.Second

// tryRow has a new row tried. Managers with others below hand their rows on,
// and prove them by what comes from there.
func (l *List) tryRow(id mib.NodeID, now Instant) {
	if e := l.rows[id]; e != nil && !e.Away && e.Row.Slot > newSlots && e.Row.Interval >= trialFrom && l.state.Settings.Levels == 0 && l.keeps(GuardTrial) {
		if len(l.trials) == 0 {
			l.trialsAt = now
		}
		l.trials = append(l.trials, id)
	}
}

// dueTrials adds the polls that rows are tried with.
func (l *List) dueTrials(now Instant, polls []Poll) []Poll {
	for _, id := range l.trials {
		if e, have := l.rows[id]; have && !e.Away && e.samples == 0 {
			polls = append(polls, Poll{Row: e.Row, Slot: trialSlot, Due: now})
			e.polls++
		}
	}
	l.trials = l.trials[:0]
	return polls
}

// proof is what proves a row: the first slot from which on it is polled here,
// and how many answers there were. After a trial that slot is still to come.
func (e *entry) proof(next uint32) (first, samples uint32) {
	if !e.tried || e.Away {
		return e.first, e.samples
	}
	if e.first == 0 {
		return next, 1
	}
	return e.first, e.samples + 1
}

// proven reports whether a row at the target of a move shows that the target
// reaches the node and owns a rate when its first slot comes: two samples, or
// a trial before the first slot.
func (e *Engine) proven(r *seenRow) bool {
	return r.at > 0 && (r.Samples >= 2 || r.Samples == 1 && r.First > 0 && r.First >= r.Row.Slot && !e.layered())
}
