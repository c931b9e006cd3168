package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"simone/sim/scenario"
)

// The scenarios are in configs/sim; ncs-h.yaml claims to show every key.
func TestShippedScenarios(t *testing.T) {
	files, err := filepath.Glob("../../configs/sim/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("configs/sim has only %v (%v)", files, err)
	}
	changes := map[string][]string{"ncs-h.yaml": nil, "ncs-p.yaml": {"rho"}, "bursty.yaml": {"mean", "report_cost", "shape"},
		"million.yaml":     {"end", "ilms", "leaves", "policy", "stagger", "tlm_cost", "upper", "upper_cost", "warmup"},
		"budget-3000.yaml": {"budget"}, "crowd.yaml": {"crowd", "crowd_at"}, "deaths.yaml": {"mtbf"}, "fan-in-512.yaml": {"leaves"}, "fan-in-8.yaml": {"leaves"},
		"flip-late.yaml": {"flip", "flip_phase", "rho"}, "flip.yaml": {"flip", "rho"}, "four-workers.yaml": {"w"}, "hot.yaml": {"hot", "rho"},
		"rho-08.yaml": {"rho"}, "role-start.yaml": {"role_start"}, "speeds-unknown.yaml": {"speed_known", "speed_sigma"},
		"speeds.yaml": {"speed_sigma"}, "staggered.yaml": {"stagger"}}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			c, err := LoadSim(f)
			if err != nil {
				t.Fatal(err)
			}
			now, restart := Changes(&Sim{*scenario.Default()}, c)
			got := append(now, restart...)
			slices.Sort(got)
			if want, ok := changes[filepath.Base(f)]; !ok || !slices.Equal(got, want) {
				t.Errorf("it differs from NCS-H in %v, want %v", got, want)
			}
		})
	}
	text, err := os.ReadFile("../../configs/sim/ncs-h.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fieldsOf(reflect.TypeFor[Sim]()) {
		if !strings.Contains(string(text), "\n"+f.name+": ") {
			t.Errorf("ncs-h.yaml does not show %s", f.name)
		}
	}
}

func TestScenarioFromTheCommandLine(t *testing.T) {
	set := func(s string) Override {
		o, err := ParseOverride(s)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	c, err := LoadSim("", set("thresholds=0.1-20-50"), set("thresholds.merge=1"), set("stagger=true"), set("leaves=64"), set("weights=[1, 1]"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Thresholds != (scenario.Thresholds{Merge: 1, Split: 20, Migrate: 50}) || c.Stagger != 1 || c.Leaves != 64 || len(c.Weights) != 2 {
		t.Errorf("read %+v", c)
	}
	for bad, want := range map[string]string{
		"thresholds=20":      "write for example 0.1-17.5-500",
		"thresholds=20-10-5": "out of order",
		"stagger=often":      "0 to 1, true or false",
		"nodes=3":            "the keys here are leaves, ilms",
		"leavs=3":            `did you mean "leaves"?`,
		"leafs=3":            `did you mean "leaves"?`,
		"reportcost=3":       `did you mean "report_cost"?`,
		"endtime=3":          `did you mean "end"?`,
		"workers=3":          "the keys here are leaves, ilms", // w has too little in common with it
		"rho=1":              "not from 0 to 0.99",
		"service=lognormal":  "is none of",
		"end=NaN":            "end",
	} {
		_, err := LoadSim("", set(bad))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", bad, err, want)
		} else if strings.Contains(err.Error(), "did you mean") && strings.Contains(err.Error(), "the keys here") {
			t.Errorf("%s: %v, which lists all keys beside the one that is meant", bad, err)
		}
	}
}
