package manager

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"sync"
	"testing"
	"time"

	"simone/mib"
	"simone/profile"
	"simone/reconfig"
)

// listStore is a ListStore in memory.
type listStore struct {
	mu     sync.Mutex
	state  reconfig.ListState
	writes int
	broken error // what ApplyList answers, if not nil
}

func (s *listStore) LoadList() (reconfig.ListState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.state
	c.Rows, c.Tombs = maps.Clone(c.Rows), maps.Clone(c.Tombs)
	return c, nil
}

func (s *listStore) ApplyList(ch *reconfig.ListChange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	s.writes++
	s.state.Active, s.state.Settings = ch.Active, ch.Settings
	s.state.Fence, s.state.FenceSum, s.state.Term = ch.Fence, ch.FenceSum, ch.Term
	if s.state.Rows == nil {
		s.state.Rows = make(map[mib.NodeID]reconfig.ListRow)
		s.state.Tombs = make(map[mib.NodeID]mib.Epoch)
	}
	for _, r := range ch.Rows {
		s.state.Rows[r.Row.Node] = r
	}
	for _, id := range ch.Removed {
		delete(s.state.Rows, id)
	}
	for _, t := range ch.Tombs {
		s.state.Tombs[t.Node] = t.Epoch
	}
	return nil
}

func (s *listStore) breakWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// fakeNode is a Node.
type fakeNode struct {
	mu    sync.Mutex
	id    Identity
	roles []mib.Role
}

func (n *fakeNode) Identity() Identity {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.id
}

func (n *fakeNode) SetRole(r mib.Role) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.id.Role = r
	n.roles = append(n.roles, r)
}

func (n *fakeNode) Intrusion() float64 { return 2.5 }

func (n *fakeNode) lastRole() mib.Role { return n.Identity().Role }

// fakePoller answers requests in the bubble's time. The answer function gives
// the answer and when it arrives after the request; no answer is a time-out.
type fakePoller struct {
	// answer is called by Start; nil answers every GET with load 1 at once.
	answer func(mib.Request) (mib.Response, time.Duration, bool)
	// starting is how long Start itself takes.
	starting time.Duration

	mu    sync.Mutex
	asked []asked
}

type asked struct {
	mib.Request
	at time.Time
}

func (p *fakePoller) Start(r mib.Request, done func(mib.Response)) {
	sent := time.Now()
	p.mu.Lock()
	p.asked = append(p.asked, asked{r, sent})
	p.mu.Unlock()
	answer := p.answer
	if answer == nil {
		answer = func(r mib.Request) (mib.Response, time.Duration, bool) { return ones(r), time.Millisecond, true }
	}
	response, after, ok := answer(r)
	if !ok {
		response, after = mib.Response{Err: mib.ErrTimeout}, r.Timeout*time.Duration(1+r.Retries)
	}
	if p.starting > 0 {
		time.Sleep(p.starting)
	}
	time.AfterFunc(max(after-p.starting, 0), func() {
		response.Sent, response.Received = sent, time.Now()
		done(response)
	})
}

func (p *fakePoller) Do(ctx context.Context, r mib.Request) mib.Response {
	answers := make(chan mib.Response, 1)
	p.Start(r, func(r mib.Response) { answers <- r })
	select {
	case r := <-answers:
		return r
	case <-ctx.Done():
		return mib.Response{Err: context.Cause(ctx)}
	}
}

// Prepare implements Poller.
func (p *fakePoller) Prepare(r mib.Request) (mib.Query, error) { return query{p, r}, nil }

// Together implements Poller.
func (p *fakePoller) Together(f func()) { f() }

