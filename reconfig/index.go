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
	if old, ok := e.state.Nodes[n.ID]; !ok {
		i, _ := slices.BinarySearch(e.ids, n.ID)
		e.ids = slices.Insert(e.ids, i, n.ID)
		e.own(n.Owner, n.ID)
	} else if old.Owner != n.Owner {
		delete(e.owned[old.Owner], n.ID)
		e.own(n.Owner, n.ID)
	}
	if old, ok := e.state.Nodes[n.ID]; ok && old.Owner != n.Owner && n.manages() {
		n.Manager = n.Under != 0 && n.Under == n.Owner
		if n.Manager || e.state.Nodes[n.Under].Owner != n.Owner { // what was announced was of the old one
			n.Under = 0
		}
	}
	e.want(n)
	if n.Placed == n.Owner { // where the operator wanted it
		n.Placed = 0
	}
	if n.Placed == 0 {
		delete(e.askedAt, n.ID)
	}
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
	if n.Wanted {
		e.wanted[n.ID] = struct{}{}
	} else {
		delete(e.wanted, n.ID)
	}
}

func (e *Engine) own(owner, id mib.NodeID) {
	if e.owned[owner] == nil {
		e.owned[owner] = make(map[mib.NodeID]struct{})
	}
	e.owned[owner][id] = struct{}{}
}

// touch has a node looked at in this step's work.
func (e *Engine) touch(id mib.NodeID) { e.open[id] = struct{}{} }

// ownedBy is the nodes of an owner, sorted.
func (e *Engine) ownedBy(owner mib.NodeID) []mib.NodeID { return sortedKeys(e.owned[owner]) }

// setRow takes a child's row for what it has.
func (e *Engine) setRow(c *child, r *seenRow) {
	id := r.Row.Node
	if old := c.rows[id]; old != nil {
		c.digest.Remove(id, old.Row.Epoch)
	}
	c.rows[id] = r
	c.digest.Add(id, r.Row.Epoch)
}

// dropRow notes that a child does not have a row.
func (e *Engine) dropRow(c *child, id mib.NodeID) {
	if old := c.rows[id]; old != nil {
		c.digest.Remove(id, old.Row.Epoch)
		delete(c.rows, id)
	}
}

// dropRows notes that a child has none.
func (e *Engine) dropRows(c *child) {
	c.rows = make(map[mib.NodeID]*seenRow, len(c.rows))
	c.digest = mib.Digest{}
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
