package snmp

import (
	"fmt"
	"net/netip"
	"time"

	"simone/mib"
)

// silence is the error of a request that nobody answered.
func (r *request) silence() error {
	if r.v3.fault != 0 {
		return fmt.Errorf("ask %v: %w: %w", r.Address, mib.ErrTimeout, &ReportError{r.v3.fault})
	}
	return fmt.Errorf("ask %v: %w", r.Address, mib.ErrTimeout)
}

// answer matches a datagram with the request that it answers.
func (p *Poller) answer(b []byte, d Datagram, truncated bool) {
	if v, ok := PeekVersion(b); ok && v == V3 && !truncated {
		p.answerV3(b, d)
		return
	}
	m := &p.message
	if truncated || m.Decode(b) != nil || m.Verb != mib.VerbResponse {
		p.count(&p.stats.Malformed)
		return
	}
	p.mu.Lock()
	r := p.match(m.RequestID, d.Source)
	if r != nil && r.version == V3 {
		// Nobody may answer with less than what was asked with.
		p.stats.Malformed++
		r = nil
	}
	if r == nil {
		p.mu.Unlock()
		return
	}
	e := p.conclude(r, m, d.Received)
	p.mu.Unlock()
	e.done(e.response)
}

// match finds the request with an attempt of that id that awaits something
// from source. If there is none it is counted what the datagram is instead.
func (p *Poller) match(id int32, source netip.AddrPort) *request {
	r, ok := p.byID[id]
	switch {
	case !ok:
		switch f := p.fates[id&(fateCount-1)]; {
		case f.id != id || f.id == 0:
			p.stats.Unmatched++
		case f.answered:
			p.stats.Duplicate++
		default:
			p.stats.Late++
		}
	case r.Address != source:
		p.stats.WrongSource++
	case r.finished: // could not be sent, yet an earlier attempt arrived
		p.stats.Late++
	default:
		return r
	}
	return nil
}

// conclude ends the request with the answer in m.
func (p *Poller) conclude(r *request, m *Message, received time.Time) ending {
	response := mib.Response{Status: m.Status, Received: received}
	for i, a := range r.attempts {
		if a.id == m.RequestID {
			response.Sent = a.sent
			if i < len(r.attempts)-1 && r.Verb != mib.VerbInform {
				p.stats.Late++
			}
		}
	}
	if m.Index > 0 && m.Index <= len(r.Vars) {
		response.Index = m.Index
	}
	if err := fits(&r.Request, m); err != nil {
		p.stats.Malformed++
		response = mib.Response{Err: fmt.Errorf("ask %v: %w", r.Address, err)}
	} else {
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
		if !m.Vars[i].Name.Equal(r.Vars[i].Name) {
			return fmt.Errorf("%w: %v stands where %v was asked for", ErrAnswer, m.Vars[i].Name, r.Vars[i].Name)
		}
	}
	return nil
}
