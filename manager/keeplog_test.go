package manager

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"simone/internal/store"
	"simone/mib"
	"simone/profile"
	"simone/reconfig"
)

// keeping makes a bench whose report log outlives it, in a store that several
// lives share.
func keeping(t *testing.T, s *store.Memory, incarnation uint64) *bench {
	t.Helper()
	return newBench(t, func(c *Config) {
		c.Store, c.LogWindow, c.Incarnation = s, time.Second, incarnation
	})
}

// live runs a host until end is called.
func (b *bench) live(t *testing.T) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// slots gives the slots of the samples in a host's log.
func (b *bench) slots() (incarnation uint64, slots []uint32) {
	incarnation, records := b.ReadLog(reconfig.Cursor{Incarnation: 77}, 1000)
	for _, r := range records {
		if r.Kind == mib.RecordSample {
			slots = append(slots, r.Slot)
		}
	}
	return incarnation, slots
}

// TestLogOutlivesTheHost: after an end in good order the next life goes on in
// the same log, with the answer that was still under way, and polls each slot
// once, the one that came due in between too.
func TestLogOutlivesTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store.NewMemory()
		first := keeping(t, s, 77)
		first.poller.answer = func(r mib.Request) (mib.Response, time.Duration, bool) { return ones(r), 50 * time.Millisecond, true }
		end := first.live(t)
		first.promote(t)
		first.stage(t, row(20, 1)) // slot 5 is due in 100 ms
		time.Sleep(2120 * time.Millisecond)
		end() // the poll of slot 7 left 20 ms ago
		if _, slots := first.slots(); !slices.Equal(slots, []uint32{5, 6, 7}) {
			t.Errorf("the first life has logged slots %v, want 5 to 7", slots)
		}
		time.Sleep(1100 * time.Millisecond) // slot 8 comes due

		second := keeping(t, s, 88)
		end = second.live(t)
		time.Sleep(1500 * time.Millisecond)
		end()
		incarnation, slots := second.slots()
		if incarnation != 77 || !slices.Equal(slots, []uint32{5, 6, 7, 8, 9}) {
			t.Errorf("incarnation %d, slots %v; want 77, 5 to 9", incarnation, slots)
		}
		if polls := len(first.poller.of(mib.VerbGet)) + len(second.poller.of(mib.VerbGet)); polls != 5 {
			t.Errorf("%d polls of five slots", polls)
		}
	})
}

// TestLogAfterACrash: what was written is there, numbers that may have been
// seen are not given again.
func TestLogAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store.NewMemory()
		first := keeping(t, s, 77)
		end := first.live(t)
		first.promote(t)
		first.stage(t, row(20, 1))
		time.Sleep(2500 * time.Millisecond) // windows end at 1 s and 2 s; slot 7 was polled at 2.1 s
		kept, err := s.LoadLog()
		if err != nil {
			t.Fatal(err)
		}
		head := first.Report(nil, false).Log
		end()
		// The disk as it was in the middle.
		crashed := store.NewMemory()
		state, err := s.LoadList()
		if err != nil {
			t.Fatal(err)
		}
		change := &reconfig.ListChange{Active: state.Active, Settings: state.Settings, Fence: state.Fence, FenceSum: state.FenceSum}
		for _, r := range state.Rows {
			change.Rows = append(change.Rows, r)
		}
		if err := errors.Join(crashed.ApplyList(change), crashed.KeepLog(reconfig.LogBatch{LogState: kept})); err != nil {
			t.Fatal(err)
		}
		second := keeping(t, crashed, 88)
		defer second.live(t)()
		incarnation, slots := second.slots()
		if incarnation != 77 || !slices.Equal(slots, []uint32{5, 6}) {
			t.Errorf("incarnation %d, slots %v; want 77, 5 and 6: what was written at 2 s", incarnation, slots)
		}
		_, records := second.ReadLog(head, 100)
		for _, r := range records {
			if r.Seq <= head.Seq {
				t.Errorf("record %d has a number that was seen before", r.Seq)
			}
		}
		if now := second.Report(nil, false).Log; now.Seq <= head.Seq {
			t.Errorf("the head is %d, it was %d", now.Seq, head.Seq)
		}
	})
}

// A poll costs no write of its own.
func TestLogIsWrittenOnceInAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &countingStore{Memory: store.NewMemory()}
		b := newBench(t, func(c *Config) { c.Store, c.LogWindow = s, time.Second })
		end := b.live(t)
		b.promote(t)
		var rows []mib.SupportRow
		for id := mib.NodeID(20); id < 40; id++ {
			r := row(id, 1)
			r.Interval = 100 * time.Millisecond
			rows = append(rows, r)
		}
		b.stage(t, rows[:10]...)
		b.stage(t, rows[10:]...)
		time.Sleep(10 * time.Second)
		end()
		if polls := len(b.poller.of(mib.VerbGet)); polls < 1500 || s.batches > 14 {
			t.Errorf("%d batches for %d polls in 10 s", s.batches, polls)
		}
		s.batches = 0
		idle := newBench(t, func(c *Config) { c.Store, c.LogWindow = &countingStore{Memory: store.NewMemory()}, time.Second })
		end = idle.live(t)
		time.Sleep(10 * time.Second)
		end()
		if n := idle.cfg.Store.(*countingStore).batches; n > 2 {
			t.Errorf("%d batches of a log that has nothing to tell", n)
		}
	})
}

type countingStore struct {
	*store.Memory
	batches int
}

func (c *countingStore) KeepLog(b reconfig.LogBatch) error {
	c.batches++
	return c.Memory.KeepLog(b)
}

func TestLogNeedsAStore(t *testing.T) {
	_, err := New(Config{
		Node: &fakeNode{}, Store: &listStore{}, Poller: &fakePoller{}, Clock: NewClock(), LogWindow: time.Second,
		Profiles: profile.BuiltInSet, HoldsCredential: func(string) bool { return false },
	})
	if err == nil || !strings.Contains(err.Error(), "log_window") {
		t.Errorf("New = %v", err)
	}
}
