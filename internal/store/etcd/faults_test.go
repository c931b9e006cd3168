//go:build linux

package etcd_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"simone/internal/store/etcd"
	"simone/internal/testbed"
	"simone/mib"
	"simone/reconfig"
)

var killsFlag = flag.Int("etcd.kills", 4, "how often TestEtcdKilled kills etcd")

func TestMain(m *testing.M) {
	flag.Parse()
	// Each check starts members of its own: fewer are enough unless more are asked for.
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("20")
	}
	os.Exit(m.Run())
}

// raw is a client of the test's own.
func raw(tb testing.TB, e *testbed.Etcd) *clientv3.Client {
	tb.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{e.Endpoint}, Logger: zap.NewNop()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// large is a transaction that deflates badly.
func large(term uint32, nodes int) reconfig.Txn {
	chance := rand.New(rand.NewPCG(uint64(term), 1))
	txn := reconfig.Txn{Meta: &reconfig.Meta{Self: 1, Term: term}}
	for id := range nodes {
		name := make([]byte, 300)
		for i := range name {
			name[i] = byte('!' + chance.IntN(90))
		}
		txn.Nodes = append(txn.Nodes, reconfig.Node{ID: mib.NodeID(id + 1), Name: string(name)})
	}
	return txn
}

// A transaction above what etcd takes in one is whole for who reads it.
func TestLargeTransaction(t *testing.T) {
	t.Parallel()
	e := testbed.StartEtcd(t)
	a := start(t, config(t, e, "a"))
	s := lead(t, a)
	const nodes = 9_000
	txn := large(3, nodes)
	if err := s.Apply(txn); err != nil {
		t.Fatal(err)
	}
	keys, err := raw(t, e).Get(t.Context(), "/simone/piece/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || keys.Count < 2 {
		t.Errorf("the transaction was written in %d pieces, error %v; the test is to have several", keys.Count, err)
	}
	for _, tidy := range []bool{false, true} {
		if tidy {
			if err := s.Tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		a.stop()
		a = start(t, config(t, e, "a"))
		s = lead(t, a)
		state, err := s.Load()
		if err != nil || len(state.Nodes) != nodes || state.Nodes[nodes].Name != txn.Nodes[nodes-1].Name || state.Meta.Term != 3 {
			t.Fatalf("%d nodes, term %d, error %v", len(state.Nodes), state.Meta.Term, err)
		}
	}
}

// A leader whose lease was taken from it, and who does not know yet, writes
// nothing (CondStore), not in pieces either.
func TestDeposedLeaderWritesNothing(t *testing.T) {
	t.Parallel()
	e := testbed.StartEtcd(t)
	a, client := start(t, config(t, e, "a")), raw(t, e)
	old := lead(t, a)
	if err := old.Apply(reconfig.Txn{Meta: &reconfig.Meta{Self: 1, Term: 1}}); err != nil {
		t.Fatal(err)
	}
	b := start(t, config(t, e, "b"))
	eventually(t, "b stands by", func() bool { s, _ := a.Standing(); return len(s.Others) == 1 })

	leases, err := client.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leases.Leases {
		of, err := client.TimeToLive(t.Context(), l.ID, clientv3.WithAttachedKeys())
		if err != nil || len(of.Keys) != 1 {
			t.Fatal(of, err)
		}
		value, err := client.Get(t.Context(), string(of.Keys[0]))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(value.Kvs[0].Value), `"a"`) {
			if _, err := client.Revoke(t.Context(), l.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, txn := range []reconfig.Txn{{Meta: &reconfig.Meta{Self: 1, Term: 99}}, large(99, 6000)} {
		if err := old.Apply(txn); err == nil {
			t.Error("the deposed leader wrote")
		}
	}
	if err := old.AddEntries(make([]reconfig.Entry, 1)); err == nil {
		t.Error("the deposed leader wrote an event")
	}
	s := lead(t, b)
	state, err := s.Load()
	if err != nil || state.Meta.Term != 1 || len(state.Nodes) != 0 {
		t.Errorf("the next leader finds term %d and %d nodes, error %v; what it should find is term 1", state.Meta.Term, len(state.Nodes), err)
	}
	if err := s.Apply(reconfig.Txn{Meta: &reconfig.Meta{Self: 1, Term: 2}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a knows that b leads", func() bool { s, _ := a.Standing(); return s.Leader.Name == "b" })
	b.stop()
	eventually(t, "a leads again", a.leads)
	if err := old.Apply(reconfig.Txn{Meta: &reconfig.Meta{Self: 1, Term: 99}}); !errors.Is(err, etcd.ErrDeposed) {
		t.Errorf("a store of before another one led: %v, want ErrDeposed", err)
	}
	select {
	case <-old.Deposed():
	default:
		t.Error("it does not say that it was deposed")
	}
}

// While etcd stands still the leader acts until its lease is over by its own
// clock, and no longer. When etcd is back it goes on where it was.
func TestEtcdStandsStill(t *testing.T) {
	t.Parallel()
	e := testbed.StartEtcd(t)
	a := start(t, config(t, e, "a"))
	s := lead(t, a)
	if err := s.Apply(reconfig.Txn{Meta: &reconfig.Meta{Self: 1, Term: 1}}); err != nil {
		t.Fatal(err)
	}
	e.Signal(syscall.SIGSTOP)
	stopped := time.Now()
	eventually(t, "the lease is over", func() bool { return errors.Is(s.Held(), etcd.ErrExpired) })
	if took := time.Since(stopped); took > etcd.DefaultTTL+100*time.Millisecond {
		t.Errorf("it acts %v after the last that it heard of etcd", took)
	}
	began := time.Now()
	if err := s.Apply(reconfig.Txn{Meta: &reconfig.Meta{Self: 1, Term: 2}}); !errors.Is(err, etcd.ErrExpired) || time.Since(began) > 100*time.Millisecond {
		t.Errorf("a write without a lease: %v after %v", err, time.Since(began))
	}
	if now, _ := a.Standing(); now.Trouble == "" {
		t.Error("it does not say what is wrong")
	}
	e.Signal(syscall.SIGCONT)
	eventually(t, "it leads again", func() bool { return s.Held() == nil })
	if err := s.Apply(reconfig.Txn{Meta: &reconfig.Meta{Self: 1, Term: 3}}); err != nil {
		t.Errorf("with etcd back, and nobody else: %v", err)
	}
	if now, _ := a.Standing(); now.Trouble != "" || !now.Leading {
		t.Errorf("standing %+v", now)
	}
}

// etcd gets SIGKILL again and again amid writes, some of them in pieces. What
// was acknowledged is there, and each write is there as a whole or not at all.
func TestEtcdKilled(t *testing.T) {
	t.Parallel()
	e := testbed.StartEtcd(t)
	a := start(t, config(t, e, "a"))
	s := lead(t, a)
	var mu sync.Mutex
	acknowledged := uint32(0)
	over, ended := make(chan struct{}), make(chan error, 1)
	check := func(at uint32) error {
		state, err := s.Load()
		if err != nil {
			return nil // it has to wait
		}
		n := state.Meta.Term
		samples, err := s.Samples(1, 1)
		if err != nil || n < at {
			return fmt.Errorf("%d was acknowledged, the store has %d (error %v)", at, n, err)
		}
		if n > 0 && (state.Nodes[1].Fence != n || state.Nodes[2].Fence != n || len(samples) != 1 || samples[0].Slot != n) {
			return fmt.Errorf("write %d is not whole: fences %d and %d, samples %v", n, state.Nodes[1].Fence, state.Nodes[2].Fence, samples)
		}
		return nil
	}
	go func() {
		for n := uint32(1); ; n++ {
			select {
			case <-over:
				ended <- nil
				return
			default:
			}
			txn := reconfig.Txn{}
			if n%20 == 0 {
				txn = large(n, 4000)
			}
			txn.Meta = &reconfig.Meta{Self: 1, Term: n}
			txn.Nodes = append(txn.Nodes, reconfig.Node{ID: 1, Fence: n}, reconfig.Node{ID: 2, Fence: n})
			txn.Samples = []reconfig.Stored{sample(1, n)}
			err := s.Apply(txn)
			mu.Lock()
			if err == nil {
				acknowledged = n
			}
			at := acknowledged
			mu.Unlock()
			if err := check(at); err != nil {
				ended <- err
				return
			}
			if state, err := s.Load(); err == nil {
				n = max(n, state.Meta.Term) // what was not acknowledged may have happened
			} else {
				<-time.After(5 * time.Millisecond) // no more often than an engine would
			}
		}
	}()
	chance := rand.New(rand.NewPCG(1, 2))
	for range *killsFlag {
		mu.Lock()
		from := acknowledged
		mu.Unlock()
		eventually(t, "writes go on", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return acknowledged > from+uint32(5+chance.IntN(30))
		})
		e.Kill()
		e.Start()
	}
	close(over)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	a.stop()
	b := start(t, config(t, e, "b"))
	s = lead(t, b)
	if err := check(acknowledged); err != nil {
		t.Error(err)
	}
	t.Logf("%d writes were acknowledged", acknowledged)
}

// A member that finds no etcd says so once, and leads when there is one.
func TestEtcdComesLater(t *testing.T) {
	t.Parallel()
	e := testbed.StartEtcd(t)
	e.Kill()
	var mu sync.Mutex
	var log bytes.Buffer
	cfg := config(t, e, "a")
	cfg.Logger = slog.New(slog.NewTextHandler(writer(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(b)
	}), nil))
	a := start(t, cfg)
	lines := func() int {
		mu.Lock()
		defer mu.Unlock()
		return strings.Count(log.String(), "etcd cannot be used; waiting for it")
	}
	eventually(t, "it says so", func() bool { return lines() > 0 })
	if s, _ := a.Standing(); !strings.Contains(s.Trouble, e.Endpoint) {
		t.Errorf("trouble %q does not name the endpoint", s.Trouble)
	}
	e.Start()
	eventually(t, "it leads", a.leads)
	if n := lines(); n != 1 {
		t.Errorf("it said so %d times:\n%s", n, log.String())
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// A manager that was away for longer than the journal reaches back has a gap
// in its history, and what comes after.
func TestGapInHistory(t *testing.T) {
	t.Parallel()
	e := testbed.StartEtcd(t)
	cfg, away := config(t, e, "a"), config(t, e, "b")
	cfg.Limits.JournalAge = time.Nanosecond
	a := start(t, cfg)
	s := lead(t, a)
	b := start(t, away)
	write := func(slot uint32) {
		t.Helper()
		if err := s.Apply(reconfig.Txn{Samples: []reconfig.Stored{sample(5, slot)}}); err != nil {
			t.Fatal(err)
		}
	}
	write(1)
	eventually(t, "b stands by", func() bool { n, _ := a.Standing(); return len(n.Others) == 1 })
	b.stop()
	for slot := range uint32(20) {
		write(slot + 2)
	}
	eventually(t, "the journal is short", func() bool {
		if err := s.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		left, err := raw(t, e).Get(t.Context(), "/simone/journal/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		return err == nil && left.Count == 1
	})
	b = start(t, away)
	eventually(t, "b stands by again", func() bool { n, _ := a.Standing(); return len(n.Others) == 1 })
	write(22)
	a.stop()
	next := lead(t, b)
	samples, err := next.Samples(5, 0)
	if err != nil || len(samples) < 2 || samples[0].Slot != 22 || samples[1].Slot != 21 {
		t.Errorf("samples %v, error %v", samples, err)
	}
}
