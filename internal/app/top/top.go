// Package top is simone-tlm: the top-level manager, with the node agent of its
// machine.
package top

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"simone/agent"
	"simone/internal/app/chassis"
	"simone/internal/config"
	"simone/internal/snmp"
	"simone/internal/store"
	"simone/internal/trace"
	"simone/mib"
	"simone/tlm"
)

// Main runs simone-tlm with the given command line until ctx is done.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	restored := false
	flags, done, err := chassis.ParseFlags("simone-tlm", args, stdout, stderr, func(f *flag.FlagSet) {
		f.BoolVar(&restored, "restored", false, "the store was put back from a backup: skip the terms that may have been used since")
	})
	if err != nil || done {
		return err
	}
	cfg, err := config.LoadTLM(flags.Config, flags.Overrides...)
	if err != nil {
		return err
	}
	if flags.Check {
		for _, w := range cfg.Warnings {
			fmt.Fprintln(stderr, "warning:", w)
		}
		fmt.Fprintln(stdout, "the configuration is valid")
		return nil
	}
	log, level := chassis.Logger(cfg.Log, stderr)
	for _, w := range cfg.Warnings {
		log.Warn(w)
	}
	t, err := Open(Options{Config: cfg, Logger: log, Restored: restored})
	if err != nil {
		return err
	}
	defer chassis.OnHangup(func() {
		next, err := config.LoadTLM(flags.Config, flags.Overrides...)
		if err == nil {
			err = t.Reload(next)
		}
		if err != nil {
			log.Error("the configuration was not reloaded; the old one stays in force", "error", err)
			return
		}
		level.Set(next.Log.Slog())
	})()
	if t.store != nil { // etcd has backups of its own
		if err := t.chassis.OfferBackups(cfg.StateDir(), t.store); err != nil {
			log.Warn("backups can be taken only while this process is stopped", "err", err)
		}
	}
	log.Info("top-level manager runs", "name", cfg.Name, t.chassis.Whereabouts(&cfg.Node), "store", cmp.Or(cfg.StorePath(), cfg.Store))
	return errors.Join(t.Run(ctx), t.Close())
}

// Options say what a Top is made of. Config must be given, validated.
type Options struct {
	Config *config.TLM
	Logger *slog.Logger
	// Mount, if set, has the last word on how the chassis is made.
	Mount func(*chassis.Options)
	Seed  uint64
	// Restored says that the store came from a backup.
	Restored bool
}

// Top is a running simone-tlm.
type Top struct {
	options Options
	chassis *chassis.Chassis
	front   mib.Facade // what the front end shows of SIMONE-MIB
	store   *store.DB  // nil: the store is shared
	seat    *seat      // nil: nobody else could lead

	// What is behind the front end: one of the two, or neither yet.
	manager atomic.Pointer[tlm.Manager]
	standby atomic.Pointer[tlm.Standby]

	// mu guards the field below.
	mu     sync.Mutex
	config *config.TLM
}

// Open makes a top-level manager and binds its sockets. One with a store for
// itself leads at once; one that shares its store stands by until it runs.
func Open(o Options) (_ *Top, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	t := &Top{options: o, config: o.Config}
	at, shared, err := o.Config.EtcdStore()
	if err != nil {
		return nil, err
	}
	role := mib.RoleTLM
	if shared {
		role = mib.RoleStandby
	}
	mount := chassis.Options{Config: &o.Config.Node, Role: role, Logger: o.Logger, Notify: t.notified}
	if o.Mount != nil {
		o.Mount(&mount)
	}
	if t.chassis, err = chassis.Open(mount); err != nil {
		return nil, err
	}
	opened := t
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close())
		}
	}()
	if err = t.chassis.Tree.Register(mib.SimoneMIB, &t.front); err != nil {
		return nil, err
	}
	if shared {
		if t.seat, err = t.openSeat(at); err != nil {
			return nil, err
		}
		return t, t.standBy(tlm.Peer{})
	}
	if t.store, err = chassis.OpenStore(o.Config.StorePath(), t.chassis.Logger); err != nil {
		return nil, err
	}
	_, err = t.lead(t.store, nil, nil)
	return t, err
}

