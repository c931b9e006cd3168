package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"simone/mib"
	"simone/profile"
)

// write puts files into a directory of the test's own.
func write(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func object(t *testing.T, s *profile.Set, of, name string) profile.Object {
	t.Helper()
	p, ok := s.Profile(of)
	if !ok {
		t.Fatalf("there is no profile %s", of)
	}
	i := slices.IndexFunc(p.Objects, func(o profile.Object) bool { return o.Name == name })
	if i < 0 {
		t.Fatalf("profile %s has no %s, but %+v", of, name, p.Objects)
	}
	return p.Objects[i]
}

const ovens = `
profiles:
  - name: oven
    interval: 1m
    max_repetitions: 10
    timeout: 2s
    objects:
      - ifNumber
      - object: 1.3.6.1.4.1.99999.1.0
        name: fuel
        unit: litres
        scale: 0.1
        as: value
        interval: 5m
      - {object: ifHCInOctets.7, name: uplink}
    tables:
      - columns: [IF-MIB::ifHCInOctets, ifOperStatus]
        discontinuity: ifCounterDiscontinuityTime
        interval: 30s
      - columns:
          - {object: 1.3.6.1.4.1.99999.2.1.4, name: loaves, as: rate, unit: loaves/s}
`

func TestProfileFile(t *testing.T) {
	dir := write(t, map[string]string{
		"oven.yaml": ovens,
		"tlm.yaml": `
profiles:
  files: ["*n.yaml"]
  choose: [{prefix: 1.3.6.1.4.1.99999, profile: "system,oven"}]
credentials: [{name: tree, community: public}]
communities: [{community: public}]
nodes: [{name: a, address: "192.0.2.1:161", kind: device, profile: "oven,interfaces"}, {name: b, address: "192.0.2.2:161", kind: device}]
`,
	})
	c, err := LoadTLM(filepath.Join(dir, "tlm.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s := c.HeldProfiles()
	p, _ := s.Profile("oven")
	if p.MaxRepetitions != 10 || p.Timeout != 2*time.Second || p.Source != filepath.Join(dir, "oven.yaml") || len(p.Objects) != 6 {
		t.Errorf("%+v", p)
	}
	clock := mib.MustOID("1.3.6.1.2.1.31.1.1.1.19")
	for _, want := range []profile.Object{
		{Name: "ifNumber", OID: mib.MustOID("1.3.6.1.2.1.2.1.0"), Kind: profile.Value, Unit: "interfaces", Scale: 1, Interval: time.Minute},
		{Name: "fuel", OID: mib.MustOID("1.3.6.1.4.1.99999.1.0"), Kind: profile.Value, Unit: "litres", Scale: 0.1, Interval: 5 * time.Minute},
		{Name: "uplink", OID: mib.MustOID("1.3.6.1.2.1.31.1.1.1.6.7"), Kind: profile.Rate, Unit: "octets/s", Scale: 1, Interval: time.Minute},
		{Name: "ifHCInOctets", OID: mib.MustOID("1.3.6.1.2.1.31.1.1.1.6"), Column: true, Kind: profile.Rate, Unit: "octets/s", Scale: 1, Interval: 30 * time.Second, Discontinuity: clock},
		{Name: "ifOperStatus", OID: mib.MustOID("1.3.6.1.2.1.2.2.1.8"), Column: true, Kind: profile.Value, Scale: 1, Interval: 30 * time.Second},
		{Name: "loaves", OID: mib.MustOID("1.3.6.1.4.1.99999.2.1.4"), Column: true, Kind: profile.Rate, Unit: "loaves/s", Scale: 1, Interval: time.Minute},
	} {
		got := object(t, s, "oven", want.Name)
		if want.Help = got.Help; !same(got, want) {
			t.Errorf("%+v, not %+v", got, want)
		}
	}
	if found := s.Choose(mib.MustOID("1.3.6.1.4.1.99999.7")); len(found) != 2 || found[1] != p {
		t.Errorf("chosen: %v", found)
	}
	if ref, err := s.Ref(c.Nodes[1].ProfileName()); err != nil || !strings.HasPrefix(ref, "auto@") {
		t.Errorf("a device without a profile has %q (%v)", ref, err)
	}
}

func same(a, b profile.Object) bool {
	return a.Name == b.Name && a.OID.Equal(b.OID) && a.Column == b.Column && a.Kind == b.Kind && a.Unit == b.Unit && a.Scale == b.Scale && a.Offset == b.Offset &&
		a.Help == b.Help && a.Interval == b.Interval && a.Discontinuity.Equal(b.Discontinuity) &&
		slices.EqualFunc(a.Parts, b.Parts, mib.OID.Equal) && slices.EqualFunc(a.Instances, b.Instances, mib.OID.Equal)
}

func TestProfilesByNameFromModules(t *testing.T) {
	base := filepath.Join("..", "..", "mib", "base")
	if path := os.Getenv("SMIPATH"); path != "" {
		base, _, _ = strings.Cut(strings.Trim(path, ":"), ":")
	}
	if found, _ := filepath.Glob(filepath.Join(base, "SNMPv2-SMI*")); len(found) == 0 {
		t.Skip("there are no base modules; run make mibs")
	}
	dir := write(t, map[string]string{"oven.yaml": `
profiles:
  - name: oven
    objects: [OVEN-MIB::ovenFuel]
    tables: [{table: ovenTable}]
`})
	s, _, err := ReadProfiles([]string{filepath.Join(dir, "oven.yaml")}, []string{base, filepath.Join("..", "modules", "testdata")})
	if err != nil {
		t.Fatal(err)
	}
	p, _ := s.Profile("oven")
	var names []string
	for _, o := range p.Objects {
		names = append(names, o.Name+" "+o.OID.String()+" "+o.Kind.String()+" "+o.Unit)
	}
	want := []string{
		"ovenFuel .1.3.6.1.4.1.99999.1.0 value litres", "ovenDoor .1.3.6.1.4.1.99999.2.1.3 value ",
		"ovenLoaves .1.3.6.1.4.1.99999.2.1.4 rate loaves/s", "ovenBurnt .1.3.6.1.4.1.99999.2.1.5 rate loaves/s",
	}
	if !slices.Equal(names, want) {
		t.Errorf("%q, not %q", names, want)
	}
}

func TestProfileFilesAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"Key", "profiles: [{name: a, objekts: []}]", `p.yaml:1:22: profiles[0].objekts: there is no such key; did you mean "objects"?`},
		{"NoProfile", "profiles: []", "p.yaml:1:11: profiles: there is none; list at least one"},
		{"BuiltIn", "profiles:\n  - name: system\n    objects: [sysUpTime]\n", "p.yaml:2:11: profiles[0].name: system is built in"},
		{"Nothing", "profiles:\n  - name: a\n", "p.yaml:2:5: profiles[0].objects: the profile reads nothing"},
		{"Name", "profiles:\n  - name: a\n    objects:\n      - sysUptime\n", "p.yaml:4:9: profiles[0].objects[0].object: sysUptime is not known; did you mean sysUpTime?"},
		{"Unknown", "profiles:\n  - name: a\n    objects:\n      - ovenFuel\n", "p.yaml:4:9: profiles[0].objects[0].object: ovenFuel is not known; write the OID"},
		{"Numbers", "profiles:\n  - name: a\n    objects: [1.3.6.1.4.1.5.0]\n", "p.yaml:3:15: profiles[0].objects[0].name: it is missing"},
		{"Column", "profiles:\n  - name: a\n    objects: [ifHCInOctets]\n", "profiles[0].objects[0].object: ifHCInOctets is a column; write it in columns of tables"},
		{"Scalar", "profiles:\n  - name: a\n    tables: [{columns: [ifNumber]}]\n", "profiles[0].tables[0].columns[0].object: ifNumber is no column"},
		{"Twice", "profiles:\n  - name: a\n    objects: [ifNumber, ifNumber]\n", "p.yaml:3:25: profiles[0].objects[1].name: objects[0] is called so too"},
		{"As", "profiles:\n  - name: a\n    objects: [{object: ifNumber, as: rates}]\n", `profiles[0].objects[0].as: "rates" is not known; did you mean "rate"?`},
		{"Scale", "profiles:\n  - name: a\n    objects: [{object: ifNumber, scale: 0}]\n", "profiles[0].objects[0].scale: 0 makes every value the same"},
		{"Interval", "profiles:\n  - name: a\n    interval: 1ms\n    objects: [ifNumber]\n", "p.yaml:3:15: profiles[0].interval: 1ms is out of range"},
		{"Table", "profiles:\n  - name: a\n    tables: [{table: ifTable}]\n", "profiles[0].tables[0].table: the columns of ifTable are not known without its MIB module"},
		{"Text", "profiles:\n  - name: a\n    objects: [simoneNodeName]\n", "profiles[0].objects[0].object: simoneNodeName is no number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := write(t, map[string]string{"p.yaml": tt.text, "simoned.yaml": "profiles: {files: [p.yaml]}\ncommunities: [{community: public}]\n"})
			_, err := LoadNode(filepath.Join(dir, "simoned.yaml"))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, without %q", err, tt.want)
			}
		})
	}
	for key, want := range map[string]string{
		"files: [q.yaml]":                                   "simoned.yaml:1:20: profiles.files[0]: there is no file",
		"mibs: [nowhere]":                                   "profiles.mibs[0]: there are no files in",
		"choose: [{prefix: x, profile: system}]":            `profiles.choose[0].prefix: OID "x"`,
		"choose: [{prefix: 1.3.6.1.4.1.9, profile: sytem}]": `profiles.choose[0].profile: there is no profile "sytem"`,
	} {
		dir := write(t, map[string]string{"simoned.yaml": "profiles: {" + key + "}\ncommunities: [{community: public}]\n"})
		if _, err := LoadNode(filepath.Join(dir, "simoned.yaml")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, without %q", key, err, want)
		}
	}
}

