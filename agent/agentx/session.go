package agentx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"simone/mib"
)

const (
	// maxPayload is more than an SNMP message of 64 KiB comes to in AgentX.
	maxPayload = 1 << 20
	// maxWaiting is how many requests may wait for the handlers. An snmpd
	// passes on all that its managers ask, without waiting for answers.
	maxWaiting = 1024
	// readStep is how much is made room for before it has arrived.
	readStep = 64 << 10
	// slowAnswer is when an answer counts as slow: net-snmp asks again after
	// a second unless it is configured.
	slowAnswer = 500 * time.Millisecond
	// closeWait is how long the master has to answer our Close.
	closeWait = time.Second
)

// session is one connection to the master, with one session on it. Its
// reader takes PDUs off the connection: answers go to who waits for them,
// requests to the answering goroutine.
type session struct {
	agent  *Subagent
	conn   net.Conn
	id     atomic.Uint32 // h.sessionID
	opened bool          // id is the master's; of the goroutine that runs the Subagent

	requests chan *frame
	dead     chan struct{} // closed when the connection is of no use any more
	wg       sync.WaitGroup
	heard    atomic.Int64 // when the last PDU came, Unix ns
	frames   sync.Pool    // of *frame

	// writeMu makes PDUs whole on the connection.
	writeMu sync.Mutex

	// mu guards the fields below.
	mu      sync.Mutex
	err     error // why it is dead
	packet  uint32
	waiting map[uint32]chan<- *PDU // our requests, by packet
	pending map[request]struct{}   // the master's requests that are not answered yet

	answerer
}

// request tells the master's requests apart; one that is sent again is equal.
type request struct {
	kind                         Type
	session, transaction, packet uint32
}

// frame is a PDU as it came.
type frame struct {
	Header
	b  []byte
	at time.Time
}

func (f *frame) request() request { return request{f.Type, f.Session, f.Transaction, f.Packet} }

func newSession(a *Subagent, conn net.Conn) *session {
	s := &session{
		agent:    a,
		conn:     conn,
		requests: make(chan *frame, maxWaiting),
		dead:     make(chan struct{}),
		frames:   sync.Pool{New: func() any { return new(frame) }},
		waiting:  make(map[uint32]chan<- *PDU),
		pending:  make(map[request]struct{}),
	}
	s.heard.Store(time.Now().UnixNano())
	return s
}

// start begins to read and to answer.
func (s *session) start() {
	s.wg.Go(func() { s.fail(s.read()) })
	s.wg.Go(s.answerAll)
}

// stop closes the session and the connection, and waits for the goroutines.
// What the master still wants is not answered.
func (s *session) stop(reason Reason) {
	if s.opened && s.lost() == nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeWait)
		_, _ = s.ask(ctx, "close", &PDU{Type: TypeClose, Reason: reason}) // it ends here in any case
		cancel()
	}
	s.fail(net.ErrClosed)
	s.wg.Wait()
}

// fail ends the session; the first reason counts.
func (s *session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	s.err = err
	close(s.dead)
	_ = s.conn.Close()
}

// lost is why the session is dead; nil if it is not.
func (s *session) lost() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// establish opens the session and registers.
func (s *session) establish(ctx context.Context) error {
	cfg := &s.agent.cfg
	timeout := byte(cfg.MasterTimeout / time.Second)
	answer, err := s.ask(ctx, "open a session", &PDU{Type: TypeOpen, Timeout: timeout, Descr: []byte(cfg.Description)})
	if err != nil {
		return err
	}
	s.id.Store(answer.Session)
	s.opened = true
	for _, context := range cfg.Contexts {
		for _, root := range cfg.Subtrees {
			if err := s.register(ctx, context, root); err != nil {
				return err
			}
		}
	}
	if c := cfg.Capabilities; len(c.ID) > 0 {
		_, err := s.ask(ctx, "add agent capabilities", &PDU{Type: TypeAddAgentCaps, ID: c.ID, Descr: []byte(c.Descr)})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *session) register(ctx context.Context, context string, root mib.OID) error {
	p := &PDU{Type: TypeRegister, Priority: byte(s.agent.cfg.Priority), ID: root}
	op := "register " + root.String()
	if context != "" {
		p.Flags, p.Context = FlagContext, []byte(context)
		op += fmt.Sprintf(" in context %q", context)
	}
	_, err := s.ask(ctx, op, p)
	return err
}

// serve keeps the session alive until it is lost, and says why, or until ctx
// is done, and then closes it.
func (s *session) serve(ctx context.Context) error {
	defer s.stop(ReasonShutdown)
	missing := s.registerOptional(ctx, s.optional(), true)
	ticker := time.NewTicker(s.agent.cfg.Ping)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.dead:
			return explain(s.lost(), s.agent.cfg.Master)
		case <-ticker.C:
			missing = s.registerOptional(ctx, missing, false)
			if err := s.ping(ctx); err != nil && ctx.Err() == nil {
				s.fail(err)
			}
		}
	}
}

