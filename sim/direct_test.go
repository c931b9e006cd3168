package sim

import (
	"math"
	"slices"
	"testing"

	"simone/sim/scenario"
)

// numbers are all that a run has to show, by their bits: what is not a number
// equals itself.
func numbers(w *world) (bits []uint64) {
	note := func(xs ...float64) {
		for _, x := range xs {
			bits = append(bits, math.Float64bits(x))
		}
	}
	r := w.result()
	note(r.G, r.ILMMean, r.JobMean, r.P95, r.Deviation, r.MovesPerHour, r.ILMs, r.Skipped, r.NCSSlowdown, r.TLMLatency, float64(r.Events))
	for _, ilm := range w.rec.temperatures {
		for _, t := range ilm {
			note(float64(t))
		}
	}
	for i := range w.nodes {
		note(w.nodes[i].monitored, w.nodes[i].ncsArea)
	}
	return bits
}

// What is done at once is so for speed alone.
func TestDoneAtOnceChangesNothing(t *testing.T) {
	for name, change := range map[string]change{
		"plain":        func(*scenario.Parameters) {},
		"speeds":       func(p *scenario.Parameters) { p.SpeedSigma, p.W = 0.5, 2 },
		"staggered":    func(p *scenario.Parameters) { p.Stagger = 0.3 },
		"flips":        func(p *scenario.Parameters) { p.Rho, p.Flip = 0.2, 100 },
		"hot":          func(p *scenario.Parameters) { p.Rho, p.Hot = 0, 3 },
		"deaths":       func(p *scenario.Parameters) { p.MTBF, p.Repair = 3_000, 700 },
		"crowd":        func(p *scenario.Parameters) { p.Crowd, p.CrowdAt = 30, 3000 },
		"odd triggers": func(p *scenario.Parameters) { p.Trigger, p.RoleStart, p.TLMILMCost = 33.3, 20, 1 },
		"no delay":     func(p *scenario.Parameters) { p.Network, p.OutputCost = 0, 0 },
		"long jobs":    func(p *scenario.Parameters) { p.PollCost, p.AgentCost, p.OutputCost, p.Network = 30, 20, 3, 20 },
		"short jobs": func(p *scenario.Parameters) {
			p.Mean, p.Poll, p.AgentPeriod, p.ReportCost, p.End = 1, 1, 3, 0.001, 1300
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, policy := range []string{"static", "paper", "relocate", "pull", "balance"} {
				p := brief(policy)
				p.Leaves, p.ReportCost, p.End, p.Warmup = 128, 0.8, 4_000, 1_000
				change(p)
				if policy == "balance" && p.Poll < 10 {
					continue // an engine that polls so often takes long
				}
				with, without := mustWorld(t, p), mustWorld(t, p)
				without.direct = false
				mustRun(t, with)
				mustRun(t, without)
				if !slices.Equal(numbers(with), numbers(without)) {
					t.Errorf("%s: it makes a difference", policy)
				}
				used := func(w *world) bool {
					return slices.ContainsFunc(w.answers[:], func(l lane[struct{}]) bool { return l.items != nil })
				}
				if policy == "static" && (!used(with) || used(without)) {
					t.Error("polls done at once: none where they may be, or some where they may not")
				}
			}
		})
	}
}

type change = func(*scenario.Parameters)

// The same with machines that do what a script says: jobs that never end by
// themselves.
func TestDoneAtOnceBesideAScript(t *testing.T) {
	p := brief("paper")
	p.Rho, p.Leaves, p.ReportCost, p.End, p.Warmup = 0, 64, 1.6, 4_000, 1_000
	s := &Script{Costs: slices.Repeat([]float64{p.ReportCost}, p.Leaves), ILM: make([]int, p.Leaves), Candidates: make([]bool, p.Leaves)}
	dice := stream(1, 2, 3)
	for at := 100.0; at < p.End; at += 7 * uniform(&dice) {
		s.Steps = append(s.Steps, Step{At: at, Node: int(dice.Uint64() % uint64(p.Leaves+p.ILMs)), Jobs: int(dice.Uint64() % 4)})
	}
	for leaf := range s.ILM {
		s.ILM[leaf] = leaf % p.ILMs
	}
	if err := s.check(p); err != nil {
		t.Fatal(err)
	}
	policy, err := PolicyByName(p.Policy)
	if err != nil {
		t.Fatal(err)
	}
	with, without := newWorld(p, policy, s), newWorld(p, policy, s)
	without.direct = false
	mustRun(t, with)
	mustRun(t, without)
	if !slices.Equal(numbers(with), numbers(without)) {
		t.Error("it makes a difference")
	}
}
