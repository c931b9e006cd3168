package reconfig

import (
	"fmt"
	"slices"
	"time"

	"simone/mib"
)

// child is what an engine knows of one child manager, or of its own list. All
// of it is volatile: a restarted engine claims and reads its children again.
type child struct {
	id   mib.NodeID
	self bool

	report   Report
	reportAt Instant // 0: never
	rows     map[mib.NodeID]*seenRow
	digest   mib.Digest               // of rows
	strays   map[mib.NodeID]mib.Epoch // rows of nodes that nobody knows any more

	seq      uint32      // of the last control SET in this term
	sent     mib.Fence   // of the last control SET
	acked    mib.Fence   // of the last one that was answered
	set      *Control    // outstanding
	settings IlmSettings // as last told, in this life of the engine
	claimed  bool        // its fence is ours and no older SET can arrive
	seen     bool        // its list was read whole in this term
	fresh    bool        // promoted in this life, and not read since
	full     bool        // its list must be read whole before anything is concluded from it
	single   int         // so many rows are to be sent one at a time, to find the one that is refused
	retryAt  Instant     // no control SET before

	probe     ActionID // outstanding
	probeSeq  uint32   // seq when the probe was sent
	calm      bool     // no control SET was outstanding then
	probeAt   Instant  // of the next
	asked     []mib.NodeID
	relayed   Cursor   // how far its log was relayed, in this life
	announced bool     // to the manager above, in this life
	lost      bool     // a manager with a newer grant has taken it
	reading   ActionID // ReadLog outstanding
	readAt    Instant  // no ReadLog before
	readHead  Cursor   // of the log when it was asked for
	missed    int
	silent    bool
	silentAt  Instant

	ackedSeq uint32 // acknowledged in the log's present incarnation
	ackAt    Instant
	marks    map[mib.NodeID]Cursor // where the log must be read to before the node's row may go
}

// seenRow is a child's row as last read, or as a control SET left it.
type seenRow struct {
	RowReport
	at Instant // when it was read; 0: known only from a SET
}

func (c *child) newTerm() {
	c.seq, c.sent, c.acked = 0, mib.Fence{}, mib.Fence{}
	c.set, c.claimed, c.seen, c.full, c.single = nil, false, false, true, 0
	c.probe, c.reading, c.probeAt, c.retryAt = 0, 0, 0, 0
	clear(c.marks)
}

func (e *Engine) addChild(id mib.NodeID) *child {
	if c := e.children[id]; c != nil {
		return c
	}
	c := &child{
		id: id, self: id == e.state.Meta.Self, full: true,
		rows: make(map[mib.NodeID]*seenRow), strays: make(map[mib.NodeID]mib.Epoch), marks: make(map[mib.NodeID]Cursor),
	}
	e.children[id] = c
	i, _ := slices.BinarySearch(e.order, id)
	e.order = slices.Insert(e.order, i, id)
	return c
}

func (e *Engine) removeChild(id mib.NodeID) {
	delete(e.children, id)
	if i, found := slices.BinarySearch(e.order, id); found {
		e.order = slices.Delete(e.order, i, i+1)
	}
	for _, k := range e.ids {
		if n, _ := e.node(k); n.wasOwner(id) {
			*n = n.clone()
			n.removePrev(id)
			e.save(n)
		}
	}
}

// ready reports whether conclusions may be drawn from what is known of the
// child, and whether it can be given rows.
func (e *Engine) ready(c *child) bool {
	return e.readable(c) && c.report.Active && (c.self || e.state.Meta.Level == 0 || e.state.Nodes[c.id].Vouched)
}

// readable is ready without asking that the child is an ILM.
func (e *Engine) readable(c *child) bool {
	return c != nil && !c.silent && !c.lost && c.claimed && c.seen && !c.full
}

// allSeen reports whether every child that answers has been read in this
// term; before that nothing new is decided (model rule ReadAll). A node that
// this life promotes has nothing to tell, and may not answer at all.
func (e *Engine) allSeen() bool {
	for _, c := range e.children {
		if !c.silent && !c.seen && !c.fresh && !c.lost {
			return false
		}
	}
	return true
}

// gone reports whether an owner is silent, or not a manager of ours at all.
func (e *Engine) gone(id mib.NodeID) bool {
	c := e.children[id]
	return c == nil || c.silent
}

