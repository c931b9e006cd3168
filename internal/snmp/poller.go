package snmp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"simone/mib"
)

// DefaultTimeout is how long an attempt waits when neither the request nor
// the configuration says.
const DefaultTimeout = time.Second

// ErrAnswer says that an agent's answer does not fit what it was asked: other
// names, or another number of variables.
var ErrAnswer = errors.New("answer does not fit the question")

// PollerConfig is how a Poller is set up. The zero value will do.
type PollerConfig struct {
	// LocalAddress is where requests come from. Without one the system
	// picks, for IPv4 and IPv6; with one, only its own family can be asked.
	LocalAddress netip.Addr
	// Timeout of each attempt, for requests that give none.
	Timeout time.Duration
	// Engine is the sender's own, which v3 traps are sent by; nil sends none.
	// Requests and informs do without.
	Engine *Engine
	// Courtesy is how queries (Ask) are put.
	Courtesy Courtesy
}

// PollerStats counts what a Poller did since it was made.
type PollerStats struct {
	Requests    uint64 // accepted by Start
	Sent        uint64 // datagrams, of all attempts
	Retries     uint64 // of these, repeated attempts
	Answered    uint64 // requests that got an answer
	TimedOut    uint64 // requests that got none
	Failed      uint64 // requests that could not be sent, or were cut off by the end
	Late        uint64 // answers to an earlier attempt, or after the time-out
	Duplicate   uint64 // answers to what had been answered
	Unmatched   uint64 // answers to nothing that was asked
	WrongSource uint64 // answers from another address than was asked
	Malformed   uint64 // datagrams that are no SNMP message, or that lie
	Outstanding int    // requests on their way now
	Waiting     int    // queries that wait for their turn
	Spared      uint64 // queries to agents that rest, of those that TimedOut
	Shed        uint64 // queries to agents that are asked more than they answer, of those that Failed

	// Of SNMPv3:
	Discoveries uint64 // datagrams sent to find out an engine's id
	Resyncs     uint64 // clocks of engines that were set by a Report
	Reports     uint64 // Reports to what is outstanding
	Unauthentic uint64 // messages whose MAC is missing or wrong
	Stale       uint64 // authentic messages outside the time window
	Engines     int    // whose id and clock are known now
}

// Poller asks many agents through one socket. An answer counts only if it
// comes from the address that was asked and carries the request-id of an
// attempt; attempts have their own ids, so the round trip time is that of the
// attempt that was answered. (Informs keep theirs, so that the receiver can
// tell a repetition.)
//
// With SNMPv3 it finds out an agent's engine id and clock by itself, within
// the attempt that needs them, and keeps them while they are used.
//
// One goroutine, that of Run, reads answers and keeps time; there is none per
// request. Datagrams pass in batches where there are many, and who is asked
// often is asked with Ask, which allocates nothing.
type Poller struct {
	wire    *wire
	timeout time.Duration

	// These are for Run's goroutine only.
	message Message
	told    mib.Response
	rhythm  rhythm

	// mu guards the fields below.
	mu        sync.Mutex
	keys      Keyring
	closed    bool
	slots     slots
	wheel     wheel
	ended     []*request // that end as soon as Run's goroutine comes to it
	endedRoom []*request // for those that end while these are told
	wakeAt    time.Time  // the socket's read deadline; zero is none
	free      []*request
	outbox    outbox
	gathering int  // calls of Together that go on
	draining  bool // Run's goroutine passes answers on, that came by
	passed    time.Time
	out       int // requests that are not queries on their way
	stats     PollerStats
	encoder   Message
	agents    map[netip.AddrPort]*agent
	swept     time.Time // when agents was looked through last
	queries   queries
	routines  routines
	v3        pollerV3
}

// request is a mib.Request on its way.
type request struct {
	mib.Request
	timed
	version   Version
	community Secret
	v3        requestV3
	done      func(mib.Response)
	query     queried
	tries     int       // attempts; with v3 one may take several messages
	ids       []int32   // of all attempts
	result    error     // what it ends with, once finished
	finished  bool      // it ends as soon as Run's goroutine comes to it
	due       time.Time // when the attempt has timed out
	spared    bool      // it has been given more time, as this process had not run
}

