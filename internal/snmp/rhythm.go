package snmp

import "time"

// Run's goroutine wakes for each answer while there are few queries. With
// many, waking costs more than answers do: after the first it lets some gather,
// for as long as that takes about gathered of them.
const (
	fewQueries = 8
	shortNap   = 200 * time.Microsecond
	longNap    = 10 * time.Millisecond
	gathered   = 2 * batchSize
)

// rhythm is how long to let answers gather.
type rhythm struct{ nap time.Duration }

// after says how long to nap now that n answers have come since the last nap.
func (h *rhythm) after(n int) time.Duration {
	switch {
	case n < gathered/2:
		h.nap = min(2*h.nap, longNap)
	case n > 2*gathered:
		h.nap /= 2
	}
	h.nap = max(h.nap, shortNap)
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
	time.Sleep(p.rhythm.after(n))
}
