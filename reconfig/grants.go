package reconfig

import (
	"slices"

	"simone/mib"
)

// A manager may find rows below that are at newer epochs than it was granted
// the nodes at. Mostly the manager above has taken the node, or the ILM that has
// the row, for itself, and is about to say so. But it may as well know nothing of
// that epoch: a second manager with a copy of its store has made it, or it has
// forgotten. Then nobody on the way down could write that row again, ever. So
// each manager tells the one above of such a row, and who has given the node at
// an older epoch of its own gives it at a newer one (Outgrown).

// outgrown tells the manager above of a row, once in each of its lives.
func (e *Engine) outgrown(n *Node, ep mib.Epoch) {
	if e.newer[n.ID] == ep || !e.keeps(GuardOutgrown) {
		return
	}
	e.newer[n.ID] = ep
	e.do(Outgrown{Node: n.ID, Epoch: ep})
}

// newerBelow takes what a manager below says of such a row, and reports whether
// that is for the manager above this one.
func (e *Engine) newerBelow(r *mib.Record) bool {
	ep, err := mib.ParseEpoch(r.Payload)
	if n, known := e.node(r.Node); err == nil && known && !n.leaving() && n.Owner != 0 {
		if e.foreignGrant(n, ep) {
			return true
		}
		level := e.state.Meta.Level
		given := n.Epoch
		if n.Intent.Target != 0 && given.Less(n.Intent.Epoch) { // its end is that of the move
			given = n.Intent.Epoch
		}
		if slices.Compare(ep[:level+1], given[:level+1]) <= 0 || ep.Term(level) >= maxTerm {
			return false
		}
		e.sawEpoch(ep)
		if t := ep.Term(level); t > e.state.Meta.Term {
			e.raiseTerm(t + 1)
		}
		*n = n.clone()
		e.raiseOwner(n)
	}
	return false
}

// ofLevelBelow reports whether an epoch was made by a manager further down, as
// this one was before it came nearer to the top: with its rows as they are ILMs
// below would take themselves for further down than they are, and might find no
// count for epochs of their own (OwnLevel).
func (e *Engine) ofLevelBelow(ep mib.Epoch) bool {
	return slices.ContainsFunc(ep[e.state.Meta.Level+1:], func(count uint32) bool { return count > 0 })
}

// lostRow reports whether a child that was given a row at an epoch is without.
// What it has made of that epoch for ILMs below may be lost with the row, and it
// would make the same again: it is given the row at a newer one (Regrant).
func (e *Engine) lostRow(n *Node, c *child, r *seenRow, ep mib.Epoch) bool {
	return r == nil && c.given[n.ID] == ep && e.keeps(GuardRegrant)
}

// keepsOwnRow deals with a newer row of a node that is to be an ILM of this
// manager, and reports whether it is one: its row belongs here, wherever it has
// been meanwhile. Moved to there first it would be granted to managers below, at
// newer and newer epochs, who would hold it for an ILM of theirs (OwnRow).
func (e *Engine) keepsOwnRow(n *Node, at mib.NodeID) bool {
	self := e.state.Meta.Self
	if !n.Wanted || at == self || !e.keeps(GuardOwnRow) {
		return false
	}
	*n = n.clone()
	e.owes(n, at)
	if n.Owner == self {
		e.letGo(n)
		n.Intent = Intent{}
		e.raiseOwner(n)
	} else {
		e.openIntent(n, self, KindPromote)
		e.save(n)
	}
	return true
}
