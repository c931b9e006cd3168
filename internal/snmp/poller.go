package snmp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
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
// request.
type Poller struct {
	socket  *Socket
	timeout time.Duration
	buffers sync.Pool // of *[]byte, to encode into

	// message is for Run's goroutine only.
	message Message

	// mu guards the fields below.
	mu      sync.Mutex
	keys    Keyring
	closed  bool
	nextID  int32
	byID    map[int32]*request // one entry for each attempt
	timers  timerHeap
	wakeAt  time.Time // the socket's read deadline; zero is none
	free    []*request
	fates   [fateCount]fate
	stats   PollerStats
	encoder Message
	agents  map[netip.AddrPort]*agent
	swept   time.Time // when agents was looked through last
	v3      pollerV3
}

// request is a mib.Request on its way.
type request struct {
	mib.Request
	version   Version
	community Secret
	v3        requestV3
	done      func(mib.Response)
	tries     int // attempts; with v3 one may take several messages
	attempts  []attempt
	result    error     // if set, what it ends with as soon as it is due
	finished  bool      // it ends as soon as it is due, with result
	due       time.Time // when the attempt has timed out
	spared    bool      // it has been given more time, as this process had not run
	position  int       // in the heap
}

type attempt struct {
	id   int32
	sent time.Time
}

// last is the id of what was sent last.
func (r *request) last() int32 { return r.attempts[len(r.attempts)-1].id }

// fateCount is for how many attempts that are over it is still known how
// they ended, to tell late answers from duplicates. A power of two.
const fateCount = 4096

type fate struct {
	id       int32
	answered bool
}

// NewPoller binds the socket. Run must be called for anything to be answered.
func NewPoller(cfg PollerConfig, keys Keyring) (*Poller, error) {
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("poller: time-out %v is negative", cfg.Timeout)
	}
	socket, err := OpenSocket(netip.AddrPortFrom(cfg.LocalAddress, 0))
	if err != nil {
		return nil, fmt.Errorf("poller: %w", err)
	}
	p := &Poller{
		socket:  socket,
		timeout: cfg.Timeout,
		keys:    keys,
		nextID:  rand.Int32(),
		byID:    make(map[int32]*request),
	}
	if p.timeout == 0 {
		p.timeout = DefaultTimeout
	}
	p.v3.own = cfg.Engine
	p.agents = make(map[netip.AddrPort]*agent)
	p.buffers.New = func() any {
		b := make([]byte, 0, 1500)
		return &b
	}
	return p, nil
}

// Addr is where requests come from.
func (p *Poller) Addr() netip.AddrPort { return p.socket.Addr() }

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
	s.Outstanding = len(p.timers)
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
	if p.closed {
		p.stats.Failed++
		p.mu.Unlock()
		go done(mib.Response{Err: net.ErrClosed})
		return
	}
	p.stats.Requests++
	r := p.take()
	r.Request, r.done = req, done
	if r.Timeout <= 0 {
		r.Timeout = p.timeout
	}
	now := time.Now()
	if err := p.admit(r); err != nil {
		p.endSoon(r, err, now)
		p.mu.Unlock()
		return
	}
	p.attempt(r, now)
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

// attempt makes another attempt, with its own time-out. It is called with mu
// locked and returns with it unlocked: nothing waits for the kernel.
func (p *Poller) attempt(r *request, now time.Time) {
	r.tries++
	r.spared = false
	r.v3.reports = 0
	r.due = now.Add(r.Timeout)
	p.transmit(r, now)
}

// transmit encodes the request, notes the attempt and sends it, due when r is.
// It is called and returns as attempt.
func (p *Poller) transmit(r *request, now time.Time) {
	buffer := p.buffers.Get().(*[]byte)
	defer p.buffers.Put(buffer)
	id := p.newID()
	if len(r.attempts) > 0 && r.Verb == mib.VerbInform {
		id = r.last()
	}
	m := &p.encoder
	m.Version = r.version
	m.Community = append(m.Community[:0], r.community...)
	m.PDU = PDU{
		Verb: r.Verb, RequestID: id, Vars: r.Vars,
		NonRepeaters: r.NonRepeaters, MaxRepetitions: r.MaxRepetitions,
	}
	var b []byte
	var err error
	if r.version == V3 {
		b, err = p.appendV3((*buffer)[:0], r, m, now)
	} else {
		b, err = m.Append((*buffer)[:0])
	}
	*buffer, m.Vars = b, nil
	if err != nil {
		p.endSoon(r, fmt.Errorf("ask %v: %w", r.Address, err), now)
		p.mu.Unlock()
		return
	}
	if r.tries > 1 && r.v3.reports == 0 {
		p.stats.Retries++
	}
	r.attempts = append(r.attempts, attempt{id, now})
	p.byID[id] = r
	if r.Verb == mib.VerbTrap {
		p.endSoon(r, nil, now)
	} else {
		p.schedule(r, r.due)
	}
	p.stats.Sent++
	to := r.Address
	p.mu.Unlock()

	if err := p.socket.Write(b, to); err != nil && !passing(err) {
		p.mu.Lock()
		// It may have ended, and its place been taken, in the meantime.
		if p.byID[id] == r {
			p.endSoon(r, fmt.Errorf("ask %v: %w", to, err), now)
		}
		p.mu.Unlock()
	}
}

