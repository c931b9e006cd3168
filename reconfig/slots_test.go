package reconfig_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"simone/internal/testbed"
	"simone/mib"
	"simone/reconfig"
)

var slotsFlag = flag.Uint64("world.slots", 120, "how many worlds TestPlannedMovesLoseNothing runs")

// TestPlannedMovesLoseNothing (I5, S4 of the model): planned moves, with a
// control network that loses, doubles and delays, managers that crash between
// any two actions, pause and are deposed, and ILMs that are cut off from them
// for a while, leave no slot empty between a node's first and last sample,
// and store none twice. Polls are not lost here.
func TestPlannedMovesLoseNothing(t *testing.T) {
	kinds := []testbed.FaultKind{
		testbed.Heat, testbed.Heat, testbed.Heat, testbed.Heat, testbed.Drain, testbed.Undrain, testbed.Pin, testbed.Unpin,
		testbed.Trigger, testbed.Trigger, testbed.Lossy, testbed.CrashParentSoon, testbed.RestartParent, testbed.RestartParent,
		testbed.PauseParent, testbed.Depose, testbed.CutNode, testbed.HealNode, testbed.HealNode,
	}
	moves := 0
	run := func(seed uint64, trace bool) {
		chance := rand.New(rand.NewPCG(seed, 5))
		s := shape{nodes: 4 + chance.IntN(16), candidates: 2 + chance.IntN(3), ban: time.Hour, faults: 60}
		set := s.settings()
		set.MinILMs = 1
		w := testbed.NewWorld(seed, s.nodes, s.candidates, set)
		w.PollsPass = true
		w.Slow = []time.Duration{0, 100, 900}[chance.IntN(3)] * time.Millisecond
		if trace {
			w.LogFor(func(format string, args ...any) { fmt.Printf(format+"\n", args...) })
		}
		w.Run(5 * time.Second)
		pace := []int{100, 500, 1500}[chance.IntN(3)]
		for range 10 + chance.IntN(s.faults) {
			w.Run(time.Duration(chance.IntN(pace)) * time.Millisecond)
			f := s.fault(int(kinds[chance.IntN(len(kinds))]), chance.IntN(64), chance.IntN(101), 0)
			if f.Kind == testbed.Depose || f.Kind == testbed.PauseParent {
				f.N %= 15
			}
			w.Suffer(f)
		}
		w.Heal()
		w.Run(30 * time.Second)
		bad := append(w.Broken(), w.CheckCalm()...)
		for id := mib.NodeID(1); int(id) <= len(w.Nodes); id++ {
			if g := w.Gaps(id); len(g) > 0 {
				bad = append(bad, fmt.Sprintf("node %d: slots %v are empty", id, g))
			}
		}
		if len(bad) > 0 {
			t.Errorf("seed %d: %s", seed, strings.Join(bad, "; "))
		}
		moves += w.PlannedMoves()
	}
	if *seedFlag != 0 {
		run(*seedFlag, true)
		return
	}
	for seed := uint64(1); seed <= *slotsFlag && !t.Failed(); seed++ {
		run(seed, false)
	}
	if want := int(*slotsFlag) * 5; moves < want && !t.Failed() {
		t.Errorf("only %d planned moves in %d worlds, want %d", moves, *slotsFlag, want)
	}
}

// TestThousandPlannedMoves: splits, merges, migrates, promotions and drains,
// more than 1,000 moves in one world that is otherwise in order, and every
// slot of every node has exactly one sample.
func TestThousandPlannedMoves(t *testing.T) {
	s := quick()
	s.MinILMs, s.StartILMs, s.Churn = 1, 4, 0.5
	w := testbed.NewWorld(11, 60, 6, s)
	chance := rand.New(rand.NewPCG(11, 11))
	w.Run(10 * time.Second)
	var drained mib.NodeID
	for turn := 0; w.PlannedMoves() < 1000 && turn < 2000; turn++ {
		for id := mib.NodeID(2); id < 8; id++ {
			w.Nodes[id].Temp = []float64{0.05, 1, 1, 5, 30, 600}[chance.IntN(6)]
		}
		if turn%5 == 0 {
			if drained != 0 {
				w.Ask(reconfig.AskUndrain, drained)
			}
			drained = mib.NodeID(2 + chance.IntN(6))
			w.Ask(reconfig.AskDrain, drained)
		}
		w.Run(time.Duration(500+chance.IntN(2500)) * time.Millisecond)
	}
	w.Heal()
	w.Run(20 * time.Second)
	mustCalm(t, w)
	last := uint32(w.Elapsed() / s.Interval)
	for id := range w.Parent.Store.Nodes {
		l := w.Parent.Engine.Ledger(id)
		if len(l.Runs) != 1 || l.Last() < last-3 {
			t.Errorf("node %d: slots %v are filled of %d", id, l.Runs, last)
		}
	}
	c := w.Parent.Engine.Counters()
	t.Logf("%d planned moves: %d splits, %d migrates, %d merges, in %v", w.PlannedMoves(), c.Splits, c.Migrates, c.Merges, w.Elapsed())
	if w.PlannedMoves() < 1000 || c.Splits == 0 || c.Migrates == 0 || c.Merges == 0 || c.Failovers > 0 {
		t.Errorf("%d planned moves: %+v", w.PlannedMoves(), c)
	}
}
