package ilm_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"simone/agent"
	"simone/agent/responder"
	"simone/ilm"
	"simone/internal/snmp"
	"simone/manager"
	"simone/mib"
	"simone/profile"
	"simone/reconfig"
)

// patience is for what must happen; only a test that fails waits so long.
const patience = 10 * time.Second

// eventually waits until ok says so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// memory is a store for one test; nothing is read back.
type memory struct{}

func (memory) LoadList() (reconfig.ListState, error)  { return reconfig.ListState{}, nil }
func (memory) ApplyList(_ *reconfig.ListChange) error { return nil }

// notifier binds a Notifier to its target.
type notifier struct {
	*snmp.Notifier
	to snmp.Target
}

func (n notifier) Inform(ctx context.Context, notification mib.OID, vars []mib.Variable) error {
	return n.Notifier.Inform(ctx, n.to, notification, vars)
}

// fleet runs nodes and stops them at the end of the test.
type fleet struct {
	t         *testing.T
	ctx       context.Context
	keys      snmp.Keyring
	collector *agent.Collector
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	keys, err := snmp.NewKeyring(snmp.Credential{Name: "demo", Version: snmp.V2c, Community: "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	collector, err := agent.NewCollector(agent.CollectorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	collector.Collect(time.Now())
	return &fleet{t: t, ctx: t.Context(), keys: keys, collector: collector}
}

// start runs something until the test ends.
func (f *fleet) start(what string, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.ctx))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				f.t.Errorf("%s: %v", what, err)
			}
		})
	}
	f.t.Cleanup(stop)
	return stop
}

func (f *fleet) poller() *snmp.Poller {
	f.t.Helper()
	p, err := snmp.NewPoller(snmp.PollerConfig{}, f.keys)
	if err != nil {
		f.t.Fatal(err)
	}
	f.start("poller", p.Run)
	return p
}

