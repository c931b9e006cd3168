package sim

import (
	"math"

	"simone/sim/heap"
)

// This file brings computing jobs beside those that arrive by chance: loads
// that trap policies which look at the wrong thing, or at the wrong moment.

// endless is the demand of jobs that outlast any run.
const endless = 1e12

// startExtra sets these up: jobs that stay on every host, a crowd of them
// on one, and hosts that flip between busy and idle.
func (w *world) startExtra(hosts int) {
	for node := range hosts {
		for range w.Hot {
			w.compute(int32(node), endless)
		}
	}
	w.extraAt = [2]float64{never, never}
	if w.Crowd > 0 {
		w.extraAt[0] = w.CrowdAt
	}
	if w.Flip > 0 {
		w.extraAt[1] = w.Flip * float64(w.FlipPhase)
	}
	w.armExtra()
}

func (w *world) armExtra() {
	if at := min(w.extraAt[0], w.extraAt[1]); at != never {
		w.heap.Set(slotExtra, key{At: at, Rank: heap.Rank(kindNCS, math.MaxInt32)})
	} else {
		w.heap.Clear(slotExtra)
	}
}

// extra is what is due of them.
func (w *world) extra(k key) {
	w.happened(k, job{})
	if w.extraAt[0] <= w.now {
		w.extraAt[0] = never
		for range w.Crowd {
			w.compute(w.ilmHost(0), w.Mean)
		}
	}
	if w.extraAt[1] <= w.now {
		w.extraAt[1] += w.Flip
		for node := range w.tlm() {
			for range w.FlipJobs {
				w.compute(node, w.Flip/2/float64(w.FlipJobs))
			}
		}
	}
	w.armExtra()
}

// compute puts a computing job into a node's CPU.
func (w *world) compute(node int32, demand float64) {
	w.nodes[node].count(w.now, 1)
	w.begin(node, demand, job{kind: jobNCS}, noLane)
}
