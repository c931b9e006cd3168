package reconfig

import (
	"math"
	"time"
)

// This file keeps the budget of a policy's moves: so many nodes an hour, and a
// tenth more in no hour that one may look at. Within an hour it is free when they
// are used, as loads come in bursts; a price sees to it that they last. It rises
// with each move by what share of an hour's budget that takes, and falls with
// time by as much in an hour, so that it settles where as much is worth moving
// as there is: at 1, which is no bound, where that is less than the budget.

// credit is what has been used of the budget.
type credit struct {
	bins    [binsPerHour + 1]float64 // nodes moved, by minute; the present one is bins[bin]
	bin     int
	began   Instant // of the present minute; 0: nothing was counted yet
	counted Instant // up to when scarce is
	scarce  float64 // the logarithm of the price
	left    float64 // nodes that may be moved now
}

const (
	binsPerHour = 60
	// pollsPerMove is how many polls there are at least for each node that a
	// policy moves, if the settings say nothing: at a poll each 10 s eight
	// moves an hour for each node.
	pollsPerMove = 47
	// excess is how much more than the budget may be moved in an hour.
	excess = 1.1
	// priceOfHour is by which factor an hour's budget that is used at once multiplies
	// the price, as a logarithm: some moves of long lists are felt, one is not.
	priceOfHour = 2
	// lasting is the share of the budget at which the price stays as it is. It is
	// above 1 as nothing can be moved while the hour's is used up.
	lasting = 1.05
)

// movesPerHour is how many nodes a policy may move in an hour.
func (e *Engine) movesPerHour() float64 {
	if e.settings.MovesPerHour > 0 {
		return float64(e.settings.MovesPerHour)
	}
	return float64(len(e.ids)) * time.Hour.Seconds() / e.settings.Interval.Seconds() / pollsPerMove
}

// refill brings the credit up to now.
func (e *Engine) refill() {
	c, perHour, longest := &e.credit, e.movesPerHour(), 0
	for _, child := range e.line {
		longest = max(longest, len(e.owned[child.id]))
	}
	most := excess * perHour
	if c.began == 0 { // as if the hour before had been used evenly
		c.began, c.counted = e.now, e.now
		for i := range binsPerHour {
			c.bins[i+1] = perHour / binsPerHour
		}
	}
	hours := e.now.Sub(c.counted).Hours()
	c.counted = e.now
	falls := lasting
	if c.left < float64(longest+1) { // there are moves that cannot be made at any price
		falls--
	}
	c.scarce = max(c.scarce-priceOfHour*falls*hours, 0)
	for passed := 0; e.now.Sub(c.began) >= time.Hour/binsPerHour; c.began = c.began.Add(time.Hour / binsPerHour) {
		if passed++; passed > len(c.bins) { // it is all gone
			c.began = e.now
			break
		}
		c.bin = (c.bin + 1) % len(c.bins)
		c.bins[c.bin] = 0
	}
	used := 0.0
	for _, n := range c.bins {
		used += n
	}
	c.left = max(most-used, 0)
	if used == 0 { // the longest list may always move
		c.left = max(c.left, float64(longest+1))
	}
}

// spend takes nodes out of the budget, or puts them back.
func (e *Engine) spend(nodes float64) {
	c := &e.credit
	c.left -= nodes
	c.bins[c.bin] += nodes
	c.scarce = max(c.scarce+priceOfHour*nodes/e.movesPerHour(), 0)
}

// price is what a move has to gain, in terms of what it has where the budget is
// no bound.
func (c *credit) price() float64 { return math.Exp(c.scarce) }

// limited reports whether the budget of moves per hour holds for the policy:
// document 001's rule knows none, unless it is given one.
func (e *Engine) limited() bool {
	return e.settings.MovesPerHour > 0 || e.policy.Name() == Balance{}.Name()
}

// moves is how many nodes a transformation moves: one that makes an ILM of a
// machine brings that node's own row to the manager.
func (t *Transformation) moves() int {
	n := len(t.Nodes)
	if t.Promote {
		n++
	}
	if t.Demote {
		n++
	}
	return n
}
