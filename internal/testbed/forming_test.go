package testbed

import (
	"testing"

	"simone/mib"
)

// TestLateNodesWaitForTheFirstIlms: nodes that announce themselves only when
// the manager has run for a while are still shared out over all the ILMs that
// the tree begins with, not given to the one that is ready first.
func TestLateNodesWaitForTheFirstIlms(t *testing.T) {
	w := NewWorld(4, 44, 4, fast())
	w.CrashParent() // before anything has reached a node
	w.Parent.Store = newStore(1)
	w.StartParent(false)
	w.Run(2 * lonely)
	calm(t, w)
	rows := make(map[mib.NodeID]int)
	for id := mib.NodeID(6); id <= 45; id++ {
		for _, by := range w.Holders(id) {
			rows[by]++
		}
	}
	for id := mib.NodeID(2); id <= 5; id++ {
		if rows[id] != 10 {
			t.Errorf("ILM %d has %d of 40 nodes; want 10", id, rows[id])
		}
	}
	if c := w.Parent.Engine.Counters(); c.Moves > 0 {
		t.Errorf("%d moves in a tree that forms", c.Moves)
	}
}
