package ctl

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := put("[good].yaml", "profiles:\n  - name: oven\n    objects: [{object: 1.3.6.1.4.1.99999.1.0, name: fuel}]\n")
	bad := put("bad.yaml", "profiles:\n  - name: oven\n    objects: [ovenFuel]\n")
	exporter := put("snmp.yml", "modules:\n  bakery:\n    walk: [1.3.6.1.4.1.99999]\n    metrics:\n    - {name: fuel, oid: 1.3.6.1.4.1.99999.1, type: gauge}\n    - {name: name, oid: 1.3.6.1.4.1.99999.2, type: DisplayString}\n")

	r := simonectl(t, "profile", "check", good, exporter, "-o", "json")
	var checked []HeldProfile
	if err := json.Unmarshal([]byte(r.stdout), &checked); err != nil || r.err != nil || len(checked) != 2 || checked[0].Name != "bakery" || checked[1].Objects != 1 ||
		!strings.HasPrefix(checked[1].Reference, "oven@") || checked[1].Source != good {
		t.Errorf("%s (%v)", r.stdout, r.err)
	}
	if !strings.Contains(r.stderr, "module bakery: not read: 1 metric of type DisplayString, which is no number: name") {
		t.Errorf("warned: %s", r.stderr)
	}
	if err := simonectl(t, "profile", "check", bad).err; ExitCode(err) != ExitFailed || !strings.Contains(err.Error(), bad+":3:15: profiles[0].objects[0].object: ovenFuel is not known") {
		t.Errorf("a file that is wrong: %v", err)
	}
	r = simonectl(t, "profile", "list", "--file", good)
	if r.err != nil || !strings.Contains(r.stdout, "oven@") || !strings.Contains(r.stdout, "interfaces@") || !strings.Contains(r.stdout, "built in") {
		t.Errorf("%s (%v)", r.stdout, r.err)
	}
	r = simonectl(t, "profile", "show", "interfaces")
	if r.err != nil || !strings.Contains(r.stdout, ".1.3.6.1.2.1.31.1.1.1.6.*") || !strings.Contains(r.stdout, "octets/s") {
		t.Errorf("%s (%v)", r.stdout, r.err)
	}
	r = simonectl(t, "profile", "show", "auto", "-o", "json")
	var choices []ProfileChoice
	if r.err != nil || json.Unmarshal([]byte(r.stdout), &choices) != nil || len(choices) < 5 || choices[len(choices)-1] != (ProfileChoice{"", "system"}) {
		t.Errorf("%s (%v)", r.stdout, r.err)
	}
	if err := simonectl(t, "profile", "show", "interface").err; ExitCode(err) != ExitUsage {
		t.Errorf("a profile that is not there: %v", err)
	}
}
