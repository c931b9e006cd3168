package snmp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"simone/mib"
)

// ErrNotIncreasing says that an agent answered a walk with a name that does
// not come after the one before: going on might never end.
var ErrNotIncreasing = errors.New("OID not increasing")

// ErrEndless says that a walk was cut off as it went on and on.
var ErrEndless = errors.New("no end is in sight")

// What a walk asks for at a time. The first answers show how large the agent's
// variables are; then it is as many as an Ethernet frame holds.
const (
	firstBatch  = 10   // variables
	largeBatch  = 1000 // variables
	frameOctets = 1400 // of variables
)

// maxWalk is how many variables a walk reads at most. The largest of real
// devices have some hundred thousand.
const maxWalk = 1 << 22

// StatusError is an agent's refusal.
type StatusError struct {
	Status mib.ErrorStatus
	Name   mib.OID // of the variable at fault; nil if none is named
}

func (e *StatusError) Error() string {
	if e.Name == nil {
		return e.Status.String()
	}
	return fmt.Sprintf("%v at %v", e.Status, e.Name)
}

// Result is the error of a response to req: the response's own, a
// *StatusError when the agent refused, or nil.
func Result(req mib.Request, r mib.Response) error {
	if r.Err != nil {
		return r.Err
	}
	if r.Status == mib.NoError {
		return nil
	}
	e := &StatusError{Status: r.Status}
	if r.Index > 0 && r.Index <= len(req.Vars) {
		e.Name = req.Vars[r.Index-1].Name
	}
	return fmt.Errorf("%v refused: %w", req.Address, e)
}

// Walk reads the subtree at root in order: see WalkColumns.
func (p *Poller) Walk(ctx context.Context, base mib.Request, root mib.OID, fn func(mib.Variable) error) error {
	return p.WalkColumns(ctx, base, []mib.OID{root}, func(_ int, v mib.Variable) error {
		if v.Value.IsException() {
			return nil
		}
		return fn(v)
	})
}

// WalkColumns reads the subtrees at the roots side by side, each in order, and
// calls fn with each variable, which fn may keep, and the index of its root,
// until all subtrees end or fn fails. Where what the agent shows ends before
// the subtree does, fn is told with endOfMibView.
//
// base says whom to ask, with what credential, time-out and retries. How much
// is asked for at a time is found out and remembered: as much as fills a
// frame, at most base.MaxRepetitions rows if that is not 0, half of what was
// tooBig or not answered in time. Once it is known how fast the agent answers,
// it is asked again long before the time-out. SNMPv1 agents, and those that
// refuse GETBULK, are asked with GETNEXT.
//
// A subtree in which names do not increase is left where that begins, and the
// others are read on. What was read before an error has been passed to fn.
func (p *Poller) WalkColumns(ctx context.Context, base mib.Request, roots []mib.OID, fn func(column int, v mib.Variable) error) error {
	p.mu.Lock()
	c, ok := p.keys.Lookup(base.Credential)
	p.mu.Unlock()
	if !ok {
		return fmt.Errorf("walk %v: %w", base.Address, &UnknownCredentialError{base.Credential})
	}
	w := newWalk(base, roots, c.Version)
	p.manners(base, &w.manners)
	defer func() { p.learn(base, w.manners) }()
	for w.more() {
		req := w.request()
		resp := p.insist(ctx, req, &w.manners)
		if err := w.take(req, resp, fn); err != nil {
			return errors.Join(append(w.problems, fmt.Errorf("walk %v: %w", w.where(), err))...)
		}
	}
	return errors.Join(w.problems...)
}

// insist is Do. An agent whose round trip time is known is asked twice in quick
// succession before it is asked with all patience.
func (p *Poller) insist(ctx context.Context, req mib.Request, m *manners) mib.Response {
	if overdue := m.overdue(); overdue != 0 && (req.Timeout == 0 || overdue < req.Timeout) {
		quick := req
		quick.Timeout, quick.Retries = overdue, 1
		if resp := p.Do(ctx, quick); resp.Err == nil || !errors.Is(resp.Err, mib.ErrTimeout) {
			return resp
		}
	}
	return p.Do(ctx, req)
}

// manners reads what is known of the agent that base names.
func (p *Poller) manners(base mib.Request, m *manners) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*m = p.agent(plain(base.Address), time.Now()).manners
}

// learn keeps what was found out about it.
func (p *Poller) learn(base mib.Request, m manners) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.agent(plain(base.Address), time.Now()).manners = m
}
