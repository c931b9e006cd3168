package chassis_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"simone/agent/responder"
	"simone/internal/app/chassis"
	"simone/internal/config"
	"simone/internal/snmp"
	"simone/mib"
)

// startSnmpd runs an snmpd of net-snmp for subagents, to the end of the test.
// Without one the test is skipped, but not in CI.
func startSnmpd(t *testing.T) (at netip.AddrPort, master string) {
	t.Helper()
	path, err := exec.LookPath("snmpd")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/snmpd")
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("snmpd is missing; install the package snmpd")
		}
		t.Skip("snmpd is not installed (package snmpd)")
	}
	// A unix socket's path has at most 107 octets, which t.TempDir may exceed.
	dir, err := os.MkdirTemp("", "chassis")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	at, master = freePort(t), "unix:"+filepath.Join(dir, "master")
	conf := fmt.Sprintf("agentAddress udp:%v\nmaster agentx\nagentXSocket %s\nrocommunity public\nsysName the machine\n", at, master)
	if err := os.WriteFile(filepath.Join(dir, "snmpd.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-f", "-Lo", "-p", filepath.Join(dir, "pid"))
	cmd.Env = append(os.Environ(), "MIBS=", "SNMPCONFPATH="+dir, "SNMP_PERSISTENT_DIR="+filepath.Join(dir, "var"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return at, master
}

// freePort is a UDP address on loopback that was free a moment ago.
func freePort(t *testing.T) netip.AddrPort {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.78.2.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return netip.MustParseAddrPort(c.LocalAddr().String())
}

// A chassis under an snmpd answers through it and sees what is asked; informs
// come in at its own address, where there is nothing to read.
func TestAgentX(t *testing.T) {
	at, master := startSnmpd(t)
	cfg := config.DefaultTLM()
	cfg.Name, cfg.State = "n1", t.TempDir()
	cfg.FrontEnd, cfg.AgentX.Master, cfg.Advertise, cfg.Listen = config.FrontEndAgentX, master, at.String(), freePort(t).String()
	cfg.Credentials = []config.Credential{{Name: "c", Version: "v2c", Community: config.NewSecret("public")}}
	cfg.Communities = []config.Community{{Community: config.NewSecret("public"), Sources: []string{"127.0.0.0/8"}, Read: []string{"1"}, Notify: true}}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	var informed, watched atomic.Int64
	c, err := chassis.Open(chassis.Options{Config: &cfg.Node, Role: mib.RoleTLM, Notify: func(n snmp.Notification) bool {
		if n.TrapOID.Equal(mib.SimoneNodeJoined) {
			informed.Add(1)
		}
		return true
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Node.Register(c.Tree); err != nil {
		t.Fatal(err)
	}
	c.Watch(func(o responder.Observation) {
		if o.Verb == mib.VerbGet && o.Vars[0].Name.Equal(mib.Instance(mib.SimoneNodeName)) {
			watched.Add(1)
		}
	})
	running(t, c)
	if c.FrontEnd.Addr() != at {
		t.Errorf("the front end is at %v, the snmpd at %v", c.FrontEnd.Addr(), at)
	}

	ask := func(agent netip.AddrPort, name mib.OID) (mib.Value, error) {
		req := mib.Request{Address: agent, Credential: "c", Verb: mib.VerbGet, Timeout: 250 * time.Millisecond, Vars: []mib.Variable{{Name: name}}}
		r := c.Poller.Do(t.Context(), req)
		if err := snmp.Result(req, r); err != nil {
			return mib.Value{}, err
		}
		return r.Vars[0].Value, nil
	}
	eventually(t, "the snmpd has the node's objects", func() bool {
		v, err := ask(at, mib.Instance(mib.SimoneNodeName))
		return err == nil && string(v.Bytes) == "n1"
	})
	if watched.Load() == 0 {
		t.Error("nobody was told of the request")
	}
	sysName := mib.MustOID("1.3.6.1.2.1.1.5.0")
	if v, err := ask(at, sysName); err != nil || string(v.Bytes) != "the machine" {
		t.Errorf("sysName is %v, error %v; the snmpd's is its own", v, err)
	}

	own := netip.MustParseAddrPort(cfg.Listen)
	for _, name := range []mib.OID{sysName, mib.Instance(mib.SimoneNodeName)} {
		if v, err := ask(own, name); err != nil || !v.IsException() {
			t.Errorf("where informs come in %v reads as %v, error %v", name, v, err)
		}
	}
	to := cfg.Node
	to.Announce = config.Announce{To: cfg.Listen, Credential: "c"}
	if err := c.Uplink(&to).Inform(t.Context(), mib.SimoneNodeJoined, nil); err != nil || informed.Load() != 1 {
		t.Errorf("%d informs came in, error %v", informed.Load(), err)
	}
}

// An address that is taken, for informs too, is said with a remedy.
func TestAgentXInformsNeedTheirPort(t *testing.T) {
	taken, err := net.ListenPacket("udp4", "127.78.2.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := config.DefaultNode()
	cfg.Name, cfg.State, cfg.FrontEnd, cfg.Advertise, cfg.Listen = "n1", t.TempDir(), config.FrontEndAgentX, "127.78.2.1:161", taken.LocalAddr().String()
	cfg.Communities = []config.Community{{Community: config.NewSecret("public"), Notify: true}}
	if _, err := chassis.Open(chassis.Options{Config: cfg, Notify: func(snmp.Notification) bool { return true }}); err == nil || !strings.Contains(err.Error(), "set listen to another") {
		t.Errorf("error %v", err)
	}
}
