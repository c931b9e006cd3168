package device

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"simone/internal/snmp"
	"simone/internal/snmp/usm"
	"simone/mib"
)

// patience is for what must happen; only a test that fails waits so long.
const patience = 10 * time.Second

// mustCarry fails unless a message can carry v and gives it back.
func mustCarry(tb testing.TB, v mib.Variable) {
	tb.Helper()
	m := snmp.Message{Version: snmp.V2c, PDU: snmp.PDU{Verb: mib.VerbResponse, Vars: []mib.Variable{v}}}
	b, err := m.Append(nil)
	if err != nil {
		if errors.Is(err, snmp.ErrTooBig) {
			return
		}
		tb.Fatalf("%v: %v", v, err)
	}
	var back snmp.Message
	if err := back.Decode(b); err != nil || !back.Vars[0].Name.Equal(v.Name) || back.Vars[0].Value.String() != v.Value.String() {
		tb.Errorf("%v comes back as %v: %v", v, back.Vars, err)
	}
}

const sample = `1.3.6.1.2.1.1.1.0|4|a switch
1.3.6.1.2.1.1.3.0|67|4711
1.3.6.1.2.1.2.2.1.1.1|2|1
1.3.6.1.2.1.2.2.1.1.2|2|2
1.3.6.1.2.1.2.2.1.10.1|65|100
1.3.6.1.2.1.2.2.1.10.2|65|200
1.3.6.1.2.1.31.1.1.1.6.1|70|18446744073709551615
1.3.6.1.2.1.31.1.1.1.15.1|66|1000
`

func run(tb testing.TB, f func(context.Context) error) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f(ctx); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() { cancel(); wg.Wait() })
}

func start(tb testing.TB, cfg Config) *Player {
	tb.Helper()
	if !cfg.Listen.IsValid() {
		cfg.Listen = netip.MustParseAddrPort("127.0.0.1:0")
	}
	if cfg.Devices == nil {
		cfg.Devices = []Device{{Recording: mustRead(tb, sample)}}
	}
	p, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	run(tb, p.Run)
	return p
}

func user() snmp.User {
	return snmp.User{
		Name: "ops", Level: usm.AuthPriv, Auth: usm.SHA256, AuthPassphrase: "authauth", Priv: usm.AES128, PrivPassphrase: "privpriv",
	}
}

func ask(tb testing.TB, p *Player, credential string, verb mib.Verb, repeat int, names ...string) mib.Response {
	tb.Helper()
	req := mib.Request{Address: p.Addr(), Credential: credential, Verb: verb, MaxRepetitions: repeat}
	if p.Addr().Addr().IsUnspecified() {
		req.Address = netip.AddrPortFrom(netip.MustParseAddr("127.3.2.1"), p.Addr().Port())
	}
	for _, n := range names {
		req.Vars = append(req.Vars, mib.Variable{Name: mib.MustOID(n)})
	}
	return newPoller(tb).Do(tb.Context(), req)
}

// show writes variables as name=value, names without what they have in common.
func show(vars []mib.Variable) string {
	var parts []string
	for _, v := range vars {
		parts = append(parts, strings.TrimPrefix(v.Name.String(), ".1.3.6.1.2.1.")+"="+v.Value.String())
	}
	return strings.Join(parts, " ")
}

func TestDeviceAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, credential string
		faults           Faults
		verb             mib.Verb
		repeat           int
		ask              string
		status           mib.ErrorStatus
		want             string
	}{
		{name: "Get", credential: "v2c", verb: mib.VerbGet, ask: "1.3.6.1.2.1.1.1.0 1.3.6.1.2.1.1.2.0 1.3.6.1.2.1.2.2.1.1.9 1.3.9.1",
			want: "1.1.0=a switch 1.2.0=noSuchObject 2.2.1.1.9=noSuchInstance .1.3.9.1=noSuchObject"},
		{name: "GetV1", credential: "v1", verb: mib.VerbGet, ask: "1.3.6.1.2.1.1.1.0", want: "1.1.0=a switch"},
		{name: "GetV1Missing", credential: "v1", verb: mib.VerbGet, ask: "1.3.6.1.2.1.1.2.0", status: mib.NoSuchName, want: "1.2.0=NULL"},
		{name: "Next", credential: "v2c", verb: mib.VerbGetNext, ask: "1.3.6.1.2.1.1 1.3.6.1.2.1.31.1.1.1.15.1",
			want: "1.1.0=a switch 31.1.1.1.15.1=endOfMibView"},
		{name: "NextV1LeapsOverCounter64", credential: "v1", verb: mib.VerbGetNext, ask: "1.3.6.1.2.1.2.2.1.10.2", want: "31.1.1.1.15.1=1000"},
		{name: "Bulk", credential: "v2c", verb: mib.VerbGetBulk, repeat: 3, ask: "1.3.6.1.2.1.2.2.1.10 1.3.6.1.2.1.31.1.1.1.6",
			want: "2.2.1.10.1=100 31.1.1.1.6.1=18446744073709551615 2.2.1.10.2=200 31.1.1.1.15.1=1000 31.1.1.1.6.1=18446744073709551615 31.1.1.1.15.1=endOfMibView"},
		{name: "BulkEnds", credential: "v2c", verb: mib.VerbGetBulk, repeat: 9, ask: "1.3.6.1.2.1.31.1.1.1.6.1", want: "31.1.1.1.15.1=1000 31.1.1.1.15.1=endOfMibView"},
		{name: "V3", credential: "v3", verb: mib.VerbGetBulk, repeat: 1, ask: "1.3.6.1.2.1.1.1", want: "1.1.0=a switch"},
		{name: "Set", credential: "v2c", verb: mib.VerbSet, ask: "1.3.6.1.2.1.1.1.0", status: mib.NotWritable, want: "1.1.0=NULL"},
		{name: "TooBig", credential: "v2c", faults: Faults{TooBig: 2}, verb: mib.VerbGetBulk, repeat: 3, ask: "1.3.6.1", status: mib.TooBig},
		{name: "NotTooBig", credential: "v2c", faults: Faults{TooBig: 2}, verb: mib.VerbGetBulk, repeat: 2, ask: "1.3.6.1", want: "1.1.0=a switch 1.3.0=4711"},
		{name: "DuplicatesAndGarbage", credential: "v3", faults: Faults{Duplicate: 1, Garbage: 1}, verb: mib.VerbGet, ask: "1.3.6.1.2.1.1.3.0", want: "1.3.0=4711"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := user()
			p := start(t, Config{User: &u, Faults: tt.faults})
			r := ask(t, p, tt.credential, tt.verb, tt.repeat, strings.Fields(tt.ask)...)
			if r.Err != nil || r.Status != tt.status || show(r.Vars) != tt.want {
				t.Errorf("%v %v %s\nnot %v %s", r.Err, r.Status, show(r.Vars), tt.status, tt.want)
			}
		})
	}
}

func TestCommunityChoosesTheDevice(t *testing.T) {
	p := start(t, Config{Devices: []Device{
		{mustRead(t, "1.3.6.1.2.1.1.1.0|4|one"), "public"}, {mustRead(t, "1.3.6.1.2.1.1.1.0|4|two"), "other"},
	}})
	for credential, want := range map[string]string{"v2c": "1.1.0=one", "v1": "1.1.0=one", "other": "1.1.0=two"} {
		if r := ask(t, p, credential, mib.VerbGet, 0, "1.3.6.1.2.1.1.1.0"); show(r.Vars) != want {
			t.Errorf("%s: %v %s", credential, r.Err, show(r.Vars))
		}
	}
}

func TestEveryAddressIsADevice(t *testing.T) {
	p := start(t, Config{Listen: netip.MustParseAddrPort("0.0.0.0:0")})
	if r := ask(t, p, "v2c", mib.VerbGet, 0, "1.3.6.1.2.1.1.3.0"); show(r.Vars) != "1.3.0=4711" {
		t.Errorf("%v %s", r.Err, show(r.Vars))
	}
}

func TestAnswersAreLate(t *testing.T) {
	p := start(t, Config{Faults: Faults{Delay: 50 * time.Millisecond, Jitter: 20 * time.Millisecond}})
	if r := ask(t, p, "v2c", mib.VerbGet, 0, "1.3.6.1.2.1.1.3.0"); r.Err != nil || r.RTT() < 30*time.Millisecond {
		t.Errorf("after %v: %v", r.RTT(), r.Err)
	}
}

