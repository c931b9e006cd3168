package profile

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"time"

	"simone/mib"
)

// keepFor is for how many of the longest intervals a counter that was not
// answered is remembered.
const keepFor = 4

// counters are the last raw values of a node's counters.
type counters struct {
	last []count // in order of key
	up   upTime
}

// count is one raw value.
type count struct {
	key      uint64
	raw      uint64
	at       time.Duration
	clock    uint32 // the discontinuity
	hasClock bool
	bits     uint8 // 32 or 64; 0: a type that does not wrap
	want     *want // while it is being read
}

func key(metric, instance uint32) uint64 { return uint64(metric)<<32 | uint64(instance) }

// upTime is the sysUpTime of an agent.
type upTime struct {
	ticks uint32 // hundredths of a second
	at    time.Duration
	known bool
}

const tick = 10 * time.Millisecond

// restarted reports whether the agent has begun anew since before: it has been
// up for less time than has passed. That finds a restart also where sysUpTime
// has grown beyond what it was; after 497 days it wraps, which is none. Clocks
// may differ by a twentieth and five seconds, as agents keep time badly; one
// whose sysUpTime stands still says nothing.
func (u upTime) restarted(before upTime) bool {
	if !u.known || !before.known || u.ticks == before.ticks {
		return false
	}
	passed := u.at - before.at
	slack := passed/20 + 5*time.Second
	grown := time.Duration(u.ticks-before.ticks) * tick // modulo 2^32
	if u.ticks < before.ticks {
		return (grown - passed).Abs() > slack
	}
	return time.Duration(u.ticks)*tick < passed-slack
}

// advance puts the counters of a reading in place of those before, and gives
// the rates between.
func (c *counters) advance(r *Reading, horizon time.Duration) (rates []mib.MetricValue) {
	if r.up.restarted(c.up) {
		c.last = nil
	}
	if r.up.known {
		c.up = r.up
	}
	continuous := r.up.known
	slices.SortStableFunc(r.counts, func(a, b count) int {
		switch {
		case a.key < b.key:
			return -1
		case a.key > b.key:
			return 1
		}
		return 0
	})
	next := make([]count, 0, max(len(r.counts), len(c.last)))
	newest := time.Duration(math.MinInt64)
	for i := range r.counts {
		newest = max(newest, r.counts[i].at)
	}
	before := c.last
	keep := func(upTo uint64) { // of what was not read now, what is not too old
		for len(before) > 0 && before[0].key < upTo {
			if len(r.counts) == 0 || newest-before[0].at <= horizon {
				next = append(next, before[0])
			}
			before = before[1:]
		}
	}
	for i := range r.counts {
		n := &r.counts[i]
		if i > 0 && r.counts[i-1].key == n.key {
			r.Collided++
			continue
		}
		keep(n.key)
		n.clock, n.hasClock = r.clockOf(n)
		if len(before) > 0 && before[0].key == n.key {
			if rate, ok := n.rate(&before[0], continuous); ok {
				rates = append(rates, mib.MetricValue{
					Metric: uint32(n.key >> 32), Instance: uint32(n.key), Value: round(rate*n.want.scale + n.want.offset),
				})
			}
			before = before[1:]
		}
		kept := *n
		kept.want = nil
		next = append(next, kept)
	}
	keep(math.MaxUint64)
	c.last = next
	return rates
}

// rate is by how much the counter has grown a second, if that can be said.
// continuous says that sysUpTime was read and shows no restart.
//
// A counter that is lower than it was has wrapped (RFC 2578, section 7.1.6) or
// has begun anew without a word. It counts as wrapped if it then has grown by
// less than half of its range: nothing else is likely, and a wrong guess would
// show as a peak that never was.
func (n *count) rate(before *count, continuous bool) (float64, bool) {
	passed := n.at - before.at
	switch {
	case passed <= 0, n.bits != before.bits, n.hasClock != before.hasClock, n.hasClock && n.clock != before.clock:
		return 0, false
	}
	var grown uint64
	switch {
	case n.raw >= before.raw:
		grown = n.raw - before.raw
	case n.bits == 32 && uint32(n.raw-before.raw) < math.MaxInt32:
		grown = uint64(uint32(n.raw - before.raw))
	case n.bits == 64 && continuous && n.raw-before.raw < math.MaxInt64:
		grown = n.raw - before.raw
	default:
		return 0, false
	}
	return float64(grown) / passed.Seconds(), true
}

// round leaves seven digits, more than a counter that is read some time before
// or after it should be can give, and few enough to travel in little room.
func round(f float64) float64 {
	g, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 7, 64), 64)
	if err != nil {
		return f
	}
	return g
}

// counter is a raw value, and in how many bits it wraps.
func counter(v mib.Value) (raw uint64, bits uint8, ok bool) {
	switch v.Type {
	case mib.TypeCounter32:
		return v.Uint, 32, true
	case mib.TypeCounter64:
		return v.Uint, 64, true
	case mib.TypeGauge32, mib.TypeTimeTicks: // of agents that count in the wrong type
		return v.Uint, 0, true
	case mib.TypeInteger:
		return uint64(max(v.Int, 0)), 0, v.Int >= 0
	}
	return 0, 0, false
}

// number is a value as a number. Floats come in an Opaque (net-snmp's
// NET-SNMP-TC), decimals as text.
func number(v mib.Value) (float64, bool) {
	if b := v.Bytes; v.Type == mib.TypeOpaque && len(b) > 3 && b[0] == 0x9f {
		switch {
		case b[1] == 0x78 && b[2] == 4 && len(b) == 7:
			return finite(float64(math.Float32frombits(binary.BigEndian.Uint32(b[3:]))))
		case b[1] == 0x79 && b[2] == 8 && len(b) == 11:
			return finite(math.Float64frombits(binary.BigEndian.Uint64(b[3:])))
		}
		return 0, false
	}
	f, err := mib.Number(v)
	return f, err == nil
}

func finite(f float64) (float64, bool) { return f, !math.IsNaN(f) && !math.IsInf(f, 0) }
