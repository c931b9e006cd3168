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
	"simone/profile"
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

const credential = "bench"

// profiled is what is read of each device: the farm's table, of whose counters
// rates are made.
func profiled() (set *profile.Set, ref string, err error) {
	p := &profile.Profile{Name: "bench"}
	for i, o := range pollbench.Columns() {
		p.Objects = append(p.Objects, profile.Object{Name: fmt.Sprint("column", i), OID: o, Column: true, Kind: profile.Rate, Unit: "octets/s"})
	}
	if set, err = profile.NewSet([]*profile.Profile{p}, nil); err != nil {
		return nil, "", err
	}
	return set, p.Ref(), nil
}

func openPoller() (*snmp.Poller, error) {
	keys, err := snmp.NewKeyring(snmp.Credential{Name: credential, Version: snmp.V2c, Community: pollbench.Community})
	if err != nil {
		return nil, err
	}
	return snmp.NewPoller(snmp.PollerConfig{LocalAddress: netip.MustParseAddr("127.0.0.1")}, keys)
}

// RunManager is the manager: it keeps its list in a file in dir, tells the
// address of its agent on out, and ends with ctx. slow, if not nil, delays each
// result.
func RunManager(ctx context.Context, dir string, slow func() time.Duration, out io.Writer) (err error) {
	db, err := store.Open(filepath.Join(dir, "node.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	poller, err := openPoller()
	if err != nil {
		return err
	}
	set, _, err := profiled()
	if err != nil {
		return err
	}
	host, err := manager.New(manager.Config{
		Node: node{}, Store: db, Poller: poller, Clock: manager.NewClock(),
		Profiles:        func() *profile.Set { return set },
		HoldsCredential: func(name string) bool { return name == credential },
		Credential:      credential, LogRecords: 100_000, Events: db, Slow: slow,
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

// alone asks a device what a poll of the manager does: the table, and along with
// it how long the device has been up. It counts what it is answered.
type alone struct {
	table            mib.Walk
	answered, failed atomic.Int64
}

// Walked implements mib.Walker.
func (a *alone) Walked(_ netip.AddrPort, r *mib.Response) bool {
	for i := range r.Vars {
		if !r.Vars[i].Name.Equal(sysUpTime()) {
			a.answered.Add(1)
		}
	}
	return true
}

// Ended implements mib.Walker.
func (a *alone) Ended(_ netip.AddrPort, err error) {
	if err != nil {
		a.failed.Add(1)
	}
}

// engineTick is that of managers.
func engineTick(interval time.Duration) time.Duration {
	return min(max(interval/1000, 5*time.Millisecond), 50*time.Millisecond)
}

// RunEngine is the poll engine alone: it asks each device once in an interval,
// spread evenly, says on out that it has begun, and ends with ctx, when it tells
// how many objects it was answered, and how many polls failed.
func RunEngine(ctx context.Context, devices int, port uint16, interval time.Duration, out io.Writer) error {
	poller, err := openPoller()
	if err != nil {
		return err
	}
	a := new(alone)
	base := mib.Request{Credential: credential, Timeout: time.Second, Vars: []mib.Variable{{Name: sysUpTime()}}}
	if a.table, err = poller.PrepareWalk(base, pollbench.Columns()); err != nil {
		return err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- poller.Run(running) }()
	fmt.Fprintln(out, os.Getpid())
	targets := pollbench.Targets(devices, port)
	began, asked := time.Now(), 0
	tick := time.NewTicker(engineTick(interval))
	defer tick.Stop()
	send := func() {
		due := int(float64(devices) * float64(time.Since(began)) / float64(interval))
		for ; asked < due; asked++ {
			a.table.Ask(targets[asked%devices], a)
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

// sysUpTime is what rates go by.
func sysUpTime() mib.OID { return mib.OID{1, 3, 6, 1, 2, 1, 1, 3, 0} }
