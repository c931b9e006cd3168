package snmp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"simone/internal/snmp/usm"
	"simone/mib"
)

// snmpd is net-snmp's agent on loopback with one user for each pair of
// protocols, called as the pair.
type snmpd struct {
	addr  netip.AddrPort
	dir   string
	users []User
	cmd   *exec.Cmd
	log   bytes.Buffer
}

// startSnmpd skips the test where there is no snmpd; CI must have one.
func startSnmpd(t *testing.T, users []User) *snmpd {
	t.Helper()
	if _, err := exec.LookPath("snmpd"); err != nil {
		if _, err := os.Stat("/usr/sbin/snmpd"); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal("snmpd is missing; install the package snmpd")
			}
			t.Skip("snmpd is not installed (package snmpd)")
		}
	}
	s := &snmpd{dir: t.TempDir(), users: users}
	for _, d := range []string{"conf", "var", "var/cert_indexes"} {
		if err := os.Mkdir(filepath.Join(s.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// Nobody else has a port just given free, as a rule.
	probe := mustOpen(t, "127.0.0.1:0")
	s.addr = probe.Addr()
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	conf := "sysName snmpd under test\nrocommunity public 127.0.0.1\n"
	secrets := ""
	for _, u := range users {
		conf += "rwuser " + u.Name + " " + map[usm.Level]string{usm.AuthPriv: "priv", usm.AuthNoPriv: "auth", usm.NoAuthNoPriv: "noauth"}[u.Level] + "\n"
		secrets += "createUser " + u.Name
		if u.Auth != usm.NoAuth {
			secrets += fmt.Sprintf(" %s %q", netSNMP(u.Auth.String()), string(u.AuthPassphrase))
		}
		if u.Priv != usm.NoPriv {
			secrets += fmt.Sprintf(" %s %q", netSNMP(u.Priv.String()), string(u.PrivPassphrase))
		}
		secrets += "\n"
	}
	for name, text := range map[string]string{"conf/snmpd.conf": conf, "var/snmpd.conf": secrets} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	return s
}

// netSNMP is what net-snmp calls a protocol.
func netSNMP(s string) string {
	s = strings.ToUpper(s)
	for _, kind := range []string{"SHA", "AES"} {
		if rest, ok := strings.CutPrefix(s, kind); ok {
			if rest == "1" || rest == "128" {
				return kind
			}
			return kind + "-" + strings.Replace(rest, "C", "-C", 1)
		}
	}
	return s
}

func (s *snmpd) start(t *testing.T) {
	t.Helper()
	path, err := exec.LookPath("snmpd")
	if err != nil {
		path = "/usr/sbin/snmpd"
	}
	// Without -C: with it snmpd forgets its boots.
	s.cmd = exec.Command(path, "-f", "-Lo", "-I", "system_mib,snmpEngine,usmStats,vacm_conf,usmConf", "udp:"+s.addr.String())
	s.cmd.Env = append(os.Environ(), "MIBS=", "SNMPCONFPATH="+s.dir+"/conf:"+s.dir+"/var", "SNMP_PERSISTENT_DIR="+s.dir+"/var", "LC_ALL=C")
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// It is ready when it answers.
	p, _ := startPoller(t)
	req := get(s.addr, "1.3.6.1.2.1.1.5.0")
	req.Timeout, req.Retries = 50*time.Millisecond, int(patience/(50*time.Millisecond))
	if r := p.Do(t.Context(), req); r.Err != nil {
		s.stop(t) // after which nobody writes to its log
		t.Fatalf("snmpd: %v\n%s", r.Err, s.log.String())
	}
}

// stop lets it store what it keeps.
func (s *snmpd) stop(t *testing.T) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // fails if it is gone already
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		<-ended
		t.Error("snmpd did not stop")
	}
	s.cmd = nil
}

// snmpdUsers has every pair of protocols that Debian's snmpd knows, and a user
// of each lower level.
func snmpdUsers() (all []User) {
	for auth := usm.MD5; auth <= usm.SHA512; auth++ {
		all = append(all, v3User(auth.String()+"aes128", auth, usm.AES128))
	}
	for priv := usm.DES; priv <= usm.AES256C; priv++ {
		all = append(all, v3User("sha1x"+priv.String(), usm.SHA1, priv), v3User("sha512x"+priv.String(), usm.SHA512, priv))
	}
	return append(all, v3User("md5des", usm.MD5, usm.DES), v3User("onlyauth", usm.SHA256, usm.NoPriv), v3User("nokeys", usm.NoAuth, usm.NoPriv))
}

