package reconfig

import (
	"slices"
	"time"

	"simone/mib"
)

// Meta is what a manager keeps about itself across restarts.
type Meta struct {
	Self   mib.NodeID
	Level  int       // 0 for the TLM
	Term   uint32    // raised at every start, never used twice
	High   mib.Epoch // the newest epoch given or seen
	NextID mib.NodeID
	Order  uint64 // counts commits; orders a support list by when nodes came
	Paused bool
	// Restored is the term in which the store was restored from a backup; 0:
	// never. What was given before may have been given away since, at epochs
	// that are newer.
	Restored uint32 `json:",omitzero"`
	// Backed is High as the backup had it: what lies between it and the term
	// Restored was given in a time that this store knows nothing of.
	Backed mib.Epoch `json:",omitzero"`
	// Levels is how many levels of ILMs forks have put below each ILM, and
	// Carry how many nodes one ILM was taken to carry at the last fork.
	Levels int     `json:",omitzero"`
	Carry  float64 `json:",omitzero"`
	// Served is how many ILMs this manager could serve then.
	Served int `json:",omitzero"`
}

// Node is what a manager keeps about one node: what it is (from the
// inventory) and whose it is.
type Node struct {
	ID           mib.NodeID
	UUID         string
	Key          string // the inventory's name for it: the identity of a device
	Name         string
	Address      string
	Kind         mib.Kind // KindLeaf or KindDevice; whether it is an ILM follows from Wanted
	Profile      string
	Credential   string
	Interval     time.Duration
	Zone         string
	Candidate    bool
	Capabilities []string // "credential:NAME", "profile:NAME"; none advertised: all assumed
	Drained      bool     // durable, overrides every policy, ends by the operator's word
	Pinned       bool     // likewise
	// Placed is the ILM that an operator asked to have the node; 0: none did,
	// or it has it.
	Placed mib.NodeID `json:",omitzero"`

	Owner  mib.NodeID // the manager whose samples count; 0: nobody yet
	Epoch  mib.Epoch
	Fence  uint32       // the fence slot of the last commit: from it on the owner's samples count
	Zero   Instant      // when slot 0 was due, on this manager's clock
	Order  uint64       // Meta.Order of the commit that brought it to Owner
	Prev   []mib.NodeID // earlier owners that may still have its row, sorted
	Intent Intent
	Banned []Ban

	// Grant is the epoch at which the manager above has given the node to this
	// one; the epochs that this one makes for it begin with it. Zero at the top.
	Grant mib.Epoch
	// Manager says that the node is an ILM below its owner. If the owner is
	// lost, this manager adopts it with all that it polls.
	Manager bool
	// Under is the manager right above the node if it is an ILM further down:
	// one below an ILM below its owner, or deeper. 0 if it is none.
	Under mib.NodeID
	// Heard is the epoch at which the manager that says so has the node: what
	// one says that has it at an older epoch counts no more.
	Heard mib.Epoch `json:",omitzero"`
	// Ended says that the node has been an ILM below this manager, and is none any
	// more: a manager above may still take it for one.
	Ended bool `json:",omitempty"`

	Wanted   bool // is to be an ILM under this manager
	Vouched  bool // the manager above knows that it is one: it may be given nodes
	Retiring bool // is to hand over its list and become a leaf again
}

// Intent is a move under way: the row is to be staged at Target, and the move
// committed when the row there has proved itself.
type Intent struct {
	Target mib.NodeID // 0: no intent
	Epoch  mib.Epoch
	Why    Kind
}

// Ban keeps a node away from a manager that could not reach it.
type Ban struct {
	Target mib.NodeID
	Until  Instant
}

// Cursor is how far a report log has been stored.
type Cursor struct {
	Incarnation uint64
	Seq         uint32
}

// State is everything an Engine keeps across restarts.
type State struct {
	Meta    Meta
	Nodes   map[mib.NodeID]Node
	Ledgers map[mib.NodeID]Ledger
	Cursors map[mib.NodeID]Cursor // by child
}

// Txn is one transaction on a manager's store: done whole or not at all, and
// only while the manager still leads.
type Txn struct {
	Meta    *Meta
	Nodes   []Node       // put
	Forget  []mib.NodeID // delete: node, ledger
	Ledgers []LedgerOf   // put
	Cursors []CursorOf   // put
	Samples []Stored     // append to the history of their nodes
}

// Empty reports whether there is nothing to write.
func (t *Txn) Empty() bool {
	return t.Meta == nil && len(t.Nodes) == 0 && len(t.Forget) == 0 &&
		len(t.Ledgers) == 0 && len(t.Cursors) == 0 && len(t.Samples) == 0
}

// LedgerOf is a node's ledger in a transaction.
type LedgerOf struct {
	Node   mib.NodeID
	Ledger Ledger
}

// CursorOf is a child's cursor in a transaction.
type CursorOf struct {
	Child  mib.NodeID
	Cursor Cursor
}

// Stored is a sample that counts: the one that fills its slot.
type Stored struct {
	Node    mib.NodeID
	Slot    uint32
	At      Instant
	By      mib.NodeID // the manager that polled it
	Payload []byte     // a packed mib.Sample
}

// manages reports whether the node is an ILM somewhere below its owner.
func (n *Node) manages() bool { return n.Manager || n.Under != 0 }

// movable reports whether a policy may move a node that has an owner: nobody
// else does or has said where it is to be, and it is no ILM, which would leave
// what it polls and what nobody has read of its log.
func (n *Node) movable() bool {
	return !n.Pinned && n.Placed == 0 && n.Intent.Target == 0 && !n.Wanted && !n.manages()
}

// basis is what epochs of a manager of a level begin with for the node: its
// grant, or what the manager has made of it under that when it was of a higher
// level, nearer to the top.
func (n *Node) basis(level int) []uint32 {
	for i, count := range n.Grant[:level] {
		if count != 0 && n.Epoch[i] != count {
			return n.Grant[:level]
		}
	}
	if slices.Compare(n.Epoch[:level], n.Grant[:level]) > 0 {
		return n.Epoch[:level]
	}
	return n.Grant[:level]
}

func (n *Node) clone() Node {
	c := *n
	c.Prev = slices.Clone(n.Prev)
	c.Banned = slices.Clone(n.Banned)
	return c
}

func (n *Node) banned(from mib.NodeID, now Instant) bool {
	for _, b := range n.Banned {
		if b.Target == from && now < b.Until {
			return true
		}
	}
	return false
}

func (n *Node) ban(from mib.NodeID, until Instant) {
	n.unban(from)
	n.Banned = append(n.Banned, Ban{from, until})
}

func (n *Node) unban(from mib.NodeID) {
	n.Banned = slices.DeleteFunc(n.Banned, func(b Ban) bool { return b.Target == from })
}

func (n *Node) addPrev(id mib.NodeID) {
	if i, found := slices.BinarySearch(n.Prev, id); !found {
		n.Prev = slices.Insert(n.Prev, i, id)
	}
}

func (n *Node) removePrev(id mib.NodeID) {
	if i, found := slices.BinarySearch(n.Prev, id); found {
		n.Prev = slices.Delete(n.Prev, i, i+1)
	}
}

func (n *Node) wasOwner(id mib.NodeID) bool {
	_, found := slices.BinarySearch(n.Prev, id)
	return found
}
