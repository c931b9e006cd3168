package reconfig

import (
	"cmp"
	"container/heap"
	"slices"

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
	digest   mib.Digest           // of rows
	strays   map[mib.NodeID]stray // rows of nodes that nobody knows any more

	seq      uint32                   // of the last control SET in this term
	sent     mib.Fence                // of the last control SET
	acked    mib.Fence                // of the last one that was answered
	set      *Control                 // outstanding
	settings IlmSettings              // as last told, in this life of the engine
	given    map[mib.NodeID]mib.Epoch // at which epochs rows were staged in this term
	claimed  bool                     // its fence is ours and no older SET can arrive
	seen     bool                     // its list was read whole in this term
	fresh    bool                     // promoted in this life, and not read since
	full     bool                     // its list must be read whole before anything is concluded from it
	single   int                      // so many rows are to be sent one at a time, to find the one that is refused
	retryAt  Instant                  // no control SET before

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
	leftAt    Instant // when it said that it stops; 0: it did not, or is back
	astray    Instant // since when its subtree does not poll what it was given; 0: it does
	strayed   bool    // people have been told
	lastHead  Cursor  // of its log, at the report before the last

	// For the agenda.
	stirred bool                    // to be looked at in this step
	stood   standing                // when it was last looked at
	open    map[mib.NodeID]struct{} // of Engine.open, those that have to do with it, and some more
	wake    Instant                 // to be looked at then
	wakeAt  int                     // its place in the queue of wakes

	portion portion

	ackedSeq uint32 // acknowledged in the log's present incarnation
	ackAt    Instant
	marks    map[mib.NodeID]Cursor // where the log must be read to before the node's row may go
}

// seenRow is a child's row as last read, or as a control SET left it.
type seenRow struct {
	RowReport
	at Instant // when it was read; 0: known only from a SET
}

// stray is a row of a node that this manager does not know.
type stray struct {
	epoch mib.Epoch
	since Instant
}

func (c *child) newTerm() {
	c.seq, c.sent, c.acked = 0, mib.Fence{}, mib.Fence{}
	c.set, c.claimed, c.seen, c.full, c.single = nil, false, false, true, 0
	c.probe, c.reading, c.probeAt, c.retryAt = 0, 0, 0, 0
	c.settings = IlmSettings{} // who wrote its fence may have written these
	clear(c.marks)
	clear(c.given)
}

func (e *Engine) addChild(id mib.NodeID) *child {
	if c := e.children[id]; c != nil {
		return c
	}
	c := &child{
		id: id, self: id == e.state.Meta.Self, full: true,
		rows: make(map[mib.NodeID]*seenRow), open: make(map[mib.NodeID]struct{}), strays: make(map[mib.NodeID]stray), given: make(map[mib.NodeID]mib.Epoch), marks: make(map[mib.NodeID]Cursor),
	}
	e.children[id] = c
	i, _ := e.placeInLine(id)
	e.line = slices.Insert(e.line, i, c)
	heap.Push(&e.agenda.wakes, c)
	e.agenda.all = true
	return c
}

func (e *Engine) removeChild(id mib.NodeID) {
	c := e.children[id]
	if c == nil {
		return
	}
	e.dropRows(c)
	heap.Remove(&e.agenda.wakes, c.wakeAt)
	e.agenda.all = true
	delete(e.children, id)
	if i, found := e.placeInLine(id); found {
		e.line = slices.Delete(e.line, i, i+1)
	}
	for _, k := range sortedKeys(e.tied[id]) {
		if n, _ := e.node(k); n.wasOwner(id) {
			*n = n.clone()
			n.removePrev(id)
			e.save(n)
		}
	}
}

// placeInLine is where a child is among all of them, or would be.
func (e *Engine) placeInLine(id mib.NodeID) (int, bool) {
	return slices.BinarySearchFunc(e.line, id, func(c *child, id mib.NodeID) int { return cmp.Compare(c.id, id) })
}

// ready reports whether conclusions may be drawn from what is known of the
// child, and whether it can be given rows.
func (e *Engine) ready(c *child) bool {
	return e.readable(c) && c.report.Active && (c.self || e.state.Meta.Level == 0 || e.state.Nodes[c.id].Vouched || !e.keeps(GuardVouching))
}

// readable is ready without asking that the child is an ILM.
func (e *Engine) readable(c *child) bool {
	return c != nil && !c.silent && !c.lost && c.claimed && c.seen && !c.full
}

// allSeen reports whether every child that answers has been read in this
// term; before that nothing new is decided (model rule ReadAll). A node that
// this life promotes has nothing to tell, and may not answer at all.
func (e *Engine) allSeen() bool {
	if !e.keeps(GuardReadAll) {
		return true
	}
	if e.scouting() {
		return false
	}
	unseen := func(c *child) bool { return !c.silent && !c.seen && !c.fresh && !c.lost }
	if e.read && !e.agenda.all && !slices.ContainsFunc(e.agenda.children, unseen) {
		return true
	}
	e.read = !slices.ContainsFunc(e.line, unseen)
	return e.read
}

// gone reports whether an owner is silent, or not a manager of ours at all.
func (e *Engine) gone(id mib.NodeID) bool {
	c := e.children[id]
	return c == nil || c.silent
}
