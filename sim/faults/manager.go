package faults

import (
	"maps"
	"slices"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// manager is a process, or a part of one, that runs an Engine over a store.
type manager struct {
	self     mib.NodeID
	host     *machine // whose list is its own
	place    int      // in the network
	level    int
	settings reconfig.Settings
	store    *store
	engine   *reconfig.Engine
	middle   *reconfig.Middle // nil at the top

	life  uint64 // 0: it does not run
	lived uint64 // the last life
	tick  reconfig.Instant
	round reconfig.Instant // the last one that was seen
	clock *clock

	crashIn int // the process dies before so many further actions; 0: off
	write   writeFault
	wait    time.Duration    // before the next attempt with a store that fails
	paused  reconfig.Instant // stopped until then, without knowing it
	deposed bool             // another one leads: its writes fail
	rival   bool             // has a store of its own: two where one should be
	suspect suspicion
}

// stoppedUntil is until when the manager's process does nothing.
func (m *manager) stoppedUntil() reconfig.Instant {
	if m.aside() {
		return m.paused
	}
	return max(m.paused, m.host.paused)
}

// aside reports whether the manager is a process without a list of its own: a
// leader that was deposed, or a rival.
func (m *manager) aside() bool { return m.deposed || m.rival }

// at is the present on the manager's clock.
func (m *manager) at(w *World) reconfig.At { return reconfig.At{Now: m.clock.local(w.now)} }

// store is what a manager has on disk.
type store struct {
	reconfig.State
	stored slots // the samples that it has
}

func newStore(self mib.NodeID, level int) *store {
	return &store{State: reconfig.State{
		Meta: reconfig.Meta{Self: self, Level: level}, Nodes: make(map[mib.NodeID]reconfig.Node),
		Ledgers: make(map[mib.NodeID]reconfig.Ledger), Cursors: make(map[mib.NodeID]reconfig.Cursor),
	}, stored: make(slots)}
}

func (s *store) clone() *store { return &store{cloneState(s.State), s.stored.clone()} }

func cloneState(s reconfig.State) reconfig.State {
	return reconfig.State{Meta: s.Meta, Nodes: maps.Clone(s.Nodes), Ledgers: maps.Clone(s.Ledgers), Cursors: maps.Clone(s.Cursors)}
}

func cloneList(s reconfig.ListState) reconfig.ListState {
	s.Rows, s.Tombs = maps.Clone(s.Rows), maps.Clone(s.Tombs)
	return s
}

// start makes an engine of what the store has.
func (w *World) start(m *manager, restored bool) {
	m.life = w.newLife()
	m.lived = m.life
	m.crashIn, m.tick, m.round, m.paused, m.suspect = 0, 0, 0, 0, suspicion{}
	if !m.aside() {
		m.clock = &m.host.clock
	}
	m.store.Meta.Self, m.store.Meta.Level = m.self, m.level
	if m == w.top {
		m.store.Meta.Term = max(m.store.Meta.Term, w.terms)
	}
	m.engine = reconfig.New(cloneState(m.store.State), m.settings, w.dice.Uint64())
	m.middle = nil
	if m.level > 0 {
		m.middle = reconfig.NewMiddle(m.host.list, m.engine)
	}
	if w.tracing() {
		w.trace("manager %d of level %d starts its life %d", m.self, m.level, m.life)
	}
	w.tell(m, reconfig.Restarted{At: m.at(w), Restored: restored})
	if m == w.top && m.life != 0 {
		w.restored = false
		for _, n := range w.machines { // the inventory says who is there and who is not
			if n != nil && n.gone && !n.clone {
				w.push(w.now, event{kind: told, mgr: m, ev: reconfig.NodeLeft{Node: n.id}})
			}
		}
	}
}

// stop ends a manager's engine.
func (w *World) stop(m *manager) {
	m.engine, m.middle, m.life, m.paused = nil, nil, 0, 0
	m.crashIn, m.write = 0, writeFault{}
}

// kill ends the process that a manager runs in.
func (w *World) kill(m *manager) {
	if w.tracing() {
		w.trace("manager %d dies in its life %d", m.self, m.life)
	}
	if m.aside() {
		w.stop(m)
		return
	}
	w.die(m.host)
}

// deepen gives a machine an engine as soon as it is to have ILMs below, and
// tells the engine what the manager above has changed.
func (w *World) deepen(m *machine) {
	if m.place == 1 || !m.up || m.clone {
		return
	}
	told := m.list.Settings()
	want := m.list.Active() && told.Levels > 0
	m.begun = m.begun || want
	if !m.begun {
		return
	}
	s := told.Of(m.list.Active())
	s.BanFor, s.Without = w.scenario.Ban, w.scenario.Without
	level := m.list.Level()
	if level == 0 {
		level = max(m.role.level, 1)
	}
	if level >= mib.Levels {
		return
	}
	if m.store == nil {
		m.store = newStore(m.id, level)
	}
	if m.mgr == nil {
		m.mgr = &manager{self: m.id, host: m, place: m.place}
	}
	mgr := m.mgr
	switch {
	case mgr.life != 0 && mgr.level != level:
		w.stop(mgr)
		fallthrough
	case mgr.life == 0:
		if mgr.wait > 0 && mgr.level == level { // its store has failed: it is being made anew
			return
		}
		mgr.store, mgr.level, mgr.settings = m.store, level, s
		w.start(mgr, false)
	case s != mgr.settings:
		mgr.settings = s
		w.tell(mgr, reconfig.Tuned{At: mgr.at(w), Settings: s})
	}
	w.hearAbove(mgr)
}

// measured tells an engine at the end of a round what its children cost it.
func (w *World) measured(m *manager) {
	if w.scenario.MostLevels == 0 && w.scenario.ChildTakes == 0 {
		return
	}
	if m == w.top {
		w.look()
	}
	if w.scenario.ChildTakes == 0 {
		return
	}
	n := 0
	for _, c := range m.engine.Children() {
		if c.Ready {
			n++
		}
	}
	load := reconfig.Load{Serving: float64(n) * w.scenario.ChildTakes.Seconds() / w.scenario.Trigger.Seconds()}
	w.push(w.now, event{kind: told, mgr: m, ev: reconfig.Measured{Load: load}})
}

// hearAbove tells an engine what the manager above has changed.
func (w *World) hearAbove(m *manager) {
	if m.life == 0 || m.middle == nil {
		return
	}
	life := m.life
	for _, ev := range m.middle.Events(m.at(w).Now) {
		if m.life != life {
			return
		}
		w.tell(m, ev)
	}
}

// tell gives an engine an event and does what it asks for.
func (w *World) tell(m *manager, ev reconfig.Event) {
	if m.life == 0 {
		return
	}
	w.Steps++
	w.beforeStep(m, ev)
	actions, err := m.engine.Step(ev)
	if err != nil {
		w.fail("manager %d: %v", m.self, err)
		return
	}
	life := m.life
	for _, a := range actions {
		if m.crashIn > 0 {
			if m.crashIn--; m.crashIn == 0 {
				w.kill(m)
				return
			}
		}
		w.carryOut(m, a)
		if m.life != life {
			return
		}
	}
	w.afterStep(m)
	at := max(m.clock.world(m.engine.Deadline()), w.now+1)
	if m.tick == 0 || at < m.tick {
		m.tick = at
		w.push(at, event{kind: ticks, mgr: m, life: life, n: int64(at)})
	}
}

func (w *World) carryOut(m *manager, a reconfig.Action) {
	switch a := a.(type) {
	case reconfig.Persist:
		w.persist(m, &a.Txn)
	case reconfig.Record:
		w.recorded(m, &a.Entry)
	case reconfig.Alert:
		if w.tracing() {
			w.trace("manager %d alerts: %s", m.self, a.Text)
		}
	case reconfig.Relay, reconfig.Announce, reconfig.Outgrown:
		m.middle.Take(m.at(w).Now, a)
	case reconfig.Control:
		if w.tracing() {
			w.trace("manager %d, life %d: %v to %d %v%s", m.self, m.life, a.Verb, a.Child, a.Fence, applyText(&a))
		}
		w.ask(m, a.Child, a.ID, setTimeout, a)
	case reconfig.Probe:
		w.ask(m, a.Child, a.ID, readTimeout, a)
	case reconfig.ReadLog:
		w.ask(m, a.Child, a.ID, readTimeout, a)
	}
}

// persist is one transaction on a manager's store.
func (w *World) persist(m *manager, t *reconfig.Txn) {
	if m.deposed && !w.scenario.Without.Has(reconfig.GuardCondStore) {
		if w.tracing() {
			w.trace("life %d of manager %d finds that it does not lead", m.life, m.self)
		}
		w.stop(m)
		return
	}
	how := m.write.next()
	if t.Meta != nil && m == w.top && how != diskFull {
		w.terms = max(w.terms, t.Meta.Term)
	}
	switch how {
	case diskFull:
		m.wait = min(max(2*m.wait, 100*time.Millisecond), 10*time.Second)
		if w.tracing() {
			w.trace("manager %d: its disk is full; it tries again in %v", m.self, m.wait)
		}
		w.stop(m)
		if !m.aside() {
			w.after(m.wait, event{kind: rebuilds, mgr: m, life: m.lived})
		}
		return
	case torn:
		w.kill(m)
		return
	}
	m.wait = 0
	w.checkTxn(m, t)
	s := m.store
	if t.Meta != nil {
		s.Meta = *t.Meta
	}
	for _, n := range t.Nodes {
		if old := s.Nodes[n.ID]; w.tracing() && old.Owner != n.Owner {
			w.trace("manager %d, life %d: node %d is %d's from slot %d on, at %v (was %d's)", m.self, m.life, n.ID, n.Owner, n.Fence, n.Epoch, old.Owner)
		}
		s.Nodes[n.ID] = n
	}
	for _, id := range t.Forget {
		if m == w.top && w.scenario.PollsPass {
			w.growth.missed += len(w.gaps(id))
		}
		delete(s.Nodes, id)
		delete(s.Ledgers, id)
		delete(s.stored, id) // its numbers begin anew if it comes back
	}
	for _, l := range t.Ledgers {
		s.Ledgers[l.Node] = l.Ledger
	}
	for _, c := range t.Cursors {
		s.Cursors[c.Child] = c.Cursor
	}
	for _, x := range t.Samples {
		s.stored.put(x.Node, x.Slot)
	}
	w.checkStored(m, t)
	if how == diesAfter {
		w.kill(m)
	}
}

// serve is what a machine answers; nil is nothing.
func (w *World) serve(c *call, m *machine) reconfig.Event {
	own := c.by.middle != nil && c.by.host == m
	switch a := c.action.(type) {
	case reconfig.Control:
		return w.control(c, m, &a, own)
	case reconfig.Probe:
		if own {
			return reconfig.ChildReported{Action: a.ID, Child: a.Child, Report: c.by.middle.Report(m.now(w), a.Rows, a.Full)}
		}
		return reconfig.ChildReported{Action: a.ID, Child: a.Child, Report: w.report(m, a.Rows, a.Full)}
	case reconfig.ReadLog:
		if own { // it is in the log that the manager above reads already
			return reconfig.LogRead{Action: a.ID, Child: a.Child, Incarnation: 1}
		}
		l := m.list.Log()
		return reconfig.LogRead{Action: a.ID, Child: a.Child, Incarnation: l.Head().Incarnation, Records: l.Read(m.now(w), a.From, w.scenario.LogRead)}
	}
	return nil
}

// control is one control SET, as the host of a list carries it out.
func (w *World) control(c *call, m *machine, a *reconfig.Control, own bool) reconfig.Event {
	var ch *reconfig.ListChange
	var refusal *reconfig.Refusal
	if own {
		ch, refusal = c.by.middle.Plan(a.ControlSet)
	} else {
		ch, refusal = m.list.Plan(m.now(w), a.ControlSet)
	}
	if refusal != nil {
		if w.tracing() {
			w.trace("%d refuses %v: %v", m.place, a.Verb, refusal)
		}
		return reconfig.ActionFailed{Action: a.ID, Why: refusal.Why, Text: refusal.Text}
	}
	if ch == nil {
		return reconfig.ActionDone{Action: a.ID}
	}
	if !own {
		w.checkSet(c, m, a)
	}
	life := m.life
	if !w.write(m, ch) {
		if m.life != life { // nobody is told
			return nil
		}
		return reconfig.ActionFailed{Action: a.ID, Why: reconfig.TimedOut, Text: "the list could not be stored"}
	}
	if a.Verb == reconfig.Acknowledge && !own {
		w.checkTrim(c, m, a.Cursor)
	}
	m.list.Apply(m.now(w), ch)
	w.wakeList(m)
	if len(ch.Rows) > 0 && !own {
		w.checkEpochs(a)
	}
	w.push(w.now, event{kind: deepens, m: m, life: m.life})
	return reconfig.ActionDone{Action: a.ID}
}

// report is what a probe reads of a machine.
func (w *World) report(m *machine, ids []mib.NodeID, full bool) reconfig.Report {
	l := m.list
	subtree := l.Census()
	if m.mgr != nil && m.mgr.life != 0 {
		subtree.Merge(reconfig.Census(m.mgr.engine.Children(), m.mgr.engine.Settings(), m.now(w)))
	}
	r := reconfig.Report{
		Subtree: subtree,
		Fence:   l.Fence(), Active: l.Active(), Windows: 1, Temperature: m.temp, Weighted: m.temp,
		Utilisation: m.slowness * float64(l.Len()),
		Digest:      l.Digest(), Capacity: l.Capacity(), Log: l.Log().Head(), Full: full,
		Host: reconfig.HostLoad{Known: true, Load: m.load(), Speed: 1},
	}
	if full {
		ids = make([]mib.NodeID, 0, l.Len())
		for id, ok := l.NextRow(0); ok; id, ok = l.NextRow(id) {
			ids = append(ids, id)
		}
	}
	if len(ids) > 0 {
		r.Rows = make([]reconfig.RowReport, 0, len(ids))
	}
	now := m.now(w)
	for _, id := range ids {
		if s, have := l.Row(now, id); have {
			if !full { // as little as a host may tell
				s.Row = mib.SupportRow{Node: id, Epoch: s.Row.Epoch, Slot: s.Row.Slot, Due: s.Row.Due}
			}
			r.Rows = append(r.Rows, reconfig.RowReport{Row: s.Row, First: s.First, Samples: s.Samples, Failing: s.Failing, Cost: s.Cost})
		}
	}
	return r
}

// depose has another leader go on from the same store. The old one does not
// know it until a write of its store fails, after a pause of up to d.
func (w *World) depose(d time.Duration) {
	old := w.top
	if old.life == 0 {
		return
	}
	w.trace("another leads; life %d pauses for %v", old.life, d)
	w.top = &manager{self: old.self, host: old.host, place: old.place, settings: old.settings, store: old.store, clock: old.clock}
	old.deposed, old.crashIn, old.write = true, 0, writeFault{}
	old.place = 0 // on a host of its own
	own := *old.clock
	old.clock = &own
	if d > 0 {
		old.paused = w.now.Add(d)
	}
	w.others = append(w.others, old)
	w.start(w.top, false)
}

// compete starts a second manager from a copy of the first one's store.
func (w *World) compete() {
	if w.top.life == 0 {
		return
	}
	own := *w.top.clock
	r := &manager{self: w.top.self, host: w.top.host, settings: w.top.settings, store: w.top.store.clone(), rival: true, clock: &own}
	w.others = append(w.others, r)
	w.checks.rival = true
	w.start(r, false)
}

// stopOthers ends deposed leaders and rivals; what they have sent is still
// under way.
func (w *World) stopOthers() {
	for _, m := range w.others {
		w.stop(m)
	}
	w.others = slices.Delete(w.others, 0, len(w.others))
}
