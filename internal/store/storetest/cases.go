package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"simone/mib"
	"simone/reconfig"
)

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

func emptyState() reconfig.State {
	return reconfig.State{
		Nodes:   make(map[mib.NodeID]reconfig.Node),
		Ledgers: make(map[mib.NodeID]reconfig.Ledger),
		Cursors: make(map[mib.NodeID]reconfig.Cursor),
	}
}

func emptyList() reconfig.ListState {
	return reconfig.ListState{Rows: make(map[mib.NodeID]reconfig.ListRow), Tombs: make(map[mib.NodeID]mib.Epoch)}
}

func sample(node mib.NodeID, slot uint32) reconfig.Stored {
	return reconfig.Stored{Node: node, Slot: slot, At: reconfig.Instant(slot) * 1e9, By: 7, Payload: fmt.Appendf(nil, "%d/%d", node, slot)}
}

func slots(t *testing.T, k Store, node mib.NodeID, limit int) []uint32 {
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

func everyFieldSurvives(t *testing.T, open Opener) {
	k, reopen := open(t, Limits{})
	txn := Filled[reconfig.Txn]()
	txn.Forget = nil
	must(t, k.Apply(txn))
	change := Filled[reconfig.ListChange]()
	change.Removed = nil
	must(t, k.ApplyList(&change))
	entry := Filled[reconfig.Entry]()
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
	want := emptyList()
	want.Active, want.Settings, want.Fence, want.FenceSum, want.Term = change.Active, change.Settings, change.Fence, change.FenceSum, change.Term
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
}

func newStoreIsEmpty(t *testing.T, open Opener) {
	k, _ := open(t, Limits{})
	state, err := k.Load()
	must(t, err)
	wantEqual(t, "State", state, emptyState())
	list, err := k.LoadList()
	must(t, err)
	wantEqual(t, "ListState", list, emptyList())
	samples, err := k.Samples(1, 0)
	must(t, err)
	entries, err := k.Entries(0, 0)
	must(t, err)
	settings, err := k.Settings()
	must(t, err)
	if len(samples)+len(entries)+len(settings) != 0 {
		t.Errorf("samples %v, entries %v, settings %v; want none", samples, entries, settings)
	}
}

func sampleRing(t *testing.T, open Opener) {
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
			k, reopen := open(t, Limits{Samples: 4})
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
	}
}

func entryRing(t *testing.T, open Opener) {
	k, reopen := open(t, Limits{Entries: 3})
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
}

func settings(t *testing.T, open Opener) {
	k, reopen := open(t, Limits{})
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
}

func sharesNoMemory(t *testing.T, open Opener) {
	k, _ := open(t, Limits{})
	txn := Filled[reconfig.Txn]()
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
}

func readersBesideAWriter(t *testing.T, open Opener) {
	k, _ := open(t, Limits{Samples: 8, Entries: 8})
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
}
