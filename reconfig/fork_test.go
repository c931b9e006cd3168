package reconfig

import (
	"slices"
	"testing"

	"simone/mib"
)

// forking is a manager with the ILMs 2, 3 and 4, and 5, which is to take the
// role of 2 over. Each of 2, 3 and 4 has so many nodes.
func forking(t *testing.T, each int) *Engine {
	t.Helper()
	s := DefaultSettings()
	s.MostLevels, s.FanIn = 2, 3
	st := State{Meta: Meta{Self: 1, Term: 1, High: mib.Epoch{1<<16 | 9}}, Nodes: make(map[mib.NodeID]Node)}
	for id := mib.NodeID(2); id <= 5; id++ {
		st.Nodes[id] = Node{ID: id, Kind: mib.KindLeaf, Owner: 1, Epoch: epoch(1), Wanted: true, Vouched: true}
	}
	for i := range 3 * each {
		id := mib.NodeID(10 + i)
		st.Nodes[id] = Node{ID: id, Kind: mib.KindDevice, Owner: mib.NodeID(2 + i%3), Epoch: epoch(2)}
	}
	e := New(st, s, 1)
	if _, err := e.Step(Restarted{At: At{start}}); err != nil {
		t.Fatal(err)
	}
	e.plans = []plan{{Transformation{Kind: KindMigrate, From: 2, To: 5, Promote: true, Demote: true}, start.Add(s.Trigger)}}
	return e
}

// An ILM and the machine that takes its place are one: two of them called for a
// fork that the nodes did not, and the tree was then taken to carry so little
// that the join never came.
func TestForkCountsAnIlmThatMovesOnce(t *testing.T) {
	e := forking(t, 4)
	if ids := e.staying(); len(ids) != 3 || slices.Contains(ids, 5) {
		t.Errorf("staying: %v", ids)
	}
	if p := e.depthView(false).Decide(); p.Kind != KindNone {
		t.Errorf("%+v", p)
	}
	e.plans[0].Demote = false // 5 comes beside 2
	if ids := e.staying(); len(ids) != 4 {
		t.Errorf("staying: %v", ids)
	}
	if p := e.depthView(false).Decide(); p.Kind != KindFork {
		t.Errorf("%+v", p)
	}
}

// A fork leaves the machine alone that is about to take a role over, unless the
// ILM goes under another: then nobody takes its place.
func TestForkAndTheIlmThatMoves(t *testing.T) {
	for _, tt := range []struct {
		keep  int
		gone  []mib.NodeID
		plans int
	}{
		{2, []mib.NodeID{4}, 1},
		{1, []mib.NodeID{4, 3}, 1},
		{0, []mib.NodeID{4, 3, 2}, 0},
	} {
		e := forking(t, 4)
		gone := e.under(tt.keep)
		if !slices.Equal(gone, tt.gone) || len(e.plans) != tt.plans {
			t.Errorf("keep %d: %v go, %d plans; want %v, %d", tt.keep, gone, len(e.plans), tt.gone, tt.plans)
		}
		if n, _ := e.Node(5); n.Retiring != (tt.plans == 0) {
			t.Errorf("keep %d: the other machine is to be given up: %v", tt.keep, n.Retiring)
		}
	}
}

// A fork does not bring nodes up that were to become ILMs here, only to send them
// down again: they are needed below.
func TestForkLeavesWhoHasNotComeYet(t *testing.T) {
	e := forking(t, 4)
	e.plans = nil
	e.removeChild(5)
	n, _ := e.node(5)
	*n = n.clone()
	n.Owner, n.Intent = 2, Intent{Target: 1, Epoch: epoch(5), Why: KindPromote}
	e.save(n)
	if gone := e.under(3); !slices.Equal(gone, []mib.NodeID{5}) {
		t.Errorf("%v go", gone)
	}
	if n, _ := e.Node(5); n.Wanted || n.Retiring || n.Intent.Target != 0 || n.Owner != 2 {
		t.Errorf("%+v", n)
	}
}
