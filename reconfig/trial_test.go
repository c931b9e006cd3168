package reconfig

import (
	"testing"
	"time"

	"simone/mib"
)

// A row that comes is tried at once, and what that brings proves the row up to
// its first slot, without filling any (docs/protocol.md, Trial).
func TestNewRowIsTriedAtOnce(t *testing.T) {
	now := Instant(1e18)
	stage := func(s IlmSettings) *List {
		l := NewList(ListState{Active: true, Settings: s}, ListLimits{Incarnation: 1}, now)
		row := grantedRow(5, mib.Epoch{1 << 16}, 10, time.Minute)
		row.Due = 30 * time.Second
		mustStage(t, l, now, 1, row)
		return l
	}
	l := stage(IlmSettings{})
	head := l.Log().Head()
	if at, ok := l.Next(); !ok || at != now {
		t.Fatalf("the next poll is at %v", at)
	}
	polls := l.Due(now)
	if len(polls) != 1 || polls[0].Slot != 0 || polls[0].Row.Node != 5 {
		t.Fatalf("due at once: %+v", polls)
	}
	if s, _ := l.Row(now, 5); s.Samples != 0 || s.First != 0 {
		t.Errorf("before the answer: first %d, %d samples", s.First, s.Samples)
	}
	l.Polled(now, 5, 0, mib.Sample{RTT: time.Millisecond, Cost: time.Microsecond})
	s, _ := l.Row(now, 5)
	if s.Samples != 1 || s.First != 10 || s.Row.Slot != 10 || s.RTT != time.Millisecond {
		t.Errorf("after it: first %d, %d samples, next slot %d, rtt %v", s.First, s.Samples, s.Row.Slot, s.RTT)
	}
	if l.Log().Head() != head {
		t.Error("the answer went into the log, though it fills no slot")
	}
	e := New(State{}, DefaultSettings(), 1)
	if !e.proven(&seenRow{RowReport{Row: s.Row, First: s.First, Samples: s.Samples}, now}) {
		t.Error("the row is not proven")
	}
	now = now.Add(30 * time.Second)
	if polls = l.Due(now); len(polls) != 1 || polls[0].Slot != 10 {
		t.Fatalf("due in its slot: %+v", polls)
	}
	l.Polled(now, 5, 10, mib.Sample{})
	if s, _ := l.Row(now, 5); s.Samples != 2 || s.First != 10 {
		t.Errorf("after the first slot: first %d, %d samples", s.First, s.Samples)
	}

	t.Run("an answer that does not come says nothing", func(t *testing.T) {
		l := stage(IlmSettings{})
		l.Due(now)
		l.Failed(now, 5, 0)
		if s, _ := l.Row(now, 5); s.Samples != 0 || s.Failing {
			t.Errorf("%d samples, failing %v", s.Samples, s.Failing)
		}
	})
	t.Run("one sample of a slot does not prove a row", func(t *testing.T) {
		if e.proven(&seenRow{RowReport{Row: mib.SupportRow{Slot: 11}, First: 10, Samples: 1}, now}) {
			t.Error("the row is proven")
		}
	})
	t.Run("managers of managers hand rows on instead", func(t *testing.T) {
		if l := stage(IlmSettings{Levels: 1, Below: 2}); len(l.Due(now.Add(-30*time.Second))) != 0 {
			t.Error("it is tried")
		}
	})
}
