package reconfig

import (
	"fmt"
	"slices"

	"simone/mib"
)

// plan is a transformation that waits for its target to become an ILM.
type plan struct {
	Transformation
	until Instant
}

// replaces reports whether the target takes the role of an ILM over from the
// source.
func (p *plan) replaces() bool { return p.Promote && p.Demote }

// following is a transformation whose outcome is still to be told.
type following struct {
	Transformation
	fromT, toT float64
	done       Instant // when its last move had ended; 0: not yet
}

// Round is what the last round saw and decided.
type Round struct {
	At       Instant
	Children []RoundChild
	Done     []Transformation
}

// RoundChild is one child in a round.
type RoundChild struct {
	ID          mib.NodeID
	Temperature float64
	Nodes       int
	Verdict     string // in words: what was done, or why nothing
}

// LastRound gives the last round; its At is 0 before the first.
func (e *Engine) LastRound() Round { return e.round }

// runRound collects, decides and begins to act (paper section 4: the trigger).
func (e *Engine) runRound() {
	asked := e.asked
	e.asked = false
	e.nextRound = e.now.Add(e.settings.Trigger)
	e.counters.Rounds++
	e.outcomes()
	e.seek()
	view, round := e.view()
	e.round = round
	switch {
	case e.paused() && !asked:
		e.verdicts("paused by the operator")
		return
	case !e.settings.Automatic && !asked:
		e.verdicts("reconfiguration is fixed")
		return
	}
	if e.changeDepth() {
		return // what the policy was shown holds no more
	}
	e.spare = view.Budget
	e.memory.worked(view.Children)
	view.Unlike = e.memory.unlike
	e.lessons.look(view.Children, func(id mib.NodeID) (HostLoad, bool) {
		n := e.state.Nodes[id]
		h, known := e.hostLoad(id, n.Interval)
		return h.HostLoad, known
	})
	view.Price = e.credit.price() * e.lessons.dearer()
	e.admit(e.policy.Decide(view), &view)
}

// admit begins what a policy has decided, as far as the bounds allow.
func (e *Engine) admit(ts []Transformation, view *View) {
	active := len(view.Children)
	for _, t := range ts {
		if t.Demote && !t.Promote && active <= max(view.MinILMs, 1) {
			e.verdict(t.From, fmt.Sprintf("%v: would leave fewer than %d ILMs", t.Kind, view.MinILMs))
			continue
		}
		left := e.spare
		if e.limited() {
			left = min(left, int(e.credit.left))
		}
		if len(t.Nodes) > left {
			if t.Demote || left <= 0 {
				e.verdict(t.From, fmt.Sprintf("%v of %d nodes: the budget of moves is used up", t.Kind, len(t.Nodes)))
				continue
			}
			t.Nodes = t.Nodes[len(t.Nodes)-left:]
		}
		if len(t.Nodes) == 0 && !t.Demote {
			continue
		}
		e.spare -= len(t.Nodes)
		e.spend(float64(t.moves()))
		if t.Demote && !t.Promote {
			active--
		}
		if t.Promote && !t.Demote {
			e.memory.grew(view.load())
		}
		if len(t.Hosts) > 0 {
			e.lookAt(t)
		} else {
			e.begin(t)
		}
	}
}

// paused reports whether an operator has paused planned moves, here or above.
func (e *Engine) paused() bool { return e.state.Meta.Paused || e.settings.Paused }

