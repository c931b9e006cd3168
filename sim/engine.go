package sim

import (
	"fmt"
	"time"

	"simone/mib"
	"simone/reconfig"
	"simone/sim/heap"
)

// steered runs a world by the daemons' own machinery: the TLM's
// reconfig.Engine decides and moves nodes by the moving protocol, and each
// ILM polls what its reconfig.List says. The network between them is ideal:
// what the engine asks for is done and answered at once. So what this adds to
// atomic moves is that they take time, in which both ILMs poll the node.
type steered struct {
	w       *world
	engine  *reconfig.Engine
	lists   []*reconfig.List // of the ILMs, and last the TLM's own
	windows []uint32         // trigger windows that each ILM has completed
	ilms    map[mib.NodeID]int
	owners  map[mib.NodeID]mib.NodeID
	begun   bool // the policy may decide
	err     error

	due   [][]int32         // by leaf: the ILMs that are to poll it in this sweep
	slots map[flight]uint32 // of polls that are out
}

// flight is a poll that is out.
type flight struct {
	ilm  int32
	leaf int32
}

const (
	// stu is the length of one, so that the daemons' defaults have their
	// usual meaning.
	stu = 100 * time.Millisecond
	// settled is how long the tree has to come about before the run begins,
	// in triggers.
	settled = 12
	// readAtOnce is how many records of a log one read brings.
	readAtOnce = 500
)

// origin is when the run begins, on the daemons' clocks.
var origin = reconfig.Instant(time.Date(2004, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())

// instant is a time of the run on the daemons' clocks.
func instant(at float64) reconfig.Instant { return origin.Add(time.Duration(at * float64(stu))) }

// steer has the daemons' policy of that name run the world, which is new.
func (w *world) steer(policy string) {
	s := &steered{
		w: w, ilms: make(map[mib.NodeID]int), owners: make(map[mib.NodeID]mib.NodeID),
		due: make([][]int32, w.Leaves), slots: make(map[flight]uint32), windows: make([]uint32, w.ILMs),
	}
	w.steered = s
	settings := reconfig.DefaultSettings()
	settings.Policy, settings.Automatic = policy, false
	settings.Thresholds = reconfig.Thresholds(w.Thresholds)
	settings.Trigger, settings.Interval = time.Duration(w.Trigger*float64(stu)), time.Duration(w.Poll*float64(stu))
	settings.Probe = time.Duration(w.Probe * float64(stu))
	settings.StartILMs, settings.MaxILMs = w.ILMs, w.ILMs
	settings.MigrateToColdest, settings.Weighted, settings.Churn = w.MigrateTarget == "coldest", w.Weighted, w.Churn
	self := nodeID(w.tlm())
	now := instant(-settled * w.Trigger)
	for range w.ILMs {
		s.lists = append(s.lists, reconfig.NewList(reconfig.ListState{}, reconfig.ListLimits{Incarnation: 1}, now))
	}
	s.lists = append(s.lists, reconfig.NewList(reconfig.ListState{Active: true}, reconfig.ListLimits{Incarnation: 1}, now))
	s.engine = reconfig.New(reconfig.State{Meta: reconfig.Meta{Self: self}}, settings, uint64(w.Seed))
	at := reconfig.At{Now: now}
	s.tell(at, reconfig.Restarted{At: at})
	for node := range w.tlm() {
		id := nodeID(node)
		host := int(node) >= w.Leaves
		if host {
			s.ilms[id] = int(node) - w.Leaves
		}
		s.tell(at, reconfig.NodeJoined{At: at, Node: reconfig.Node{
			ID: id, Key: fmt.Sprint(id), Name: fmt.Sprint(id), Address: "192.0.2.1:161",
			Kind: mib.KindLeaf, Profile: "simone", Credential: "c", Candidate: host,
		}})
	}
	for i := range w.roles {
		w.roles[i].nodes, w.roles[i].active = nil, false
	}
	// The tree comes about, and everything is polled once or twice.
	for at := -settled * w.Trigger; at < 0; at += w.Probe {
		for i := range s.lists {
			for _, p := range s.lists[i].Due(instant(at)) {
				s.lists[i].Polled(instant(at), p.Row.Node, p.Slot, mib.Sample{})
			}
		}
		s.tick(instant(at))
	}
	for id, owner := range s.owners {
		if owner == 0 && s.err == nil {
			s.err = fmt.Errorf("node %d has no manager when the run begins", id)
		}
	}
	w.heap.Set(slotProbe, key{At: w.Probe, Rank: heap.Rank(kindProbe, 0)})
}

// tick tells the engine what time it is.
func (s *steered) tick(now reconfig.Instant) {
	at := reconfig.At{Now: now}
	s.tell(at, reconfig.Ticked{At: at})
}

// probe lets the engine look at the ILMs. It is a moment early, so that at a
// trigger the round that follows has just been told.
func (s *steered) probe() { s.tick(instant(s.w.now) - 1) }

// round runs the engine's round, with the temperatures of this moment.
func (s *steered) round() {
	for i := range s.windows {
		if s.lists[i].Active() {
			s.windows[i]++
		}
	}
	if !s.begun {
		s.begun = true
		settings := s.engine.Settings()
		settings.Automatic = true
		at := reconfig.At{Now: instant(s.w.now) - 1}
		s.tell(at, reconfig.Tuned{At: at, Settings: settings})
	}
	s.probe()
	s.tick(instant(s.w.now))
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
		for _, n := range a.Txn.Nodes {
			s.own(n.ID, n.Owner)
		}
	case reconfig.Record:
		switch a.Entry.Kind {
		case reconfig.KindSplit, reconfig.KindMigrate, reconfig.KindMerge:
			s.w.rec.transformed(s.w.now, a.Entry.Kind, 0) // nodes count when they have moved
		}
	case reconfig.Control:
		return s.control(at, a)
	case reconfig.Probe:
		return reconfig.ChildReported{At: at, Action: a.ID, Child: a.Child, Report: s.report(at.Now, a)}
	case reconfig.ReadLog:
		log := s.list(a.Child).Log()
		return reconfig.LogRead{At: at, Action: a.ID, Child: a.Child, Incarnation: log.Head().Incarnation, Records: log.Read(at.Now, a.From, readAtOnce)}
	}
	return nil
}

