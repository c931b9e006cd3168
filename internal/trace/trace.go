// Package trace keeps what a top-level manager saw in its rounds, and whose each
// node was, in files beside its store: from them `simonectl reconfig plan` replays
// the last hours in the simulator, and `simonectl reconfig rollback` returns to an
// earlier assignment.
//
// A trace is a directory of files of JSON lines, one line a round. The first round
// of a file says all that is known, each further one what has changed, so that
// every file can be read by itself and old ones can be thrown away.
package trace

import (
	"slices"
	"time"

	"simone/mib"
)

// Round is what was seen at one trigger. As it stands in a file its Settings and
// Nodes are only those that have changed since the round before.
type Round struct {
	At       time.Time    `json:"at"`
	Whole    bool         `json:"whole,omitempty"` // the first of a file: nothing before it counts
	Settings *Settings    `json:"settings,omitempty"`
	ILMs     []ILM        `json:"ilms"`
	Nodes    []Node       `json:"nodes,omitempty"`
	Gone     []mib.NodeID `json:"gone,omitempty"` // nodes that are not in the inventory any more
}

// Settings are what the manager decided by.
type Settings struct {
	Policy     string     `json:"policy"`
	Automatic  bool       `json:"automatic"`
	Thresholds [3]float64 `json:"thresholds"` // merge, split, migrate; stu
	STU        float64    `json:"stu"`        // seconds
	Trigger    float64    `json:"trigger"`    // seconds
	Interval   float64    `json:"interval"`   // of polls, seconds
	Churn      float64    `json:"churn"`      // share of the nodes in a round
	MinILMs    int        `json:"ilms_min"`
	MaxILMs    int        `json:"ilms_max"`
	Weighted   bool       `json:"weighted,omitempty"`
	Budget     int        `json:"moves_per_hour,omitempty"` // 0: as the policy has it
}

// ILM is how one ILM was.
type ILM struct {
	ID          mib.NodeID `json:"id"`
	Temperature float64    `json:"t"` // stu
	Latency     float64    `json:"l"` // seconds
	Utilisation float64    `json:"u"` // of its CPU, 0 to 1
	Nodes       int        `json:"n"`
	Silent      bool       `json:"silent,omitempty"`
}

// Node is how one node was.
type Node struct {
	ID        mib.NodeID `json:"id"`
	Name      string     `json:"name,omitempty"`
	Owner     mib.NodeID `json:"owner"`
	Candidate bool       `json:"candidate,omitempty"`
	ILM       bool       `json:"ilm,omitempty"`
	Interval  float64    `json:"interval,omitempty"` // seconds; 0: the settings'
	Cost      float64    `json:"cost,omitempty"`     // of one poll at its manager, CPU seconds
	Load      float64    `json:"load,omitempty"`     // jobs in its run queue, of candidates
	Speed     float64    `json:"speed,omitempty"`    // relative to others; 0: not known
}

// sameNode reports whether two differ by nothing that a replay would notice:
// measures tremble, and each line costs space.
func sameNode(a, b *Node) bool {
	near := func(x, y float64) bool {
		d := max(x-y, y-x)
		return d <= 0.1*max(x, y)
	}
	return a.Name == b.Name && a.Owner == b.Owner && a.Candidate == b.Candidate && a.ILM == b.ILM && a.Interval == b.Interval &&
		near(a.Cost, b.Cost) && near(a.Load, b.Load) && near(a.Speed, b.Speed)
}

// changes says what of a round is new against the state after the one before.
func changes(before *state, now *Round) Round {
	out := Round{At: now.At, ILMs: now.ILMs}
	if now.Settings != nil && (before.settings == nil || *before.settings != *now.Settings) {
		out.Settings = now.Settings
	}
	left := len(before.nodes)
	for i := range now.Nodes {
		n := &now.Nodes[i]
		old, known := before.nodes[n.ID]
		if known {
			left--
		}
		if !known || !sameNode(&old, n) {
			out.Nodes = append(out.Nodes, *n)
		}
	}
	if left > 0 {
		still := make(map[mib.NodeID]bool, len(now.Nodes))
		for i := range now.Nodes {
			still[now.Nodes[i].ID] = true
		}
		for id := range before.nodes {
			if !still[id] {
				out.Gone = append(out.Gone, id)
			}
		}
		slices.Sort(out.Gone)
	}
	return out
}

// state is what holds after a round.
type state struct {
	settings *Settings
	nodes    map[mib.NodeID]Node
}

func (s *state) take(r *Round) {
	if r.Whole || s.nodes == nil {
		s.settings, s.nodes = nil, make(map[mib.NodeID]Node, len(r.Nodes))
	}
	if r.Settings != nil {
		s.settings = r.Settings
	}
	for _, n := range r.Nodes {
		s.nodes[n.ID] = n
	}
	for _, id := range r.Gone {
		delete(s.nodes, id)
	}
}
