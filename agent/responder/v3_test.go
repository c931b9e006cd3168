package responder

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"simone/internal/snmp"
	"simone/internal/snmp/usm"
	"simone/mib"
)

// bootStore keeps boots in memory; it may be used by one engine after another.
type bootStore struct {
	// mu guards the fields below.
	mu     sync.Mutex
	boots  int32
	failed error
}

func (s *bootStore) Boots() (int32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.boots, nil
}

func (s *bootStore) StoreBoots(n int32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	s.boots = n
	return nil
}

func engineID(tb testing.TB) []byte {
	tb.Helper()
	id, err := snmp.EngineID([]byte("0123456789abcdef"))
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

const (
	authPassphrase = "authentication"
	privPassphrase = "privacy, please"
)

// protocols are the pairs that there is a user for, named after them.
func protocols() (pairs [][2]string) {
	for _, a := range usm.AuthNames() {
		pairs = append(pairs, [2]string{a, "aes128"})
	}
	for _, p := range usm.PrivNames() {
		pairs = append(pairs, [2]string{"sha1", p}, [2]string{"sha512", p})
	}
	return append(pairs, [2]string{"sha256", "aes256"}, [2]string{"md5", "des"})
}

func v3User(tb testing.TB, auth, priv string) snmp.User {
	tb.Helper()
	a, err := usm.ParseAuth(auth)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := usm.ParsePriv(priv)
	if err != nil {
		tb.Fatal(err)
	}
	return snmp.User{
		Name: auth + "-" + priv, Level: usm.AuthPriv,
		Auth: a, AuthPassphrase: authPassphrase, Priv: p, PrivPassphrase: privPassphrase,
	}
}

// v3Config adds users to testConfig: manager, who writes; monitor, who reads
// and needs to be authentic only; operator, with views; guest, without keys;
// join, who may only notify; elsewhere, who may not ask from here; and one for
// each pair of protocols, who writes.
func v3Config(tb testing.TB) Config {
	tb.Helper()
	cfg := testConfig()
	cfg.EngineID, cfg.Boots = engineID(tb), &bootStore{}
	named := func(name string, level usm.Level) snmp.User {
		u := v3User(tb, "sha256", "aes128")
		u.Name, u.Level = name, level
		return u
	}
	operator := cfg.Communities[2]
	cfg.Users = []User{
		{User: named("manager", usm.AuthPriv), Write: &View{}},
		{User: named("monitor", usm.AuthNoPriv)},
		{User: named("operator", usm.AuthPriv), View: operator.View, Write: operator.Write},
		{User: snmp.User{Name: "guest", Level: usm.NoAuthNoPriv}, View: View{Include: []mib.OID{object(1)}}},
		{User: named("join", usm.AuthPriv), View: View{Exclude: []mib.OID{{}}}, Notify: true},
		{User: named("elsewhere", usm.AuthPriv), Sources: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
	}
	seen := make(map[string]bool)
	for _, p := range protocols() {
		u := v3User(tb, p[0], p[1])
		if !seen[u.Name] {
			cfg.Users = append(cfg.Users, User{User: u, Write: &View{}})
		}
		seen[u.Name] = true
	}
	return cfg
}

// v3Args are the arguments that net-snmp's tools get for a user.
func v3Args(user, level, auth, priv string, r *Responder, more ...string) []string {
	args := []string{"-v3", "-On", "-r0", "-t2", "-u", user, "-l", level}
	if level != "noAuthNoPriv" {
		args = append(args, "-a", netSNMP(auth), "-A", authPassphrase)
	}
	if level == "authPriv" {
		args = append(args, "-x", netSNMP(priv), "-X", privPassphrase)
	}
	return append(append(args, r.Addr().String()), more...)
}

// netSNMP is what its tools call a protocol.
func netSNMP(s string) string {
	s = strings.ToUpper(s)
	for _, kind := range []string{"SHA", "AES"} {
		rest, ok := strings.CutPrefix(s, kind)
		switch {
		case !ok:
		case rest == "1", rest == "128":
			return kind
		default:
			return kind + "-" + strings.Replace(rest, "C", "-C", 1)
		}
	}
	return s
}

// Every pair of protocols with the tools of net-snmp.
func TestNetSNMPv3Protocols(t *testing.T) {
	r := start(t, v3Config(t))
	for i, p := range protocols() {
		t.Run(p[0]+"/"+p[1], func(t *testing.T) {
			name := object(1, 1, 0).String()
			user := p[0] + "-" + p[1]
			value := fmt.Sprint(i + 1000)
			out, failed := tool(t, "snmpset", v3Args(user, "authPriv", p[0], p[1], r, name, "i", value)...)
			if failed || out != name+" = INTEGER: "+value {
				t.Fatalf("set: %s", out)
			}
			out, failed = tool(t, "snmpget", v3Args(user, "authPriv", p[0], p[1], r, name, object(1, 2, 0).String())...)
			if failed || out != name+" = INTEGER: "+value+"\n"+object(1, 2, 0).String()+" = "+shown()[1] {
				t.Errorf("get: %s", out)
			}
		})
	}
}

// v3Keys are arguments of the users that v3Config names.
func v3Keys(user, level string, r *Responder, more ...string) []string {
	return v3Args(user, level, "sha256", "aes128", r, more...)
}

func TestNetSNMPv3Levels(t *testing.T) {
	cfg := v3Config(t)
	cfg.Boots = &bootStore{boots: 7}
	r := start(t, cfg)
	name := object(1, 2, 0).String()
	for _, tt := range []struct{ user, level, want string }{
		{"manager", "authPriv", shown()[1]},
		{"manager", "authNoPriv", "authorizationError"},
		{"manager", "noAuthNoPriv", "authorizationError"},
		{"monitor", "authNoPriv", shown()[1]},
		{"monitor", "authPriv", shown()[1]},
		{"monitor", "noAuthNoPriv", "authorizationError"},
		{"guest", "noAuthNoPriv", shown()[1]},
		{"guest", "authNoPriv", "Unsupported security level"},
		{"nobody", "authPriv", "Unknown user name"},
	} {
		t.Run(tt.user+"/"+tt.level, func(t *testing.T) {
			if out, _ := tool(t, "snmpget", v3Keys(tt.user, tt.level, r, name)...); !strings.Contains(out, tt.want) {
				t.Errorf("got %q, not %q", out, tt.want)
			}
		})
	}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"WrongAuthPassphrase", []string{"-A", "another one"}, "Authentication failure"},
		{"WrongAuthProtocol", []string{"-a", "SHA-512"}, "Authentication failure"},
		{"WrongPrivPassphrase", []string{"-X", "another one"}, "Decryption error"},
		{"UnknownContext", []string{"-n", "elsewhere"}, "Bad context specified"},
		// It believes that the agent is in its third boot, and learns better.
		{"OldBoots", []string{"-Z", "3,1000"}, shown()[1]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// Of two options the last one counts.
			args := v3Keys("manager", "authPriv", r, name)
			out, _ := tool(t, "snmpget", slices.Insert(args, len(args)-2, tt.args...)...)
			if !strings.Contains(out, tt.want) {
				t.Errorf("got %q, not %q", out, tt.want)
			}
		})
	}
	// The engine's MIB has counted them.
	e := r.Engine()
	for _, f := range []snmp.Fault{snmp.UnsupportedSecLevel, snmp.UnknownUserName, snmp.UnknownEngineID, snmp.WrongDigest, snmp.DecryptionError, snmp.UnknownContext} {
		out, _ := tool(t, "snmpget", v3Keys("monitor", "authNoPriv", r, f.OID().Append(0).String())...)
		if n := e.Refused(f); n == 0 || f != snmp.UnknownEngineID && !strings.HasSuffix(out, fmt.Sprintf("Counter32: %d", n)) {
			t.Errorf("%v: %d, and the MIB says %q", f, n, out)
		}
	}
	if s := r.Stats(); s.OutReports == 0 || s.InBadLevels != 3 {
		t.Errorf("%+v", s)
	}
}

