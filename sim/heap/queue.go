package heap

// Queue holds any number of events with a value each. The zero value is empty
// and ready for use.
type Queue[T Time, V any] struct {
	heap   Heap[T]
	values []V     // by slot
	free   []int32 // slots without an event
}

// Handle names an event from when it is pushed until it is popped or
// cancelled; another event may have the same handle afterwards.
type Handle int32

// Len is how many events are queued.
func (q *Queue[T, V]) Len() int { return q.heap.Len() }

// Push queues an event.
func (q *Queue[T, V]) Push(key Key[T], value V) Handle {
	var slot int32
	if n := len(q.free); n > 0 {
		slot, q.free = q.free[n-1], q.free[:n-1]
		q.values[slot] = value
	} else {
		slot = int32(len(q.values))
		q.values = append(q.values, value)
		q.heap.Grow(len(q.values))
	}
	q.heap.Set(int(slot), key)
	return Handle(slot)
}

// Peek is when the next event is; ok is false if there is none.
func (q *Queue[T, V]) Peek() (key Key[T], ok bool) {
	_, key, ok = q.heap.Next()
	return key, ok
}

// Pop takes the next event out; ok is false if there is none.
func (q *Queue[T, V]) Pop() (key Key[T], value V, ok bool) {
	slot, key, ok := q.heap.Next()
	if !ok {
		return key, value, false
	}
	return key, q.take(slot), true
}

// Cancel takes an event out before its time; ok is false if the handle names
// none.
func (q *Queue[T, V]) Cancel(h Handle) (value V, ok bool) {
	if h < 0 || int(h) >= len(q.values) {
		return value, false
	}
	if _, ok = q.heap.Pending(int(h)); !ok {
		return value, false
	}
	return q.take(int(h)), true
}

// take frees a slot. The value's place is cleared, so that nothing is kept
// alive by it.
func (q *Queue[T, V]) take(slot int) (value V) {
	var none V
	q.heap.Clear(slot)
	value, q.values[slot] = q.values[slot], none
	q.free = append(q.free, int32(slot))
	return value
}
