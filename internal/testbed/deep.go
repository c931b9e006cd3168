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

// Deep is a tree of any number of levels in virtual time: a manager at the
// top and nodes that can be ILMs, ILMs with ILMs below, or leaves. World does
// more kinds of harm to one level; Deep shows that levels work together.
type Deep struct {
	Now      reconfig.Instant
	Chance   *rand.Rand
	Loss     float64
	Settings reconfig.Settings // of the top; ILMs are told theirs
	Nodes    map[mib.NodeID]*DeepNode
	Trace    func(format string, args ...any)
	// Stored is when each sample that counts was stored, by node.
	Stored map[mib.NodeID][]reconfig.Stored
	Polled map[mib.NodeID][]reconfig.Instant // when a node was asked by anybody

	queue  eventQueue
	seq    uint64
	broken []string
}

// DeepNode is a machine in a Deep.
type DeepNode struct {
	ID        mib.NodeID
	Up        bool
	Candidate bool
	Stuck     bool                // its engine does nothing, and all else goes on
	Cut       map[mib.NodeID]bool // no message passes between the two
	List      *reconfig.List
	Engine    *reconfig.Engine // nil: no managers below
	Middle    *reconfig.Middle // nil at the top
	Durable   reconfig.ListState
	Store     reconfig.State
	heard     reconfig.Instant
	life      uint64
	turn      uint64 // of its engines: what one asked for dies with it
	wake      reconfig.Instant
	tick      reconfig.Instant
	settings  reconfig.Settings
}

// NewDeep makes a tree of nodes 2..nodes+1 below the top manager 1; the first
// candidates of them can be ILMs.
func NewDeep(seed uint64, nodes, candidates int, s reconfig.Settings) *Deep {
	d := &Deep{
		Now: 1e18, Chance: rand.New(rand.NewPCG(seed, 11)), Settings: s, Nodes: make(map[mib.NodeID]*DeepNode),
		Stored: make(map[mib.NodeID][]reconfig.Stored), Polled: make(map[mib.NodeID][]reconfig.Instant),
	}
	for i := range nodes + 1 {
		id := mib.NodeID(i + 1)
		n := &DeepNode{ID: id, Candidate: i > 0 && i <= candidates, Cut: make(map[mib.NodeID]bool)}
		n.Store.Meta.Self = id
		d.Nodes[id] = n
	}
	d.Nodes[1].Durable.Active = true
	for _, id := range d.ids() {
		d.Start(d.Nodes[id])
		d.announce(d.Nodes[id])
	}
	return d
}

func (d *Deep) ids() []mib.NodeID { return slices.Sorted(maps.Keys(d.Nodes)) }

func (d *Deep) trace(format string, args ...any) {
	if d.Trace != nil {
		d.Trace("%12v "+format, append([]any{time.Duration(d.Now - 1e18)}, args...)...)
	}
}

// Fail notes a broken invariant; Broken gives them.
func (d *Deep) Fail(format string, args ...any) {
	d.broken = append(d.broken, fmt.Sprintf("at %v: ", time.Duration(d.Now-1e18))+fmt.Sprintf(format, args...))
}

// Broken is the invariants that did not hold.
func (d *Deep) Broken() []string { return d.broken }

// Run lets time pass.
func (d *Deep) Run(t time.Duration) {
	end := d.Now.Add(t)
	for events := 0; len(d.broken) == 0 && len(d.queue) > 0 && d.queue[0].at <= end; events++ {
		ev := heap.Pop(&d.queue).(event)
		d.Now = max(d.Now, ev.at)
		ev.do()
		if events > 3_000_000 {
			d.Fail("something goes in circles")
		}
	}
	d.Now = end
}

func (d *Deep) after(t time.Duration, do func()) {
	d.seq++
	heap.Push(&d.queue, event{d.Now.Add(t), d.seq, do})
}

func (d *Deep) at() reconfig.At { return reconfig.At{Now: d.Now} }

