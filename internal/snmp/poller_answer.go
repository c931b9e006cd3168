package snmp

import (
	"fmt"
	"net/netip"
	"time"

	"simone/mib"
)

// silence is the error of a request that nobody answered. Queries to agents
// that are dead come again and again: theirs is made once, and who asked is told
// the address beside it.
func (r *request) silence() error {
	if r.query.Query != nil && r.v3.fault == 0 {
		return mib.ErrTimeout
	}
	if r.v3.fault != 0 {
		return fmt.Errorf("ask %v: %w: %w", r.Address, mib.ErrTimeout, &ReportError{r.v3.fault})
	}
	return fmt.Errorf("ask %v: %w", r.Address, mib.ErrTimeout)
}

// answer matches a datagram with the request that it answers.
func (p *Poller) answer(b []byte, d Datagram, truncated bool) {
	if d.Received.IsZero() {
		d.Received = time.Now()
	}
	version, id, ok := peek(b)
	switch {
	case truncated || !ok:
		p.count(&p.stats.Malformed)
	case version == V3:
		p.answerV3(b, d)
	default:
		p.answerPlain(b, d, id)
	}
}

// answerPlain is answer for v1 and v2c.
func (p *Poller) answerPlain(b []byte, d Datagram, id int32) {
	p.mu.Lock()
	r := p.match(id, d.Source)
	if r == nil {
		p.mu.Unlock()
		return
	}
	m := &p.message
	m.like = r.query.layout()
	// Nobody may answer with less than what was asked with.
	if m.Decode(b) != nil || m.Verb != mib.VerbResponse || r.version == V3 {
		p.stats.Malformed++
		p.mu.Unlock()
		return
	}
	e := p.conclude(r, m, d.Received)
	p.mu.Unlock()
	p.tell(&e)
}

// match finds the request with an attempt of that id that awaits something
// from source. If there is none it is counted what the datagram is instead.
func (p *Poller) match(id int32, source netip.AddrPort) *request {
	s := p.slots.at(id)
	switch {
	case s == nil || s.request == nil && s.sent.IsZero():
		p.stats.Unmatched++
	case s.request == nil && s.answered:
		p.stats.Duplicate++
	case s.request == nil:
		p.stats.Late++
	case withoutZone(s.request.Address) != source:
		p.stats.WrongSource++
	case s.request.finished: // could not be sent, yet an earlier attempt arrived
		p.stats.Late++
	default:
		return s.request
	}
	return nil
}

// withoutZone is an address as it is in a datagram.
func withoutZone(a netip.AddrPort) netip.AddrPort {
	if a.Addr().Zone() == "" {
		return a
	}
	return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
}

// conclude ends the request with the answer in m.
func (p *Poller) conclude(r *request, m *Message, received time.Time) ending {
	response := mib.Response{Status: m.Status, Received: received, Sent: p.slots.at(m.RequestID).sent}
	if m.RequestID != r.last() && r.Verb != mib.VerbInform {
		p.stats.Late++
	}
	if m.Index > 0 && m.Index <= len(r.Vars) {
		response.Index = m.Index
	}
	switch err := fits(&r.Request, m); {
	case err != nil:
		p.stats.Malformed++
		response = mib.Response{Err: fmt.Errorf("ask %v: %w", r.Address, err)}
	case r.query.Query != nil:
		response.Vars = m.Vars // until the next datagram is dealt with
	default:
		response.Vars = m.Detach(r.Vars)
	}
	return p.end(r, response)
}

// fits checks an answer without error against the request, so that callers
// may rely on its variables standing where they were asked for.
func fits(r *mib.Request, m *Message) error {
	if m.Status != mib.NoError || r.Verb == mib.VerbInform {
		return nil
	}
	if r.Verb == mib.VerbGetBulk {
		most := len(r.Vars)
		if repeat := most - max(0, r.NonRepeaters); repeat > 0 {
			most = most - repeat + repeat*max(0, r.MaxRepetitions)
		}
		if len(m.Vars) > most {
			return fmt.Errorf("%w: %d variables, at most %d were asked for", ErrAnswer, len(m.Vars), most)
		}
		return nil
	}
	if len(m.Vars) != len(r.Vars) {
		return fmt.Errorf("%w: %d variables, not %d", ErrAnswer, len(m.Vars), len(r.Vars))
	}
	if r.Verb == mib.VerbGetNext {
		return nil
	}
	for i := range m.Vars {
		if !identical(m.Vars[i].Name, r.Vars[i].Name) && !m.Vars[i].Name.Equal(r.Vars[i].Name) {
			return fmt.Errorf("%w: %v stands where %v was asked for", ErrAnswer, m.Vars[i].Name, r.Vars[i].Name)
		}
	}
	return nil
}

// identical reports whether two names are the same memory.
func identical(a, b mib.OID) bool { return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] }
