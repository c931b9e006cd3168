package snmp

import "time"

// Run's goroutine wakes for each answer while there are few queries. With
// many, waking costs more than answers do: after the first it lets some gather,
// for as long as that takes about gathered of them. Where queries wait for the
// window it is about half of that: were it all, whoever answers would have to wait.
const (
	fewQueries = 8
	shortNap   = 200 * time.Microsecond
	longNap    = 10 * time.Millisecond
	gathered   = 2 * batchSize
)

// rhythm is how long to let answers gather.
type rhythm struct{ nap time.Duration }

// after says how long to nap now that n answers have come since the last nap,
// and so many are wanted.
func (h *rhythm) after(n, wanted int) time.Duration {
	switch {
	case 2*n < wanted:
		h.nap = min(2*h.nap, longNap)
	case 4*n > 7*wanted:
		h.nap /= 2
	}
	h.nap = max(h.nap, shortNap)
	return h.nap
}

// nap lets answers gather, after n of them, if nobody waits for one.
func (p *Poller) nap(n int) {
	p.mu.Lock()
	busy := canGather && p.out == 0 && p.queries.out >= fewQueries && len(p.ended) == 0 && !p.closed
	wanted := gathered
	if p.queries.line.size() > 0 {
		wanted = min(2*gathered, p.queries.courtesy.Window/2)
	}
	p.mu.Unlock()
	if !busy {
		p.rhythm = rhythm{}
		return
	}
	time.Sleep(p.rhythm.after(n, wanted))
}
