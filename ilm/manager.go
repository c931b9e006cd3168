package ilm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"simone/agent"
	"simone/manager"
	"simone/mib"
)

// Notifier sends notifications to the manager above.
type Notifier interface {
	// Inform sends an inform and waits until it is acknowledged, with the
	// retries that the sender thinks right. It gives up with ctx.
	Inform(ctx context.Context, notification mib.OID, vars []mib.Variable) error
}

// Config is what a Manager is made of. Node and what manager.Config needs
// (but Host.Node, which is filled in) must be given.
type Config struct {
	Node *agent.Node
	Host manager.Config

	// Notifier tells the manager above that this node is there; nil for a
	// node that stands in an inventory and need not say so. It has to work
	// until Run has returned.
	Notifier Notifier
	// Managers keeps what the node decides as a manager of ILMs below it; nil
	// for one that never has any. Poller and Clock are Host's.
	Managers manager.Store
	// Notify are receivers of what the node does as a manager of ILMs below it
	// (manager.Herald); Host.Events has to be given then.
	Notify []manager.Notify
	// JoinEvery is how often an orphan announces itself; 0 is 10 s.
	JoinEvery time.Duration
	// Lease is how long a node that was not asked anything still has a
	// parent; 0 is three times JoinEvery.
	Lease time.Duration
	// Goodbye bounds the last inform, of a node that stops; 0 is 1 s.
	Goodbye time.Duration
	// Linger is how long an ILM that stops polls on after its goodbye at most,
	// until others have what it polls; 0 is 1 s. With Goodbye it is no more
	// than half as long again as the longer of the two.
	Linger time.Duration

	Logger *slog.Logger // nil discards
}

// ErrKilled is a cause to cancel Run's context with: the node then stops
// without a goodbye, as one that crashed.
var ErrKilled = errors.New("the node was killed")

// Manager is one node. Create it with New, Register it in the tree that its
// front end shows, then call Run.
type Manager struct {
	cfg  Config
	log  *slog.Logger
	host *manager.Host
	tree *mib.Tree

	herald *manager.Herald // nil: nobody is to be notified

	own    mib.OID      // where the node's own metrics are read
	asked  atomic.Int64 // when a manager last polled or probed, nanoseconds since began; 0: never
	began  time.Time
	joined atomic.Uint64
}

// New makes a node with the support list that the store has.
func New(cfg Config) (*Manager, error) {
	if cfg.Node == nil {
		return nil, errors.New("ilm: the configuration lacks Node")
	}
	if cfg.JoinEvery < 0 || cfg.Lease < 0 || cfg.Goodbye < 0 || cfg.Linger < 0 {
		return nil, errors.New("ilm: a period is negative; write 0 for the default")
	}
	if cfg.JoinEvery == 0 {
		cfg.JoinEvery = 10 * time.Second
	}
	if cfg.Lease == 0 {
		cfg.Lease = 3 * cfg.JoinEvery
	}
	if cfg.Goodbye == 0 {
		cfg.Goodbye = time.Second
	}
	if cfg.Linger == 0 {
		cfg.Linger = time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Host.Node = hostNode{cfg.Node}
	host, err := manager.New(cfg.Host)
	if err != nil {
		return nil, fmt.Errorf("ilm: node %s: %w", cfg.Node.Name(), err)
	}
	cfg.Node.SetMetricSource(host.MetricRows())
	m := &Manager{cfg: cfg, log: cfg.Logger, host: host, own: mib.SimoneMetricValue.Append(0), began: time.Now()}
	if len(cfg.Notify) > 0 && cfg.Host.Events != nil {
		m.herald = manager.NewHerald(cfg.Host.Events, cfg.Notify, cfg.Logger)
	}
	return m, nil
}

// hostNode is an agent's node as a manager.Host sees it.
type hostNode struct{ *agent.Node }

var _ manager.Node = hostNode{}

func (n hostNode) Identity() manager.Identity { return manager.Identity(n.Node.Identity()) }

// Host is the node's support list.
func (m *Manager) Host() *manager.Host { return m.host }

// Node is the node's agent.
func (m *Manager) Node() *agent.Node { return m.cfg.Node }

// Register puts the objects of the agent and of the support list into a tree.
// What the node says of itself in notifications is read from there.
func (m *Manager) Register(tree *mib.Tree) error {
	if err := errors.Join(m.cfg.Node.Register(tree), m.host.Register(tree)); err != nil {
		return fmt.Errorf("ilm: node %s: %w", m.cfg.Node.Name(), err)
	}
	m.tree = tree
	return nil
}

// Observe is told of each request that the front end receives, so that the
// node knows that it has a parent: somebody who reads its fence, as those do
// who manage ILMs, or who polls its own metrics. The latter is not enough for
// an ILM: who takes it for a leaf knows nothing of its rows, and would leave
// them where they are for good. It is quick and safe for concurrent use.
func (m *Manager) Observe(verb mib.Verb, vars []mib.Variable) {
	if verb != mib.VerbGet || len(vars) == 0 {
		return
	}
	name := vars[0].Name
	if name.HasPrefix(mib.SimoneIlmFence) || name.HasPrefix(m.own) && m.cfg.Node.Role() != mib.RoleILM {
		m.asked.Store(int64(time.Since(m.began)) + 1)
	}
}

// HasParent reports whether a manager has given the node its number and has
// asked it something within the lease.
func (m *Manager) HasParent() bool {
	asked := m.asked.Load()
	return m.cfg.Node.Identity().ID != 0 && asked != 0 && time.Since(m.began)-time.Duration(asked) < m.cfg.Lease
}

// Joined counts the announcements that were acknowledged.
func (m *Manager) Joined() uint64 { return m.joined.Load() }

// Run polls the support list and keeps in touch with the manager above until
// ctx is done. Unless ctx's cause is ErrKilled it says goodbye then and goes on
// for a moment, until others have what it polls; then it joins its goroutines
// and returns nil. Call it once, after Register.
func (m *Manager) Run(ctx context.Context) error {
	if m.tree == nil {
		return fmt.Errorf("ilm: node %s runs before it is registered", m.cfg.Node.Name())
	}
	polling, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	var failed error
	var workers sync.WaitGroup
	workers.Go(func() { failed = m.host.Run(polling) })
	if m.cfg.Managers != nil {
		workers.Go(func() { m.keepManagers(polling) })
	}
	if m.herald != nil {
		workers.Go(func() { _ = m.herald.Run(ctx) }) // it ends with ctx, and never fails
	}
	if m.cfg.Notifier != nil {
		m.keepInTouch(ctx)
	}
	<-ctx.Done()
	stop(context.Cause(ctx))
	workers.Wait()
	return failed
}
