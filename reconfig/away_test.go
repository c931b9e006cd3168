package reconfig

import (
	"testing"
	"time"

	"simone/mib"
)

// away is a list with one row, node 5, that a manager below polls once a second:
// slot 1 was due a second before now.
func away(now Instant) *List {
	row := grantedRow(5, mib.Epoch{1 << 16}, 1, time.Second)
	return NewList(ListState{Active: true, Rows: map[mib.NodeID]ListRow{5: {Row: row, Zero: now.Add(-2 * time.Second), Inner: mib.Epoch{1 << 16, 1}, Away: true}}},
		ListLimits{Incarnation: 1}, now)
}

// relayed brings samples that were taken when their slots were due.
func relayed(l *List, now Instant, slots ...uint32) {
	for _, slot := range slots {
		age := now.Sub(due(l.rows[5].Zero, l.rows[5].Row.Interval, slot))
		l.Relay(now, mib.Record{Kind: mib.RecordSample, Node: 5, Slot: slot, Age: max(age, 0)})
	}
}

// What was polled for a row that has gone says nothing of the one that is there
// now, however it comes.
func TestLateSamplesProveNothing(t *testing.T) {
	l := newListTest(t, ListLimits{})
	l.mustSet(start, stage(row(5, 1)))
	now := start.Add(500 * time.Millisecond)
	l.mustDue(now, "5/5") // the answer is under way
	l.mustSet(now, release(5, 1))
	again := row(5, 2)
	again.Slot, again.Due = 8, 2500*time.Millisecond
	l.mustSet(now, stage(again))
	l.Polled(now, 5, 5, mib.Sample{})
	relayed(l.List, now, 6, 7)
	if s, _ := l.Row(now, 5); s.Samples != 0 || s.First != 0 {
		t.Errorf("%d samples from slot %d on before anybody has polled slot 8", s.Samples, s.First)
	}
	relayed(l.List, now, 8)
	if s, _ := l.Row(now, 5); s.Samples != 1 || s.First != 8 {
		t.Errorf("%d samples from slot %d on after slot 8", s.Samples, s.First)
	}
}

// A row that is away is behind by what the logs below are behind. To raise its
// epoch neither renumbers it nor passes what is still to come; but what has come
// before proves it no more, as it may have ended since.
func TestRaisedRowThatIsAway(t *testing.T) {
	now := Instant(1e18)
	l := away(now)
	relayed(l, now.Add(2*time.Second), 2, 3)
	now = now.Add(4 * time.Second) // slots 4 and 5 are on their way
	if s, _ := l.Row(now, 5); s.Row.Slot != 4 || s.Samples != 2 {
		t.Fatalf("slot %d, %d samples", s.Row.Slot, s.Samples)
	}
	mustStage(t, l, now, 1, grantedRow(5, mib.Epoch{1<<16 | 1}, 7, time.Second))
	if s, _ := l.Row(now, 5); s.Row.Slot != 4 || s.Samples != 0 {
		t.Errorf("slot %d, %d samples after the epoch was raised", s.Row.Slot, s.Samples)
	}
	relayed(l, now, 4, 5, 6)
	if s, _ := l.Row(now, 5); s.Row.Slot != 7 || s.Samples != 0 {
		t.Errorf("slot %d, %d samples when all has come that was polled before", s.Row.Slot, s.Samples)
	}
	relayed(l, now, 7)
	if s, _ := l.Row(now, 5); s.Samples != 1 || s.First != 7 {
		t.Errorf("%d samples from slot %d on", s.Samples, s.First)
	}
}

// A slot that never comes is waited for as long as logs may take, and does not
// hold up those after it then.
func TestSlotThatNeverComes(t *testing.T) {
	begun := Instant(1e18)
	l := away(begun)
	l.state.Settings.Rules = Rules{ProbeMillis: 500, Misses: 3}
	wait := awaySlots*time.Second + l.state.Settings.belowDelay()
	if want := 8 * time.Second; wait != want { // two levels below, two seconds each
		t.Fatalf("waits %v, want %v", wait, want)
	}
	relayed(l, begun, 1, 2, 4, 5, 6, 7, 8, 9, 10) // not 3, which was due a second after the beginning
	for _, at := range []struct {
		after time.Duration
		slot  uint32
	}{{wait, 3}, {wait + 1500*time.Millisecond, 11}} {
		if s, _ := l.Row(begun.Add(at.after), 5); s.Row.Slot != at.slot {
			t.Errorf("after %v: slot %d, want %d", at.after, s.Row.Slot, at.slot)
		}
	}
}

