package snmp

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"simone/internal/snmp/usm"
	"simone/mib"
)

// v3Agent answers with an Engine: a Counter64 of the number of the datagram
// for each variable.
type v3Agent struct {
	*Socket
	tb testing.TB

	// mu guards the fields below.
	mu     sync.Mutex
	engine *Engine
	n      int
	// hook may change what is sent back for the nth datagram; nil sends nothing.
	hook func(n int, b []byte, x *Exchange, m *Message, reply []byte) [][]byte
}

func newV3Agent(tb testing.TB) *v3Agent {
	tb.Helper()
	a := &v3Agent{Socket: mustOpen(tb, "127.0.0.1:0"), tb: tb, engine: newEngine(tb)}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := a.Serve(ctx, func(b []byte, d Datagram, _ bool) { a.handle(b, d) }); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() { cancel(); wg.Wait() })
	return a
}

func (a *v3Agent) handle(b []byte, d Datagram) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
	var x Exchange
	var m Message
	asked := bytes.Clone(b)
	var reply []byte
	err := a.engine.Open(b, &x, &m)
	var fault Fault
	switch {
	case err == nil:
		r := answer(&m, a.n)
		reply, err = a.engine.Answer(nil, &x, r)
		if err != nil {
			a.tb.Error(err)
		}
	case errors.As(err, &fault):
		reply, _ = a.engine.Report(nil, &x, fault)
	default:
		a.tb.Errorf("the agent was sent %x: %v", asked, err)
	}
	replies := [][]byte{reply}
	if a.hook != nil {
		replies = a.hook(a.n, asked, &x, &m, reply)
	}
	for _, r := range replies {
		if err := a.Write(r, d.Source); err != nil {
			a.tb.Error(err)
		}
	}
}

