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
