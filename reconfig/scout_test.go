package reconfig_test

import (
	"testing"
	"time"

	"simone/internal/testbed"
	"simone/mib"
	"simone/reconfig"
)

// An ILM that was promoted after the backup, and that does not announce itself
// because its manager was not away for long, is found before anything is
// decided: its nodes stay with it.
func TestRestoredManagerFindsLaterILMs(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		s := quick()
		s.StartILMs, s.MinILMs = 2, 2
		w := testbed.NewWorld(seed, 24, 5, s)
		w.Run(8 * time.Second)
		w.TakeBackup()
		if seed%2 == 0 { // in whose new term the ILMs' own rows get newer epochs, too
			w.CrashParent()
			w.StartParent(false)
		}
		before := ilms(w)
		for _, id := range before { // two others take their places
			w.Ask(reconfig.AskDrain, id)
		}
		w.Run(15 * time.Second)
		owners := make(map[mib.NodeID]mib.NodeID)
		for id, ok := w.Parent.Engine.NextNode(0); ok; id, ok = w.Parent.Engine.NextNode(id) {
			if owner := ownerOf(w, id); owner != w.Parent.Self { // its own list came from the backup, too
				owners[id] = owner
			}
		}
		w.RestoreParent()
		w.Run(2 * time.Second) // less than a node waits before it announces itself
		for id, owner := range owners {
			if p := w.Holders(id); len(p) != 1 || p[0] != owner {
				t.Errorf("seed %d: node %d was %d's, and is on the lists of %v", seed, id, owner, p)
			}
		}
		w.Run(20 * time.Second)
		mustCalm(t, w)
		if t.Failed() {
			return
		}
	}
}
