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

	"pgregory.net/rapid"
)

var (
	seedFlag  = flag.Uint64("world.seed", 0, "run this one world of TestManyWorlds and trace it")
	countFlag = flag.Uint64("world.count", 400, "how many worlds TestManyWorlds runs")
)

// shape is how big a world is and how it ends. Small worlds meet the rare
// cases sooner; big ones meet what only many nodes do.
type shape struct {
	nodes, candidates int
	ban               time.Duration
	abandon           bool // what is broken at the end stays broken
	faults            int  // at most
}

var shapes = []shape{
	{14, 5, 20 * time.Second, false, 40},
	{4, 2, 20 * time.Second, false, 16},
	{5, 3, time.Hour, true, 16},
	{4, 3, time.Hour, false, 24},
	{3, 2, time.Hour, true, 10},
	{14, 5, time.Hour, true, 30},
}

func (s shape) settings() reconfig.Settings {
	set := reconfig.DefaultSettings()
	set.Policy = "paper" // it moves more than balance
	set.Trigger, set.Interval = time.Second, time.Second
	set.StartILMs = min(s.candidates, 3)
	set.MinILMs = min(s.candidates, 2)
	set.BanFor = s.ban
	return set
}

// suffer runs a world through faults, lets it settle and says what is wrong.
func (s shape) suffer(w *testbed.World, faults []testbed.Fault) []string {
	w.Run(5 * time.Second)
	for _, f := range faults {
		w.Run(f.After)
		if len(w.Broken()) > 0 {
			return w.Broken()
		}
		w.Suffer(f)
	}
	if s.abandon {
		w.Abandon()
	} else {
		w.Heal()
	}
	w.Run(60 * time.Second) // silence, short bans and back-off have passed by then
	if bad := append(w.Broken(), w.CheckCalm()...); len(bad) > 0 {
		return bad
	}
	before := w.Changes()
	w.Run(5 * time.Second)
	if after := w.Changes(); after != before {
		return []string{fmt.Sprintf("the tree still changes: %d moves, aborts, claims and terms, then %d", before, after)}
	}
	return w.Broken()
}

// fault makes a fault of numbers that were drawn.
func (s shape) fault(kind, node, n, after int) testbed.Fault {
	f := testbed.Fault{
		After: time.Duration(after) * time.Millisecond, Kind: testbed.FaultKind(kind),
		Node: mib.NodeID(2 + node%s.nodes), N: n,
	}
	switch f.Kind {
	case testbed.CrashNode, testbed.RestartNode: // mostly those that manage
		if n%4 > 0 {
			f.Node = mib.NodeID(2 + node%s.candidates)
		}
	case testbed.CutNode, testbed.HealNode, testbed.Heat, testbed.Drain, testbed.Undrain,
		testbed.ForgetNode, testbed.CrashOnWrite, testbed.Clock:
		f.Node = mib.NodeID(2 + node%s.candidates)
	}
	switch f.Kind {
	case testbed.HideNode:
		f.N = 1 + n%(s.candidates+1)
	case testbed.CrashParentSoon:
		f.N = 1 + n%8
	case testbed.Heat:
		f.N = []int{0, 1, 20, 600}[n%4]
	case testbed.Lossy:
		f.N = []int{0, 5, 30}[n%3]
	case testbed.PauseParent, testbed.Depose:
		f.N = n % 40
	case testbed.Tune:
		f.N = []int{3, 10, 20}[n%3]
	case testbed.Clock, testbed.ClockParent:
		f.N = []int{-90, -2, 2, 90}[n%4]
	}
	return f
}

// themes are faults that make each other worse. What is drawn from all kinds
// alike seldom meets, say, a backup, two restarts and a restore in a row.
var themes = [][]testbed.FaultKind{
	nil, // all
	{testbed.Backup, testbed.Restore, testbed.CrashParentSoon, testbed.RestartParent, testbed.Heat, testbed.Trigger, testbed.CutNode, testbed.HealNode, testbed.Drain, testbed.Undrain},
	{testbed.Depose, testbed.Depose, testbed.PauseParent, testbed.Lossy, testbed.Heat, testbed.Trigger, testbed.Drain, testbed.Undrain, testbed.CutNode, testbed.HealNode, testbed.StopOthers},
	{testbed.CrashNode, testbed.RestartNode, testbed.RestartNode, testbed.ForgetNode, testbed.CrashOnWrite, testbed.Heat, testbed.Lossy, testbed.CrashParentSoon, testbed.RestartParent, testbed.Clock},
	{testbed.HideNode, testbed.HideNode, testbed.ShowNode, testbed.Heat, testbed.Drain, testbed.Undrain, testbed.CutNode, testbed.HealNode, testbed.CrashNode, testbed.RestartNode},
	{testbed.Rival, testbed.Rival, testbed.StopOthers, testbed.StopOthers, testbed.CutNode, testbed.HealNode, testbed.Restore, testbed.Backup, testbed.Heat, testbed.RestartParent, testbed.CrashParentSoon},
	{testbed.Join, testbed.Leave, testbed.Tune, testbed.CrashParentSoon, testbed.RestartParent, testbed.CutNode, testbed.HealNode, testbed.Heat, testbed.Lossy, testbed.Backup, testbed.Restore},
}

