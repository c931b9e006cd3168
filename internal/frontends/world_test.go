package frontends

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"simone/agent"
	"simone/manager"
	"simone/mib"
	"simone/profile"
	"simone/reconfig"
)

// patience is for what must happen; only a test that fails waits so long.
const patience = 20 * time.Second

// world is a real ILM without a network below it: its node, its support list,
// and beside them objects that go wrong in every way.
type world struct {
	tree  *mib.Tree
	host  *manager.Host
	node  *agent.Node
	store *memory
	shelf *shelf
	seq   uint32 // of the last fence
}

// self is the ILM's own epoch; manager 1 is its parent.
func self() mib.Epoch { return mib.Epoch{1<<16 | 4} }

// newWorld makes an ILM with nodes 20 to 23 on its list, values of two of them,
// and a tombstone for 24. Two worlds differ in nothing but their times.
func newWorld(tb testing.TB, capacity int) *world {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "uuid"), []byte("8b0d4c0e-5a0b-4a53-9d43-0123456789ab\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	// It measures once, so that two walks find the same rows.
	collector, err := agent.NewCollector(agent.CollectorOptions{Period: time.Hour, Logger: quiet()})
	if err != nil {
		tb.Fatal(err)
	}
	run(tb, collector.Run)
	until(tb, "the first measurement", func() bool { return !collector.Snapshot().At.IsZero() })
	w := &world{tree: mib.NewTree(), store: new(memory), shelf: newShelf()}
	w.node, err = agent.OpenNode(agent.NodeOptions{
		Name: "ilm4", Address: "127.0.0.4:16100", Zone: "rack1", Candidate: true, Software: "simoned under test",
		StateDir: dir, Collector: collector,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := w.node.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := w.node.SetPlace(agent.Place{ID: 4, Level: 1, Parent: "127.0.0.1:16100", ParentID: 1, Path: "1/4", Epoch: self()}); err != nil {
		tb.Fatal(err)
	}
	w.host, err = manager.New(manager.Config{
		Node: hostNode{w.node}, Store: w.store, Poller: nobody{}, Clock: manager.NewClock(),
		Profiles:        profile.BuiltInSet,
		HoldsCredential: func(name string) bool { return name == "demo" },
		Credential:      "demo", Capacity: capacity, Incarnation: 77,
	})
	if err != nil {
		tb.Fatal(err)
	}
	w.node.SetMetricSource(w.host.MetricRows())
	if err := errors.Join(w.node.Register(w.tree), w.host.Register(w.tree), w.shelf.register(w.tree)); err != nil {
		tb.Fatal(err)
	}
	w.must(tb, w.fence(), scalar(mib.SimoneIlmTriggerInterval, mib.Gauge(1000)), scalar(mib.SimoneIlmPollInterval, mib.Gauge(1000)),
		scalar(mib.SimoneIlmAdminStatus, mib.Integer(int32(mib.IlmAdminUp))))
	w.node.SetRole(mib.RoleILM)
	w.must(tb, w.fence(), apply(mib.Apply{Stage: []mib.SupportRow{row(20, 5), row(21, 5), row(22, 5), row(23, 5), row(24, 5)}}))
	w.must(tb, w.fence(), apply(mib.Apply{Destroy: []mib.Tombstone{{Node: 24, Epoch: mib.Epoch{1<<16 | 6}}}}))
	load := mib.MetricNumber(mib.ProfileSimone, "runqueue")
	for i, node := range []mib.NodeID{20, 21} {
		w.host.Observe(node, time.Second, mib.Sample{Values: []mib.MetricValue{{Metric: load, Value: float64(i) + 0.25}, {Metric: load + 1, Instance: 7, Value: 1e9}}})
	}
	return w
}

// must does a SET that has to pass.
func (w *world) must(tb testing.TB, vars ...mib.Variable) {
	tb.Helper()
	if e := w.tree.Set(vars); e != nil {
		tb.Fatalf("SET: %v", e)
	}
}

// fence is the next one of manager 1.
func (w *world) fence() mib.Variable {
	w.seq++
	return fence(1, w.seq)
}

func fence(term, seq uint32) mib.Variable {
	return scalar(mib.SimoneIlmFence, mib.Octets(mib.Fence{Parent: 1, Own: self(), Term: term, Seq: seq}.Append(nil)))
}

// state is all that a SET may change, in words.
func (w *world) state() string {
	r := w.host.Report(nil, true)
	var b strings.Builder
	fmt.Fprintf(&b, "fence %v, active %v, digest %v, place %v, period %v\n", r.Fence, r.Active, r.Digest, w.node.Place(), w.node.Collector().Period())
	for _, row := range r.Rows {
		row.Row.Due, row.Row.Slot = 0, 0 // which move with time
		fmt.Fprintf(&b, "%+v\n", row)
	}
	for _, name := range []mib.OID{mib.SimoneIlmTriggerInterval, mib.SimoneIlmPollInterval, mib.SimoneIlmLevels, mib.SimoneIlmBelow, mib.SimoneIlmCursor,
		mib.SimoneTemperatureStu, mib.SimoneTemperatureWeightA, mib.SimoneTemperatureExpression} {
		fmt.Fprintf(&b, "%s %v\n", mib.NameOf(name), w.tree.Get(mib.Instance(name)))
	}
	b.WriteString(w.shelf.String())
	return b.String()
}

// varies names the objects whose values change by themselves; of them the
// types are compared.
func varies(name mib.OID) bool {
	for _, o := range []mib.OID{
		mib.SimoneNodeStartTime, mib.SimoneIlmLease, mib.SimoneIlmLastRound,
		mib.SimoneSupportSlot, mib.SimoneSupportDue, mib.SimoneSupportLastPoll,
		mib.SimoneMetricTime, mib.SimoneMetricAge, mib.SimoneAggregateAge, mib.SimoneReportAge, mib.SimoneReportRecord,
	} {
		if name.HasPrefix(o) {
			return true
		}
	}
	return false
}

// hostNode is the node as a Host wants it.
type hostNode struct{ *agent.Node }

// Identity implements manager.Node.
func (n hostNode) Identity() manager.Identity { return manager.Identity(n.Node.Identity()) }

// nobody is a poller that reaches nobody: the Host does not run here.
type nobody struct{}

func (nobody) Prepare(mib.Request) (mib.Query, error) { return nil, errors.ErrUnsupported }

// PrepareWalk implements manager.Poller: no tables are read here.
func (nobody) PrepareWalk(mib.Request, []mib.OID) (mib.Walk, error) {
	return nil, errors.ErrUnsupported
}
func (nobody) Together(f func()) { f() }
func (nobody) Start(_ mib.Request, done func(mib.Response)) {
	go done(mib.Response{Err: mib.ErrTimeout})
}
func (nobody) Do(context.Context, mib.Request) mib.Response { return mib.Response{Err: mib.ErrTimeout} }

// memory is a ListStore that can break.
type memory struct {
	mu     sync.Mutex // guards the fields below
	state  reconfig.ListState
	broken error
}

func (s *memory) LoadList() (reconfig.ListState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.state
	c.Rows, c.Tombs = maps.Clone(c.Rows), maps.Clone(c.Tombs)
	return c, nil
}

func (s *memory) ApplyList(ch *reconfig.ListChange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	s.state.Active, s.state.Settings, s.state.Fence, s.state.FenceSum, s.state.Term = ch.Active, ch.Settings, ch.Fence, ch.FenceSum, ch.Term
	return nil
}

func (s *memory) breakWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

func scalar(object mib.OID, v mib.Value) mib.Variable {
	return mib.Variable{Name: mib.Instance(object), Value: v}
}

func cell(column mib.OID, node uint32, v mib.Value) mib.Variable {
	return mib.Variable{Name: column.Append(node), Value: v}
}

func apply(a mib.Apply) mib.Variable { return scalar(mib.SimoneIlmApply, mib.Octets(a.Append(nil))) }

// row is a leaf's row at an epoch, due a day from now.
func row(id mib.NodeID, count uint32) mib.SupportRow {
	return mib.SupportRow{
		Node: id, Epoch: mib.Epoch{1<<16 | count}, Slot: 5, Due: 24 * time.Hour, Interval: time.Second,
		Kind: mib.KindLeaf, Name: "leaf" + id.String(), Address: fmt.Sprintf("127.0.%d.%d:16100", id>>8&255, id&255),
		Profile: mib.ProfileSimone, Credential: "demo",
	}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// run runs f until the test ends.
func run(tb testing.TB, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f(ctx); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() { cancel(); wg.Wait() })
}

// until waits for something that nobody reports.
func until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			tb.Fatalf("in vain: %s", what)
		}
		<-tick.C
	}
}
