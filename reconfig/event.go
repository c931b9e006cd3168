package reconfig

import (
	"time"

	"simone/mib"
)

// Event is something that happened, told to Engine.Step. Every event says
// when; instants never go backwards.
type Event interface{ at() Instant }

// At is when an event happened.
type At struct{ Now Instant }

func (a At) at() Instant { return a.Now }

// Restarted is the first event of an Engine's life: the manager runs and may
// act. Restored says that its store came from a backup.
type Restarted struct {
	At
	Restored bool
}

// Ticked says that time has passed; due at the latest at Engine.Deadline.
type Ticked struct{ At }

// ChildReported answers a Probe: the child lives, and this is its state.
type ChildReported struct {
	At
	Action ActionID // the Probe it answers
	Child  mib.NodeID
	Report Report
}

// ChildSilent says that the child is known to be gone (it said so, or the
// host saw it), without waiting for probes to miss.
type ChildSilent struct {
	At
	Child mib.NodeID
}

// LogRead answers a ReadLog.
type LogRead struct {
	At
	Action      ActionID
	Child       mib.NodeID
	Incarnation uint64
	Records     []mib.Record // in order of Seq; records that fell off the log are missing
}

// NodeJoined adds a node to the inventory, or changes what is known of it. A
// node with a known UUID, or without UUID a known ID or Key, keeps its ID; an
// unknown one gets the ID that it says it has if that is free (it joined
// after the backup that this store came from), else the next.
type NodeJoined struct {
	At
	Node Node // only the inventory's part is read, and the Epoch that the node was last announced
	// Active says that the node calls itself an ILM. One that this manager
	// does not know as such is taken as a child, so that its rows are found
	// (a store that was restored from before its promotion).
	Active bool
}

// NodeLeft takes a node out of the inventory for good.
type NodeLeft struct {
	At
	Node mib.NodeID
}

// ActionDone says that an action with an ID has had its effect.
type ActionDone struct {
	At
	Action ActionID
}

// ActionFailed says that an action with an ID failed, or may have.
type ActionFailed struct {
	At
	Action ActionID
	Why    Failure
	Text   string
}

// Failure is why an action failed.
type Failure uint8

// The failures.
const (
	TimedOut   Failure = 1 + iota // no answer: the effect may still come
	FenceStale                    // the target has seen a higher fence
	EpochStale                    // the target has seen a newer epoch for a row (or its tombstone)
	NotHeld                       // the target lacks the credential, profile or room for a row
	Malformed                     // the target could make no sense of it
	NotILM                        // rows for a node that is no ILM: it has to be promoted first
)

func (f Failure) String() string {
	return [...]string{"unknown", "timed out", "fence is stale", "epoch is stale", "credential, profile or room not held", "malformed", "no ILM"}[min(int(f), 6)]
}

// OperatorAsked carries an operator's wish.
type OperatorAsked struct {
	At
	Ask  Ask
	Node mib.NodeID // of Drain, Undrain, Pin, Unpin
	// Places are AskPlace's.
	Places []Place
}

// Place says which ILM is to have a node.
type Place struct {
	Node mib.NodeID
	At   mib.NodeID // 0: Node is an ILM that is to be a leaf again
}

// Ask is what an operator can ask for.
type Ask uint8

// The asks.
const (
	AskTrigger Ask = 1 + iota // run a round now
	AskPause                  // stop planned moves; failover goes on
	AskResume
	AskDrain // hand everything this ILM has to others and give it nothing
	AskUndrain
	AskPin // leave this node where it is, whatever the policy says
	AskUnpin
	AskPlace // give nodes to the ILMs named, by planned moves
)

// Tuned changes the settings at run time.
type Tuned struct {
	At
	Settings Settings
}

// Relayed says that the manager above has stored what was relayed of a
// child's log up to a cursor.
type Relayed struct {
	At
	Child  mib.NodeID
	Cursor Cursor
}

// Unrelayed says that what was relayed of a child's log is not in this
// manager's beyond a cursor: there was no room, or it has fallen off. A zero
// Cursor is the one up to which the manager above has stored it.
type Unrelayed struct {
	At
	Child  mib.NodeID
	Cursor Cursor
}

// Vouched says that the manager above knows of an announced ILM.
type Vouched struct {
	At
	Child mib.NodeID
}

// Measured tells what its children have cost the manager since it was told
// last.
type Measured struct {
	At
	Load Load
}

// Claimed says that the manager above is another one, or has begun anew: it
// may know of no ILM below. So it may if it never read an announcement.
type Claimed struct{ At }

// Report is what a manager reads of a child at each probe.
type Report struct {
	Fence       mib.Fence
	Active      bool    // the child is an ILM
	Windows     uint32  // trigger windows that it has completed since it became one
	Temperature float64 // stu, of the last window
	Weighted    float64 // stu, with history
	Latency     time.Duration
	Intrusion   float64 // percent
	Utilisation float64 // 0..1
	Digest      mib.Digest
	Subtree     mib.Digest // of the nodes that it and the ILMs below it poll
	Log         Cursor     // incarnation and head of its report log
	Lease       time.Duration
	Capacity    int // rows; 0: not said
	Host        HostLoad

	Full bool // Rows is the whole support list; else those asked for that it has
	Rows []RowReport
}

// HostLoad is what a node says of the machine that it is on.
type HostLoad struct {
	Known bool
	Load  float64 // processes that one more would share each CPU with, without SIMONE's own
	Speed float64 // of a CPU, 1 being the reference machine's; 0: not known
}

// RowReport is one row of a child's support list.
type RowReport struct {
	Row     mib.SupportRow // Epoch, Slot (the next that is not concluded) and Due; all of it in a full report
	First   uint32         // first slot sampled under this row, 0: none
	Samples uint32         // since the row was created
	Failing bool
	Cost    time.Duration
}
