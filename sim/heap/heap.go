package heap

import "slices"

// Time is what events are ordered by first. A time that is not a number must
// not get in: it has no place in any order.
type Time interface{ ~int64 | ~float64 }

// Key is an event's place in the order.
type Key[T Time] struct {
	At T
	// Rank orders events of one time; see [Rank].
	Rank uint64
}

// Rank is the place of a kind of event and, within the kind, of an id: lower
// kinds come first, then lower ids.
func Rank(kind uint8, id uint32) uint64 { return uint64(kind)<<32 | uint64(id) }

// Kind and ID are what Rank was made of.
func (k Key[T]) Kind() uint8 { return uint8(k.Rank >> 32) }
func (k Key[T]) ID() uint32  { return uint32(k.Rank) }

// Before reports whether k comes before o.
func (k Key[T]) Before(o Key[T]) bool {
	return k.At < o.At || k.At == o.At && k.Rank < o.Rank
}

// Heap is an indexed four-ary heap. Four children share a cache line or two,
// and it is half as deep as a binary one. The zero value has no slots.
type Heap[T Time] struct {
	entries []entry[T]
	at      []int32 // by slot: its index in entries; -1: not pending
}

type entry[T Time] struct {
	key  Key[T]
	slot int32
}

const arity = 4

// New gives a heap with slots 0 to slots-1, none of them pending.
func New[T Time](slots int) *Heap[T] {
	h := new(Heap[T])
	h.Grow(slots)
	return h
}

// Grow gives the heap at least so many slots.
func (h *Heap[T]) Grow(slots int) {
	if n := slots - len(h.at); n > 0 {
		h.at = append(h.at, slices.Repeat([]int32{-1}, n)...)
	}
}

// Len is how many slots are pending.
func (h *Heap[T]) Len() int { return len(h.entries) }

// Slots is how many slots there are.
func (h *Heap[T]) Slots() int { return len(h.at) }

// Next is the slot whose event comes first; ok is false if none is pending.
func (h *Heap[T]) Next() (slot int, key Key[T], ok bool) {
	if len(h.entries) == 0 {
		return -1, Key[T]{}, false
	}
	return int(h.entries[0].slot), h.entries[0].key, true
}

// Pending tells a slot's event; ok is false if it has none.
func (h *Heap[T]) Pending(slot int) (key Key[T], ok bool) {
	if i := h.at[slot]; i >= 0 {
		return h.entries[i].key, true
	}
	return Key[T]{}, false
}

// Set makes key the slot's event, whether or not it had one. It costs least
// for the slot that is first and stays near the front, as a server's next
// completion does.
func (h *Heap[T]) Set(slot int, key Key[T]) {
	e := entry[T]{key, int32(slot)}
	i := int(h.at[slot])
	switch {
	case i < 0:
		h.entries = append(h.entries, e)
		h.up(len(h.entries)-1, e)
	case key.Before(h.entries[i].key):
		h.up(i, e)
	default:
		h.down(i, e)
	}
}

// Clear takes the slot's event away, if it has one.
func (h *Heap[T]) Clear(slot int) {
	i := int(h.at[slot])
	if i < 0 {
		return
	}
	h.at[slot] = -1
	end := len(h.entries) - 1
	last := h.entries[end]
	h.entries = h.entries[:end]
	if i == end {
		return
	}
	if i > 0 && last.key.Before(h.entries[(i-1)/arity].key) {
		h.up(i, last)
	} else {
		h.down(i, last)
	}
}

// up puts e where index i is free, or above.
func (h *Heap[T]) up(i int, e entry[T]) {
	for i > 0 {
		parent := (i - 1) / arity
		if !e.key.Before(h.entries[parent].key) {
			break
		}
		h.place(i, h.entries[parent])
		i = parent
	}
	h.place(i, e)
}

// down puts e where index i is free, or below.
func (h *Heap[T]) down(i int, e entry[T]) {
	for {
		first := i*arity + 1
		if first >= len(h.entries) {
			break
		}
		children := h.entries[first:min(first+arity, len(h.entries))]
		least, key := 0, children[0].key
		for c := 1; c < len(children); c++ {
			if k := children[c].key; k.Before(key) {
				least, key = c, k
			}
		}
		if !key.Before(e.key) {
			break
		}
		h.place(i, children[least])
		i = first + least
	}
	h.place(i, e)
}

func (h *Heap[T]) place(i int, e entry[T]) {
	h.entries[i] = e
	h.at[e.slot] = int32(i)
}