// claimAll raises the fence of children that are not claimed.
func (e *Engine) claimAll() {
	for _, id := range e.order {
		c := e.children[id]
		if !c.claimed && c.set == nil && c.reportAt > 0 && !c.silent && !c.lost && e.now >= c.retryAt {
			e.send(c, ControlSet{Verb: Claim})
		}
	}
}

// send sends a control SET under the next fence.
func (e *Engine) send(c *child, set ControlSet) {
	c.seq++
	set.Fence = mib.Fence{Parent: e.state.Meta.Self, Own: e.state.Nodes[c.id].Epoch, Term: e.state.Meta.Term, Seq: c.seq}
	c.sent = set.Fence
	ctl := Control{ID: e.action(), Child: c.id, ControlSet: set}
	c.set = &ctl
	if set.Verb == Claim {
		e.counters.Claims++
	}
	e.do(ctl)
}

// probeAll sends the probes that are due.
func (e *Engine) probeAll() {
	for _, id := range e.order {
		c := e.children[id]
		if c.probe != 0 || e.now < c.probeAt || c.lost { // a lost one is to miss a parent, and look for one
			continue
		}
		c.probe, c.probeSeq, c.calm = e.action(), c.seq, c.set == nil
		c.probeAt = e.now.Add(e.settings.Probe)
		p := Probe{ID: c.probe, Child: id, Full: c.full && c.claimed}
		if !p.Full && e.readable(c) {
			p.Rows = e.watched(c)
		}
		c.asked = p.Rows
		e.do(p)
	}
}

// maxWatched bounds the rows that one probe asks for.
const maxWatched = 256

