package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run gives what simonectl sim with these arguments prints.
func run(t *testing.T, output string, args ...string) (string, error) {
	t.Helper()
	cmd := Command()
	cmd.PersistentFlags().String("output", output, "")
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(context.Background())
	return out.String(), err
}

// small is a scenario that takes a moment.
func small(more ...string) []string {
	return append([]string{"run", "../../../configs/sim/ncs-h.yaml", "--seeds", "2",
		"--set", "leaves=64", "--set", "ilms=4", "--set", "end=12000", "--set", "warmup=2000", "--set", "report_cost=0.5"}, more...)
}

func TestRunPrintsTheKeysOfItsResult(t *testing.T) {
	out, err := run(t, "json", small("--policy", "relocate")...)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	for _, key := range []string{"G", "G_ci", "hot_percent", "p95", "job_weighted_mean", "moves_per_hour", "transformations_per_hour",
		"ncs_slowdown", "tlm_latency", "ilms_mean", "skipped_polls", "events_per_second"} {
		if _, ok := got[key].(float64); !ok {
			t.Errorf("%s is %v, want a number", key, got[key])
		}
	}
	if got["policy"] != "relocate" || got["ilms_mean"] != 4.0 || !(got["moves_per_hour"].(float64) > 0) {
		t.Errorf("ran %v with %v ILMs and %v moves", got["policy"], got["ilms_mean"], got["moves_per_hour"])
	}
	if runs, ok := got["runs"].([]any); !ok || len(runs) != 2 {
		t.Errorf("runs are %v, want two", got["runs"])
	}
}

func TestRunPrintsATable(t *testing.T) {
	out, err := run(t, "table", small("--policy", "static")...)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"policy static, 2 seeds\n", "\nG  ", "events_per_second"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
}

func TestRunComparesWithOthers(t *testing.T) {
	args := small("--policy", "relocate", "--against", "paper", "--against", "static")
	out, err := run(t, "table", args...)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nless what policy paper has, seed by seed\n", "\nless what policy static has", "of 2 seeds"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	if out, err = run(t, "json", args...); err != nil {
		t.Fatal(err)
	}
	var got struct {
		G       float64
		Against []map[string]any
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(got.Against) != 2 || got.Against[1]["policy"] != "static" {
		t.Fatalf("compared with %+v", got.Against)
	}
	for _, key := range []string{"G", "G_difference", "p95_difference_ci", "ncs_slowdown_difference"} {
		if _, ok := got.Against[0][key].(float64); !ok {
			t.Errorf("%s is %v, want a number", key, got.Against[0][key])
		}
	}
	if _, ok := got.Against[0]["G_higher_seeds"].([]any); !ok {
		t.Errorf("seeds with more are %v", got.Against[0]["G_higher_seeds"])
	}
}

func TestRunRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"an unknown key", small("--set", "leavs=3"), `did you mean "leaves"?`},
		{"an unknown policy", small("--policy", "luck"), `there is no policy "luck" in the simulator: write static, paper`},
		{"a value out of bounds", small("--set", "rho=1.5"), "rho: 1.5 is not from 0 to 0.99"},
		{"an unknown policy to compare with", small("--against", "luck"), `there is no policy "luck" in the simulator`},
		{"no seeds", small("--seeds", "0"), "at least one"},
		{"no such file", []string{"run", "nowhere.yaml"}, "nowhere.yaml"},
		{"a word that is no assignment", small("--set", "rho"), "not of the form key=value"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := run(t, "table", tc.args...); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestSweepAndReport(t *testing.T) {
	dir := t.TempDir() + "/results"
	args := append(small("--vary", "policy=static,paper", "--vary", "w=1,2", "--out", dir)[1:], "--seeds", "1")
	out, err := run(t, "json", append([]string{"sweep"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	var got []struct {
		Varied  string         `json:"varied"`
		Summary map[string]any `json:"summary"`
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(got) != 4 || got[3].Varied != "policy=paper w=2" || got[3].Summary["policy"] != "paper" || got[0].Summary["seeds"] != 1.0 {
		t.Errorf("swept %+v", got)
	}
	if again, err := run(t, "json", append([]string{"sweep"}, args...)...); err != nil || again != out {
		t.Errorf("the same sweep a second time, with all of it done: %v and\n%s, not\n%s", err, again, out)
	}
	if out, err = run(t, "table", "report", dir); err != nil || !strings.Contains(out, "report.html") {
		t.Errorf("the report says %q, %v", out, err)
	}
	for _, name := range []string{"report.md", "report.html"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(text), "w 2, policy paper") {
			t.Errorf("%s: %v in\n%s", name, err, text)
		}
	}
}

func TestSweepRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"no directory", []string{"sweep", "--vary", "w=1,2"}, "write --out DIR"},
		{"no assignment", []string{"sweep", "--vary", "w", "--out", "x"}, "write key=value,value"},
		{"a value that is none", []string{"sweep", "--vary", "w=1,many", "--out", "x"}, "w: "},
		{"all and more", []string{"sweep", "--evaluation", "--vary", "w=1", "--out", "x"}, "leave CONFIG, --vary, --set and --policy out"},
		{"no such exhibit", []string{"sweep", "--evaluation", "--only", "table9", "--out", "x"}, "write some of table1, figure4"},
		{"an exhibit of no evaluation", []string{"sweep", "--only", "table1", "--out", "x"}, "write --evaluation as well"},
		{"a report of an empty directory", []string{"report", t.TempDir()}, "holds no runs"},
		{"a report of nothing", []string{"report", "nowhere"}, "simonectl sim sweep --evaluation --out nowhere"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := run(t, "table", tc.args...); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q in it", err, tc.want)
			}
		})
	}
}
