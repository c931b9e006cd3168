// Package chassis is what every SIMONE process is mounted on: the node agent,
// the poller, the front end and the tree they share, put together from a
// node's configuration. The daemons and the demo mount their managers on it.
package chassis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"simone/agent"
	"simone/agent/agentx"
	"simone/agent/responder"
	"simone/internal/config"
	"simone/internal/snmp"
	"simone/manager"
	"simone/mib"
	"simone/profile"
)

// Version is the release.
const Version = "0.1.0"

// Software is what simoneNodeSoftware and sysDescr say.
const Software = "SIMONE " + Version

// Options say what a Chassis is made of. Config must be given, validated.
type Options struct {
	Config *config.Node
	Role   mib.Role
	// Collector is shared with other nodes of the process, and run by whoever
	// made it; nil makes one and runs it.
	Collector *agent.Collector
	// From is the address that requests leave from; the zero Addr lets the
	// system choose.
	From netip.Addr
	// Notify gets traps and informs; nil refuses them.
	Notify func(snmp.Notification) bool
	Logger *slog.Logger
}

// Chassis is one node without its manager.
type Chassis struct {
	Node     *agent.Node
	Poller   *snmp.Poller
	Tree     *mib.Tree
	Clock    manager.Clock
	Logger   *slog.Logger
	FrontEnd agent.FrontEnd

	informs  *responder.Responder // of a node with another front end; nil: none
	own      *agent.Collector     // nil: shared
	backups  *backups             // nil: none are offered
	keys     atomic.Pointer[snmp.Keyring]
	profiles atomic.Pointer[profile.Set]
	notifier *snmp.Notifier
	watchers []func(responder.Observation)
	ran      bool
}

var (
	_ manager.Poller = (*snmp.Poller)(nil)
	_ agent.FrontEnd = (*responder.Responder)(nil)
	_ agent.FrontEnd = (*agentx.Subagent)(nil)
)

// Open makes a chassis and binds its sockets. Mount a manager (register the
// node's objects and its own in Tree), then Run it; Close it at the end.
func Open(o Options) (_ *Chassis, err error) {
	cfg := o.Config
	c := &Chassis{Tree: mib.NewTree(), Clock: manager.NewClock(), Logger: o.Logger}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	collector := o.Collector
	if collector == nil {
		collector, err = agent.NewCollector(agent.CollectorOptions{Period: time.Duration(cfg.MetricPeriod), Logger: c.Logger})
		if err != nil {
			return nil, err
		}
		c.own = collector
	}
	c.Node, err = agent.OpenNode(agent.NodeOptions{
		Name: cfg.Name, Address: cfg.Address(), Zone: cfg.Zone, Candidate: cfg.Candidate && o.Role != mib.RoleTLM && o.Role != mib.RoleStandby,
		Role: o.Role, Software: Software, StateDir: cfg.StateDir(), Collector: collector,
	})
	if err != nil {
		return nil, err
	}
	opened := c // c is nil when Open fails
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close())
		}
	}()
	if err = c.takeProfiles(cfg); err != nil {
		return nil, err
	}
	keys, err := c.keyring(cfg)
	if err != nil {
		return nil, err
	}
	c.keys.Store(&keys)
	if c.Poller, err = snmp.NewPoller(snmp.PollerConfig{LocalAddress: o.From, Courtesy: courtesy(cfg)}, keys); err != nil {
		return nil, err
	}
	c.notifier = snmp.NewNotifier(c.Poller, c.Node.Start())
	if err = c.openFrontEnd(o); err != nil {
		return nil, err
	}
	return c, nil
}

// keyring makes the poller's keys and advertises their names.
func (c *Chassis) keyring(cfg *config.Node) (snmp.Keyring, error) {
	var held []snmp.Credential
	var names []string
	for _, k := range cfg.Credentials {
		v, err := snmp.ParseVersion(k.Version)
		if err != nil {
			return snmp.Keyring{}, fmt.Errorf("credential %s: %w", k.Name, err)
		}
		one := snmp.Credential{Name: k.Name, Version: v, Community: snmp.Secret(k.Community.Reveal())}
		if v == snmp.V3 {
			if one.User, err = user(k.User, &k.Security); err != nil {
				return snmp.Keyring{}, fmt.Errorf("credential %s: %w", k.Name, err)
			}
		}
		held = append(held, one)
		names = append(names, k.Name)
	}
	keys, err := snmp.NewKeyring(held...)
	if err != nil {
		return snmp.Keyring{}, err
	}
	return keys, c.advertise(names)
}