// watched is the rows of a child on which something waits.
func (e *Engine) watched(c *child) []mib.NodeID {
	var ids []mib.NodeID
	for id := range e.open {
		n := e.state.Nodes[id]
		if c.rows[id] != nil || n.Owner == c.id || n.Intent.Target == c.id {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	if len(ids) > maxWatched { // the others' turn comes by chance
		e.chance.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		ids = ids[:maxWatched]
		slices.Sort(ids)
	}
	return ids
}

// reported takes a child's report.
func (e *Engine) reported(ev ChildReported) {
	c := e.children[ev.Child]
	if c == nil || c.probe == 0 || c.probe != ev.Action {
		return
	}
	c.probe, c.missed = 0, 0
	r := ev.Report
	if c.silent {
		c.silent, c.full = false, true
		e.record(Entry{Kind: KindBack, Node: c.id, Seen: fmt.Sprintf("answers again after %v", e.now.Sub(c.silentAt).Round(time.Millisecond))})
	}
	if e.foreign(c, r.Fence) {
		e.counters.StaleFences++
		e.outrank(c, r.Fence)
		return
	}
	// Whatever was read while a control SET was under way may be older than
	// the SET; the fence tells.
	current := c.claimed && c.set == nil && r.Fence == c.acked
	if c.claimed && c.set == nil && c.calm && c.seq == c.probeSeq && r.Fence.Compare(c.acked) < 0 { // it lost what it had kept
		c.claimed, c.full = false, true
	}
	if r.Log.Incarnation != c.report.Log.Incarnation { // it restarted, perhaps by another clock
		c.ackedSeq, c.full, c.probeAt = 0, true, e.now
	}
	if r.Active && !c.report.Active { // what this manager keeps itself may go there
		for id := range e.owned[e.state.Meta.Self] {
			e.touch(id)
		}
	}
	rows := r.Rows
	r.Rows = nil
	c.report, c.reportAt = r, e.now
	if !current {
		if c.full {
			c.probeAt = e.now
		}
		return
	}
	if r.Full {
		e.readWhole(c, rows)
	} else {
		e.readRows(c, rows)
	}
	if c.digest != r.Digest { // changed by others, or lost
		c.full = true
		if !r.Full { // else at the usual pace: somebody keeps changing it
			c.probeAt = e.now
		}
	}
}

// foreign reports whether a fence is one that this life of the manager did
// not write and that its own would not outrank.
func (e *Engine) foreign(c *child, f mib.Fence) bool {
	limit := c.sent
	if c.seq == 0 {
		limit = mib.Fence{Own: e.state.Nodes[c.id].Epoch, Term: e.state.Meta.Term}
	}
	d := f.Compare(limit)
	return d > 0 || d == 0 && c.seq > 0 && f.Parent != e.state.Meta.Self
}

// maxOutranks is how many terms may be spent at once on outranking others;
// after that one each trigger, so that two managers which fight over the same
// nodes do not use up their terms in minutes.
const maxOutranks = 8

// outrank raises the term (and the epoch of the child's own row) above a
// foreign fence; the children are then claimed again.
func (e *Engine) outrank(c *child, f mib.Fence) {
	level := e.state.Meta.Level
	if own := e.state.Nodes[c.id]; e.foreignGrant(&own, f.Own) { // it is somebody else's by now
		if !c.lost {
			c.lost, c.claimed, c.set = true, false, nil
			e.alert("node %d obeys a newer manager (%v): it is not this one's any more", c.id, f)
		}
		return
	}
	c.lost = false
	term := max(e.state.Meta.Term, f.Term)
	if own := e.state.Nodes[c.id]; slices.Compare(f.Own[:level], own.Grant[:level]) == 0 {
		term = max(term, f.Own.Term(level))
	}
	if term >= maxTerm {
		c.claimed, c.retryAt = false, e.now.Add(e.settings.Trigger)
		e.alert("node %d obeys a fence that cannot be outranked (%v): stop whoever wrote it, remove that node's state directory and restart it", c.id, f)
		return
	}
	if e.rankAt.Sub(e.now) > maxOutranks*e.settings.Trigger {
		c.claimed, c.full = false, true
		return
	}
	if e.rankAt = max(e.rankAt, e.now).Add(e.settings.Trigger); e.rankAt.Sub(e.now) > maxOutranks*e.settings.Trigger {
		e.alert("node %d obeys another manager (%v): two managers claim the same nodes; stop one of them", c.id, f)
	}
	e.raiseTerm(term + 1)
	if n, ok := e.node(c.id); ok && !f.Own.Less(n.Epoch) {
		e.sawEpoch(f.Own)
		e.raiseOwner(n)
	}
}

// readWhole takes a child's whole list for what it has.
func (e *Engine) readWhole(c *child, rows []RowReport) {
	old := c.rows
	c.rows = make(map[mib.NodeID]*seenRow, len(rows))
	c.digest = mib.Digest{}
	clear(c.strays)
	for i := range rows {
		r := &rows[i]
		c.rows[r.Row.Node] = &seenRow{*r, e.now}
		c.digest.Add(r.Row.Node, r.Row.Epoch)
		e.touch(r.Row.Node)
	}
	for id := range old {
		e.touch(id)
	}
	for id := range e.owned[c.id] {
		e.touch(id)
	}
	for id := range c.marks {
		e.touch(id)
	}
	for _, id := range e.ids {
		if n := e.state.Nodes[id]; n.Intent.Target == c.id || n.wasOwner(c.id) {
			e.touch(id)
		}
	}
	c.full = false
	for _, id := range sortedKeys(c.rows) {
		e.takeOver(c, c.rows[id])
	}
	e.gather(c)
}

// readRows takes the rows that a probe asked for; what was asked for and did
// not come is not there.
func (e *Engine) readRows(c *child, rows []RowReport) {
	for _, id := range c.asked {
		e.touch(id)
		i := slices.IndexFunc(rows, func(r RowReport) bool { return r.Row.Node == id })
		if i < 0 {
			c.drop(id)
			continue
		}
		r := &seenRow{rows[i], e.now}
		if old := c.rows[id]; old != nil {
			c.digest.Remove(id, old.Row.Epoch)
			if r.Row.Interval == 0 {
				r.Row.Interval = old.Row.Interval
			}
		}
		c.rows[id] = r
		c.digest.Add(id, r.Row.Epoch)
		e.takeOver(c, r)
	}
}

func (c *child) drop(id mib.NodeID) {
	if old := c.rows[id]; old != nil {
		c.digest.Remove(id, old.Row.Epoch)
		delete(c.rows, id)
	}
}

// takeOver takes an owner's schedule as the node's, so that clocks which
// drift apart do not tear a schedule when the node moves, and its word on
// whether the node answers, which an earlier life may have read in the log.
func (e *Engine) takeOver(c *child, r *seenRow) {
	n, ok := e.state.Nodes[r.Row.Node]
	if !ok || n.Owner != c.id {
		return
	}
	if r.Failing {
		e.failing[n.ID] = true
	}
	// By the interval that is to be: the numbers go on when the pace changes.
	n.Zero = e.now.Add(r.Row.Due - time.Duration(r.Row.Slot)*e.interval(&n))
	e.state.Nodes[n.ID] = n // not worth a write of its own
}

// gather learns, at the first whole reading in a term, what happened while
// this manager was away: epochs seen, owners' rows that are newer than the
// store knows, and rows of moves that the store does not know.
func (e *Engine) gather(c *child) {
	if c.seen { // but rows of nodes that nobody knows can come at any time
		for _, id := range sortedKeys(c.rows) {
			if _, known := e.state.Nodes[id]; !known {
				e.learn(c, id, e.state.Meta.High)
			}
		}
		return
	}
	level := e.state.Meta.Level
	for _, id := range sortedKeys(c.rows) {
		r := c.rows[id]
		if n := e.state.Nodes[id]; slices.Compare(r.Row.Epoch[:level], n.Grant[:level]) != 0 {
			continue // of another grant: its counts are not to be compared with ours
		}
		if t := r.Row.Epoch.Term(level); t > e.state.Meta.Term && t < maxTerm {
			e.sawEpoch(r.Row.Epoch)
			e.raiseTerm(t + 1)
			return
		}
	}
	high := e.state.Meta.High
	for _, id := range sortedKeys(c.rows) {
		e.learn(c, id, high)
	}
	for id, r := range c.rows {
		if n := e.state.Nodes[id]; slices.Compare(r.Row.Epoch[:level], n.Grant[:level]) == 0 {
			e.sawEpoch(r.Row.Epoch)
		}
	}
	c.seen, c.fresh = true, false
}

// learn looks at one row that was found at a child.
func (e *Engine) learn(c *child, id mib.NodeID, high mib.Epoch) {
	r := c.rows[id]
	ep := r.Row.Epoch
	n, known := e.node(id)
	switch {
	case !known && (e.state.Meta.Level > 0 || ep[0] <= high[0] && id < e.state.Meta.NextID):
		// A node that was forgotten, wherever below the row has got to.
		c.strays[id] = ep
	case !known: // joined after the backup that this store came from
		e.sawEpoch(ep)
		kind := r.Row.Kind
		if kind == mib.KindILM {
			kind = mib.KindLeaf
		}
		*n = Node{
			ID: id, Key: r.Row.Name, Name: r.Row.Name, Address: r.Row.Address, Kind: kind, Profile: r.Row.Profile,
			Credential: r.Row.Credential, Interval: r.Row.Interval, Owner: c.id, Epoch: ep, Fence: r.Row.Slot,
			Zero: e.now.Add(r.Row.Due - time.Duration(r.Row.Slot)*r.Row.Interval),
		}
		e.state.Meta.NextID = max(e.state.Meta.NextID, id+1)
		e.save(n)
		e.raiseOwner(n)
		e.record(Entry{Kind: KindAdopt, Node: id, To: c.id, Seen: fmt.Sprintf("row at epoch %v of a node that the store does not know", ep)})
	case e.foreignGrant(n, ep):
	case n.Owner == c.id && n.Epoch.Less(ep):
		e.sawEpoch(ep)
		e.raiseOwner(n)
	case n.Owner != c.id && n.Epoch.Less(ep) && e.strange(ep, high) && (n.Intent.Target == 0 || n.Intent.Epoch.Less(ep)):
		// Perhaps a move that was under way, perhaps one that was done: an
		// open intent proves itself before it takes the node over.
		e.sawEpoch(ep)
		e.openIntent(n, c.id, KindAdopt)
		n.unban(c.id)
		e.save(n)
		e.record(Entry{Kind: KindAdopt, Node: id, From: n.Owner, To: c.id, Seen: fmt.Sprintf("row at epoch %v, newer than the store knows", ep)})
	}
}

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
	e.record(Entry{Kind: KindLost, Node: c.id, Nodes: len(nodes), Seen: fmt.Sprintf("%d probes unanswered", c.missed)})
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
		if o.self || !o.report.Active {
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
	all, quiet, waning := e.hush()
	both := quiet + waning
	return e.now < e.holdUntil || waning > 0 && quiet > 0 && both >= 2 && 2*both >= all
}

// done takes the success of a control SET.
func (e *Engine) done(id ActionID) {
	c := e.byAction(id)
	if c == nil {
		return
	}
	set := c.set
	c.set, c.acked = nil, set.Fence
	switch set.Verb {
	case Claim:
		c.claimed, c.full, c.probeAt = true, true, e.now
		if c.probe != 0 { // begun under the old fence
			c.probe = 0
		}
	case Stage:
		for _, row := range set.Apply.Stage {
			old := c.rows[row.Node]
			r := &seenRow{}
			if old != nil {
				*r = *old
				c.digest.Remove(row.Node, old.Row.Epoch)
				slot, due := r.Row.Slot, r.Row.Due
				r.Row, r.at = row, 0
				r.Row.Slot, r.Row.Due = slot, due
			} else {
				r.Row = row
			}
			c.rows[row.Node] = r
			c.digest.Add(row.Node, row.Epoch)
			delete(c.marks, row.Node)
			e.touch(row.Node)
		}
		c.single = max(c.single-1, 0)
	case Release:
		for _, t := range set.Apply.Destroy {
			if r := c.rows[t.Node]; r != nil && !t.Epoch.Less(r.Row.Epoch) {
				c.drop(t.Node)
			}
			delete(c.strays, t.Node)
			e.touch(t.Node)
		}
	case Promote:
		c.settings = set.Settings
		if !c.report.Active {
			c.full, c.probeAt = true, e.now
			e.record(Entry{Kind: KindPromote, Node: c.id})
		}
	case Demote:
		e.demoted(c)
	case Acknowledge:
		if set.Cursor.Incarnation == c.report.Log.Incarnation {
			c.ackedSeq = max(c.ackedSeq, set.Cursor.Seq)
		}
	}
}

// failed takes the failure of an action.
func (e *Engine) failed(ev ActionFailed) {
	if ev.Action == 0 {
		return
	}
	for _, c := range e.children {
		switch ev.Action {
		case c.probe:
			c.probe = 0
			c.missed++
			if c.missed >= e.settings.Misses && !c.self {
				e.silence(c)
			}
			return
		case c.reading:
			c.reading = 0
			return
		}
	}
	c := e.byAction(ev.Action)
	if c == nil {
		return
	}
	set := c.set
	c.set = nil
	c.retryAt = e.now.Add(e.settings.Probe / 2)
	// Whatever it was: look again before anything more is concluded.
	c.full, c.probeAt = true, min(c.probeAt, e.now)
	switch ev.Why {
	case TimedOut:
		// The SET may still arrive. Raising the fence makes sure that it
		// cannot, before the list is read.
		c.claimed = false
		c.retryAt = e.now
	case FenceStale:
		e.counters.StaleFences++
		c.claimed = false
	case EpochStale, NotHeld, Malformed:
		e.refused(c, set, ev)
	}
}

// refused deals with rows, or a role, that a child does not accept.
func (e *Engine) refused(c *child, set *Control, ev ActionFailed) {
	rows := set.Apply.Stage
	if set.Verb != Stage || len(rows) == 0 {
		c.retryAt = e.now.Add(e.settings.Trigger)
		e.alert("node %d refused to %v: %s", c.id, set.Verb, ev.Text)
		return
	}
	if len(rows) > 1 {
		c.single = len(rows)
		return
	}
	n, ok := e.node(rows[0].Node)
	if !ok {
		return
	}
	*n = n.clone()
	if ev.Why == EpochStale { // a tombstone at or above our epoch: go above it
		switch c.id {
		case n.Owner:
			e.raiseOwner(n)
		case n.Intent.Target:
			n.Intent.Epoch = e.newEpoch(n)
			e.save(n)
		}
		return
	}
	n.ban(c.id, e.now.Add(e.settings.BanFor))
	e.quietUntil[n.ID] = e.now.Add(e.settings.Trigger)
	e.alert("ILM %d refused node %d (%s): %s", c.id, n.ID, n.Name, ev.Text)
	if n.Intent.Target == c.id {
		e.abort(n, ev.Text)
	}
	e.save(n)
}

func (e *Engine) byAction(id ActionID) *child {
	for _, c := range e.children {
		if c.set != nil && c.set.ID == id {
			return c
		}
	}
	return nil
}
