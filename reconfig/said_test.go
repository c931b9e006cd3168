package reconfig

import (
	"slices"
	"testing"

	"simone/mib"
)

func announcement(kind mib.RecordKind, under mib.NodeID, ep mib.Epoch) *mib.Record {
	return &mib.Record{Kind: kind, Node: 9, Payload: said{under, ep}.payload()}
}

// Who has a node by a newer grant is believed, in whichever order logs are read
// (Heard).
func TestNewerManagersAreBelieved(t *testing.T) {
	older, newer := mib.Epoch{5, 4}, mib.Epoch{5, 6}
	for _, first := range []bool{false, true} {
		e := newLayered(t, 0, Node{ID: 9, Owner: 2, Epoch: mib.Epoch{5}})
		c := e.children[2]
		if first {
			e.announced(c, announcement(mib.RecordILM, 7, older))
		}
		e.announced(c, announcement(mib.RecordILM, 8, newer))
		e.announced(c, announcement(mib.RecordILM, 7, older))
		e.announced(c, announcement(mib.RecordLeaf, 7, older))
		if n, _ := e.Node(9); n.Under != 8 {
			t.Errorf("the older one is heard before, too: %v; the node is held to be under %d", first, n.Under)
		}
		e.announced(c, announcement(mib.RecordLeaf, 8, newer))
		if n, _ := e.Node(9); n.manages() {
			t.Errorf("it is still held to be under %d", n.Under)
		}
	}
	e := newLayered(t, 0, Node{ID: 9, Owner: 2, Epoch: mib.Epoch{5}, Intent: Intent{Target: 3, Epoch: mib.Epoch{7}}})
	n, _ := e.node(9)
	e.commit(n, e.children[3], 1)
	e.announced(e.children[3], announcement(mib.RecordILM, 0, older))
	if n, _ := e.Node(9); n.manages() {
		t.Error("what was said below the old owner counts below the new one")
	}
}

// That a node is no ILM any more each manager above is told, in each life, and
// again when what was said fell off the log (Retract).
func TestLeavesAreAnnouncedAgain(t *testing.T) {
	e := newLayered(t, 1, Node{ID: 9, Owner: 1, Grant: mib.Epoch{5}, Epoch: mib.Epoch{5, 1<<16 | 3}, Wanted: true})
	told := func(actions []Action) bool {
		return slices.ContainsFunc(actions, func(a Action) bool {
			s, is := a.(Announce)
			return is && s.Child == 9 && !s.Active && !s.Epoch.Less(mib.Epoch{5, 1<<16 | 3})
		})
	}
	n, _ := e.node(9)
	*n = n.clone()
	e.unmake(n)
	step := func(ev Event) []Action {
		t.Helper()
		actions, err := e.Step(ev)
		if err != nil {
			t.Fatal(err)
		}
		return actions
	}
	if !told(step(Relayed{At: At{start}})) {
		t.Fatal("the manager above is not told")
	}
	if told(step(Relayed{At: At{start}})) {
		t.Error("it is told again at once")
	}
	if !told(step(Claimed{At{start}})) {
		t.Error("another one is not told, or what fell off is not said again")
	}
	state := State{Meta: e.state.Meta, Nodes: map[mib.NodeID]Node{}}
	for id, n := range e.state.Nodes {
		state.Nodes[id] = n
	}
	e = New(state, e.settings, 1)
	actions := step(Restarted{At: At{start}})
	for _, c := range e.line {
		c.claimed, c.seen, c.full, c.reportAt, c.report.Active = true, true, false, start, true
	}
	if !told(append(actions, step(Relayed{At: At{start}})...)) {
		t.Error("the next life does not tell")
	}
	n, _ = e.node(9)
	*n = n.clone()
	n.Wanted = true
	e.save(n)
	if told(step(Claimed{At{start}})) {
		t.Error("an ILM is said to be a leaf")
	}
}
