package tlm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"simone/internal/config"
	"simone/manager"
	"simone/mib"
	"simone/profile"
	"simone/reconfig"
)

// selfID is the TLM's own NodeID.
const selfID mib.NodeID = 1

// Node is the node agent of the TLM's machine.
type Node interface {
	manager.Node
	Name() string
	UUID() string
	Zone() string
}

// Entry is an entry of the event table with its number, from 1.
type Entry = manager.LoggedEntry

// Store is what the TLM keeps across restarts.
type Store interface {
	manager.Store
	manager.EntryStore
	// Samples gives a node's samples, the newest first, at most limit; all
	// that are kept if limit is not positive.
	Samples(node mib.NodeID, limit int) ([]reconfig.Stored, error)
	// Settings gives what SetSettings kept.
	Settings() (map[string]string, error)
	// SetSettings keeps settings by name and forgets others, all or nothing.
	SetSettings(put map[string]string, forget ...string) error
}

// Options are what a Manager is made of. All but Logger, Incarnation, Seed,
// Restored, Leads, Standing, Slow and Trace must be given.
type Options struct {
	Config *config.TLM // validated
	// Node is the machine's own node: of role TLM, at place 1 of level 0.
	Node   Node
	Poller manager.Poller
	Store  Store
	Clock  manager.Clock
	Logger *slog.Logger // nil discards

	// Profiles gives those that are held now, HoldsCredential says whether the
	// poller's keyring has a credential.
	Profiles        func() *profile.Set
	HoldsCredential func(name string) bool

	Incarnation uint64 // of the own report log; 0: random
	Seed        uint64 // for choices by chance
	Restored    bool   // the store came from a backup

	// Leads says why this TLM may not act now, and Standing how things are
	// among those that share the store; nil for one that has it for itself.
	Leads    func() error
	Standing func() Standing
	// Slow delays the own list's result worker: an injected fault.
	Slow func() time.Duration
	// Trace takes what is recorded of each round; nil records nothing.
	Trace Tracer
	// Notify are receivers of transformations and losses (manager.Herald).
	Notify []manager.Notify
}

// Manager is the top-level manager. Create it with New, register its objects
// with Register, then call Run. All other methods are safe for concurrent use.
type Manager struct {
	node      Node
	profiles  func() *profile.Set
	poller    manager.Poller
	store     Store
	clock     manager.Clock
	log       *slog.Logger
	host      *manager.Host
	conductor *manager.Conductor
	settings  *settings
	inventory *inventory
	latest    *latest
	feed      feed
	herald    *manager.Herald
	standing  func() Standing
	leads     func() error // nil: always
	began     reconfig.Instant
	tracing   *tracing // nil: nothing is recorded

	// mu guards the field below.
	mu  sync.Mutex
	cfg *config.TLM
}

// New makes a Manager of what the store has and the configuration says.
func New(o Options) (*Manager, error) {
	if o.Config == nil || o.Node == nil || o.Poller == nil || o.Store == nil {
		return nil, errors.New("tlm: it needs a configuration, a node, a poller and a store")
	}
	if id := o.Node.Identity(); id.ID != selfID || id.Role != mib.RoleTLM {
		return nil, fmt.Errorf("tlm: the node is %d in the role of %v; it has to be %d, tlm", id.ID, id.Role, selfID)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Manager{
		node: o.Node, profiles: o.Profiles, poller: o.Poller, store: o.Store, clock: o.Clock, log: o.Logger,
		latest: newLatest(), herald: manager.NewHerald(o.Store, o.Notify, o.Logger), cfg: o.Config, standing: o.Standing, leads: o.Leads, began: o.Clock.Now(),
	}
	if m.standing == nil {
		m.standing = m.alone
	}
	var err error
	if m.settings, err = openSettings(o.Store, o.Config, o.Logger); err != nil {
		return nil, fmt.Errorf("tlm: %w", err)
	}
	credential := ""
	if len(o.Config.Credentials) > 0 {
		credential = o.Config.Credentials[0].Name
	}
	polled, err := lastPolled(o.Store)
	if err != nil {
		return nil, fmt.Errorf("tlm: %w", err)
	}
	m.host, err = manager.New(manager.Config{
		Node: o.Node, Store: o.Store, Poller: o.Poller, Clock: o.Clock, Logger: o.Logger,
		Profiles: o.Profiles, HoldsCredential: o.HoldsCredential, Credential: credential,
		LogRecords: o.Config.ILM.LogRecords, LogWindow: time.Duration(o.Config.ILM.LogWindow), Incarnation: o.Incarnation,
		Polled: polled, Tell: m.tell,
		Priorities: manager.Priorities(o.Config.ILM.HighPriority, o.Config.ILM.LowPriority),
		Trigger:    m.settings.engine().Trigger, Interval: m.settings.engine().Interval, KeepPace: m.keepPace,
		Tuning: m.settings.tuning(), KeepTuning: m.settings.keepTuning,
		Slow: o.Slow, Leads: o.Leads, Below: below{m},
	})
	if err != nil {
		return nil, fmt.Errorf("tlm: %w", err)
	}
	if o.Trace != nil {
		m.tracing = newTracing(m, o.Trace)
	}
	m.conductor, err = manager.NewConductor(manager.ConductorConfig{
		Self: selfID, Settings: m.settings.engine(), Restored: o.Restored, Seed: o.Seed,
		Clock: o.Clock, Store: o.Store, Poller: o.Poller, Local: m.host, Logger: o.Logger,
		OnSamples: m.accepted, OnEntry: m.happened, OnRound: m.tracing.kick, Leads: o.Leads,
	})
	if err != nil {
		return nil, fmt.Errorf("tlm: %w", err)
	}
	if err := m.latest.load(m.conductor, o.Store); err != nil {
		return nil, fmt.Errorf("tlm: %w", err)
	}
	m.inventory = newInventory(m)
	return m, nil
}

// lastPolled gives the last slot of each node that has its sample. What was
// polled and is not stored may be polled again: a slot is filled once.
func lastPolled(s Store) (func(mib.NodeID) (uint32, bool), error) {
	state, err := s.Load()
	if err != nil {
		return nil, fmt.Errorf("load state: %w", err)
	}
	last := make(map[mib.NodeID]uint32, len(state.Ledgers))
	for id, l := range state.Ledgers {
		last[id] = l.Last()
	}
	return func(id mib.NodeID) (uint32, bool) { return last[id], true }, nil
}

// below shows the own Host the tree below. The two need each other; this one
// comes to life when New is done.
type below struct{ m *Manager }

var _ manager.Below = below{}

func (b below) GlobalLatency() (time.Duration, bool) { return b.m.conductor.GlobalLatency() }
func (b below) Census() mib.Digest                   { return b.m.conductor.Census() }
func (b below) LastRound() reconfig.Instant          { return b.m.conductor.LastRound() }
func (b below) Trigger()                             { b.m.conductor.Trigger() }

// Run manages the tree until ctx ends, joins what it started and returns nil.
func (m *Manager) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := []func(context.Context) error{m.host.Run, m.conductor.Run, m.inventory.run, m.herald.Run}
	if m.tracing != nil {
		parts = append(parts, m.tracing.run)
	}
	failures := make(chan error, len(parts))
	for _, run := range parts {
		go func() { failures <- run(ctx) }()
	}
	var failed error
	for range parts {
		if err := <-failures; err != nil {
			failed = errors.Join(failed, err)
			cancel() // without one part the others are of no use
		}
	}
	if failed != nil {
		return fmt.Errorf("tlm: %w", failed)
	}
	return nil
}

