// Package node is simoned: the agent of every machine, which becomes an
// intermediate-level manager when its parent says so.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"simone/agent/responder"
	"simone/ilm"
	"simone/internal/app/chassis"
	"simone/internal/config"
	"simone/internal/store"
	"simone/manager"
	"simone/mib"
	"simone/reconfig"
)

// Main runs simoned with the given command line until ctx is done.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags, done, err := chassis.ParseFlags("simoned", args, stdout, stderr, nil)
	if err != nil || done {
		return err
	}
	cfg, err := config.LoadNode(flags.Config, flags.Overrides...)
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
	n, err := Open(Options{Config: cfg, Logger: log})
	if err != nil {
		return err
	}
	defer chassis.OnHangup(func() {
		next, err := config.LoadNode(flags.Config, flags.Overrides...)
		if err == nil {
			err = n.Reload(next)
		}
		if err != nil {
			log.Error("the configuration was not reloaded; the old one stays in force", "error", err)
			return
		}
		level.Set(next.Log.Slog())
	})()
	if err := n.chassis.OfferBackups(cfg.StateDir(), n.store); err != nil {
		log.Warn("backups can be taken only while this process is stopped", "err", err)
	}
	log.Info("node runs", "name", cfg.Name, n.chassis.Whereabouts(cfg), "uuid", n.chassis.Node.UUID(), "state", cfg.StateDir())
	return errors.Join(n.Run(ctx), n.Close())
}

// Options say what a Node is made of. Config must be given, validated.
type Options struct {
	Config *config.Node
	Logger *slog.Logger
	// Mount, if set, has the last word on how the chassis is made.
	Mount func(*chassis.Options)
	// Slow delays the result worker: an injected fault.
	Slow func() time.Duration
}

// Node is a running simoned, in a process of its own or with others in one.
type Node struct {
	chassis *chassis.Chassis
	manager *ilm.Manager
	store   *store.DB
	config  *config.Node
}

// Open makes a node and binds its sockets.
func Open(o Options) (_ *Node, err error) {
	mount := chassis.Options{Config: o.Config, Role: mib.RoleLeaf, Logger: o.Logger}
	if o.Mount != nil {
		o.Mount(&mount)
	}
	n := &Node{config: o.Config}
	if n.chassis, err = chassis.Open(mount); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	if n.store, err = chassis.OpenStore(filepath.Join(o.Config.StateDir(), "node.db"), n.chassis.Logger); err != nil {
		return nil, err
	}
	keep, err := openTuning(n.store, chassis.Tuning(o.Config.Temperature))
	if err != nil {
		return nil, err
	}
	cfg := ilm.Config{
		Node: n.chassis.Node, JoinEvery: time.Duration(o.Config.Announce.Every), Logger: o.Logger,
		Host: manager.Config{
			Node: chassis.HostNode{Node: n.chassis.Node}, Store: n.store, Poller: n.chassis.Poller, Clock: n.chassis.Clock,
			Logger: o.Logger, Profiles: n.chassis.Profiles, HoldsCredential: n.chassis.Holds,
			Capacity: o.Config.ILM.Capacity, LogRecords: o.Config.ILM.LogRecords, LogWindow: time.Duration(o.Config.ILM.LogWindow),
			Priorities: manager.Priorities(o.Config.ILM.HighPriority, o.Config.ILM.LowPriority), Tell: n.tell,
			Tuning: keep.now, KeepTuning: keep.keep, Slow: o.Slow, Events: n.store,
		},
	}
	if len(o.Config.Credentials) > 0 {
		cfg.Host.Credential = o.Config.Credentials[0].Name
	}
	cfg.Managers = n.store
	cfg.Notify = n.chassis.Receivers(o.Config)
	if up := n.chassis.Uplink(o.Config); up != nil {
		cfg.Notifier = up
	}
	if n.manager, err = ilm.New(cfg); err != nil {
		return nil, err
	}
	if err = n.register(); err != nil {
		return nil, err
	}
	n.chassis.Watch(func(ob responder.Observation) { n.manager.Observe(ob.Verb, ob.Vars) })
	return n, nil
}

// tell puts an event of the node's own into its event table.
func (n *Node) tell(e reconfig.Entry) {
	if err := n.store.AddEntries([]reconfig.Entry{e}); err != nil {
		n.chassis.Logger.Error("event not stored", "err", err)
	}
}

// register puts the manager's objects beside the agent's.
func (n *Node) register() error { return n.manager.Register(n.chassis.Tree) }

// Run works until ctx is done; it says goodbye then, unless ctx's cause is
// ilm.ErrKilled.
func (n *Node) Run(ctx context.Context) error { return n.chassis.Run(ctx, n.manager.Run) }

// Manager is the node's manager.
func (n *Node) Manager() *ilm.Manager { return n.manager }

// Chassis is what the node is mounted on.
func (n *Node) Chassis() *chassis.Chassis { return n.chassis }

// Reload takes what a new configuration says of keys that can change at run
// time, and logs those that need a restart.
func (n *Node) Reload(next *config.Node) error {
	now, restart := config.Changes(n.config, next)
	if err := n.chassis.Reload(now, next); err != nil {
		return err
	}
	if slices.Contains(chassis.Parts(now), "temperature") {
		if err := n.manager.Host().Tune(chassis.Tuning(next.Temperature)); err != nil {
			return fmt.Errorf("temperature: %w", err)
		}
	}
	n.chassis.Reloaded(now, restart)
	n.config = next
	return nil
}

// Close closes the store, then the state directory.
func (n *Node) Close() error {
	var err error
	if n.store != nil {
		err = n.store.Close()
	}
	return errors.Join(err, n.chassis.Close())
}
