package reconfig

import (
	"testing"
	"time"

	"simone/mib"
)

// An ILM that still has a node's row of a move that was given up has polled it
// meanwhile, and its log was read when nobody counted that. Chosen again, its
// samples count from the slot on from which it is staged now, not from the first
// that it ever had.
func TestFenceOfSecondMoveToTheSameTarget(t *testing.T) {
	const node, from, to = 3, 2, 4
	now := Instant(1e18)
	e := New(State{Nodes: map[mib.NodeID]Node{
		from: {ID: from, Kind: mib.KindLeaf, Owner: 1, Wanted: true, Epoch: mib.Epoch{1<<16 | 1}},
		to:   {ID: to, Kind: mib.KindLeaf, Owner: 1, Wanted: true, Epoch: mib.Epoch{1<<16 | 2}},
		node: {ID: node, Kind: mib.KindLeaf, Owner: from, Epoch: mib.Epoch{1<<16 | 3}, Zero: now.Add(-100500 * time.Millisecond)},
	}}, DefaultSettings(), 1)
	e.settings.Interval = time.Second
	if _, err := e.Step(Restarted{At: At{now}}); err != nil {
		t.Fatal(err)
	}
	sees := func(child mib.NodeID, epoch mib.Epoch, first uint32) {
		c := e.children[child]
		ilm := e.state.Nodes[child]
		c.claimed, c.seen, c.full, c.report.Active, c.settings = true, true, false, true, e.ilmSettings(&ilm)
		e.setRow(c, &seenRow{RowReport{Row: mib.SupportRow{Node: node, Epoch: epoch, Slot: 101, Interval: time.Second}, First: first, Samples: 9}, e.now})
	}
	sees(from, e.state.Nodes[node].Epoch, 1)
	sees(to, mib.Epoch{1 << 16}, 90) // left over
	n, _ := e.node(node)
	*n = n.clone()
	e.openIntent(n, to, KindDrain)
	e.save(n)
	e.touch(node)
	e.enrol(node)
	e.out = nil
	e.control()
	staged := uint32(0)
	for _, a := range e.out {
		if ctl, is := a.(Control); is && ctl.Child == to && ctl.Verb == Stage {
			staged = ctl.Apply.Stage[0].Slot
			e.done(ctl.ID)
		}
	}
	if staged < 101 {
		t.Fatalf("staged from slot %d on", staged)
	}
	sees(to, e.state.Nodes[node].Intent.Epoch, 90)
	if !e.settle(node) {
		t.Fatal("the move is not committed")
	}
	if n := e.state.Nodes[node]; n.Owner != to || n.Fence != staged {
		t.Errorf("owner %d, its samples count from slot %d on, want %d", n.Owner, n.Fence, staged)
	}
}

// How far the log of an earlier owner is to be read is asked each time that it
// becomes one: where it stood the last time it has passed since.
func TestLogOfOwnerOnceMoreIsReadAgain(t *testing.T) {
	const node, from, to = 3, 2, 4
	e := New(State{
		Nodes: map[mib.NodeID]Node{
			from: {ID: from, Kind: mib.KindLeaf, Owner: 1, Wanted: true},
			to:   {ID: to, Kind: mib.KindLeaf, Owner: 1, Wanted: true},
			node: {ID: node, Kind: mib.KindLeaf, Owner: from},
		},
		Cursors: map[mib.NodeID]Cursor{from: {Incarnation: 7, Seq: 50}},
	}, DefaultSettings(), 1)
	if _, err := e.Step(Restarted{At: At{1e18}}); err != nil {
		t.Fatal(err)
	}
	c := e.children[from]
	c.report.Log = Cursor{Incarnation: 7, Seq: 40}
	if !e.logReadTo(c, node) {
		t.Fatal("a log that is read is not taken for it")
	}
	c.report.Log.Seq = 90 // it owns the node once more, and polls
	n, _ := e.node(node)
	*n = n.clone()
	n.Intent = Intent{Target: to, Epoch: e.newEpoch(n), Why: KindDrain}
	e.commit(n, e.children[to], 1)
	if e.logReadTo(c, node) {
		t.Error("its log is taken for read, which it is only to where it stood before")
	}
}