// view is what the policy is shown, and the round's record of it.
func (e *Engine) view() (View, Round) {
	s := e.settings
	e.refill()
	v := View{Usual: e.memory.usual, Credit: e.credit.left, Price: e.credit.price() * e.lessons.dearer(),
		Thresholds: s.Thresholds, MinILMs: s.MinILMs, MaxILMs: s.MaxILMs, MigrateToColdest: s.MigrateToColdest,
		Budget: e.budget(), Grown: e.memory.grown, GrownAt: e.memory.grownAt, Allows: e.mayMove}
	r := Round{At: e.now}
	busy, unsettled := e.busy(), e.unsettled()
	for _, c := range e.line {
		id := c.id
		if c.self {
			continue
		}
		verdict := "no change"
		switch {
		case c.silent:
			verdict = "silent"
		case !e.ready(c):
			verdict = "not ready"
		case e.state.Nodes[id].Drained:
			verdict = "drained"
		case e.state.Nodes[id].Retiring:
			verdict = "retiring"
		case c.report.Windows == 0:
			verdict = "no full trigger window yet"
		default:
			t := c.report.Temperature
			if s.Weighted {
				t = c.report.Weighted
			}
			cv := ChildView{ID: id, Host: c.report.Host, Temperature: t, Utilisation: c.report.Utilisation, Busy: busy[id], Capacity: e.capacity(c)}
			p := e.portionOf(c)
			cv.Nodes, cv.Fixed = p.movable, p.fixed
			e.gaugeLoads(c, &cv)
			e.memory.observe(e.now, s.Trigger, s.Thresholds, &cv)
			cv.Rests = cv.Rests || unsettled[id]
			if cv.Busy {
				verdict = "moves are under way"
			}
			v.Children = append(v.Children, cv)
		}
		r.Children = append(r.Children, RoundChild{ID: id, Temperature: c.report.Temperature, Nodes: len(e.owned[id]), Verdict: verdict})
	}
	v.Idle, v.Hosts = e.idle(e.asking())
	if len(v.Hosts) > 0 {
		v.Turn = e.chance.Uint64()
	}
	if v.MaxILMs <= 0 {
		v.MaxILMs = len(v.Children) + len(v.Idle)
	}
	e.memory.forget(v)
	return v, r
}

// mayMove is View.Allows. A host need be no ILM yet.
func (e *Engine) mayMove(node, to mib.NodeID) bool {
	n, c := e.state.Nodes[node], e.children[to]
	if c == nil {
		host := e.state.Nodes[to]
		return e.mayHost(&n, &host)
	}
	return e.allowed(&n, c)
}

// unsettled says which ILMs take part in a transformation whose outcome has
// not been told.
func (e *Engine) unsettled() map[mib.NodeID]bool {
	ids := make(map[mib.NodeID]bool)
	for _, f := range e.follow {
		ids[f.From], ids[f.To] = true, true
	}
	return ids
}

// busy says which children have moves from or to them under way.
func (e *Engine) busy() map[mib.NodeID]bool {
	busy := make(map[mib.NodeID]bool)
	for id := range e.moving {
		n := e.state.Nodes[id]
		busy[n.Owner], busy[n.Intent.Target] = true, true
	}
	for _, p := range e.plans {
		busy[p.From], busy[p.To] = true, true
	}
	for _, l := range e.looks {
		busy[l.From] = true
	}
	return busy
}

func (e *Engine) verdicts(text string) {
	for i := range e.round.Children {
		e.round.Children[i].Verdict = text
	}
}

func (e *Engine) verdict(id mib.NodeID, text string) {
	for i := range e.round.Children {
		if e.round.Children[i].ID == id {
			e.round.Children[i].Verdict = text
		}
	}
}

// begin starts a transformation.
func (e *Engine) begin(t Transformation) {
	switch t.Kind {
	case KindSplit:
		e.counters.Splits++
	case KindMigrate:
		e.counters.Migrates++
	case KindMerge:
		e.counters.Merges++
	}
	e.round.Done = append(e.round.Done, t)
	e.verdict(t.From, fmt.Sprintf("%v: %s; %s", t.Kind, t.Seen, t.Expected))
	e.record(Entry{Kind: t.Kind, From: t.From, To: t.To, Nodes: len(t.Nodes), Seen: t.Seen, Expected: t.Expected})
	if t.Promote {
		e.promote(t.To)
		e.plans = append(e.plans, plan{t, e.now.Add(10 * e.settings.Trigger)})
		return
	}
	e.enact(t)
}

