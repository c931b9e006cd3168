package sim

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"slices"
	"testing"

	"simone/sim/scenario"
)

// brief is a scenario for tests of what does not need long runs.
func brief(policy string) *scenario.Parameters {
	p := scenario.Default()
	p.Policy, p.Leaves, p.ILMs, p.End, p.Warmup = policy, 256, 8, 12_000, 2_000
	p.ReportCost = 0.4 // as hot as 128 leaves for each ILM
	return p
}

// fingerprint is a hash of all that happened.
func fingerprint(tb testing.TB, w *world) uint64 {
	tb.Helper()
	h := fnv.New64a()
	w.trace = func(k key, j job) {
		var b [40]byte
		binary.BigEndian.PutUint64(b[:], math.Float64bits(k.At))
		binary.BigEndian.PutUint64(b[8:], k.Rank)
		if j.demand > 0 {
			binary.BigEndian.PutUint64(b[16:], math.Float64bits(j.start))
			binary.BigEndian.PutUint32(b[24:], math.Float32bits(j.demand))
			b[32] = byte(j.kind)
		}
		h.Write(b[:])
	}
	mustRun(tb, w)
	return h.Sum64()
}

func TestSameSeedSameTrace(t *testing.T) {
	for _, policy := range Policies() {
		t.Run(policy.Name, func(t *testing.T) {
			t.Parallel()
			p := brief(policy.Name)
			p.SpeedSigma, p.W = 0.3, 2
			first := fingerprint(t, mustWorld(t, p))
			if again := fingerprint(t, mustWorld(t, p)); again != first {
				t.Error("the same seed gave another trace")
			}
			p.Seed++
			if other := fingerprint(t, mustWorld(t, p)); other == first {
				t.Error("another seed gave the same trace")
			}
		})
	}
}

// Lanes are there for speed alone.
func TestLanesChangeNothing(t *testing.T) {
	for _, sigma := range []float64{0, 0.5} {
		p := brief("paper")
		p.SpeedSigma = sigma
		with, without := mustWorld(t, p), mustWorld(t, p)
		without.depth = 0
		if fingerprint(t, with) != fingerprint(t, without) {
			t.Errorf("speed_sigma %g: what happens depends on the lanes", sigma)
		}
		for i := range without.glances {
			if without.glances[i].items != nil {
				t.Fatal("there was something in a lane all the same")
			}
		}
	}
}

// Common random numbers: whatever a policy does, the same computing jobs
// come at the same times.
func TestPoliciesMeetTheSameJobs(t *testing.T) {
	type arrival struct {
		at   float64
		node uint32
	}
	workload := func(policy string) (came []arrival, demand float64) {
		p := brief(policy)
		w := mustWorld(t, p)
		w.trace = func(k key, j job) {
			if k.Kind() == kindNCS {
				came = append(came, arrival{k.At, k.ID()})
			}
		}
		mustRun(t, w)
		for i := range w.arrivals {
			demand += w.demands.draw(&w.arrivals[i].demands) // where the stream has got to
		}
		return came, demand
	}
	want, drawn := workload("static")
	if len(want) < 1000 {
		t.Fatalf("only %d jobs came", len(want))
	}
	for _, policy := range Policies()[1:] {
		if got, d := workload(policy.Name); !slices.Equal(got, want) || d != drawn {
			t.Errorf("%s met other jobs than static", policy.Name)
		}
	}
}

// docs/evaluation.md, "Time".
func TestOrderAtEqualTimes(t *testing.T) {
	p := brief("static")
	p.Network, p.OutputCost, p.AgentCost, p.PollCost, p.ReportCost = 0, 0, 0, 100, 0.25
	p.Rho = 0
	w := mustWorld(t, p)
	kinds := make(map[uint8]int)
	last := key{At: -1}
	w.trace = func(k key, _ job) {
		if k.At < last.At {
			t.Fatalf("time went back from %v to %v", last.At, k.At)
		}
		// What happens causes more at the same moment, but only an arrival
		// can cause what comes before it in the order.
		if k.At == last.At && k.Before(last) && last.Kind() != kindArrival && last.Kind() != kindSent && last.Kind() != kindDone {
			t.Fatalf("at %v kind %d of node %d came after kind %d of node %d", k.At, k.Kind(), k.ID(), last.Kind(), last.ID())
		}
		if k.At == 600 {
			kinds[k.Kind()]++
		}
		last = k
	}
	mustRun(t, w)
	// The polls of 500 are done at 600, when polls and a trigger are due.
	for _, kind := range []uint8{kindTrigger, kindDone, kindPoll, kindArrival} {
		if kinds[kind] == 0 {
			t.Errorf("nothing of kind %d happened at 600: the test shows nothing", kind)
		}
	}
}