// announce has a node that nobody asks tell the top of itself.
func (d *Deep) announce(n *DeepNode) {
	if top := d.Nodes[1]; n.Up && top.Up && !n.Cut[1] && (n.heard == 0 || d.Now.Sub(n.heard) >= lonely) {
		n.heard = d.Now
		d.tell(top, reconfig.NodeJoined{At: d.at(), Active: n.List.Active() && n.ID != 1, Node: reconfig.Node{
			ID: n.ID, Key: fmt.Sprint("n", n.ID), Name: fmt.Sprint("n", n.ID), Address: "192.0.2.1:161", Kind: mib.KindLeaf,
			Profile: "simone", Credential: "c", Candidate: n.Candidate,
		}})
	}
	d.after(lonely, func() { d.announce(n) })
}

// Start starts a node from what it has kept.
func (d *Deep) Start(n *DeepNode) {
	d.trace("node %d starts", n.ID)
	n.Up = true
	n.life++
	n.turn++
	n.wake, n.tick, n.Engine, n.Middle = 0, 0, nil, nil
	st := n.Durable
	st.Rows, st.Tombs = maps.Clone(st.Rows), maps.Clone(st.Tombs)
	n.List = reconfig.NewList(st, reconfig.ListLimits{Incarnation: d.Chance.Uint64() | 1}, d.Now)
	d.wakeList(n)
	if n.ID == 1 {
		n.settings = d.Settings
		n.Engine = reconfig.New(cloneStore(n.Store), d.Settings, d.Chance.Uint64())
		d.tell(n, reconfig.Restarted{At: d.at()})
		return
	}
	d.deepen(n)
}

// Crash stops a node.
func (d *Deep) Crash(n *DeepNode) {
	d.trace("node %d crashes", n.ID)
	n.Up = false
	n.life++
	n.turn++
}

func cloneStore(s reconfig.State) reconfig.State {
	return reconfig.State{Meta: s.Meta, Nodes: maps.Clone(s.Nodes), Ledgers: maps.Clone(s.Ledgers), Cursors: maps.Clone(s.Cursors)}
}

// deepen gives a node an engine as soon as it is to have ILMs below, and
// tells it what its parent has changed.
func (d *Deep) deepen(n *DeepNode) {
	if n.ID == 1 || !n.Up {
		return
	}
	told := n.List.Settings()
	want := n.List.Active() && told.Levels > 0
	if n.Engine == nil && !want && len(n.Store.Nodes) == 0 && !n.List.Away() {
		return
	}
	s := told.Of(n.List.Active())
	level := 1
	if parent := d.Nodes[n.List.Fence().Parent]; parent != nil {
		level = parent.Store.Meta.Level + 1
	}
	if n.Engine != nil && n.Store.Meta.Level != level { // it has been adopted by a manager further up
		n.turn++
		n.tick, n.Engine = 0, nil
	}
	if n.Engine == nil {
		n.Store.Meta.Self, n.Store.Meta.Level = n.ID, level
		n.settings = s
		n.Engine = reconfig.New(cloneStore(n.Store), s, d.Chance.Uint64())
		n.Middle = reconfig.NewMiddle(n.List, n.Engine)
		d.tell(n, reconfig.Restarted{At: d.at()})
	} else if s != n.settings {
		n.settings = s
		d.tell(n, reconfig.Tuned{At: d.at(), Settings: s})
	}
	for _, ev := range n.Middle.Events(d.Now) {
		d.tell(n, ev)
	}
}

func (d *Deep) tell(m *DeepNode, ev reconfig.Event) {
	if m.Engine == nil || !m.Up || m.Stuck {
		return
	}
	actions, err := m.Engine.Step(ev)
	if err != nil {
		d.Fail("engine of %d: %v", m.ID, err)
		return
	}
	for _, a := range actions {
		d.carryOut(m, a)
	}
	at := m.Engine.Deadline()
	if m.tick <= d.Now || at < m.tick {
		m.tick = at
		turn := m.turn
		d.after(max(at.Sub(d.Now), 1), func() {
			if m.turn == turn {
				m.tick = 0
				d.tell(m, reconfig.Ticked{At: d.at()})
			}
		})
	}
}

