package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"simone/internal/store/storetest"
	"simone/mib"
	"simone/reconfig"
)

var (
	_ storetest.Store = (*DB)(nil)
	_ storetest.Store = (*Memory)(nil)
)

// openDB makes a DB for storetest.
func openDB(t *testing.T, limits storetest.Limits) (storetest.Store, func() storetest.Store) {
	path := filepath.Join(t.TempDir(), "state", "tlm.db")
	d := mustOpen(t, path, Limits{Samples: limits.Samples, Entries: limits.Entries})
	return d, func() storetest.Store {
		must(t, d.Close())
		d = mustOpen(t, path, Limits{Samples: limits.Samples, Entries: limits.Entries})
		return d
	}
}

// openMemory makes a Memory for storetest.
func openMemory(_ *testing.T, limits storetest.Limits) (storetest.Store, func() storetest.Store) {
	m := NewMemoryWith(Limits{Samples: limits.Samples, Entries: limits.Entries})
	return m, func() storetest.Store { return m }
}

func TestDB(t *testing.T)     { storetest.Run(t, openDB) }
func TestMemory(t *testing.T) { storetest.Run(t, openMemory) }

// bothKinds runs a test on a DB and on a Memory; reopen closes and opens again.
func bothKinds(t *testing.T, f func(t *testing.T, k storetest.Store, reopen func() storetest.Store)) {
	for name, open := range map[string]storetest.Opener{"DB": openDB, "Memory": openMemory} {
		t.Run(name, func(t *testing.T) {
			k, reopen := open(t, storetest.Limits{})
			f(t, k, reopen)
		})
	}
}

