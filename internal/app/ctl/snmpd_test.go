package ctl

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"simone/internal/snmpdconf"
)

// snmpdFiles is a directory with the files of an snmpd and keys for every
// role.
type snmpdFiles struct {
	t                     *testing.T
	dir, conf, persistent string
}

const shippedConf = `# as a distribution ships it
sysLocation Sitting on the Dock of the Bay
master  agentx
agentXTimeout 1
view   systemonly  included   .1.3.6.1.2.1.1
rocommunity  public default -V systemonly`

func newSnmpdFiles(t *testing.T, dir, conf string) *snmpdFiles {
	t.Helper()
	s := &snmpdFiles{t, dir, filepath.Join(dir, "conf", "snmpd.conf"), filepath.Join(dir, "var", "snmpd.conf")}
	for _, sub := range []string{"conf", "var", "var/cert_indexes"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(s.conf, []byte(conf), 0o640); err != nil {
		t.Fatal(err)
	}
	for _, r := range snmpdconf.Roles() {
		if r := simonectl(t, "keys", "new", r.String(), "--dir", s.keys()); r.err != nil {
			t.Fatal(r.err)
		}
	}
	return s
}

func (s *snmpdFiles) keys() string { return filepath.Join(s.dir, "keys") }

func (s *snmpdFiles) yaml(role string) string { return filepath.Join(s.keys(), role+".yaml") }

// run runs a command of snmpd-config; write and check with all roles.
func (s *snmpdFiles) run(command string, more ...string) result {
	s.t.Helper()
	args := append([]string{"snmpd-config", command, "--conf", s.conf, "--persistent-dir", filepath.Dir(s.persistent)}, more...)
	if command != "remove" {
		args = append(args, "--agentx-socket", "unix:"+filepath.Join(s.dir, "master"))
		for _, r := range snmpdconf.Roles() {
			args = append(args, "--"+r.String(), s.yaml(r.String()))
		}
	}
	return simonectl(s.t, args...)
}

// read reads a file; "" if it is not there.
func (s *snmpdFiles) read(file string) string {
	s.t.Helper()
	text, err := readOrEmpty(file)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// secretless fails if a text has one of the passphrases, and gives the text
// with the directory's name out of it.
func (s *snmpdFiles) secretless(text string) string {
	s.t.Helper()
	for _, r := range snmpdconf.Roles() {
		for _, secret := range func() []string { a, p := secretsOf(s.t, s.keys(), r.String()); return []string{a, p} }() {
			if strings.Contains(text, secret) {
				s.t.Errorf("it shows a passphrase of %v:\n%s", r, text)
			}
		}
	}
	return strings.ReplaceAll(text, s.dir, "DIR")
}

// TestSnmpdConfig: what is written is found, a second time nothing changes,
// and remove leaves what was there.
func TestSnmpdConfig(t *testing.T) {
	s := newSnmpdFiles(t, t.TempDir(), shippedConf)
	before := s.run("check")
	if before.code != ExitFailed || !strings.Contains(before.err.Error(), "simonectl snmpd-config write adds them") {
		t.Errorf("before: %d, %v", before.code, before.err)
	}
	golden(t, "snmpd_check_before", s.secretless(before.stdout))

	wrote := s.run("write")
	if wrote.err != nil || wrote.stderr != "" {
		t.Fatalf("%v: %s", wrote.err, wrote.stderr)
	}
	golden(t, "snmpd_write", s.secretless(wrote.stdout))
	golden(t, "snmpd_conf", s.secretless(s.read(s.conf)))
	if kept := s.read(s.conf + ".simone-1"); kept != shippedConf {
		t.Errorf("the backup: %q", kept)
	}
	for file, want := range map[string]os.FileMode{s.conf: 0o640, s.conf + ".simone-1": 0o640, s.persistent: 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want mode %v", file, info, err, want)
		}
	}
	auth, priv := secretsOf(t, s.keys(), "manager")
	if users := s.read(s.persistent); !strings.Contains(users, `createUser manager SHA-256 "`+auth+`" AES "`+priv+`"`+"\n") {
		t.Error("the manager is not in the persistent file")
	}

	conf, users := s.read(s.conf), s.read(s.persistent)
	again := s.run("write")
	if again.err != nil || s.read(s.conf) != conf || s.read(s.persistent) != users || !strings.Contains(again.stdout, "is as it should be") {
		t.Errorf("again: %v\n%s", again.err, again.stdout)
	}
	if _, err := os.Stat(s.conf + ".simone-2"); err == nil {
		t.Error("a backup without a change")
	}
	after := s.run("check")
	if after.err != nil {
		t.Errorf("after: %v\n%s", after.err, after.stdout)
	}
	golden(t, "snmpd_check_after", s.secretless(after.stdout))

	// What an operator adds around the block stays.
	if err := os.WriteFile(s.conf, []byte(conf+"sysName x\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	removed := s.run("remove")
	if removed.err != nil {
		t.Fatal(removed.err)
	}
	if got := s.read(s.conf); got != shippedConf+"\nsysName x\n" {
		t.Errorf("after remove:\n%s", got)
	}
	if got := s.read(s.persistent); got != "" {
		t.Errorf("users after remove: %s", s.secretless(got))
	}
	if again := s.run("remove"); again.err != nil || !strings.Contains(again.stdout, "is as it should be") {
		t.Errorf("removed twice: %v\n%s", again.err, again.stdout)
	}
	left, err := os.ReadDir(filepath.Dir(s.conf))
	if err != nil || len(left) != 3 { // snmpd.conf and two backups
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestSnmpdConfigRoundTrip: remove gives back the very octets.
func TestSnmpdConfigRoundTrip(t *testing.T) {
	for name, text := range map[string]string{"NoLineBreak": shippedConf, "LineBreak": shippedConf + "\n", "Empty": "", "CRLF": "master agentx\r\n"} {
		t.Run(name, func(t *testing.T) {
			s := newSnmpdFiles(t, t.TempDir(), text)
			for _, command := range []string{"write", "write", "remove"} {
				if r := s.run(command); r.err != nil {
					t.Fatal(r.err)
				}
			}
			if got := s.read(s.conf); got != text {
				t.Errorf("%q, want %q", got, text)
			}
		})
	}
}

func TestSnmpdConfigNew(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "snmpd.conf")
	r := simonectl(t, "snmpd-config", "write", "--conf", file, "-o", "json")
	var w SnmpdWritten
	if err := json.Unmarshal([]byte(r.stdout), &w); err != nil || r.err != nil || !w.Changed || w.Backup != "" || len(w.Added) == 0 {
		t.Errorf("%v, %v: %+v", r.err, err, w)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if r := simonectl(t, "snmpd-config", "check", "--conf", file); r.err != nil {
		t.Errorf("%v\n%s", r.err, r.stdout)
	}
	t.Run("Link", func(t *testing.T) {
		link := filepath.Join(dir, "link.conf")
		if err := os.Symlink(file, link); err != nil {
			t.Fatal(err)
		}
		if r := simonectl(t, "snmpd-config", "remove", "--conf", link, "--persistent-dir", dir+"/none"); r.err != nil {
			t.Fatal(r.err)
		}
		if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%v, %v", info, err)
		}
	})
}

func TestSnmpdConfigFailures(t *testing.T) {
	s := newSnmpdFiles(t, t.TempDir(), shippedConf)
	community := oneLine(t, s.dir, "c.yaml", "credentials:\n  - {name: x, community: some-word}")
	weak := oneLine(t, s.dir, "w.yaml", "credentials:\n  - {name: x, version: v3, user: x, level: authNoPriv, auth: {passphrase_file: keys/join.auth}}")
	torn := oneLine(t, s.dir, "torn.conf", "# END simone")
	for _, c := range []struct {
		name, args string
		code       int
		says       string
	}{
		{"NoKeys", "write --monitor " + s.dir + "/none", ExitUsage, "--monitor: read configuration"},
		{"Community", "write --monitor " + community, ExitUsage, "has no credential of version v3"},
		{"Weak", "write --monitor " + weak, ExitUsage, "authPriv only"},
		{"TwoRoles", "write --monitor " + s.yaml("join") + " --manager " + s.yaml("join"), ExitUsage, `user "join" has the roles monitor and manager`},
		{"Socket", "write --agentx-socket master", ExitUsage, "write unix:/path or tcp:host:port"},
		{"Torn", "write --conf " + torn, ExitFailed, "torn.conf: line 1: a block of simone ends that has not begun"},
		{"TornRemove", "remove --conf " + torn, ExitFailed, "line 1"},
		{"NothingToCheck", "check --conf " + s.dir + "/none", ExitFailed, "are you root?"},
		{"NothingToRemove", "remove --conf " + s.dir + "/none", ExitFailed, "are you root?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"snmpd-config"}
			if !strings.Contains(c.args, "--conf") {
				c.args += " --conf " + s.conf
			}
			r := simonectl(t, append(args, strings.Fields(c.args+" --persistent-dir "+s.dir)...)...)
			if r.code != c.code || !strings.Contains(r.err.Error(), c.says) {
				t.Errorf("%d: %v", r.code, r.err)
			}
		})
	}
	if got := s.read(s.conf); got != shippedConf {
		t.Errorf("it was changed:\n%s", got)
	}
}

// TestSnmpdConfigWhileItRuns: what is written into the persistent file of an
// snmpd that runs is lost when it stops, so it is warned of.
func TestSnmpdConfigWhileItRuns(t *testing.T) {
	s := newSnmpdFiles(t, t.TempDir(), shippedConf)
	for _, c := range []struct {
		name, process string
		members       []string
		warned        bool
	}{
		{"WithoutUsers", "snmpd", nil, false},
		{"OtherProcess", "snmptrapd", []string{"--monitor", s.yaml("monitor")}, false},
		{"Users", "snmpd", []string{"--operator", s.yaml("operator")}, true},
		{"UsersAgain", "snmpd", []string{"--operator", s.yaml("operator")}, true}, // not taken over yet
	} {
		t.Run(c.name, func(t *testing.T) {
			o, _, stderr := surroundings(nil)
			o.root = t.TempDir()
			process := filepath.Join(o.root, "proc", "4711")
			if err := os.MkdirAll(process, 0o755); err != nil {
				t.Fatal(err)
			}
			oneLine(t, process, "comm", c.process)
			args := append([]string{"snmpd-config", "write", "--conf", s.conf, "--persistent-dir", filepath.Dir(s.persistent)}, c.members...)
			if err := run(t.Context(), o, args); err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(stderr.String(), "stop it, run this again, and start it"); got != c.warned {
				t.Errorf("warned %v: %s", got, stderr)
			}
		})
	}
}

// What snmpd.conf includes counts as if it stood there, as it does for snmpd.
func TestSnmpdConfigFollowsIncludes(t *testing.T) {
	s := newSnmpdFiles(t, t.TempDir(), shippedConf)
	if r := s.run("write"); r.err != nil {
		t.Fatal(r.err)
	}
	written, err := os.ReadFile(s.conf)
	if err != nil {
		t.Fatal(err)
	}
	more := filepath.Join(s.dir, "conf", "snmpd.conf.d")
	for name, text := range map[string]string{s.conf: shippedConf + "\nincludeDir " + more + "\n", filepath.Join(more, "simone.conf"): string(written)} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if r := s.run("check"); r.err != nil {
		t.Errorf("the lines stand in an included file: %v\n%s", r.err, r.stdout)
	}
	late := filepath.Join(more, "z.conf")
	if err := os.WriteFile(late, []byte("master off\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if r := s.run("check"); r.code != ExitFailed || !strings.Contains(r.stdout, "but "+late+" line 1 says master off") {
		t.Errorf("a later file says otherwise: %v\n%s", r.err, r.stdout)
	}
	if err := os.Remove(late); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.conf, []byte("includeFile gone.conf\nincludeDir "+more+"\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if r := s.run("check"); r.err != nil || !strings.Contains(r.stderr, "line 1: what is included cannot be read") {
		t.Errorf("an included file that is not there is told: %v %q", r.err, r.stderr)
	}
}
