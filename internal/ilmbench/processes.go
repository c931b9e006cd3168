package ilmbench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"simone/agent/responder"
	"simone/internal/pollbench"
	"simone/internal/snmp"
	"simone/internal/store"
	"simone/manager"
	"simone/mib"
)

// self is the manager that is measured, as its parent calls it.
const self mib.NodeID = 2

// node is the node that the manager runs on.
type node struct{}

func (node) Identity() manager.Identity {
	return manager.Identity{ID: self, Role: mib.RoleILM, Level: 1, Path: "1/2", Candidate: true}
}
func (node) SetRole(mib.Role)   {}
func (node) Intrusion() float64 { return 0 }

const (
	profileName = "bench"
	credential  = "bench"
)

// profile is what is read of each device.
func profile() mib.Profile {
	p := mib.Profile{Name: profileName}
	for i, o := range pollbench.Cells(Objects) {
		name := fmt.Sprintf("cell%d", i)
		p.Metrics = append(p.Metrics, mib.ProfileMetric{
			Metric: mib.Metric{Name: name, Profile: profileName, Number: mib.MetricNumber(profileName, name), Scale: 1}, OID: o,
		})
	}
	return p
}

func openPoller() (*snmp.Poller, error) {
	keys, err := snmp.NewKeyring(snmp.Credential{Name: credential, Version: snmp.V2c, Community: pollbench.Community})
	if err != nil {
		return nil, err
	}
	return snmp.NewPoller(snmp.PollerConfig{LocalAddress: netip.MustParseAddr("127.0.0.1")}, keys)
}

// RunManager is the manager: it keeps its list in a file in dir, tells the
// address of its agent on out, and ends with ctx.
func RunManager(ctx context.Context, dir string, out io.Writer) (err error) {
	db, err := store.Open(filepath.Join(dir, "node.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	poller, err := openPoller()
	if err != nil {
		return err
	}
	p := profile()
	host, err := manager.New(manager.Config{
		Node: node{}, Store: db, Poller: poller, Clock: manager.NewClock(),
		Profiles:        func(name string) (mib.Profile, bool) { return p, name == profileName },
		HoldsCredential: func(name string) bool { return name == credential },
		Credential:      credential, LogRecords: 100_000, Events: db,
	})
	if err != nil {
		return err
	}
	tree := mib.NewTree()
	metrics, err := mib.NewTable(mib.SimoneMetricEntry, host.MetricRows())
	if err != nil {
		return err
	}
	if err := errors.Join(host.Register(tree), metrics.Register(tree)); err != nil {
		return err
	}
	agent, err := responder.New(responder.Config{
		Listen:      "127.0.0.1:0",
		Communities: []responder.Community{{Name: "all", Secret: pollbench.Community, Write: &responder.View{}}},
	}, tree)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, agent.Addr())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := []func(context.Context) error{poller.Run, agent.Run, host.Run}
	ended := make(chan error, len(parts))
	for _, run := range parts {
		go func() { ended <- run(ctx) }()
	}
	for range parts {
		err = errors.Join(err, <-ended)
		cancel()
	}
	return err
}

// asker counts what the engine was answered.
type asker struct{ answered, failed atomic.Int64 }

// Answered implements mib.Asker.
func (a *asker) Answered(_ netip.AddrPort, r *mib.Response) {
	if r.Err != nil || r.Status != mib.NoError || len(r.Vars) != Objects {
		a.failed.Add(1)
		return
	}
	a.answered.Add(1)
}

// engineTick is that of managers.
func engineTick(interval time.Duration) time.Duration {
	return min(max(interval/1000, 5*time.Millisecond), 20*time.Millisecond)
}

// RunEngine is the poll engine alone: it asks each device once in an interval,
// spread evenly, says on out that it has begun, and ends with ctx, when it tells
// how many polls were answered.
func RunEngine(ctx context.Context, devices int, port uint16, interval time.Duration, out io.Writer) error {
	poller, err := openPoller()
	if err != nil {
		return err
	}
	p := profile()
	req := mib.Request{Credential: credential, Verb: mib.VerbGet, Timeout: time.Second}
	for _, o := range p.OIDs() {
		req.Vars = append(req.Vars, mib.Variable{Name: o})
	}
	query, err := poller.Prepare(req)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- poller.Run(running) }()
	fmt.Fprintln(out, os.Getpid())
	targets, a := pollbench.Targets(devices, port), new(asker)
	began, asked := time.Now(), 0
	tick := time.NewTicker(engineTick(interval))
	defer tick.Stop()
	send := func() {
		due := int(float64(devices) * float64(time.Since(began)) / float64(interval))
		for ; asked < due; asked++ {
			query.Ask(targets[asked%devices], a)
		}
	}
	for ctx.Err() == nil {
		poller.Together(send)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	stop()
	err = <-ended
	fmt.Fprintln(out, a.answered.Load(), a.failed.Load())
	return err
}
