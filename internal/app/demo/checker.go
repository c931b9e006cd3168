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
	Lost           int // samples, in planned moves
	Duplicated     int
	Unproven       int // samples held that no node was asked for
	FailoverGap    int // slots
	Uncovered      time.Duration
	DoublePolled   time.Duration
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

// judge compares. interval is the poll interval; killed the managers that
// were ended, with when; from the time from which on polls are expected.
func judge(all []*history, interval time.Duration, killed map[netip.Addr]time.Time, end time.Time) findings {
	var f findings
	covered, living := 0, 0
	for _, h := range all {
		slices.SortFunc(h.asks, func(a, b ask) int { return a.at.Compare(b.at) })
		slices.SortStableFunc(h.held, func(a, b held) int { return cmp.Compare(a.slot, b.slot) })
		f.Polls += len(h.asks)
		f.RingsForgotten += h.forgotten
		h.gaps(&f, interval, killed)
		f.Unproven += h.unproven(interval)
		f.DoublePolled = max(f.DoublePolled, h.doubled(interval))
		if !h.died.IsZero() {
			continue
		}
		living++
		f.Uncovered = max(f.Uncovered, h.uncovered(interval, end))
		if n := len(h.held); n > 0 && end.Sub(h.held[n-1].at) <= 3*interval {
			covered++
		}
	}
	if living > 0 {
		f.Coverage = float64(covered) / float64(living)
	}
	return f
}

// gaps counts slots held twice and slots held by nobody. A hole after a
// sample of a manager that was killed about then is the failover's.
func (h *history) gaps(f *findings, interval time.Duration, killed map[netip.Addr]time.Time) {
	for i := 1; i < len(h.held); i++ {
		a, b := h.held[i-1], h.held[i]
		if a.slot == b.slot {
			f.Duplicated++
			continue
		}
		missing := int(b.slot-a.slot) - 1
		// Numbers may be in order while time has passed: count that too.
		if quiet := int((b.at.Sub(a.at)+interval/2)/interval) - 1; quiet > missing {
			missing = quiet
		}
		if missing <= 0 {
			continue
		}
		when, dead := killed[a.by]
		if dead && b.at.After(when) && a.at.Add(2*interval).After(when) {
			f.FailoverGap = max(f.FailoverGap, missing)
		} else {
			f.Lost += missing
		}
	}
}

// unproven counts samples that the TLM holds although the node was not asked
// by that manager at about that time.
func (h *history) unproven(interval time.Duration) int {
	n := 0
	for _, s := range h.held {
		i, _ := slices.BinarySearchFunc(h.asks, s.at.Add(-interval), func(a ask, t time.Time) int { return a.at.Compare(t) })
		proven := false
		for ; i < len(h.asks) && !h.asks[i].at.After(s.at.Add(interval/4)); i++ {
			if h.asks[i].by == s.by {
				proven = true
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
