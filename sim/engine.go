package sim

import (
	"fmt"
	"time"

	"simone/mib"
	"simone/reconfig"
	"simone/sim/heap"
	"simone/temperature"
)

// steered runs a world by the daemons' own machinery: the TLM's
// reconfig.Engine decides and moves nodes by the moving protocol, and each
// ILM polls what its reconfig.List says. The network between them is ideal:
// what the engine asks for is done and answered at once. So what this adds to
// atomic moves is that they take time, in which both ILMs poll the node.
type steered struct {
	w        *world
	engine   *reconfig.Engine
	lists    []*reconfig.List // by node; nil where none was needed yet
	windows  []uint32         // trigger windows that each ILM has completed
	out      []int            // reports on their way to or at each ILM
	owners   map[mib.NodeID]mib.NodeID
	begun    bool              // the policy may decide
	settings reconfig.Settings // from then on
	err      error

	due   [][]int32           // by leaf: the ILMs that are to poll it in this sweep
	slots map[flight]asking   // polls that are out
	mute  []reconfig.ActionID // asked of who is dead
	late  map[int32]bool      // ILMs that are back, and have not polled since
	load  uint32              // the metrics of a host's load
	speed uint32              // and speed
}

// flight is a poll that is out.
type flight struct {
	ilm  int32 // byTLM: the TLM's own
	leaf int32
}

// asking is what belongs to it.
type asking struct {
	slot uint32
	load int32 // computing jobs, as the leaf says
}

// byTLM stands for the TLM in place of an ILM; it fits job.worker.
const byTLM = 1<<16 - 1

const (
	// stu is the length of one, unless a script says otherwise, so that the
	// daemons' defaults have their usual meaning.
	stu = 100 * time.Millisecond
	// settled is how long the tree has to come about before the run begins,
	// in triggers or polls, whichever take longer.
	settled = 12
	// placed is when leaves are given to the ILMs that have them under any other
	// policy.
	placed = -8
	// readAtOnce is how many records of a log one read brings.
	readAtOnce = 500
)

