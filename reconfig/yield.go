package reconfig

import (
	"math"
	"slices"

	"simone/mib"
)

// This file looks back at what moves of ILMs to other machines have brought. Each
// is watched for some triggers: by what its ILM would have taken on the machine
// that it left, as busy as that has been since, and by what it does take. What
// a move costs (starting a role, polls by two ILMs, machines that are slower
// than they look) is in that, so it need not be known. Where moves do not bring
// what is worth it, they become dearer until they do.

// yield is what moves have brought. Its zero value knows of none.
type yield struct {
	unit              float64 // stu of temperature for each row and intensity, usually
	watched           []watched
	brought, hopedFor float64 // in the mean of the last moves
	effort            float64 // the logarithm of by what moves are dearer
}

// watched is an ILM on a machine that it was moved to.
type watched struct {
	from, to    mib.NodeID
	here, there float64 // intensities when it was decided on
	rounds      int     // since
	gained      float64 // stu, in the sum of rounds
	hoped       float64
}

const (
	// yieldRounds is for how many rounds a move is watched.
	yieldRounds = 16
	// yieldMoves is over how many moves the mean is, and yieldAtFirst what is
	// taken for it before there were any.
	yieldMoves, yieldAtFirst = 8, 0.5
	// leastYield is the share of what was hoped for below which moves become dearer.
	leastYield = 0.05
	// yieldStep is by how much a move that lost all that was hoped for makes others
	// dearer, as a logarithm; one that brought it makes them cheaper by a quarter
	// of that. mostEffort is where that ends, and effortFades by how much it falls
	// in a round, so that moves are tried again.
	yieldStep, mostEffort, effortFades = 0.25, 4, 0.002
)

// sawMove has a move be watched from now on.
func (y *yield) sawMove(t Transformation, here, there float64) {
	if t.Kind == KindMigrate && t.Promote && t.Demote && here > there && there > 0 {
		y.watched = append(y.watched, watched{from: t.From, to: t.To, here: here, there: there})
	}
}

// dearer is by which factor moves are.
func (y *yield) dearer() float64 { return math.Exp(y.effort) }

// look takes what a round shows: ILMs, and what other machines have to do. An
// ILM's temperature counts whatever else happens to it.
func (y *yield) look(ilms []ChildView, load func(mib.NodeID) (HostLoad, bool)) {
	y.effort = max(y.effort-effortFades, 0)
	y.gauge(ilms)
	y.watched = slices.DeleteFunc(y.watched, func(w watched) bool {
		i := slices.IndexFunc(ilms, func(c ChildView) bool { return c.ID == w.to })
		return i < 0
	})
	for i := 0; i < len(y.watched); i++ {
		w := &y.watched[i]
		c := &ilms[slices.IndexFunc(ilms, func(c ChildView) bool { return c.ID == w.to })]
		there := w.here
		if l, known := load(w.from); known {
			there = l.intensity()
		}
		rows := float64(len(c.Nodes) + c.Fixed)
		w.rounds++
		w.gained += y.unit*rows*there - c.Temperature
		w.hoped += y.unit * rows * (w.here - w.there)
		// What is lost beyond what all rounds could bring will not come back.
		if lost := w.gained < -w.hoped/float64(w.rounds)*yieldRounds; w.rounds < yieldRounds && !lost {
			continue
		}
		y.conclude(w)
		y.watched = slices.Delete(y.watched, i, i+1)
		i--
	}
}

// gauge learns what a row takes where nothing else is going on.
func (y *yield) gauge(ilms []ChildView) {
	var units []float64
	for i := range ilms {
		c := &ilms[i]
		unit := c.Temperature / (float64(len(c.Nodes)+c.Fixed) * c.Host.intensity())
		if c.Host.Known && !c.Busy && unit > 0 && !math.IsInf(unit, 0) {
			units = append(units, unit)
		}
	}
	if len(units) == 0 {
		return
	}
	slices.Sort(units)
	middle := units[len(units)/2]
	if y.unit == 0 {
		y.unit = middle
	}
	y.unit += (middle - y.unit) / usualRounds
}

// conclude draws the lesson from a move.
func (y *yield) conclude(w *watched) {
	if !(w.hoped > 0) {
		return
	}
	if y.hopedFor == 0 {
		y.hopedFor = w.hoped
		y.brought = yieldAtFirst * w.hoped
	}
	y.hopedFor += (w.hoped - y.hopedFor) / yieldMoves
	y.brought += (w.gained - y.brought) / yieldMoves
	switch share := y.brought / y.hopedFor; {
	case share < leastYield:
		y.effort = min(y.effort+yieldStep*min(leastYield-share, 2), mostEffort)
	case share > 2*leastYield:
		y.effort = max(y.effort-yieldStep/4*min(share, 1), 0)
	}
}

// watch has a move be watched, with what is known of both machines.
func (e *Engine) watch(t Transformation) {
	from, to := e.children[t.From], e.children[t.To]
	if from != nil && to != nil && from.report.Host.Known && to.report.Host.Known {
		e.lessons.sawMove(t, from.report.Host.intensity(), to.report.Host.intensity())
	}
}
