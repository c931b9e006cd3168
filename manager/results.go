package manager

import (
	"context"
	"sync"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// result is an answered poll that waits for the result worker.
type result struct {
	poll     reconfig.Poll
	response mib.Response
	question question
	arrived  time.Time     // of the reply, by the monotonic clock
	late     time.Duration // how late the poll left against its tick
	cost     time.Duration // what it has cost so far
}

// results is the bounded queue in front of the result worker. It knows what
// is in it, unlike a channel, because the age of the oldest job is part of the
// temperature (temperature.Meter).
type results struct {
	limit int
	added chan struct{} // holds one token while there may be something to take

	// mu guards the fields below.
	mu      sync.Mutex
	waiting []result
	working bool
	since   time.Time // when the reply now worked on had arrived
}

func newResults(limit int) *results {
	return &results{limit: limit, added: make(chan struct{}, 1)}
}

// add puts a result into the queue; it reports false if the queue is full.
func (q *results) add(r result) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= q.limit {
		return false
	}
	q.waiting = append(q.waiting, r)
	select {
	case q.added <- struct{}{}:
	default:
	}
	return true
}

// take waits for a result. Until done is called, it counts as being worked on.
func (q *results) take(ctx context.Context) (result, bool) {
	for {
		q.mu.Lock()
		if len(q.waiting) > 0 {
			r := q.waiting[0]
			q.waiting[0] = result{} // let go of the response
			q.waiting = q.waiting[1:]
			if len(q.waiting) == 0 {
				q.waiting = nil
			}
			q.working, q.since = true, r.arrived
			q.mu.Unlock()
			return r, true
		}
		q.mu.Unlock()
		select {
		case <-q.added:
		case <-ctx.Done():
			return result{}, false
		}
	}
}

func (q *results) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.working = false
}

// outstanding says how many replies have arrived and are not in the tables,
// and when the oldest of them arrived.
func (q *results) outstanding() (int, time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.waiting)
	switch {
	case q.working:
		return n + 1, q.since
	case n > 0:
		return n, q.waiting[0].arrived
	}
	return 0, time.Time{}
}