func (d *Deep) carryOut(m *DeepNode, a reconfig.Action) {
	turn := m.turn
	answer := func(ev func(reconfig.At) reconfig.Event) {
		if m.turn == turn {
			d.tell(m, ev(d.at()))
		}
	}
	switch a := a.(type) {
	case reconfig.Persist:
		d.persist(m, a.Txn)
	case reconfig.Record:
		d.trace("%d records %+v", m.ID, a.Entry)
	case reconfig.Alert:
		d.trace("%d alerts %s", m.ID, a.Text)
	case reconfig.Relay, reconfig.Announce, reconfig.Outgrown:
		m.Middle.Take(d.Now, a)
	case reconfig.Control:
		d.trace("%d: %v to %d %v stage %v destroy %v", m.ID, a.Verb, a.Child, a.Fence, rowsText(a.Apply.Stage), a.Apply.Destroy)
		d.ask(m, a.Child, a.ID, setTimeout, answer, func(c *DeepNode) func(reconfig.At) reconfig.Event {
			var ch *reconfig.ListChange
			var ref *reconfig.Refusal
			if c == m && m.Middle != nil {
				ch, ref = m.Middle.Plan(a.ControlSet)
			} else {
				ch, ref = c.List.Plan(d.Now, a.ControlSet)
			}
			if ref != nil {
				d.trace("%d refuses: %v", c.ID, ref)
				return func(at reconfig.At) reconfig.Event {
					return reconfig.ActionFailed{At: at, Action: a.ID, Why: ref.Why, Text: ref.Text}
				}
			}
			if ch != nil {
				c.Durable = applyDurable(c.Durable, ch)
				c.List.Apply(d.Now, ch)
				d.wakeList(c)
				d.after(0, func() { d.deepen(c) })
			}
			return func(at reconfig.At) reconfig.Event { return reconfig.ActionDone{At: at, Action: a.ID} }
		})
	case reconfig.Probe:
		d.ask(m, a.Child, a.ID, readTimeout, answer, func(c *DeepNode) func(reconfig.At) reconfig.Event {
			var r reconfig.Report
			if c == m && m.Middle != nil {
				r = m.Middle.Report(d.Now, a.Rows, a.Full)
			} else {
				r = deepReport(d.Now, c, a.Rows, a.Full)
			}
			return func(at reconfig.At) reconfig.Event {
				return reconfig.ChildReported{At: at, Action: a.ID, Child: a.Child, Report: r}
			}
		})
	case reconfig.ReadLog:
		d.ask(m, a.Child, a.ID, readTimeout, answer, func(c *DeepNode) func(reconfig.At) reconfig.Event {
			head, records := c.List.Log().Head(), c.List.Log().Read(d.Now, a.From, 500)
			return func(at reconfig.At) reconfig.Event {
				return reconfig.LogRead{At: at, Action: a.ID, Child: a.Child, Incarnation: head.Incarnation, Records: records}
			}
		})
	}
}