// The clock of a list was set while it was down: the manager below goes on with
// its own numbers, and by those the row proves itself, not by the clock.
func TestClockSetWhileRowsAreAway(t *testing.T) {
	for name, set := range map[string]time.Duration{"ahead": 90 * time.Minute, "back": -90 * time.Second} {
		t.Run(name, func(t *testing.T) {
			begun := Instant(1e18).Add(100 * time.Second)
			row := grantedRow(5, mib.Epoch{1 << 16}, 1, time.Second)
			now := begun.Add(set)
			l := NewList(ListState{Active: true, Rows: map[mib.NodeID]ListRow{5: {Row: row, Zero: Instant(1e18), Inner: mib.Epoch{1 << 16, 1}, Away: true}}},
				ListLimits{Incarnation: 1}, now)
			earlier := mib.Record{Kind: mib.RecordSample, Node: 5, Slot: 99, Age: 2 * time.Second}
			l.Relay(now.Add(time.Second), earlier) // taken before this life: how the clocks compare now it does not tell
			if s, _ := l.Row(now, 5); s.Samples > 1 {
				t.Errorf("%d samples", s.Samples)
			}
			for slot := uint32(101); slot <= 104; slot++ {
				l.Relay(now.Add(time.Duration(slot-100)*time.Second), mib.Record{Kind: mib.RecordSample, Node: 5, Slot: slot})
			}
			now = now.Add(4 * time.Second)
			if s, _ := l.Row(now, 5); s.Samples < 3 || s.Row.Slot != 105 {
				t.Errorf("%d samples, next slot %d", s.Samples, s.Row.Slot)
			}
			// Raised, it proves itself by the next sample.
			mustStage(t, l, now, 1, grantedRow(5, mib.Epoch{1<<16 | 1}, 105, time.Second))
			relayed(l, now.Add(time.Second), 105)
			if s, _ := l.Row(now.Add(time.Second), 5); s.Samples != 1 || s.First != 105 || s.Row.Slot != 106 {
				t.Errorf("raised: %d samples from slot %d on, next slot %d", s.Samples, s.First, s.Row.Slot)
			}
		})
	}
}

// What comes from an owner for slots that are long filled tells that its numbers
// have gone back, where nobody has seen a list start: at a manager below it one
// did, whose clock was set back. Its row is looked at, and written again.
func TestFilledSlotsTellThatNumbersWentBack(t *testing.T) {
	now := Instant(1e18)
	e := New(State{Meta: Meta{High: mib.Epoch{1<<16 | 2}}, Nodes: map[mib.NodeID]Node{
		2: {ID: 2, Kind: mib.KindLeaf, Owner: 1, Wanted: true, Epoch: mib.Epoch{1<<16 | 1}},
		3: {ID: 3, Kind: mib.KindLeaf, Owner: 2, Epoch: mib.Epoch{1<<16 | 2}, Zero: now.Add(-65 * time.Second)},
	}, Ledgers: map[mib.NodeID]Ledger{3: {Runs: []Run{{1, 65}}}}}, DefaultSettings(), 1)
	e.settings.Interval = time.Second
	if _, err := e.Step(Restarted{At: At{now}}); err != nil {
		t.Fatal(err)
	}
	c, epoch := e.children[2], e.state.Nodes[3].Epoch
	c.claimed, c.seen, c.full, c.report.Active = true, true, false, true
	brings := func(slot uint32, age time.Duration) {
		clear(e.open)
		e.accept(c, &mib.Record{Kind: mib.RecordSample, Node: 3, Slot: slot, Age: age})
	}
	brings(60, 5*time.Second)
	if _, open := e.open[3]; open {
		t.Error("a sample that came twice opens the node")
	}
	brings(28, 0)
	if _, open := e.open[3]; !open {
		t.Fatal("nobody looks at the row")
	}
	e.setRow(c, &seenRow{RowReport{Row: mib.SupportRow{Node: 3, Epoch: epoch, Slot: 29, Interval: time.Second}}, now})
	if e.settled(3) || !e.settle(3) || !epoch.Less(e.state.Nodes[3].Epoch) {
		t.Errorf("the row stays as it is: node %+v", e.state.Nodes[3])
	}
}
