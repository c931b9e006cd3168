package ctl

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"simone/agent/agentx"
	"simone/internal/snmp"
	"simone/mib"
)

// realSnmpd is net-snmp's, on loopback, with what snmpd-config wrote and a
// directory of its own.
type realSnmpd struct {
	*snmpdFiles
	path string
	at   string
	cmd  *exec.Cmd
	log  bytes.Buffer
}

// findSnmpd skips the test where there is no snmpd; CI must have one.
func findSnmpd(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("snmpd")
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, "snmpd"))
		}
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("snmpd is missing; install the package snmpd")
		}
		t.Skip("snmpd is not installed (package snmpd)")
	}
	return path
}

func (s *realSnmpd) start() {
	s.t.Helper()
	// Without -C: with it snmpd would not keep its users.
	s.cmd = exec.Command(s.path, "-f", "-Lo", "-I", "-smux", "-p", filepath.Join(s.dir, "pid"))
	s.cmd.Env = append(os.Environ(), "MIBS=", "LC_ALL=C",
		"SNMPCONFPATH="+filepath.Dir(s.conf)+":"+filepath.Dir(s.persistent), "SNMP_PERSISTENT_DIR="+filepath.Dir(s.persistent))
	s.log.Reset()
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	// It is ready when it answers, to whom a line of its own lets in.
	c := s.client("-c", "probe", "--timeout", "50ms", "--retries", "10")
	for deadline := time.Now().Add(patience); ; {
		if _, err := c.get(s.t.Context(), s.endpoint(), mib.MustOID("1.3.6.1.2.1.1.3.0")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			s.stop()
			s.t.Fatalf("snmpd does not answer:\n%s", s.log.String())
		}
	}
}

// stop lets it write its persistent file.
func (s *realSnmpd) stop() {
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
		s.t.Error("snmpd did not stop")
	}
	s.cmd = nil
}

func (s *realSnmpd) endpoint() endpoint {
	s.t.Helper()
	at, err := resolve(s.t.Context(), s.at)
	if err != nil {
		s.t.Fatal(err)
	}
	return at
}

// client is simonectl's with flags.
func (s *realSnmpd) client(flags ...string) *client {
	s.t.Helper()
	o, _, _ := surroundings(nil)
	root := newRoot(o)
	if err := root.ParseFlags(append([]string{"--timeout", "2s"}, flags...)); err != nil {
		s.t.Fatal(err)
	}
	c, err := o.open()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() }) // nothing of it is looked at any more
	return c
}

// as is the client of the user of a role.
func (s *realSnmpd) as(role string) *client { return s.client("--credentials", s.yaml(role)) }

// subagent joins snmpd with a split threshold, a role and a trigger that can
// be SET, and waits until it is asked.
func (s *realSnmpd) subagent() {
	s.t.Helper()
	a := newAgent(s.t, "")
	a.put(mib.SimoneThresholdSplit, mib.Text("17.5"), mib.SimoneIlmAdminStatus, mib.Integer(2), mib.SimoneIlmTrigger, mib.Truth(false))
	a.fill()
	sub, err := agentx.New(agentx.Config{Master: "unix:" + filepath.Join(s.dir, "master"), Ping: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}, a.tree)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sub.Run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	})
}

// awaitSubagent waits until snmpd has taken the subagent.
func (s *realSnmpd) awaitSubagent() {
	s.t.Helper()
	c := s.as("monitor")
	for deadline := time.Now().Add(patience); ; {
		v, err := c.get(s.t.Context(), s.endpoint(), mib.Instance(mib.SimoneThresholdSplit))
		if err == nil && !v[0].IsException() {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the subagent is not to be seen: %v, %v\n%s", v, err, s.log.String())
		}
	}
}