// story is faults in an order in which they hurt most: something moves, its
// manager is copied or replaced in the middle of it, more happens that the
// copy does not know, a part of the ILMs is out of reach when the copy takes
// over, and comes back later.
func story(s shape, chance *rand.Rand) (faults []testbed.Fault) {
	add := func(most int, kind testbed.FaultKind, n int) {
		faults = append(faults, s.fault(int(kind), chance.IntN(64), n, chance.IntN(most)))
	}
	some := func(most int, kinds ...testbed.FaultKind) {
		add(most, kinds[chance.IntN(len(kinds))], chance.IntN(101))
	}
	stir := func(n int) {
		for range n {
			some(800, testbed.Heat, testbed.Heat, testbed.Drain, testbed.Undrain, testbed.Trigger, testbed.CrashNode, testbed.RestartNode, testbed.HideNode)
		}
	}
	if chance.IntN(2) == 0 {
		add(500, testbed.Lossy, chance.IntN(3))
	}
	stir(1 + chance.IntN(3))
	takeOver := []testbed.FaultKind{testbed.Restore, testbed.Restore, testbed.Depose, testbed.CrashParentSoon}[chance.IntN(4)]
	if takeOver == testbed.Restore {
		add(2500, testbed.Backup, 0)
	}
	stir(1 + chance.IntN(4))
	for range chance.IntN(3) {
		some(1500, testbed.CrashParentSoon, testbed.RestartParent)
		add(500, testbed.RestartParent, 0)
	}
	for range chance.IntN(3) {
		some(2500, testbed.CutNode, testbed.CrashNode, testbed.ForgetNode, testbed.CrashOnWrite)
	}
	add(2500, takeOver, chance.IntN(40))
	for range 1 + chance.IntN(6) {
		some(2500, testbed.HealNode, testbed.HealNode, testbed.RestartNode, testbed.Heat, testbed.RestartParent, testbed.ShowNode, testbed.CutNode, testbed.Undrain)
	}
	return faults
}

func drawFaults(s shape, chance *rand.Rand) []testbed.Fault {
	if chance.IntN(2) == 0 {
		return story(s, chance)
	}
	faults := make([]testbed.Fault, 2+chance.IntN(s.faults))
	pace := []int{50, 300, 1200, 2500}[chance.IntN(4)]
	theme := themes[chance.IntN(len(themes))]
	for i := range faults {
		kind := chance.IntN(int(testbed.FaultKinds))
		if theme != nil && chance.IntN(10) > 0 {
			kind = int(theme[chance.IntN(len(theme))])
		}
		faults[i] = s.fault(kind, chance.IntN(64), chance.IntN(101), chance.IntN(pace))
	}
	return faults
}

// TestInvariantsUnderFaults: whatever is lost, doubled, late or reordered and
// whoever crashes between any two actions, when the faults end every node is
// polled by exactly the manager that the store names (I1, I3), every move has
// ended, no slot was stored twice (I2), no owner's row was destroyed, and no
// log was trimmed beyond what is stored.
func TestInvariantsUnderFaults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(shapes).Draw(t, "shape")
		seed := rapid.Uint64().Draw(t, "seed")
		faults := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) testbed.Fault {
			return s.fault(
				rapid.IntRange(0, int(testbed.FaultKinds)-1).Draw(t, "kind"), rapid.IntRange(0, 63).Draw(t, "node"),
				rapid.IntRange(0, 100).Draw(t, "n"), rapid.IntRange(0, 2500).Draw(t, "after"))
		}), 0, 20).Draw(t, "faults")
		if bad := s.suffer(testbed.NewWorld(seed, s.nodes, s.candidates, s.settings()), faults); len(bad) > 0 {
			t.Fatalf("%q", bad)
		}
	})
}

// TestManyWorlds is the same over seeds, without shrinking: fast, for many.
func TestManyWorlds(t *testing.T) {
	run := func(t *testing.T, seed uint64, trace bool) {
		chance := rand.New(rand.NewPCG(seed, 99))
		s := shapes[seed%uint64(len(shapes))]
		w := testbed.NewWorld(seed, s.nodes, s.candidates, s.settings())
		if trace {
			w.LogFor(func(format string, args ...any) { fmt.Printf(format+"\n", args...) })
		}
		if bad := s.suffer(w, drawFaults(s, chance)); len(bad) > 0 {
			t.Errorf("seed %d: %s", seed, strings.Join(bad, "; "))
		}
	}
	if *seedFlag != 0 {
		run(t, *seedFlag, true)
		return
	}
	for seed := uint64(1); seed <= *countFlag && !t.Failed(); seed++ {
		run(t, seed, false)
	}
}
