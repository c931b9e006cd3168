package ctl

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"simone/internal/snmp"
	"simone/internal/snmp/usm"
	"simone/internal/snmpdconf"
	"simone/mib"
)

const moduleFile = mib.Module + ".txt"

func newMIBCommand(o *options) *cobra.Command {
	c := group(&cobra.Command{Use: "mib", Short: "print or install SIMONE-MIB, for snmpwalk by name"})
	dir := ""
	install := &cobra.Command{
		Use: "install", Short: "write " + moduleFile + " into a directory of MIBs", Args: cobra.NoArgs,
		Long: `Writes ` + moduleFile + ` into a directory where the net-snmp tools find it, by
default ~/.snmp/mibs, and says how to use it. It imports SNMPv2-SMI, SNMPv2-TC
and SNMPv2-CONF, which Debian does not ship; make mibs brings them.`,
		RunE: func(*cobra.Command, []string) error {
			if dir == "" {
				home, err := os.UserHomeDir()
				if err != nil {
					return usage("give --dir", "there is no home directory to install into: %w", err)
				}
				dir = filepath.Join(home, ".snmp", "mibs")
			}
			return o.install(dir)
		},
	}
	install.Flags().StringVar(&dir, "dir", "", "into this `DIRECTORY` (else ~/.snmp/mibs)")
	c.AddCommand(
		&cobra.Command{
			Use: "print", Short: "print SIMONE-MIB", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return o.print(mib.ModuleText()) },
		},
		install,
	)
	return c
}

// Installed is what mib install did.
type Installed struct {
	File    string   `json:"file"`
	Missing []string `json:"missing_modules"` // base modules that were not found
	Usage   string   `json:"usage"`
}

// install writes the module by way of a temporary file, so that no tool reads
// half of it.
func (o *options) install(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return failed("give another --dir", "make the directory: %w", err)
	}
	file := filepath.Join(dir, moduleFile)
	temporary := file + ".new"
	if err := os.WriteFile(temporary, []byte(mib.ModuleText()), 0o644); err != nil {
		return failed("give another --dir", "write the module: %w", err)
	}
	if err := os.Rename(temporary, file); err != nil {
		_ = os.Remove(temporary) // the first error counts
		return failed("give another --dir", "write the module: %w", err)
	}
	dirs := append([]string{dir}, o.mibDirs()...)
	d := Installed{File: file, Missing: o.missing(dirs, baseModules()), Usage: o.walkByName(dir)}
	return o.show(d, func(p *page) {
		p.linef("wrote %s", d.File)
		p.linef("use it: %s", d.Usage)
		if len(d.Missing) > 0 {
			p.linef("%s", p.dye(yellow, "but it imports what was not found: "+strings.Join(d.Missing, ", ")))
			p.linef("  %s", installBase)
		}
	})
}

// installBase says how to come by the base modules.
const installBase = "make mibs, in SIMONE's source, puts them into mib/base; add that directory with -M"

// walkByName is a command that walks a node by names.
func (o *options) walkByName(dir string) string {
	address := o.address
	if address == "" {
		address = o.getenv(envAddress)
	}
	if address == "" {
		address = defaultAddress
	}
	return fmt.Sprintf("snmpwalk %s -M +%s -m %s %s %s::simoneNode", o.toolFlags(), dir, mib.Module, withPort(address), mib.Module)
}

// toolFlags are what tells net-snmp's tools who asks, without secrets.
func (o *options) toolFlags() string {
	if w, err := o.way(); err != nil || w == byCommunity {
		return "-v 2c -c COMMUNITY"
	}
	a, err := o.access()
	if err != nil || a.read.Version != snmp.V3 {
		return "-v 3 -u USER -l authPriv -a SHA-256 -A PASSPHRASE -x AES -X PASSPHRASE"
	}
	u := a.read.User
	flags := fmt.Sprintf("-v 3 -u %s -l %v", u.Name, u.Level)
	if u.Auth != usm.NoAuth {
		flags += " -a " + snmpdconf.AuthName(u.Auth) + " -A PASSPHRASE"
	}
	if u.Priv != usm.NoPriv {
		flags += " -x " + snmpdconf.PrivName(u.Priv) + " -X PASSPHRASE"
	}
	return flags
}

// baseModules are those that SIMONE-MIB imports.
func baseModules() []string { return []string{"SNMPv2-SMI", "SNMPv2-TC", "SNMPv2-CONF"} }

// mibDirs are the directories where the net-snmp tools look for MIBs
// (snmp.conf(5), mibdirs), and where make mibs puts them.
func (o *options) mibDirs() []string {
	var dirs []string
	if set := o.getenv("MIBDIRS"); set != "" {
		dirs = strings.Split(strings.TrimLeft(set, "+-"), string(os.PathListSeparator))
		if set[0] != '+' && set[0] != '-' {
			return dirs
		}
	}
	if home := o.getenv("HOME"); home != "" {
		dirs = append(dirs, filepath.Join(home, ".snmp", "mibs"))
	}
	const shared = "/usr/share/snmp/mibs"
	for _, d := range []string{shared, shared + "/iana", shared + "/ietf", "/usr/local/share/snmp/mibs"} {
		dirs = append(dirs, o.root+d)
	}
	return dirs
}

// missing lists the modules that none of the directories has.
func (o *options) missing(dirs, modules []string) []string {
	missing := []string{}
	for _, m := range modules {
		has := func(dir string) bool {
			return slices.ContainsFunc([]string{"", ".txt", ".mib", ".my"}, func(ending string) bool {
				info, err := os.Stat(filepath.Join(dir, m+ending))
				return err == nil && info.Mode().IsRegular()
			})
		}
		if !slices.ContainsFunc(dirs, has) {
			missing = append(missing, m)
		}
	}
	return missing
}

// Version is what simonectl version shows.
type Version struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "show the version of simonectl", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := version()
			return o.show(v, func(p *page) {
				line := "simonectl " + v.Version
				if v.Revision != "" {
					line += " (" + v.Revision + ")"
				}
				p.linef("%s, %s, %s", line, v.Go, v.Platform)
			})
		},
	}
}

// version tells what the linker noted.
func version() Version {
	v := Version{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			v.Revision = s.Value + v.Revision
		case s.Key == "vcs.modified" && s.Value == "true":
			v.Revision += "+changes"
		}
	}
	return v
}
