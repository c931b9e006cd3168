package snmp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"simone/mib"
)

// recorder keeps what queries were answered with.
type recorder struct {
	// mu guards the fields below.
	mu      sync.Mutex
	answers []recorded
	came    chan struct{} // gets one for each
}

type recorded struct {
	to       netip.AddrPort
	err      error
	status   mib.ErrorStatus
	vars     []mib.Variable
	rtt      time.Duration
	received time.Time
}

func newRecorder() *recorder { return &recorder{came: make(chan struct{}, 10_000)} }

func (r *recorder) Answered(to netip.AddrPort, a *mib.Response) {
	m := Message{PDU: PDU{Vars: a.Vars}}
	r.mu.Lock()
	r.answers = append(r.answers, recorded{to, a.Err, a.Status, m.Detach(nil), a.RTT(), a.Received})
	r.mu.Unlock()
	r.came <- struct{}{}
}

// await waits for n answers and gives all there are.
func (r *recorder) await(t *testing.T, n int) []recorded {
	t.Helper()
	for range n {
		select {
		case <-r.came:
		case <-time.After(patience):
			t.Fatal("no answer")
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.answers)
}

func mustQuery(tb testing.TB, req mib.Request) *Query {
	tb.Helper()
	q, err := NewQuery(req)
	if err != nil {
		tb.Fatal(err)
	}
	return q
}

func queryOf(tb testing.TB, timeout time.Duration, names ...string) *Query {
	req := get(netip.AddrPort{}, names...)
	req.Timeout = timeout
	return mustQuery(tb, req)
}

func startCourteous(tb testing.TB, c Courtesy) *Poller {
	tb.Helper()
	p, err := NewPoller(PollerConfig{LocalAddress: loopback(), Courtesy: c}, mustKeys(tb))
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	return p
}

func TestAskIsAnswered(t *testing.T) {
	a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
		r := answer(m, n)
		if len(r.Vars) > 1 {
			r.Vars[1].Value = mib.Text("two")
		}
		a.send(r, d.Source)
	})
	p := startCourteous(t, Courtesy{})
	r := newRecorder()
	p.Ask(a.Addr(), queryOf(t, patience, someName, "1.3.6.1.2.1.1.5.0"), r)
	got := r.await(t, 1)[0]
	if got.err != nil || got.to != a.Addr() || len(got.vars) != 2 || got.vars[0].Name.String() != "."+someName ||
		string(got.vars[1].Value.Bytes) != "two" || got.rtt <= 0 || got.rtt > patience {
		t.Errorf("%+v", got)
	}
	if s := p.Stats(); s.Requests != 1 || s.Answered != 1 || s.Outstanding != 0 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

