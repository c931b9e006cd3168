package pollbench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"simone/internal/snmp"
	"simone/mib"
)

// engine asks with the project's own.
type engine struct {
	poller  *snmp.Poller
	query   *snmp.Query
	targets []netip.AddrPort
	stop    context.CancelFunc
	ended   chan error

	wanted int // variables of an answer
	open   atomic.Int64
	failed atomic.Int64
	done   chan struct{} // holds one token: nothing is open
}

func newEngine(targets []netip.AddrPort, credential string, req mib.Request, wanted int) (*engine, error) {
	keys, err := snmp.NewKeyring(
		snmp.Credential{Name: "v2c", Version: snmp.V2c, Community: Community},
		snmp.Credential{Name: "v3", Version: snmp.V3, User: user()})
	if err != nil {
		return nil, err
	}
	req.Credential = credential
	if req.Timeout == 0 {
		req.Timeout = patience
	}
	query, err := snmp.NewQuery(req)
	if err != nil {
		return nil, err
	}
	poller, err := snmp.NewPoller(snmp.PollerConfig{LocalAddress: netip.MustParseAddr("127.0.0.1")}, keys)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &engine{
		poller: poller, query: query, targets: targets, stop: cancel, ended: make(chan error, 1), wanted: wanted, done: make(chan struct{}, 1),
	}
	go func() { e.ended <- poller.Run(ctx) }()
	return e, nil
}

// Answered counts an answer.
func (e *engine) Answered(_ netip.AddrPort, r *mib.Response) {
	if r.Err != nil || r.Status != mib.NoError || len(r.Vars) != e.wanted {
		e.failed.Add(1)
	}
	if e.open.Add(-1) == 0 {
		e.done <- struct{}{}
	}
}

func (e *engine) round() (failed int, err error) {
	e.open.Store(int64(len(e.targets)))
	e.failed.Store(0)
	e.poller.Together(func() {
		for _, to := range e.targets {
			e.poller.Ask(to, e.query, e)
		}
	})
	<-e.done
	return int(e.failed.Load()), nil
}

func (e *engine) Close() error {
	e.stop()
	if err := <-e.ended; err != nil {
		return err
	}
	if s := e.poller.Stats(); s.Unmatched+s.WrongSource+s.Malformed > 0 {
		return errors.New("engine: " + fmt.Sprintf("%+v", s))
	}
	return nil
}
