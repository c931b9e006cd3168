package modules

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"simone/mib"
)

// open opens the modules of testdata with the base modules.
func open(t *testing.T, more ...string) *Library {
	t.Helper()
	base := filepath.Join("..", "..", "mib", "base")
	if path := os.Getenv("SMIPATH"); path != "" {
		base, _, _ = strings.Cut(strings.Trim(path, ":"), ":")
	}
	if found, _ := filepath.Glob(filepath.Join(base, "SNMPv2-SMI*")); len(found) == 0 {
		t.Skip("there are no base modules; run make mibs")
	}
	l, err := Open(append([]string{base, "testdata"}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func TestNamesOfAModule(t *testing.T) {
	l := open(t)
	for _, name := range []string{"ovenFuel", "OVEN-MIB::ovenFuel"} {
		o, err := l.Object(name)
		if err != nil {
			t.Fatal(err)
		}
		if o.Module != "OVEN-MIB" || o.Name != "ovenFuel" || !o.OID.Equal(mib.MustOID("1.3.6.1.4.1.99999.1")) || o.Shape != Scalar ||
			o.Counter || !o.Number || o.Unit != "litres" || o.Help != "What is left in the tank." {
			t.Errorf("%s is %+v", name, o)
		}
	}
	table, err := l.Object("OVEN-MIB::ovenTable")
	if err != nil || table.Shape != Table {
		t.Fatalf("%+v (%v)", table, err)
	}
	var columns []string
	for _, c := range table.Columns {
		columns = append(columns, c.Name)
		counts, number := strings.Contains("ovenLoaves ovenBurnt", c.Name), c.Name != "ovenName"
		if c.Shape != Column || c.Counter != counts || c.Number != number {
			t.Errorf("%+v", c)
		}
	}
	if got := strings.Join(columns, " "); got != "ovenName ovenDoor ovenLoaves ovenBurnt" {
		t.Errorf("columns %s", got)
	}
}

func TestNamesOfBaseModules(t *testing.T) {
	l := open(t)
	o, err := l.Object("IF-MIB::ifHCInOctets")
	if err != nil {
		t.Skip("the base modules are without IF-MIB")
	}
	if !o.OID.Equal(mib.MustOID("1.3.6.1.2.1.31.1.1.1.6")) || o.Shape != Column || !o.Counter {
		t.Errorf("%+v", o)
	}
	// RFC1213-MIB, where it is there, has it as well, and at the same place.
	if o, err := l.Object("ifInOctets"); err != nil || !o.OID.Equal(mib.MustOID("1.3.6.1.2.1.2.2.1.10")) {
		t.Errorf("%+v (%v)", o, err)
	}
}

func TestNamesThatNobodyHas(t *testing.T) {
	l := open(t)
	for name, want := range map[string]string{
		"ovenFlame":           "no module in",
		"OVEN-MIB::ovenfuel":  "did you mean ovenFuel?",
		"STOVE-MIB::ovenFuel": "module STOVE-MIB cannot be read",
	} {
		if _, err := l.Object(name); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, without %q", name, err, want)
		}
	}
	if _, err := Open("nowhere"); err == nil {
		t.Error("a directory that is not there")
	}
}

// A file that is no module keeps nobody from reading the others.
func TestFilesThatAreNoModules(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"README.md": "no module", "BAD-MIB": "BAD-MIB DEFINITIONS ::= BEGIN x OBJECT-TYPE", "EMPTY-MIB.txt": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, dir)
	if o, err := l.Object("ovenDoor"); err != nil || o.Shape != Column {
		t.Errorf("%+v (%v)", o, err)
	}
	if _, err := l.Object("BAD-MIB::x"); !errors.Is(err, ErrUnknown) {
		t.Errorf("BAD-MIB::x: %v", err)
	}
}
