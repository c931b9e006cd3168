package ctl

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestGolden holds what the commands show against files, in all formats.
func TestGolden(t *testing.T) {
	newFleet(t)
	for _, c := range []struct {
		name string
		args string
	}{
		{"tree", "tree"},
		{"tree_collapsed", "tree --leaves=false"},
		{"tree_json", "tree -o json"},
		{"node_ls", "node ls"},
		{"node_ls_yaml", "node ls -o yaml"},
		{"node_show_leaf", "node show n4"},
		{"node_show_device", "node show 8"},
		{"node_show_ilm", "node show " + ilmAAt},
		{"node_show_tlm_json", "node show tlm -o json"},
		{"ilm_ls", "ilm ls"},
		{"ilm_ls_json", "ilm ls -o json"},
		{"metrics", "metrics"},
		{"metrics_node", "metrics switch"},
		{"metrics_node_json", "metrics n4 -m load1 -o json"},
		{"metrics_aggregate", "metrics --aggregate"},
		{"metrics_aggregate_json", "metrics --aggregate -m fanSpeed -o json"},
		{"slow", "slow"},
		{"slow_cost_json", "slow --by cost -n 1 -o json"},
		{"events", "events"},
		{"events_last", "events -n 2"},
		{"events_at", "events --at ilm-a"},
		{"events_json", "events -n 1 -o json"},
		{"thresholds", "thresholds get"},
		{"thresholds_yaml", "thresholds get -o yaml"},
		{"explain", "reconfig explain"},
		{"explain_json", "reconfig explain -o json"},
		{"explain_at", "reconfig explain --at 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := simonectl(t, strings.Fields(c.args)...)
			if r.err != nil {
				t.Fatal(r.err)
			}
			if r.stderr != "" {
				t.Errorf("stderr: %s", r.stderr)
			}
			switch {
			case strings.Contains(c.args, "json"):
				if !json.Valid([]byte(r.stdout)) {
					t.Errorf("no JSON: %s", r.stdout)
				}
			case strings.Contains(c.args, "yaml"):
				if err := yaml.Unmarshal([]byte(r.stdout), new(any)); err != nil {
					t.Errorf("no YAML: %v", err)
				}
			}
			golden(t, c.name, r.stdout)
		})
	}
}

// TestFromAnywhere: whatever node is asked, the same tree is seen.
func TestFromAnywhere(t *testing.T) {
	newFleet(t)
	want := simonectl(t, "ilm", "ls")
	if want.err != nil {
		t.Fatal(want.err)
	}
	for _, at := range []string{leaf4At, ilmCAt, ilmBAt} {
		if got := simonectl(t, "-a", at, "ilm", "ls"); got.err != nil || got.stdout != want.stdout {
			t.Errorf("from %s: %v\n%s\nwant:\n%s", at, got.err, got.stdout, want.stdout)
		}
	}
}