// advancePlans enacts the transformations whose target has become ready.
func (e *Engine) advancePlans() {
	e.plans = slices.DeleteFunc(e.plans, func(p plan) bool {
		c := e.children[p.To]
		switch {
		case c != nil && e.ready(c):
			e.enact(p.Transformation)
			return true
		case e.now > p.until || c != nil && c.silent || !e.state.Nodes[p.To].Wanted:
			e.fallThrough(&p, fmt.Sprintf("node %d did not become an ILM", p.To))
			return true
		}
		return false
	})
}

// fallThrough notes that a plan comes to nothing.
func (e *Engine) fallThrough(p *plan, why string) {
	e.record(Entry{Kind: KindAbort, From: p.From, To: p.To, Nodes: len(p.Nodes), Seen: fmt.Sprintf("%v: %s", p.Kind, why)})
	e.memory.ended(e.now, e.settings.Trigger, p.Transformation, 0)
	e.counters.Aborts++
}

// callOff drops the plan to put another machine in an ILM's place, as the ILM
// goes without one.
func (e *Engine) callOff(ilm mib.NodeID) {
	e.plans = slices.DeleteFunc(e.plans, func(p plan) bool {
		if p.From != ilm || !p.replaces() {
			return false
		}
		if n, known := e.node(p.To); known && n.Wanted {
			*n = n.clone()
			e.retire(n)
		}
		e.fallThrough(&p, fmt.Sprintf("ILM %d goes under another", ilm))
		return true
	})
}

// enact opens the moves of a transformation, for the nodes that are still
// where the decision saw them.
func (e *Engine) enact(t Transformation) {
	c := e.children[t.To]
	if !e.ready(c) || e.closed(t.To) {
		e.record(Entry{Kind: KindAbort, From: t.From, To: t.To, Nodes: len(t.Nodes), Seen: fmt.Sprintf("%v: ILM %d cannot take nodes now", t.Kind, t.To)})
		e.memory.ended(e.now, e.settings.Trigger, t, 0)
		e.counters.Aborts++
		return
	}
	for _, id := range t.Nodes {
		n, known := e.node(id)
		if !known || n.Owner != t.From || n.leaving() || !n.movable() || !e.allowed(n, c) { // it may have changed while the ILM was promoted
			continue
		}
		*n = n.clone()
		e.openIntent(n, t.To, t.Kind)
		e.save(n)
	}
	if t.Demote {
		if n, known := e.node(t.From); known {
			*n = n.clone()
			e.retire(n)
		}
	}
	e.memory.began(e.now, t)
	e.watch(t)
	e.follow = append(e.follow, following{Transformation: t, fromT: e.temperature(t.From), toT: e.temperature(t.To)})
}

func (e *Engine) temperature(id mib.NodeID) float64 {
	if c := e.children[id]; c != nil {
		return c.report.Temperature
	}
	return 0
}

// outcomes tells what came of transformations, one trigger after their last
// move has ended.
func (e *Engine) outcomes() {
	var still []following
	for _, f := range e.follow {
		moved, open := 0, false
		for _, id := range f.Nodes {
			n := e.state.Nodes[id]
			open = open || n.Intent.Target == f.To
			if n.Owner == f.To {
				moved++
			}
		}
		switch {
		case open:
			still = append(still, f)
		case f.done == 0:
			f.done = e.now
			still = append(still, f)
		default:
			e.memory.ended(e.now, e.settings.Trigger, f.Transformation, moved)
			e.record(Entry{
				Kind: KindOutcome, From: f.From, To: f.To, Nodes: moved, Seen: f.Seen, Expected: f.Expected,
				Outcome: fmt.Sprintf("%v moved %d of %d nodes; temperature of %d: %.3g, now %.3g stu; of %d: %.3g, now %.3g stu",
					f.Kind, moved, len(f.Nodes), f.From, f.fromT, e.temperature(f.From), f.To, f.toT, e.temperature(f.To)),
			})
		}
	}
	e.follow = still
}
