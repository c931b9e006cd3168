package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"simone/internal/store/storetest"
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
		each := func(f func(storetest.Store) error) {
			for _, k := range []storetest.Store{db, memory} {
				if err := f(k); err != nil {
					t.Fatal(err)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"apply": func(t *rapid.T) {
				txn := storetest.Txn(t, id)
				each(func(k storetest.Store) error { return k.Apply(txn) })
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
				ch := storetest.Change(t, id)
				each(func(k storetest.Store) error { return k.ApplyList(ch) })
				list.Active, list.Settings, list.Fence, list.FenceSum, list.Term = ch.Active, ch.Settings, ch.Fence, ch.FenceSum, ch.Term
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
				each(func(k storetest.Store) error { return k.AddEntries(entries) })
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
				each(func(k storetest.Store) error {
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
