package snmp

import (
	"context"
	"errors"
	"fmt"
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
	socket   *Socket
	receiver *receiver
	timeout  time.Duration

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
	p := &Poller{
		socket:  socket,
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
	if p.receiver, err = newReceiver(socket); err == nil {
		p.outbox.sender, err = newSender(socket)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("poller: %w", err), socket.Close())
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

// attempt makes another attempt, with its own time-out. mu is held, as by all
// that follow.
func (p *Poller) attempt(r *request, now time.Time) {
	r.tries++
	r.spared = false
	r.v3.reports = 0
	r.due = now.Add(r.Timeout)
	p.transmit(r, now)
}

// transmit encodes the request and puts it into the outbox, due when r is.
func (p *Poller) transmit(r *request, now time.Time) {
	id, ok := p.identify(r)
	if !ok {
		p.endSoon(r, fmt.Errorf("ask %v: %w", r.Address, ErrBusy))
		return
	}
	m := &p.encoder
	m.Version = r.version
	m.Community = append(m.Community[:0], r.community...)
	m.PDU = PDU{
		Verb: r.Verb, RequestID: id, Vars: r.Vars, packed: r.query.list(),
		NonRepeaters: r.NonRepeaters, MaxRepetitions: r.MaxRepetitions,
	}
	var b []byte
	var err error
	if r.version == V3 {
		b, err = p.appendV3(p.outbox.room(), r, m, now)
	} else {
		b, err = m.Append(p.outbox.room())
	}
	m.Vars = nil
	if err != nil {
		p.endSoon(r, fmt.Errorf("ask %v: %w", r.Address, err))
		return
	}
	if r.tries > 1 && r.v3.reports == 0 {
		p.stats.Retries++
	}
	p.stats.Sent++
	if r.Verb == mib.VerbTrap {
		p.endSoon(r, nil)
	} else {
		p.schedule(r, r.due)
	}
	if p.outbox.add(b, r.Address, id) {
		p.flush()
	}
}

// identify gives the next attempt its id. Informs keep theirs.
func (p *Poller) identify(r *request) (id int32, ok bool) {
	if len(r.ids) > 0 && r.Verb == mib.VerbInform {
		return r.last(), true
	}
	if id, ok = p.slots.take(r); ok {
		r.ids = append(r.ids, id)
	}
	return id, ok
}

// flushIfIdle sends what is in the outbox, unless more is about to come.
func (p *Poller) flushIfIdle() {
	if p.gathering == 0 && !p.draining {
		p.flush()
	}
}

// flush sends what is in the outbox. The kernel takes datagrams without delay.
func (p *Poller) flush() {
	if p.outbox.size == 0 {
		return
	}
	now := time.Now()
	for i := range p.outbox.size {
		s := p.slots.at(p.outbox.letters[i].id)
		s.sent = now
		if r := s.request; r != nil && r.query.agent != nil {
			r.query.agent.asked = now
		}
	}
	p.outbox.flush(func(l *outgoing, err error) {
		// It may have ended in the meantime.
		if r := p.slots.at(l.id).request; r != nil && !passing(err) {
			p.endSoon(r, fmt.Errorf("ask %v: %w", l.to, err))
		}
	})
}

// passing tells lacks of memory, which are as good as a lost datagram, from
// errors that would come again.
func passing(err error) bool {
	return errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

func (p *Poller) take() *request {
	if n := len(p.free); n > 0 {
		r := p.free[n-1]
		p.free = p.free[:n-1]
		return r
	}
	return new(request)
}

// endSoon has Run's goroutine end the request at once.
func (p *Poller) endSoon(r *request, err error) {
	if r.finished {
		return
	}
	r.finished, r.result = true, err
	p.wheel.remove(r)
	p.ended = append(p.ended, r)
	p.wake(time.Now())
}

// schedule has Run's goroutine woken when the request is due.
func (p *Poller) schedule(r *request, due time.Time) {
	p.wheel.put(r, due)
	p.wake(due)
}

// wake has Run's goroutine woken then, if not earlier.
func (p *Poller) wake(at time.Time) {
	if p.closed || !p.wakeAt.IsZero() && !at.Before(p.wakeAt) {
		return // closed: the deadline has passed for good
	}
	p.wakeAt = at
	_ = p.socket.SetReadDeadline(at) // fails on a closed socket only
}

// ending is a request that is over, to be told once mu is unlocked.
type ending struct {
	done     func(mib.Response)
	asker    Asker
	to       netip.AddrPort
	response mib.Response
}

// tell tells who asked. Run's goroutine calls it, without mu.
func (p *Poller) tell(e *ending) {
	if e.done != nil {
		e.done(e.response)
		return
	}
	p.told = e.response
	e.asker.Answered(e.to, &p.told)
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
	for _, id := range r.ids {
		p.slots.release(id, answered)
	}
	p.wheel.remove(r)
	e := ending{r.done, r.query.asker, r.Address, response}
	if r.query.Query != nil {
		p.queries.end(p, r, &response)
	} else {
		p.out--
	}
	*r = request{ids: r.ids[:0]}
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
	p.endAll()
	if err := p.socket.Close(); err != nil && failed == nil {
		failed = fmt.Errorf("poller: close: %w", err)
	}
	return failed
}

// endAll ends what is on its way, or waits for it.
func (p *Poller) endAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.queries.giveUp(p)
	for r := p.wheel.any(); r != nil; r = p.wheel.any() {
		p.endSoon(r, net.ErrClosed)
	}
	p.endEnded()
}

func (p *Poller) serve(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := p.receiver.receive()
		switch {
		case err == nil:
			p.drain(n)
			p.nap(n)
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

// drain deals with n datagrams that have come together. What is asked in turn
// leaves together, too.
func (p *Poller) drain(n int) {
	p.mu.Lock()
	p.draining, p.passed = true, time.Now()
	p.mu.Unlock()
	for i := range n {
		b, d, truncated := p.receiver.datagram(i)
		p.answer(b, d, truncated)
	}
	p.mu.Lock()
	p.draining = false
	p.queries.advance(p, p.passed)
	p.flushIfIdle()
	p.mu.Unlock()
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
	defer p.mu.Unlock()
	p.endEnded()
	now := time.Now()
	for r := p.wheel.due(now); r != nil && !p.closed; r = p.wheel.due(now) {
		switch late := now.Sub(r.due); {
		case r.query.held:
			p.queries.launch(p, r, now)
		case late > overslept && !r.spared:
			r.spared = true
			p.schedule(r, now.Add(min(late, r.Timeout)))
		case r.tries <= r.Retries:
			p.attempt(r, now)
		default:
			p.endSoon(r, r.silence())
		}
	}
	p.endEnded()
	p.queries.advance(p, now)
	p.flushIfIdle()
	p.wakeAt = time.Time{}
	if at, ok := p.next(); ok {
		p.wake(at)
	} else {
		_ = p.socket.SetReadDeadline(time.Time{}) // fails on a closed socket only
	}
}

// next is when there is something to do again.
func (p *Poller) next() (at time.Time, ok bool) {
	if len(p.ended) > 0 {
		return time.Now(), true
	}
	at, ok = p.wheel.next()
	if ages, some := p.queries.next(p); some && (!ok || ages.Before(at)) {
		return ages, true
	}
	return at, ok
}

// endEnded tells of what has ended. It unlocks mu in between.
func (p *Poller) endEnded() {
	for len(p.ended) > 0 {
		ended := p.ended
		p.ended = nil
		for _, r := range ended {
			response := mib.Response{Err: r.result}
			if r.result == nil { // a trap
				response.Sent = p.slots.at(r.last()).sent
				response.Received = response.Sent
			}
			e := p.end(r, response)
			p.mu.Unlock()
			p.tell(&e)
			p.mu.Lock()
		}
	}
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
