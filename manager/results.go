package manager

import (
	"context"
	"sync"
	"time"
)

// results is the bounded queue of answered polls in front of the result worker. It knows what
// is in it, unlike a channel, because the age of the oldest job is part of the
// temperature (temperature.Meter).
type results struct {
	limit int
	added chan struct{} // holds one token while there may be something to take

	// mu guards the fields below.
	mu      sync.Mutex
	room    []*flight // a ring
	first   int       // in it
	waiting int       // of them
	working bool
	since   time.Time // when the reply now worked on had arrived
}

func newResults(limit int) *results {
	return &results{limit: limit, added: make(chan struct{}, 1)}
}

// add puts a poll into the queue; it reports false if the queue is full.
func (q *results) add(f *flight) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting >= q.limit {
		return false
	}
	if q.waiting == len(q.room) {
		more := make([]*flight, min(max(2*len(q.room), 64), q.limit))
		n := copy(more, q.room[q.first:])
		copy(more[n:], q.room[:q.first])
		q.room, q.first = more, 0
	}
	q.room[(q.first+q.waiting)%len(q.room)] = f
	q.waiting++
	select {
	case q.added <- struct{}{}:
	default:
	}
	return true
}

// take waits for a poll. Until done is called, it counts as being worked on.
func (q *results) take(ctx context.Context) (*flight, bool) {
	for {
		q.mu.Lock()
		if q.waiting > 0 {
			f := q.room[q.first]
			q.first = (q.first + 1) % len(q.room)
			q.waiting--
			q.working, q.since = true, f.arrived
			q.mu.Unlock()
			return f, true
		}
		q.mu.Unlock()
		select {
		case <-q.added:
		case <-ctx.Done():
			return nil, false
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
	switch {
	case q.working:
		return q.waiting + 1, q.since
	case q.waiting > 0:
		return q.waiting, q.room[q.first].arrived
	}
	return 0, time.Time{}
}
