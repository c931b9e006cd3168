package faults

import (
	"fmt"
	"slices"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// checks is what a world remembers to judge by. Every check at a step looks at
// what has changed only. The names in brackets are those of the violations in
// the explicit-state model that the protocol was designed with.
type checks struct {
	broken  []string
	readBy  map[watch]uint64    // the newest life of a manager that has read a child's list
	truth   map[watch]ownership // by the newest commit of all, restored stores or not
	holders [][]*machine        // by node: the live machines whose lists have it
	fresh   []reconfig.Instant  // by node: when a sample of it was stored last
	seen    slots               // samples that the top has been told, and stored the cursor of
	reading reading
	failing map[rowAt]reconfig.Instant // when a manager was last told that a row does not reach its node
	rival   bool                       // a second manager has been at work: it may destroy and trim
	moves   int                        // planned ones that were committed
	taken   int                        // nodes that the present step begins to take from silent owners
	left    int                        // nodes that it has had itself and commits elsewhere
	lost    bool                       // it calls somebody silent
	heirs   map[watch]mib.NodeID       // who has a node right below an ILM that is lost in the calm
}

// watch is a node as a manager has it.
type watch struct{ manager, node mib.NodeID }

// rowAt is a node's row at a child, as a manager sees it.
type rowAt struct{ manager, child, node mib.NodeID }

type ownership struct {
	owner mib.NodeID
	epoch mib.Epoch
}

// reading is what the top has just been told of a log, until it is stored.
type reading struct {
	by      *manager
	child   mib.NodeID
	from    reconfig.Cursor
	to      uint64 // incarnation
	records []mib.Record
	before  []reconfig.Node // of each record's node, as the store had it
}

// suspicion is when a manager has reason to suspect that it is itself cut off.
type suspicion struct {
	lostAt map[mib.NodeID]reconfig.Instant
	leftAt map[mib.NodeID]reconfig.Instant // who has said that it stops tells nothing of the network
	until  reconfig.Instant
}

func newChecks() checks {
	return checks{readBy: make(map[watch]uint64), truth: make(map[watch]ownership), failing: make(map[rowAt]reconfig.Instant), seen: make(slots)}
}

// reach makes room for one more machine.
func (w *World) reach() {
	w.checks.holders = append(w.checks.holders, nil)
	w.checks.fresh = append(w.checks.fresh, 0)
}

func (k *checks) holds(m *machine, node mib.NodeID) {
	if int(node) < len(k.holders) {
		k.holders[node] = append(k.holders[node], m)
	}
}

func (k *checks) drops(m *machine, node mib.NodeID) {
	if int(node) < len(k.holders) {
		k.holders[node] = slices.DeleteFunc(k.holders[node], func(o *machine) bool { return o == m })
	}
}

// forgetChild: what a child that has lost its disk was read as counts no more.
func (k *checks) forgetChild(child mib.NodeID) {
	for w := range k.readBy {
		if w.node == child {
			delete(k.readBy, w)
		}
	}
}

// forgetManager: a manager that has lost its store begins anew.
func (k *checks) forgetManager(self mib.NodeID) {
	for w := range k.truth {
		if w.manager == self {
			delete(k.truth, w)
		}
	}
}

// fail notes a broken invariant.
func (w *World) fail(format string, args ...any) {
	s := fmt.Sprintf("at %v: ", w.Elapsed()) + fmt.Sprintf(format, args...)
	w.trace("VIOLATION %s", s)
	w.checks.broken = append(w.checks.broken, s)
}

// beforeStep looks at an event that an engine is about to be told.
func (w *World) beforeStep(m *manager, ev reconfig.Event) {
	k := &w.checks
	k.taken, k.left, k.lost = 0, 0, false
	switch ev := ev.(type) {
	case reconfig.ChildReported:
		if ev.Report.Full && !m.rival {
			at := watch{m.self, ev.Child}
			k.readBy[at] = max(k.readBy[at], m.life)
		}
		for i := range ev.Report.Rows {
			if r := &ev.Report.Rows[i]; r.Failing {
				k.failing[rowAt{m.self, ev.Child, r.Row.Node}] = w.now
			}
		}
	case reconfig.ChildSilent:
		if !slices.ContainsFunc(m.engine.Children(), func(c reconfig.ChildStatus) bool { return c.ID == ev.Child }) {
			return // it may become a child later, with what it said then forgotten
		}
		if m.suspect.leftAt == nil {
			m.suspect.leftAt = make(map[mib.NodeID]reconfig.Instant)
		}
		m.suspect.leftAt[ev.Child] = m.at(w).Now
	case reconfig.NodeJoined:
		delete(m.suspect.leftAt, ev.Node.ID)
	case reconfig.LogRead:
		if m != w.top {
			return
		}
		r := &k.reading
		r.by, r.child, r.from, r.to, r.records, r.before = m, ev.Child, m.store.Cursors[ev.Child], ev.Incarnation, ev.Records, r.before[:0]
		for i := range ev.Records {
			r.before = append(r.before, m.store.Nodes[ev.Records[i].Node])
		}
	}
}

// afterStep looks at what an engine has come to.
func (w *World) afterStep(m *manager) {
	k := &w.checks
	k.reading.by = nil
	now := m.at(w).Now
	if k.lost {
		m.suspects(now)
	}
	if k.taken > 0 && now < m.suspect.until && !m.rival {
		w.fail("manager %d takes %d nodes away although it has reason to suspect that it is itself cut off", m.self, k.taken)
	}
	if round := m.engine.LastRound(); round.At != m.round {
		m.round = round.At
		w.checkBudget(m, &round)
		w.measured(m)
	}
}

// farewell is for how long a goodbye is believed (docs/protocol.md).
const farewell = 10 * time.Second

// suspects judges from outside whether so many children are silent at once
// that a manager is to wait.
func (m *manager) suspects(now reconfig.Instant) {
	window := time.Duration(m.settings.Misses) * m.settings.Probe
	all, quiet := 0, 0
	for _, c := range m.engine.Children() {
		if left, said := m.suspect.leftAt[c.ID]; !c.Report.Active || said && now.Sub(left) < farewell {
			continue
		}
		all++
		if c.Silent && now.Sub(m.suspect.lostAt[c.ID]) <= window {
			quiet++
		}
	}
	if quiet >= 2 && 2*quiet >= all && m.suspect.until < now {
		m.suspect.until = now.Add(2 * window)
	}
}

// recorded takes an entry of a manager's event table.
func (w *World) recorded(m *manager, e *reconfig.Entry) {
	if w.tracing() {
		w.trace("manager %d records %v node %d from %d to %d (%d) %s %s", m.self, e.Kind, e.Node, e.From, e.To, e.Nodes, e.Seen, e.Outcome)
	}
	if e.Kind == reconfig.KindLost {
		if m.suspect.lostAt == nil {
			m.suspect.lostAt = make(map[mib.NodeID]reconfig.Instant)
		}
		m.suspect.lostAt[e.Node] = e.At
		w.checks.lost = true
	}
}

// checkBudget: what one round plans stays within the churn budget, the larger
// of the churn and one list (I5).
func (w *World) checkBudget(m *manager, round *reconfig.Round) {
	moves := 0
	for i := range round.Done {
		moves += len(round.Done[i].Nodes)
	}
	if moves == 0 {
		return
	}
	longest, own := 1, w.checks.left // a step commits after its round
	for _, c := range round.Children {
		longest = max(longest, c.Nodes)
	}
	for id := range m.store.Nodes {
		if m.store.Nodes[id].Owner == m.self {
			own++
		}
	}
	if budget := max(int(m.settings.Churn*float64(m.engine.Len()))+1, longest, own); moves > budget {
		w.fail("I5: a round of manager %d moves %d nodes, its budget is %d", m.self, moves, budget)
	}
}

// checkTxn looks at a transaction before it is done.
func (w *World) checkTxn(m *manager, t *reconfig.Txn) {
	if m.rival {
		return
	}
	k := &w.checks
	if m.self == w.top.self && m != w.top { // (vOldStore)
		w.fail("life %d writes the store, life %d leads", m.life, w.top.life)
	}
	for i := range t.Nodes {
		n := &t.Nodes[i]
		old := m.store.Nodes[n.ID]
		if n.Intent.Why == reconfig.KindFailover && n.Intent.Target != 0 && n.Intent.Target != old.Intent.Target && !n.Wanted { // an ILM is its manager's own to look after
			k.taken++
			if heir, has := k.heirs[watch{m.self, n.ID}]; has && n.Intent.Target != heir {
				w.fail("node %d: manager %d gives it to %d, but ILM %d has it, which was below the one that is lost", n.ID, m.self, n.Intent.Target, heir)
			}
		}
		if old.Owner != 0 && n.Owner != old.Owner && old.Intent.Why != reconfig.KindFailover && old.Intent.Why != reconfig.KindAdopt {
			k.moves++
		}
		if old.Owner == m.self && n.Owner != m.self {
			k.left++
		}
		if n.Owner == old.Owner && n.Epoch == old.Epoch || n.Kind < 0 {
			continue
		}
		if n.Owner != old.Owner && n.Owner != m.self && old.Owner != 0 && m.store.Nodes[n.Owner].Drained && old.Intent.Target == n.Owner &&
			old.Intent.Why != reconfig.KindFailover && old.Intent.Why != reconfig.KindAdopt && m.answers(old.Owner) &&
			!n.Manager && n.Under == 0 && !n.Wanted { // an ILM below it is a leaf again first, and goes then; one that is adopted from there goes to the manager itself
			w.fail("node %d: manager %d moves it from %d to %d, which is drained", n.ID, m.self, old.Owner, n.Owner)
		}
		// Ownership never goes back to an older epoch (vVoidEpoch).
		at := watch{m.self, n.ID}
		if top := k.truth[at]; n.Epoch.Less(top.epoch) || n.Epoch == top.epoch && n.Owner != top.owner {
			w.fail("node %d: manager %d gives it to %d at epoch %v, but %d had it at %v", n.ID, m.self, n.Owner, n.Epoch, top.owner, top.epoch)
		}
		k.truth[at] = ownership{n.Owner, n.Epoch}
	}
	for _, id := range t.Forget {
		if n := m.store.Nodes[id]; n.Kind >= 0 && !slices.ContainsFunc(t.Nodes, func(n reconfig.Node) bool { return n.ID == id && n.Kind < 0 }) && m.level == 0 && !w.machines[id].gone {
			w.fail("I1: manager %d forgets node %d, which has not left", m.self, id)
		}
	}
	for i := range t.Samples {
		x := &t.Samples[i]
		if m.store.stored.has(x.Node, x.Slot) || i > 0 && t.Samples[i-1].Node == x.Node && t.Samples[i-1].Slot == x.Slot {
			w.fail("I2: node %d slot %d is stored twice, now by %d", x.Node, x.Slot, x.By)
		}
		if n := m.store.Nodes[x.Node]; !counts(&n, x.By) && w.scenario.Levels == 1 && w.scenario.MostLevels == 0 { // with levels below an ILM may have polled for one between (stands)
			j := slices.IndexFunc(t.Nodes, func(n reconfig.Node) bool { return n.ID == x.Node })
			if j < 0 || !counts(&t.Nodes[j], x.By) {
				w.fail("I2: node %d slot %d is stored, by %d, which is not its owner and was not", x.Node, x.Slot, x.By)
			}
		}
		k.fresh[x.Node] = w.now
		w.Samples++
	}
}

// answers reports whether the manager thinks that a child lives.
func (m *manager) answers(child mib.NodeID) bool {
	for _, c := range m.engine.Children() {
		if c.ID == child {
			return !c.Silent
		}
	}
	return child == m.self
}

// counts reports whether samples of a manager fill slots of a node: the owner's,
// an earlier owner's, and those of one that was found to have it when that comes
// to nothing.
func counts(n *reconfig.Node, by mib.NodeID) bool {
	return n.Owner == by || slices.Contains(n.Prev, by) || n.Intent.Target == by && n.Intent.Why == reconfig.KindAdopt
}

// checkStored: with the cursor, what was read to there is stored. A sample of
// an owner, or of one that still owes its row, fills its slot; a target's is
// kept aside.
func (w *World) checkStored(m *manager, t *reconfig.Txn) {
	read := &w.checks.reading
	if read.by != m || len(t.Cursors) == 0 {
		return
	}
	read.by = nil
	cur := m.store.Cursors[read.child]
	for i := range read.records {
		r := &read.records[i]
		if r.Kind != mib.RecordSample || read.from.Incarnation == read.to && r.Seq <= read.from.Seq || cur.Incarnation != read.to || cur.Seq < r.Seq {
			continue
		}
		w.checks.seen.put(r.Node, r.Slot)
		n := &read.before[i]
		now, known := m.store.Nodes[r.Node]
		if !known || n.Kind < 0 || now.Kind < 0 {
			continue
		}
		l := m.store.Ledgers[r.Node]
		switch {
		case n.Owner == read.child || slices.Contains(n.Prev, read.child):
			if !l.Filled(r.Slot) {
				w.fail("I6: node %d slot %d: the sample of %d was read and dropped", r.Node, r.Slot, read.child)
			}
		case n.Intent.Target == read.child && now.Intent == n.Intent:
			if !l.Filled(r.Slot) && !slices.ContainsFunc(l.Held, func(h reconfig.HeldSample) bool { return h.Slot == r.Slot }) {
				w.fail("node %d slot %d: the sample of %d, to which it moves, was not kept", r.Node, r.Slot, read.child)
			}
		}
	}
}

// checkSet looks at a control SET that a machine is about to obey.
func (w *World) checkSet(c *call, m *machine, a *reconfig.Control) {
	k := &w.checks
	by := c.by
	if by.rival || k.rival || m.clone || w.clones > 0 {
		return
	}
	// Nothing that was sent in an older life comes after a newer one has read
	// the list (vOldSet).
	if last := k.readBy[watch{by.self, m.id}]; c.life < last {
		w.fail("%v of life %d of manager %d arrives at %d, whose list life %d has read", a.Verb, c.life, by.self, m.id, last)
	}
	if c.life != by.life || by.deposed {
		return
	}
	for _, t := range a.Apply.Destroy {
		n, known := by.store.Nodes[t.Node]
		r, have := m.list.Row(m.now(w), t.Node)
		if !known || !have || n.Kind < 0 || t.Epoch.Less(r.Row.Epoch) {
			continue
		}
		// The owner's row goes only by a commit elsewhere (vDestroyOwner). Who
		// owns it is what was committed last of all, whatever a store that was
		// restored says.
		if top := k.truth[watch{by.self, t.Node}]; top.owner == m.id && top.epoch == r.Row.Epoch {
			w.fail("node %d: manager %d destroys the owner's row at %d", t.Node, by.self, m.id)
		}
		// A row that works stays until the owner has reached the node (vBlind).
		if n.Owner == by.self {
			continue
		}
		o, at := w.machines[n.Owner], w.machines[t.Node]
		if !o.up || r.Failing || r.Samples == 0 || !at.up || w.apart(by.place, o.place) || w.apart(m.place, at.place) || !w.apart(o.place, at.place) {
			continue
		}
		// It has begun to work since the manager was told that it fails, as the
		// owner's does: until it is told again, with no SET under way, it cannot
		// know better.
		if told, was := k.failing[rowAt{by.self, m.id, t.Node}]; was && w.now.Sub(told) <= by.settings.Probe+readTimeout {
			continue
		}
		if or, have := o.list.Row(o.now(w), t.Node); have && or.Row.Epoch == n.Epoch && or.Samples == 0 {
			if _, met := o.met[t.Node]; met {
				continue // before it crashed, which the manager may not know yet
			}
			w.fail("node %d: its row at %d works and manager %d destroys it; %d has never reached it", t.Node, m.id, by.self, o.id)
		}
	}
	if a.Verb == reconfig.Stage && slices.ContainsFunc(a.Apply.Stage, func(r mib.SupportRow) bool { _, have := m.disk.Rows[r.Node]; return !have }) {
		w.checkKnown(by, m)
	}
	if a.Verb == reconfig.Demote && by == w.top {
		w.checkDemotion(by, m)
	}
}

// checkKnown: an ILM below another is given nodes when the top knows of it: if
// the one between dies nobody would look for them there else.
func (w *World) checkKnown(by *manager, m *machine) {
	if w.checks.rival || w.backedUp || w.clones > 0 || by.level != 1 || by.self == m.id || by.store.Nodes[m.id].Vouched {
		return // further down it may be between two managers; what the top knew once it answers for itself
	}
	if n := w.top.store.Nodes[m.id]; !n.Manager && n.Under == 0 && !n.Wanted && n.Intent.Target == 0 && n.Kind >= 0 && n.Owner == by.self {
		w.fail("manager %d gives nodes to %d, of which the top does not know that it is an ILM", by.self, m.id)
	}
}

// checkDemotion: an ILM becomes a leaf when all of its log is stored, but for
// answers to polls that were under way when the row went: they prove nothing.
func (w *World) checkDemotion(by *manager, m *machine) {
	l := m.list.Log()
	for seq := l.Tail(); ; seq++ {
		r, more := l.After(0, seq)
		if !more {
			return
		}
		if r.Kind == mib.RecordSample && r.Seq <= m.gave[r.Node] && !w.checks.seen.has(r.Node, r.Slot) {
			w.fail("manager %d demotes %d, whose log has a sample that it has not read: node %d slot %d", by.self, m.id, r.Node, r.Slot)
			return
		}
	}
}

// apart reports whether no message passes between two places, one way at
// least.
func (w *World) apart(a, b int) bool { return w.links.blocked(a, b) || w.links.blocked(b, a) }

// checkTrim: what an acknowledgement has a log forget is stored at the top.
func (w *World) checkTrim(c *call, m *machine, to reconfig.Cursor) {
	l := m.list.Log()
	if w.checks.rival || m.clone || w.clones > 0 || to.Incarnation != l.Head().Incarnation && !w.scenario.Without.Has(reconfig.GuardBootID) {
		return
	}
	if cur := w.top.store.Cursors[m.id]; c.life == w.top.life && to.Seq > l.Tail() && (cur.Incarnation != l.Head().Incarnation || cur.Seq < min(to.Seq, l.Head().Seq)) {
		w.fail("I6: the log of %d is trimmed to %d, but the store's cursor is %+v", m.id, to.Seq, cur)
	}
	for seq := l.Tail(); seq < to.Seq; seq++ {
		r, more := l.After(0, seq)
		if !more {
			return
		}
		if r.Kind == mib.RecordSample && !w.checks.seen.has(r.Node, r.Slot) {
			w.fail("I6: the log of %d is trimmed to %d by manager %d, but the top has not got the sample of node %d slot %d", m.id, to.Seq, c.by.self, r.Node, r.Slot)
			return
		}
	}
}

// checkEpochs: no two live lists hold a node at one epoch (vSameEpoch). Managers
// with copies of one store come to the same terms, and may give the same
// epochs, until one of them is stopped (docs/guarantees.md, what is not promised).
func (w *World) checkEpochs(a *reconfig.Control) {
	if w.clones > 0 || w.checks.rival {
		return
	}
	for i := range a.Apply.Stage {
		row := &a.Apply.Stage[i]
		holders := 0
		for _, m := range w.holders(row.Node) {
			if m.disk.Rows[row.Node].Row.Epoch == row.Epoch {
				holders++
			}
		}
		if holders > 1 {
			w.fail("node %d: two lists hold it at epoch %v", row.Node, row.Epoch)
		}
	}
}

// holders is the live machines whose lists have a node.
func (w *World) holders(id mib.NodeID) []*machine {
	if int(id) < len(w.checks.holders) {
		return w.checks.holders[id]
	}
	return nil
}
