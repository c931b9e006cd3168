package ctl

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"simone/internal/config"
)

// secretsOf gives the passphrases that keys new made.
func secretsOf(t *testing.T, dir, name string) (auth, priv string) {
	t.Helper()
	read := func(ending string) string {
		text, err := os.ReadFile(filepath.Join(dir, name+ending))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(string(text), "\n")
	}
	return read(".auth"), read(".priv")
}

// TestKeysNew: what is made can be asked with, and its secrets stand in files
// of mode 600 and nowhere else.
func TestKeysNew(t *testing.T) {
	for name, umask := range map[string]int{"UsualMask": 0o022, "OpenMask": 0, "ClosedMask": 0o777} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			old := syscall.Umask(umask)
			r := simonectl(t, "keys", "new", "ops", "--dir", dir, "--user", "operator", "--auth", "SHA-512")
			syscall.Umask(old)
			if r.err != nil {
				t.Fatal(r.err)
			}
			for _, ending := range []string{".auth", ".priv", ".yaml", ".snmpd"} {
				info, err := os.Stat(filepath.Join(dir, "ops"+ending))
				if err != nil || info.Mode() != 0o600 {
					t.Errorf("%s: %v, %v", ending, info, err)
				}
			}
			auth, priv := secretsOf(t, dir, "ops")
			if auth == priv || len(auth) < 50 || len(priv) < 50 {
				t.Errorf("passphrases of %d and %d characters", len(auth), len(priv))
			}
			if strings.Contains(r.stdout+r.stderr, auth) || strings.Contains(r.stdout+r.stderr, priv) {
				t.Errorf("it shows a passphrase:\n%s", r.stdout)
			}
			for _, want := range []string{"user: operator", "sha512", "aes128", `createUser operator SHA-512 "<redacted>" AES "<redacted>"`, "rouser operator priv"} {
				if !strings.Contains(r.stdout, want) {
					t.Errorf("it does not say %q:\n%s", want, r.stdout)
				}
			}
			line, err := os.ReadFile(filepath.Join(dir, "ops.snmpd"))
			if want := fmt.Sprintf("createUser operator SHA-512 %q AES %q\n", auth, priv); err != nil || string(line) != want {
				t.Errorf("for snmpd: %v", err)
			}
			c, err := config.LoadNode(filepath.Join(dir, "ops.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Warnings) != 0 || len(c.Credentials) != 1 || len(c.Users) != 1 ||
				c.Credentials[0].Auth.Passphrase.Reveal() != auth || c.Users[0].Priv.Passphrase.Reveal() != priv {
				t.Errorf("%v: %+v %+v", c.Warnings, c.Credentials, c.Users)
			}
			again := simonectl(t, "keys", "new", "ops", "--dir", dir)
			if again.code != ExitFailed || !strings.Contains(again.err.Error(), "never written over") {
				t.Errorf("again: %v", again.err)
			}
			if a, p := secretsOf(t, dir, "ops"); a != auth || p != priv {
				t.Error("it has written over the keys")
			}
		})
	}
}

// TestKeysSnippets: what is printed to be copied loads as it stands.
func TestKeysSnippets(t *testing.T) {
	dir := t.TempDir()
	r := simonectl(t, "-o", "json", "keys", "new", "tree", "--dir", dir)
	var k MadeKeys
	if err := json.Unmarshal([]byte(r.stdout), &k); err != nil {
		t.Fatalf("%v: %v", r.err, err)
	}
	file := filepath.Join(t.TempDir(), "simoned.yaml")
	if err := os.WriteFile(file, []byte(k.CredentialYAML+k.UserYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadNode(file)
	if err != nil || len(c.Credentials) != 1 || len(c.Users) != 1 {
		t.Errorf("%v: %+v", err, c)
	}
}

func TestKeysNewRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ name, args, says string }{
		{"Path", "../x", `"../x" is no name for keys`},
		{"LongUser", "x --user " + strings.Repeat("u", 33), "32 at most"},
		{"Auth", "x --auth sha3", `"sha3"; write sha256`},
		{"Priv", "x --priv rot13", `"rot13"; write aes128`},
		{"Level", "x --level authNoPriv", "leave --level"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := simonectl(t, append([]string{"keys", "new", "--dir", dir}, strings.Fields(c.args)...)...)
			if r.code != ExitUsage || !strings.Contains(r.err.Error(), c.says) {
				t.Errorf("%d: %v", r.code, r.err)
			}
		})
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	t.Run("HalfThere", func(t *testing.T) {
		if err := os.WriteFile(filepath.Join(dir, "x.priv"), []byte("mine\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := simonectl(t, "keys", "new", "x", "--dir", dir); r.code != ExitFailed {
			t.Errorf("%d: %v", r.code, r.err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("left: %v, %v", left, err)
		}
	})
}

func TestKeysLs(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ops", "mon"} {
		if r := simonectl(t, "keys", "new", name, "--dir", dir); r.err != nil {
			t.Fatal(r.err)
		}
	}
	oneLine(t, dir, "old.auth", "left behind by hand")
	oneLine(t, dir, "site.yaml", "credentials:\n  - {name: switches, community: inside-word}")
	auth, priv := secretsOf(t, dir, "ops")
	r := simonectl(t, "keys", "ls", dir)
	if r.err != nil || r.stderr != "" {
		t.Fatalf("%v: %s", r.err, r.stderr)
	}
	golden(t, "keys_ls", strings.ReplaceAll(r.stdout, dir, "DIR"))
	if err := os.Chmod(filepath.Join(dir, "ops.priv"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"table", "json", "yaml"} {
		r := simonectl(t, "keys", "ls", filepath.Join(dir, "ops.yaml"), "-o", format)
		if r.err != nil || !strings.Contains(r.stderr, "chmod 600 "+dir+"/ops.priv") || !strings.Contains(r.stdout, "0644") {
			t.Errorf("%v: %s%s", r.err, r.stdout, r.stderr)
		}
		for _, secret := range []string{auth, priv, "inside-word", "left behind"} {
			if strings.Contains(r.stdout+r.stderr, secret) {
				t.Errorf("it shows a secret:\n%s", r.stdout)
			}
		}
	}
	t.Run("Unreadable", func(t *testing.T) {
		if err := os.Remove(filepath.Join(dir, "mon.auth")); err != nil {
			t.Fatal(err)
		}
		r := simonectl(t, "keys", "ls", dir)
		if r.code != ExitFailed || !strings.Contains(r.stderr, "mon.auth") || !strings.Contains(r.stdout, "ops.auth") {
			t.Errorf("%d: %v\n%s", r.code, r.err, r.stderr)
		}
	})
	if r := simonectl(t, "keys", "ls", filepath.Join(dir, "none")); r.code != ExitUsage {
		t.Errorf("nothing there: %d, %v", r.code, r.err)
	}
}
