package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"simone/sim/scenario"
)

// LoadNode reads simoned's configuration from a file, or the defaults if path
// is empty, with overrides from the command line on top.
func LoadNode(path string, overrides ...Override) (*Node, error) {
	c := DefaultNode()
	if err := load(path, c, overrides); err != nil {
		return nil, err
	}
	return c, nil
}

// LoadTLM reads simone-tlm's configuration as LoadNode does.
func LoadTLM(path string, overrides ...Override) (*TLM, error) {
	c := DefaultTLM()
	if err := load(path, c, overrides); err != nil {
		return nil, err
	}
	return c, nil
}

// LoadDemo reads the demo's configuration as LoadNode does.
func LoadDemo(path string, overrides ...Override) (*Demo, error) {
	c := DefaultDemo()
	if err := load(path, c, overrides); err != nil {
		return nil, err
	}
	return c, nil
}

// LoadSim reads a scenario of the simulator as LoadNode does.
func LoadSim(path string, overrides ...Override) (*Sim, error) {
	c := &Sim{*scenario.Default()}
	if err := load(path, c, overrides); err != nil {
		return nil, err
	}
	return c, nil
}

// Override is one key set on the command line.
type Override struct {
	Key   string // as thresholds.split; not inside lists
	Value string // a scalar as it is; a list or more as YAML in one line
}

// ParseOverride reads key=value.
func ParseOverride(s string) (Override, error) {
	key, value, ok := strings.Cut(s, "=")
	if !ok || key == "" {
		return Override{}, fmt.Errorf("%q is not of the form key=value, as thresholds.split=20", s)
	}
	return Override{key, value}, nil
}

// target is a configuration that load can fill.
type target interface {
	// finish fills in what is not in the file itself: secrets from files
	// relative to dir, names from the system; mode is that of the file.
	finish(dir string, mode fs.FileMode) Problems
	problems() Problems
}

func load(path string, c target, overrides []Override) error {
	d := &decoder{file: "defaults", root: reflect.TypeOf(c).Elem(), at: make(map[string]Problem)}
	dir, mode := ".", fs.FileMode(0)
	if path != "" {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read configuration: %w: check the path (of a daemon: --config; without it the defaults hold); configs/ has examples to start from", err)
		}
		if err != nil {
			return fmt.Errorf("read configuration: %w", err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read configuration: %w", err)
		}
		dir, mode = filepath.Dir(path), info.Mode()
		d = decode(path, data, c)
	}
	for _, o := range overrides {
		d.override(o, reflect.ValueOf(c).Elem())
	}
	if len(d.problems) > 0 {
		// What could not be read has no value to judge.
		return d.problems.err()
	}
	d.placed(c.finish(dir, mode))
	if len(d.problems) == 0 {
		d.placed(c.problems())
	}
	return d.problems.err()
}

