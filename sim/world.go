package sim

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"simone/mib"
	"simone/reconfig"
	"simone/sim/heap"
	"simone/sim/scenario"
	"simone/temperature"
)

// Kinds of events, in the order in which those of one time happen (docs/evaluation.md); within a kind the lower node is first.
const (
	kindTrigger uint8 = iota
	kindDone          // a job leaves a CPU
	kindSent          // a report leaves an output queue
	kindNCS           // a computing job arrives
	kindAgent
	kindPoll
	kindArrival // a report has crossed the network
	kindProbe   // the TLM looks at its ILMs
	kindDeath   // an ILM dies, is found dead, or comes back
)

// Slots of the event heap. Everything that recurs or is delayed by a constant
// has one slot in all, for the next of its kind; behind these each node has
// one for its CPU and, if computing jobs arrive there, one for the next.
const (
	slotTrigger = iota
	slotPolls
	slotAgents
	slotToILM
	slotSent
	slotToTLM
	slotProbe
	slotScript
	slotExtra
	slotDeath
	slotAnswers
	slotGlances = slotAnswers + laneDepth
	slotNodes   = slotGlances + laneCount
)

// Short jobs on CPUs that few share take one of few times, so the ends of
// those that began one after the other come one after the other: a lane for
// each such time. This keeps polls, reports and agents out of the heap, which
// then holds little but the computing jobs.
const (
	laneDepth = 6 // most jobs in a CPU for which there are lanes
	laneCount = laneDepth * laneClasses

	classAgent  = 0
	classPoll   = 1
	classReport = 2
	classTLM    = 3

	laneClasses = 4
	noLane      = -1
)

// machine is a node: a leaf, a host made for ILMs, or the TLM's.
type machine struct {
	cpu
	station int32 // its manager, -1 if there never was one
	role    int32 // the ILM that it is now, -1 if none
	chosen  bool  // to be one soon

	ncs       int32   // computing jobs in its CPU
	ncsSince  float64 // when their number last changed
	ncsArea   float64 // sum of number x time until then
	monitored float64 // demand of SIMONE's own jobs that are done

	ncsAt   float64 // when the next computing job comes by chance
	agentAt float64 // when its agent works next
}

// count changes the number of computing jobs.
func (n *machine) count(now float64, by int32) {
	n.ncsArea += float64(n.ncs) * (now - n.ncsSince)
	n.ncsSince = now
	n.ncs += by
}

// leaf is a node as one that is polled.
type leaf struct {
	role int32 // the ILM that polls it

	// Of the last poll: who asked, whether its report has still to leave
	// the ILM's CPU, what it says, when it was, and ncsArea then.
	askedBy, askedAt int32 // role, station
	out              bool
	says             int32
	asked, askedSum  float64

	load int32 // q: computing jobs, as last reported
	idle int32 // z: how many reports in a row said 0
}

// told is its report worked off.
func (l *leaf) told() {
	l.out = false
	l.load = l.says
	l.idle++
	if l.load > 0 {
		l.idle = 0
	}
}

// world is one run.
type world struct {
	scenario.Parameters
	now    float64
	heap   *heap.Heap[float64]
	events uint64
	trace  func(key, job) // for tests: what happened, and the job that ended if one did
	depth  int            // laneDepth, but in tests
	direct bool           // what nothing can come between is done at once; but in tests
	calm   float64        // until then nodes do only what they have been asked for

	nodes    []machine // leaves, then ILM hosts, then those of the upper level, then the TLM
	leaves   []leaf
	arrivals []arrivals // of leaves and ILM hosts
	gaps     law
	demands  law

	glances [laneCount]lane[struct{}] // CPUs to look at
	toILM   lane[answer]              // of leaves
	answers [laneDepth]lane[struct{}] // the same, of polls done at once, by jobs in the CPU
	sent    lane[report]              // in ILMs' output queues
	toTLM   lane[report]

	polls    sweep
	pollsAt  float64 // the next
	agents   sweep
	phases   []phase    // of agents, in order
	triggers float64    // the next one's number
	extraAt  [2]float64 // when a crowd comes, and when hosts flip next

	stations []station
	roles    []role
	formula  temperature.Formula
	lightest float64     // the least intensity that any host can have
	ranked   []candidate // room for shortList
	policy   func(*world)
	steered  *steered   // by the daemons' engine instead; nil: by policy
	free     bool       // what the policy does costs nothing
	pull     bool       // reports wait in pool
	pool     ring[task] // and not at ILMs
	turn     int        // of the ILM that is asked first whether it has room
	dice     rand.PCG   // the policy's
	rec      recorder

	deaths   mortality
	detect   func(*world) float64 // when the death of an ILM that dies now is known; nil: never
	failover func(w *world, dead int)
	revived  func(*world) // nil: who comes back goes on as it is

	unit   time.Duration // of the run's times, on a clock
	script *Script       // of what machines do besides; nil: computing jobs come by a law
	step   int           // its next
}

