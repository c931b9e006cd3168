package sim

import (
	"math"

	"simone/reconfig"
)

// mean adds up what a mean is taken of.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(x float64) { m.sum += x; m.n++ }

// of is the mean; not a number if it is one of nothing.
func (m mean) of() float64 { return m.sum / float64(m.n) }

// recorder notes what a run is judged by, from the end of the warm-up on.
type recorder struct {
	from     float64
	slowdown mean // of computing jobs: time in the CPU to demand
	tlm      mean // time of a report at the TLM
	upper    mean // and at an ILM of the upper level
	skipped  int  // polls
	moved    int  // nodes
	did      map[reconfig.Kind]int
	active   mean // ILMs, at triggers

	uncovered     mean    // time from its ILM's death until a leaf is asked again
	uncoveredMost float64 // and the longest

	// By ILM and interval: the temperature; not a number if the ILM was not
	// active or no report left it or should have.
	temperatures [][]float32
}

// computed notes a computing job that is done.
func (rec *recorder) computed(now float64, j job) {
	if now >= rec.from {
		rec.slowdown.add((now - j.start) / float64(j.demand))
	}
}

// skip notes polls that were left out.
func (rec *recorder) skip(now float64, polls int) {
	if now >= rec.from {
		rec.skipped += polls
	}
}

// atTLM notes a report that the TLM has worked off.
func (rec *recorder) atTLM(now, entered float64) {
	if now >= rec.from {
		rec.tlm.add(now - entered)
	}
}

// atUpper notes a report that an ILM of the upper level has worked off.
func (rec *recorder) atUpper(now, entered float64) {
	if now >= rec.from {
		rec.upper.add(now - entered)
	}
}

// wasUncovered notes a leaf that nobody asked between two times.
func (rec *recorder) wasUncovered(from, until float64) {
	if from >= rec.from {
		rec.uncovered.add(until - from)
		rec.uncoveredMost = max(rec.uncoveredMost, until-from)
	}
}

// transformed notes a transformation and the nodes it moved.
func (rec *recorder) transformed(now float64, kind reconfig.Kind, nodes int) {
	if now >= rec.from {
		rec.did[kind]++
		rec.moved += nodes
	}
}

// moves notes nodes that have moved.
func (rec *recorder) moves(now float64, nodes int) {
	if now >= rec.from {
		rec.moved += nodes
	}
}

// interval notes an ILM's temperature at the end of one.
func (rec *recorder) interval(ilm int, t float64) {
	rec.temperatures[ilm] = append(rec.temperatures[ilm], float32(t))
}

// above is the share of intervals with a temperature above a limit, and how
// many of them come in a row in the mean.
func (rec *recorder) above(limit float64) (share, perVisit float64) {
	var all, hot, visits int
	for _, ilm := range rec.temperatures {
		before := false
		for _, t := range ilm {
			is := float64(t) > limit // false for what is not a number
			if !math.IsNaN(float64(t)) {
				all++
			}
			if is {
				hot++
				if !before {
					visits++
				}
			}
			before = is
		}
	}
	return float64(hot) / float64(all), float64(hot) / float64(visits)
}
