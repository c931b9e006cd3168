package manager

import (
	"fmt"
	"strings"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// Priority is how important the polls of a node are where there are more than
// the manager has time for.
type Priority uint8

// The priorities. Of a low one all polls are shed before the first of a normal
// one, and so on.
const (
	PriorityHigh   Priority = iota // of SIMONE nodes, unless configured
	PriorityNormal                 // of devices, unless configured
	PriorityLow
	priorities
)

// Priorities are those of profiles that are named as more important than
// others, or less.
func Priorities(high, low []string) map[string]Priority {
	all := make(map[string]Priority, len(high)+len(low))
	for _, p := range low {
		all[p] = PriorityLow
	}
	for _, p := range high {
		all[p] = PriorityHigh
	}
	return all
}

// priority is that of a row: of several profiles that have one, the highest.
func (h *Host) priority(r *mib.SupportRow) Priority {
	if len(h.cfg.Priorities) > 0 {
		best := priorities
		for ref := range strings.SplitSeq(r.Profile, ",") {
			name, _, _ := strings.Cut(ref, "@")
			if p, have := h.cfg.Priorities[name]; have {
				best = min(best, p)
			}
		}
		if best < priorities {
			return best
		}
	}
	if r.Kind == mib.KindDevice {
		return PriorityNormal
	}
	return PriorityHigh
}

// How a shedder works.
const (
	shedStep = 250 * time.Millisecond // between two looks
	// Of so many seconds, or of three poll intervals, all polls must be late by
	// a whole interval, and by leastDelay: until then none is lost for it, and
	// there has been time to move nodes elsewhere.
	shedAfter  = 10 * time.Second
	leastDelay = 250 * time.Millisecond
	fewLeft    = 4 // polls from which on a look says something
)

// shedder finds out which share of the polls is more than the manager has time
// for, and which these are. It looks at how long polls and answers wait: the
// least wait between two looks, so that single slow agents do not count. What
// is late for long makes the share grow until it is not; then the share goes
// back, slowly. The zero shedder sheds nothing.
type shedder struct {
	share float64 // of all polls, 0 to 1

	looked reconfig.Instant // when it looked last
	late   reconfig.Instant // since when each look found all polls late; 0: they are not
	delay  time.Duration    // that it found then
	least  time.Duration    // wait of the polls since the last look
	left   int              // how many these are
	came   [priorities]int  // polls that were due since
	demand [priorities]float64
	parts  [priorities]float64 // share, by priority
}

// waited takes how long a poll has waited.
func (s *shedder) waited(d time.Duration) {
	if s.left == 0 || d < s.least {
		s.least = d
	}
	s.left++
}

// look adapts the share to what has been seen. oldest is for how long the
// oldest answer waits to be worked on, interval the usual one of polls. It
// reports whether shedding has begun or ended.
func (s *shedder) look(now reconfig.Instant, oldest, interval time.Duration) (changed bool) {
	if s.looked == 0 {
		s.looked = now
	}
	if now.Sub(s.looked) < shedStep {
		return false
	}
	s.looked = now
	delay := oldest
	if s.left >= fewLeft {
		delay = max(delay, s.least)
	}
	s.left, s.least = 0, 0
	for p := range s.came {
		s.demand[p] += (float64(s.came[p]) - s.demand[p]) / 8
		s.came[p] = 0
	}
	was := s.share > 0
	limit := max(interval, leastDelay)
	switch {
	case delay > limit:
		if s.late == 0 {
			s.late = now
		}
		falls := delay < s.delay-s.delay/32 // what is shed is enough: what has gathered is worked off
		if !falls && (was || now.Sub(s.late) >= shedWait(interval)) {
			s.share = min(s.share+min(0.02*float64(delay)/float64(limit), 0.1), 0.98)
		}
	case delay < limit/2:
		s.late = 0
		if s.share -= 0.005; s.share < 0.005 {
			s.share = 0
		}
	}
	s.delay = delay
	s.apportion()
	return was != (s.share > 0)
}

// shedWait is for how long polls are late until some are shed.
func shedWait(interval time.Duration) time.Duration { return max(shedAfter, 3*interval) }

// apportion gives each priority its part of the share, the lowest first.
func (s *shedder) apportion() {
	all := 0.0
	for _, d := range s.demand {
		all += d
	}
	excess := s.share * all
	for p := priorities; p > 0; p-- {
		d := s.demand[p-1]
		s.parts[p-1] = 0
		if part := min(excess, d); part > 0 {
			s.parts[p-1] = part / d
			excess -= part
		}
	}
}

// sheds says whether a poll of a priority that is due is not to leave. debt is
// of the node: it makes that of its polls all in turn are shed alike.
func (s *shedder) sheds(p Priority, debt *float64) bool {
	s.came[p]++
	if s.parts[p] == 0 {
		return false
	}
	*debt += s.parts[p]
	if *debt < 1 {
		return false
	}
	*debt--
	return true
}

// tellShedding says that shedding has begun or ended.
func (h *Host) tellShedding() {
	self := h.cfg.Node.Identity().ID
	h.mu.Lock()
	e := reconfig.Entry{At: h.cfg.Clock.Now(), Kind: reconfig.KindShed, Node: self}
	total := uint64(0)
	for _, n := range h.counts.Shed {
		total += n
	}
	if h.shedder.share > 0 {
		h.shedBefore = total
		e.Seen = fmt.Sprintf("polls leave late, or their answers wait, since %v: there is no time for all", shedWait(h.pollInterval()))
		e.Expected = "polls are left out until there is: low priorities first, of the same one all nodes in turn"
	} else {
		e.Outcome = fmt.Sprintf("there is time for all polls again; %d were left out", total-h.shedBefore)
	}
	h.mu.Unlock()
	if e.Outcome == "" {
		h.log.Warn("polls are shed", "seen", e.Seen, "expected", e.Expected)
	} else {
		h.log.Info("polls are no longer shed", "outcome", e.Outcome)
	}
	if h.cfg.Tell != nil { // which may have to wait for a disk
		h.telling.Go(func() { h.cfg.Tell(e) })
	}
}
