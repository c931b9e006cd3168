package sim

import (
	"testing"

	"simone/reconfig"
	"simone/sim/scenario"
)

// The daemons' engine moves nodes under load and loses nothing: no sample is
// missing, each node ends in the list of its owner, and what the protocol
// calls for happens without an abort or an alert.
func TestStagedMovesLoseNothing(t *testing.T) {
	for _, policy := range []string{"paper", "balance"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			p := brief(policy)
			p.Enact, p.Leaves, p.ReportCost, p.End, p.Warmup = "staged", 128, 0.8, 16_000, 0
			p.Thresholds.Split = 10
			w := mustWorld(t, p)
			mustRun(t, w)
			s := w.steered
			if n := s.engine.Counters(); n.Moves == 0 || n.Aborts > 0 || n.Failovers > 0 || n.Alerts > 0 || n.StaleFences > 0 {
				t.Errorf("the engine counts %+v", n)
			}
			if w.rec.moved == 0 || w.rec.did[reconfig.KindSplit]+w.rec.did[reconfig.KindMigrate] == 0 {
				t.Errorf("%d nodes were seen to move by %v", w.rec.moved, w.rec.did)
			}
			sweeps, missing := int(p.End/p.Poll)-2, 0 // the last ones may be under way
			for leaf := range w.Leaves {
				id := nodeID(int32(leaf))
				n, ok := s.engine.Node(id)
				if !ok {
					t.Fatalf("the engine does not know node %d", id)
				}
				lists := 0
				for host, list := range s.lists {
					if list == nil {
						continue
					}
					if _, have := list.Row(w.instant(w.now), id); have {
						lists++
						if n.Owner != nodeID(int32(host)) && n.Intent.Target == 0 && len(n.Prev) == 0 {
							t.Errorf("node %d is listed by node %d and owned by node %d", id, nodeID(int32(host)), n.Owner)
						}
					}
				}
				if lists < 1 || lists > 2 {
					t.Errorf("node %d is in %d lists", id, lists)
				}
				l := s.engine.Ledger(id)
				missing += int(l.Last()) - stored(&l)
				if int(l.Last()) < sweeps {
					t.Errorf("node %d has samples up to slot %d, there were %d sweeps", id, l.Last(), sweeps)
				}
			}
			// A poll is left out where the one before it is still being worked off.
			if missing > w.rec.skipped || missing*100 > sweeps*w.Leaves {
				t.Errorf("%d slots have no sample, %d polls were skipped", missing, w.rec.skipped)
			}
		})
	}
}

// stored is how many slots have a sample.
func stored(l *reconfig.Ledger) (n int) {
	for _, r := range l.Runs {
		n += int(r.To-r.From) + 1
	}
	return n
}

func TestStagedWantsADaemonsPolicy(t *testing.T) {
	p := brief("relocate")
	p.Enact = "staged"
	if err := Sweep(t.Context(), []scenario.Parameters{*p}, 1, NewResults(), nil); err == nil {
		t.Error("policy relocate runs staged")
	}
}
