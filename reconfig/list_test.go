package reconfig

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"simone/mib"
)

const start = Instant(1_000_000_000_000)

func fence(term, seq uint32) mib.Fence { return mib.Fence{Parent: 1, Term: term, Seq: seq} }

func epoch(n uint32) mib.Epoch { return mib.Epoch{1<<16 | n} }

// row is a row for a node at an epoch, due at slot 5 in half a second.
func row(node mib.NodeID, ep uint32) mib.SupportRow {
	return mib.SupportRow{
		Node: node, Epoch: epoch(ep), Slot: 5, Due: 500 * time.Millisecond, Interval: time.Second, Kind: mib.KindLeaf,
		Name: fmt.Sprint("n", node), Address: "192.0.2.1:161",
	}
}

// listTest is a list with a fence that counts up.
type listTest struct {
	*List
	t   *testing.T
	seq uint32
}

func newListTest(t *testing.T, limits ListLimits) *listTest {
	limits.Incarnation = 7
	limits.Without = GuardTrial // trial_test.go has these polls
	return &listTest{List: NewList(ListState{Active: true}, limits, start), t: t}
}

func (l *listTest) set(now Instant, set ControlSet) (*ListChange, *Refusal) {
	l.seq++
	set.Fence = fence(1, l.seq)
	ch, ref := l.Plan(now, set)
	if ch != nil {
		l.Apply(now, ch)
	}
	return ch, ref
}

func (l *listTest) mustSet(now Instant, set ControlSet) *ListChange {
	l.t.Helper()
	ch, ref := l.set(now, set)
	if ref != nil {
		l.t.Fatalf("%v: %v", set.Verb, ref)
	}
	return ch
}

func stage(rows ...mib.SupportRow) ControlSet {
	return ControlSet{Verb: Stage, Apply: mib.Apply{Stage: rows}}
}

func release(node mib.NodeID, ep uint32) ControlSet {
	return ControlSet{Verb: Release, Apply: mib.Apply{Destroy: []mib.Tombstone{{Node: node, Epoch: epoch(ep)}}}}
}

// due is the nodes that are due at an instant, with their slots.
func (l *listTest) due(now Instant) (out []string) {
	for _, p := range l.Due(now) {
		out = append(out, fmt.Sprintf("%d/%d", p.Row.Node, p.Slot))
	}
	return out
}

func (l *listTest) mustDue(now Instant, want ...string) {
	l.t.Helper()
	if got := l.due(now); !slices.Equal(got, want) {
		l.t.Errorf("due %v after the start: %v, want %v", now.Sub(start), got, want)
	}
}

func TestListFence(t *testing.T) {
	own := mib.Epoch{1 << 16}
	base := mib.Fence{Parent: 1, Own: own, Term: 3, Seq: 4}
	content := stage(row(2, 1))
	for _, c := range []struct {
		name   string
		fence  mib.Fence
		set    ControlSet
		repeat bool    // answered as before
		why    Failure // 0: accepted
	}{
		{"higher sequence", mib.Fence{Parent: 1, Own: own, Term: 3, Seq: 5}, content, false, 0},
		{"lower sequence", mib.Fence{Parent: 1, Own: own, Term: 3, Seq: 3}, content, false, FenceStale},
		{"higher term, lower sequence", mib.Fence{Parent: 1, Own: own, Term: 4, Seq: 1}, content, false, 0},
		{"lower term, higher sequence", mib.Fence{Parent: 1, Own: own, Term: 2, Seq: 9}, content, false, FenceStale},
		{"higher own epoch, lower term", mib.Fence{Parent: 1, Own: mib.Epoch{2 << 16}, Term: 1, Seq: 1}, content, false, 0},
		{"lower own epoch, higher term", mib.Fence{Parent: 1, Term: 9, Seq: 9}, content, false, FenceStale},
		{"higher, another parent", mib.Fence{Parent: 5, Own: own, Term: 3, Seq: 5}, content, false, 0},
		{"equal, equal content", base, content, true, 0},
		{"equal, other content", base, stage(row(2, 2)), false, FenceStale},
		{"equal, other verb", base, ControlSet{Verb: Claim}, false, FenceStale},
		{"equal, other parent", mib.Fence{Parent: 5, Own: own, Term: 3, Seq: 4}, content, false, FenceStale},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewList(ListState{Active: true}, ListLimits{}, start)
			first := content
			first.Fence = base
			ch, ref := l.Plan(start, first)
			if ref != nil {
				t.Fatal(ref)
			}
			l.Apply(start, ch)
			before := l.Digest()
			c.set.Fence = c.fence
			ch, ref = l.Plan(start, c.set)
			switch {
			case c.why != 0 && (ref == nil || ref.Why != c.why):
				t.Errorf("refusal %v, want %v", ref, c.why)
			case c.why == 0 && ref != nil:
				t.Errorf("refused: %v", ref)
			case c.why == 0 && (ch == nil) != c.repeat:
				t.Errorf("change %+v; a repetition: %v", ch, c.repeat)
			}
			if l.Fence() != base || l.Digest() != before {
				t.Error("Plan changed the list")
			}
		})
	}
}

