package agentx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"simone/mib"
)

// How long to wait before the next attempt. An snmpd that is back is found
// within the largest of the first, which costs next to nothing on a socket
// nobody listens at. One that is there and refuses gets more time.
const (
	minPause   = 50 * time.Millisecond
	maxPause   = 500 * time.Millisecond
	maxRefused = 5 * time.Second
	// A session that stood so long was a good one: what follows begins anew.
	steady = 10 * time.Second
)

// Subagent answers for its part of an snmpd's tree.
type Subagent struct {
	cfg    Config
	tree   *mib.Tree
	log    *slog.Logger
	counts counters

	dial   func(context.Context) (net.Conn, error)
	little bool // the byte order of our own requests; tests turn it round

	// mu guards the fields below.
	mu      sync.Mutex
	current *session // nil when none stands
	state   State
	uptime  uint32    // the snmpd's sysUpTime
	heard   time.Time // when; zero if never
}

// State is how a Subagent and its snmpd stand.
type State struct {
	Connected bool
	Since     time.Time // of the last change; zero before the first
	Err       error     // why it is not connected; nil before the first attempt
}

// New checks the configuration. Handlers may be registered with the tree
// until Run is called.
func New(cfg Config, tree *mib.Tree) (*Subagent, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("agentx: %w", err)
	}
	network, address, err := splitMaster(cfg.Master)
	if err != nil {
		return nil, fmt.Errorf("agentx: %w", err)
	}
	a := &Subagent{cfg: cfg, tree: tree, log: cfg.Logger.With("master", cfg.Master)}
	a.dial = func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{Timeout: cfg.Timeout}).DialContext(ctx, network, address)
	}
	return a, nil
}

// Addr is where the snmpd answers, as the configuration says.
func (a *Subagent) Addr() netip.AddrPort { return a.cfg.Addr }

// Stats gives the counters.
func (a *Subagent) Stats() Stats { return a.counts.stats() }

// State says whether a session stands.
func (a *Subagent) State() State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// Uptime is the snmpd's sysUpTime in hundredths of a second, counted on from
// its last answer; false if it never gave one.
func (a *Subagent) Uptime() (uint32, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.heard.IsZero() {
		return 0, false
	}
	return a.uptime + uint32(time.Since(a.heard)/(10*time.Millisecond)), true
}

// Run keeps a session with the snmpd until ctx is done, and then closes it
// and returns nil. It does not give up: whatever is wrong with the snmpd, it
// logs once and tries again.
func (a *Subagent) Run(ctx context.Context) error {
	pause := minPause
	var said string // what the log has heard last of why there is no session
	for {
		s, err := a.open(ctx)
		if err == nil {
			said = ""
			began := time.Now()
			a.enter(s)
			err = s.serve(ctx)
			a.leave(ctx, err)
			if time.Since(began) >= steady {
				pause = minPause
			}
		} else if ctx.Err() == nil {
			a.counts.failures.Add(1)
			a.leave(ctx, err)
		}
		if ctx.Err() != nil {
			return nil
		}
		if s == nil && err.Error() != said {
			a.log.Warn("no session with the snmpd; trying again until there is one", "error", err)
			said = err.Error()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause*3/4 + rand.N(pause/2)):
		}
		limit := maxPause
		if refused(err) {
			limit = maxRefused
		}
		pause = min(pause*2, limit)
	}
}

// refused reports whether there is an snmpd and it is not as it should be.
func refused(err error) bool {
	var e *RefusedError
	var syntax *SyntaxError
	var closed *closedError
	return errors.As(err, &e) || errors.As(err, &syntax) || errors.As(err, &closed) && closed.reason != ReasonShutdown
}

// open connects, opens a session and registers. It returns with no session
// and nothing running, or with a session that stands.
func (a *Subagent) open(ctx context.Context) (*session, error) {
	conn, err := a.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", explain(err, a.cfg.Master))
	}
	s := newSession(a, conn)
	s.start()
	if err := s.establish(ctx); err != nil {
		if lost := s.lost(); lost != nil && !refused(err) {
			err = lost // which is why nothing was answered
		}
		s.stop(ReasonOther)
		return nil, explain(err, a.cfg.Master)
	}
	return s, nil
}

func (a *Subagent) enter(s *session) {
	a.counts.connects.Add(1)
	a.mu.Lock()
	a.current = s
	a.state = State{Connected: true, Since: time.Now()}
	a.mu.Unlock()
	a.log.Info("session with the snmpd", "session", s.id.Load(), "priority", a.cfg.Priority, "subtrees", a.cfg.Subtrees)
}

// leave notes that no session stands, and why.
func (a *Subagent) leave(ctx context.Context, err error) {
	a.mu.Lock()
	was := a.current != nil
	a.current = nil
	if was || a.state.Since.IsZero() {
		a.state.Since = time.Now()
	}
	a.state.Connected, a.state.Err = false, err
	a.mu.Unlock()
	switch {
	case !was:
	case ctx.Err() != nil:
		a.log.Info("session with the snmpd closed")
	default:
		a.counts.losses.Add(1)
		a.log.Warn("session with the snmpd lost", "error", err)
	}
}

// noteUptime takes the sysUpTime of a response.
func (a *Subagent) noteUptime(ticks uint32) {
	a.mu.Lock()
	a.uptime, a.heard = ticks, time.Now()
	a.mu.Unlock()
}

// Notify has the snmpd send a notification to whom its configuration says,
// as trap or as inform, and waits until the snmpd has taken it. The snmpd
// puts sysUpTime.0 before it. Errors are ErrNotConnected when no session
// stands, *RefusedError, or ctx's.
func (a *Subagent) Notify(ctx context.Context, trap mib.OID, vars []mib.Variable) error {
	a.mu.Lock()
	s := a.current
	a.mu.Unlock()
	op := "notify " + trap.String()
	if s == nil {
		return fmt.Errorf("%s: %w", op, ErrNotConnected)
	}
	a.counts.outNotifies.Add(1)
	first := mib.Variable{Name: trapOID(), Value: mib.ObjectID(trap)}
	_, err := s.ask(ctx, op, &PDU{Type: TypeNotify, Vars: slices.Concat([]mib.Variable{first}, vars)})
	return err
}

// trapOID is snmpTrapOID.0 (RFC 2741, section 6.2.10).
func trapOID() mib.OID { return mib.OID{1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0} }
