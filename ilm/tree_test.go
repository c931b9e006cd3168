package ilm_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"simone/agent"
	"simone/ilm"
	"simone/manager"
	"simone/mib"
	"simone/profile"
	"simone/reconfig"
)

// wire is a Poller that brings requests to trees, as SNMP would, in the time
// of the bubble.
type wire struct {
	mu    sync.Mutex
	hosts map[netip.AddrPort]*end
}

// end is one agent on the wire.
type end struct {
	tree    *mib.Tree
	observe func(mib.Verb, []mib.Variable)
	dead    bool
	polls   []time.Time // of its own metrics
}

const wireDelay = 500 * time.Microsecond // each way

func (w *wire) attach(a netip.AddrPort, e *end) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[a] = e
}

func (w *wire) kill(a netip.AddrPort) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[a].dead = true
}

// pollsSince lists when an agent's own metrics were read.
func (w *wire) pollsSince(a netip.AddrPort, t time.Time) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	polls := w.hosts[a].polls
	i, _ := slices.BinarySearchFunc(polls, t, time.Time.Compare)
	return slices.Clone(polls[i:])
}

func (w *wire) Start(r mib.Request, done func(mib.Response)) {
	sent := time.Now()
	w.mu.Lock()
	e := w.hosts[r.Address]
	deaf := e == nil || e.dead
	w.mu.Unlock()
	if deaf {
		time.AfterFunc(max(r.Timeout, time.Millisecond)*time.Duration(1+r.Retries), func() { done(mib.Response{Err: mib.ErrTimeout}) })
		return
	}
	time.AfterFunc(wireDelay, func() {
		answer := e.answer(r, &w.mu)
		time.AfterFunc(wireDelay, func() {
			answer.Sent, answer.Received = sent, time.Now()
			done(answer)
		})
	})
}

func (w *wire) Do(ctx context.Context, r mib.Request) mib.Response {
	answers := make(chan mib.Response, 1)
	w.Start(r, func(r mib.Response) { answers <- r })
	select {
	case r := <-answers:
		return r
	case <-ctx.Done():
		return mib.Response{Err: context.Cause(ctx)}
	}
}

// Prepare implements manager.Poller.
func (w *wire) Prepare(r mib.Request) (mib.Query, error) { return query{w, r}, nil }

// PrepareWalk implements manager.Poller: no tables are read here.
func (*wire) PrepareWalk(mib.Request, []mib.OID) (mib.Walk, error) {
	return nil, errors.ErrUnsupported
}

// Together implements manager.Poller.
func (w *wire) Together(f func()) { f() }

// query is a mib.Query that is started like any request.
type query struct {
	by      manager.Poller
	request mib.Request
}

// Ask implements mib.Query.
func (q query) Ask(to netip.AddrPort, asker mib.Asker) {
	r, left := q.request, time.Now()
	r.Address = to
	q.by.Start(r, func(a mib.Response) {
		if a.Left, a.Attempts = left, 1; a.Err != nil {
			a.Attempts += r.Retries
		}
		asker.Answered(to, &a)
	})
}

func (e *end) answer(r mib.Request, mu *sync.Mutex) mib.Response {
	if e.observe != nil {
		e.observe(r.Verb, r.Vars)
	}
	var out mib.Response
	switch r.Verb {
	case mib.VerbGet:
		if r.Vars[0].Name.HasPrefix(mib.SimoneMetricValue.Append(0)) {
			mu.Lock()
			e.polls = append(e.polls, time.Now())
			mu.Unlock()
		}
		for _, v := range r.Vars {
			out.Vars = append(out.Vars, mib.Variable{Name: v.Name, Value: e.tree.Get(v.Name)})
		}
	case mib.VerbGetNext, mib.VerbGetBulk:
		names := make([]mib.OID, len(r.Vars))
		for i, v := range r.Vars {
			names[i] = v.Name
		}
		for range max(r.MaxRepetitions, 1) {
			for i, name := range names {
				v, ok := e.tree.Next(name)
				if !ok {
					v = mib.Variable{Name: name, Value: mib.Value{Type: mib.TypeEndOfMIBView}}
				}
				names[i] = v.Name
				out.Vars = append(out.Vars, v)
			}
		}
	case mib.VerbSet:
		out.Vars = r.Vars
		if refused := e.tree.Set(r.Vars); refused != nil {
			out.Status, out.Index = refused.Status, refused.Index+1
		}
	}
	return out
}