// TestSnmpdConfigRealSnmpd: a real snmpd lets each role do what DESIGN section
// 4 gives it, and nothing more (RFC 3415).
func TestSnmpdConfigRealSnmpd(t *testing.T) {
	path := findSnmpd(t)
	// The path of a unix socket has at most 107 octets.
	dir, err := os.MkdirTemp("", "simone")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	// Nobody else has a port just given free, as a rule.
	probe, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := probe.LocalAddr().String()
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	own := "agentAddress udp:" + at + "\nsysContact somebody\nview probe included .1.3.6.1.2.1.1\nrocommunity probe 127.0.0.1 -V probe\n"
	s := &realSnmpd{snmpdFiles: newSnmpdFiles(t, dir, own), path: path, at: at}
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("snmpd's log:\n%s", s.log.String())
		}
	})
	if r := s.run("write"); r.err != nil {
		t.Fatal(r.err)
	}
	s.subagent()
	s.start()
	s.awaitSubagent()
	if info, err := os.Stat(filepath.Join(dir, "master")); err != nil || info.Mode() != fs.ModeSocket|0o660 {
		t.Errorf("the AgentX socket: %v, %v", info, err)
	}

	// Each role, before and after a restart in which snmpd makes keys of the
	// passphrases.
	roles := func(t *testing.T) {
		split, up, trigger := mib.Text("18"), mib.Integer(1), mib.Truth(true)
		for _, c := range []struct {
			role   string
			object mib.OID
			value  mib.Value
			refuse mib.ErrorStatus // NoError: it may
		}{
			{"monitor", mib.SimoneThresholdSplit, split, mib.NoAccess},
			{"monitor", mib.SimoneIlmTrigger, trigger, mib.NoAccess},
			{"operator", mib.SimoneThresholdSplit, split, mib.NoError},
			{"operator", mib.SimoneIlmTrigger, trigger, mib.NoError},
			{"operator", mib.SimoneIlmAdminStatus, up, mib.NoAccess},
			{"manager", mib.SimoneThresholdSplit, split, mib.NoError},
			{"manager", mib.SimoneIlmAdminStatus, up, mib.NoError},
			{"manager", mib.MustOID("1.3.6.1.2.1.1.4"), mib.Text("me"), mib.NoAccess},
			{"manager", mib.MustOID("1.3.6.1.6.3.15.1.2.1"), mib.Integer(1), mib.NoAccess}, // usmUserSpinLock
			{"join", mib.SimoneThresholdSplit, split, mib.NoAccess},
		} {
			t.Run(c.role+" sets "+mib.NameOf(c.object), func(t *testing.T) {
				err := s.as(c.role).set(t.Context(), s.endpoint(), write{c.object, c.value})
				switch {
				case c.refuse == mib.NoError && err != nil:
					t.Error(err)
				case c.refuse != mib.NoError && (err == nil || !refusedWith(err, c.refuse)):
					t.Errorf("%v, want %v", err, c.refuse)
				}
			})
		}
		for _, c := range []struct {
			role string
			oid  string
			may  bool
		}{
			{"monitor", "1.3.6.1.2.1.1.4.0", true},
			{"operator", "1.3.6.1.2.1.1.4.0", true},
			{"manager", "1.3.6.1.2.1.1.4.0", true},
			{"monitor", mib.Instance(mib.SimoneThresholdSplit).String(), true},
			{"monitor", "1.3.6.1.6.3.15.1.2.1.0", false}, // the users
			{"manager", "1.3.6.1.6.3.16.1.1.1.1.0", false},
			{"join", "1.3.6.1.2.1.1.4.0", false},
			{"join", mib.Instance(mib.SimoneThresholdSplit).String(), false},
		} {
			t.Run(c.role+" reads "+c.oid, func(t *testing.T) {
				v, err := s.as(c.role).get(t.Context(), s.endpoint(), mib.MustOID(c.oid))
				if got := err == nil && !v[0].IsException(); got != c.may {
					t.Errorf("%v, %v", v, err)
				}
			})
		}
		refused := func(name string, fault snmp.Fault, flags ...string) {
			t.Run(name, func(t *testing.T) {
				flags = append(flags, "--timeout", "300ms", "--retries", "0")
				_, err := s.client(flags...).get(t.Context(), s.endpoint(), mib.MustOID("1.3.6.1.2.1.1.4.0"))
				report, ok := errors.AsType[*snmp.ReportError](err)
				if !ok || report.Fault != fault || ExitCode(err) != ExitFailed {
					t.Errorf("%v", err)
				}
			})
		}
		auth, priv, other := filepath.Join(s.keys(), "monitor.auth"), filepath.Join(s.keys(), "monitor.priv"), filepath.Join(s.keys(), "join.auth")
		refused("an unknown user", snmp.UnknownUserName, "-u", "nobody", "--auth-file", auth, "--priv-file", priv)
		refused("a wrong passphrase", snmp.WrongDigest, "-u", "monitor", "--auth-file", other, "--priv-file", priv)
		t.Run("too low a level", func(t *testing.T) {
			_, err := s.client("-u", "monitor", "--level", "authNoPriv", "--auth-file", auth).
				get(t.Context(), s.endpoint(), mib.MustOID("1.3.6.1.2.1.1.4.0"))
			if err == nil || !refusedWith(err, mib.AuthorizationError) || !strings.Contains(err.Error(), "at level authNoPriv") {
				t.Errorf("%v", err)
			}
		})
		t.Run("a wrong community", func(t *testing.T) {
			_, err := s.client("-c", "public", "--timeout", "200ms", "--retries", "0").
				get(t.Context(), s.endpoint(), mib.Instance(mib.SimoneThresholdSplit))
			if ExitCode(err) != ExitUnreachable {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("Fresh", roles)
	s.stop()
	for _, line := range strings.Split(s.log.String(), "\n") {
		if strings.Contains(line, "Warning: ") || strings.Contains(line, "Error: ") {
			t.Errorf("snmpd does not like what was written: %s", line)
		}
	}
	// It has made keys of the passphrases.
	if users := s.read(s.persistent); strings.Contains(users, "\ncreateUser") || strings.Count(s.secretless(users), "\nusmUser ") != 4 {
		t.Errorf("snmpd has not taken the users:\n%s", s.secretless(users))
	}
	entries, err := os.ReadDir(filepath.Dir(s.persistent))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries { // no copy with passphrases is left behind
		if e.Type().IsRegular() {
			s.secretless(s.read(filepath.Join(filepath.Dir(s.persistent), e.Name())))
		}
	}
	if r := s.run("check"); r.err != nil {
		t.Errorf("with users that snmpd has saved: %v\n%s", r.err, r.stdout)
	}
	conf, users := s.read(s.conf), s.read(s.persistent)
	if r := s.run("write"); r.err != nil || s.read(s.conf) != conf || s.read(s.persistent) != users {
		t.Errorf("written again with users that snmpd knows: %v", r.err)
	}
	s.start()
	s.awaitSubagent()
	t.Run("Restarted", roles)

	t.Run("Removed", func(t *testing.T) {
		s.stop()
		if r := s.run("remove"); r.err != nil || !strings.Contains(r.stdout, "snmpd still has keys of join, manager, monitor, operator") {
			t.Fatalf("%v\n%s", r.err, r.stdout)
		}
		if got := s.read(s.conf); got != own {
			t.Fatalf("after remove:\n%s", got)
		}
		s.start()
		_, err := s.as("manager").get(t.Context(), s.endpoint(), mib.MustOID("1.3.6.1.2.1.1.4.0"))
		if err == nil || !refusedWith(err, mib.AuthorizationError) {
			t.Errorf("%v", err)
		}
	})
}

// refusedWith reports whether an agent answered with the status.
func refusedWith(err error, s mib.ErrorStatus) bool { return strings.Contains(err.Error(), s.String()) }
