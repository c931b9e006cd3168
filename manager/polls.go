package manager

import (
	"context"
	"net/netip"
	"time"

	"simone/mib"
	"simone/reconfig"
)

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
		h.mu.Lock()
		next = h.tick(next)
		h.mu.Unlock()
		if !polls {
			timer.Stop() // until it is kicked
			continue
		}
		timer.Reset(max(h.cfg.Clock.Until(next), 0))
	}
}

// longTick is how long a tick is at most.
const longTick = 50 * time.Millisecond

// tick is the first tick that is not before t. A tick is a thousandth of the
// poll interval, within bounds: where polls are rare, more leave together.
// h.mu is held.
func (h *Host) tick(t reconfig.Instant) reconfig.Instant {
	tick := reconfig.Instant(max(h.cfg.Tick, min(h.pollInterval()/1000, longTick)))
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

// sendDue sends all polls that are due, together.
func (h *Host) sendDue() {
	h.mu.Lock()
	now := h.cfg.Clock.Now()
	_, oldest := h.results.outstanding()
	waited := time.Duration(0)
	if !oldest.IsZero() {
		waited = time.Since(oldest)
	}
	changed := h.shedder.look(now, waited, h.pollInterval())
	for _, p := range h.list.Due(now) {
		if f, q := h.prepare(p, now); q != nil {
			h.due = append(h.due, departure{f, q})
		}
	}
	n := len(h.due)
	h.leaving = n
	h.mu.Unlock()
	if changed {
		h.tellShedding()
	}
	if n == 0 {
		return
	}
	began := time.Now()
	h.cfg.Poller.Together(h.sendAll)
	took := time.Since(began)
	clear(h.due)
	h.due = h.due[:0]
	h.mu.Lock()
	h.leaving = 0
	h.window.busy += took
	h.sending += (took/time.Duration(n) - h.sending) / 8
	h.mu.Unlock()
}

// departure is a flight that is about to leave, and what it asks first.
type departure struct {
	flight *flight
	query  mib.Query
}

// depart puts the questions of the polls that are due.
func (h *Host) depart() {
	for _, d := range h.due {
		d.query.Ask(d.flight.to, d.flight)
	}
}

// prepare makes the flight of a poll; without a query there is none. h.mu is
// held.
func (h *Host) prepare(p reconfig.Poll, now reconfig.Instant) (*flight, mib.Query) {
	row := &p.Row
	state, have := h.nodes[row.Node]
	if !have { // it was put when the row was
		state = newRowState(row.Node, now)
		h.nodes[row.Node] = state
	}
	if priority := h.priority(row); h.shedder.sheds(priority, &state.debt) {
		h.counts.Shed[priority]++
		h.window.shed++
		h.list.Shed(row.Node, p.Slot)
		return nil, nil
	}
	to, err := state.addressed(row.Address)
	var query mib.Query
	f := h.take(p)
	if err == nil {
		f.to, f.most = to, state.most
		query, err = f.begin(state)
	}
	if err != nil {
		// Checked when the row came; the configuration has changed since.
		h.log.Warn("row cannot be polled", "node", row.Node, "address", row.Address, "profile", row.Profile, "err", err)
		h.failed(now, p)
		h.land(f)
		return nil, nil
	}
	// A row that came overdue is not late by that.
	f.planned = max(h.tick(p.Due), state.since)
	return f, query
}

// addressed gives a row's address, which is looked at again when it changes.
func (s *rowState) addressed(text string) (netip.AddrPort, error) {
	if s.address == text {
		return s.at, nil
	}
	at, err := netip.ParseAddrPort(text)
	if err == nil {
		s.address, s.at = text, at
	}
	return at, err
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
		f, ok := h.results.take(ctx)
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
		h.work(f, began, injected)
		h.results.done()
		h.conclude()
	}
}

// work brings one reply into the tables. Its cost is the time since began
// that it held the worker, and what sending cost: CPU time unless the machine
// was busy elsewhere, and a delay that was injected counts as work.
func (h *Host) work(f *flight, began time.Time, injected time.Duration) {
	node := f.poll.Row.Node
	self := h.cfg.Node.Identity() // it may have to wait for a disk: not under the lock

	h.mu.Lock()
	now := h.cfg.Clock.Now()
	state, have := h.nodes[node]
	if !have { // its row is gone
		state = &rowState{}
	}
	f.conclude(state)
	sample := mib.Sample{RTT: f.rtt, Cost: f.cost + time.Since(began), Values: f.values}
	if n := sample.Packed(); n < len(f.values) && !state.cut {
		state.cut = true
		h.log.Warn("more is read of a node than a record of the report log takes: the rest stays here",
			"node", node, "name", f.poll.Row.Name, "values", len(f.values), "reported", n)
	}
	h.list.Polled(now, node, f.poll.Slot, sample)
	h.kickIfDue(now)
	var tell func()
	if have {
		before, _, again := h.values.get(node, h.runQueue, 0)
		h.values.put(node, now, f.values)
		if !again {
			before, _, _ = h.values.get(node, h.runQueue, 0)
		}
		state.runQueue = before
		tell = h.announce(now, self, node, state)
	}
	h.window.Add(time.Since(f.arrived) + f.late())
	h.window.polls++
	h.window.injected += injected
	h.window.busy += time.Since(began)
	h.land(f)
	h.mu.Unlock()

	if tell != nil {
		tell()
	}
}
