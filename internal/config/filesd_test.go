package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLoadFileSD(t *testing.T) {
	want := []Inventory{
		{Name: "10.0.0.1", Address: "10.0.0.1:161", Kind: "device", Profile: "system", Credential: "old", Zone: "east", Interval: Duration(30 * time.Second)},
		{Name: "10.0.0.2_1161", Address: "10.0.0.2:1161", Kind: "device", Profile: "system", Credential: "old", Zone: "east", Interval: Duration(30 * time.Second)},
		{Name: "2001_db8__1", Address: "[2001:db8::1]:161", Kind: "device", Profile: "system", Credential: "old", Zone: "east", Interval: Duration(30 * time.Second)},
		{Name: "n7", Address: "n7.example.net:1161", Kind: "node", Zone: "default", Candidate: true},
	}
	for name, text := range map[string]string{
		"targets.json": `[
  {"targets": ["10.0.0.1", "10.0.0.2:1161", "2001:db8::1"],
   "labels": {"__simone_kind": "device", "__simone_profile": "system", "__simone_credential": "old",
              "__simone_interval": "30s", "zone": "east", "job": "snmp"}},
  {"targets": ["n7.example.net:1161"], "labels": {"__simone_name": "n7", "__simone_candidate": "true"}}
]`,
		"targets.yaml": `
- targets: [10.0.0.1, "10.0.0.2:1161", "2001:db8::1"]
  labels:
    __simone_kind: device
    __simone_profile: system
    __simone_credential: old
    __simone_interval: 30s
    __simone_zone: east
    zone: ignored beside the label of its own
- targets:
    - n7.example.net:1161
  labels: {__simone_name: n7, __simone_candidate: "true"}
`,
		"empty.json": "[]",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := LoadFileSD(mustWrite(t, name, text))
			if err != nil {
				t.Fatal(err)
			}
			if name == "empty.json" {
				if len(got) != 0 {
					t.Errorf("got %+v", got)
				}
				return
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestLoadFileSDRefuses(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"no list", "targets: [a]", "sd.yaml:1:1: a set of keys stands where a list is wanted"},
		{"unknown key", "- target: [a]", `:1:3: [0].target: there is no such key; did you mean "targets"?`},
		{"no targets", "- labels: {a: b}", "[0].targets: the group has none"},
		{"unknown label", "- targets: [a]\n  labels:\n    __simone_zome: x", ":3:20: [0].labels.__simone_zome: there is no such label; did you mean __simone_zone?"},
		{"kind", "- targets: [a]\n  labels: {__simone_kind: router}", `[0].targets[0]: kind: "router" is not known; write node or device`},
		{"candidate", "- targets: [a]\n  labels: {__simone_candidate: maybe}", `is neither "true" nor "false"`},
		{"interval", "- targets: [a]\n  labels: {__simone_interval: '30'}", "30 has no unit"},
		{"a label that is no text", "- targets: [a]\n  labels: {__simone_candidate: true}", `write it in quotes: "true"`},
		{"target", "- targets: [ok, 'a b:1']", `:1:17: [0].targets[1]: address: host "a b" has a ' '`},
		{"one name for two", "- targets: [a, b]\n  labels: {__simone_name: x}", "one name for 2 targets"},
		{"target twice", "- targets: [a]\n- targets: [a]", `:2:13: [1].targets[0]: name: "a" is the name of entry [0] too`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := LoadFileSD(mustWrite(t, "sd.yaml", tc.text))
			if err == nil {
				t.Fatalf("loaded as %+v", got)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error\n%v\ndoes not say\n%s", err, tc.want)
			}
		})
	}
}

// Whatever is in a file, reading it ends in values or problems.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "poll: 1s", "nodes:\n- name: a\n", "{a: [b, {c: d}]}", "&a *a", "- - -", "? a\n: b", "a: |\n x\n", "temperature: L", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := DefaultTLM()
		d := decode("fuzz.yaml", data, c)
		if len(d.problems) == 0 {
			d.placed(c.problems())
		}
		for _, p := range d.problems {
			if p.Text == "" {
				t.Errorf("a problem without text: %+v", p)
			}
		}
	})
}
