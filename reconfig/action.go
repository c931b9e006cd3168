package reconfig

import (
	"simone/mib"
)

// ActionID pairs an action with the event that answers it. IDs are not
// reused within an Engine's life.
type ActionID uint64

// Action is something the Engine asks its host to do. The host takes the
// actions of one Step in order. A Persist must be on disk before any action
// after it is begun; if it fails, the host does nothing further, drops the
// Engine and starts again from the store. Other actions may overlap; each one
// with an ID is answered by exactly one event.
type Action interface{ action() }

// Persist writes a transaction to the manager's store, on condition that it
// still leads.
type Persist struct{ Txn Txn }

// Control asks for one control SET at a child: the fence first, then the
// rest, done by the child in one durable write or not at all. An Engine has
// at most one outstanding per child. Answered by ActionDone or ActionFailed.
type Control struct {
	ID    ActionID
	Child mib.NodeID
	ControlSet
}

// ControlSet is the content of a control SET.
type ControlSet struct {
	Verb     ControlVerb
	Fence    mib.Fence
	Apply    mib.Apply   // of Stage and Release
	Cursor   Cursor      // of Acknowledge
	Settings IlmSettings // of Promote
}

// IlmSettings is what a parent tells a node that becomes an ILM.
type IlmSettings struct {
	TriggerMillis uint32
	PollMillis    uint32
	Levels        uint32 // how many levels of ILMs there may be below it
	Below         uint32 // how many ILMs it is to keep below itself at least, if Levels is not 0; 0: as many as its nodes take
	FanIn         uint32 `json:",omitzero"` // how many ILMs it may have right below itself; 0: as many as it can serve
	Rules         Rules  `json:",omitzero"`
}

// ControlVerb says what a control SET is for.
type ControlVerb uint8

// The control verbs.
const (
	Claim       ControlVerb = 1 + iota // raise the fence, nothing else
	Stage                              // put rows, or raise their epochs
	Release                            // destroy rows
	Promote                            // become an ILM
	Demote                             // become a leaf
	Acknowledge                        // forget the log to here
)

func (v ControlVerb) String() string {
	return [...]string{"?", "claim", "stage", "release", "promote", "demote", "acknowledge"}[min(int(v), 6)]
}

// Probe asks for a child's report: with its whole list, or with the named
// rows. Answered by ChildReported or ActionFailed.
type Probe struct {
	ID    ActionID
	Child mib.NodeID
	Full  bool
	Rows  []mib.NodeID
}

// ReadLog asks for a child's report log after a cursor. Answered by LogRead
// or ActionFailed.
type ReadLog struct {
	ID    ActionID
	Child mib.NodeID
	From  Cursor
}

// Alert tells people of a thing that needs them.
type Alert struct{ Text string }

// Record puts an entry into the event table.
type Record struct{ Entry Entry }

// Entry is what was done, why, and what came of it (simoneEventTable).
type Entry struct {
	At       Instant
	Kind     Kind
	Node     mib.NodeID // of a single node's events; 0 otherwise
	From, To mib.NodeID
	Nodes    int // how many nodes it concerned
	Seen     string
	Expected string
	Outcome  string
}

// Relay passes records of a child's log on into the log that the manager
// above reads. Only an engine below the top asks for it.
type Relay struct {
	Child   mib.NodeID
	Cursor  Cursor // of the last of the records
	Records []mib.Record
}

// Announce tells the manager above that a node has become an ILM below this
// one, or is none any more.
type Announce struct {
	Child  mib.NodeID
	Active bool
	Under  mib.NodeID // the manager right above it, if that is not this one
	Epoch  mib.Epoch  // at which that one has it: who has it at an older one is heard no more
}

// Outgrown tells the manager above of a row below that is at a newer epoch than
// it has granted the node at.
type Outgrown struct {
	Node  mib.NodeID
	Epoch mib.Epoch
}

func (Outgrown) action() {}
func (Relay) action()    {}
func (Announce) action() {}
func (Persist) action()  {}
func (Control) action()  {}
func (Probe) action()    {}
func (ReadLog) action()  {}
func (Alert) action()    {}
func (Record) action()   {}

// Kind says what an event or a move is about.
type Kind uint8

// The kinds. Wire numbers are append-only.
const (
	KindNone Kind = iota
	KindSplit
	KindMigrate
	KindMerge
	KindFork
	KindJoin
	KindFailover
	KindAssign  // a node's first owner
	KindPromote // a node becomes an ILM
	KindDemote
	KindDrain
	KindUndrain
	KindPin
	KindUnpin
	KindPause
	KindResume
	KindTrigger
	KindLost  // an ILM went silent
	KindBack  // an ILM is back
	KindAbort // a move was given up
	KindAdopt // a row was found that the store did not know
	KindTerm  // the manager raised its term
	KindJoined
	KindLeft
	KindTuned
	KindSuspect // the manager suspects that it is itself cut off
	KindOutcome // what came of a transformation
	KindRestore // a node goes back to a manager that can reach it
	KindRound
	KindLead  // a manager leads, of several that share a store
	KindPlace // an operator asked that an ILM have a node
	KindShed  // a manager has no time for all polls, or has again
)

var kindNames = [...]string{
	"none", "split", "migrate", "merge", "fork", "join", "failover", "assign", "promote", "demote",
	"drain", "undrain", "pin", "unpin", "pause", "resume", "trigger", "lost", "back", "abort", "adopt",
	"term", "joined", "left", "tuned", "suspect", "outcome", "restore", "round", "lead",
	"place", "shed",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind?"
}
