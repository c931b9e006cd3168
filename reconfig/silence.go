package reconfig

import (
	"fmt"
	"time"
)

// silence marks a child as silent.
func (e *Engine) silence(c *child) {
	if c.silent {
		return
	}
	c.silent, c.silentAt = true, e.now
	c.missed = e.settings.Misses
	c.set, c.claimed = nil, false
	nodes := e.ownedBy(c.id)
	for _, id := range nodes {
		e.touch(id)
	}
	e.adopt(c.id)
	seen := fmt.Sprintf("%d probes unanswered", c.missed)
	if c.leftAt == e.now {
		seen = "it said that it stops"
	}
	e.record(Entry{Kind: KindLost, Node: c.id, Nodes: len(nodes), Seen: seen})
	// Half or more of the children silent at once: it is rather this manager
	// that is cut off. Wait two windows before anything is taken away.
	all, quiet, _ := e.hush()
	if quiet >= 2 && 2*quiet >= all && e.holdUntil < e.now {
		window := e.window()
		e.holdUntil = e.now.Add(2 * window)
		e.alert("%d of %d ILMs fell silent at once: this manager may be cut off; it waits %v before it gives their nodes to others", quiet, all, 2*window)
		e.record(Entry{Kind: KindSuspect, Node: e.state.Meta.Self, Nodes: quiet, Seen: fmt.Sprintf("%d of %d ILMs silent", quiet, all)})
	}
}

// window is how long a child must not answer until it is silent.
func (e *Engine) window() time.Duration {
	return time.Duration(e.settings.Misses) * e.settings.Probe
}

// hush counts the ILMs, those that fell silent within the last window, and
// those that have not answered their last probe and may be silent soon.
func (e *Engine) hush() (all, quiet, waning int) {
	for _, o := range e.children {
		if o.self || !o.report.Active || e.goodbye(o) { // who said that it stops tells nothing of the network
			continue
		}
		all++
		switch {
		case o.silent && e.now.Sub(o.silentAt) <= e.window():
			quiet++
		case !o.silent && o.missed > 0:
			waning++
		}
	}
	return all, quiet, waning
}

// holding reports whether the manager suspects that it is itself cut off, or
// would if the children that have missed probes turned out to be silent too:
// they are not probed at one instant, and the first one's nodes must not be
// gone when the second one's silence tells more.
func (e *Engine) holding() bool {
	if !e.keeps(GuardSuspicion) {
		return false
	}
	all, quiet, waning := e.hush()
	both := quiet + waning
	return e.now < e.holdUntil || waning > 0 && quiet > 0 && both >= 2 && 2*both >= all
}
