package snmp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"simone/internal/snmp/usm"
	"simone/mib"
)

const someName = "1.3.6.1.2.1.1.3.0"

func mustAnswer(tb testing.TB, p *Poller, req mib.Request) mib.Response {
	tb.Helper()
	r := p.Do(context.Background(), req)
	if r.Err != nil {
		tb.Fatal(r.Err)
	}
	return r
}

func TestPollerGet(t *testing.T) {
	a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
		if m.Version != V2c || string(m.Community) != "public" || m.Verb != mib.VerbGet || m.RequestID <= 0 {
			t.Errorf("asked %+v", m)
		}
		a.send(answer(m, n), d.Source)
	})
	p, _ := startPoller(t)
	before := time.Now()
	r := mustAnswer(t, p, get(a.Addr(), someName, "1.3.6.1.2.1.1.5.0"))
	if len(r.Vars) != 2 || r.Vars[1].Value.Uint != 1 || !r.Vars[1].Name.Equal(mib.MustOID("1.3.6.1.2.1.1.5.0")) {
		t.Errorf("got %v", r.Vars)
	}
	if r.Sent.Before(before) || r.RTT() < 0 || r.RTT() > time.Since(before) {
		t.Errorf("sent at %v, round trip %v", r.Sent, r.RTT())
	}
	if s := p.Stats(); s.Requests != 1 || s.Sent != 1 || s.Answered != 1 || s.Outstanding != 0 {
		t.Errorf("%+v", s)
	}
}

func TestPollerRepeatsUntilAnswered(t *testing.T) {
	a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
		if n >= 3 {
			a.send(answer(m, n), d.Source)
		}
	})
	p, _ := startPoller(t)
	req := get(a.Addr(), someName)
	req.Timeout, req.Retries = 20*time.Millisecond, 1000
	r := mustAnswer(t, p, req)
	if r.Vars[0].Value.Uint < 3 {
		t.Errorf("answered %v", r.Vars)
	}
	if s := p.Stats(); s.Retries < 2 || s.Sent != s.Retries+1 || s.TimedOut != 0 {
		t.Errorf("%+v", s)
	}
}

func TestPollerTimesOut(t *testing.T) {
	attempts := make(chan int32, 10)
	a := newFakeAgent(t, func(_ *fakeAgent, _ int, m *Message, _ Datagram) { attempts <- m.RequestID })
	p, _ := startPoller(t)
	req := get(a.Addr(), someName)
	req.Timeout, req.Retries = 10*time.Millisecond, 2
	start := time.Now()
	r := p.Do(t.Context(), req)
	if !errors.Is(r.Err, mib.ErrTimeout) || !strings.Contains(r.Err.Error(), a.Addr().String()) {
		t.Errorf("error %v", r.Err)
	}
	if took := time.Since(start); took < 30*time.Millisecond {
		t.Errorf("three attempts of 10 ms took %v", took)
	}
	ids := []int32{<-attempts, <-attempts, <-attempts}
	if ids[0] == ids[1] || ids[1] == ids[2] {
		t.Errorf("request-ids %v", ids)
	}
	if s := p.Stats(); s.Sent != 3 || s.Retries != 2 || s.TimedOut != 1 {
		t.Errorf("%+v", s)
	}
}

// The answer to an earlier attempt is as good, and its round trip is counted
// from that attempt.
func TestPollerTakesLateAnswer(t *testing.T) {
	var first *Message
	a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
		switch n {
		case 1:
			first = m
		case 2:
			a.send(answer(first, 1), d.Source)
			a.send(answer(m, 2), d.Source)
			a.send(answer(first, 1), d.Source)
		default:
			a.send(answer(m, n), d.Source)
		}
	})
	p, _ := startPoller(t)
	req := get(a.Addr(), someName)
	req.Timeout, req.Retries = 300*time.Millisecond, 1
	r := mustAnswer(t, p, req)
	if r.Vars[0].Value.Uint != 1 || r.RTT() < req.Timeout/2 {
		t.Errorf("answer %v after %v, the second attempt", r.Vars, r.RTT())
	}
	mustAnswer(t, p, get(a.Addr(), someName)) // comes after the duplicates
	if s := p.Stats(); s.Late != 1 || s.Duplicate != 2 || s.Unmatched != 0 {
		t.Errorf("%+v", s)
	}
}