// arrivals are a node's streams of computing jobs.
type arrivals struct{ gaps, demands rand.PCG }

// phase is when within the period a node's agent works.
type phase struct {
	at   float64
	node int32
}

// sweep goes through timers of one period in the order of their phases.
type sweep struct {
	round float64 // periods that are over
	next  int     // timer
}

// advance goes on to the next of n timers.
func (s *sweep) advance(n int) {
	if s.next++; s.next == n {
		s.next = 0
		s.round++
	}
}

// answer is a leaf's to the ILM that asked it.
type answer struct{ leaf, ilm int32 }

// report is what the ILM makes of it, there and beyond.
type report struct {
	entered float64 // the input queue
	leaf    int32
	role    int32
	station int32
}

// slot numbers.
func (w *world) slotCPU(node int32) int { return slotNodes + int(node) }
func (w *world) slotNCS(node int32) int { return slotNodes + len(w.nodes) + int(node) }

// nodeID is how policies know a node, and back.
func nodeID(node int32) mib.NodeID   { return mib.NodeID(node + 1) }
func nodeIndex(id mib.NodeID) int32  { return int32(id) - 1 }
func (w *world) ilmHost(i int) int32 { return int32(w.Leaves + i) }
func (w *world) tlm() int32          { return int32(len(w.nodes) - 1) }

// upper is the host of the upper ILM that gets an ILM's reports.
func (w *world) upper(ilm int32) int32 {
	return int32(w.Leaves + w.ILMs + int(ilm)*w.Upper/w.ILMs)
}

// isUpper reports whether a node is the host of an upper ILM.
func (w *world) isUpper(node int32) bool {
	return int(node) >= w.Leaves+w.ILMs && node != w.tlm()
}

// newWorld sets up a run. The parameters must be valid.
func newWorld(p *scenario.Parameters, policy Policy, script *Script) *world {
	hosts := p.Leaves + p.ILMs + p.Upper
	w := &world{Parameters: *p, free: policy.free, pull: policy.pull, detect: policy.detect, failover: policy.failover, revived: policy.revived, depth: laneDepth, direct: true, dice: stream(p.Seed, 0, forPolicy), script: script, unit: script.unit()}
	w.nodes = make([]machine, hosts+1)
	w.heap = heap.New[float64](slotNodes + 2*len(w.nodes))
	// Most CPUs never hold more jobs than these: one piece of memory for all.
	const usual = 4
	w.lightest = 1
	slab := make([]job, usual*len(w.nodes))
	for i := range w.nodes {
		n := &w.nodes[i]
		n.jobs = slab[usual*i : usual*i : usual*(i+1)]
		n.slow, n.look, n.glance, n.station, n.role = 1, never, never, -1, -1
		n.ncsAt, n.agentAt = never, never
		if i < hosts {
			n.slow = 1 / speedOf(p, int32(i))
		}
		if p.SpeedKnown {
			w.lightest = min(w.lightest, n.slow)
		}
	}
	w.ranked = make([]candidate, 0, shortList)
	w.rec = recorder{from: p.Warmup, did: make(map[reconfig.Kind]int), temperatures: make([][]float32, p.ILMs)}
	// Validated with the parameters.
	w.formula, _ = temperature.Linear(p.A, p.B)
	w.startNCS(hosts)
	w.startExtra(hosts)
	w.startAgents()
	w.startManagers(policy.place)
	w.startDeaths()
	if policy.start == nil || p.Enact == "staged" {
		w.detect, w.revived = nil, nil // the engine sees to it
		w.steer(policy.daemons, policy.roam)
	} else {
		w.policy = policy.start(p)
	}
	w.nextStep()
	w.polls.round = 1
	w.nextPoll()
	w.triggers = math.Ceil(2 * p.Poll / p.Trigger)
	w.heap.Set(slotTrigger, key{At: w.triggers * p.Trigger, Rank: heap.Rank(kindTrigger, 0)})
	return w
}

