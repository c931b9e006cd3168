package manager

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// answer makes the event that answers an action, as seen at now.
type answer func(now reconfig.Instant) reconfig.Event

// delegate carries out an engine's wishes at one child. An error that is a
// *failure becomes ActionFailed.
type delegate interface {
	control(context.Context, reconfig.Control) (answer, error)
	probe(context.Context, reconfig.Probe) (answer, error)
	readLog(context.Context, reconfig.ReadLog) (answer, error)
}

// failure is why an action failed.
type failure struct {
	why  reconfig.Failure
	text string
}

func (f *failure) Error() string { return f.text }

func failed(why reconfig.Failure, format string, args ...any) error {
	return &failure{why, fmt.Sprintf(format, args...)}
}

// carry has a goroutine of this life do what an action asks for, and puts the
// one event that answers it into the mailbox.
func (c *Conductor) carry(id reconfig.ActionID, child mib.NodeID, work func(context.Context, delegate) (answer, error)) {
	current := c.life
	d, err := c.delegate(child)
	current.workers.Go(func() {
		var done answer
		if err == nil {
			done, err = work(current.ctx, d)
		}
		if current.ctx.Err() != nil {
			return // nobody waits for it any more
		}
		if err != nil {
			done = failedAction(id, err)
		}
		c.box.put(letter{event: done, of: current})
	})
}

func failedAction(id reconfig.ActionID, err error) answer {
	why := reconfig.TimedOut // the effect may still come: the safe thing to say
	var f *failure
	if errors.As(err, &f) {
		why = f.why
	}
	return func(now reconfig.Instant) reconfig.Event {
		return reconfig.ActionFailed{At: reconfig.At{Now: now}, Action: id, Why: why, Text: err.Error()}
	}
}

// delegate finds the way to a child. It is called from Run's goroutine, with
// mu unlocked.
func (c *Conductor) delegate(child mib.NodeID) (delegate, error) {
	if child == c.cfg.Self {
		return localDelegate{c.cfg.Local, c.cfg.Clock}, nil
	}
	node, ok := c.Node(child)
	if !ok {
		return nil, failed(reconfig.Malformed, "node %d is not in the inventory", child)
	}
	address, err := netip.ParseAddrPort(node.Address)
	if err != nil {
		return nil, failed(reconfig.Malformed, "node %d (%s): %q is no address: write it as 192.0.2.7:161 or [2001:db8::7]:161", child, node.Name, node.Address)
	}
	return &remoteDelegate{
		poller: c.cfg.Poller, clock: c.cfg.Clock,
		child: child, address: address, credential: node.Credential,
		controlTimeout: c.cfg.ControlTimeout,
		probeTimeout:   min(c.Settings().Probe, maxProbeTimeout),
	}, nil
}

// localDelegate reaches the manager's own list.
type localDelegate struct {
	door  Door
	clock Clock
}

func (d localDelegate) control(_ context.Context, a reconfig.Control) (answer, error) {
	if err := d.door.Control(a.ControlSet); err != nil {
		var refusal *reconfig.Refusal
		if errors.As(err, &refusal) {
			return nil, failed(refusal.Why, "%s", refusal.Text)
		}
		return nil, fmt.Errorf("own list: %w", err)
	}
	return doneAction(a.ID), nil
}

func doneAction(id reconfig.ActionID) answer {
	return func(now reconfig.Instant) reconfig.Event {
		return reconfig.ActionDone{At: reconfig.At{Now: now}, Action: id}
	}
}

func (d localDelegate) probe(_ context.Context, a reconfig.Probe) (answer, error) {
	report := d.door.Report(a.Rows, a.Full)
	read := d.clock.Now()
	return func(now reconfig.Instant) reconfig.Event {
		for i := range report.Rows {
			report.Rows[i].Row.Due -= now.Sub(read)
		}
		return reconfig.ChildReported{At: reconfig.At{Now: now}, Action: a.ID, Child: a.Child, Report: report}
	}, nil
}

func (d localDelegate) readLog(_ context.Context, a reconfig.ReadLog) (answer, error) {
	incarnation, records := d.door.ReadLog(a.From, maxLogRecords)
	return logRead(a, incarnation, records, d.clock.Now()), nil
}

// logRead answers a ReadLog with records whose ages count until read.
func logRead(a reconfig.ReadLog, incarnation uint64, records []mib.Record, read reconfig.Instant) answer {
	return func(now reconfig.Instant) reconfig.Event {
		for i := range records {
			records[i].Age += now.Sub(read)
		}
		return reconfig.LogRead{
			At: reconfig.At{Now: now}, Action: a.ID, Child: a.Child,
			Incarnation: incarnation, Records: records,
		}
	}
}

// remoteDelegate reaches a child over SNMP.
type remoteDelegate struct {
	poller         Poller
	clock          Clock
	child          mib.NodeID
	address        netip.AddrPort
	credential     string
	controlTimeout time.Duration
	probeTimeout   time.Duration
}

// ask puts one request to the child. The error is why there is no answer; an
// answer with an error-status is none.
func (d *remoteDelegate) ask(ctx context.Context, r mib.Request) (mib.Response, error) {
	r.Address, r.Credential = d.address, d.credential
	response := d.poller.Do(ctx, r)
	if response.Err != nil {
		return response, failed(reconfig.TimedOut, "node %d at %v: %v", d.child, d.address, response.Err)
	}
	return response, nil
}

// received is when an answer came in, on the manager's clock.
func (d *remoteDelegate) received(r mib.Response) reconfig.Instant {
	return d.clock.Now().Add(-waited(&r))
}
