// Package replay runs what a top-level manager has recorded (internal/trace)
// through the simulator, under the settings of that time or others: what the tree
// would have been like.
//
// What is replayed: which nodes there were, with which ILM each began, what a poll
// of each costs its ILM, and how many jobs were in the run queues of the nodes that
// may be ILMs, from round to round. What follows from that is the policy's doing
// and the moving protocol's, by the very code that runs live (package sim). Nodes
// that joined or left meanwhile, and those that no ILM polled, are left out.
package replay

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"gonum.org/v1/gonum/stat"

	"simone/internal/trace"
	"simone/mib"
	"simone/sim"
	"simone/sim/scenario"
)

// Scene is a record made ready for the simulator.
type Scene struct {
	// Base is the scenario with the settings in force when the record begins,
	// its times in stu of those.
	Base   scenario.Parameters
	Script sim.Script
	Start  time.Time
	Unit   time.Duration // one stu
	Length time.Duration

	Nodes   int // that are replayed, ILMs among them
	Omitted int // that joined or left meanwhile, or that no ILM polled
	Changed int // how often the settings changed meanwhile, which is not replayed

	Recorded Figures // all but the share of hot rounds
	temps    []float64
}

// Figures are what a tree is judged by.
type Figures struct {
	G            Figure            `json:"G"`   // mean temperature over ILMs and rounds, stu
	P95          Figure            `json:"p95"` // of temperatures, stu
	HotPercent   Figure            `json:"hot_percent"`
	MovesPerHour Figure            `json:"moves_per_hour"`                     // nodes
	PerHour      map[string]Figure `json:"transformations_per_hour,omitempty"` // not known of what was recorded
	ILMs         Figure            `json:"ilms_mean"`
	Skipped      Figure            `json:"skipped_polls"`
}

// Figure is a number, or not one where there is nothing to measure: null in JSON,
// and - for people.
type Figure float64

func (f Figure) none() bool { return math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) }

// MarshalJSON implements json.Marshaler.
func (f Figure) MarshalJSON() ([]byte, error) {
	if f.none() {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(f), 'g', -1, 64), nil
}

func (f Figure) String() string {
	if f.none() {
		return "-"
	}
	return strconv.FormatFloat(float64(f), 'g', 4, 64)
}

const (
	// The costs of what the record does not tell, on a machine of today.
	usualCost  = 50 * time.Microsecond  // of a poll at the ILM
	setCost    = 200 * time.Microsecond // of a control SET
	rowCost    = 5 * time.Microsecond   // of each row in it
	oneWay     = 500 * time.Microsecond // through the network
	tlmShare   = 5                      // a sample costs the TLM one of so many parts of what it costs the ILM
	probeEvery = 500 * time.Millisecond
)

// ErrNothing says that a record has nothing to replay.
var ErrNothing = errors.New("there is nothing to replay")

// Prepare makes a scene of what was recorded from a time on, or from when ILMs had
// something to poll.
func Prepare(t *trace.Trace, from time.Time) (*Scene, error) {
	first, last, rounds := span(t, from)
	if rounds < 2 {
		return nil, fmt.Errorf("%w: in %d rounds of that time ILMs polled something", ErrNothing, rounds)
	}
	from = first.At
	s := &Scene{Start: first.At, Length: last.Sub(first.At), Unit: time.Duration(first.Settings.STU * float64(time.Second))}
	if s.Unit <= 0 || first.Settings.Trigger <= 0 || first.Settings.Interval <= 0 {
		return nil, fmt.Errorf("%w: the record lacks the settings", ErrNothing)
	}
	cast := castOf(first.Nodes)
	cast.leave(t, from)
	if len(cast.ilms) == 0 || len(cast.leaves) == 0 {
		return nil, fmt.Errorf("%w: what ILMs polled at %s left later", ErrNothing, first.At.Format(time.RFC3339))
	}
	s.Nodes = len(cast.ilms) + len(cast.leaves)
	s.Omitted = len(first.Nodes) - s.Nodes + cast.joined
	s.Base = s.parameters(&first.Settings, cast)
	s.Script = sim.Script{Unit: s.Unit, MinILMs: first.Settings.MinILMs, MaxILMs: first.Settings.MaxILMs}
	mean := s.costs(first.Nodes, cast)
	s.Base.ReportCost, s.Base.PollCost, s.Base.TLMCost = mean, mean, mean/tlmShare
	s.steps(t, first.At, cast)
	s.observe(t, from, cast)
	return s, nil
}