// disk is a manager.Store in memory.
type disk struct {
	mu      sync.Mutex
	state   reconfig.State
	list    reconfig.ListState
	entries []reconfig.Entry
	samples map[mib.NodeID][]reconfig.Stored
}

var _ manager.Store = (*disk)(nil)

func newDisk() *disk {
	return &disk{
		state: reconfig.State{
			Nodes: make(map[mib.NodeID]reconfig.Node), Ledgers: make(map[mib.NodeID]reconfig.Ledger), Cursors: make(map[mib.NodeID]reconfig.Cursor),
		},
		list:    reconfig.ListState{Rows: make(map[mib.NodeID]reconfig.ListRow), Tombs: make(map[mib.NodeID]mib.Epoch)},
		samples: make(map[mib.NodeID][]reconfig.Stored),
	}
}

func (d *disk) Load() (reconfig.State, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.state
	s.Nodes, s.Ledgers, s.Cursors = maps.Clone(s.Nodes), maps.Clone(s.Ledgers), maps.Clone(s.Cursors)
	return s, nil
}

func (d *disk) Apply(t reconfig.Txn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.Meta != nil {
		d.state.Meta = *t.Meta
	}
	for _, n := range t.Nodes {
		d.state.Nodes[n.ID] = n
	}
	for _, id := range t.Forget {
		delete(d.state.Nodes, id)
		delete(d.state.Ledgers, id)
	}
	for _, l := range t.Ledgers {
		d.state.Ledgers[l.Node] = l.Ledger
	}
	for _, c := range t.Cursors {
		d.state.Cursors[c.Child] = c.Cursor
	}
	for _, s := range t.Samples {
		d.samples[s.Node] = append(d.samples[s.Node], s)
	}
	return nil
}

func (d *disk) AddEntries(e []reconfig.Entry) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, e...)
	return nil
}

func (d *disk) LoadList() (reconfig.ListState, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.list
	s.Rows, s.Tombs = maps.Clone(s.Rows), maps.Clone(s.Tombs)
	return s, nil
}

func (d *disk) ApplyList(ch *reconfig.ListChange) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list.Active, d.list.Settings, d.list.Fence, d.list.FenceSum, d.list.Term = ch.Active, ch.Settings, ch.Fence, ch.FenceSum, ch.Term
	for _, r := range ch.Rows {
		d.list.Rows[r.Row.Node] = r
	}
	for _, id := range ch.Removed {
		delete(d.list.Rows, id)
	}
	for _, t := range ch.Tombs {
		d.list.Tombs[t.Node] = t.Epoch
	}
	return nil
}

func (d *disk) kinds() map[reconfig.Kind]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := make(map[reconfig.Kind]int)
	for _, e := range d.entries {
		k[e.Kind]++
	}
	return k
}

// slots lists the slots of a node that have a sample which counts.
func (d *disk) slots(id mib.NodeID) []uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	var s []uint32
	for _, x := range d.samples[id] {
		s = append(s, x.Slot)
	}
	slices.Sort(s)
	return s
}

// top is what tlm.Manager is in essence: a list host and an engine.
type top struct {
	*manager.Conductor
	host *manager.Host
	disk *disk
}

type tlmNode struct{ *agent.Node }

func (n tlmNode) Identity() manager.Identity { return manager.Identity(n.Node.Identity()) }

// tree is a whole tree on one wire.
type tree struct {
	t         *testing.T
	wire      *wire
	clock     manager.Clock
	collector *agent.Collector
	top       *top
	nodes     map[string]*treeNode
}

type treeNode struct {
	*ilm.Manager
	address netip.AddrPort
	slow    atomic.Int64 // nanoseconds that each row adds to each result
	stop    func(error)
}