// passing tells lacks of memory, which are as good as a lost datagram, from
// errors that would come again.
func passing(err error) bool {
	return errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

func (p *Poller) newID() int32 {
	for {
		p.nextID = (p.nextID + 1) & 0x7fffffff
		if _, taken := p.byID[p.nextID]; !taken && p.nextID != 0 {
			return p.nextID
		}
	}
}

func (p *Poller) take() *request {
	if n := len(p.free); n > 0 {
		r := p.free[n-1]
		p.free = p.free[:n-1]
		return r
	}
	return &request{position: -1}
}

// endSoon lets Run's goroutine end the request at once.
func (p *Poller) endSoon(r *request, err error, now time.Time) {
	r.finished, r.result = true, err
	p.schedule(r, now)
}

// schedule puts the request's time into the heap and, if it comes first, has
// Run's goroutine woken then.
func (p *Poller) schedule(r *request, due time.Time) {
	r.due = due
	p.timers.put(r)
	if p.wakeAt.IsZero() || due.Before(p.wakeAt) {
		p.wake(due)
	}
}

func (p *Poller) wake(at time.Time) {
	if p.closed {
		return // the deadline has passed for good
	}
	p.wakeAt = at
	_ = p.socket.SetReadDeadline(at) // fails on a closed socket only
}

// ending is a request that is over, to be told once mu is unlocked.
type ending struct {
	done     func(mib.Response)
	response mib.Response
}

// end forgets the request and says what is to be told.
func (p *Poller) end(r *request, response mib.Response) ending {
	answered := response.Err == nil
	switch {
	case answered:
		p.stats.Answered++
	case errors.Is(response.Err, mib.ErrTimeout):
		p.stats.TimedOut++
	default:
		p.stats.Failed++
	}
	for _, a := range r.attempts {
		delete(p.byID, a.id)
		p.fates[a.id&(fateCount-1)] = fate{a.id, answered}
	}
	p.timers.remove(r)
	e := ending{r.done, response}
	*r = request{attempts: r.attempts[:0], position: -1}
	p.free = append(p.free, r)
	return e
}

// Run reads answers, repeats and times out requests until ctx ends; then it
// ends all requests with net.ErrClosed, closes the socket and returns nil.
func (p *Poller) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.wake(time.Unix(1, 0))
		p.closed = true
	})
	defer stop()
	failed := p.serve(ctx)
	p.mu.Lock()
	p.closed = true
	var endings []ending
	for len(p.timers) > 0 {
		endings = append(endings, p.end(p.timers[0], mib.Response{Err: net.ErrClosed}))
	}
	p.mu.Unlock()
	for _, e := range endings {
		e.done(e.response)
	}
	if err := p.socket.Close(); err != nil && failed == nil {
		failed = fmt.Errorf("poller: close: %w", err)
	}
	return failed
}

func (p *Poller) serve(ctx context.Context) error {
	buf := make([]byte, MaxMessage+1)
	for ctx.Err() == nil {
		n, d, truncated, err := p.socket.Read(buf)
		switch {
		case err == nil:
			p.answer(buf[:n], d, truncated || n > MaxMessage)
		case errors.Is(err, os.ErrDeadlineExceeded):
			p.expire()
		case ctx.Err() != nil:
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("poller: %w", err)
		default:
			// It belongs to a single datagram; requests still time out.
			p.count(&p.stats.Malformed)
		}
	}
	return nil
}

func (p *Poller) count(c *uint64) {
	p.mu.Lock()
	*c++
	p.mu.Unlock()
}

// overslept is from how late a time-out is noticed on that it is not the
// agent's fault: this process was stopped, or the machine is too busy to run
// it. The answer may have come in the meantime and wait in the socket. Each
// attempt gets as much more time, once, and at most its time-out.
const overslept = 20 * time.Millisecond

// expire repeats or ends every request that is due.
func (p *Poller) expire() {
	p.mu.Lock()
	for len(p.timers) > 0 && !p.closed {
		r := p.timers[0]
		now := time.Now()
		if r.due.After(now) {
			break
		}
		if late := now.Sub(r.due); late > overslept && !r.finished && !r.spared {
			r.spared = true
			p.schedule(r, now.Add(min(late, r.Timeout)))
			continue
		}
		if !r.finished && r.tries <= r.Retries {
			p.attempt(r, now) // unlocks
			p.mu.Lock()
			continue
		}
		response := mib.Response{Err: r.result}
		if !r.finished {
			response.Err = r.silence()
		} else if r.result == nil {
			response.Sent = r.attempts[len(r.attempts)-1].sent
			response.Received = response.Sent
		}
		e := p.end(r, response)
		p.mu.Unlock()
		e.done(e.response)
		p.mu.Lock()
	}
	if len(p.timers) > 0 {
		p.wake(p.timers[0].due)
	} else {
		p.wake(time.Time{})
	}
	p.mu.Unlock()
}

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
