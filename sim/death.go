package sim

import (
	"math"
	"math/rand/v2"

	"simone/mib"
	"simone/reconfig"
	"simone/sim/heap"
)

// This file lets ILMs die: the manager's process on a host stops, what waits
// there is lost, and nobody polls what it looked after until another does or,
// repair later, it goes on with the list that it kept. The host itself, its
// computing jobs and its agent are not touched.

// mortality is when ILMs die, are found dead, and come back. When that is, and
// the how-manieth of the living it is, is the same for all policies.
type mortality struct {
	dice  rand.PCG
	next  float64      // death
	found lane[corpse] // who is found out to be dead
	back  lane[corpse] // and who is repaired
	lost  []float64    // by leaf: when its ILM died, if nobody has asked it since; else never. Nil: nobody dies
}

// corpse is an ILM, and the station where it was when it died.
type corpse struct{ ilm, station int32 }

// startDeaths sets the first one's time.
func (w *world) startDeaths() {
	d := &w.deaths
	d.next = never
	if w.MTBF == 0 {
		return
	}
	d.dice = stream(w.Seed, 0, forDeaths)
	d.lost = make([]float64, w.Leaves)
	for i := range d.lost {
		d.lost[i] = never
	}
	d.next = w.untilDeath()
	w.armDeaths()
}

// untilDeath draws the time between two deaths of any ILMs.
func (w *world) untilDeath() float64 {
	return -math.Log(uniform(&w.deaths.dice)) * w.MTBF / float64(w.ILMs)
}

func (w *world) armDeaths() {
	d := &w.deaths
	if at := min(d.next, d.found.first().At, d.back.first().At); at != never {
		w.heap.Set(slotDeath, key{At: at, Rank: heap.Rank(kindDeath, 0)})
	} else {
		w.heap.Clear(slotDeath)
	}
}

// mortal is what is due of deaths.
func (w *world) mortal(k key) {
	w.happened(k, job{})
	d := &w.deaths
	if d.next <= w.now {
		d.next = w.now + w.untilDeath()
		who := uniform(&d.dice)
		if living := w.activeBy(asTheyAre); len(living) > 0 {
			w.die(living[int(who*float64(len(living)))])
		}
	}
	for d.found.first().At <= w.now {
		if c := d.found.pop().what; w.dead(int(c.ilm)) && w.roles[c.ilm].station == c.station {
			w.failover(w, int(c.ilm))
			w.chargeAll()
		}
	}
	for d.back.first().At <= w.now {
		w.revive(d.back.pop().what)
	}
	w.armDeaths()
}

// dead reports whether an ILM is.
func (w *world) dead(ilm int) bool { return w.stations[w.roles[ilm].station].down }

// downAt reports whether a manager on a node is.
func (w *world) downAt(node int32) bool {
	s := w.nodes[node].station
	return s >= 0 && w.stations[s].down
}

// die stops an ILM.
func (w *world) die(ilm int) {
	at := w.roles[ilm].station
	s := &w.stations[at]
	s.down = true
	switch {
	case w.steered != nil:
		w.steered.mourn(int32(ilm))
	case w.pull: // its reports are in the pool, but for those in its hands
		for i := range s.working {
			if leaf := s.working[i].leaf; s.busy(i) && leaf != noLeaf {
				w.orphan(leaf)
				w.leaves[leaf].out = false
			}
		}
	default:
		for _, id := range w.roles[ilm].nodes {
			w.orphan(nodeIndex(id))
		}
		for i := range w.leaves {
			if l := &w.leaves[i]; l.askedAt == at {
				l.out = false
			}
		}
	}
	for s.waiting.n > 0 {
		w.spill(s.waiting.pop().report)
	}
	for i := range s.working { // what the CPU is at ends for nobody
		if s.busy(i) {
			w.spill(s.working[i].report)
			s.working[i].leaf = noLeaf
		}
	}
	c := corpse{int32(ilm), at}
	w.deaths.back.insert(key{At: w.now + w.Repair}, c)
	if w.detect != nil {
		w.deaths.found.insert(key{At: w.detect(w)}, c)
	}
}

// spill loses a report.
func (w *world) spill(r report) {
	if w.steered != nil && r.leaf != noLeaf {
		w.steered.out[r.role]--
	}
}

// orphan notes that a leaf's ILM has died.
func (w *world) orphan(leaf int32) {
	if d := &w.deaths; d.lost[leaf] == never {
		d.lost[leaf] = w.now
	}
}

// covered is a leaf asked by an ILM that lives.
func (w *world) covered(leaf int32) {
	if d := &w.deaths; d.lost != nil && d.lost[leaf] != never {
		w.rec.wasUncovered(d.lost[leaf], w.now)
		d.lost[leaf] = never
	}
}

