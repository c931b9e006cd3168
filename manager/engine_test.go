package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// engineBench is a Conductor with everything around it. Its time is the bubble's.
type engineBench struct {
	*Conductor
	store *memoryStore
	net   *fakeNetwork
	door  *listDoor
	logs  *logLines

	mu      sync.Mutex
	samples []reconfig.Stored
	entries []reconfig.Entry
	alerts  []string
}

type logLines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logLines) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), s)
}

func engineSettings() reconfig.Settings {
	s := reconfig.DefaultSettings()
	s.Trigger, s.Interval = time.Second, time.Second
	s.MinILMs = 1
	return s
}

func newEngineBench(t *testing.T, store *memoryStore) *engineBench {
	t.Helper()
	clock := NewClock()
	b := &engineBench{
		store: store, net: &fakeNetwork{agents: make(map[netip.AddrPort]*fakeAgent)},
		door: newListDoor(clock), logs: &logLines{},
	}
	c, err := NewConductor(ConductorConfig{
		Self: 1, Settings: engineSettings(), Seed: 1, Clock: clock, Store: store, Poller: b.net, Local: b.door,
		Logger:    slog.New(slog.NewTextHandler(b.logs, nil)),
		OnSamples: func(s []reconfig.Stored) { b.mu.Lock(); defer b.mu.Unlock(); b.samples = append(b.samples, s...) },
		OnEntry:   func(e reconfig.Entry) { b.mu.Lock(); defer b.mu.Unlock(); b.entries = append(b.entries, e) },
		OnAlert:   func(s string) { b.mu.Lock(); defer b.mu.Unlock(); b.alerts = append(b.alerts, s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Conductor = c
	return b
}

// start runs the Conductor until the test is over, and checks that it stops.
func (b *engineBench) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	if err := b.Join(t.Context(), reconfig.Node{
		ID: 1, Key: "top", Name: "top", Address: "127.0.0.1:1161", Kind: mib.KindLeaf, Profile: "simone", Credential: "c", Zone: "z",
	}, false); err != nil {
		t.Fatal(err)
	}
}

func leafNode(i int) reconfig.Node {
	return reconfig.Node{
		Key: fmt.Sprintf("n%d", i), Name: fmt.Sprintf("n%d", i), Address: fmt.Sprintf("127.0.2.%d:161", i),
		Kind: mib.KindLeaf, Profile: "simone", Credential: "c", Zone: "z",
	}
}

// listAgent is a fake child with a real support list behind its variables.
func listAgent(clock Clock) *fakeAgent {
	door := newListDoor(clock)
	door.list = reconfig.NewList(reconfig.ListState{}, reconfig.ListLimits{Incarnation: 99}, clock.Now())
	a := &fakeAgent{}
	show := func() {
		a.mu.Lock()
		a.vars = nil
		a.mu.Unlock()
		r := door.Report(nil, true)
		r.Windows, r.Temperature = 5, 1
		r.Latency = 3 * time.Millisecond
		a.putReport(r)
		for _, row := range r.Rows {
			a.putRow(row)
		}
		_, records := door.ReadLog(reconfig.Cursor{}, 1000)
		for _, rec := range records {
			a.putRecord(rec)
		}
	}
	a.meddle = func(int, mib.Request) *mib.Response {
		door.mu.Lock()
		for _, p := range door.list.Due(clock.Now()) {
			door.list.Polled(clock.Now(), p.Row.Node, p.Slot, mib.Sample{RTT: time.Millisecond})
		}
		door.mu.Unlock()
		show()
		return nil
	}
	a.onSet = func(vars []mib.Variable) (mib.ErrorStatus, int) {
		set := reconfig.ControlSet{Verb: reconfig.Claim}
		set.Fence, _ = mib.ParseFence(vars[0].Value.Bytes)
		for _, v := range vars[1:] {
			switch object, _ := mib.Locate(v.Name); object.Name {
			case "simoneIlmApply":
				set.Apply, _ = mib.ParseApply(v.Value.Bytes)
				set.Verb = reconfig.Stage
			case "simoneIlmAdminStatus":
				set.Verb = reconfig.Demote
				if v.Value.Int == int64(mib.IlmAdminUp) {
					set.Verb = reconfig.Promote
				}
			case "simoneIlmCursor":
				set.Verb = reconfig.Acknowledge
			}
		}
		if err := door.Control(set); err != nil {
			return mib.InconsistentValue, 1
		}
		return mib.NoError, 0
	}
	show()
	return a
}

func TestConductorWritesBeforeItActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memoryStore{}
		b := newEngineBench(t, store)
		var order []string
		var mu sync.Mutex
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, fmt.Sprintf(format, args...))
		}
		store.onApply = func(txn reconfig.Txn) {
			for _, n := range txn.Nodes {
				if n.Wanted {
					note("stored %d wanted", n.ID)
				}
			}
		}
		child := listAgent(b.cfg.Clock)
		set := child.onSet
		child.onSet = func(vars []mib.Variable) (mib.ErrorStatus, int) {
			for _, v := range vars {
				if v.Name.Equal(mib.Instance(mib.SimoneIlmAdminStatus)) {
					note("set admin status")
				}
			}
			return set(vars)
		}
		n := leafNode(2)
		n.Candidate = true
		b.net.agents[netip.MustParseAddrPort(n.Address)] = child
		b.start(t)
		if err := b.Join(t.Context(), n, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		stored, sent := slices.Index(order, "stored 2 wanted"), slices.Index(order, "set admin status")
		if stored < 0 || sent < 0 || sent < stored {
			t.Errorf("order %q, want the role stored before it is sent", order)
		}
		kids := b.Children()
		if len(kids) != 1 || kids[0].ID != 2 || !kids[0].Report.Active || kids[0].Silent {
			t.Fatalf("children %+v, want the active ILM 2", kids)
		}
		if got, ok := b.GlobalLatency(); !ok || got != 3*time.Millisecond {
			t.Errorf("global latency %v, %v; want 3ms", got, ok)
		}
		round, seen := b.Round()
		if round.At == 0 || b.Counters().Rounds == 0 {
			t.Errorf("no round in 20 s: %+v", b.Counters())
		}
		if len(seen) != 1 || seen[0].ID != 2 || seen[0].At > round.At || seen[0].Report.Latency != 3*time.Millisecond {
			t.Errorf("the round at %v saw %+v, want the report of ILM 2 from before", round.At, seen)
		}
		if k := store.kinds(); k[reconfig.KindJoined] == 0 || k[reconfig.KindPromote] != 1 {
			t.Errorf("entries %v, want joins and one promotion", k)
		}
	})
}

func TestConductorFindsASilentChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEngineBench(t, &memoryStore{})
		n := leafNode(2)
		n.Candidate = true
		address := netip.MustParseAddrPort(n.Address)
		b.net.agents[address] = listAgent(b.cfg.Clock)
		b.start(t)
		if err := b.Join(t.Context(), n, false); err != nil {
			t.Fatal(err)
		}
		for i := 3; i < 10; i++ {
			if err := b.Join(t.Context(), leafNode(i), false); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Second)
		b.mu.Lock()
		if len(b.samples) == 0 {
			t.Error("no sample was stored and told")
		}
		b.mu.Unlock()
		b.net.silence(address, true)
		began := time.Now()
		for b.store.kinds()[reconfig.KindLost] == 0 {
			time.Sleep(10 * time.Millisecond)
			if time.Since(began) > 10*time.Second {
				t.Fatalf("not found silent; children %+v", b.Children())
			}
		}
		s := engineSettings()
		// The child may have answered just before; and this looks every 10 ms.
		if most := time.Duration(s.Misses+1)*s.Probe + 10*time.Millisecond; time.Since(began) > most {
			t.Errorf("found silent after %v, want at most %v", time.Since(began), most)
		}
		time.Sleep(10 * time.Second)
		if got := b.door.rows(); len(got) < 8 {
			t.Errorf("the manager's own list has %v after the failover, want the seven leaves and itself", got)
		}
	})
}

func TestConductorStartsAgainWhenTheStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memoryStore{}
		b := newEngineBench(t, store)
		b.start(t)
		time.Sleep(5 * time.Second)
		before := b.Meta().Term

		store.setFail(errEngineDisk)
		err := b.Join(t.Context(), leafNode(2), false)
		if !errors.Is(err, errEngineDisk) {
			t.Fatalf("Join while the disk is full: %v", err)
		}
		time.Sleep(30 * time.Second)
		if err := b.Failure(); !errors.Is(err, errEngineDisk) {
			t.Errorf("Failure() = %v", err)
		}
		if n := b.logs.count("level=ERROR"); n != 1 {
			t.Errorf("%d errors in the log, want one", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Ask(ctx, reconfig.AskPause, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Ask while there is no engine: %v, want its own time-out", err)
		}

		store.setFail(nil)
		if err := b.Join(t.Context(), leafNode(3), false); err != nil {
			t.Fatalf("Join after the disk has room: %v", err)
		}
		if err := b.Failure(); err != nil {
			t.Errorf("Failure() = %v after it works again", err)
		}
		if b.Meta().Paused {
			t.Error("a wish whose asker had given up was carried out")
		}
		if after := b.Meta().Term; after <= before {
			t.Errorf("term %d after the restart, %d before: want a higher one", after, before)
		}
		if n := b.logs.count("works again"); n != 1 {
			t.Errorf("%d times in the log that it works again, want once", n)
		}
		var names []string
		for _, n := range b.Nodes() {
			names = append(names, n.Name)
		}
		if !slices.Equal(names, []string{"top", "n3"}) {
			t.Errorf("nodes %v, want those that were stored", names)
		}
	})
}

// knowing is a store that knows that it was put back, until a term is raised.
type knowing struct {
	*memoryStore
	back     bool
	failures int // of the next writes
}

func (k *knowing) Restored() (bool, error) { return k.back, nil }

func (k *knowing) Apply(txn reconfig.Txn) error {
	if k.failures > 0 {
		k.failures--
		return errEngineDisk
	}
	err := k.memoryStore.Apply(txn)
	if err == nil && txn.Meta != nil {
		k.back = false
	}
	return err
}

// The jump that a restore asks for (docs/protocol.md, TermJump) is made once,
// however often the engine has to be made anew afterwards, and not left out
// if the first attempt finds no room on the disk.
func TestConductorJumpsOnceAfterARestore(t *testing.T) {
	for name, told := range map[string]bool{"told so": true, "the store knows": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &knowing{memoryStore: &memoryStore{}, back: !told, failures: 3}
				b := newEngineBench(t, store.memoryStore)
				b.cfg.Store, b.cfg.Restored = store, told
				b.start(t)
				first := b.Meta().Term
				if first < 1024 || first > 1024+5 {
					t.Errorf("term %d after a restore", first)
				}
				store.failures = 3
				if err := b.Join(t.Context(), leafNode(2), false); !errors.Is(err, errEngineDisk) {
					t.Errorf("Join while the disk is full: %v", err)
				}
				time.Sleep(30 * time.Second)
				if again := b.Meta().Term; again <= first || again > first+5 {
					t.Errorf("term %d when the engine was made anew, %d before", again, first)
				}
			})
		})
	}
}

func TestConductorKeepsAnswersFromALaterEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEngineBench(t, &memoryStore{})
		// Two lives, and an answer to the first when the second is on.
		first := &life{ctx: t.Context()}
		b.life = &life{ctx: t.Context()}
		called := false
		err := b.deliver(letter{of: first, event: func(now reconfig.Instant) reconfig.Event {
			called = true
			return reconfig.Ticked{At: reconfig.At{Now: now}}
		}})
		if err != nil || called {
			t.Errorf("an answer to an engine that is gone reached the next one (err %v)", err)
		}
	})
}

func TestConductorAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memoryStore{}
		b := newEngineBench(t, store)
		b.start(t)
		for i := 2; i < 5; i++ {
			if err := b.Join(t.Context(), leafNode(i), false); err != nil {
				t.Fatal(err)
			}
		}
		stored := func(id mib.NodeID) reconfig.Node {
			store.mu.Lock()
			defer store.mu.Unlock()
			return store.state.Nodes[id]
		}
		for _, tt := range []struct {
			ask  reconfig.Ask
			node mib.NodeID
			want func() bool
		}{
			{reconfig.AskDrain, 2, func() bool { return stored(2).Drained }},
			{reconfig.AskUndrain, 2, func() bool { return !stored(2).Drained }},
			{reconfig.AskPin, 3, func() bool { return stored(3).Pinned }},
			{reconfig.AskUnpin, 3, func() bool { return !stored(3).Pinned }},
			{reconfig.AskPause, 0, func() bool { return store.state.Meta.Paused && b.Meta().Paused }},
			{reconfig.AskResume, 0, func() bool { return !store.state.Meta.Paused && !b.Meta().Paused }},
		} {
			if err := b.Ask(t.Context(), tt.ask, tt.node); err != nil {
				t.Fatal(err)
			}
			if !tt.want() { // no waiting: it is on disk when Ask returns
				t.Errorf("ask %d of node %d has had no effect", tt.ask, tt.node)
			}
		}
		s := b.Settings()
		s.Thresholds.Split = 99
		if err := b.Tune(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if got := b.Settings().Thresholds.Split; got != 99 {
			t.Errorf("split %v, want 99", got)
		}
		s.Thresholds.Merge = 100
		if err := b.Tune(t.Context(), s); err == nil || b.Settings().Thresholds.Merge == 100 {
			t.Errorf("thresholds out of order were taken (err %v)", err)
		}
		rounds := b.Counters().Rounds
		b.Trigger()
		synctest.Wait()
		if got := b.Counters().Rounds; got != rounds+1 {
			t.Errorf("%d rounds after a trigger, %d before", got, rounds)
		}
		if err := b.Leave(t.Context(), 4); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if _, ok := b.Node(4); ok {
			t.Error("node 4 has left and is still known")
		}
	})
}

func TestConductorWaitsForNobodyAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEngineBench(t, &memoryStore{})
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- b.Run(ctx) }()
		time.Sleep(time.Second)
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := b.Ask(t.Context(), reconfig.AskPause, 0); !errors.Is(err, ErrStopped) {
			t.Errorf("Ask after the end: %v, want ErrStopped", err)
		}
	})
}

func TestNewConductorRefuses(t *testing.T) {
	good := func() ConductorConfig {
		clock := NewClock()
		return ConductorConfig{Self: 1, Settings: engineSettings(), Clock: clock, Store: &memoryStore{}, Poller: &fakeNetwork{}, Local: newListDoor(clock)}
	}
	for _, tt := range []struct {
		name string
		do   func(*ConductorConfig)
		want string
	}{
		{"no NodeID", func(c *ConductorConfig) { c.Self = 0 }, "no NodeID"},
		{"level", func(c *ConductorConfig) { c.Level = mib.Levels }, "level 4"},
		{"settings", func(c *ConductorConfig) { c.Settings.Trigger = 0 }, "trigger"},
		{"no store", func(c *ConductorConfig) { c.Store = nil }, "a store"},
		{"store of another node", func(c *ConductorConfig) {
			c.Store = &memoryStore{state: reconfig.State{Meta: reconfig.Meta{Self: 4}}}
		}, "node 4"},
		{"store fails", func(c *ConductorConfig) { c.Store = &memoryStore{fail: errEngineDisk} }, errEngineDisk.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good()
			tt.do(&cfg)
			if _, err := NewConductor(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}
