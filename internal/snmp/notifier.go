package snmp

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"simone/mib"
)

// Target is where notifications go.
type Target struct {
	Address    netip.AddrPort
	Credential string        // v2c; a name in the poller's keyring
	Timeout    time.Duration // of each attempt; 0 is the poller's default
	Retries    int           // further attempts after the first
}

// Notifier sends notifications through a Poller's socket.
type Notifier struct {
	poller  *Poller
	started time.Time
}

// NewNotifier makes a Notifier. started is the beginning of the sysUpTime
// that its notifications show.
func NewNotifier(p *Poller, started time.Time) *Notifier {
	return &Notifier{poller: p, started: started}
}

// Inform sends an inform and waits until the target has acknowledged it, has
// not after all attempts (mib.ErrTimeout), has refused it (*StatusError), or
// ctx ends.
func (n *Notifier) Inform(ctx context.Context, to Target, trap mib.OID, vars []mib.Variable) error {
	req := n.request(mib.VerbInform, to, trap, vars)
	if err := Result(req, n.poller.Do(ctx, req)); err != nil {
		return fmt.Errorf("inform of %v: %w", trap, err)
	}
	return nil
}

// StartInform is Inform without waiting: done gets the outcome exactly once,
// from the poller's goroutine, and must not block.
func (n *Notifier) StartInform(to Target, trap mib.OID, vars []mib.Variable, done func(error)) {
	req := n.request(mib.VerbInform, to, trap, vars)
	n.poller.Start(req, func(r mib.Response) {
		err := Result(req, r)
		if err != nil {
			err = fmt.Errorf("inform of %v: %w", trap, err)
		}
		done(err)
	})
}

// Trap sends a trap; nobody will say whether it arrived.
func (n *Notifier) Trap(ctx context.Context, to Target, trap mib.OID, vars []mib.Variable) error {
	if r := n.poller.Do(ctx, n.request(mib.VerbTrap, to, trap, vars)); r.Err != nil {
		return fmt.Errorf("trap %v: %w", trap, r.Err)
	}
	return nil
}

func (n *Notifier) request(verb mib.Verb, to Target, trap mib.OID, vars []mib.Variable) mib.Request {
	all := make([]mib.Variable, 0, 2+len(vars))
	all = append(all,
		mib.Variable{Name: sysUpTime(), Value: mib.Ticks(Uptime(n.started))},
		mib.Variable{Name: trapOID(), Value: mib.ObjectID(trap)})
	return mib.Request{
		Address:    to.Address,
		Credential: to.Credential,
		Verb:       verb,
		Vars:       append(all, vars...),
		Timeout:    to.Timeout,
		Retries:    to.Retries,
	}
}