func TestLossIsCountedAndComesFromTheSeed(t *testing.T) {
	lost := func(seed uint64) (n int) {
		c := newChance(Faults{Loss: 0.05, Seed: seed})
		for range 10_000 {
			if c.happens(c.Loss) {
				n++
			}
		}
		return n
	}
	if n := lost(1); n < 400 || n > 600 || n != lost(1) || n == lost(2) {
		t.Errorf("%d of 10,000 are lost, not about 500", n)
	}
	p := start(t, Config{Faults: Faults{Loss: 1}})
	p.handle(mustAppend(t, &snmp.Message{Version: snmp.V2c, PDU: snmp.PDU{Verb: mib.VerbGet}}), snmp.Datagram{}, false)
	p.handle([]byte("garbage"), snmp.Datagram{}, false)
	if s := p.Stats(); s != (Stats{Requests: 1, Dropped: 1, Ignored: 1}) {
		t.Errorf("%+v", s)
	}
}

func mustAppend(tb testing.TB, m *snmp.Message) []byte {
	tb.Helper()
	b, err := m.Append(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestWrongConfigurationsAreRefused(t *testing.T) {
	r := mustRead(t, sample)
	u := user()
	weak := user()
	weak.AuthPassphrase = "short"
	for name, cfg := range map[string]Config{
		"NoDevice":       {},
		"NoRecording":    {Devices: []Device{{}}},
		"AnyTwice":       {Devices: []Device{{r, ""}, {r, "x"}}},
		"SameCommunity":  {Devices: []Device{{r, "x"}, {r, "x"}}},
		"V3WithTwo":      {Devices: []Device{{r, "x"}, {r, "y"}}, User: &u},
		"WeakPassphrase": {Devices: []Device{{r, ""}}, User: &weak},
		"Loss":           {Devices: []Device{{r, ""}}, Faults: Faults{Loss: 1.1}},
		"NaN":            {Devices: []Device{{r, ""}}, Faults: Faults{Garbage: math.NaN()}},
		"Delay":          {Devices: []Device{{r, ""}}, Faults: Faults{Delay: -1}},
		"Jitter":         {Devices: []Device{{r, ""}}, Faults: Faults{Delay: 1, Jitter: 2}},
		"TooBig":         {Devices: []Device{{r, ""}}, Faults: Faults{TooBig: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Listen = netip.MustParseAddrPort("127.0.0.1:0")
			if _, err := New(cfg); err == nil {
				t.Error("accepted")
			}
		})
	}
}

// Whatever a player is sent, what it answers is a message.
func FuzzHandle(f *testing.F) {
	u := user()
	u.Level = usm.NoAuthNoPriv
	p, err := New(Config{Listen: netip.MustParseAddrPort("127.0.0.1:0"), Devices: []Device{{Recording: mustRead(f, sample)}}, User: &u})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = p.socket.Close() })
	for verb := mib.VerbGet; verb <= mib.VerbReport; verb++ {
		m := snmp.Message{Version: snmp.V2c, PDU: snmp.PDU{Verb: verb, RequestID: 1, NonRepeaters: 1, MaxRepetitions: 5, Vars: []mib.Variable{
			{Name: mib.MustOID("1.3.6.1")}, {Name: mib.MustOID("1.3.6.1.2.1.2")}, {Name: mib.MustOID("1.3.6.1.2.1.31")}}}}
		if b, err := m.Append(nil); err == nil {
			f.Add(b)
		}
		e := &snmp.Envelope{ID: 1, MaxSize: 484, Flags: snmp.FlagReportable, EngineID: p.engine.ID(), User: []byte("ops")}
		if b, err := e.Append(nil, &snmp.Scope{EngineID: p.engine.ID()}, &m, nil); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p.out = p.out[:0]
		p.handle(append([]byte(nil), b...), snmp.Datagram{}, false)
		if len(p.out) == 0 {
			return
		}
		if v, ok := snmp.PeekVersion(p.out); ok && v == snmp.V3 {
			if err := new(snmp.Envelope).Decode(p.out); err != nil {
				t.Errorf("%x is answered with %x: %v", b, p.out, err)
			}
			return
		}
		var m snmp.Message
		if err := m.Decode(p.out); err != nil {
			t.Errorf("%x is answered with %x: %v", b, p.out, err)
		}
	})
}
