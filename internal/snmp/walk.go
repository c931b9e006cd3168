package snmp

import (
	"context"
	"errors"
	"fmt"

	"simone/mib"
)

// DefaultRepetitions is how many rows a Walk asks for at a time. 25 rows of
// short values come near to what one Ethernet frame holds.
const DefaultRepetitions = 25

// ErrNotIncreasing says that an agent answered a walk with a name that does
// not come after the one before: going on might never end.
var ErrNotIncreasing = errors.New("OID not increasing")

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

// Walk reads the subtree at root in order and calls fn with each variable,
// which fn may keep, until the subtree ends or fn fails. base says whom to
// ask, with what credential, time-out and retries, and how many rows at a
// time (MaxRepetitions; 0 is DefaultRepetitions). An agent that finds this too
// much (tooBig) is asked for half. SNMPv1 agents are asked with GETNEXT. What
// was read before an error has been passed to fn.
func (p *Poller) Walk(ctx context.Context, base mib.Request, root mib.OID, fn func(mib.Variable) error) error {
	p.mu.Lock()
	c, ok := p.keys.Lookup(base.Credential)
	p.mu.Unlock()
	if !ok {
		return fmt.Errorf("walk %v: %w", base.Address, &UnknownCredentialError{base.Credential})
	}
	req := base
	req.Verb, req.NonRepeaters = mib.VerbGetBulk, 0
	if req.MaxRepetitions <= 0 {
		req.MaxRepetitions = DefaultRepetitions
	}
	if c.Version == V1 {
		req.Verb = mib.VerbGetNext
	}
	last := root
	for {
		req.Vars = []mib.Variable{{Name: last}}
		resp := p.Do(ctx, req)
		if resp.Err == nil && resp.Status == mib.TooBig && req.Verb == mib.VerbGetBulk && req.MaxRepetitions > 1 {
			req.MaxRepetitions /= 2
			continue
		}
		if resp.Err == nil && resp.Status == mib.NoSuchName && c.Version == V1 {
			return nil // how v1 says that nothing follows
		}
		if err := Result(req, resp); err != nil {
			return fmt.Errorf("walk %v: %w", root, err)
		}
		if len(resp.Vars) == 0 {
			return fmt.Errorf("walk %v: %w: no variables", root, ErrAnswer)
		}
		for _, v := range resp.Vars {
			if v.Value.Type == mib.TypeEndOfMIBView || !v.Name.HasPrefix(root) && v.Name.Compare(root) > 0 {
				return nil
			}
			if v.Name.Compare(last) <= 0 {
				return fmt.Errorf("walk %v at %v: %w: %v after %v", root, base.Address, ErrNotIncreasing, v.Name, last)
			}
			if err := fn(v); err != nil {
				return err
			}
			last = v.Name
		}
	}
}