func deepReport(now reconfig.Instant, n *DeepNode, ids []mib.NodeID, full bool) reconfig.Report {
	l := n.List
	subtree := l.Census()
	if n.Engine != nil {
		subtree.Merge(reconfig.Census(n.Engine.Children(), n.Engine.Settings(), now))
	}
	r := reconfig.Report{
		Subtree: subtree, Fence: l.Fence(), Active: l.Active(), Windows: 1, Temperature: 1, Weighted: 1, Digest: l.Digest(), Log: l.Log().Head(), Full: full,
	}
	if full {
		ids = nil
		for id, ok := l.NextRow(0); ok; id, ok = l.NextRow(id) {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		if s, have := l.Row(now, id); have {
			r.Rows = append(r.Rows, reconfig.RowReport{Row: s.Row, First: s.First, Samples: s.Samples, Failing: s.Failing})
		}
	}
	return r
}

func applyDurable(s reconfig.ListState, ch *reconfig.ListChange) reconfig.ListState {
	s.Rows, s.Tombs = maps.Clone(s.Rows), maps.Clone(s.Tombs)
	if s.Rows == nil {
		s.Rows = make(map[mib.NodeID]reconfig.ListRow)
	}
	if s.Tombs == nil {
		s.Tombs = make(map[mib.NodeID]mib.Epoch)
	}
	s.Active, s.Settings, s.Fence, s.FenceSum, s.Term = ch.Active, ch.Settings, ch.Fence, ch.FenceSum, ch.Term
	for _, r := range ch.Rows {
		s.Rows[r.Row.Node] = r
	}
	for _, id := range ch.Removed {
		delete(s.Rows, id)
	}
	for _, t := range ch.Tombs {
		s.Tombs[t.Node] = t.Epoch
	}
	return s
}

func (d *Deep) ask(m *DeepNode, child mib.NodeID, id reconfig.ActionID, timeout time.Duration, answer func(func(reconfig.At) reconfig.Event), serve func(*DeepNode) func(reconfig.At) reconfig.Event) {
	c := d.Nodes[child]
	done := false
	pass := func(do func()) {
		switch {
		case c == m:
			d.after(0, do)
		case d.Chance.Float64() >= d.Loss:
			d.after(time.Duration(200+d.Chance.IntN(300))*time.Microsecond, func() {
				if !c.Cut[m.ID] && !m.Cut[c.ID] {
					do()
				}
			})
		}
	}
	pass(func() {
		if !c.Up {
			return
		}
		if c != m {
			c.heard = d.Now
		}
		reply := serve(c)
		pass(func() {
			if !done {
				done = true
				answer(reply)
			}
		})
	})
	d.after(timeout, func() {
		if !done {
			done = true
			answer(func(at reconfig.At) reconfig.Event {
				return reconfig.ActionFailed{At: at, Action: id, Why: reconfig.TimedOut}
			})
		}
	})
}

func (d *Deep) persist(m *DeepNode, t reconfig.Txn) {
	s := &m.Store
	if s.Nodes == nil {
		s.Nodes, s.Ledgers, s.Cursors = map[mib.NodeID]reconfig.Node{}, map[mib.NodeID]reconfig.Ledger{}, map[mib.NodeID]reconfig.Cursor{}
	}
	if t.Meta != nil {
		s.Meta = *t.Meta
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
		if m.ID == 1 {
			d.Stored[x.Node] = append(d.Stored[x.Node], x)
		}
	}
}

func (d *Deep) wakeList(n *DeepNode) {
	at, ok := n.List.Next()
	if !ok || !n.Up || n.wake > d.Now && n.wake <= at {
		return
	}
	n.wake = max(at, d.Now)
	life := n.life
	d.after(n.wake.Sub(d.Now), func() {
		if n.life != life {
			return
		}
		n.wake = 0
		for _, p := range n.List.Due(d.Now) {
			d.poll(n, p)
		}
		d.wakeList(n)
	})
}

func (d *Deep) poll(by *DeepNode, p reconfig.Poll) {
	n, life := d.Nodes[p.Row.Node], by.life
	if n.Up && !n.Cut[by.ID] {
		d.Polled[n.ID] = append(d.Polled[n.ID], d.Now)
		if !n.List.Active() {
			n.heard = d.Now
		}
		d.after(pollTime, func() {
			if by.life == life {
				by.List.Polled(d.Now, p.Row.Node, p.Slot, mib.Sample{RTT: pollTime})
			}
		})
		return
	}
	d.after(lostTime, func() {
		if by.life == life {
			by.List.Failed(d.Now, p.Row.Node, p.Slot)
		}
	})
}

// Pollers is the live managers that poll a node themselves.
func (d *Deep) Pollers(id mib.NodeID) []mib.NodeID {
	var out []mib.NodeID
	for _, k := range d.ids() {
		if m := d.Nodes[k]; m.Up && m.List.Polls(id) {
			out = append(out, k)
		}
	}
	return out
}

// CheckCalm says what is wrong in a tree that had time to settle: each live
// node is polled by exactly one manager.
func (d *Deep) CheckCalm() []string {
	var bad []string
	for _, id := range d.ids() {
		if p := d.Pollers(id); d.Nodes[id].Up && len(p) != 1 {
			bad = append(bad, fmt.Sprintf("node %d is polled by %v", id, p))
		}
	}
	return bad
}

// LongestGap is the longest time after from between two polls of a live node.
func (d *Deep) LongestGap(from reconfig.Instant) (mib.NodeID, time.Duration) {
	var worst mib.NodeID
	longest := time.Duration(0)
	for _, id := range d.ids() {
		if !d.Nodes[id].Up {
			continue
		}
		last := from
		for _, t := range append(slices.Clone(d.Polled[id]), d.Now) {
			if t < from {
				last = max(t, last.Add(-time.Hour))
				continue
			}
			if g := t.Sub(last); g > longest {
				longest, worst = g, id
			}
			last = t
		}
	}
	return worst, longest
}

func rowsText(rows []mib.SupportRow) (s []string) {
	for _, r := range rows {
		s = append(s, fmt.Sprintf("%d@%v slot %d", r.Node, r.Epoch, r.Slot))
	}
	return s
}
