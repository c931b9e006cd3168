package ctl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"simone/internal/app/sim"
	"simone/mib"
)

// TestHelp: --help documents the exit codes and shows no secret.
func TestHelp(t *testing.T) {
	r := simonectlIn(t, map[string]string{envCommunity: "hush", envWriteCommunity: "hush"}, "--help")
	if r.err != nil {
		t.Fatal(r.err)
	}
	for _, want := range []string{"Exit codes: 0 ok; 1 ", "2 the command line is wrong", "3 nobody answers", envAddress, "tree", "doctor", "completion"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, r.stdout)
		}
	}
	if strings.Contains(r.stdout, "hush") {
		t.Errorf("it shows a community:\n%s", r.stdout)
	}
	if bare := simonectl(t); bare.err != nil || bare.stdout != r.stdout {
		t.Errorf("without a command: %v\n%s", bare.err, bare.stdout)
	}
}

// TestEveryCommandIsDocumented: each has a line about itself, and takes no
// flag's place among the global ones.
func TestEveryCommandIsDocumented(t *testing.T) {
	o, _, _ := surroundings(nil)
	var check func(*cobra.Command)
	check = func(c *cobra.Command) {
		if c.Short == "" || c.RunE == nil && c.Run == nil {
			t.Errorf("%s: short %q", c.CommandPath(), c.Short)
		}
		if c.HasParent() && c.PersistentPreRunE != nil {
			t.Errorf("%s hides the root's checks of the global flags", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	check(newRoot(o))
}

// TestExtraCommands: Main takes further commands.
func TestExtraCommands(t *testing.T) {
	o, _, _ := surroundings(nil)
	ran := false
	extra := &cobra.Command{Use: "extra", RunE: func(*cobra.Command, []string) error { ran = true; return nil }}
	if err := run(t.Context(), o, []string{"extra"}, extra); err != nil || !ran {
		t.Errorf("%v, ran %v", err, ran)
	}
}

func TestCompletion(t *testing.T) {
	newFleet(t)
	r := simonectl(t, "__complete", "node", "show", "")
	if r.err != nil {
		t.Fatal(r.err)
	}
	for _, want := range []string{"n4\tleaf 4 at " + leaf4At, "switch\tdevice 8 at " + switchAt} {
		if !strings.Contains(r.stdout, want+"\n") {
			t.Errorf("it does not offer %q:\n%s", want, r.stdout)
		}
	}
	if r := simonectl(t, "-a", leaf5At, "--timeout", "50ms", "__complete", "node", "show", ""); strings.Contains(r.stdout, "n4") {
		t.Errorf("from nobody: %s", r.stdout)
	}
	if r := simonectl(t, "completion", "bash"); r.err != nil || !strings.Contains(r.stdout, "simonectl") {
		t.Errorf("bash: %v", r.err)
	}
}

func TestMIB(t *testing.T) {
	if r := simonectl(t, "mib", "print"); r.err != nil || r.stdout != mib.ModuleText() {
		t.Errorf("print: %v", r.err)
	}
	dir := filepath.Join(t.TempDir(), "deep", "mibs")
	r := simonectl(t, "mib", "install", "--dir", dir)
	if r.err != nil {
		t.Fatal(r.err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "SIMONE-MIB.txt"))
	if err != nil || string(text) != mib.ModuleText() {
		t.Errorf("installed: %v", err)
	}
	for _, want := range []string{"wrote " + dir, "snmpwalk -v 2c", "-M +" + dir, tlmAt, "SNMPv2-SMI, SNMPv2-TC, SNMPv2-CONF", "make mibs"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, r.stdout)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left in the directory: %v, %v", entries, err)
	}
	t.Run("Home", func(t *testing.T) {
		t.Setenv("HOME", t.TempDir())
		if r := simonectl(t, "mib", "install"); r.err != nil {
			t.Error(r.err)
		}
		if _, err := os.Stat(filepath.Join(os.Getenv("HOME"), ".snmp", "mibs", "SIMONE-MIB.txt")); err != nil {
			t.Error(err)
		}
	})
	t.Run("NoDirectory", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r := simonectl(t, "mib", "install", "--dir", filepath.Join(file, "below"))
		if r.code != ExitFailed || !strings.Contains(r.err.Error(), "give another --dir") {
			t.Errorf("%d: %v", r.code, r.err)
		}
	})
}

func TestVersion(t *testing.T) {
	if r := simonectl(t, "version"); r.err != nil || !strings.HasPrefix(r.stdout, "simonectl ") {
		t.Errorf("%v: %s", r.err, r.stdout)
	}
	if r := simonectl(t, "version", "-o", "json"); r.err != nil || !strings.Contains(r.stdout, `"go": "go1.`) {
		t.Errorf("%v: %s", r.err, r.stdout)
	}
}

// TestCommandsInDocument: docs/commands.md has a line with an example for each
// command, and for none that is not there.
func TestCommandsInDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "commands.md"))
	if err != nil {
		t.Fatal(err)
	}
	// The demo's command comes from elsewhere, and cobra adds its own.
	known := map[string]bool{"simonectl demo": true, "simonectl completion": true}
	var collect func(*cobra.Command)
	collect = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			collect(sub)
		}
		if !c.HasSubCommands() && !c.Hidden {
			known[c.CommandPath()] = true
		}
	}
	o, _, _ := surroundings(nil)
	root := newRoot(o, sim.Command())
	collect(root)
	documented := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `simonectl ") {
			continue
		}
		path := strings.Trim(cells[1], " `")
		documented[path] = true
		if !known[path] {
			t.Errorf("there is no command %q", path)
		}
		example := strings.Trim(cells[3], " `")
		if !strings.HasPrefix(example, path) {
			t.Errorf("the example of %q is %q", path, example)
		}
		if path == "simonectl demo" || path == "simonectl completion" {
			continue
		}
		c, rest, err := root.Find(strings.Fields(example)[1:])
		if err == nil {
			err = c.ParseFlags(rest)
		}
		if err == nil {
			err = c.ValidateArgs(c.Flags().Args())
		}
		if err != nil || c.CommandPath() != path {
			t.Errorf("%q: %v", example, err)
		}
	}
	for path := range known {
		if !documented[path] {
			t.Errorf("docs/commands.md does not have %q", path)
		}
	}
}
