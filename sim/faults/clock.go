package faults

import (
	"time"

	"simone/reconfig"
)

// clock is a process' clock: what the machine's showed when the process
// started, advanced since at a pace of its own. A clock that is set is noticed
// at the next start only (reconfig.Instant).
type clock struct {
	skew  time.Duration // ahead of the world at since
	since reconfig.Instant
	ppm   int64 // how much faster it is, in millionths
}

// local is a time of the world as the clock shows it.
func (c *clock) local(t reconfig.Instant) reconfig.Instant {
	return t.Add(c.skew + time.Duration(int64(t.Sub(c.since))/1000*c.ppm/1000))
}

// world is the first time of the world at which the clock shows local.
func (c *clock) world(local reconfig.Instant) reconfig.Instant {
	t := local.Add(-c.skew)
	if c.ppm == 0 {
		return t
	}
	t = c.since.Add(time.Duration(float64(t.Sub(c.since)) / (1 + float64(c.ppm)/1e6)))
	for c.local(t) < local {
		t += max(1, reconfig.Instant(local.Sub(c.local(t))))
	}
	return t
}

// restart is the clock for the next process: as it went on, and set by jump.
func (c *clock) restart(now reconfig.Instant, jump time.Duration, ppm int64) clock {
	return clock{skew: c.local(now).Sub(now) + jump, since: now, ppm: ppm}
}