// notified takes what nodes say. The front end is bound before there is
// anybody behind it.
func (t *Top) notified(n snmp.Notification) bool {
	if m := t.manager.Load(); m != nil {
		return m.Notified(n.Source, n.TrapOID, n.Vars)
	}
	s := t.standby.Load()
	return s != nil && s.Notified(n.Source, n.TrapOID, n.Vars)
}

// lead makes this TLM the one that leads, on the strength of a store.
func (t *Top) lead(s tlm.Store, leads func() error, standing func() tlm.Standing) (*tlm.Manager, error) {
	n := t.chassis.Node
	n.SetRole(mib.RoleTLM)
	if err := atTop(n); err != nil {
		return nil, err
	}
	record, err := t.tracer()
	if err != nil {
		return nil, err
	}
	m, err := tlm.New(tlm.Options{
		Config: t.configuration(), Node: chassis.HostNode{Node: n}, Poller: t.chassis.Poller, Store: s,
		Clock: t.chassis.Clock, Logger: t.options.Logger, Profiles: t.chassis.Profiles, HoldsCredential: t.chassis.Holds,
		Seed: t.options.Seed, Restored: t.options.Restored, Leads: leads, Standing: standing,
		Notify: t.chassis.Receivers(&t.configuration().Node), Trace: record,
	})
	if err != nil {
		return nil, err
	}
	t.options.Restored = false // what this one writes from now on is no backup's
	tree := mib.NewTree()
	if err := errors.Join(n.Register(tree), m.Register(tree)); err != nil {
		return nil, err
	}
	n.SetMetricSource(m.Host().MetricRows())
	t.front.Show(tree)
	t.manager.Store(m)
	t.standby.Store(nil)
	return m, nil
}

// tracer records rounds, if any are to be.
func (t *Top) tracer() (tlm.Tracer, error) {
	cfg := t.configuration()
	if cfg.Trace.Keep == 0 {
		return nil, nil
	}
	return trace.NewRecorder(cfg.TraceDir(), time.Duration(cfg.Trace.Keep))
}

// atTop gives the TLM's own node its place, which nobody announces to it.
func atTop(n *agent.Node) error {
	p := n.Place()
	p.ID, p.Level, p.Parent, p.ParentID, p.Path = 1, 0, "", 0, "1"
	return n.SetPlace(p)
}

// Run manages the tree, or waits to, until ctx is done.
func (t *Top) Run(ctx context.Context) error {
	if t.seat != nil {
		return t.chassis.Run(ctx, t.takeTurns)
	}
	return t.chassis.Run(ctx, t.Manager().Run)
}

// Manager is the top-level manager; nil while this one stands by.
func (t *Top) Manager() *tlm.Manager { return t.manager.Load() }

func (t *Top) configuration() *config.TLM {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.config
}

// Chassis is what it is mounted on.
func (t *Top) Chassis() *chassis.Chassis { return t.chassis }

// Reload takes what a new configuration says of keys that can change at run
// time, and logs those that need a restart.
func (t *Top) Reload(next *config.TLM) error {
	now, restart := config.Changes(t.configuration(), next)
	if err := t.chassis.Reload(now, &next.Node); err != nil {
		return err
	}
	if m := t.manager.Load(); m != nil {
		if err := m.Reload(next); err != nil {
			return err
		}
	}
	t.chassis.Reloaded(now, restart)
	t.mu.Lock()
	t.config = next
	t.mu.Unlock()
	return nil
}

// Close closes the store, then the state directory.
func (t *Top) Close() error {
	var err error
	if t.store != nil {
		err = t.store.Close()
	}
	if t.seat != nil {
		err = t.seat.member.Close()
	}
	return errors.Join(err, t.chassis.Close())
}
