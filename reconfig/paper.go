package reconfig

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"simone/mib"
)

// Paper is document 001's rule (its section 4) as SIM.md, "Policy paper",
// fixes its choices: hot ILMs migrate or split, hottest first; then cold ILMs
// merge in pairs, coldest first. Within one decision temperatures stand as
// they were read.
//
// Where moves take time SIM.md leaves questions open; they are answered so:
//   - nodes on their way cannot be handed on: an ILM that takes part in a
//     transformation of this decision is not migrated or merged away by a
//     later one, and hands on only nodes that it had when the view was taken;
//   - a host that gives up its role in this decision is not chosen for a new
//     one in the same decision;
//   - a host chosen from View.Idle is an ILM of temperature 0 from then on,
//     and may be chosen again;
//   - a migrate to an idle host leaves the number of ILMs as it is, and is
//     allowed at either bound;
//   - a migrate that is not allowed (last ILM, pinned nodes, MinILMs) becomes
//     a split; one that finds no target does not.
//
// Decide costs O(X log X) for X ILMs: the paper's O(X) and a sort.
type Paper struct{}

var _ Policy = Paper{}

// Name implements Policy.
func (Paper) Name() string { return "paper" }

// Decide implements Policy. It does not change the view, and the answer
// shares no memory with it. A temperature that is NaN is unknown: its ILM is
// neither source nor target.
func (Paper) Decide(v View) []Transformation {
	d := newPaperRound(v)
	for _, c := range d.hot {
		d.cool(c)
	}
	d.merge()
	return d.done
}

// paperRound is one decision while it is made.
type paperRound struct {
	View
	hot     []*paperILM  // those that may take part, hottest first
	coldest *paperILM    // of those and of the hosts that became ILMs; nil: none
	idle    []mib.NodeID // hosts not chosen yet
	active  int          // ILMs, with all that was decided so far
	done    []Transformation
}

// paperILM is an ILM in a decision.
type paperILM struct {
	ChildView
	touched bool // gave or was given nodes in this decision
	gone    bool // gave up its role in this decision
}

func newPaperRound(v View) *paperRound {
	d := &paperRound{View: v, idle: v.Idle, active: len(v.Children)}
	for _, c := range v.Children {
		if c.Busy || math.IsNaN(c.Temperature) {
			continue
		}
		ilm := &paperILM{ChildView: c}
		d.hot = append(d.hot, ilm)
		d.welcome(ilm)
	}
	slices.SortFunc(d.hot, func(a, b *paperILM) int {
		return cmp.Or(cmp.Compare(b.Temperature, a.Temperature), cmp.Compare(a.ID, b.ID))
	})
	return d
}

// welcome notes an ILM that may be the coldest; of equally cold ones that is
// the one with the lowest NodeID. It is never looked for again when an ILM
// gives up its role: sources come hottest first, so no source that is left is
// hotter than that one.
func (d *paperRound) welcome(c *paperILM) {
	if d.coldest == nil || colder(c, d.coldest) < 0 {
		d.coldest = c
	}
}

// colder orders ILMs coldest first, then by NodeID.
func colder(a, b *paperILM) int {
	return cmp.Or(cmp.Compare(a.Temperature, b.Temperature), cmp.Compare(a.ID, b.ID))
}

// cool relieves one ILM if it is hot.
func (d *paperRound) cool(c *paperILM) {
	switch t := c.Temperature; {
	case t > d.Thresholds.Migrate && d.mayMigrate(c):
		if len(c.Nodes) == 0 { // no tasks to assign to another
			return
		}
		to, promote := d.target(c, d.migratesToIdle())
		if to == nil {
			return
		}
		d.move(c, to, Transformation{
			Kind: KindMigrate, Promote: promote, Demote: true,
			Nodes: slices.Clone(c.Nodes),
			Seen:  fmt.Sprintf("temperature %s stu above migrate %s with %s", formatStu(t), formatStu(d.Thresholds.Migrate), countNodes(len(c.Nodes))),
		})
	case t > d.Thresholds.Split:
		n := len(c.Nodes) + c.Fixed
		part := min(n/2, len(c.Nodes))
		if part == 0 {
			return
		}
		to, promote := d.target(c, len(d.idle) > 0 && d.active < d.MaxILMs)
		if to == nil {
			return
		}
		d.move(c, to, Transformation{
			Kind: KindSplit, Promote: promote,
			Nodes: slices.Clone(c.Nodes[len(c.Nodes)-part:]),
			Seen:  fmt.Sprintf("temperature %s stu above split %s with %s", formatStu(t), formatStu(d.Thresholds.Split), countNodes(n)),
		})
	}
}

