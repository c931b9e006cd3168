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
// has no intervals; by up to twice that if our own interval is as wide.
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

// JudgedClaim is a claim with the verdicts on its pairs, of which the worst
// is that on the claim.
type JudgedClaim struct {
	Claim
	Verdict Verdict
	ByPair  []Verdict
}

// Judge looks an exhibit's scenarios up.
func Judge(e Exhibit, results *sim.Results, seeds int) Judged {
	j := Judged{Exhibit: e}
	for _, r := range e.Rows {
		j.Rows = append(j.Rows, JudgedRow{Row: r, Summary: results.Summary(&r.Scenario, seeds)})
	}
	for _, c := range e.Claims {
		j.Claims = append(j.Claims, j.judgeClaim(c))
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
// takes the worst of the comparisons that it has a part in.
func (j *Judged) verdict(r *JudgedRow) (v Verdict) {
	if r.Summary == nil {
		return Open
	}
	if math.IsNaN(r.Paper) {
		for _, c := range j.Claims {
			for i, pair := range c.Pairs {
				if pair[0] == r.Label || pair[1] == r.Label {
					v = max(v, c.ByPair[i])
				}
			}
		}
		return v
	}
	e := r.Summary.Estimate(j.Key(r))
	if off := math.Abs(e.Mean - r.Paper); off <= tolerance*r.Paper || off <= min(e.CI, 2*tolerance*r.Paper) {
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

func (j *Judged) judgeClaim(c Claim) JudgedClaim {
	judged := JudgedClaim{Claim: c, Verdict: Reproduced}
	for _, pair := range c.Pairs {
		v := j.compare(pair[0], pair[1], c.NotMore)
		judged.ByPair = append(judged.ByPair, v)
		if v == Open || judged.Verdict == Open {
			judged.Verdict = Open
		} else {
			judged.Verdict = max(judged.Verdict, v)
		}
	}
	return judged
}

// compare goes seed by seed: common random numbers make the differences much
// surer than the values.
func (j *Judged) compare(less, more string, notMore bool) Verdict {
	a, b := j.row(less), j.row(more)
	if a == nil || b == nil {
		return Open
	}
	x, y := a.Summary.Values(j.Key(a)), b.Summary.Values(j.Key(b))
	diff := make([]float64, min(len(x), len(y)))
	for i := range diff {
		diff[i] = x[i] - y[i]
	}
	switch m, half := sim.Interval95(diff); {
	case m+half < 0, notMore && m-half <= 0:
		return Reproduced
	case m < 0:
		return TrendOnly
	}
	return NotFound
}
