package tlm

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
	"time"

	"simone/internal/config"
	"simone/internal/store"
	"simone/manager"
	"simone/mib"
	"simone/profile"
	"simone/reconfig"
)

var (
	_ Store = (*store.DB)(nil)
	_ Store = (*store.Memory)(nil)
)

// world is a TLM and the nodes around it on a network in memory, in the time
// of a synctest bubble.
type world struct {
	*Manager
	t     *testing.T
	net   *network
	store *store.Memory
	cfg   *config.TLM
	tree  *mib.Tree
	logs  *lines
	trace Tracer // of the TLMs that are opened from now on
	stop  func()
}

// network is a Poller that answers out of the trees of its nodes, a
// millisecond later. Nodes that it does not know are silent.
type network struct {
	ctx     context.Context
	started sync.WaitGroup

	mu    sync.Mutex
	trees map[string]*mib.Tree // by address
}

// newNetwork makes a network that is cut when the test is over, as a bubble
// ends only when all its goroutines have.
func newNetwork(t *testing.T) *network {
	ctx, cancel := context.WithCancel(context.Background())
	n := &network{ctx: ctx, trees: make(map[string]*mib.Tree)}
	t.Cleanup(func() {
		cancel()
		n.started.Wait()
	})
	return n
}

var _ manager.Poller = (*network)(nil)

func (n *network) put(address string, t *mib.Tree) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t == nil {
		delete(n.trees, address)
		return
	}
	n.trees[address] = t
}

func (n *network) Start(r mib.Request, done func(mib.Response)) {
	n.started.Go(func() { done(n.Do(n.ctx, r)) })
}

func (n *network) Do(ctx context.Context, r mib.Request) mib.Response {
	n.mu.Lock()
	tree := n.trees[r.Address.String()]
	n.mu.Unlock()
	if r.Timeout == 0 {
		r.Timeout = time.Second
	}
	wait := time.Millisecond
	if tree == nil {
		wait = r.Timeout * time.Duration(1+r.Retries)
	}
	sent := time.Now()
	select {
	case <-ctx.Done():
		return mib.Response{Err: context.Cause(ctx)}
	case <-time.After(wait):
	}
	if tree == nil {
		return mib.Response{Err: mib.ErrTimeout}
	}
	out := mib.Response{Sent: sent, Received: time.Now()}
	switch r.Verb {
	case mib.VerbGet:
		for _, v := range r.Vars {
			out.Vars = append(out.Vars, mib.Variable{Name: v.Name, Value: tree.Get(v.Name)})
		}
	case mib.VerbGetBulk:
		names := make([]mib.OID, len(r.Vars))
		for i, v := range r.Vars {
			names[i] = v.Name
		}
		for range r.MaxRepetitions {
			for i := range names {
				v, ok := tree.Next(names[i])
				if !ok {
					v = mib.Variable{Name: names[i], Value: mib.Value{Type: mib.TypeEndOfMIBView}}
				}
				names[i] = v.Name
				out.Vars = append(out.Vars, v)
			}
		}
	case mib.VerbSet:
		out.Vars = r.Vars
		if e := tree.Set(r.Vars); e != nil {
			out.Status, out.Index = e.Status, e.Index+1
		}
	}
	return out
}

// Prepare implements manager.Poller.
func (n *network) Prepare(r mib.Request) (mib.Query, error) { return query{n, r}, nil }

// PrepareWalk implements manager.Poller: no tables are read here.
func (*network) PrepareWalk(mib.Request, []mib.OID) (mib.Walk, error) {
	return nil, errors.ErrUnsupported
}

// Together implements manager.Poller.
func (n *network) Together(f func()) { f() }

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

// fixed is a Handler for variables that never change.
type fixed []mib.Variable

func (f fixed) search(name mib.OID) (int, bool) {
	return slices.BinarySearchFunc(f, name, func(v mib.Variable, o mib.OID) int { return v.Name.Compare(o) })
}

func (f fixed) Get(name mib.OID) mib.Value {
	if i, ok := f.search(name); ok {
		return f[i].Value
	}
	return mib.Value{Type: mib.TypeNoSuchInstance}
}

func (f fixed) Next(name mib.OID) (mib.Variable, bool) {
	i, ok := f.search(name)
	if ok {
		i++
	}
	if i == len(f) {
		return mib.Variable{}, false
	}
	return f[i], true
}

