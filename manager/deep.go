package manager

import (
	"context"
	"fmt"
	"log/slog"

	"simone/mib"
	"simone/reconfig"
)

// Deep makes a Host the manager of ILMs below it: an engine of its own shares
// its support list out between them, and what they poll goes into the log that
// the manager above reads. Which part of the list the Host polls itself is the
// engine's to say.
type Deep struct {
	host      *Host
	conductor *Conductor
	level     int
}

// DeepConfig is what a Deep is made of. Host, Store and Poller must be given.
type DeepConfig struct {
	Host   *Host
	Self   mib.NodeID
	Level  int // of this manager, from 1
	Store  Store
	Poller Poller
	Clock  Clock
	Seed   uint64
	Logger *slog.Logger
	// OnEntry is ConductorConfig's.
	OnEntry func(reconfig.Entry)
}

// NewDeep makes a Deep with an engine made of the store.
func NewDeep(cfg DeepConfig) (*Deep, error) {
	d := &Deep{host: cfg.Host, level: cfg.Level}
	settings, _ := cfg.Host.settings()
	var err error
	d.conductor, err = NewConductor(ConductorConfig{
		Self: cfg.Self, Level: cfg.Level, Settings: settings, Seed: cfg.Seed,
		Clock: cfg.Clock, Store: cfg.Store, Poller: cfg.Poller, Local: deepDoor{cfg.Host}, Logger: cfg.Logger, OnEntry: cfg.OnEntry,
		Upward: func(e *reconfig.Engine) Upward {
			cfg.Host.mu.Lock()
			defer cfg.Host.mu.Unlock()
			cfg.Host.middle = reconfig.NewMiddle(cfg.Host.list, e)
			return upward{cfg.Host, cfg.Host.middle}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("manager of ILMs: %w", err)
	}
	return d, nil
}

// Level is the level that the engine's epochs are made for.
func (d *Deep) Level() int { return d.level }

// Conductor hosts the engine.
func (d *Deep) Conductor() *Conductor { return d.conductor }

// Run works until ctx ends and returns nil then.
func (d *Deep) Run(ctx context.Context) error {
	d.host.mu.Lock()
	d.host.deep = d
	d.host.mu.Unlock()
	defer func() {
		d.host.mu.Lock()
		defer d.host.mu.Unlock()
		d.host.deep, d.host.middle = nil, nil
	}()
	return d.conductor.Run(ctx)
}

// Told is what the parent said when it made this node an ILM, and whether it
// is one.
func (h *Host) Told() (reconfig.IlmSettings, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.list.Settings(), h.list.Active()
}

// Away reports whether nodes of the list are at managers below.
func (h *Host) Away() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.list.Away()
}

// ListLevel is the manager's level as the rows of its list have it
// (reconfig.List.Level); 0 without rows.
func (h *Host) ListLevel() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.list.Level()
}

// below is a node as the engine of a Deep knows it; zero without one. h.mu is
// not held.
func (h *Host) below(id mib.NodeID) reconfig.Node {
	h.mu.Lock()
	d := h.deep
	h.mu.Unlock()
	if d == nil {
		return reconfig.Node{}
	}
	n, _ := d.conductor.Node(id)
	return n
}

// Changed is signalled, in a channel with room for one, when a control SET has
// changed the list or the role.
func (h *Host) Changed() <-chan struct{} { return h.changed }

// change signals Changed, and has the engine of a Deep look.
func (h *Host) change() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
	h.mu.Lock()
	d := h.deep
	h.mu.Unlock()
	if d != nil {
		d.conductor.Poke()
	}
}

// Retune takes what the parent has changed in the settings.
func (d *Deep) Retune(ctx context.Context) error {
	if s, _ := d.host.settings(); s != d.conductor.Settings() {
		return d.conductor.Tune(ctx, s)
	}
	return nil
}

// upward is a Middle under its Host's lock.
type upward struct {
	host   *Host
	middle *reconfig.Middle
}

func (u upward) Events(now reconfig.Instant) []reconfig.Event {
	u.host.mu.Lock()
	defer u.host.mu.Unlock()
	return u.middle.Events(now)
}

func (u upward) Take(now reconfig.Instant, a reconfig.Action) {
	u.host.mu.Lock()
	defer u.host.mu.Unlock()
	u.middle.Take(now, a)
	if r, ok := a.(reconfig.Relay); ok {
		u.host.relayed(now, r)
	}
}

// relayed keeps the values that managers below have polled for the metric and
// aggregate tables. h.mu is held.
func (h *Host) relayed(now reconfig.Instant, r reconfig.Relay) {
	h.refresh()
	for i := range r.Records {
		rec := &r.Records[i]
		if _, own := h.nodes[rec.Node]; !own || rec.Kind != mib.RecordSample {
			continue
		}
		if s, err := mib.ParseSample(rec.Payload); err == nil {
			h.values.put(rec.Node, now.Add(-rec.Age), s.Values)
		}
	}
}

// deepDoor is the engine's way to the part of the list that the Host polls
// itself.
type deepDoor struct{ host *Host }

// Control implements Door.
func (d deepDoor) Control(set reconfig.ControlSet) error {
	h := d.host
	h.controlMu.Lock()
	defer h.controlMu.Unlock()
	h.mu.Lock()
	m := h.middle
	var change *reconfig.ListChange
	var refusal *reconfig.Refusal
	if m != nil {
		change, refusal = m.Plan(set)
	}
	h.mu.Unlock()
	switch {
	case m == nil:
		return ErrStopped
	case refusal != nil:
		return refusal
	}
	return h.commit(change)
}

// Report implements Door.
func (d deepDoor) Report(rows []mib.NodeID, full bool) reconfig.Report {
	d.host.mu.Lock()
	defer d.host.mu.Unlock()
	if d.host.middle == nil {
		return reconfig.Report{}
	}
	return d.host.middle.Report(d.host.cfg.Clock.Now(), rows, full)
}

// ReadLog implements Door. What the Host polls itself is in the log that the
// manager above reads already.
func (d deepDoor) ReadLog(reconfig.Cursor, int) (uint64, []mib.Record) { return 1, nil }
