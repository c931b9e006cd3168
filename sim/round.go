package sim

import (
	"math"
	"slices"

	"simone/mib"
	"simone/reconfig"
	"simone/sim/heap"
	"simone/temperature"
)

// roundOf is what a round does to one ILM.
type roundOf struct {
	touched   bool
	started   bool // on a host that was none's before
	exchanged int  // nodes in and out
}

// trigger measures, decides, and does what was decided: moves take effect
// with the next polls, and what is queued stays where it is.
func (w *world) trigger(k key) error {
	w.happened(k, job{})
	for i := range w.roles {
		r := &w.roles[i]
		counted := w.measure(i, r)
		if t := r.t; w.now-w.Trigger >= w.Warmup {
			if !r.active || !counted {
				t = math.NaN()
			}
			w.rec.interval(i, t)
		}
		r.round = roundOf{}
	}
	if w.steered != nil {
		w.steered.round()
	} else {
		w.policy(w)
	}
	w.rec.active.add(float64(len(w.activeBy(asTheyAre))))
	for i := range w.roles {
		w.settleAccounts(&w.roles[i])
	}
	w.triggers++
	w.heap.Set(slotTrigger, key{At: w.triggers * w.Trigger, Rank: heap.Rank(kindTrigger, 0)})
	if w.steered != nil {
		return w.steered.err
	}
	return nil
}

// measure takes an ILM's temperature; counted says whether it rests on a
// report that left or should have.
func (w *world) measure(i int, r *role) (counted bool) {
	if r.window.n > 0 {
		r.last, counted = r.window.of(), true
	} else if since, waits := w.oldest(i); waits {
		r.last, counted = max(r.last, w.now-since), true
	} else if w.rows(i) == 0 {
		r.last = 0
	}
	r.window = mean{}
	host := &w.nodes[w.stations[r.station].node]
	t, err := w.formula.Temperature(temperature.Inputs{
		I: 100 * (host.monitored - r.worked) * host.slow / w.Trigger,
		L: r.last,
	})
	ncs := host.ncsArea + float64(host.ncs)*(w.now-host.ncsSince)
	r.utilisation = (host.monitored - r.worked) * host.slow / w.Trigger * (1 + (ncs-r.ncs)/w.Trigger)
	r.worked, r.ncs = host.monitored, ncs
	if err == nil {
		r.t = t
	}
	r.history.Add(r.t)
	return counted
}

// settleAccounts charges an ILM for what the round did to it.
func (w *world) settleAccounts(r *role) {
	if r.active {
		w.charge(w.nodes[w.tlm()].station, w.TLMILMCost)
	}
	w.chargeRound(r)
}

// chargeAll charges all ILMs for what happened between two rounds.
func (w *world) chargeAll() {
	for i := range w.roles {
		w.chargeRound(&w.roles[i])
		w.roles[i].round = roundOf{}
	}
}

func (w *world) chargeRound(r *role) {
	if !r.round.touched || w.free {
		return
	}
	demand := w.ReconfigCost + w.ReconfigNodeCost*float64(r.round.exchanged)
	if r.round.started {
		demand += w.RoleStart
	}
	w.charge(r.station, demand)
}

// rows is how many nodes an ILM polls.
func (w *world) rows(ilm int) int {
	if w.steered != nil {
		return w.steered.listOf(int32(ilm)).Len()
	}
	return len(w.roles[ilm].nodes)
}

// temperatureOf is what policies decide on.
func (w *world) temperatureOf(i int) float64 {
	if w.Weighted {
		return w.roles[i].history.Weighted()
	}
	return w.roles[i].t
}

// activate makes an ILM of a host that was idle.
func (w *world) activate(i int) {
	r := &w.roles[i]
	r.active, r.last, r.t, r.round.started = true, 0, 0, true
	r.history.Reset()
}

// settle gives an ILM a host; what is queued at the old one stays there.
func (w *world) settle(i int, host int32) {
	r := &w.roles[i]
	r.station = w.addStation(host, w.W)
	n := &w.nodes[host]
	r.worked, r.ncs = n.monitored, n.ncsArea+float64(n.ncs)*(w.now-n.ncsSince)
	w.nodes[host].role = int32(i)
}

// relocate moves an ILM with all that it looks after to another host.
func (w *world) relocate(i int, host int32) {
	r := &w.roles[i]
	w.nodes[w.stations[r.station].node].role = -1
	w.settle(i, host)
	r.round = roundOf{touched: true, started: true, exchanged: r.round.exchanged + len(r.nodes)}
	w.rec.transformed(w.now, reconfig.KindMigrate, len(r.nodes))
}

// move hands nodes from one ILM to another.
func (w *world) move(from, to int, nodes []mib.NodeID) {
	a, b := &w.roles[from], &w.roles[to]
	for _, id := range nodes {
		w.leaves[nodeIndex(id)].role = int32(to)
	}
	b.nodes = append(b.nodes, nodes...)
	a.nodes = slices.DeleteFunc(a.nodes, func(id mib.NodeID) bool { return w.leaves[nodeIndex(id)].role != int32(from) })
	for _, r := range []*role{a, b} {
		r.round.touched = true
		r.round.exchanged += len(nodes)
	}
}
