package reconfig

import (
	"fmt"
	"slices"
	"time"

	"simone/mib"
)

// This file is the parent's half of the moving protocol. It is
// level-triggered: for a node and a child it compares the child's row with
// what the store says and takes the one step that brings them nearer. The
// rules and their names are those of the explicit-state model that the
// protocol was checked with (docs/protocol.md).

// openIntent begins a move. The caller saves the node.
func (e *Engine) openIntent(n *Node, target mib.NodeID, why Kind) {
	if n.Intent.Target != target {
		e.letGo(n)
	}
	n.Intent = Intent{Target: target, Epoch: e.newEpoch(n), Why: why}
	e.openedAt[n.ID] = e.now
	delete(e.stagedFrom, n.ID)
	for _, id := range [...]mib.NodeID{n.Owner, target} { // look at both rows soon
		if c := e.children[id]; c != nil {
			c.probeAt = min(c.probeAt, e.now)
		}
	}
}

func (e *Engine) dropHeld(id mib.NodeID) {
	if l, ok := e.state.Ledgers[id]; ok && len(l.Held) > 0 {
		l.Held = nil
		e.state.Ledgers[id] = l
		e.dirtyLedgers[id] = struct{}{}
	}
}

// abort gives a move up; the target's row, if any, is destroyed as one that
// was left over.
func (e *Engine) abort(n *Node, why string) {
	e.record(Entry{Kind: KindAbort, Node: n.ID, From: n.Owner, To: n.Intent.Target, Nodes: 1, Seen: why})
	e.counters.Aborts++
	e.quietUntil[n.ID] = e.now.Add(e.settings.Trigger)
	e.dropIntent(n)
	if s := e.searches[n.ID]; s != nil { // begun anew in a round to come, if it still is out of reach
		s.asking = false
	}
}

// managesAt reports whether a node is an ILM below a child, whoever owns it. What it
// polls by now would be lost with its place: a move to there is not given up because
// the child is to have no more nodes. Those below a drained ILM are leaves again
// soon, and go then.
func (e *Engine) managesAt(n *Node, child mib.NodeID) bool {
	return n.Under != 0 && (n.Under == child || e.state.Nodes[n.Under].Owner == child)
}

// letGo ends the part of a target to which the node does not move any more.
// Where it had the node before this manager knew, what nobody else has polled
// meanwhile counts, and what is still in its log.
func (e *Engine) letGo(n *Node) {
	if t := n.Intent.Target; n.Intent.Why == KindAdopt && e.children[t] != nil {
		e.takeHeld(n.ID)
		e.owes(n, t)
	}
	e.dropHeld(n.ID)
}

// dropIntent ends a move that was not committed. The target may have a row that
// is newer than the owner's, and where there are several levels another manager
// may be the one to find it, if that target falls silent and comes back below
// somebody else. It destroys only what was granted before its own row (Below), so
// the owner's is raised above it here.
func (e *Engine) dropIntent(n *Node) {
	if e.managesAt(n, n.Intent.Target) { // an ILM there, and there only
		n.Under = 0
	}
	e.letGo(n)
	n.Intent = Intent{}
	if e.layered() && n.Owner != 0 {
		e.raiseOwner(n)
	} else {
		e.save(n)
	}
}

// raiseOwner gives the owner's row a new epoch; an open intent stays above it
// (model rule IntentUp).
func (e *Engine) raiseOwner(n *Node) {
	n.Epoch = e.newEpoch(n)
	if n.Intent.Target != 0 && e.keeps(GuardIntentUp) {
		n.Intent.Epoch = e.newEpoch(n)
	}
	e.save(n)
}

// takeAsOwner gives a node to whoever has a newer row of it, without the proof
// that AdoptMove asks for.
func (e *Engine) takeAsOwner(n *Node, id mib.NodeID) {
	if n.Owner != 0 && e.children[n.Owner] != nil {
		e.owes(n, n.Owner)
	}
	n.removePrev(id)
	n.Owner, n.Intent = id, Intent{}
	e.raiseOwner(n)
}

