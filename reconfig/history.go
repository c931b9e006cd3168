package reconfig

import (
	"math"
	"time"

	"simone/mib"
)

// memory is what a manager remembers from round to round for its policy. It
// does not outlive the manager. Its zero value remembers nothing.
type memory struct {
	of      map[mib.NodeID]*past
	grown   bool    // the policy has had an ILM promoted
	grownAt float64 // the sum of utilisations then
	usual   float64 // nodes x intensity of an ILM, in the mean of the last rounds
	unlike  int     // View.Unlike
}

// past is what is remembered of one ILM.
type past struct {
	counted   Instant // when hot and cold were last counted
	hot, cold int     // rounds in a row above split, below merge
	nodes     int     // on its list when rest was last set
	rest      Instant // until then what it reports is of an older list
	barred    Instant // neither gives nor takes before: what it took part in came to nothing
	gave      bool    // in its last transformation it gave nodes; else it took some
	last      Instant // of that; 0: none
	turns     int     // how often in a row it gave after it had taken, or the reverse
}

// The waits are turnBase^(turns+1) triggers, the longest a year of ten seconds each.
const (
	turnBase = 4
	maxTurns = 10
	// After so many times the wait without a part in anything, turns are forgotten.
	forgetTurns = 64
)

// usualRounds is over how many rounds usual is a mean.
const usualRounds = 64

// worked notes what ILMs have to do.
func (m *memory) worked(ilms []ChildView) {
	if m.unlike--; unequal(ilms) {
		m.unlike = steadyRounds
	}
	m.unlike = max(m.unlike, 0)
	sum := 0.0
	for i := range ilms {
		if !ilms[i].Host.Known {
			return
		}
		sum += float64(len(ilms[i].Nodes)+ilms[i].Fixed) * ilms[i].Host.intensity()
	}
	if len(ilms) == 0 {
		return
	}
	mean := sum / float64(len(ilms))
	if m.usual == 0 {
		m.usual = mean
	}
	m.usual += (mean - m.usual) / usualRounds
}

// patience is for how many triggers an ILM that gave may not take, or the
// reverse, after so many turns: whatever the projections miss, nodes that go
// back and forth do so ever more rarely.
func patience(turns int) float64 { return math.Pow(turnBase, float64(min(turns, maxTurns)+1)) }

// triggers is so many triggers, less half of one as rounds are not on time.
func triggers(n float64, trigger time.Duration) time.Duration {
	return time.Duration((n - 0.5) * float64(trigger))
}

func (m *memory) get(id mib.NodeID) *past {
	if m.of == nil {
		m.of = make(map[mib.NodeID]*past)
	}
	if m.of[id] == nil {
		m.of[id] = &past{}
	}
	return m.of[id]
}

// observe brings an ILM's past up to date with its present and tells the view
// of it.
func (m *memory) observe(now Instant, trigger time.Duration, limits Thresholds, c *ChildView) {
	p := m.get(c.ID)
	if p.counted == 0 || now.Sub(p.counted) >= triggers(1, trigger) {
		p.counted = now
		p.hot, p.cold = p.hot+1, p.cold+1
	}
	if !(c.Temperature > limits.Split) {
		p.hot = 0
	}
	if !(c.Temperature < limits.Merge) {
		p.cold = 0
	}
	// An eighth more or less is within what a measure is worth.
	if n := len(c.Nodes) + c.Fixed; 8*max(n-p.nodes, p.nodes-n) > p.nodes {
		p.nodes = n
		p.rest = max(p.rest, now.Add(triggers(2, trigger)))
	}
	c.Hot, c.Cold = p.hot, p.cold
	c.Rests = now < p.rest || now < p.barred
	if p.last == 0 {
		return
	}
	since, wait := now.Sub(p.last), patience(p.turns)
	if since > triggers(forgetTurns*wait, trigger) {
		p.turns, p.last = 0, 0
		return
	}
	if since < triggers(wait, trigger) {
		c.NoGive, c.NoTake = !p.gave, p.gave
	}
}

// forget drops all but the ILMs of a view.
func (m *memory) forget(v View) {
	still := make(map[mib.NodeID]*past, len(v.Children))
	for _, c := range v.Children {
		still[c.ID] = m.of[c.ID]
	}
	m.of = still
}

// grew notes that an ILM is promoted at a sum of utilisations.
func (m *memory) grew(load float64) {
	m.grown = true
	m.grownAt = load
}

// began notes that nodes are on their way.
func (m *memory) began(now Instant, t Transformation) {
	for _, id := range []mib.NodeID{t.From, t.To} {
		p, gives := m.get(id), id == t.From
		if p.last != 0 && p.gave != gives {
			p.turns = min(p.turns+1, maxTurns)
		}
		p.gave, p.last = gives, now
	}
}

// ended notes what came of a transformation. Those that took part are left
// alone for another trigger; if nothing moved, for longer each time.
func (m *memory) ended(now Instant, trigger time.Duration, t Transformation, moved int) {
	for _, id := range []mib.NodeID{t.From, t.To} {
		p := m.get(id)
		p.last = now
		p.rest = max(p.rest, now.Add(triggers(1, trigger)))
		if moved == 0 && len(t.Nodes) > 0 {
			p.barred = now.Add(triggers(patience(p.turns), trigger))
			p.turns = min(p.turns+1, maxTurns)
		}
	}
}

// gaugeLoads tells a view what each node of an ILM costs it: its share of the
// utilisation by how often it is polled and, where that is known, what one
// poll takes.
func (e *Engine) gaugeLoads(c *child, v *ChildView) {
	p := e.portionOf(c)
	v.Rate = p.rate
	v.Loads = make([]float64, len(v.Nodes))
	for i, weight := range p.weights {
		v.Loads[i] = v.Utilisation * weight / p.total
	}
}

// usualCost is the mean of what polls of a child's nodes cost, in seconds, of
// those of which that is known; any one will do where nothing is.
func (e *Engine) usualCost(c *child) float64 {
	costs, known := time.Duration(0), 0
	for id := range e.owned[c.id] {
		if r := c.rows[id]; r != nil && r.Cost > 0 {
			costs += r.Cost
			known++
		}
	}
	if known == 0 {
		return 1
	}
	return costs.Seconds() / float64(known)
}

// capacity is how many rows an ILM may have; 0: no limit.
func (e *Engine) capacity(c *child) int {
	limit := e.settings.Capacity
	if c.report.Capacity > 0 && (limit == 0 || c.report.Capacity < limit) {
		limit = c.report.Capacity
	}
	return limit
}
