package evaluation

import (
	"math"
	"slices"

	"simone/sim"
)

// Verdict says whether something of the paper is found here.
type Verdict uint8

// The verdicts, the worst last.
const (
	Open       Verdict = iota // not simulated, or nothing to judge by
	Reproduced                // the value, or the trend beyond chance
	TrendOnly                 // on the right side, but another value, or not beyond chance
	NotFound
)

func (v Verdict) String() string {
	return [...]string{"", "reproduced", "trend only", "not reproduced"}[v]
}

// tolerance is by how much of it a value may differ from the paper's, which
// has no intervals, if our own interval is not wider.
const tolerance = 0.1

// Judged is an exhibit with what was simulated for it.
type Judged struct {
	Exhibit
	Rows   []JudgedRow
	Claims []JudgedClaim
}

// JudgedRow is a row with its summary, nil if it was not simulated.
type JudgedRow struct {
	Row
	Summary *sim.Summary
	Verdict Verdict
}

// JudgedClaim is a claim with its verdict.
type JudgedClaim struct {
	Claim
	Verdict Verdict
}

// Judge looks an exhibit's scenarios up.
func Judge(e Exhibit, results *sim.Results, seeds int) Judged {
	j := Judged{Exhibit: e}
	for _, r := range e.Rows {
		j.Rows = append(j.Rows, JudgedRow{Row: r, Summary: results.Summary(&r.Scenario, seeds)})
	}
	for _, c := range e.Claims {
		j.Claims = append(j.Claims, JudgedClaim{c, j.holds(c)})
	}
	for i := range j.Rows {
		r := &j.Rows[i]
		r.Verdict = j.verdict(r)
	}
	return j
}

// Key is what is judged of a row.
func (j *Judged) Key(r *JudgedRow) string {
	if r.Key != "" {
		return r.Key
	}
	return j.Keys[0]
}

// row finds a row by its label; nil if it was not simulated.
func (j *Judged) row(label string) *JudgedRow {
	i := slices.IndexFunc(j.Rows, func(r JudgedRow) bool { return r.Label == label })
	if i < 0 || j.Rows[i].Summary == nil {
		return nil
	}
	return &j.Rows[i]
}

// verdict compares a row with the paper's value, or where there is none
// takes the worst of the claims that it has a part in.
func (j *Judged) verdict(r *JudgedRow) (v Verdict) {
	if r.Summary == nil {
		return Open
	}
	if math.IsNaN(r.Paper) {
		for _, c := range j.Claims {
			if slices.ContainsFunc(c.Pairs, func(p [2]string) bool { return p[0] == r.Label || p[1] == r.Label }) {
				v = max(v, c.Verdict)
			}
		}
		return v
	}
	e := r.Summary.Estimate(j.Key(r))
	if off := math.Abs(e.Mean - r.Paper); off <= tolerance*r.Paper || off <= e.CI {
		return Reproduced
	}
	if than := j.row(r.Versus); than != nil {
		here := e.Mean - than.Summary.Estimate(j.Key(than)).Mean
		if here*(r.Paper-than.Paper) > 0 {
			return TrendOnly
		}
	}
	return NotFound
}

// holds compares pair by pair, seed by seed: common random numbers make the
// differences much surer than the values.
func (j *Judged) holds(c Claim) Verdict {
	v := Reproduced
	for _, pair := range c.Pairs {
		less, more := j.row(pair[0]), j.row(pair[1])
		if less == nil || more == nil {
			return Open
		}
		a, b := less.Summary.Values(j.Key(less)), more.Summary.Values(j.Key(more))
		n := min(len(a), len(b))
		diff := make([]float64, n)
		for i := range n {
			diff[i] = a[i] - b[i]
		}
		switch m, half := sim.Interval95(diff); {
		case m+half < 0:
		case m < 0:
			v = max(v, TrendOnly)
		default:
			v = max(v, NotFound)
		}
	}
	return v
}
