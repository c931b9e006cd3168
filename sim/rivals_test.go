package sim

import (
	"slices"
	"testing"

	"simone/sim/scenario"
)

func counts(w *world) (n []int) {
	for i := range w.roles {
		n = append(n, len(w.roles[i].nodes))
	}
	return n
}

func TestHashedPlaces(t *testing.T) {
	for _, tc := range []struct {
		policy string
		most   float64 // of the mean, at the fullest ILM
	}{{"static-hash", 1.5}, {"bounded-hash", 1.11}} {
		t.Run(tc.policy, func(t *testing.T) {
			p := scenario.Default()
			p.Policy = tc.policy
			w := mustWorld(t, p)
			checkTree(t, w)
			n := counts(w)
			if m := float64(slices.Max(n)) / 128; m > tc.most || m < 1.02 {
				t.Errorf("the fullest of %v has %.2f times the mean", n, m)
			}
		})
	}
}

// Consistent: with one ILM more, most leaves stay.
func TestBoundedHashMovesFew(t *testing.T) {
	p := scenario.Default()
	before := boundedHashed(p)
	q := *p
	q.ILMs++
	after, moved := boundedHashed(&q), 0
	for leaf := range p.Leaves {
		if before(leaf) != after(leaf) {
			moved++
		}
	}
	if moved > p.Leaves/3 {
		t.Errorf("%d of %d leaves moved, about %d have to", moved, p.Leaves, p.Leaves/9)
	}
}

func TestCountingRivals(t *testing.T) {
	for _, tc := range []struct {
		name      string
		policy    string
		off       int     // leaves that ILM 0 has more than its share, at the cost of ILM 1
		at        float64 // when it decides
		wantMoves bool
	}{
		{"gnmic, even", "gnmic", 0, 300, false},
		{"gnmic, off by one", "gnmic", 1, 300, true},
		{"Zabbix, even", "zabbix", 0, 300, false},
		{"Zabbix, ten off but no factor of two", "zabbix", 12, 20_000, false},
		{"Zabbix, a factor of two, for too short", "zabbix", 17, 5_000, false},
		{"Zabbix, a factor of two", "zabbix", 17, 9_000, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := brief(tc.policy)
			p.Rho, p.Warmup, p.End = 0, 0, tc.at
			w := mustWorld(t, p)
			w.move(1, 0, slices.Clone(w.roles[1].nodes[:tc.off]))
			mustRun(t, w)
			checkTree(t, w)
			n := counts(w)
			if moved := w.rec.moved > 0; moved != tc.wantMoves {
				t.Errorf("%d leaves moved, there are %v", w.rec.moved, n)
			}
			if tc.wantMoves && slices.Max(n)-slices.Min(n) > 1 {
				t.Errorf("it left %v", n)
			}
		})
	}
}

// Who pulls works off what there is: the busiest host the least.
func TestPullersShareByWhatTheyCan(t *testing.T) {
	p := brief("pull")
	p.End, p.Warmup = 40_000, 0
	w := mustWorld(t, p)
	mustRun(t, w)
	q := *p
	q.Policy = "static"
	static := mustWorld(t, &q)
	mustRun(t, static)
	if a, b := w.result().JobMean, static.result().JobMean; !(a < b) {
		t.Errorf("mean latency %.2f, static has %.2f", a, b)
	}
	total := 0
	for i := range w.roles {
		total += w.roles[i].latency.n
	}
	polls := int(p.End/p.Poll) * p.Leaves
	if got := total + w.pool.n + w.rec.skipped; got < polls-p.Leaves || got > polls {
		t.Errorf("%d reports were worked off of %d polls", got, polls)
	}
}
