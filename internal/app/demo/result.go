package demo

import (
	"maps"
	"slices"
	"time"

	"simone/reconfig"
)

// Result is what a demo ends with. Its JSON names are kept.
type Result struct {
	Nodes           int            `json:"nodes"`      // leaves
	Candidates      int            `json:"candidates"` // nodes that can be ILMs
	ILMsStart       int            `json:"ilms_start"`
	ILMsEnd         int            `json:"ilms_end"`
	Transformations map[string]int `json:"transformations"`
	Promotions      int            `json:"promotions"`
	Failovers       int            `json:"failovers"`      // ILMs whose nodes others took over
	NodesMoved      int            `json:"nodes_moved"`    // by planned moves and failovers
	Polls           int            `json:"polls"`          // as the nodes counted them
	Coverage        float64        `json:"coverage"`       // of the living nodes, at the end
	SamplesLost     int            `json:"samples_lost"`   // at changes of manager without a kill
	SamplesMissed   int            `json:"samples_missed"` // slots that no move explains: time-outs, stalls of the machine
	SamplesDup      int            `json:"samples_duplicated"`
	SamplesUnproven int            `json:"samples_unproven"` // held, though no node was asked
	FailoverGap     int            `json:"failover_gap_slots_max"`
	Uncovered       float64        `json:"uncovered_max_seconds"`     // beyond one poll interval
	DoublePolled    float64        `json:"double_polled_max_seconds"` // two managers side by side
	Stalled         float64        `json:"stalled_max_seconds"`       // the process did not run; 0: never for half a poll interval
	Seconds         float64        `json:"seconds"`
}

// result judges what was collected. Call it while the fleet still runs.
func (s *script) result(end time.Time) Result {
	s.collect()
	s.mu.Lock()
	happened := course{time.Duration(s.fleet.cfg.Poll), maps.Clone(s.killed), slices.Clone(s.stalls), end}
	s.mu.Unlock()
	f := judge(s.histories, happened)
	c := s.fleet.top.Manager().Conductor()
	r := Result{
		Nodes: s.fleet.cfg.Nodes, Candidates: s.fleet.cfg.ILMs, ILMsStart: s.ilmStart,
		Transformations: map[string]int{"split": 0, "migrate": 0, "merge": 0},
		Polls:           f.Polls, Coverage: f.Coverage, SamplesLost: f.Lost, SamplesMissed: f.Missed, SamplesDup: f.Duplicated, SamplesUnproven: f.Unproven,
		FailoverGap: f.FailoverGap, Uncovered: round(f.Uncovered), DoublePolled: round(f.DoublePolled), Stalled: round(f.Stalled),
		NodesMoved: int(c.Counters().Moves), Seconds: round(end.Sub(s.began)),
	}
	for _, child := range c.Children() {
		if child.Ready && !child.Silent {
			r.ILMsEnd++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		switch e.Kind {
		case reconfig.KindSplit, reconfig.KindMigrate, reconfig.KindMerge, reconfig.KindFork, reconfig.KindJoin:
			r.Transformations[e.Kind.String()]++
		case reconfig.KindPromote:
			if e.Node != 0 { // else it is its row that moves up for it
				r.Promotions++
			}
		case reconfig.KindLost:
			if e.Nodes > 0 {
				r.Failovers++
			}
		}
	}
	return r
}

func round(d time.Duration) float64 { return float64(d.Round(time.Millisecond).Milliseconds()) / 1000 }
