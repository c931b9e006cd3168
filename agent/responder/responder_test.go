package responder

import (
	"errors"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

func ask(tb testing.TB, p *snmp.Poller, r *Responder, req mib.Request) mib.Response {
	tb.Helper()
	if !req.Address.IsValid() {
		req.Address = r.Addr()
	}
	resp := p.Do(tb.Context(), req)
	if resp.Err != nil {
		tb.Fatal(resp.Err)
	}
	return resp
}

func names(vars []mib.Variable) []string {
	var s []string
	for _, v := range vars {
		x := strings.TrimPrefix(v.Name.String(), playpen().String())
		if v.Value.Type == mib.TypeEndOfMIBView {
			x += " end"
		}
		s = append(s, x)
	}
	return s
}

// RFC 3416, section 4.2.3.
func TestGetBulk(t *testing.T) {
	r := start(t, testConfig())
	p := startPoller(t, "127.0.0.1")
	late := object(4, 2000, 0) // two before the end of the tree
	for _, tt := range []struct {
		name        string
		non, repeat int
		asked       []mib.OID
		want        []string
	}{
		{"NonRepeatersOnly", 2, 5, []mib.OID{object(1), object(2)}, []string{".1.1.0", ".2.1.0"}},
		{"NonRepeatersMoreThanVariables", 9, 5, []mib.OID{object(1), object(2)}, []string{".1.1.0", ".2.1.0"}},
		{"NonRepeatersNegativeAreZero", -1, 1, []mib.OID{object(1)}, []string{".1.1.0"}},
		{"RepetitionsZero", 1, 0, []mib.OID{object(1), object(2)}, []string{".1.1.0"}},
		{"RepetitionsNegativeAreZero", 0, -5, []mib.OID{object(1)}, nil},
		{"RowByRow", 1, 2, []mib.OID{object(1), object(1), object(2)}, []string{".1.1.0", ".1.1.0", ".2.1.0", ".1.2.0", ".2.2.0"}},
		{"NoVariables", 0, 5, nil, nil},
		{"StopsWhenAllAtTheEnd", 0, 100, []mib.OID{late, object(4, 40000, 0)},
			[]string{".4.40000.0", ".4.40000.0 end", ".4.40000.0 end", ".4.40000.0 end"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig()
			cfg.MaxBulk = snmp.MaxMessage
			r := start(t, cfg)
			req := request("monitor", mib.VerbGetBulk, tt.asked...)
			req.NonRepeaters, req.MaxRepetitions = tt.non, tt.repeat
			resp := ask(t, p, r, req)
			if resp.Status != mib.NoError || !slices.Equal(names(resp.Vars), tt.want) {
				t.Errorf("got %v %v, not %v", resp.Status, names(resp.Vars), tt.want)
			}
		})
	}
	t.Run("TruncatedAtMaxBulk", func(t *testing.T) {
		req := request("monitor", mib.VerbGetBulk, object(4))
		req.MaxRepetitions = 100
		resp := ask(t, p, r, req)
		if want := []string{".4.10.0", ".4.100.0", ".4.1000.0"}; !slices.Equal(names(resp.Vars), want) {
			t.Errorf("got %v, not %v", names(resp.Vars), want)
		}
	})
	t.Run("FirstMayBeLonger", func(t *testing.T) {
		req := request("monitor", mib.VerbGetBulk, object(4, 2000, 0))
		req.MaxRepetitions = 100
		if resp := ask(t, p, r, req); !slices.Equal(names(resp.Vars), []string{".4.40000.0"}) {
			t.Errorf("got %v", names(resp.Vars))
		}
	})
	t.Run("TooBigIfNotEvenOneFits", func(t *testing.T) {
		cfg := testConfig()
		cfg.MaxMessage = 1000
		r := start(t, cfg)
		req := request("monitor", mib.VerbGetBulk, object(4, 1000, 0))
		req.MaxRepetitions = 1
		if resp := ask(t, p, r, req); resp.Status != mib.TooBig || len(resp.Vars) != 0 {
			t.Errorf("got %v %v", resp.Status, names(resp.Vars))
		}
	})
}

func TestTooBig(t *testing.T) {
	r := start(t, testConfig())
	p := startPoller(t, "127.0.0.1")
	twice := []mib.OID{object(4, 40000, 0), object(4, 40000, 0)}
	for _, verb := range []mib.Verb{mib.VerbGet, mib.VerbGetNext} {
		req := request("monitor", verb, twice...)
		if verb == mib.VerbGetNext {
			req = request("monitor", verb, object(4, 2000, 0), object(4, 2000, 0))
		}
		resp := ask(t, p, r, req)
		// RFC 3416, section 4.2.1: no variables, index zero.
		if resp.Status != mib.TooBig || resp.Index != 0 || len(resp.Vars) != 0 {
			t.Errorf("%#x: got %v %d %v", byte(verb), resp.Status, resp.Index, names(resp.Vars))
		}
		req.Credential = "monitor1"
		if resp = ask(t, p, r, req); resp.Status != mib.TooBig || len(resp.Vars) != 2 {
			t.Errorf("v1 %#x: got %v %v", byte(verb), resp.Status, names(resp.Vars))
		}
	}
	if resp := ask(t, p, r, request("monitor", mib.VerbGet, twice[0])); len(resp.Vars[0].Value.Bytes) != 40000 {
		t.Errorf("got %v", resp.Status)
	}
}

func TestViews(t *testing.T) {
	r := start(t, testConfig())
	p := startPoller(t, "127.0.0.1")
	t.Run("GetOutsideIsNoSuchObject", func(t *testing.T) {
		resp := ask(t, p, r, request("operator", mib.VerbGet, object(1, 1, 0), object(1, 2, 0), object(2, 3, 0)))
		want := []mib.Type{mib.TypeNoSuchObject, mib.TypeOctetString, mib.TypeNoSuchObject}
		for i, v := range resp.Vars {
			if v.Value.Type != want[i] {
				t.Errorf("%v is %v", v.Name, v.Value)
			}
		}
	})
	t.Run("GetOutsideIsNoSuchNameInV1", func(t *testing.T) {
		resp := ask(t, p, r, request("operator1", mib.VerbGet, object(1, 2, 0), object(1, 1, 0)))
		if resp.Status != mib.NoSuchName || resp.Index != 2 {
			t.Errorf("got %v %d", resp.Status, resp.Index)
		}
	})
	t.Run("WalkLeapsOverTheRest", func(t *testing.T) {
		var got []mib.Variable
		base := mib.Request{Address: r.Addr(), Credential: "operator"}
		if err := p.Walk(t.Context(), base, mib.OID{1}, func(v mib.Variable) error {
			got = append(got, v)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		want := []string{".1.2.0", ".2.1.0", ".2.2.0"}
		for _, n := range []string{"4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17"} {
			want = append(want, ".2."+n+".0")
		}
		if !slices.Equal(names(got), want) {
			t.Errorf("got %v\nnot %v", names(got), want)
		}
	})
	t.Run("EverythingExcluded", func(t *testing.T) {
		resp := ask(t, p, r, request("join", mib.VerbGetNext, mib.OID{1, 3}))
		if resp.Vars[0].Value.Type != mib.TypeEndOfMIBView {
			t.Errorf("got %v", resp.Vars)
		}
	})
}

func TestViewContains(t *testing.T) {
	v := View{
		Include: []mib.OID{{1, 3, 6}, {1, 3, 7, 5, 1}},
		Exclude: []mib.OID{{1, 3, 6, 4}, {1, 3, 7, 5}},
	}
	for _, tt := range []struct {
		name string
		want bool
	}{
		{"1.3.6", true}, {"1.3.6.3.1", true}, {"1.3.6.4", false}, {"1.3.6.4.1", false}, {"1.3.6.5", true},
		{"1.3", false}, {"1.3.7.5", false}, {"1.3.7.5.1.9", true}, {"1.3.7.5.2", false}, {"2.1", false},
	} {
		if v.Contains(mib.MustOID(tt.name)) != tt.want {
			t.Errorf("%s: %v", tt.name, !tt.want)
		}
	}
}

// skip loses nothing: from any name outside, the first name inside after it
// comes after what skip gives.
func TestViewSkip(t *testing.T) {
	v := View{Include: []mib.OID{{1, 2}, {1, 4}, {1, 2, 2, 3}, {1, 6, 0}}, Exclude: []mib.OID{{1, 2, 2}, {1, 4, 0}, {1, 6, 0, 9}}}
	var all []mib.OID
	for a := range uint32(8) {
		for b := range uint32(5) {
			for c := range uint32(5) {
				all = append(all, mib.OID{1, a}, mib.OID{1, a, b}, mib.OID{1, a, b, c})
			}
		}
	}
	slices.SortFunc(all, mib.OID.Compare)
	all = slices.CompactFunc(all, mib.OID.Equal)
	for i, name := range all {
		if v.Contains(name) {
			continue
		}
		next := slices.IndexFunc(all[i:], v.Contains)
		from, ok := v.skip(name)
		if next < 0 {
			if ok && from.Compare(name) < 0 {
				t.Errorf("%v: back to %v", name, from)
			}
			continue
		}
		if !ok || from.Compare(name) < 0 || from.Compare(all[i+next]) >= 0 {
			t.Errorf("%v: %v %v, beyond %v", name, from, ok, all[i+next])
		}
	}
}

func TestSources(t *testing.T) {
	r := start(t, testConfig())
	p := startPoller(t, "127.0.0.1")
	ask(t, p, r, request("here", mib.VerbGet, object(1, 1, 0)))
	req := request("elsewhere", mib.VerbGet, object(1, 1, 0))
	req.Address, req.Timeout = r.Addr(), 20*time.Millisecond
	if resp := p.Do(t.Context(), req); !errors.Is(resp.Err, mib.ErrTimeout) {
		t.Errorf("answered: %+v", resp)
	}
	if s := r.Stats(); s.InBadCommunityNames != 1 {
		t.Errorf("%+v", s)
	}
}

// A wildcard socket answers from the address that was asked; the poller takes
// no other.
func TestAnswersFromTheAddressAsked(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", ":0", "127.0.0.7:0"} {
		t.Run(listen, func(t *testing.T) {
			cfg := testConfig()
			cfg.Listen = listen
			r := start(t, cfg)
			p := startPoller(t, "127.0.0.3")
			req := request("monitor", mib.VerbGet, object(1, 1, 0))
			req.Address = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.7"), r.Addr().Port())
			ask(t, p, r, req)
			if s := p.Stats(); s.WrongSource != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// Without a local address a poller asks over both families.
func TestIPv6(t *testing.T) {
	cfg := testConfig()
	cfg.Listen = "[::1]:0"
	probe, err := New(cfg, mib.NewTree())
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	_ = probe.socket.Close()
	six, four := start(t, cfg), start(t, testConfig())
	p := startPoller(t, "")
	ask(t, p, six, request("monitor", mib.VerbGet, object(1, 1, 0)))
	ask(t, p, four, request("monitor", mib.VerbGet, object(1, 1, 0)))
	if s := p.Stats(); s.WrongSource != 0 || s.Answered != 2 {
		t.Errorf("%+v", s)
	}
}

func TestPanicsAreAnsweredWithGenErr(t *testing.T) {
	cfg := testConfig()
	calls := 0
	cfg.Observe = func(Observation) {
		if calls++; calls == 1 {
			panic("in observe")
		}
	}
	r := start(t, cfg)
	p := startPoller(t, "127.0.0.1")
	set := func(name mib.OID) mib.Request {
		req := request("manager", mib.VerbSet, name)
		req.Vars[0].Value = mib.Integer(1)
		return req
	}
	for _, req := range []mib.Request{
		request("monitor", mib.VerbGet, object(1, 1, 0), object(3, 1, 0)), set(object(3, 1, 0)), set(object(3, 2, 0)), set(object(3, 1, 0)),
	} {
		// The index is the variable's that was worked on (RFC 3416, section
		// 4.2.1); of a SET that is not known, and it is the first.
		if resp := ask(t, p, r, req); resp.Status != mib.GenErr || resp.Index != len(req.Vars) {
			t.Errorf("%#x of %v: %v at %d", byte(req.Verb), req.Vars[0].Name, resp.Status, resp.Index)
		}
	}
	if resp := ask(t, p, r, set(object(1, 1, 0))); resp.Status != mib.NoError {
		t.Errorf("the next SET: %v", resp.Status)
	}
	if s := r.Stats(); s.Panics != 5 || s.OutGenErrs != 4 {
		t.Errorf("%+v", s)
	}
}

// What is no request changes nothing but a counter.
func TestDropsAreCounted(t *testing.T) {
	r := start(t, testConfig())
	conn, err := net.Dial("udp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	whole, err := (&snmp.Message{Version: snmp.V2c, Community: []byte("public"), PDU: snmp.PDU{
		Verb: mib.VerbGet, RequestID: 1, Vars: []mib.Variable{{Name: object(1, 1, 0)}}}}).Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	send := func(b []byte) {
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	for n := range len(whole) {
		send(whole[:n])
	}
	send([]byte("garbage"))
	send([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	send(append(slices.Clone(whole), 0))
	send([]byte{0x30, 0x05, 0x02, 0x01, 0x03, 0x30, 0x00}) // v3
	response := slices.Clone(whole)
	response[slices.Index(response, byte(mib.VerbGet))] = byte(mib.VerbResponse)
	send(response)
	send(whole)
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 1500)
	n, err := conn.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	var m snmp.Message
	if err := m.Decode(answer[:n]); err != nil || m.Status != mib.NoError || m.Vars[0].Value.Int != -42 {
		t.Errorf("answered %+v: %v", m, err)
	}
	s := r.Stats()
	s.OutPkts, s.OutResponses = 0, 0 // counted after the answer is on its way
	bad := uint64(len(whole) + 3)
	want := Stats{InPkts: bad + 3, InASNParseErrs: bad, InBadVersions: 1, InUnexpectedPDUs: 1, InGetRequests: 1, InTotalReqVars: 1}
	if s != want {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
}

func TestObserve(t *testing.T) {
	type seen struct {
		source    netip.AddrPort
		community string
		verb      mib.Verb
		names     []string
	}
	got := make(chan seen, 10)
	cfg := testConfig()
	cfg.Observe = func(o Observation) {
		if o.Received.IsZero() {
			t.Error("no time stamp")
		}
		got <- seen{o.Source, o.Community, o.Verb, names(o.Vars)}
	}
	r := start(t, cfg)
	p := startPoller(t, "127.0.0.4")
	ask(t, p, r, request("monitor", mib.VerbGet, object(1, 1, 0), object(1, 2, 0)))
	ask(t, p, r, request("manager1", mib.VerbGetNext, object(1)))
	for _, want := range []seen{
		{p.Addr(), "monitor", mib.VerbGet, []string{".1.1.0", ".1.2.0"}},
		{p.Addr(), "manager", mib.VerbGetNext, []string{".1"}},
	} {
		if x := <-got; !reflect.DeepEqual(x, want) {
			t.Errorf("got %+v, not %+v", x, want)
		}
	}
}

// One port answers requests and takes informs.
func TestInformsToTheSamePort(t *testing.T) {
	got := make(chan snmp.Notification, 10)
	cfg := testConfig()
	cfg.Notify = func(n snmp.Notification) bool { got <- n; return true }
	r := start(t, cfg)
	p := startPoller(t, "127.0.0.1")
	n := snmp.NewNotifier(p, time.Now())
	to := snmp.Target{Address: r.Addr(), Credential: "join"}
	if err := n.Inform(t.Context(), to, playpen().Append(0, 1), nil); err != nil {
		t.Fatal(err)
	}
	if x := <-got; x.Source != p.Addr() || x.Community != "join" {
		t.Errorf("got %+v", x)
	}
	to.Credential, to.Timeout = "monitor", 20*time.Millisecond
	if err := n.Inform(t.Context(), to, playpen().Append(0, 1), nil); !errors.Is(err, mib.ErrTimeout) || len(got) != 0 {
		t.Errorf("a community that may not notify: %v", err)
	}
	ask(t, p, r, request("monitor", mib.VerbGet, object(1, 1, 0)))
}

// SET values outlive the datagram that they came in.
func TestSetValuesAreKept(t *testing.T) {
	r := start(t, testConfig())
	p := startPoller(t, "127.0.0.1")
	req := request("manager", mib.VerbSet, object(1, 2, 0))
	req.Vars[0].Value = mib.Text("kept")
	ask(t, p, r, req)
	other := request("monitor", mib.VerbGet)
	for range 100 {
		other.Vars = append(other.Vars, mib.Variable{Name: object(1, 1, 0), Value: mib.Text("other")})
	}
	ask(t, p, r, other)
	if resp := ask(t, p, r, request("monitor", mib.VerbGet, object(1, 2, 0))); resp.Vars[0].Value.String() != "kept" {
		t.Errorf("got %v", resp.Vars)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		bend func(*Config)
		err  string
	}{
		{"NoCommunities", func(c *Config) { c.Communities = nil }, "no communities"},
		{"NoName", func(c *Config) { c.Communities[0].Name = "" }, "community 1 has no name"},
		{"NoSecret", func(c *Config) { c.Communities[1].Secret = "" }, `community "manager" has no secret`},
		{"BadAddress", func(c *Config) { c.Listen = "127.0.0.1" }, `listen at "127.0.0.1"`},
		{"SmallMessages", func(c *Config) { c.MaxMessage = 100 }, "at most 100 octets"},
		{"NegativeBulk", func(c *Config) { c.MaxBulk = -1 }, "of -1 octets"},
		{"NotOurAddress", func(c *Config) { c.Listen = "192.0.2.1:0" }, "bind 192.0.2.1:0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig()
			tt.bend(&cfg)
			if _, err := New(cfg, mib.NewTree()); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, not %q", err, tt.err)
			}
		})
	}
	t.Run("PortTaken", func(t *testing.T) {
		cfg := testConfig()
		cfg.Listen = start(t, testConfig()).Addr().String()
		if _, err := New(cfg, mib.NewTree()); err == nil {
			t.Error("two at one port")
		}
	})
}

// BenchmarkResponderGet5 is the work on one GET of five variables, without
// the network.
func BenchmarkResponderGet5(b *testing.B) {
	r, err := New(testConfig(), newTree(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = r.socket.Close() })
	req := &snmp.Message{Version: snmp.V2c, Community: []byte("public"), PDU: snmp.PDU{Verb: mib.VerbGet, RequestID: 1}}
	for i := range uint32(5) {
		req.Vars = append(req.Vars, mib.Variable{Name: object(1, i+1, 0)})
	}
	datagram, err := req.Append(nil)
	if err != nil {
		b.Fatal(err)
	}
	community := &r.communities[0]
	r.most, r.overhead = r.cfg.MaxMessage, snmp.Overhead([]byte("public"))
	b.ReportAllocs()
	for b.Loop() {
		if err := r.request.Decode(datagram); err != nil {
			b.Fatal(err)
		}
		r.answer(community)
		if r.out, err = r.response.Append(r.out[:0]); err != nil || r.response.Status != mib.NoError {
			b.Fatal(r.response.Status, err)
		}
	}
}
