package config

import (
	"testing"

	"simone/mib"
	"simone/profile"
)

// FuzzProfiles reads a file of profiles, or an snmp.yml. Whatever is in it, that
// ends in problems, or in profiles that can be planned and whose rows are read:
// each object that is asked for can be asked for over SNMP.
func FuzzProfiles(f *testing.F) {
	for _, s := range []string{
		ovens, "profiles:\n- name: a\n  objects: [ifNumber]\n", "profiles: [{name: a, tables: [{columns: [ifHCInOctets]}]}]",
		"profiles: [{name: a, interval: 1m, objects: [{object: 1.3.6.1.2.1.1.3.0, scale: .inf}]}]", "profiles: [{name: a, tables: [{table: 1.3}]}]",
		"modules:\n  if_mib:\n    walk: [1.3.6.1.2.1.2]\n    get: [1.3.6.1.2.1.1.3.0]\n    metrics:\n    - {name: ifInOctets, oid: 1.3.6.1.2.1.2.2.1.10, type: counter, indexes: [{labelname: ifIndex}], lookups: [{labelname: ifDescr, oid: 1.3.6.1.2.1.2.2.1.2}]}\n",
		"modules:\n  a:\n    walk: [1.3.6.1.2.1.2.2.1.10.1, 1.3.6.1.2.1.2]\n    timeout: 5s\n    retries: 3\n    max_repetitions: 25\n    metrics: [{name: x, oid: 1.3.6.1.2.1.2.2.1.10, type: gauge, indexes: [{labelname: i}], scale: 0.1}]",
		"old:\n  walk: [1.3]\n  metrics:\n  - {name: x, oid: 1.3.6, type: gauge}\n", "auths: {a: {community: b}}\n", "modules: &a {b: *a}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var all []*profile.Profile
		var problems Problems
		if isExporter(data) {
			all, _, problems = readExporter("fuzz.yml", data)
		} else {
			all, problems = readProfiles("fuzz.yaml", data, newGlossary(t.TempDir(), nil))
		}
		for _, p := range problems {
			if p.Text == "" {
				t.Errorf("a problem without text: %+v", p)
			}
		}
		if len(problems) > 0 {
			return
		}
		if _, err := profile.NewSet(all, nil); err != nil {
			return // names that there are twice, which the directory of all files says
		}
		plan := profile.NewPlan(all)
		for _, s := range plan.Scalars(^profile.Groups(0)) {
			mustBeAsked(t, s.OID)
		}
		for _, o := range plan.Columns(^profile.Groups(0)) {
			mustBeAsked(t, o)
		}
	})
}

// mustBeAsked checks that SNMP can carry an OID (X.690, section 8.19.4).
func mustBeAsked(t *testing.T, o mib.OID) {
	t.Helper()
	if len(o) < 2 || len(o) > mib.MaxOIDLen || o[0] > 2 || o[0] < 2 && o[1] > 39 {
		t.Errorf("%v is to be asked for", o)
	}
}