// own notes whose a node is.
func (s *steered) own(id, owner mib.NodeID) {
	before := s.owners[id]
	s.owners[id] = owner
	if ilm, ok := s.ilms[owner]; ok && before != owner && int(nodeIndex(id)) < s.w.Leaves {
		s.w.leaves[nodeIndex(id)].role = int32(ilm)
		if before != 0 {
			s.w.rec.moves(s.w.now, 1)
		}
	}
}

// list is that of a child, or the TLM's own.
func (s *steered) list(child mib.NodeID) *reconfig.List {
	if i, ok := s.ilms[child]; ok {
		return s.lists[i]
	}
	return s.lists[len(s.lists)-1]
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
	list.Apply(at.Now, change)
	if i, ok := s.ilms[a.Child]; ok {
		if active := list.Active(); active && !s.w.roles[i].active {
			s.w.activate(i)
			s.windows[i] = 0
		} else {
			s.w.roles[i].active = active
		}
		if at.Now >= origin {
			s.charge(i, a.ControlSet)
		}
	}
	return reconfig.ActionDone{At: at, Action: a.ID}
}

func (s *steered) charge(ilm int, set reconfig.ControlSet) {
	w := s.w
	switch set.Verb {
	case reconfig.Stage, reconfig.Release:
		w.charge(w.roles[ilm].station, w.ReconfigCost+w.ReconfigNodeCost*float64(len(set.Apply.Stage)+len(set.Apply.Destroy)))
	case reconfig.Promote:
		w.charge(w.roles[ilm].station, w.ReconfigCost+w.RoleStart)
	}
}

// report is what a probe reads.
func (s *steered) report(now reconfig.Instant, a reconfig.Probe) reconfig.Report {
	l := s.list(a.Child)
	r := reconfig.Report{Fence: l.Fence(), Active: l.Active(), Digest: l.Digest(), Log: l.Log().Head(), Full: a.Full}
	if i, ok := s.ilms[a.Child]; ok {
		ilm := &s.w.roles[i]
		r.Windows, r.Temperature, r.Weighted = s.windows[i], ilm.t, ilm.history.Weighted()
		r.Latency, r.Utilisation = time.Duration(ilm.last*float64(stu)), ilm.utilisation
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

// sweep finds out, at the beginning of a sweep, who is to poll whom. Polls of
// ILM hosts, the TLM's or those of other ILMs when one is none any more, are
// not part of the model: they take no time.
func (s *steered) sweep() {
	now := instant(s.w.now)
	for i, list := range s.lists {
		skipped := list.SkippedPolls
		for _, p := range list.Due(now) {
			node := nodeIndex(p.Row.Node)
			if int(node) >= s.w.Leaves {
				list.Polled(now, p.Row.Node, p.Slot, mib.Sample{})
				continue
			}
			s.due[node] = append(s.due[node], int32(i))
			s.slots[flight{int32(i), node}] = p.Slot
		}
		s.w.rec.skip(s.w.now, int(list.SkippedPolls-skipped))
	}
}

// poll has a leaf asked by all that have it in their lists.
func (s *steered) poll(leaf int32) {
	if leaf == 0 {
		s.sweep()
	}
	for _, ilm := range s.due[leaf] {
		s.w.begin(leaf, s.w.PollCost, job{kind: jobPoll, worker: uint16(ilm)}, classPoll)
	}
	s.due[leaf] = s.due[leaf][:0]
}

// worked is a report worked off: the sample is in the ILM's tables.
func (s *steered) worked(r report) {
	f := flight{r.role, r.leaf}
	s.lists[r.role].Polled(instant(s.w.now), nodeID(r.leaf), s.slots[f], mib.Sample{Cost: time.Duration(s.w.ReportCost * float64(stu))})
	delete(s.slots, f)
}
