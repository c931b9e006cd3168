// Package evaluation is document 001's section 5 as runs of the simulator:
// which scenarios each of its tables and figures asks for, what the paper says
// came out, and whether it does here. It writes the report.
package evaluation

import (
	"math"

	"simone/sim/scenario"
)

// Exhibit is a table or a figure of the paper.
type Exhibit struct {
	ID    string // for links and files
	Title string
	About string   // what the paper says
	Keys  []string // of sim.Measures: the first is the one that is judged
	Axis  string   // what the points of a figure differ in; empty: bars, or a table
	Rows  []Row
	Own   bool // not the paper's, and not counted as its
	// Claims are what the paper says of several rows.
	Claims []Claim
}

// Row is a line of a table, or a point of a figure.
type Row struct {
	Label    string // unique in its exhibit
	Point    string // on the axis
	Series   string // of points
	Scenario scenario.Parameters
	Key      string  // instead of the exhibit's first
	Paper    float64 // the paper's value; not a number if it gives none
	// Versus is the label of the row that it is compared with: the trend is
	// there if it lies on the same side of that as in the paper.
	Versus string
}

// Claim is that one row has less than another, by labels, in all of the pairs.
type Claim struct {
	Text  string
	Pairs [][2]string
	// NotMore is that it has not more: what differs by chance alone is as
	// claimed.
	NotMore bool
}

// unsaid is the value of what the paper gives no number for.
var unsaid = math.NaN()

// change is one of a scenario.
type change func(*scenario.Parameters)

// with is the default scenario, NCS-H at 1,024 leaves and 8 ILMs, changed.
func with(changes ...change) scenario.Parameters {
	p := scenario.Default()
	for _, c := range changes {
		c(p)
	}
	return *p
}

func policy(name string) change { return func(p *scenario.Parameters) { p.Policy = name } }

func thresholds(merge, split, migrate float64) change {
	return func(p *scenario.Parameters) {
		p.Thresholds = scenario.Thresholds{Merge: merge, Split: split, Migrate: migrate}
	}
}

func split(at float64) change { return thresholds(0.1, at, 500) }

func factor(f float64) change {
	return func(p *scenario.Parameters) { p.Policy, p.Factor = "relocate", f }
}

func coldest(p *scenario.Parameters) { p.MigrateTarget = "coldest" }

func weighted(p *scenario.Parameters) { p.Weighted = true }

func size(leaves, ilms int) change {
	return func(p *scenario.Parameters) { p.Leaves, p.ILMs = leaves, ilms }
}

func trigger(period float64) change { return func(p *scenario.Parameters) { p.Trigger = period } }

func ncsP(p *scenario.Parameters) { p.Rho = 0.3 }