// takeProfiles takes those of a configuration.
func (c *Chassis) takeProfiles(cfg *config.Node) error {
	next := cfg.HeldProfiles()
	if had := c.profiles.Load(); had != nil && slices.Equal(had.Refs(), next.Refs()) {
		return nil
	}
	registry, err := mib.RegistryOf(next.Metrics())
	if err != nil {
		return err
	}
	c.profiles.Store(next)
	c.Node.SetRegistry(registry)
	return nil
}

// Profiles are those that the node holds now.
func (c *Chassis) Profiles() *profile.Set { return c.profiles.Load() }

// anyProfile stands for more profiles than can be advertised: who wants to
// know has to ask.
const anyProfile = "*"

// advertise says which credentials and profiles the node holds.
func (c *Chassis) advertise(credentials []string) error {
	err := c.Node.SetCapabilities(c.Profiles().Refs(), credentials)
	if err == nil {
		return nil
	}
	if short := c.Node.SetCapabilities([]string{anyProfile}, credentials); short == nil {
		return nil
	}
	return err
}

// courtesy is how polls are put, as configured.
func courtesy(cfg *config.Node) snmp.Courtesy {
	c := &cfg.Courtesy
	return snmp.Courtesy{Concurrency: c.Outstanding, Gap: c.Gap(), Rest: time.Duration(c.Rest), Window: c.Window}
}

// user is a user of SNMPv3 as configured, asking or asked.
func user(name string, s *config.Security) (u snmp.User, err error) {
	u.Name = name
	u.AuthPassphrase, u.PrivPassphrase = snmp.Secret(s.Auth.Passphrase.Reveal()), snmp.Secret(s.Priv.Passphrase.Reveal())
	u.Level, u.Auth, u.Priv, err = s.USM()
	return u, err
}

// HostNode is the node as a manager.Host wants it.
type HostNode struct{ *agent.Node }

// Identity implements manager.Node.
func (n HostNode) Identity() manager.Identity { return manager.Identity(n.Node.Identity()) }

// Holds reports whether the poller has a credential.
func (c *Chassis) Holds(credential string) bool {
	_, ok := c.keys.Load().Lookup(credential)
	return ok
}

// Rekey takes the credentials of a new configuration.
func (c *Chassis) Rekey(cfg *config.Node) error {
	keys, err := c.keyring(cfg)
	if err != nil {
		return err
	}
	c.keys.Store(&keys)
	c.Poller.Rekey(keys)
	return nil
}

