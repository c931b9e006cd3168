package sim

import (
	"slices"
	"testing"

	"simone/sim/scenario"
)

func TestCandidatesAreRanked(t *testing.T) {
	for _, tc := range []struct {
		name string
		a, b candidate
		want bool // a is better
	}{
		{"clearly lighter", candidate{intensity: 1, idle: 0}, candidate{intensity: 2, idle: 9}, true},
		{"clearly heavier, idle for longer", candidate{intensity: 2, idle: 9}, candidate{intensity: 1, idle: 0}, false},
		{"much alike, idle for longer", candidate{intensity: 1.1, idle: 9}, candidate{intensity: 1, idle: 3}, true},
		{"much alike, idle for less", candidate{intensity: 1, idle: 3}, candidate{intensity: 1.1, idle: 9}, false},
		{"the same", candidate{intensity: 1, idle: 3}, candidate{intensity: 1, idle: 3}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.a.better(tc.b); got != tc.want {
				t.Errorf("better is %v", got)
			}
		})
	}
}

// still is a world in which nothing happens but what the test does, with so
// many computing jobs on the hosts of its ILMs, and none on leaves.
func still(t *testing.T, change func(*scenario.Parameters), jobs ...int32) (*world, *relocation) {
	t.Helper()
	p := brief("relocate")
	p.Rho, p.Leaves, p.ILMs = 0, 60, len(jobs)
	change(p)
	w := mustWorld(t, p)
	for i, n := range jobs {
		w.nodes[w.hostOf(i)].ncs = n
	}
	return w, &relocation{plans: slices.Repeat([]move{{to: noHost}}, p.ILMs)}
}

// On equal hosts factors of 2, 3 and 4 mean that one, two and three jobs are
// too many.
func TestFactorSaysHowManyJobsAreTooMany(t *testing.T) {
	for factor, tooMany := range map[float64]int32{2: 1, 3: 2, 4: 3} {
		w, r := still(t, func(p *scenario.Parameters) { p.Factor = factor }, tooMany, tooMany-1, 9)
		stays := w.hostOf(1)
		r.decide(w)
		checkTree(t, w)
		if w.hostOf(0) >= int32(w.Leaves) || w.hostOf(2) >= int32(w.Leaves) || w.hostOf(1) != stays {
			t.Errorf("factor %g: ILMs with %d, %d and 9 jobs beside them are on nodes %d, %d and %d", factor, tooMany, tooMany-1, w.hostOf(0), w.hostOf(1), w.hostOf(2))
		}
	}
}

// What a leaf said may be old: it is asked, and passed over if it has more to
// do by now.
func TestCandidatesAreProbed(t *testing.T) {
	w, r := still(t, func(*scenario.Parameters) {}, 5)
	for leaf := range w.Leaves {
		w.nodes[leaf].ncs = 1 // none has said so yet
	}
	r.decide(w)
	if w.hostOf(0) != w.ilmHost(0) {
		t.Error("the ILM went to a leaf that has got busy")
	}
	w.nodes[7].ncs = 0
	w.leaves[7].idle = 3 // so that it is among the four that are asked
	r.decide(w)
	if w.hostOf(0) != 7 {
		t.Errorf("the ILM is on node %d, want the idle leaf", w.hostOf(0))
	}
}

func TestMovesAheadOfTime(t *testing.T) {
	for _, busy := range []bool{false, true} {
		w, r := still(t, func(p *scenario.Parameters) { p.Ahead = 2 }, 5, 5)
		r.decide(w)
		first, second := r.plans[0].to, r.plans[1].to
		if first == noHost || second == noHost || first == second {
			t.Fatalf("the hosts that were chosen are %d and %d", first, second)
		}
		if busy {
			w.nodes[first].ncs = 8
		}
		r.decide(w)
		if w.hostOf(0) != w.ilmHost(0) || r.plans[0].to != first {
			t.Fatal("it did not wait for two triggers")
		}
		r.decide(w)
		if moved := w.hostOf(0) == first; moved == busy {
			t.Errorf("target busy: %v; the ILM went there: %v", busy, moved)
		}
		if w.hostOf(1) != second {
			t.Error("the other ILM did not move")
		}
		checkTree(t, w)
	}
}

func TestDeadBand(t *testing.T) {
	for _, tc := range []struct {
		name string
		band float64
		want []int // nodes; ILM 0 has three times the intensity
	}{
		{"none", 0, []int{20, 20, 20}},
		{"a wide one", 2.5, []int{20, 20, 20}},
		{"a narrow one", 0.5, []int{10, 20, 30}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, r := still(t, func(p *scenario.Parameters) { p.Factor, p.DeadBand = 100, tc.band }, 2, 0, 0)
			r.decide(w)
			checkTree(t, w)
			if got := counts(w); !slices.Equal(got, tc.want) {
				t.Errorf("the ILMs have %v nodes, want %v", got, tc.want)
			}
		})
	}
}

func TestBudgetIsKept(t *testing.T) {
	moves := func(budget float64) float64 {
		p := brief("relocate")
		p.Factor, p.End, p.Warmup, p.Budget = 2, 40_000, 4_000, budget
		w := mustWorld(t, p)
		mustRun(t, w)
		return w.result().MovesPerHour
	}
	free := moves(0)
	budget := free / 3
	if got := moves(budget); got > 1.1*budget || got < 0.8*budget {
		t.Errorf("%.0f nodes moved in an hour of a budget of %.0f, without one %.0f", got, budget, free)
	}
}
