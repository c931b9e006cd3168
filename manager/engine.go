package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// Door is a manager's way to its own support list, which needs no network. Its
// methods may wait for a write to disk; they are called from any goroutine.
type Door interface {
	// Control obeys a control SET. A *reconfig.Refusal says that nothing has
	// changed and why; any other error that the change could not be kept.
	Control(reconfig.ControlSet) error
	// Report gives the list's state with all its rows if full, else with
	// those named that it has. Times in it count from the return.
	Report(rows []mib.NodeID, full bool) reconfig.Report
	// ReadLog gives up to limit records after the cursor, and of which
	// incarnation of the log they are. Ages count from the return.
	ReadLog(from reconfig.Cursor, limit int) (incarnation uint64, records []mib.Record)
}

// ConductorConfig is what a Conductor works with.
type ConductorConfig struct {
	Self     mib.NodeID // of this manager; 1 for the TLM
	Level    int        // of this manager; 0 for the TLM
	Settings reconfig.Settings
	Restored bool   // the store came from a backup, which it may not know itself (Restorable)
	Seed     uint64 // for the engine's few choices by chance

	Clock  Clock
	Store  Store
	Poller Poller
	Local  Door
	Logger *slog.Logger

	// Leads says why this manager may not act now, because another one may
	// have taken its place; nil, also for the function, that it may. It is
	// asked before each step and before each control SET: a process that was
	// stopped for a while is to know before it does anything.
	Leads func() error

	// ControlTimeout is how long a child has to answer a control SET, which
	// is sent once; 0 is 1 s. Probes have until the next one is due.
	ControlTimeout time.Duration

	// The hooks are called one at a time, from Run's goroutine, which must
	// not be kept. Each may be nil.
	OnSamples func([]reconfig.Stored) // samples that were accepted and stored
	OnEntry   func(reconfig.Entry)    // what goes into the event table
	OnAlert   func(text string)       // what people must know
	OnRound   func()                  // a round is over

	// Upward joins each engine that is made to the list that the manager
	// above writes; nil at the top.
	Upward func(*reconfig.Engine) Upward
}

// Upward is an engine's connection to the list that the manager above writes
// (reconfig.Middle). It is called from Run's goroutine only.
type Upward interface {
	Events(now reconfig.Instant) []reconfig.Event
	Take(now reconfig.Instant, a reconfig.Action)
}

// Conductor hosts a manager's engine: it tells it what happens, makes its
// transactions durable, and carries its wishes to the children over SNMP. If
// the store fails, what the engine believes is no longer what a restart would
// find; then the engine is dropped and a new one made of the store.
//
// All methods but Run are safe for concurrent use. Those that change
// something wait until it is on disk.
type Conductor struct {
	cfg  ConductorConfig
	log  *slog.Logger
	box  *mailbox
	poke chan struct{} // holds one token when there may be something from above
	life *life         // for Run's goroutine only
	up   Upward        // of the present engine; nil at the top

	load loadMeter // for Run's goroutine only
	// entriesFailed says that the last write to the event table failed, so
	// that an error is logged once. For Run's goroutine only.
	entriesFailed bool

	// mu guards the fields below, and the engine's state: Run holds it while
	// the engine takes a step.
	mu       sync.Mutex
	engine   *reconfig.Engine
	settings reconfig.Settings
	seen     []reconfig.ChildStatus // what the last round decided on
	seenAt   reconfig.Instant       // when that round was
	lives    uint64                 // engines that were made
	failure  error                  // why there is no working engine now
}

// life is the time of one engine: what it asked for dies with it.
type life struct {
	ctx     context.Context
	workers sync.WaitGroup
}

