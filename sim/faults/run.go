package faults

import (
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// Result is what came of a scenario.
type Result struct {
	Violations []string // in the order in which they were found; the run ends with the first
	Triggers   int
	Faults     int // harms that were done
	Steps      uint64
	Polls      uint64
	Samples    uint64
	Planned    int     // moves that were planned and committed
	Depths     []Depth // each time that it changed, where levels come and go
	Forks      int
	Joins      int
	Lost       int // slots between a node's first and last sample without one, if no poll was lost
}

// Run runs a scenario. Its trace goes to trace, if that is not nil.
func Run(s *Scenario, trace io.Writer) Result {
	w := newWorld(s, trace)
	w.judgeAll()
	r := Result{
		Violations: w.checks.broken, Triggers: s.Triggers(), Faults: s.Harms(), Steps: w.Steps, Polls: w.Polls, Samples: w.Samples, Planned: w.checks.moves,
	}
	if w.top.life != 0 {
		c := w.top.engine.Counters()
		r.Depths, r.Forks, r.Joins = w.growth.depths, int(c.Forks), int(c.Joins)
	}
	if s.PollsPass {
		r.Lost = w.growth.missed
		for id := range w.top.store.Nodes {
			r.Lost += len(w.gaps(id))
		}
	}
	return r
}

// settles is how long a world is to change no more, to be taken for one at rest.
const settles = 5 * time.Second

// restPolls is within how many intervals of the end of a scenario a world is at
// rest. I4 names no time: policies make one transformation after the other,
// each when they have seen what came of the one before, and one takes the
// polls of a move.
const restPolls = 20

// askPolls is how many intervals it takes a manager to find that it does not
// reach a node either: the row comes with the next slot, two stay unanswered,
// and the next is asked with the round after that.
const askPolls = 4

// rests lets a world go on until it is at rest, and reports whether it is.
// Where machines stay dead, they are looked for in the meantime: one after the
// other, at one manager after the other. That ends, but takes its time.
func (w *World) rests() bool {
	dead, asked := 0, 1
	for _, m := range w.machines[1:] {
		if !m.up {
			dead++
		} else if m.list.Active() {
			asked++
		}
	}
	limit := w.now.Add(time.Duration(restPolls+dead*asked*askPolls) * w.top.settings.Interval)
	for len(w.checks.broken) == 0 {
		before := w.changes()
		w.run(settles)
		if w.changes() == before && !w.moving() {
			return true
		}
		if w.now > limit {
			return false
		}
	}
	return false
}

// moving reports whether any manager moves a node.
func (w *World) moving() bool {
	for _, m := range w.managers() {
		for _, n := range m.store.Nodes {
			if n.Intent.Target != 0 {
				return true
			}
		}
	}
	return false
}

// judgeAll is judge for a world of which nothing is known: what panics in it is
// found as whatever else breaks a promise is, with the scenario that shows it.
func (w *World) judgeAll() {
	defer func() {
		if p := recover(); p != nil {
			w.trace("%s", debug.Stack())
			w.fail("panic: %v", p)
		}
	}()
	w.judge()
}

// judge runs a world to its end.
func (w *World) judge() {
	s := w.scenario
	w.runUntil(s.Calm)
	w.heal()
	if s.Kill > 0 {
		w.runUntil(s.End - w.afterKill() - settles)
		w.rests()
		if len(w.checks.broken) == 0 && w.verdict(w.checkCalm()) {
			end := w.now.Add(w.afterKill() - settles)
			w.kills()
			w.run(end.Sub(w.now))
		}
	}
	if s.Kill == 0 {
		w.runUntil(s.End - settles)
	}
	rests := w.rests()
	if len(w.checks.broken) > 0 || !w.verdict(w.checkCalm()) {
		return
	}
	if !rests {
		w.fail("I4: the tree still changes: %d moves, aborts, claims and terms", w.changes())
	}
	if s.PollsPass && len(w.checks.broken) == 0 {
		for _, m := range w.machines[1:] {
			if g := w.gaps(m.id); len(g) > 0 {
				w.fail("I5: node %d: slots %v are empty", m.id, g)
			}
		}
	}
}

// verdict notes what is wrong; true: nothing.
func (w *World) verdict(bad []string) bool {
	for _, b := range bad {
		w.trace("VIOLATION %s", b)
	}
	w.checks.broken = append(w.checks.broken, bad...)
	return len(bad) == 0
}

// afterKill is how long before its end a world loses an ILM.
func (w *World) afterKill() time.Duration { return w.covers() + 35*time.Second }

// covers is within what time of the loss of an ILM each of its nodes is to be
// on a live manager's list again (I1): detection and one trigger; with ILMs
// below it, the nodes of those that the manager above has to find first, one
// trigger and two detections more, at each level.
func (w *World) covers() time.Duration {
	set := &w.top.settings
	// A child is probed when its last answer has come, and is silent when the
	// last of the probes has timed out.
	detection := time.Duration(set.Misses+1) * set.Probe
	d := detection + set.Trigger
	if n := w.scenario.Levels - 1; n > 0 {
		d += time.Duration(n) * (set.Trigger + 2*detection)
	}
	return d
}

// kills ends an ILM and sees how long its nodes are on nobody's list.
func (w *World) kills() {
	var up []*machine
	for _, m := range w.machines[2:] {
		if m.up && m.list.Active() && m.list.Len() > 0 && !w.apart(1, m.place) {
			up = append(up, m)
		}
	}
	if len(up) < 2 {
		return
	}
	victim := up[w.scenario.Kill%len(up)]
	w.trace("--- node %d is killed to see how long its nodes are without a manager", victim.place)
	polled := w.polledBelow(victim)
	w.expectHeirs(victim, polled)
	w.crash(victim)
	at, limit := w.Elapsed(), w.covers()
	end := w.now.Add(limit)
	for w.nobodys() > 0 && w.Elapsed()-at <= limit && len(w.checks.broken) == 0 {
		w.run(50 * time.Millisecond)
	}
	if n := w.nobodys(); n > 0 && len(w.checks.broken) == 0 {
		w.fail("I1: %v after the end of ILM %d %d nodes are on no live manager's list", w.Elapsed()-at, victim.place, n)
	}
	if len(w.checks.broken) == 0 {
		w.checkHeirs(victim, polled)
	}
	// It is back when what it had below has been taken over, not before it is missed.
	w.run(max(end.Sub(w.now), 2*time.Second))
	w.checks.heirs = nil
	if !w.scenario.Abandon && !victim.up {
		w.restart(victim)
	}
}

// polledBelow is the nodes that ILMs below one poll, with which of those right
// below it has them.
func (w *World) polledBelow(m *machine) map[*machine][]mib.NodeID {
	below := make(map[*machine][]mib.NodeID)
	for id := range m.disk.Rows {
		if chain, why := w.chain(id); why == "" {
			if i := slices.Index(chain, m); i >= 0 && i+1 < len(chain) {
				below[chain[i+1]] = append(below[chain[i+1]], id)
			}
		}
	}
	return below
}

// expectHeirs notes who right below an ILM that is about to be lost has its nodes:
// the manager above is to find them there, not to give them to others.
func (w *World) expectHeirs(victim *machine, polled map[*machine][]mib.NodeID) {
	w.checks.heirs = make(map[watch]mib.NodeID)
	for _, by := range w.managers() {
		if by.host == victim || !slices.ContainsFunc(by.engine.Children(), func(c reconfig.ChildStatus) bool { return c.ID == victim.id }) {
			continue
		}
		for heir, ids := range polled {
			for _, id := range ids {
				w.checks.heirs[watch{by.self, id}] = heir.id
			}
		}
	}
}

// checkHeirs: what the ILMs below one that was lost poll stays with them.
func (w *World) checkHeirs(lost *machine, polled map[*machine][]mib.NodeID) {
	for _, m := range w.machines {
		if m == nil || m == lost {
			continue
		}
		moved := 0
		for _, id := range polled[m] {
			n := w.top.store.Nodes[id]
			_, have := m.disk.Rows[id]
			polls := func(h *machine) bool { return h.up && h.list.Polls(id) }
			if !have || !slices.ContainsFunc(w.under(m, id), polls) && n.Owner != m.id && n.Intent.Target != m.id {
				moved++
			}
		}
		if moved > 0 {
			w.fail("%d of the %d nodes that ILM %d polled below %d were taken from it when that was lost", moved, len(polled[m]), m.place, lost.place)
		}
	}
}

// under is an ILM and the managers below it by way of which it has a node, or
// is about to.
func (w *World) under(m *machine, id mib.NodeID) []*machine {
	way := []*machine{m}
	for i := 0; i < len(way); i++ {
		if by := way[i].mgr; by != nil && by.life != 0 && !way[i].list.Polls(id) {
			n, _ := by.engine.Node(id)
			for _, next := range [...]mib.NodeID{n.Owner, n.Intent.Target} {
				if next != 0 && !slices.Contains(way, w.machines[next]) {
					way = append(way, w.machines[next])
				}
			}
		}
	}
	return way
}

// String sums a result up.
func (r Result) String() string {
	return fmt.Sprintf("%d violations, %d triggers, %d faults, %d steps, %d polls, %d samples, %d planned moves",
		len(r.Violations), r.Triggers, r.Faults, r.Steps, r.Polls, r.Samples, r.Planned)
}