// A user who may not ask from here gets nothing, and does not learn why; nor
// does anybody where no user may ask.
func TestNetSNMPv3Sources(t *testing.T) {
	quick := func(r *Responder) (string, bool) {
		args := v3Keys("elsewhere", "authPriv", r, object(1, 2, 0).String())
		return tool(t, "snmpget", slices.Insert(args, len(args)-2, "-t0.2")...)
	}
	cfg := v3Config(t)
	r := start(t, cfg)
	if out, failed := quick(r); !failed || !strings.Contains(out, "Timeout") || r.Stats().InBadSources != 1 {
		t.Errorf("%q, %+v", out, r.Stats())
	}
	for _, u := range cfg.Users {
		if u.Name == "elsewhere" {
			cfg.Users = []User{u}
		}
	}
	r = start(t, cfg)
	if out, failed := quick(r); !failed || !strings.Contains(out, "Timeout") || r.Stats().InBadSources == 0 || r.Stats().OutPkts != 0 {
		t.Errorf("%q, %+v", out, r.Stats())
	}
}

// Walks and bulk walks bring with v3 what they bring with v2c.
func TestNetSNMPv3Walks(t *testing.T) {
	r := start(t, v3Config(t))
	plain, failed := tool(t, "snmpwalk", common("2c", "public", r, playpen().String())...)
	if failed {
		t.Fatal(plain)
	}
	for _, name := range []string{"snmpwalk", "snmpbulkwalk"} {
		for _, user := range []string{"manager", "md5-des", "sha512-aes256"} {
			t.Run(name+"/"+user, func(t *testing.T) {
				auth, priv := "sha256", "aes128"
				if a, p, ok := strings.Cut(user, "-"); ok {
					auth, priv = a, p
				}
				out, failed := tool(t, name, v3Args(user, "authPriv", auth, priv, r, playpen().String())...)
				if failed || out != plain {
					t.Errorf("got\n%s\nnot\n%s", out, plain)
				}
			})
		}
	}
	t.Run("OperatorsView", func(t *testing.T) {
		plain, _ := tool(t, "snmpwalk", common("2c", "operator", r, "1")...)
		out, failed := tool(t, "snmpbulkwalk", v3Keys("operator", "authPriv", r, "1")...)
		if failed || out != plain {
			t.Errorf("got\n%s\nnot\n%s", out, plain)
		}
	})
	t.Run("EngineGroups", func(t *testing.T) {
		out, failed := tool(t, "snmpwalk", v3Keys("manager", "authPriv", r, "1.3.6.1.6.3")...)
		if failed || strings.Count(out, "\n.1.3.6.1.6.3.15.1.1.") < 6 || !strings.Contains(out, ".1.3.6.1.6.3.10.2.1.2.0 = INTEGER: 1\n") ||
			!strings.Contains(out, "80 00 1F 88 05 30 31 32") {
			t.Errorf("got\n%s", out)
		}
	})
}

