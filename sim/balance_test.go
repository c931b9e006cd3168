package sim

import (
	"testing"

	"simone/sim/scenario"
)

// Policy balance, by the daemons' engine and with staged moves, is no worse
// than a tree that stays as it is, whatever the machines do. The configs of
// these cases at their full size are in configs/sim; make evaluation runs those.
func TestBalanceIsNeverWorseThanStatic(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*scenario.Parameters)
		most   float64 // of static's G
	}{
		{"ncs-h", func(*scenario.Parameters) {}, 0.85},
		{"rho 0.8", func(p *scenario.Parameters) { p.Rho = 0.8 }, 0.85},
		{"ncs-p", func(p *scenario.Parameters) { p.Rho = 0.3 }, 1},
		{"staggered", func(p *scenario.Parameters) { p.Stagger = 1 }, 1},
		{"speeds", func(p *scenario.Parameters) { p.SpeedSigma = 0.5 }, 0.9},
		{"speeds that nobody tells", func(p *scenario.Parameters) { p.SpeedSigma, p.SpeedKnown = 0.5, false }, 1},
		{"a crowd on one host", func(p *scenario.Parameters) { p.Crowd, p.CrowdAt = 30, 3000 }, 0.85},
		{"all hosts equally hot", func(p *scenario.Parameters) { p.Rho, p.Hot = 0, 3 }, 1},
		{"hosts that flip", func(p *scenario.Parameters) { p.Rho, p.Flip = 0, 100 }, 1},
		{"hosts that flip half a period later", func(p *scenario.Parameters) { p.Rho, p.Flip, p.FlipPhase = 0, 100, 0.5 }, 1},
		{"trigger of a tenth of the poll's period", func(p *scenario.Parameters) { p.Trigger = 10 }, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := scenario.Default()
			p.Leaves, p.ILMs, p.End, p.Warmup = 256, 4, 14_000, 1000
			p.ReportCost *= 2 // as much work for an ILM as with 128 leaves
			tc.change(p)
			static := *p
			static.Policy, p.Policy = "static", "balance"
			a, err := Simulate(t.Context(), &static)
			if err != nil {
				t.Fatal(err)
			}
			b, err := Simulate(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("static %.2f, balance %.2f with %.0f moves an hour", a.G, b.G, b.MovesPerHour)
			if b.G > tc.most*a.G {
				t.Errorf("G %.3f, static %.3f: more than %g of it", b.G, a.G, tc.most)
			}
		})
	}
}