// Reload takes what a new configuration says of the chassis' own parts, where
// the keys changed now are among them.
func (c *Chassis) Reload(now []string, next *config.Node) error {
	had := c.Profiles()
	if err := c.takeProfiles(next); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	if c.Profiles() != had {
		if err := c.Rekey(next); err != nil { // which advertises them
			return fmt.Errorf("profiles: %w", err)
		}
		c.Logger.Info("profiles read again", "profiles", len(c.Profiles().Profiles()))
	}
	for _, part := range Parts(now) {
		var err error
		switch part {
		case "metric_period":
			err = c.Node.Collector().SetPeriod(time.Duration(next.MetricPeriod))
		case "courtesy":
			c.Poller.Behave(courtesy(next))
		case "credentials":
			err = c.Rekey(next)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	return nil
}

// Reloaded logs which keys have changed, and which will after a restart.
func (c *Chassis) Reloaded(now, restart []string) {
	if len(now) > 0 {
		c.Logger.Info("configuration reloaded", "changed", now)
	}
	if len(restart) > 0 {
		c.Logger.Warn("keys that changed take effect after a restart", "keys", restart)
	}
}

// Uplink is the way of a node's notifications to the manager above.
type Uplink struct {
	notifier   *snmp.Notifier
	to         []string
	credential string
}

// Uplink makes the way to the configured TLM, or to several of which one
// leads; nil if none is configured.
func (c *Chassis) Uplink(cfg *config.Node) *Uplink {
	return c.UplinkTo(cfg, cfg.Announce.Targets()...)
}

// UplinkTo makes the way to managers at the given addresses; nil if there are
// none.
func (c *Chassis) UplinkTo(cfg *config.Node, to ...string) *Uplink {
	if len(to) == 0 {
		return nil
	}
	u := &Uplink{notifier: c.notifier, to: to, credential: cfg.Announce.Credential}
	if u.credential == "" && len(cfg.Credentials) > 0 {
		u.credential = cfg.Credentials[0].Name
	}
	return u
}

// Receivers are the ways to those that are configured to be notified.
func (c *Chassis) Receivers(cfg *config.Node) []manager.Notify {
	var all []manager.Notify
	for _, r := range cfg.Notify {
		u := &Uplink{notifier: c.notifier, to: []string{r.To}, credential: r.Credential}
		if u.credential == "" {
			u.credential = cfg.Credentials[0].Name // there is one, or the configuration was refused
		}
		all = append(all, u.Inform)
	}
	return all
}

// Inform implements ilm.Notifier. Of several managers all are informed, and
// one that acknowledges is enough: the leader does, and who stands by when the
// leader has. Names are looked up each time, as the TLM may move.
func (u *Uplink) Inform(ctx context.Context, notification mib.OID, vars []mib.Variable) error {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	failures := make([]error, len(u.to))
	var informed atomic.Bool
	var each sync.WaitGroup
	for i, to := range u.to {
		each.Go(func() {
			if failures[i] = u.informOne(ctx, to, notification, vars); failures[i] == nil {
				informed.Store(true)
				enough()
			}
		})
	}
	each.Wait()
	if informed.Load() {
		return nil
	}
	return errors.Join(failures...)
}

func (u *Uplink) informOne(ctx context.Context, to string, notification mib.OID, vars []mib.Variable) error {
	at, err := config.Lookup(ctx, to)
	if err != nil {
		return err
	}
	target := snmp.Target{Address: at, Credential: u.credential, Retries: 2}
	if end, ok := ctx.Deadline(); ok {
		// Who stands by answers the second time, when it has handed the inform
		// on: in what time there is that has to come about.
		target.Retries = 3
		target.Timeout = time.Until(end) / time.Duration(target.Retries+1)
	}
	return u.notifier.Inform(ctx, target, notification, vars)
}

// Tuning is how temperatures are computed, as configured.
func Tuning(t config.Temperature) manager.Tuning {
	return manager.Tuning{WeightA: t.A, WeightB: t.B, Expression: t.Expression, History: t.History, STU: time.Duration(t.STU)}
}

// Run runs the chassis and what is mounted on it until ctx is done or a part
// fails. What is mounted stops first, while it can still say goodbye.
func (c *Chassis) Run(ctx context.Context, mounted func(context.Context) error) error {
	c.ran = true
	below, stop := context.WithCancel(context.WithoutCancel(ctx))
	var parts []func(context.Context) error
	if c.Poller != nil {
		parts = append(parts, c.Poller.Run)
	}
	if c.FrontEnd != nil {
		parts = append(parts, c.FrontEnd.Run)
	}
	if c.informs != nil {
		parts = append(parts, c.informs.Run)
	}
	if c.own != nil {
		parts = append(parts, c.own.Run)
	}
	if c.backups != nil {
		parts = append(parts, c.backups.run)
	}
	upper, cancel := context.WithCancelCause(ctx)
	results := make(chan error, len(parts))
	for _, run := range parts {
		go func() {
			err := run(below)
			if err != nil {
				cancel(err)
			}
			results <- err
		}()
	}
	err := mounted(upper)
	cancel(nil)
	stop()
	for range parts {
		err = errors.Join(err, <-results)
	}
	return err
}

// Close gives up the state directory, and the sockets if Run has not.
func (c *Chassis) Close() error {
	var err error
	if !c.ran {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		err = c.Run(over, func(context.Context) error { return nil })
	}
	return errors.Join(err, c.Node.Close())
}