func (w *world) startNCS(hosts int) {
	if w.Rho == 0 {
		return
	}
	w.gaps, w.demands = gapLaw(&w.Parameters), demandLaw(&w.Parameters)
	w.arrivals = make([]arrivals, hosts)
	for i := range w.arrivals {
		a := &w.arrivals[i]
		a.gaps, a.demands = stream(w.Seed, int32(i), forGaps), stream(w.Seed, int32(i), forDemands)
		gap := w.gaps.draw(&a.gaps)
		w.nextNCS(int32(i), uniform(&a.gaps)*gap)
	}
}

func (w *world) startAgents() {
	if w.AgentPeriod == 0 || w.AgentCost == 0 {
		return
	}
	w.phases = make([]phase, len(w.nodes))
	for i := range w.phases {
		s := stream(w.Seed, int32(i), forAgent)
		w.phases[i] = phase{uniform(&s) * w.AgentPeriod, int32(i)}
		w.nodes[i].agentAt = w.phases[i].at
	}
	slices.SortFunc(w.phases, func(a, b phase) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.node, b.node))
	})
	w.nextAgent()
}

// run goes on until the end, or until the context is done.
func (w *world) run(ctx context.Context) error {
	w.direct = w.direct && w.trace == nil
	w.foresee()
	for {
		slot, k, ok := w.heap.Next()
		if !ok || k.At > w.End {
			return nil
		}
		w.now = k.At
		switch {
		case slot >= slotNodes+len(w.nodes):
			w.arriveNCS(k)
		case slot >= slotNodes:
			w.lookAt(int32(k.ID()))
		case slot >= slotGlances:
			w.glanceAt(slot)
		case slot >= slotAnswers:
			w.happened(k, job{})
			lane := &w.answers[slot-slotAnswers]
			w.arriveAtILM(answer{leaf: int32(lane.pop().key.ID())})
			w.rearm(slot, lane.first())
		case slot == slotExtra:
			w.extra(k)
			w.foresee()
		case slot == slotDeath:
			w.mortal(k)
			w.foresee()
		case slot == slotPolls:
			w.poll(k)
		case slot == slotAgents:
			w.agent(k)
		case slot == slotToILM:
			w.happened(k, job{})
			w.arriveAtILM(w.toILM.pop().what)
			w.rearm(slot, w.toILM.first())
		case slot == slotSent:
			w.happened(k, job{})
			w.leaveILM(w.sent.pop().what, w.now)
			w.rearm(slot, w.sent.first())
		case slot == slotToTLM:
			w.happened(k, job{})
			w.arriveAbove(w.toTLM.pop().what)
			w.rearm(slot, w.toTLM.first())
		case slot == slotTrigger:
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := w.trigger(k); err != nil {
				return err
			}
			w.foresee()
		case slot == slotScript:
			w.play(k)
			w.foresee()
		case slot == slotProbe:
			w.happened(k, job{})
			w.steered.probe()
			w.heap.Set(slotProbe, key{At: w.now + w.Probe, Rank: k.Rank})
			w.foresee()
		}
	}
}

// rearm sets a lane's slot to what is first in the lane now. That is in place
// already where what happened has put something into an empty lane.
func (w *world) rearm(slot int, first key) {
	if first.At == never {
		w.heap.Clear(slot)
	} else if k, ok := w.heap.Pending(slot); !ok || k != first {
		w.heap.Set(slot, first)
	}
}

// happened counts an event.
func (w *world) happened(k key, ended job) {
	w.events++
	if w.trace != nil {
		w.trace(k, ended)
	}
}
