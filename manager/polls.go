package manager

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// pollRetries is how many further attempts a poll has. With a time-out of at
// most a quarter of the interval, all three end before the next slot.
const pollRetries = 2

// maxPollTimeout is the most that one attempt waits.
const maxPollTimeout = time.Second

// question is what a profile asks of a node; one serves all nodes.
type question struct {
	profile mib.Profile
	vars    []mib.Variable
}

// question gives the question of a profile, or false if it is not held (any
// more). h.mu is held.
func (h *Host) question(name string) (question, bool) {
	if q, have := h.questions[name]; have {
		return q, true
	}
	p, ok := h.cfg.Profiles(name)
	if !ok {
		return question{}, false
	}
	q := question{profile: p, vars: make([]mib.Variable, len(p.Metrics))}
	for i, o := range p.OIDs() {
		q.vars[i] = mib.Variable{Name: o, Value: mib.Value{Type: mib.TypeNull}}
	}
	h.questions[name] = q
	return q, true
}

// schedule sends the polls that are due and closes the trigger windows, in
// ticks: it sleeps until the tick after the next thing is due and then does
// all that is due by then.
func (h *Host) schedule(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-h.kicked:
		case <-h.trigger:
			h.closeWindow()
		}
		h.sendDue()
		if h.windowEnds() <= h.cfg.Clock.Now() {
			h.closeWindow()
		}
		h.mu.Lock()
		next, polls := h.list.Next()
		active := h.list.Active()
		h.mu.Unlock()
		if ends := h.windowEnds(); active && (!polls || ends < next) {
			next, polls = ends, true
		}
		if !polls {
			timer.Stop() // until it is kicked
			continue
		}
		timer.Reset(max(h.cfg.Clock.Until(h.tick(next)), 0))
	}
}

// tick is the first tick that is not before t.
func (h *Host) tick(t reconfig.Instant) reconfig.Instant {
	tick := reconfig.Instant(h.cfg.Tick)
	return (t + tick - 1) / tick * tick
}

// windowEnds is when the trigger window is to be closed.
func (h *Host) windowEnds() reconfig.Instant {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.window.opened.Add(h.triggerPeriod())
}

// triggerPeriod is how long a trigger window is. h.mu is held.
func (h *Host) triggerPeriod() time.Duration {
	if ms := h.list.Settings().TriggerMillis; ms > 0 && h.cfg.KeepPace == nil {
		return time.Duration(ms) * time.Millisecond
	}
	return h.pace.trigger
}

// pollInterval is the interval of rows that name none. h.mu is held.
func (h *Host) pollInterval() time.Duration {
	if ms := h.list.Settings().PollMillis; ms > 0 && h.cfg.KeepPace == nil {
		return time.Duration(ms) * time.Millisecond
	}
	return h.pace.interval
}

// outgoing is a poll that is about to leave.
type outgoing struct {
	poll     reconfig.Poll
	planned  reconfig.Instant
	question question
	request  mib.Request
}

// sendDue sends all polls that are due.
func (h *Host) sendDue() {
	h.mu.Lock()
	now := h.cfg.Clock.Now()
	due := h.list.Due(now)
	out := make([]outgoing, 0, len(due))
	for _, p := range due {
		if o, ok := h.prepare(p, now); ok {
			out = append(out, o)
		}
	}
	h.leaving = len(out)
	h.mu.Unlock()
	for _, o := range out {
		h.send(o)
	}
}

// prepare makes the request of a poll. h.mu is held.
func (h *Host) prepare(p reconfig.Poll, now reconfig.Instant) (outgoing, bool) {
	status, _ := h.list.Row(now, p.Row.Node)
	address, err := netip.ParseAddrPort(p.Row.Address)
	q, held := h.question(p.Row.Profile)
	if err != nil || !held {
		// Checked when the row came; the configuration has changed since.
		h.log.Warn("row cannot be polled", "node", p.Row.Node, "address", p.Row.Address, "profile", p.Row.Profile)
		h.failed(now, p)
		return outgoing{}, false
	}
	o := outgoing{poll: p, question: q, planned: h.tick(p.Due), request: mib.Request{
		Address:    address,
		Credential: p.Row.Credential,
		Verb:       mib.VerbGet,
		Vars:       q.vars,
		Timeout:    min(maxPollTimeout, p.Row.Interval/4),
		Retries:    pollRetries,
	}}
	if state, have := h.nodes[p.Row.Node]; have { // a row that came overdue is not late by that
		o.planned = max(o.planned, state.since)
	}
	if status.Failing {
		o.request.Retries = 0 // a cheap probe
	}
	return o, true
}

// send starts a poll. The time that this takes is part of the poll's cost:
// encoding and the system call that sends happen here.
func (h *Host) send(o outgoing) {
	began := time.Now()
	late := max(h.cfg.Clock.Now().Sub(o.planned), 0)
	var cost atomic.Int64 // an answer can come before Start returns
	h.cfg.Poller.Start(o.request, func(r mib.Response) {
		h.answered(o, r, began, late, time.Duration(cost.Load()))
	})
	cost.Store(int64(time.Since(began)))
	h.mu.Lock()
	h.leaving--
	h.mu.Unlock()
}

