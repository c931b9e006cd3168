package reconfig

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"simone/mib"
)

// Balance moves work where there is room for it, and otherwise leaves the
// tree alone. It decides on projections: an ILM's measured utilisation, less
// what the nodes that leave it cost, plus what those that come will cost. In
// this order a round
//
//   - relieves ILMs that have been above split for two rounds, hottest first:
//     each hands half of its list to an ILM that stays well below it, or all
//     of it if it is above migrate and can be spared;
//   - promotes one host if all ILMs are hot: each above split for two rounds,
//     or all of them together above 0.6 of their CPU;
//   - merges two ILMs that have been below merge for two rounds, if the one
//     that is left stays well below what would make it hot;
//   - evens utilisations that are further apart than the dead band;
//   - gives an ILM without any nodes its share, which costs hardly anything
//     where no ILM has much to do.
//
// It comes to rest under constant load whatever the thresholds (DESIGN
// section 5, I4). A move must leave the target below its source by the
// projection, so that none is worth undoing; an ILM takes part in one
// transformation of a round, so that no two sources meet at a target, and in
// none until the last one's effect has been measured; it gives after it took,
// or the reverse, only after a wait that grows with every turn; and no ILM
// gives up its role at a load at which one was promoted. What the manager
// remembers for this is in the view.
//
// Decide costs O(X log X) for X ILMs that are well as they are, and as much
// again for each that is not.
type Balance struct{}

var _ Policy = Balance{}

// Name implements Policy.
func (Balance) Name() string { return "balance" }

// What Balance goes by. Utilisations are shares of an ILM's CPU.
const (
	hotUtilisation = 0.6  // above it an ILM is hot
	mergeMargin    = 0.6  // a merge's outcome must stay under so much of what is hot
	deadBand       = 0.3  // utilisations that differ by less than this share of the higher one are equal
	deadFloor      = 0.05 // and so are those that differ by less than this
	fullShare      = 0.8  // of its capacity an ILM takes rows up to
	unevenList     = 4    // nodes that an ILM must have to fill an empty one
	steadyRounds   = 2    // that a temperature must last
	mostTargets    = 8    // tried for one source
)

// Decide implements Policy. It does not change the view, and the answer
// shares no memory with it. An ILM whose measures are no numbers is neither
// source nor target.
func (Balance) Decide(v View) []Transformation {
	d := newBalanceRound(v)
	d.relocate()
	d.shed()
	level := d.Unlike == 0 && !unequal(d.Children)
	if level {
		d.relieve()
	}
	d.grow()
	d.shrink()
	if level {
		d.level()
	}
	d.fill()
	return d.done
}

// balanceRound is one decision while it is made.
type balanceRound struct {
	View
	able   []*balanceILM       // those that may take part, by NodeID
	every  []*balanceILM       // they and the others
	taken  map[mib.NodeID]bool // machines that are to become ILMs
	credit float64
	left   int // nodes that may still be moved
	active int // ILMs, with all that was decided so far
	done   []Transformation
}

// balanceILM is an ILM in a decision.
type balanceILM struct {
	ChildView
	rows    int
	touched bool // takes part in a transformation of this decision
}

func newBalanceRound(v View) *balanceRound {
	d := &balanceRound{View: v, left: v.Budget, active: len(v.Children), credit: v.Credit, taken: make(map[mib.NodeID]bool)}
	for _, c := range v.Children {
		ilm := &balanceILM{ChildView: c, rows: len(c.Nodes) + c.Fixed}
		d.every = append(d.every, ilm)
		if !c.Busy && !c.Rests && !math.IsNaN(c.Temperature) && c.Utilisation >= 0 && !math.IsInf(c.Utilisation, 0) {
			d.able = append(d.able, ilm)
		}
	}
	return d
}

// free lists the ILMs that nothing was decided on and that pass, in an order.
func (d *balanceRound) free(order func(a, b *balanceILM) int, pass func(*balanceILM) bool) (list []*balanceILM) {
	for _, c := range d.able {
		if !c.touched && pass(c) {
			list = append(list, c)
		}
	}
	slices.SortStableFunc(list, order)
	return list
}

// The orders; equals stay by NodeID.
func hottest(a, b *balanceILM) int { return cmp.Compare(b.Temperature, a.Temperature) }
func busiest(a, b *balanceILM) int { return cmp.Compare(b.Utilisation, a.Utilisation) }
func longest(a, b *balanceILM) int { return cmp.Compare(b.rows, a.rows) }
func idlest(a, b *balanceILM) int {
	return cmp.Or(cmp.Compare(a.Utilisation, b.Utilisation), cmp.Compare(a.Temperature, b.Temperature), cmp.Compare(a.rows, b.rows))
}

// gives and takes say who may be source and target of a move.
func (d *balanceRound) gives(c *balanceILM) bool {
	return !c.NoGive && len(c.Nodes) > 0
}
func (d *balanceRound) takes(c *balanceILM) bool {
	return !c.NoTake && c.Temperature <= d.Thresholds.Split
}

