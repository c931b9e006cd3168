package sim

import (
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Measure is one thing that runs are judged by.
type Measure struct {
	Key   string // in JSON; its interval is Key_ci
	Unit  string
	About string
	of    func(r *Run, static float64) float64 // static: G of the static scheme
}

// Measures lists them, in the order of reports.
func Measures() []Measure {
	return []Measure{
		{"G", "stu", "mean temperature over ILMs and triggers", func(r *Run, _ float64) float64 { return r.G }},
		{"G_static", "stu", "that of the static scheme, same seeds", func(_ *Run, static float64) float64 { return static }},
		{"global_latency", "stu", "mean over ILMs of their mean latencies", func(r *Run, _ float64) float64 { return r.ILMMean }},
		{"job_weighted_mean", "stu", "mean latency over reports", func(r *Run, _ float64) float64 { return r.JobMean }},
		{"p95", "stu", "95th percentile of temperatures", func(r *Run, _ float64) float64 { return r.P95 }},
		{"deviation", "stu", "standard deviation of mean latencies between ILMs", func(r *Run, _ float64) float64 { return r.Deviation }},
		{"hot_percent", "%", "of triggers with T > 1.2 x G_static", func(r *Run, static float64) float64 { share, _ := r.Hot(static); return 100 * share }},
		{"hot_percent_own", "%", "of triggers with T > 1.2 x G", func(r *Run, _ float64) float64 { share, _ := r.Hot(r.G); return 100 * share }},
		{"hot_visit", "triggers", "that an ILM stays hot in a row", func(r *Run, static float64) float64 { _, visit := r.Hot(static); return visit }},
		{"moves_per_hour", "nodes", "that change their ILM, or their ILM its host", func(r *Run, _ float64) float64 { return r.MovesPerHour }},
		{"transformations_per_hour", "", "of all kinds", (*Run).transformations},
		{"ilms_mean", "", "active ILMs", func(r *Run, _ float64) float64 { return r.ILMs }},
		{"skipped_polls", "", "for the last report was still being worked off", func(r *Run, _ float64) float64 { return r.Skipped }},
		{"ncs_slowdown", "x", "computing jobs' time in the CPU to their demand", func(r *Run, _ float64) float64 { return r.NCSSlowdown }},
		{"upper_latency", "stu", "mean time of a report at an ILM of the upper level", func(r *Run, _ float64) float64 { return r.UpperLatency }},
		{"tlm_latency", "stu", "mean time of a report at the TLM", func(r *Run, _ float64) float64 { return r.TLMLatency }},
		{"uncovered", "stu", "from an ILM's death until a node of its is polled by another, or by it again", func(r *Run, _ float64) float64 { return r.Uncovered }},
		{"uncovered_max", "stu", "the longest of these", func(r *Run, _ float64) float64 { return r.UncoveredMax }},
		{"events_per_second", "", "simulated by one core", func(r *Run, _ float64) float64 { return float64(r.Events) / r.Seconds }},
	}
}

func (r *Run) transformations(float64) (sum float64) {
	for _, kind := range slices.Sorted(maps.Keys(r.PerHour)) {
		sum += r.PerHour[kind]
	}
	return sum
}

// Outcome is what one run came to, by the keys of Measures.
type Outcome struct {
	Seed    int
	Events  uint64
	Values  map[string]float64 // not a number where there is nothing to measure
	PerHour map[string]float64 // transformations, by kind
}

// outcome judges a run beside the static scheme's G with the same seed.
func (r *Run) outcome(static float64) Outcome {
	o := Outcome{Seed: r.Seed, Events: r.Events, Values: make(map[string]float64), PerHour: make(map[string]float64)}
	for _, m := range Measures() {
		o.Values[m.Key] = m.of(r, static)
	}
	for kind, n := range r.PerHour {
		o.PerHour[kind.String()] = n
	}
	return o
}

// Estimate is a measure over several seeds: the mean and half the width of
// its 95 % confidence interval; not a number where there is none.
type Estimate struct {
	Measure
	Mean, CI float64
}

// Summary is what several seeds of one scenario and policy gave.
type Summary struct {
	Policy    string
	Estimates []Estimate
	PerHour   map[string]float64 // transformations, by kind
	Outcomes  []Outcome          // by seed
	Against   []Pairing          // with other policies, if asked for
}

// Summarise takes means over the outcomes of one scenario.
func Summarise(policy string, outcomes []Outcome) *Summary {
	s := &Summary{Policy: policy, Outcomes: outcomes, PerHour: make(map[string]float64)}
	for _, m := range Measures() {
		e := Estimate{Measure: m}
		e.Mean, e.CI = Interval95(s.Values(m.Key))
		s.Estimates = append(s.Estimates, e)
	}
	for _, o := range outcomes {
		for kind, n := range o.PerHour {
			s.PerHour[kind] += n / float64(len(outcomes))
		}
	}
	return s
}

// Values are a measure's, by seed.
func (s *Summary) Values(key string) []float64 {
	values := make([]float64, len(s.Outcomes))
	for i, o := range s.Outcomes {
		values[i] = o.Values[key]
	}
	return values
}

// Estimate is that of a measure by its key; there must be such a measure.
func (s *Summary) Estimate(key string) Estimate {
	return s.Estimates[slices.IndexFunc(s.Estimates, func(e Estimate) bool { return e.Key == key })]
}

// Interval95 is the mean of those that are numbers, and half the width of its
// 95 % confidence interval by Student's t; not a number where there is none.
func Interval95(x []float64) (mean, half float64) {
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
