package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// keeper is what DB and Memory have in common.
type keeper interface {
	Load() (reconfig.State, error)
	Apply(reconfig.Txn) error
	LoadList() (reconfig.ListState, error)
	ApplyList(*reconfig.ListChange) error
	AddEntries([]reconfig.Entry) error
	Entries(after uint64, limit int) ([]Entry, error)
	Samples(node mib.NodeID, limit int) ([]reconfig.Stored, error)
	Settings() (map[string]string, error)
	SetSetting(name, value string) error
	SetSettings(put map[string]string, forget ...string) error
	Close() error
}

var (
	_ keeper = (*DB)(nil)
	_ keeper = (*Memory)(nil)
)

// bothKinds runs a test on a DB and on a Memory; reopen closes and opens again.
func bothKinds(t *testing.T, limits Limits, f func(t *testing.T, k keeper, reopen func() keeper)) {
	t.Run("DB", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state", "tlm.db")
		k := mustOpen(t, path, limits)
		f(t, k, func() keeper {
			if err := k.Close(); err != nil {
				t.Fatal(err)
			}
			k = mustOpen(t, path, limits)
			return k
		})
	})
	t.Run("Memory", func(t *testing.T) {
		m := NewMemoryWith(limits)
		f(t, m, func() keeper { return m })
	})
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

// fill sets everything in a value, however deep, to something that is not
// zero, so that a field which is not kept is found.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), n)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d <&> é\x00", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(-int64(*n % 100))
		if v.OverflowInt(-1<<62) == false {
			v.SetInt(-1<<62 - int64(*n))
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		top := uint64(1)<<(v.Type().Bits()-1) | uint64(*n%100)
		v.SetUint(top)
	case reflect.Float64:
		v.SetFloat(float64(*n) + 0.1)
	default:
		panic("fill does not know " + v.Kind().String())
	}
}

func filled[T any]() (t T) {
	n := 0
	fill(reflect.ValueOf(&t).Elem(), &n)
	return t
}

func TestEveryFieldSurvives(t *testing.T) {
	bothKinds(t, Limits{}, func(t *testing.T, k keeper, reopen func() keeper) {
		txn := filled[reconfig.Txn]()
		txn.Forget = nil
		must(t, k.Apply(txn))
		change := filled[reconfig.ListChange]()
		change.Removed = nil
		must(t, k.ApplyList(&change))
		entry := filled[reconfig.Entry]()
		must(t, k.AddEntries([]reconfig.Entry{entry}))
		must(t, k.SetSettings(map[string]string{"simoneThresholdSplit": "17.5", "simoneTemperatureExpression": ""}))

		k = reopen()
		state, err := k.Load()
		must(t, err)
		wantEqual(t, "Meta", state.Meta, *txn.Meta)
		wantEqual(t, "number of nodes", len(state.Nodes), len(txn.Nodes))
		for _, n := range txn.Nodes {
			wantEqual(t, "Node", state.Nodes[n.ID], n)
		}
		for _, l := range txn.Ledgers {
			wantEqual(t, "Ledger", state.Ledgers[l.Node], l.Ledger)
		}
		for _, c := range txn.Cursors {
			wantEqual(t, "Cursor", state.Cursors[c.Child], c.Cursor)
		}
		for _, s := range txn.Samples {
			got, err := k.Samples(s.Node, 0)
			must(t, err)
			wantEqual(t, "Samples", got, []reconfig.Stored{s})
		}
		list, err := k.LoadList()
		must(t, err)
		want := newListState(listHead{change.Active, change.Settings, change.Fence, change.FenceSum})
		for _, r := range change.Rows {
			want.Rows[r.Row.Node] = r
		}
		for _, tomb := range change.Tombs {
			want.Tombs[tomb.Node] = tomb.Epoch
		}
		wantEqual(t, "ListState", list, want)
		entries, err := k.Entries(0, 0)
		must(t, err)
		wantEqual(t, "Entries", entries, []Entry{{1, entry}})
		settings, err := k.Settings()
		must(t, err)
		wantEqual(t, "Settings", settings, map[string]string{"simoneThresholdSplit": "17.5", "simoneTemperatureExpression": ""})
	})
}