func TestPollerAnswerAfterTimeout(t *testing.T) {
	var first *Message
	a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
		if n == 1 {
			first = m
			return
		}
		a.send(answer(first, 1), d.Source)
		a.send(answer(m, n), d.Source)
	})
	p, _ := startPoller(t)
	req := get(a.Addr(), someName)
	req.Timeout = 5 * time.Millisecond
	if r := p.Do(t.Context(), req); !errors.Is(r.Err, mib.ErrTimeout) {
		t.Fatalf("error %v", r.Err)
	}
	if r := mustAnswer(t, p, get(a.Addr(), someName)); r.Vars[0].Value.Uint != 2 {
		t.Errorf("answer %v", r.Vars)
	}
	if s := p.Stats(); s.Late != 1 || s.Duplicate != 0 {
		t.Errorf("%+v", s)
	}
}

// Whatever else arrives changes nothing but a counter.
func TestPollerIgnores(t *testing.T) {
	other := mustOpen(t, "127.0.0.2:0")
	for _, tt := range []struct {
		name  string
		send  func(a *fakeAgent, m *Message, d Datagram)
		count func(PollerStats) uint64
	}{
		{"WrongSource", func(a *fakeAgent, m *Message, d Datagram) {
			_ = other.Write(mustEncode(a.tb, answer(m, 666)), d.Source)
		}, func(s PollerStats) uint64 { return s.WrongSource }},
		{"WrongRequestID", func(a *fakeAgent, m *Message, d Datagram) {
			r := answer(m, 666)
			r.RequestID ^= 1 << 20
			a.send(r, d.Source)
		}, func(s PollerStats) uint64 { return s.Unmatched }},
		{"RequestIDZero", func(a *fakeAgent, m *Message, d Datagram) {
			r := answer(m, 666)
			r.RequestID = 0
			a.send(r, d.Source)
		}, func(s PollerStats) uint64 { return s.Unmatched }},
		{"Garbage", func(a *fakeAgent, _ *Message, d Datagram) {
			_ = a.Write([]byte("\x30\x84\xff\xff\xff\xffgarbage"), d.Source)
		}, func(s PollerStats) uint64 { return s.Malformed }},
		{"Empty", func(a *fakeAgent, _ *Message, d Datagram) {
			_ = a.Write(nil, d.Source)
		}, func(s PollerStats) uint64 { return s.Malformed }},
		{"Truncated", func(a *fakeAgent, m *Message, d Datagram) {
			b := mustEncode(a.tb, answer(m, 666))
			_ = a.Write(b[:len(b)-1], d.Source)
		}, func(s PollerStats) uint64 { return s.Malformed }},
		{"Request", func(a *fakeAgent, m *Message, d Datagram) {
			a.send(m, d.Source)
		}, func(s PollerStats) uint64 { return s.Malformed }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
				tt.send(a, m, d)
				// Reaches the poller's queue after what other has sent.
				a.send(answer(m, n), d.Source)
			})
			p, _ := startPoller(t)
			r := mustAnswer(t, p, get(a.Addr(), someName))
			if r.Vars[0].Value.Uint != 1 {
				t.Errorf("answer %v", r.Vars)
			}
			s := p.Stats()
			if tt.count(s) != 1 || s.Malformed+s.WrongSource+s.Unmatched+s.Late+s.Duplicate != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestPollerRefusesMisfit(t *testing.T) {
	for _, tt := range []struct {
		name string
		verb mib.Verb
		bend func(*Message)
		ok   bool
	}{
		{"Fits", mib.VerbGet, func(*Message) {}, true},
		{"TooFew", mib.VerbGet, func(m *Message) { m.Vars = m.Vars[:1] }, false},
		{"TooMany", mib.VerbGetNext, func(m *Message) { m.Vars = append(m.Vars, m.Vars...) }, false},
		{"Swapped", mib.VerbGet, func(m *Message) { slices.Reverse(m.Vars) }, false},
		{"NextNames", mib.VerbGetNext, func(m *Message) { slices.Reverse(m.Vars) }, true},
		{"BulkTooMany", mib.VerbGetBulk, func(m *Message) { m.Vars = append(m.Vars, m.Vars...) }, false},
		{"RefusalWithout", mib.VerbGet, func(m *Message) { m.Status, m.Index, m.Vars = mib.TooBig, 9, nil }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
				r := answer(m, n)
				tt.bend(r)
				a.send(r, d.Source)
			})
			p, _ := startPoller(t)
			req := get(a.Addr(), "1.3.1", "1.3.2")
			req.Verb, req.NonRepeaters, req.MaxRepetitions = tt.verb, 1, 2
			r := p.Do(t.Context(), req)
			if tt.ok != (r.Err == nil) || !tt.ok && !errors.Is(r.Err, ErrAnswer) {
				t.Errorf("error %v", r.Err)
			}
			if r.Index != 0 {
				t.Errorf("index %d of two variables", r.Index)
			}
		})
	}
}

