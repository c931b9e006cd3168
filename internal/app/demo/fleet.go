package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"simone/agent"
	"simone/agent/responder"
	"simone/ilm"
	"simone/internal/app/chassis"
	"simone/internal/app/node"
	"simone/internal/app/top"
	"simone/internal/config"
	"simone/mib"
)

const (
	readCommunity  = "public"
	writeCommunity = "private"
	credential     = "tree"
)

// member is one node of the fleet.
type member struct {
	name string
	at   netip.AddrPort
	node *node.Node
	ring *agent.Ring
	slow atomic.Int64 // what the result worker is delayed by, in ns

	// mu guards the field below.
	mu   sync.Mutex
	stop context.CancelCauseFunc // nil: not running
	dead atomic.Bool
}

// fleet is the tree of the demo.
type fleet struct {
	cfg       *config.Demo
	top       *top.Top
	collector *agent.Collector
	members   []*member // candidates first
}

// ringSize is how many requests a node remembers between two looks of the
// checker: polls, probes and announcements of some seconds.
const ringSize = 2048

// open makes all nodes and binds their sockets. If the addresses are taken,
// another part of 127.0.0.0/8 is tried, unless the user has chosen this one.
func open(cfg *config.Demo, dir string, log *slog.Logger, chosen bool) (*fleet, error) {
	for range 8 {
		f, err := openAt(cfg, dir, log)
		if err == nil || chosen || !errors.Is(err, syscall.EADDRINUSE) {
			return f, err
		}
		base := netip.MustParseAddr(cfg.Base).As4()
		base[1]++ // 127.17.0.1, ...
		cfg.Base = netip.AddrFrom4(base).String()
	}
	return nil, fmt.Errorf("the addresses from %s on, port %d, are in use: is another demo running? Choose others with --base 127.99.0.1 or --port", cfg.Base, cfg.Port)
}

func openAt(cfg *config.Demo, dir string, log *slog.Logger) (f *fleet, err error) {
	made := &fleet{cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, made.close())
		}
	}()
	if made.collector, err = agent.NewCollector(agent.CollectorOptions{Period: min(time.Duration(cfg.Poll), time.Second), Logger: log}); err != nil {
		return nil, err
	}
	tlmAt, ats := cfg.Addresses()
	tc := config.DefaultTLM()
	made.fill(&tc.Node, "tlm", tlmAt, dir)
	tc.Poll, tc.Trigger, tc.Probe, tc.Thresholds, tc.Temperature = cfg.Poll, cfg.Trigger, cfg.Probe, cfg.Thresholds, cfg.Temperature
	tc.ILMs = config.ILMs{Start: cfg.Start, Min: cfg.Min}
	tc.Policy = "paper" // the story told is that of document 001
	if err := tc.Validate(); err != nil {
		return nil, err
	}
	made.top, err = top.Open(top.Options{Config: tc, Logger: log, Mount: func(o *chassis.Options) {
		o.Collector, o.From = made.collector, tlmAt.Addr()
	}})
	if err != nil {
		return nil, err
	}
	for i, at := range ats {
		m := &member{name: fmt.Sprintf("leaf-%02d", i-cfg.ILMs+1), at: at, ring: agent.NewRing(ringSize)}
		if i < cfg.ILMs {
			m.name = fmt.Sprintf("ilm-%c", 'a'+i)
			if i >= 26 {
				m.name = fmt.Sprintf("ilm-%d", i+1)
			}
		}
		nc := config.DefaultNode()
		made.fill(nc, m.name, at, dir)
		nc.Candidate = i < cfg.ILMs
		nc.Announce = config.Announce{To: tlmAt.String(), Credential: credential, Every: config.Duration(time.Second)}
		nc.Temperature = cfg.Temperature
		if err := nc.Validate(); err != nil {
			return nil, err
		}
		m.node, err = node.Open(node.Options{
			Config: nc, Logger: log.With("node", m.name),
			Mount: func(o *chassis.Options) { o.Collector, o.From = made.collector, at.Addr() },
			Slow:  func() time.Duration { return time.Duration(m.slow.Load()) },
		})
		if err != nil {
			return nil, err
		}
		m.node.Chassis().Watch(func(ob responder.Observation) {
			var first mib.OID
			if len(ob.Vars) > 0 {
				first = ob.Vars[0].Name
			}
			m.ring.Record(ob.Source, ob.Verb, first, ob.Received)
		})
		made.members = append(made.members, m)
	}
	return made, nil
}

func (f *fleet) fill(c *config.Node, name string, at netip.AddrPort, dir string) {
	c.Name, c.Listen, c.State = name, at.String(), filepath.Join(dir, name)
	c.Credentials = []config.Credential{{Name: credential, Version: "v2c", Community: config.NewSecret(writeCommunity)}}
	c.Communities = []config.Community{
		{Community: config.NewSecret(readCommunity), Sources: []string{"127.0.0.0/8"}, Read: []string{"1"}},
		{Community: config.NewSecret(writeCommunity), Sources: []string{"127.0.0.0/8"}, Read: []string{"1"}, Write: []string{"simoneMIB"}, Notify: true},
	}
}

// run runs the fleet until ctx is done: the TLM first, and last to stop.
func (f *fleet) run(ctx context.Context) error {
	upper, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	above := make(chan error, 2)
	go func() { above <- f.top.Run(upper) }()
	go func() { above <- f.collector.Run(upper) }()
	nodes, cancel := context.WithCancelCause(ctx)
	below := make(chan error, len(f.members))
	for _, m := range f.members {
		own, end := context.WithCancelCause(nodes)
		m.mu.Lock()
		m.stop = end
		m.mu.Unlock()
		go func() { below <- m.node.Run(own) }()
	}
	var failed error
	for range f.members {
		if err := <-below; err != nil {
			failed = errors.Join(failed, err)
			cancel(err)
		}
	}
	cancel(nil)
	stop()
	for range 2 {
		failed = errors.Join(failed, <-above)
	}
	return failed
}

// kill ends a node without a goodbye, as a crash would.
func (m *member) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stop != nil {
		m.dead.Store(true)
		m.stop(ilm.ErrKilled)
	}
}

func (f *fleet) close() error {
	var err error
	for _, m := range f.members {
		err = errors.Join(err, m.node.Close())
	}
	if f.top != nil {
		err = errors.Join(err, f.top.Close())
	}
	return err
}

// byID finds the member with a NodeID.
func (f *fleet) byID(id mib.NodeID) *member {
	n, ok := f.top.Manager().Conductor().Node(id)
	if !ok {
		return nil
	}
	for _, m := range f.members {
		if m.at.String() == n.Address {
			return m
		}
	}
	return nil
}
