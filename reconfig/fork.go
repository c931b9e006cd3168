package reconfig

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"simone/mib"
)

// Levels that come and go by themselves. Only the top decides on them, since
// it alone sees the whole tree: what it tells its ILMs they tell theirs, one
// level less each time. A fork keeps some of the ILMs right below and tells
// them to have ILMs below themselves; the others hand over what they have, by
// planned moves, become leaves, and are put below those that stay. A join tells
// all to take back what they have given away. How many ILMs there are at a level
// each manager sees to itself.

// depth is what an engine remembers of its levels. It does not outlive it.
type depth struct {
	changed Instant // when the last change had come to its end; no other for ten triggers
	wants   Kind    // what the rounds before wanted
	rounds  int     // how many of them in a row
	told    bool    // what came of the last change has been told
	begun   Instant // when that was
	kind    Kind    // what it was; KindNone: none in this life
	seen    string
	load    Load // of the manager itself, as last told

	incoming map[mib.NodeID]int // open moves, by target
	full     bool               // no ILM has room for a node; only since the last event or move
}

// Load is what its children cost a manager, as its host measures it.
type Load struct {
	Serving float64 // share of the time that goes into children, without their samples
	Storing float64 // share of the time that goes into their samples
}

// Between two changes of depth lie at least so many triggers, and a join must
// have been wanted for as many rounds; a fork for fewer, as it is urgent.
const (
	depthRest  = 10
	joinRounds = 5
	forkRounds = 3
	// A change that has not come to its end by then is not waited for.
	depthPatience = 60
)

// levels is how many levels of ILMs there are to be below each ILM.
func (e *Engine) levels() int {
	return min(max(e.settings.Levels, e.state.Meta.Levels), max(e.settings.Levels, e.settings.MostLevels))
}

// layered reports whether there are ILMs below others, or are to be.
func (e *Engine) layered() bool { return e.levels() > 0 || len(e.deeper) > 0 }

// depthView is what the manager decides on depth by; without what was measured
// only the rows that ILMs have room for.
func (e *Engine) depthView(measured bool) DepthView {
	v := DepthView{
		Levels: e.levels(), Least: e.settings.Levels, Most: e.settings.MostLevels, Nodes: len(e.ids),
		FanIn: e.settings.FanIn, Served: e.state.Meta.Served, Serving: e.depth.load.Serving, Storing: e.depth.load.Storing,
	}
	if e.state.Meta.Level > 0 {
		v.Most = v.Levels
	}
	v.Carry = float64(e.settings.Capacity)
	v.Children = len(e.staying())
	var ages []time.Duration
	rows, load := 0.0, 0.0
	for _, c := range e.line {
		if c.self {
			continue
		}
		if measured && c.report.Active && !c.silent && !c.lost {
			ages = append(ages, e.now.Sub(c.reportAt))
		}
		if !e.stays(c) {
			continue
		}
		if limit := float64(c.report.Capacity); limit > 0 && v.Levels == 0 && (v.Carry == 0 || limit < v.Carry) {
			v.Carry = limit
		}
		if measured && c.report.Utilisation > sureShare {
			rows, load = rows+float64(len(e.owned[c.id])), load+c.report.Utilisation
		}
	}
	if self := e.children[e.state.Meta.Self]; v.Carry == 0 && self != nil && e.state.Meta.Level > 0 {
		v.Carry = float64(self.report.Capacity) // until there is one below that could tell
	}
	if v.Levels == 0 && load > 0 { // what their CPU can do
		if carry := rows * hotUtilisation / (load * roomShare); v.Carry == 0 || carry < v.Carry {
			v.Carry = carry
		}
	}
	if kept := e.state.Meta.Carry; v.Levels > 0 && kept > 0 {
		v.Carry = kept
	}
	if len(ages) > 0 {
		slices.Sort(ages)
		v.Round = float64(ages[len(ages)/2]) / float64(e.settings.Trigger)
	}
	return v
}

// staying is the ILMs right below that go on being ILMs, and those that are
// about to become some. A machine that takes the role of another's over is none
// more: counted beside it, it would have the tree fork for one ILM too many, and
// be the first to go, as it has nothing yet.
func (e *Engine) staying() (ids []mib.NodeID) {
	for id := range e.wanted {
		if slices.ContainsFunc(e.plans, func(p plan) bool { return p.replaces() && p.To == id }) {
			continue
		}
		c := e.children[id]
		if n := e.state.Nodes[id]; !n.Retiring && !n.Drained && (c == nil || !c.silent && !c.lost && !e.goodbye(c)) {
			ids = append(ids, id)
		}
	}
	return ids
}

// stays reports whether a child is an ILM that can take nodes and goes on
// being one.
func (e *Engine) stays(c *child) bool {
	return !c.self && e.ready(c) && !e.closed(c.id)
}

// width is how many ILMs are wanted right below for the nodes that there are.
func (e *Engine) width() int {
	s := &e.settings
	switch {
	case !s.Automatic, e.paused(), s.MaxILMs < 0, s.Below > 0, e.state.Meta.Level == 0 && s.MostLevels == 0:
		return 0
	}
	v := e.depthView(false)
	if v.Carry == 0 {
		return 0
	}
	return v.Width(v.Levels)
}