// place is where a subtree is registered.
type place struct {
	context string
	root    mib.OID
}

func (s *session) optional() (places []place) {
	for _, c := range s.agent.cfg.Contexts {
		for _, root := range s.agent.cfg.Optional {
			places = append(places, place{c, root})
		}
	}
	return places
}

// registerOptional registers what it can and gives what the master refused.
func (s *session) registerOptional(ctx context.Context, places []place, say bool) (missing []place) {
	for _, p := range places {
		err := s.register(ctx, p.context, p.root)
		switch {
		case err == nil && !say:
			s.agent.log.Info("registered after all", "subtree", p.root)
		case err != nil:
			missing = append(missing, p)
			if say && s.lost() == nil && ctx.Err() == nil {
				s.agent.log.Warn("an optional subtree is missing", "error", err)
			}
		}
	}
	return missing
}

// ping probes a connection that has been idle.
func (s *session) ping(ctx context.Context) error {
	if time.Since(time.Unix(0, s.heard.Load())) < s.agent.cfg.Ping/2 {
		return nil
	}
	s.agent.counts.outPings.Add(1)
	_, err := s.ask(ctx, "ping", &PDU{Type: TypePing})
	var silent *silentError
	if errors.As(err, &silent) && s.busy() {
		// The snmpd may be waiting for us: a slow handler blocks all of it.
		return nil
	}
	return err
}

// busy reports whether the master waits for an answer.
func (s *session) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending) > 0
}

// ask sends a request and waits for its answer. An answer with an error is a
// *RefusedError.
func (s *session) ask(ctx context.Context, op string, p *PDU) (*PDU, error) {
	answer := make(chan *PDU, 1)
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return nil, fmt.Errorf("%s: %w", op, ErrNotConnected)
	}
	s.packet++
	p.Packet = s.packet
	s.waiting[p.Packet] = answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.waiting, p.Packet)
		s.mu.Unlock()
	}()
	p.Session = s.id.Load()
	if !s.agent.little {
		p.Flags |= FlagNetworkOrder
	}
	b, err := p.Append(nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if err := s.write(b); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	timer := time.NewTimer(s.agent.cfg.Timeout)
	defer timer.Stop()
	select {
	case r := <-answer:
		if r.Error != 0 {
			err := &RefusedError{Op: op, Code: r.Error, Index: int(r.Index)}
			if r.Error == CodeNotOpen && p.Type != TypeClose {
				s.fail(err)
			}
			return r, err
		}
		return r, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", op, ctx.Err())
	case <-s.dead:
		return nil, fmt.Errorf("%s: %w", op, ErrNotConnected)
	case <-timer.C:
		return nil, &silentError{op}
	}
}

// write sends whole PDUs. A master that takes nothing for the time-out is
// lost.
func (s *session) write(b []byte) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	err := s.conn.SetWriteDeadline(time.Now().Add(s.agent.cfg.Timeout))
	if err == nil {
		_, err = s.conn.Write(b)
	}
	if err != nil {
		s.fail(fmt.Errorf("write: %w", err))
	}
	return err
}

