package sim

import (
	"slices"

	"simone/mib"
	"simone/sim/heap"
	"simone/sim/scenario"
	"simone/temperature"
)

// station is the manager's side of a host: a queue for its jobs, of which few
// may be in the CPU at a time, and one for reports on their way out.
type station struct {
	node    int32
	waiting ring[task]
	working []task   // by worker
	free    []uint16 // workers without a task
	outFree float64  // when the output queue will have sent all that is in it
	down    bool     // has died
}

// busy reports whether a worker has a task.
func (s *station) busy(worker int) bool { return !slices.Contains(s.free, uint16(worker)) }

// task is a manager's job: to work off a report, or to take part in a
// reconfiguration (leaf is noLeaf).
type task struct {
	report
	demand float64
}

const noLeaf = -1

// role is an ILM: what it looks after, and how it fares.
type role struct {
	station int32
	active  bool
	nodes   []mib.NodeID // in the order in which they were added

	window  mean    // latencies of reports that left since the last trigger
	latency mean    // and since the warm-up
	worked  float64 // machine.monitored at the last trigger
	ncs     float64 // and the host's sum of computing jobs x time
	// utilisation is what its work took of what the computing jobs left it.
	utilisation float64
	last        float64 // latency that t was made of
	t           float64 // temperature at the last trigger
	history     *temperature.History

	round roundOf // what became of it in this round
}

// startManagers sets up the TLM's station and the ILMs, with leaf i at ILM
// ⌊iM/N⌋ unless place says otherwise.
func (w *world) startManagers(place func(*scenario.Parameters) func(leaf int) int) {
	w.addStation(w.tlm(), 1)
	for i := range w.Upper {
		w.addStation(int32(w.Leaves+w.ILMs+i), w.W)
	}
	w.roles = make([]role, w.ILMs)
	for i := range w.roles {
		r := &w.roles[i]
		// Validated with the parameters.
		r.history, _ = temperature.NewHistory(w.Weights)
		w.settle(i, w.ilmHost(i))
		w.activate(i)
	}
	at := func(leaf int) int { return leaf * w.ILMs / w.Leaves }
	if place != nil {
		at = place(&w.Parameters)
	}
	if w.script != nil {
		at = func(leaf int) int { return w.script.ILM[leaf] }
	}
	w.leaves = make([]leaf, w.Leaves)
	for i := range w.leaves {
		to := at(i)
		w.leaves[i].role = int32(to)
		w.roles[to].nodes = append(w.roles[to].nodes, nodeID(int32(i)))
	}
}

// addStation makes a node a manager's host.
func (w *world) addStation(node int32, workers int) int32 {
	if s := w.nodes[node].station; s >= 0 {
		return s
	}
	s := station{node: node, working: make([]task, workers)}
	for i := range workers {
		s.free = append(s.free, uint16(workers-1-i))
	}
	w.stations = append(w.stations, s)
	w.nodes[node].station = int32(len(w.stations) - 1)
	return w.nodes[node].station
}

// arriveAtILM lets a leaf's report into the input queue of who asked for it.
func (w *world) arriveAtILM(a answer) {
	r := report{entered: w.now, leaf: a.leaf}
	if a.ilm == byTLM {
		w.steered.arrived(a.leaf)
		return
	}
	if w.steered != nil {
		r.role, r.station = a.ilm, w.roles[a.ilm].station
	} else {
		l := &w.leaves[a.leaf]
		r.role, r.station = l.askedBy, l.askedAt
	}
	if w.unwanted(&r) {
		w.spill(r)
		return
	}
	if w.pull {
		w.pool.push(task{r, w.reportCost(a.leaf)})
		w.offer()
		return
	}
	s := &w.stations[r.station]
	s.waiting.push(task{r, w.reportCost(a.leaf)})
	w.serve(s, classReport)
}

