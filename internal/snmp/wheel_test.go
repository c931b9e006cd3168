package snmp

import (
	"math/rand/v2"
	"testing"
	"time"
)

// The wheel does what a list would: nothing comes before it is due, nor more
// than a tick after, and next is never late.
func TestWheel(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 4))
		now := time.Unix(1, 0)
		w := wheel{began: now}
		due := make(map[*request]time.Time)
		all := make([]*request, 100)
		for i := range all {
			all[i] = new(request)
		}
		for range 2000 {
			r := all[random.IntN(len(all))]
			switch random.IntN(4) {
			case 0:
				w.remove(r)
				delete(due, r)
			case 1:
				pause := time.Duration(random.IntN(20)) * time.Millisecond
				if random.IntN(50) == 0 {
					pause = time.Duration(random.IntN(10)) * time.Second
				}
				now = now.Add(pause)
				if at, ok := w.next(); ok != (len(due) > 0) {
					t.Fatalf("next: %v with %d in the wheel", ok, len(due))
				} else if ok {
					for _, d := range due {
						if at.After(d.Add(wheelTick)) {
							t.Fatalf("next is %v after something is due", at.Sub(d))
						}
					}
				}
				for r := w.due(now); r != nil; r = w.due(now) {
					if d, in := due[r]; !in || d.After(now) {
						t.Fatalf("came %v early, in the wheel: %v", d.Sub(now), in)
					}
					delete(due, r)
				}
				for _, d := range due {
					if now.Sub(d) >= wheelTick {
						t.Fatalf("what was due %v ago did not come", now.Sub(d))
					}
				}
			default:
				due[r] = now.Add(time.Duration(random.IntN(6000)) * time.Millisecond)
				w.put(r, due[r])
			}
			if w.size != len(due) || (w.any() == nil) != (len(due) == 0) {
				t.Fatalf("%d in the wheel, not %d", w.size, len(due))
			}
		}
	}
}

// An id is nobody else's while its attempt is on its way, and what is over is
// still known for a while.
func TestSlots(t *testing.T) {
	var s slots
	requests := []*request{new(request), new(request)}
	taken := make(map[int32]*request)
	for i := range 3 * moreSlots {
		r := requests[i%2]
		id, ok := s.take(r)
		if !ok || id < 1<<24 || taken[id] != nil || s.at(id).request != r {
			t.Fatalf("id %#x, %v", id, ok)
		}
		taken[id] = r
	}
	for id := range taken {
		s.release(id, id%2 == 0)
	}
	for range 2 * moreSlots {
		id, _ := s.take(requests[0])
		if taken[id] != nil {
			t.Fatalf("id %#x again, too soon", id)
		}
	}
	known := 0
	for id := range taken {
		if x := s.at(id); x != nil {
			if known++; x.request != nil || x.answered != (id%2 == 0) {
				t.Fatalf("id %#x ended otherwise", id)
			}
		}
	}
	if known < moreSlots {
		t.Errorf("of %d that are over only %d are known", len(taken), known)
	}
	for len(s.all) < 1<<slotBits || !s.free.empty() {
		if _, ok := s.take(requests[0]); !ok {
			t.Fatal("no slot, and fewer than there may be")
		}
	}
	if _, ok := s.take(requests[0]); ok {
		t.Error("more slots than there may be")
	}
	if s.at(0) != nil || s.at(-1) != nil {
		t.Error("an id that never was is known")
	}
}