// heated reports whether c has been above split long enough.
func (d *balanceRound) heated(c *balanceILM) bool {
	return c.Temperature > d.Thresholds.Split && c.Hot >= steadyRounds
}

// relieve has hot ILMs hand on nodes where somebody has room for them.
func (d *balanceRound) relieve() {
	sources := d.free(hottest, func(c *balanceILM) bool { return d.heated(c) && d.gives(c) })
	for _, from := range sources {
		if from.Temperature > d.Thresholds.Migrate && d.fold(from, KindMigrate, d.free(idlest, d.takes),
			fmt.Sprintf("temperature %s stu above migrate %s with %s", formatStu(from.Temperature), formatStu(d.Thresholds.Migrate), countNodes(from.rows))) {
			continue
		}
		// The target is to be better by the dead band, not merely below split.
		limit := min(d.Thresholds.Split, from.Temperature*(1-deadBand))
		want := min(from.rows/2, len(from.Nodes))
		var to *balanceILM
		var best []int
		for i, c := range d.free(idlest, d.takes) {
			if i == mostTargets || want == 0 || len(best) == want {
				break
			}
			picked := d.pick(from, c, want, limit, func(_, u float64) bool { return u <= hotUtilisation })
			if len(picked) > len(best) {
				to, best = c, picked
			}
		}
		if to == nil {
			continue
		}
		d.move(from, to, best, Transformation{
			Kind: KindSplit,
			Seen: fmt.Sprintf("temperature %s stu above split %s with %s, for %d rounds", formatStu(from.Temperature), formatStu(d.Thresholds.Split), countNodes(from.rows), from.Hot),
		})
	}
}

// grow promotes a host if all ILMs are hot. One of which that is not known
// puts it off.
func (d *balanceRound) grow() {
	if len(d.done) > 0 || len(d.Idle) == 0 || d.active >= d.MaxILMs || len(d.able) < len(d.Children) || len(d.able) == 0 {
		return
	}
	mean := d.load() / float64(len(d.able))
	order, seen := busiest, fmt.Sprintf("mean utilisation %s of %d ILMs above %s", percent(mean), len(d.able), percent(hotUtilisation))
	if mean <= hotUtilisation {
		for _, c := range d.able {
			if !d.heated(c) {
				return
			}
		}
		order, seen = hottest, fmt.Sprintf("all %d ILMs above split %s, for %d rounds or more", len(d.able), formatStu(d.Thresholds.Split), steadyRounds)
	}
	to := &balanceILM{ChildView: ChildView{ID: d.Idle[0]}}
	for _, from := range d.free(order, d.gives) {
		picked := d.pick(from, to, min(from.rows/2, len(from.Nodes)), math.Inf(1), func(_, _ float64) bool { return true })
		if len(picked) > 0 {
			d.move(from, to, picked, Transformation{Kind: KindSplit, Promote: true, Seen: seen})
			return
		}
	}
}

// shrink merges two cold ILMs, one pair a round.
func (d *balanceRound) shrink() {
	cold := func(c *balanceILM) bool {
		return c.Temperature < d.Thresholds.Merge && c.Cold >= steadyRounds
	}
	coldest := func(a, b *balanceILM) int { return -hottest(a, b) }
	for _, from := range d.free(coldest, cold) {
		targets := d.free(idlest, func(c *balanceILM) bool { return cold(c) && d.takes(c) })
		if d.fold(from, KindMerge, targets, fmt.Sprintf("temperature %s stu below merge %s with %s, for %d rounds", formatStu(from.Temperature), formatStu(d.Thresholds.Merge), countNodes(from.rows), from.Cold)) {
			return
		}
	}
}

// fold hands all that from looks after to one of the targets and has it stop
// being an ILM, if both are allowed.
func (d *balanceRound) fold(from *balanceILM, kind Kind, targets []*balanceILM, seen string) bool {
	load := d.load()
	switch {
	case from.NoGive || from.Fixed > 0 || d.active <= max(d.MinILMs, 1) || d.left < len(from.Nodes):
		return false
	case d.Grown && !(load < mergeMargin*d.GrownAt):
		return false // it would be promoted again
	case len(d.able) < len(d.Children) || load/float64(d.active-1) >= mergeMargin*hotUtilisation:
		return false
	}
	for i, to := range targets {
		if i == mostTargets {
			break
		}
		if to == from {
			continue
		}
		picked := d.pick(from, to, len(from.Nodes), mergeMargin*d.Thresholds.Split, func(_, u float64) bool { return u < mergeMargin*hotUtilisation })
		if len(picked) == len(from.Nodes) {
			d.move(from, to, picked, Transformation{Kind: kind, Demote: true, Seen: seen})
			return true
		}
	}
	return false
}

