package reconfig

import "simone/mib"

// Engine is a manager's reconfiguration engine.
type Engine struct{}

// New makes an engine from what the store kept. The seed steers the few
// choices that are made by chance. Its first event must be Restarted.
func New(state State, settings Settings, seed uint64) *Engine { return nil }

// Step takes an event and gives the actions it asks for.
func (e *Engine) Step(ev Event) ([]Action, error) { return nil, nil }

// Deadline is when the engine wants to be Ticked at the latest.
func (e *Engine) Deadline() Instant { return 0 }

// Node gives what is known of a node.
func (e *Engine) Node(id mib.NodeID) (Node, bool) { return Node{}, false }

// NextNode is the first known node after id.
func (e *Engine) NextNode(id mib.NodeID) (mib.NodeID, bool) { return 0, false }

// Children gives the state of every child manager, by NodeID, without self.
func (e *Engine) Children() []ChildStatus { return nil }

// ChildStatus is what an engine knows of a child manager.
type ChildStatus struct {
	ID       mib.NodeID
	Report   Report  // the last
	At       Instant // of the last report; 0: none yet
	Silent   bool
	Retiring bool
	Nodes    int // that it owns
}

// Counters count what an engine did since it started.
type Counters struct {
	Rounds, Moves, Aborts, Failovers   uint64
	Splits, Migrates, Merges           uint64
	Alerts, StaleFences, SamplesStored uint64
	SamplesRefused, Claims             uint64
}

// Counters gives the counts.
func (e *Engine) Counters() Counters { return Counters{} }

// Round is what the last round saw and decided.
type Round struct {
	At       Instant
	Children []RoundChild
	Done     []Transformation
}

// RoundChild is one child in a round.
type RoundChild struct {
	ID          mib.NodeID
	Temperature float64
	Nodes       int
	Verdict     string // in words: what was done, or why nothing
}

// LastRound gives the last round; its At is 0 before the first.
func (e *Engine) LastRound() Round { return Round{} }
