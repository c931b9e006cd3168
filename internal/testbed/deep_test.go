package testbed

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"simone/mib"
	"simone/reconfig"
)

var deepTrace = flag.Bool("deep.trace", false, "trace the deep worlds")

func deepSettings() reconfig.Settings {
	s := reconfig.DefaultSettings()
	s.Trigger, s.Interval = time.Second, time.Second
	s.MinILMs, s.StartILMs, s.Levels, s.Below = 2, 2, 1, 2
	return s
}

func newDeep(t *testing.T, seed uint64) *Deep {
	d := NewDeep(seed, 60, 12, deepSettings())
	if *deepTrace {
		d.Trace = func(f string, a ...any) { fmt.Printf(f+"\n", a...) }
	}
	return d
}

func deepCalm(t *testing.T, d *Deep) {
	t.Helper()
	for _, b := range append(d.Broken(), d.CheckCalm()...) {
		t.Error(b)
	}
}

func levels(d *Deep) (deep, leaves int) {
	for _, id := range d.ids() {
		m := d.Nodes[id]
		if id == 1 || !m.Up || !m.List.Active() {
			continue
		}
		if m.Engine != nil && len(m.Engine.Children()) > 0 {
			deep++
		}
	}
	for _, id := range d.ids() {
		if p := d.Pollers(id); len(p) == 1 && p[0] != 1 && d.Nodes[p[0]].Engine == nil {
			leaves++
		}
	}
	return deep, leaves
}

func TestThreeLevelsForm(t *testing.T) {
	d := newDeep(t, 1)
	d.Run(20 * time.Second)
	deepCalm(t, d)
	if deep, leaves := levels(d); deep != 2 || leaves < 50 {
		t.Errorf("%d ILMs have ILMs below, %d nodes are polled by those; want 2 and more than 50", deep, leaves)
	}
	for id := range d.Nodes {
		if n := len(d.Stored[id]); n < 12 {
			t.Errorf("node %d: %d samples stored", id, n)
		}
	}
}

func middle(d *Deep) *DeepNode {
	for _, id := range d.ids() {
		if m := d.Nodes[id]; id != 1 && m.Up && m.Engine != nil && len(m.Engine.Children()) > 0 {
			return m
		}
	}
	return nil
}

// The middle ILM dies with its ILM children alive: they keep polling, the top
// adopts them, and no leaf misses more than a slot.
func TestMiddleDies(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		d := newDeep(t, seed)
		d.Run(20*time.Second + time.Duration(seed)*137*time.Millisecond)
		m := middle(d)
		if m == nil {
			t.Fatal("no ILM has ILMs below")
		}
		own := map[mib.NodeID]bool{}
		for id, ok := m.List.NextRow(0); ok; id, ok = m.List.NextRow(id) {
			own[id] = m.List.Polls(id)
		}
		from := d.Now
		d.Crash(m)
		d.Run(10 * time.Second)
		deepCalm(t, d)
		for id, polledByIt := range own {
			last := from
			for _, at := range append(d.Polled[id], d.Now) {
				if at > from && !polledByIt && at.Sub(last) > 2100*time.Millisecond {
					t.Errorf("seed %d: node %d was not polled for %v", seed, id, at.Sub(last))
				}
				if at > from {
					last = at
				}
			}
		}
		d.Start(m)
		d.Run(15 * time.Second)
		deepCalm(t, d)
		if t.Failed() {
			return
		}
	}
}

// A lower ILM dies: the middle one gives its nodes to others.
func TestLowerDies(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		d := newDeep(t, seed)
		d.Run(20 * time.Second)
		m := middle(d)
		c := d.Nodes[m.Engine.Children()[0].ID]
		d.Crash(c)
		d.Run(20 * time.Second) // the host promoted in its place gets its share, too
		deepCalm(t, d)
		d.Start(c)
		d.Run(10 * time.Second)
		deepCalm(t, d)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func TestMiddleRestarts(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		d := newDeep(t, seed)
		d.Loss = 0.02
		d.Run(20 * time.Second)
		m := middle(d)
		d.Crash(m)
		d.Run(time.Duration(d.Chance.IntN(2500)) * time.Millisecond)
		d.Start(m)
		d.Run(20 * time.Second)
		top := d.Nodes[1]
		d.Crash(top)
		d.Run(time.Duration(d.Chance.IntN(2500)) * time.Millisecond)
		d.Start(top)
		d.Run(20 * time.Second)
		deepCalm(t, d)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// Whoever crashes, is cut off or comes back: when all is well again every
// node is polled by exactly one manager, and the top gets its samples.
func TestDeepFaults(t *testing.T) {
	for seed := uint64(1); seed <= *deepSeeds; seed++ {
		d := newDeep(t, *deepFirst+seed)
		d.Run(15 * time.Second)
		for range 4 + d.Chance.IntN(12) {
			d.Run(time.Duration(d.Chance.IntN(3000)) * time.Millisecond)
			n := d.Nodes[mib.NodeID(1+d.Chance.IntN(14))]
			switch d.Chance.IntN(5) {
			case 0, 1:
				if n.Up {
					d.Crash(n)
				} else {
					d.Start(n)
				}
			case 2:
				other := mib.NodeID(1 + d.Chance.IntN(14))
				d.trace("--- cut %d from %d", n.ID, other)
				n.Cut[other] = true
			case 3:
				clear(n.Cut)
			case 4:
				d.Loss = float64(d.Chance.IntN(20)) / 100
			}
		}
		d.trace("--- everything heals")
		d.Loss = 0
		for _, id := range d.ids() {
			n := d.Nodes[id]
			clear(n.Cut)
			if !n.Up {
				d.Start(n)
			}
		}
		d.Run(60 * time.Second)
		before := map[mib.NodeID]int{}
		for id, s := range d.Stored {
			before[id] = len(s)
		}
		d.Run(10 * time.Second)
		deepCalm(t, d)
		for id := range d.Nodes {
			if got := len(d.Stored[id]) - before[id]; got < 8 || got > 12 {
				t.Errorf("node %d: %d samples in 10 s", id, got)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", *deepFirst+seed)
		}
	}
}

var (
	deepSeeds = flag.Uint64("deep.seeds", 30, "how many worlds TestDeepFaults runs")
	deepFirst = flag.Uint64("deep.first", 0, "after which seed it begins")
)