// fakeNode is a node agent: who it is, in the MIB and for managers.
type fakeNode struct {
	name, uuid, zone, capabilities string

	mu       sync.Mutex
	identity manager.Identity
}

var _ Node = (*fakeNode)(nil)

func (n *fakeNode) Name() string       { return n.name }
func (n *fakeNode) UUID() string       { return n.uuid }
func (n *fakeNode) Zone() string       { return n.zone }
func (n *fakeNode) Intrusion() float64 { return 1 }

func (n *fakeNode) Identity() manager.Identity {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.identity
}

func (n *fakeNode) SetRole(r mib.Role) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.identity.Role = r
}

// vars are simoneNode and the node's metrics, all 1.
func (n *fakeNode) vars() (node, metrics fixed) {
	id := n.Identity()
	for object, v := range map[*mib.OID]mib.Value{
		&mib.SimoneNodeName:         mib.Text(n.name),
		&mib.SimoneNodeUuid:         mib.Text(n.uuid),
		&mib.SimoneNodeZone:         mib.Text(n.zone),
		&mib.SimoneNodeCandidate:    mib.Truth(id.Candidate),
		&mib.SimoneNodeCapabilities: mib.Text(n.capabilities),
		&mib.SimoneNodeAddress:      mib.Text(id.Address),
	} {
		node = append(node, mib.Variable{Name: mib.Instance(*object), Value: v})
	}
	p, err := mib.ProfileByName(mib.ProfileSimone)
	if err != nil {
		panic(err) // it is built in
	}
	for _, o := range p.OIDs() {
		metrics = append(metrics, mib.Variable{Name: o, Value: mib.Text("1")})
	}
	for _, f := range []fixed{node, metrics} {
		slices.SortFunc(f, func(a, b mib.Variable) int { return a.Name.Compare(b.Name) })
	}
	return node, metrics
}

func profiles() *profile.Set { return profile.BuiltInSet() }

func holds(name string) bool { return name == "c" }

type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), s)
}

const topAddress = "127.0.0.1:1161"

// worldConfig is a TLM's configuration at the demo's pace.
func worldConfig() *config.TLM {
	c := config.DefaultTLM()
	c.Name, c.Zone = "top", "z"
	c.Poll, c.Trigger = config.Duration(time.Second), config.Duration(time.Second)
	c.ILMs = config.ILMs{Start: 2, Min: 1}
	c.Credentials = []config.Credential{{Name: "c", Version: "v2c"}}
	return c
}

func newWorld(t *testing.T, change func(*config.TLM)) *world {
	t.Helper()
	c := worldConfig()
	if change != nil {
		change(c)
	}
	w := &world{t: t, net: newNetwork(t), store: store.NewMemory(), cfg: c, logs: &lines{}}
	w.open()
	return w
}