// done comes from the poller's goroutine also when nothing could be sent.
func TestPollerStartDoesNotCallDone(t *testing.T) {
	p, stop := startPoller(t)
	var unknown *UnknownCredentialError
	v6 := get(netip.MustParseAddrPort("[::1]:161"), someName)
	long := get(netip.MustParseAddrPort("127.0.0.1:161"), someName)
	long.Verb, long.Vars[0].Value = mib.VerbSet, mib.Octets(make([]byte, MaxMessage))
	bulk := get(netip.MustParseAddrPort("127.0.0.1:161"), someName)
	bulk.Verb, bulk.Credential = mib.VerbGetBulk, "old"
	try := func(req mib.Request) error {
		result := make(chan error, 2)
		var mu sync.Mutex
		mu.Lock()
		p.Start(req, func(r mib.Response) {
			mu.Lock()
			defer mu.Unlock()
			result <- r.Err
		})
		mu.Unlock()
		return <-result
	}
	for _, tt := range []struct {
		name string
		req  mib.Request
		is   func(error) bool
	}{
		{"UnknownCredential", mib.Request{Address: v6.Address, Credential: "x", Verb: mib.VerbGet},
			func(err error) bool { return errors.As(err, &unknown) && unknown.Name == "x" }},
		{"NoAddress", mib.Request{Credential: "public", Verb: mib.VerbGet},
			func(err error) bool { return strings.Contains(err.Error(), "no such address") }},
		{"NoVerb", mib.Request{Address: v6.Address, Credential: "public"},
			func(err error) bool { return strings.Contains(err.Error(), "no request") }},
		{"OtherFamily", v6, func(err error) bool { return !errors.Is(err, mib.ErrTimeout) }},
		{"TooBig", long, func(err error) bool { return errors.Is(err, ErrTooBig) }},
		{"BulkInV1", bulk, func(err error) bool { return strings.Contains(err.Error(), "no PDU 0xa5 in v1") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := try(tt.req); err == nil || !tt.is(err) {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("AfterTheEnd", func(t *testing.T) {
		stop()
		if err := try(get(netip.MustParseAddrPort("127.0.0.1:161"), someName)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("error %v", err)
		}
	})
}

func TestPollerEndsOutstandingRequests(t *testing.T) {
	asked := make(chan bool, 10)
	a := newFakeAgent(t, func(*fakeAgent, int, *Message, Datagram) { asked <- true })
	p, stop := startPoller(t)
	results := make(chan error, 10)
	for range 3 {
		p.Start(get(a.Addr(), someName), func(r mib.Response) { results <- r.Err })
	}
	for range 3 {
		<-asked
	}
	stop()
	for range 3 {
		if err := <-results; !errors.Is(err, net.ErrClosed) {
			t.Errorf("error %v", err)
		}
	}
	if len(results) != 0 || p.Stats().Outstanding != 0 || p.Stats().Failed != 3 {
		t.Errorf("%d results too many, %+v", len(results), p.Stats())
	}
}

func TestPollerDoEndsWithContext(t *testing.T) {
	asked := make(chan bool, 1)
	a := newFakeAgent(t, func(*fakeAgent, int, *Message, Datagram) { asked <- true })
	p, _ := startPoller(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if r := p.Do(ctx, get(a.Addr(), someName)); !errors.Is(r.Err, context.Canceled) {
		t.Errorf("error %v", r.Err)
	}
}

// Under loss in both directions each request is done exactly once.
func TestPollerUnderLoss(t *testing.T) {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(1, 2))
	lost := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(3) == 0
	}
	a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) { a.send(answer(m, n), d.Source) })
	relay := newRelay(t, a.Addr(), func(bool, int) bool { return lost() })
	p, _ := startPoller(t)
	const requests = 300
	done := make([]int, requests) // of the poller's goroutine
	results := make(chan error, 2*requests)
	for i := range requests {
		req := get(relay, fmt.Sprintf("1.3.6.1.%d", i))
		req.Timeout, req.Retries = 20*time.Millisecond, 1000
		p.Start(req, func(r mib.Response) {
			done[i]++
			if r.Err == nil && !r.Vars[0].Name.Equal(req.Vars[0].Name) {
				r.Err = fmt.Errorf("%v for %v", r.Vars[0].Name, req.Vars[0].Name)
			}
			results <- r.Err
		})
	}
	for range requests {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	s := p.Stats()
	if s.Answered != requests || s.Outstanding != 0 || s.Retries == 0 || s.Unmatched != 0 {
		t.Errorf("%+v", s)
	}
	if i := slices.IndexFunc(done, func(n int) bool { return n != 1 }); i >= 0 {
		t.Errorf("request %d was done %d times", i, done[i])
	}
}

func TestPollerRekey(t *testing.T) {
	a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
		r := answer(m, n)
		r.Vars[0].Value = mib.Text(string(m.Community))
		a.send(r, d.Source)
	})
	p, _ := startPoller(t)
	keys, err := NewKeyring(Credential{Name: "public", Version: V2c, Community: "changed"})
	if err != nil {
		t.Fatal(err)
	}
	p.Rekey(keys)
	if r := mustAnswer(t, p, get(a.Addr(), someName)); r.Vars[0].Value.String() != "changed" {
		t.Errorf("asked with %v", r.Vars[0].Value)
	}
}