// exporter is made for this test after the format of snmp_exporter's generator.
const exporter = `# WARNING: This file was auto-generated.
auths:
  public_v2: {community: public, security_level: noAuthNoPriv, version: 2}
modules:
  bakery:
    walk:
    - 1.3.6.1.4.1.99999.2
    - 1.3.6.1.4.1.99999.3.1.2.7
    get:
    - 1.3.6.1.4.1.99999.1.0
    - 1.3.6.1.4.1.99999.4.1.2.3
    metrics:
    - name: ovenFuel
      oid: 1.3.6.1.4.1.99999.1
      type: gauge
      help: What is left in the tank - 1.3.6.1.4.1.99999.1
      scale: 0.1
      offset: -2
    - name: ovenLoaves
      oid: 1.3.6.1.4.1.99999.2.1.4
      type: counter
      help: What it has baked - 1.3.6.1.4.1.99999.2.1.4
      indexes:
      - labelname: ovenIndex
        type: gauge
      lookups:
      - labels: [ovenIndex]
        labelname: ovenName
        oid: 1.3.6.1.4.1.99999.2.1.2
        type: DisplayString
    - name: ovenName
      oid: 1.3.6.1.4.1.99999.2.1.2
      type: DisplayString
      help: Its name
      indexes: [{labelname: ovenIndex, type: gauge}]
      regex_extracts:
        Temp:
        - value: $1
          regex: (.*)
    - name: ovenDoor
      oid: 1.3.6.1.4.1.99999.2.1.3
      type: EnumAsStateSet
      indexes: [{labelname: ovenIndex, type: gauge}]
      enum_values: {1: open, 2: shut}
    - name: shelf
      oid: 1.3.6.1.4.1.99999.3.1.2
      type: gauge
      indexes: [{labelname: ovenIndex, type: gauge}, {labelname: shelfIndex, type: gauge}]
    - name: lamp
      oid: 1.3.6.1.4.1.99999.4.1.2
      type: gauge
      indexes: [{labelname: lampIndex, type: gauge}]
    - name: elsewhere
      oid: 1.3.6.1.4.1.99998.1
      type: gauge
    filters:
    - oid: 1.3.6.1.4.1.99999.2.1.3
      targets: [1.3.6.1.4.1.99999.2.1.4]
      values: ["1"]
    max_repetitions: 5
    retries: 4
    timeout: 20s
  system:
    get: [1.3.6.1.2.1.1.3.0]
    metrics:
    - {name: sysUpTime, oid: 1.3.6.1.2.1.1.3, type: gauge, help: Since it started}
  words:
    walk: [1.3.6.1.2.1.1.5]
    metrics:
    - {name: sysName, oid: 1.3.6.1.2.1.1.5, type: DisplayString}
`

