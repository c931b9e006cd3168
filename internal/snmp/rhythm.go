package snmp

import "time"

// Run's goroutine wakes for each answer while there are few queries. With
// many, waking costs more than answers do: it lets some gather, for as long as
// that takes about gathered of them.
const (
	fewQueries = 8
	shortNap   = 200 * time.Microsecond
	longNap    = 10 * time.Millisecond
	gathered   = 2 * batchSize
)

// rhythm is how long to let answers gather.
type rhythm struct {
	nap time.Duration
	got int // answers since the last nap
}

// after says how long to nap now that n answers have come.
func (h *rhythm) after(n int) time.Duration {
	if h.got += n; n == batchSize {
		return 0 // there may be more already
	}
	switch {
	case h.got < gathered/2:
		h.nap = min(2*h.nap, longNap)
	case h.got > 2*gathered:
		h.nap /= 2
	}
	h.nap, h.got = max(h.nap, shortNap), 0
	return h.nap
}

// nap lets answers gather, after n of them, if nobody waits for one.
func (p *Poller) nap(n int) {
	p.mu.Lock()
	busy := canGather && p.out == 0 && p.queries.out >= fewQueries && len(p.ended) == 0 && !p.closed
	p.mu.Unlock()
	if !busy {
		p.rhythm = rhythm{}
		return
	}
	if d := p.rhythm.after(n); d > 0 {
		time.Sleep(d)
	}
}
