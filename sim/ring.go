package sim

import "simone/sim/heap"

// ring is a queue that allocates only to grow.
type ring[T any] struct {
	items []T // a power of two of them
	head  int
	n     int
}

func (r *ring[T]) push(v T) {
	if r.n == len(r.items) {
		grown := make([]T, max(2*r.n, 8))
		for i := range r.n {
			grown[i] = *r.at(i)
		}
		r.items, r.head = grown, 0
	}
	r.n++
	*r.at(r.n - 1) = v
}

func (r *ring[T]) pop() T {
	v := r.items[r.head]
	r.head = (r.head + 1) & (len(r.items) - 1)
	r.n--
	return v
}

// at is the i-th from the head.
func (r *ring[T]) at(i int) *T { return &r.items[(r.head+i)&(len(r.items)-1)] }

// key is a place in the order of events.
type key = heap.Key[float64]

// lane is a queue of events that come up in the order in which they are
// queued, or nearly: after the same delay each. Only its head has to be in
// the event heap.
type lane[T any] struct{ ring[event[T]] }

// event is what to do at a time, beyond what the key tells. That comes first: at
// the end, nothing would take room.
type event[T any] struct {
	what T
	key  key
}

// last is the key of the event that comes last.
func (l *lane[T]) last() (k key, ok bool) {
	if l.n == 0 {
		return key{}, false
	}
	return l.at(l.n - 1).key, true
}

// first is the key of the event that comes first; never if there is none.
func (l *lane[T]) first() key {
	if l.n == 0 {
		return key{At: never}
	}
	return l.at(0).key
}

// insert queues an event; those that come after it make room.
func (l *lane[T]) insert(k key, what T) {
	l.push(event[T]{what, k})
	for i := l.n - 1; i > 0 && k.Before(l.at(i-1).key); i-- {
		a, b := l.at(i-1), l.at(i)
		*a, *b = *b, *a
	}
}
