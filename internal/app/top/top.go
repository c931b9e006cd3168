// Package top is simone-tlm: the top-level manager, with the node agent of its
// machine.
package top

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"simone/agent"
	"simone/internal/app/chassis"
	"simone/internal/config"
	"simone/internal/snmp"
	"simone/internal/store"
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
	log.Info("top-level manager runs", "name", cfg.Name, t.chassis.Whereabouts(&cfg.Node), "store", cfg.StorePath())
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
	chassis *chassis.Chassis
	manager *tlm.Manager
	store   *store.DB
	config  *config.TLM
}

// Open makes a top-level manager and binds its sockets.
func Open(o Options) (_ *Top, err error) {
	t := &Top{config: o.Config}
	// The front end is bound before the manager behind it exists.
	var behind atomic.Pointer[tlm.Manager]
	mount := chassis.Options{Config: &o.Config.Node, Role: mib.RoleTLM, Logger: o.Logger, Notify: func(n snmp.Notification) bool {
		m := behind.Load()
		return m != nil && m.Notified(n.Source, n.TrapOID, n.Vars)
	}}
	if o.Mount != nil {
		o.Mount(&mount)
	}
	if t.chassis, err = chassis.Open(mount); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	if err = atTop(t.chassis.Node); err != nil {
		return nil, err
	}
	if t.store, err = store.Open(o.Config.StorePath()); err != nil {
		return nil, err
	}
	t.manager, err = tlm.New(tlm.Options{
		Config: o.Config, Node: chassis.HostNode{Node: t.chassis.Node}, Poller: t.chassis.Poller, Store: t.store,
		Clock: t.chassis.Clock, Logger: o.Logger, Profiles: chassis.Profile, HoldsCredential: t.chassis.Holds, Seed: o.Seed, Restored: o.Restored,
	})
	if err != nil {
		return nil, err
	}
	if err = errors.Join(t.chassis.Node.Register(t.chassis.Tree), t.manager.Register(t.chassis.Tree)); err != nil {
		return nil, err
	}
	t.chassis.Node.SetMetricSource(t.manager.Host().MetricRows())
	behind.Store(t.manager)
	return t, nil
}

// atTop gives the TLM's own node its place, which nobody announces to it.
func atTop(n *agent.Node) error {
	p := n.Place()
	p.ID, p.Level, p.Parent, p.ParentID, p.Path = 1, 0, "", 0, "1"
	return n.SetPlace(p)
}

// Run manages the tree until ctx is done.
func (t *Top) Run(ctx context.Context) error { return t.chassis.Run(ctx, t.manager.Run) }

// Manager is the top-level manager.
func (t *Top) Manager() *tlm.Manager { return t.manager }

// Chassis is what it is mounted on.
func (t *Top) Chassis() *chassis.Chassis { return t.chassis }

// Reload takes what a new configuration says of keys that can change at run
// time, and logs those that need a restart.
func (t *Top) Reload(next *config.TLM) error {
	now, restart := config.Changes(t.config, next)
	if err := t.chassis.Reload(now, &next.Node); err != nil {
		return err
	}
	if err := t.manager.Reload(next); err != nil {
		return err
	}
	t.chassis.Reloaded(now, restart)
	t.config = next
	return nil
}

// Close closes the store, then the state directory.
func (t *Top) Close() error {
	var err error
	if t.store != nil {
		err = t.store.Close()
	}
	return errors.Join(err, t.chassis.Close())
}
