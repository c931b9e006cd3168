package ctl

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"simone/internal/trace"
	"simone/mib"
	"simone/reconfig"
)

func TestWhatGoesBack(t *testing.T) {
	was := trace.Assignment{
		At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), ILMs: []mib.NodeID{2, 3},
		Owners: map[mib.NodeID]mib.NodeID{2: 1, 3: 1, 4: 2, 5: 2, 6: 3, 7: 3, 8: 9, 10: 1, 11: 12},
	}
	nodes := []Node{
		{ID: 1, Name: "top"},
		{ID: 2, Name: "a", Owner: 1, Candidate: true},
		{ID: 3, Name: "b", Owner: 4, Candidate: true}, // a leaf now
		{ID: 4, Name: "c", Owner: 1, Candidate: true}, // an ILM now
		{ID: 5, Name: "d", Owner: 2},
		{ID: 6, Name: "e", Owner: 2},
		{ID: 7, Name: "f", Owner: 4, Pinned: true, OwnerName: "c"},
		{ID: 8, Name: "g", Owner: 2},
		{ID: 10, Name: "h", Owner: 2},
		{ID: 11, Name: "i", Owner: 2},
		{ID: 12, Name: "j", Owner: 2},
	}
	managers := []Manager{{ID: 1, Level: 0}, {ID: 2, Level: 1}, {ID: 4, Level: 1}}
	r, places := back(was, nodes, managers)
	want := []reconfig.Place{{Node: 4}, {Node: 4, At: 2}, {Node: 6, At: 3}}
	if !reflect.DeepEqual(places, want) {
		t.Errorf("places %v, want %v", places, want)
	}
	if !reflect.DeepEqual(r.Stop, []mib.NodeID{4}) || !reflect.DeepEqual(r.Start, []mib.NodeID{3}) || r.Same != 1 {
		t.Errorf("%+v", r)
	}
	why := make(map[mib.NodeID]string)
	for _, l := range r.Left {
		why[l.ID] = l.Why
	}
	for id, text := range map[mib.NodeID]string{
		3: "with no ILM", 7: "pinned to c (4)", 8: "node 9, which had it then, is gone", 10: "with no ILM", 11: "may not become an ILM", 12: "not in the tree then",
	} {
		if !strings.Contains(why[id], text) {
			t.Errorf("node %d stays: %q, want %q", id, why[id], text)
		}
	}
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{"90m": now.Add(-90 * time.Minute), "2026-03-01T11:00:00+01:00": now.Add(-2 * time.Hour)} {
		if got, err := moment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-5m", "0s", "yesterday", "2026-03-01T12:00:01Z"} {
		if _, err := moment(text, now); ExitCode(err) != ExitUsage || !strings.Contains(err.Error(), "10m") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
