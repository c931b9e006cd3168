package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"simone/mib"
	"simone/reconfig"
)

// TestRandomTransactions compares a DB, a Memory and a plain model of the
// state through random transactions and reopenings.
func TestRandomTransactions(t *testing.T) {
	dir := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		limits := Limits{Samples: 4, Entries: 5}
		path := filepath.Join(dir, fmt.Sprintf("%d.db", run))
		db, err := OpenWith(path, limits)
		if err != nil {
			t.Fatal(err)
		}
		db.bolt.NoSync = true // many small files: the disk's time is not what is tested
		defer func() { _ = db.Close() }()
		memory := NewMemoryWith(limits)
		model := newState()
		list := newListState(listHead{})
		id := rapid.Map(rapid.Uint32Range(1, 6), func(n uint32) mib.NodeID { return mib.NodeID(n) })
		each := func(f func(keeper) error) {
			for _, k := range []keeper{db, memory} {
				if err := f(k); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"apply": func(t *rapid.T) {
				txn := drawTxn(t, id)
				each(func(k keeper) error { return k.Apply(txn) })
				if txn.Meta != nil {
					model.Meta = *txn.Meta
				}
				for _, n := range txn.Nodes {
					model.Nodes[n.ID] = n
				}
				for _, l := range txn.Ledgers {
					model.Ledgers[l.Node] = l.Ledger
				}
				for _, c := range txn.Cursors {
					model.Cursors[c.Child] = c.Cursor
				}
				for _, id := range txn.Forget {
					delete(model.Nodes, id)
					delete(model.Ledgers, id)
				}
			},
			"list": func(t *rapid.T) {
				ch := drawChange(t, id)
				each(func(k keeper) error { return k.ApplyList(ch) })
				list.Active, list.Settings, list.Fence, list.FenceSum = ch.Active, ch.Settings, ch.Fence, ch.FenceSum
				for _, r := range ch.Rows {
					list.Rows[r.Row.Node] = r
				}
				for _, id := range ch.Removed {
					delete(list.Rows, id)
				}
				for _, tomb := range ch.Tombs {
					if list.Tombs[tomb.Node] = tomb.Epoch; tomb.Epoch.IsZero() {
						delete(list.Tombs, tomb.Node)
					}
				}
			},
			"entries": func(t *rapid.T) {
				entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) reconfig.Entry {
					return reconfig.Entry{At: reconfig.Instant(rapid.Int64().Draw(t, "at")), Seen: rapid.String().Draw(t, "seen")}
				}), 0, 7).Draw(t, "entries")
				each(func(k keeper) error { return k.AddEntries(entries) })
			},
			"reopen": func(t *rapid.T) {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(termFile(path)); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err) // terms go up and down here, which no manager's do
				}
				if db, err = OpenWith(path, limits); err != nil {
					t.Fatal(err)
				}
				db.bolt.NoSync = true
			},
			"": func(t *rapid.T) {
				each(func(k keeper) error {
					state, err := k.Load()
					if err != nil {
						return err
					}
					if !reflect.DeepEqual(state, model) {
						t.Fatalf("%T.Load:\n got %+v\nwant %+v", k, state, model)
					}
					got, err := k.LoadList()
					if !reflect.DeepEqual(got, list) {
						t.Fatalf("%T.LoadList:\n got %+v\nwant %+v", k, got, list)
					}
					return err
				})
				for n := mib.NodeID(1); n <= 6; n++ {
					limit := rapid.IntRange(0, 5).Draw(t, "limit")
					a, errA := db.Samples(n, limit)
					b, errB := memory.Samples(n, limit)
					if errA != nil || errB != nil || !reflect.DeepEqual(a, b) {
						t.Fatalf("Samples(%d, %d): DB %v %v, Memory %v %v", n, limit, a, errA, b, errB)
					}
				}
				after, limit := rapid.Uint64Range(0, 30).Draw(t, "after"), rapid.IntRange(0, 6).Draw(t, "limit")
				a, errA := db.Entries(after, limit)
				b, errB := memory.Entries(after, limit)
				if errA != nil || errB != nil || len(a)+len(b) > 0 && !reflect.DeepEqual(a, b) {
					t.Fatalf("Entries(%d, %d): DB %v %v, Memory %v %v", after, limit, a, errA, b, errB)
				}
			},
		})
	})
}

