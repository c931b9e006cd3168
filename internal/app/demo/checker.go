package demo

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"simone/agent"
	"simone/mib"
)

// The checker knows nothing of how managers work. It has two sources: what
// the nodes saw themselves (who asked them, for what, when), and which samples
// the TLM says it has. It compares the two.

// ask is one poll as the polled node saw it.
type ask struct {
	by netip.Addr
	at time.Time
}

// held is one sample that the TLM holds.
type held struct {
	slot uint32
	at   time.Time
	by   netip.Addr
}

// history is what is known of one node.
type history struct {
	name      string
	node      mib.NodeID // as the node itself says; 0: it never joined
	asks      []ask
	seen      uint64 // requests of the ring that were looked at
	forgotten uint64 // requests that the ring forgot before
	held      []held
	lastSlot  uint32
	died      time.Time // zero: it lives
}

// findings are what the checker found.
type findings struct {
	Polls          int
	Coverage       float64
	Lost           int // slots without a sample that a planned move explains, or nothing
	Missed         int // slots without a sample although nobody moved or died, or nothing ran
	Duplicated     int // slots with two samples
	Unproven       int // samples held that no node was asked for
	FailoverGap    int // slots of one node that a killed manager took with it
	Uncovered      time.Duration
	DoublePolled   time.Duration
	Stalled        time.Duration // the longest stall of half an interval and more
	RingsForgotten uint64
}

// isPoll tells a poll from a probe or an announcement: it reads the node's
// own metrics, which stand at NodeID 0 of simoneMetricTable (1.5).
func isPoll(e agent.Entry) bool {
	return e.Verb == mib.VerbGet && e.First.HasPrefix(ownMetrics) && len(e.First) > ownNode && e.First[ownNode] == 0
}

var (
	ownMetrics = mib.MustOID("1.3.6.1.4.1.8072.9999.9999.7466.1.5.1.1")
	ownNode    = len(ownMetrics) + 1 // after the column
)

// look takes what a node's ring has recorded since the last look.
func (h *history) look(r *agent.Ring) {
	entries, forgotten, next := r.Since(h.seen)
	h.seen, h.forgotten = next, h.forgotten+forgotten
	for _, e := range entries {
		if isPoll(e) {
			h.asks = append(h.asks, ask{e.Source.Addr().Unmap(), e.At})
		}
	}
}

// stall is a time in which the process did not run.
type stall struct{ from, to time.Time }

// course is what happened during a run.
type course struct {
	interval time.Duration            // of polls
	killed   map[netip.Addr]time.Time // the managers that were ended, with when
	stalls   []stall                  // of half an interval and more
	end      time.Time
}

// stalled reports whether the process stood still in the slot that was due
// then, or in the one before, in which a move would have been agreed on.
func (c *course) stalled(due time.Time) bool {
	return slices.ContainsFunc(c.stalls, func(s stall) bool {
		return s.from.Before(due.Add(c.interval)) && s.to.After(due.Add(-c.interval))
	})
}

// judge compares.
func judge(all []*history, c course) findings {
	var f findings
	for _, s := range c.stalls {
		f.Stalled = max(f.Stalled, s.to.Sub(s.from))
	}
	covered, living := 0, 0
	for _, h := range all {
		slices.SortFunc(h.asks, func(a, b ask) int { return a.at.Compare(b.at) })
		slices.SortStableFunc(h.held, func(a, b held) int { return cmp.Compare(a.slot, b.slot) })
		f.Polls += len(h.asks)
		f.RingsForgotten += h.forgotten
		h.holes(&f, &c)
		f.Unproven += h.unproven(c.interval)
		f.DoublePolled = max(f.DoublePolled, h.doubled(c.interval))
		if !h.died.IsZero() {
			continue
		}
		living++
		f.Uncovered = max(f.Uncovered, h.uncovered(c.interval, c.end))
		if n := len(h.held); n > 0 && c.end.Sub(h.held[n-1].at) <= 3*c.interval {
			covered++
		}
	}
	if living > 0 {
		f.Coverage = float64(covered) / float64(living)
	}
	return f
}

// holes counts slots held twice, and slots held by nobody, by what explains
// them.
func (h *history) holes(f *findings, c *course) {
	interval := c.interval
	steady := 0 // since which sample numbers and time have kept step
	for i := 1; i < len(h.held); i++ {
		a, b := h.held[i-1], h.held[i]
		if a.slot == b.slot {
			f.Duplicated++
			continue
		}
		before, after := h.phase(max(i-spell, steady), i, interval), h.phase(i, i+spell, interval)
		missing := int(b.slot-a.slot) - 1
		// Numbers may be in order while time has passed: count that too.
		if hidden := int((after.Sub(before) + interval/2) / interval); hidden > 0 {
			missing += hidden
			steady = i
		}
		taken := 0
		first := before.Add(time.Duration(a.slot) * interval) // when a was due
		for k := 1; k <= missing; k++ {
			due := first.Add(time.Duration(k) * interval)
			switch {
			case h.fell(due, interval, c.killed):
				taken++
			case !c.stalled(due) && h.moved(a, b, first.Add(interval/2), first.Add(time.Duration(missing)*interval+interval/2)):
				f.Lost++
			default:
				f.Missed++
			}
		}
		f.FailoverGap = max(f.FailoverGap, taken)
	}
}

