package responder

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

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
