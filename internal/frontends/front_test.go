package frontends

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
	"syscall"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"simone/agent"
	"simone/agent/agentx"
	"simone/agent/responder"
	"simone/internal/snmp"
	"simone/internal/snmp/usm"
	"simone/mib"
)

// Both front ends are one to an agent.
var (
	_ agent.FrontEnd = (*responder.Responder)(nil)
	_ agent.FrontEnd = (*agentx.Subagent)(nil)
)

const (
	authPassphrase = "authentication"
	privPassphrase = "privacy, please"
)

// Who asks what, at both front ends: public reads, private reads and writes;
// operator reads object(1) without .2 and .3 and the fence, and writes object(1)
// without .1. The users of SNMPv3, monitor and manager, are as public and
// private are, with authPriv.
func readable() []mib.OID { return []mib.OID{mib.SimoneMIB, usmStats(), inASNParseErrs()} }

// inASNParseErrs counts messages that cannot be taken apart (RFC 3418).
func inASNParseErrs() mib.OID { return mib.MustOID("1.3.6.1.2.1.11.6") }

// usmStats are the counters of what USM refused (RFC 3414, section 5).
func usmStats() mib.OID { return mib.MustOID("1.3.6.1.6.3.15.1.1") }

func operatorReads() responder.View {
	return responder.View{Include: []mib.OID{mib.SimoneIlmFence, object(1)}, Exclude: []mib.OID{object(1, 2), object(1, 3)}}
}

func operatorWrites() responder.View {
	return responder.View{Include: []mib.OID{object(1)}, Exclude: []mib.OID{object(1, 1)}}
}

// front is one of the two, where it answers and what stands behind it.
type front struct {
	name  string
	addr  netip.AddrPort
	world *world
	dir   string // for the tools of net-snmp

	responder *responder.Responder // nil: it is the snmpd
	pid       int                  // of the snmpd
}

// both gives a world with both before it.
func both(tb testing.TB) (a, b *front) {
	w := newWorld(tb, 100)
	b = startSNMPd(tb, w) // first, as it may not be there
	return startResponder(tb, w), b
}

// twins gives two worlds that are the same, with one before each.
func twins(tb testing.TB) (a, b *front) {
	b = startSNMPd(tb, newWorld(tb, 100))
	return startResponder(tb, newWorld(tb, 100)), b
}

func user(tb testing.TB, name string) snmp.User {
	tb.Helper()
	a, err := usm.ParseAuth("sha256")
	if err != nil {
		tb.Fatal(err)
	}
	p, err := usm.ParsePriv("aes128")
	if err != nil {
		tb.Fatal(err)
	}
	return snmp.User{Name: name, Level: usm.AuthPriv, Auth: a, AuthPassphrase: authPassphrase, Priv: p, PrivPassphrase: privPassphrase}
}

// boots counts in memory.
type boots struct{ n int32 }

