package mib

import (
	"encoding/xml"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"simone/mib/internal/smi"
)

func mustParse(tb testing.TB) *smi.Module {
	tb.Helper()
	m, err := smi.Parse(ModuleText())
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

var wireTypes = map[string]Type{
	"INTEGER": TypeInteger, "OCTET STRING": TypeOctetString, "Gauge32": TypeGauge32,
	"Counter32": TypeCounter32, "TimeTicks": TypeTimeTicks,
}

// Every definition of the text stands in the Go table, and no other, with the
// same OID, syntax and access.
func TestObjectsAgreeWithTheText(t *testing.T) {
	m := mustParse(t)
	if m.Name != Module {
		t.Errorf("the module is %s, not %s", m.Name, Module)
	}
	if len(m.Defs) != len(objects) {
		t.Errorf("the text has %d definitions, Go has %d: run go generate ./mib", len(m.Defs), len(objects))
	}
	for _, d := range m.Defs {
		o, ok := ObjectByName(d.Name)
		if !ok {
			t.Errorf("%s is not in Go: run go generate ./mib", d.Name)
			continue
		}
		if !o.OID.Equal(d.OID) {
			t.Errorf("%s is %v in Go and %v in the text", d.Name, o.OID, OID(d.OID))
		}
		if o.Units != d.Units || !slices.Equal(o.Index, d.Index) || !slices.Equal(o.Objects, d.Objects) {
			t.Errorf("%s: units, index or objects differ", d.Name)
		}
		if (o.Shape == ShapeNotification) != (d.Macro == smi.NotificationType) ||
			(o.Shape == ShapeTable) != (d.Syntax.Base == "SEQUENCE OF") ||
			(o.Shape == ShapeNode) != (d.Macro == smi.ModuleIdentity || d.Macro == smi.ObjectIdentifier) {
			t.Errorf("%s is a %v in Go", d.Name, o.Shape)
		}
		if o.Shape != ShapeScalar && o.Shape != ShapeColumn {
			continue
		}
		if o.Access.String() != d.Access {
			t.Errorf("%s is %v in Go and %s in the text", d.Name, o.Access, d.Access)
		}
		if d.Description == "" {
			t.Errorf("%s has no description", d.Name)
		}
		s := o.Syntax
		if s.Name != d.Syntax.Name || s.Type != wireTypes[d.Syntax.Base] || s.Type == 0 || s.Text != d.Syntax.Text {
			t.Errorf("%s is %s on %v in Go, %s on %s in the text", d.Name, s.Name, s.Type, d.Syntax.Name, d.Syntax.Base)
		}
		var ranges [][2]int64
		for _, r := range s.Ranges {
			ranges = append(ranges, [2]int64{r.Min, r.Max})
		}
		if !slices.Equal(ranges, d.Syntax.Ranges) {
			t.Errorf("%s has %v in Go and %v in the text", d.Name, ranges, d.Syntax.Ranges)
		}
		var enum []smi.Named
		for _, e := range s.Enum {
			enum = append(enum, smi.Named{Name: e.Name, Value: int64(e.Value)})
		}
		if !slices.Equal(enum, d.Syntax.Enum) {
			t.Errorf("%s has %v in Go and %v in the text", d.Name, enum, d.Syntax.Enum)
		}
	}
	if !slices.IsSortedFunc(objects, func(a, b Object) int { return a.OID.Compare(b.OID) }) {
		t.Error("the Go table is not in order of OID")
	}
}

// The arcs of DESIGN section 4 are contracts: numbers are never reused.
func TestArcs(t *testing.T) {
	const root = ".1.3.6.1.4.1.8072.9999.9999.7466"
	for name, oid := range map[string]string{
		"simoneMIB": "", "simoneNotifications": ".0", "simoneObjects": ".1", "simoneConformance": ".2",
		"simoneNode": ".1.1", "simoneTemperature": ".1.2", "simoneIlm": ".1.3", "simoneSupport": ".1.4",
		"simoneMetric": ".1.5", "simoneAggregate": ".1.6", "simoneReport": ".1.7", "simoneReconfig": ".1.8",
		"simoneTree": ".1.9", "simoneResource": ".1.10", "simoneLink": ".1.11", "simoneSubscription": ".1.12",
		"simoneAlert": ".1.13",
	} {
		if o, ok := ObjectByName(name); !ok || o.OID.String() != root+oid {
			t.Errorf("%s is not %s%s", name, root, oid)
		}
	}
}

// The names that DESIGN section 4 gives are contracts with operators.
func TestNamesOfTheDesign(t *testing.T) {
	for name := range strings.FieldsSeq(`
		simoneNodeName simoneNodeId simoneNodeUuid simoneNodeRole simoneNodeLevel simoneNodeParent simoneNodeParentId
		simoneNodePath simoneNodeEpoch simoneNodeZone simoneNodeCandidate simoneNodeCapabilities simoneNodeSoftware
		simoneTemperatureNow simoneTemperatureWeighted simoneTemperatureGlobal
		simoneIlmAdminStatus simoneIlmOperStatus simoneIlmTrigger simoneIlmFence simoneIlmApply simoneIlmCursor
		simoneSupportTable simoneSupportName simoneSupportAddress simoneSupportKind simoneSupportProfile
		simoneSupportCredential simoneSupportInterval simoneSupportSlot simoneSupportEpoch simoneSupportRowStatus
		simoneSupportOperStatus simoneSupportCost simoneSupportLoad simoneSupportSpeed
		simoneMetricTable simoneAggregateTable simoneReportTable
		simoneThresholdMerge simoneThresholdSplit simoneThresholdMigrate simoneEventTable
		simoneTreeTable simoneNameTable simoneNodeJoined simoneNodeLeaving`) {
		if _, ok := ObjectByName(name); !ok {
			t.Errorf("%s is missing", name)
		}
	}
}

// The enumerations that Go spells out are those of the text, number by number.
func TestEnumerationsAgreeWithTheText(t *testing.T) {
	for name, c := range map[string]struct {
		object OID
		first  int32
		label  func(int32) string
	}{
		"Role":         {SimoneNodeRole, 1, func(n int32) string { return Role(n).String() }},
		"Kind":         {SimoneSupportKind, 1, func(n int32) string { return Kind(n).String() }},
		"RowStatus":    {SimoneSupportRowStatus, 1, func(n int32) string { return RowStatus(n).String() }},
		"IlmAdmin":     {SimoneIlmAdminStatus, int32(IlmAdminUp), func(n int32) string { return IlmAdmin(n).String() }},
		"IlmStatus":    {SimoneIlmOperStatus, int32(IlmUp), func(n int32) string { return IlmStatus(n).String() }},
		"PollStatus":   {SimoneSupportOperStatus, int32(PollWaiting), func(n int32) string { return PollStatus(n).String() }},
		"ReconfigMode": {SimoneReconfigMode, int32(ReconfigAutomatic), func(n int32) string { return ReconfigMode(n).String() }},
	} {
		o, _ := ObjectByOID(c.object)
		if o.Syntax.Enum[0].Value != c.first {
			t.Errorf("%s begins with %d in the text", name, o.Syntax.Enum[0].Value)
		}
		for _, e := range o.Syntax.Enum {
			if got := c.label(e.Value); got != e.Name {
				t.Errorf("%s %d is %s in Go and %s in the text", name, e.Value, got, e.Name)
			}
		}
	}
	for name, n := range map[string]IlmStatus{"up": IlmUp, "down": IlmDown, "starting": IlmStarting, "draining": IlmDraining} {
		if n.String() != name {
			t.Errorf("IlmStatus %d is %v, not %s", n, n, name)
		}
	}
	for name, n := range map[string]PollStatus{"waiting": PollWaiting, "up": PollUp, "failing": PollFailing} {
		if n.String() != name {
			t.Errorf("PollStatus %d is %v, not %s", n, n, name)
		}
	}
	report, _ := ObjectByOID(SimoneReportKind)
	for name, n := range map[string]RecordKind{"sample": RecordSample, "added": RecordAdded, "removed": RecordRemoved, "failing": RecordFailing, "back": RecordBack, "ilm": RecordILM, "leaf": RecordLeaf, "newer": RecordNewer} {
		if got, _ := report.Syntax.Label(int32(n)); got != name {
			t.Errorf("RecordKind %d is %q in the text, not %s", n, got, name)
		}
	}
}

// Sizes of packed types in the text are those that the code packs.
func TestPackedSizesAgreeWithTheText(t *testing.T) {
	for _, c := range []struct {
		object OID
		size   int64
	}{{SimoneIlmFence, FenceLen}, {SimoneSupportEpoch, EpochLen}, {SimoneIlmDigest, DigestLen}, {SimoneIlmCursor, 12}, {SimoneIlmApply, MaxApply}} {
		o, _ := ObjectByOID(c.object)
		if got := o.Syntax.Ranges[len(o.Syntax.Ranges)-1].Max; got != c.size {
			t.Errorf("%s has at most %d octets in the text, %d in Go", o.Name, got, c.size)
		}
	}
}

// tool finds a program and the base modules that it needs. A developer's
// machine may lack them, CI may not.
func tool(t *testing.T, name string) string {
	t.Helper()
	missing := func(format string, args ...any) {
		t.Helper()
		if os.Getenv("CI") == "true" {
			t.Fatalf(format, args...)
		}
		t.Skipf(format, args...)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		missing("%s is not installed (Debian: apt-get install smitools)", name)
	}
	if os.Getenv("SMIPATH") == "" {
		base, err := filepath.Abs("base")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(base, "SNMPv2-TC.mib")); err != nil {
			missing("the base modules are missing: run scripts/mibs.sh")
		}
		t.Setenv("SMIPATH", base)
	}
	return path
}

