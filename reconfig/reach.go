package reconfig

import (
	"fmt"
	"slices"
	"time"

	"simone/mib"
)

// A node that its owner cannot reach may be dead, or only out of that owner's
// reach. Nobody can tell without asking from somewhere else: so the node is
// staged at one manager after the other, and stays with the first that gets
// samples. If none does it stays where it is, and is tried again after BanFor
// or when it announces itself.

// search is what is known of a node that its owner cannot reach. It is
// volatile: a manager that restarts learns of it again from the owner's row.
type search struct {
	since  Instant      // when the owner was first heard not to reach it
	at     Instant      // not before
	rests  Instant      // not before this, even if it announces itself
	asking bool         // a manager that reaches it is being looked for
	tried  []mib.NodeID // that could not reach it either, in this search
}

// unreached notes that a node's owner does not reach it.
func (e *Engine) unreached(id mib.NodeID) {
	if e.searches[id] == nil {
		e.searches[id] = &search{since: e.now, at: e.now.Add(e.patience())}
	}
}

// patience is how long an owner may be without a node before others are
// asked. A manager whose ILMs have ILMs below lets those look first.
func (e *Engine) patience() time.Duration {
	return e.settings.Trigger * time.Duration(1+2*e.levels())
}

// seek begins the searches that are due, at each round. Only a part of the
// churn budget goes into them, so that many dead nodes hinder no other move.
func (e *Engine) seek() {
	if len(e.searches) == 0 || e.holding() {
		return
	}
	left := max(e.budget()/4, 1)
	for _, s := range e.searches {
		if s.asking {
			left--
		}
	}
	for _, id := range sortedKeys(e.searches) {
		s := e.searches[id]
		n, known := e.state.Nodes[id]
		if !known || n.leaving() {
			delete(e.searches, id)
			continue
		}
		if left <= 0 || s.asking || e.now < s.at || n.Pinned || n.Wanted || n.manages() || n.Intent.Target != 0 ||
			n.Owner == e.state.Meta.Self || e.gone(n.Owner) {
			continue
		}
		s.asking, s.tried = true, nil
		e.touch(id)
		left--
	}
}

// sought reports whether a manager that reaches the node is being looked for.
func (e *Engine) sought(id mib.NodeID) bool {
	s := e.searches[id]
	return s != nil && s.asking
}

// nextToTry is the manager to ask next, this one last. If all have been
// asked the search ends.
func (e *Engine) nextToTry(n *Node, incoming map[mib.NodeID]int) (mib.NodeID, bool) {
	s, self := e.searches[n.ID], e.state.Meta.Self
	to, ok := e.coldest(n, incoming, func(c *child) bool { return e.allowed(n, c) && !slices.Contains(s.tried, c.id) })
	if !ok && n.Owner != self && !n.banned(self, e.now) && !slices.Contains(s.tried, self) {
		to, ok = self, true
	}
	if !ok {
		s.asking, s.at, s.rests = false, e.now.Add(e.settings.BanFor), e.now.Add(restRounds*e.settings.Trigger)
		if len(s.tried) > 0 {
			e.record(Entry{Kind: KindAbort, Node: n.ID, From: n.Owner, Nodes: 1,
				Seen: fmt.Sprintf("nobody reaches it: not its owner since %v, nor %v", e.now.Sub(s.since).Round(time.Second), s.tried)})
		}
	}
	return to, ok
}

// inVain: the manager that the node was staged at cannot reach it either.
func (e *Engine) inVain(n *Node) {
	e.searches[n.ID].tried = append(e.searches[n.ID].tried, n.Intent.Target)
	e.dropIntent(n)
}

// found: another manager reaches the node. Those that could not are left
// alone with it for BanFor.
func (e *Engine) found(n *Node, from mib.NodeID) {
	tried := e.searches[n.ID].tried
	if o := e.children[from]; o != nil && o.rows[n.ID] != nil && o.rows[n.ID].Failing {
		tried = append(tried, from)
	}
	for _, id := range tried {
		n.ban(id, e.now.Add(e.settings.BanFor))
	}
	e.record(Entry{Kind: KindRestore, Node: n.ID, From: from, To: n.Owner, Nodes: 1, Seen: "the owner cannot reach it, this one can"})
}

// reached ends a search: the owner has got an answer.
func (e *Engine) reached(id mib.NodeID) {
	if s := e.searches[id]; s != nil && (!s.asking || e.state.Nodes[id].Intent.Target == 0) {
		delete(e.searches, id)
	}
}

// spoke: a node that its owner does not reach lives, so it is looked for again.
// One that announces itself and answers nobody, because of a wrong key or a
// firewall, goes on announcing: the search that is on is not begun anew, nor
// soon after one has ended.
func (e *Engine) spoke(id mib.NodeID) {
	if s := e.searches[id]; s != nil && !s.asking {
		s.at = min(s.at, max(e.now, s.rests))
	}
}

// restRounds is how many triggers at least lie between two searches for a node.
const restRounds = 10