func TestListRefusesRows(t *testing.T) {
	change := func(f func(*mib.SupportRow)) ControlSet {
		r := row(9, 1)
		f(&r)
		return stage(r)
	}
	for _, c := range []struct {
		name string
		set  ControlSet
		why  Failure
	}{
		{"no node", change(func(r *mib.SupportRow) { r.Node = 0 }), Malformed},
		{"no epoch", change(func(r *mib.SupportRow) { r.Epoch = mib.Epoch{} }), Malformed},
		{"interval of 9 ms", change(func(r *mib.SupportRow) { r.Interval = 9 * time.Millisecond }), Malformed},
		{"no kind", change(func(r *mib.SupportRow) { r.Kind = 0 }), Malformed},
		{"unknown kind", change(func(r *mib.SupportRow) { r.Kind = 4 }), Malformed},
		{"below the row's epoch", stage(row(2, 4)), EpochStale},
		{"at its tombstone", stage(row(3, 8)), EpochStale},
		{"below its tombstone", stage(row(3, 7)), EpochStale},
		{"not held", change(func(r *mib.SupportRow) { r.Profile = "secret" }), NotHeld},
		{"one too many", stage(row(5, 1), row(6, 1), row(7, 1)), NotHeld},
		{"good and bad together", stage(row(5, 1), row(3, 8)), EpochStale},
		{"demotion with rows", ControlSet{Verb: Demote}, Malformed},
		{"unknown verb", ControlSet{Verb: 99}, Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newListTest(t, ListLimits{Capacity: 3, Holds: func(r mib.SupportRow) error {
				if r.Profile == "secret" {
					return errors.New("no such profile")
				}
				return nil
			}})
			l.mustSet(start, stage(row(2, 5)))
			l.mustSet(start, release(3, 8))
			fence, digest := l.Fence(), l.Digest()
			_, ref := l.set(start, c.set)
			if ref == nil || ref.Why != c.why {
				t.Fatalf("refusal %v, want %v", ref, c.why)
			}
			if ref.Error() == "" || l.Fence() != fence || l.Digest() != digest || l.Len() != 1 {
				t.Errorf("after a refusal: text %q, fence %v, %d rows", ref, l.Fence(), l.Len())
			}
		})
	}
	t.Run("a leaf", func(t *testing.T) {
		l := NewList(ListState{}, ListLimits{}, start)
		set := stage(row(2, 1))
		set.Fence = fence(1, 1)
		if _, ref := l.Plan(start, set); ref == nil || ref.Why != NotILM {
			t.Errorf("a leaf takes a row: %v", ref)
		}
	})
	t.Run("capacity counts new rows only", func(t *testing.T) {
		l := newListTest(t, ListLimits{Capacity: 2})
		l.mustSet(start, stage(row(2, 1), row(3, 1)))
		l.mustSet(start, stage(row(2, 2), row(3, 2)))
	})
}

func TestListTombstones(t *testing.T) {
	l := newListTest(t, ListLimits{})
	l.mustSet(start, stage(row(2, 5)))
	l.mustSet(start, release(2, 4))
	if l.Len() != 1 {
		t.Fatal("a row went by a tombstone below its epoch")
	}
	l.mustSet(start, release(2, 6))
	if l.Len() != 0 || l.Tombstone(2) != epoch(6) {
		t.Fatalf("%d rows, tombstone %v", l.Len(), l.Tombstone(2))
	}
	l.mustSet(start, release(2, 3))
	if l.Tombstone(2) != epoch(6) {
		t.Errorf("a lower tombstone replaced a higher one: %v", l.Tombstone(2))
	}
	if _, ref := l.set(start, stage(row(2, 6))); ref == nil || ref.Why != EpochStale {
		t.Errorf("a row at its tombstone came back: %v", ref)
	}
	l.mustSet(start, stage(row(2, 7)))
}

