package mib

import (
	"compress/gzip"
	"encoding/base64"
	"io"
	"os"
	"slices"
	"testing"

	"simone/mib/internal/smi"
)

// Managers and nodes of two releases talk to each other while a tree is
// upgraded, and people's scripts have numbers in them. So whatever the module
// of commit 85e6045 defines is still there: at the same OID, with the same
// syntax and access; enumerations and notifications have only grown, ranges
// are not narrower. The fixture was made with
//
//	git show 85e6045:mib/SIMONE-MIB.txt | gzip -9n | base64 -w 100
func TestNothingOfTheEarlierModuleHasChanged(t *testing.T) {
	f, err := os.Open("testdata/SIMONE-MIB-85e6045.txt.gz.base64")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, f))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	was, err := smi.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	now := mustParse(t)
	byName := make(map[string]smi.Def)
	for _, d := range now.Defs {
		byName[d.Name] = d
	}
	checked := 0
	for _, old := range was.Defs {
		d, ok := byName[old.Name]
		if !ok {
			t.Errorf("%s (%v) is gone: numbers and names are never taken back; make it deprecated or obsolete", old.Name, OID(old.OID))
			continue
		}
		checked++
		for _, wrong := range differences(old, d) {
			t.Errorf("%s: %s", old.Name, wrong)
		}
	}
	if checked < 200 {
		t.Errorf("only %d definitions were compared", checked)
	}
}

// differences says what a manager that knows the old definition would stumble
// over.
func differences(old, d smi.Def) (wrong []string) {
	if !slices.Equal(old.OID, d.OID) {
		wrong = append(wrong, "it was at "+OID(old.OID).String()+" and is at "+OID(d.OID).String())
	}
	if old.Macro != d.Macro {
		wrong = append(wrong, "it was a "+string(old.Macro)+" and is a "+string(d.Macro))
	}
	if old.Access != d.Access {
		wrong = append(wrong, "its access was "+old.Access+" and is "+d.Access)
	}
	if old.Syntax.Name != d.Syntax.Name || old.Syntax.Base != d.Syntax.Base || old.Syntax.Text != d.Syntax.Text {
		wrong = append(wrong, "its syntax was "+old.Syntax.Name+" and is "+d.Syntax.Name)
	}
	if old.Units != d.Units {
		wrong = append(wrong, "its unit was "+old.Units+" and is "+d.Units)
	}
	for _, r := range old.Syntax.Ranges {
		if len(d.Syntax.Ranges) > 0 && !slices.ContainsFunc(d.Syntax.Ranges, func(n [2]int64) bool { return n[0] <= r[0] && r[1] <= n[1] }) {
			wrong = append(wrong, "its range is narrower than it was")
		}
	}
	for _, e := range old.Syntax.Enum {
		if !slices.Contains(d.Syntax.Enum, e) {
			wrong = append(wrong, "the enumeration has no "+e.Name+" of that number any more")
		}
	}
	if !slices.Equal(old.Index, d.Index) {
		wrong = append(wrong, "its index has changed")
	}
	if n := len(old.Objects); len(d.Objects) < n || !slices.Equal(old.Objects, d.Objects[:n]) {
		wrong = append(wrong, "the notification does not begin with the objects that it had")
	}
	return wrong
}

// The comparison finds what it is there for.
func TestDifferences(t *testing.T) {
	old := smi.Def{
		Name: "a", Macro: smi.ObjectType, OID: []uint32{1, 2}, Access: "read-only", Units: "ms", Index: []string{"i"}, Objects: []string{"x"},
		Syntax: smi.Syntax{Name: "S", Base: "INTEGER", Ranges: [][2]int64{{1, 5}}, Enum: []smi.Named{{Name: "up", Value: 1}}},
	}
	grown := old
	grown.Syntax.Ranges, grown.Syntax.Enum, grown.Objects = [][2]int64{{0, 6}}, append([]smi.Named{{Name: "new", Value: 3}}, old.Syntax.Enum...), []string{"x", "y"}
	if wrong := differences(old, grown); len(wrong) > 0 {
		t.Errorf("growth is refused: %v", wrong)
	}
	for name, change := range map[string]func(*smi.Def){
		"OID":          func(d *smi.Def) { d.OID = []uint32{1, 3} },
		"macro":        func(d *smi.Def) { d.Macro = smi.NotificationType },
		"access":       func(d *smi.Def) { d.Access = "read-write" },
		"syntax":       func(d *smi.Def) { d.Syntax.Name = "T" },
		"base":         func(d *smi.Def) { d.Syntax.Base = "Gauge32" },
		"units":        func(d *smi.Def) { d.Units = "s" },
		"range":        func(d *smi.Def) { d.Syntax.Ranges = [][2]int64{{2, 5}} },
		"enumeration":  func(d *smi.Def) { d.Syntax.Enum = []smi.Named{{Name: "up", Value: 2}} },
		"index":        func(d *smi.Def) { d.Index = nil },
		"notification": func(d *smi.Def) { d.Objects = []string{"y", "x"} },
	} {
		t.Run(name, func(t *testing.T) {
			d := old
			change(&d)
			if len(differences(old, d)) != 1 {
				t.Errorf("found %v", differences(old, d))
			}
		})
	}
}