// commit makes the intent's target the owner. fence is its first sample's
// slot: from it on its samples count.
func (e *Engine) commit(n *Node, c *child, fence uint32) {
	from := n.Owner
	if from != 0 && from != c.id && e.children[from] != nil {
		e.owes(n, from)
	}
	n.removePrev(c.id)
	why := n.Intent.Why
	e.state.Meta.Order++
	e.dirtyMeta = true
	n.Owner, n.Epoch, n.Fence, n.Order = c.id, n.Intent.Epoch, fence, e.state.Meta.Order
	if n.Heard.Less(n.Epoch) { // what was said below an earlier owner
		n.Heard = n.Epoch
	}
	n.Intent = Intent{}
	if why == KindRestore && e.sought(n.ID) {
		e.found(n, from)
	}
	delete(e.searches, n.ID)
	e.save(n)
	e.committed[n.ID] = e.now
	if e.layered() {
		e.heardOf[n.ID] = e.now
	}
	e.takeHeld(n.ID)
	e.counters.Moves++
	if why == KindFailover {
		e.counters.Failovers++
	}
	if old := e.children[from]; old != nil {
		old.probeAt = min(old.probeAt, e.now)
	}
}

// owes notes that a child may still have the node's row, and what it has polled by
// it in its log. How far that is to be read is found out anew: it may have been one
// that owes before, and has polled since.
func (e *Engine) owes(n *Node, id mib.NodeID) {
	n.addPrev(id)
	if c := e.children[id]; c != nil {
		delete(c.marks, n.ID)
	}
}

// takeHeld lets the samples that were kept aside fill their slots.
func (e *Engine) takeHeld(id mib.NodeID) {
	l, ok := e.state.Ledgers[id]
	if !ok || len(l.Held) == 0 {
		return
	}
	l = l.clone()
	held := l.Held
	l.Held = nil
	for _, h := range held {
		e.fill(&l, Stored{Node: id, Slot: h.Slot, At: h.At, By: h.By, Payload: h.Payload})
	}
	e.state.Ledgers[id] = l
	e.dirtyLedgers[id] = struct{}{}
}

// settleAll looks at every node that may not be as it should be.
func (e *Engine) settleAll() {
	for _, id := range e.toLook() {
		for range 4 { // a commit makes the old owner's row one to destroy, and so on
			again := e.settle(id)
			if !again {
				break
			}
		}
		if e.settled(id) {
			delete(e.open, id)
			delete(e.openedAt, id)
			delete(e.stagedFrom, id)
			delete(e.committed, id)
		} else {
			e.enrol(id)
		}
	}
}

// settle takes steps for one node at each child; it reports whether it
// changed what is to be.
func (e *Engine) settle(id mib.NodeID) bool {
	present, known := e.state.Nodes[id]
	if !known {
		return false
	}
	if present.leaving() {
		return e.settleLeaving(&present)
	}
	for _, c := range e.related(&present) {
		if !e.readable(c) || c.set != nil {
			continue // nothing is concluded while a SET is under way
		}
		n := present.clone()
		if e.process(&n, c) {
			return true
		}
	}
	return false
}

// settled reports whether nothing is left to do for a node for now. What
// waits for a silent child is looked at again when that child is back.
func (e *Engine) settled(id mib.NodeID) bool {
	n, known := e.state.Nodes[id]
	if !known {
		return true
	}
	if n.Intent.Target != 0 || n.leaving() || e.misplaced(&n) != KindNone {
		return false
	}
	o := e.children[n.Owner]
	if r := o.rows[id]; r == nil || r.Row.Epoch != n.Epoch {
		return false
	}
	if l := e.state.Ledgers[id]; e.overtaken(&n, &l) {
		return false
	}
	return !slices.ContainsFunc(e.related(&n), func(c *child) bool {
		return c.id != n.Owner && !c.silent && (c.rows[id] != nil || n.wasOwner(c.id))
	})
}

// process is one level-triggered step for a node at a child that may be
// concluded from; it reports whether the node's record changed.
func (e *Engine) process(n *Node, c *child) bool {
	r := c.rows[n.ID]
	var ep mib.Epoch
	if r != nil {
		ep = r.Row.Epoch
	}
	switch {
	case c.id == n.Owner:
		return e.processOwner(n, c, r, ep)
	case c.id == n.Intent.Target:
		return e.processTarget(n, c, r, ep)
	case r == nil:
		return e.processGone(n, c)
	case e.foreignGrant(n, ep): // not ours any more
		e.outgrown(n, ep)
		return false
	case n.Epoch.Less(ep) && e.strange(ep, e.state.Meta.High): // a row that nobody here has made
		e.sawEpoch(ep)
		if n.Intent.Target != 0 && (ep.Less(n.Intent.Epoch) || n.Intent.Target == c.id) {
			return false
		}
		if !e.keeps(GuardAdoptMove) {
			e.takeAsOwner(n, c.id)
			return true
		}
		if e.keepsOwnRow(n, c.id) {
			return true
		}
		e.openIntent(n, c.id, KindAdopt)
		n.unban(c.id)
		e.save(n)
		return true
	}
	return e.processLeftOver(n, c, r, ep)
}

