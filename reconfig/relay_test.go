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

// Who was to become an ILM here, and has become one below its owner before it
// came, stays there: its owner gives it nodes as soon as this manager has stored
// that it is one.
func TestLeafThatBecameAnILMElsewhereIsNotPromoted(t *testing.T) {
	for _, tt := range []struct {
		name   string
		owner  mib.NodeID // of node 9
		intent Intent
		stays  bool
	}{
		{"on its way", 2, Intent{Target: 1, Epoch: epoch(4), Why: KindPromote}, true},
		{"not on its way yet", 2, Intent{}, true},
		{"it has come", 1, Intent{}, false},
	} {
		s := DefaultSettings()
		s.MostLevels = 2
		e := New(State{Meta: Meta{Self: 1, Term: 1, Levels: 1, High: mib.Epoch{1<<16 | 9}}, Nodes: map[mib.NodeID]Node{
			2: {ID: 2, Kind: mib.KindLeaf, Owner: 1, Epoch: epoch(1), Wanted: true},
			9: {ID: 9, Kind: mib.KindLeaf, Owner: tt.owner, Epoch: epoch(3), Intent: tt.intent, Wanted: true},
		}}, s, 1)
		if _, err := e.Step(Restarted{At: At{start}}); err != nil {
			t.Fatal(err)
		}
		e.announced(e.children[2], &mib.Record{Kind: mib.RecordILM, Node: 9})
		n, _ := e.Node(9)
		if n.Wanted == tt.stays || n.Manager != tt.stays || n.Intent.Target != 0 {
			t.Errorf("%s: wanted %v, ILM below its owner %v, moves to %d", tt.name, n.Wanted, n.Manager, n.Intent.Target)
		}
		if tt.intent.Target != 0 && !tt.intent.Epoch.Less(n.Epoch) { // the row here is to be destroyed
			t.Errorf("%s: the owner's row is at %v", tt.name, n.Epoch)
		}
	}
}

// What the target of a move said of ILMs below it is void when the move is given
// up: the node would wait for ever to be told a leaf by one who has it no more.
func TestGivenUpMoveForgetsWhoAnnouncedIt(t *testing.T) {
	for _, under := range []mib.NodeID{0, 8} { // the node is an ILM right below the target, or below 8 there
		s := DefaultSettings()
		s.Levels, s.Below = 2, 2
		e := New(State{Meta: Meta{Self: 1, Term: 1, High: mib.Epoch{1<<16 | 9}}, Nodes: map[mib.NodeID]Node{
			2: {ID: 2, Kind: mib.KindLeaf, Owner: 1, Epoch: epoch(1), Wanted: true},
			3: {ID: 3, Kind: mib.KindLeaf, Owner: 1, Epoch: epoch(2), Wanted: true},
			8: {ID: 8, Kind: mib.KindLeaf, Owner: 3, Epoch: epoch(5), Manager: true},
			9: {ID: 9, Kind: mib.KindLeaf, Owner: 2, Epoch: epoch(3), Intent: Intent{Target: 3, Epoch: epoch(4), Why: KindDrain}},
		}}, s, 1)
		if _, err := e.Step(Restarted{At: At{start}}); err != nil {
			t.Fatal(err)
		}
		r := &mib.Record{Kind: mib.RecordILM, Node: 9}
		if under != 0 {
			r.Payload = said{under: under}.payload()
		}
		e.announced(e.children[3], r)
		n, _ := e.node(9)
		if !n.manages() {
			t.Fatal("what the target says does not count while the move is under way")
		}
		e.abort(n, "a test")
		if n, _ := e.Node(9); n.manages() {
			t.Errorf("under %d: still taken for an ILM below node %d", under, n.Under)
		}
	}
}
