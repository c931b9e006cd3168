package manager

import (
	"net/netip"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// flight is a poll, from when it is due until its values are in the tables. It
// is used again, so that polls cost no memory. Host.mu guards it until it is
// among the results, where it belongs to their worker.
type flight struct {
	host     *Host
	poll     reconfig.Poll
	planned  reconfig.Instant
	to       netip.AddrPort
	question *question
	asked    stretch // the part of the question that is on its way
	most     int     // variables that the node is asked for at a time; 0: all

	// What has come so far:
	values  []mib.MetricValue
	some    bool          // of what was asked for is there
	left    time.Time     // when the first datagram left
	rtt     time.Duration // of the first answer
	arrived time.Time     // of the last one, by the monotonic clock
	cost    time.Duration // CPU time
}

var _ mib.Asker = (*flight)(nil)

// take gives a flight for a poll. h.mu is held, as by what follows.
func (h *Host) take(p reconfig.Poll) *flight {
	if len(h.landed) == 0 {
		h.landed = append(h.landed, new(flight))
	}
	last := len(h.landed) - 1
	f := h.landed[last]
	h.landed = h.landed[:last]
	*f = flight{host: h, poll: p, values: f.values[:0], cost: h.sending}
	return f
}

// land has a flight used again.
func (h *Host) land(f *flight) { h.landed = append(h.landed, f) }

// late is how late the poll left.
func (f *flight) late() time.Duration {
	if f.left.IsZero() {
		return 0
	}
	return max(f.host.cfg.Clock.At(f.left).Sub(f.planned), 0)
}

// Answered takes what became of a question, on the poller's goroutine.
func (f *flight) Answered(to netip.AddrPort, r *mib.Response) {
	h := f.host
	h.mu.Lock()
	h.counts.Polls += uint64(r.Attempts)
	if f.left.IsZero() && r.Attempts > 0 {
		f.left = r.Left
		late := f.late()
		h.window.late.Add(late)
		h.shedder.waited(late)
	}
	next := f.answered(r)
	h.mu.Unlock()
	if next != nil {
		next.Ask(to, f)
	}
}

// answered takes an answer and gives what is to be asked next, if anything.
func (f *flight) answered(r *mib.Response) (next mib.Query) {
	h := f.host
	node := f.poll.Row.Node
	asked := f.asked.until - f.asked.from
	switch {
	case r.Err != nil:
	case r.Status == mib.TooBig && asked > 1:
		f.most = asked / 2
		if state, have := h.nodes[node]; have {
			state.most = f.most
		}
		h.log.Debug("answer would be too big: asking for less at a time", "node", node, "variables", f.most)
		return f.next(f.asked.from)
	case r.Status != mib.NoError:
		h.log.Debug("poll refused", "node", node, "status", r.Status, "index", r.Index)
	default:
		f.took(r)
		if f.asked.until < len(f.question.vars) {
			return f.next(f.asked.until)
		}
		if !f.some {
			h.log.Debug("poll answered with none of the objects asked for", "node", node)
		}
	}
	// What came before something went wrong is kept.
	if !f.some {
		h.failed(h.cfg.Clock.Now(), f.poll)
		h.land(f)
	} else if !h.results.add(f) {
		h.counts.Overflows++
		h.failed(h.cfg.Clock.Now(), f.poll)
		h.land(f)
	}
	return nil
}

// took takes the values of an answer.
func (f *flight) took(r *mib.Response) {
	if f.arrived.IsZero() {
		f.rtt = max(r.RTT(), 0)
	}
	f.arrived = time.Now().Add(-waited(r))
	f.values = f.question.sample(f.values, f.asked, r.Vars)
	f.some = f.some || !nothing(r.Vars)
}

// next gives what asks for the variables from one on.
func (f *flight) next(from int) mib.Query {
	f.asked = f.question.stretch(from, f.most)
	q, err := f.question.query(f.asked)
	if err != nil { // the whole could be prepared
		f.host.log.Error("part of a poll cannot be asked", "node", f.poll.Row.Node, "err", err)
		f.host.failed(f.host.cfg.Clock.Now(), f.poll)
		f.host.land(f)
		return nil
	}
	return q
}

// nothing reports whether an agent has none of the objects: an snmpd whose
// subagent is gone, or a device of another kind than its row says.
func nothing(vars []mib.Variable) bool {
	for i := range vars {
		if vars[i].Value.Type != mib.TypeNoSuchObject {
			return false
		}
	}
	return len(vars) > 0
}

// waited is how long ago a reply arrived. Its time stamp is by the kernel's
// wall clock; what a step of that clock adds is cut off, as no reply can have
// waited for longer than since its request was sent.
func waited(r *mib.Response) time.Duration {
	return min(max(time.Since(r.Received), 0), time.Since(r.Sent))
}
