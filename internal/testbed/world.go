package testbed

import (
	"container/heap"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// World is one parent manager, nodes that can be ILMs or leaves, and the
// network between them, all in one goroutine and in virtual time. The engine
// and the lists in it are the ones that ship. Same seed, same run.
type World struct {
	Now    reconfig.Instant
	Chance *rand.Rand
	Net    Net
	Nodes  map[mib.NodeID]*Node
	Parent Parent
	Stop   func() string // an extra check after every event; "" is fine
	Trace  func(format string, args ...any)

	// Limit is how many events the world may have; more is taken for a loop
	// that never ends.
	Limit int

	events  int
	queue   eventQueue
	seq     uint64
	broken  []string
	settled map[slotKey]mib.NodeID // which samples were ever stored, and whose
	polled  map[slotKey]bool       // slots that some manager's log has held
	forgot  map[slotKey]bool       // slots whose sample left a log unstored
}

type slotKey struct {
	node mib.NodeID
	slot uint32
}

// Net says what happens to messages between the parent and its children.
type Net struct {
	Loss, Double float64 // probabilities, for each message
	Delay        time.Duration
	Jitter       time.Duration // up to this much more, which reorders
	Late         float64       // probability of a delay of seconds
}

// Node is a machine: an agent, and a List that makes it an ILM when its
// parent wants it.
type Node struct {
	ID        mib.NodeID
	Up        bool
	Device    bool
	Cut       bool                // from the parent, both ways
	Unseen    map[mib.NodeID]bool // managers that cannot reach it
	Temp      float64
	List      *reconfig.List
	Durable   reconfig.ListState
	Forgetful bool // its rows do not survive a crash
	Candidate bool
	heard     reconfig.Instant // when a manager last asked it
	life      uint64
	wake      reconfig.Instant
}

// Parent is the manager above: its store and, while it runs, its engine.
type Parent struct {
	Store    reconfig.State
	Backup   *reconfig.State
	Settings reconfig.Settings
	Engine   *reconfig.Engine
	Self     mib.NodeID
	// CrashIn makes it crash before that many further actions are done; 0 off.
	CrashIn int
	Entries []reconfig.Entry
	Alerts  []string
	life    uint64
	wake    reconfig.Instant
	maxTerm uint32
}

// pollTime is how long an answered poll takes, lostTime how long one without
// an answer is waited for.
const (
	pollTime    = 2 * time.Millisecond
	lostTime    = 200 * time.Millisecond
	setTimeout  = time.Second
	readTimeout = 450 * time.Millisecond
)

// NewWorld makes a world of nodes 2..nodes+1 below manager 1. The first
// candidates of them can become ILMs.
func NewWorld(seed uint64, nodes, candidates int, settings reconfig.Settings) *World {
	w := &World{
		Now: reconfig.Instant(1e18), Limit: 2_000_000, Chance: rand.New(rand.NewPCG(seed, 7)), Nodes: make(map[mib.NodeID]*Node),
		Net:     Net{Delay: 200 * time.Microsecond, Jitter: 300 * time.Microsecond},
		Parent:  Parent{Self: 1, Settings: settings},
		settled: make(map[slotKey]mib.NodeID), polled: make(map[slotKey]bool), forgot: make(map[slotKey]bool),
	}
	w.Parent.Store = reconfig.State{Meta: reconfig.Meta{Self: 1}}
	for i := range nodes + 1 {
		id := mib.NodeID(i + 1)
		w.Nodes[id] = &Node{ID: id, Up: true, Unseen: make(map[mib.NodeID]bool), Temp: 1}
		w.startList(w.Nodes[id])
	}
	w.Nodes[1].Durable.Active = true
	w.startList(w.Nodes[1])
	w.StartParent(false)
	for i := range nodes + 1 {
		w.Nodes[mib.NodeID(i+1)].Candidate = i > 0 && i <= candidates
		w.announce(w.Nodes[mib.NodeID(i+1)])
	}
	return w
}

// lonely is how long a node waits for its parent before it announces itself
// again.
const lonely = 3 * time.Second

// announce has a node tell the parent of itself, now if nobody has asked it
// for a while, and again later.
func (w *World) announce(n *Node) {
	if n.Up && !n.Cut && (n.heard == 0 || w.Now.Sub(n.heard) >= lonely) {
		w.tell(reconfig.NodeJoined{At: w.at(), Active: n.List.Active(), Node: reconfig.Node{
			ID: n.ID, Key: fmt.Sprint("n", n.ID), Name: fmt.Sprint("n", n.ID), Address: "192.0.2.1:161", Kind: mib.KindLeaf,
			Profile: "simone", Credential: "c", Candidate: n.Candidate,
		}})
		n.heard = w.Now
	}
	w.After(lonely, func() { w.announce(n) })
}

func (w *World) at() reconfig.At { return reconfig.At{Now: w.Now} }

// Fail notes a broken invariant.
func (w *World) Fail(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf("at %v: ", time.Duration(w.Now-1e18))+fmt.Sprintf(format, args...))
}

