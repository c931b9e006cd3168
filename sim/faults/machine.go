package faults

import (
	"fmt"
	"maps"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// machine is a host in the network: an agent that is polled, a List that makes
// it an ILM when its parent wants it, and an engine if it is to have ILMs
// below.
type machine struct {
	place   int        // its number in the network
	id      mib.NodeID // who it says it is
	name    string
	address string

	up        bool
	gone      bool // has left for good
	candidate bool
	clone     bool             // has the identity of another
	copied    bool             // another has had its identity
	stopping  bool             // has said that it stops
	paused    reconfig.Instant // stopped until then, without knowing it
	slow      time.Duration    // its answers take up to this much longer
	temp      float64
	slowness  float64 // the utilisation that each row causes

	clock clock
	jump  time.Duration // its clock was set by this much since the process started
	ppm   int64         // from the next start on

	list  *reconfig.List
	life  uint64                  // of the process
	met   map[mib.NodeID]struct{} // nodes of its list that an earlier process has had samples of
	gave  map[mib.NodeID]uint32   // where its log stood when a row went, in this life
	wake  reconfig.Instant        // when the list is to be looked at; 0: never
	heard reconfig.Instant        // when a manager last asked it
	mgr   *manager                // nil: has never had managers below
	begun bool                    // this process is to have an engine

	disk      reconfig.ListState // the list's
	before    fenceOf            // what the fence was before the last change
	listWrite writeFault
	store     *store // the manager's
	role      role   // on disk, too
}

type fenceOf struct {
	fence mib.Fence
	sum   uint64
}

// role is what a node was last told of its place in the tree.
type role struct {
	epoch  mib.Epoch
	level  int // of the node; its parent's is one less
	parent mib.NodeID
}

// writeFault is what becomes of a write to come.
type writeFault struct {
	in  int // the so-manieth from now; 0: none
	how writeEnd
}

type writeEnd uint8

const (
	goesWell  writeEnd = iota
	diskFull           // it fails before it has any effect
	torn               // the process dies in it; the transaction is not there
	diesAfter          // the process dies just after it
)

// next tells what becomes of the present write.
func (f *writeFault) next() writeEnd {
	if f.in == 0 {
		return goesWell
	}
	if f.in--; f.in > 0 {
		return goesWell
	}
	return f.how
}

// now is the present on the machine's clock.
func (m *machine) now(w *World) reconfig.Instant { return m.clock.local(w.now) }

// addMachine makes a machine with the next number; it is still to be started.
func (w *World) addMachine(candidate bool) *machine {
	place := len(w.machines)
	m := &machine{
		place: place, id: mib.NodeID(place), name: fmt.Sprint("n", place), candidate: candidate, temp: 1,
		address: fmt.Sprintf("192.0.%d.%d:161", place/250, 1+place%250), clock: clock{since: w.now}, met: make(map[mib.NodeID]struct{}),
	}
	w.machines = append(w.machines, m)
	w.addresses[m.address] = m
	w.reach()
	return m
}

// restart starts a machine's process from what it has on disk.
func (w *World) restart(m *machine) {
	if w.tracing() {
		w.trace("node %d starts", m.place)
	}
	m.clock = m.clock.restart(w.now, m.jump, m.ppm)
	m.jump = 0
	m.up, m.paused, m.wake, m.begun = true, 0, 0, false
	m.life, m.gave = w.newLife(), make(map[mib.NodeID]uint32)
	state := m.disk
	state.Rows, state.Tombs = maps.Clone(state.Rows), maps.Clone(state.Tombs)
	m.list = reconfig.NewList(state, reconfig.ListLimits{
		Capacity: w.capacity(m), Incarnation: w.dice.Uint64() | 1, LogRecords: w.scenario.LogRecords, Without: w.scenario.Without,
	}, m.now(w))
	for id := range m.disk.Rows {
		w.checks.holds(m, id)
	}
	w.wakeList(m)
	if m.place == 1 {
		w.start(w.top, w.restored)
		return
	}
	m.begun = m.store != nil && len(m.store.Nodes) > 0
	if m.mgr != nil {
		m.mgr.wait = 0
	}
	w.deepen(m)
}

// capacity is how many rows a machine polls at most. The top takes what nobody
// else has room for.
func (w *World) capacity(m *machine) int {
	if m.place == 1 {
		return 0
	}
	return w.scenario.Capacity
}

// crash stops a machine's process; what it has on disk stays.
func (w *World) crash(m *machine) {
	if !m.up {
		return
	}
	if w.tracing() {
		w.trace("node %d crashes", m.place)
	}
	m.up, m.stopping, m.paused, m.wake, m.heard = false, false, 0, 0, 0
	m.life = w.newLife()
	m.listWrite = writeFault{}
	for id := range m.disk.Rows {
		if r, have := m.list.Row(m.now(w), id); have && r.Samples > 0 {
			m.met[id] = struct{}{}
		}
		w.checks.drops(m, id)
	}
	if w.scenario.Without.Has(reconfig.GuardAtomic) { // the last effect is on disk, its fence is not yet
		m.disk.Fence, m.disk.FenceSum = m.before.fence, m.before.sum
	}
	switch {
	case m.place == 1:
		w.stop(w.top)
	case m.mgr != nil:
		w.stop(m.mgr)
	}
}

// die crashes a machine that is started again by its supervisor soon.
func (w *World) die(m *machine) {
	w.crash(m)
	w.after(time.Duration(200+w.dice.IntN(4000))*time.Millisecond, event{kind: comesBack, m: m, life: m.life})
}

// forget loses a stopped machine's rows, or all that it has on disk.
func (w *World) forget(m *machine, all bool) {
	if w.tracing() {
		w.trace("node %d loses its rows (all its disk: %v)", m.place, all)
	}
	m.disk.Rows = nil
	clear(m.met)
	if all {
		m.disk = reconfig.ListState{Active: m.place == 1}
		m.store, m.role = nil, role{}
		w.checks.forgetChild(m.id)
	}
	// What a manager below the top was granted it knows from its list alone: one
	// that has lost it may be given an older grant by another manager whose row
	// is still to be destroyed, and cannot tell.
	w.checks.forgetManager(m.id)
}

// lonely is how long a node waits for its parent before it announces itself
// again.
const lonely = 3 * time.Second

// announce has a machine tell the top of itself, if nobody has asked it for a
// while, and look again later.
func (w *World) announce(m *machine) {
	if m.gone {
		return
	}
	if m.up && (m.heard == 0 || w.now.Sub(m.heard) >= lonely) {
		if m.place == 1 || w.weather.loss == 0 || w.net.Float64() >= w.weather.loss {
			w.after(delay, event{kind: told, m: m, mgr: w.top, ev: reconfig.NodeJoined{
				Active: m.list.Active(), Node: reconfig.Node{
					ID: m.id, UUID: "u" + m.id.String(), Key: m.name, Name: m.name, Address: m.address, Kind: mib.KindLeaf,
					Profile: "simone", Credential: "c", Candidate: m.candidate, Epoch: m.role.epoch,
				},
			}})
		}
		m.heard = w.now
	}
	w.after(lonely, event{kind: announces, m: m})
}

// refuses reports whether a manager's host does not let in a machine that
// announces itself: another one answers at the address at which its identity
// is known (docs/guarantees.md: two machines with one UUID).
func (w *World) refuses(by *manager, m *machine) bool {
	n, known := by.store.Nodes[m.id]
	if w.clones == 0 || !known || n.Address == m.address {
		return false
	}
	o := w.addresses[n.Address]
	return o != nil && o.up && o.id == m.id && o.paused <= w.now && !w.apart(by.place, o.place)
}

// wakeList has a list's polls run when they are due.
func (w *World) wakeList(m *machine) {
	next, ok := m.list.Next()
	if !ok || !m.up {
		return
	}
	at := max(m.clock.world(next), w.now)
	if m.wake != 0 && m.wake <= at {
		return
	}
	m.wake = at
	w.push(at, event{kind: wakes, m: m, life: m.life, n: int64(at)})
}

func (w *World) runList(m *machine, life uint64) {
	if m.life != life || m.wake == 0 || m.wake > w.now {
		return
	}
	m.wake = 0
	for _, p := range m.list.Due(m.now(w)) {
		w.poll(m, &p)
	}
	w.wakeList(m)
}

// poll asks a node.
func (w *World) poll(by *machine, p *reconfig.Poll) {
	w.Polls++
	n := w.at(p.Row.Node, p.Row.Address)
	patience := w.scenario.Patience
	ev := event{kind: unanswered, m: by, life: by.life, node: p.Row.Node, slot: p.Slot}
	if n == nil || !n.up || n.paused > w.now || (w.links.blocked(by.place, n.place) || w.links.blocked(n.place, by.place)) && !w.scenario.PollsPass {
		w.after(patience, ev)
		return
	}
	took := pollTime
	if slow := max(n.slow, w.slow); slow > 0 {
		took += time.Duration(w.net.Int64N(int64(slow)))
	}
	if w.weather.loss > 0 && !w.scenario.PollsPass && by != n {
		through := (1 - w.weather.loss) * (1 - w.weather.loss)
		for w.net.Float64() >= through { // sent again
			took += patience / 3
			if took >= patience {
				break
			}
		}
	}
	if took >= patience {
		w.after(patience, ev)
		return
	}
	if !n.list.Active() { // an ILM wants to hear from a parent that knows it as one
		n.heard = w.now
	}
	ev.kind, ev.n = polled, int64(took)
	w.after(took, ev)
}

// load is how many jobs a machine has beside: what heats it.
func (m *machine) load() float64 { return float64(int(m.temp / 10)) }

// pollAnswered takes an answer, and tells the node whose it is.
func (w *World) pollAnswered(ev event) {
	by := ev.m
	n := w.machines[ev.node]
	sample := mib.Sample{RTT: time.Duration(ev.n)}
	if n != nil && n.candidate {
		sample.Values = []mib.MetricValue{{Metric: w.loadMetric, Value: n.load()}}
	}
	by.list.Polled(by.now(w), ev.node, ev.slot, sample)
	if n == nil || n == by || by.clone {
		return
	}
	row, have := by.list.Row(by.now(w), ev.node)
	if !have || !n.up {
		return
	}
	epoch := row.Row.Epoch
	if !row.Inner.IsZero() {
		epoch = row.Inner
	}
	told := role{epoch: epoch, level: by.role.level + 1, parent: by.id}
	if told == n.role || epoch.Less(n.role.epoch) || epoch == n.role.epoch && n.role.parent != by.id {
		return
	}
	n.role = told
	w.deepen(n)
}

// write makes a planned change of a machine's list durable; false: it failed.
// The process may be dead afterwards.
func (w *World) write(m *machine, ch *reconfig.ListChange) bool {
	switch m.listWrite.next() {
	case diskFull:
		if w.tracing() {
			w.trace("node %d: the disk of its list is full", m.place)
		}
		return false
	case torn:
		w.die(m)
		return false
	case diesAfter:
		w.keep(m, ch)
		w.die(m)
		return false
	}
	w.keep(m, ch)
	return true
}

// keep is one transaction on the disk of a machine's list.
func (w *World) keep(m *machine, ch *reconfig.ListChange) {
	d := &m.disk
	if d.Rows == nil {
		d.Rows = make(map[mib.NodeID]reconfig.ListRow)
	}
	if d.Tombs == nil {
		d.Tombs = make(map[mib.NodeID]mib.Epoch)
	}
	m.before = fenceOf{d.Fence, d.FenceSum}
	d.Active, d.Settings, d.Fence, d.FenceSum, d.Term = ch.Active, ch.Settings, ch.Fence, ch.FenceSum, ch.Term
	for _, r := range ch.Rows {
		if _, had := d.Rows[r.Row.Node]; !had {
			w.checks.holds(m, r.Row.Node)
		}
		d.Rows[r.Row.Node] = r
	}
	for _, id := range ch.Removed {
		if _, had := d.Rows[id]; had {
			w.checks.drops(m, id)
			m.gave[id] = m.list.Log().Head().Seq
		}
		delete(d.Rows, id)
		delete(m.met, id)
	}
	for _, t := range ch.Tombs {
		d.Tombs[t.Node] = t.Epoch
	}
}