// An answer with other names than were asked for, or fewer, is none.
func TestAskRefusesMisfit(t *testing.T) {
	for name, spoil := range map[string]func(*Message){
		"OtherName": func(r *Message) { r.Vars[1].Name = mib.MustOID("1.3.6.1.2.1.1.6.0") },
		"Swapped":   func(r *Message) { slices.Reverse(r.Vars) },
		"Fewer":     func(r *Message) { r.Vars = r.Vars[:1] },
		"More":      func(r *Message) { r.Vars = append(r.Vars, r.Vars[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
				r := answer(m, n)
				spoil(r)
				a.send(r, d.Source)
			})
			p := startCourteous(t, Courtesy{})
			r := newRecorder()
			p.Ask(a.Addr(), queryOf(t, patience, someName, "1.3.6.1.2.1.1.5.0"), r)
			if got := r.await(t, 1)[0]; !errors.Is(got.err, ErrAnswer) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestAskTellsWhatCannotBeAsked(t *testing.T) {
	p := startCourteous(t, Courtesy{})
	r := newRecorder()
	req := get(netip.AddrPort{}, someName)
	req.Credential = "nobody's"
	p.Ask(netip.MustParseAddrPort("127.0.0.1:161"), mustQuery(t, req), r)
	p.Ask(netip.AddrPort{}, queryOf(t, patience, someName), r)
	p.Ask(netip.MustParseAddrPort("[2001:db8::1]:161"), queryOf(t, patience, someName), r) // from an IPv4 socket
	var unknown *UnknownCredentialError
	got := r.await(t, 3)
	if !errors.As(got[0].err, &unknown) || got[1].err == nil || got[2].err == nil || errors.Is(got[2].err, mib.ErrTimeout) {
		t.Errorf("%+v", got)
	}
	for _, bad := range []mib.Request{{Verb: mib.VerbSet}, {Verb: mib.VerbGet, Vars: []mib.Variable{{Name: mib.OID{7, 7}}}}} {
		if _, err := NewQuery(bad); err == nil {
			t.Errorf("%+v is taken for a query", bad)
		}
	}
}

// One query to an address is on its way at a time, and the others wait their
// turn.
func TestAskIsKindToAnAddress(t *testing.T) {
	for name, concurrency := range map[string]int{"One": 1, "Three": 3} {
		t.Run(name, func(t *testing.T) {
			type asked struct {
				m *Message
				d Datagram
			}
			questions := make(chan asked, 100)
			a := newFakeAgent(t, func(a *fakeAgent, _ int, m *Message, d Datagram) { questions <- asked{m, d} })
			p := startCourteous(t, Courtesy{Concurrency: concurrency})
			r := newRecorder()
			q := queryOf(t, patience, someName)
			const n = 12
			for range n {
				p.Ask(a.Addr(), q, r)
			}
			for done := 0; done < n; done += concurrency {
				var batch []asked
				for range concurrency {
					batch = append(batch, <-questions)
				}
				if s := p.Stats(); s.Waiting != n-done-concurrency || len(questions) > 0 {
					t.Fatalf("%d wait, %d questions too many", s.Waiting, len(questions))
				}
				for _, x := range batch {
					a.send(answer(x.m, 1), x.d.Source)
				}
			}
			for _, got := range r.await(t, n) {
				if got.err != nil {
					t.Error(got.err)
				}
			}
		})
	}
}

// Who is asked more than it answers costs bounded memory, and is asked no more
// at a time than is kind all the same.
func TestAskShedsWhatAnAgentHasNoTimeFor(t *testing.T) {
	questions := make(chan *Message, 100)
	var from Datagram
	a := newFakeAgent(t, func(a *fakeAgent, _ int, m *Message, d Datagram) {
		from = d
		questions <- m
	})
	p := startCourteous(t, Courtesy{})
	r := newRecorder()
	q := queryOf(t, patience, someName)
	const more = 5
	for range 1 + maxLine + more {
		p.Ask(a.Addr(), q, r)
	}
	for _, got := range r.await(t, more) {
		if !errors.Is(got.err, ErrBusy) {
			t.Errorf("%+v", got)
		}
	}
	for range 1 + maxLine {
		m := <-questions
		if len(questions) > 0 {
			t.Fatal("two are on their way at a time")
		}
		a.send(answer(m, 1), from.Source)
	}
	for _, got := range r.await(t, 1+maxLine)[more:] {
		if got.err != nil {
			t.Error(got.err)
		}
	}
	if s := p.Stats(); s.Shed != more || s.Failed != more || s.Outstanding != 0 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAskKeepsTheGap(t *testing.T) {
	for name, concurrency := range map[string]int{"One": 1, "Four": 4} {
		t.Run(name, func(t *testing.T) { testGap(t, concurrency) })
	}
}

func testGap(t *testing.T, concurrency int) {
	const gap = 30 * time.Millisecond
	var mu sync.Mutex
	var came []time.Time
	a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
		mu.Lock()
		came = append(came, d.Received)
		mu.Unlock()
		a.send(answer(m, n), d.Source)
	})
	p := startCourteous(t, Courtesy{})
	p.Behave(Courtesy{Gap: gap, Concurrency: concurrency})
	r := newRecorder()
	q := queryOf(t, patience, someName)
	for range 4 {
		p.Ask(a.Addr(), q, r)
	}
	r.await(t, 4)
	mu.Lock()
	defer mu.Unlock()
	if took := came[3].Sub(came[0]); took < 3*gap-5*time.Millisecond {
		t.Errorf("four questions came within %v", took)
	}
}

// Who does not answer is left alone for longer and longer, and asked again as
// usual once it is back.
func TestAskLetsTheSilentRest(t *testing.T) {
	const timeout = 10 * time.Millisecond
	var mu sync.Mutex
	alive, questions := false, 0
	a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
		mu.Lock()
		defer mu.Unlock()
		questions++
		if alive {
			a.send(answer(m, n), d.Source)
		}
	})
	p := startCourteous(t, Courtesy{Rest: 40 * time.Millisecond})
	r := newRecorder()
	req := get(netip.AddrPort{}, someName)
	req.Timeout, req.Retries = timeout, 2
	q := mustQuery(t, req)
	p.Ask(a.Addr(), q, r)
	if got := r.await(t, 1)[0]; !errors.Is(got.err, mib.ErrTimeout) || errors.Is(got.err, ErrResting) {
		t.Fatalf("%v", got.err)
	}
	began, asked := time.Now(), 1
	for time.Since(began) < 400*time.Millisecond {
		p.Ask(a.Addr(), q, r)
		asked++
		if got := r.await(t, 1); !errors.Is(got[len(got)-1].err, mib.ErrTimeout) {
			t.Fatal(got[len(got)-1].err)
		}
	}
	mu.Lock()
	// Three attempts at first; then one after each rest, which grow to 40 ms.
	if questions < 5 || questions > 3+3+400/40 || asked < 2*questions {
		t.Errorf("%d questions of %d came", questions, asked)
	}
	alive = true
	mu.Unlock()
	for errors.Is(func() error { p.Ask(a.Addr(), q, r); got := r.await(t, 1); return got[len(got)-1].err }(), mib.ErrTimeout) {
		if time.Since(began) > patience {
			t.Fatal("it is back, and is not asked")
		}
	}
	spared := p.Stats().Spared
	p.Ask(a.Addr(), q, r)
	if got := r.await(t, 1); got[len(got)-1].err != nil || p.Stats().Spared != spared {
		t.Errorf("%v after it was back", got[len(got)-1].err)
	}
}

