package sim

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The oracle moves every job on from event to event.
func TestCPUAgainstFluid(t *testing.T) {
	type fluid struct {
		left float64
		id   uint16
	}
	rapid.Check(t, func(t *rapid.T) {
		speed := rapid.SampledFrom([]float64{0.5, 1, 2}).Draw(t, "speed")
		gaps := rapid.SliceOfN(rapid.Float64Range(0.01, 3), 1, 40).Draw(t, "gaps")
		demand := rapid.Float64Range(0.01, 5)
		c := cpu{slow: 1 / speed}
		var want []fluid
		now := 0.0
		until := func(at float64) {
			for len(want) > 0 {
				n := float64(len(want))
				first := slices.MinFunc(want, func(a, b fluid) int { return cmp.Compare(a.left, b.left) })
				end := now + first.left*n/speed
				if got := c.done(); math.Abs(got-end) > 1e-9*(1+end) {
					t.Fatalf("the next of %d jobs is said to end at %v, it does at %v", len(want), got, end)
				}
				if end > at {
					break
				}
				for i := range want {
					want[i].left -= first.left
				}
				now = end
				if j := c.leave(c.done()); j.worker != first.id {
					t.Fatalf("job %d ended, want %d", j.worker, first.id)
				}
				want = slices.DeleteFunc(want, func(f fluid) bool { return f.id == first.id })
			}
			if n := float64(len(want)); n > 0 && at < never {
				for i := range want {
					want[i].left -= (at - now) * speed / n
				}
			}
			now = at
		}
		at := 0.0
		for i, gap := range gaps {
			at += gap
			until(at)
			d := demand.Draw(t, "demand")
			// Jobs that end at one time may do so in either order.
			for slices.ContainsFunc(want, func(f fluid) bool { return math.Abs(f.left-d) < 1e-6 }) {
				d += 1e-3
			}
			c.enter(at, d, job{worker: uint16(i)})
			want = append(want, fluid{d, uint16(i)})
		}
		until(never)
		if c.done() != never {
			t.Fatal("an idle CPU expects the end of a job")
		}
	})
}

func TestLaneKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l lane[int]
		var want []float64
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) {
				at := rapid.Float64Range(0, 10).Draw(t, "at")
				l.insert(key{At: at}, int(at*1000))
				want = append(want, at)
				slices.Sort(want)
			},
			"pop": func(t *rapid.T) {
				if len(want) == 0 {
					t.Skip("empty")
				}
				if e := l.pop(); e.key.At != want[0] || e.what != int(want[0]*1000) {
					t.Fatalf("popped %v, want %v", e, want[0])
				}
				want = want[1:]
			},
			"": func(t *rapid.T) {
				first, last := never, never
				if len(want) > 0 {
					first, last = want[0], want[len(want)-1]
				}
				if k := l.first(); k.At != first {
					t.Fatalf("first is %v, want %v", k, first)
				}
				if k, ok := l.last(); ok != (len(want) > 0) || ok && k.At != last {
					t.Fatalf("last is %v, want %v", k, last)
				}
			},
		})
	})
}
