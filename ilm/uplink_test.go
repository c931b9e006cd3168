package ilm

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"simone/agent"
	"simone/manager"
	"simone/mib"
	"simone/profile"
	"simone/reconfig"
)

// noStore keeps nothing.
type noStore struct{}

func (noStore) LoadList() (reconfig.ListState, error)  { return reconfig.ListState{}, nil }
func (noStore) ApplyList(_ *reconfig.ListChange) error { return nil }

// noPoller is for nodes that poll nobody.
type noPoller struct{}

func (noPoller) Prepare(mib.Request) (mib.Query, error) { panic("nothing was to be polled") }

// PrepareWalk implements manager.Poller: no tables are read here.
func (noPoller) PrepareWalk(mib.Request, []mib.OID) (mib.Walk, error) {
	return nil, errors.ErrUnsupported
}
func (noPoller) Together(func())                       { panic("nothing was to be polled") }
func (noPoller) Start(mib.Request, func(mib.Response)) { panic("nothing was to be polled") }
func (noPoller) Do(context.Context, mib.Request) mib.Response {
	panic("nothing was to be polled")
}

// above is a Notifier that remembers what it was told.
type above struct {
	mu     sync.Mutex
	deaf   bool
	heard  []mib.OID
	at     []time.Time
	values [][]mib.Variable
}

func (a *above) Inform(ctx context.Context, n mib.OID, vars []mib.Variable) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	a.heard, a.at, a.values = append(a.heard, n), append(a.at, time.Now()), append(a.values, vars)
	if a.deaf {
		return mib.ErrTimeout
	}
	return nil
}

func (a *above) count(n mib.OID) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := 0
	for _, h := range a.heard {
		if h.Equal(n) {
			c++
		}
	}
	return c
}

