package ctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"simone/internal/snmp"
	"simone/internal/snmpdconf"
)

// snmpdFlags are those of snmpd-config.
type snmpdFlags struct {
	conf, persistentDir string
	socket, group       string
	members             map[snmpdconf.Role]*[]string // files of credentials
}

func newSnmpdConfigCommand(o *options) *cobra.Command {
	c := group(&cobra.Command{
		Use: "snmpd-config", Short: "write, check or remove what SIMONE needs of net-snmp's snmpd",
		Long: `Puts into snmpd.conf the lines by which simoned joins snmpd over AgentX, and the
views of SIMONE-MIB: monitors read, operators SET thresholds, drains and
triggers, managers SET rows and roles, join is for informs only. They stand in
one block between marks, which remove takes out again. The passphrases of users
go into snmpd's persistent file, where snmpd puts keys in their place.`,
	})
	f := &snmpdFlags{members: make(map[snmpdconf.Role]*[]string)}
	register := func(sub *cobra.Command) *cobra.Command {
		flags := sub.Flags()
		flags.SortFlags = false
		flags.StringVar(&f.conf, "conf", "/etc/snmp/snmpd.conf", "snmpd's configuration, `FILE`")
		flags.StringVar(&f.persistentDir, "persistent-dir", "/var/lib/snmp", "`DIRECTORY` of snmpd's persistent file")
		return sub
	}
	wants := func(sub *cobra.Command) *cobra.Command {
		register(sub)
		flags := sub.Flags()
		flags.StringVar(&f.socket, "agentx-socket", snmpdconf.DefaultSocket, "where simoned connects, `unix:PATH` or tcp:HOST:PORT")
		flags.StringVar(&f.group, "agentx-group", "", "`GROUP` that may connect besides root; that of simoned's user")
		for _, r := range snmpdconf.Roles() {
			if f.members[r] == nil {
				f.members[r] = new([]string)
			}
			flags.StringArrayVar(f.members[r], r.String(), nil, "`FILE` of keys new whose users get the role "+r.String()+"; may be given several times")
		}
		return sub
	}
	c.AddCommand(
		wants(&cobra.Command{
			Use: "write", Short: "write the lines, with a backup of what was there", Args: cobra.NoArgs,
			Long: `Writes the block, or in place of the one that is there; what stands outside of
it stays. The file as it was is kept beside it, as snmpd.conf.simone-1 and so on.
A second run with the same flags changes nothing.`,
			RunE: func(*cobra.Command, []string) error { return o.writeSnmpd(f) },
		}),
		wants(&cobra.Command{
			Use: "check", Short: "say of each line that is needed whether it is there", Args: cobra.NoArgs,
			Long: `Says of each line ok, missing or different, and what it is for, wherever in the
file, or in one that it includes (includeFile, includeDir), it stands; of a setting
that stands there twice snmpd takes the last. It exits with 1 unless every line is
ok.`,
			RunE: func(*cobra.Command, []string) error { return o.checkSnmpd(f) },
		}),
		register(&cobra.Command{
			Use: "remove", Short: "take the lines out again", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return o.removeSnmpd(f) },
		}),
	)
	return c
}

// config is what the flags ask for.
func (f *snmpdFlags) config() (*snmpdconf.Config, error) {
	c := &snmpdconf.Config{Socket: f.socket, Group: f.group}
	for _, r := range snmpdconf.Roles() {
		for _, file := range *f.members[r] {
			node, err := loadCredentials(file)
			if err != nil {
				return nil, usage("name a file of simonectl keys new", "--%v: %w", r, err)
			}
			found := false
			for i := range node.Credentials {
				k, err := credentialOf(&node.Credentials[i])
				if err != nil {
					return nil, err
				}
				if k.Version != snmp.V3 {
					continue
				}
				found = true
				c.Members = append(c.Members, snmpdconf.Member{Role: r, Account: snmpdconf.Account{
					Name: k.User.Name,
					Auth: k.User.Auth, AuthPassphrase: snmpdconf.Secret(k.User.AuthPassphrase),
					Priv: k.User.Priv, PrivPassphrase: snmpdconf.Secret(k.User.PrivPassphrase),
				}})
			}
			if !found {
				return nil, usage("name a file of simonectl keys new", "--%v: %s has no credential of version v3", r, file)
			}
		}
	}
	if err := c.Validate(); err != nil {
		return nil, usage("see simonectl snmpd-config write --help", "%w", err)
	}
	return c, nil
}

func (f *snmpdFlags) persistent() string { return filepath.Join(f.persistentDir, "snmpd.conf") }

// SnmpdWritten is what snmpd-config write or remove did.
type SnmpdWritten struct {
	Conf       string   `json:"conf"`
	Changed    bool     `json:"changed"`
	Backup     string   `json:"backup"` // of conf as it was; empty if it is as it was, or was not there
	Added      []string `json:"added"`
	Removed    []string `json:"removed"`
	Persistent string   `json:"persistent"`
	NewUsers   []string `json:"new_users"`   // whose passphrases were written
	KnownUsers []string `json:"known_users"` // whom snmpd knew before; their keys stay
}