// spell is from how many samples the phase is taken.
const spell = 8

// phase is when slot 0 would have been due, going by the samples from one
// index to another. A sample may be late, by time-outs or because the machine
// is busy, but never early: the least late one tells.
func (h *history) phase(from, to int, interval time.Duration) time.Time {
	var least time.Time
	for _, s := range h.held[from:min(to, len(h.held))] {
		if zero := s.at.Add(-time.Duration(s.slot) * interval); least.IsZero() || zero.Before(least) {
			least = zero
		}
	}
	return least
}

// unread is how many intervals before a manager's death it may have sampled
// what its parent had not read yet.
const unread = 2

// fell reports whether the sample that was due then went with a killed
// manager, which died before its parent can be trusted to have read it: one
// that asked the node for this slot or, if nobody did, for the last slot that
// anybody asked for. There may be two of the latter, at the end of a move:
// one of them had the node released.
func (h *history) fell(due time.Time, interval time.Duration, killed map[netip.Addr]time.Time) bool {
	from, to := h.asked(due.Add(-interval/2)), h.asked(due.Add(interval/2))
	if from == to && to > 0 { // nobody asked
		from = h.asked(h.asks[to-1].at.Add(-interval / 2))
	}
	return slices.ContainsFunc(h.asks[from:to], func(a ask) bool {
		when, dead := killed[a.by]
		return dead && due.Add(unread*interval).After(when)
	})
}

// asked is how many of the asks came before t.
func (h *history) asked(t time.Time) int {
	i, _ := slices.BinarySearchFunc(h.asks, t, func(a ask, t time.Time) int { return a.at.Compare(t) })
	return i
}

// moved reports whether the hole between two samples is at a change of
// manager: they are of different ones, or another one asked in between.
func (h *history) moved(a, b held, from, to time.Time) bool {
	if a.by != b.by {
		return true
	}
	for _, k := range h.asks[h.asked(from):h.asked(to)] {
		if k.by != a.by {
			return true
		}
	}
	return false
}

// unproven counts samples that the TLM holds although the node was not asked
// by that manager at about that time. Each sample needs an ask of its own.
func (h *history) unproven(interval time.Duration) int {
	// How long the answer may have waited before the manager looked at it.
	const patience = 3
	samples := slices.CompactFunc(slices.Clone(h.held), func(a, b held) bool { return a.slot == b.slot && a.by == b.by }) // counted as duplicated
	slices.SortStableFunc(samples, func(a, b held) int { return a.at.Compare(b.at) })
	used := make([]bool, len(h.asks))
	n := 0
	for _, s := range samples {
		proven := false
		for i := h.asked(s.at.Add(-patience * interval)); i < len(h.asks) && !h.asks[i].at.After(s.at.Add(interval/4)); i++ {
			if h.asks[i].by == s.by && !used[i] {
				used[i], proven = true, true
				break
			}
		}
		if !proven {
			n++
		}
	}
	return n
}

// uncovered is the longest time beyond one interval in which nobody asked.
func (h *history) uncovered(interval time.Duration, end time.Time) time.Duration {
	longest := time.Duration(0)
	for i := 1; i <= len(h.asks); i++ {
		until := end
		if i < len(h.asks) {
			until = h.asks[i].at
		}
		longest = max(longest, until.Sub(h.asks[i-1].at)-interval)
	}
	return longest
}

// doubled is the longest time in which two managers asked side by side.
func (h *history) doubled(interval time.Duration) time.Duration {
	type run struct{ from, to time.Time }
	runs := make(map[netip.Addr][]run)
	for _, a := range h.asks {
		rs := runs[a.by]
		if n := len(rs); n > 0 && a.at.Sub(rs[n-1].to) < 5*interval/2 {
			rs[n-1].to = a.at
		} else {
			rs = append(rs, run{a.at, a.at})
		}
		runs[a.by] = rs
	}
	longest := time.Duration(0)
	for a, as := range runs {
		for b, bs := range runs {
			if a.Compare(b) >= 0 {
				continue
			}
			for _, x := range as {
				for _, y := range bs {
					from, to := x.from, x.to
					if y.from.After(from) {
						from = y.from
					}
					if y.to.Before(to) {
						to = y.to
					}
					longest = max(longest, to.Sub(from))
				}
			}
		}
	}
	return longest
}
