package testbed

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// Node is a machine: an agent, and a List that makes it an ILM when its
// parent wants it.
type Node struct {
	ID        mib.NodeID
	Up        bool
	Gone      bool                // has left the inventory
	Cut       bool                // from the parent, both ways
	Unseen    map[mib.NodeID]bool // managers that cannot reach it
	Temp      float64
	Slowness  float64 // of its host: the utilisation that each row causes
	List      *reconfig.List
	Durable   reconfig.ListState
	Candidate bool
	FailWrite bool              // it crashes at the next control SET, between write and answer
	Skew      time.Duration     // how far its clock is ahead of the world's, from the next start
	Log       reconfig.LogState // what its disk has of its report log, if the world keeps logs

	skew  time.Duration
	heard reconfig.Instant // when a manager last asked it
	life  uint64
	wake  reconfig.Instant
}

// now is the present on the node's clock.
func (n *Node) now(w *World) reconfig.Instant { return w.Now.Add(n.skew) }

// lonely is how long a node waits for its parent before it announces itself
// again.
const lonely = 3 * time.Second

// announce has a node tell the parent of itself, now if nobody has asked it
// for a while, and again later.
func (w *World) announce(n *Node) {
	if n.Up && !n.Cut && !n.Gone && (n.heard == 0 || w.Now.Sub(n.heard) >= lonely) {
		w.Tell(func(at reconfig.At) reconfig.Event {
			return reconfig.NodeJoined{At: at, Active: n.List.Active(), Node: reconfig.Node{
				ID: n.ID, Key: fmt.Sprint("n", n.ID), Name: fmt.Sprint("n", n.ID), Address: "192.0.2.1:161", Kind: mib.KindLeaf,
				Profile: "simone", Credential: "c", Candidate: n.Candidate,
			}}
		})
		n.heard = w.Now
	}
	w.After(lonely, func() { w.announce(n) })
}

// Join adds a machine that the inventory does not know yet.
func (w *World) Join() {
	n := w.addNode(w.ids[len(w.ids)-1] + 1)
	w.trace("node %d is new", n.ID)
	w.startList(n)
	w.announce(n)
}

// Crash stops a node; what its list keeps on disk stays.
func (w *World) Crash(n *Node) {
	w.trace("node %d crashes", n.ID)
	n.Up, n.FailWrite = false, false
	n.life++
	n.wake = 0
}

// EndWell ends a node in good order: what its log has is on disk.
func (w *World) EndWell(n *Node) {
	if w.logWindow > 0 {
		n.keepLog(n.List.LastBatch())
	}
	w.Crash(n)
}

// keepLog is one transaction on the disk of a node.
func (n *Node) keepLog(b reconfig.LogBatch) {
	kept := slices.DeleteFunc(slices.Clone(n.Log.Records), func(r reconfig.KeptRecord) bool { return r.Seq <= b.Tail || n.Log.Incarnation != b.Incarnation })
	n.Log = b.LogState
	n.Log.Records = append(kept, b.Records...)
	n.List.Log().Kept(b)
}

// KeepLogs has all nodes write their report logs to their disks, so often.
func (w *World) KeepLogs(window time.Duration) {
	w.logWindow = window
	for _, id := range w.ids {
		w.writeLogs(w.Nodes[id])
	}
}

// writeLogs writes a node's log to its disk now and then.
func (w *World) writeLogs(n *Node) {
	life := n.life
	n.keepLog(n.List.Log().Batch(false))
	w.After(w.logWindow, func() {
		if n.Up && n.life == life {
			w.writeLogs(n)
		}
	})
}

// Forget loses the rows, or all that a stopped node has on disk.
func (w *World) Forget(n *Node, all bool) {
	w.trace("node %d loses its rows (all its disk: %v)", n.ID, all)
	n.Durable.Rows = nil
	if all {
		n.Durable, n.Log = reconfig.ListState{Active: n.ID == w.Parent.Self}, reconfig.LogState{}
		w.checks.forget(n.ID)
	}
}

// Restart starts it again.
func (w *World) Restart(n *Node) {
	w.trace("node %d restarts", n.ID)
	n.Up = true
	n.life++
	n.wake = 0
	w.startList(n)
}