// NewConductor makes a Conductor with an engine made of the store.
func NewConductor(cfg ConductorConfig) (*Conductor, error) {
	switch {
	case cfg.Self == 0:
		return nil, errors.New("engine host: the manager has no NodeID")
	case cfg.Level < 0 || cfg.Level >= mib.Levels:
		return nil, fmt.Errorf("engine host: level %d is not from 0 to %d", cfg.Level, mib.Levels-1)
	case cfg.Store == nil || cfg.Poller == nil || cfg.Local == nil:
		return nil, errors.New("engine host: it needs a store, a poller and its own list")
	}
	if err := cfg.Settings.Validate(); err != nil {
		return nil, fmt.Errorf("engine host: settings: %w", err)
	}
	if cfg.ControlTimeout <= 0 {
		cfg.ControlTimeout = time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Conductor{cfg: cfg, log: cfg.Logger, box: newMailbox(), poke: make(chan struct{}, 1), settings: cfg.Settings}
	if err := c.rebuild(); err != nil {
		return nil, fmt.Errorf("engine host: %w", err)
	}
	return c, nil
}

// rebuild makes an engine of what the store has.
func (c *Conductor) rebuild() error {
	state, err := c.cfg.Store.Load()
	if err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	switch state.Meta.Self {
	case 0:
		state.Meta.Self, state.Meta.Level = c.cfg.Self, c.cfg.Level
	case c.cfg.Self:
		state.Meta.Level = c.cfg.Level
	default:
		return fmt.Errorf("the store is that of node %d and this is node %d: give each manager a state directory of its own", state.Meta.Self, c.cfg.Self)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lives++
	c.engine = reconfig.New(state, c.settings, c.cfg.Seed+c.lives)
	if c.cfg.Upward != nil {
		c.up = c.cfg.Upward(c.engine)
	}
	return nil
}

// Back-off between attempts to work with a store that fails.
const (
	minRebuildWait = 100 * time.Millisecond
	maxRebuildWait = 10 * time.Second
)

// Run works until ctx ends; then it ends what is under way, joins it and
// returns nil.
func (c *Conductor) Run(ctx context.Context) error {
	wait, failing := minRebuildWait, false
	for {
		began := c.cfg.Clock.Now()
		err := c.live(ctx, func() {
			if failing {
				failing = false
				c.log.Info("the engine works again")
			}
			c.fail(nil)
		})
		for err != nil && ctx.Err() == nil {
			if !failing {
				failing = true
				c.log.Error("the engine cannot go on and starts again from the store", "err", err)
			}
			c.fail(err)
			if c.cfg.Clock.Now().Sub(began) > maxRebuildWait { // it went well for a while
				wait = minRebuildWait
			}
			select {
			case <-ctx.Done():
			case <-c.poke:
			case <-time.After(wait):
			}
			wait = min(2*wait, maxRebuildWait)
			err = c.rebuild()
		}
		if ctx.Err() != nil {
			c.box.close()
			return nil
		}
	}
}

func (c *Conductor) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = err
}

// ErrStopped says that the Conductor came to its end before it could do what
// was asked.
var ErrStopped = errors.New("the engine has stopped")

// live runs the engine until ctx ends (nil) or it cannot go on. up is called
// once the first write of this life is on disk.
func (c *Conductor) live(ctx context.Context, up func()) error {
	ctx, cancel := context.WithCancel(ctx)
	c.life = &life{ctx: ctx}
	defer func() {
		cancel()
		c.life.workers.Wait()
	}()

	restored := c.cfg.Restored
	if s, ok := c.cfg.Store.(Restorable); ok {
		known, err := s.Restored()
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		restored = restored || known
	}
	if restored {
		c.log.Info("the store was put back from a backup: terms that may have been used since are skipped")
	}
	now := reconfig.At{Now: c.cfg.Clock.Now()}
	if err := c.step(reconfig.Restarted{At: now, Restored: restored}); err != nil {
		return err
	}
	c.cfg.Restored = false // the term that follows the restore is on disk
	up()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := c.hearAbove(); err != nil {
			return err
		}
		timer.Reset(c.untilDeadline())
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			tick := reconfig.Ticked{At: reconfig.At{Now: c.cfg.Clock.Now()}}
			if err := c.step(tick); err != nil {
				return err
			}
		case <-c.poke:
		case <-c.box.ready:
			letters := c.box.take()
			for i, l := range letters {
				if err := c.deliver(l); err != nil {
					c.putBack(letters[i+1:])
					return err
				}
			}
		}
	}
}

