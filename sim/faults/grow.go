package faults

import (
	"fmt"
	"time"
)

// Growth is a tree that nobody disturbs, but which grows and shrinks: the
// scenario in which levels are to come and go by themselves (fork and join).
type Growth struct {
	Seed     uint64
	Least    int // leaves, at first and in the end
	Most     int // leaves, in between
	Hosts    int // candidates, which stay
	Capacity int // rows that each ILM polls at most
	FanIn    int // ILMs right below a manager at most; 0: as many as it can serve
	// ChildTakes is what one ILM right below costs the top of each trigger.
	ChildTakes time.Duration
	MostLevels int // that forks may put below each ILM
	Ramp       int // triggers in which the leaves become more, and again fewer
	Rest       int // triggers before, between and after
}

// DefaultGrowth is 16 leaves, 4,096, and 16 again. An ILM polls up to 64, and
// the top can serve 16 ILMs in a trigger.
func DefaultGrowth() Growth {
	return Growth{
		Seed: 1, Least: 16, Most: 4096, Hosts: 160, Capacity: 64, ChildTakes: 37 * time.Millisecond, MostLevels: 2, Ramp: 80, Rest: 60,
	}
}

// Validate says what is wrong with a growth.
func (g *Growth) Validate() error {
	switch {
	case g.Least < 1 || g.Most < g.Least || g.Most > 10_000:
		return fmt.Errorf("from %d to %d leaves: write 1 to 10000, the fewer first", g.Least, g.Most)
	case g.Hosts < 1:
		return fmt.Errorf("%d hosts: write 1 or more", g.Hosts)
	case g.Ramp < 1 || g.Rest < 20:
		return fmt.Errorf("ramp %d and rest %d: write at least 1 and 20 triggers", g.Ramp, g.Rest)
	}
	return nil
}

// Scenario makes the scenario of a growth, with a trigger and a poll each
// second.
func (g Growth) Scenario() *Scenario {
	s := &Scenario{
		Seed: g.Seed, Nodes: g.Hosts + g.Least, Candidates: g.Hosts, Levels: 1, ILMs: 1, Start: 2, Below: 2, Policy: "balance",
		Trigger: time.Second, Interval: time.Second, Probe: 500 * time.Millisecond, Misses: 3, Churn: 0.1, Ban: time.Minute,
		Patience: 950 * time.Millisecond, SlowPolls: 20 * time.Millisecond, LogRecords: 1 << 20, LogRead: 5000, PollsPass: true,
		MostLevels: g.MostLevels, FanIn: g.FanIn, Capacity: g.Capacity, ChildTakes: g.ChildTakes,
	}
	at := func(trigger int) time.Duration { return time.Duration(trigger) * s.Trigger }
	more := max(g.Most-g.Least, 0)
	// The leaves that come are the machines behind the first ones, and go in
	// the order in which they came.
	first := s.Nodes + 2
	done := 0
	for i := range g.Ramp {
		n := more*(i+1)/g.Ramp - done
		if n == 0 {
			continue
		}
		s.Faults = append(s.Faults, Fault{At: at(g.Rest + i), Kind: Join, N: n})
		done += n
	}
	done = 0
	for i := range g.Ramp {
		n := more*(i+1)/g.Ramp - done
		if n == 0 {
			continue
		}
		s.Faults = append(s.Faults, Fault{At: at(2*g.Rest + g.Ramp + i), Kind: Leave, A: first + done, N: n})
		done += n
	}
	s.Calm = at(2*g.Rest + 2*g.Ramp)
	s.End = at(3*g.Rest + 2*g.Ramp)
	return s
}

// joins is how many machines come in a scenario.
func (s *Scenario) joins() (n int) {
	for _, f := range s.Faults {
		if f.Kind == Join {
			n += max(f.N, 1)
		}
	}
	return n
}

// Depth is how deep a tree was from a time on.
type Depth struct {
	At     time.Duration
	Levels int // of ILMs
	ILMs   int // that have nodes
	Top    int // of them right below the top
	Nodes  int // that the top knew
}

// String writes a depth for people.
func (d Depth) String() string {
	return fmt.Sprintf("%v: %d levels, %d ILMs, %d right below the top, %d nodes", d.At, d.Levels, d.ILMs, d.Top, d.Nodes)
}

// Apart is the least time between two changes of depth; false if there were
// not two. The first of the depths is no change.
func Apart(depths []Depth) (least time.Duration, ok bool) {
	for i := 2; i < len(depths); i++ {
		if d := depths[i].At - depths[i-1].At; !ok || d < least {
			least, ok = d, true
		}
	}
	return least, ok
}

// growing is what is noted of a tree whose levels come and go.
type growing struct {
	missed int     // slots of nodes that have left
	depths []Depth // each time that it changed
	last   Depth
}

// look notes how deep the tree is, at each of the top's rounds.
func (w *World) look() {
	d := Depth{At: w.Elapsed(), Nodes: len(w.top.store.Nodes)}
	levels := make(map[*machine]int)
	var level func(m *machine, limit int) int
	level = func(m *machine, limit int) int {
		if m == nil || m.place == 1 || limit == 0 {
			return 0
		}
		if l, known := levels[m]; known {
			return l
		}
		l := 1 + level(w.machineOf(m), limit-1)
		levels[m] = l
		return l
	}
	for _, m := range w.machines[2:] {
		if !m.up || m.gone || m.clone || !m.list.Active() || m.list.Len() == 0 {
			continue
		}
		d.ILMs++
		l := level(m, 8)
		if l == 1 {
			d.Top++
		}
		d.Levels = max(d.Levels, l)
	}
	g := &w.growth
	if k := len(g.depths); k == 0 || g.depths[k-1].Levels != d.Levels {
		g.depths = append(g.depths, d)
		w.trace("--- depth %v", d)
	}
	g.last = d
}

// machineOf is the machine of the manager that commands a machine's list.
func (w *World) machineOf(m *machine) *machine {
	id := int(m.list.Fence().Parent)
	if id < 1 || id >= len(w.machines) {
		return nil
	}
	return w.machines[id]
}