func TestListRestage(t *testing.T) {
	l := newListTest(t, ListLimits{})
	l.mustSet(start, stage(row(2, 1)))
	l.mustDue(start.Add(500*time.Millisecond), "2/5")
	l.Polled(start.Add(510*time.Millisecond), 2, 5, mib.Sample{})
	t.Run("a higher epoch keeps slots and samples", func(t *testing.T) {
		r := row(2, 2)
		r.Slot, r.Due = 6, 40*time.Millisecond // what the parent believes
		l.mustSet(start.Add(600*time.Millisecond), stage(r))
		s, _ := l.Row(start.Add(600*time.Millisecond), 2)
		if s.Row.Epoch != epoch(2) || s.Row.Slot != 6 || s.Row.Due != 900*time.Millisecond || s.Samples != 1 || s.First != 5 {
			t.Errorf("%+v", s)
		}
	})
	t.Run("another interval goes on with the numbers", func(t *testing.T) {
		r := row(2, 3)
		r.Interval = 3 * time.Second
		l.mustSet(start.Add(700*time.Millisecond), stage(r))
		l.mustDue(start.Add(1500*time.Millisecond), "2/6")
		l.Polled(start.Add(1510*time.Millisecond), 2, 6, mib.Sample{})
		l.mustDue(start.Add(4499 * time.Millisecond))
		l.mustDue(start.Add(4500*time.Millisecond), "2/7")
	})
	t.Run("slots that the parent is ahead with are taken", func(t *testing.T) {
		r := row(2, 4)
		r.Slot, r.Due, r.Interval = 100, 250*time.Millisecond, 3*time.Second
		l.mustSet(start.Add(5*time.Second), stage(r))
		l.mustDue(start.Add(5249 * time.Millisecond))
		l.Polled(start.Add(5249*time.Millisecond), 2, 7, mib.Sample{})
		l.mustDue(start.Add(5250*time.Millisecond), "2/100")
	})
}

func TestListUndo(t *testing.T) {
	l := newListTest(t, ListLimits{})
	l.mustSet(start, stage(row(2, 5), row(3, 5)))
	l.mustSet(start, release(4, 3))
	fence, digest := l.Fence(), l.Digest()
	for _, set := range []ControlSet{
		{Verb: Stage, Apply: mib.Apply{Stage: []mib.SupportRow{row(2, 6), row(5, 1)}}},
		{Verb: Release, Apply: mib.Apply{Destroy: []mib.Tombstone{{Node: 3, Epoch: epoch(9)}, {Node: 4, Epoch: epoch(9)}, {Node: 6, Epoch: epoch(1)}}}},
		{Verb: Promote, Settings: IlmSettings{TriggerMillis: 1, PollMillis: 2}},
		{Verb: Claim},
	} {
		t.Run(set.Verb.String(), func(t *testing.T) {
			ch := l.mustSet(start, set)
			l.Apply(start, ch.Undo())
			if l.Fence() != fence || l.Digest() != digest || !l.Active() || l.Settings() != (IlmSettings{}) {
				t.Errorf("fence %v, digest %+v", l.Fence(), l.Digest())
			}
			for node, want := range map[mib.NodeID]mib.Epoch{3: {}, 4: epoch(3), 6: {}} {
				if got := l.Tombstone(node); got != want {
					t.Errorf("tombstone of %d: %v, want %v", node, got, want)
				}
			}
			if next, ok := l.Next(); !ok || next != start.Add(500*time.Millisecond) {
				t.Errorf("next poll at %v", next)
			}
		})
	}
}

