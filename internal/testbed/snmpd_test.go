//go:build linux

package testbed

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"simone/internal/snmp"
	"simone/internal/snmp/usm"
	"simone/internal/snmpdconf"
	"simone/mib"
)

// Who asks the snmpds, all with SHA-256 and AES-128, in the roles of DESIGN
// section 4 as simonectl snmpd-config gives them.
const (
	managerUser  = "manager"  // rows and roles
	operatorUser = "operator" // thresholds, drain, trigger
	monitorUser  = "monitor"  // reads
	joinUser     = "join"     // informs only
)

func authOf(user string) string { return user + " is who I am" }
func privOf(user string) string { return user + " keeps it secret" }

// snmpd is net-snmp's agent with a directory, an address and an AgentX socket
// of its own, through all its lives. It needs no root.
type snmpd struct {
	program string
	dir     string // with conf/ and var/, which keeps what must outlive it
	address netip.AddrPort
	log     *logBuffer
	host    *host // where it runs; nil: where the test does
	*process
}

// findSnmpd skips the test where there is no snmpd; CI must have it.
func findSnmpd(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"snmpd", "/usr/sbin/snmpd", "/usr/local/sbin/snmpd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("snmpd is missing; install the package snmpd")
	}
	t.Skip("snmpd is not installed (package snmpd)")
	return ""
}

// newSnmpd writes the configuration of an snmpd, as simonectl snmpd-config
// does; nothing runs yet.
func newSnmpd(t *testing.T, program, dir string, address netip.AddrPort) *snmpd {
	t.Helper()
	d := &snmpd{program: program, dir: dir, address: address, log: new(logBuffer)}
	for _, sub := range []string{"conf", "var", "var/cert_indexes"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	need := snmpdconf.Config{Socket: d.master()}
	for user, role := range map[string]snmpdconf.Role{managerUser: snmpdconf.Manager, operatorUser: snmpdconf.Operator, monitorUser: snmpdconf.Monitor} {
		need.Members = append(need.Members, snmpdconf.Member{Role: role, Account: snmpdconf.Account{
			Name: user, Auth: usm.SHA256, AuthPassphrase: snmpdconf.Secret(authOf(user)), Priv: usm.AES128, PrivPassphrase: snmpdconf.Secret(privOf(user)),
		}})
	}
	if err := need.Validate(); err != nil {
		t.Fatal(err)
	}
	secrets, _, err := need.PutUsers("")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "conf", "snmpd.conf"), fmt.Sprintf("agentAddress udp:%v\n%s", address, need.Block()))
	writeFile(t, filepath.Join(dir, "var", "snmpd.conf"), secrets)
	return d
}

// master is the AgentX socket.
func (d *snmpd) master() string { return "unix:" + filepath.Join(d.dir, "master") }

// launch starts it. With -C it would ignore its persistent directory.
func (d *snmpd) launch(tb testing.TB) {
	tb.Helper()
	at := filepath.Join(d.dir, "var")
	d.process = start(tb, d.host, nil, d.log, exec.Command("env", "MIBS=", "LC_ALL=C", "SNMPCONFPATH="+filepath.Join(d.dir, "conf")+":"+at, "SNMP_PERSISTENT_DIR="+at,
		d.program, "-f", "-Lo", "-I", "-smux", "-p", filepath.Join(d.dir, "pid")))
}

// v3Client asks as monitor and, in its SETs, as operator.
func v3Client(tb testing.TB) *client {
	tb.Helper()
	var held []snmp.Credential
	for name, user := range map[string]string{"public": monitorUser, "private": operatorUser, managerUser: managerUser} {
		held = append(held, snmp.Credential{Name: name, Version: snmp.V3, User: snmp.User{
			Name: user, Level: usm.AuthPriv, Auth: usm.SHA256, AuthPassphrase: snmp.Secret(authOf(user)),
			Priv: usm.AES128, PrivPassphrase: snmp.Secret(privOf(user)),
		}})
	}
	keys, err := snmp.NewKeyring(held...)
	if err != nil {
		tb.Fatal(err)
	}
	// An ILM that is slowed answers late.
	return clientWith(tb, keys, 600*time.Millisecond)
}

// snmpdTree is a tree whose members are subagents of an snmpd each.
type snmpdTree struct {
	*tree
	t       *testing.T
	snmpds  map[string]*snmpd // by member
	devices []*device
}

