package sim

import (
	"context"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"

	"simone/reconfig"
	"simone/sim/scenario"
)

// Run is what one replication gave. Means are over what happened after the
// warm-up; times in stu.
type Run struct {
	Seed   int
	Policy string

	G            float64 // mean temperature over ILMs and intervals
	ILMMean      float64 // mean over ILMs of their mean latencies: the paper's global latency
	JobMean      float64 // mean latency over reports
	P95          float64 // of temperatures
	Deviation    float64 // standard deviation of mean latencies between ILMs
	MovesPerHour float64 // nodes
	ILMs         float64 // active ones
	Skipped      float64 // polls
	NCSSlowdown  float64
	TLMLatency   float64
	UpperLatency float64                   // not a number without an upper level
	PerHour      map[reconfig.Kind]float64 // transformations
	Uncovered    float64                   // leaves, after an ILM's death; not a number without any
	UncoveredMax float64
	OwnHot       float64 // share of intervals above HotFactor x G
	Events       uint64
	Seconds      float64 // that it took
	record       recorder
}

// HotFactor times a global latency is where the hot zone begins (document
// 001, section 5.3).
const HotFactor = 1.2

// stuPerHour is how many stu of 100 ms make an hour.
const stuPerHour = 36_000

// Hot is the share of intervals in which an ILM was in the hot zone that a
// global latency defines, and for how many of them in a row.
func (r *Run) Hot(g float64) (share, visit float64) { return r.record.above(HotFactor * g) }

// Simulate runs one replication. The parameters must be valid.
func Simulate(ctx context.Context, p *scenario.Parameters) (*Run, error) {
	return simulate(ctx, p, nil)
}

func simulate(ctx context.Context, p *scenario.Parameters, script *Script) (*Run, error) {
	policy, err := policyOf(p)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	w := newWorld(p, policy, script)
	if err := w.run(ctx); err != nil {
		return nil, err
	}
	r := w.result()
	r.Seconds = time.Since(began).Seconds()
	return r, nil
}

// perHour is how many units of the run's times make an hour.
func (w *world) perHour() float64 { return float64(time.Hour) / float64(w.unit) }

func (w *world) result() *Run {
	rec := &w.rec
	hours := (w.End - w.Warmup) / w.perHour()
	r := &Run{
		Seed: w.Seed, Policy: w.Policy, Events: w.events, record: *rec,
		MovesPerHour: float64(rec.moved) / hours, ILMs: rec.active.of(), Skipped: float64(rec.skipped),
		NCSSlowdown: rec.slowdown.of(), TLMLatency: rec.tlm.of(), UpperLatency: rec.upper.of(), PerHour: make(map[reconfig.Kind]float64),
	}
	r.Uncovered, r.UncoveredMax = w.uncovered()
	for kind, n := range rec.did {
		r.PerHour[kind] = float64(n) / hours
	}
	var all []float64
	for _, ilm := range rec.temperatures {
		for _, t := range ilm {
			if t := float64(t); !math.IsNaN(t) {
				all = append(all, t)
			}
		}
	}
	slices.Sort(all)
	r.G, r.P95 = math.NaN(), math.NaN()
	if len(all) > 0 {
		r.G, r.P95 = stat.Mean(all, nil), stat.Quantile(0.95, stat.Empirical, all, nil)
	}
	var jobs mean
	var means []float64
	for i := range w.roles {
		l := w.roles[i].latency
		jobs.sum += l.sum
		jobs.n += l.n
		if l.n > 0 {
			means = append(means, l.of())
		}
	}
	r.JobMean, r.ILMMean, r.Deviation = jobs.of(), stat.Mean(means, nil), stat.StdDev(means, nil)
	return r
}