func (f *fleet) respond(listen string, tree *mib.Tree, observe func(responder.Observation), notify func(snmp.Notification) bool) *responder.Responder {
	f.t.Helper()
	r, err := responder.New(responder.Config{
		Listen:      listen,
		Communities: []responder.Community{{Name: "demo", Secret: "s3cret", Write: &responder.View{}, Notify: true}},
		Observe:     observe, Notify: notify,
	}, tree)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// node starts a node with its own responder and poller.
func (f *fleet) node(name string, top *responder.Responder) (*ilm.Manager, netip.AddrPort, func()) {
	f.t.Helper()
	var m *ilm.Manager
	tree := mib.NewTree()
	r := f.respond("127.0.0.1:0", tree, func(o responder.Observation) { m.Observe(o.Verb, o.Vars) }, nil)
	node, err := agent.OpenNode(agent.NodeOptions{
		Name: name, Address: r.Addr().String(), Candidate: true, Software: "test", Collector: f.collector,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = node.Close() }) // without a state directory it keeps nothing
	poller := f.poller()
	m, err = ilm.New(ilm.Config{
		Node: node,
		Host: manager.Config{
			Store: memory{}, Poller: poller, Clock: manager.NewClock(),
			Profiles:        profile.BuiltInSet,
			HoldsCredential: func(name string) bool { _, ok := f.keys.Lookup(name); return ok },
		},
		Notifier: notifier{snmp.NewNotifier(poller, time.Now()), snmp.Target{Address: top.Addr(), Credential: "demo"}},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := m.Register(tree); err != nil {
		f.t.Fatal(err)
	}
	f.start(name+"'s responder", r.Run)
	return m, r.Addr(), f.start(name, m.Run)
}

// TestThreeNodesOverUDP makes one node an ILM over two others, with nothing
// but SNMP between them.
func TestThreeNodesOverUDP(t *testing.T) {
	f := newFleet(t)
	var mu sync.Mutex
	heard := make(map[string]int) // notifications by name of notification and node
	top := f.respond("127.0.0.1:0", mib.NewTree(), nil, func(n snmp.Notification) bool {
		mu.Lock()
		defer mu.Unlock()
		for _, v := range n.Vars {
			if v.Name.Equal(mib.Instance(mib.SimoneNodeName)) {
				heard[mib.NameOf(n.TrapOID)+" "+v.Value.String()]++
			}
		}
		return true
	})
	f.start("top", top.Run)
	hears := func(what string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return heard[what] > 0
		}
	}

	boss, bossAt, _ := f.node("boss", top)
	leaves := make(map[mib.NodeID]*ilm.Manager)
	var rows []mib.SupportRow
	var stopLeaf func()
	for id, name := range map[mib.NodeID]string{20: "left", 21: "right"} {
		m, at, stop := f.node(name, top)
		leaves[id] = m
		if id == 21 {
			stopLeaf = stop
		}
		rows = append(rows, mib.SupportRow{
			Node: id, Epoch: mib.Epoch{1<<16 | 1}, Slot: 1, Due: 50 * time.Millisecond, Interval: 200 * time.Millisecond,
			Kind: mib.KindLeaf, Name: name, Address: at.String(), Profile: mib.ProfileSimone, Credential: "demo",
		})
	}
	for _, name := range []string{"boss", "left", "right"} {
		eventually(t, name+" announces itself", hears("simoneNodeJoined "+name))
	}

	// The test is the TLM: it places the boss, claims it and gives it rows.
	tlm := f.poller()
	seq := uint32(0)
	set := func(vars ...mib.Variable) mib.Response {
		t.Helper()
		r := tlm.Do(t.Context(), mib.Request{Address: bossAt, Credential: "demo", Verb: mib.VerbSet, Vars: vars, Timeout: patience})
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		return r
	}
	control := func(vars ...mib.Variable) mib.Response {
		t.Helper()
		seq++
		fence := mib.Fence{Parent: 1, Own: mib.Epoch{1<<16 | 1}, Term: 1, Seq: seq}
		return set(append([]mib.Variable{{Name: mib.Instance(mib.SimoneIlmFence), Value: mib.Octets(fence.Append(nil))}}, vars...)...)
	}
	at := func(object mib.OID, v mib.Value) mib.Variable {
		return mib.Variable{Name: mib.Instance(object), Value: v}
	}
	for _, r := range []mib.Response{
		set(at(mib.SimoneNodeEpoch, mib.Octets(mib.Epoch{1<<16 | 1}.Append(nil))), at(mib.SimoneNodeId, mib.Gauge(4)),
			at(mib.SimoneNodeParentId, mib.Gauge(1)), at(mib.SimoneNodeParent, mib.Text(top.Addr().String())),
			at(mib.SimoneNodePath, mib.Text("1/4")), at(mib.SimoneNodeLevel, mib.Gauge(1))),
		control(),
		control(at(mib.SimoneIlmTriggerInterval, mib.Gauge(500)), at(mib.SimoneIlmPollInterval, mib.Gauge(200)),
			at(mib.SimoneIlmAdminStatus, mib.Integer(int32(mib.IlmAdminUp)))),
		control(at(mib.SimoneIlmApply, mib.Octets(mib.Apply{Stage: rows}.Append(nil)))),
	} {
		if r.Status != mib.NoError {
			t.Fatalf("refused: %v at %d", r.Status, r.Index)
		}
	}
	if role := boss.Node().Role(); role != mib.RoleILM {
		t.Errorf("the boss is a %v", role)
	}

	eventually(t, "both leaves have two samples", func() bool {
		r := boss.Host().Report(nil, true)
		return len(r.Rows) == 2 && r.Rows[0].Samples >= 2 && r.Rows[1].Samples >= 2
	})
	eventually(t, "the leaves know whose they are", func() bool {
		for id, m := range leaves {
			p := m.Node().Place()
			if p.ID != id || p.ParentID != 4 || p.Path != "1/4/"+id.String() || p.Parent != bossAt.String() || p.Level != 2 || !m.HasParent() {
				return false
			}
		}
		return true
	})
	eventually(t, "a window with temperatures", func() bool {
		m := boss.Host().Measures()
		return m.Windows >= 2 && m.Latency.Count > 0 && m.Latency.Mean > 0 && m.Temperature > 0
	})
	if m := boss.Host().Measures(); m.Latency.Mean > time.Second {
		t.Errorf("the latency of an idle ILM is %v: kernel and process count from different clocks", m.Latency.Mean)
	}

	// What the boss shows of its leaves is what they show of themselves.
	number := mib.MetricNumber(mib.ProfileSimone, "mem_total")
	r := tlm.Do(t.Context(), mib.Request{Address: bossAt, Credential: "demo", Verb: mib.VerbGet, Timeout: patience, Vars: []mib.Variable{
		{Name: mib.MetricInstance(0, number, 0)}, {Name: mib.MetricInstance(20, number, 0)}, {Name: mib.MetricInstance(21, number, 0)},
		{Name: mib.SimoneAggregateCount.Append(number)}, {Name: mib.SimoneAggregateMax.Append(number)},
	}})
	if r.Err != nil || r.Status != mib.NoError || len(r.Vars) != 5 {
		t.Fatalf("GET: %+v", r)
	}
	if own := r.Vars[0].Value.String(); r.Vars[1].Value.String() != own || r.Vars[2].Value.String() != own ||
		r.Vars[3].Value.Uint != 2 || r.Vars[4].Value.String() != own {
		t.Errorf("own, left, right, count, max: %v", r.Vars)
	}

	seq = 0 // a manager that was replaced
	if r := control(); r.Status != mib.InconsistentValue || r.Index != 1 {
		t.Errorf("a stale fence: %v at %d", r.Status, r.Index)
	}

	stopLeaf()
	eventually(t, "the goodbye of right", hears("simoneNodeLeaving right"))
}