func (x *tree) spawn(what string, run func(context.Context) error) (stop func(error)) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(x.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	var once sync.Once
	stop = func(cause error) {
		once.Do(func() {
			cancel(cause)
			if err := <-ended; err != nil {
				x.t.Errorf("%s: %v", what, err)
			}
		})
	}
	x.t.Cleanup(func() { stop(nil) })
	return stop
}

func (x *tree) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *tree) config(d manager.ListStore) manager.Config {
	return manager.Config{
		Store: d, Poller: x.wire, Clock: x.clock, Trigger: time.Second, Interval: time.Second,
		Profiles:        profile.BuiltInSet,
		HoldsCredential: func(name string) bool { return name == "demo" },
	}
}

func newTree(t *testing.T, candidates, leaves int) *tree {
	t.Helper()
	x := &tree{t: t, wire: &wire{hosts: make(map[netip.AddrPort]*end)}, clock: manager.NewClock(), nodes: make(map[string]*treeNode)}
	var err error
	x.collector, err = agent.NewCollector(agent.CollectorOptions{Logger: slog.New(slog.DiscardHandler)})
	x.must(err)
	x.collector.Collect(time.Now())

	address := netip.MustParseAddrPort("127.0.0.1:16100")
	node, err := agent.OpenNode(agent.NodeOptions{Name: "top", Address: address.String(), Role: mib.RoleTLM, Collector: x.collector})
	x.must(err)
	x.must(node.SetPlace(agent.Place{ID: 1, Path: "1"}))
	x.top = &top{disk: newDisk()}
	cfg := x.config(x.top.disk)
	cfg.Node = tlmNode{node}
	x.top.host, err = manager.New(cfg)
	x.must(err)
	vars := mib.NewTree()
	x.must(errors.Join(node.Register(vars), x.top.host.Register(vars)))
	x.wire.attach(address, &end{tree: vars})
	settings := reconfig.DefaultSettings()
	settings.Trigger, settings.Interval, settings.MinILMs = time.Second, time.Second, 2
	x.top.Conductor, err = manager.NewConductor(manager.ConductorConfig{
		Self: 1, Settings: settings, Seed: 1, Clock: x.clock, Store: x.top.disk, Poller: x.wire, Local: x.top.host,
	})
	x.must(err)
	x.spawn("host of the top", x.top.host.Run)
	x.spawn("engine of the top", x.top.Conductor.Run)

	for i := range candidates + leaves {
		x.add(fmt.Sprintf("n%02d", i+1), netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 1, byte(i + 1)}), 16100), i < candidates)
	}
	return x
}

func (x *tree) join(name string, a netip.AddrPort, candidate bool) {
	x.t.Helper()
	x.must(x.top.Join(x.t.Context(), reconfig.Node{
		Key: name, Name: name, Address: a.String(), Kind: mib.KindLeaf, Profile: mib.ProfileSimone, Credential: "demo", Zone: "z", Candidate: candidate,
	}, false))
}

func (x *tree) add(name string, a netip.AddrPort, candidate bool) {
	x.t.Helper()
	node, err := agent.OpenNode(agent.NodeOptions{Name: name, Address: a.String(), Candidate: candidate, Collector: x.collector})
	x.must(err)
	n := &treeNode{address: a}
	cfg := x.config(newDisk())
	n.slow.Store(int64(200 * time.Microsecond)) // that an idle ILM is not as cold as a list without nodes
	cfg.Slow = func() time.Duration {
		return time.Duration(n.slow.Load()) * time.Duration(n.Host().Report(nil, false).Digest.Count)
	}
	n.Manager, err = ilm.New(ilm.Config{Node: node, Host: cfg})
	x.must(err)
	vars := mib.NewTree()
	x.must(n.Register(vars))
	x.wire.attach(a, &end{tree: vars, observe: n.Observe})
	x.nodes[name] = n
	n.stop = x.spawn(name, n.Run)
	x.join(name, a, candidate)
}

