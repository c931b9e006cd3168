package reconfig

import (
	"cmp"
	"container/heap"
	"slices"

	"simone/mib"
)

// A step looks at what its event concerns, not at all there is: the child
// that the event is about, the nodes on which something waits there, those
// that the step has changed, and the children that these are on the lists of.
// Some of what is decided hangs on the time alone, and some on all children
// together. So everything that is open is looked at now and then, too, and
// when something has happened that many nodes may wait for.

// lookShare is which part of the time between two probes of a child passes at
// least between two ticks at which everything is looked at.
const lookShare = 8

// agenda is what a step is to look at.
type agenda struct {
	all      bool                    // everything
	roles    bool                    // who is an ILM, and who may become one
	nodes    map[mib.NodeID]struct{} // of Engine.open
	late     []mib.NodeID            // nodes that changed after it was seen to where they belong: for the next step
	children []*child                // those with stirred set
	waiting  map[mib.NodeID]struct{} // nodes that had nowhere to go when they were last looked at
	looked   Instant                 // when everything was looked at last
	wakes    wakeQueue               // of all children
}

// wakeQueue is a heap of children by when they are to be looked at.
type wakeQueue []*child

// stir has a child looked at in this step.
func (e *Engine) stir(c *child) {
	if c != nil && !c.stirred {
		c.stirred = true
		e.agenda.children = append(e.agenda.children, c)
	}
}

// touch has a node looked at in this step, and from then on until nothing is
// left to do for it.
func (e *Engine) touch(id mib.NodeID) {
	e.open[id] = struct{}{}
	e.agenda.nodes[id] = struct{}{}
	e.agenda.late = append(e.agenda.late, id)
}

// standing is what of a child's state nodes may wait for that have nothing to
// do with it yet.
type standing struct{ silent, lost, ready, missed, left bool }

func (e *Engine) standing(c *child) standing {
	return standing{c.silent, c.lost, e.ready(c), c.missed > 0, c.leftAt != 0}
}

// concern has a step look at what its event may concern.
func (e *Engine) concern(ev Event) {
	switch ev := ev.(type) {
	case ChildReported:
		e.stir(e.children[ev.Child])
	case LogRead:
		e.stir(e.children[ev.Child])
	case NodeJoined, ActionDone, ActionFailed, Relayed, Unrelayed, Measured: // these stir whom they concern
	case Ticked:
		e.agenda.all = e.agenda.all || e.now.Sub(e.agenda.looked) >= e.settings.Probe/lookShare
	default:
		e.agenda.all = true
	}
	for len(e.agenda.wakes) > 0 && e.agenda.wakes[0].wake <= e.now {
		c := e.agenda.wakes[0]
		e.stir(c)
		c.wake = never // set anew at the end of the step
		heap.Fix(&e.agenda.wakes, 0)
	}
}

// complete completes the agenda: with everything, or with the nodes on which
// something waits at the children that are on it.
func (e *Engine) complete() {
	a := &e.agenda
	if e.asked || e.now >= e.nextRound {
		a.all = true
	}
	if a.all {
		a.looked, a.roles = e.now, true
		for _, c := range e.line {
			e.stir(c)
		}
		return
	}
	for _, c := range a.children {
		for id := range c.open {
			if _, open := e.open[id]; open {
				a.nodes[id] = struct{}{}
			} else {
				delete(c.open, id)
			}
		}
	}
	for id := range a.waiting {
		if until, quiet := e.quietUntil[id]; quiet && e.now >= until {
			a.nodes[id] = struct{}{}
		}
	}
	if slices.ContainsFunc(a.children, func(c *child) bool { return e.standing(c) != c.stood }) {
		a.roles = true
		for id := range a.waiting {
			a.nodes[id] = struct{}{}
		}
		for id := range e.children[e.state.Meta.Self].open {
			a.nodes[id] = struct{}{}
		}
	}
}

// toLook is the nodes on the agenda, in order.
func (e *Engine) toLook() []mib.NodeID {
	if e.agenda.all {
		return sortedKeys(e.open)
	}
	return sortedKeys(e.agenda.nodes)
}

// stirred is the children on the agenda, in order.
func (e *Engine) stirred() []*child {
	if e.agenda.all {
		return e.line
	}
	slices.SortFunc(e.agenda.children, func(a, b *child) int { return cmp.Compare(a.id, b.id) })
	return e.agenda.children
}

// enrol has an open node looked at whenever something happens at a child that
// has to do with it, and those children looked at now.
func (e *Engine) enrol(id mib.NodeID) {
	n, known := e.state.Nodes[id]
	if !known {
		return
	}
	for _, c := range e.related(&n) {
		c.open[id] = struct{}{}
		e.stir(c)
	}
}

// related is the children that have to do with a node, in order: its owner,
// an intent's target, earlier owners, and all that have its row. The result is
// good until the next call.
func (e *Engine) related(n *Node) []*child {
	list := e.kin[:0]
	add := func(id mib.NodeID) {
		c := e.children[id]
		if c == nil {
			return
		}
		i := len(list)
		for i > 0 && list[i-1].id >= id {
			i--
		}
		if i == len(list) || list[i] != c {
			list = slices.Insert(list, i, c)
		}
	}
	add(n.Owner)
	add(n.Intent.Target)
	for _, id := range n.Prev {
		add(id)
	}
	for _, id := range e.holders[n.ID] {
		add(id)
	}
	e.kin = list
	return list
}

// settleAgenda ends a step: the children that were looked at say when they
// are to be looked at again.
func (e *Engine) settleAgenda() {
	a := &e.agenda
	for _, c := range a.children {
		c.stirred = false
		if e.children[c.id] != c { // removed
			continue
		}
		c.stood, c.wake = e.standing(c), e.wakeOf(c)
		if !a.all {
			heap.Fix(&a.wakes, c.wakeAt)
		}
	}
	if a.all {
		heap.Init(&a.wakes)
	}
	clear(a.children)
	a.nodes = emptied(a.nodes)
	for _, id := range a.late {
		a.nodes[id] = struct{}{}
	}
	a.children, a.late, a.all = a.children[:0], a.late[:0], false
}

// wakeOf is when something is to be done about a child for which it need not
// be heard of; never if nothing is.
func (e *Engine) wakeOf(c *child) Instant {
	at := never
	if c.probe == 0 && c.probeAt > e.now {
		at = c.probeAt
	}
	if c.retryAt > e.now {
		at = min(at, c.retryAt)
	}
	return at
}

func (q wakeQueue) Len() int           { return len(q) }
func (q wakeQueue) Less(i, j int) bool { return q[i].wake < q[j].wake }
func (q wakeQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].wakeAt, q[j].wakeAt = i, j
}

// Push implements heap.Interface.
func (q *wakeQueue) Push(x any) {
	c := x.(*child)
	c.wakeAt = len(*q)
	*q = append(*q, c)
}

// Pop implements heap.Interface.
func (q *wakeQueue) Pop() any {
	old := *q
	c := old[len(old)-1]
	*q = old[:len(old)-1]
	return c
}