func TestModulesOfSNMPExporterAreProfiles(t *testing.T) {
	old := strings.ReplaceAll(exporter[strings.Index(exporter, "  bakery:"):], "\n  ", "\n")[2:]
	for name, text := range map[string]string{"Now": exporter, "Before0.23": old} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, map[string]string{"snmp.yml": text})
			s, warnings, err := ReadProfiles([]string{filepath.Join(dir, "snmp.yml")}, nil)
			if err != nil {
				t.Fatal(err)
			}
			p, ok := s.Profile("bakery")
			if !ok || p.MaxRepetitions != 5 || p.Retries != 4 || p.Timeout != 20*time.Second || len(p.Objects) != 5 {
				t.Fatalf("%+v", p)
			}
			for _, want := range []profile.Object{
				{Name: "ovenFuel", OID: mib.MustOID("1.3.6.1.4.1.99999.1.0"), Kind: profile.Value, Scale: 0.1, Offset: -2, Help: "What is left in the tank"},
				{Name: "ovenLoaves", OID: mib.MustOID("1.3.6.1.4.1.99999.2.1.4"), Column: true, Kind: profile.Rate, Unit: "1/s", Help: "What it has baked"},
				{Name: "ovenDoor", OID: mib.MustOID("1.3.6.1.4.1.99999.2.1.3"), Column: true, Kind: profile.Value},
				{Name: "shelf", OID: mib.MustOID("1.3.6.1.4.1.99999.3.1.2"), Column: true, Kind: profile.Value, Parts: []mib.OID{mib.MustOID("1.3.6.1.4.1.99999.3.1.2.7")}},
				{Name: "lamp", OID: mib.MustOID("1.3.6.1.4.1.99999.4.1.2"), Column: true, Kind: profile.Value, Instances: []mib.OID{mib.MustOID("1.3.6.1.4.1.99999.4.1.2.3")}},
			} {
				if got := object(t, s, "bakery", want.Name); !same(got, want) {
					t.Errorf("%+v, not %+v", got, want)
				}
			}
			if o := object(t, s, "exporter-system", "sysUpTime"); !o.OID.Equal(mib.MustOID("1.3.6.1.2.1.1.3.0")) || o.Column {
				t.Errorf("%+v", o)
			}
			said := strings.Join(warnings, "\n")
			wants := []string{
				"module bakery: not read: 1 metric of type DisplayString, which is no number: ovenName;",
				"1 metric that are in neither walk nor get: elsewhere", "labels by lookup, as rows go by the numbers of their index: ovenName",
				"not supported: filters (all rows are read)", "not supported: regex_extracts",
				"module system: its profile is called exporter-system", "module words: not read: 1 metric", "left out: it has no metric that is a number",
			}
			if name == "Now" {
				wants = append(wants, "not taken: auths")
			}
			for _, want := range wants {
				if !strings.Contains(said, want) {
					t.Errorf("no warning has %q:\n%s", want, said)
				}
			}
		})
	}
}

func TestExporterFilesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"modules: {}\n":                          "there are no modules",
		"modules:\n  a:\n    walk: 1.3.6\n":      "snmp.yml:3:11: modules.a.walk: ",
		"modules:\n  a:\n    timeout: soon\n":    "snmp.yml:3:14: modules.a.timeout: ",
		"modules:\n  a:\n    metrics: [{oid: [":  "this is not YAML",
		"modules:\n  a: {}\nmodules:\n  b: {}\n": "it stands there twice",
	} {
		dir := write(t, map[string]string{"snmp.yml": text})
		if _, _, err := ReadProfiles([]string{filepath.Join(dir, "snmp.yml")}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, without %q", text, err, want)
		}
	}
}
