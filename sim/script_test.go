package sim

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"simone/sim/scenario"
)

// scripted is a small tree whose machines do what a script says.
func scripted() (*scenario.Parameters, *Script) {
	p := scenario.Default()
	p.Policy, p.Leaves, p.ILMs, p.Rho, p.AgentCost = "static", 40, 2, 0, 0
	p.End, p.Warmup, p.Stagger = 20_000, 0, 1
	s := &Script{Costs: make([]float64, p.Leaves), ILM: make([]int, p.Leaves), Candidates: make([]bool, p.Leaves)}
	for i := range s.Costs {
		s.Costs[i] = 0.1
		s.ILM[i] = i % 2
	}
	return p, s
}

// A report that meets k jobs takes 1+k times as long, while they are there.
func TestScriptedLoadSlowsReportsByItsNumber(t *testing.T) {
	for _, jobs := range []int{0, 1, 4, 9} {
		p, s := scripted()
		s.Steps = []Step{{At: 0, Node: p.Leaves, Jobs: jobs}, {At: 0, Node: p.Leaves + 1, Jobs: 2 * jobs}, {At: 10_000, Node: p.Leaves + 1, Jobs: 0}}
		r, err := Replay(context.Background(), p, s)
		if err != nil {
			t.Fatal(err)
		}
		// Both ILMs count alike; the second is slow for half of the time.
		first, second := 0.1*float64(1+jobs), 0.1*float64(1+2*jobs)
		want := (first + (second+0.1)/2) / 2
		got := r.G - p.OutputCost
		if math.Abs(got-want) > 0.01*want {
			t.Errorf("%d jobs: G is %g, want %g", jobs, got, want)
		}
	}
}

// Each leaf's reports cost what the script says, at the ILM that it says.
func TestScriptedCostsAndPlaces(t *testing.T) {
	p, s := scripted()
	for i := range s.Costs {
		s.ILM[i] = 0
		if i >= 30 {
			s.ILM[i], s.Costs[i] = 1, 0.5
		}
	}
	r, err := Replay(context.Background(), p, s)
	if err != nil {
		t.Fatal(err)
	}
	want := (0.1+0.5)/2 + p.OutputCost
	if math.Abs(r.G-want) > 0.01*want {
		t.Errorf("G is %g, want %g", r.G, want)
	}
	if math.Abs(r.JobMean-(30*0.1+10*0.5)/40-p.OutputCost) > 0.005 {
		t.Errorf("a report took %g", r.JobMean)
	}
}

// By the daemons' engine an ILM whose host gets busy leaves it for a leaf that may
// be one, on the script's clock.
func TestScriptUnderTheDaemonsEngine(t *testing.T) {
	run := func(candidates bool) *Run {
		p, s := scripted()
		p.Policy, p.Enact, p.ILMs = "balance", "staged", 1
		p.Poll, p.Trigger, p.Probe, p.End = 10_000, 10_000, 500, 1_800_000
		s.Unit, s.MinILMs, s.MaxILMs = time.Millisecond, 1, 1
		for i := range s.ILM {
			s.ILM[i], s.Candidates[i] = 0, candidates && i < 6
		}
		s.Steps = []Step{{At: 600_000, Node: p.Leaves, Jobs: 9}}
		r, err := Replay(context.Background(), p, s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	stays, goes := run(false), run(true)
	want := 0.1/3 + 2*1.0/3 // of 30 minutes 20 beside nine other jobs
	if math.Abs(stays.JobMean-want) > 0.05*want || stays.MovesPerHour != 0 {
		t.Errorf("a report takes %g where the ILM cannot go, want %g; %g moves an hour", stays.JobMean, want, stays.MovesPerHour)
	}
	if goes.JobMean > 0.3*want || goes.MovesPerHour < 60 || goes.MovesPerHour > 300 {
		t.Errorf("a report takes %g where the ILM can go; %g moves an hour", goes.JobMean, goes.MovesPerHour)
	}
}

// And leaves begin where the script says.
func TestScriptedPlacesUnderTheDaemonsEngine(t *testing.T) {
	p, s := scripted()
	p.Policy, p.Enact, p.Thresholds = "paper", "staged", scenario.Thresholds{Merge: 0, Split: 1e6, Migrate: 1e6}
	for i := range s.Costs {
		s.ILM[i] = 0
		if i >= 30 {
			s.ILM[i], s.Costs[i] = 1, 0.5
		}
	}
	r, err := Replay(context.Background(), p, s)
	if err != nil {
		t.Fatal(err)
	}
	want := (0.1+0.5)/2 + p.OutputCost
	if math.Abs(r.G-want) > 0.03*want || r.MovesPerHour != 0 {
		t.Errorf("G is %g, want %g; %g moves an hour", r.G, want, r.MovesPerHour)
	}
}

func TestScriptsThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		change func(*scenario.Parameters, *Script)
		says   string
	}{
		{func(p *scenario.Parameters, _ *Script) { p.Rho = 0.5 }, "rho"},
		{func(_ *scenario.Parameters, s *Script) { s.Costs = s.Costs[1:] }, "39"},
		{func(_ *scenario.Parameters, s *Script) { s.ILM[3] = 2 }, "leaf 3 is at ILM 2"},
		{func(_ *scenario.Parameters, s *Script) { s.Steps = []Step{{At: 2}, {At: 1}} }, "not in order"},
		{func(_ *scenario.Parameters, s *Script) { s.Steps = []Step{{Node: 42}} }, "cannot be"},
		{func(_ *scenario.Parameters, s *Script) { s.Unit = -1 }, "negative"},
	} {
		p, s := scripted()
		c.change(p, s)
		if _, err := Replay(context.Background(), p, s); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
}
