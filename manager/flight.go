package manager

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"simone/mib"
	"simone/profile"
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
	asked    stretch // the part of the question's scalars that is on its way
	most     int     // variables that the node is asked for at a time; 0: as many as usual

	// What has come so far:
	reading profile.Reading
	values  []mib.MetricValue // once it is concluded
	some    bool              // of what was asked for is there
	walking bool              // the tables are being read
	along   bool              // and with them the scalars
	left    time.Time         // when the first datagram left
	rtt     time.Duration     // of the first answer
	arrived time.Time         // of the last one, by the monotonic clock
	cost    time.Duration     // CPU time
}

var (
	_ mib.Asker  = (*flight)(nil)
	_ mib.Walker = (*flight)(nil)
)

// take gives a flight for a poll. h.mu is held, as by what follows.
func (h *Host) take(p reconfig.Poll) *flight {
	if len(h.landed) == 0 {
		h.landed = append(h.landed, new(flight))
	}
	last := len(h.landed) - 1
	f := h.landed[last]
	h.landed = h.landed[:last]
	*f = flight{host: h, poll: p, reading: f.reading, cost: h.sending}
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
	f.departed(r)
	next := f.answered(r)
	walking := f.walking
	h.mu.Unlock()
	switch {
	case next != nil:
		next.Ask(to, f)
	case walking:
		f.question.walk.Ask(to, f)
	}
}

// departed counts the attempts of a request, and takes when the poll left.
func (f *flight) departed(r *mib.Response) {
	h := f.host
	h.counts.Polls += uint64(r.Attempts)
	if f.left.IsZero() && r.Attempts > 0 {
		f.left = r.Left
		late := f.late()
		h.window.late.Add(late)
		h.shedder.waited(late)
	}
}

// begin gives what is to be asked first.
func (f *flight) begin(state *rowState) (mib.Query, error) {
	q, err := f.host.ask(&f.poll.Row, state, f.poll.Slot, f.poll.Failing)
	if err != nil {
		return nil, err
	}
	f.question = q
	if !q.identify {
		q.plan.Read(&f.reading, q.groups)
	}
	if q.along != nil && state.along {
		f.along = true
		return q.along, nil
	}
	f.asked = q.stretch(0, f.most)
	return q.query(f.asked)
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
	case r.Status == mib.NoSuchName && asked > 1: // SNMPv1: for one that is not there nothing is given
		f.most = asked / 2
		return f.next(f.asked.from)
	case r.Status == mib.NoSuchName && f.asked.until < len(f.question.vars):
		return f.next(f.asked.until)
	case r.Status == mib.NoSuchName && f.some:
	case r.Status != mib.NoError:
		h.log.Debug("poll refused", "node", node, "status", r.Status, "index", r.Index)
	case f.question.identify:
		return f.identified(r)
	default:
		f.took(r)
		if f.asked.until < len(f.question.vars) {
			return f.next(f.asked.until)
		}
		if !f.some {
			h.log.Debug("poll answered with none of the objects asked for", "node", node)
		}
	}
	if f.question.walk != nil && f.some && r.Err == nil {
		f.walking = true
		return nil
	}
	f.over()
	return nil
}

// identified takes what a device is, and asks what suits it.
func (f *flight) identified(r *mib.Response) mib.Query {
	h := f.host
	node := f.poll.Row.Node
	state, have := h.nodes[node]
	if !have {
		h.land(f)
		return nil
	}
	var id mib.OID
	if len(r.Vars) == 1 && r.Vars[0].Value.Type == mib.TypeObjectID {
		id = r.Vars[0].Value.OID
	}
	var refs []string
	for _, p := range h.held.Choose(id) {
		refs = append(refs, p.Ref())
	}
	state.profiles = strings.Join(refs, ",")
	h.log.Info("profiles chosen", "node", node, "name", f.poll.Row.Name, "sysObjectID", id, "profiles", state.profiles)
	q, err := f.begin(state)
	if err != nil {
		h.log.Warn("row cannot be polled", "node", node, "profile", state.profiles, "err", err)
		h.failed(h.cfg.Clock.Now(), f.poll)
		h.land(f)
	}
	return q
}

// over ends the poll. What came before something went wrong is kept.
func (f *flight) over() {
	h := f.host
	if !f.some {
		h.failed(h.cfg.Clock.Now(), f.poll)
		h.land(f)
	} else if !h.results.add(f) {
		h.counts.Overflows++
		h.failed(h.cfg.Clock.Now(), f.poll)
		h.land(f)
	}
}

// arrival notes that an answer has come.
func (f *flight) arrival(r *mib.Response) time.Duration {
	if f.arrived.IsZero() {
		f.rtt = max(r.RTT(), 0)
	}
	f.arrived = time.Now().Add(-waited(r))
	return time.Duration(f.host.cfg.Clock.At(f.arrived))
}

// took takes the values of an answer.
func (f *flight) took(r *mib.Response) {
	at := f.arrival(r)
	scalars := f.question.scalars[f.asked.from:f.asked.until]
	for i := range r.Vars[:min(len(r.Vars), len(scalars))] {
		f.reading.Scalar(scalars[i], r.Vars[i], at)
	}
	f.some = f.some || !nothing(r.Vars)
}

// Walked takes rows of tables, and scalars that were read along.
func (f *flight) Walked(_ netip.AddrPort, r *mib.Response) bool {
	h := f.host
	h.mu.Lock()
	defer h.mu.Unlock()
	f.departed(r)
	if r.Err != nil {
		return false
	}
	at := f.arrival(r)
	for i := range r.Vars {
		f.reading.Take(r.Vars[i], at)
	}
	f.some = f.some || len(r.Vars) > 0
	return f.left.IsZero() || time.Since(f.left) < f.question.patience
}

// Ended takes that the tables are over. Of a part what came is kept.
func (f *flight) Ended(to netip.AddrPort, err error) {
	h := f.host
	h.mu.Lock()
	again := f.ended(err)
	h.mu.Unlock()
	if again != nil {
		again.Ask(to, f)
	}
}

// ended ends the poll, or gives what is to be asked instead: of who answers
// nothing when asked for tables along with scalars, these alone. From then on both
// are asked for apart, until tables are read whole again.
func (f *flight) ended(err error) mib.Query {
	h := f.host
	state, have := h.nodes[f.poll.Row.Node]
	along := f.along
	f.along = false
	if have {
		// An agent that goes wrong over it, as it knows no non-repeaters, is
		// spared.
		state.apart = state.apart || along && err != nil && !errors.Is(err, mib.ErrTimeout)
		state.along = err == nil && !state.apart
	}
	if err != nil {
		h.log.Debug("tables were not read whole", "node", f.poll.Row.Node, "err", err)
	}
	if along && !f.some && err != nil {
		f.asked = stretch{0, len(f.question.vars)}
		return f.question.alone
	}
	f.over()
	return nil
}

// conclude makes values of the answers. h.mu is held.
func (f *flight) conclude(state *rowState) {
	if f.reading.Restarted(&state.past) { // it may have become another device
		state.profiles = state.row
	}
	f.values = f.reading.End(&state.past, f.poll.Slot, f.poll.Row.Interval)
	if n := f.reading.Collided; n > 0 {
		f.host.log.Debug("rows whose indexes cannot be told apart were left out", "node", f.poll.Row.Node, "values", n)
	}
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
