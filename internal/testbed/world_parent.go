package testbed

import (
	"fmt"
	"maps"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// Parent is a manager above: its store and, while it runs, its engine.
type Parent struct {
	Self     mib.NodeID
	Store    *Store
	Settings reconfig.Settings
	Engine   *reconfig.Engine
	// CrashIn makes it crash before that many further actions are done; 0 off.
	CrashIn int
	Entries []reconfig.Entry
	Alerts  []string
	// Skew is how far its clock is ahead of the world's; a new one holds from
	// the next start.
	Skew time.Duration

	skew    time.Duration
	paused  reconfig.Instant // stopped until then, without knowing it
	deposed bool             // another one leads: its writes fail
	rival   bool             // has a store of its own: two where one should be
	life    uint64
	wake    reconfig.Instant
}

// Store is what a parent has on disk.
type Store struct {
	reconfig.State
	History map[slotKey]mib.NodeID // the stored samples, and who polled them
}

func newStore(self mib.NodeID) *Store {
	return &Store{
		State: reconfig.State{
			Meta: reconfig.Meta{Self: self}, Nodes: make(map[mib.NodeID]reconfig.Node),
			Ledgers: make(map[mib.NodeID]reconfig.Ledger), Cursors: make(map[mib.NodeID]reconfig.Cursor),
		},
		History: make(map[slotKey]mib.NodeID),
	}
}

func (s *Store) clone() *Store { return &Store{cloneState(s.State), maps.Clone(s.History)} }

func cloneState(s reconfig.State) reconfig.State {
	return reconfig.State{Meta: s.Meta, Nodes: maps.Clone(s.Nodes), Ledgers: maps.Clone(s.Ledgers), Cursors: maps.Clone(s.Cursors)}
}

// at is the present on a parent's clock.
func (p *Parent) at(w *World) reconfig.At { return reconfig.At{Now: w.Now.Add(p.skew)} }

// StartParent starts the manager above from its store.
func (w *World) StartParent(restored bool) { w.start(w.Parent, restored) }

func (w *World) start(p *Parent, restored bool) {
	w.lives++
	p.life, p.CrashIn, p.skew, p.wake, p.paused = w.lives, 0, p.Skew, 0, 0
	p.Engine = reconfig.New(cloneState(p.Store.State), p.Settings, w.Chance.Uint64())
	w.trace("parent starts its life %d", p.life)
	w.tell(p, func(at reconfig.At) reconfig.Event { return reconfig.Restarted{At: at, Restored: restored} })
	if p != w.Parent {
		return
	}
	for _, id := range w.ids { // the inventory says who is there and who is not
		if n := w.Nodes[id]; n.Gone {
			w.leave(id)
		}
	}
}

// CrashParent stops it between two actions.
func (w *World) CrashParent() { w.crash(w.Parent) }

func (w *World) crash(p *Parent) {
	w.trace("parent of life %d crashes", p.life)
	p.Engine, p.paused = nil, 0
	p.life = 0
}

// PauseParent stops it for a while without its knowing: answers and ticks
// wait.
func (w *World) PauseParent(d time.Duration) {
	w.trace("parent pauses for %v", d)
	w.Parent.paused = w.Now.Add(d)
}

// Depose has another parent lead from the same store. The old one goes on
// until a write of its store fails, after a pause of up to d.
func (w *World) Depose(d time.Duration) {
	old := w.Parent
	if old.Engine == nil {
		return
	}
	w.trace("another leads; life %d pauses for %v", old.life, d)
	w.Parent = &Parent{Self: old.Self, Store: old.Store, Settings: old.Settings, Entries: old.Entries, Alerts: old.Alerts, Skew: old.Skew}
	old.deposed, old.CrashIn = true, 0
	if d > 0 {
		old.paused = w.Now.Add(d)
	}
	w.others = append(w.others, old)
	w.StartParent(false)
}

// Rival starts a second manager from a copy of the first one's store.
func (w *World) Rival() {
	if w.Parent.Engine == nil {
		return
	}
	r := &Parent{Self: w.Parent.Self, Store: w.Parent.Store.clone(), Settings: w.Parent.Settings, rival: true}
	w.others = append(w.others, r)
	w.checks.rival = true
	w.start(r, false)
}

// StopOthers ends deposed leaders and rivals; what they have sent is still
// under way.
func (w *World) StopOthers() {
	for _, p := range w.others {
		p.Engine, p.life = nil, 0
	}
	w.others = nil
}

// TakeBackup copies what the parent has on disk: its store, and its own list.
func (w *World) TakeBackup() {
	w.backup = w.Parent.Store.clone()
	w.backupList = cloneList(w.Nodes[w.Parent.Self].Durable)
}

// RestoreParent loses the parent's disk and starts it from the backup, once:
// a second restore of one backup would use the terms of the first again.
func (w *World) RestoreParent() {
	if w.backup == nil {
		return
	}
	w.CrashParent()
	w.Parent.Store, w.backup = w.backup, nil
	own := w.Nodes[w.Parent.Self]
	w.Crash(own)
	own.Durable = cloneList(w.backupList)
	w.checks.forget(own.ID)
	w.Restart(own)
	w.StartParent(true)
}

// Tell gives the leading engine an event of the test's own.
func (w *World) Tell(make func(reconfig.At) reconfig.Event) { w.tell(w.Parent, make) }

// Ask is an operator's wish.
func (w *World) Ask(ask reconfig.Ask, node mib.NodeID) {
	w.Tell(func(at reconfig.At) reconfig.Event { return reconfig.OperatorAsked{At: at, Ask: ask, Node: node} })
}

// Tune changes the settings.
func (w *World) Tune(change func(*reconfig.Settings)) {
	change(&w.Parent.Settings)
	s := w.Parent.Settings
	w.Tell(func(at reconfig.At) reconfig.Event { return reconfig.Tuned{At: at, Settings: s} })
}

// Leave takes a node out of the inventory.
func (w *World) Leave(id mib.NodeID) {
	n := w.Nodes[id]
	n.Gone = true
	if n.Up {
		w.Crash(n)
	}
	w.leave(id)
}

func (w *World) leave(id mib.NodeID) {
	w.Tell(func(at reconfig.At) reconfig.Event { return reconfig.NodeLeft{At: at, Node: id} })
}

// tell gives an engine an event, when it is not paused.
func (w *World) tell(p *Parent, make func(reconfig.At) reconfig.Event) {
	if p.Engine == nil {
		return
	}
	life := p.life
	if w.Now < p.paused {
		w.when(p.paused, func() {
			if p.life == life {
				w.tell(p, make)
			}
		})
		return
	}
	ev := make(p.at(w))
	w.beforeStep(p, ev)
	actions, err := p.Engine.Step(ev)
	if err != nil {
		w.Fail("engine: %v", err)
		return
	}
	for _, a := range actions {
		if p.CrashIn > 0 {
			if p.CrashIn--; p.CrashIn == 0 {
				w.crash(p)
				return
			}
		}
		if _, ok := a.(reconfig.Persist); ok && p.deposed {
			w.trace("life %d finds that it does not lead", p.life)
			w.crash(p)
			return
		}
		w.carryOut(p, a)
		if p.life != life {
			return
		}
	}
	at := p.Engine.Deadline().Add(-p.skew)
	if p.wake <= w.Now || at < p.wake {
		p.wake = at
		w.when(at, func() {
			if p.life == life && p.wake == at {
				p.wake = 0
				w.tell(p, func(at reconfig.At) reconfig.Event { return reconfig.Ticked{At: at} })
			}
		})
	}
}

// answer gives the engine an event, if it is still the one that asked.
func (w *World) answer(p *Parent, life uint64, make func(reconfig.At) reconfig.Event) {
	if p.life == life {
		w.tell(p, make)
	}
}

func (w *World) carryOut(p *Parent, a reconfig.Action) {
	switch a := a.(type) {
	case reconfig.Persist:
		w.persist(p, a.Txn)
	case reconfig.Record:
		p.Entries = append(p.Entries, a.Entry)
		w.trace("record %v node %d from %d to %d (%d) %s %s", a.Entry.Kind, a.Entry.Node, a.Entry.From, a.Entry.To, a.Entry.Nodes, a.Entry.Seen, a.Entry.Outcome)
	case reconfig.Alert:
		p.Alerts = append(p.Alerts, a.Text)
		w.trace("alert %s", a.Text)
	case reconfig.Control:
		w.control(p, a)
	case reconfig.Probe:
		c := w.Nodes[a.Child]
		w.ask(p, c, a.ID, readTimeout, func() func(reconfig.At) reconfig.Event {
			r := w.report(c, a.Rows, a.Full)
			return func(at reconfig.At) reconfig.Event {
				return reconfig.ChildReported{At: at, Action: a.ID, Child: a.Child, Report: r}
			}
		})
	case reconfig.ReadLog:
		c := w.Nodes[a.Child]
		w.ask(p, c, a.ID, readTimeout, func() func(reconfig.At) reconfig.Event {
			l := c.List.Log()
			head, records := l.Head(), l.Read(c.now(w), a.From, 500)
			return func(at reconfig.At) reconfig.Event {
				return reconfig.LogRead{At: at, Action: a.ID, Child: a.Child, Incarnation: head.Incarnation, Records: records}
			}
		})
	}
}

// control is one control SET, as the host of a list carries it out.
func (w *World) control(p *Parent, a reconfig.Control) {
	c := w.Nodes[a.Child]
	life := p.life
	w.trace("life %d: %v to %d %v%s", life, a.Verb, a.Child, a.Fence, applyText(a))
	w.ask(p, c, a.ID, setTimeout, func() func(reconfig.At) reconfig.Event {
		ch, refusal := c.List.Plan(c.now(w), a.ControlSet)
		if refusal != nil {
			w.trace("%d refuses %v: %v", a.Child, a.Verb, refusal)
			return func(at reconfig.At) reconfig.Event {
				return reconfig.ActionFailed{At: at, Action: a.ID, Why: refusal.Why, Text: refusal.Text}
			}
		}
		if ch != nil {
			w.checkSet(p, life, c, a)
			c.applyDurable(ch)
			if c.FailWrite { // on disk, but nobody is told
				c.FailWrite = false
				w.Crash(c)
				return nil
			}
			tail := c.List.Log().Tail()
			c.List.Apply(c.now(w), ch)
			w.checkTrim(life, c, tail)
			w.wakeList(c)
			w.checkEpochs(a)
		}
		return func(at reconfig.At) reconfig.Event { return reconfig.ActionDone{At: at, Action: a.ID} }
	})
}

func applyText(a reconfig.Control) (s string) {
	for _, r := range a.Apply.Stage {
		s += fmt.Sprintf(" +%d@%v slot %d in %v", r.Node, r.Epoch, r.Slot, r.Due.Round(time.Millisecond))
	}
	for _, t := range a.Apply.Destroy {
		s += fmt.Sprintf(" -%d@%v", t.Node, t.Epoch)
	}
	if a.Verb == reconfig.Acknowledge {
		s += fmt.Sprintf(" to %d", a.Cursor.Seq)
	}
	return s
}

// persist is one transaction on a store.
func (w *World) persist(p *Parent, t reconfig.Txn) {
	w.checkTxn(p, t)
	s := p.Store
	if t.Meta != nil {
		s.Meta = *t.Meta
	}
	for _, n := range t.Nodes {
		if old := s.Nodes[n.ID]; old.Owner != n.Owner {
			w.trace("life %d: node %d is %d's from slot %d on, at %v (was %d's)", p.life, n.ID, n.Owner, n.Fence, n.Epoch, old.Owner)
		}
		s.Nodes[n.ID] = n
	}
	for _, id := range t.Forget {
		delete(s.Nodes, id)
		delete(s.Ledgers, id)
		for k := range s.History { // its numbers begin anew if it comes back
			if k.node == id {
				delete(s.History, k)
			}
		}
	}
	for _, l := range t.Ledgers {
		s.Ledgers[l.Node] = l.Ledger
	}
	for _, c := range t.Cursors {
		s.Cursors[c.Child] = c.Cursor
	}
	for _, x := range t.Samples {
		s.History[slotKey{x.Node, x.Slot}] = x.By
	}
	if p == w.Parent && len(t.Cursors) > 0 {
		w.checkRead(p)
	}
}
