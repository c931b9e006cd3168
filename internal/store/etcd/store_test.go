//go:build linux

package etcd_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"simone/internal/store/etcd"
	"simone/internal/testbed"
	"simone/mib"
	"simone/reconfig"
)

// runningMember is a member that runs, until stop.
type runningMember struct {
	*etcd.Member
	stop func()
}

func start(tb testing.TB, cfg etcd.Config) runningMember {
	tb.Helper()
	m, err := etcd.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	stopped := false
	r := runningMember{m, func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := errors.Join(<-ended, m.Close()); err != nil {
			tb.Error(err)
		}
	}}
	tb.Cleanup(r.stop)
	return r
}

// eventually waits until ok.
func eventually(tb testing.TB, what string, ok func() bool) time.Duration {
	tb.Helper()
	const limit = 40 * time.Second
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			tb.Fatalf("%s: not within %v", what, limit)
		}
		<-tick.C
	}
	return time.Since(began)
}

func (m runningMember) leads() bool { return m.Held() == nil }

func lead(tb testing.TB, m runningMember) *etcd.Store {
	tb.Helper()
	eventually(tb, "it leads", m.leads)
	s, err := m.Lead(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func config(tb testing.TB, e *testbed.Etcd, name string) etcd.Config {
	return etcd.Config{Endpoints: []string{e.Endpoint}, Prefix: "/simone", Name: name, Address: name + ":1161", History: tb.TempDir()}
}

func sample(node mib.NodeID, slot uint32) reconfig.Stored {
	return reconfig.Stored{Node: node, Slot: slot, At: reconfig.Instant(slot), By: 2, Payload: fmt.Append(nil, "payload ", node, slot)}
}

func TestTakeOver(t *testing.T) {
	t.Parallel()
	e := testbed.StartEtcd(t)
	a, b := start(t, config(t, e, "a")), runningMember{}
	first := lead(t, a)
	b = start(t, config(t, e, "b"))
	eventually(t, "b knows who leads", func() bool { s, _ := b.Standing(); return s.Leader.Name == "a" })
	eventually(t, "a knows who stands by", func() bool {
		s, _ := a.Standing()
		return s.Leading && len(s.Others) == 1 && s.Others[0].Address == "b:1161"
	})
	if err := b.Held(); !errors.Is(err, etcd.ErrStandby) {
		t.Errorf("the standby may act: %v", err)
	}

	node := reconfig.Node{ID: 7, Name: "seven", Owner: 2, Epoch: mib.Epoch{1 << 16}}
	txn := reconfig.Txn{
		Meta:    &reconfig.Meta{Self: 1, Term: 1, NextID: 8},
		Nodes:   []reconfig.Node{node},
		Ledgers: []reconfig.LedgerOf{{Node: 7, Ledger: reconfig.Ledger{Runs: []reconfig.Run{{From: 1, To: 3}}}}},
		Cursors: []reconfig.CursorOf{{Child: 2, Cursor: reconfig.Cursor{Incarnation: 9, Seq: 3}}},
		Samples: []reconfig.Stored{sample(7, 1), sample(7, 2), sample(7, 3)},
	}
	if err := first.Apply(txn); err != nil {
		t.Fatal(err)
	}
	want, err := first.Load()
	if err != nil {
		t.Fatal(err)
	}
	a.stop()
	took := eventually(t, "b leads", b.leads)
	t.Logf("after a clean stop the other leads %v later", took)
	if took > time.Second {
		t.Errorf("after a clean stop it took %v until another one led", took)
	}
	if err := first.Apply(txn); !errors.Is(err, etcd.ErrStandby) {
		t.Errorf("a store of who has stopped writes: %v", err)
	}
	second := lead(t, b)
	have, err := second.Load()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("the next leader loads %+v, want %+v", have, want)
	}
	eventually(t, "b has the samples", func() bool {
		have, err := second.Samples(7, 0)
		return err == nil && len(have) == 3 && reflect.DeepEqual(have[0], sample(7, 3))
	})
}