// restart gives the agent another engine.
func (a *v3Agent) restart(id []byte, n int32) {
	e, err := NewEngine(EngineConfig{ID: id, Boots: &boots{n: n - 1}, Users: users()})
	if err != nil {
		a.tb.Error(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.engine = e
}

func (a *v3Agent) onReply(hook func(n int, b []byte, x *Exchange, m *Message, reply []byte) [][]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hook = hook
}

// startPollerV3 has users() as credentials, wrong passphrases as wrongAuth and
// wrongPriv, a user unknown, and public.
func startPollerV3(tb testing.TB, cfg PollerConfig) *Poller {
	tb.Helper()
	credentials := []Credential{{Name: "public", Version: V2c, Community: "public"}}
	add := func(name string, u User) {
		credentials = append(credentials, Credential{Name: name, Version: V3, User: u})
	}
	for _, u := range users() {
		add(u.Name, u)
	}
	wrong := v3User("priv", usm.SHA256, usm.AES128)
	wrong.AuthPassphrase = "another one"
	add("wrongAuth", wrong)
	wrong = v3User("priv", usm.SHA256, usm.AES128)
	wrong.PrivPassphrase = "another one"
	add("wrongPriv", wrong)
	add("unknown", v3User("nobody", usm.SHA256, usm.AES128))
	add("unsupported", v3User("auth", usm.SHA256, usm.AES128))
	keys, err := NewKeyring(credentials...)
	if err != nil {
		tb.Fatal(err)
	}
	cfg.LocalAddress = loopback()
	p, err := NewPoller(cfg, keys)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := p.Run(ctx); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() { cancel(); wg.Wait() })
	return p
}

// askV3 is a GET with no retries.
func askV3(a netip.AddrPort, credential string) mib.Request {
	req := get(a, someName)
	req.Credential = credential
	return req
}

// A first request finds the engine, sets its clock and is answered, all in
// its only attempt; the second needs one datagram.
func TestPollerV3Discovers(t *testing.T) {
	for _, user := range []string{"none", "auth", "priv", "des"} {
		t.Run(user, func(t *testing.T) {
			a := newV3Agent(t)
			p := startPollerV3(t, PollerConfig{})
			for i := range uint64(3) {
				r := mustAnswer(t, p, askV3(a.Addr(), user))
				if len(r.Vars) != 1 || r.Vars[0].Value.Uint != 2+i || r.RTT() < 0 {
					t.Errorf("answer %d: %v", i+1, r.Vars)
				}
			}
			s := p.Stats()
			if s.Sent != 4 || s.Discoveries != 1 || s.Reports != 1 || s.Resyncs != 0 || s.Retries != 0 ||
				s.Answered != 3 || s.Engines != 1 || s.Unauthentic+s.Stale+s.Malformed != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// Each way in which what is known of an engine becomes wrong costs datagrams
// but no request, and no attempt.
func TestPollerV3Resynchronises(t *testing.T) {
	for _, tt := range []struct {
		name  string
		id    []byte
		boots int32
		check func(s PollerStats) bool
	}{
		{"Restarted", someEngine(), 9, func(s PollerStats) bool { return s.Resyncs == 1 }},
		// Believed because the Report is authentic and answers what is
		// outstanding.
		{"BootsRolledBack", someEngine(), 2, func(s PollerStats) bool { return s.Resyncs == 1 }},
		{"AnotherEngine", []byte("another engine"), 1, func(s PollerStats) bool { return s.Resyncs == 0 && s.Reports == 2 }},
		{"AnotherEngineAndWindow", []byte("another engine"), 1, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newV3Agent(t)
			p := startPollerV3(t, PollerConfig{})
			mustAnswer(t, p, askV3(a.Addr(), "priv"))
			a.restart(tt.id, tt.boots)
			if tt.check == nil {
				// The new engine's id comes with a clock that is wrong.
				a.onReply(func(_ int, _ []byte, _ *Exchange, m *Message, reply []byte) [][]byte {
					var e Envelope
					if e.Decode(reply) == nil && e.Flags&FlagAuth == 0 {
						i := bytes.Index(reply, []byte{tagInteger, 1, 1, tagInteger})
						reply[i+2] = 77
					}
					return [][]byte{reply}
				})
				tt.check = func(s PollerStats) bool { return s.Resyncs == 1 && s.Reports == 3 }
			}
			before := p.Stats()
			mustAnswer(t, p, askV3(a.Addr(), "priv"))
			s := p.Stats()
			if s.Retries != 0 || !tt.check(s) || s.Sent != before.Sent+1+s.Reports-before.Reports {
				t.Errorf("%+v", s)
			}
			// From here on it is known.
			mustAnswer(t, p, askV3(a.Addr(), "priv"))
			if again := p.Stats(); again.Sent != s.Sent+1 {
				t.Errorf("%+v", again)
			}
		})
	}
}

// What an agent will not take ends with the time-out, as the Report proves
// nothing, and says why.
func TestPollerV3SaysWhatWasReported(t *testing.T) {
	a := newV3Agent(t)
	p := startPollerV3(t, PollerConfig{})
	for _, tt := range []struct {
		credential string
		fault      Fault
	}{
		{"wrongAuth", WrongDigest},
		{"wrongPriv", DecryptionError},
		{"unknown", UnknownUserName},
		{"unsupported", UnsupportedSecLevel},
	} {
		t.Run(tt.credential, func(t *testing.T) {
			req := askV3(a.Addr(), tt.credential)
			req.Timeout, req.Retries = 50*time.Millisecond, 1
			r := p.Do(t.Context(), req)
			var report *ReportError
			if !errors.Is(r.Err, mib.ErrTimeout) || !errors.As(r.Err, &report) || report.Fault != tt.fault {
				t.Errorf("error %v", r.Err)
			}
		})
	}
	mustAnswer(t, p, askV3(a.Addr(), "priv")) // the others are none the worse
}

// Nothing of this reaches who asked; the true answer behind it does.
func TestPollerV3RefusesForgeries(t *testing.T) {
	type forged struct {
		name  string
		forge func(t *testing.T, a *v3Agent, x *Exchange, m *Message, reply []byte) []byte
		count func(s PollerStats) uint64
	}
	unauthentic := func(s PollerStats) uint64 { return s.Unauthentic }
	stale := func(s PollerStats) uint64 { return s.Stale }
	malformed := func(s PollerStats) uint64 { return s.Malformed }
	// other seals the answer otherwise.
	other := func(change func(e *Envelope, s *Scope, m *Message, keys **usm.Keys)) func(*testing.T, *v3Agent, *Exchange, *Message, []byte) []byte {
		return func(t *testing.T, a *v3Agent, x *Exchange, m *Message, reply []byte) []byte {
			var e Envelope
			if err := e.Decode(reply); err != nil {
				t.Fatal(err)
			}
			r, s, keys := answer(m, 666), &Scope{EngineID: e.EngineID}, x.keys
			change(&e, s, r, &keys)
			return mustSeal(t, &e, s, r, keys)
		}
	}
	for _, tt := range []forged{
		{"HMAC", func(_ *testing.T, _ *v3Agent, _ *Exchange, _ *Message, reply []byte) []byte {
			b := bytes.Clone(reply)
			flip(b)
			return b
		}, unauthentic},
		{"Contents", func(_ *testing.T, _ *v3Agent, _ *Exchange, _ *Message, reply []byte) []byte {
			b := bytes.Clone(reply)
			b[len(b)-1] ^= 1
			return b
		}, unauthentic},
		{"NoHMAC", func(t *testing.T, _ *v3Agent, x *Exchange, m *Message, reply []byte) []byte {
			a := &asked{scope: Scope{EngineID: someEngine()}, message: answer(m, 666), keys: x.keys}
			a.Envelope = x.answer
			return reshape(t, a, 0, usm.SaltSize)
		}, unauthentic},
		{"InClear", other(func(e *Envelope, _ *Scope, _ *Message, _ **usm.Keys) { e.Flags = 0 }), unauthentic},
		{"Unencrypted", other(func(e *Envelope, _ *Scope, _ *Message, _ **usm.Keys) { e.Flags = FlagAuth }), unauthentic},
		{"AnotherUser", other(func(e *Envelope, _ *Scope, _ *Message, _ **usm.Keys) { e.User = []byte("auth") }), unauthentic},
		{"AnotherEngine", other(func(e *Envelope, _ *Scope, _ *Message, _ **usm.Keys) { e.EngineID = []byte("another engine") }), unauthentic},
		{"OlderBoots", other(func(e *Envelope, _ *Scope, _ *Message, _ **usm.Keys) { e.Boots-- }), stale},
		{"Context", other(func(_ *Envelope, s *Scope, _ *Message, _ **usm.Keys) { s.Name = []byte("x") }), malformed},
		{"ContextEngine", other(func(_ *Envelope, s *Scope, _ *Message, _ **usm.Keys) { s.EngineID = []byte("another") }), malformed},
		{"OldRequestID", other(func(_ *Envelope, _ *Scope, m *Message, _ **usm.Keys) { m.RequestID-- }), malformed},
		{"NoResponse", other(func(_ *Envelope, _ *Scope, m *Message, _ **usm.Keys) { m.Verb = mib.VerbSet }), malformed},
		{"WrongKeys", other(func(_ *Envelope, _ *Scope, _ *Message, keys **usm.Keys) {
			u := v3User("priv", usm.SHA256, usm.AES128)
			u.AuthPassphrase = "another one"
			m, _ := u.master()
			*keys, _ = m.Localize(someEngine())
		}), unauthentic},
		{"V2c", func(t *testing.T, _ *v3Agent, _ *Exchange, m *Message, _ []byte) []byte {
			r := answer(m, 666)
			r.Version, r.Community = V2c, []byte("public")
			return mustEncode(t, r)
		}, malformed},
		{"ReportOfAWrongWindow", func(t *testing.T, _ *v3Agent, x *Exchange, m *Message, _ []byte) []byte {
			e := Envelope{ID: x.Envelope.ID, MaxSize: MaxMessage, EngineID: someEngine(), Boots: 3, User: []byte("priv")}
			r := &Message{PDU: PDU{Verb: mib.VerbReport, Vars: []mib.Variable{{Name: NotInTimeWindow.OID().Append(0), Value: mib.Counter32(1)}}}}
			return mustSeal(t, &e, &Scope{EngineID: someEngine()}, r, nil)
		}, func(s PollerStats) uint64 { return s.Reports - 1 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newV3Agent(t)
			p := startPollerV3(t, PollerConfig{})
			mustAnswer(t, p, askV3(a.Addr(), "priv"))
			a.onReply(func(_ int, _ []byte, x *Exchange, m *Message, reply []byte) [][]byte {
				return [][]byte{tt.forge(t, a, x, m, reply), reply}
			})
			before := p.Stats()
			r := mustAnswer(t, p, askV3(a.Addr(), "priv"))
			if r.Vars[0].Value.Uint != 3 {
				t.Errorf("answer %v", r.Vars)
			}
			if s := p.Stats(); tt.count(s) != 1 || s.Sent != before.Sent+1 {
				t.Errorf("%+v", s)
			}
			a.onReply(nil)
			mustAnswer(t, p, askV3(a.Addr(), "priv"))
			if s := p.Stats(); s.Sent != before.Sent+2 || s.Resyncs != 0 {
				t.Errorf("something of it stayed: %+v", s)
			}
		})
	}
}

// An answer recorded earlier answers nothing later: not with its own
// message id, which is not outstanding any more, nor after the window.
func TestPollerV3RefusesReplays(t *testing.T) {
	a := newV3Agent(t)
	p := startPollerV3(t, PollerConfig{})
	var recorded []byte
	a.onReply(func(n int, _ []byte, _ *Exchange, _ *Message, reply []byte) [][]byte {
		if n == 2 {
			recorded = bytes.Clone(reply)
		}
		if n > 2 {
			return [][]byte{recorded, recorded, reply}
		}
		return [][]byte{reply}
	})
	mustAnswer(t, p, askV3(a.Addr(), "priv"))
	if r := mustAnswer(t, p, askV3(a.Addr(), "priv")); r.Vars[0].Value.Uint != 3 {
		t.Errorf("answer %v", r.Vars)
	}
	if s := p.Stats(); s.Duplicate != 2 || s.Answered != 2 {
		t.Errorf("%+v", s)
	}
}

// A Report in clear that tells of another engine may be anybody's. The request
// that it answers tries that engine; what is known of the true one stays.
func TestPollerV3KeepsItsEngineUntilAnotherIsProved(t *testing.T) {
	a := newV3Agent(t)
	p := startPollerV3(t, PollerConfig{})
	mustAnswer(t, p, askV3(a.Addr(), "priv"))
	once := true
	a.onReply(func(_ int, _ []byte, x *Exchange, _ *Message, reply []byte) [][]byte {
		if !once {
			return [][]byte{reply}
		}
		once = false
		e := Envelope{ID: x.Envelope.ID, MaxSize: MaxMessage, EngineID: []byte("not there"), Boots: 1, User: []byte("priv")}
		m := &Message{PDU: PDU{Verb: mib.VerbReport, Vars: []mib.Variable{{Name: UnknownEngineID.OID().Append(0), Value: mib.Counter32(1)}}}}
		b, err := e.Append(nil, &Scope{EngineID: e.EngineID}, m, nil)
		if err != nil {
			t.Error(err)
		}
		return [][]byte{b} // and the answer is lost
	})
	mustAnswer(t, p, askV3(a.Addr(), "priv"))
	before := p.Stats()
	mustAnswer(t, p, askV3(a.Addr(), "priv"))
	if s := p.Stats(); s.Sent != before.Sent+1 || s.Retries != 0 {
		t.Errorf("%+v", s)
	}
}

// An agent that only ever reports is asked a bounded number of times.
func TestPollerV3DoesNotLoop(t *testing.T) {
	a := newV3Agent(t)
	p := startPollerV3(t, PollerConfig{})
	names := []string{"first engine", "other engine"}
	a.onReply(func(n int, _ []byte, x *Exchange, _ *Message, _ []byte) [][]byte {
		e := Envelope{ID: x.Envelope.ID, MaxSize: MaxMessage, EngineID: []byte(names[n%2])}
		m := &Message{PDU: PDU{Verb: mib.VerbReport, Vars: []mib.Variable{{Name: UnknownEngineID.OID().Append(0), Value: mib.Counter32(1)}}}}
		b, err := e.Append(nil, &Scope{EngineID: e.EngineID}, m, nil)
		if err != nil {
			t.Error(err)
		}
		return [][]byte{b, b}
	})
	req := askV3(a.Addr(), "priv")
	req.Timeout, req.Retries = 100*time.Millisecond, 1
	if r := p.Do(t.Context(), req); !errors.Is(r.Err, mib.ErrTimeout) {
		t.Errorf("error %v", r.Err)
	}
	if s := p.Stats(); s.Sent != 2*(1+maxReports) || s.Retries != 1 {
		t.Errorf("%+v", s)
	}
}

func TestPollerV3UnderLoss(t *testing.T) {
	a := newV3Agent(t)
	p := startPollerV3(t, PollerConfig{})
	relay := newRelay(t, a.Addr(), func(_ bool, n int) bool { return n%3 == 1 })
	for range 10 {
		req := askV3(relay, "priv")
		req.Timeout, req.Retries = 20*time.Millisecond, 1000
		mustAnswer(t, p, req)
	}
	if s := p.Stats(); s.Answered != 10 || s.Retries == 0 {
		t.Errorf("%+v", s)
	}
}

func TestPollerV3Rekey(t *testing.T) {
	a := newV3Agent(t)
	p := startPollerV3(t, PollerConfig{})
	mustAnswer(t, p, askV3(a.Addr(), "priv"))
	u := v3User("priv", usm.SHA256, usm.AES128)
	u.PrivPassphrase = "another one"
	for _, tt := range []struct {
		user User
		good bool
	}{{u, false}, {v3User("priv", usm.SHA256, usm.AES128), true}} {
		keys, err := NewKeyring(Credential{Name: "priv", Version: V3, User: tt.user})
		if err != nil {
			t.Fatal(err)
		}
		p.Rekey(keys)
		req := askV3(a.Addr(), "priv")
		if !tt.good {
			req.Timeout = 50 * time.Millisecond
		}
		if r := p.Do(t.Context(), req); (r.Err == nil) != tt.good {
			t.Errorf("with the passphrase of %v: %v", tt.good, r.Err)
		}
	}
}

// What was asked by v2c is not answered by v3, nor refused.
func TestPollerV3AnswersNothingElse(t *testing.T) {
	a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
		e := Envelope{ID: m.RequestID, MaxSize: MaxMessage, EngineID: someEngine()}
		for _, r := range []*Message{
			{PDU: PDU{Verb: mib.VerbReport, Vars: []mib.Variable{{Name: UnknownUserName.OID().Append(0), Value: mib.Counter32(1)}}}},
			answer(m, 666),
		} {
			if err := a.Write(mustSeal(t, &e, &Scope{EngineID: someEngine()}, r, nil), d.Source); err != nil {
				t.Error(err)
			}
		}
		a.send(answer(m, n), d.Source)
	})
	p := startPollerV3(t, PollerConfig{})
	if r := mustAnswer(t, p, get(a.Addr(), someName)); r.Vars[0].Value.Uint != 1 {
		t.Errorf("answer %v", r.Vars)
	}
	if s := p.Stats(); s.Malformed != 2 || s.Reports != 0 {
		t.Errorf("%+v", s)
	}
}

// What is known of engines that nobody asks any more goes.
func TestPollerV3Forgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Poller{agents: make(map[netip.AddrPort]*agent)}
		c := keyed{Credential: Credential{Version: V3, User: v3User("u", 0, 0)}}
		admit := func(port uint16) {
			if err := p.admitV3(&request{Request: mib.Request{Address: netip.AddrPortFrom(loopback(), port)}}, c); err != nil {
				t.Fatal(err)
			}
		}
		for port := range uint16(100) {
			admit(port + 1)
		}
		for range 20 {
			time.Sleep(time.Minute)
			admit(1)
		}
		if len(p.agents) != 1 {
			t.Errorf("%d engines are remembered", len(p.agents))
		}
	})
}

