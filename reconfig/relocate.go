package reconfig

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"simone/mib"
)

// This file is the part of Balance that moves the role of an ILM to another
// machine, with all that it looks after. Where machines compute beside, that
// is worth more than any sharing out of nodes between machines that stay: a
// poll's work takes (1+k)/v on a machine of speed v with k other jobs.
//
// The rule: an ILM goes to a machine that is lighter by a factor. The machine
// is chosen by what it last reported, at the poll or in the mean since the one
// before, whichever is more, and it is asked again before; so neither machines
// that are idle just when they are looked at nor slow ones that look idle are
// chosen. Each ILM moves to another one, as each machine is only taken once.
// Under constant load every such move lessens the sum of intensities by a
// factor's difference, so that there is an end to them.
//
// The factor follows from the budget of moves per hour: it is leastFactor times
// the price of a move (credit.go). So the moves that gain most are made, whatever
// the load, and the budget is kept.

const (
	leastFactor    = 2.5
	clearlyLighter = 0.8 // a machine of less than this share of another's intensity
	shortList      = 4   // machines that are considered for one ILM
)

// React implements reactive.
func (Balance) React(v View) []Transformation {
	d := newBalanceRound(v)
	d.relocate()
	d.shed()
	return d.done
}

// factor is by how much a machine must be lighter.
func (d *balanceRound) factor() float64 { return leastFactor * max(d.Price, 1) }

// relocate moves the ILMs that are worst off to the lightest machines.
func (d *balanceRound) relocate() {
	if len(d.Hosts) == 0 {
		return
	}
	lightest := math.Inf(1)
	for i := range d.Hosts {
		lightest = min(lightest, d.Hosts[i].intensity())
	}
	var ilms []*balanceILM
	for _, c := range d.every {
		if c.Host.Known && !c.Busy && !c.touched && c.Fixed == 0 && len(c.Nodes) > 0 {
			ilms = append(ilms, c)
		}
	}
	slices.SortStableFunc(ilms, func(a, b *balanceILM) int { return cmp.Compare(b.Host.intensity(), a.Host.intensity()) })
	for _, from := range ilms {
		here, factor := from.Host.intensity(), d.factor()
		if here < factor*lightest {
			return // nobody can be so much lighter than this one and those to come
		}
		t := Transformation{Kind: KindMigrate, From: from.ID, Promote: true, Demote: true, Nodes: slices.Clone(from.Nodes)}
		if float64(t.moves()) > d.credit || len(t.Nodes) > d.left { // one list may always move
			continue
		}
		for _, h := range d.candidates(here) {
			if here >= factor*h.intensity() && d.allowsAll(from, h) {
				t.Hosts = append(t.Hosts, h)
			}
		}
		if len(t.Hosts) == 0 {
			continue
		}
		to := t.Hosts[0]
		t.To = to.ID
		t.Seen = fmt.Sprintf("%s other jobs at speed %s, %s times as heavy as node %d, whose last report says %s at speed %s",
			formatStu(from.Host.Load), formatStu(from.Host.speed()), formatStu(here/to.intensity()), to.ID, formatStu(to.Load), formatStu(to.speed()))
		if factor > leastFactor {
			t.Seen += fmt.Sprintf(" (%s are asked for, by what moves cost now)", formatStu(factor))
		}
		t.Expected = fmt.Sprintf("latency falls from %s to about %s stu for %s", formatStu(from.Temperature), formatStu(from.Temperature*to.intensity()/here), countNodes(len(t.Nodes)))
		d.taken[to.ID] = true
		from.touched = true
		d.left -= len(t.Nodes)
		d.credit -= float64(t.moves())
		d.done = append(d.done, t)
	}
}

// candidates ranks the machines that are lighter than here.
func (d *balanceRound) candidates(here float64) []HostView {
	best := make([]HostView, 0, shortList+1)
	at := int(d.Turn % uint64(len(d.Hosts)))
	for range d.Hosts {
		if at++; at >= len(d.Hosts) {
			at = 0
		}
		h := &d.Hosts[at]
		if h.intensity() >= here || d.taken[h.ID] {
			continue
		}
		i := len(best)
		for i > 0 && h.better(&best[i-1]) {
			i--
		}
		if i == shortList {
			continue
		}
		best = slices.Insert(best, i, *h)
		best = best[:min(len(best), shortList)]
	}
	return best
}

