package replay

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"simone/internal/trace"
	"simone/mib"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// recorded is an hour of two ILMs, 2 and 3, with twenty leaves each that cost 2 ms,
// where ILM 3 has four jobs beside its own during the second half. Leaf 12 leaves,
// node 99 joins, and node 50 is polled by the TLM itself.
func recorded(change func(round int, r *trace.Round)) *trace.Trace {
	t := &trace.Trace{}
	settings := trace.Settings{Policy: "balance", Thresholds: [3]float64{0.1, 17.5, 500}, STU: 0.001, Trigger: 10, Interval: 10, Churn: 0.1, MinILMs: 1, Budget: 4000}
	for i := range 361 {
		r := trace.Round{At: start.Add(time.Duration(i) * 10 * time.Second), Whole: i == 0, ILMs: []trace.ILM{{ID: 2, Temperature: 2, Nodes: 20}, {ID: 3, Temperature: 6, Nodes: 20}}}
		if i == 0 {
			s := settings
			r.Settings = &s
			r.Nodes = append(r.Nodes, trace.Node{ID: 2, Owner: 1, Candidate: true, ILM: true}, trace.Node{ID: 3, Owner: 1, Candidate: true, ILM: true}, trace.Node{ID: 50, Owner: 1})
			for leaf := range 40 {
				r.Nodes = append(r.Nodes, trace.Node{ID: mib.NodeID(4 + leaf), Owner: mib.NodeID(2 + leaf%2), Cost: 0.002, Candidate: leaf < 10})
			}
		}
		switch i {
		case 180:
			r.Nodes = append(r.Nodes, trace.Node{ID: 3, Owner: 1, Candidate: true, ILM: true, Load: 4}, trace.Node{ID: 99, Owner: 2})
		case 200:
			r.Gone = []mib.NodeID{12}
		}
		if change != nil {
			change(i, &r)
		}
		t.Rounds = append(t.Rounds, r)
	}
	return t
}

func TestReplayIsWhatTheModelSays(t *testing.T) {
	s, err := Prepare(recorded(nil), start)
	if err != nil {
		t.Fatal(err)
	}
	if s.Nodes != 41 || s.Omitted != 3 || s.Changed != 0 || s.Length != time.Hour || s.Unit != time.Millisecond {
		t.Errorf("%d nodes, %d left out, %d changes, %v in units of %v", s.Nodes, s.Omitted, s.Changed, s.Length, s.Unit)
	}
	if s.Base.Budget != 4000 {
		t.Errorf("replayed with %v moves an hour, want those that were allowed", s.Base.Budget)
	}
	p, err := s.Play(context.Background(), s.Base)
	if err != nil {
		t.Fatal(err)
	}
	// A report takes 2 ms, and five times as long beside four jobs; nothing else
	// is in its way, as polls are spread.
	want := (2 + (2+10)/2.0) / 2
	if got := float64(p.Replayed.G); math.Abs(got-want) > 0.05*want {
		t.Errorf("G is %g stu, want %g", got, want)
	}
	if p.Replayed.MovesPerHour != 0 || p.Replayed.ILMs != 2 {
		t.Errorf("nothing was to move: %+v", p.Replayed)
	}
	if p.Recorded.G != 4 || p.Recorded.P95 != 6 || p.Recorded.ILMs != 2 {
		t.Errorf("recorded: %+v", p.Recorded)
	}
	// Cheaper polls half as often, said as an operator says it.
	other, err := s.WhatIf([]string{"poll=20s", "report_cost=1"})
	if err != nil {
		t.Fatal(err)
	}
	if other.Poll != 20_000 || other.ReportCost != 1 {
		t.Errorf("%+v", other)
	}
	b, err := json.Marshal(p)
	if err != nil || !strings.Contains(string(b), `"skipped_polls":null`) {
		t.Errorf("%v: %s", err, b)
	}
}

// A policy that moves ILMs to idle hosts would have left the busy one.
func TestWhatIfAnotherPolicyHadDecided(t *testing.T) {
	s, err := Prepare(recorded(nil), start)
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.WhatIf([]string{"policy=relocate"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Play(context.Background(), other)
	if err != nil {
		t.Fatal(err)
	}
	for leaf, candidate := range s.Script.Candidates {
		if candidate {
			s.Script.Candidates[leaf] = false
		}
	}
	if none, err := s.Play(context.Background(), other); err != nil || none.WhatIf.MovesPerHour != 0 {
		t.Errorf("ILMs went to leaves that are no candidates: %+v (%v)", none.WhatIf, err)
	}
	if p.WhatIf.MovesPerHour == 0 || p.WhatIf.G > 0.7*p.Replayed.G {
		t.Errorf("%+v, as it was set %+v", p.WhatIf, p.Replayed)
	}
}

func TestWhatCannotBeReplayed(t *testing.T) {
	for _, c := range []struct {
		change func(int, *trace.Round)
		from   time.Time
		says   string
	}{
		{nil, start.Add(2 * time.Hour), "0 rounds"},
		{func(i int, r *trace.Round) { r.Settings = nil }, start, "settings"},
		{func(i int, r *trace.Round) { r.Nodes = nil }, start, "0 rounds"},
	} {
		if _, err := Prepare(recorded(c.change), c.from); !errors.Is(err, ErrNothing) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
	s, err := Prepare(recorded(nil), start)
	if err != nil {
		t.Fatal(err)
	}
	for setting, says := range map[string]string{
		"split": "not key=value", "split=cold": "no number", "trigger=10": "no time", "policy=whim": "there is no policy", "colour=red": "no such setting", "split=0.01": "out of order", "w=none": "does not fit",
	} {
		if _, err := s.WhatIf([]string{setting}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", setting, err, says)
		}
	}
}
