package reconfig

import (
	"math"
	"time"
)

// Instant is a point in time on one host's clock: nanoseconds since 1970 as
// the host's clock stood when the process started, advanced monotonically
// since. It survives a restart of the process, which is what slots need, and
// is never sent to another host: the wire carries ages.
type Instant int64

// never is later than everything.
const never = Instant(math.MaxInt64)

// Add gives the instant d later.
func (t Instant) Add(d time.Duration) Instant { return t + Instant(d) }

// Sub is the time from u to t.
func (t Instant) Sub(u Instant) time.Duration { return time.Duration(t - u) }

// slotAt is the first slot of a schedule that is due after t: slot k is due
// at zero + k*interval.
func slotAt(zero Instant, interval time.Duration, t Instant) uint32 {
	if interval <= 0 || t < zero {
		return 1
	}
	return uint32(t.Sub(zero)/interval) + 1
}

// due is when a slot of a schedule is due.
func due(zero Instant, interval time.Duration, slot uint32) Instant {
	return zero.Add(time.Duration(slot) * interval)
}

// phase spreads nodes over the interval by a hash of their identity, so that
// polls do not leave in bursts (DESIGN section 6).
func phase(node uint32, interval time.Duration) time.Duration {
	h := uint64(node) * 0x9E3779B97F4A7C15
	h ^= h >> 32
	h *= 0xD6E8FEB86659FD93
	h ^= h >> 32
	return time.Duration(h % uint64(max(interval, 1)))
}
