package reconfig_test

import (
	"slices"
	"testing"
	"time"

	"simone/internal/testbed"
	"simone/mib"
	"simone/reconfig"
)

func places(w *testbed.World, list ...reconfig.Place) {
	w.Tell(func(at reconfig.At) reconfig.Event {
		return reconfig.OperatorAsked{At: at, Ask: reconfig.AskPlace, Places: list}
	})
}

func owner(w *testbed.World, id mib.NodeID) mib.NodeID { return w.Parent.Store.Nodes[id].Owner }

// leavesOf is the leaves that an ILM owns.
func leavesOf(w *testbed.World, ilm mib.NodeID) (ids []mib.NodeID) {
	for id := mib.NodeID(2); int(id) <= len(w.Nodes)+1; id++ {
		if n := w.Parent.Store.Nodes[id]; n.Owner == ilm && !n.Wanted {
			ids = append(ids, id)
		}
	}
	return ids
}

// arrived checks that all nodes are where they were asked to be, that nothing
// was lost on the way, and that nothing keeps a policy from them any more.
func arrived(t *testing.T, w *testbed.World, wish []reconfig.Place) {
	t.Helper()
	for _, p := range wish {
		if got := owner(w, p.Node); got != p.At {
			t.Errorf("node %d is at %d, was asked to be at %d", p.Node, got, p.At)
		}
		if w.Parent.Store.Nodes[p.Node].Placed != 0 {
			t.Errorf("node %d is still marked", p.Node)
		}
		if gaps := w.Gaps(p.Node); len(gaps) > 0 {
			t.Errorf("node %d: slots %v are empty", p.Node, gaps)
		}
	}
	for _, v := range append(w.Broken(), w.CheckCalm()...) {
		t.Error(v)
	}
}

// An operator's placements are planned moves: all arrive, no slot stays empty,
// and afterwards nothing keeps a policy from them.
func TestNodesGoWhereTheOperatorAsks(t *testing.T) {
	s := quick()
	s.Automatic = false
	s.StartILMs, s.MinILMs = 2, 1
	w := testbed.NewWorld(7, 30, 4, s)
	w.Run(10 * time.Second)
	up := ilms(w)
	if len(up) != 2 {
		t.Fatalf("%d ILMs", len(up))
	}
	from, to := up[0], up[1]
	var wish []reconfig.Place
	for _, id := range leavesOf(w, from) {
		wish = append(wish, reconfig.Place{Node: id, At: to})
	}
	if len(wish) < 5 {
		t.Fatalf("ILM %d has %d leaves", from, len(wish))
	}
	places(w, wish...)
	w.Run(30 * time.Second)
	arrived(t, w, wish)
}

// A node that was no ILM becomes one for what is to be there, and an ILM that
// is to be a leaf again hands over what nobody has placed.
func TestPlacesMakeAndUnmakeIlms(t *testing.T) {
	s := quick()
	s.Automatic = false
	s.StartILMs, s.MinILMs = 2, 1
	w := testbed.NewWorld(8, 20, 4, s)
	w.Run(10 * time.Second)
	up := ilms(w)
	fresh := mib.NodeID(0)
	for id := mib.NodeID(2); fresh == 0; id++ {
		if n := w.Parent.Store.Nodes[id]; n.Candidate && !n.Wanted {
			fresh = id
		}
	}
	var wish []reconfig.Place
	for _, id := range leavesOf(w, up[0]) {
		if id != fresh {
			wish = append(wish, reconfig.Place{Node: id, At: fresh})
		}
	}
	places(w, append(wish, reconfig.Place{Node: up[0]})...)
	w.Run(40 * time.Second)
	arrived(t, w, wish)
	if n := w.Parent.Store.Nodes[up[0]]; n.Wanted {
		t.Errorf("node %d is still to be an ILM", up[0])
	}
}

// What cannot be is given up after a while, said aloud, and moves nothing.
func TestPlaceThatCannotBeIsGivenUp(t *testing.T) {
	s := quick()
	s.Automatic = false
	s.StartILMs, s.MinILMs = 2, 2
	w := testbed.NewWorld(9, 20, 4, s)
	w.Run(10 * time.Second)
	up := ilms(w)
	id := slices.Max(leavesOf(w, up[0])) // no candidate
	w.Ask(reconfig.AskDrain, up[1])
	w.Run(5 * time.Second)
	at := owner(w, id)
	places(w, reconfig.Place{Node: id, At: up[1]})
	w.Run(15 * s.Trigger)
	if n := w.Parent.Store.Nodes[id]; n.Placed != 0 || n.Owner != at {
		t.Errorf("node %d is at %d (before: %d), marked for %d", id, n.Owner, at, n.Placed)
	}
	if w.Parent.Engine.Counters().Aborts == 0 {
		t.Error("nothing says that it was given up")
	}
}
