package reconfig

import (
	"fmt"
	"maps"
	"slices"

	"simone/mib"
)

// This file gives nodes to the ILMs that an operator names. Such moves are
// planned ones: they lose no sample and keep to the churn budget. A pin stands
// above them, a policy below: until a node is where it was asked to be, or that
// has come to nothing, no policy moves it.

// placeRounds is for how many triggers a node waits for the ILM that it was
// asked to go to, before it stays where it is.
const placeRounds = 10

// asksPlaces takes an operator's wishes.
func (e *Engine) asksPlaces(places []Place) {
	count := make(map[mib.NodeID]int)
	for _, p := range places {
		n, known := e.node(p.Node)
		if !known || n.leaving() || p.Node == p.At {
			continue
		}
		*n = n.clone()
		if p.At == 0 {
			if n.Wanted && !n.Retiring {
				e.retire(n)
				e.record(Entry{Kind: KindPlace, Node: n.ID, Nodes: len(e.owned[n.ID]), Seen: "asked for by the operator", Expected: "a leaf again"})
			}
			continue
		}
		if n.Wanted && !n.Retiring { // an ILM's own row is its manager's
			continue
		}
		n.Placed = p.At
		if n.Owner != p.At {
			e.askedAt[n.ID] = e.now
			e.readyPlace(p.At)
			count[p.At]++
		}
		e.save(n)
	}
	for _, to := range slices.Sorted(maps.Keys(count)) {
		e.record(Entry{Kind: KindPlace, To: to, Nodes: count[to], Seen: "asked for by the operator"})
	}
}

// readyPlace has a node be an ILM that is to have others, and stay one.
func (e *Engine) readyPlace(id mib.NodeID) {
	n, known := e.node(id)
	switch {
	case !known || id == e.state.Meta.Self:
	case n.Wanted && n.Retiring:
		*n = n.clone()
		n.Retiring = false
		e.save(n)
	case e.eligible(n):
		e.promote(id)
	}
}

// retire has an ILM hand over its list and become a leaf.
func (e *Engine) retire(n *Node) {
	n.Retiring = true
	e.save(n)
	for id := range e.owned[n.ID] {
		e.touch(id)
	}
}

// placed reports whether a node is still to go to the ILM that an operator
// asked for.
func (e *Engine) placed(n *Node) bool { return n.Placed != 0 && n.Placed != n.Owner && !n.Wanted }

// placeOf is where a node goes that an operator has placed, if it can now.
func (e *Engine) placeOf(n *Node) (mib.NodeID, bool) {
	c := e.children[n.Placed]
	if e.ready(c) && e.allowed(n, c) {
		return n.Placed, true
	}
	since, waits := e.askedAt[n.ID]
	if !waits { // this life has not begun to wait
		e.askedAt[n.ID] = e.now
		return 0, false
	}
	if e.now.Sub(since) < placeRounds*e.settings.Trigger {
		return 0, false
	}
	e.record(Entry{Kind: KindAbort, Node: n.ID, From: n.Owner, To: n.Placed, Nodes: 1,
		Seen: fmt.Sprintf("place: %s for %d triggers", e.whyNot(n, c), placeRounds)})
	e.counters.Aborts++
	n.Placed = 0
	e.save(n)
	return 0, false
}

// whyNot says why an ILM cannot have a node.
func (e *Engine) whyNot(n *Node, c *child) string {
	switch {
	case c == nil:
		return fmt.Sprintf("node %d was not an ILM here", n.Placed)
	case c.silent:
		return fmt.Sprintf("ILM %d was silent", c.id)
	case !e.ready(c):
		return fmt.Sprintf("ILM %d was not ready", c.id)
	case e.closed(c.id):
		return fmt.Sprintf("ILM %d was drained or retiring", c.id)
	case n.banned(c.id, e.now):
		return fmt.Sprintf("ILM %d could not reach it", c.id)
	}
	return fmt.Sprintf("ILM %d was full, or lacked its zone, credential or profile", c.id)
}