// active lists the live ILMs, by how long their lists are.
func (x *tree) active() []*treeNode {
	var out []*treeNode
	for _, name := range slices.Sorted(maps.Keys(x.nodes)) {
		n := x.nodes[name]
		x.wire.mu.Lock()
		dead := x.wire.hosts[n.address].dead
		x.wire.mu.Unlock()
		if !dead && n.Host().Report(nil, false).Active {
			out = append(out, n)
		}
	}
	slices.SortStableFunc(out, func(a, b *treeNode) int {
		return cmp.Compare(b.Host().Report(nil, false).Digest.Count, a.Host().Report(nil, false).Digest.Count)
	})
	return out
}

// settled says what is wrong with the tree, if anything: each live node has a
// row on exactly one live list, and was polled once a second for five.
func (x *tree) settled() error {
	rows := make(map[string]int)
	for _, h := range append([]*manager.Host{x.top.host}, hosts(x.active())...) {
		for _, r := range h.Report(nil, true).Rows {
			rows[r.Row.Name]++
		}
	}
	since := time.Now().Add(-5 * time.Second)
	for name, n := range x.nodes {
		x.wire.mu.Lock()
		dead := x.wire.hosts[n.address].dead
		x.wire.mu.Unlock()
		if dead {
			continue
		}
		if rows[name] != 1 {
			return fmt.Errorf("%s has %d rows", name, rows[name])
		}
		if p := x.wire.pollsSince(n.address, since); len(p) != 5 {
			return fmt.Errorf("%s was polled %d times in 5 s", name, len(p))
		}
	}
	return nil
}

func hosts(nodes []*treeNode) []*manager.Host {
	var out []*manager.Host
	for _, n := range nodes {
		out = append(out, n.Host())
	}
	return out
}

// wait waits, in the bubble's time, until the tree is settled and ok.
func (x *tree) wait(what string, limit time.Duration, ok func() bool) {
	x.t.Helper()
	var err error
	for began := time.Now(); time.Since(began) < limit; {
		time.Sleep(500 * time.Millisecond)
		if err = x.settled(); err == nil && ok() {
			return
		}
	}
	x.t.Fatalf("not within %v: %s; last: %v; events %v", limit, what, err, x.top.disk.kinds())
}

// TestTreeOverTheWire runs the whole core live: engine, list hosts and agents
// of one tree, with nothing but requests and answers between them. An ILM is
// slowed and the tree splits it; another is killed and the tree covers its
// nodes; no slot of a live node is lost to a planned move.
func TestTreeOverTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTree(t, 4, 16)
		x.wait("two ILMs look after all nodes", time.Minute, func() bool { return len(x.active()) >= 2 })

		before := x.top.disk.kinds()
		hot := x.active()[0] // with 10 nodes or so: hotter than 17.5 stu from 6 nodes on
		hot.slow.Store(int64(3 * time.Millisecond))
		x.wait("the slowed ILM was split", time.Minute, func() bool {
			return x.top.disk.kinds()[reconfig.KindSplit] > before[reconfig.KindSplit] && hot.Host().Measures().Temperature < 17.5
		})
		for _, n := range x.top.Nodes() {
			slots := x.top.disk.slots(n.ID)
			for i := 1; i < len(slots); i++ {
				if slots[i] != slots[i-1]+1 {
					t.Errorf("%s: after slot %d comes %d: planned moves lose and duplicate nothing", n.Name, slots[i-1], slots[i])
				}
			}
		}

		victim := x.active()[0]
		x.wire.kill(victim.address)
		victim.stop(ilm.ErrKilled)
		x.wait("the nodes of the dead ILM have others", 30*time.Second, func() bool {
			return x.top.disk.kinds()[reconfig.KindFailover] > 0 || x.top.disk.kinds()[reconfig.KindLost] > 0
		})
		for _, n := range x.nodes {
			if n == victim {
				continue
			}
			if p := n.Node().Place(); p.ParentID == victim.Node().Identity().ID {
				t.Errorf("%s still believes to be of the dead ILM: %+v", n.Node().Name(), p)
			}
		}
	})
}