func TestListDue(t *testing.T) {
	at := func(ms int) Instant { return start.Add(time.Duration(ms) * time.Millisecond) }
	t.Run("oldest first, each once", func(t *testing.T) {
		l := newListTest(t, ListLimits{})
		early := row(9, 1)
		early.Due = 100 * time.Millisecond
		l.mustSet(start, stage(row(2, 1), row(3, 1), early))
		l.mustDue(at(99))
		l.mustDue(at(600), "9/5", "2/5", "3/5")
		l.mustDue(at(600))
	})
	t.Run("the next poll waits for one that is out", func(t *testing.T) {
		l := newListTest(t, ListLimits{})
		l.mustSet(start, stage(row(2, 1)))
		l.mustDue(at(500), "2/5")
		l.mustDue(at(1500))
		if next, _ := l.Next(); next != at(2500) {
			t.Errorf("next poll at %v", next)
		}
		l.Polled(at(1600), 2, 5, mib.Sample{})
		if next, _ := l.Next(); next > at(1600) {
			t.Errorf("next poll at %v", next)
		}
		l.mustDue(at(1600), "2/6")
		l.Failed(at(1900), 2, 6)
		l.mustDue(at(1900))
		l.mustDue(at(2500), "2/7")
		if l.SkippedPolls != 0 {
			t.Errorf("%d skipped", l.SkippedPolls)
		}
	})
	t.Run("a poll that is out for long skips slots", func(t *testing.T) {
		l := newListTest(t, ListLimits{})
		l.mustSet(start, stage(row(2, 1)))
		l.mustDue(at(500), "2/5")
		l.mustDue(at(1500))
		l.mustDue(at(2500))
		l.Polled(at(2600), 2, 5, mib.Sample{})
		l.mustDue(at(2600), "2/7")
		if l.SkippedPolls != 1 {
			t.Errorf("%d skipped", l.SkippedPolls)
		}
	})
	t.Run("a host that overslept skips what is past", func(t *testing.T) {
		l := newListTest(t, ListLimits{})
		l.mustSet(start, stage(row(2, 1)))
		l.mustDue(at(10_700), "2/15")
		l.Polled(at(10_710), 2, 15, mib.Sample{})
		l.mustDue(at(11_500), "2/16")
		if l.SkippedPolls != 10 {
			t.Errorf("%d skipped", l.SkippedPolls)
		}
	})
	t.Run("a dead node is asked less often, and at its pace again when it answers", func(t *testing.T) {
		l := newListTest(t, ListLimits{})
		l.mustSet(start, stage(row(2, 1)))
		var slots []uint32
		for now := start; now < at(40_000); now = now.Add(500 * time.Millisecond) {
			for _, p := range l.Due(now) {
				slots = append(slots, p.Slot)
				l.Failed(now.Add(200*time.Millisecond), 2, p.Slot)
			}
		}
		if want := []uint32{5, 6, 7, 9, 12, 16, 21, 27, 34, 42}; !slices.Equal(slots, want) {
			t.Errorf("slots %v, want %v", slots, want)
		}
		s, _ := l.Row(at(40_000), 2)
		if !s.Failing || s.Failures != 10 || s.Samples != 0 {
			t.Errorf("%+v", s)
		}
		next, _ := l.Next()
		p := l.Due(next)
		l.Polled(next.Add(10*time.Millisecond), 2, p[0].Slot, mib.Sample{})
		if again, _ := l.Next(); again.Sub(next) != time.Second {
			t.Errorf("after an answer the next poll is in %v", again.Sub(next))
		}
		kinds := ""
		for _, r := range l.Log().Read(next, Cursor{}, 100) {
			kinds += fmt.Sprint(r.Kind, " ")
		}
		if kinds != "2 4 1 5 " { // added, failing, sample, back
			t.Errorf("log: %s", kinds)
		}
	})
	t.Run("one lost poll is no failing", func(t *testing.T) {
		l := newListTest(t, ListLimits{})
		l.mustSet(start, stage(row(2, 1)))
		l.mustDue(at(500), "2/5")
		l.Failed(at(700), 2, 5)
		if s, _ := l.Row(at(700), 2); s.Failing || s.Lost != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// A slot that has passed is taken by the parent for a logged one: it must not
// show as passed while its answer may still come.
func TestListConcludesASlotWhenItsAnswerIsInTheLog(t *testing.T) {
	l := newListTest(t, ListLimits{})
	l.mustSet(start, stage(row(2, 1)))
	slot := func(ms int) uint32 {
		s, _ := l.Row(start.Add(time.Duration(ms)*time.Millisecond), 2)
		return s.Row.Slot
	}
	if slot(0) != 5 {
		t.Errorf("slot %d before the poll", slot(0))
	}
	l.mustDue(start.Add(500*time.Millisecond), "2/5")
	if slot(501) != 5 {
		t.Errorf("slot %d while the poll is out", slot(501))
	}
	l.Polled(start.Add(510*time.Millisecond), 2, 5, mib.Sample{})
	if slot(511) != 6 {
		t.Errorf("slot %d after the answer", slot(511))
	}
	l.mustDue(start.Add(1500*time.Millisecond), "2/6")
	l.Failed(start.Add(1700*time.Millisecond), 2, 6)
	if slot(1701) != 7 {
		t.Errorf("slot %d after the poll was given up", slot(1701))
	}
}

// An answer that comes when its row is gone is a sample all the same.
func TestListKeepsTheSampleOfARowThatIsGone(t *testing.T) {
	l := newListTest(t, ListLimits{})
	l.mustSet(start, stage(row(2, 1)))
	l.mustDue(start.Add(500*time.Millisecond), "2/5")
	l.mustSet(start.Add(505*time.Millisecond), release(2, 1))
	l.Polled(start.Add(510*time.Millisecond), 2, 5, mib.Sample{})
	l.Failed(start.Add(510*time.Millisecond), 2, 6)
	if r, ok := l.Log().After(start, 2); !ok || r.Kind != mib.RecordSample || r.Slot != 5 {
		t.Errorf("%+v", r)
	}
}

func TestLogBoundAndAcknowledgement(t *testing.T) {
	l := newListTest(t, ListLimits{LogRecords: 16})
	l.mustSet(start, stage(row(2, 1)))
	for slot := uint32(1); slot <= 30; slot++ {
		l.Polled(start.Add(time.Duration(slot)*time.Second), 2, slot, mib.Sample{})
	}
	log := l.Log()
	if head := log.Head(); head != (Cursor{7, 31}) || log.Tail() < 15 || int(head.Seq-log.Tail()) > 16 || log.Dropped() != uint64(log.Tail()) {
		t.Errorf("head %+v, tail %d, dropped %d", head, log.Tail(), log.Dropped())
	}
	now := start.Add(40 * time.Second)
	all := log.Read(now, Cursor{}, 100)
	if len(all) != int(31-log.Tail()) || all[0].Seq != log.Tail()+1 || all[len(all)-1].Age != 10*time.Second {
		t.Errorf("%d records from %d, newest %v old", len(all), all[0].Seq, all[len(all)-1].Age)
	}
	if some := log.Read(now, Cursor{7, 28}, 2); len(some) != 2 || some[0].Seq != 29 {
		t.Errorf("after 28: %+v", some)
	}
	if other := log.Read(now, Cursor{6, 28}, 100); len(other) != len(all) {
		t.Errorf("a cursor of another incarnation reads %d of %d", len(other), len(all))
	}
	dropped := log.Dropped()
	for _, c := range []struct {
		name string
		ack  Cursor
		tail uint32
	}{
		{"another incarnation", Cursor{6, 31}, log.Tail()},
		{"part", Cursor{7, 29}, 29},
		{"less than before", Cursor{7, 20}, 29},
		{"more than there is", Cursor{7, 1000}, 31},
	} {
		l.mustSet(now, ControlSet{Verb: Acknowledge, Cursor: c.ack})
		if log.Tail() != c.tail || log.Dropped() != dropped {
			t.Errorf("%s: tail %d, want %d", c.name, log.Tail(), c.tail)
		}
	}
	l.Polled(now, 2, 99, mib.Sample{})
	if log.Head().Seq != 32 {
		t.Errorf("numbers begin anew: %+v", log.Head())
	}
}

func TestListRestart(t *testing.T) {
	state := ListState{Active: true, Fence: fence(1, 9), Rows: map[mib.NodeID]ListRow{2: {Row: row(2, 1), Zero: start.Add(-4500 * time.Millisecond)}}, Tombs: map[mib.NodeID]mib.Epoch{3: epoch(8)}}
	for _, c := range []struct {
		name  string
		after time.Duration
		due   time.Duration // of the next poll, from then
		slot  uint32
	}{
		{"at once", 0, 500 * time.Millisecond, 5},
		{"a little late", 700 * time.Millisecond, -200 * time.Millisecond, 5},
		{"slots later", 100 * time.Second, 500 * time.Millisecond, 105},
		{"its clock a little behind", -time.Second, 1500 * time.Millisecond, 5},
		{"its clock far behind", -time.Hour, 500 * time.Millisecond, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := start.Add(c.after)
			l := NewList(state, ListLimits{Incarnation: 8}, now)
			s, ok := l.Row(now, 2)
			if !ok || s.Row.Slot != c.slot || s.Row.Due != c.due {
				t.Errorf("slot %d due in %v; want %d in %v", s.Row.Slot, s.Row.Due, c.slot, c.due)
			}
			if l.Fence() != fence(1, 9) || l.Tombstone(3) != epoch(8) || !l.Active() {
				t.Error("fence, tombstones or role were lost")
			}
		})
	}
}

// The digest is that of the rows, whatever happened to them.
func TestListDigest(t *testing.T) {
	l := newListTest(t, ListLimits{})
	l.mustSet(start, stage(row(2, 1), row(3, 1), row(4, 1)))
	l.mustSet(start, stage(row(3, 2)))
	l.mustSet(start, release(2, 1))
	var want mib.Digest
	want.Add(3, epoch(2))
	want.Add(4, epoch(1))
	if l.Digest() != want {
		t.Errorf("%+v, want %+v", l.Digest(), want)
	}
}
