package reconfig_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"simone/internal/testbed"
)

var update = flag.Bool("update", false, "write the golden traces anew; review them as diffs")

// traceOf gives what a world did, a line for each thing.
func traceOf(run func(trace func(string, ...any))) []byte {
	var b bytes.Buffer
	run(func(format string, args ...any) {
		fmt.Fprintf(&b, "%s\n", strings.TrimRight(fmt.Sprintf(format, args...), " "))
	})
	return b.Bytes()
}

// smallWorld is two ILMs, a spare candidate and three nodes, in order, with
// the trace from now on.
func smallWorld(trace func(string, ...any)) *testbed.World {
	s := quick()
	s.StartILMs, s.MinILMs = 2, 1
	w := testbed.NewWorld(1, 6, 3, s)
	w.Net.Jitter = 0
	w.Run(9500 * time.Millisecond)
	w.LogFor(trace)
	return w
}

// TestGolden: canonical runs, action by action.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(*testbed.World)
	}{
		{"split", func(w *testbed.World) { // a hot ILM hands half of its list to the other
			w.Nodes[2].Temp = 20
			w.Run(1000 * time.Millisecond)
			w.Nodes[2].Temp = 1
			w.Run(4500 * time.Millisecond)
		}},
		{"failover", func(w *testbed.World) { // an ILM dies, and comes back
			w.Crash(w.Nodes[2])
			w.Run(4 * time.Second)
			w.Restart(w.Nodes[2])
			w.Run(2 * time.Second)
		}},
		{"restart", func(w *testbed.World) { // the parent dies in the middle of a split
			w.Nodes[2].Temp = 20
			w.Run(1500 * time.Millisecond)
			w.Nodes[2].Temp = 1
			w.CrashParent()
			w.Run(2 * time.Second)
			w.StartParent(false)
			w.Run(4 * time.Second)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := traceOf(func(trace func(string, ...any)) {
				w := smallWorld(func(format string, args ...any) {
					if !strings.Contains(fmt.Sprintf(format, args...), "acknowledge") { // every second, and no news
						trace(format, args...)
					}
				})
				c.run(w)
				mustCalm(t, w)
			})
			file := filepath.Join("testdata", c.name+".golden")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v (write it with -update)", err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what happened; write it anew with -update and review the diff:\n%s", file, got)
			}
		})
	}
}

// The same seed gives the same trace, byte for byte: nothing depends on the
// order of a map.
func TestSameSeedSameTrace(t *testing.T) {
	for seed := uint64(1); seed <= 40; seed++ {
		run := func(trace func(string, ...any)) {
			s := shapes[seed%uint64(len(shapes))]
			w := testbed.NewWorld(seed, s.nodes, s.candidates, s.settings())
			w.LogFor(trace)
			s.suffer(w, drawFaults(s, rand.New(rand.NewPCG(seed, 99))))
		}
		first := traceOf(run)
		for range 2 {
			if again := traceOf(run); !bytes.Equal(first, again) {
				a, b := strings.Split(string(first), "\n"), strings.Split(string(again), "\n")
				for i := range min(len(a), len(b)) {
					if a[i] != b[i] {
						t.Fatalf("seed %d, line %d:\n%s\n%s", seed, i+1, a[i], b[i])
					}
				}
				t.Fatalf("seed %d: %d lines, then %d", seed, len(a), len(b))
			}
		}
	}
}