// The window holds back what would flood, but neither the silent nor the slow
// keep it shut.
func TestAskWindowDoesNotStall(t *testing.T) {
	var silent []netip.AddrPort
	for range 64 {
		silent = append(silent, newFakeAgent(t, func(*fakeAgent, int, *Message, Datagram) {}).Addr())
	}
	quick := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) { a.send(answer(m, n), d.Source) })
	p := startCourteous(t, Courtesy{Window: 4})
	quiet, r := newRecorder(), newRecorder()
	q := queryOf(t, 3*time.Second, someName)
	p.Together(func() {
		for _, to := range silent {
			p.Ask(to, q, quiet)
		}
		p.Ask(quick.Addr(), q, r)
	})
	if s := p.Stats(); s.Sent != 4 || s.Waiting != 61 {
		t.Errorf("sent %d, %d wait", s.Sent, s.Waiting)
	}
	began := time.Now()
	if got := r.await(t, 1)[0]; got.err != nil {
		t.Error(got.err)
	}
	if took := time.Since(began); took > 2*time.Second { // all others time out after 3
		t.Errorf("answered after %v", took)
	}
}

func TestAskEndsWithThePoller(t *testing.T) {
	a := newFakeAgent(t, func(*fakeAgent, int, *Message, Datagram) {})
	p, stop := startPoller(t)
	r := newRecorder()
	q := queryOf(t, patience, someName)
	for range 5 {
		p.Ask(a.Addr(), q, r)
	}
	stop()
	p.Ask(a.Addr(), q, r)
	for _, got := range r.await(t, 6) {
		if !errors.Is(got.err, net.ErrClosed) {
			t.Errorf("error %v", got.err)
		}
	}
}

// answering tells when so many answers have come.
type answering struct {
	left int
	done chan struct{}
}

func (a *answering) Answered(netip.AddrPort, *mib.Response) {
	if a.left--; a.left == 0 {
		a.done <- struct{}{}
	}
}

// Polls cost no memory, however many there are.
func TestAskDoesNotAllocate(t *testing.T) {
	var agents []netip.AddrPort
	for range 4 {
		var r Message // answered without a copy: the fake agent's own allocations would count
		s := mustOpen(t, "127.0.0.1:0")
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		var out []byte
		wg.Go(func() {
			_ = s.Serve(ctx, func(b []byte, d Datagram, _ bool) {
				if r.Decode(b) != nil {
					return
				}
				r.Verb = mib.VerbResponse
				for i := range r.Vars {
					r.Vars[i].Value = mib.Counter64(uint64(i) << 40)
				}
				if out, _ = r.Append(out[:0]); len(out) > 0 {
					_ = s.Write(out, d.Source)
				}
			})
		})
		t.Cleanup(func() { cancel(); wg.Wait() })
		agents = append(agents, s.Addr())
	}
	p := startCourteous(t, Courtesy{})
	q := queryOf(t, patience, someName, "1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.1.6.0")
	a := &answering{done: make(chan struct{}, 1)}
	round := func() {
		a.left = len(agents)
		p.Together(func() {
			for _, to := range agents {
				p.Ask(to, q, a)
			}
		})
		<-a.done
	}
	for range 50 {
		round()
	}
	if n := testing.AllocsPerRun(200, round); n > 0.5 {
		t.Errorf("%v allocations for %d polls", n, len(agents))
	}
}

