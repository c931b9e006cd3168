package testbed

import (
	"testing"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// freshAt wants a sample of every live node at the top within the last so long,
// but for some.
func freshAt(t *testing.T, d *Deep, within time.Duration, except ...mib.NodeID) {
	t.Helper()
	skip := map[mib.NodeID]bool{}
	for _, id := range except {
		skip[id] = true
	}
	for _, id := range d.ids() {
		if !d.Nodes[id].Up || skip[id] {
			continue
		}
		last := reconfig.Instant(0)
		for _, s := range d.Stored[id] {
			last = max(last, s.At)
		}
		if age := d.Now.Sub(last); age > within {
			t.Errorf("node %d: the newest sample at the top is %v old", id, age)
		}
	}
}

// The engine of an ILM in the middle does nothing any more while all else of it
// goes on: it answers the top, its list is what the top has given it, and what
// is below it is looked after by nobody. Then a lower ILM dies. The sum over
// the subtree shows at the top that nodes are nowhere, and they get others;
// when the engine works again everybody is polled by exactly one.
func TestStuckEngineIsNoticedAbove(t *testing.T) {
	for seed := uint64(1); seed <= max(*deepSeeds/3, 1); seed++ {
		d := newDeep(t, seed)
		d.Run(20 * time.Second)
		m := middle(d)
		lower := d.Nodes[m.Engine.Children()[0].ID]
		orphans := 0
		for id, ok := lower.List.NextRow(0); ok; id, ok = lower.List.NextRow(id) {
			orphans++
		}
		if orphans == 0 {
			t.Fatalf("seed %d: the lower ILM has no nodes: the test shows nothing", seed)
		}
		m.Stuck = true
		d.Crash(lower)
		// Detection in the middle would have been 2 s; then a trigger and
		// detection at the top, and a move: with samples, two slots.
		d.Run(12 * time.Second)
		freshAt(t, d, 3*time.Second)
		m.Stuck = false
		d.Crash(m)
		d.Start(m)
		d.Start(lower)
		d.Run(40 * time.Second)
		deepCalm(t, d)
		everyoneSampled(t, d)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// What an ILM with ILMs below has on disk is lost in part, or is older than it
// was: level by level the rows are found and put right, without the sum.
func TestMiddleLosesWhatItKept(t *testing.T) {
	for name, harm := range map[string]func(m, old *DeepNode){
		"all": func(m, _ *DeepNode) {
			m.Durable, m.Store = reconfig.ListState{}, reconfig.State{Meta: reconfig.Meta{Self: m.ID}}
		},
		"engine":    func(m, _ *DeepNode) { m.Store = reconfig.State{Meta: reconfig.Meta{Self: m.ID}} },
		"list":      func(m, _ *DeepNode) { m.Durable = reconfig.ListState{} },
		"restored":  func(m, old *DeepNode) { m.Durable, m.Store = old.Durable, cloneStore(old.Store) },
		"old list":  func(m, old *DeepNode) { m.Durable = old.Durable },
		"old store": func(m, old *DeepNode) { m.Store = cloneStore(old.Store) },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(1); seed <= max(*deepSeeds/6, 1); seed++ {
				d := newDeep(t, seed)
				d.Run(15 * time.Second)
				m := middle(d)
				old := &DeepNode{Durable: m.Durable, Store: cloneStore(m.Store)}
				c := d.Nodes[m.Engine.Children()[0].ID]
				d.Crash(c) // so that nodes move below the middle one
				d.Run(8 * time.Second)
				d.Start(c)
				d.Run(8 * time.Second)
				d.Crash(m)
				harm(m, old)
				d.Start(m)
				d.Run(15 * time.Second)
				freshAt(t, d, 3*time.Second)
				d.Run(25 * time.Second)
				deepCalm(t, d)
				everyoneSampled(t, d)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

// A tree in which nothing is wrong is not disturbed by sums that differ for
// moments while nodes move below.
func TestSumsDoNotDisturb(t *testing.T) {
	for seed := uint64(1); seed <= max(*deepSeeds/6, 1); seed++ {
		d := newDeep(t, seed)
		restored := 0
		d.Trace = func(_ string, a ...any) {
			for _, x := range a {
				if e, ok := x.(reconfig.Entry); ok && e.Kind == reconfig.KindRestore {
					restored++
				}
			}
		}
		d.Run(2 * time.Minute)
		if restored > 0 {
			t.Errorf("seed %d: nodes were brought back %d times in a tree without faults", seed, restored)
		}
		everyoneSampled(t, d)
	}
}