// read takes PDUs off the connection until it ends, and says why it did.
func (s *session) read() error {
	r := bufio.NewReaderSize(s.conn, readStep)
	for {
		f := s.frames.Get().(*frame)
		if err := f.read(r); err != nil {
			var syntax *SyntaxError
			if errors.As(err, &syntax) {
				s.agent.counts.parseErrs.Add(1)
				s.reject(ReasonParseError)
			}
			return err
		}
		f.at = time.Now()
		s.heard.Store(f.at.UnixNano())
		switch f.Type {
		case TypeResponse:
			s.answered(f)
		case TypeClose:
			return s.closed(f)
		default:
			s.enqueue(f)
		}
	}
}

// read fills the frame with one PDU. Room is made as octets arrive, not as a
// header promises them.
func (f *frame) read(r io.Reader) (err error) {
	f.b = slices.Grow(f.b[:0], HeaderSize)[:HeaderSize]
	if _, err := io.ReadFull(r, f.b); err != nil {
		return err
	}
	if f.Header, err = ParseHeader(f.b); err != nil {
		return err
	}
	if f.Length > maxPayload {
		return &SyntaxError{16, fmt.Sprintf("a payload of %d octets; at most %d are taken", f.Length, maxPayload)}
	}
	for left := int(f.Length); left > 0; {
		start, step := len(f.b), min(left, readStep)
		f.b = slices.Grow(f.b, step)[:start+step]
		if _, err := io.ReadFull(r, f.b[start:]); err != nil {
			return err
		}
		left -= step
	}
	return nil
}

// release gives a frame back, unless it has become big.
func (s *session) release(f *frame) {
	if cap(f.b) <= readStep {
		s.frames.Put(f)
	}
}

// reject tells the master why the connection ends. Its answer is not waited
// for, as who calls this is the one who would read it.
func (s *session) reject(reason Reason) {
	p := PDU{Type: TypeClose, Flags: FlagNetworkOrder, Session: s.id.Load(), Reason: reason}
	if b, err := p.Append(nil); err == nil {
		_ = s.write(b)
	}
}

// closed is a Close of the master's.
func (s *session) closed(f *frame) error {
	var p PDU
	if err := p.Decode(f.b); err != nil {
		s.agent.counts.parseErrs.Add(1)
		return err
	}
	return &closedError{p.Reason}
}

// answered hands a response to who waits for it. Those that are cut off count
// as not having come.
func (s *session) answered(f *frame) {
	p := new(PDU)
	if err := p.Decode(f.b); err != nil { // f goes with p, which points into it
		s.agent.counts.parseErrs.Add(1)
		return
	}
	s.mu.Lock()
	to, ok := s.waiting[p.Packet]
	delete(s.waiting, p.Packet)
	s.mu.Unlock()
	if !ok {
		s.agent.counts.unexpected.Add(1)
		return
	}
	s.agent.noteUptime(p.Uptime)
	to <- p // has room for the one answer
}

// enqueue passes a request on, unless it is one that already waits.
func (s *session) enqueue(f *frame) {
	key := f.request()
	s.mu.Lock()
	_, again := s.pending[key]
	if !again {
		s.pending[key] = struct{}{}
	}
	s.mu.Unlock()
	if again {
		// The one answer will do: the master knows it by its packet.
		s.agent.counts.duplicates.Add(1)
		s.release(f)
		return
	}
	select {
	case s.requests <- f:
		return
	default:
	}
	s.agent.counts.overflows.Add(1)
	s.settle(key)
	if f.Type != TypeCleanupSet {
		p := PDU{Type: TypeResponse, Flags: f.Flags & FlagNetworkOrder, Session: f.Session,
			Transaction: f.Transaction, Packet: f.Packet, Error: Code(mib.GenErr)}
		if b, err := p.Append(nil); err == nil {
			_ = s.write(b)
		}
	}
	s.release(f)
}

// settle notes that a request is about to be answered: if it comes again from
// now on, its answer was lost.
func (s *session) settle(key request) {
	s.mu.Lock()
	delete(s.pending, key)
	s.mu.Unlock()
}
