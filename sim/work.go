package sim

import (
	"math"

	"simone/sim/heap"
)

// begin puts a job into a node's CPU. Class says which lanes may hold its end.
func (w *world) begin(node int32, demand float64, j job, class int) {
	n := &w.nodes[node]
	n.enter(w.now, demand, j)
	w.watch(node, n, n.done(), class)
}

// watch sees to it that the node is looked at no later than its next job
// ends, at. To look too early costs a look; so when jobs only get later, because
// others come in, nothing needs to be moved.
func (w *world) watch(node int32, n *machine, at float64, class int) {
	if at >= min(n.look, n.glance) {
		return
	}
	k := key{At: at, Rank: heap.Rank(kindDone, uint32(node))}
	if jobs := len(n.jobs); class != noLane && jobs <= w.depth && n.glance == never {
		i := class*laneDepth + jobs - 1
		lane := &w.glances[i]
		last, any := lane.last()
		if !any || last.Before(k) {
			lane.push(event[struct{}]{key: k})
			n.glance = at
			if !any {
				w.heap.Set(slotGlances+i, k)
			}
			return
		}
	}
	n.look = at
	w.heap.Set(w.slotCPU(node), k)
}

// lookAt is what a node's own slot in the heap is for.
func (w *world) lookAt(node int32) {
	n := &w.nodes[node]
	n.look = never
	w.finish(node, n)
	if n.look == never {
		w.heap.Clear(w.slotCPU(node))
	}
}

// glanceAt is what the slot of a lane is for.
func (w *world) glanceAt(slot int) {
	lane := &w.glances[slot-slotGlances]
	node := int32(lane.pop().key.ID())
	n := &w.nodes[node]
	n.glance = never
	w.finish(node, n)
	w.rearm(slot, lane.first())
}

// finish lets go of the jobs that have ended.
func (w *world) finish(node int32, n *machine) {
	at := n.done()
	for ; at <= w.now; at = n.done() {
		j := n.leave(w.now)
		w.happened(key{At: w.now, Rank: heap.Rank(kindDone, uint32(node))}, j)
		if j.kind != jobNCS {
			n.monitored += float64(j.demand)
		}
		switch j.kind {
		case jobNCS:
			n.count(w.now, -1)
			w.rec.computed(w.now, j)
		case jobPoll:
			// A leaf has one report at a time: nothing waits at its output.
			k := key{At: w.now + w.OutputCost + w.Network, Rank: heap.Rank(kindArrival, uint32(node))}
			queue(w, slotToILM, &w.toILM, k, answer{node, int32(j.worker)})
		case jobManager:
			w.managed(n, j.worker)
		}
	}
	w.watch(node, n, at, noLane)
}

// arriveNCS brings in a computing job.
func (w *world) arriveNCS(k key) {
	w.happened(k, job{})
	node := int32(k.ID())
	a := &w.arrivals[node]
	w.nextNCS(node, w.now+w.gaps.draw(&a.gaps))
	w.compute(node, w.demands.draw(&a.demands))
}

// agent has one node's agent do its work.
func (w *world) agent(k key) {
	w.happened(k, job{})
	w.tend(int32(k.ID()))
	w.agents.advance(len(w.phases))
	w.nextAgent()
}

func (w *world) nextAgent() {
	p := w.phases[w.agents.next]
	w.heap.Set(slotAgents, key{At: w.agents.round*w.AgentPeriod + p.at, Rank: heap.Rank(kindAgent, uint32(p.node))})
}

// poll asks one leaf.
func (w *world) poll(k key) {
	w.happened(k, job{})
	if w.steered != nil {
		w.steered.poll(int32(k.ID()))
	} else {
		w.ask(int32(k.ID()))
	}
	w.polls.advance(w.Leaves)
	w.nextPoll()
}

func (w *world) nextPoll() {
	spread := float64(w.Stagger) * float64(w.polls.next) / float64(w.Leaves)
	w.pollsAt = (w.polls.round + spread) * w.Poll
	w.heap.Set(slotPolls, key{At: w.pollsAt, Rank: heap.Rank(kindPoll, uint32(w.polls.next))})
}

// slightMean is the mean number of computing jobs between two polls up to
// which a leaf calls itself idle.
const slightMean = 0.02

// ask polls a leaf, unless its last report is still to be worked off.
func (w *world) ask(node int32) {
	l := &w.leaves[node]
	if l.out {
		w.rec.skip(w.now, 1)
		return
	}
	if !w.pull && w.dead(int(l.role)) {
		return
	}
	w.covered(node)
	l.out = true
	w.busyness(node)
	l.askedBy, l.askedAt = l.role, w.roles[l.role].station
	if !w.pollAtOnce(node) {
		w.begin(node, w.PollCost, job{kind: jobPoll}, classPoll)
	}
}

// busyness is what a leaf says of its computing jobs when it is asked: how
// many there are or, if that is more, were in the mean since it was last asked.
func (w *world) busyness(node int32) int32 {
	l, n := &w.leaves[node], &w.nodes[node]
	if l.asked == w.now { // by two at once
		return l.says
	}
	says, sum := n.ncs, n.ncsArea+float64(n.ncs)*(w.now-n.ncsSince)
	if mean := (sum - l.askedSum) / (w.now - l.asked); mean > slightMean {
		says = max(says, int32(math.Ceil(mean)))
	}
	l.asked, l.askedSum, l.says = w.now, sum, says
	return says
}

// queue puts an event into a lane, whose slot is given.
func queue[T any](w *world, slot int, l *lane[T], k key, what T) {
	l.insert(k, what)
	if l.first() == k {
		w.heap.Set(slot, k)
	}
}
