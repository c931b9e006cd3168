//go:build linux

package etcd_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"simone/internal/store"
	"simone/internal/store/etcd"
	"simone/internal/store/storetest"
	"simone/internal/testbed"
	"simone/mib"
	"simone/reconfig"
)

var _ storetest.Store = (*etcd.Store)(nil)

func TestConformance(t *testing.T) {
	t.Parallel()
	e := testbed.StartEtcd(t)
	stores := 0
	storetest.Run(t, func(t *testing.T, limits storetest.Limits) (storetest.Store, func() storetest.Store) {
		stores++
		cfg := config(t, e, "a")
		cfg.Prefix = fmt.Sprintf("/conformance/%d", stores)
		cfg.Limits.Samples, cfg.Limits.Entries = limits.Samples, limits.Entries
		m := start(t, cfg)
		return lead(t, m), func() storetest.Store {
			m.stop()
			m = start(t, cfg)
			return lead(t, m)
		}
	})
}

// TestRandomChanges compares a store in etcd and one in memory through random
// writes, snapshots and changes of the leader.
func TestRandomChanges(t *testing.T) {
	t.Parallel()
	e := testbed.StartEtcd(t)
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		cfg := config(t, e, "a")
		cfg.Prefix = fmt.Sprintf("/random/%d", run)
		cfg.Limits = etcd.Limits{Limits: store.Limits{Samples: 4, Entries: 5}, JournalAge: time.Nanosecond}
		memory := store.NewMemoryWith(cfg.Limits.Limits)
		m := start(t, cfg)
		defer func() { m.stop() }()
		s := lead(t, m)
		id := rapid.Map(rapid.Uint32Range(60, 68), func(n uint32) mib.NodeID { return mib.NodeID(n) }) // of two parts
		each := func(f func(storetest.Store) error) {
			for _, k := range []storetest.Store{s, memory} {
				if err := f(k); err != nil {
					r.Fatal(err)
				}
			}
		}
		same := func(what string, a, b any, errs ...error) {
			for _, err := range errs {
				if err != nil {
					r.Fatal(what, err)
				}
			}
			if !reflect.DeepEqual(a, b) {
				r.Fatalf("%s:\n etcd %+v\nmemory %+v", what, a, b)
			}
		}
		writes := rapid.IntRange(1, 12).Draw(r, "writes")
		for range writes {
			switch rapid.IntRange(0, 7).Draw(r, "what") {
			case 0, 1, 2:
				txn := storetest.Txn(r, id)
				each(func(k storetest.Store) error { return k.Apply(txn) })
			case 3:
				change := storetest.Change(r, id)
				each(func(k storetest.Store) error { return k.ApplyList(change) })
			case 4:
				entries := make([]reconfig.Entry, rapid.IntRange(1, 70).Draw(r, "entries"))
				each(func(k storetest.Store) error { return k.AddEntries(entries) })
			case 5:
				name := rapid.SampledFrom([]string{"a", "b"}).Draw(r, "name")
				if rapid.Bool().Draw(r, "put") {
					each(func(k storetest.Store) error { return k.SetSetting(name, rapid.String().Draw(r, "value")[:0]+name) })
				} else {
					each(func(k storetest.Store) error { return k.SetSettings(nil, name) })
				}
			case 6:
				if err := s.Tidy(t.Context()); err != nil {
					r.Fatal(err)
				}
			case 7:
				m.stop()
				m = start(t, cfg)
				s = lead(t, m)
			}
			a, errA := s.Load()
			b, errB := memory.Load()
			same("Load", a, b, errA, errB)
			x, errA := s.LoadList()
			y, errB := memory.LoadList()
			same("LoadList", x, y, errA, errB)
			v, errA := s.Settings()
			w, errB := memory.Settings()
			same("Settings", v, w, errA, errB)
			p, errA := s.Entries(0, 0)
			q, errB := memory.Entries(0, 0)
			if len(p)+len(q) > 0 {
				same("Entries", p, q, errA, errB)
			}
			for n := mib.NodeID(60); n <= 68; n++ {
				c, errA := s.Samples(n, 0)
				d, errB := memory.Samples(n, 0)
				if len(c)+len(d) > 0 {
					same(fmt.Sprint("Samples of ", n), c, d, errA, errB)
				}
			}
		}
	})
}
