package reconfig

import (
	"slices"

	"simone/mib"
)

// This file keeps what is looked up by something else than a node's or a
// child's ID. All changes of nodes and of children's rows go through it.

// node is a copy of a node to change and put back with save.
func (e *Engine) node(id mib.NodeID) (*Node, bool) {
	n, ok := e.state.Nodes[id]
	return &n, ok
}

// save puts a changed node back and has it persisted.
func (e *Engine) save(n *Node) {
	old, known := e.state.Nodes[n.ID]
	if !known {
		i, _ := slices.BinarySearch(e.ids, n.ID)
		e.ids, e.hosting = slices.Insert(e.ids, i, n.ID), slices.Insert(e.hosting, i, hosting{})
		e.own(n.Owner, n.ID)
	} else if old.Owner != n.Owner {
		delete(e.owned[old.Owner], n.ID)
		e.own(n.Owner, n.ID)
	}
	if known && old.Owner != n.Owner && n.manages() {
		n.Manager = n.Under != 0 && n.Under == n.Owner
		if n.Manager || e.state.Nodes[n.Under].Owner != n.Owner { // what was announced was of the old one
			n.Under = 0
		}
	}
	if known && (old.Wanted || old.manages()) && !n.Wanted && !n.manages() && e.state.Meta.Level > 0 && !n.leaving() {
		n.Ended = true
		delete(e.said, n.ID)
	}
	e.want(n)
	if n.Placed == n.Owner { // where the operator wanted it
		n.Placed = 0
	}
	if n.Placed == 0 {
		delete(e.askedAt, n.ID)
	}
	e.untie(&old)
	e.tie(n)
	i, _ := slices.BinarySearch(e.ids, n.ID)
	e.hosting[i] = e.hostingOf(n)
	e.stale(old.Owner)
	e.stale(n.Owner)
	e.state.Nodes[n.ID] = *n
	e.dirtyNodes[n.ID] = struct{}{}
	e.touch(n.ID)
}

// want keeps the sets of nodes that are to be ILMs, and that are some further
// down.
func (e *Engine) want(n *Node) {
	if n.manages() {
		e.deeper[n.ID] = struct{}{}
	} else {
		delete(e.deeper, n.ID)
	}
	if n.Ended = n.Ended && !n.Wanted && !n.manages() && !n.leaving(); n.Ended {
		e.ended[n.ID] = struct{}{}
	} else {
		delete(e.ended, n.ID)
	}
	_, was := e.wanted[n.ID]
	e.agenda.roles = e.agenda.roles || was || n.Wanted || n.Candidate && (e.short || !e.formed)
	if n.Wanted {
		e.wanted[n.ID] = struct{}{}
	} else {
		delete(e.wanted, n.ID)
	}
}

// tie notes a node's move under way, and the children that it is to go to or
// that may still have its row though they are not its owner any more; untie
// takes that back.
func (e *Engine) tie(n *Node) {
	if t := n.Intent.Target; t != 0 {
		e.moving[n.ID] = struct{}{}
		e.tieTo(t, n.ID)
		e.heads(t, 1)
	}
	for _, id := range n.Prev {
		e.tieTo(id, n.ID)
	}
}

func (e *Engine) tieTo(child, node mib.NodeID) {
	if e.tied[child] == nil {
		e.tied[child] = make(map[mib.NodeID]struct{})
	}
	e.tied[child][node] = struct{}{}
}

func (e *Engine) untie(n *Node) {
	e.heads(n.Intent.Target, -1)
	delete(e.moving, n.ID)
	delete(e.tied[n.Intent.Target], n.ID)
	for _, id := range n.Prev {
		delete(e.tied[id], n.ID)
	}
}

// heads counts the moves that are open to a manager.
func (e *Engine) heads(target mib.NodeID, by int) {
	if target == 0 {
		return
	}
	e.depth.full = false
	if e.depth.incoming == nil {
		e.depth.incoming = make(map[mib.NodeID]int)
	}
	if e.depth.incoming[target] += by; e.depth.incoming[target] == 0 {
		delete(e.depth.incoming, target)
	}
}

func (e *Engine) own(owner, id mib.NodeID) {
	if e.owned[owner] == nil {
		e.owned[owner] = make(map[mib.NodeID]struct{})
	}
	e.owned[owner][id] = struct{}{}
}

// ownedBy is the nodes of an owner, sorted.
func (e *Engine) ownedBy(owner mib.NodeID) []mib.NodeID { return sortedKeys(e.owned[owner]) }

// setRow takes a child's row for what it has.
func (e *Engine) setRow(c *child, r *seenRow) {
	id := r.Row.Node
	if old := c.rows[id]; old != nil {
		c.digest.Remove(id, old.Row.Epoch)
	} else {
		e.holders[id] = append(e.holders[id], c.id)
	}
	c.rows[id] = r
	c.portion.known = false
	c.digest.Add(id, r.Row.Epoch)
}

// dropRow notes that a child does not have a row.
func (e *Engine) dropRow(c *child, id mib.NodeID) {
	if old := c.rows[id]; old != nil {
		c.digest.Remove(id, old.Row.Epoch)
		delete(c.rows, id)
		c.portion.known = false
		e.unhold(c, id)
	}
}

// dropRows notes that a child has none.
func (e *Engine) dropRows(c *child) {
	for id := range c.rows {
		e.unhold(c, id)
	}
	c.rows = make(map[mib.NodeID]*seenRow, len(c.rows))
	c.portion.known = false
	c.digest = mib.Digest{}
}

// unhold takes a child from those that have a node's row.
func (e *Engine) unhold(c *child, id mib.NodeID) {
	list := e.holders[id]
	if i := slices.Index(list, c.id); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	if len(list) == 0 {
		delete(e.holders, id)
	} else {
		e.holders[id] = list
	}
}

// emptied is an empty set, in the memory of one that is not needed any more
// unless that was big: to go through a map costs what it ever held.
func emptied(m map[mib.NodeID]struct{}) map[mib.NodeID]struct{} {
	const big = 256
	if len(m) > big {
		return make(map[mib.NodeID]struct{})
	}
	clear(m)
	return m
}

func sortedKeys[V any](m map[mib.NodeID]V) []mib.NodeID {
	if len(m) == 0 {
		return nil
	}
	keys := make([]mib.NodeID, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
