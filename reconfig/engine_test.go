package reconfig_test

import (
	"fmt"
	"testing"
	"time"

	"simone/internal/testbed"
	"simone/mib"
	"simone/reconfig"
)

// quick is settings with which a world settles in seconds.
func quick() reconfig.Settings { return shape{candidates: 5, ban: time.Hour}.settings() }

// mustCalm fails the test for all that is wrong in a world that has settled.
func mustCalm(t *testing.T, w *testbed.World) {
	t.Helper()
	for _, b := range append(w.Broken(), w.CheckCalm()...) {
		t.Error(b)
	}
}

// ilms is the ILMs that can be given nodes.
func ilms(w *testbed.World) (ids []mib.NodeID) {
	for _, c := range w.Parent.Engine.Children() {
		if c.Ready {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// stored is how many samples of a node fill a slot.
func stored(w *testbed.World, id mib.NodeID) (n int) {
	for _, r := range w.Parent.Store.Ledgers[id].Runs {
		n += int(r.To-r.From) + 1
	}
	return n
}

// A report that was read before a control SET took effect, and comes after
// its answer, is no sign that the child forgot the SET.
func TestLateReportIsNoLossOfMemory(t *testing.T) {
	w := testbed.NewWorld(1, 14, 5, quick())
	w.Net.Jitter = 100 * time.Millisecond
	w.Run(10 * time.Second)
	before := w.Parent.Engine.Counters().Claims
	w.Run(5 * time.Minute)
	mustCalm(t, w)
	if after := w.Parent.Engine.Counters().Claims; after != before {
		t.Errorf("%d claims in five minutes in which nothing happened", after-before)
	}
}

// A candidate that never answers is not promoted over and over, and does not
// keep the manager from its work meanwhile.
func TestDeadCandidateIsNotTriedOverAndOver(t *testing.T) {
	s := quick()
	s.MinILMs = 3
	w := testbed.NewWorld(2, 10, 4, s)
	w.Run(10 * time.Second)
	manage := ilms(w)
	spare := mib.NodeID(2 + 3 + 4 + 5)
	for _, id := range manage {
		spare -= id
	}
	w.Crash(w.Nodes[spare])
	w.Run(10 * time.Second) // its failing is read in a log, by a life that ends
	w.CrashParent()
	w.StartParent(false)
	w.Crash(w.Nodes[manage[0]])
	w.Run(5 * time.Second)
	before := len(w.Parent.Entries)
	w.Run(time.Minute)
	for _, e := range w.Parent.Entries[before:] {
		if e.Kind == reconfig.KindLost {
			t.Errorf("an ILM is lost in a minute in which none was: %+v", e)
		}
	}
	mustCalm(t, w)
}

// Two managers with the same nodes outrank each other; that must not use up
// all terms before somebody can stop one of them.
func TestTwoManagersDoNotUseUpTheTerms(t *testing.T) {
	w := testbed.NewWorld(3, 8, 3, quick())
	w.Run(8 * time.Second)
	w.Rival()
	w.Run(time.Minute)
	if term := w.Parent.Engine.Meta().Term; term > 200 {
		t.Errorf("term %d after a minute of two managers", term)
	}
	if len(w.Parent.Alerts) == 0 {
		t.Error("nobody was told of it")
	}
	w.StopOthers()
	w.Run(30 * time.Second)
	mustCalm(t, w)
}

// A machine without a clock of its own starts in 1970 and is set later: a
// list or a manager whose clock was set, either way, goes on polling, and the
// numbers of slots never go back to filled ones for long.
func TestClockSetWhileDown(t *testing.T) {
	for _, set := range []time.Duration{-24 * time.Hour, -time.Minute, -3 * time.Second, time.Minute, 24 * time.Hour} {
		for _, who := range []string{"ILM", "ILM that failed over", "parent", "parent and its ILM gone"} {
			t.Run(fmt.Sprint(who, " ", set), func(t *testing.T) {
				w := testbed.NewWorld(4, 12, 3, quick())
				w.Run(65 * time.Second)
				n := w.Nodes[ilms(w)[0]]
				switch who {
				case "ILM", "ILM that failed over":
					w.Crash(n)
					if who != "ILM" {
						w.Run(5 * time.Second)
					}
					n.Skew = set
					w.Restart(n)
				default:
					w.CrashParent()
					if who != "parent" {
						w.Crash(n)
					}
					w.Parent.Skew = set
					w.StartParent(false)
				}
				w.Run(15 * time.Second)
				before := make(map[mib.NodeID]int)
				for id := range w.Parent.Store.Nodes {
					before[id] = stored(w, id)
				}
				w.Run(10 * time.Second)
				for id, b := range before {
					if a := stored(w, id); w.Nodes[id].Up && a < b+9 {
						t.Errorf("node %d: %d samples stored in 10 s, want 10", id, a-b)
					}
				}
				mustCalm(t, w)
			})
		}
	}
}

// The poll interval is a setting, not part of the store: a manager that
// starts with another one finds rows that are not as they should be.
func TestIntervalChangedWhileDown(t *testing.T) {
	w := testbed.NewWorld(5, 12, 3, quick())
	w.Run(10 * time.Second)
	w.CrashParent()
	w.Parent.Settings.Interval = 300 * time.Millisecond
	w.StartParent(false)
	w.Run(5 * time.Second)
	mustCalm(t, w)
	for id, n := range w.Parent.Store.Nodes {
		if r, _ := w.Nodes[n.Owner].List.Row(w.Now, id); r.Row.Interval != 300*time.Millisecond {
			t.Errorf("node %d is polled every %v, want 300ms", id, r.Row.Interval)
		}
	}
}

// A new pace goes on with the numbers of the old one, also when the node
// moves before its owner has heard of it.
func TestNewPaceKeepsTheNumbers(t *testing.T) {
	w := testbed.NewWorld(6, 12, 3, quick())
	w.Run(60 * time.Second)
	n := w.Nodes[ilms(w)[0]]
	w.Crash(n)
	w.Tune(func(s *reconfig.Settings) { s.Interval = 3 * time.Second })
	w.Run(30 * time.Second)
	mustCalm(t, w)
	for id := range w.Parent.Store.Nodes {
		l := w.Parent.Engine.Ledger(id)
		if w.Nodes[id].Up && l.Last() > 80 {
			t.Errorf("node %d: slot %d after 60 slots of 1 s and ten of 3 s", id, l.Last())
		}
		if l.Refused > 2 {
			t.Errorf("node %d: %d samples were refused", id, l.Refused)
		}
	}
}

// The manager itself is the last resort: that it could not reach a node, or
// was refused, must not leave the node on nobody's list until that is
// forgotten.
func TestExcludedOwnerGetsItsRowAgain(t *testing.T) {
	w := testbed.NewWorld(9, 4, 0, quick())
	w.Run(5 * time.Second)
	mustCalm(t, w)
	w.CrashParent()
	n := w.Parent.Store.Nodes[3]
	n.Banned = []reconfig.Ban{{Target: 1, Until: w.Now.Add(time.Hour)}}
	w.Parent.Store.Nodes[3] = n
	w.Forget(w.Nodes[1], false)
	w.Restart(w.Nodes[1])
	w.StartParent(false)
	w.Run(5 * time.Second)
	mustCalm(t, w)
}

// Watermark: a silent owner that comes back at once, with a poll still out,
// keeps its row until the answer is in its log.
func TestSilentOwnerComesBackAtOnce(t *testing.T) {
	for seed := uint64(1); seed <= 60; seed++ {
		w := testbed.NewWorld(seed, 12, 3, quick())
		w.PollsPass, w.Slow = true, 990*time.Millisecond
		w.Run(10*time.Second + time.Duration(seed)*17*time.Millisecond)
		n := w.Nodes[ilms(w)[int(seed)%len(ilms(w))]]
		n.Cut = true
		for range 400 {
			if w.Run(5 * time.Millisecond); w.Parent.Entries[len(w.Parent.Entries)-1].Kind == reconfig.KindFailover {
				break
			}
		}
		w.Heal()
		w.Run(10 * time.Second)
		mustCalm(t, w)
		for id := range w.Parent.Store.Nodes {
			if g := w.Gaps(id); len(g) > 0 {
				t.Errorf("seed %d, node %d: slots %v are empty", seed, id, g)
			}
		}
	}
}

// Sampled: a node whose new owner cannot reach it goes back to the one that
// can, and is not left to both.
func TestNodeGoesBackToWhoCanReachIt(t *testing.T) {
	s := quick()
	s.StartILMs, s.MinILMs = 2, 1
	w := testbed.NewWorld(10, 10, 2, s)
	w.Run(8 * time.Second)
	up := ilms(w)
	a, b := up[0], up[1]
	nodes := of(w, a)
	for _, id := range nodes {
		w.Nodes[id].Unseen[b] = true
	}
	w.Nodes[a].Cut = true
	w.Run(3 * time.Second)
	if got := of(w, a); len(got) > 0 {
		t.Fatalf("%v are still those of the ILM that is silent", got)
	}
	w.Nodes[a].Cut = false
	w.Run(10 * time.Second)
	mustCalm(t, w)
	for _, id := range nodes {
		if o := w.Parent.Store.Nodes[id].Owner; o != a {
			t.Errorf("node %d is %d's, which cannot reach it", id, o)
		}
	}
}

// TombRaise: a refused row counts as an epoch seen; the next one is above it.
func TestTombstoneAboveTheNextEpoch(t *testing.T) {
	s := quick()
	s.StartILMs, s.MinILMs = 2, 1
	w := testbed.NewWorld(11, 8, 2, s)
	w.Run(8 * time.Second)
	up := ilms(w)
	target := w.Nodes[up[1]]
	w.Crash(target)
	high := w.Parent.Engine.Meta().High
	high[0] += 5
	for _, id := range of(w, up[0]) {
		if target.Durable.Tombs == nil {
			target.Durable.Tombs = make(map[mib.NodeID]mib.Epoch)
		}
		target.Durable.Tombs[id] = high
	}
	w.Restart(target)
	w.Run(2 * time.Second)
	w.Ask(reconfig.AskDrain, up[0])
	w.Run(8 * time.Second)
	mustCalm(t, w)
	if left := of(w, up[0]); len(left) > 0 {
		t.Errorf("%v stay on the drained ILM", left)
	}
}

// DropTell: what is drained while a move to it is under way gets nothing.
func TestDrainedInTheMiddleOfAMove(t *testing.T) {
	s := quick()
	s.StartILMs, s.MinILMs = 3, 1
	w := testbed.NewWorld(12, 21, 3, s)
	w.Run(8 * time.Second)
	up := ilms(w)
	w.Nodes[up[0]].Temp = 20
	target := mib.NodeID(0)
	for range 150 {
		w.Run(10 * time.Millisecond)
		for _, n := range w.Parent.Store.Nodes {
			target = max(target, n.Intent.Target)
		}
		if target != 0 {
			break
		}
	}
	if target == 0 {
		t.Fatal("no move began")
	}
	w.Nodes[up[0]].Temp = 1
	had := of(w, target)
	w.Ask(reconfig.AskDrain, target)
	w.Stop = func() string {
		if got := of(w, target); len(got) > len(had) {
			return fmt.Sprintf("the drained ILM %d got nodes: %v, had %v", target, got, had)
		}
		return ""
	}
	w.Run(10 * time.Second)
	mustCalm(t, w)
}

// A restored store's cursor may lie before what its child still has of its
// log. If nothing comes after that, the log is read to its head all the same,
// and what waits for that goes on.
func TestRestoredCursorBeforeATrimmedLog(t *testing.T) {
	s := quick()
	s.StartILMs, s.MinILMs = 2, 1
	w := testbed.NewWorld(13, 10, 2, s)
	w.Run(8 * time.Second)
	up := ilms(w)
	w.TakeBackup()
	w.Run(5 * time.Second)
	for _, id := range of(w, up[0]) {
		w.Crash(w.Nodes[id])
	}
	w.Run(10 * time.Second) // it has told that they fail, and that is acknowledged
	w.RestoreParent()
	w.Run(2 * time.Second)
	w.Ask(reconfig.AskDrain, up[0])
	w.Run(20 * time.Second)
	mustCalm(t, w)
	if n := w.Nodes[up[0]].List.Len(); n > 0 {
		t.Errorf("the drained ILM has %d rows", n)
	}
}

// Where triggers and probes keep step, each probe of a busy ILM would be out
// together with an acknowledgement, and nothing that it reads be believed. A
// drained ILM's nodes move all the same, within a few polls.
func TestMovesWhileTriggersAndProbesKeepStep(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		s := quick()
		s.Probe, s.Trigger, s.Interval, s.StartILMs = 500*time.Millisecond, 500*time.Millisecond, 500*time.Millisecond, 3
		w := testbed.NewWorld(seed, 30, 5, s)
		w.Run(10 * time.Second)
		for range 10 {
			drained := ilms(w)[0]
			w.Ask(reconfig.AskDrain, drained)
			w.Run(6 * time.Second)
			for _, c := range w.Parent.Engine.Children() {
				if c.ID == drained && c.Nodes > 0 {
					t.Errorf("seed %d: ILM %d still has %d nodes six seconds after it was drained", seed, drained, c.Nodes)
				}
			}
			w.Ask(reconfig.AskUndrain, drained)
			w.Run(time.Second)
		}
		mustCalm(t, w)
	}
}
