package reconfig

import (
	"math"
	"testing"
	"time"

	"simone/mib"
)

// spender is an engine with a budget, and what it moved at each step.
type spender struct {
	*Engine
	spent []float64 // by step of ten seconds
}

const spendStep = 10 * time.Second

func newSpender(perHour, list int) *spender {
	e := &Engine{settings: DefaultSettings(), owned: make(map[mib.NodeID]map[mib.NodeID]struct{})}
	e.settings.MovesPerHour, e.now = perHour, Instant(time.Hour)
	e.owned[1] = make(map[mib.NodeID]struct{})
	for i := range list - 1 {
		e.owned[1][mib.NodeID(i+2)] = struct{}{}
	}
	e.line = []*child{{id: 1}}
	return &spender{Engine: e}
}

// run goes on for so many hours. There is room for a move of a list if it is
// allowed, at every step in which want says so of the price.
func (s *spender) run(hours float64, list float64, want func(price float64) bool) {
	for range int(hours * float64(time.Hour/spendStep)) {
		s.now = s.now.Add(spendStep)
		s.refill()
		n := 0.0
		if s.credit.left >= list && want(s.credit.price()) {
			n = list
			s.spend(n)
		}
		s.spent = append(s.spent, n)
	}
}

// most is the most that was moved in an hour that one may look at, mean what was
// in the mean from a step on.
func (s *spender) most() (most float64) {
	hour := int(time.Hour / spendStep)
	for i := range s.spent {
		sum := 0.0
		for _, n := range s.spent[i:min(i+hour, len(s.spent))] {
			sum += n
		}
		most = max(most, sum)
	}
	return most
}

func (s *spender) mean(from int) float64 {
	sum := 0.0
	for _, n := range s.spent[from:] {
		sum += n
	}
	return sum / (time.Duration(len(s.spent)-from) * spendStep).Hours()
}

// Whatever there is to be gained, no hour has more moves than a tenth above the
// budget, and what there is of it is used.
func TestBudgetHoldsInEveryHour(t *testing.T) {
	s := newSpender(3000, 129)
	s.run(12, 129, func(float64) bool { return true })
	if most := s.most(); most > 3300 {
		t.Errorf("%v moves in an hour, with a budget of 3000", most)
	}
	if mean := s.mean(0); mean < 2700 {
		t.Errorf("%v moves an hour, with a budget of 3000 and all worth moving", mean)
	}
}

// The price settles where as much is worth moving as there is, and returns to 1
// when less is.
func TestPriceOfMovesSettles(t *testing.T) {
	s := newSpender(3000, 129)
	// At price 1 there are 7,000 moves an hour worth making, at 1.33 2,700.
	owed := 0.0
	demand := func(price float64) bool {
		owed += 7000 * math.Pow(price, -3.3) * spendStep.Hours() / 129
		if owed >= 1 {
			owed--
			return true
		}
		return false
	}
	s.run(9, 129, demand)
	if mean := s.mean(0); mean < 2700 || mean > 3300 {
		t.Errorf("%.0f moves an hour, with a budget of 3000", mean)
	}
	if most := s.most(); most > 3300 {
		t.Errorf("%v moves in an hour, with a budget of 3000", most)
	}
	if price := s.credit.price(); price < 1.1 || price > 1.6 {
		t.Errorf("the price is %.2f, but at 1.3 as much is worth moving as there is", price)
	}
	s.run(2, 129, func(float64) bool { return false })
	if price := s.credit.price(); price != 1 {
		t.Errorf("after two hours without a move the price is %v", price)
	}
	before := len(s.spent)
	s.run(0.2, 129, func(float64) bool { return true })
	if moved := s.mean(before) * 0.2; moved < 3000 {
		t.Errorf("%.0f moves at once after a quiet hour, with 3300 that may be", moved)
	}
}

// A budget that is less than one list moves one now and then.
func TestListThatIsMoreThanTheBudget(t *testing.T) {
	s := newSpender(50, 129)
	s.run(40, 129, func(price float64) bool { return price < 1.2 })
	if mean := s.mean(0); mean < 30 || mean > 60 {
		t.Errorf("%.1f moves an hour, with a budget of 50", mean)
	}
}

// What was not moved after all is back in the budget, and in the price.
func TestBudgetTakesBack(t *testing.T) {
	s := newSpender(3000, 129)
	s.refill()
	left := s.credit.left
	s.spend(129)
	if s.credit.left != left-129 || !(s.credit.price() > 1) {
		t.Errorf("%v left of %v after a move of 129, at price %v", s.credit.left, left, s.credit.price())
	}
	s.spend(-129)
	if s.credit.left != left || s.credit.price() != 1 {
		t.Errorf("%v left of %v after it came to nothing, at price %v", s.credit.left, left, s.credit.price())
	}
}