func TestNetSNMPv3Set(t *testing.T) {
	r := start(t, v3Config(t))
	for _, tt := range []struct{ name, user, level, oid, want string }{
		{"Written", "manager", "authPriv", object(1, 1, 0).String(), "INTEGER: 1"},
		{"NoWriteView", "monitor", "authPriv", object(1, 1, 0).String(), "authorizationError"},
		{"TooLowALevel", "manager", "authNoPriv", object(1, 1, 0).String(), "authorizationError"},
		{"OutsideTheView", "operator", "authPriv", object(2, 1, 0).String(), "noAccess"},
		{"ExcludedFromTheView", "operator", "authPriv", object(1, 1, 0).String(), "noAccess"},
		{"NoHandler", "manager", "authPriv", "1.3.6.1.3.1.0", "notWritable"},
		{"Refused", "manager", "authPriv", object(2, 12, 0).String(), "inconsistentValue"},
		{"CommitFailed", "manager", "authPriv", object(2, 14, 0).String(), "commitFailed"},
		{"Panic", "manager", "authPriv", object(3, 1, 0).String(), "genError"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if out, _ := tool(t, "snmpset", v3Keys(tt.user, tt.level, r, tt.oid, "i", "1")...); !strings.Contains(out, tt.want) {
				t.Errorf("got %q, not %s", out, tt.want)
			}
		})
	}
}