// span is the first moment that counts, a copy, and when the last was.
func span(t *trace.Trace, from time.Time) (first trace.Moment, last time.Time, rounds int) {
	for m := range t.Replay {
		if m.At.Before(from) {
			continue
		}
		if rounds == 0 {
			if c := castOf(m.Nodes); len(c.ilms) == 0 || len(c.leaves) == 0 {
				continue
			}
			first = m
			first.Nodes = maps.Clone(m.Nodes)
		}
		last = m.At
		rounds++
	}
	return first, last, rounds
}

// cast is who plays which part.
type cast struct {
	ilms, leaves []mib.NodeID
	part         map[mib.NodeID]int // of leaves by number, then of ILMs
	at           map[mib.NodeID]mib.NodeID
	candidate    map[mib.NodeID]bool
	joined       int // later
}

func castOf(nodes map[mib.NodeID]trace.Node) *cast {
	c := &cast{at: make(map[mib.NodeID]mib.NodeID), candidate: make(map[mib.NodeID]bool)}
	for _, id := range slices.Sorted(maps.Keys(nodes)) {
		n := nodes[id]
		c.candidate[id] = n.Candidate
		if n.ILM {
			c.ilms = append(c.ilms, id)
		} else if nodes[n.Owner].ILM {
			c.leaves = append(c.leaves, id)
			c.at[id] = n.Owner
		}
	}
	return c
}

// leave takes out leaves that left meanwhile, and numbers the others.
func (c *cast) leave(t *trace.Trace, from time.Time) {
	gone, known := make(map[mib.NodeID]bool), make(map[mib.NodeID]bool)
	for i := range t.Rounds {
		r := &t.Rounds[i]
		if r.At.Before(from) {
			continue
		}
		for _, n := range r.Nodes {
			known[n.ID] = true
		}
		for _, id := range r.Gone {
			gone[id] = true
		}
	}
	c.leaves = slices.DeleteFunc(c.leaves, func(id mib.NodeID) bool { return gone[id] })
	// An ILM that nothing is left of has no part.
	c.ilms = slices.DeleteFunc(c.ilms, func(ilm mib.NodeID) bool {
		return !slices.ContainsFunc(c.leaves, func(id mib.NodeID) bool { return c.at[id] == ilm })
	})
	c.part = make(map[mib.NodeID]int, len(c.leaves)+len(c.ilms))
	for i, id := range c.leaves {
		c.part[id] = i
	}
	for i, id := range c.ilms {
		c.part[id] = len(c.leaves) + i
	}
	for id := range known {
		if _, old := c.candidate[id]; !old {
			c.joined++
		}
	}
}

// units is a time in stu.
func (s *Scene) units(d time.Duration) float64 { return float64(d) / float64(s.Unit) }

