package sim

import (
	"slices"
	"testing"

	"simone/sim/scenario"
)

// oneDeath is a run in which an ILM dies at 1234, to be back 500 later.
func oneDeath(tb testing.TB, policy string) *world {
	tb.Helper()
	p := brief(policy)
	p.MTBF, p.Repair, p.End, p.Warmup = 1e9, 500, 3_000, 0
	w := mustWorld(tb, p)
	w.deaths.next = 1234
	w.armDeaths()
	mustRun(tb, w)
	return w
}

// Polls are at multiples of 100, so how long the 32 leaves of an ILM that dies
// are not asked follows from when the others know of it.
func TestUncoveredByHand(t *testing.T) {
	for _, tc := range []struct {
		policy string
		want   float64
		leaves int
		about  string
	}{
		{"static", 1800 - 1234, 32, "back at 1734"},
		{"static-hash", 1800 - 1234, 0, "back at 1734"},
		{"paper", 1300 - 1234, 0, "probes of 1235, 1240 and 1245 fail, the last by 1250"},
		{"relocate", 1300 - 1234, 32, "the same"},
		{"bounded-hash", 1300 - 1234, 0, "the same"},
		{"oracle-balance", 1300 - 1234, 0, "the same"},
		{"gnmic", 1500 - 1234, 32, "renewed at 1200, free at 1350, seen at 1400 after the polls"},
		{"zabbix", 1800 - 1234, 32, "failover after 600, at 1834; but back at 1734"},
	} {
		t.Run(tc.policy, func(t *testing.T) {
			w := oneDeath(t, tc.policy)
			mean, most := w.uncovered()
			near(t, "time uncovered, "+tc.about, mean, tc.want, 1e-9)
			near(t, "the longest", most, tc.want, 1e-9)
			if n := w.rec.uncovered.n; tc.leaves != 0 && n != tc.leaves {
				t.Errorf("%d leaves lost their ILM, want %d", n, tc.leaves)
			}
			checkTree(t, w)
		})
	}
}

// In a pull queue nobody's leaf is anybody's: who dies takes along what is in its
// hands.
func TestPullLosesWhatIsInHand(t *testing.T) {
	w := oneDeath(t, "pull")
	if n := w.rec.uncovered.n; n > w.W {
		t.Errorf("%d leaves were uncovered, an ILM has %d in its hands", n, w.W)
	}
	for i := range w.leaves {
		if asked := w.leaves[i].asked; asked < w.End-w.Poll {
			t.Errorf("leaf %d was last asked at %g", i, asked)
		}
	}
}

// The engine of the daemons finds out by itself, and has others adopt the nodes:
// nobody stays behind, and nobody waits for the next round.
func TestEngineFailsOver(t *testing.T) {
	for _, policy := range []string{"paper", "balance"} {
		t.Run(policy, func(t *testing.T) {
			p := brief(policy)
			p.Enact, p.Leaves, p.MTBF, p.Repair, p.End, p.Warmup = "staged", 128, 4_000, 700, 9_000, 0
			w := mustWorld(t, p)
			mustRun(t, w)
			mean, most := w.uncovered()
			if n := w.rec.uncovered.n; n < 100 {
				t.Fatalf("only %d leaves lost an ILM", n)
			}
			// 15 to 20 until the third probe is known to have failed, and the polls
			// of up to a period from then on.
			if mean < 15 || mean > 20+p.Poll || most > 3*p.Poll {
				t.Errorf("leaves are uncovered for %.1f, at most %.1f", mean, most)
			}
			if w.rec.skipped > w.rec.uncovered.n {
				t.Errorf("%d polls were skipped: what was due at a dead ILM is not", w.rec.skipped)
			}
			for leaf := range w.Leaves {
				if n, ok := w.steered.engine.Node(nodeID(int32(leaf))); !ok || n.Owner == 0 {
					t.Errorf("leaf %d is nobody's", leaf)
				}
			}
		})
	}
}

// Who never notices waits for the repair and, from a random time on, half a
// period in the mean.
func TestUncoveredInTheMean(t *testing.T) {
	p := brief("static")
	p.MTBF, p.Repair, p.End, p.Warmup = 20_000, 730, 400_000, 0
	p.Rho, p.AgentCost = 0, 0
	w := mustWorld(t, p)
	mustRun(t, w)
	if w.rec.uncovered.n < 3000 {
		t.Fatalf("only %d leaves lost an ILM", w.rec.uncovered.n)
	}
	mean, _ := w.uncovered()
	near(t, "time uncovered", mean, p.Repair+p.Poll/2, 0.02)
}

// Whatever dies, each leaf is in one list and is asked, who is dead has nothing to
// do, and deaths come at the same times under all policies.
func TestDeathsKeepTheTreeWhole(t *testing.T) {
	when := func(policy string) (times []float64) {
		p := brief(policy)
		p.MTBF, p.Repair, p.Thresholds = 3_000, 800, scenario.Thresholds{Merge: 7, Split: 10, Migrate: 30}
		w := mustWorld(t, p)
		w.trace = func(k key, _ job) {
			if next := w.deaths.next; len(times) == 0 || times[len(times)-1] != next {
				times = append(times, next)
			}
			if k.Kind() != kindTrigger {
				return
			}
			checkTree(t, w)
			for i := range w.stations {
				if s := &w.stations[i]; s.down && s.waiting.n > 0 {
					t.Fatalf("%s: %d tasks wait at a dead ILM", policy, s.waiting.n)
				}
			}
		}
		mustRun(t, w)
		for i := range w.leaves {
			if l := &w.leaves[i]; w.deaths.lost[i] == never && l.asked < w.End-3*w.Poll {
				t.Errorf("%s: leaf %d was last asked at %g", policy, i, l.asked)
			}
		}
		return times
	}
	want := when("static")
	if len(want) < 20 {
		t.Fatalf("only %d deaths", len(want))
	}
	for _, policy := range Policies()[1:] {
		if policy.start == nil {
			continue // TestEngineFailsOver
		}
		if got := when(policy.Name); !slices.Equal(got, want) {
			t.Errorf("%s: deaths at other times than under static", policy.Name)
		}
	}
}
