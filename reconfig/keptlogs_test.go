package reconfig_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"simone/internal/testbed"
	"simone/mib"
)

// restarts runs a world in which ILMs are down for a moment again and again,
// shorter than it takes to notice, and gives how many slots of the nodes that
// are not ILMs stayed empty, and how many samples came for slots that were
// filled.
func restarts(t *testing.T, window time.Duration, down func(*testbed.World, *testbed.Node)) (times, empty int, refused uint64) {
	t.Helper()
	s := quick()
	s.MinILMs, s.StartILMs = 3, 3
	w := testbed.NewWorld(5, 24, 3, s)
	if window > 0 {
		w.KeepLogs(window)
	}
	chance := rand.New(rand.NewPCG(5, 5))
	w.Run(8 * time.Second)
	for range 60 {
		n := w.Nodes[mib.NodeID(2+chance.IntN(3))]
		if !n.List.Active() || n.List.Len() == 0 {
			t.Fatalf("node %d is no ILM with a list", n.ID)
		}
		down(w, n)
		w.Run(time.Duration(50+chance.IntN(700)) * time.Millisecond)
		w.Restart(n)
		w.Run(time.Duration(2000+chance.IntN(3000)) * time.Millisecond)
		times++
	}
	w.Heal()
	w.Run(10 * time.Second)
	mustCalm(t, w)
	if c := w.Parent.Engine.Counters(); c.Failovers > 0 || w.PlannedMoves() > 0 {
		t.Errorf("nodes were moved: %+v", c)
	}
	for id := mib.NodeID(5); int(id) <= len(w.Nodes); id++ {
		empty += len(w.Gaps(id))
		refused += w.Parent.Store.Ledgers[id].Refused
	}
	return times, empty, refused
}

// TestCleanRestartsLoseNothing: an ILM that ends in good order and is back
// before the slots that came due have passed loses no sample, and polls none
// twice: its log goes on where it was, and its parent reads on.
func TestCleanRestartsLoseNothing(t *testing.T) {
	times, empty, refused := restarts(t, time.Second, (*testbed.World).EndWell)
	if empty > 0 || refused > 0 {
		t.Errorf("%d restarts: %d slots are empty, %d samples came twice", times, empty, refused)
	}
	// What this is worth.
	_, without, _ := restarts(t, 0, (*testbed.World).EndWell)
	t.Logf("%d restarts; %d slots are empty if the log is not kept", times, without)
	if without == 0 {
		t.Error("none would be lost without the log")
	}
}

// TestCrashLosesAWindow: one that crashes loses what was logged since its log
// was last written and not read since, and not more.
func TestCrashLosesAWindow(t *testing.T) {
	times, empty, _ := restarts(t, 200*time.Millisecond, (*testbed.World).Crash)
	_, without, _ := restarts(t, 0, (*testbed.World).Crash)
	t.Logf("%d crashes: %d slots are empty, %d if the log is not kept", times, empty, without)
	// Seven nodes at an ILM, polled each second: three samples in two windows.
	if empty > 3*times/2 || 3*empty > without {
		t.Errorf("%d crashes: %d slots are empty, %d if the log is not kept", times, empty, without)
	}
}