func (o *options) writeSnmpd(f *snmpdFlags) error {
	c, err := f.config()
	if err != nil {
		return err
	}
	old, err := readOrEmpty(f.conf)
	if err != nil {
		return failed("are you root? --conf names another file", "read snmpd's configuration: %w", err)
	}
	text, err := snmpdconf.Put(old, c.Block())
	if err != nil {
		return markFailed(f.conf, err)
	}
	w := SnmpdWritten{Conf: f.conf, Persistent: f.persistent(), Added: []string{}, Removed: []string{}, NewUsers: []string{}, KnownUsers: []string{}}
	// The users first: a group of users without keys lets nobody in.
	var oldUsers, users string
	if len(c.Members) > 0 {
		if oldUsers, err = readOrEmpty(w.Persistent); err != nil {
			return failed("are you root? --persistent-dir names another directory", "read snmpd's persistent file: %w", err)
		}
		var known []string
		if users, known, err = c.PutUsers(oldUsers); err != nil {
			return markFailed(w.Persistent, err)
		}
		for _, m := range c.Members {
			if slices.Contains(known, m.Name) {
				w.KnownUsers = append(w.KnownUsers, m.Name)
			} else {
				w.NewUsers = append(w.NewUsers, m.Name)
			}
		}
		if users != oldUsers {
			if err := replaceFile(w.Persistent, users); err != nil {
				return failed("are you root? --persistent-dir names another directory", "write snmpd's persistent file: %w", err)
			}
		}
	}
	if err := o.changeSnmpd(&w, old, text); err != nil {
		return err
	}
	running := len(w.NewUsers) > 0 && o.snmpdRuns()
	if running {
		o.warn("an snmpd runs on this machine; it writes its persistent file anew when it stops, and %s would be forgotten: "+
			"stop it, run this again, and start it", strings.Join(w.NewUsers, ", "))
	}
	return o.show(w, func(p *page) {
		p.written(w)
		if len(w.NewUsers) > 0 {
			p.linef("the passphrases of %s are in %s, until snmpd starts and makes keys of them", strings.Join(w.NewUsers, ", "), w.Persistent)
		}
		if len(w.KnownUsers) > 0 {
			p.linef("snmpd knows %s already, and keeps the keys that it has; for others, stop it and take", strings.Join(w.KnownUsers, ", "))
			p.linef("the usmUser line out of %s", w.Persistent)
		}
		if w.Changed && !running {
			p.linef("start snmpd, or restart it; simonectl snmpd-config check says whether all is there")
		}
	})
}

func (o *options) removeSnmpd(f *snmpdFlags) error {
	w := SnmpdWritten{Conf: f.conf, Persistent: f.persistent(), Added: []string{}, Removed: []string{}, NewUsers: []string{}, KnownUsers: []string{}}
	old, err := os.ReadFile(f.conf)
	if err != nil {
		return failed("are you root? --conf names another file", "read snmpd's configuration: %w", err)
	}
	text, _, err := snmpdconf.Cut(string(old))
	if err != nil {
		return markFailed(f.conf, err)
	}
	members := snmpdconf.Members(string(old))
	for name := range snmpdconf.Members(text) {
		delete(members, name) // of a line that a person wrote
	}
	if err := o.changeSnmpd(&w, string(old), text); err != nil {
		return err
	}
	oldUsers, err := readOrEmpty(w.Persistent)
	if err != nil {
		return failed("are you root? --persistent-dir names another directory", "read snmpd's persistent file: %w", err)
	}
	users, found, err := snmpdconf.Cut(oldUsers)
	if err != nil {
		return markFailed(w.Persistent, err)
	}
	if found {
		if err := replaceFile(w.Persistent, users); err != nil {
			return failed("are you root? --persistent-dir names another directory", "write snmpd's persistent file: %w", err)
		}
	}
	known := snmpdconf.Known(users)
	for name := range members {
		if known[name] {
			w.KnownUsers = append(w.KnownUsers, name)
		}
	}
	slices.Sort(w.KnownUsers)
	return o.show(w, func(p *page) {
		p.written(w)
		if len(w.KnownUsers) > 0 {
			p.linef("snmpd still has keys of %s, who may do nothing now; to forget them, stop it and take", strings.Join(w.KnownUsers, ", "))
			p.linef("the usmUser lines out of %s", w.Persistent)
		}
		if w.Changed {
			p.linef("restart snmpd for it to take effect")
		}
	})
}

// changeSnmpd writes snmpd.conf with a backup, if it differs, and notes what
// changed.
func (o *options) changeSnmpd(w *SnmpdWritten, old, text string) error {
	if text == old {
		return nil
	}
	added, removed := snmpdconf.Diff(old, text)
	w.Added, w.Removed = append(w.Added, added...), append(w.Removed, removed...)
	var err error
	if w.Backup, err = backup(w.Conf); err != nil {
		return failed("are you root? nothing was changed", "keep %s as it was: %w", w.Conf, err)
	}
	if err := replaceFile(w.Conf, text); err != nil {
		return failed("are you root? --conf names another file", "write snmpd's configuration: %w", err)
	}
	w.Changed = true
	return nil
}