func TestKernelTimeStamp(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("time stamps are read on Linux only")
	}
	for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		s := mustOpen(t, addr)
		before := time.Now()
		if err := s.Write([]byte("x"), netip.AddrPortFrom(loopback(), s.Addr().Port())); err != nil {
			t.Fatal(err)
		}
		// Loopback has delivered when Write returns; only the kernel can
		// have stamped the datagram before this.
		between := time.Now()
		_, d, _, err := s.Read(make([]byte, 10))
		if err != nil {
			t.Fatal(err)
		}
		if d.Received.Before(before.Round(0)) || d.Received.After(between.Round(0)) {
			t.Errorf("%s: received at %v, not between %v and %v", addr, d.Received, before, between)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	c := Credential{Name: "n", Version: V3, Community: "hidden", User: User{
		Name: "n", Level: usm.AuthPriv, Auth: usm.SHA256, AuthPassphrase: "hidden long", Priv: usm.AES128, PrivPassphrase: "hidden long",
	}}
	keys, err := NewKeyring(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(format+format, c, keys); strings.Contains(s, "hidden") {
			t.Errorf("%s prints %s", format, s)
		}
	}
}

func TestKeyringRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    []Credential
		err  string
	}{
		{"NoName", []Credential{{Version: V2c}}, "credential 1 has no name"},
		{"UnknownVersion", []Credential{{Name: "a", Version: 2}}, "not supported"},
		{"V3WithoutUser", []Credential{{Name: "a", Version: V3}}, "no name"},
		{"V3WithoutLevel", []Credential{{Name: "a", Version: V3, User: User{Name: "u"}}}, "no level"},
		{"V3WithoutKeys", []Credential{{Name: "a", Version: V3, User: User{Name: "u", Level: usm.AuthNoPriv}}}, "takes an authentication protocol"},
		{"V3ShortPassphrase", []Credential{{Name: "a", Version: V3, User: User{Name: "u", Level: usm.AuthNoPriv, Auth: usm.SHA256, AuthPassphrase: "hidden"}}}, "at least 8"},
		{"Twice", []Credential{{Name: "a"}, {Name: "a"}}, "there twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := NewKeyring(tt.c...); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// BenchmarkPollerGet10 is a GET of ten variables, 64 at a time, with an agent
// on the same machine that allocates nothing and answers always the same.
func BenchmarkPollerGet10(b *testing.B) {
	template := sample()
	agent := mustOpen(b, "127.0.0.1:0")
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		var m Message
		var out []byte
		if err := agent.Serve(ctx, func(datagram []byte, d Datagram, _ bool) {
			if err := m.Decode(datagram); err != nil {
				b.Error(err)
			}
			template.RequestID = m.RequestID
			out, _ = template.Append(out[:0])
			if err := agent.Write(out, d.Source); err != nil {
				b.Error(err)
			}
		}); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(func() { cancel(); wg.Wait() })
	req := mib.Request{Address: agent.Addr(), Credential: "public", Verb: mib.VerbGet, Timeout: patience}
	for _, v := range template.Vars {
		req.Vars = append(req.Vars, mib.Variable{Name: v.Name})
	}
	p, _ := startPoller(b)
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

// A request that is larger than a frame arrives, whole, and small ones that
// leave with it do, too. (Loopback's frames are large: to see fragments, run it
// where "ip link set lo mtu 1500" was said.)
func TestPollerSendsWhatTakesFragments(t *testing.T) {
	sizes := make(chan int, 10)
	a := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
		size := 0
		for _, v := range m.Vars {
			size += len(v.Value.Bytes)
		}
		sizes <- size
		a.send(answer(m, n), d.Source)
	})
	p, _ := startPoller(t)
	done := make(chan error, 3)
	p.Together(func() {
		for _, size := range []int{10, 10_000, 20} {
			req := get(a.Addr(), someName)
			req.Verb = mib.VerbSet
			req.Vars[0].Value = mib.Octets(make([]byte, size))
			p.Start(req, func(r mib.Response) { done <- r.Err })
		}
	})
	for _, want := range []int{10, 10_000, 20} {
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := <-sizes; got != want {
			t.Errorf("%d octets came, want %d", got, want)
		}
	}
}
