package snmp

import (
	"math/rand/v2"
	"time"
)

// Request-ids are made of a slot's number and a generation that grows each time
// the slot is taken, so that an answer finds its request without a search, and
// a late one is told from one that was never asked for. All ids take four
// octets, so that a template keeps its length.
const (
	slotBits      = 18
	slotMask      = 1<<slotBits - 1
	minGeneration = 1 << (24 - slotBits) // ids of three octets are below
	maxGeneration = 1<<(31-slotBits) - 1
)

// moreSlots is how many slots there are at first, and are added when all are
// taken.
const moreSlots = 4096

// slot is an attempt of a request.
type slot struct {
	id       int32     // of the attempt, or the last one here
	answered bool      // how that ended
	request  *request  // nil: it has ended
	sent     time.Time // zero until it was
}

// slots are all attempts that may still be answered, and the last ones that
// are over: free slots are taken in the order in which they became free.
type slots struct {
	all  []slot
	free ring
}

// take gives a free slot to an attempt of r and tells its id. It fails when
// all that can be there are taken.
func (s *slots) take(r *request) (id int32, ok bool) {
	if s.free.empty() && !s.grow() {
		return 0, false
	}
	at := s.free.pop()
	t := &s.all[at]
	generation := t.id>>slotBits + 1
	if generation > maxGeneration {
		generation = minGeneration
	}
	*t = slot{id: generation<<slotBits | at, request: r}
	return t.id, true
}

func (s *slots) grow() bool {
	n := len(s.all)
	if n == 1<<slotBits {
		return false
	}
	s.all = append(s.all, make([]slot, moreSlots)...)
	s.free.grow(len(s.all))
	for i := n; i < len(s.all); i++ {
		s.all[i].id = rand.Int32N(maxGeneration-minGeneration)<<slotBits + minGeneration<<slotBits | int32(i)
		s.free.push(int32(i))
	}
	return true
}

// at gives the slot that is or was that id's; nil: there was no such attempt,
// or it is long over.
func (s *slots) at(id int32) *slot {
	i := int(id) & slotMask
	if i >= len(s.all) || s.all[i].id != id {
		return nil
	}
	return &s.all[i]
}

// release ends an attempt and notes how.
func (s *slots) release(id int32, answered bool) {
	t := s.at(id)
	t.request, t.answered = nil, answered
	s.free.push(id & slotMask)
}

// ring is a queue of numbers with room for a fixed count.
type ring struct {
	room       []int32
	head, size int
}

func (q *ring) empty() bool { return q.size == 0 }

// grow makes room; the queue is empty.
func (q *ring) grow(room int) { *q = ring{room: make([]int32, room)} }

func (q *ring) push(n int32) {
	q.room[(q.head+q.size)%len(q.room)] = n
	q.size++
}

func (q *ring) pop() int32 {
	n := q.room[q.head]
	q.head = (q.head + 1) % len(q.room)
	q.size--
	return n
}