// Host is the own support list.
func (m *Manager) Host() *manager.Host { return m.host }

// Conductor hosts the engine.
func (m *Manager) Conductor() *manager.Conductor { return m.conductor }

// Samples gives the samples of a node that count, the newest first, at most
// limit; all that are kept if limit is not positive.
func (m *Manager) Samples(node mib.NodeID, limit int) ([]reconfig.Stored, error) {
	return m.store.Samples(node, limit)
}

// Coverage is how many nodes have a sample that is not older than three of
// their intervals, and how many nodes there are.
func (m *Manager) Coverage() (covered, nodes int) {
	now, interval := m.clock.Now(), m.conductor.Settings().Interval
	for _, n := range m.conductor.Nodes() {
		if gone(n) {
			continue
		}
		nodes++
		if m.latest.status(n, interval, now) == mib.PollUp {
			covered++
		}
	}
	return covered, nodes
}

// happened takes what goes into the event table: those who subscribed hear of
// it, and the log, as the table is bounded and lives only as long as the store.
func (m *Manager) happened(e reconfig.Entry) {
	m.log.Info(manager.Sentence(e))
	m.feed.publish(e)
	m.herald.Heard(e)
}

// accepted takes samples that were stored: the latest of each node, and the
// values for the tables of the whole subtree.
func (m *Manager) accepted(samples []reconfig.Stored) {
	now := m.clock.Now()
	for _, s := range samples {
		if !m.latest.put(s) || s.By == selfID { // own polls are in the tables already
			continue
		}
		if sample, err := mib.ParseSample(s.Payload); err == nil {
			m.host.Observe(s.Node, max(now.Sub(s.At), 0), sample)
		}
	}
}

// Reload takes what a new configuration says of keys that can change at run
// time. Changed settings win over those that came by SET before.
func (m *Manager) Reload(cfg *config.TLM) error {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	if err := m.settings.reload(ctx, cfg, m.conductor, m.host); err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	now := m.settings.engine()
	m.host.Pace(now.Trigger, now.Interval)
	m.mu.Lock()
	m.cfg = cfg
	m.mu.Unlock()
	m.inventory.kick()
	return nil
}

// keepPace makes trigger period and poll interval durable that came by SET,
// and then true for the engine, its ILMs and the own list.
func (m *Manager) keepPace(trigger, interval time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	next := m.conductor.Settings()
	next.Trigger, next.Interval = trigger, interval
	if err := m.settings.change(ctx, next, m.conductor); err != nil {
		return err
	}
	m.host.Pace(trigger, interval)
	return nil
}

func (m *Manager) config() *config.TLM {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cfg
}

// askTimeout is how long a SET or a reload waits for the engine, whose turns
// take milliseconds.
const askTimeout = 2 * time.Second

// Subscribe gives what goes into the event table from now on, until cancel is
// called. A subscriber who does not keep up misses entries: nobody waits for
// it.
func (m *Manager) Subscribe() (entries <-chan reconfig.Entry, cancel func()) {
	return m.feed.subscribe()
}
