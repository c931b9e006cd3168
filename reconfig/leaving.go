package reconfig

import (
	"cmp"
	"slices"

	"simone/mib"
)

// leaving reports whether the node is on its way out of the inventory.
func (n *Node) leaving() bool { return n.Kind == kindLeaving }

// kindLeaving marks a node that has left: its rows are destroyed everywhere,
// then it is forgotten. It never stands on the wire.
const kindLeaving mib.Kind = -1

// settleLeaving forgets a node when no child that answers has its row.
func (e *Engine) settleLeaving(n *Node) bool {
	for _, c := range e.children {
		if !c.silent && !c.lost && (c.rows[n.ID] != nil || !e.readable(c) || c.set != nil) {
			return false
		}
	}
	delete(e.owned[n.Owner], n.ID)
	delete(e.wanted, n.ID)
	delete(e.deeper, n.ID)
	delete(e.heardOf, n.ID)
	delete(e.state.Nodes, n.ID)
	delete(e.state.Ledgers, n.ID)
	delete(e.dirtyNodes, n.ID)
	delete(e.dirtyLedgers, n.ID)
	if i, found := slices.BinarySearch(e.ids, n.ID); found {
		e.ids = slices.Delete(e.ids, i, i+1)
	}
	e.forget = append(e.forget, n.ID)
	return true
}

// leavingAt is the rows of leaving nodes at a child.
func (e *Engine) leavingAt(c *child) []mib.Tombstone {
	var gone []mib.Tombstone
	for id := range e.open {
		n := e.state.Nodes[id]
		if r := c.rows[id]; n.leaving() && r != nil {
			ep := n.Epoch
			if ep.Less(r.Row.Epoch) {
				ep = r.Row.Epoch
			}
			gone = append(gone, mib.Tombstone{Node: id, Epoch: ep})
		}
	}
	slices.SortFunc(gone, func(a, b mib.Tombstone) int { return cmp.Compare(a.Node, b.Node) })
	return gone
}
