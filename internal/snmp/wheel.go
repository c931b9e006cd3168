package snmp

import "time"

// A wheel has a spoke for each tick of a turn. Time-outs are longer than a
// tick, and a turn is longer than most of them.
const (
	wheelTick  = 4 * time.Millisecond
	wheelTurn  = 1024 // ticks; a power of two
	wheelSpoke = wheelTurn - 1
)

// wheel orders requests by when they are due, to the tick: putting one in and
// taking one out takes the same time however many there are.
type wheel struct {
	spokes [wheelTurn]*request // lists
	began  time.Time           // of tick 0; nothing is due before
	passed int64               // the last tick that was gone through
	size   int
}

// timed is a request's place in a wheel.
type timed struct {
	tick       int64 // when it is due; 0: it is in no wheel
	next, prev *request
}

// put adds r, or moves it, to the first tick that is not before due.
func (w *wheel) put(r *request, due time.Time) {
	w.remove(r)
	tick := int64((due.Sub(w.began) + wheelTick - 1) / wheelTick)
	r.tick = max(tick, w.passed+1)
	spoke := &w.spokes[r.tick&wheelSpoke]
	r.next, r.prev = *spoke, nil
	if r.next != nil {
		r.next.prev = r
	}
	*spoke = r
	w.size++
}

// remove takes r out, if it is in.
func (w *wheel) remove(r *request) {
	if r.tick == 0 {
		return
	}
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		w.spokes[r.tick&wheelSpoke] = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.timed = timed{}
	w.size--
}

// next is when the first request may be due: it is not later. ok is false when
// there is none.
func (w *wheel) next() (at time.Time, ok bool) {
	if w.size == 0 {
		return at, false
	}
	tick := w.passed + 1
	for tick <= w.passed+wheelTurn && w.spokes[tick&wheelSpoke] == nil {
		tick++
	}
	return w.at(tick), true
}

func (w *wheel) at(tick int64) time.Time { return w.began.Add(time.Duration(tick) * wheelTick) }

// due takes out a request that is due by now; nil: there is none.
func (w *wheel) due(now time.Time) *request {
	current := int64(now.Sub(w.began) / wheelTick)
	if w.size == 0 {
		w.passed = max(w.passed, current)
		return nil
	}
	// After a pause longer than a turn every spoke is looked at once.
	for w.passed = max(w.passed, current-wheelTurn); w.passed < current; w.passed++ {
		for r := w.spokes[(w.passed+1)&wheelSpoke]; r != nil; r = r.next {
			if r.tick <= current {
				w.remove(r)
				return r
			}
		}
	}
	return nil
}

// any gives some request; nil: there is none.
func (w *wheel) any() *request {
	for _, r := range w.spokes {
		if r != nil {
			return r
		}
	}
	return nil
}
