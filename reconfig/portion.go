package reconfig

import (
	"cmp"
	"slices"
	"time"

	"simone/mib"
)

// A round looks at every node. What it wants to know of them is worked out
// when nodes, rows or settings change, not in each round.

// portion is the nodes of a child as a policy is shown them.
type portion struct {
	known   bool         // and still true
	movable []mib.NodeID // by when they came
	fixed   int          // further nodes
	rate    float64      // polls per second of all nodes
	weights []float64    // of movable: how much each costs, in a unit of its own
	total   float64      // of all nodes
}

// portionOf gives a child's portion. It is not to be changed.
func (e *Engine) portionOf(c *child) *portion {
	p := &c.portion
	if p.known {
		return p
	}
	*p = portion{known: true}
	usual := e.usualCost(c)
	type arrival struct {
		order  uint64
		node   mib.NodeID
		weight float64
	}
	var movable []arrival
	for _, id := range e.ownedBy(c.id) { // in order, as sums of fractions depend on it
		n := e.state.Nodes[id]
		polls := 1 / e.interval(&n).Seconds()
		weight := polls * usual
		if r := c.rows[id]; r != nil && r.Cost > 0 {
			weight = polls * r.Cost.Seconds()
		}
		p.rate += polls
		p.total += weight
		if !n.movable() {
			p.fixed++
		} else {
			movable = append(movable, arrival{n.Order, id, weight})
		}
	}
	slices.SortFunc(movable, func(a, b arrival) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.node, b.node))
	})
	for _, a := range movable {
		p.movable = append(p.movable, a.node)
		p.weights = append(p.weights, a.weight)
	}
	return p
}

// stale has a child's portion worked out anew when it is wanted.
func (e *Engine) stale(id mib.NodeID) {
	if c := e.children[id]; c != nil {
		c.portion.known = false
	}
}

// hosting is what a round wants to know of a node as a host of an ILM.
type hosting struct {
	owner mib.NodeID
	every time.Duration // its interval
	may   bool          // as far as that does not change by itself with time, or with the owner
	ask   bool          // the rest is to be looked up
}

// hostingOf says what a round wants to know of a node.
func (e *Engine) hostingOf(n *Node) hosting {
	return hosting{
		owner: n.Owner, every: n.Interval, ask: len(n.Banned) > 0,
		may: n.Owner != 0 && n.Candidate && !n.Wanted && !n.manages() && !n.Drained && !n.Pinned &&
			n.Kind == mib.KindLeaf && n.Intent.Target == 0 && n.ID != e.state.Meta.Self,
	}
}

// idle lists the nodes with an owner that may be made ILMs now, and what is
// known of their machines, of those that have not been asked.
func (e *Engine) idle(asked map[mib.NodeID]bool) (ids []mib.NodeID, hosts []HostView) {
	owner, gone := mib.NodeID(0), true
	for i, id := range e.ids {
		h := &e.hosting[i]
		if !h.may {
			continue
		}
		if h.owner != owner {
			owner, gone = h.owner, e.gone(h.owner)
		}
		if gone || len(e.failing) > 0 && e.failing[id] || len(e.spurned) > 0 && e.now < e.spurned[id] {
			continue
		}
		if h.ask {
			if n := e.state.Nodes[id]; !e.eligible(&n) {
				continue
			}
		}
		ids = append(ids, id)
		if l, ok := e.hostLoad(id, h.every); ok && !asked[id] {
			hosts = append(hosts, l)
		}
	}
	return ids, hosts
}
