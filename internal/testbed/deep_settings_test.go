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