// Nor does one that stays without an answer, be it asked or spared.
func TestAskOfTheDeadAllocatesNothing(t *testing.T) {
	var dead []netip.AddrPort
	for range 20 {
		dead = append(dead, mustOpen(t, "127.0.0.1:0").Addr()) // nobody reads there
	}
	p := startCourteous(t, Courtesy{Rest: 10 * time.Millisecond})
	q := queryOf(t, 5*time.Millisecond, someName)
	a := &answering{done: make(chan struct{}, 1)}
	round := func() {
		a.left = len(dead)
		p.Together(func() {
			for _, to := range dead {
				p.Ask(to, q, a)
			}
		})
		<-a.done
	}
	for range 20 {
		round()
	}
	if n := testing.AllocsPerRun(40, round); n > 0.5 {
		t.Errorf("%v allocations for %d queries", n, len(dead))
	}
	if s := p.Stats(); s.Answered != 0 || s.Spared == 0 || s.TimedOut <= s.Spared {
		t.Errorf("%+v", s)
	}
}

// Hostile agents cost nobody but themselves: while they send what they like,
// another's queries are answered, and no answer of theirs is taken.
func TestHostileAgentsCostOnlyThemselves(t *testing.T) {
	honest := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) { a.send(answer(m, n), d.Source) })
	other := mustOpen(t, "127.0.0.1:0")
	attacks := map[string]func(a *fakeAgent, m *Message, d Datagram){
		"WrongIDs": func(a *fakeAgent, m *Message, d Datagram) {
			for i := range int32(50) {
				r := answer(m, 666)
				r.RequestID += i + 1
				a.send(r, d.Source)
			}
		},
		"WrongSource": func(a *fakeAgent, m *Message, d Datagram) {
			for range 50 {
				_ = other.Write(mustEncode(a.tb, answer(m, 666)), d.Source)
			}
		},
		"Oversized": func(a *fakeAgent, m *Message, d Datagram) {
			_ = a.Write([]byte(strings.Repeat("0", MaxMessage)), d.Source)
			r := answer(m, 666)
			r.Vars[0].Value = mib.Text(strings.Repeat("x", 60_000))
			r.RequestID++
			a.send(r, d.Source)
		},
		"NestedLengths": func(a *fakeAgent, m *Message, d Datagram) {
			_ = a.Write([]byte(strings.Repeat("\x30\x84\x00\x00\xff\xff", 10_000)), d.Source)
			_ = a.Write([]byte(strings.Repeat("\x30\x80", 20_000)), d.Source)
		},
		"Reports": func(a *fakeAgent, m *Message, d Datagram) {
			for range 50 {
				r := answer(m, 666)
				r.Verb = mib.VerbReport
				a.send(r, d.Source)
			}
		},
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			bad := newFakeAgent(t, func(a *fakeAgent, _ int, m *Message, d Datagram) { attack(a, m, d) })
			p := startCourteous(t, Courtesy{})
			victim, r := newRecorder(), newRecorder()
			p.Ask(bad.Addr(), queryOf(t, 100*time.Millisecond, someName), victim)
			for range 20 {
				p.Ask(honest.Addr(), queryOf(t, patience, someName), r)
			}
			for _, got := range r.await(t, 20) {
				if got.err != nil || got.vars[0].Value.Uint == 666 {
					t.Errorf("%+v", got)
				}
			}
			if got := victim.await(t, 1)[0]; !errors.Is(got.err, mib.ErrTimeout) {
				t.Errorf("its own: %+v", got)
			}
			s := p.Stats()
			if s.Unmatched+s.WrongSource+s.Malformed+s.Late+s.Duplicate == 0 || s.Outstanding != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// One socket asks IPv4 and IPv6; a source is known whichever way it is written.
func TestAskSpeaksBothFamilies(t *testing.T) {
	p, err := NewPoller(PollerConfig{}, mustKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	wg.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	if p.Addr().Addr().Is4() {
		t.Skip("this machine has no IPv6")
	}
	r := newRecorder()
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		s := mustOpen(t, at)
		wg.Go(func() {
			_ = s.Serve(ctx, func(b []byte, d Datagram, _ bool) {
				var m Message
				if m.Decode(b) == nil {
					_ = s.Write(mustEncode(t, answer(&m, 1)), d.Source)
				}
			})
		})
		to := s.Addr()
		p.Ask(to, queryOf(t, patience, someName), r)
		if to.Addr().Is4() {
			p.Ask(netip.AddrPortFrom(netip.AddrFrom16(to.Addr().As16()), to.Port()), queryOf(t, patience, someName), r)
		}
	}
	for _, got := range r.await(t, 3) {
		if got.err != nil {
			t.Error(got.err)
		}
	}
}