// level evens utilisations that are too far apart.
func (d *balanceRound) level() {
	for _, from := range d.free(busiest, d.gives) {
		if from.touched {
			continue
		}
		for i, to := range d.free(idlest, d.takes) {
			gap := from.Utilisation - to.Utilisation
			near := gap <= deadFloor || gap <= deadBand*from.Utilisation
			if near && i == 0 {
				return // and so are all that are less busy
			}
			if near || i == mostTargets {
				break
			}
			picked := d.pick(from, to, len(from.Nodes), d.Thresholds.Split, func(left, u float64) bool { return u <= left && left < from.Utilisation })
			if len(picked) > 0 {
				d.move(from, to, picked, Transformation{
					Kind: KindSplit,
					Seen: fmt.Sprintf("utilisation %s with %s, while node %d has %s with %s", percent(from.Utilisation), countNodes(from.rows), to.ID, percent(to.Utilisation), countNodes(to.rows)),
				})
				break
			}
		}
	}
}

// fill gives ILMs without nodes as many as they would have if all had as
// many.
func (d *balanceRound) fill() {
	total := 0
	for _, c := range d.Children {
		total += len(c.Nodes) + c.Fixed
	}
	for _, to := range d.free(idlest, func(c *balanceILM) bool { return c.rows == 0 && d.takes(c) }) {
		for i, from := range d.free(longest, d.gives) {
			if i == mostTargets || from.rows < unevenList {
				break
			}
			picked := d.pick(from, to, min(from.rows/2, total/len(d.Children)), d.Thresholds.Split, func(left, u float64) bool { return u <= max(left, deadFloor) })
			if len(picked) > 0 {
				d.move(from, to, picked, Transformation{
					Kind: KindSplit,
					Seen: fmt.Sprintf("%s, while node %d has none", countNodes(from.rows), to.ID),
				})
				break
			}
		}
	}
}

// pick chooses up to want nodes of from that to can take, the last added
// first, and gives their places in from.Nodes, rising. With all of them the
// target's temperature, taken to grow with its rows, stays below limit, and
// fit holds for the utilisations of from and to.
func (d *balanceRound) pick(from, to *balanceILM, want int, limit float64, fit func(left, u float64) bool) (picked []int) {
	left, u, rows := from.Utilisation, to.Utilisation, to.rows
	dearer := dearer(from, to)
	for i := len(from.Nodes) - 1; i >= 0 && len(picked) < min(want, d.left); i-- {
		load := from.load(i)
		warmer := to.Temperature
		if to.rows > 0 {
			warmer *= float64(rows+1) / float64(to.rows)
		}
		if to.Capacity > 0 && float64(rows+1) >= fullShare*float64(to.Capacity) || warmer > 0 && warmer >= limit {
			break
		}
		if from.Nodes[i] == to.ID || !fit(left-load, u+load*dearer) || d.Allows != nil && !d.Allows(from.Nodes[i], to.ID) {
			continue
		}
		left, u, rows = left-load, u+load*dearer, rows+1
		picked = append(picked, i)
	}
	slices.Reverse(picked)
	return picked
}

// load is what a node costs the ILM that has it.
func (c *balanceILM) load(i int) float64 {
	if i < len(c.Loads) && c.Loads[i] >= 0 {
		return c.Loads[i]
	}
	return c.Utilisation / float64(c.rows)
}

// dearer is by how much a poll costs more at to than at from. That one costs
// less is not relied on: it may be the nodes that differ.
func dearer(from, to *balanceILM) float64 {
	f := (to.Utilisation / to.Rate) / (from.Utilisation / from.Rate)
	if !(f > 1) || math.IsInf(f, 0) || to.rows == 0 {
		return 1
	}
	return f
}

// move completes a transformation and takes note of it.
func (d *balanceRound) move(from, to *balanceILM, picked []int, t Transformation) {
	t.From, t.To = from.ID, to.ID
	left, u, f := from.Utilisation, to.Utilisation, dearer(from, to)
	for _, i := range picked {
		t.Nodes = append(t.Nodes, from.Nodes[i])
		left, u = left-from.load(i), u+f*from.load(i)
	}
	verb := "move"
	if len(picked) == 1 {
		verb = "moves"
	}
	t.Expected = fmt.Sprintf("%s %s to node %d: utilisation %s there, %s here", countNodes(len(picked)), verb, to.ID, percent(u), percent(max(left, 0)))
	if t.Promote {
		d.active++
		t.Expected = fmt.Sprintf("%s %s to node %d, which becomes an ILM: utilisation %s there, %s here", countNodes(len(picked)), verb, to.ID, percent(u), percent(max(left, 0)))
	}
	if t.Demote {
		d.active--
		t.Expected = fmt.Sprintf("%s %s to node %d: utilisation %s there; node %d stops being an ILM", countNodes(len(picked)), verb, to.ID, percent(u), from.ID)
	}
	d.left -= len(picked)
	from.touched, to.touched = true, true
	d.done = append(d.done, t)
}

// percent writes a share for people.
func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 1, 64) + " %" }
