package manager

import (
	"slices"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// What the engine knows, for MIB tables and front ends. What is returned is a
// snapshot and not to be changed.

var _ Below = (*Conductor)(nil)

// Node gives what is known of a node.
func (c *Conductor) Node(id mib.NodeID) (reconfig.Node, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.Node(id)
}

// NextNode is the first known node after id; 0 begins.
func (c *Conductor) NextNode(id mib.NodeID) (mib.NodeID, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.NextNode(id)
}

// Nodes gives every known node, by NodeID.
func (c *Conductor) Nodes() []reconfig.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	var nodes []reconfig.Node
	for id, ok := c.engine.NextNode(0); ok; id, ok = c.engine.NextNode(id) {
		if n, ok := c.engine.Node(id); ok {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// EachNode shows every known node in order of NodeIDs, with what a poll of it
// costs its owner, 0 if that is not known, and what its machine has to do
// beside. The engine waits meanwhile.
func (c *Conductor) EachNode(show func(n reconfig.Node, cost time.Duration, host reconfig.HostLoad)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, ok := c.engine.NextNode(0); ok; id, ok = c.engine.NextNode(id) {
		if n, ok := c.engine.Node(id); ok {
			host, _ := c.engine.Host(id)
			show(n, c.engine.Cost(id), host.HostLoad)
		}
	}
}

// Children gives the state of every child manager, by NodeID, without this
// one.
func (c *Conductor) Children() []reconfig.ChildStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.Children()
}

// Deeper gives the nodes that are ILMs below other ILMs, by NodeID.
func (c *Conductor) Deeper() []reconfig.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.Deeper()
}

// Round is what the last round decided, and the children as it saw them; its
// At is 0 before the first.
func (c *Conductor) Round() (reconfig.Round, []reconfig.ChildStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.engine.LastRound()
	r.Children, r.Done = slices.Clone(r.Children), slices.Clone(r.Done)
	return r, c.seen
}

// Counters counts what this engine did since it was made.
func (c *Conductor) Counters() reconfig.Counters {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.Counters()
}

// Settings gives the settings in force.
func (c *Conductor) Settings() reconfig.Settings {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settings
}

// Meta gives what the manager knows of itself.
func (c *Conductor) Meta() reconfig.Meta {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.engine.Meta()
}

// Ledger says which slots of a node are filled.
func (c *Conductor) Ledger(id mib.NodeID) reconfig.Ledger {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.engine.Ledger(id)
	l.Runs, l.Held = slices.Clone(l.Runs), slices.Clone(l.Held)
	return l
}

// Failure says why there is no working engine now; nil is all well. What the
// other methods give is then what the last engine believed.
func (c *Conductor) Failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// GlobalLatency is the mean of the mean latencies of the ILMs that answer
// (document 001, section 3.1); false if there are none.
func (c *Conductor) GlobalLatency() (time.Duration, bool) {
	var sum time.Duration
	n := 0
	for _, child := range c.Children() {
		if child.Report.Active && !child.Silent && child.At != 0 {
			sum += child.Report.Latency
			n++
		}
	}
	if n == 0 {
		return 0, false
	}
	return sum / time.Duration(n), true
}

// Census sums up the nodes that are polled below the children that have lately
// answered.
func (c *Conductor) Census() mib.Digest {
	return reconfig.Census(c.Children(), c.Settings(), c.cfg.Clock.Now())
}

// LastRound is when the last round was completed; 0: never.
func (c *Conductor) LastRound() reconfig.Instant {
	round, _ := c.Round()
	return round.At
}
