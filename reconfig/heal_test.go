package reconfig_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"simone/internal/testbed"
	"simone/mib"
)

// I3: after a partition heals, each node is polled by exactly one manager
// within two triggers, but for those that are being moved then. An ILM is cut
// off from its parent for long enough that its nodes are given to others, and
// goes on polling those that it can reach: all, none, or some that the others
// cannot reach meanwhile. The last kind ends with moves back to who could reach
// a node all the time.
func TestI3PolledByOneWithinTwoTriggers(t *testing.T) {
	var all []time.Duration
	longest := time.Duration(0) // with moves
	for seed := uint64(1); len(all) < 60; seed++ {
		chance := rand.New(rand.NewPCG(seed, 3))
		s := quick()
		s.StartILMs = 3
		w := testbed.NewWorld(seed, 30, 6, s)
		w.Run(8 * time.Second)
		for range 10 {
			w.Run(time.Duration(8e9 + chance.Int64N(3e9)))
			up := ilms(w)
			cut := w.Nodes[up[chance.IntN(len(up))]]
			cut.Cut = true
			kind := chance.IntN(3)
			for _, n := range w.Nodes {
				apart := kind == 2 && chance.IntN(3) == 0
				for _, m := range up {
					n.Unseen[m] = kind > 0 && apart != (m == cut.ID)
				}
				if kind == 1 {
					for _, m := range up {
						n.Unseen[m] = m == cut.ID
					}
				}
			}
			w.Run(3*time.Second + time.Duration(chance.Int64N(10e9)))
			cut.Cut = false
			for _, n := range w.Nodes {
				clear(n.Unseen)
			}
			healed, last := w.Elapsed(), time.Duration(0)
			owner := make(map[mib.NodeID]mib.NodeID)
			for id, n := range w.Parent.Store.Nodes {
				owner[id] = n.Owner
			}
			for w.Elapsed()-healed < 10*s.Trigger {
				w.Run(10 * time.Millisecond)
				left, moving := doubles(w, owner)
				if left > 0 {
					last = w.Elapsed() - healed
				}
				if moving > 0 {
					longest = max(longest, w.Elapsed()-healed)
				}
			}
			all = append(all, last)
			if last > 2*s.Trigger {
				t.Errorf("seed %d: ILM %d was cut off: still %v after the healing nodes had two managers that were not moved", seed, cut.ID, last)
			}
		}
		if len(w.Broken()) > 0 {
			t.Fatal(w.Broken())
		}
	}
	slices.Sort(all)
	t.Logf("%d healings: until each node had one manager %v in the median, %v at most; the last move ended after %v", len(all), all[len(all)/2], all[len(all)-1], longest)
}

// doubles counts nodes on two live lists: those that are left there, and those
// that are being moved, or were and have not been released yet. owners are those
// of before.
func doubles(w *testbed.World, owners map[mib.NodeID]mib.NodeID) (left, moving int) {
	for id := range w.Parent.Store.Nodes {
		if len(w.Holders(id)) < 2 {
			continue
		}
		if n, _ := w.Parent.Engine.Node(id); n.Intent.Target == 0 && n.Owner == owners[id] {
			left++
		} else {
			moving++
		}
	}
	return left, moving
}