// Broken is the invariants that did not hold.
func (w *World) Broken() []string { return w.broken }

func (w *World) trace(format string, args ...any) {
	if w.Trace != nil {
		w.Trace("%12v "+format, append([]any{time.Duration(w.Now - 1e18)}, args...)...)
	}
}

// Run lets time pass.
func (w *World) Run(d time.Duration) {
	end := w.Now.Add(d)
	for len(w.broken) == 0 && len(w.queue) > 0 && w.queue[0].at <= end {
		ev := heap.Pop(&w.queue).(event)
		w.Now = max(w.Now, ev.at)
		if w.events++; w.events > w.Limit {
			w.Fail("%d events: something goes in circles", w.events)
			return
		}
		ev.do()
		if w.Stop != nil {
			if s := w.Stop(); s != "" {
				w.Fail("%s", s)
			}
		}
	}
	if len(w.broken) == 0 {
		w.Now = end
	}
}

// After does something later.
func (w *World) After(d time.Duration, do func()) { w.when(w.Now.Add(d), do) }

func (w *World) when(at reconfig.Instant, do func()) {
	w.seq++
	heap.Push(&w.queue, event{at, w.seq, do})
}

// send carries a message between the parent and a child, or loses it.
func (w *World) send(child *Node, do func()) {
	if child.ID == w.Parent.Self {
		w.After(0, do)
		return
	}
	copies := 1
	if w.Chance.Float64() < w.Net.Double {
		copies = 2
	}
	for range copies {
		if w.Chance.Float64() < w.Net.Loss {
			continue
		}
		d := w.Net.Delay
		if w.Net.Jitter > 0 {
			d += time.Duration(w.Chance.Int64N(int64(w.Net.Jitter)))
		}
		if w.Chance.Float64() < w.Net.Late {
			d += time.Duration(w.Chance.Int64N(int64(4 * time.Second)))
		}
		w.After(d, func() {
			if !child.Cut {
				do()
			}
		})
	}
}

// StartParent starts the manager above from its store.
func (w *World) StartParent(restored bool) {
	p := &w.Parent
	p.life++
	p.CrashIn = 0
	p.Engine = reconfig.New(cloneState(p.Store), p.Settings, w.Chance.Uint64())
	w.trace("parent starts")
	w.tell(reconfig.Restarted{At: w.at(), Restored: restored})
}

// CrashParent stops it between two actions.
func (w *World) CrashParent() {
	w.trace("parent crashes")
	w.Parent.Engine = nil
	w.Parent.life++
}

// Tell gives the engine an event of the test's own.
func (w *World) Tell(ev reconfig.Event) { w.tell(ev) }

// At is the present, for events of the test's own.
func (w *World) At() reconfig.At { return w.at() }

func (w *World) tell(ev reconfig.Event) {
	p := &w.Parent
	if p.Engine == nil {
		return
	}
	actions, err := p.Engine.Step(ev)
	if err != nil {
		w.Fail("engine: %v", err)
		return
	}
	life := p.life
	for _, a := range actions {
		if p.CrashIn > 0 {
			if p.CrashIn--; p.CrashIn == 0 {
				w.CrashParent()
				return
			}
		}
		w.carryOut(a)
		if p.life != life {
			return
		}
	}
	at := p.Engine.Deadline()
	if p.wake <= w.Now || at < p.wake {
		p.wake = at
		w.when(at, func() {
			if p.life == life {
				p.wake = 0
				w.tell(reconfig.Ticked{At: w.at()})
			}
		})
	}
}

