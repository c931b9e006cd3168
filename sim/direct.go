package sim

import "simone/sim/heap"

// This file does at once what nothing can come between: a short job on a host
// that nothing else happens to until it ends, a report's leaving a queue that is
// empty. These are most of what happens, and as steps of the event list would
// each take as long as all else. What comes out is the same to the last bit.

// foresee finds out until when nodes do only what they have been asked for: until
// then nobody looks at them, gives them others' work, or ends the run.
func (w *world) foresee() {
	w.calm = w.End
	for _, slot := range [...]int{slotTrigger, slotProbe, slotScript, slotExtra, slotDeath} {
		if k, ok := w.heap.Pending(slot); ok {
			w.calm = min(w.calm, k.At)
		}
	}
}

// ordinary reports whether a node is a leaf that was never an ILM: nothing comes
// to it but polls, its agent, and computing jobs.
func (n *machine) ordinary() bool { return n.station < 0 }

// pollAtOnce has a leaf answer a poll, if nothing can come between.
func (w *world) pollAtOnce(node int32) bool {
	n := &w.nodes[node]
	jobs := len(n.jobs)
	if !w.direct || !n.ordinary() || jobs >= laneDepth {
		return false
	}
	// Its own next poll is a period away.
	end, virtual, ok := n.pass(w.now, w.PollCost, min(w.calm, n.ncsAt, n.agentAt, w.now+w.Poll/2))
	if !ok {
		return false
	}
	k := key{At: end + w.OutputCost + w.Network, Rank: heap.Rank(kindArrival, uint32(node))}
	lane := &w.answers[jobs]
	last, any := lane.last()
	if any && !last.Before(k) {
		return false
	}
	lane.push(event[struct{}]{key: k})
	if !any {
		w.heap.Set(slotAnswers+jobs, k)
	}
	w.passed(n, w.PollCost, end, virtual)
	return true
}

// tend has a node's agent do its work, at once if nothing can come between.
func (w *world) tend(node int32) {
	n := &w.nodes[node]
	n.agentAt = (w.agents.round+1)*w.AgentPeriod + w.phases[w.agents.next].at
	if w.direct && n.ordinary() {
		if end, virtual, ok := n.pass(w.now, w.AgentCost, min(w.calm, n.ncsAt, n.agentAt, w.pollsAt)); ok {
			w.passed(n, w.AgentCost, end, virtual)
			return
		}
	}
	w.begin(node, w.AgentCost, job{kind: jobAgent}, classAgent)
}

// passed is a job of SIMONE's own done.
func (w *world) passed(n *machine, demand, end, virtual float64) {
	n.skip(end, virtual)
	n.monitored += float64(float32(demand)) // as jobs keep it
	w.events++
}

// sendAtOnce lets a report out of an ILM's output queue, if that is empty and
// nobody looks at it until then.
func (w *world) sendAtOnce(s *station, r report) bool {
	at := w.now + w.OutputCost
	if !w.direct || s.outFree > w.now || w.sent.n > 0 || at >= w.calm {
		return false
	}
	s.outFree = at
	w.events++
	w.leaveILM(r, at)
	return true
}

// nextNCS says when the next computing job comes to a node.
func (w *world) nextNCS(node int32, at float64) {
	w.nodes[node].ncsAt = at
	w.heap.Set(w.slotNCS(node), key{At: at, Rank: heap.Rank(kindNCS, uint32(node))})
}
