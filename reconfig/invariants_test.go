package reconfig_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"simone/internal/testbed"
	"simone/mib"
	"simone/reconfig"
)

// I1: every known node has a row in the list of a live manager at most
// detection + one trigger after any single failure. Two hundred crashes at
// random moments; detection is Misses unanswered probes.
func TestI1WithinDetectionAndOneTrigger(t *testing.T) {
	var worst, sum time.Duration
	crashes := 0
	for seed := uint64(1); crashes < 200; seed++ {
		chance := rand.New(rand.NewPCG(seed, 1))
		s := quick()
		s.StartILMs = 2 + int(seed%4)
		s.MinILMs = 1 + int(seed%3)
		w := testbed.NewWorld(seed, 30, 6, s)
		w.Run(8 * time.Second)
		limit := time.Duration(s.Misses)*s.Probe + s.Trigger
		for range 10 {
			w.Run(time.Duration(6e9 + chance.Int64N(3e9)))
			up := ilms(w)
			victim := w.Nodes[up[chance.IntN(len(up))]]
			if chance.IntN(2) == 0 { // in the middle of a move
				w.Nodes[up[chance.IntN(len(up))]].Temp = 20
				w.Ask(reconfig.AskTrigger, 0)
				w.Run(time.Duration(chance.Int64N(3e9)))
			}
			w.Crash(victim)
			crashes++
			at := w.Elapsed()
			for nobodys(w) > 0 && w.Elapsed()-at < 3*limit {
				w.Run(10 * time.Millisecond)
			}
			took := w.Elapsed() - at
			worst, sum = max(worst, took), sum+took
			if took > limit {
				t.Errorf("seed %d: %v after the crash of ILM %d %d nodes are on no live manager's list", seed, took, victim.ID, nobodys(w))
			}
			w.Restart(victim)
			w.Heal()
			w.Run(6 * time.Second)
			if len(w.Broken()) > 0 {
				t.Fatal(w.Broken())
			}
		}
	}
	t.Logf("%d crashes: nodes without a manager for %v on average, %v at worst", crashes, (sum / time.Duration(crashes)).Round(time.Millisecond), worst)
}

// nobodys counts nodes that are on no live manager's list.
func nobodys(w *testbed.World) (n int) {
	for id := range w.Parent.Store.Nodes {
		if len(w.Holders(id)) == 0 {
			n++
		}
	}
	return n
}

// I4: under constant load the tree stops changing, whatever the thresholds
// (that the load does not cross).
func TestI4ConstantLoadChangesNothing(t *testing.T) {
	for _, th := range []reconfig.Thresholds{{Merge: 0.1, Split: 17.5, Migrate: 500}, {Merge: 0, Split: 8, Migrate: 8}, {Merge: 2.9, Split: 8, Migrate: 1e9}} {
		t.Run(fmt.Sprint(th), func(t *testing.T) {
			s := quick()
			s.Thresholds = th
			w := testbed.NewWorld(4, 30, 4, s)
			for _, n := range w.Nodes {
				n.Temp = 3 + float64(n.ID%6)*0.9
			}
			w.Run(15 * time.Second)
			before := w.Changes()
			w.Run(2 * time.Minute)
			mustCalm(t, w)
			if after := w.Changes(); after != before {
				t.Errorf("%d changes under constant load", after-before)
			}
		})
	}
}

// I5, first half: what one round plans stays within the churn budget, the
// larger of the churn and one ILM's list.
func TestI5RoundsStayWithinChurn(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		chance := rand.New(rand.NewPCG(seed, 2))
		s := quick()
		s.Churn = 0.05 + 0.1*chance.Float64()
		w := testbed.NewWorld(seed, 40, 5, s)
		w.Run(8 * time.Second)
		last, planned := reconfig.Instant(0), 0
		w.Stop = func() string {
			if w.Parent.Engine == nil {
				return ""
			}
			round := w.Parent.Engine.LastRound()
			if round.At == last {
				return ""
			}
			last = round.At
			moves, longest := 0, 1
			for _, tr := range round.Done {
				moves += len(tr.Nodes)
			}
			planned += moves
			for _, c := range round.Children {
				longest = max(longest, c.Nodes)
			}
			own := 0
			for _, n := range w.Parent.Store.Nodes {
				if n.Owner == w.Parent.Self {
					own++
				}
			}
			budget := max(int(s.Churn*float64(w.Parent.Engine.Len()))+1, longest, own)
			if moves > budget {
				return fmt.Sprintf("a round moves %d nodes, its budget is %d", moves, budget)
			}
			return ""
		}
		for range 40 {
			for id := mib.NodeID(2); id < 7; id++ {
				w.Nodes[id].Temp = []float64{0.01, 1, 20, 40, 600}[chance.IntN(5)]
			}
			w.Run(time.Duration(chance.Int64N(2e9)))
		}
		if len(w.Broken()) > 0 {
			t.Errorf("seed %d: %v", seed, w.Broken())
		}
		if planned < 20 {
			t.Errorf("seed %d: only %d planned moves", seed, planned)
		}
	}
}

