package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"simone/sim/heap"
	"simone/sim/scenario"
)

// Script is a tree and a load that were seen somewhere, in place of those that
// are drawn.
type Script struct {
	// Unit is the length of one unit of the run's times; 0: 100 ms.
	Unit time.Duration
	// Costs are the demands of the leaves' reports at their ILMs, one for each
	// leaf.
	Costs []float64
	// ILM gives the ILM, 0 to ILMs-1, that polls a leaf when the run begins.
	ILM []int
	// Candidates says which leaves may become ILMs, as far as the policy moves
	// ILMs at all.
	Candidates []bool
	// MinILMs and MaxILMs bound how many ILMs there are while the daemons' policies
	// decide; 0 as the maximum: as many as there may be.
	MinILMs, MaxILMs int
	// Steps are what else the machines do, in order of their times.
	Steps []Step
}

// Step is how many computing jobs a machine has from a time on: a leaf, or from
// Leaves on an ILM's first host.
type Step struct {
	At   float64
	Node int
	Jobs int
}

// Replay is Simulate with a script. The parameters say how many leaves and ILMs
// there are; rho has to be 0.
func Replay(ctx context.Context, p *scenario.Parameters, s *Script) (*Run, error) {
	if err := s.check(p); err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return simulate(ctx, p, s)
}

func (s *Script) check(p *scenario.Parameters) error {
	switch {
	case p.Rho != 0:
		return fmt.Errorf("rho is %g, and the script says what machines do: write 0", p.Rho)
	case len(s.Costs) != p.Leaves || len(s.ILM) != p.Leaves || len(s.Candidates) != p.Leaves:
		return fmt.Errorf("it is for %d, %d and %d leaves, and there are %d", len(s.Costs), len(s.ILM), len(s.Candidates), p.Leaves)
	case s.Unit < 0:
		return fmt.Errorf("its unit %v is negative", s.Unit)
	}
	for leaf, ilm := range s.ILM {
		if ilm < 0 || ilm >= p.ILMs {
			return fmt.Errorf("leaf %d is at ILM %d of %d", leaf, ilm, p.ILMs)
		}
	}
	if !slices.IsSortedFunc(s.Steps, func(a, b Step) int {
		switch {
		case a.At < b.At:
			return -1
		case a.At > b.At:
			return 1
		}
		return 0
	}) {
		return fmt.Errorf("its steps are not in order")
	}
	for _, step := range s.Steps {
		if step.Node < 0 || step.Node >= p.Leaves+p.ILMs || step.Jobs < 0 || !(step.At >= 0) {
			return fmt.Errorf("its step %+v cannot be", step)
		}
	}
	return nil
}

// unit is the length of one unit of the run's times.
func (s *Script) unit() time.Duration {
	if s == nil || s.Unit == 0 {
		return stu
	}
	return s.Unit
}

// nextStep sets the timer of the script's next step.
func (w *world) nextStep() {
	if w.script == nil || w.step == len(w.script.Steps) {
		w.heap.Clear(slotScript)
		return
	}
	step := w.script.Steps[w.step]
	w.heap.Set(slotScript, key{At: step.At, Rank: heap.Rank(kindNCS, uint32(step.Node))})
}

// play takes the script's next step: jobs that come stay until it says that they
// go.
func (w *world) play(k key) {
	w.happened(k, job{})
	step := w.script.Steps[w.step]
	node := int32(step.Node)
	n := &w.nodes[node]
	for by := step.Jobs - int(n.ncs); by > 0; by-- {
		w.begin(node, never, job{kind: jobNCS}, noLane)
	}
	for by := int(n.ncs) - step.Jobs; by > 0; by-- {
		n.drop(w.now)
	}
	n.count(w.now, int32(step.Jobs)-n.ncs)
	w.watch(node, n, n.done(), noLane)
	w.step++
	w.nextStep()
}

// mayManage reports whether a node may become an ILM.
func (w *world) mayManage(node int32) bool {
	return !w.downAt(node) && (w.script == nil || int(node) >= w.Leaves || w.script.Candidates[node])
}

// reportCost is what a node's report costs its ILM.
func (w *world) reportCost(node int32) float64 {
	if w.script == nil || int(node) >= w.Leaves {
		return w.ReportCost
	}
	return w.script.Costs[node]
}
