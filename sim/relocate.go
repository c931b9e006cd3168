package sim

import "cmp"

// What policy relocate goes by (docs/evaluation.md).
const (
	clearlyLighter = 0.8 // a host of less than this share of another's intensity
	shortList      = 4   // hosts that are considered for one ILM
)

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

// relocateRoles moves ILMs off busy hosts to leaves that are Factor times
// lighter by what they last reported, and still when they are asked. Those
// worst off choose first.
func relocateRoles(w *world) {
	ilms := w.activeBy(func(a, b int) int { return cmp.Compare(w.intensityOf(b), w.intensityOf(a)) })
	for _, ilm := range ilms {
		here := w.intensityOf(ilm)
		if here < w.Factor*w.lightest {
			break // nobody can be so much lighter than this one and those to come
		}
		for _, c := range w.candidates(here) {
			if here < w.Factor*c.intensity {
				break
			}
			if w.nodes[c.node].ncs <= c.load { // a probe
				w.relocate(ilm, c.node)
				break
			}
		}
	}
}

// candidates ranks the leaves without a role of their own that are lighter
// than here.
func (w *world) candidates(here float64) []candidate {
	best := w.ranked[:0]
	node := int32(w.dice.Uint64() % uint64(w.Leaves))
	for range w.Leaves {
		if node++; int(node) >= w.Leaves {
			node = 0
		}
		l := &w.leaves[node]
		c := candidate{node, intensity(l.load, w.knownSpeed(node)), l.load, l.idle}
		if c.intensity >= here || w.nodes[node].role >= 0 {
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