func (p *page) written(w SnmpdWritten) {
	if !w.Changed {
		p.linef("%s is as it should be", w.Conf)
		return
	}
	for _, l := range w.Removed {
		p.linef("%s", p.dye(red, "- "+l))
	}
	for _, l := range w.Added {
		p.linef("%s", p.dye(green, "+ "+l))
	}
	if w.Backup == "" {
		p.linef("wrote %s, which was not there", w.Conf)
	} else {
		p.linef("wrote %s; as it was it is in %s", w.Conf, w.Backup)
	}
}

// markFailed is the error of a block whose marks were taken apart.
func markFailed(file string, err error) error {
	return failed("nothing was changed", "%s: %w", file, err)
}

// readOrEmpty reads a file; one that is not there is empty.
func readOrEmpty(file string) (string, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// snmpdRuns reports whether an snmpd runs on this machine, as far as can be
// seen.
func (o *options) snmpdRuns() bool {
	names, err := filepath.Glob(filepath.Join(o.root, "/proc/[0-9]*/comm"))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(names, func(file string) bool {
		name, err := os.ReadFile(file)
		return err == nil && strings.TrimSpace(string(name)) == "snmpd"
	})
}

// SnmpdCheck is what snmpd-config check says of a line.
type SnmpdCheck struct {
	Line   string           `json:"line"`
	Status snmpdconf.Status `json:"status"`
	Have   string           `json:"have"` // what is there instead, when different
	At     int              `json:"at"`   // its line in the file, from 1; 0 if there is none
	File   string           `json:"file"` // that it stands in; empty for snmpd.conf itself
	Why    string           `json:"why"`
}

// disk is where snmpd's configuration is read from.
type disk struct{}

// ReadFile implements snmpdconf.Directory.
func (disk) ReadFile(name string) ([]byte, error) { return os.ReadFile(name) }

// Names implements snmpdconf.Directory.
func (disk) Names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func (o *options) checkSnmpd(f *snmpdFlags) error {
	c, err := f.config()
	if err != nil {
		return err
	}
	lines, problems, err := snmpdconf.Read(disk{}, f.conf)
	if err != nil {
		return failed("are you root? --conf names another file", "read snmpd's configuration: %w", err)
	}
	for _, p := range problems {
		fmt.Fprintln(o.stderr, "warning:", p)
	}
	checks := []SnmpdCheck{}
	for _, x := range c.Check(lines) {
		k := SnmpdCheck{Line: x.Line.Text, Status: x.Status, Have: x.Have, At: x.At, Why: x.Line.Why}
		if x.File != f.conf {
			k.File = x.File
		}
		checks = append(checks, k)
	}
	users, err := o.checkUsers(f, c, snmpdconf.Text(lines))
	if err != nil {
		return err
	}
	checks = append(checks, users...)
	bad := 0
	for _, k := range checks {
		if k.Status != snmpdconf.OK {
			bad++
		}
	}
	if err := o.show(checks, func(p *page) { p.snmpdChecks(checks) }); err != nil {
		return err
	}
	if bad > 0 {
		return failed("simonectl snmpd-config write adds them, then restart snmpd", "%d of %d lines are not as they should be in %s and %s",
			bad, len(checks), f.conf, f.persistent())
	}
	return nil
}

// checkUsers checks that snmpd has keys for all who are in a role.
func (o *options) checkUsers(f *snmpdFlags, c *snmpdconf.Config, conf string) ([]SnmpdCheck, error) {
	roles := snmpdconf.Members(conf)
	for _, m := range c.Members {
		roles[m.Name] = m.Role
	}
	if len(roles) == 0 {
		return nil, nil
	}
	text, err := readOrEmpty(f.persistent())
	if err != nil {
		return nil, failed("are you root? --persistent-dir names another directory", "read snmpd's persistent file: %w", err)
	}
	known, inConf := snmpdconf.Known(text), snmpdconf.Known(conf)
	var names []string
	for name := range roles {
		names = append(names, name)
	}
	slices.Sort(names)
	var checks []SnmpdCheck
	for _, name := range names {
		k := SnmpdCheck{Line: "createUser " + name, Status: snmpdconf.OK, Why: fmt.Sprintf("snmpd has keys of %s, whose role is %v", name, roles[name])}
		if !known[name] && !inConf[name] {
			k.Status = snmpdconf.Missing
		}
		checks = append(checks, k)
	}
	return checks, nil
}

// in names a file before a line; empty for the one that is looked at anyway.
func in(file string) string {
	if file == "" {
		return ""
	}
	return file + " "
}

func (p *page) snmpdChecks(checks []SnmpdCheck) {
	for _, k := range checks {
		tone := green
		if k.Status != snmpdconf.OK {
			tone = red
		}
		p.linef("%s  %s", p.dye(tone, fmt.Sprintf("%-9v", k.Status)), k.Line)
		if k.Have != "" {
			p.linef("%11sbut %sline %d says %s", "", in(k.File), k.At, k.Have)
		}
		p.linef("%11s%s", "", p.dye(faint, k.Why))
	}
}
