package tlm

import (
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// simoneTreeTable lists ILMs of every level; of those below others it shows
// where they are and whether they answer, and nothing that it does not know.
func TestTreeTableHasEveryLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		put := func(n reconfig.Node) {
			n.Kind, n.Address, n.Name, n.Epoch, n.Fence = mib.KindLeaf, "127.0.3.1:161", "n"+n.ID.String(), mib.Epoch{1<<16 | 1}, 1
			if err := w.store.Apply(reconfig.Txn{Nodes: []reconfig.Node{n}}); err != nil {
				t.Fatal(err)
			}
		}
		put(reconfig.Node{ID: 2, Owner: 1, Wanted: true})
		put(reconfig.Node{ID: 9, Owner: 2, Manager: true})
		put(reconfig.Node{ID: 5, Owner: 2, Under: 9})
		put(reconfig.Node{ID: 6, Owner: 2, Under: 5})
		put(reconfig.Node{ID: 7, Owner: 2})
		w.open()
		w.start()
		time.Sleep(time.Second)
		for _, s := range []reconfig.Stored{{Node: 9, Slot: 1, At: w.clock.Now()}, {Node: 5, Slot: 1, At: w.clock.Now() - 1e12}} {
			w.latest.put(s)
		}
		tree := w.walk(mib.SimoneTreeTable)
		for name, want := range map[string]string{
			"simoneTreeName.9": "n9", "simoneTreeAddress.5": "127.0.3.1:161",
			"simoneTreeParentId.1": "0", "simoneTreeParentId.9": "2", "simoneTreeParentId.5": "9", "simoneTreeParentId.6": "5",
			"simoneTreeLevel.1": "0", "simoneTreeLevel.9": "2", "simoneTreeLevel.5": "3", "simoneTreeLevel.6": "4",
			"simoneTreeOperStatus.9": "1", "simoneTreeOperStatus.5": "2", "simoneTreeOperStatus.6": "3", "simoneTreeDrained.9": "2",
		} {
			if v, ok := tree[name]; !ok || v.String() != want {
				t.Errorf("%s is %v, want %s", name, v, want)
			}
		}
		for _, name := range []string{"simoneTreeName.7", "simoneTreeTemperature.9", "simoneTreeSupportCount.9", "simoneTreeDigest.9"} {
			if v, ok := tree[name]; ok {
				t.Errorf("%s is %v, which the TLM does not know", name, v)
			}
		}
	})
}

// A walk of the table gathers the tree once, not once a cell.
func TestTreeTableIsGatheredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		r := &treeRows{m: w.Manager}
		first := &r.managers()[0]
		if again := &r.managers()[0]; again != first {
			t.Error("the list was gathered anew within the same instant")
		}
		time.Sleep(treeAge)
		if later := &r.managers()[0]; later == first {
			t.Error("the list is still the old one")
		}
	})
}