func TestNetSNMPv3Informs(t *testing.T) {
	got := make(chan snmp.Notification, 10)
	cfg := v3Config(t)
	cfg.Notify = func(n snmp.Notification) bool { got <- n; return true }
	r := start(t, cfg)
	trap := playpen().Append(0, 1).String()
	more := []string{"", trap, object(1, 2, 0).String(), "s", "uuid"}
	out, failed := tool(t, "snmpinform", v3Keys("join", "authPriv", r, more...)...)
	if failed {
		t.Fatal(out)
	}
	if n := <-got; n.Community != "join" || n.TrapOID.String() != trap || !n.Inform || len(n.Vars) != 1 || n.Vars[0].Value.String() != "uuid" {
		t.Errorf("got %+v", n)
	}
	for _, refused := range [][2]string{{"manager", "authPriv"}, {"join", "authNoPriv"}} {
		args := v3Keys(refused[0], refused[1], r, more...)
		args = slices.Insert(args, len(args)-len(more)-1, "-t0.2")
		if out, failed := tool(t, "snmpinform", args...); !failed || len(got) != 0 {
			t.Errorf("%v: %s", refused, out)
		}
	}
	if s := r.Stats(); s.InBadCommunityUses != 1 || s.InBadLevels != 1 {
		t.Errorf("%+v", s)
	}
}

// startPollerV3 gives a poller with the users as credentials.
func startPollerV3(tb testing.TB, cfg Config) *snmp.Poller {
	tb.Helper()
	var credentials []snmp.Credential
	for _, u := range cfg.Users {
		credentials = append(credentials, snmp.Credential{Name: u.Name, Version: snmp.V3, User: u.User})
	}
	keys, err := snmp.NewKeyring(credentials...)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := snmp.NewPoller(snmp.PollerConfig{LocalAddress: netip.MustParseAddr("127.0.0.1"), Timeout: patience}, keys)
	if err != nil {
		tb.Fatal(err)
	}
	run(tb, p.Run)
	return p
}

// The project's own poller and notifier, unchanged but for the credential.
func TestPollerV3(t *testing.T) {
	cfg := v3Config(t)
	var informed atomic.Int32
	cfg.Notify = func(n snmp.Notification) bool { return informed.Add(1) > 1 }
	observed := make(chan string, 100)
	cfg.Observe = func(o Observation) { observed <- o.Community }
	r := start(t, cfg)
	p := startPollerV3(t, cfg)
	for _, u := range cfg.Users {
		if u.Sources != nil || u.Notify {
			continue
		}
		name := object(1, 2, 0)
		if resp := ask(t, p, r, request(u.Name, mib.VerbGet, name)); resp.Status != mib.NoError || resp.Vars[0].Value.String() != "hello" {
			t.Errorf("%s: %+v", u.Name, resp)
		}
	}
	if first := <-observed; first != "manager" {
		t.Errorf("observed %q", first)
	}
	n := 0
	if err := p.Walk(t.Context(), mib.Request{Address: r.Addr(), Credential: "manager"}, object(1), func(mib.Variable) error { n++; return nil }); err != nil || n != len(values()) {
		t.Errorf("%d variables, error %v", n, err)
	}
	// The first attempt is not accepted, its repetition is, and is passed on
	// once although it looks different on the wire.
	err := snmp.NewNotifier(p, time.Now()).Inform(t.Context(), snmp.Target{
		Address: r.Addr(), Credential: "join", Timeout: 50 * time.Millisecond, Retries: 50,
	}, playpen().Append(0, 1), nil)
	if err != nil || informed.Load() != 2 {
		t.Errorf("passed on %d times, error %v", informed.Load(), err)
	}
}