// answered takes what became of a poll, on the poller's goroutine.
func (h *Host) answered(o outgoing, r mib.Response, began time.Time, late, cost time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts.Polls += uint64(attempts(o.request, r, began))
	if r.Err != nil || r.Status != mib.NoError {
		if r.Err == nil {
			h.log.Debug("poll refused", "node", o.poll.Row.Node, "status", r.Status, "index", r.Index)
		}
		h.failed(h.cfg.Clock.Now(), o.poll)
		return
	}
	if nothing(r.Vars) {
		h.log.Debug("poll answered with none of the objects asked for", "node", o.poll.Row.Node)
		h.failed(h.cfg.Clock.Now(), o.poll)
		return
	}
	if !h.results.add(result{poll: o.poll, response: r, arrived: time.Now().Add(-waited(r)), question: o.question, late: late, cost: cost}) {
		h.counts.Overflows++
		h.failed(h.cfg.Clock.Now(), o.poll)
	}
}

// nothing reports whether an agent has none of the objects: an snmpd whose
// subagent is gone, or a device of another kind than its row says.
func nothing(vars []mib.Variable) bool {
	for _, v := range vars {
		if v.Value.Type != mib.TypeNoSuchObject {
			return false
		}
	}
	return len(vars) > 0
}

// attempts is how many times a request was sent: the one that was answered
// left after those before had timed out.
func attempts(q mib.Request, r mib.Response, began time.Time) int {
	switch {
	case errors.Is(r.Err, mib.ErrTimeout):
		return 1 + q.Retries
	case r.Err != nil || q.Timeout <= 0:
		return 1
	}
	return 1 + min(max(int((r.Sent.Sub(began)+q.Timeout/2)/q.Timeout), 0), q.Retries)
}

// failed concludes a poll without a usable answer. h.mu is held.
func (h *Host) failed(now reconfig.Instant, p reconfig.Poll) {
	h.counts.Failures++
	h.window.missed++
	h.list.Failed(now, p.Row.Node, p.Slot)
	h.kickIfDue(now)
	h.conclude()
	if s, have := h.list.Row(now, p.Row.Node); have && s.Failing {
		h.values.silence(p.Row.Node)
	}
}

// kickIfDue makes the schedule look again if a poll has waited for the one
// before it to end. h.mu is held.
func (h *Host) kickIfDue(now reconfig.Instant) {
	if next, ok := h.list.Next(); ok && next <= now {
		h.kick()
	}
}

// workResults is the one result worker: it brings replies into the tables in
// the order in which they came.
func (h *Host) workResults(ctx context.Context) {
	for {
		r, ok := h.results.take(ctx)
		if !ok {
			return
		}
		began := time.Now()
		injected := time.Duration(0)
		if h.cfg.Slow != nil {
			injected = h.cfg.Slow()
		}
		if injected > 0 {
			select {
			case <-time.After(injected):
			case <-ctx.Done():
				return
			}
		}
		h.work(r, began, injected)
		h.results.done()
		h.conclude()
	}
}

// work brings one reply into the tables. Its cost is the time since began
// that it held the worker, and what sending cost: CPU time unless the machine
// was busy elsewhere, and a delay that was injected counts as work.
func (h *Host) work(r result, began time.Time, injected time.Duration) {
	vals := r.question.profile.Sample(r.response.Vars)
	sample := mib.Sample{RTT: max(r.response.RTT(), 0), Values: vals}
	node := r.poll.Row.Node
	self := h.cfg.Node.Identity() // it may have to wait for a disk: not under the lock

	h.mu.Lock()
	now := h.cfg.Clock.Now()
	sample.Cost = r.cost + time.Since(began)
	h.list.Polled(now, node, r.poll.Slot, sample)
	h.kickIfDue(now)
	var tell func()
	if state, have := h.nodes[node]; have {
		before, _, again := h.values.get(node, h.runQueue, 0)
		h.values.put(node, now, vals) // after Polled, which has packed them
		if !again {
			before, _, _ = h.values.get(node, h.runQueue, 0)
		}
		state.runQueue = before
		tell = h.announce(now, self, node, state)
	}
	h.window.Add(time.Since(r.arrived) + r.late)
	h.window.polls++
	h.window.injected += injected
	h.window.busy += r.cost + time.Since(began)
	h.mu.Unlock()

	if tell != nil {
		tell()
	}
}

// waited is how long ago a reply arrived. Its time stamp is by the kernel's
// wall clock; what a step of that clock adds is cut off, as no reply can have
// waited for longer than since its request was sent.
func waited(r mib.Response) time.Duration {
	return min(max(time.Since(r.Received), 0), time.Since(r.Sent))
}