func mustOpen(tb testing.TB, path string, limits Limits) *DB {
	tb.Helper()
	d, err := OpenWith(path, limits)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Error(err)
		}
	})
	return d
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func wantEqual(tb testing.TB, what string, got, want any) {
	tb.Helper()
	if !reflect.DeepEqual(got, want) {
		tb.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func sample(node mib.NodeID, slot uint32) reconfig.Stored {
	return reconfig.Stored{Node: node, Slot: slot, At: reconfig.Instant(slot) * 1e9, By: 7, Payload: fmt.Appendf(nil, "%d/%d", node, slot)}
}

func slots(t *testing.T, k storetest.Store, node mib.NodeID, limit int) []uint32 {
	t.Helper()
	got, err := k.Samples(node, limit)
	must(t, err)
	var out []uint32
	for _, s := range got {
		wantEqual(t, "sample", s, sample(node, s.Slot))
		out = append(out, s.Slot)
	}
	return out
}

func TestLowerSampleLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	d := mustOpen(t, path, Limits{Samples: 10})
	var txn reconfig.Txn
	for slot := range uint32(10) {
		txn.Samples = append(txn.Samples, sample(5, slot))
	}
	must(t, d.Apply(txn))
	must(t, d.Close())
	d = mustOpen(t, path, Limits{Samples: 3})
	wantEqual(t, "slots", slots(t, d, 5, 0), []uint32{9, 8, 7})
	must(t, d.Close())
	d = mustOpen(t, path, Limits{Samples: 10})
	wantEqual(t, "slots with the old limit again", slots(t, d, 5, 0), []uint32{9, 8, 7})
}

func TestMemoryFailNext(t *testing.T) {
	m := NewMemory()
	boom := errors.New("boom")
	writes := map[string]func() error{
		"Apply":      func() error { return m.Apply(storetest.Filled[reconfig.Txn]()) },
		"ApplyList":  func() error { ch := storetest.Filled[reconfig.ListChange](); return m.ApplyList(&ch) },
		"AddEntries": func() error { return m.AddEntries(make([]reconfig.Entry, 1)) },
		"SetSetting": func() error { return m.SetSetting("a", "b") },
	}
	for name, write := range writes {
		m.FailNext(boom)
		if err := write(); !errors.Is(err, boom) {
			t.Errorf("%s = %v, want boom", name, err)
		}
	}
	state, err := m.Load()
	must(t, err)
	wantEqual(t, "State", state, newState())
	list, err := m.LoadList()
	must(t, err)
	wantEqual(t, "ListState", list, newListState(listHead{}))
	entries, _ := m.Entries(0, 0)
	settings, _ := m.Settings()
	if len(entries)+len(settings) != 0 {
		t.Errorf("entries %v, settings %v after failed writes", entries, settings)
	}
	m.FailNext(boom)
	m.FailNext(boom)
	for i, want := range []error{boom, boom, nil} {
		if err := m.SetSetting("a", "b"); !errors.Is(err, want) {
			t.Errorf("write %d = %v, want %v", i, err, want)
		}
	}
}

// TestFailedApplyChangesNothing lets bbolt fail for want of room.
func TestFailedApplyChangesNothing(t *testing.T) {
	d := mustOpen(t, filepath.Join(t.TempDir(), "tlm.db"), Limits{Samples: 3})
	must(t, d.Apply(reconfig.Txn{Samples: []reconfig.Stored{sample(5, 1), sample(5, 2), sample(5, 3), sample(6, 1)}}))
	before, err := d.Load()
	must(t, err)
	d.bolt.MaxSize = 1 // no growth
	big := reconfig.Txn{
		Meta:    &reconfig.Meta{Term: 9},
		Samples: []reconfig.Stored{sample(5, 4), {Node: 7, Slot: 1, Payload: make([]byte, 64<<20)}},
		Forget:  []mib.NodeID{6},
	}
	if err := d.Apply(big); err == nil {
		t.Fatal("Apply of 64 MiB into a full file succeeded")
	}
	d.bolt.MaxSize = 0
	after, err := d.Load()
	must(t, err)
	wantEqual(t, "State", after, before)
	wantEqual(t, "slots", slots(t, d, 5, 0), []uint32{3, 2, 1})
	wantEqual(t, "slots of the node that was to be forgotten", slots(t, d, 6, 0), []uint32{1})
	must(t, d.Apply(reconfig.Txn{Samples: []reconfig.Stored{sample(5, 4)}}))
	wantEqual(t, "slots after the next write", slots(t, d, 5, 0), []uint32{4, 3, 2})
}

// TestReadsVersion1 reads records as the first release wrote them: a field
// that is renamed or packed in another way must not get lost.
func TestReadsVersion1(t *testing.T) {
	key := []byte{0, 0, 0, 7}
	var n reconfig.Node
	must(t, unsealJSON(key, seal(key, append([]byte{1}, `{"ID":7,"UUID":"u","Key":"k","Name":"web1","Address":"10.0.0.1:161","Kind":3,`+
		`"Profile":"p","Credential":"c","Interval":1000000000,"Zone":"z","Candidate":true,"Capabilities":["profile:p"],`+
		`"Drained":true,"Pinned":true,"Owner":2,"Epoch":[65537,2,3,4],"Fence":9,"Zero":-5,"Order":12,"Prev":[3,4],`+
		`"Intent":{"Target":5,"Epoch":[1,0,0,0],"Why":1},"Banned":[{"Target":6,"Until":99}],"Wanted":true,"Retiring":true}`...)), &n))
	wantEqual(t, "Node", n, reconfig.Node{
		ID: 7, UUID: "u", Key: "k", Name: "web1", Address: "10.0.0.1:161", Kind: mib.KindDevice, Profile: "p", Credential: "c",
		Interval: time.Second, Zone: "z", Candidate: true, Capabilities: []string{"profile:p"}, Drained: true, Pinned: true,
		Owner: 2, Epoch: mib.Epoch{65537, 2, 3, 4}, Fence: 9, Zero: -5, Order: 12, Prev: []mib.NodeID{3, 4},
		Intent: reconfig.Intent{Target: 5, Epoch: mib.Epoch{1}, Why: reconfig.KindSplit},
		Banned: []reconfig.Ban{{Target: 6, Until: 99}}, Wanted: true, Retiring: true,
	})
	l := reconfig.Ledger{Runs: []reconfig.Run{{From: 3, To: 5}, {From: 300, To: 300}}, Refused: 2,
		Held: []reconfig.HeldSample{{Slot: 301, At: 1, By: 2, Payload: []byte("x")}}}
	packed := []byte{1, 2, 2, 3, 2, 0xa7, 0x02, 0, 1, 0xad, 0x02, 0, 0, 0, 0, 0, 0, 0, 1, 2, 1, 'x'}
	got := sealLedger(key, &l)
	if !slices.Equal(got[:len(got)-4], packed) {
		t.Errorf("a ledger is packed as %x, version 1 says %x", got[:len(got)-4], packed)
	}
}
