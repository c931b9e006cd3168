package testbed

import (
	"testing"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// manages reports whether a node has ILMs below.
func manages(n *DeepNode) bool { return n.Engine != nil && len(n.Engine.Children()) > 0 }

// everyoneSampled wants fresh samples of every live node at the top, one per
// slot, over the next ten seconds.
func everyoneSampled(t *testing.T, d *Deep) {
	t.Helper()
	before := map[mib.NodeID]int{}
	for id, s := range d.Stored {
		before[id] = len(s)
	}
	d.Run(10 * time.Second)
	deepCalm(t, d)
	for _, id := range d.ids() {
		if got := len(d.Stored[id]) - before[id]; d.Nodes[id].Up && (got < 8 || got > 12) {
			t.Errorf("node %d: %d samples in 10 s", id, got)
		}
	}
}

// losesNothing wants no hole in what was stored since: moves that are planned
// lose no slot, nor store one twice.
func losesNothing(t *testing.T, d *Deep) {
	t.Helper()
	for _, id := range d.ids() {
		seen := map[uint32]bool{}
		first, last := uint32(0), uint32(0)
		for _, s := range d.Stored[id] {
			if seen[s.Slot] {
				t.Errorf("node %d: slot %d is stored twice", id, s.Slot)
			}
			seen[s.Slot] = true
			if first == 0 || s.Slot < first {
				first = s.Slot
			}
			last = max(last, s.Slot)
		}
		for slot := first; slot <= last; slot++ {
			if !seen[slot] {
				t.Errorf("node %d: slot %d was lost, %d to %d are there", id, slot, first, last)
			}
		}
	}
}

// An ILM with ILMs below is drained: it is told to have no levels, takes back
// what it gave away, and its rows are moved; undrained it gets work again.
func TestMiddleIsDrained(t *testing.T) {
	for seed := uint64(1); seed <= max(*deepSeeds/10, 1); seed++ {
		d := newDeep(t, seed)
		d.Run(20 * time.Second)
		m := middle(d)
		d.tell(d.Nodes[1], reconfig.OperatorAsked{At: d.at(), Ask: reconfig.AskDrain, Node: m.ID})
		d.Run(40 * time.Second)
		deepCalm(t, d)
		if told := m.List.Settings(); told.Levels != 0 {
			t.Errorf("seed %d: node %d is still told %d levels", seed, m.ID, told.Levels)
		}
		if n := m.List.Len(); n != 0 || manages(m) {
			t.Errorf("seed %d: the drained node %d has %d rows, ILMs below: %v", seed, m.ID, n, manages(m))
		}
		everyoneSampled(t, d)
		d.tell(d.Nodes[1], reconfig.OperatorAsked{At: d.at(), Ask: reconfig.AskUndrain, Node: m.ID})
		d.Run(20 * time.Second)
		if told := m.List.Settings(); m.List.Active() && told.Levels != 1 {
			t.Errorf("seed %d: node %d, not drained any more, is told %d levels", seed, m.ID, told.Levels)
		}
		everyoneSampled(t, d)
		losesNothing(t, d)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// The operator takes the levels back, and orders them again.
func TestLevelsChange(t *testing.T) {
	for seed := uint64(1); seed <= max(*deepSeeds/10, 1); seed++ {
		d := newDeep(t, seed)
		d.Run(20 * time.Second)
		flat := d.Settings
		flat.Levels = 0
		tune := func(s reconfig.Settings) {
			d.Settings = s
			d.tell(d.Nodes[1], reconfig.Tuned{At: d.at(), Settings: s})
		}
		deep := d.Settings
		tune(flat)
		d.Run(40 * time.Second)
		for _, id := range d.ids() {
			if n := d.Nodes[id]; id != 1 && n.Up && manages(n) {
				t.Errorf("seed %d: node %d has still ILMs below", seed, id)
			}
		}
		everyoneSampled(t, d)
		tune(deep)
		d.Run(20 * time.Second)
		if n, leaves := levels(d); n != 2 || leaves < 50 {
			t.Errorf("seed %d: %d ILMs have ILMs below, %d nodes are polled by those; want 2 and more than 50", seed, n, leaves)
		}
		everyoneSampled(t, d)
		losesNothing(t, d)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// Candidates leave the inventory one after the other, ILMs on both levels
// among them, until few are left.
func TestCandidatesLeave(t *testing.T) {
	for seed := uint64(1); seed <= max(*deepSeeds/10, 1); seed++ {
		d := newDeep(t, seed)
		d.Run(20 * time.Second)
		gone := d.Chance.Perm(12)[:8]
		for _, i := range gone {
			n := d.Nodes[mib.NodeID(2+i)]
			d.Crash(n)
			d.tell(d.Nodes[1], reconfig.NodeLeft{At: d.at(), Node: n.ID})
			d.Run(time.Duration(1+d.Chance.IntN(4)) * time.Second)
		}
		d.Run(30 * time.Second)
		for _, i := range gone {
			if _, known := d.Nodes[1].Engine.Node(mib.NodeID(2 + i)); known {
				t.Errorf("seed %d: node %d has left and is still known", seed, 2+i)
			}
		}
		everyoneSampled(t, d)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// What the top decides by is what every level below decides by: told at the
// promotion, told again when it changes, kept over a restart, and a pause is
// one of the whole tree.
func TestRulesReachEveryLevel(t *testing.T) {
	s := deepSettings()
	s.Policy, s.Levels, s.MinILMs, s.StartILMs, s.Below = "paper", 2, 2, 2, 2
	d := NewDeep(3, 60, 20, s)
	d.Run(40 * time.Second)
	deepest := 0
	check := func(when string, want reconfig.Rules) {
		t.Helper()
		for _, id := range d.ids() {
			n := d.Nodes[id]
			if id == 1 || !n.Up || !n.List.Active() {
				continue
			}
			if got := n.List.Settings().Rules; got != want {
				t.Errorf("%s: node %d was told %+v, want %+v", when, id, got, want)
			}
			if n.Engine != nil {
				if got := n.Engine.Settings().Rules(); got != want {
					t.Errorf("%s: the engine of node %d goes by %+v, want %+v", when, id, got, want)
				}
			}
			for _, c := range childrenOf(n) {
				if len(childrenOf(d.Nodes[c])) > 0 {
					deepest = 3
				}
			}
		}
	}
	check("formed", s.Rules())
	if deepest != 3 {
		t.Fatal("no third level of ILMs has formed: the test shows nothing")
	}
	s.Thresholds.Split, s.Churn, s.History, s.Probe = 25, 0.25, "0.7 0.3", 400*time.Millisecond
	d.Settings = s
	d.tell(d.Nodes[1], reconfig.Tuned{At: d.at(), Settings: s})
	d.Run(5 * time.Second)
	check("changed", s.Rules())

	m := middle(d)
	d.Crash(m)
	d.Start(m)
	if got := m.List.Settings().Rules; got != s.Rules() {
		t.Errorf("after a restart node %d has kept %+v, want %+v", m.ID, got, s.Rules())
	}
	d.tell(d.Nodes[1], reconfig.OperatorAsked{At: d.at(), Ask: reconfig.AskPause})
	d.Run(10 * time.Second)
	paused := s.Rules()
	paused.Paused = true
	check("paused", paused)
	d.tell(d.Nodes[1], reconfig.OperatorAsked{At: d.at(), Ask: reconfig.AskResume})
	d.Run(5 * time.Second)
	check("resumed", s.Rules())
	everyoneSampled(t, d)
}

// childrenOf is the ILMs below a node.
func childrenOf(n *DeepNode) (ids []mib.NodeID) {
	if n.Engine == nil || !n.Up {
		return nil
	}
	for _, c := range n.Engine.Children() {
		if c.Report.Active {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// deepest is a tree with three levels of ILMs.
func deepestSettings() reconfig.Settings {
	s := deepSettings()
	s.Levels = 2
	return s
}

// knowsAll wants the top to know every ILM with the manager right above it.
func knowsAll(t *testing.T, d *Deep, when string) (deepest int) {
	t.Helper()
	want, got := map[mib.NodeID]mib.NodeID{}, map[mib.NodeID]mib.NodeID{}
	for _, id := range d.ids() {
		if n := d.Nodes[id]; id != 1 && n.Up && n.List.Active() {
			want[id] = n.List.Fence().Parent
		}
	}
	top := d.Nodes[1].Engine
	for _, c := range top.Children() {
		if !c.Silent && c.Report.Active {
			got[c.ID] = 1
		}
	}
	for _, n := range top.Deeper() {
		got[n.ID] = n.Under
		if n.Manager {
			got[n.ID] = n.Owner
		}
	}
	for id, parent := range want {
		if got[id] != parent {
			t.Errorf("%s: the top believes ILM %d to be below %d, and it is below %d", when, id, got[id], parent)
		}
		depth := 1
		for ; parent != 1 && depth < 5; depth++ {
			parent = want[parent]
		}
		deepest = max(deepest, depth)
	}
	for id := range got {
		if _, is := want[id]; !is && d.Nodes[id].Up {
			t.Errorf("%s: the top takes node %d for an ILM below %d", when, id, got[id])
		}
	}
	return deepest
}

// The top hears of ILMs on every level, and whose they are after losses.
func TestTopKnowsEveryIlm(t *testing.T) {
	for seed := uint64(1); seed <= max(*deepSeeds/6, 1); seed++ {
		d := NewDeep(seed, 60, 24, deepestSettings())
		d.Run(40 * time.Second)
		if got := knowsAll(t, d, "formed"); got != 3 {
			t.Fatalf("seed %d: ILMs are %d levels deep, want 3", seed, got)
		}
		everyoneSampled(t, d)
		m := middle(d)
		d.Crash(m)
		d.Run(40 * time.Second)
		knowsAll(t, d, "a middle one is lost")
		everyoneSampled(t, d)
		d.Start(m)
		d.Run(40 * time.Second)
		knowsAll(t, d, "it is back")
		everyoneSampled(t, d)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// Whoever crashes on whichever of three levels, when all is well again every
// node is polled by exactly one manager, and the top knows every ILM.
func TestThreeLevelsUnderFaults(t *testing.T) {
	for seed := uint64(1); seed <= max(*deepSeeds/3, 1); seed++ {
		d := NewDeep(*deepFirst+seed, 60, 24, deepestSettings())
		d.Run(30 * time.Second)
		for range 4 + d.Chance.IntN(10) {
			d.Run(time.Duration(d.Chance.IntN(3000)) * time.Millisecond)
			n := d.Nodes[mib.NodeID(1+d.Chance.IntN(26))]
			if n.Up {
				d.Crash(n)
			} else {
				d.Start(n)
			}
		}
		for _, id := range d.ids() {
			if n := d.Nodes[id]; !n.Up {
				d.Start(n)
			}
		}
		d.Run(80 * time.Second)
		knowsAll(t, d, "healed")
		everyoneSampled(t, d)
		if t.Failed() {
			t.Fatalf("seed %d", *deepFirst+seed)
		}
	}
}
