package reconfig

import (
	"fmt"
	"time"

	"simone/mib"
)

// Level by level, rows are compared with what was given (report.go), and that
// finds every row that is lost. It does not find a node whose row is where it
// should be while nobody below polls it: the ILM in between has given it away
// and does not look after those below any more, because its engine cannot
// work. A sum over the whole subtree shows that from above: each ILM adds up
// the nodes that it polls itself and the sums of those below that have lately
// answered it.

// census holds the nodes that are polled in a child's subtree against those
// that it was given. While nodes move below, the two differ for moments.
func (e *Engine) census(c *child) {
	if c.self || !e.layered() || !e.ready(c) {
		c.astray, c.strayed = 0, false
		return
	}
	var given mib.Digest
	for id := range c.rows {
		given.AddNode(id)
	}
	switch {
	case given == c.report.Subtree:
		c.astray, c.strayed = 0, false
	case c.astray == 0:
		c.astray = e.now
	case e.now.Sub(c.astray) >= e.settings.Trigger+e.detection():
		e.bringBack(c)
	}
}

// Census sums up what children poll, themselves and below, that have answered
// within the time in which one that is gone is noticed.
func Census(children []ChildStatus, s Settings, now Instant) (sum mib.Digest) {
	for _, c := range children {
		if c.At != 0 && !c.Silent && !c.Lost && c.Report.Active && now.Sub(c.At) <= time.Duration(s.Misses+1)*s.Probe {
			sum.Merge(c.Report.Subtree)
		}
	}
	return sum
}

// detection is how long a child that is gone is not noticed.
func (e *Engine) detection() time.Duration {
	return time.Duration(e.settings.Misses) * e.settings.Probe
}

// bringBack gives those nodes of a child to others that nobody below it polls:
// those of which nothing was heard for some intervals. Nodes that were last
// heard of as not answering say nothing for long, and are taken last; so are
// ILMs, as what those have polled and nobody has read is lost with their place.
func (e *Engine) bringBack(c *child) {
	if read := e.readTo(c); read.Incarnation != c.lastHead.Incarnation || read.Seq < c.lastHead.Seq {
		return // what is to be heard has not been read
	}
	late := e.now.Sub(c.astray) >= 3*(e.settings.Trigger+e.detection())
	// What is polled comes up from level to level, and at each may be a
	// detection late before anybody there is called silent.
	under := time.Duration(e.levels()) * e.detection()
	moved, incoming := 0, make(map[mib.NodeID]int)
	for _, id := range e.ownedBy(c.id) {
		n, _ := e.node(id)
		if n.Intent.Target != 0 || n.leaving() || n.Wanted || (e.failing[id] || n.manages()) && !late ||
			e.now.Sub(max(e.heardOf[id], e.since)) < quietSlots*e.interval(n)+under {
			continue
		}
		*n = n.clone()
		n.ban(c.id, e.now.Add(e.settings.BanFor))
		to, ok := e.coldest(n, incoming, func(c *child) bool { return e.allowed(n, c) })
		if !ok {
			if to = e.state.Meta.Self; n.banned(to, e.now) {
				continue
			}
		}
		e.openIntent(n, to, KindRestore)
		e.save(n)
		moved++
		incoming[to]++
	}
	if moved == 0 {
		return
	}
	seen := fmt.Sprintf("%d of %d nodes are polled below ILM %d, and nothing was heard of these for %d intervals",
		c.report.Subtree.Count, len(c.rows), c.id, quietSlots)
	for _, to := range sortedKeys(incoming) {
		e.record(Entry{Kind: KindRestore, From: c.id, To: to, Nodes: incoming[to], Seen: seen})
	}
	if !c.strayed {
		c.strayed = true
		e.alert("%s: they go to others; look at the log of that ILM, its engine may be unable to work", seen)
	}
}

// quietSlots is after how many intervals without a word a node is taken for
// one that nobody polls, where the sum says that there are some.
const quietSlots = 3