func drawTxn(t *rapid.T, id *rapid.Generator[mib.NodeID]) reconfig.Txn {
	var txn reconfig.Txn
	if rapid.Bool().Draw(t, "meta") {
		txn.Meta = &reconfig.Meta{Term: rapid.Uint32().Draw(t, "term"), Order: rapid.Uint64().Draw(t, "order")}
	}
	for range rapid.IntRange(0, 3).Draw(t, "nodes") {
		txn.Nodes = append(txn.Nodes, reconfig.Node{
			ID: id.Draw(t, "id"), Name: rapid.String().Draw(t, "name"), Drained: rapid.Bool().Draw(t, "drained"),
			Zero: reconfig.Instant(rapid.Int64().Draw(t, "zero")),
		})
	}
	for range rapid.IntRange(0, 3).Draw(t, "ledgers") {
		l := reconfig.Ledger{Refused: rapid.Uint64().Draw(t, "refused")}
		for _, slot := range rapid.SliceOfN(rapid.Uint32(), 0, 5).Draw(t, "slots") {
			l.Fill(slot)
		}
		if rapid.Bool().Draw(t, "holds") {
			l.Held = []reconfig.HeldSample{{Slot: rapid.Uint32().Draw(t, "slot"), At: reconfig.Instant(rapid.Int64().Draw(t, "at")),
				By: id.Draw(t, "by"), Payload: rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "payload")}}
		}
		txn.Ledgers = append(txn.Ledgers, reconfig.LedgerOf{Node: id.Draw(t, "id"), Ledger: l})
	}
	for range rapid.IntRange(0, 2).Draw(t, "cursors") {
		txn.Cursors = append(txn.Cursors, reconfig.CursorOf{Child: id.Draw(t, "child"),
			Cursor: reconfig.Cursor{Incarnation: rapid.Uint64().Draw(t, "incarnation"), Seq: rapid.Uint32().Draw(t, "seq")}})
	}
	for range rapid.IntRange(0, 8).Draw(t, "samples") {
		txn.Samples = append(txn.Samples, reconfig.Stored{Node: id.Draw(t, "id"), Slot: rapid.Uint32Range(0, 20).Draw(t, "slot"),
			At: reconfig.Instant(rapid.Int64().Draw(t, "at")), By: id.Draw(t, "by"), Payload: rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "payload")})
	}
	if rapid.IntRange(0, 3).Draw(t, "forgets") == 0 {
		txn.Forget = []mib.NodeID{id.Draw(t, "forget")}
	}
	return txn
}

func drawChange(t *rapid.T, id *rapid.Generator[mib.NodeID]) *reconfig.ListChange {
	ch := &reconfig.ListChange{
		Active: rapid.Bool().Draw(t, "active"), FenceSum: rapid.Uint64().Draw(t, "sum"),
		Fence: mib.Fence{Parent: id.Draw(t, "parent"), Own: mib.Epoch{1, 2, 3, rapid.Uint32().Draw(t, "own")}, Seq: rapid.Uint32().Draw(t, "seq")},
	}
	for range rapid.IntRange(0, 3).Draw(t, "rows") {
		ch.Rows = append(ch.Rows, reconfig.ListRow{
			Row:  mib.SupportRow{Node: id.Draw(t, "node"), Name: rapid.String().Draw(t, "name"), Due: time.Duration(rapid.Int64().Draw(t, "due"))},
			Zero: reconfig.Instant(rapid.Int64().Draw(t, "zero")),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "removed") {
		ch.Removed = append(ch.Removed, id.Draw(t, "remove"))
	}
	for range rapid.IntRange(0, 2).Draw(t, "tombs") {
		ch.Tombs = append(ch.Tombs, mib.Tombstone{Node: id.Draw(t, "tomb"), Epoch: mib.Epoch{0, rapid.Uint32Range(0, 1).Draw(t, "epoch")}})
	}
	return ch
}
