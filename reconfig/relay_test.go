package reconfig

import (
	"testing"

	"simone/mib"
)

// What is an ILM by now is not moved as the leaf that it was when the move was
// planned; but who has it in place of a silent owner keeps it.
func TestLeafThatHasBecomeAnILMStays(t *testing.T) {
	for why, stays := range map[Kind]bool{KindSplit: true, KindDrain: true, KindRestore: true, KindFailover: false, KindAdopt: false} {
		t.Run(why.String(), func(t *testing.T) {
			s := DefaultSettings()
			s.Levels, s.Below = 1, 2
			e := New(State{Meta: Meta{Self: 1, Term: 1, High: mib.Epoch{1<<16 | 9}}, Nodes: map[mib.NodeID]Node{
				2: {ID: 2, Kind: mib.KindLeaf, Owner: 1, Epoch: epoch(1), Wanted: true},
				3: {ID: 3, Kind: mib.KindLeaf, Owner: 1, Epoch: epoch(2), Wanted: true},
				9: {ID: 9, Kind: mib.KindLeaf, Owner: 2, Epoch: epoch(3), Intent: Intent{Target: 3, Epoch: epoch(4), Why: why}},
			}}, s, 1)
			if _, err := e.Step(Restarted{At: At{start}}); err != nil {
				t.Fatal(err)
			}
			e.announced(e.children[2], &mib.Record{Kind: mib.RecordILM, Node: 9})
			n, _ := e.Node(9)
			if !n.Manager || n.Owner != 2 {
				t.Errorf("node 9: ILM below its owner %v, owner %d", n.Manager, n.Owner)
			}
			if stays != (n.Intent.Target == 0) {
				t.Errorf("the move to %d", n.Intent.Target)
			}
			// Who has a row of a move that was given up may destroy it only below the owner's.
			if stays && !epoch(4).Less(n.Epoch) {
				t.Errorf("the owner's row is at %v", n.Epoch)
			}
		})
	}
}