func newNode(t *testing.T, name string) *agent.Node {
	t.Helper()
	collector, err := agent.NewCollector(agent.CollectorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	node, err := agent.OpenNode(agent.NodeOptions{
		Name: name, Address: "127.0.0.9:16100", Zone: "lab", Candidate: true, Software: "simoned test", Collector: collector,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
	return node
}

func newManager(t *testing.T, n Notifier) *Manager {
	t.Helper()
	m, err := New(Config{
		Node: newNode(t, "lonely"), Notifier: n,
		Host: manager.Config{
			Store: noStore{}, Poller: noPoller{}, Clock: manager.NewClock(),
			Profiles:        profile.BuiltInSet,
			HoldsCredential: func(string) bool { return false },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Register(mib.NewTree()); err != nil {
		t.Fatal(err)
	}
	return m
}

// run runs the manager; stop ends it with a cause and waits.
func run(t *testing.T, m *Manager) (stop func(cause error)) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	return func(cause error) {
		cancel(cause)
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestOrphanAnnouncesItselfUntilItHasAParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &above{}
		m := newManager(t, a)
		stop := run(t, m)
		time.Sleep(25 * time.Second) // at 0, 10 and 20 s
		if n := a.count(mib.SimoneNodeJoined); n != 3 {
			t.Errorf("%d announcements of an orphan in 25 s, want 3", n)
		}
		names := map[string]string{}
		for _, v := range a.values[0] {
			names[mib.NameOf(v.Name)] = v.Value.String()
		}
		for name, want := range map[string]string{
			"simoneNodeName.0": "lonely", "simoneNodeUuid.0": m.Node().UUID(), "simoneNodeAddress.0": "127.0.0.9:16100",
			"simoneNodeZone.0": "lab", "simoneNodeCandidate.0": "1", "simoneNodeSoftware.0": "simoned test",
		} {
			if names[name] != want {
				t.Errorf("the announcement says %s = %q, want %q", name, names[name], want)
			}
		}

		if err := m.Node().SetPlace(agent.Place{ID: 17, ParentID: 1, Path: "1/17", Level: 1, Epoch: mib.Epoch{1 << 16}}); err != nil {
			t.Fatal(err)
		}
		poll := []mib.Variable{{Name: mib.MetricInstance(0, mib.MetricNumber("simone", "load1"), 0)}}
		before := a.count(mib.SimoneNodeJoined)
		for range 60 {
			m.Observe(mib.VerbGet, poll)
			time.Sleep(time.Second)
		}
		if n := a.count(mib.SimoneNodeJoined); n != before {
			t.Errorf("%d announcements while a parent polls", n-before)
		}
		m.Observe(mib.VerbGetNext, poll) // a walk of somebody's is no parent
		time.Sleep(45 * time.Second)
		if n := a.count(mib.SimoneNodeJoined); n == before || m.HasParent() {
			t.Errorf("no announcement 45 s after the last poll; the lease is 30 s")
		}
		stop(nil)
		if n := a.count(mib.SimoneNodeLeaving); n != 1 {
			t.Errorf("%d goodbyes", n)
		}
	})
}

// TestIlmThatIsTakenForALeafAnnouncesItself: a manager that polls an ILM as a
// leaf does not know of its rows. Only who reads its fence is its parent.
func TestIlmThatIsTakenForALeafAnnouncesItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &above{}
		m := newManager(t, a)
		if err := m.Host().Control(reconfig.ControlSet{Verb: reconfig.Promote, Fence: mib.Fence{Parent: 1, Term: 1, Seq: 1}}); err != nil {
			t.Fatal(err)
		}
		stop := run(t, m)
		if err := m.Node().SetPlace(agent.Place{ID: 17, ParentID: 1, Path: "1/17", Level: 1, Epoch: mib.Epoch{1 << 16}}); err != nil {
			t.Fatal(err)
		}
		ask := func(name mib.OID) (announced int) {
			before := a.count(mib.SimoneNodeJoined)
			for range 60 {
				m.Observe(mib.VerbGet, []mib.Variable{{Name: name}})
				time.Sleep(time.Second)
			}
			return a.count(mib.SimoneNodeJoined) - before
		}
		if n := ask(mib.MetricInstance(0, mib.MetricNumber("simone", "load1"), 0)); n < 5 || m.HasParent() {
			t.Errorf("%d announcements of an ILM that is polled as a leaf for a minute", n)
		}
		if n := ask(mib.Instance(mib.SimoneIlmFence)); n > 1 || !m.HasParent() {
			t.Errorf("%d announcements of an ILM that is probed for a minute", n)
		}
		stop(nil)
	})
}

func TestAnnouncementBacksOffWhileNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &above{deaf: true}
		stop := run(t, newManager(t, a))
		time.Sleep(60 * time.Second) // at 0, 0.5, 1.5, 3.5, 7.5, 15.5, 25.5, 35.5, 45.5, 55.5 s
		if n := a.count(mib.SimoneNodeJoined); n != 10 {
			t.Errorf("%d attempts in a minute, want 10: at first soon, then every 10 s", n)
		}
		stop(nil)
		if n := a.count(mib.SimoneNodeLeaving); n != 0 {
			t.Error("a node that nobody knows said goodbye")
		}
	})
}

func TestKilledNodeSaysNoGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &above{}
		stop := run(t, newManager(t, a))
		time.Sleep(time.Second)
		stop(ErrKilled)
		if a.count(mib.SimoneNodeJoined) != 1 || a.count(mib.SimoneNodeLeaving) != 0 {
			t.Errorf("heard %v", a.heard)
		}
	})
}

func TestRunBeforeRegisterIsRefused(t *testing.T) {
	m := newManager(t, nil)
	m.tree = nil
	if err := m.Run(t.Context()); err == nil {
		t.Error("it ran without a tree")
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a configuration without a node was accepted")
	}
	if _, err := New(Config{Node: newNode(t, "x"), JoinEvery: -1}); err == nil || errors.Is(err, context.Canceled) {
		t.Error("a negative period was accepted")
	}
}