// A v3 trap is sent by an engine of one's own.
func TestPollerV3Trap(t *testing.T) {
	receiver := mustOpen(t, "127.0.0.1:0")
	own := newEngine(t)
	target := Target{Address: receiver.Addr(), Credential: "priv"}
	if err := NewNotifier(startPollerV3(t, PollerConfig{}), time.Now()).Trap(t.Context(), target, mib.OID{1, 3, 6}, nil); err == nil {
		t.Error("a trap went out without an engine")
	}
	p := startPollerV3(t, PollerConfig{Engine: own})
	if err := NewNotifier(p, time.Now()).Trap(t.Context(), target, mib.OID{1, 3, 6}, nil); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1500)
	n, _, _, err := receiver.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	// The engine takes its own trap for authentic.
	var x Exchange
	var m Message
	if err := own.Open(buf[:n], &x, &m); err != nil || m.Verb != mib.VerbTrap || x.Envelope.Flags != FlagAuth|FlagPriv || len(m.Vars) != 2 {
		t.Errorf("error %v, %+v", err, m.PDU)
	}
}

func TestWalkV3(t *testing.T) {
	a := newV3Agent(t)
	p := startPollerV3(t, PollerConfig{})
	a.onReply(func(_ int, _ []byte, x *Exchange, m *Message, reply []byte) [][]byte {
		if m.Verb != mib.VerbGetBulk {
			return [][]byte{reply}
		}
		r := answer(m, 1)
		r.Vars[0].Name = r.Vars[0].Name.Append(1)
		if len(r.Vars[0].Name) > 12 {
			r.Vars[0].Value = mib.Value{Type: mib.TypeEndOfMIBView}
		}
		b, err := a.engine.Answer(nil, x, r)
		if err != nil {
			t.Error(err)
		}
		return [][]byte{b}
	})
	n := 0
	err := p.Walk(t.Context(), mib.Request{Address: a.Addr(), Credential: "priv", Timeout: patience}, mib.MustOID(someName),
		func(mib.Variable) error { n++; return nil })
	if err != nil || n != 3 {
		t.Errorf("%d variables, error %v", n, err)
	}
}

