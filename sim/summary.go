package sim

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"

	"simone/reconfig"
)

// Measure is one thing that runs are judged by.
type Measure struct {
	Key   string // in JSON; its interval is Key_ci
	Unit  string
	About string
	of    func(r, static *Run) float64
}

// Measures lists them, in the order of reports.
func Measures() []Measure {
	return []Measure{
		{"G", "stu", "mean temperature over ILMs and triggers", func(r, _ *Run) float64 { return r.G }},
		{"G_static", "stu", "that of the static scheme, same seeds", func(_, s *Run) float64 { return s.G }},
		{"global_latency", "stu", "mean over ILMs of their mean latencies", func(r, _ *Run) float64 { return r.ILMMean }},
		{"job_weighted_mean", "stu", "mean latency over reports", func(r, _ *Run) float64 { return r.JobMean }},
		{"p95", "stu", "95th percentile of temperatures", func(r, _ *Run) float64 { return r.P95 }},
		{"deviation", "stu", "standard deviation of mean latencies between ILMs", func(r, _ *Run) float64 { return r.Deviation }},
		{"hot_percent", "%", "of triggers with T > 1.2 x G_static", func(r, s *Run) float64 { share, _ := r.Hot(s.G); return 100 * share }},
		{"hot_percent_own", "%", "of triggers with T > 1.2 x G", func(r, _ *Run) float64 { share, _ := r.Hot(r.G); return 100 * share }},
		{"hot_visit", "triggers", "that an ILM stays hot in a row", func(r, s *Run) float64 { _, visit := r.Hot(s.G); return visit }},
		{"moves_per_hour", "nodes", "that change their ILM, or their ILM its host", func(r, _ *Run) float64 { return r.MovesPerHour }},
		{"transformations_per_hour", "", "of all kinds", (*Run).transformations},
		{"ilms_mean", "", "active ILMs", func(r, _ *Run) float64 { return r.ILMs }},
		{"skipped_polls", "", "for the last report was still being worked off", func(r, _ *Run) float64 { return r.Skipped }},
		{"ncs_slowdown", "x", "computing jobs' time in the CPU to their demand", func(r, _ *Run) float64 { return r.NCSSlowdown }},
		{"tlm_latency", "stu", "mean time of a report at the TLM", func(r, _ *Run) float64 { return r.TLMLatency }},
		{"events_per_second", "", "simulated by one core", func(r, _ *Run) float64 { return float64(r.Events) / r.Seconds }},
	}
}

func (r *Run) transformations(*Run) (sum float64) {
	for _, kind := range slices.Sorted(maps.Keys(r.PerHour)) {
		sum += r.PerHour[kind]
	}
	return sum
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
	PerHour   map[reconfig.Kind]float64 // transformations
	Runs      []*Run                    // by seed
	static    []*Run
}

func summarise(policy string, runs, static []*Run) *Summary {
	s := &Summary{Policy: policy, Runs: runs, static: static, PerHour: make(map[reconfig.Kind]float64)}
	for _, m := range Measures() {
		each := make([]float64, len(runs))
		for i, r := range runs {
			each[i] = m.of(r, static[i])
		}
		e := Estimate{Measure: m}
		e.Mean, e.CI = interval95(each)
		s.Estimates = append(s.Estimates, e)
	}
	for _, r := range runs {
		for kind, n := range r.PerHour {
			s.PerHour[kind] += n / float64(len(runs))
		}
	}
	return s
}

// Value is the mean of a measure by its key; not a number if there is none.
func (s *Summary) Value(key string) float64 {
	for _, e := range s.Estimates {
		if e.Key == key {
			return e.Mean
		}
	}
	return math.NaN()
}

// MarshalJSON writes one object: each measure with its interval, and the same
// measures of every run. What is not a number is null.
func (s *Summary) MarshalJSON() ([]byte, error) {
	var o object
	o.add("policy", s.Policy)
	o.add("seeds", len(s.Runs))
	for _, e := range s.Estimates {
		o.add(e.Key, number(e.Mean))
		o.add(e.Key+"_ci", number(e.CI))
	}
	byKind := make(map[string]float64)
	for kind, n := range s.PerHour {
		byKind[kind.String()] = n
	}
	o.add("transformations_per_hour_by_kind", byKind)
	var runs []json.RawMessage
	for i, r := range s.Runs {
		var one object
		one.add("seed", r.Seed)
		for _, m := range Measures() {
			one.add(m.Key, number(m.of(r, s.static[i])))
		}
		one.add("events", r.Events)
		runs = append(runs, one.json())
	}
	o.add("runs", runs)
	return o.json(), o.err
}

// number is a value that JSON may not know.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	if f := float64(n); !math.IsNaN(f) && !math.IsInf(f, 0) {
		return json.Marshal(f)
	}
	return []byte("null"), nil
}

// object is a JSON object with its keys in the order in which they came.
type object struct {
	text bytes.Buffer
	err  error
}

func (o *object) add(key string, value any) {
	b, err := json.Marshal(value)
	if err != nil && o.err == nil {
		o.err = err
	}
	if o.text.Len() > 0 {
		o.text.WriteByte(',')
	}
	k, _ := json.Marshal(key) // text always can be
	o.text.Write(k)
	o.text.WriteByte(':')
	o.text.Write(b)
}

func (o *object) json() []byte { return []byte("{" + o.text.String() + "}") }
