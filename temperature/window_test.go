package temperature

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Document 001, section 3.1: average and standard deviation of node latency.
func TestWindowSummary(t *testing.T) {
	for _, tc := range []struct {
		name      string
		latencies []time.Duration
		want      Summary
	}{
		{"empty", nil, Summary{}},
		{"one", []time.Duration{5 * time.Millisecond},
			Summary{Count: 1, Mean: 5 * time.Millisecond, P99: 5 * time.Millisecond, Max: 5 * time.Millisecond}},
		{"two", []time.Duration{10 * time.Microsecond, 20 * time.Microsecond},
			Summary{Count: 2, Mean: 15 * time.Microsecond, StdDev: 5 * time.Microsecond, P99: 20 * time.Microsecond, Max: 20 * time.Microsecond}},
		{"a clock set back counts as 0", []time.Duration{-time.Second},
			Summary{Count: 1}},
		{"longer than the histogram", []time.Duration{3 * time.Hour},
			Summary{Count: 1, Mean: 3 * time.Hour, P99: 3 * time.Hour, Max: 3 * time.Hour}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var w Window
			for _, l := range tc.latencies {
				w.Add(l)
			}
			got := w.Summary()
			if d := got.P99 - tc.want.P99; d.Abs() > max(tc.want.P99/64, time.Microsecond) {
				t.Errorf("p99 %v, want %v within 1/64", got.P99, tc.want.P99)
			}
			got.P99, tc.want.P99 = 0, 0
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			w.Reset()
			if w.Summary() != (Summary{}) {
				t.Error("Reset left something")
			}
		})
	}
}

// Every bucket's middle must lie in the bucket, and within the documented
// error of both its ends.
func TestWindowBuckets(t *testing.T) {
	for i := range bucketCount {
		m := middle(i)
		if got := bucket(m); got != i {
			t.Fatalf("the middle of bucket %d, %v, falls into bucket %d", i, m, got)
		}
	}
	for v := uint64(0); v < 1<<octaves; v += 1 + v/97 {
		d := time.Duration(v) * time.Microsecond
		if diff := (middle(bucket(d)) - d).Abs(); diff > max(d/64, time.Microsecond) {
			t.Fatalf("%v is counted as %v", d, middle(bucket(d)))
		}
	}
}

// Quantiles against sorting, over latencies of six orders of magnitude.
func TestWindowQuantileOracle(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 10, 99, 100, 101, 5000} {
		var w Window
		all := make([]time.Duration, n)
		for i := range all {
			all[i] = time.Duration(math.Pow(10, 3+6*rnd.Float64()))
			w.Add(all[i])
		}
		slices.Sort(all)
		for _, q := range []float64{0, 0.5, 0.9, 0.99, 1} {
			want := all[max(int(math.Ceil(q*float64(n))), 1)-1]
			got := w.Quantile(q)
			if (got - want).Abs() > max(want/64, time.Microsecond) {
				t.Errorf("n=%d q=%v: %v, want %v within 1/64", n, q, got, want)
			}
		}
	}
}

func BenchmarkWindowAdd(b *testing.B) {
	var w Window
	for b.Loop() {
		w.Add(1234 * time.Microsecond)
	}
}