// arriveAbove does the same one level up: at the upper ILM, if there is one and
// the report has not been there, else at the TLM.
func (w *world) arriveAbove(r report) {
	above, demand := w.tlm(), w.TLMCost
	if w.Upper > 0 && !w.isUpper(w.stations[r.station].node) {
		above, demand = w.upper(r.role), w.UpperCost
	}
	r.entered, r.station = w.now, w.nodes[above].station
	s := &w.stations[r.station]
	s.waiting.push(task{r, demand})
	w.serve(s, classTLM)
}

// charge gives a station work other than a report.
func (w *world) charge(at int32, demand float64) {
	s := &w.stations[at]
	if demand == 0 || s.down {
		return
	}
	s.waiting.push(task{report{w.now, noLeaf, -1, at}, demand})
	w.serve(s, noLane)
}

// serve puts waiting tasks into the CPU as far as there are workers.
func (w *world) serve(s *station, class int) {
	for len(s.free) > 0 && !s.down {
		t, ok := w.next(s)
		if !ok {
			return
		}
		worker := s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
		s.working[worker] = t
		w.begin(s.node, t.demand, job{kind: jobManager, worker: worker}, class)
	}
}

// next takes what a station is to do next out of its queue.
func (w *world) next(s *station) (t task, ok bool) {
	if s.waiting.n > 0 {
		return s.waiting.pop(), true
	}
	n := &w.nodes[s.node]
	if w.pool.n == 0 || n.role < 0 {
		return task{}, false
	}
	t = w.pool.pop()
	t.role, t.station = n.role, n.station
	return t, true
}

// offer lets the next ILM that has room take from the pool.
func (w *world) offer() {
	for range w.roles {
		w.turn = (w.turn + 1) % len(w.roles)
		if s := &w.stations[w.roles[w.turn].station]; len(s.free) > 0 && !s.down {
			w.serve(s, classReport)
			return
		}
	}
}

// managed is a manager's job done.
func (w *world) managed(n *machine, worker uint16) {
	s := &w.stations[n.station]
	t := s.working[worker]
	s.free = append(s.free, worker)
	class := classReport
	switch {
	case s.node == w.tlm():
		class = classTLM
		if t.leaf != noLeaf {
			w.rec.atTLM(w.now, t.entered)
		}
	case w.isUpper(s.node):
		class = classTLM
		w.rec.atUpper(w.now, t.entered)
		w.sendUp(t.report, w.now+w.OutputCost)
	case t.leaf != noLeaf:
		if w.steered != nil {
			w.steered.worked(t.report)
		} else {
			w.leaves[t.leaf].told()
		}
		if w.sendAtOnce(s, t.report) {
			break
		}
		s.outFree = max(s.outFree, w.now) + w.OutputCost
		queue(w, slotSent, &w.sent, key{At: s.outFree, Rank: heap.Rank(kindSent, uint32(s.node))}, t.report)
	}
	w.serve(s, class)
}

// leaveILM lets a report out of an ILM's output queue.
func (w *world) leaveILM(r report, at float64) {
	ilm, latency := &w.roles[r.role], at-r.entered
	ilm.window.add(latency)
	if at >= w.Warmup {
		ilm.latency.add(latency)
	}
	w.sendUp(r, at)
}

// sendUp has a report cross the network to the level above, from a time on.
func (w *world) sendUp(r report, at float64) {
	queue(w, slotToTLM, &w.toTLM, key{At: at + w.Network, Rank: heap.Rank(kindArrival, uint32(r.leaf))}, r)
}

// oldest is when the report entered that has been longest at an ILM's host
// and has not left it; ok is false if there is none.
func (w *world) oldest(ilm int) (at float64, ok bool) {
	at = never
	see := func(r *report) {
		if r.leaf != noLeaf && int(r.role) == ilm && r.station == w.roles[ilm].station {
			at = min(at, r.entered)
		}
	}
	s := &w.stations[w.roles[ilm].station]
	for worker := range s.working {
		if s.busy(worker) {
			see(&s.working[worker].report)
		}
	}
	for i := range s.waiting.n {
		see(&s.waiting.at(i).report)
	}
	for i := range w.sent.n {
		see(&w.sent.at(i).what)
	}
	return at, at != never
}