// processOwner: the owner's row is to be at the owner's epoch. What is
// missing is staged by control.
func (e *Engine) processOwner(n *Node, c *child, r *seenRow, ep mib.Epoch) bool {
	switch {
	case n.Epoch.Less(ep) && e.foreignGrant(n, ep):
		e.outgrown(n, ep)
		return false
	case n.Epoch.Less(ep): // newer than we know: as found
		e.sawEpoch(ep)
		e.raiseOwner(n)
		return true
	case ep.Less(n.Epoch) && n.Epoch.Term(e.state.Meta.Level) < e.state.Meta.Term && e.keeps(GuardFreshEp):
		e.raiseOwner(n) // rows are made only at epochs of the own term (FreshEp)
		return true
	case ep == n.Epoch && (e.behind(n, r) || e.otherPace(n, r) || e.mayBeVoid(n)):
		e.raiseOwner(n) // so that the row is written again
		return true
	case ep == n.Epoch && e.ofLevelBelow(ep) && e.keeps(GuardOwnLevel), e.lostRow(n, c, r, n.Epoch):
		e.raiseOwner(n)
		return true
	}
	return false
}

// mayBeVoid reports whether ILMs below the owner may have been given the node,
// by this manager and after the backup that its store came from, at a newer
// epoch: when one between died and they were adopted. They obey the owner
// again when its own row is newer still. What its children have it sees.
func (e *Engine) mayBeVoid(n *Node) bool {
	return e.layered() && n.Epoch.Term(e.state.Meta.Level) < e.state.Meta.Restored
}

// otherPace reports whether a row has another interval than it is to have: the
// settings have changed while this manager was down. The wire carries
// milliseconds.
func (e *Engine) otherPace(n *Node, r *seenRow) bool {
	return r.Row.Interval > 0 && r.Row.Interval.Milliseconds() != e.interval(n).Milliseconds()
}

// behind reports whether a row's numbers are those of slots that are filled:
// its manager's clock was set back while it was down, or an earlier owner, by
// whose clock it was later, had more in its log. A sample or two may be on
// their way from it.
func (e *Engine) behind(n *Node, r *seenRow) bool {
	l := e.state.Ledgers[n.ID]
	every := e.interval(n)
	late := int64(l.Last()) - int64(r.Row.Slot) - int64(e.now.Sub(r.at)/every)
	return r.at > 0 && late > 2 && time.Duration(late)*every > 2*time.Second
}

// processTarget: an open intent ends in a commit or an abort.
func (e *Engine) processTarget(n *Node, c *child, r *seenRow, ep mib.Epoch) bool {
	ownerGone := e.gone(n.Owner)
	switch {
	case n.Intent.Epoch.Term(e.state.Meta.Level) < e.state.Meta.Term && e.keeps(GuardFreshEp):
		n.Intent.Epoch = e.newEpoch(n)
		e.save(n)
		return true
	case e.lostRow(n, c, r, n.Intent.Epoch):
		n.Intent.Epoch = e.newEpoch(n)
		e.save(n)
		return true
	case e.foreignGrant(n, ep):
		e.outgrown(n, ep)
		return false
	case n.Intent.Epoch.Less(ep):
		e.sawEpoch(ep)
		n.Intent.Epoch = e.newEpoch(n)
		e.save(n)
		return true
	case ep.Less(n.Intent.Epoch):
		return false // to be staged
	}
	unwanted := (e.closed(c.id) && !e.managesAt(n, c.id) || n.banned(c.id, e.now)) && e.keeps(GuardDropTell)
	fence := r.First
	if fence == 0 {
		fence = r.Row.Slot
	}
	// It may have had the row from a move that was given up: what it polled then
	// was read when nobody counted it.
	fence = max(fence, e.stagedFrom[n.ID])
	switch {
	case unwanted && !ownerGone && n.Intent.Why != KindAdopt:
		e.abort(n, fmt.Sprintf("ILM %d is drained or excluded", c.id))
		return true
	case e.proven(r) || ownerGone && e.keeps(GuardFailFast): // what was read before the row was staged again proves nothing
		e.commit(n, c, fence)
		return true
	case r.Failing:
		o := e.children[n.Owner]
		if !e.readable(o) || o.set != nil {
			return false
		}
		or := o.rows[n.ID]
		switch {
		case or != nil && !or.Failing: // B cannot reach it, A can
			n.ban(c.id, e.now.Add(e.settings.BanFor))
			e.abort(n, fmt.Sprintf("ILM %d cannot reach the node, ILM %d can", c.id, n.Owner))
			return true
		case or != nil && n.Intent.Why == KindRestore && e.sought(n.ID):
			e.inVain(n)
			return true
		case !e.keeps(GuardDeadMove):
		case or == nil || or.at >= e.openedAt[n.ID]: // nobody reaches it (DeadMove)
			e.commit(n, c, fence)
			return true
		}
	}
	return false
}