func TestSmilintIsSilent(t *testing.T) {
	out, err := exec.Command(tool(t, "smilint"), "-s", "-l", "3", "./SIMONE-MIB.txt").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("smilint: %v\n%s", err, out)
	}
}

// libsmi reads the text on its own and has to see what the Go table has.
func TestSmidumpAgrees(t *testing.T) {
	out, err := exec.Command(tool(t, "smidump"), "-f", "xml", "./SIMONE-MIB.txt").Output()
	if err != nil {
		t.Fatal(err)
	}
	type leaf struct {
		Name   string `xml:"name,attr"`
		OID    string `xml:"oid,attr"`
		Access string `xml:"access"`
		Syntax struct {
			Type struct {
				Name string `xml:"name,attr"`
			} `xml:"type"`
			Typedef struct {
				Base   string `xml:"basetype,attr"`
				Parent struct {
					Name string `xml:"name,attr"`
				} `xml:"parent"`
			} `xml:"typedef"`
		} `xml:"syntax"`
	}
	var dump struct {
		Scalars []leaf `xml:"nodes>scalar"`
		Columns []leaf `xml:"nodes>table>row>column"`
		Notes   []leaf `xml:"notifications>notification"`
	}
	if err := xml.Unmarshal(out, &dump); err != nil {
		t.Fatal(err)
	}
	access := map[string][]Access{
		"noaccess": {NotAccessible}, "notifyonly": {AccessibleForNotify}, "readonly": {AccessReadOnly},
		"readwrite": {AccessReadWrite, AccessReadCreate},
	}
	seen := map[string]bool{}
	for _, l := range slices.Concat(dump.Scalars, dump.Columns, dump.Notes) {
		seen[l.Name] = true
		o, ok := ObjectByName(l.Name)
		if !ok || o.OID.String() != "."+l.OID {
			t.Errorf("%s is at %s for libsmi", l.Name, l.OID)
			continue
		}
		if o.Shape == ShapeNotification {
			continue
		}
		if !slices.Contains(access[l.Access], o.Access) {
			t.Errorf("%s is %s for libsmi and %v in Go", l.Name, l.Access, o.Access)
		}
		names := []string{l.Syntax.Type.Name, l.Syntax.Typedef.Parent.Name, l.Syntax.Typedef.Base}
		if s := o.Syntax.Name; !slices.Contains(names, s) && !(s == "OCTET STRING" && slices.Contains(names, "OctetString")) &&
			!(s == "INTEGER" && slices.Contains(names, "Enumeration")) {
			t.Errorf("%s is one of %q for libsmi and %s in Go", l.Name, names, s)
		}
	}
	for _, o := range objects {
		if (o.Shape == ShapeScalar || o.Shape == ShapeColumn || o.Shape == ShapeNotification) && !seen[o.Name] {
			t.Errorf("libsmi does not see %s", o.Name)
		}
	}
}

// The generator's output is what is checked in: its names as Go spells them.
func TestColumnConstants(t *testing.T) {
	src, err := os.ReadFile("objects_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]string{}
	for line := range strings.Lines(string(src)) {
		if f := strings.Fields(line); len(f) == 4 && f[1] == "uint32" {
			constants[f[0]] = f[3]
		}
	}
	want := map[string]string{}
	for _, o := range objects {
		if o.Shape == ShapeColumn {
			want["Column"+strings.TrimPrefix(o.Name, "simone")] = strconv.Itoa(int(o.OID[len(o.OID)-1]))
		}
	}
	if !maps.Equal(constants, want) {
		t.Errorf("column constants are %v, want %v", fmt.Sprint(constants), fmt.Sprint(want))
	}
}
