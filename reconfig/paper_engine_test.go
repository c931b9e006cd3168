package reconfig_test

import (
	"slices"
	"testing"
	"time"

	"simone/internal/testbed"
	"simone/mib"
	"simone/reconfig"
)

// paperWorld is a settled tree of ILMs with their leaves, and its ILMs.
func paperWorld(seed uint64, ilmCount, candidates int) (*testbed.World, []mib.NodeID) {
	s := quick()
	s.StartILMs, s.MinILMs, s.Churn = ilmCount, 1, 1
	w := testbed.NewWorld(seed, 24, candidates, s)
	w.Run(10 * time.Second)
	return w, ilms(w)
}

// of is the nodes that a manager owns.
func of(w *testbed.World, owner mib.NodeID) (ids []mib.NodeID) {
	for id, n := range w.Parent.Store.Nodes {
		if n.Owner == owner {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// polls reports whether a node polls others.
func polls(w *testbed.World, id mib.NodeID) bool { return w.Nodes[id].List.Len() > 0 }

// TestPaperSection4Enacted: document 001, section 4, the sentences about what
// is done. What is decided is tested in paper_test.go.
func TestPaperSection4Enacted(t *testing.T) {
	t.Run("Node A collects temperature and support node lists (SL) for level I + 1, computes, and then updates the new support list at level I + 1", func(t *testing.T) {
		w, up := paperWorld(1, 3, 3)
		before := of(w, up[0])
		w.Nodes[up[0]].Temp = 20
		w.Run(1100 * time.Millisecond)
		w.Nodes[up[0]].Temp = 1
		w.Run(6 * time.Second)
		mustCalm(t, w)
		left := of(w, up[0])
		if len(left) != len(before)-len(before)/2 {
			t.Fatalf("%d of %d nodes are left", len(left), len(before))
		}
		for _, id := range before { // the lists at level I + 1 are those of the store
			n := w.Parent.Store.Nodes[id]
			for _, ilm := range up {
				if _, have := w.Nodes[ilm].List.Row(w.Now, id); have != (ilm == n.Owner) {
					t.Errorf("node %d belongs to %d; on the list of %d: %v", id, n.Owner, ilm, have)
				}
			}
		}
	})
	t.Run("If Node A detects failure(s) at level I + 1 (lack of response within timeout), it reassigns the support list of the affected ILM(s) saved from the previous poll, among the remainder level I + 1 ILMs", func(t *testing.T) {
		w, up := paperWorld(2, 4, 4)
		saved := of(w, up[1])
		w.Crash(w.Nodes[up[1]])
		w.Run(1 * time.Second)
		if got := of(w, up[1]); !slices.Equal(got, saved) {
			t.Errorf("within the time-out the list is already %v, was %v", got, saved)
		}
		w.Run(2 * time.Second)
		takers := make(map[mib.NodeID]int)
		for _, id := range saved {
			takers[w.Parent.Store.Nodes[id].Owner]++
		}
		for _, ilm := range []mib.NodeID{up[0], up[2], up[3]} {
			if n := takers[ilm]; n == 0 || n > len(saved)/2 {
				t.Errorf("of %d nodes ILM %d got %d: %v", len(saved), ilm, n, takers)
			}
			delete(takers, ilm)
		}
		if len(takers) > 0 {
			t.Errorf("others than the remaining ILMs have %v", takers)
		}
	})
	t.Run("Migrate – a node stops running an ILM and its managerial tasks are assigned to another, less hot node", func(t *testing.T) {
		w, up := paperWorld(3, 3, 3)
		tasks := of(w, up[0])
		w.Nodes[up[0]].Temp, w.Nodes[up[1]].Temp = 600, 15
		w.Run(1100 * time.Millisecond)
		w.Nodes[up[0]].Temp = 1
		w.Run(10 * time.Second)
		mustCalm(t, w)
		if n := w.Nodes[up[0]]; n.List.Active() || n.List.Len() > 0 {
			t.Errorf("it still runs an ILM: active %v, %d rows", n.List.Active(), n.List.Len())
		}
		for _, id := range tasks {
			if o := w.Parent.Store.Nodes[id].Owner; o != up[2] {
				t.Errorf("task %d went to %d, want the less hot %d", id, o, up[2])
			}
		}
	})
	t.Run("Split – a node does not stop running an ILM but decides to pass part of its managerial tasks to another node", func(t *testing.T) {
		w, up := paperWorld(4, 2, 3) // one candidate is no ILM yet
		w.Nodes[up[0]].Temp = 20
		before := len(of(w, up[0]))
		w.Run(1100 * time.Millisecond)
		w.Nodes[up[0]].Temp = 1
		w.Run(10 * time.Second)
		mustCalm(t, w)
		now := ilms(w)
		if len(now) != 3 || !slices.Contains(now, up[0]) || !polls(w, up[0]) {
			t.Fatalf("ILMs %v, were %v", now, up)
		}
		for _, id := range now {
			if id != up[0] && id != up[1] && len(of(w, id)) == 0 {
				t.Errorf("the new ILM %d got nothing of %d nodes", id, before)
			}
		}
	})
	t.Run("Merge- the complement of split. A cold ILM assumes the managerial tasks of another cold ILM, which then becomes a regular node", func(t *testing.T) {
		w, up := paperWorld(5, 3, 3)
		tasks := append(of(w, up[0]), of(w, up[1])...)
		w.Nodes[up[0]].Temp, w.Nodes[up[1]].Temp = 0.01, 0.05
		w.Run(1100 * time.Millisecond)
		w.Nodes[up[0]].Temp, w.Nodes[up[1]].Temp = 1, 1
		w.Run(10 * time.Second)
		mustCalm(t, w)
		if w.Nodes[up[0]].List.Active() || w.Parent.Store.Nodes[up[0]].Wanted {
			t.Error("the colder one is still an ILM")
		}
		for _, id := range tasks {
			if o := w.Parent.Store.Nodes[id].Owner; o != up[1] {
				t.Errorf("task %d is %d's, want %d's", id, o, up[1])
			}
		}
		// A regular node: it is on a support list as a leaf and is polled.
		owner := w.Parent.Store.Nodes[up[0]].Owner
		r, have := w.Nodes[owner].List.Row(w.Now, up[0])
		if !have || r.Row.Kind != mib.KindLeaf || r.Samples == 0 {
			t.Errorf("its row at %d: %+v", owner, r)
		}
	})
	t.Run("ILMs receive a trigger to initiate its monitoring activities; the same is used to trigger transformations", func(t *testing.T) {
		w, up := paperWorld(6, 3, 3)
		w.Tune(func(s *reconfig.Settings) { s.Trigger = time.Hour })
		for _, id := range up {
			w.Run(100 * time.Millisecond)
			if got := w.Nodes[id].List.Settings().TriggerMillis; got != 3_600_000 {
				t.Errorf("ILM %d was told a trigger of %d ms", id, got)
			}
		}
		w.Nodes[up[0]].Temp = 20
		w.Run(time.Minute)
		if n := w.Parent.Engine.Counters().Splits; n != 0 {
			t.Fatalf("%d splits without a trigger", n)
		}
		w.Ask(reconfig.AskTrigger, 0)
		if n := w.Parent.Engine.Counters().Splits; n != 1 {
			t.Errorf("%d splits at the trigger, want 1", n)
		}
	})
}