func (w *World) startList(n *Node) {
	n.skew = n.Skew
	limits := reconfig.ListLimits{Incarnation: w.Chance.Uint64() | 1}
	if w.logWindow > 0 {
		kept := n.Log
		limits.Kept = &kept
	}
	n.List = reconfig.NewList(cloneList(n.Durable), limits, n.now(w))
	if w.logWindow > 0 {
		w.writeLogs(n)
	}
	w.wakeList(n)
}

func cloneList(s reconfig.ListState) reconfig.ListState {
	s.Rows, s.Tombs = maps.Clone(s.Rows), maps.Clone(s.Tombs)
	return s
}

// applyDurable is one transaction on the disk of a node.
func (n *Node) applyDurable(ch *reconfig.ListChange) {
	d := &n.Durable
	if d.Rows == nil {
		d.Rows = make(map[mib.NodeID]reconfig.ListRow)
	}
	if d.Tombs == nil {
		d.Tombs = make(map[mib.NodeID]mib.Epoch)
	}
	d.Active, d.Settings, d.Fence, d.FenceSum, d.Term = ch.Active, ch.Settings, ch.Fence, ch.FenceSum, ch.Term
	for _, r := range ch.Rows {
		d.Rows[r.Row.Node] = r
	}
	for _, id := range ch.Removed {
		delete(d.Rows, id)
	}
	for _, t := range ch.Tombs {
		d.Tombs[t.Node] = t.Epoch
	}
}

// wakeList runs a list's polls when they are due.
func (w *World) wakeList(n *Node) {
	next, ok := n.List.Next()
	at := next.Add(-n.skew)
	if !ok || !n.Up || n.wake > w.Now && n.wake <= at {
		return
	}
	n.wake = max(at, w.Now)
	life, list, wake := n.life, n.List, n.wake
	w.when(n.wake, func() {
		if n.life != life || n.List != list || !n.Up || n.wake != wake {
			return
		}
		n.wake = 0
		for _, p := range list.Due(n.now(w)) {
			w.poll(n, list, p)
		}
		w.wakeList(n)
	})
}

func (w *World) poll(by *Node, list *reconfig.List, p reconfig.Poll) {
	n := w.Nodes[p.Row.Node]
	life := by.life
	if n != nil && n.Up && !n.Unseen[by.ID] && (!n.Cut || by.ID != w.Parent.Self || w.PollsPass) {
		if !n.List.Active() { // an ILM wants to hear from a parent that knows it as one
			n.heard = w.Now
		}
		took := pollTime
		if w.Slow > 0 {
			took += time.Duration(w.Chance.Int64N(int64(w.Slow)))
		}
		w.After(took, func() {
			if by.life == life {
				list.Polled(by.now(w), p.Row.Node, p.Slot, mib.Sample{RTT: took})
			}
		})
		return
	}
	w.After(lostTime, func() {
		if by.life == life {
			list.Failed(by.now(w), p.Row.Node, p.Slot)
		}
	})
}

// report is what a probe reads of a node.
func (w *World) report(c *Node, ids []mib.NodeID, full bool) reconfig.Report {
	l := c.List
	r := reconfig.Report{
		Fence: l.Fence(), Active: l.Active(), Windows: 1, Temperature: c.Temp, Weighted: c.Temp,
		Utilisation: c.Slowness * float64(l.Len()),
		Digest:      l.Digest(), Log: l.Log().Head(), Full: full,
	}
	if full {
		ids = nil
		for id, ok := l.NextRow(0); ok; id, ok = l.NextRow(id) {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		if s, have := l.Row(c.now(w), id); have {
			if !full { // as little as a host may tell
				s.Row = mib.SupportRow{Node: id, Epoch: s.Row.Epoch, Slot: s.Row.Slot, Due: s.Row.Due}
			}
			r.Rows = append(r.Rows, reconfig.RowReport{Row: s.Row, First: s.First, Samples: s.Samples, Failing: s.Failing, Cost: s.Cost})
		}
	}
	return r
}