// parameters are the settings that were in force.
func (s *Scene) parameters(was *trace.Settings, c *cast) scenario.Parameters {
	p := *scenario.Default()
	seconds := func(x float64) float64 { return x / s.Unit.Seconds() }
	p.Leaves, p.ILMs = len(c.leaves), len(c.ilms)
	p.Poll, p.Trigger, p.Stagger = seconds(was.Interval), seconds(was.Trigger), 1
	p.End = s.units(s.Length)
	p.Warmup = min(2*max(p.Poll, p.Trigger), p.End/2)
	p.Rho, p.AgentPeriod, p.AgentCost = 0, 0, 0
	p.OutputCost, p.Network, p.TLMILMCost = 0, s.units(oneWay), 0
	p.Thresholds = scenario.Thresholds{Merge: was.Thresholds[0], Split: was.Thresholds[1], Migrate: was.Thresholds[2]}
	p.Weighted, p.Churn, p.Budget, p.Probe = was.Weighted, was.Churn, float64(was.Budget), s.units(probeEvery)
	p.ReconfigCost, p.ReconfigNodeCost = s.units(setCost), s.units(rowCost)
	p.Policy, p.Enact = was.Policy, "staged"
	if !was.Automatic {
		p.Policy, p.Enact = sim.Baseline, "atomic"
	}
	return p
}

// costs gives each leaf what a poll of it cost, by how often it was polled; where
// that is not known the mean of the others. It returns the mean.
func (s *Scene) costs(nodes map[mib.NodeID]trace.Node, c *cast) (mean float64) {
	var known []float64
	for _, id := range c.leaves {
		n := nodes[id]
		cost := n.Cost / s.Unit.Seconds()
		if n.Interval > 0 {
			cost *= s.Base.Poll * s.Unit.Seconds() / n.Interval
		}
		if cost > 0 {
			known = append(known, cost)
		}
		s.Script.Costs = append(s.Script.Costs, cost)
		s.Script.ILM = append(s.Script.ILM, c.part[c.at[id]]-len(c.leaves))
		s.Script.Candidates = append(s.Script.Candidates, n.Candidate)
	}
	mean = s.units(usualCost)
	if len(known) > 0 {
		mean = stat.Mean(known, nil)
	}
	for i, cost := range s.Script.Costs {
		if cost == 0 {
			s.Script.Costs[i] = mean
		}
	}
	return mean
}

// steps are what the run queues of candidates and ILMs held.
func (s *Scene) steps(t *trace.Trace, from time.Time, c *cast) {
	jobs := make(map[mib.NodeID]int)
	for m := range t.Replay {
		if m.At.Before(from) {
			continue
		}
		at := s.units(m.At.Sub(from))
		for _, id := range slices.Sorted(maps.Keys(c.part)) {
			n, there := m.Nodes[id]
			if now := int(math.Round(n.Load)); there && now != jobs[id] && c.candidate[id] {
				jobs[id] = now
				s.Script.Steps = append(s.Script.Steps, sim.Step{At: at, Node: c.part[id], Jobs: now})
			}
		}
	}
}

// observe is what the tree was like.
func (s *Scene) observe(t *trace.Trace, from time.Time, c *cast) {
	var ilms, moves, rounds int
	var was trace.Settings
	owner := make(map[mib.NodeID]mib.NodeID)
	for m := range t.Replay {
		if m.At.Before(from) {
			continue
		}
		if rounds > 0 && m.Settings != was {
			s.Changed++
		}
		was = m.Settings
		rounds++
		for _, i := range m.ILMs {
			if !i.Silent {
				s.temps = append(s.temps, i.Temperature)
				ilms++
			}
		}
		for id := range c.part {
			n := m.Nodes[id]
			if before, known := owner[id]; known && before != n.Owner {
				moves++
			}
			owner[id] = n.Owner
		}
	}
	s.Recorded = Figures{
		G: Figure(stat.Mean(s.temps, nil)), MovesPerHour: Figure(float64(moves) / s.Length.Hours()), ILMs: Figure(float64(ilms) / float64(rounds)),
		P95: Figure(math.NaN()), HotPercent: Figure(math.NaN()), Skipped: Figure(math.NaN()),
	}
	if len(s.temps) > 0 {
		slices.Sort(s.temps)
		s.Recorded.P95 = Figure(stat.Quantile(0.95, stat.Empirical, s.temps, nil))
	}
}
