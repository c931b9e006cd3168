package faults

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Hunt runs scenarios of consecutive numbers on several cores.
type Hunt struct {
	Shape  Shape
	First  uint64 // the first number
	Count  uint64 // how many scenarios at most; 0: until the context ends
	Moves  int    // until so many planned moves were committed; 0: any
	Cores  int    // at least 1
	AtOnce bool   // ends with the first violation
	// Progress, if set, is told of the hunt after each scenario. It is called
	// by one goroutine at a time.
	Progress func(Bag)
}

// Bag is what a hunt has brought.
type Bag struct {
	Result        // of all scenarios; Violations are the lowest failing seed's
	Scenarios     uint64
	Failed        uint64 // scenarios with a violation
	FirstFailing  uint64 // the lowest seed of those; 0: none
	FirstSeed     uint64
	LastSeed      uint64
	Failing       []Failing // the first maxFailing in the order in which they ended
	LeastTriggers int       // of a scenario
	LeastFaults   int
	Took          time.Duration
}

// Failing is a scenario with a violation.
type Failing struct {
	Seed      uint64 `json:"seed"`
	Levels    int    `json:"levels"`
	Violation string `json:"violation"` // the first
}

// maxFailing is how many of them a bag holds: enough to see what they have in common.
const maxFailing = 1000

// Run hunts until all scenarios are run or ctx is done; those under way are
// finished, unless a violation is enough.
func (h Hunt) Run(ctx context.Context) Bag {
	began := time.Now()
	bag := Bag{FirstSeed: h.First}
	next := h.First
	var mu sync.Mutex // guards bag and next
	take := func() (seed uint64, more bool) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil || h.Count > 0 && next-h.First >= h.Count || h.AtOnce && bag.Failed > 0 || h.Moves > 0 && bag.Planned >= h.Moves {
			return 0, false
		}
		next++
		return next - 1, true
	}
	var workers sync.WaitGroup
	for range max(h.Cores, 1) {
		workers.Go(func() {
			for seed, more := take(); more; seed, more = take() {
				s := Draw(seed, h.Shape)
				r := Run(s, nil)
				mu.Lock()
				bag.add(s, r)
				bag.Took = time.Since(began)
				if h.Progress != nil {
					h.Progress(bag)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	bag.Took = time.Since(began)
	return bag
}

// add takes the result of one scenario.
func (b *Bag) add(s *Scenario, r Result) {
	seed := s.Seed
	b.LastSeed = max(b.LastSeed, seed)
	if b.Scenarios == 0 {
		b.LeastTriggers, b.LeastFaults = r.Triggers, r.Faults
	}
	b.Scenarios++
	b.LeastTriggers, b.LeastFaults = min(b.LeastTriggers, r.Triggers), min(b.LeastFaults, r.Faults)
	b.Triggers += r.Triggers
	b.Faults += r.Faults
	b.Steps += r.Steps
	b.Polls += r.Polls
	b.Samples += r.Samples
	b.Planned += r.Planned
	b.Lost += r.Lost
	if len(r.Violations) > 0 {
		b.Failed++
		if len(b.Failing) < maxFailing {
			b.Failing = append(b.Failing, Failing{Seed: seed, Levels: s.Levels, Violation: r.Violations[0]})
		}
		if b.Failed == 1 || seed < b.FirstFailing {
			b.FirstFailing, b.Violations = seed, r.Violations
		}
	}
}

// PerHour is how many scenarios would have been run in an hour.
func (b *Bag) PerHour() float64 {
	if b.Took <= 0 {
		return 0
	}
	return float64(b.Scenarios) / b.Took.Hours()
}

// String sums a bag up in a line.
func (b Bag) String() string {
	s := fmt.Sprintf("%d scenarios (seeds %d to %d), %d violations, %.0f an hour", b.Scenarios, b.FirstSeed, b.LastSeed, b.Failed, b.PerHour())
	if b.Failed > 0 {
		s += fmt.Sprintf("; seed %d: %s", b.FirstFailing, b.Violations[0])
	}
	return s
}
