package sim

import (
	"cmp"
	"slices"

	"simone/reconfig"
)

// shareOut gives each active ILM its part of the leaves by how fast its host
// is at this moment, moving as few as that takes.
func shareOut(w *world) {
	ilms := w.activeBy(asTheyAre)
	want := w.shares(ilms)
	to := 0
	for _, from := range ilms {
		for surplus := len(w.roles[from].nodes) - want[from]; surplus > 0; {
			for len(w.roles[ilms[to]].nodes) >= want[ilms[to]] {
				to++
			}
			nodes := w.roles[from].nodes
			n := min(surplus, want[ilms[to]]-len(w.roles[ilms[to]].nodes))
			w.rec.transformed(w.now, reconfig.KindSplit, n)
			w.move(from, ilms[to], slices.Clone(nodes[len(nodes)-n:]))
			surplus -= n
		}
	}
}

// shares splits the leaves in proportion to 1/intensity, by largest
// remainders.
func (w *world) shares(ilms []int) (want []int) {
	want = make([]int, len(w.roles))
	total, left := 0.0, w.Leaves
	for _, i := range ilms {
		total += 1 / w.intensityOf(i)
	}
	rest := make([]float64, len(w.roles))
	for _, i := range ilms {
		exact := float64(w.Leaves) / w.intensityOf(i) / total
		want[i] = int(exact)
		rest[i] = exact - float64(want[i])
		left -= want[i]
	}
	byRest := slices.Clone(ilms)
	slices.SortStableFunc(byRest, func(a, b int) int { return cmp.Compare(rest[b], rest[a]) })
	for _, i := range byRest[:left] {
		want[i]++
	}
	return want
}

// bestHosts puts the ILMs on the leaves and hosts with the least to do at this
// moment, where that is less than what theirs have, and shares out the leaves.
func bestHosts(w *world) {
	now := func(node int32) float64 { return intensity(w.nodes[node].ncs, w.knownSpeed(node)) }
	var free []int32
	for node := range int32(w.Leaves + w.ILMs) {
		if w.nodes[node].role < 0 && w.mayManage(node) {
			free = append(free, node)
		}
	}
	slices.SortStableFunc(free, func(a, b int32) int { return cmp.Compare(now(a), now(b)) })
	for i, ilm := range w.activeBy(func(a, b int) int { return cmp.Compare(w.intensityOf(b), w.intensityOf(a)) }) {
		if i == len(free) || now(free[i]) >= w.intensityOf(ilm) {
			break
		}
		w.relocate(ilm, free[i])
	}
	shareOut(w)
}