// processGone: an earlier owner's row is gone, and so is the obligation once
// its log has been read.
func (e *Engine) processGone(n *Node, c *child) bool {
	if !n.wasOwner(c.id) || !e.logReadTo(c, n.ID) {
		return false
	}
	delete(c.marks, n.ID)
	n.removePrev(c.id)
	e.save(n)
	return true
}

// logReadTo reports whether the child's log has been stored up to where it
// stood when this was first asked for the node.
func (e *Engine) logReadTo(c *child, id mib.NodeID) bool {
	mark, ok := c.marks[id]
	if !e.keeps(GuardWatermarkLog) {
		return true
	}
	if !ok {
		if c.report.Log.Incarnation == 0 {
			return false
		}
		mark = c.report.Log
		c.marks[id] = mark
	}
	if mark.Incarnation != c.report.Log.Incarnation {
		return true // that log is no more
	}
	cur := e.readTo(c)
	return cur.Incarnation == mark.Incarnation && cur.Seq >= mark.Seq || mark.Seq == 0
}

// processLeftOver: a row at a child that is neither owner nor target. Whether
// it can be destroyed is decided here; control sends it.
func (e *Engine) processLeftOver(n *Node, c *child, r *seenRow, ep mib.Epoch) bool {
	ownerGone := e.gone(n.Owner)
	if n.Epoch.Less(ep) && e.keeps(GuardBelow) { // destroy only below the owner's epoch (Below)
		if !ownerGone {
			e.raiseOwner(n)
			return true
		}
		return false
	}
	o := e.children[n.Owner]
	if ownerGone || !e.readable(o) || o.set != nil {
		return false
	}
	or := o.rows[n.ID]
	if or == nil || or.Row.Epoch != n.Epoch {
		return false
	}
	// The owner cannot reach the node and this one can: it goes back.
	if !r.Failing && r.Samples > 0 && or.Failing && n.Intent.Target == 0 && !n.Wanted && !e.closed(c.id) && r.at > 0 && or.at > 0 {
		n.ban(n.Owner, e.now.Add(e.settings.BanFor))
		n.unban(c.id)
		e.openIntent(n, c.id, KindRestore)
		e.save(n)
		e.record(Entry{Kind: KindRestore, Node: n.ID, From: n.Owner, To: c.id, Nodes: 1, Seen: "the owner cannot reach it, this one can"})
		return true
	}
	return false
}

// destroyable reports whether a left-over row may go: the owner has sampled
// or this one cannot either (Sampled), its slots have passed the fence
// (Watermark), and its log has been read to there.
func (e *Engine) destroyable(n *Node, c *child, r *seenRow) bool {
	if n.Epoch.Less(r.Row.Epoch) && e.keeps(GuardBelow) {
		return false
	}
	o := e.children[n.Owner]
	if e.gone(n.Owner) || !e.readable(o) || o.set != nil {
		return false
	}
	or := o.rows[n.ID]
	if or == nil || or.Row.Epoch != n.Epoch {
		return false
	}
	if (or.Samples == 0 || or.at == 0) && !r.Failing && e.keeps(GuardSampled) { // what was read before it was staged again proves nothing
		return false
	}
	if c.silentAt > 0 && !e.keeps(GuardCleanup) {
		return false
	}
	if !n.wasOwner(c.id) {
		return true
	}
	return r.at > 0 && e.passed(n, r) && e.logReadTo(c, n.ID)
}

// passed reports whether an earlier owner's row is past the fence: by its
// next slot or, where the numbers differ because a clock was set or the pace
// changed between the two, because nothing that was due before the commit is
// still to be polled.
func (e *Engine) passed(n *Node, r *seenRow) bool {
	since, known := e.committed[n.ID]
	if !known { // by an earlier life, or long ago
		since = e.now
		e.committed[n.ID] = since
	}
	return !e.keeps(GuardWatermarkSlot) || r.Row.Slot >= n.Fence || r.at.Add(r.Row.Due) > since.Add(e.interval(n))
}