// open makes the TLM of what is in the store.
func (w *world) open() {
	w.t.Helper()
	node := &fakeNode{name: "top", uuid: uuidOf("top"), zone: "z", identity: manager.Identity{ID: 1, Role: mib.RoleTLM, Path: "1", Address: topAddress}}
	m, err := New(Options{
		Config: w.cfg, Node: node, Poller: w.net, Store: w.store, Clock: manager.NewClock(),
		Logger:   slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Profiles: profiles, HoldsCredential: holds, Incarnation: 1, Seed: 1, Trace: w.trace,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.Manager = m
	w.tree = w.shown(node, m.Register)
	w.net.put(topAddress, w.tree)
}

// shown makes a tree of a node's own variables and what register adds.
func (w *world) shown(n *fakeNode, register func(*mib.Tree) error) *mib.Tree {
	w.t.Helper()
	tree := mib.NewTree()
	node, metrics := n.vars()
	for _, r := range []struct {
		root mib.OID
		h    mib.Handler
	}{{mib.SimoneNode, node}, {mib.SimoneMetricTable, metrics}} {
		if err := tree.Register(r.root, r.h); err != nil {
			w.t.Fatal(err)
		}
	}
	if register != nil {
		if err := register(tree); err != nil {
			w.t.Fatal(err)
		}
	}
	return tree
}

// start runs the TLM until stop, or the end of the test.
func (w *world) start() {
	w.stop = w.run(w.Manager.Run)
}

func (w *world) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// restart ends the TLM and starts another one on the same store.
func (w *world) restart() {
	w.stop()
	w.open()
	w.start()
}

// addLeaf puts a SIMONE node on the network that cannot become an ILM.
func (w *world) addLeaf(name, address string) *fakeNode {
	n := &fakeNode{name: name, uuid: uuidOf(name), zone: "z", identity: manager.Identity{Role: mib.RoleLeaf, Address: address}}
	w.net.put(address, w.shown(n, nil))
	return n
}

// addCandidate puts a SIMONE node on the network that can become an ILM, and
// runs it.
func (w *world) addCandidate(name, address string, id mib.NodeID) *fakeNode {
	w.t.Helper()
	n := &fakeNode{
		name: name, uuid: uuidOf(name), zone: "z", capabilities: "credential:c profile:simone profile:system",
		identity: manager.Identity{ID: id, Role: mib.RoleLeaf, Level: 1, Path: fmt.Sprintf("1/%d", id), Address: address, Candidate: true},
	}
	h, err := manager.New(manager.Config{
		Node: n, Store: store.NewMemory(), Poller: w.net, Clock: manager.NewClock(),
		Profiles: profiles, HoldsCredential: holds, Incarnation: uint64(id), Trigger: time.Second,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.net.put(address, w.shown(n, h.Register))
	w.run(h.Run)
	return n
}

// announcementOf is what a node says in its informs.
func announcementOf(n *fakeNode) []mib.Variable {
	id := n.Identity()
	return []mib.Variable{
		{Name: mib.Instance(mib.SimoneNodeName), Value: mib.Text(n.name)},
		{Name: mib.Instance(mib.SimoneNodeUuid), Value: mib.Text(n.uuid)},
		{Name: mib.Instance(mib.SimoneNodeAddress), Value: mib.Text(id.Address)},
		{Name: mib.Instance(mib.SimoneNodeZone), Value: mib.Text(n.zone)},
		{Name: mib.Instance(mib.SimoneNodeCandidate), Value: mib.Truth(id.Candidate)},
		{Name: mib.Instance(mib.SimoneNodeCapabilities), Value: mib.Text(n.capabilities)},
		{Name: mib.Instance(mib.SimoneNodeSoftware), Value: mib.Text("test")},
	}
}

var somewhere = netip.MustParseAddrPort("127.0.0.99:5000")

// announce sends a node's inform, again every second as a node does, until it
// is accepted; false if it is not within a minute.
func (w *world) announce(n *fakeNode) bool {
	for range 60 {
		if w.Notified(somewhere, mib.SimoneNodeJoined, announcementOf(n)) {
			return true
		}
		time.Sleep(time.Second)
	}
	return false
}

// named finds a node by its name.
func (w *world) named(name string) (reconfig.Node, bool) {
	for _, n := range w.Conductor().Nodes() {
		if n.Name == name && !gone(n) {
			return n, true
		}
	}
	return reconfig.Node{}, false
}

func (w *world) mustNamed(name string) reconfig.Node {
	w.t.Helper()
	n, ok := w.named(name)
	if !ok {
		w.t.Fatalf("there is no node %s; logs:\n%s", name, w.logs.text.String())
	}
	return n
}

// events is the whole event table.
func (w *world) events() []Entry {
	w.t.Helper()
	entries, err := w.store.Entries(0, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return entries
}

// kinds counts the events by kind.
func (w *world) kinds() map[reconfig.Kind]int {
	w.t.Helper()
	k := make(map[reconfig.Kind]int)
	for _, e := range w.events() {
		k[e.Kind]++
	}
	return k
}

// walk reads a table column by column: values by column and index.
func (w *world) walk(root mib.OID) map[string]mib.Value {
	w.t.Helper()
	values := make(map[string]mib.Value)
	for name := root; ; {
		v, ok := w.tree.Next(name)
		if !ok || !v.Name.HasPrefix(root) {
			return values
		}
		if len(values) > 100_000 {
			w.t.Fatalf("the walk of %v does not end", root)
		}
		values[mib.NameOf(v.Name)] = v.Value
		name = v.Name
	}
}

func newLogger(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// uuidOf makes something of the length of a UUID.
func uuidOf(name string) string { return (name + "-0000-0000-0000-000000000000-0000-00000000")[:36] }