func snmpdPoller(t *testing.T, users []User) *Poller {
	t.Helper()
	var credentials []Credential
	for _, u := range users {
		credentials = append(credentials, Credential{Name: u.Name, Version: V3, User: u})
	}
	keys, err := NewKeyring(credentials...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPoller(PollerConfig{LocalAddress: loopback(), Timeout: patience}, keys)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p
}

// The poller with every protocol against a real snmpd.
func TestPollerAgainstSnmpd(t *testing.T) {
	s := startSnmpd(t, snmpdUsers())
	p := snmpdPoller(t, s.users)
	for _, u := range s.users {
		t.Run(u.Name, func(t *testing.T) {
			req := get(s.addr, "1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.1.3.0")
			req.Credential = u.Name
			if r := mustAnswer(t, p, req); r.Status != mib.NoError || r.Vars[0].Value.String() != "snmpd under test" {
				t.Errorf("%+v", r)
			}
			n := 0
			if err := p.Walk(t.Context(), mib.Request{Address: s.addr, Credential: u.Name}, mib.MustOID("1.3.6.1.2.1.1"), func(mib.Variable) error { n++; return nil }); err != nil || n < 6 {
				t.Errorf("%d variables, error %v", n, err)
			}
			set := req
			set.Verb, set.Vars = mib.VerbSet, []mib.Variable{{Name: mib.MustOID("1.3.6.1.2.1.1.9.1.3.1"), Value: mib.Text("x")}}
			if r := mustAnswer(t, p, set); r.Status != mib.NotWritable && r.Status != mib.NoAccess || r.Index != 1 {
				t.Errorf("a SET of what cannot be written: %v at %d", r.Status, r.Index)
			}
		})
	}
	if s := p.Stats(); s.Retries != 0 || s.Discoveries != 1 || s.Unauthentic+s.Stale+s.Malformed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestSnmpdRefusesWrongKeys(t *testing.T) {
	good := []User{v3User("user", usm.SHA256, usm.AES128)}
	s := startSnmpd(t, good)
	wrongAuth, wrongPriv, unknown, unsupported := good[0], good[0], good[0], good[0]
	wrongAuth.AuthPassphrase, wrongPriv.PrivPassphrase, unknown.Name = "another one", "another one", "nobody"
	unsupported.Auth = usm.SHA512
	for _, tt := range []struct {
		name  string
		user  User
		fault Fault
	}{
		{"wrongAuth", wrongAuth, WrongDigest},
		{"wrongProtocol", unsupported, WrongDigest},
		{"wrongPriv", wrongPriv, DecryptionError},
		{"unknown", unknown, UnknownUserName},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := snmpdPoller(t, []User{tt.user})
			req := get(s.addr, someName)
			req.Credential, req.Timeout = tt.user.Name, 300*time.Millisecond
			r := p.Do(t.Context(), req)
			var report *ReportError
			switch {
			case !errors.Is(r.Err, mib.ErrTimeout):
				t.Errorf("error %v", r.Err)
			case errors.As(r.Err, &report):
				if report.Fault != tt.fault {
					t.Errorf("reported %v, not %v", report.Fault, tt.fault)
				}
			case tt.fault != DecryptionError: // where noise parses as nothing it stays silent
				t.Errorf("error %v", r.Err)
			}
		})
	}
}

// A restart of snmpd, with its boots kept or lost, costs no poll.
func TestSnmpdRestart(t *testing.T) {
	s := startSnmpd(t, []User{v3User("user", usm.SHA256, usm.AES128)})
	p := snmpdPoller(t, s.users)
	req := get(s.addr, someName)
	req.Credential = "user"
	mustAnswer(t, p, req)
	s.stop(t)
	s.start(t)
	if r := mustAnswer(t, p, req); r.Status != mib.NoError {
		t.Errorf("%+v", r)
	}
	if st := p.Stats(); st.Resyncs != 1 || st.Retries != 0 {
		t.Errorf("after a restart: %+v", st)
	}
	s.stop(t)
	// Its state is lost: another engine id, or the same and fewer boots.
	conf, err := os.ReadFile(filepath.Join(s.dir, "var", "snmpd.conf"))
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(conf)) {
		if strings.HasPrefix(line, "engineBoots") {
			line = "engineBoots 0\n"
		}
		kept = append(kept, line)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "var", "snmpd.conf"), []byte(strings.Join(kept, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	if r := mustAnswer(t, p, req); r.Status != mib.NoError {
		t.Errorf("%+v", r)
	}
	if st := p.Stats(); st.Resyncs != 2 || st.Retries != 0 {
		t.Errorf("after its boots were lost: %+v", st)
	}
}