// query is a mib.Query that is started like any request.
type query struct {
	by      Poller
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

// of lists what was asked with a verb.
func (p *fakePoller) of(verb mib.Verb) []asked {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []asked
	for _, a := range p.asked {
		if a.Verb == verb {
			out = append(out, a)
		}
	}
	return out
}

// ones answers every variable with 1.
func ones(r mib.Request) mib.Response {
	vars := make([]mib.Variable, len(r.Vars))
	for i, v := range r.Vars {
		vars[i] = mib.Variable{Name: v.Name, Value: mib.Text("1")}
	}
	return mib.Response{Vars: vars}
}

// bench is a Host with all its fakes and a tree that shows it.
type bench struct {
	*Host
	node   *fakeNode
	store  *listStore
	poller *fakePoller
	tree   *mib.Tree
	seq    uint32
}

var errDisk = errors.New("no space left on device")

// newBench makes a candidate node 4 below the TLM; change may alter its
// configuration.
func newBench(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	b := &bench{
		node:   &fakeNode{id: Identity{ID: 4, Role: mib.RoleLeaf, Level: 1, Path: "1/4", Address: "127.0.0.4:16100", Candidate: true}},
		store:  &listStore{},
		poller: &fakePoller{},
		tree:   mib.NewTree(),
	}
	cfg := Config{
		Node: b.node, Store: b.store, Poller: b.poller, Clock: NewClock(),
		Profiles:        profile.BuiltInSet,
		HoldsCredential: func(name string) bool { return name == "demo" },
		Credential:      "demo",
		Incarnation:     77,
		Trigger:         time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Register(b.tree); err != nil {
		t.Fatal(err)
	}
	table, err := mib.NewTable(mib.SimoneMetricEntry, h.MetricRows())
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Register(b.tree); err != nil {
		t.Fatal(err)
	}
	b.Host = h
	return b
}

// run runs the host until the test ends; for use inside a bubble.
func (b *bench) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// fence gives a fence above all before.
func (b *bench) fence() mib.Fence {
	b.seq++
	return mib.Fence{Parent: 1, Own: mib.Epoch{1<<16 | 4}, Term: 1, Seq: b.seq}
}

func fenceVar(f mib.Fence) mib.Variable {
	return mib.Variable{Name: mib.Instance(mib.SimoneIlmFence), Value: mib.Octets(f.Append(nil))}
}

func scalar(object mib.OID, v mib.Value) mib.Variable {
	return mib.Variable{Name: mib.Instance(object), Value: v}
}

func cell(column mib.OID, node uint32, v mib.Value) mib.Variable {
	return mib.Variable{Name: column.Append(node), Value: v}
}

func applyVar(a mib.Apply) mib.Variable {
	return scalar(mib.SimoneIlmApply, mib.Octets(a.Append(nil)))
}

// set does a control SET that must pass.
func (b *bench) set(t *testing.T, vars ...mib.Variable) {
	t.Helper()
	if e := b.tree.Set(append([]mib.Variable{fenceVar(b.fence())}, vars...)); e != nil {
		t.Fatalf("control SET: %v", e)
	}
}

func (b *bench) promote(t *testing.T) {
	t.Helper()
	b.set(t,
		scalar(mib.SimoneIlmTriggerInterval, mib.Gauge(1000)),
		scalar(mib.SimoneIlmPollInterval, mib.Gauge(1000)),
		scalar(mib.SimoneIlmAdminStatus, mib.Integer(int32(mib.IlmAdminUp))))
}

// row is a leaf's row at an epoch, first due in 100 ms, then every second.
func row(id mib.NodeID, count uint32) mib.SupportRow {
	address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 1, byte(id)}), 16100)
	return mib.SupportRow{
		Node: id, Epoch: mib.Epoch{1<<16 | count}, Slot: 5, Due: 100 * time.Millisecond, Interval: time.Second,
		Kind: mib.KindLeaf, Name: "leaf" + id.String(), Address: address.String(),
		Profile: mib.ProfileSimone, Credential: "demo",
	}
}

func (b *bench) stage(t *testing.T, rows ...mib.SupportRow) {
	t.Helper()
	b.set(t, applyVar(mib.Apply{Stage: rows}))
}

func (b *bench) read(t *testing.T, object mib.OID) mib.Value {
	t.Helper()
	v := b.tree.Get(mib.Instance(object))
	if v.IsException() {
		t.Fatalf("%s reads as %v", mib.NameOf(object), v)
	}
	return v
}

// sleepWindow waits until a trigger window that begins now has ended.
func (b *bench) sleepWindow() { time.Sleep(1100 * time.Millisecond) }

// PrepareWalk implements Poller.
func (p *fakePoller) PrepareWalk(r mib.Request, roots []mib.OID) (mib.Walk, error) {
	return walk{p, r, roots}, nil
}

// walk is a mib.Walk of one GETBULK, with what is read along as non-repeaters.
type walk struct {
	by      Poller
	request mib.Request
	roots   []mib.OID
}

// Ask implements mib.Walk.
func (w walk) Ask(to netip.AddrPort, walker mib.Walker) {
	r := w.request
	r.Address, r.Verb, r.MaxRepetitions, r.NonRepeaters = to, mib.VerbGetBulk, 10, len(w.request.Vars)
	r.Vars = nil
	for _, v := range w.request.Vars {
		r.Vars = append(r.Vars, mib.Variable{Name: v.Name[:len(v.Name)-1]})
	}
	for _, root := range w.roots {
		r.Vars = append(r.Vars, mib.Variable{Name: root})
	}
	left := time.Now()
	w.by.Start(r, func(a mib.Response) {
		a.Left, a.Attempts = left, 1
		walker.Walked(to, &a)
		if a.Err == nil && a.Status != mib.NoError {
			a.Err = errRefused
		}
		walker.Ended(to, a.Err)
	})
}

// errRefused is that of a walk that an agent does not answer as it should.
var errRefused = errors.New("refused")