// A restart of the agent costs no request (snmpEngineBoots goes up, so that
// what was sent before is not good any more).
func TestRestartV3(t *testing.T) {
	cfg := v3Config(t)
	p := startPollerV3(t, cfg)
	for n := range int32(3) {
		ctx, stop := context.WithCancel(t.Context())
		r, err := New(cfg, newTree(t))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Listen = r.Addr().String()
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		if resp := ask(t, p, r, request("manager", mib.VerbGet, object(1, 2, 0))); resp.Status != mib.NoError {
			t.Errorf("%+v", resp)
		}
		if boots, _ := r.Engine().Now(); boots != n+1 {
			t.Errorf("boot %d, not %d", boots, n+1)
		}
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if s := p.Stats(); s.Resyncs != 2 || s.Discoveries != 1 || s.Retries != 0 {
		t.Errorf("%+v", s)
	}
}

// Somebody who records a SET and sends it again, inside the time window,
// outside it, or changed, changes nothing.
func TestHostileSets(t *testing.T) {
	cfg := v3Config(t)
	r, err := New(cfg, newTree(t))
	if err != nil {
		t.Fatal(err)
	}
	set := func(r *Responder, n int32) []byte {
		return sealed(t, r, &snmp.Message{PDU: snmp.PDU{Verb: mib.VerbSet, RequestID: n, Vars: []mib.Variable{{Name: object(1, 1, 0), Value: mib.Integer(n)}}}})
	}
	send := func(r *Responder, b []byte) {
		r.handle(bytes.Clone(b), snmp.Datagram{Source: r.Addr()}, false) // which decrypts in place
	}
	holds := func(r *Responder, n int64) {
		t.Helper()
		if v := r.tree.Get(object(1, 1, 0)); v.Int != n {
			t.Errorf("it has been set to %d", v.Int)
		}
	}
	recorded := set(r, 1)
	send(r, recorded)
	holds(r, 1)
	send(r, set(r, 2))
	for range 3 {
		send(r, recorded)
	}
	holds(r, 2)
	if s := r.Stats(); s.InReplays != 3 || s.OutResponses != 2 || s.InSetRequests != 2 {
		t.Errorf("%+v", s)
	}
	for i := range recorded {
		forged := set(r, 3)
		forged[min(i, len(forged)-1)] ^= 0x40
		send(r, forged)
	}
	holds(r, 2)
	if err := r.socket.Close(); err != nil {
		t.Fatal(err)
	}

	// After a restart the window is another.
	again, err := New(cfg, r.tree)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.socket.Close() })
	send(again, recorded)
	holds(again, 2)
	if again.Engine().Refused(snmp.NotInTimeWindow) != 1 {
		t.Error("the replay is not counted")
	}
	send(again, set(again, 4))
	holds(again, 4)
}

func TestReplaysAreBounded(t *testing.T) {
	var p replays
	mac := func(i int) []byte { return binary.BigEndian.AppendUint64(make([]byte, 16), uint64(i))[12:] }
	for i := range 3 * replaysKept {
		if !p.first(mac(i)) || p.first(mac(i)) {
			t.Fatalf("number %d", i)
		}
	}
	if len(p.seen) != replaysKept || len(p.ring) != replaysKept || p.first(mac(2*replaysKept)) {
		t.Errorf("%d and %d are kept", len(p.seen), len(p.ring))
	}
}