// answer gives the engine an event, if it is still the one that asked.
func (w *World) answer(life uint64, make func(reconfig.At) reconfig.Event) {
	if w.Parent.life == life && w.Parent.Engine != nil {
		w.tell(make(w.at()))
	}
}

func (w *World) carryOut(a reconfig.Action) {
	p := &w.Parent
	life := p.life
	switch a := a.(type) {
	case reconfig.Persist:
		w.persist(a.Txn)
	case reconfig.Record:
		p.Entries = append(p.Entries, a.Entry)
		w.trace("record %+v", a.Entry)
	case reconfig.Alert:
		p.Alerts = append(p.Alerts, a.Text)
		w.trace("alert %s", a.Text)
	case reconfig.Control:
		w.control(a, life)
	case reconfig.Probe:
		c := w.Nodes[a.Child]
		w.ask(c, a.ID, life, readTimeout, func() func(reconfig.At) reconfig.Event {
			r := w.report(c, a.Rows, a.Full)
			return func(at reconfig.At) reconfig.Event {
				return reconfig.ChildReported{At: at, Action: a.ID, Child: a.Child, Report: r}
			}
		})
	case reconfig.ReadLog:
		c := w.Nodes[a.Child]
		w.ask(c, a.ID, life, readTimeout, func() func(reconfig.At) reconfig.Event {
			l := c.List.Log()
			head, records := l.Head(), l.Read(w.Now, a.From, 500)
			return func(at reconfig.At) reconfig.Event {
				return reconfig.LogRead{At: at, Action: a.ID, Child: a.Child, Incarnation: head.Incarnation, Records: records}
			}
		})
	}
}

// ask is a request, its answer and its time-out. Exactly one event answers.
func (w *World) ask(c *Node, id reconfig.ActionID, life uint64, timeout time.Duration, serve func() func(reconfig.At) reconfig.Event) {
	done := false
	w.send(c, func() {
		if !c.Up {
			return
		}
		c.heard = w.Now
		reply := serve()
		if reply == nil {
			return
		}
		w.send(c, func() {
			if !done {
				done = true
				w.answer(life, reply)
			}
		})
	})
	w.After(timeout, func() {
		if !done {
			done = true
			w.answer(life, func(at reconfig.At) reconfig.Event {
				return reconfig.ActionFailed{At: at, Action: id, Why: reconfig.TimedOut, Text: "no answer"}
			})
		}
	})
}

func (w *World) control(a reconfig.Control, life uint64) {
	c := w.Nodes[a.Child]
	w.trace("%v to %d %v stage %v destroy %v", a.Verb, a.Child, a.Fence, rowsText(a.Apply.Stage), a.Apply.Destroy)
	w.ask(c, a.ID, life, setTimeout, func() func(reconfig.At) reconfig.Event {
		ch, refusal := c.List.Plan(w.Now, a.ControlSet)
		if refusal != nil {
			w.trace("%d refuses %v: %v", a.Child, a.Verb, refusal)
			return func(at reconfig.At) reconfig.Event {
				return reconfig.ActionFailed{At: at, Action: a.ID, Why: refusal.Why, Text: refusal.Text}
			}
		}
		if ch != nil {
			w.checkDestroy(c, a, life)
			c.applyDurable(ch)
			before := c.List.Log().Tail()
			w.noteTrim(c, ch.Ack, before)
			c.List.Apply(w.Now, ch)
			w.wakeList(c)
			w.checkEpochs(a)
		}
		return func(at reconfig.At) reconfig.Event { return reconfig.ActionDone{At: at, Action: a.ID} }
	})
}

func rowsText(rows []mib.SupportRow) (s []string) {
	for _, r := range rows {
		s = append(s, fmt.Sprintf("%d@%v slot %d", r.Node, r.Epoch, r.Slot))
	}
	return s
}

// checkDestroy: the committed owner's row is never destroyed by the present
// parent (model: vDestroyOwner).
func (w *World) checkDestroy(c *Node, a reconfig.Control, life uint64) {
	for _, t := range a.Apply.Destroy {
		n, known := w.Parent.Store.Nodes[t.Node]
		r, have := c.List.Row(w.Now, t.Node)
		if known && have && life == w.Parent.life && n.Owner == c.ID && n.Kind > 0 && n.Epoch == r.Row.Epoch && !t.Epoch.Less(r.Row.Epoch) {
			w.Fail("node %d: the owner's row at %d is destroyed", t.Node, c.ID)
		}
	}
}

