package sim

import (
	"math"
	"slices"
)

// Pairing compares what two policies gave on the same scenario and seeds, and
// so on the same computing jobs.
type Pairing struct {
	Against *Summary // the other
	Pairs   []Pair   // by measure
}

// Pair is how a measure differs, seed by seed.
type Pair struct {
	Measure
	Difference Estimate // of one less the other
	Higher     []int    // seeds with which one has more
}

// Compare pairs the outcomes of seeds that both summaries have.
func Compare(one, other *Summary) Pairing {
	p := Pairing{Against: other}
	for _, m := range Measures() {
		pair := Pair{Measure: m}
		var differences []float64
		for _, o := range one.Outcomes {
			i := slices.IndexFunc(other.Outcomes, func(a Outcome) bool { return a.Seed == o.Seed })
			if i < 0 {
				continue
			}
			difference := o.Values[m.Key] - other.Outcomes[i].Values[m.Key]
			differences = append(differences, difference)
			if difference > 0 {
				pair.Higher = append(pair.Higher, o.Seed)
			}
		}
		mean, half := Interval95(differences)
		pair.Difference = Estimate{m, mean, half}
		p.Pairs = append(p.Pairs, pair)
	}
	return p
}

// Verdict says what the interval of a difference allows to be said.
func (p *Pair) Verdict() string {
	switch d := p.Difference; {
	case math.IsNaN(d.CI):
		return ""
	case d.Mean+d.CI < 0:
		return "less"
	case d.Mean-d.CI > 0:
		return "more"
	default:
		return "no difference shown"
	}
}

// MarshalJSON writes one object: the other policy, and for each measure the
// mean difference, its interval and the seeds with which it is positive.
func (p Pairing) MarshalJSON() ([]byte, error) {
	var o object
	o.add("policy", p.Against.Policy)
	for i := range p.Pairs {
		pair := &p.Pairs[i]
		o.add(pair.Key, number(p.Against.Estimate(pair.Key).Mean))
		o.add(pair.Key+"_difference", number(pair.Difference.Mean))
		o.add(pair.Key+"_difference_ci", number(pair.Difference.CI))
		o.add(pair.Key+"_higher_seeds", append([]int{}, pair.Higher...))
	}
	return o.json()
}
