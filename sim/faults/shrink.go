package faults

import (
	"context"
	"slices"
	"time"
)

// Shrink looks for a shorter scenario that fails too, until it finds none or
// ctx is done: fewer faults, fewer nodes, less time. It gives s itself if that
// does not fail.
func Shrink(ctx context.Context, s *Scenario) *Scenario {
	h := shrinking{ctx: ctx, best: s}
	if !h.fails(s) {
		return s
	}
	for before := -1; before != h.tried && ctx.Err() == nil; {
		before = h.tried
		size := h.size()
		h.fewerFaults()
		h.smaller()
		if h.size() == size {
			break
		}
	}
	return h.best
}

// shrinking is a scenario that fails, and how to get at a shorter one.
type shrinking struct {
	ctx   context.Context
	best  *Scenario
	tried int
}

// size is what is to be less.
func (h *shrinking) size() int {
	return len(h.best.Faults)*1000 + h.best.Nodes*10 + int(h.best.End/time.Second)
}

func (h *shrinking) fails(s *Scenario) bool {
	h.tried++
	return s.Validate() == nil && len(Run(s, nil).Violations) > 0
}

// try takes a scenario if it fails too.
func (h *shrinking) try(change func(*Scenario)) bool {
	if h.ctx.Err() != nil {
		return false
	}
	s := *h.best
	s.Faults = slices.Clone(s.Faults)
	change(&s)
	if !h.fails(&s) {
		return false
	}
	h.best = &s
	return true
}

// fewerFaults leaves out halves, quarters and so on of the faults, as long as
// the rest still fails (ddmin).
func (h *shrinking) fewerFaults() {
	for part := max(len(h.best.Faults)/2, 1); ; part /= 2 {
		for at := 0; at < len(h.best.Faults); {
			end := min(at+part, len(h.best.Faults))
			if !h.try(func(s *Scenario) { s.Faults = slices.Delete(s.Faults, at, end) }) {
				at = end
			}
			if h.ctx.Err() != nil {
				return
			}
		}
		if part <= 1 {
			return
		}
	}
}

// smaller tries less of everything else.
func (h *shrinking) smaller() {
	for _, nodes := range []int{4, 8, 16, 32, 64} {
		if nodes < h.best.Nodes && h.try(func(s *Scenario) { s.Nodes, s.Candidates = nodes, min(s.Candidates, nodes) }) {
			break
		}
	}
	for _, n := range []int{2, 3, 4, 6, 9} {
		if n < h.best.Candidates && n <= h.best.Nodes && h.try(func(s *Scenario) { s.Candidates = n }) {
			break
		}
	}
	if last := len(h.best.Faults) - 1; last >= 0 {
		rest := h.best.End - h.best.Calm
		for _, calm := range []time.Duration{h.best.Faults[last].At + time.Second, h.best.Faults[last].At + 10*time.Second} {
			if calm < h.best.Calm && h.try(func(s *Scenario) { s.Calm, s.End = calm, calm+rest }) {
				break
			}
		}
	}
	for _, change := range []func(*Scenario){
		func(s *Scenario) { s.Kill = 0 },
		func(s *Scenario) { s.DriftPPM = 0 },
		func(s *Scenario) { s.SlowPolls = 0 },
		func(s *Scenario) { s.Abandon = false },
		func(s *Scenario) { s.LogRead, s.LogRecords = 500, 65536 },
		func(s *Scenario) { s.Levels = max(s.Levels-1, 1) },
		func(s *Scenario) { s.Start = s.ILMs },
	} {
		h.try(change)
	}
}
