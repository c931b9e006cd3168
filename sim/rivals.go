package sim

import (
	"cmp"
	"math"
	"slices"

	"simone/mib"
	"simone/reconfig"
	"simone/sim/scenario"
)

// Rivals are rules of systems that people run today. They know how many nodes
// a manager has, not what it takes: where the counts are even, as at the start
// of every run, nothing moves.

// hashed places leaves by a hash of their number.
func hashed(p *scenario.Parameters) func(leaf int) int {
	return func(leaf int) int { return int(mix(uint64(leaf)+1) % uint64(p.ILMs)) }
}

// boundedHashed is consistent hashing with bounded loads (Mirrokni, Thorup,
// Zadimoghaddam 2018): a leaf goes to the next ILM on the ring that has less
// than 1.1 times the mean.
func boundedHashed(p *scenario.Parameters) func(leaf int) int {
	living := make([]int, p.ILMs)
	for i := range living {
		living[i] = i
	}
	return onRing(p.Leaves, living)
}

// onRing gives the ILM of each leaf, asked for in their order, if these live.
func onRing(leaves int, living []int) func(leaf int) int {
	const bound, points = 1.1, 100 // points of each ILM on the ring
	type point struct {
		at  uint64
		ilm int
	}
	var ring []point
	for _, ilm := range living {
		for i := range points {
			ring = append(ring, point{mix(mix(uint64(ilm)+1) + uint64(i)), ilm})
		}
	}
	slices.SortFunc(ring, func(a, b point) int { return cmp.Compare(a.at, b.at) })
	most := int(math.Ceil(bound * float64(leaves) / float64(len(living))))
	has := make(map[int]int)
	return func(leaf int) int {
		i, _ := slices.BinarySearchFunc(ring, mix(^uint64(leaf)), func(p point, at uint64) int { return cmp.Compare(p.at, at) })
		for {
			if ilm := ring[i%len(ring)].ilm; has[ilm] < most {
				has[ilm]++
				return ilm
			}
			i++
		}
	}
}

// rehash puts all leaves where they belong on the ring of who lives now.
func rehash(w *world) {
	living := w.activeBy(asTheyAre)
	if len(living) == 0 {
		return
	}
	at, moves := onRing(w.Leaves, living), make(map[[2]int][]mib.NodeID)
	for leaf := range w.leaves {
		if from, to := int(w.leaves[leaf].role), at(leaf); from != to {
			moves[[2]int{from, to}] = append(moves[[2]int{from, to}], nodeID(int32(leaf)))
		}
	}
	for from := range w.roles {
		for to := range w.roles {
			if nodes := moves[[2]int{from, to}]; len(nodes) > 0 {
				w.rec.moves(w.now, len(nodes))
				w.move(from, to, nodes)
			}
		}
	}
}

// rehashWithout does so without one that died.
func rehashWithout(w *world, _ int) { rehash(w) }

// leastTargets is gnmic's rule: targets go from the one with most to the one
// with least while these differ by two or more.
func leastTargets(w *world) { w.even(2) }

// sessionLost is when gnmic's leader sees that an instance's locks are gone: the
// session was last renewed at a multiple of 5 s, lives for 10 s without, its locks
// are held back for 5 s, and targets are looked at every 20 s.
func sessionLost(w *world) float64 {
	const renew, lives, held, watch = 50, 100, 50, 200
	gone := math.Floor(w.now/renew)*renew + lives + held
	return math.Ceil(gone/watch) * watch
}

// failoverDelay is that of a Zabbix proxy group.
func failoverDelay(w *world) float64 { return w.now + stuPerHour/60 }

// proxyGroup is Zabbix' rule for a proxy group: hosts are dealt out evenly
// when a proxy has been both ten hosts and a factor of two off the mean for
// ten times the failover delay, of one minute.
func proxyGroup(*scenario.Parameters) func(*world) {
	const hosts, factor, grace = 10, 2, 10 * stuPerHour / 60 // failover delays
	since := never
	return func(w *world) {
		off := slices.ContainsFunc(w.activeBy(asTheyAre), func(i int) bool {
			mean, n := float64(w.Leaves)/float64(w.ILMs), float64(len(w.roles[i].nodes))
			return math.Abs(n-mean) >= hosts && (n >= factor*mean || n*factor <= mean)
		})
		if !off {
			since = never
			return
		}
		if since = min(since, w.now); w.now-since >= grace {
			w.even(2)
		}
	}
}

// even moves leaves, one at a time, from the ILM with most to that with least
// until these differ by less than step.
func (w *world) even(step int) {
	count := func(a, b int) int { return cmp.Compare(len(w.roles[a].nodes), len(w.roles[b].nodes)) }
	active := w.activeBy(asTheyAre)
	for {
		least, most := slices.MinFunc(active, count), slices.MaxFunc(active, count)
		nodes := w.roles[most].nodes
		if len(nodes)-len(w.roles[least].nodes) < step {
			return
		}
		w.rec.transformed(w.now, reconfig.KindSplit, 1)
		w.move(most, least, slices.Clone(nodes[len(nodes)-1:]))
	}
}
