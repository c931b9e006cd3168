package ctl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"simone/agent/responder"
	"simone/internal/snmp"
	"simone/internal/snmp/usm"
)

const (
	authWord = "an authentic word"
	privWord = "a private word"
)

// noBoots is a store of an engine that starts once.
type noBoots struct{}

func (noBoots) Boots() (int32, error)  { return 0, nil }
func (noBoots) StoreBoots(int32) error { return nil }

// speakV3 has an agent answer SNMPv3 alone: to user operator, who may write,
// and to monitor, who may read.
func (a *agent) speakV3() *agent {
	a.t.Helper()
	id, err := snmp.EngineID([]byte(a.cfg.Listen))
	if err != nil {
		a.t.Fatal(err)
	}
	user := snmp.User{Name: "operator", Level: usm.AuthPriv, Auth: usm.SHA256, AuthPassphrase: authWord, Priv: usm.AES128, PrivPassphrase: privWord}
	monitor := user
	monitor.Name = "monitor"
	a.cfg.EngineID, a.cfg.Boots, a.cfg.Communities = id, noBoots{}, nil
	a.cfg.Users = []responder.User{{User: user, Write: &responder.View{}}, {User: monitor}}
	a.stop()
	a.restart()
	return a
}

// oneLine writes a file of one line.
func oneLine(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestAccess: every way to say who asks, and what goes before what.
func TestAccess(t *testing.T) {
	f := newFleet(t)
	f.tlm.speakV3()
	dir := t.TempDir()
	auth, priv := oneLine(t, dir, "a", authWord), oneLine(t, dir, "p", privWord)
	wrong := oneLine(t, dir, "w", "another word")
	short := oneLine(t, dir, "s", "short")
	yaml := oneLine(t, dir, "keys.yaml", `credentials:
  - {name: old, version: v2c, community: public}
  - {name: see, version: v3, user: monitor, auth: {passphrase_file: a}, priv: {passphrase_file: p}}
  - {name: do, version: v3, user: operator, auth: {passphrase_file: a}, priv: {passphrase_file: p}}`)
	tlmYAML := oneLine(t, dir, "tlm.yaml", `thresholds: {split: 20}
credentials:
  - {name: do, version: v3, user: operator, auth: {passphrase_file: a}, priv: {passphrase_file: p}}`)
	broken := oneLine(t, dir, "broken.yaml", "credentials:\n  - {nmae: x}")
	none := oneLine(t, dir, "none.yaml", "name: n1")
	env := map[string]string{envUser: "operator", envAuthPassphrase: authWord, envPrivFile: priv}
	files := " --auth-file " + auth + " --priv-file " + priv
	const get, set = " thresholds get", " thresholds set split=18"
	for _, c := range []struct {
		name string
		env  map[string]string
		args string
		code int
		says string // in the error
	}{
		{"Flags", nil, "-u operator" + files + set, ExitOK, ""},
		{"Environment", env, set, ExitOK, ""},
		{"FlagBeforeEnvironment", map[string]string{envUser: "nobody", envAuthFile: wrong, envPrivPassphrase: privWord}, "-u operator --auth-file " + auth + get, ExitOK, ""},
		{"File", nil, "--credentials " + yaml + " --credential see --write-credential do" + set, ExitOK, ""},
		{"FileOfTLM", nil, "--credentials " + tlmYAML + set, ExitOK, ""},
		{"FileInEnvironment", map[string]string{envCredentials: yaml, envCredential: "do", envUser: "nobody"}, set, ExitOK, ""},
		{"FirstOfFile", nil, "--credentials " + yaml + get, ExitUnreachable, "check the credentials in " + yaml},
		{"CommunityBeforeEnvironment", env, "-c public" + get, ExitUnreachable, "check --community"},
		{"MayNotWrite", nil, "-u monitor" + files + set, ExitFailed, `user "monitor" may not write it at level authPriv: check --user`},
		{"FileMayNotWrite", nil, "--credentials " + yaml + " --credential see" + set, ExitFailed, "check the credentials in " + yaml},
		{"UnknownUser", nil, "-u nobody" + files + get, ExitFailed, `check the user's name, --user (SIMONE_USER) and its keys, against users in that node's configuration`},
		{"WrongAuth", nil, "-u operator --auth-file " + wrong + " --priv-file " + priv + get, ExitFailed, "check the authentication passphrase and protocol (here sha256)"},
		{"WrongAuthProtocol", nil, "-u operator --auth sha512" + files + get, ExitFailed, "check the authentication passphrase and protocol (here sha512)"},
		{"WrongLevel", nil, "-u operator --level noAuthNoPriv" + get, ExitFailed, "level"},
		{"NoUser", nil, "--auth-file " + auth + get, ExitUsage, "give --user, or set SIMONE_USER"},
		{"NoPassphrase", nil, "-u operator --auth-file " + auth + get, ExitUsage, "give --priv-file, or set SIMONE_PRIV_FILE or SIMONE_PRIV_PASSPHRASE"},
		{"ShortPassphrase", nil, "-u operator --auth-file " + short + " --priv-file " + priv + get, ExitUsage, "fewer than 8 characters"},
		{"TwicePassphrase", map[string]string{envUser: "operator", envAuthFile: auth, envAuthPassphrase: authWord}, get, ExitUsage, "SIMONE_AUTH_FILE and SIMONE_AUTH_PASSPHRASE are set both"},
		{"NoProtocol", nil, "-u operator --auth sha3" + files + get, ExitUsage, `"sha3"; write sha256`},
		{"NoLevel", nil, "-u operator --level private" + files + get, ExitUsage, "write authPriv, authNoPriv or noAuthNoPriv"},
		{"KeyNotUsed", nil, "-u operator --level authNoPriv" + files + get, ExitUsage, "level authNoPriv goes without a key that is given"},
		{"TwoWays", nil, "-u operator -c public" + get, ExitUsage, "do not go together"},
		{"NoSuchCredential", nil, "--credentials " + yaml + " --credential tree" + get, ExitUsage, `has no credential "tree"` + "\n  it has old, see, do"},
		{"NoFile", nil, "--credential tree" + get, ExitUsage, "give --credentials"},
		{"BrokenFile", nil, "--credentials " + broken + get, ExitUsage, broken + ":2"},
		{"NoCredentials", nil, "--credentials " + none + get, ExitUsage, "has no credentials"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := map[string]string{envAddress: tlmAt}
			for k, v := range c.env {
				e[k] = v
			}
			r := simonectlIn(t, e, append([]string{"--timeout", "700ms", "--retries", "0"}, strings.Fields(c.args)...)...)
			if r.code != c.code {
				t.Fatalf("exit code %d, want %d: %v", r.code, c.code, r.err)
			}
			if r.err != nil && !strings.Contains(r.err.Error(), c.says) {
				t.Errorf("the error does not say %q:\n%v", c.says, r.err)
			}
			for _, secret := range []string{authWord, privWord, "another word"} {
				if strings.Contains(r.stdout+r.stderr, secret) || r.err != nil && strings.Contains(r.err.Error(), secret) {
					t.Errorf("it shows a secret: %v\n%s%s", r.err, r.stdout, r.stderr)
				}
			}
		})
	}
	t.Run("OpenFile", func(t *testing.T) {
		if err := os.Chmod(auth, 0o644); err != nil {
			t.Fatal(err)
		}
		if r := simonectl(t, strings.Fields("-u operator"+files+get)...); r.err != nil || !strings.Contains(r.stderr, "chmod 600 "+auth) {
			t.Errorf("%v: %s", r.err, r.stderr)
		}
	})
	t.Run("Help", func(t *testing.T) {
		r := simonectlIn(t, map[string]string{envAuthPassphrase: authWord, envPrivPassphrase: privWord}, "--help")
		if r.err != nil || strings.Contains(r.stdout, authWord) || strings.Contains(r.stdout, privWord) {
			t.Errorf("%v\n%s", r.err, r.stdout)
		}
	})
}

// TestWrongPriv: what cannot be decrypted is refused, or noise that gets no
// answer; either way the passphrase is what the error is about.
func TestWrongPriv(t *testing.T) {
	f := newFleet(t)
	f.tlm.speakV3()
	dir := t.TempDir()
	r := simonectl(t, "--timeout", "700ms", "--retries", "0", "-u", "operator",
		"--auth-file", oneLine(t, dir, "a", authWord), "--priv-file", oneLine(t, dir, "p", "another word"), "tree")
	if r.code == ExitOK || !strings.Contains(r.err.Error(), "privacy passphrase") {
		t.Errorf("%d: %v", r.code, r.err)
	}
}