// Whatever a policy does, each leaf is in the list of the one ILM that polls
// it, ILMs share no host, and what idles has no leaves.
func TestPoliciesKeepTheTreeWhole(t *testing.T) {
	for _, policy := range Policies() {
		if policy.start == nil {
			continue // TestStagedMovesLoseNothing
		}
		t.Run(policy.Name, func(t *testing.T) {
			t.Parallel()
			p := brief(policy.Name)
			p.Thresholds = scenario.Thresholds{Merge: 7, Split: 10, Migrate: 30}
			w := mustWorld(t, p)
			w.trace = func(k key, _ job) {
				if k.Kind() == kindPoll && k.ID() == 0 { // just after a trigger
					checkTree(t, w)
				}
			}
			mustRun(t, w)
			still := slices.Contains([]string{"static", "static-hash", "bounded-hash", "gnmic", "zabbix", "pull"}, policy.Name)
			if moves := w.rec.moved; (moves > 0) == still {
				t.Errorf("%d nodes moved", moves)
			}
		})
	}
}

func checkTree(t *testing.T, w *world) {
	t.Helper()
	hosts, listed := make(map[int32]int), 0
	for i := range w.roles {
		r := &w.roles[i]
		host := w.hostOf(i)
		if other, ok := hosts[host]; ok {
			t.Fatalf("at %v ILMs %d and %d are both on node %d", w.now, other, i, host)
		}
		hosts[host] = i
		if int(w.nodes[host].role) != i {
			t.Fatalf("at %v node %d takes itself for ILM %d, it is %d", w.now, host, w.nodes[host].role, i)
		}
		if !r.active && len(r.nodes) > 0 {
			t.Fatalf("at %v ILM %d is idle and has %d nodes", w.now, i, len(r.nodes))
		}
		for _, id := range r.nodes {
			if got := w.leaves[nodeIndex(id)].role; int(got) != i {
				t.Fatalf("at %v node %d is listed by ILM %d and polled by %d", w.now, id, i, got)
			}
		}
		listed += len(r.nodes)
	}
	if listed != w.Leaves {
		t.Fatalf("at %v %d nodes are listed, there are %d", w.now, listed, w.Leaves)
	}
}

// A node is in no list twice: with listed == Leaves and each polled by the
// ILM that lists it, that leaves none out.
func TestMoveTakesNodesOnce(t *testing.T) {
	w := mustWorld(t, brief("static"))
	part := slices.Clone(w.roles[0].nodes[5:9])
	w.move(0, 3, part)
	checkTree(t, w)
	if !slices.Equal(w.roles[3].nodes[len(w.roles[3].nodes)-4:], part) {
		t.Error("moved nodes are not the last added of their new list")
	}
	if a, b := w.roles[0].round, w.roles[3].round; a.exchanged != 4 || b.exchanged != 4 || !a.touched || !b.touched {
		t.Errorf("charged for %+v and %+v", a, b)
	}
}

// The trends of docs/evaluation.md, on a short run; docs/figures.md has the long
// ones.
func TestTrends(t *testing.T) {
	g := func(change func(*scenario.Parameters)) float64 {
		var m mean
		for seed := range 2 {
			p := brief("paper")
			p.Seed, p.End = seed+1, 60_000
			change(p)
			w := mustWorld(t, p)
			mustRun(t, w)
			m.add(w.result().G)
		}
		return m.of()
	}
	policy := func(name string, factor float64) float64 {
		return g(func(p *scenario.Parameters) { p.Policy, p.Factor = name, factor })
	}
	static, paper := policy("static", 1), policy("paper", 1)
	f4, f3, f2 := policy("relocate", 4), policy("relocate", 3), policy("relocate", 2)
	bound, best := policy("oracle-balance", 1), policy("oracle-relocate", 1)
	for _, pair := range []struct {
		name       string
		less, more float64
	}{
		{"the paper's rule, static", paper, static},
		{"the bound on fixed hosts, the paper's rule", bound, paper},
		{"relocation by 4, the paper's rule", f4, paper},
		{"relocation by 3, by 4", f3, f4},
		{"relocation by 2, by 3", f2, f3},
		{"the bound, relocation by 2", best, f2},
		{"split at 17.5, at 2", paper, g(func(p *scenario.Parameters) { p.Thresholds.Split = 2 })},
		{"four workers, one", g(func(p *scenario.Parameters) { p.Policy, p.W = "static", 4 }), static},
		{"relocation, with 20 stu per start", f3, g(func(p *scenario.Parameters) { p.Policy, p.RoleStart = "relocate", 20 })},
	} {
		if !(pair.less < pair.more) {
			t.Errorf("%s: %.2f is not below %.2f", pair.name, pair.less, pair.more)
		}
	}
}
