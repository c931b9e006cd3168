package snmp

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"simone/mib"
)

// patience is for what must happen; only a test that fails waits so long.
const patience = 10 * time.Second

func loopback() netip.Addr { return netip.MustParseAddr("127.0.0.1") }

func mustOpen(tb testing.TB, addr string) *Socket {
	tb.Helper()
	s, err := OpenSocket(netip.MustParseAddrPort(addr))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// fakeAgent calls handle, which may keep what it is given, with each message
// and its number from 1 on.
type fakeAgent struct {
	*Socket
	tb testing.TB
}

func newFakeAgent(tb testing.TB, handle func(a *fakeAgent, n int, m *Message, d Datagram)) *fakeAgent {
	tb.Helper()
	a := &fakeAgent{mustOpen(tb, "127.0.0.1:0"), tb}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	n := 0
	wg.Go(func() {
		if err := a.Serve(ctx, func(b []byte, d Datagram, _ bool) {
			m := new(Message)
			if err := m.Decode(append([]byte(nil), b...)); err != nil {
				tb.Errorf("the agent was sent %x: %v", b, err)
				return
			}
			n++
			handle(a, n, m, d)
		}); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() { cancel(); wg.Wait() })
	return a
}

// answer makes a response to m: a Counter64 of n for each variable.
func answer(m *Message, n int) *Message {
	r := &Message{Version: m.Version, Community: m.Community, PDU: PDU{Verb: mib.VerbResponse, RequestID: m.RequestID}}
	for _, v := range m.Vars {
		r.Vars = append(r.Vars, mib.Variable{Name: v.Name, Value: mib.Counter64(uint64(n))})
	}
	return r
}

func (a *fakeAgent) send(m *Message, to netip.AddrPort) {
	if err := a.Write(mustEncode(a.tb, m), to); err != nil {
		a.tb.Error(err)
	}
}

func mustKeys(tb testing.TB) Keyring {
	tb.Helper()
	k, err := NewKeyring(
		Credential{Name: "public", Version: V2c, Community: "public"},
		Credential{Name: "old", Version: V1, Community: "public"})
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// startPoller runs a poller until stop is called, or the test ends.
func startPoller(tb testing.TB) (p *Poller, stop func()) {
	tb.Helper()
	p, err := NewPoller(PollerConfig{LocalAddress: loopback()}, mustKeys(tb))
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(stop)
	return p, stop
}

func get(a netip.AddrPort, names ...string) mib.Request {
	req := mib.Request{Address: a, Credential: "public", Verb: mib.VerbGet, Timeout: patience}
	for _, n := range names {
		req.Vars = append(req.Vars, mib.Variable{Name: mib.MustOID(n)})
	}
	return req
}

// relay passes datagrams between whoever asks it and a target; drop says, for
// the nth towards the target (or back), whether it is lost.
func newRelay(tb testing.TB, target netip.AddrPort, drop func(back bool, n int) bool) netip.AddrPort {
	tb.Helper()
	front, rear := mustOpen(tb, "127.0.0.1:0"), mustOpen(tb, "127.0.0.1:0")
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var mu sync.Mutex
	var asker netip.AddrPort
	pass := func(from, to *Socket, back bool) {
		n := 0
		wg.Go(func() {
			_ = from.Serve(ctx, func(b []byte, d Datagram, _ bool) {
				n++
				mu.Lock()
				if !back {
					asker = d.Source
				}
				next := target
				if back {
					next = asker
				}
				mu.Unlock()
				if drop(back, n) {
					return
				}
				_ = to.Write(b, next)
			})
		})
	}
	pass(front, rear, false)
	pass(rear, front, true)
	tb.Cleanup(func() { cancel(); wg.Wait() })
	return front.Addr()
}
