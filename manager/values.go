package manager

import (
	"cmp"
	"math"
	"slices"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// values holds the latest sample of each node, for simoneMetricTable and
// simoneAggregateTable. Walks cost O(log n) a step; an aggregate is computed
// when it is read and kept until a value changes.
type values struct {
	nodes   map[mib.NodeID]*reading
	ids     []mib.NodeID   // of nodes, sorted
	uses    map[uint32]int // by metric: how many values it has in all
	metrics []uint32       // the keys of uses, sorted
	version uint64         // counts changes
	sums    map[uint32]aggregate
	every   map[uint32]time.Duration // how often metrics are read that are not in each sample
	sorting []mib.MetricValue        // what put works on
	keeping []measured
}

// reading is what is known of one node.
type reading struct {
	values []measured // sorted by metric, then instance
	silent bool       // the node has ceased to answer: no part of aggregates
}

// measured is a value and when it was taken.
type measured struct {
	mib.MetricValue
	at reconfig.Instant
}

func newValues() *values {
	return &values{
		nodes: make(map[mib.NodeID]*reading),
		uses:  make(map[uint32]int),
		sums:  make(map[uint32]aggregate),
	}
}

func compareKeys(a, b mib.MetricValue) int {
	if c := cmp.Compare(a.Metric, b.Metric); c != 0 {
		return c
	}
	return cmp.Compare(a.Instance, b.Instance)
}

func compareMeasured(a measured, b mib.MetricValue) int { return compareKeys(a.MetricValue, b) }

// staleAfter is how many of its intervals a value stays that no sample brings.
const staleAfter = 3

// put replaces a node's values by those of a sample, which it copies; of several
// for one metric and instance the last counts. Metrics stay that are read every
// so often and are not in the sample.
func (v *values) put(node mib.NodeID, at reconfig.Instant, vals []mib.MetricValue) {
	v.sorting = append(v.sorting[:0], vals...)
	if vals = v.sorting; !slices.IsSortedFunc(vals, compareKeys) {
		slices.SortStableFunc(vals, compareKeys)
	}
	r, have := v.nodes[node]
	if !have {
		r = &reading{}
		v.nodes[node] = r
		i, _ := slices.BinarySearch(v.ids, node)
		v.ids = slices.Insert(v.ids, i, node)
	}
	v.version++
	kept := v.keep(r.values, at, vals)
	same := func(a, b measured) bool { return a.Metric == b.Metric }
	if !slices.EqualFunc(r.values, kept, same) {
		v.count(kept, 1)
		v.count(r.values, -1)
	}
	r.values, r.silent = append(r.values[:0], kept...), false
}

// keep merges what there is with a sample; the slice is valid until the next
// call.
func (v *values) keep(old []measured, at reconfig.Instant, vals []mib.MetricValue) []measured {
	kept := v.keeping[:0]
	below := func(metric uint64) {
		for ; len(old) > 0 && uint64(old[0].Metric) < metric; old = old[1:] {
			if d := v.every[old[0].Metric]; d > 0 && at.Sub(old[0].at) <= staleAfter*d {
				kept = append(kept, old[0])
			}
		}
	}
	for i := range vals {
		metric := vals[i].Metric
		below(uint64(metric))
		for len(old) > 0 && old[0].Metric == metric {
			old = old[1:]
		}
		if i+1 == len(vals) || compareKeys(vals[i], vals[i+1]) != 0 {
			kept = append(kept, measured{vals[i], at})
		}
	}
	below(math.MaxUint64)
	v.keeping = kept
	return kept
}

// silence takes a node out of the aggregates until its next sample; its last
// values stay where they are.
func (v *values) silence(node mib.NodeID) {
	if r, have := v.nodes[node]; have && !r.silent {
		r.silent = true
		v.version++
	}
}

// remove forgets a node.
func (v *values) remove(node mib.NodeID) {
	r, have := v.nodes[node]
	if !have {
		return
	}
	v.version++
	v.count(r.values, -1)
	delete(v.nodes, node)
	if i, found := slices.BinarySearch(v.ids, node); found {
		v.ids = slices.Delete(v.ids, i, i+1)
	}
}

func (v *values) count(vals []measured, by int) {
	for i := range vals {
		m := &vals[i]
		before := v.uses[m.Metric]
		after := before + by
		at, _ := slices.BinarySearch(v.metrics, m.Metric)
		switch {
		case before == 0:
			v.metrics = slices.Insert(v.metrics, at, m.Metric)
		case after == 0:
			v.metrics = slices.Delete(v.metrics, at, at+1)
			delete(v.uses, m.Metric)
			delete(v.sums, m.Metric)
			continue
		}
		v.uses[m.Metric] = after
	}
}

// get gives a node's value, with when it was taken.
func (v *values) get(node mib.NodeID, metric, instance uint32) (float64, reconfig.Instant, bool) {
	r, have := v.nodes[node]
	if !have {
		return 0, 0, false
	}
	i, found := slices.BinarySearchFunc(r.values, mib.MetricValue{Metric: metric, Instance: instance}, compareMeasured)
	if !found {
		return 0, 0, false
	}
	return r.values[i].Value, r.values[i].at, true
}

// next gives the index of the first value after one, as the table orders
// them: node, metric, instance. An index may have fewer parts.
func (v *values) next(index mib.OID) (mib.OID, bool) {
	n := 0
	if len(index) > 0 {
		var exact bool
		n, exact = slices.BinarySearch(v.ids, mib.NodeID(index[0]))
		if exact {
			r := v.nodes[v.ids[n]].values
			i, _ := slices.BinarySearchFunc(r, index[1:], func(m measured, rest mib.OID) int {
				// An index that is longer than the value's sorts after it.
				if c := slices.Compare([]uint32{m.Metric, m.Instance}, rest); c != 0 {
					return c
				}
				return -1
			})
			if i < len(r) {
				return mib.OID{index[0], r[i].Metric, r[i].Instance}, true
			}
			n++
		}
	}
	for ; n < len(v.ids); n++ {
		if r := v.nodes[v.ids[n]].values; len(r) > 0 {
			return mib.OID{uint32(v.ids[n]), r[0].Metric, r[0].Instance}, true
		}
	}
	return nil, false
}

// nextMetric gives the first metric after m that has values; the first of all
// if m is negative.
func (v *values) nextMetric(m int64) (uint32, bool) {
	i, _ := slices.BinarySearchFunc(v.metrics, m, func(have uint32, after int64) int {
		if int64(have) <= after {
			return -1
		}
		return 1
	})
	if i == len(v.metrics) {
		return 0, false
	}
	return v.metrics[i], true
}

// aggregate sums up one metric over all nodes and instances.
type aggregate struct {
	version       uint64
	count         int
	min, max      float64
	mean, dev     float64 // dev is the standard deviation of the population
	sum           float64
	p50, p90, p99 float64 // nearest rank
	oldest        reconfig.Instant
}

// aggregate gives the sums of a metric, or false if no node that answers has
// a value.
func (v *values) aggregate(metric uint32) (aggregate, bool) {
	if v.uses[metric] == 0 {
		return aggregate{}, false
	}
	if a, have := v.sums[metric]; have && a.version == v.version {
		return a, a.count > 0
	}
	a := aggregate{version: v.version}
	all := make([]float64, 0, v.uses[metric])
	for _, r := range v.nodes {
		if r.silent {
			continue
		}
		i, _ := slices.BinarySearchFunc(r.values, mib.MetricValue{Metric: metric}, compareMeasured)
		for ; i < len(r.values) && r.values[i].Metric == metric; i++ {
			all = append(all, r.values[i].Value)
			if at := r.values[i].at; a.oldest == 0 || at < a.oldest {
				a.oldest = at
			}
		}
	}
	if len(all) == 0 {
		v.sums[metric] = a
		return a, false
	}
	slices.Sort(all) // also makes the sum independent of the map's order
	m2 := 0.0
	for i, x := range all {
		a.sum += x
		d := x - a.mean
		a.mean += d / float64(i+1)
		m2 += d * (x - a.mean)
	}
	a.count = len(all)
	a.dev = math.Sqrt(m2 / float64(len(all)))
	a.min, a.max = all[0], all[len(all)-1]
	a.p50, a.p90, a.p99 = rank(all, 0.5), rank(all, 0.9), rank(all, 0.99)
	v.sums[metric] = a
	return a, true
}

// rank is the nearest-rank quantile of sorted numbers.
func rank(sorted []float64, q float64) float64 {
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}