// checkEpochs: no two live lists hold a node at one epoch (vSameEpoch).
func (w *World) checkEpochs(a reconfig.Control) {
	for _, row := range a.Apply.Stage {
		holders := 0
		for _, o := range w.Nodes {
			if r, have := o.List.Row(w.Now, row.Node); o.Up && have && r.Row.Epoch == row.Epoch {
				holders++
			}
		}
		if holders > 1 {
			w.Fail("node %d: two lists hold it at epoch %v", row.Node, row.Epoch)
		}
	}
}

// noteTrim: what leaves a log by acknowledgement must be in the store.
func (w *World) noteTrim(c *Node, ack reconfig.Cursor, before uint32) {
	if ack.Incarnation == 0 || ack.Incarnation != c.List.Log().Head().Incarnation {
		return
	}
	cur := w.Parent.Store.Cursors[c.ID]
	if ack.Seq > before && (cur.Incarnation != ack.Incarnation || cur.Seq < ack.Seq) {
		w.Fail("log of %d acknowledged to %d, but the store's cursor is %+v", c.ID, ack.Seq, cur)
	}
}

func (w *World) persist(t reconfig.Txn) {
	s := &w.Parent.Store
	if s.Nodes == nil {
		s.Nodes, s.Ledgers, s.Cursors = map[mib.NodeID]reconfig.Node{}, map[mib.NodeID]reconfig.Ledger{}, map[mib.NodeID]reconfig.Cursor{}
	}
	if t.Meta != nil {
		s.Meta = *t.Meta
		w.Parent.maxTerm = max(w.Parent.maxTerm, s.Meta.Term)
	}
	for _, n := range t.Nodes {
		s.Nodes[n.ID] = n
	}
	for _, id := range t.Forget {
		delete(s.Nodes, id)
		delete(s.Ledgers, id)
	}
	for _, l := range t.Ledgers {
		s.Ledgers[l.Node] = l.Ledger
	}
	for _, c := range t.Cursors {
		s.Cursors[c.Child] = c.Cursor
	}
	for _, x := range t.Samples {
		k := slotKey{x.Node, x.Slot}
		if by, twice := w.settled[k]; twice && w.Parent.Backup == nil {
			w.Fail("node %d slot %d stored twice (by %d and %d)", x.Node, x.Slot, by, x.By)
		}
		w.settled[k] = x.By
	}
}

func cloneState(s reconfig.State) reconfig.State {
	return reconfig.State{Meta: s.Meta, Nodes: maps.Clone(s.Nodes), Ledgers: maps.Clone(s.Ledgers), Cursors: maps.Clone(s.Cursors)}
}

// TakeBackup copies the parent's store.
func (w *World) TakeBackup() {
	b := cloneState(w.Parent.Store)
	w.Parent.Backup = &b
}

// RestoreParent loses the parent's disk and starts it from the backup.
func (w *World) RestoreParent() {
	w.CrashParent()
	w.Parent.Store = cloneState(*w.Parent.Backup)
	w.StartParent(true)
}

