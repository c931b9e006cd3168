package ctl

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"simone/internal/config"
)

// Key is a credential or a user in a configuration, without its secrets.
type Key struct {
	File    string       `json:"file"`
	Kind    string       `json:"kind"` // credential, user, community or createUser
	Name    string       `json:"name"`
	Version string       `json:"version"`
	User    string       `json:"user"`
	Level   string       `json:"level"`
	Auth    string       `json:"auth"`
	Priv    string       `json:"priv"`
	Secret  string       `json:"secret"` // <redacted>, or empty if there is none
	Files   []SecretFile `json:"secret_files"`
}

// SecretFile is a file that holds a secret.
type SecretFile struct {
	File  string `json:"file"`
	Mode  string `json:"mode"`  // as 0600
	Loose bool   `json:"loose"` // everybody on the machine may read it
}

const redacted = "<redacted>"

// listKeys is keys ls.
func (o *options) listKeys(place string) error {
	info, err := os.Stat(place)
	if err != nil {
		return usage("name a directory of keys new, or a configuration", "list keys: %w", err)
	}
	files, unread := []string{place}, 0
	if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(globEscape(place), "*.y*ml")); err != nil {
			return failed("", "list keys: %w", err)
		}
	}
	keys := []Key{}
	for _, file := range files {
		found, err := keysOf(file)
		switch {
		case err == nil:
			keys = append(keys, found...)
		case !info.IsDir():
			return failed("it is to be a file of keys new, or the configuration of a simoned or simone-tlm", "list keys: %w", err)
		default:
			unread++
			o.warn("%v", err)
		}
	}
	if info.IsDir() {
		if keys, err = withStrays(place, keys); err != nil {
			return failed("", "list keys: %w", err)
		}
	}
	if err := o.show(keys, func(p *page) { p.keys(keys) }); err != nil {
		return err
	}
	var warned []string
	for _, k := range keys {
		for _, f := range k.Files {
			if f.Loose && !slices.Contains(warned, f.File) {
				warned = append(warned, f.File)
				o.warn("everybody on this machine may read %s (mode %s); run chmod 600 %s", f.File, f.Mode, f.File)
			}
		}
	}
	if unread > 0 {
		return failed("the warnings say what is wrong", "%s could not be read", count(unread, "file"))
	}
	return nil
}

// globEscape makes a pattern that means a path itself.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// keysOf lists what a configuration holds.
func keysOf(file string) ([]Key, error) {
	node, err := loadCredentials(file)
	if err != nil {
		return nil, err
	}
	x := keyring{file: file}
	for i := range node.Credentials {
		c := &node.Credentials[i]
		k := Key{Kind: "credential", Name: c.Name, Version: c.Version, User: c.User}
		if c.Version != "v3" {
			x.secret(&k, c.CommunityFile, c.Community)
		}
		x.add(k, c.Version == "v3", &c.Security)
	}
	for i := range node.Users {
		u := &node.Users[i]
		x.add(Key{Kind: "user", Name: u.Name, Version: "v3", User: u.Name}, true, &u.Security)
	}
	for i := range node.Communities {
		c := &node.Communities[i]
		if c.Community.Reveal() == defaultCommunity {
			continue // no secret, and in every configuration that names none
		}
		k := Key{Kind: "community", Name: c.Name, Version: "v2c"}
		x.secret(&k, c.CommunityFile, c.Community)
		x.add(k, false, nil)
	}
	return x.keys, x.err
}

// keyring collects the keys of a file.
type keyring struct {
	file string
	keys []Key
	err  error // the first
}

func (x *keyring) add(k Key, v3 bool, s *config.Security) {
	k.File = x.file
	if v3 {
		level, auth, priv, err := s.USM()
		if err != nil && x.err == nil {
			x.err = err
		}
		k.Level, k.Auth, k.Priv = level.String(), auth.String(), priv.String()
		x.secret(&k, s.Auth.PassphraseFile, s.Auth.Passphrase)
		x.secret(&k, s.Priv.PassphraseFile, s.Priv.Passphrase)
	}
	if k.Files == nil {
		k.Files = []SecretFile{}
	}
	x.keys = append(x.keys, k)
}

// secret notes where a secret is kept: in a file of its own, or in the
// configuration.
func (x *keyring) secret(k *Key, file string, s config.Secret) {
	if s.IsZero() {
		return
	}
	k.Secret = redacted
	switch {
	case file == "":
		file = x.file
	case !filepath.IsAbs(file):
		file = filepath.Join(filepath.Dir(x.file), file)
	}
	f, err := secretFile(file)
	if err != nil && x.err == nil {
		x.err = err
	}
	if !slices.Contains(k.Files, f) {
		k.Files = append(k.Files, f)
	}
}

func secretFile(file string) (SecretFile, error) {
	info, err := os.Stat(file)
	if err != nil {
		return SecretFile{File: file}, fmt.Errorf("look at a secret: %w", err)
	}
	return SecretFile{File: file, Mode: fmt.Sprintf("%04o", info.Mode().Perm()), Loose: info.Mode().Perm()&0o004 != 0}, nil
}

// withStrays adds the files of secrets in a directory that no configuration
// there names.
func withStrays(dir string, keys []Key) ([]Key, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		ending := filepath.Ext(e.Name())
		file := filepath.Join(dir, e.Name())
		named := slices.ContainsFunc(keys, func(k Key) bool {
			return slices.ContainsFunc(k.Files, func(f SecretFile) bool { return f.File == file })
		})
		if named || !slices.Contains([]string{".auth", ".priv", ".snmpd"}, ending) {
			continue
		}
		f, err := secretFile(file)
		if err != nil {
			return nil, err
		}
		kind := "unused"
		if ending == ".snmpd" {
			kind = "createUser"
		}
		keys = append(keys, Key{File: file, Kind: kind, Name: strings.TrimSuffix(e.Name(), ending), Secret: redacted, Files: []SecretFile{f}})
	}
	return keys, nil
}

func (p *page) keys(keys []Key) {
	rows := make([][]cell, len(keys))
	for i, k := range keys {
		var files []string
		tone := plain
		for _, f := range k.Files {
			files = append(files, filepath.Base(f.File)+" "+f.Mode)
			if f.Loose {
				tone = red
			}
		}
		rows[i] = []cell{{text: k.Name}, {text: k.Kind}, {text: k.Version}, {text: k.User}, {text: k.Level}, {text: k.Auth}, {text: k.Priv},
			{text: k.Secret}, {strings.Join(files, ", "), tone}, {text: k.File}}
	}
	p.table([]string{"NAME", "KIND", "VERSION", "USER", "LEVEL", "AUTH", "PRIV", "SECRET", "MODES", "FILE"}, rows)
}
