package agentx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
)

// master is a master agent of the tests' own, at the other end of a pipe. It
// does what the test says and nothing else. Use it in a synctest bubble.
type master struct {
	t       *testing.T
	conns   chan net.Conn
	refused atomic.Pointer[error] // if not nil, there is nobody to connect to

	conn    net.Conn // the one that was accepted last
	session uint32
	packet  uint32
	order   Flags
}

// newMaster makes a Subagent that will connect to a master.
func newMaster(t *testing.T, cfg Config, tree *mib.Tree) (*master, *Subagent) {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	a, err := New(cfg, tree)
	if err != nil {
		t.Fatal(err)
	}
	m := &master{t: t, conns: make(chan net.Conn), order: FlagNetworkOrder, packet: 1000}
	a.dial = func(ctx context.Context) (net.Conn, error) {
		if err := m.refused.Load(); err != nil {
			return nil, *err
		}
		ours, theirs := net.Pipe()
		select {
		case m.conns <- ours:
			return theirs, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return m, a
}

// accept waits for the next connection.
func (m *master) accept() {
	m.t.Helper()
	select {
	case m.conn = <-m.conns:
		conn := m.conn
		m.t.Cleanup(func() { _ = conn.Close() })
	case <-time.After(time.Hour):
		m.t.Fatal("nobody connects")
	}
}

// establish accepts a connection and answers Open and Register, so many
// registrations.
func (m *master) establish(session uint32, registrations int) (asked []PDU) {
	m.t.Helper()
	m.accept()
	for range 1 + registrations {
		p := m.receive()
		asked = append(asked, tidy(p))
		if p.Type == TypeOpen {
			m.session = session
		}
		m.respond(p, 0)
	}
	synctest.Wait()
	return asked
}

// receive reads the next PDU.
func (m *master) receive() *PDU {
	m.t.Helper()
	p, err := m.tryReceive()
	if err != nil {
		m.t.Fatalf("the master gets no PDU: %v", err)
	}
	return p
}

func (m *master) tryReceive() (*PDU, error) {
	_ = m.conn.SetReadDeadline(time.Now().Add(time.Hour))
	b := make([]byte, HeaderSize)
	if _, err := io.ReadFull(m.conn, b); err != nil {
		return nil, err
	}
	h, err := ParseHeader(b)
	if err != nil {
		return nil, err
	}
	b = append(b, make([]byte, h.Length)...)
	if _, err := io.ReadFull(m.conn, b[HeaderSize:]); err != nil {
		return nil, err
	}
	p := new(PDU)
	return p, p.Decode(b)
}

// silent checks that the subagent has nothing to say for some time.
func (m *master) silent(d time.Duration) {
	m.t.Helper()
	_ = m.conn.SetReadDeadline(time.Now().Add(d))
	var b [1]byte
	if n, err := m.conn.Read(b[:]); n > 0 || err == nil || errors.Is(err, io.EOF) {
		m.t.Errorf("the subagent is not silent: %x, %v", b[:n], err)
	}
}

// respond answers a request of the subagent's.
func (m *master) respond(to *PDU, code Code) {
	m.t.Helper()
	m.write(m.encode(&PDU{Type: TypeResponse, Session: m.session, Transaction: to.Transaction, Packet: to.Packet, Uptime: 100, Error: code}))
}

func (m *master) encode(p *PDU) []byte {
	m.t.Helper()
	p.Flags |= m.order
	b, err := p.Append(nil)
	if err != nil {
		m.t.Fatal(err)
	}
	return b
}

// request completes a request of the master's and encodes it. A packet that is
// not 0 stays.
func (m *master) request(p PDU) []byte {
	m.t.Helper()
	if p.Session == 0 {
		p.Session = m.session
	}
	if p.Packet == 0 {
		m.packet++
		p.Packet = m.packet
	}
	return m.encode(&p)
}

func (m *master) write(b []byte) {
	m.t.Helper()
	_ = m.conn.SetWriteDeadline(time.Now().Add(time.Hour))
	if _, err := m.conn.Write(b); err != nil {
		m.t.Fatalf("the master writes: %v", err)
	}
}

// ask sends a request and gives its answer.
func (m *master) ask(p PDU) *PDU {
	m.t.Helper()
	m.write(m.request(p))
	r := m.receive()
	if r.Type != TypeResponse || r.Packet != m.packet && p.Packet == 0 || r.Transaction != p.Transaction || r.Flags != m.order {
		m.t.Fatalf("got %+v as the answer to %+v", tidy(r), p)
	}
	return r
}

// step sends a step of a SET and gives the answer's error and index.
func (m *master) step(kind Type, transaction uint32, vars ...mib.Variable) (Code, int) {
	m.t.Helper()
	r := m.ask(PDU{Type: kind, Transaction: transaction, Vars: vars})
	return r.Error, int(r.Index)
}

// cleanup sends CleanupSet, which has no answer.
func (m *master) cleanup(transaction uint32) {
	m.t.Helper()
	m.write(m.request(PDU{Type: TypeCleanupSet, Transaction: transaction}))
	synctest.Wait()
}

// finish stops the subagent and answers its farewell.
func (m *master) finish(stop func()) {
	m.t.Helper()
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	p := m.receive()
	if p.Type != TypeClose || p.Reason != ReasonShutdown || p.Session != m.session {
		m.t.Errorf("the farewell is %+v", tidy(p))
	}
	m.respond(p, 0)
	<-stopped
	if _, err := m.tryReceive(); !errors.Is(err, io.EOF) {
		m.t.Errorf("after the farewell: %v", err)
	}
}

// withMaster runs a test in a bubble, with a session that stands.
func withMaster(t *testing.T, cfg Config, f func(t *testing.T, m *master, a *Subagent, x *fixture)) {
	synctest.Test(t, func(t *testing.T) {
		x := newFixture(t, 3)
		m, a := newMaster(t, cfg, x.tree)
		stop := run(t, a)
		m.establish(7, max(1, len(cfg.Subtrees))*max(1, len(cfg.Contexts)))
		f(t, m, a, x)
		if m.conn != nil {
			m.finish(stop)
		}
	})
}

// logger keeps what is logged, a line each without the time.
func logger() (*slog.Logger, *bytes.Buffer) {
	b := new(bytes.Buffer)
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), b
}
