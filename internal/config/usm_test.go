package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"simone/internal/snmp/usm"
)

const v3Text = `
credentials:
  - name: tree
    version: v3
    user: manager
    auth: {protocol: SHA-512, passphrase_file: auth.secret}
    priv: {protocol: aes256, passphrase: privacy please}
  - name: ups
    version: v3
    user: old
    level: authNoPriv
    auth: {protocol: md5, passphrase: not so good}
users:
  - name: manager
    auth: {passphrase: authentic words}
    priv: {passphrase: private words}
    sources: [10.0.0.0/8]
    read: [1.3.6.1]
    write: [simoneMIB]
    hide: [1.3.6.1.6.3]
    notify: true
  - name: guest
    level: noAuthNoPriv
`

func TestLoadV3(t *testing.T) {
	path := mustWrite(t, "simoned.yaml", v3Text)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "auth.secret"), []byte("authentication\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadNode(path)
	if err != nil {
		t.Fatal(err)
	}
	noWarnings(t, c)
	for _, tt := range []struct {
		name           string
		s              *Security
		level          usm.Level
		auth           usm.Auth
		authPassphrase string
		priv           usm.Priv
		privPassphrase string
	}{
		{"tree", &c.Credentials[0].Security, usm.AuthPriv, usm.SHA512, "authentication", usm.AES256, "privacy please"},
		{"ups", &c.Credentials[1].Security, usm.AuthNoPriv, usm.MD5, "not so good", usm.NoPriv, ""},
		{"manager", &c.Users[0].Security, usm.AuthPriv, usm.SHA256, "authentic words", usm.AES128, "private words"},
		{"guest", &c.Users[1].Security, usm.NoAuthNoPriv, usm.NoAuth, "", usm.NoPriv, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			level, auth, priv, err := tt.s.USM()
			if err != nil || level != tt.level || auth != tt.auth || priv != tt.priv ||
				tt.s.Auth.Passphrase.Reveal() != tt.authPassphrase || tt.s.Priv.Passphrase.Reveal() != tt.privPassphrase {
				t.Errorf("%v %v %v, error %v", level, auth, priv, err)
			}
		})
	}
	v, err := c.Users[0].View()
	if err != nil || len(v.Sources) != 1 || len(v.Read) != 1 || len(v.Write) != 1 || len(v.Hide) != 1 || !c.Users[0].Notify {
		t.Errorf("%+v, error %v", v, err)
	}
	if guest := c.Users[1]; !reflect.DeepEqual(guest.Sources, []string{"127.0.0.0/8", "::1/128"}) || !reflect.DeepEqual(guest.Read, []string{"1"}) || guest.Write != nil {
		t.Errorf("by default a user may %+v", guest)
	}

	next, err := LoadNode(path, Override{"name", "other"})
	if err != nil {
		t.Fatal(err)
	}
	next.Credentials[0].Auth.Passphrase = NewSecret("another one")
	next.Users[0].Notify = false
	now, restart := Changes(c, next)
	if !reflect.DeepEqual(now, []string{"credentials"}) || !reflect.DeepEqual(restart, []string{"name", "users"}) {
		t.Errorf("changes %v and %v", now, restart)
	}
}

func TestWarningsV3(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       string // empty: none
	}{
		{"a passphrase for everybody", "users: [{name: a, level: authNoPriv, auth: {passphrase: hunter22}}]", 0o644, "everybody on this machine may read it (mode 0644)"},
		{"a passphrase in a private file", "users: [{name: a, level: authNoPriv, auth: {passphrase: hunter22}}]", 0o600, ""},
		{"anybody may write from afar", "users: [{name: a, level: noAuthNoPriv, write: ['1.3'], sources: [10.0.0.0/8]}]", 0o600, "without proving who it is"},
		{"anybody may write from here", "users: [{name: a, level: noAuthNoPriv, write: ['1.3']}]", 0o600, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := mustWrite(t, "n.yaml", tt.text)
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			c, err := LoadNode(path)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(c.Warnings, "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) || strings.Contains(got, "hunter22") {
				t.Errorf("warnings %q, want %q", got, tt.want)
			}
		})
	}
}
