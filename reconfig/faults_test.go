package reconfig_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"simone/internal/testbed"
	"simone/mib"
	"simone/reconfig"

	"pgregory.net/rapid"
)

var seedFlag = flag.Uint64("world.seed", 0, "run this one world of TestManyWorlds and trace it")

const (
	worldNodes      = 14
	worldCandidates = 5
)

func quick() reconfig.Settings {
	s := reconfig.DefaultSettings()
	s.Trigger, s.Interval = time.Second, time.Second
	s.MinILMs, s.StartILMs = 2, 3
	s.BanFor = 20 * time.Second
	return s
}

// suffer runs a world through faults, heals it and says what is wrong then.
func suffer(w *testbed.World, faults []testbed.Fault) []string {
	w.Run(6 * time.Second)
	for _, f := range faults {
		w.Run(f.After)
		if len(w.Broken()) > 0 {
			return w.Broken()
		}
		w.Suffer(f)
	}
	w.Heal()
	w.Run(45 * time.Second) // silence, bans and back-off have passed by then
	return append(w.Broken(), w.CheckCalm()...)
}

func drawFault(kind, node, n, after int) testbed.Fault {
	f := testbed.Fault{
		After: time.Duration(after) * time.Millisecond, Kind: testbed.FaultKind(kind),
		Node: mib.NodeID(2 + node%worldNodes), N: n,
	}
	switch f.Kind {
	case testbed.CrashNode, testbed.RestartNode, testbed.CutNode, testbed.HealNode, testbed.Heat, testbed.Drain, testbed.Undrain:
		f.Node = mib.NodeID(2 + node%worldCandidates)
	}
	switch f.Kind {
	case testbed.HideNode:
		f.N = 1 + n%(worldCandidates+1)
	case testbed.CrashParentSoon:
		f.N = 1 + n%8
	case testbed.Heat:
		f.N = []int{0, 1, 20, 600}[n%4]
	case testbed.Lossy:
		f.N = []int{0, 5, 30}[n%3]
	}
	return f
}

// TestInvariantsUnderFaults: whatever is lost, doubled, late or reordered and
// whoever crashes between any two actions, when the faults end every node is
// polled by exactly the manager that the store names (I1, I3), every move has
// ended, no slot was stored twice (I2), no owner's row was destroyed, and no
// log was trimmed beyond what is stored.
func TestInvariantsUnderFaults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		faults := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) testbed.Fault {
			return drawFault(
				rapid.IntRange(0, int(testbed.FaultKinds)-1).Draw(t, "kind"), rapid.IntRange(0, worldNodes-1).Draw(t, "node"),
				rapid.IntRange(0, 100).Draw(t, "n"), rapid.IntRange(0, 2500).Draw(t, "after"))
		}), 0, 30).Draw(t, "faults")
		w := testbed.NewWorld(seed, worldNodes, worldCandidates, quick())
		if bad := suffer(w, faults); len(bad) > 0 {
			t.Fatalf("%q", bad)
		}
	})
}

// TestManyWorlds is the same over seeds, without shrinking: fast, for many.
func TestManyWorlds(t *testing.T) {
	run := func(t *testing.T, seed uint64, trace bool) {
		chance := rand.New(rand.NewPCG(seed, 99))
		w := testbed.NewWorld(seed, worldNodes, worldCandidates, quick())
		if trace {
			w.LogFor(func(format string, args ...any) { fmt.Printf(format+"\n", args...) })
		}
		faults := make([]testbed.Fault, 5+chance.IntN(40))
		for i := range faults {
			faults[i] = drawFault(chance.IntN(int(testbed.FaultKinds)), chance.IntN(worldNodes), chance.IntN(101), chance.IntN(2500))
		}
		if bad := suffer(w, faults); len(bad) > 0 {
			t.Fatalf("seed %d: %q", seed, bad)
		}
	}
	if *seedFlag != 0 {
		run(t, *seedFlag, true)
		return
	}
	for seed := uint64(1); seed <= 300; seed++ {
		run(t, seed, false)
	}
}