func TestNewStoreIsEmpty(t *testing.T) {
	bothKinds(t, Limits{}, func(t *testing.T, k keeper, _ func() keeper) {
		state, err := k.Load()
		must(t, err)
		wantEqual(t, "State", state, newState())
		list, err := k.LoadList()
		must(t, err)
		wantEqual(t, "ListState", list, newListState(listHead{}))
		samples, err := k.Samples(1, 0)
		must(t, err)
		entries, err := k.Entries(0, 0)
		must(t, err)
		settings, err := k.Settings()
		must(t, err)
		if len(samples)+len(entries)+len(settings) != 0 {
			t.Errorf("samples %v, entries %v, settings %v; want none", samples, entries, settings)
		}
	})
}

func sample(node mib.NodeID, slot uint32) reconfig.Stored {
	return reconfig.Stored{Node: node, Slot: slot, At: reconfig.Instant(slot) * 1e9, By: 7, Payload: fmt.Appendf(nil, "%d/%d", node, slot)}
}

func slots(t *testing.T, k keeper, node mib.NodeID, limit int) []uint32 {
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

func TestSampleRing(t *testing.T) {
	tests := []struct {
		name  string
		add   []uint32
		limit int
		want  []uint32 // newest first
	}{
		{"in order", []uint32{1, 2, 3}, 0, []uint32{3, 2, 1}},
		{"the last two", []uint32{1, 2, 3}, 2, []uint32{3, 2}},
		{"the oldest fall off", []uint32{1, 2, 3, 4, 5, 6}, 0, []uint32{6, 5, 4, 3}},
		{"a late one takes its place", []uint32{1, 3, 2}, 0, []uint32{3, 2, 1}},
		{"a late one in a full ring", []uint32{1, 2, 4, 5, 3}, 0, []uint32{5, 4, 3, 2}},
		{"too late", []uint32{2, 3, 4, 5, 1}, 0, []uint32{5, 4, 3, 2}},
		{"a slot is filled once", []uint32{1, 2, 2, 1}, 0, []uint32{2, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bothKinds(t, Limits{Samples: 4}, func(t *testing.T, k keeper, reopen func() keeper) {
				for _, slot := range tt.add {
					must(t, k.Apply(reconfig.Txn{Samples: []reconfig.Stored{sample(5, slot), sample(6, slot)}}))
				}
				wantEqual(t, "slots", slots(t, k, 5, tt.limit), tt.want)
				k = reopen()
				wantEqual(t, "slots after reopening", slots(t, k, 5, tt.limit), tt.want)
				must(t, k.Apply(reconfig.Txn{Forget: []mib.NodeID{5}}))
				wantEqual(t, "slots of a forgotten node", slots(t, k, 5, 0), []uint32(nil))
				wantEqual(t, "slots of the other node", slots(t, k, 6, tt.limit), tt.want)
			})
		})
	}
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

func TestEntryRing(t *testing.T) {
	bothKinds(t, Limits{Entries: 3}, func(t *testing.T, k keeper, reopen func() keeper) {
		seqs := func(after uint64, limit int) (out []uint64) {
			entries, err := k.Entries(after, limit)
			must(t, err)
			for _, e := range entries {
				wantEqual(t, "Nodes", e.Nodes, int(e.Seq))
				out = append(out, e.Seq)
			}
			return out
		}
		n := 0
		add := func(count int) {
			var entries []reconfig.Entry
			for range count {
				n++
				entries = append(entries, reconfig.Entry{Nodes: n})
			}
			must(t, k.AddEntries(entries))
		}
		add(2)
		wantEqual(t, "two", seqs(0, 0), []uint64{1, 2})
		add(2)
		wantEqual(t, "the oldest fell off", seqs(0, 0), []uint64{2, 3, 4})
		wantEqual(t, "after", seqs(2, 0), []uint64{3, 4})
		wantEqual(t, "limit", seqs(0, 1), []uint64{2})
		wantEqual(t, "none", seqs(4, 0), []uint64(nil))
		wantEqual(t, "beyond", seqs(1<<64-1, 0), []uint64(nil))
		add(7)
		wantEqual(t, "more than there is room for", seqs(0, 0), []uint64{9, 10, 11})
		k = reopen()
		add(1)
		wantEqual(t, "numbers go on", seqs(0, 0), []uint64{10, 11, 12})
	})
}

func TestSettings(t *testing.T) {
	bothKinds(t, Limits{}, func(t *testing.T, k keeper, reopen func() keeper) {
		must(t, k.SetSettings(map[string]string{"a": "1", "b": "2"}))
		must(t, k.SetSetting("c", "\xff\x00"))
		must(t, k.SetSettings(map[string]string{"b": "3"}, "a", "unknown"))
		if err := k.SetSetting("", "x"); err == nil {
			t.Error("a setting without a name was taken")
		}
		k = reopen()
		got, err := k.Settings()
		must(t, err)
		wantEqual(t, "Settings", got, map[string]string{"b": "3", "c": "\xff\x00"})
	})
}

func TestStoreSharesNoMemory(t *testing.T) {
	bothKinds(t, Limits{}, func(t *testing.T, k keeper, _ func() keeper) {
		txn := filled[reconfig.Txn]()
		txn.Forget = nil
		must(t, k.Apply(txn))
		id, ledger, stored := txn.Nodes[0].ID, txn.Ledgers[0], txn.Samples[0]
		txn.Nodes[0].Prev[0], txn.Ledgers[0].Ledger.Held[0].Payload[0], txn.Samples[0].Payload[0] = 0, 0, 0
		for range 2 { // the second time what was read the first time has been spoilt
			state, err := k.Load()
			must(t, err)
			samples, err := k.Samples(stored.Node, 0)
			must(t, err)
			if state.Nodes[id].Prev[0] == 0 || state.Ledgers[ledger.Node].Held[0].Payload[0] == 0 || samples[0].Payload[0] == 0 {
				t.Fatal("a change of the caller's reached the store")
			}
			state.Nodes[id].Prev[0], state.Ledgers[ledger.Node].Held[0].Payload[0], samples[0].Payload[0] = 0, 0, 0
		}
	})
}

func TestReadersBesideAWriter(t *testing.T) {
	bothKinds(t, Limits{Samples: 8, Entries: 8}, func(t *testing.T, k keeper, _ func() keeper) {
		const last = 200
		written := make(chan error, 1)
		go func() {
			for n := uint32(1); n <= last; n++ {
				txn := reconfig.Txn{Meta: &reconfig.Meta{Order: uint64(n)}, Samples: []reconfig.Stored{sample(5, n)}}
				if err := errors.Join(k.Apply(txn), k.AddEntries([]reconfig.Entry{{Nodes: int(n)}})); err != nil {
					written <- err
					return
				}
			}
			written <- nil
		}()
		for seen := uint32(0); seen < last; {
			state, err := k.Load()
			must(t, err)
			got := slots(t, k, 5, 0)
			for i := 1; i < len(got); i++ {
				if got[i] >= got[i-1] {
					t.Fatalf("slots %v are not newest first", got)
				}
			}
			if len(got) > 0 {
				if got[0] < seen || uint64(got[0]) < state.Meta.Order {
					t.Fatalf("slots %v after %d was seen and transaction %d loaded", got, seen, state.Meta.Order)
				}
				seen = got[0]
			}
			select {
			case err := <-written:
				must(t, err)
				wantEqual(t, "the newest slots", slots(t, k, 5, 2), []uint32{last, last - 1})
				return
			default:
			}
		}
		must(t, <-written)
	})
}

func TestMemoryFailNext(t *testing.T) {
	m := NewMemory()
	boom := errors.New("boom")
	writes := map[string]func() error{
		"Apply":      func() error { return m.Apply(filled[reconfig.Txn]()) },
		"ApplyList":  func() error { ch := filled[reconfig.ListChange](); return m.ApplyList(&ch) },
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