// unwanted reports whether nobody waits for a report any more, as who asked for it
// has died.
func (w *world) unwanted(r *report) bool {
	switch {
	case w.deaths.lost == nil || w.pull:
		return false
	case w.stations[r.station].down:
		return true
	case w.steered != nil:
		_, out := w.steered.slots[flight{r.role, r.leaf}]
		return !out
	}
	return !w.leaves[r.leaf].out
}

// uncovered is the mean time and the longest that leaves were without an ILM,
// those that still are included.
func (w *world) uncovered() (mean, most float64) {
	rec := w.rec
	for _, since := range w.deaths.lost {
		if since != never {
			rec.wasUncovered(since, w.End)
		}
	}
	if rec.uncovered.n == 0 {
		return math.NaN(), math.NaN()
	}
	return rec.uncovered.of(), rec.uncoveredMost
}

// revive lets a host that was repaired manage again.
func (w *world) revive(c corpse) {
	s := &w.stations[c.station]
	s.down = false
	if w.steered != nil {
		w.steered.late[c.ilm] = true
	}
	if w.revived != nil {
		w.revived(w)
		w.chargeAll()
	}
	w.serve(s, classReport)
}

// probed is when it is known that an ILM that dies now answers no probe: misses
// of them, probe apart, stay unanswered, the last for as long.
func probed(w *world) float64 {
	const misses = 3 // reconfig.DefaultSettings
	return (math.Ceil(w.now/w.Probe) + misses) * w.Probe
}

// toSpareOrAll has an idle host take a dead ILM's place, or shares its leaves
// out to those that have fewest.
func toSpareOrAll(w *world, dead int) {
	for i := range w.roles {
		if !w.roles[i].active && !w.dead(i) {
			w.activate(i)
			w.bequeath(dead, func(int) int { return i })
			w.roles[dead].active = false
			return
		}
	}
	toFewest(w, dead)
	w.roles[dead].active = false
}

// toFewest shares a dead ILM's leaves out to those that have fewest.
func toFewest(w *world, dead int) {
	living := w.activeBy(asTheyAre)
	if len(living) == 0 {
		return
	}
	has := make([]int, len(w.roles))
	for i := range w.roles {
		has[i] = len(w.roles[i].nodes)
	}
	w.bequeath(dead, func(int) int {
		least := living[0]
		for _, i := range living[1:] {
			if has[i] < has[least] {
				least = i
			}
		}
		has[least]++
		return least
	})
}

// bequeath hands a dead ILM's leaves to others.
func (w *world) bequeath(dead int, to func(leaf int) int) {
	heirs := make([][]mib.NodeID, len(w.roles))
	for _, id := range w.roles[dead].nodes {
		i := to(int(nodeIndex(id)))
		heirs[i] = append(heirs[i], id)
	}
	for i, nodes := range heirs {
		if i != dead && len(nodes) > 0 {
			w.rec.moves(w.now, len(nodes))
			w.move(dead, i, nodes)
		}
	}
}

// toLightest has the lightest host take a dead ILM's place.
func toLightest(w *world, dead int) {
	if c := w.candidates(never); len(c) > 0 {
		w.relocate(dead, c[0].node)
		return
	}
	toFewest(w, dead)
}

// deaf reports whether a child is dead, and an action is not answered therefore
// until it times out.
func (s *steered) deaf(child mib.NodeID, action reconfig.ActionID) bool {
	if !s.w.downAt(nodeIndex(child)) {
		return false
	}
	s.mute = append(s.mute, action)
	return true
}

// timeOut fails what the dead were asked at the last probe or since.
func (s *steered) timeOut() {
	mute := s.mute
	s.mute = nil
	at := reconfig.At{Now: s.w.instant(s.w.now) - 1}
	for _, action := range mute {
		s.tell(at, reconfig.ActionFailed{At: at, Action: action, Why: reconfig.TimedOut, Text: "no answer"})
	}
}

// mourn notes who is without an ILM; the polls of the dead one fail.
func (s *steered) mourn(ilm int32) {
	w, list := s.w, s.listOf(ilm)
	for leaf := range int32(w.Leaves) {
		if s.owners[nodeID(leaf)] == nodeID(w.hostOf(int(ilm))) {
			w.orphan(leaf)
		}
		if a, out := s.slots[flight{ilm, leaf}]; out {
			delete(s.slots, flight{ilm, leaf})
			list.Failed(w.instant(w.now), nodeID(leaf), a.slot)
		}
	}
}