// report is what a probe reads of a node.
func (w *World) report(c *Node, ids []mib.NodeID, full bool) reconfig.Report {
	l := c.List
	r := reconfig.Report{
		Fence: l.Fence(), Active: l.Active(), Windows: 1, Temperature: c.Temp, Weighted: c.Temp,
		Digest: l.Digest(), Log: l.Log().Head(), Full: full,
	}
	if full {
		ids = nil
		for id, ok := l.NextRow(0); ok; id, ok = l.NextRow(id) {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		if s, have := l.Row(w.Now, id); have {
			r.Rows = append(r.Rows, reconfig.RowReport{Row: s.Row, First: s.First, Samples: s.Samples, Failing: s.Failing, Cost: s.Cost})
		}
	}
	return r
}

// Crash stops a node; what its list keeps on disk stays.
func (w *World) Crash(n *Node) {
	w.trace("node %d crashes", n.ID)
	n.Up = false
	n.life++
	n.wake = 0
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
	st := reconfig.ListState{
		Active: n.Durable.Active, Settings: n.Durable.Settings, Fence: n.Durable.Fence, FenceSum: n.Durable.FenceSum,
		Rows: maps.Clone(n.Durable.Rows), Tombs: maps.Clone(n.Durable.Tombs),
	}
	if n.Forgetful {
		st.Rows = nil
	}
	n.List = reconfig.NewList(st, reconfig.ListLimits{Incarnation: w.Chance.Uint64() | 1}, w.Now)
	w.wakeList(n)
}

func (n *Node) applyDurable(ch *reconfig.ListChange) {
	d := &n.Durable
	if d.Rows == nil {
		d.Rows, d.Tombs = map[mib.NodeID]reconfig.ListRow{}, map[mib.NodeID]mib.Epoch{}
	}
	d.Active, d.Settings, d.Fence, d.FenceSum = ch.Active, ch.Settings, ch.Fence, ch.FenceSum
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
	at, ok := n.List.Next()
	if !ok || !n.Up || n.wake > w.Now && n.wake <= at {
		return
	}
	n.wake = max(at, w.Now)
	life, list := n.life, n.List
	w.when(n.wake, func() {
		if n.life != life || n.List != list || !n.Up {
			return
		}
		n.wake = 0
		for _, p := range list.Due(w.Now) {
			w.poll(n, list, p)
		}
		w.wakeList(n)
	})
}

func (w *World) poll(by *Node, list *reconfig.List, p reconfig.Poll) {
	n := w.Nodes[p.Row.Node]
	life := by.life
	if n != nil && n.Up && !n.Unseen[by.ID] {
		if !n.List.Active() { // an ILM wants to hear from a parent that knows it as one
			n.heard = w.Now
		}
		w.After(pollTime, func() {
			if by.life == life {
				list.Polled(w.Now, p.Row.Node, p.Slot, mib.Sample{RTT: pollTime})
				w.polled[slotKey{p.Row.Node, p.Slot}] = true
			}
		})
		return
	}
	w.After(lostTime, func() {
		if by.life == life {
			list.Failed(w.Now, p.Row.Node, p.Slot)
		}
	})
}

// Holders is the live managers that have a row for a node.
func (w *World) Holders(id mib.NodeID) []mib.NodeID {
	var out []mib.NodeID
	for _, k := range slices.Sorted(maps.Keys(w.Nodes)) {
		if m := w.Nodes[k]; m.Up {
			if _, have := m.List.Row(w.Now, id); have {
				out = append(out, k)
			}
		}
	}
	return out
}

// CheckCalm says what is wrong in a world whose faults are over and which had
// time to settle: I1 and I3 of DESIGN section 5, and that every move has ended.
func (w *World) CheckCalm() []string {
	var bad []string
	for _, id := range slices.Sorted(maps.Keys(w.Parent.Store.Nodes)) {
		n := w.Parent.Store.Nodes[id]
		switch holders := w.Holders(id); {
		case len(holders) == 0:
			bad = append(bad, fmt.Sprintf("I1: node %d has no row in the list of a live manager", id))
		case len(holders) > 1:
			bad = append(bad, fmt.Sprintf("I3: node %d is on the lists of %v", id, holders))
		case holders[0] != n.Owner:
			bad = append(bad, fmt.Sprintf("I3: node %d is polled by %d, the store says %d", id, holders[0], n.Owner))
		case n.Intent.Target != 0:
			bad = append(bad, fmt.Sprintf("node %d: the move to %d never ends", id, n.Intent.Target))
		}
	}
	return bad
}

// Gaps is the slots of a node between the first and the newest one stored
// that were not stored.
func (w *World) Gaps(id mib.NodeID) []uint32 {
	l := w.Parent.Store.Ledgers[id]
	var gaps []uint32
	if len(l.Runs) == 0 {
		return nil
	}
	for s := l.Runs[0].From; s <= l.Last(); s++ {
		if !l.Filled(s) {
			gaps = append(gaps, s)
		}
	}
	return gaps
}

// LogFor writes what happens to a function such as testing.T.Logf.
func (w *World) LogFor(logf func(string, ...any)) { w.Trace = logf }

type event struct {
	at  reconfig.Instant
	seq uint64
	do  func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *eventQueue) Push(x any) { *q = append(*q, x.(event)) }

// Pop implements heap.Interface.
func (q *eventQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*q = old[:len(old)-1]
	return e
}