// Poke has the engine look whether the manager above has changed something,
// or, if it could not go on, whether it can now.
func (c *Conductor) Poke() {
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// hearAbove tells the engine what the manager above has changed.
func (c *Conductor) hearAbove() error {
	if c.up == nil {
		return nil
	}
	for _, ev := range c.up.Events(c.cfg.Clock.Now()) {
		if err := c.step(ev); err != nil {
			return err
		}
	}
	return nil
}

// minTick keeps an engine that is never content from taking the whole CPU.
const minTick = time.Millisecond

func (c *Conductor) untilDeadline() time.Duration {
	c.mu.Lock()
	deadline := c.engine.Deadline()
	c.mu.Unlock()
	return max(c.cfg.Clock.Until(deadline), minTick)
}

// putBack keeps for the next engine what this one could not take any more.
func (c *Conductor) putBack(letters []letter) {
	for _, l := range letters {
		if l.of == nil {
			c.box.put(l)
		}
	}
}

// deliver has the engine see one letter. The error ends this life.
func (c *Conductor) deliver(l letter) error {
	if l.of != nil && l.of != c.life || l.ctx != nil && l.ctx.Err() != nil {
		return nil
	}
	err := c.step(l.event(c.cfg.Clock.Now()))
	if l.done != nil {
		l.done <- err
	}
	return err
}

// step lets the engine see an event and takes its actions in order. After an
// error the engine cannot be used any more.
func (c *Conductor) step(event reconfig.Event) error {
	began, round := time.Now(), c.seenAt
	if err := c.take(event); err != nil {
		return err
	}
	now := time.Now()
	c.load.add(event, now.Sub(began))
	if c.seenAt == round {
		return nil
	}
	if load, ok := c.load.close(now); ok {
		return c.take(reconfig.Measured{At: reconfig.At{Now: c.cfg.Clock.Now()}, Load: load})
	}
	return nil
}

// take is one step, without the time that it takes.
func (c *Conductor) take(event reconfig.Event) error {
	if err := c.leads(); err != nil {
		return err
	}
	c.mu.Lock()
	actions, err := c.engine.Step(event)
	round := c.engine.LastRound().At != c.seenAt
	if round {
		c.seen, c.seenAt = c.engine.Children(), c.engine.LastRound().At
	}
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if round && c.cfg.OnRound != nil {
		defer c.cfg.OnRound() // when what it asked for is under way
	}
	var entries []reconfig.Entry
	for _, a := range actions {
		switch a := a.(type) {
		case reconfig.Persist:
			if err := c.persist(a.Txn); err != nil {
				return err
			}
		case reconfig.Relay, reconfig.Announce, reconfig.Outgrown:
			if c.up != nil {
				c.up.Take(c.cfg.Clock.Now(), a)
			}
		case reconfig.Record:
			entries = append(entries, a.Entry)
		case reconfig.Alert:
			c.log.Warn(a.Text)
			if c.cfg.OnAlert != nil {
				c.cfg.OnAlert(a.Text)
			}
		case reconfig.Control:
			c.carry(a.ID, a.Child, func(ctx context.Context, d delegate) (answer, error) {
				if err := c.leads(); err != nil {
					return nil, err
				}
				return d.control(ctx, a)
			})
		case reconfig.Probe:
			c.carry(a.ID, a.Child, func(ctx context.Context, d delegate) (answer, error) { return d.probe(ctx, a) })
		case reconfig.ReadLog:
			c.carry(a.ID, a.Child, func(ctx context.Context, d delegate) (answer, error) { return d.readLog(ctx, a) })
		default:
			c.log.Error("the engine asked for something unknown", "action", fmt.Sprintf("%T", a))
		}
	}
	c.record(entries)
	return nil
}

func (c *Conductor) leads() error {
	if c.cfg.Leads == nil {
		return nil
	}
	return c.cfg.Leads()
}

func (c *Conductor) persist(txn reconfig.Txn) error {
	if err := c.cfg.Store.Apply(txn); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if len(txn.Samples) > 0 && c.cfg.OnSamples != nil {
		c.cfg.OnSamples(txn.Samples)
	}
	return nil
}

// record puts entries into the event table. That table is for people: if it
// cannot be written, the tree is looked after all the same.
func (c *Conductor) record(entries []reconfig.Entry) {
	if len(entries) == 0 {
		return
	}
	err := c.cfg.Store.AddEntries(entries)
	if err != nil && !c.entriesFailed {
		c.log.Error("events could not be stored", "err", err)
	}
	c.entriesFailed = err != nil
	if c.cfg.OnEntry != nil {
		for _, e := range entries {
			c.cfg.OnEntry(e)
		}
	}
}
