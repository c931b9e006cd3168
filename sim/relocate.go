package sim

import (
	"cmp"
	"slices"

	"simone/reconfig"
	"simone/sim/scenario"
)

// What policy relocate goes by (docs/evaluation.md).
const (
	clearlyLighter = 0.8 // a host of less than this share of another's intensity
	shortList      = 4   // hosts that are considered for one ILM
	creditLists    = 2   // how much of a budget may be saved up, in mean lists
)

// relocation moves ILMs off busy hosts to leaves that are Factor times
// lighter by what they last reported, and still when they are asked. It knows
// what a manager can know: reports, the load of its ILMs' own hosts, and what
// a leaf answers when it is asked.
type relocation struct {
	*world
	plans  []move  // by ILM
	credit float64 // nodes that may be moved, if there is a budget
}

// move is an ILM's that has been decided on and waits for its time.
type move struct {
	to int32 // noHost: none
	in int   // triggers
}

const noHost = -1

func relocate(p *scenario.Parameters) func(*world) {
	r := &relocation{plans: slices.Repeat([]move{{to: noHost}}, p.ILMs)}
	return r.decide
}

func (r *relocation) decide(w *world) {
	r.world = w
	most := creditLists * float64(w.Leaves) / float64(w.ILMs)
	r.credit = min(r.credit+w.Budget*w.Trigger/w.perHour(), most)
	r.act()
	r.choose()
	if w.DeadBand > 0 {
		r.level()
	}
}

// afford takes nodes out of the budget, if it allows for them.
func (r *relocation) afford(nodes int) bool {
	if r.Budget == 0 {
		return true
	}
	if r.credit < float64(nodes) {
		return false
	}
	r.credit -= float64(nodes)
	return true
}

// act makes the moves whose time has come, where the target is lighter still.
func (r *relocation) act() {
	for ilm := range r.plans {
		p := &r.plans[ilm]
		if p.to == noHost {
			continue
		}
		if p.in--; p.in > 0 {
			continue
		}
		to := p.to
		p.to, r.nodes[to].chosen = noHost, false
		if !r.dead(ilm) && !r.downAt(to) && intensity(r.nodes[to].ncs, r.knownSpeed(to)) < r.intensityOf(ilm) && r.afford(len(r.roles[ilm].nodes)) {
			r.relocate(ilm, to)
		}
	}
}

// choose finds hosts for the ILMs that are worst off, these first.
func (r *relocation) choose() {
	for _, ilm := range r.activeBy(func(a, b int) int { return cmp.Compare(r.intensityOf(b), r.intensityOf(a)) }) {
		here := r.intensityOf(ilm)
		if here < r.Factor*r.lightest {
			break // nobody can be so much lighter than this one and those to come
		}
		if r.plans[ilm].to != noHost || r.roles[ilm].round.touched {
			continue
		}
		for _, c := range r.candidates(here) {
			if here < r.Factor*c.intensity {
				break
			}
			if r.nodes[c.node].ncs > c.load { // a probe
				continue
			}
			if r.Ahead > 0 {
				r.plans[ilm], r.nodes[c.node].chosen = move{c.node, r.Ahead}, true
			} else if r.afford(len(r.roles[ilm].nodes)) {
				r.relocate(ilm, c.node)
			}
			break
		}
	}
}

// level evens out what ILMs have to do, in pairs, the one with most and the
// one with least first, where they differ by more than the dead band.
func (r *relocation) level() {
	work := func(ilm int) float64 { return r.intensityOf(ilm) * float64(len(r.roles[ilm].nodes)) }
	ilms := r.activeBy(func(a, b int) int { return cmp.Compare(work(b), work(a)) })
	ilms = slices.DeleteFunc(ilms, func(i int) bool { return r.roles[i].round.touched || r.plans[i].to != noHost })
	for len(ilms) > 1 {
		most, least := ilms[0], ilms[len(ilms)-1]
		ilms = ilms[1 : len(ilms)-1]
		if work(most) <= (1+r.DeadBand)*work(least) {
			return
		}
		nodes := r.roles[most].nodes
		n := int((work(most) - work(least)) / (r.intensityOf(most) + r.intensityOf(least)))
		if n == 0 || !r.afford(n) {
			return
		}
		r.rec.transformed(r.now, reconfig.KindSplit, n)
		r.move(most, least, slices.Clone(nodes[len(nodes)-n:]))
	}
}

// candidate is a leaf that an ILM might go to.
type candidate struct {
	node      int32
	intensity float64
	load      int32 // computing jobs as last reported
	idle      int32 // reports in a row without any
}

// better says whom to ask first: who is clearly lighter, else who has been
// idle for longer.
func (c candidate) better(than candidate) bool {
	if c.intensity < clearlyLighter*than.intensity {
		return true
	}
	return than.intensity >= clearlyLighter*c.intensity && c.idle > than.idle
}

// candidates ranks the leaves without a role of their own, present or
// planned, that are lighter than here.
func (w *world) candidates(here float64) []candidate {
	best := w.ranked[:0]
	node := int32(w.dice.Uint64() % uint64(w.Leaves))
	for range w.Leaves {
		if node++; int(node) >= w.Leaves {
			node = 0
		}
		l := &w.leaves[node]
		c := candidate{node, intensity(l.load, w.knownSpeed(node)), l.load, l.idle}
		if c.intensity >= here || w.nodes[node].role >= 0 || w.nodes[node].chosen || !w.mayManage(node) {
			continue
		}
		at := 0
		for at < len(best) && !c.better(best[at]) {
			at++
		}
		if at == shortList {
			continue
		}
		if len(best) < shortList {
			best = best[:len(best)+1]
		}
		copy(best[at+1:], best[at:])
		best[at] = c
	}
	return best
}
