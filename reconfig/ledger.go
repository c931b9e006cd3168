package reconfig

import (
	"slices"
	"sort"

	"simone/mib"
)

// maxRuns bounds a ledger: with more gaps than this the oldest are closed, so
// that samples that are later still count as late and are refused.
const maxRuns = 256

// Ledger says which slots of one node are filled, as runs of slots, and keeps
// aside what the target of a move has sampled before the move is committed.
type Ledger struct {
	Runs    []Run // sorted, disjoint, not adjacent
	Held    []HeldSample
	Refused uint64 // samples for slots that were filled already
}

// Run is the slots From to To, both filled, with all between.
type Run struct{ From, To uint32 }

// HeldSample is a sample of a move's target, kept aside until the commit.
type HeldSample struct {
	Slot    uint32
	At      Instant
	By      mib.NodeID
	Payload []byte
}

// Filled reports whether the slot has its sample.
func (l *Ledger) Filled(slot uint32) bool {
	i := sort.Search(len(l.Runs), func(i int) bool { return l.Runs[i].To >= slot })
	return i < len(l.Runs) && l.Runs[i].From <= slot
}

// Fill marks the slot; it reports false if it was filled already.
func (l *Ledger) Fill(slot uint32) bool {
	i := sort.Search(len(l.Runs), func(i int) bool { return l.Runs[i].To >= slot })
	if i < len(l.Runs) && l.Runs[i].From <= slot {
		return false
	}
	left := i > 0 && l.Runs[i-1].To+1 == slot
	right := i < len(l.Runs) && l.Runs[i].From == slot+1
	switch {
	case left && right:
		l.Runs[i-1].To = l.Runs[i].To
		l.Runs = slices.Delete(l.Runs, i, i+1)
	case left:
		l.Runs[i-1].To = slot
	case right:
		l.Runs[i].From = slot
	default:
		l.Runs = slices.Insert(l.Runs, i, Run{slot, slot})
		if len(l.Runs) > maxRuns {
			l.Runs[1].From = l.Runs[0].From
			l.Runs = slices.Delete(l.Runs, 0, 1)
		}
	}
	return true
}

// Last is the highest filled slot; 0 is none.
func (l *Ledger) Last() uint32 {
	if len(l.Runs) == 0 {
		return 0
	}
	return l.Runs[len(l.Runs)-1].To
}

func (l *Ledger) hold(s HeldSample) {
	for i := range l.Held {
		if l.Held[i].Slot == s.Slot {
			return
		}
	}
	l.Held = append(l.Held, s)
}

func (l *Ledger) clone() Ledger {
	return Ledger{slices.Clone(l.Runs), slices.Clone(l.Held), l.Refused}
}