// origin is when the run begins, on the daemons' clocks.
var origin = reconfig.Instant(time.Date(2004, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())

// instant is a time of the run on the daemons' clocks.
func (w *world) instant(at float64) reconfig.Instant { return origin.Add(w.span(at)) }

// span is how long so many units of the run's times are to the daemons.
func (w *world) span(units float64) time.Duration { return time.Duration(units * float64(w.unit)) }

// steer has the daemons' policy of that name run the world, which is new.
// With roam, every leaf may become an ILM.
func (w *world) steer(policy string, roam bool) {
	s := &steered{
		w: w, lists: make([]*reconfig.List, len(w.nodes)), owners: make(map[mib.NodeID]mib.NodeID),
		due: make([][]int32, w.Leaves), slots: make(map[flight]asking), late: make(map[int32]bool),
		load: mib.MetricNumber(mib.ProfileSimone, mib.MetricLoad), speed: mib.MetricNumber(mib.ProfileSimone, mib.MetricSpeed),
	}
	w.steered = s
	settings := reconfig.DefaultSettings()
	settings.Policy, settings.Automatic = policy, false
	settings.Thresholds = reconfig.Thresholds(w.Thresholds)
	settings.Trigger, settings.Interval = w.span(w.Trigger), w.span(w.Poll)
	settings.Probe = w.span(w.Probe)
	settings.StartILMs, settings.MinILMs, settings.MaxILMs = w.ILMs, min(w.ILMs, settings.MinILMs), w.ILMs
	settings.MigrateToColdest, settings.Weighted, settings.Churn = w.MigrateTarget == "coldest", w.Weighted, w.Churn
	settings.MovesPerHour = int(w.Budget)
	if roam {
		settings.MinILMs = w.ILMs
	}
	then := settings // once all are where they begin
	if w.script != nil {
		settings.MinILMs, settings.MaxILMs = w.script.MinILMs, w.script.MaxILMs
		then.MinILMs, then.MaxILMs = settings.MinILMs, settings.MaxILMs
	}
	calm := max(w.Trigger, w.Poll) // a move needs polls
	settings.Churn, settings.Trigger = 1, w.span(calm)
	self := nodeID(w.tlm())
	now := w.instant(-settled * calm)
	s.lists[w.tlm()] = reconfig.NewList(reconfig.ListState{Active: true}, reconfig.ListLimits{Incarnation: 1}, now)
	for i := range w.roles {
		w.roles[i].nodes, w.roles[i].active = nil, false
		w.nodes[w.ilmHost(i)].role = noRole
	}
	w.roles, w.rec.temperatures = w.roles[:0], w.rec.temperatures[:0]
	s.engine = reconfig.New(reconfig.State{Meta: reconfig.Meta{Self: self}}, settings, uint64(w.Seed))
	at := reconfig.At{Now: now}
	s.tell(at, reconfig.Restarted{At: at})
	join := func(node int32, candidate bool) {
		id := nodeID(node)
		s.tell(at, reconfig.NodeJoined{At: at, Node: reconfig.Node{
			ID: id, Key: fmt.Sprint(id), Name: fmt.Sprint(id), Address: "192.0.2.1:161",
			Kind: mib.KindLeaf, Profile: mib.ProfileSimone, Credential: "c", Candidate: candidate,
		}})
	}
	for i := range w.ILMs { // first, so that they become the ILMs
		join(w.ilmHost(i), true)
	}
	for leaf := range w.Leaves {
		join(int32(leaf), (roam || w.script != nil) && w.mayManage(int32(leaf)))
	}
	// The tree comes about, and everything is polled once or twice.
	for at := -settled * calm; at < 0; at += w.Probe {
		for _, list := range s.lists {
			if list == nil {
				continue
			}
			for _, p := range list.Due(w.instant(at)) {
				list.Polled(w.instant(at), p.Row.Node, p.Slot, mib.Sample{})
			}
		}
		s.tick(w.instant(at))
		if at < placed*calm && at+w.Probe >= placed*calm {
			s.placeAll(w.instant(at))
		}
	}
	s.settings = then
	for leaf := range w.Leaves {
		owner, want := s.owners[nodeID(int32(leaf))], nodeID(w.ilmHost(int(w.leaves[leaf].role)))
		if owner != want && s.err == nil {
			s.err = fmt.Errorf("node %d is looked after by %d when the run begins, and not by %d", nodeID(int32(leaf)), owner, want)
		}
	}
	w.heap.Set(slotProbe, key{At: w.Probe, Rank: heap.Rank(kindProbe, 0)})
}

const noRole = -1

// placeAll gives each leaf to the ILM that it begins at, which is the same
// whatever the policy: where polls are staggered much hangs on that.
func (s *steered) placeAll(now reconfig.Instant) {
	places := make([]reconfig.Place, s.w.Leaves)
	for leaf := range places {
		places[leaf] = reconfig.Place{Node: nodeID(int32(leaf)), At: nodeID(s.w.ilmHost(int(s.w.leaves[leaf].role)))}
	}
	at := reconfig.At{Now: now}
	s.tell(at, reconfig.OperatorAsked{At: at, Ask: reconfig.AskPlace, Places: places})
}

// tick tells the engine what time it is.
func (s *steered) tick(now reconfig.Instant) {
	at := reconfig.At{Now: now}
	s.tell(at, reconfig.Ticked{At: at})
}

// probe lets the engine look at the ILMs. It is a moment early, so that at a
// trigger the round that follows has just been told.
func (s *steered) probe() {
	s.timeOut()
	s.tick(s.w.instant(s.w.now) - 1)
	s.tryAll()
}

// round runs the engine's round, with the temperatures of this moment.
func (s *steered) round() {
	for i := range s.windows {
		if s.w.roles[i].active && !s.w.dead(i) {
			s.windows[i]++
		}
	}
	if !s.begun {
		s.begun = true
		settings := s.settings
		settings.Automatic = true
		at := reconfig.At{Now: s.w.instant(s.w.now) - 1}
		s.tell(at, reconfig.Tuned{At: at, Settings: settings})
	}
	s.tick(s.w.instant(s.w.now) - 1)
	s.tick(s.w.instant(s.w.now))
	s.tryAll()
}

// tell gives the engine an event, and all that comes of it.
func (s *steered) tell(at reconfig.At, ev reconfig.Event) {
	for pending := []reconfig.Event{ev}; len(pending) > 0 && s.err == nil; pending = pending[1:] {
		actions, err := s.engine.Step(pending[0])
		if err != nil {
			s.err = fmt.Errorf("step of the engine: %w", err)
			return
		}
		for _, a := range actions {
			if answer := s.carryOut(at, a); answer != nil {
				pending = append(pending, answer)
			}
		}
	}
}

// carryOut does what the engine asks for, and answers if it wants an answer.
func (s *steered) carryOut(at reconfig.At, a reconfig.Action) reconfig.Event {
	switch a := a.(type) {
	case reconfig.Persist:
		for i := range a.Txn.Nodes {
			s.own(a.Txn.Nodes[i].ID, a.Txn.Nodes[i].Owner)
		}
	case reconfig.Record:
		switch a.Entry.Kind {
		case reconfig.KindSplit, reconfig.KindMigrate, reconfig.KindMerge:
			s.w.rec.transformed(s.w.now, a.Entry.Kind, 0) // nodes count when they have moved
		}
	case reconfig.Control:
		if s.deaf(a.Child, a.ID) {
			return nil
		}
		return s.control(at, a)
	case reconfig.Probe:
		if s.deaf(a.Child, a.ID) {
			return nil
		}
		return reconfig.ChildReported{At: at, Action: a.ID, Child: a.Child, Report: s.report(at.Now, a)}
	case reconfig.ReadLog:
		if s.deaf(a.Child, a.ID) {
			return nil
		}
		log := s.list(a.Child).Log()
		return reconfig.LogRead{At: at, Action: a.ID, Child: a.Child, Incarnation: log.Head().Incarnation, Records: log.Read(at.Now, a.From, readAtOnce)}
	}
	return nil
}

// own notes whose a node is.
func (s *steered) own(id, owner mib.NodeID) {
	before := s.owners[id]
	s.owners[id] = owner
	if before == 0 || before == owner || !s.begun {
		return
	}
	s.w.rec.moves(s.w.now, 1)
}

// list is that of a node, which begins with nothing on it.
func (s *steered) list(id mib.NodeID) *reconfig.List {
	list := &s.lists[nodeIndex(id)]
	if *list == nil {
		*list = reconfig.NewList(reconfig.ListState{}, reconfig.ListLimits{Incarnation: 1}, s.w.instant(s.w.now))
	}
	return *list
}

// listOf is that of an ILM, or the TLM's own.
func (s *steered) listOf(ilm int32) *reconfig.List {
	if ilm == byTLM {
		return s.lists[s.w.tlm()]
	}
	return s.lists[s.w.hostOf(int(ilm))]
}

// control is one control SET. What changes an ILM's rows or role costs it.
func (s *steered) control(at reconfig.At, a reconfig.Control) reconfig.Event {
	list := s.list(a.Child)
	change, refusal := list.Plan(at.Now, a.ControlSet)
	if refusal != nil {
		return reconfig.ActionFailed{At: at, Action: a.ID, Why: refusal.Why, Text: refusal.Text}
	}
	if change == nil {
		return reconfig.ActionDone{At: at, Action: a.ID}
	}
	was := list.Active()
	list.Apply(at.Now, change)
	if node := nodeIndex(a.Child); node != s.w.tlm() {
		s.play(node, list.Active())
		if at.Now >= origin && (a.Verb != reconfig.Promote || !was) { // an ILM is only told its settings again
			s.charge(node, a.ControlSet)
		}
	}
	return reconfig.ActionDone{At: at, Action: a.ID}
}

// play makes a node an ILM, or a leaf again. An ILM takes the place of one
// that is none any more, once nothing is left of that.
func (s *steered) play(node int32, active bool) {
	w, n := s.w, &s.w.nodes[node]
	switch {
	case active && n.role == noRole:
		i := 0
		for i < len(w.roles) && (w.roles[i].active || s.out[i] > 0) {
			i++
		}
		if i == len(w.roles) {
			h, _ := temperature.NewHistory(w.Weights) // validated with the parameters
			w.roles = append(w.roles, role{history: h})
			w.rec.temperatures = append(w.rec.temperatures, nil)
			s.windows, s.out = append(s.windows, 0), append(s.out, 0)
		}
		w.roles[i].window = mean{}
		w.settle(i, node)
		w.activate(i)
		s.windows[i] = 0
	case !active && n.role != noRole:
		w.roles[n.role].active = false
		n.role = noRole
	}
}

func (s *steered) charge(node int32, set reconfig.ControlSet) {
	w := s.w
	switch set.Verb {
	case reconfig.Stage, reconfig.Release:
		w.charge(w.nodes[node].station, w.ReconfigCost+w.ReconfigNodeCost*float64(len(set.Apply.Stage)+len(set.Apply.Destroy)))
	case reconfig.Promote:
		w.charge(w.nodes[node].station, w.ReconfigCost+w.RoleStart)
	}
}

// report is what a probe reads.
func (s *steered) report(now reconfig.Instant, a reconfig.Probe) reconfig.Report {
	l, w, node := s.list(a.Child), s.w, nodeIndex(a.Child)
	r := reconfig.Report{Fence: l.Fence(), Active: l.Active(), Digest: l.Digest(), Log: l.Log().Head(), Full: a.Full}
	r.Host = reconfig.HostLoad{Known: true, Load: float64(w.nodes[node].ncs), Speed: w.knownSpeed(node)}
	if i := w.nodes[node].role; i != noRole {
		ilm := &w.roles[i]
		r.Windows, r.Temperature, r.Weighted = s.windows[i], ilm.t, ilm.history.Weighted()
		r.Latency, r.Utilisation = w.span(ilm.last), ilm.utilisation
	}
	rows := a.Rows
	if a.Full {
		for id, ok := l.NextRow(0); ok; id, ok = l.NextRow(id) {
			rows = append(rows, id)
		}
	}
	for _, id := range rows {
		if row, have := l.Row(now, id); have {
			r.Rows = append(r.Rows, reconfig.RowReport{Row: row.Row, First: row.First, Samples: row.Samples, Failing: row.Failing, Cost: row.Cost})
		}
	}
	return r
}

// sweep finds out, at the beginning of a sweep, who is to poll whom.
func (s *steered) sweep() {
	for i := range s.w.roles {
		s.takeDue(int32(i))
	}
	s.takeDue(byTLM)
}

// takeDue takes what one manager has to poll now. Polls of ILM hosts that
// have no leaf's number are not part of the model: they take no time. Those
// that are to try whether a node that was staged can be reached are made at
// once.
func (s *steered) takeDue(ilm int32) {
	if ilm != byTLM && s.w.dead(int(ilm)) {
		return
	}
	now, list := s.w.instant(s.w.now), s.listOf(ilm)
	skipped := list.SkippedPolls
	for _, p := range list.Due(now) {
		node := nodeIndex(p.Row.Node)
		if int(node) >= s.w.Leaves {
			list.Polled(now, p.Row.Node, p.Slot, s.sample(ilm, node, s.w.nodes[node].ncs))
			continue
		}
		s.slots[flight{ilm, node}] = asking{slot: p.Slot}
		if p.Slot == 0 {
			s.ask(ilm, node)
		} else {
			s.due[node] = append(s.due[node], ilm)
		}
	}
	if !s.late[ilm] { // what was due while it was dead is not skipped for want of time
		s.w.rec.skip(s.w.now, int(list.SkippedPolls-skipped))
	}
	delete(s.late, ilm)
}

// tryAll makes the polls that do not wait for their slot.
func (s *steered) tryAll() {
	for i := range s.w.roles {
		if s.w.roles[i].active {
			s.takeTries(int32(i))
		}
	}
	s.takeTries(byTLM)
}

func (s *steered) takeTries(ilm int32) {
	if next, ok := s.listOf(ilm).Next(); ok && next <= s.w.instant(s.w.now) {
		s.takeDue(ilm)
	}
}

// sample is what a poll of a node brings.
func (s *steered) sample(ilm, node, load int32) mib.Sample {
	w := s.w
	slow := 1.0
	if ilm != byTLM {
		slow = w.nodes[w.hostOf(int(ilm))].slow
	}
	return mib.Sample{
		Cost: w.span(w.reportCost(node) * slow),
		Values: []mib.MetricValue{
			{Metric: s.load, Value: float64(load)},
			{Metric: s.speed, Value: 100 * w.knownSpeed(node)},
		},
	}
}

// poll has a leaf asked by all that have it in their lists.
func (s *steered) poll(leaf int32) {
	if s.w.polls.next == 0 {
		s.sweep()
	}
	for _, ilm := range s.due[leaf] {
		s.ask(ilm, leaf)
	}
	s.due[leaf] = s.due[leaf][:0]
}

// ask polls a leaf, which says how many computing jobs it has.
func (s *steered) ask(ilm, leaf int32) {
	f := flight{ilm, leaf}
	a, out := s.slots[f]
	if !out && s.w.deaths.lost != nil { // who was to ask has died since
		return
	}
	s.w.covered(leaf)
	a.load = s.w.busyness(leaf)
	s.slots[f] = a
	if ilm != byTLM {
		s.out[ilm]++
	}
	s.w.begin(leaf, s.w.PollCost, job{kind: jobPoll, worker: uint16(ilm)}, classPoll)
}

// arrived takes a leaf's answer to the TLM itself.
func (s *steered) arrived(leaf int32) {
	s.concluded(flight{byTLM, leaf})
	s.w.arriveAbove(report{leaf: leaf, role: noRole})
}

// worked is a report worked off: the sample is in the ILM's tables.
func (s *steered) worked(r report) {
	s.out[r.role]--
	s.concluded(flight{r.role, r.leaf})
}

func (s *steered) concluded(f flight) {
	a := s.slots[f]
	delete(s.slots, f)
	s.listOf(f.ilm).Polled(s.w.instant(s.w.now), nodeID(f.leaf), a.slot, s.sample(f.ilm, f.leaf, a.load))
}