// plantUnderSnmpd makes a TLM, n nodes (n2 and up), an snmpd for each of them,
// and devices, which run already. All but the devices is SNMPv3, authPriv.
func plantUnderSnmpd(t *testing.T, n, devices int, poll time.Duration, top string) *snmpdTree {
	t.Helper()
	program := findSnmpd(t)
	// A unix socket's path has at most 107 octets, which t.TempDir may exceed.
	dir, err := os.MkdirTemp("", "simone")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	tr := &snmpdTree{t: t, snmpds: make(map[string]*snmpd), tree: &tree{
		tb: t, top: "tlm", dir: dir, client: v3Client(t), base: freeBlock(t, n+1+devices), poll: poll,
		members: make(map[string]*member), pauses: watchPauses(t), witnesses: make(witnesses),
	}}
	at := tr.base
	next := func() netip.AddrPort {
		defer func() { at = at.Next() }()
		return netip.AddrPortFrom(at, agentPort)
	}
	for i := range n + 1 {
		name, built := "tlm", "simone-tlm"
		if i > 0 {
			name, built = fmt.Sprintf("n%d", i+1), "simoned"
		}
		address := next()
		tr.snmpds[name] = newSnmpd(t, program, filepath.Join(dir, "snmpd-"+name), address)
		tr.members[name] = &member{
			name: name, address: address, program: daemon(t, built), log: new(logBuffer),
			args: []string{"-config", filepath.Join(dir, name+".yaml")},
		}
	}
	inventory := "nodes:\n"
	for i := range devices {
		d := &device{name: fmt.Sprintf("d%d", i+1), address: next()}
		d.start(t)
		tr.devices = append(tr.devices, d)
		tr.witnesses[d.name] = d
		inventory += fmt.Sprintf("  - {name: %s, address: %q, kind: device, profile: system, credential: device}\n", d.name, d.address)
	}
	for name := range tr.members {
		own := ""
		informs := netip.AddrPortFrom(tr.base, agentPort+1)
		if name == "tlm" {
			own = fmt.Sprintf("listen: %q\nusers: [{name: %s, notify: true, %s}]\npoll: %v\ntrigger: %v\n%s%s", informs, joinUser, yamlKeys(joinUser), poll, poll, top, inventory)
		} else {
			own = fmt.Sprintf("announce: {to: %q, credential: join, every: 1s}\n", informs)
		}
		writeFile(t, tr.members[name].args[1], tr.common(name)+own)
	}
	t.Cleanup(tr.harvest)
	t.Cleanup(func() {
		if t.Failed() {
			for name, d := range tr.snmpds {
				t.Logf("--- snmpd of %s\n%s", name, d.log)
			}
		}
	})
	return tr
}

// common is the configuration that each member has.
func (tr *snmpdTree) common(name string) string {
	d := tr.snmpds[name]
	text := fmt.Sprintf("name: %s\nfront_end: agentx\nadvertise: %q\nagentx: {master: %q}\nstate: %q\nmetric_period: 1s\ncredentials:\n",
		name, d.address, d.master(), filepath.Join(tr.dir, name))
	for _, c := range [][2]string{{"tree", managerUser}, {"join", joinUser}} {
		text += fmt.Sprintf("  - {name: %s, version: v3, user: %s, %s}\n", c[0], c[1], yamlKeys(c[1]))
	}
	return text + "  - {name: device, version: v2c, community: private}\n"
}

func yamlKeys(user string) string {
	return fmt.Sprintf("auth: {protocol: sha256, passphrase: %q}, priv: {protocol: aes128, passphrase: %q}", authOf(user), privOf(user))
}

func writeFile(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// startAll starts the snmpds, then the members.
func (tr *snmpdTree) startAll() {
	for _, m := range tr.sorted() {
		tr.snmpds[m.name].launch(tr.t)
	}
	tr.start()
}

// restartSnmpd kills an snmpd, starts it again, and waits until its subagent's
// objects are back.
func (tr *snmpdTree) restartSnmpd(name string) {
	tr.t.Helper()
	d := tr.snmpds[name]
	d.kill()
	d.launch(tr.t)
	eventually(tr.t, patience, "the objects of "+name+" are back", func() string {
		v, err := tr.client.get(d.address, mib.Instance(mib.SimoneNodeName))
		switch {
		case err != nil:
			return err.Error()
		case string(v[0].Bytes) != name:
			return fmt.Sprintf("its name is %v", v[0])
		}
		return ""
	})
}

// walk is net-snmp's snmpwalk through a member's snmpd, as monitor: a column
// by the last arc of its index.
func (tr *snmpdTree) walk(name string, column mib.OID) map[string]string {
	tr.t.Helper()
	out, err := tool(tr.t, "snmpwalk", "-v3", "-l", "authPriv", "-u", monitorUser, "-a", "SHA-256", "-A", authOf(monitorUser), "-x", "AES", "-X", privOf(monitorUser),
		"-r2", "-t1", "-Oqn", tr.members[name].address.String(), column.String())
	if err != nil {
		tr.t.Fatalf("snmpwalk of %s at %s: %v\n%s", mib.NameOf(column), name, err, out)
	}
	cells := make(map[string]string)
	for line := range strings.Lines(out) {
		oid, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(value, "No ") {
			continue
		}
		cells[oid[strings.LastIndexByte(oid, '.')+1:]] = strings.Trim(value, `"`)
	}
	return cells
}