// BenchmarkPollerV3Get10 is BenchmarkPollerGet10 with authPriv, SHA-256 and
// AES-128. The agent's cryptography is in it too.
func BenchmarkPollerV3Get10(b *testing.B) {
	template := sample()
	agent := mustOpen(b, "127.0.0.1:0")
	engine := newEngine(b)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		var x Exchange
		var m Message
		var out []byte
		var fault Fault
		if err := agent.Serve(ctx, func(datagram []byte, d Datagram, _ bool) {
			switch err := engine.Open(datagram, &x, &m); {
			case err == nil:
				template.RequestID = m.RequestID
				if out, err = engine.Answer(out[:0], &x, template); err != nil {
					b.Error(err)
				}
			case errors.As(err, &fault):
				out, _ = engine.Report(out[:0], &x, fault)
			}
			if err := agent.Write(out, d.Source); err != nil {
				b.Error(err)
			}
		}); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(func() { cancel(); wg.Wait() })
	req := mib.Request{Address: agent.Addr(), Credential: "priv", Verb: mib.VerbGet, Timeout: patience}
	for _, v := range template.Vars {
		req.Vars = append(req.Vars, mib.Variable{Name: v.Name})
	}
	p := startPollerV3(b, PollerConfig{})
	if r := p.Do(context.Background(), req); r.Err != nil { // finds the engine
		b.Fatal(r.Err)
	}
	window := make(chan bool, 64)
	done := func(r mib.Response) {
		if r.Err != nil {
			b.Error(r.Err)
		}
		<-window
	}
	b.ReportAllocs()
	for b.Loop() {
		window <- true
		p.Start(req, done)
	}
	for range cap(window) {
		window <- true
	}
}
