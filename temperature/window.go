package temperature

import (
	"math"
	"math/bits"
	"time"
)

// The histogram of a Window counts microseconds. Below 2^(subBits+1) each
// value has its own bucket; above, each power of two is divided into 2^subBits
// buckets. A bucket is thus at most 1/2^subBits of its lower bound wide, and
// its middle is within 1/2^(subBits+1) = 1/64 of every value in it.
const (
	subBits     = 5
	octaves     = 32 // values up to 2^32 µs, 71 minutes; longer ones go to the last bucket
	bucketCount = (octaves - subBits + 1) << subBits
)

// Window accumulates the node latencies of one trigger window in bounded
// memory (3.5 KiB). The zero Window is empty and ready. It is not safe for
// concurrent use.
type Window struct {
	count   uint64
	mean    float64 // seconds; Welford's running mean
	m2      float64 // sum of squared deviations, seconds²
	max     time.Duration
	buckets [bucketCount]uint32
}

// Summary describes the latencies of one window.
type Summary struct {
	Count  uint64
	Mean   time.Duration
	StdDev time.Duration // of the population; 0 for fewer than two latencies
	P99    time.Duration // nearest rank; off by at most 1/64 of itself or 1 µs, never above the maximum
	Max    time.Duration
}

// Add counts one latency; a negative one, from a clock set back, counts as 0.
func (w *Window) Add(latency time.Duration) {
	latency = max(latency, 0)
	w.count++
	x := latency.Seconds()
	d := x - w.mean
	w.mean += d / float64(w.count)
	w.m2 += d * (x - w.mean)
	w.max = max(w.max, latency)
	w.buckets[bucket(latency)]++
}

func bucket(d time.Duration) int {
	v := uint64(d / time.Microsecond)
	if v >= 1<<octaves {
		return bucketCount - 1
	}
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift<<subBits + int(v>>shift)
}

// middle is the middle of bucket i.
func middle(i int) time.Duration {
	if i < 2<<subBits {
		return time.Duration(i)*time.Microsecond + time.Microsecond/2
	}
	shift := i>>subBits - 1
	lower := uint64(i-shift<<subBits) << shift
	return time.Duration(lower)*time.Microsecond + (time.Microsecond<<shift)/2
}

// Summary describes what was added since the last Reset.
func (w *Window) Summary() Summary {
	if w.count == 0 {
		return Summary{}
	}
	return Summary{
		Count:  w.count,
		Mean:   seconds(w.mean),
		StdDev: seconds(math.Sqrt(w.m2 / float64(w.count))),
		P99:    w.Quantile(0.99),
		Max:    w.max,
	}
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }

// Quantile is the latency at nearest rank q, 0 to 1, with the error of
// Summary.P99; 0 for an empty window.
func (w *Window) Quantile(q float64) time.Duration {
	if w.count == 0 {
		return 0
	}
	rank := uint64(max(math.Ceil(q*float64(w.count)), 1))
	seen := uint64(0)
	for i, n := range w.buckets {
		if seen += uint64(n); seen >= rank {
			if i == bucketCount-1 {
				return w.max
			}
			return min(middle(i), w.max)
		}
	}
	return w.max
}

// Reset empties the window for the next trigger.
func (w *Window) Reset() { *w = Window{} }