// room reports whether any ILM has room for a node, whichever that is.
func (e *Engine) room() bool {
	if e.depth.full {
		return false
	}
	e.depth.full = !slices.ContainsFunc(e.line, func(c *child) bool { return e.stays(c) && e.fits(c) })
	return !e.depth.full
}

// fits reports whether a child has room for a node, with all that are on their
// way to it.
func (e *Engine) fits(c *child) bool {
	limit := e.capacity(c)
	return limit == 0 || max(len(e.owned[c.id]), len(c.rows))+e.depth.incoming[c.id] < limit
}

// awaitsRoom reports whether there are ILMs for a node that have no room for it
// now: they hand some of theirs on, or more are promoted.
func (e *Engine) awaitsRoom(n *Node) bool {
	return slices.ContainsFunc(e.line, func(c *child) bool { return c.id != n.Owner && e.stays(c) && e.suits(n, c) && !e.fits(c) })
}

// changeDepth decides on a fork or a join, and tells what came of the last. It
// reports whether it has begun one.
func (e *Engine) changeDepth() bool {
	if e.state.Meta.Level > 0 || e.settings.MostLevels <= e.settings.Levels && e.levels() == e.settings.Levels {
		return false
	}
	d := &e.depth
	if d.changed == 0 {
		d.changed = e.since
	}
	if !d.told && d.kind != KindNone {
		if e.deepens() && e.now.Sub(d.begun) < depthPatience*e.settings.Trigger {
			d.changed = e.now
			return false
		}
		d.told = true
		e.record(Entry{
			Kind: KindOutcome, From: e.state.Meta.Self, Nodes: len(e.ids), Seen: d.seen,
			Outcome: fmt.Sprintf("%v: %d ILMs right below, %d further down, after %v", d.kind, e.depthView(true).Children, len(e.deeper), e.now.Sub(d.begun).Round(time.Millisecond)),
		})
	}
	v := e.depthView(true)
	p := v.Decide()
	if p.Kind != d.wants {
		d.wants, d.rounds = p.Kind, 0
	}
	d.rounds++
	rounds := forkRounds
	if p.Kind == KindJoin {
		rounds = joinRounds
	}
	if p.Kind == KindNone || d.rounds < rounds || e.now.Sub(d.changed) < depthRest*e.settings.Trigger || e.holding() {
		return false
	}
	e.reshape(p)
	return true
}

// deepens reports whether a change of depth is still being carried out.
func (e *Engine) deepens() bool {
	for id := range e.wanted {
		if e.state.Nodes[id].Retiring {
			return true
		}
	}
	return e.levels() > 0 != (len(e.deeper) > 0)
}

// reshape begins a fork or a join.
func (e *Engine) reshape(p DepthPlan) {
	self := e.state.Meta.Self
	m := &e.state.Meta
	m.Levels, m.Carry, m.Served = p.Levels, p.Carry, p.Served
	if p.Levels <= e.settings.Levels {
		m.Carry, m.Served = 0, 0
	}
	e.dirtyMeta = true
	e.depth = depth{changed: e.now, begun: e.now, kind: p.Kind, seen: p.Seen, load: e.depth.load, incoming: e.depth.incoming}
	t := Transformation{Kind: p.Kind, From: self, Seen: p.Seen, Expected: p.Expected}
	e.round.Done = append(e.round.Done, t)
	switch p.Kind {
	case KindFork:
		e.counters.Forks++
		t.Nodes = e.under(p.Keep)
	case KindJoin:
		e.counters.Joins++
	}
	e.record(Entry{Kind: p.Kind, From: self, Nodes: len(t.Nodes), Seen: p.Seen, Expected: p.Expected})
}

// under has all but so many of the ILMs right below hand over what they have,
// those with the fewest nodes first, and gives them.
func (e *Engine) under(keep int) []mib.NodeID {
	all := e.staying()
	surplus := len(all) - keep
	slices.SortFunc(all, func(a, b mib.NodeID) int {
		return cmp.Or(cmp.Compare(len(e.owned[a]), len(e.owned[b])), cmp.Compare(b, a))
	})
	var gone []mib.NodeID
	for _, id := range all {
		if len(gone) >= surplus {
			break
		}
		if e.holdsPinned(id) { // it could never hand over all
			continue
		}
		n, _ := e.node(id)
		*n = n.clone()
		if n.Owner != e.state.Meta.Self && e.children[id] == nil { // it was to become one, and can where it is
			e.unwant(n, "fork: it becomes an ILM below another, if any")
			gone = append(gone, id)
			continue
		}
		n.Retiring = true
		e.save(n)
		for k := range e.owned[id] {
			e.touch(k)
		}
		e.callOff(id)
		e.verdict(id, fmt.Sprintf("fork: hands over %s and goes under another ILM", countNodes(len(e.owned[id]))))
		gone = append(gone, id)
	}
	return gone
}

// holdsPinned reports whether an operator keeps a node with an ILM.
func (e *Engine) holdsPinned(ilm mib.NodeID) bool {
	for id := range e.owned[ilm] {
		if e.state.Nodes[id].Pinned {
			return true
		}
	}
	return false
}
