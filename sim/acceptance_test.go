package sim

import (
	"context"
	"flag"
	"fmt"
	"math"
	"testing"

	"simone/sim/scenario"
)

var (
	acceptanceSeeds = flag.Int("sim.seeds", 0, "seeds of TestAcceptance, at 2 s or so a run; less than 8 leave it out (make evaluation)")
	acceptanceRuns  = flag.String("sim.results", "", "directory with runs that TestAcceptance need not make again; it adds what it makes")
)

// What an independent implementation of the model gave, over ten seeds; within
// is how far off the mean may be.
func TestAcceptance(t *testing.T) {
	if *acceptanceSeeds < 8 {
		t.Skip("-sim.seeds=8 runs it, for some minutes; the means of fewer are too far from each other")
	}
	results := NewResults()
	if *acceptanceRuns != "" {
		var err error
		if results, err = OpenResults(*acceptanceRuns); err != nil {
			t.Fatal(err)
		}
		defer results.Close()
	}
	value := func(t *testing.T, change func(*scenario.Parameters)) *Summary {
		p := scenario.Default()
		change(p)
		if err := Sweep(context.Background(), []scenario.Parameters{*p}, *acceptanceSeeds, results, nil); err != nil {
			t.Fatal(err)
		}
		return results.Summary(p, *acceptanceSeeds)
	}
	var static *Summary
	split := func(at float64) func(*scenario.Parameters) {
		return func(p *scenario.Parameters) { p.Thresholds.Split = at }
	}
	relocate := func(factor float64) func(*scenario.Parameters) {
		return func(p *scenario.Parameters) { p.Policy, p.Factor = "relocate", factor }
	}
	for _, tc := range []struct {
		name         string
		change       func(*scenario.Parameters)
		want, within float64
	}{
		{"static", func(p *scenario.Parameters) { p.Policy = "static" }, 15.7, 0.8},
		{"split 20", split(20), 11.6, 0.5},
		{"split 17.5", split(17.5), 11.4, 0.5},
		{"split 10", split(10), 14.2, 0.8},
		{"split 25", split(25), 12.2, 0.5},
		{"split 5", split(5), 18.5, 1.3},
		{"trigger 25", func(p *scenario.Parameters) { p.Trigger = 25 }, 50.7, math.Inf(1)},
		{"relocate 4", relocate(4), 9.9, 0.2},
		{"relocate 3", relocate(3), 8.5, 0.2},
		{"relocate 2", relocate(2), 6.8, 0.2},
		{"oracle-balance", func(p *scenario.Parameters) { p.Policy = "oracle-balance" }, 10.5, 0.5},
		{"oracle-relocate", func(p *scenario.Parameters) { p.Policy = "oracle-relocate" }, 6.74, 0.15},
		{"static, two workers", func(p *scenario.Parameters) { p.Policy, p.W = "static", 2 }, 11.2, 0.5},
		{"static, four workers", func(p *scenario.Parameters) { p.Policy, p.W = "static", 4 }, 9.1, 0.4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := value(t, tc.change)
			if static == nil {
				static = s
				if visit := s.Estimate("hot_visit").Mean; visit < 17 || visit > 20 {
					t.Errorf("a visit to the hot zone takes %.1f triggers, want 17 to 20", visit)
				}
			}
			g := s.Estimate("G").Mean
			fmt.Printf("%-22s G %5.2f ± %.2f, want %5.2f; jobs %.2f, p95 %.1f, hot %.2f %%, %.1f triggers, moves/h %.0f, slowdown %.3f\n", tc.name, g, s.Estimate("G").CI, tc.want,
				s.Estimate("job_weighted_mean").Mean, s.Estimate("p95").Mean, s.Estimate("hot_percent").Mean, s.Estimate("hot_visit").Mean, s.Estimate("moves_per_hour").Mean, s.Estimate("ncs_slowdown").Mean)
			if !(math.Abs(g-tc.want) <= tc.within) {
				t.Errorf("G is %.2f, want %.2f ± %.2f", g, tc.want, tc.within)
			}
			if tc.name == "split 5" || tc.name == "trigger 25" {
				if !(g > static.Estimate("G").Mean) {
					t.Errorf("G is %.2f, want worse than static's %.2f", g, static.Estimate("G").Mean)
				}
			}
		})
	}
}
