package reconfig_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// BenchmarkRound is one round of an engine whose ILMs are all well: each of
// them is probed, its report is taken, and the policy decides on all of them.
// Every node is a candidate, so that each is looked at as a host, too.
func BenchmarkRound(b *testing.B) {
	for _, size := range []struct{ children, nodes int }{{100, 10_000}, {1000, 100_000}} {
		for _, policy := range []string{"paper", "balance"} {
			b.Run(fmt.Sprintf("%s-%d-%d", policy, size.children, size.nodes), func(b *testing.B) {
				t := grow(b, policy, size.children, size.nodes)
				b.ReportAllocs()
				began := processorTime(b)
				for b.Loop() {
					t.round()
				}
				worked := processorTime(b) - began
				if n := t.engine.Counters(); n.Splits+n.Migrates+n.Merges > 0 {
					b.Errorf("%d rounds moved something: %+v", n.Rounds, n)
				}
				b.ReportMetric(float64(worked.Microseconds())/1000/float64(b.N), "cpu-ms/round")
			})
		}
	}
}

// processorTime is what the process has used, so that what others do at the
// same time does not count.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// tree is an engine and the lists of its ILMs, with an ideal network between.
type tree struct {
	tb     testing.TB
	now    reconfig.Instant
	engine *reconfig.Engine
	lists  map[mib.NodeID]*reconfig.List
	warm   map[mib.NodeID]float64 // temperatures
	dice   *rand.Rand
}

// grow sets up a tree in which every ILM has as many nodes, and nothing is
// left to do.
func grow(tb testing.TB, policy string, children, nodes int) *tree {
	t := &tree{tb: tb, now: reconfig.Instant(time.Hour), lists: make(map[mib.NodeID]*reconfig.List), warm: make(map[mib.NodeID]float64), dice: rand.New(rand.NewPCG(1, 2))}
	s := reconfig.DefaultSettings()
	s.Policy, s.StartILMs = policy, children
	self := mib.NodeID(nodes + 1)
	rows := make(map[mib.NodeID]map[mib.NodeID]reconfig.ListRow)
	state := reconfig.State{Meta: reconfig.Meta{Self: self, Term: 2, High: mib.Epoch{uint32(nodes)}}, Nodes: make(map[mib.NodeID]reconfig.Node)}
	for id := mib.NodeID(1); id <= mib.NodeID(nodes); id++ {
		n := reconfig.Node{
			ID: id, UUID: fmt.Sprint("u", id), Name: fmt.Sprint("n", id), Address: "192.0.2.1:161", Kind: mib.KindLeaf,
			Profile: "simone", Credential: "c", Candidate: true, Owner: 1 + id%mib.NodeID(children), Epoch: mib.Epoch{uint32(id)}, Fence: 1, Zero: t.now, Order: uint64(id),
		}
		if int(id) <= children {
			n.Owner, n.Wanted = self, true
			t.warm[id] = 2 + 5*t.dice.Float64()
		}
		state.Nodes[id] = n
		// Each row is where it belongs: no more epochs are needed than a term has.
		if rows[n.Owner] == nil {
			rows[n.Owner] = make(map[mib.NodeID]reconfig.ListRow)
		}
		rows[n.Owner][id] = reconfig.ListRow{Zero: t.now, Row: mib.SupportRow{
			Node: id, Epoch: n.Epoch, Slot: 1, Interval: s.Interval, Kind: mib.KindLeaf, Name: n.Name, Address: n.Address,
			Profile: n.Profile, Credential: n.Credential, Candidate: true,
		}}
	}
	for id := range rows {
		t.lists[id] = reconfig.NewList(reconfig.ListState{Active: true, Rows: rows[id]}, reconfig.ListLimits{Incarnation: 1}, t.now)
	}
	t.engine = reconfig.New(state, s, 1)
	t.tell(reconfig.Restarted{At: reconfig.At{Now: t.now}})
	for range 6 {
		t.round()
	}
	for id, l := range t.lists {
		if want := nodes/children - 1; id != self && l.Len() < want {
			tb.Fatalf("ILM %d has %d nodes, want %d at least", id, l.Len(), want)
		}
	}
	return t
}

// round lets a trigger pass, without the probes between.
func (t *tree) round() {
	t.now = t.now.Add(t.engine.Settings().Trigger)
	t.tell(reconfig.Ticked{At: reconfig.At{Now: t.now}})
}

// tell gives the engine an event, and all that comes of it.
func (t *tree) tell(ev reconfig.Event) {
	at := reconfig.At{Now: t.now}
	for pending := []reconfig.Event{ev}; len(pending) > 0; pending = pending[1:] {
		actions, err := t.engine.Step(pending[0])
		if err != nil {
			t.tb.Fatal(err)
		}
		for _, a := range actions {
			switch a := a.(type) {
			case reconfig.Control:
				list := t.lists[a.Child]
				change, refusal := list.Plan(t.now, a.ControlSet)
				if refusal != nil {
					t.tb.Fatalf("ILM %d refuses %v: %v", a.Child, a.Verb, refusal)
				}
				if change != nil {
					list.Apply(t.now, change)
				}
				pending = append(pending, reconfig.ActionDone{At: at, Action: a.ID})
			case reconfig.Probe:
				pending = append(pending, reconfig.ChildReported{At: at, Action: a.ID, Child: a.Child, Report: t.report(a)})
			}
		}
	}
}

func (t *tree) report(a reconfig.Probe) reconfig.Report {
	l := t.lists[a.Child]
	r := reconfig.Report{
		Fence: l.Fence(), Active: l.Active(), Digest: l.Digest(), Log: l.Log().Head(), Full: a.Full,
		Windows: uint32(t.now.Sub(0) / t.engine.Settings().Trigger), Temperature: t.warm[a.Child], Weighted: t.warm[a.Child], Utilisation: 0.2 + t.warm[a.Child]/100,
	}
	rows := a.Rows
	if a.Full {
		for id, ok := l.NextRow(0); ok; id, ok = l.NextRow(id) {
			rows = append(rows, id)
		}
	}
	for _, id := range rows {
		if row, have := l.Row(t.now, id); have {
			r.Rows = append(r.Rows, reconfig.RowReport{Row: row.Row, First: 1, Samples: 2, Cost: time.Millisecond})
		}
	}
	return r
}