// I6: an ILM that is cut off from its parent keeps polling, and its log is
// delivered after: no slot is missing.
func TestI6CutOffIlmDeliversItsLog(t *testing.T) {
	for _, cut := range []time.Duration{time.Second, 5 * time.Second, 3 * time.Minute} {
		for _, all := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v, all %v", cut, all), func(t *testing.T) {
				w := testbed.NewWorld(6, 20, 3, quick())
				w.PollsPass = true
				w.Run(10 * time.Second)
				for i, id := range ilms(w) {
					w.Nodes[id].Cut = all || i == 0
				}
				polls := w.Nodes[ilms(w)[0]].List.Log().Head().Seq
				victim := w.Nodes[ilms(w)[0]]
				w.Run(cut)
				if got := victim.List.Log().Head().Seq - polls; float64(got) < cut.Seconds()*3 {
					t.Errorf("the ILM that is cut off logged %d records in %v", got, cut)
				}
				w.Heal()
				w.Run(15 * time.Second)
				mustCalm(t, w)
				for id := range w.Parent.Store.Nodes {
					if g := w.Gaps(id); len(g) > 0 {
						t.Errorf("node %d: slots %v are empty", id, g)
					}
				}
			})
		}
	}
}

// Parent isolated: if half or more (at least two) of its children fall silent
// at once it suspects itself, alerts and waits two windows.
func TestParentSuspectsItself(t *testing.T) {
	for _, c := range []struct {
		cut, ilms int
		suspects  bool
	}{{1, 2, false}, {2, 3, true}, {2, 4, true}, {1, 4, false}, {2, 5, false}, {3, 5, true}, {5, 5, true}} {
		t.Run(fmt.Sprintf("%d of %d", c.cut, c.ilms), func(t *testing.T) {
			s := quick()
			s.StartILMs, s.MinILMs = c.ilms, 1
			w := testbed.NewWorld(7, 25, c.ilms, s)
			w.Run(10 * time.Second)
			up := ilms(w)
			if len(up) != c.ilms {
				t.Fatalf("%d ILMs, want %d", len(up), c.ilms)
			}
			alerts := len(w.Parent.Alerts)
			for _, id := range up[:c.cut] {
				w.Nodes[id].Cut = true
			}
			window := time.Duration(s.Misses) * s.Probe
			moved := func() (n int) {
				for _, e := range w.Parent.Entries {
					if e.Kind == reconfig.KindFailover {
						n += e.Nodes
					}
				}
				return n
			}
			w.Run(window + 600*time.Millisecond) // all are called silent by now
			if got := moved() == 0 && len(w.Parent.Alerts) > alerts; got != c.suspects {
				t.Errorf("failover of %d nodes after one window, alerts %q", moved(), w.Parent.Alerts[alerts:])
			}
			w.Run(2*window - 1200*time.Millisecond)
			if c.suspects && moved() > 0 {
				t.Errorf("failover of %d nodes within two windows of its suspicion", moved())
			}
			w.Run(2500 * time.Millisecond)
			if moved() == 0 {
				t.Error("no failover although the silence lasts")
			}
			w.Heal()
			w.Run(15 * time.Second)
			mustCalm(t, w)
		})
	}
}

// With no other live ILM, one that is excluded or drained takes the node all
// the same (BanYields), and what it has stays whole.
func TestOnlyADrainedIlmIsLeft(t *testing.T) {
	s := quick()
	s.StartILMs, s.MinILMs = 2, 0
	w := testbed.NewWorld(8, 10, 2, s)
	w.Run(8 * time.Second)
	up := ilms(w)
	w.Ask(reconfig.AskDrain, up[1])
	w.Run(5 * time.Second)
	w.Crash(w.Nodes[up[0]])
	w.Run(4 * time.Second)
	taken := 0
	for _, e := range w.Parent.Entries {
		if e.Kind == reconfig.KindFailover && e.To == up[1] {
			taken += e.Nodes
		}
	}
	if taken == 0 || nobodys(w) > 0 {
		t.Errorf("the drained ILM, the only one left, took %d nodes; %d are on no list", taken, nobodys(w))
	}
	w.Heal()
	w.Run(15 * time.Second)
	mustCalm(t, w)
}

// ILMs that say goodbye one after the other, as in a rolling restart, are no
// sign that the parent is cut off.
func TestGoodbyesAreNoSuspicion(t *testing.T) {
	s := quick()
	s.StartILMs, s.MinILMs = 4, 1
	w := testbed.NewWorld(7, 25, 4, s)
	w.Run(10 * time.Second)
	up := ilms(w)
	if len(up) != 4 {
		t.Fatalf("%d ILMs", len(up))
	}
	alerts := len(w.Parent.Alerts)
	for _, id := range up[:2] {
		w.EndWell(w.Nodes[id])
		w.Tell(func(at reconfig.At) reconfig.Event { return reconfig.ChildSilent{At: at, Child: id} })
	}
	w.Run(time.Second)
	for id, n := range w.Parent.Store.Nodes {
		if n.Owner == up[0] || n.Owner == up[1] {
			t.Errorf("node %d is still with %d, which has said goodbye", id, n.Owner)
		}
	}
	if got := w.Parent.Alerts[alerts:]; len(got) > 0 {
		t.Errorf("alerts: %q", got)
	}
	for _, id := range up[:2] {
		w.Restart(w.Nodes[id])
	}
	w.Heal()
	w.Run(15 * time.Second)
	mustCalm(t, w)
}
