package snmp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"simone/mib"
)

// Run reads answers, repeats and times out requests until ctx ends; then it
// ends all requests with net.ErrClosed, closes the socket and returns nil.
func (p *Poller) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.wake(time.Unix(1, 0))
		p.closed = true
	})
	defer stop()
	failed := p.serve(ctx)
	p.endAll()
	p.mu.Lock() // nobody sends
	defer p.mu.Unlock()
	if err := p.wire.Close(); err != nil && failed == nil {
		failed = fmt.Errorf("poller: close: %w", err)
	}
	return failed
}

// endAll ends what is on its way, or waits for it.
func (p *Poller) endAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.queries.giveUp(p)
	for r := p.wheel.any(); r != nil; r = p.wheel.any() {
		p.endSoon(r, net.ErrClosed)
	}
	p.endEnded()
}

func (p *Poller) serve(ctx context.Context) error {
	for ctx.Err() == nil {
		switch err := p.wire.wait(); {
		case err == nil:
			p.gather(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded):
			p.expire()
		case ctx.Err() != nil:
		default:
			return fmt.Errorf("poller: %w", err)
		}
	}
	return nil
}

// gather deals with what has come, and with what comes in the meantime, until
// that is nothing.
func (p *Poller) gather(ctx context.Context) {
	for n := p.empty(ctx); n > 0 && ctx.Err() == nil; n = p.empty(ctx) {
		p.nap(n)
	}
}

// empty deals with all that has come and says how many datagrams it was.
func (p *Poller) empty(ctx context.Context) (came int) {
	for ctx.Err() == nil {
		n, err := p.wire.receive()
		if err != nil {
			// It belongs to a single datagram; requests still time out.
			p.count(&p.stats.Malformed)
		}
		if n > 0 {
			p.drain(n)
		}
		if p.isDue() {
			p.expire()
		}
		if came += n; n < batchSize {
			break
		}
	}
	return came
}

// isDue reports whether there is something to do besides dealing with answers.
func (p *Poller) isDue() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.wakeAt.IsZero() && !time.Now().Before(p.wakeAt)
}

// drain deals with n datagrams that have come together. What is asked in turn
// leaves together, too.
func (p *Poller) drain(n int) {
	p.mu.Lock()
	p.draining, p.passed = true, time.Now()
	p.mu.Unlock()
	for i := range n {
		b, d, truncated := p.wire.datagram(i)
		p.answer(b, d, truncated)
	}
	p.mu.Lock()
	p.draining = false
	p.queries.advance(p, p.passed)
	p.flushIfIdle()
	p.mu.Unlock()
}

func (p *Poller) count(c *uint64) {
	p.mu.Lock()
	*c++
	p.mu.Unlock()
}

// overslept is from how late a time-out is noticed on that it is not the
// agent's fault: this process was stopped, or the machine is too busy to run
// it. The answer may have come in the meantime and wait in the socket. Each
// attempt gets as much more time, once, and at most its time-out.
const overslept = 20 * time.Millisecond

// expire repeats or ends every request that is due.
func (p *Poller) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endEnded()
	now := time.Now()
	for r := p.wheel.due(now); r != nil && !p.closed; r = p.wheel.due(now) {
		switch late := now.Sub(r.due); {
		case r.query.held:
			p.queries.release(p, r, now)
		case late > overslept && !r.spared:
			r.spared = true
			p.schedule(r, now.Add(min(late, r.Timeout)))
		case r.tries <= r.Retries:
			p.attempt(r, now)
		default:
			p.endSoon(r, r.silence())
		}
	}
	p.endEnded()
	p.queries.advance(p, now)
	p.flushIfIdle()
	p.wakeAt = time.Time{}
	if at, ok := p.next(); ok {
		p.wake(at)
	} else {
		_ = p.wire.SetReadDeadline(time.Time{}) // fails on a closed socket only
	}
}

// next is when there is something to do again.
func (p *Poller) next() (at time.Time, ok bool) {
	if len(p.ended) > 0 {
		return time.Now(), true
	}
	at, ok = p.wheel.next()
	if ages, some := p.queries.next(p); some && (!ok || ages.Before(at)) {
		return ages, true
	}
	return at, ok
}

// endEnded tells of what has ended. It unlocks mu in between.
func (p *Poller) endEnded() {
	for len(p.ended) > 0 {
		ended := p.ended
		p.ended = p.endedRoom
		for _, r := range ended {
			response := mib.Response{Err: r.result}
			if r.result == nil { // a trap
				response.Sent = p.slots.at(r.last()).sent
				response.Received = response.Sent
			}
			e := p.end(r, response)
			p.mu.Unlock()
			p.tell(&e)
			p.mu.Lock()
		}
		clear(ended)
		p.endedRoom = ended[:0]
	}
}
