package sim

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"simone/sim/scenario"
)

// quiet is a scenario with computing jobs and nothing else.
func quiet() *scenario.Parameters {
	p := scenario.Default()
	p.Policy, p.Leaves, p.ILMs = "static", 63, 1
	p.Poll, p.Trigger, p.AgentCost = 1e9, 1e9, 0
	p.Mean, p.End, p.Warmup = 10, 40_000, 1_000
	return p
}

func mustWorld(tb testing.TB, p *scenario.Parameters) *world {
	tb.Helper()
	if err := p.Validate(); err != nil {
		tb.Fatal(err)
	}
	policy, err := PolicyByName(p.Policy)
	if err != nil {
		tb.Fatal(err)
	}
	return newWorld(p, policy, nil)
}

func mustRun(tb testing.TB, w *world) {
	tb.Helper()
	if err := w.run(context.Background()); err != nil {
		tb.Fatal(err)
	}
}

// A report that an upper level's idle ILM gets every so often takes the demand
// and nothing more there, all reports of all leaves reach the TLM through it,
// and below nothing is different: the lower ILMs do not see who gets what they
// send.
func TestUpperLevel(t *testing.T) {
	run := func(upper int) *world {
		p := scenario.Default()
		p.Policy, p.Leaves, p.ILMs, p.Upper, p.UpperCost = "static", 64, 8, upper, 0.03
		p.Stagger, p.AgentCost, p.End, p.Warmup = 1, 0, 20_000, 1_000
		p.Rho = 0
		w := mustWorld(t, p)
		mustRun(t, w)
		return w
	}
	flat, deep := run(0), run(2)
	near(t, "time at the upper level", deep.rec.upper.of(), 0.03, 1e-6)
	if d := deep.rec.tlm.n - flat.rec.tlm.n; d < -1 || d > 0 || deep.rec.upper.n < deep.rec.tlm.n {
		t.Errorf("%d reports reach the TLM through an upper level that has %d, without one %d", deep.rec.tlm.n, deep.rec.upper.n, flat.rec.tlm.n)
	}
	for i := range flat.roles {
		if a, b := flat.roles[i].latency, deep.roles[i].latency; a != b {
			t.Errorf("ILM %d has %v with the upper level, %v without", i, b, a)
		}
	}
	each := make([]int, 2)
	for ilm := range int32(8) {
		each[deep.upper(ilm)-72]++
	}
	if each[0] != 4 || each[1] != 4 {
		t.Errorf("the upper ILMs have %v below them, want 4 each", each)
	}
}

// near fails if got is off by more than the share of want.
func near(tb testing.TB, what string, got, want, share float64) {
	tb.Helper()
	if !(math.Abs(got-want) <= share*want) {
		tb.Errorf("%s is %.4g, theory says %.4g", what, got, want)
	}
}

// M/G/1-PS: the mean slowdown is 1/(1-rho) whatever the law of service, for
// short jobs as for long ones, and the mean number in the CPU is
// rho/(1-rho). For exponential service that is M/M/1 as well (Kleinrock,
// Queueing Systems II, 4.4).
func TestProcessorSharing(t *testing.T) {
	for _, service := range []string{"exponential", "fixed", "pareto"} {
		for _, rho := range []float64{0.3, 0.5, 0.8} {
			t.Run(fmt.Sprintf("%s %g", service, rho), func(t *testing.T) {
				t.Parallel()
				p := quiet()
				p.Service, p.Rho = service, rho
				if rho > 0.5 {
					p.End *= 3
				}
				w := mustWorld(t, p)
				var short, long mean
				w.trace = func(_ key, j job) {
					if j.demand == 0 || w.now < p.Warmup {
						return
					}
					of := &short
					if float64(j.demand) > p.Mean {
						of = &long
					}
					of.add((w.now - j.start) / float64(j.demand))
				}
				mustRun(t, w)
				want := 1 / (1 - rho)
				near(t, "the slowdown", w.rec.slowdown.of(), want, 0.04)
				near(t, "that of short jobs", short.of(), want, 0.04)
				if service != "fixed" {
					near(t, "that of long jobs", long.of(), want, 0.06)
				}
				var area float64
				for i := range w.nodes {
					area += w.nodes[i].ncsArea
				}
				near(t, "the mean number", area/w.End/64, rho/(1-rho), 0.06)
			})
		}
	}
}

