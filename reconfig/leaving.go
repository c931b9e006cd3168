package reconfig

import (
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
	e.untie(n)
	e.stale(n.Owner)
	delete(e.wanted, n.ID)
	delete(e.deeper, n.ID)
	delete(e.ended, n.ID)
	delete(e.said, n.ID)
	delete(e.heardOf, n.ID)
	delete(e.hosts, n.ID)
	delete(e.state.Nodes, n.ID)
	delete(e.state.Ledgers, n.ID)
	delete(e.dirtyNodes, n.ID)
	delete(e.dirtyLedgers, n.ID)
	if i, found := slices.BinarySearch(e.ids, n.ID); found {
		e.ids, e.hosting = slices.Delete(e.ids, i, i+1), slices.Delete(e.hosting, i, i+1)
	}
	e.forget = append(e.forget, n.ID)
	return true
}

// leavingAt is the rows that a child has of leaving nodes.
func (e *Engine) leavingAt(c *child, leaving []mib.NodeID) []mib.Tombstone {
	var gone []mib.Tombstone
	for _, id := range leaving {
		if r := c.rows[id]; r != nil {
			ep := e.state.Nodes[id].Epoch
			if ep.Less(r.Row.Epoch) {
				ep = r.Row.Epoch
			}
			gone = append(gone, mib.Tombstone{Node: id, Epoch: ep})
		}
	}
	return gone
}