func (b *boots) Boots() (int32, error)    { return b.n, nil }
func (b *boots) StoreBoots(n int32) error { b.n = n; return nil }
func engineID(tb testing.TB) []byte {
	tb.Helper()
	id, err := snmp.EngineID([]byte("0123456789abcdef"))
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

// startResponder puts the built-in responder before a world.
func startResponder(tb testing.TB, w *world) *front {
	tb.Helper()
	reads, writes := operatorReads(), operatorWrites()
	r, err := responder.New(responder.Config{
		Listen: "127.0.0.1:0",
		Communities: []responder.Community{
			{Name: "public", Secret: "public", View: responder.View{Include: readable()}},
			{Name: "private", Secret: "private", View: responder.View{Include: readable()}, Write: &responder.View{}},
			{Name: "operator", Secret: "operator", View: reads, Write: &writes},
		},
		Users: []responder.User{
			{User: user(tb, "monitor"), View: responder.View{Include: readable()}},
			{User: user(tb, "manager"), View: responder.View{Include: readable()}, Write: &responder.View{}},
		},
		EngineID: engineID(tb), Boots: new(boots),
		MaxBulk: snmp.MaxMessage, // net-snmp does not keep to what fits a frame
		Logger:  quiet(),
	}, w.tree)
	if err != nil {
		tb.Fatal(err)
	}
	if err := r.RegisterSystem(responder.System{Descr: "SIMONE node", Started: time.Now(), Contact: "ops", Name: "ilm4", Location: "rack 1", Services: 72}); err != nil {
		tb.Fatal(err)
	}
	run(tb, r.Run)
	return &front{name: "responder", addr: r.Addr(), world: w, dir: toolDir(tb), responder: r}
}

// snmpd is a real one of net-snmp on loopback, with a directory of its own.
type snmpd struct {
	addr   netip.AddrPort
	socket string
	pid    int
}

// startSNMPd puts a subagent and an snmpd before a world. CI must have one.
// more are further lines of its configuration.
func startSNMPd(tb testing.TB, w *world, more ...string) *front {
	tb.Helper()
	d := launchSNMPd(tb, more...)
	a, err := agentx.New(agentx.Config{Master: "unix:" + d.socket, Addr: d.addr, Logger: quiet()}, w.tree)
	if err != nil {
		tb.Fatal(err)
	}
	run(tb, a.Run)
	until(tb, "a session with the snmpd", func() bool { return a.State().Connected })
	tb.Cleanup(func() {
		if s := a.Stats(); s.Losses+s.ParseErrs+s.Abandoned+s.Overflows > 0 {
			tb.Errorf("the subagent's session was not calm: %+v", s)
		}
	})
	return &front{name: "snmpd", addr: a.Addr(), world: w, dir: toolDir(tb), pid: d.pid}
}

// launchSNMPd starts an snmpd and waits until it answers. more are further
// lines of its configuration.
func launchSNMPd(tb testing.TB, more ...string) *snmpd {
	tb.Helper()
	path := program(tb, "snmpd", "snmpd")
	// A unix socket's path is at most 107 octets, which tb.TempDir may exceed.
	dir, err := os.MkdirTemp("", "frontends")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, sub := range []string{"conf", "var", "var/cert_indexes"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	probe, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	d := &snmpd{addr: netip.MustParseAddrPort(probe.LocalAddr().String()), socket: filepath.Join(dir, "master")}
	if err := probe.Close(); err != nil {
		tb.Fatal(err)
	}
	conf := []string{
		"agentAddress udp:" + d.addr.String(),
		"master agentx",
		"agentXSocket unix:" + d.socket,
		"agentXPerms 0700 0700",
		"agentXTimeout 3",
		"agentXRetries 0",
		"dontLogTCPWrappersConnects yes",
		"maxGetbulkRepeats 100000",
		"maxGetbulkResponses 100000",
		"sysContact ops", "sysName ilm4", "sysLocation rack 1",
	}
	view := func(name string, include, exclude []mib.OID) {
		for _, o := range include {
			conf = append(conf, fmt.Sprintf("view %s included %v", name, o))
		}
		for _, o := range exclude {
			conf = append(conf, fmt.Sprintf("view %s excluded %v", name, o))
		}
	}
	view("all", readable(), nil)
	view("everything", []mib.OID{{1}}, nil)
	view("opreads", operatorReads().Include, operatorReads().Exclude)
	view("opwrites", operatorWrites().Include, operatorWrites().Exclude)
	for _, who := range [][3]string{{"public", "all", "none"}, {"private", "all", "everything"}, {"operator", "opreads", "opwrites"}} {
		conf = append(conf, fmt.Sprintf("com2sec %[1]s default %[1]s", who[0]))
		for _, model := range []string{"v1", "v2c"} {
			conf = append(conf, fmt.Sprintf("group %s %s %s", who[0], model, who[0]))
		}
		conf = append(conf, fmt.Sprintf("access %s \"\" any noauth exact %s %s none", who[0], who[1], who[2]))
	}
	for _, who := range [][3]string{{"monitor", "all", "none"}, {"manager", "all", "everything"}} {
		conf = append(conf, fmt.Sprintf("createUser %s SHA-256 %q AES %q", who[0], authPassphrase, privPassphrase),
			fmt.Sprintf("group %[1]s usm %[1]s", who[0]),
			fmt.Sprintf("access %s \"\" usm priv exact %s %s none", who[0], who[1], who[2]))
	}
	conf = append(conf, more...)
	if err := os.WriteFile(filepath.Join(dir, "conf", "snmpd.conf"), []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	// With -C it would ignore its persistent directory.
	cmd := exec.Command(path, "-f", "-Lo", "-I", "-smux", "-p", filepath.Join(dir, "pid"))
	cmd.Env = append(os.Environ(), "MIBS=", "LC_ALL=C",
		"SNMPCONFPATH="+filepath.Join(dir, "conf")+":"+filepath.Join(dir, "var"), "SNMP_PERSISTENT_DIR="+filepath.Join(dir, "var"))
	log := new(lockedBuffer)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	d.pid = cmd.Process.Pid
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if tb.Failed() {
			tb.Logf("snmpd's log:\n%s", log)
		}
	})
	c := client(tb, d.addr, gosnmp.Version2c, "private")
	c.Timeout = 100 * time.Millisecond
	until(tb, "snmpd answers", func() bool {
		p, err := c.Get([]string{usmStats().Append(1, 0).String()})
		return err == nil && len(p.Variables) == 1
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

// client is gosnmp, with a community or, for version 3, as a user.
func client(tb testing.TB, at netip.AddrPort, version gosnmp.SnmpVersion, who string) *gosnmp.GoSNMP {
	tb.Helper()
	c := &gosnmp.GoSNMP{
		Target: at.Addr().String(), Port: at.Port(), Version: version, Community: who,
		Timeout: patience, MaxOids: gosnmp.MaxOids, Context: context.Background(),
	}
	if version == gosnmp.Version3 {
		c.SecurityModel, c.MsgFlags = gosnmp.UserSecurityModel, gosnmp.AuthPriv
		c.SecurityParameters = &gosnmp.UsmSecurityParameters{
			UserName:               who,
			AuthenticationProtocol: gosnmp.SHA256, AuthenticationPassphrase: authPassphrase,
			PrivacyProtocol: gosnmp.AES, PrivacyPassphrase: privPassphrase,
		}
	}
	if err := c.Connect(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Conn.Close() })
	return c
}

// toolDir is a directory that the tools of net-snmp may write to.
func toolDir(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "cert_indexes"), 0o700); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// tool runs one of net-snmp's tools, with arguments before the address
// (options) and behind it.
func (f *front) tool(tb testing.TB, name, version, who string, options, args []string) string {
	tb.Helper()
	path := program(tb, name, "snmp")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all := []string{"-v" + version, "-On", "-r0", "-t10"}
	if version == "3" {
		all = append(all, "-u", who, "-l", "authPriv", "-a", "SHA-256", "-A", authPassphrase, "-x", "AES", "-X", privPassphrase)
	} else {
		all = append(all, "-c", who)
	}
	all = append(append(append(all, options...), f.addr.String()), args...)
	cmd := exec.CommandContext(ctx, path, all...)
	cmd.Env = append(os.Environ(), "MIBS=", "LC_ALL=C", "SNMPCONFPATH="+f.dir, "SNMP_PERSISTENT_DIR="+f.dir)
	out, err := cmd.CombinedOutput()
	if err != nil && ctx.Err() != nil {
		tb.Fatalf("%s: %v\n%s", name, err, out)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(out)), f.addr.String(), "HOST")
}

// lockedBuffer is written by one goroutine and read by another.
type lockedBuffer struct {
	mu sync.Mutex // guards b
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
