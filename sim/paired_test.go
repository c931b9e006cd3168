package sim

import (
	"math"
	"slices"
	"testing"

	"simone/sim/scenario"
)

// A comparison takes the differences of the same seeds, and its interval is
// that of the differences, not of the values.
func TestCompareSeedBySeed(t *testing.T) {
	summary := func(policy string, g map[int]float64) *Summary {
		var outcomes []Outcome
		for seed := range 5 {
			if v, ok := g[seed]; ok {
				outcomes = append(outcomes, Outcome{Seed: seed, Values: map[string]float64{"G": v, "p95": math.NaN()}})
			}
		}
		return Summarise(policy, outcomes)
	}
	one := summary("one", map[int]float64{0: 9, 1: 19, 2: 31, 4: 7})
	other := summary("other", map[int]float64{0: 10, 1: 21, 2: 30, 3: 1})
	p := Compare(one, other)
	i := slices.IndexFunc(p.Pairs, func(p Pair) bool { return p.Key == "G" })
	g := p.Pairs[i]
	// Differences -1, -2, 1: mean -2/3, deviation 1.5275, t with 2 degrees of freedom 4.3027.
	if want := 4.30265 * 1.52753 / math.Sqrt(3); math.Abs(g.Difference.Mean+2.0/3) > 1e-9 || math.Abs(g.Difference.CI-want) > 1e-3 {
		t.Errorf("difference %v ± %v, want -0.667 ± %.3f", g.Difference.Mean, g.Difference.CI, want)
	}
	if !slices.Equal(g.Higher, []int{2}) || g.Verdict() != "no difference shown" {
		t.Errorf("higher with seeds %v, %q", g.Higher, g.Verdict())
	}
	g.Difference.CI = 0.5
	if g.Verdict() != "less" {
		t.Errorf("an interval below 0: %q", g.Verdict())
	}
	if p95 := p.Pairs[slices.IndexFunc(p.Pairs, func(p Pair) bool { return p.Key == "p95" })]; p95.Verdict() != "" || p95.Higher != nil {
		t.Errorf("nothing was measured, but: %+v", p95)
	}
}

// Replicate runs the others on the same seeds, and their difference is that of
// the two means.
func TestReplicateAgainstOthers(t *testing.T) {
	p := scenario.Default()
	p.Leaves, p.ILMs, p.End, p.Warmup, p.Policy = 64, 4, 8000, 1000, "relocate"
	p.ReportCost = 0.5
	s, err := Replicate(t.Context(), p, 2, []string{"static", "paper"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Against) != 2 || s.Against[0].Against.Policy != "static" || s.Against[1].Against.Policy != "paper" {
		t.Fatalf("compared with %+v", s.Against)
	}
	if own, static := s.Estimate("G_static").Mean, s.Against[0].Against.Estimate("G").Mean; own != static {
		t.Errorf("G of the static scheme is %v, beside the policy %v", static, own)
	}
	for _, a := range s.Against {
		want := s.Estimate("G").Mean - a.Against.Estimate("G").Mean
		if got := a.Pairs[0].Difference.Mean; math.Abs(got-want) > 1e-9 {
			t.Errorf("less policy %s: %v, the means differ by %v", a.Against.Policy, got, want)
		}
	}
}