// mayMigrate reports whether c may stop being an ILM by way of a migrate.
func (d *paperRound) mayMigrate(c *paperILM) bool {
	return d.active > 1 && c.mayLeave() && (d.active > d.MinILMs || d.migratesToIdle())
}

// migratesToIdle reports whether a migrate would go to an idle host.
func (d *paperRound) migratesToIdle() bool {
	return !d.MigrateToColdest && len(d.idle) > 0 && d.active <= d.MaxILMs
}

// mayLeave reports whether all that c looks after can be taken from it.
func (c *paperILM) mayLeave() bool { return c.Fixed == 0 && !c.touched }

// target finds who takes the nodes of from: the first idle host if one is
// wanted (promote is true), else the coldest other ILM if it is colder than
// from, else nobody.
func (d *paperRound) target(from *paperILM, wantIdle bool) (to *paperILM, promote bool) {
	if wantIdle {
		to = &paperILM{ChildView: ChildView{ID: d.idle[0]}}
		d.idle = d.idle[1:]
		d.welcome(to)
		return to, true
	}
	if d.coldest.Temperature >= from.Temperature {
		return nil, false
	}
	return d.coldest, false
}

// merge folds the ILMs below the merge threshold, coldest first: each one
// that may leave into the next one, and on with the one after that.
func (d *paperRound) merge() {
	var cold []*paperILM
	for _, c := range d.hot {
		if c.Temperature < d.Thresholds.Merge && !c.gone {
			cold = append(cold, c)
		}
	}
	slices.SortFunc(cold, colder)
	for len(cold) > 1 && d.active > d.MinILMs {
		c, to := cold[0], cold[1]
		if !c.mayLeave() {
			cold = cold[1:]
			continue
		}
		cold = cold[2:]
		d.move(c, to, Transformation{
			Kind: KindMerge, Demote: true,
			Nodes: slices.Clone(c.Nodes),
			Seen: fmt.Sprintf("temperatures %s and %s stu below merge %s with %s and %s",
				formatStu(c.Temperature), formatStu(to.Temperature), formatStu(d.Thresholds.Merge), countNodes(len(c.Nodes)), countNodes(len(to.Nodes)+to.Fixed)),
		})
	}
}

// move completes a transformation and takes note of it.
func (d *paperRound) move(from, to *paperILM, t Transformation) {
	t.From, t.To = from.ID, to.ID
	verb := "move"
	if len(t.Nodes) == 1 {
		verb = "moves"
	}
	t.Expected = fmt.Sprintf("%s %s to node %d (temperature %s)", countNodes(len(t.Nodes)), verb, to.ID, formatStu(to.Temperature))
	if t.Promote {
		d.active++
		t.Expected = fmt.Sprintf("%s %s to node %d, which becomes an ILM", countNodes(len(t.Nodes)), verb, to.ID)
	}
	if t.Demote {
		d.active--
		t.Expected += fmt.Sprintf("; node %d stops being an ILM", from.ID)
	}
	from.touched, to.touched, from.gone = true, true, t.Demote
	d.done = append(d.done, t)
}

// countNodes writes a number of nodes.
func countNodes(n int) string {
	if n == 1 {
		return "1 node"
	}
	return strconv.Itoa(n) + " nodes"
}

// formatStu writes a temperature for people: three decimals below 100, one above,
// without trailing zeros.
func formatStu(t float64) string {
	if math.IsInf(t, 0) {
		return strconv.FormatFloat(t, 'f', -1, 64)
	}
	decimals := 3
	if math.Abs(t) >= 100 {
		decimals = 1
	}
	s := strings.TrimRight(strconv.FormatFloat(t, 'f', decimals, 64), "0")
	return strings.TrimSuffix(s, ".")
}
