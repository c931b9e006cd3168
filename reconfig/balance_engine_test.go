package reconfig_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"simone/internal/testbed"
	"simone/mib"
	"simone/reconfig"
)

// balanceWorld is a settled tree under policy balance; each of its hosts needs
// 2 % of its CPU for a row.
func balanceWorld(seed uint64, ilmCount, candidates int) (*testbed.World, []mib.NodeID) {
	s := quick()
	s.Policy, s.StartILMs, s.MinILMs = "balance", ilmCount, 1
	w := testbed.NewWorld(seed, 40, candidates, s)
	for _, n := range w.Nodes {
		n.Slowness = .02
	}
	w.Run(15 * time.Second)
	return w, ilms(w)
}

// begun is how many transformations a world's parent has begun.
func begun(w *testbed.World) uint64 {
	c := w.Parent.Engine.Counters()
	return c.Splits + c.Migrates + c.Merges
}

func mustLoseNothing(t *testing.T, w *testbed.World) {
	t.Helper()
	for id := range w.Nodes {
		if g := w.Gaps(id); len(g) > 0 {
			t.Errorf("node %d: slots %v are empty", id, g)
		}
	}
}

// TestBalanceEnacted runs balance in an engine that moves nodes for real.
func TestBalanceEnacted(t *testing.T) {
	t.Run("a tree at rest stays so", func(t *testing.T) {
		w, _ := balanceWorld(1, 4, 5)
		w.Run(100 * time.Second)
		mustCalm(t, w)
		if n := begun(w); n != 0 {
			t.Errorf("%d transformations", n)
		}
	})
	t.Run("one ILM is heated: its work is moved, and the tree comes to rest", func(t *testing.T) {
		w, up := balanceWorld(2, 4, 4)
		hot := up[1]
		before := len(of(w, hot))
		w.Nodes[hot].Temp = 40
		w.Run(40 * time.Second)
		left, n := len(of(w, hot)), begun(w)
		if left > before/2 || n == 0 || n > 12 {
			t.Errorf("%d of %d nodes are left after %d transformations", left, before, n)
		}
		w.Run(100 * time.Second)
		mustCalm(t, w)
		if again := begun(w) - n; again != 0 {
			t.Errorf("%d transformations in the hundred triggers after", again)
		}
		mustLoseNothing(t, w)
	})
	t.Run("one ILM is slowed and heats up with each row: it keeps what it can bear", func(t *testing.T) {
		w, up := balanceWorld(3, 4, 4)
		slow := w.Nodes[up[0]]
		slow.Slowness = .08
		w.Stop = func() string {
			if !slow.List.Active() {
				return "the slowed ILM was given up"
			}
			slow.Temp = 3 * float64(slow.List.Len())
			return ""
		}
		w.Run(60 * time.Second)
		n := begun(w)
		w.Run(100 * time.Second)
		mustCalm(t, w)
		if left := slow.List.Len(); left == 0 || left > 5 || slow.Temp > 17.5 {
			t.Errorf("%d rows are left, temperature %g", left, slow.Temp)
		}
		if again := begun(w) - n; n == 0 || again != 0 {
			t.Errorf("%d transformations, and %d in the hundred triggers after", n, again)
		}
		mustLoseNothing(t, w)
	})
	t.Run("all are hot: a host is promoted, and no ILM given up at that load", func(t *testing.T) {
		w, _ := balanceWorld(4, 2, 5)
		for _, n := range w.Nodes {
			n.Slowness = .04
		}
		w.Run(100 * time.Second)
		now, n := ilms(w), begun(w)
		if len(now) != 3 {
			t.Errorf("%d ILMs", len(now))
		}
		for _, id := range now {
			if u := w.Nodes[id].Slowness * float64(w.Nodes[id].List.Len()); u > .65 {
				t.Errorf("ILM %d: utilisation %.2f", id, u)
			}
			w.Nodes[id].Temp = .01 // cold, and yet as busy as when one was promoted
		}
		w.Run(100 * time.Second)
		mustCalm(t, w)
		if again := begun(w) - n; again != 0 || len(ilms(w)) != len(now) {
			t.Errorf("%d transformations after, %d ILMs", again, len(ilms(w)))
		}
		mustLoseNothing(t, w)
	})
	t.Run("little to do: cold ILMs merge down to the least number", func(t *testing.T) {
		w, up := balanceWorld(5, 4, 4)
		w.Tune(func(s *reconfig.Settings) { s.MinILMs = 2 })
		for _, id := range up {
			w.Nodes[id].Temp, w.Nodes[id].Slowness = .01, .001
		}
		w.Run(100 * time.Second)
		mustCalm(t, w)
		if now := ilms(w); len(now) != 2 {
			t.Errorf("%d ILMs", len(now))
		}
		mustLoseNothing(t, w)
	})
	t.Run("an ILM that comes back empty gets its share", func(t *testing.T) {
		w, up := balanceWorld(6, 4, 4)
		w.Crash(w.Nodes[up[2]])
		w.Run(10 * time.Second)
		w.Restart(w.Nodes[up[2]])
		w.Run(30 * time.Second)
		n := begun(w)
		w.Run(100 * time.Second)
		mustCalm(t, w)
		if got := len(of(w, up[2])); got < 5 {
			t.Errorf("it has %d nodes", got)
		}
		if again := begun(w) - n; again != 0 {
			t.Errorf("%d transformations after", again)
		}
	})
	t.Run("a host that cannot become an ILM is not tried at every trigger", func(t *testing.T) {
		w, up := balanceWorld(7, 2, 3)
		for id, n := range w.Nodes {
			n.Slowness = .04
			if n.Candidate && id != up[0] && id != up[1] {
				w.Crash(n)
			}
		}
		w.Run(200 * time.Second)
		if n := begun(w); n > 6 {
			t.Errorf("%d transformations", n)
		}
	})
	t.Run("each says what came of it", func(t *testing.T) {
		w, up := balanceWorld(8, 3, 3)
		w.Nodes[up[0]].Slowness = .08
		w.Run(60 * time.Second)
		said := false
		for _, e := range w.Parent.Entries {
			said = said || e.Kind == reconfig.KindOutcome && strings.Contains(e.Seen, "utilisation") && strings.Contains(e.Expected, "utilisation") && e.Outcome != ""
		}
		if !said {
			t.Errorf("no outcome among %d entries", len(w.Parent.Entries))
		}
	})
}

// TestBalanceUnderFaults is TestManyWorlds under balance, on hosts of which
// some are slower: what it decides from what it remembers holds through
// faults, too, and the tree comes to rest after them.
func TestBalanceUnderFaults(t *testing.T) {
	for seed := range uint64(60) {
		chance := rand.New(rand.NewPCG(seed, 98))
		s := shapes[seed%uint64(len(shapes))]
		set := s.settings()
		set.Policy = "balance"
		w := testbed.NewWorld(seed, s.nodes, s.candidates, set)
		for id := mib.NodeID(2); w.Nodes[id] != nil; id++ {
			w.Nodes[id].Slowness = .02 * float64(1+chance.IntN(4))
		}
		if bad := s.suffer(w, drawFaults(s, chance)); len(bad) > 0 {
			t.Errorf("seed %d: %s", seed, strings.Join(bad, "; "))
		}
	}
}