// M/M/1 and M/D/1: a manager's queue before an idle CPU, first come first
// served: S + rho S (1 + cv^2) / (2 (1 - rho)) in the mean
// (Pollaczek-Khinchine). More workers share the CPU, which for exponential
// service changes nothing.
func TestManagerQueue(t *testing.T) {
	const mean1, rho, jobs = 1.0, 0.6, 200_000
	for _, tc := range []struct {
		name    string
		w       int
		law     law
		squared float64 // cv
	}{
		{"M/M/1", 1, distuv.Exponential{Rate: 1 / mean1}.Quantile, 1},
		{"M/D/1", 1, func(float64) float64 { return mean1 }, 0},
		{"M/M/1 by four", 4, distuv.Exponential{Rate: 1 / mean1}.Quantile, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := quiet()
			p.Rho, p.W = 0, tc.w
			w := mustWorld(t, p)
			var left mean
			w.trace = func(_ key, j job) {
				if j.kind == jobManager {
					left.add(w.now)
				}
			}
			dice := stream(1, 2, 3)
			gap := distuv.Exponential{Rate: rho / mean1}.Quantile
			var arrived mean
			for at := 0.0; arrived.n < jobs; {
				at += law(gap).draw(&dice)
				w.End = at
				mustRun(t, w)
				w.now = at
				w.charge(w.roles[0].station, tc.law.draw(&dice))
				arrived.add(at)
			}
			w.End = w.now + 1e5 // the queue is empty long before
			mustRun(t, w)
			if left.n != arrived.n {
				t.Fatalf("%d jobs came and %d went", arrived.n, left.n)
			}
			want := mean1 + rho*mean1*(1+tc.squared)/(2*(1-rho))
			near(t, "the time in the manager", left.of()-arrived.of(), want, 0.03)
		})
	}
}

// Without computing jobs all reports of an ILM's n leaves come at once: the
// last waits for all others.
func TestReportsOfIdleLeaves(t *testing.T) {
	p := scenario.Default()
	p.Policy, p.Rho, p.AgentCost, p.End = "static", 0, 0, 20_000
	r, err := Simulate(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	n := float64(p.Leaves / p.ILMs)
	want := p.ReportCost*(n+1)/2 + p.OutputCost
	for what, got := range map[string]float64{"G": r.G, "the 95th percentile": r.P95, "the mean over reports": r.JobMean, "the paper's global latency": r.ILMMean} {
		near(t, what, got, want, 1e-6)
	}
	if r.Skipped != 0 || r.MovesPerHour != 0 || r.ILMs != 8 {
		t.Errorf("%v polls were skipped, %v nodes moved, %v ILMs active", r.Skipped, r.MovesPerHour, r.ILMs)
	}
}

func TestLaws(t *testing.T) {
	p := scenario.Default()
	p.Shape = 0.5
	for _, tc := range []struct {
		name              string
		law               law
		mean, least, most float64
	}{
		{"gaps", gapLaw(p), p.Mean / p.Rho, 0, math.Inf(1)},
		{"demands", demandLaw(p), p.Mean, 0, math.Inf(1)},
		{"bounded Pareto", boundedPareto(1.5, 200, 660), 660, 660 / 2.79, 200 * 660 / 2.78},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// The midpoint rule over the quantile function.
			const n = 1_000_000
			var m mean
			for i := range n {
				x := tc.law((float64(i) + 0.5) / n)
				if x < tc.least || x > tc.most {
					t.Fatalf("a quantile is %v, out of %v to %v", x, tc.least, tc.most)
				}
				m.add(x)
			}
			near(t, "the mean", m.of(), tc.mean, 0.005)
		})
	}
	low, high := demandLaw(p)(0), demandLaw(p)(1)
	near(t, "the ratio of the bounds", high/low, p.ParetoRatio, 1e-9)
}

// Streams of different seeds, nodes and purposes have nothing to do with each
// other.
func TestStreamsDiffer(t *testing.T) {
	seen := make(map[uint64]string)
	for seed := range 4 {
		for node := range int32(50) {
			for _, p := range []purpose{forGaps, forDemands, forAgent, forSpeed, forPolicy, forDeaths} {
				s := stream(seed, node, p)
				x := rand.New(&s).Uint64()
				at := fmt.Sprint(seed, node, p)
				if other, ok := seen[x]; ok {
					t.Fatalf("%s and %s begin alike", at, other)
				}
				seen[x] = at
			}
		}
	}
}
