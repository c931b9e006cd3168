package sim

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"simone/sim/scenario"
)

// Replicate simulates a scenario for several seeds, from its own upwards, on
// all cores, and the static scheme beside it, which defines the hot zone.
// Progress, if not nil, is called as runs are done, by one goroutine at a
// time.
func Replicate(ctx context.Context, p *scenario.Parameters, seeds int, progress func(done, of int)) (*Summary, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if _, err := PolicyByName(p.Policy); err != nil {
		return nil, err
	}
	if seeds < 1 {
		return nil, errors.New("no seed is no simulation; ask for at least one")
	}
	runs, static := make([]*Run, seeds), make([]*Run, seeds)
	var todo []order
	for i := range seeds {
		one := *p
		one.Seed += i
		todo = append(todo, order{one, &runs[i]})
		if p.Policy != baseline {
			one.Policy = baseline
			todo = append(todo, order{one, &static[i]})
		}
	}
	if err := simulateAll(ctx, todo, progress); err != nil {
		return nil, err
	}
	if p.Policy == baseline {
		static = runs
	}
	return summarise(p.Policy, runs, static), nil
}

// baseline is the policy that others are measured against.
const baseline = "static"

// order is a run to be made.
type order struct {
	scenario.Parameters
	result **Run
}

// simulateAll makes runs, as many at a time as there are cores. The first
// error ends the others.
func simulateAll(ctx context.Context, todo []order, progress func(done, of int)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	var mu sync.Mutex // guards next and done, and calls of progress
	next, done := 0, 0
	for range min(runtime.GOMAXPROCS(0), len(todo)) {
		workers.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(todo) {
					return
				}
				r, err := Simulate(ctx, &todo[i].Parameters)
				if err != nil {
					cancel(err)
					return
				}
				*todo[i].result = r
				mu.Lock()
				if done++; progress != nil {
					progress(done, len(todo))
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// interval95 is the mean of what is a number, and half the width of its 95 %
// confidence interval by Student's t.
func interval95(x []float64) (m, half float64) {
	var known []float64
	for _, v := range x {
		if !math.IsNaN(v) {
			known = append(known, v)
		}
	}
	switch n := float64(len(known)); n {
	case 0:
		return math.NaN(), math.NaN()
	case 1:
		return known[0], math.NaN()
	default:
		t := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(0.975)
		return stat.Mean(known, nil), t * stat.StdDev(known, nil) / math.Sqrt(n)
	}
}
