package faults

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"simone/reconfig"
)

var (
	seedFlag   = flag.Uint64("faults.seed", 0, "run and trace this scenario only")
	firstFlag  = flag.Uint64("faults.first", 1, "the first scenario")
	countFlag  = flag.Uint64("faults.count", 16, "how many scenarios of full size")
	smallFlag  = flag.Uint64("faults.small", 2000, "how many small scenarios")
	nodesFlag  = flag.Int("faults.nodes", 100, "nodes of each of full size")
	rulesFlag  = flag.Uint64("faults.rules", 0, "how many scenarios for each rule that is switched off; 0: only the rules that show at once")
	updateFlag = flag.Bool("update", false, "write the golden traces anew")
)

// hunts runs scenarios and fails with the first that does.
func hunts(t *testing.T, shape Shape, first, count uint64) {
	t.Helper()
	if count == 0 {
		t.Skip("none asked for")
	}
	h := Hunt{Shape: shape, First: first, Count: count, Cores: 2}
	bag := h.Run(context.Background())
	t.Log(bag)
	if bag.Failed > 0 {
		t.Errorf("seed %d of shape %+v: %v", bag.FirstFailing, shape, bag.Violations)
	}
	if bag.LeastFaults < MinFaults {
		t.Errorf("a scenario has %d faults", bag.LeastFaults)
	}
}

// Whatever goes wrong, the invariants hold at every step, and when it ends
// every node is polled by exactly one manager.
func TestInvariantsUnderFaults(t *testing.T) {
	if *seedFlag != 0 {
		s := Draw(*seedFlag, Shape{Nodes: *nodesFlag})
		t.Log(s)
		t.Log(Run(s, os.Stdout))
		return
	}
	t.Run("full size", func(t *testing.T) { hunts(t, Shape{Nodes: *nodesFlag}, *firstFlag, *countFlag) })
	// Small worlds meet the rare cases sooner.
	t.Run("5 nodes", func(t *testing.T) { hunts(t, Shape{Nodes: 5}, *firstFlag, *smallFlag*3/4) })
	t.Run("20 nodes", func(t *testing.T) { hunts(t, Shape{Nodes: 20}, *firstFlag, *smallFlag/4) })
}

// Planned moves, with a control network that loses, doubles and delays and
// managers that are deposed and stop, leave no slot empty and fill none twice
// (I5).
func TestPlannedMovesLoseNothing(t *testing.T) {
	shape := Shape{Nodes: 40, Planned: true}
	h := Hunt{Shape: shape, First: *firstFlag, Moves: 3000, Cores: 2}
	bag := h.Run(context.Background())
	t.Log(bag)
	if bag.Failed > 0 || bag.Lost > 0 {
		t.Errorf("seed %d: %d samples lost: %v", bag.FirstFailing, bag.Lost, bag.Violations)
	}
}

// The same scenario gives the same run, byte for byte.
func TestSameSeedSameTrace(t *testing.T) {
	for seed := uint64(1); seed <= 6; seed++ {
		sums := make([][32]byte, 2)
		for i := range sums {
			h := sha256.New()
			Run(Draw(seed, Shape{Nodes: 30}), h)
			sums[i] = [32]byte(h.Sum(nil))
		}
		if sums[0] != sums[1] {
			t.Errorf("seed %d: two runs have different traces", seed)
		}
	}
}

