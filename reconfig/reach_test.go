package reconfig_test

import (
	"testing"
	"time"

	"simone/internal/testbed"
	"simone/mib"
	"simone/reconfig"
)

// leafOf is a node that an ILM owns and that is no ILM.
func leafOf(t *testing.T, w *testbed.World, owner mib.NodeID) mib.NodeID {
	t.Helper()
	for id, ok := w.Parent.Engine.NextNode(0); ok; id, ok = w.Parent.Engine.NextNode(id) {
		if n, _ := w.Parent.Engine.Node(id); n.Owner == owner && !n.Wanted {
			return id
		}
	}
	t.Fatalf("ILM %d has no leaf", owner)
	return 0
}

func ownerOf(w *testbed.World, id mib.NodeID) mib.NodeID {
	n, _ := w.Parent.Engine.Node(id)
	return n.Owner
}

// A node that its owner cannot reach while others can goes to one of them,
// without help from an operator or a policy.
func TestNodeOutOfItsOwnersReach(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		w := testbed.NewWorld(seed, 24, 5, quick())
		w.Run(10 * time.Second)
		all := ilms(w)
		owner := all[0]
		leaf := leafOf(t, w, owner)
		for _, id := range all[:len(all)-1] { // the last tried is the first that can
			w.Nodes[leaf].Unseen[id] = true
		}
		w.Run(time.Duration(len(all)) * 8 * time.Second)
		mustCalm(t, w)
		if got := ownerOf(w, leaf); got != all[len(all)-1] {
			t.Errorf("seed %d: node %d, which only ILM %d reaches, is with %d", seed, leaf, all[len(all)-1], got)
		}
		before := stored(w, leaf)
		w.Run(20 * time.Second)
		if after := stored(w, leaf); after-before < 15 {
			t.Errorf("seed %d: %d samples in 20 s", seed, after-before)
		}
	}
}

// If no ILM reaches a node the manager above them polls it itself.
func TestOnlyTheTopReachesANode(t *testing.T) {
	w := testbed.NewWorld(1, 24, 5, quick())
	w.Run(10 * time.Second)
	leaf := leafOf(t, w, ilms(w)[0])
	for id := range w.Nodes {
		if id != w.Parent.Self {
			w.Nodes[leaf].Unseen[id] = true
		}
	}
	w.Run(time.Minute)
	if got := ownerOf(w, leaf); got != w.Parent.Self {
		t.Errorf("node %d, which only the top reaches, is with %d", leaf, got)
	}
	w.Run(10 * time.Minute)
	if got := ownerOf(w, leaf); got != w.Parent.Self {
		t.Errorf("node %d went to %d, which cannot reach it", leaf, got)
	}
}

// A dead node is looked for from everywhere once, not over and over, and
// stays where it is.
func TestDeadNodeStaysWhereItIs(t *testing.T) {
	w := testbed.NewWorld(2, 24, 5, quick())
	w.Run(10 * time.Second)
	owner := ilms(w)[0]
	leaf := leafOf(t, w, owner)
	w.Crash(w.Nodes[leaf])
	w.Run(2 * time.Minute)
	epoch := func() mib.Epoch { n, _ := w.Parent.Engine.Node(leaf); return n.Epoch }
	seen, moves := epoch(), w.Parent.Engine.Counters().Moves
	w.Run(10 * time.Minute)
	if epoch() != seen || ownerOf(w, leaf) != owner || w.Parent.Engine.Counters().Moves != moves {
		t.Errorf("node %d: owner %d, epoch %v; want %d, %v", leaf, ownerOf(w, leaf), epoch(), owner, seen)
	}
	told := 0
	for _, e := range w.Parent.Entries {
		if e.Node == leaf && e.Kind == reconfig.KindAbort {
			told++
		}
	}
	if told != 1 {
		t.Errorf("%d entries say that nobody reaches it, want 1", told)
	}
	w.Restart(w.Nodes[leaf])
	w.Run(20 * time.Second)
	mustCalm(t, w)
}

// A pinned node is left where it is.
func TestPinnedNodeOutOfReachStays(t *testing.T) {
	w := testbed.NewWorld(3, 24, 5, quick())
	w.Run(10 * time.Second)
	owner := ilms(w)[0]
	leaf := leafOf(t, w, owner)
	w.Tell(func(at reconfig.At) reconfig.Event {
		return reconfig.OperatorAsked{At: at, Ask: reconfig.AskPin, Node: leaf}
	})
	w.Nodes[leaf].Unseen[owner] = true
	w.Run(time.Minute)
	if got := ownerOf(w, leaf); got != owner {
		t.Errorf("a pinned node went from %d to %d", owner, got)
	}
}

// A node that announces itself over and over, and answers nobody, is not
// looked for without an end.
func TestNodeThatOnlySpeaksIsLeftAlone(t *testing.T) {
	w := testbed.NewWorld(2, 24, 5, quick())
	w.Run(10 * time.Second)
	owner := ilms(w)[0]
	leaf := leafOf(t, w, owner)
	for id := range w.Nodes {
		w.Nodes[leaf].Unseen[id] = true
	}
	w.Run(20 * time.Second)
	const seconds = 300
	tried := 0
	for range seconds {
		w.Run(time.Second)
		if n, _ := w.Parent.Engine.Node(leaf); n.Intent.Target != 0 {
			tried++
		}
	}
	// A search of four ILMs and the top takes some fifteen seconds, and the
	// next one waits for ten.
	t.Logf("tried elsewhere in %d of %d seconds", tried, seconds)
	if tried == 0 || tried > seconds*3/4 {
		t.Errorf("tried elsewhere in %d of %d seconds", tried, seconds)
	}
	if got := ownerOf(w, leaf); got != owner {
		t.Errorf("it went from %d to %d", owner, got)
	}
}
