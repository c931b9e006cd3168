package sim

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"simone/sim/scenario"
)

// Baseline is the policy that others are measured against.
const Baseline = "static"

// BaselineOf is the static scheme in a scenario. What only matters where
// something moves has its default in it, so that many scenarios share one.
func BaselineOf(p scenario.Parameters) scenario.Parameters {
	d := scenario.Default()
	p.Policy = Baseline
	p.Thresholds, p.MigrateTarget, p.Factor = d.Thresholds, d.MigrateTarget, d.Factor
	p.Ahead, p.DeadBand, p.Budget = d.Ahead, d.DeadBand, d.Budget
	p.Weighted, p.Weights = d.Weighted, d.Weights
	p.Enact, p.Probe, p.Churn = d.Enact, d.Probe, d.Churn
	if p.MTBF == 0 {
		p.Repair = d.Repair
	}
	p.ReconfigCost, p.ReconfigNodeCost, p.RoleStart = d.ReconfigCost, d.ReconfigNodeCost, d.RoleStart
	return p
}

// Replicate simulates a scenario for several seeds, and with other policies to
// compare it with; see Sweep.
func Replicate(ctx context.Context, p *scenario.Parameters, seeds int, against []string, progress func(Progress)) (*Summary, error) {
	points := []scenario.Parameters{*p}
	for _, name := range against {
		other := *p
		if other.Policy = name; name == Baseline {
			other = BaselineOf(other)
		}
		points = append(points, other)
	}
	results := NewResults()
	if err := Sweep(ctx, points, seeds, results, progress); err != nil {
		return nil, err
	}
	summary := results.Summary(p, seeds)
	for i := range points[1:] {
		summary.Against = append(summary.Against, Compare(summary, results.Summary(&points[1+i], seeds)))
	}
	return summary, nil
}

// Progress is how far a sweep is.
type Progress struct {
	Done, Of int     // runs
	Share    float64 // of the work that these are, about
}

// effort is about how long a run takes, in polls of leaves: moves by the daemons'
// engine take several times what is simulated besides.
func effort(p *scenario.Parameters) float64 {
	const engine = 8
	polls := float64(p.Leaves+p.ILMs) * p.End / p.Poll
	if p.Enact == "staged" || p.Policy == "balance" {
		return engine * polls
	}
	return polls
}

// Sweep simulates scenarios on all cores, each for so many seeds from its own
// upwards, and the static scheme beside them, which defines the hot zone.
// What comes out is added to the results; what is there is left out.
// Progress, if not nil, is called before the first run and as runs are done, by
// one goroutine at a time. On an error, or when the context is done, the results hold what was
// finished until then.
func Sweep(ctx context.Context, points []scenario.Parameters, seeds int, results *Results, progress func(Progress)) error {
	if seeds < 1 {
		return errors.New("no seed is no simulation; ask for at least one")
	}
	var static, others []scenario.Parameters
	planned := make(map[string]bool)
	plan := func(list *[]scenario.Parameters, p scenario.Parameters) {
		if key := keyOf(&p); !planned[key] && !results.has(key) {
			planned[key] = true
			*list = append(*list, p)
		}
	}
	for _, p := range points {
		if err := p.Validate(); err != nil {
			return err
		}
		if _, err := policyOf(&p); err != nil {
			return err
		}
		for i := range seeds {
			one := p
			one.Seed += i
			if !results.has(keyOf(&one)) {
				plan(&static, BaselineOf(one))
				plan(&others, one)
			}
		}
	}
	made, all := 0.0, 0.0
	for _, list := range [][]scenario.Parameters{static, others} {
		for i := range list {
			all += effort(&list[i])
		}
	}
	so := Progress{Of: len(static) + len(others)}
	if progress == nil {
		progress = func(Progress) {}
	}
	progress(so)
	one := func(results *Results, p *scenario.Parameters, o Outcome) error {
		err := results.Add(p, o)
		made += effort(p)
		so.Done, so.Share = so.Done+1, made/all
		progress(so)
		return err
	}
	err := simulateAll(ctx, static, func(p *scenario.Parameters, r *Run) error { return one(results, p, r.outcome(r.G)) })
	if err != nil {
		return err
	}
	return simulateAll(ctx, others, func(p *scenario.Parameters, r *Run) error {
		base := BaselineOf(*p)
		return one(results, p, r.outcome(results.outcomes[keyOf(&base)].Values["G"]))
	})
}

// simulateAll makes runs, as many at a time as there are cores, and passes
// on what they give, one at a time. The first error ends the others.
func simulateAll(ctx context.Context, todo []scenario.Parameters, done func(*scenario.Parameters, *Run) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *scenario.Parameters)
	var mu sync.Mutex // held while done is called
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(todo)) {
		workers.Go(func() {
			for p := range next {
				r, err := Simulate(ctx, p)
				if err == nil {
					mu.Lock()
					err = done(p, r)
					mu.Unlock()
				}
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range todo {
		select {
		case next <- &todo[i]:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}
