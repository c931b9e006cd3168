package reconfig

import (
	"math/rand/v2"
	"testing"
)

// arrivals against a set: next is the first slot that is not there, unless
// one 64 further on has come.
func TestArrivals(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var a arrivals
		begin := uint32(chance.IntN(100))
		a.begin(begin)
		there, newest := map[uint32]bool{}, begin
		for range 300 {
			slot := newest + uint32(chance.IntN(12))
			if back := uint32(chance.IntN(80)); chance.IntN(2) == 0 && back <= slot {
				slot -= back
			}
			if chance.IntN(60) == 0 {
				slot += 200
			}
			a.take(slot)
			there[slot] = true
			newest = max(newest, slot)
			want := begin
			if newest >= 63 {
				want = max(want, newest-63)
			}
			for there[want] {
				want++
			}
			if a.next != want {
				t.Fatalf("begun at %d, %d the newest: next is %d, want %d", begin, newest, a.next, want)
			}
		}
	}
}

// A newer sample that comes before an older one, by another way, does not make
// the older one's slot a concluded one.
func TestNewerSampleFirst(t *testing.T) {
	var a arrivals
	a.begin(42)
	a.take(43)
	if a.next != 42 {
		t.Errorf("next is %d, want 42", a.next)
	}
	a.take(42)
	if a.next != 44 {
		t.Errorf("next is %d, want 44", a.next)
	}
}