// An answer that is more than the asker takes becomes tooBig, and a GETBULK
// is cut to it.
func TestMaxSizeV3(t *testing.T) {
	r, err := New(v3Config(t), newTree(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.socket.Close() })
	send := func(verb mib.Verb, name mib.OID) (snmp.PDU, int) {
		t.Helper()
		m := &snmp.Message{PDU: snmp.PDU{Verb: verb, RequestID: 1, MaxRepetitions: 50, Vars: []mib.Variable{{Name: name}}}}
		e := &snmp.Envelope{ID: 1, MaxSize: 484, EngineID: engineID(t), User: []byte("guest")}
		b, err := e.Append(nil, &snmp.Scope{EngineID: engineID(t)}, m, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.handle(b, snmp.Datagram{Source: r.Addr()}, false)
		return r.response.PDU, len(r.out)
	}
	if p, n := send(mib.VerbGetBulk, object(1)); p.Status != mib.NoError || len(p.Vars) < 5 || n > 484 {
		t.Errorf("%v with %d variables in %d octets", p.Status, len(p.Vars), n)
	}
	r.users["guest"].view = View{}
	if p, n := send(mib.VerbGet, object(4, 1000, 0)); p.Status != mib.TooBig || len(p.Vars) != 0 || n > 484 {
		t.Errorf("%v with %d variables in %d octets", p.Status, len(p.Vars), n)
	}
}

func TestNewRefusesV3(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *Config)
		err    string
	}{
		{"NoEngineID", func(c *Config) { c.EngineID = nil }, "its id has 0 octets"},
		{"NoBoots", func(c *Config) { c.Boots = nil }, "nothing to keep its boots in"},
		{"BootsCannotBeStored", func(c *Config) { c.Boots = &bootStore{failed: errors.New("no room")} }, "no room"},
		{"UserTwice", func(c *Config) { c.Users = append(c.Users, c.Users[0]) }, `user "manager" is there twice`},
		{"Nobody", func(c *Config) { c.Users, c.Communities = nil, nil }, "no communities and no users"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := v3Config(t)
			tt.change(&cfg)
			if _, err := New(cfg, newTree(t)); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, not %q", err, tt.err)
			}
		})
	}
	t.Run("UsersAlone", func(t *testing.T) {
		cfg := v3Config(t)
		cfg.Communities = nil
		r, err := New(cfg, newTree(t))
		if err != nil {
			t.Fatal(err)
		}
		_ = r.socket.Close()
	})
}

// BenchmarkResponderV3Get5 is the work on one GET of five variables with
// authPriv, SHA-256 and AES-128, without the network.
func BenchmarkResponderV3Get5(b *testing.B) {
	r, err := New(v3Config(b), newTree(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = r.socket.Close() })
	datagram := sealedGet5(b, r)
	scratch := make([]byte, len(datagram))
	who := r.users["manager"]
	b.ReportAllocs()
	for b.Loop() {
		copy(scratch, datagram) // it is decrypted in place
		if err := r.engine.Open(scratch, &r.exchange, &r.request); err != nil {
			b.Fatal(err)
		}
		r.most, r.overhead = r.cfg.MaxMessage, r.exchange.Envelope.Overhead(&r.exchange.Scope)
		r.answer(who)
		if !r.encode() || r.response.Status != mib.NoError {
			b.Fatal(r.response.Status)
		}
	}
}

// sealedGet5 is a GET of five variables as the user manager sends it.
func sealedGet5(tb testing.TB, r *Responder) []byte {
	tb.Helper()
	m := &snmp.Message{PDU: snmp.PDU{Verb: mib.VerbGet, RequestID: 1}}
	for i := range uint32(5) {
		m.Vars = append(m.Vars, mib.Variable{Name: object(1, i+1, 0)})
	}
	return sealed(tb, r, m)
}

// sealed is a message as the user manager sends it.
func sealed(tb testing.TB, r *Responder, m *snmp.Message) []byte {
	tb.Helper()
	master, err := usm.NewMaster(usm.SHA256, authPassphrase, usm.AES128, privPassphrase)
	if err != nil {
		tb.Fatal(err)
	}
	keys, err := master.Localize(engineID(tb))
	if err != nil {
		tb.Fatal(err)
	}
	e := &snmp.Envelope{ID: 1, MaxSize: snmp.MaxMessage, Flags: snmp.FlagAuth | snmp.FlagPriv | snmp.FlagReportable, EngineID: engineID(tb), User: []byte("manager")}
	e.Boots, e.Time = r.engine.Now()
	b, err := e.Append(nil, &snmp.Scope{EngineID: engineID(tb)}, m, keys)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestAnswerV3DoesNotAllocate(t *testing.T) {
	r, err := New(v3Config(t), newTree(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.socket.Close() })
	datagram := sealedGet5(t, r)
	scratch := make([]byte, len(datagram))
	if n := testing.AllocsPerRun(100, func() {
		copy(scratch, datagram)
		if err := r.engine.Open(scratch, &r.exchange, &r.request); err != nil {
			t.Fatal(err)
		}
		r.most, r.overhead = r.cfg.MaxMessage, r.exchange.Envelope.Overhead(&r.exchange.Scope)
		r.answer(r.users["manager"])
		if !r.encode() {
			t.Fatal("not encoded")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
