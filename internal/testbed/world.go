package testbed

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// World is one parent manager (and what else takes itself for it), nodes that
// can be ILMs or leaves, and the network between them, all in one goroutine
// and in virtual time. The engine and the lists in it are the ones that ship.
// Same seed, same run.
type World struct {
	Now    reconfig.Instant
	Chance *rand.Rand
	Net    Net
	Nodes  map[mib.NodeID]*Node
	Parent *Parent       // the one that leads
	Stop   func() string // an extra check after every event; "" is fine
	Trace  func(format string, args ...any)

	// PollsPass has the parent's polls reach a node that is cut from it, so
	// that no poll is ever lost.
	PollsPass bool
	// Slow is how long an answered poll takes at most, if more than usual.
	Slow time.Duration

	logWindow time.Duration // 0: report logs die with their processes

	// Limit is how many events the world may have; more is taken for a loop
	// that never ends.
	Limit int

	events int
	queue  eventQueue
	seq    uint64
	lives  uint64
	ids    []mib.NodeID // of Nodes, sorted
	others []*Parent    // deposed leaders and rivals that still run
	backup *Store
	checks checks

	backupList reconfig.ListState
}

// Net says what happens to messages between the parent and its children.
type Net struct {
	Loss, Double float64 // probabilities, for each message
	Delay        time.Duration
	Jitter       time.Duration // up to this much more, which reorders
	Late         float64       // probability of a delay of up to four seconds
}

// How long things take: an answered poll, one without an answer, and what a
// parent waits for the answer to a SET and to a GET.
const (
	pollTime    = 2 * time.Millisecond
	lostTime    = 200 * time.Millisecond
	setTimeout  = time.Second
	readTimeout = 450 * time.Millisecond
)

// epoch is when a world begins.
const epoch = reconfig.Instant(1e18)

// NewWorld makes a world of nodes 2..nodes+1 below manager 1. The first
// candidates of them can become ILMs.
func NewWorld(seed uint64, nodes, candidates int, settings reconfig.Settings) *World {
	w := &World{
		Now: epoch, Limit: 2_000_000, Chance: rand.New(rand.NewPCG(seed, 7)), Nodes: make(map[mib.NodeID]*Node),
		Net:    Net{Delay: 200 * time.Microsecond, Jitter: 300 * time.Microsecond},
		Parent: &Parent{Self: 1, Settings: settings, Store: newStore(1)},
		checks: newChecks(),
	}
	for i := range nodes + 1 {
		n := w.addNode(mib.NodeID(i + 1))
		n.Candidate = i > 0 && i <= candidates
		if i == 0 {
			n.Durable.Active = true
		}
		w.startList(n)
	}
	w.StartParent(false)
	for _, id := range w.ids {
		w.announce(w.Nodes[id])
	}
	return w
}

// Elapsed is how long the world has been running.
func (w *World) Elapsed() time.Duration { return w.Now.Sub(epoch) }

// LogFor writes what happens to a function such as testing.T.Logf.
func (w *World) LogFor(logf func(string, ...any)) { w.Trace = logf }

func (w *World) trace(format string, args ...any) {
	if w.Trace != nil {
		w.Trace("%12v "+format, append([]any{w.Elapsed()}, args...)...)
	}
}

// Run lets time pass, or stops where an invariant is broken.
func (w *World) Run(d time.Duration) {
	end := w.Now.Add(d)
	for len(w.checks.broken) == 0 && len(w.queue) > 0 && w.queue[0].at <= end {
		ev := heap.Pop(&w.queue).(event)
		w.Now = max(w.Now, ev.at)
		if w.events++; w.events > w.Limit {
			w.Fail("%d events: something goes in circles", w.events)
			return
		}
		ev.do()
		if w.Stop != nil {
			if s := w.Stop(); s != "" {
				w.Fail("%s", s)
			}
		}
	}
	if len(w.checks.broken) == 0 {
		w.Now = end
	}
}

// After does something later.
func (w *World) After(d time.Duration, do func()) { w.when(w.Now.Add(d), do) }

func (w *World) when(at reconfig.Instant, do func()) {
	w.seq++
	heap.Push(&w.queue, event{at, w.seq, do})
}

// send carries a message between a parent and a child, or loses it.
func (w *World) send(p *Parent, child *Node, do func()) {
	if child.ID == p.Self {
		w.After(0, do)
		return
	}
	copies := 1
	if w.Chance.Float64() < w.Net.Double {
		copies = 2
	}
	for range copies {
		if w.Chance.Float64() < w.Net.Loss {
			continue
		}
		d := w.Net.Delay
		if w.Net.Jitter > 0 {
			d += time.Duration(w.Chance.Int64N(int64(w.Net.Jitter)))
		}
		if w.Chance.Float64() < w.Net.Late {
			d += time.Duration(w.Chance.Int64N(int64(4 * time.Second)))
		}
		w.After(d, func() {
			if !child.Cut {
				do()
			}
		})
	}
}

// ask is a request, its answer and its time-out. Exactly one event answers.
func (w *World) ask(p *Parent, c *Node, id reconfig.ActionID, timeout time.Duration, serve func() func(reconfig.At) reconfig.Event) {
	life, done := p.life, false
	w.send(p, c, func() {
		if !c.Up {
			return
		}
		if !p.rival {
			c.heard = w.Now
		}
		reply := serve()
		if reply == nil {
			return
		}
		w.send(p, c, func() {
			if !done {
				done = true
				w.answer(p, life, reply)
			}
		})
	})
	w.After(timeout, func() {
		if !done {
			done = true
			w.answer(p, life, func(at reconfig.At) reconfig.Event {
				return reconfig.ActionFailed{At: at, Action: id, Why: reconfig.TimedOut, Text: "no answer"}
			})
		}
	})
}

// addNode makes a machine; its list is still to be started.
func (w *World) addNode(id mib.NodeID) *Node {
	n := &Node{ID: id, Up: true, Unseen: make(map[mib.NodeID]bool), Temp: 1}
	w.Nodes[id] = n
	i, _ := slices.BinarySearch(w.ids, id)
	w.ids = slices.Insert(w.ids, i, id)
	return n
}

// Fail notes a broken invariant.
func (w *World) Fail(format string, args ...any) {
	w.checks.broken = append(w.checks.broken, fmt.Sprintf("at %v: ", w.Elapsed())+fmt.Sprintf(format, args...))
}

// Broken is the invariants that did not hold.
func (w *World) Broken() []string { return w.checks.broken }

type event struct {
	at  reconfig.Instant
	seq uint64
	do  func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *eventQueue) Push(x any) { *q = append(*q, x.(event)) }

// Pop implements heap.Interface.
func (q *eventQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*q = old[:len(old)-1]
	return e
}