// better says whom to ask first: who is clearly lighter, else who has been
// idle for longer, else who is nearer.
func (h *HostView) better(than *HostView) bool {
	switch a, b := h.intensity(), than.intensity(); {
	case a < clearlyLighter*b:
		return true
	case b < clearlyLighter*a:
		return false
	case h.Idle != than.Idle:
		return h.Idle > than.Idle
	default:
		return h.RTT < than.RTT/2
	}
}

// allowsAll reports whether a machine may look after all that an ILM does.
func (d *balanceRound) allowsAll(from *balanceILM, h HostView) bool {
	if d.Allows == nil {
		return true
	}
	return !slices.ContainsFunc(from.Nodes, func(id mib.NodeID) bool { return id != h.ID && !d.Allows(id, h.ID) })
}

// speed is a machine's, 1 if it is not known.
func (l HostLoad) speed() float64 { return (1 + l.Load) / l.intensity() }

const (
	// spread is how much more than the mean an ILM may have to do, in polls x
	// intensity, before it hands on nodes although it stays where it is, and
	// relief what it keeps then.
	spread = 2.2
	relief = 1.9
	// fill is how many more nodes than the mean an ILM takes from others,
	// however idle its machine is: that will not last.
	fill = 1.1
	// burden is by which factor machines are unequal.
	burden = 1.5
	// fewest is how many nodes are worth a transformation of their own.
	fewest = 4
)

// work is what an ILM has to do, as far as its list and its machine make it.
func (c *balanceILM) work() float64 { return float64(c.rows) * c.Host.intensity() }

// unequal reports whether ILMs' machines differ in what they have to do beside.
// Then utilisations and temperatures tell of that, and of a time that is past,
// more than of lists: ILMs move or shed, and are not levelled.
func unequal(ilms []ChildView) bool {
	least, most := math.Inf(1), 0.0
	for i := range ilms {
		if h := ilms[i].Host; h.Known {
			least, most = min(least, h.intensity()), max(most, h.intensity())
		}
	}
	return most >= burden*least
}

// shed has ILMs that have much more to do than the mean hand on as many nodes
// as bring them near, to those that have less. A node that is handed on so gains as
// much as one that goes along when the ILM moves; so that is for the time until
// it can, and saves the move if the machine is idle again before.
func (d *balanceRound) shed() {
	sum, rows := 0.0, 0
	for _, c := range d.every {
		if !c.Host.Known {
			return
		}
		sum += c.work()
		rows += c.rows
	}
	if len(d.every) == 0 {
		return
	}
	mean := sum / float64(len(d.every))
	if d.Usual > 0 { // where many are hot at once, none is far off the mean
		mean = min(mean, d.Usual)
	}
	ilms := slices.Clone(d.every)
	slices.SortStableFunc(ilms, func(a, b *balanceILM) int { return cmp.Compare(b.work(), a.work()) })
	for _, from := range ilms {
		if from.work() <= spread*mean {
			return
		}
		if from.Busy || from.touched {
			continue
		}
		excess := from.rows - int(relief*mean/from.Host.intensity())
		nodes := from.Nodes
		for _, to := range slices.Backward(ilms) {
			if to == from || to.Busy || to.touched || to.NoTake {
				continue
			}
			room := int(min(mean/to.Host.intensity(), fill*float64(rows)/float64(len(d.every)))) - to.rows
			if to.Capacity > 0 {
				room = min(room, int(fullShare*float64(to.Capacity))-to.rows)
			}
			n := min(room, excess, d.left, int(d.credit), len(nodes))
			if n < fewest {
				continue
			}
			t := Transformation{Kind: KindSplit, From: from.ID, To: to.ID}
			for _, id := range slices.Backward(nodes) {
				if len(t.Nodes) < n && id != to.ID && (d.Allows == nil || d.Allows(id, to.ID)) {
					t.Nodes = append(t.Nodes, id)
				}
			}
			if len(t.Nodes) < fewest {
				continue
			}
			nodes = slices.DeleteFunc(slices.Clone(nodes), func(id mib.NodeID) bool { return slices.Contains(t.Nodes, id) })
			t.Seen = fmt.Sprintf("%s with %s other jobs: %s times the mean of all ILMs", countNodes(from.rows), formatStu(from.Host.Load), formatStu(from.work()/mean))
			t.Expected = fmt.Sprintf("%s move to node %d, which has %s and %s other jobs", countNodes(len(t.Nodes)), to.ID, countNodes(to.rows), formatStu(to.Host.Load))
			excess -= len(t.Nodes)
			d.left -= len(t.Nodes)
			d.credit -= float64(len(t.Nodes))
			from.touched, to.touched = true, true
			d.done = append(d.done, t)
		}
	}
}