var overrideKey = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)*$`)

// override sets one key in v as if it stood in the file.
func (d *decoder) override(o Override, v reflect.Value) {
	label := "--set " + o.Key
	refuse := func(format string, args ...any) {
		d.problems = append(d.problems, Problem{File: label, Text: fmt.Sprintf(format, args...)})
	}
	if !overrideKey.MatchString(o.Key) || strings.ContainsAny(o.Value, "\r\n") {
		refuse("write key=value in one line, as thresholds.split=20")
		return
	}
	var at string
	words := strings.Split(o.Key, ".")
	for _, word := range words {
		if v.Kind() != reflect.Struct {
			refuse("%s has no keys below it that could be set here", at)
			return
		}
		fields := fieldsOf(v.Type())
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == word })
		if i < 0 {
			refuse("there is no key %q; %s", join(at, word), d.remedy(word, at, fields))
			return
		}
		v = v.FieldByIndex(fields[i].index)
		at = join(at, word)
	}
	text := o.Value
	if _, ok := textDecoderOf(v); ok || v.Kind() == reflect.String {
		// The shell took the quotes away; what is left is text as it stands.
		text = "'" + strings.ReplaceAll(text, "'", "''") + "'"
	} else if strings.TrimSpace(text) == "" {
		refuse("there is nothing behind the =; write key=value, as thresholds.split=20")
		return
	}
	one := decode(label, []byte(text), v.Addr().Interface())
	for _, p := range one.problems {
		d.problems = append(d.problems, Problem{File: label, Key: p.Key, Text: p.Text})
	}
	for key := range one.at {
		d.at[join(at, key)] = Problem{File: label}
	}
}

// loosePermissions says that others on the machine may read a file with a
// secret in it.
func loosePermissions(file string, mode fs.FileMode) string {
	return fmt.Sprintf("%s holds a secret and everybody on this machine may read it (mode %04o); run chmod 600 %s", file, mode.Perm(), file)
}

// wellKnown are the communities that everybody tries first: no secrets.
var wellKnown = []string{"public", "private"}

func (n *Node) finish(dir string, mode fs.FileMode) (ps Problems) {
	if n.Name == "" {
		name, err := os.Hostname()
		if err != nil {
			ps.add("name", "it is empty and the host's name cannot be had (%v); write one", err)
		}
		n.Name = name
	}
	held, warnings, wrong := n.Profiles.load(dir)
	n.held, n.Warnings = held, append(n.Warnings, warnings...)
	ps.under("profiles", wrong)
	inline := false
	for i := range n.Credentials {
		c := &n.Credentials[i]
		key := fmt.Sprintf("credentials[%d]", i)
		ps.under(key, n.readSecret(dir, "community", c.CommunityFile, &c.Community, &inline))
		ps.under(key, n.readKeys(dir, &c.Security, &inline))
	}
	for i := range n.Communities {
		c := &n.Communities[i]
		if c.Name == "" {
			c.Name = strconv.Itoa(i + 1)
		}
		key := fmt.Sprintf("communities[%d]", i)
		ps.under(key, n.readSecret(dir, "community", c.CommunityFile, &c.Community, &inline))
		if len(c.Write) > 0 && slices.Contains(wellKnown, c.Community.Reveal()) && slices.ContainsFunc(c.Sources, beyondLoopback) {
			n.Warnings = append(n.Warnings, fmt.Sprintf("%s: %q may write and is accepted from other machines, where everybody tries it first; choose a community of your own", key, c.Community.Reveal()))
		}
	}
	for i := range n.Users {
		u := &n.Users[i]
		key := fmt.Sprintf("users[%d]", i)
		ps.under(key, n.readKeys(dir, &u.Security, &inline))
		if len(u.Write) > 0 && strings.EqualFold(u.Level, "noAuthNoPriv") && slices.ContainsFunc(u.Sources, beyondLoopback) {
			n.Warnings = append(n.Warnings, fmt.Sprintf("%s: user %q may write without proving who it is, and is accepted from other machines; write level: authPriv", key, u.Name))
		}
	}
	if inline && mode.Perm()&0o004 != 0 {
		n.Warnings = append(n.Warnings, loosePermissions("the configuration", mode))
	}
	return ps
}

func beyondLoopback(source string) bool {
	p, err := netip.ParsePrefix(source)
	return err == nil && !p.Addr().IsLoopback()
}

// readKeys reads the files of a user's passphrases.
func (n *Node) readKeys(dir string, s *Security, inline *bool) (ps Problems) {
	ps.under("auth", n.readSecret(dir, "passphrase", s.Auth.PassphraseFile, &s.Auth.Passphrase, inline))
	ps.under("priv", n.readSecret(dir, "passphrase", s.Priv.PassphraseFile, &s.Priv.Passphrase, inline))
	return ps
}

// readSecret reads a secret's file, and notes whether one that is worth
// keeping stands in the configuration itself. kind is what it is called.
func (n *Node) readSecret(dir, kind, file string, s *Secret, inline *bool) (ps Problems) {
	if file == "" {
		*inline = *inline || !s.IsZero() && !slices.Contains(wellKnown, s.Reveal())
		return nil
	}
	if !s.IsZero() {
		ps.add(kind+"_file", "%s is given too; keep one of the two", kind)
		return ps
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	info, err := os.Stat(file)
	var data []byte
	if err == nil {
		data, err = os.ReadFile(file)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		ps.add(kind+"_file", "there is no file %s; make it with the %s in it, mode 600", file, kind)
		return ps
	case err != nil:
		ps.add(kind+"_file", "%v; let the user that runs this read it", err)
		return ps
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" || strings.ContainsAny(text, "\r\n") {
		ps.add(kind+"_file", "%s has to hold the %s in one line and nothing else", file, kind)
		return ps
	}
	if info.Mode().Perm()&0o004 != 0 {
		n.Warnings = append(n.Warnings, loosePermissions(file, info.Mode()))
	}
	*s = NewSecret(text)
	return nil
}
