package agentx

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"
)

// snmpd is a real one of net-snmp on loopback, with a directory of its own.
type snmpd struct {
	tb     testing.TB
	path   string
	dir    string
	addr   netip.AddrPort
	socket string
	cmd    *exec.Cmd
	log    *lockedBuffer
}

// startSNMPd starts an snmpd and waits until it answers. more are further
// lines of its configuration. CI must have it.
func startSNMPd(tb testing.TB, more ...string) *snmpd {
	tb.Helper()
	path := program(tb, "snmpd", "snmpd")
	// A unix socket's path is at most 107 octets, which tb.TempDir may exceed.
	dir, err := os.MkdirTemp("", "agentx")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, sub := range []string{"conf", "var", "var/cert_indexes"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	d := &snmpd{tb: tb, path: path, dir: dir, addr: freePort(tb), socket: filepath.Join(dir, "master"), log: new(lockedBuffer)}
	conf := append([]string{
		"agentAddress udp:" + d.addr.String(),
		"master agentx",
		"agentXSocket unix:" + d.socket,
		"agentXPerms 0700 0700",
		"agentXTimeout 3",
		"agentXRetries 0",
		"dontLogTCPWrappersConnects yes",
		"rocommunity public",
		"rwcommunity private",
	}, more...)
	if err := os.WriteFile(filepath.Join(dir, "conf", "snmpd.conf"), []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	d.start()
	tb.Cleanup(func() {
		d.kill()
		if tb.Failed() {
			tb.Logf("snmpd's log:\n%s", d.log)
		}
	})
	return d
}

// program finds an executable, which may be in a superuser's part of the path.
func program(tb testing.TB, name, pkg string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("%s is missing; install the package %s", name, pkg)
		}
		tb.Skipf("%s is not installed (package %s)", name, pkg)
	}
	return path
}

// freePort is a UDP address on loopback that was free a moment ago.
func freePort(tb testing.TB) netip.AddrPort {
	tb.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	return netip.MustParseAddrPort(c.LocalAddr().String())
}

func (d *snmpd) master() string { return "unix:" + d.socket }

// start starts the daemon and waits until it answers.
func (d *snmpd) start() {
	d.tb.Helper()
	// With -C it would ignore its persistent directory.
	d.cmd = exec.Command(d.path, "-f", "-Lo", "-I", "-smux", "-p", filepath.Join(d.dir, "pid"))
	d.cmd.Env = d.environment()
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		d.tb.Fatal(err)
	}
	c := d.client(d.tb, "public")
	c.Timeout = 100 * time.Millisecond
	until(d.tb, "snmpd answers", func() bool {
		p, err := c.Get([]string{"1.3.6.1.2.1.1.3.0"})
		return err == nil && len(p.Variables) == 1
	})
}

func (d *snmpd) environment() []string {
	return append(os.Environ(), "MIBS=", "LC_ALL=C",
		"SNMPCONFPATH="+filepath.Join(d.dir, "conf")+":"+filepath.Join(d.dir, "var"),
		"SNMP_PERSISTENT_DIR="+filepath.Join(d.dir, "var"))
}

// kill ends the daemon without a farewell.
func (d *snmpd) kill() {
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
	d.cmd = nil
}

// client is gosnmp, pointed at the daemon.
func (d *snmpd) client(tb testing.TB, community string) *gosnmp.GoSNMP {
	tb.Helper()
	c := &gosnmp.GoSNMP{
		Target: d.addr.Addr().String(), Port: d.addr.Port(), Community: community,
		Version: gosnmp.Version2c, Timeout: patience, MaxOids: gosnmp.MaxOids, Context: context.Background(),
	}
	if err := c.Connect(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Conn.Close() })
	return c
}

// tool runs one of net-snmp's tools against the daemon, with arguments that
// begin before the address (options) and those behind it.
func (d *snmpd) tool(tb testing.TB, name, version, community string, options []string, args ...string) (output string, failed bool) {
	tb.Helper()
	path := program(tb, name, "snmp")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all := append([]string{"-v" + version, "-c", community, "-On", "-r0", "-t10"}, options...)
	cmd := exec.CommandContext(ctx, path, append(append(all, d.addr.String()), args...)...)
	cmd.Env = d.environment()
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err != nil
}

// connected waits until the snmpd has the subagent's subtrees.
func connected(tb testing.TB, a *Subagent) {
	tb.Helper()
	until(tb, fmt.Sprintf("a session with the snmpd (%v)", a.State().Err), func() bool { return a.State().Connected })
}

// lockedBuffer is written by one goroutine and read by another.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