// last is the id of what was sent last.
func (r *request) last() int32 { return r.ids[len(r.ids)-1] }

// NewPoller binds the socket. Run must be called for anything to be answered.
func NewPoller(cfg PollerConfig, keys Keyring) (*Poller, error) {
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("poller: time-out %v is negative", cfg.Timeout)
	}
	socket, err := OpenSocket(netip.AddrPortFrom(cfg.LocalAddress, 0))
	if err != nil {
		return nil, fmt.Errorf("poller: %w", err)
	}
	wire, err := openWire(socket)
	if err != nil {
		return nil, fmt.Errorf("poller: %w", err)
	}
	p := &Poller{
		wire:    wire,
		timeout: cfg.Timeout,
		keys:    keys,
		agents:  make(map[netip.AddrPort]*agent),
		queries: newQueries(cfg.Courtesy),
		wheel:   wheel{began: time.Now()},
	}
	if p.timeout == 0 {
		p.timeout = DefaultTimeout
	}
	p.v3.own = cfg.Engine
	p.outbox.wire = wire
	return p, nil
}

// Addr is where requests come from.
func (p *Poller) Addr() netip.AddrPort { return p.wire.Addr() }

// Rekey gives the poller another keyring for requests to come.
func (p *Poller) Rekey(keys Keyring) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = keys
	p.forgetKeys()
}

// Stats gives the counters.
func (p *Poller) Stats() PollerStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Outstanding = p.out + p.queries.out
	s.Waiting = p.queries.waiting
	s.Engines = p.engines()
	return s
}

// Start sends a request. done is called exactly once, never by Start itself,
// from the goroutine of Run; it must not block. What happens after the end of
// Run is told with net.ErrClosed, from a goroutine of its own.
//
// The variables must not change until then. VerbTrap is done when it is sent.
func (p *Poller) Start(req mib.Request, done func(mib.Response)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.stats.Failed++
		go done(mib.Response{Err: net.ErrClosed})
		return
	}
	p.stats.Requests++
	p.out++
	r := p.take()
	r.Request, r.done = req, done
	if r.Timeout <= 0 {
		r.Timeout = p.timeout
	}
	if err := p.admit(r); err != nil {
		p.endSoon(r, err)
		return
	}
	p.attempt(r, p.now())
	p.flushIfIdle()
}

// admit checks the request and finds its credential.
func (p *Poller) admit(r *request) error {
	switch r.Verb {
	case mib.VerbGet, mib.VerbGetNext, mib.VerbGetBulk, mib.VerbSet, mib.VerbInform, mib.VerbTrap:
	default:
		return fmt.Errorf("ask %v: 0x%02x is no request", r.Address, byte(r.Verb))
	}
	if !r.Address.IsValid() || r.Address.Port() == 0 {
		return fmt.Errorf("ask %v: no such address", r.Address)
	}
	c, ok := p.keys.byName[r.Credential]
	if !ok {
		return fmt.Errorf("ask %v: %w", r.Address, &UnknownCredentialError{r.Credential})
	}
	r.Address = plain(r.Address)
	r.version, r.community = c.Version, c.Community
	if c.Version == V3 {
		return p.admitV3(r, c)
	}
	return nil
}

// plain is the one way to write an address: IPv4 not as IPv6.
func plain(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// Do sends a request and waits for what becomes of it, or for the end of ctx.
// Run must be running.
func (p *Poller) Do(ctx context.Context, req mib.Request) mib.Response {
	result := make(chan mib.Response, 1)
	p.Start(req, func(r mib.Response) { result <- r })
	select {
	case r := <-result:
		return r
	case <-ctx.Done():
		return mib.Response{Err: fmt.Errorf("ask %v: %w", req.Address, context.Cause(ctx))}
	}
}