// A few small runs as they were: -update writes them anew, the diff is to be
// read.
func TestGoldenTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/*.scenario")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			in, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			s, err := Parse(in)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if r := Run(s, &got); len(r.Violations) > 0 {
				t.Error(r.Violations)
			}
			golden := strings.TrimSuffix(file, ".scenario") + ".golden"
			if *updateFlag {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s: %s", golden, firstDifference(string(want), got.String()))
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "want\n" + w[i] + "\ngot\n" + g[i]
		}
	}
	return "one ends before the other"
}

// What a scenario's text says is what was drawn.
func TestScenarioAsText(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		s := Draw(seed, Shape{Without: reconfig.GuardHold})
		back, err := Parse(strings.NewReader(s.String()))
		if err != nil {
			t.Fatal(err)
		}
		if back.String() != s.String() {
			t.Errorf("seed %d: read back as %s", seed, back)
		}
	}
	for _, bad := range []string{"", "simone faults 2\n", header + "\nnodes x\n", header + "\nfault 1s fly 1 2 3\n", header + "\ncolour red\n"} {
		if _, err := Parse(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is taken for a scenario", bad)
		}
	}
}

// Every rule that can be switched off is needed: without it a scenario fails.
// The short test looks at those that show in the first few.
func TestRulesAreNeeded(t *testing.T) {
	soon := reconfig.GuardHold | reconfig.GuardFilled | reconfig.GuardCondStore | reconfig.GuardOneTxn | reconfig.GuardCurBatch | reconfig.GuardRelay
	for _, b := range Breakables() {
		count := *rulesFlag
		if count == 0 && soon.Has(b.Rule) {
			count = 30
		}
		if count == 0 {
			continue
		}
		t.Run(b.Rule.String(), func(t *testing.T) {
			began := time.Now()
			h := Hunt{Shape: Shape{Nodes: *nodesFlag, Without: b.Rule}, First: *firstFlag, Count: count, Cores: 1, AtOnce: true}
			bag := h.Run(context.Background())
			if bag.Failed == 0 {
				t.Errorf("no violation in %d scenarios (%v)", bag.Scenarios, time.Since(began).Round(time.Second))
				return
			}
			t.Logf("seed %d: %s", bag.FirstFailing, bag.Violations[0])
		})
	}
}

// A scenario that fails is made short, and fails still.
func TestShrink(t *testing.T) {
	s := Draw(2, Shape{Nodes: 30, Without: reconfig.GuardFilled})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	short := Shrink(ctx, s)
	if len(Run(short, nil).Violations) == 0 {
		t.Fatal("the short one does not fail")
	}
	if len(short.Faults) > len(s.Faults)/2 || short.Nodes > s.Nodes {
		t.Errorf("%d faults of %d are left, %d nodes of %d", len(short.Faults), len(s.Faults), short.Nodes, s.Nodes)
	}
	whole := Draw(2, Shape{Nodes: 30})
	if Shrink(ctx, whole) != whole {
		t.Error("a scenario that does not fail is changed")
	}
}

func TestSlots(t *testing.T) {
	s := make(slots)
	put := []uint32{700, 3, 64, 5000, 701, 1e9}
	for _, n := range put {
		s.put(1, n)
	}
	c := s.clone()
	s.put(1, 9)
	for n := range uint32(6000) {
		if got, want := c.has(1, n), slices.Contains(put, n); got != want {
			t.Errorf("slot %d: %v", n, got)
		}
	}
	if !s.has(1, 1e9) || !s.has(1, 9) || c.has(2, 3) {
		t.Error("a slot is missing, or a node without slots has one")
	}
}

func TestClock(t *testing.T) {
	for _, ppm := range []int64{0, 500, -500, 5000} {
		c := clock{skew: -3 * time.Second, since: epoch, ppm: ppm}
		for _, d := range []time.Duration{0, 1, time.Millisecond, time.Hour} {
			local := c.local(epoch).Add(d)
			at := c.world(local)
			if c.local(at) < local || at > epoch && c.local(at-2000) >= local {
				t.Errorf("%d ppm: %v on the clock is %v of the world", ppm, d, at.Sub(epoch))
			}
		}
		later := epoch.Add(time.Minute)
		if next := c.restart(later, time.Second, 7); next.local(later) != c.local(later).Add(time.Second) {
			t.Errorf("%d ppm: the clock after a restart shows %v", ppm, next.local(later))
		}
	}
}
