package faults

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// World is a top manager (and what else takes itself for it), machines that
// can be ILMs, ILMs with ILMs below, or leaves, and the network between them,
// all in one goroutine and in virtual time. The engines and the lists in it
// are the ones that ship.
type World struct {
	Steps, Polls, Samples uint64 // of engines; asked; stored
	Suffered              int    // faults

	scenario    *Scenario
	now         reconfig.Instant
	queue       queue
	seq         uint64
	events      int
	lives       uint64
	net         *rand.Rand // what the network does
	dice        *rand.Rand // numbers that processes choose, and when they are back
	machines    []*machine // by place; there is none at 0
	loadMetric  uint32
	addresses   map[string]*machine
	clones      int      // that there have been
	readdressed int      // how often a machine got another address
	terms       uint32   // the highest that a file beside the top's store has counted
	top         *manager // the one that leads
	others      []*manager
	links       links
	weather     weather
	slow        time.Duration // an answered poll takes up to this much longer
	backup      *backup
	restored    bool // the top's next start is from a backup
	backedUp    bool // the top has been restored
	checks      checks
	growth      growing
	out         io.Writer // of the trace; nil: none
}

// epoch is when a world begins.
const epoch = reconfig.Instant(1e18)

// maxEvents is how many events a world may have for each node and second; more
// is taken for a loop that never ends.
const maxEvents = 60

// spare is how many machines may join, or have another's identity.
const spare = 24

// newWorld makes a world of machines 2..Nodes+1 below the top, 1. The first
// candidates of them can become ILMs.
func newWorld(s *Scenario, trace io.Writer) *World {
	w := &World{
		scenario: s, now: epoch, net: rand.New(rand.NewPCG(s.Seed, 7)), dice: rand.New(rand.NewPCG(s.Seed, 8)),
		machines: []*machine{nil}, addresses: make(map[string]*machine), links: newLinks(s.Nodes + s.joins() + 2 + spare), checks: newChecks(), out: trace,
		slow: s.SlowPolls, loadMetric: mib.MetricNumber(mib.ProfileSimone, mib.MetricLoad),
	}
	w.reach()
	for i := range s.Nodes + 1 {
		m := w.addMachine(i > 0 && i <= s.Candidates)
		m.ppm = s.drift(i)
	}
	own := w.machines[1]
	own.disk.Active = true
	w.top = &manager{self: 1, host: own, place: 1, settings: s.settings(), store: newStore(1, 0)}
	for _, m := range w.machines[1:] {
		w.restart(m)
	}
	for _, m := range w.machines[1:] {
		w.announce(m)
	}
	for i, f := range s.Faults {
		w.push(epoch.Add(f.At), event{kind: suffers, n: int64(i)})
	}
	return w
}

// Elapsed is how long the world has been running.
func (w *World) Elapsed() time.Duration { return w.now.Sub(epoch) }

func (w *World) newLife() uint64 {
	w.lives++
	return w.lives
}

// run lets time pass, or stops where an invariant is broken.
func (w *World) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.checks.broken) == 0 {
		if key, ok := w.queue.Peek(); !ok || key.At > end {
			w.now = end
			return
		}
		key, ev, _ := w.queue.Pop()
		w.now = key.At
		if w.events++; w.events > maxEvents*(w.links.size)*(int(w.Elapsed()/time.Second)+10) {
			w.fail("%d events: something goes in circles", w.events)
			return
		}
		w.dispatch(ev)
	}
}

// runUntil is run to a time since the beginning.
func (w *World) runUntil(t time.Duration) { w.run(t - w.Elapsed()) }

// tracing reports whether anybody reads the trace; where much happens it is
// asked before a line is made.
func (w *World) tracing() bool { return w.out != nil }

func (w *World) trace(format string, args ...any) {
	if w.out != nil {
		fmt.Fprintf(w.out, "%12v "+format+"\n", append([]any{w.Elapsed()}, args...)...)
	}
}

func applyText(a *reconfig.Control) (s string) {
	for _, r := range a.Apply.Stage {
		s += fmt.Sprintf(" +%d@%v slot %d in %v", r.Node, r.Epoch, r.Slot, r.Due.Round(time.Millisecond))
	}
	for _, t := range a.Apply.Destroy {
		s += fmt.Sprintf(" -%d@%v", t.Node, t.Epoch)
	}
	if a.Verb == reconfig.Acknowledge {
		s += fmt.Sprintf(" to %d", a.Cursor.Seq)
	}
	return s
}
