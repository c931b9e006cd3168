package snmp

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"simone/mib"
)

// attempt makes another attempt, with its own time-out. mu is held, as by all
// that follow.
func (p *Poller) attempt(r *request, now time.Time) {
	r.tries++
	if a := r.query.agent; a != nil {
		a.free = later(a.free, now.Add(p.queries.courtesy.Gap))
	}
	r.spared = false
	r.v3.reports = 0
	r.due = now.Add(r.Timeout)
	p.transmit(r, now)
}

// transmit encodes the request and puts it into the outbox, due when r is.
func (p *Poller) transmit(r *request, now time.Time) {
	id, ok := p.identify(r)
	if !ok {
		p.endSoon(r, fmt.Errorf("ask %v: %w", r.Address, ErrBusy))
		return
	}
	m := &p.encoder
	m.Version, m.Verb, m.RequestID = r.version, r.Verb, id
	m.Vars, m.packed = r.Vars, r.query.packed()
	m.NonRepeaters, m.MaxRepetitions = r.NonRepeaters, r.MaxRepetitions
	m.Community = append(m.Community[:0], r.community...)
	b := p.outbox.room()
	var err error
	switch {
	case r.version == V3:
		b, err = p.appendV3(b, r, m, now)
	case r.query.routine != nil:
		b, err = r.query.routine.append(b, r, m)
	default:
		b, err = m.Append(b)
	}
	m.Vars = nil
	if err != nil {
		p.endSoon(r, fmt.Errorf("ask %v: %w", r.Address, err))
		return
	}
	if r.tries > 1 && r.v3.reports == 0 {
		p.stats.Retries++
	}
	p.stats.Sent++
	if r.Verb == mib.VerbTrap {
		p.endSoon(r, nil)
	} else {
		p.schedule(r, r.due)
	}
	if p.outbox.add(b, r.Address, id) {
		p.flush()
	}
}

// identify gives the next attempt its id. Informs keep theirs.
func (p *Poller) identify(r *request) (id int32, ok bool) {
	if len(r.ids) > 0 && r.Verb == mib.VerbInform {
		return r.last(), true
	}
	if id, ok = p.slots.take(r); ok {
		r.ids = append(r.ids, id)
	}
	return id, ok
}

// flushIfIdle sends what is in the outbox, unless more is about to come.
func (p *Poller) flushIfIdle() {
	if p.gathering == 0 && !p.draining {
		p.flush()
	}
}

// flush sends what is in the outbox. The kernel takes datagrams without delay.
func (p *Poller) flush() {
	if p.outbox.size == 0 {
		return
	}
	now := time.Now()
	for i := range p.outbox.size {
		s := p.slots.at(p.outbox.letters[i].id)
		s.sent = now
		if r := s.request; r != nil && r.query.agent != nil {
			r.query.agent.left = now
		}
	}
	p.outbox.flush(func(l *outgoing, err error) {
		// It may have ended in the meantime.
		if r := p.slots.at(l.id).request; r != nil && !passing(err) {
			p.endSoon(r, fmt.Errorf("ask %v: %w", l.to, err))
		}
	})
}

// passing tells lacks of memory, which are as good as a lost datagram, from
// errors that would come again.
func passing(err error) bool {
	return errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

func (p *Poller) take() *request {
	if n := len(p.free); n > 0 {
		r := p.free[n-1]
		p.free = p.free[:n-1]
		return r
	}
	return new(request)
}

// endSoon has Run's goroutine end the request at once.
func (p *Poller) endSoon(r *request, err error) {
	if r.finished {
		return
	}
	r.finished, r.result = true, err
	p.wheel.remove(r)
	p.ended = append(p.ended, r)
	p.wake(time.Now())
}

// schedule has Run's goroutine woken when the request is due.
func (p *Poller) schedule(r *request, due time.Time) {
	p.wheel.put(r, due)
	p.wake(due)
}

// wake has Run's goroutine woken then, if not earlier.
func (p *Poller) wake(at time.Time) {
	if p.closed || !p.wakeAt.IsZero() && !at.Before(p.wakeAt) {
		return // closed: the deadline has passed for good
	}
	p.wakeAt = at
	_ = p.wire.SetReadDeadline(at) // fails on a closed socket only
}

// ending is a request that is over, to be told once mu is unlocked.
type ending struct {
	done     func(mib.Response)
	asker    mib.Asker
	to       netip.AddrPort
	response mib.Response
}

// tell tells who asked. Run's goroutine calls it, without mu.
func (p *Poller) tell(e *ending) {
	if e.done != nil {
		e.done(e.response)
		return
	}
	p.told = e.response
	e.asker.Answered(e.to, &p.told)
}

// end forgets the request and says what is to be told.
func (p *Poller) end(r *request, response mib.Response) ending {
	answered := response.Err == nil
	switch {
	case answered:
		p.stats.Answered++
	case errors.Is(response.Err, mib.ErrTimeout):
		p.stats.TimedOut++
	default:
		p.stats.Failed++
	}
	response.Attempts = r.tries
	if len(r.ids) > 0 {
		response.Left = p.slots.at(r.ids[0]).sent
	}
	for _, id := range r.ids {
		p.slots.release(id, answered)
	}
	p.wheel.remove(r)
	e := ending{r.done, r.query.asker, r.Address, response}
	if r.query.Query != nil {
		p.queries.end(p, r, &response)
	} else {
		p.out--
	}
	*r = request{ids: r.ids[:0]}
	p.free = append(p.free, r)
	return e
}
