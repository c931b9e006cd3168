package reconfig

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"simone/mib"
)

// Engine is a manager's reconfiguration engine: it knows every node's owner,
// watches the child managers, decides who polls whom, and moves nodes between
// them by the protocol of docs/protocol.md. It holds no lock, clock or
// connection: its host feeds it events and does what it asks.
type Engine struct {
	settings Settings
	policy   Policy
	chance   *rand.Rand
	state    State
	now      Instant
	begun    bool

	children map[mib.NodeID]*child // self among them
	line     []*child              // children by NodeID
	ids      []mib.NodeID          // of nodes, sorted
	hosting  []hosting             // of ids
	owned    map[mib.NodeID]map[mib.NodeID]struct{}
	wanted   map[mib.NodeID]struct{}                // nodes that are to be ILMs
	deeper   map[mib.NodeID]struct{}                // nodes that are ILMs below others
	open     map[mib.NodeID]struct{}                // nodes that are not as they should be, or may not be
	moving   map[mib.NodeID]struct{}                // nodes with an open intent
	tied     map[mib.NodeID]map[mib.NodeID]struct{} // by child: nodes that are to go there, or were its own
	holders  map[mib.NodeID][]mib.NodeID            // by node: children with its row
	read     bool                                   // when last looked: all children that answer were read in this term
	short    bool                                   // when last looked: there were too few candidates
	agenda   agenda
	kin      []*child // room for related

	nextAction  ActionID
	nextRound   Instant
	asked       bool                        // a round was asked for
	herald      bool                        // the manager above is to be told of ILMs further down
	holdUntil   Instant                     // no failover before: the manager suspects itself
	formed      bool                        // the first ILMs have been promoted
	formBy      Instant                     // until when nodes wait for ILMs that are being promoted
	openedAt    map[mib.NodeID]Instant      // when a node's intent was opened
	stagedFrom  map[mib.NodeID]uint32       // the slot from which a node was last staged where it moves to
	heardOf     map[mib.NodeID]Instant      // when the owner got the node or last had a record of it, with levels below
	since       Instant                     // when this life began
	committed   map[mib.NodeID]Instant      // when a node got its owner, for those whose earlier owners' rows are not gone
	failing     map[mib.NodeID]bool         // as the logs say
	scouts      map[mib.NodeID]*scout       // candidates that a restored manager still asks whom they obey
	addressed   map[mib.NodeID]mib.Epoch    // after a restore: the newest row that has told a node's address
	searches    map[mib.NodeID]*search      // for who reaches a node that its owner does not
	promoting   map[mib.NodeID]bool         // promoted in this life, not yet a child
	rankAt      Instant                     // when all terms spent on outranking others are made up for
	spurned     map[mib.NodeID]Instant      // not to be promoted before
	askedAt     map[mib.NodeID]Instant      // since when a node has waited to go where an operator asked
	quietUntil  map[mib.NodeID]Instant      // after a move was given up: none but a failover before
	ended       map[mib.NodeID]struct{}     // nodes with Ended set
	said        map[mib.NodeID]struct{}     // those that this life has told the manager above
	newer       map[mib.NodeID]mib.Epoch    // rows at newer epochs than granted, of which the manager above was told
	called      map[mib.NodeID]Instant      // nodes that call themselves ILMs and may be below their owners
	heirs       map[mib.NodeID][]mib.NodeID // ILMs that were below a lost one, by that
	heirsUntil  map[mib.NodeID]Instant
	plans       []plan
	follow      []following
	memory      memory
	hosts       map[mib.NodeID]*host // what machines have to do beside
	hostMetrics []uint32
	looks       []*look // decisions of which the machine is asked first
	spare       int     // nodes that may still be moved until the next round
	rose        Instant // when an ILM's machine was found to have more to do than it had; 0: not since
	credit      credit
	lessons     yield
	depth       depth
	round       Round
	counters    Counters

	// What the present step has changed and asks for.
	out          []Action
	samples      []Stored
	forget       []mib.NodeID
	dirtyMeta    bool
	dirtyNodes   map[mib.NodeID]struct{}
	dirtyLedgers map[mib.NodeID]struct{}
	dirtyCursors map[mib.NodeID]struct{}
}

// maxTerm is the highest term that an epoch's sixteen bits can hold.
const maxTerm = 1<<16 - 1

// restoreJump is by how much a restore raises the term, so that no term that
// was used after the backup is used again.
const restoreJump = 1024

var (
	// ErrNotStarted says that an event came before Restarted.
	ErrNotStarted = errors.New("the engine's first event must be Restarted")
	// ErrTermsUsedUp says that the manager cannot raise its term any more.
	ErrTermsUsedUp = errors.New("the manager's terms are used up: begin with a new store; the tree will be adopted from the ILMs")
)

// New makes an engine from what the store kept. The seed steers the few
// choices that are made by chance. Its first event must be Restarted.
func New(state State, settings Settings, seed uint64) *Engine {
	e := &Engine{
		settings: settings, chance: rand.New(rand.NewPCG(seed, 0x51)), state: state,
		children: make(map[mib.NodeID]*child), owned: make(map[mib.NodeID]map[mib.NodeID]struct{}),
		newer: make(map[mib.NodeID]mib.Epoch), ended: make(map[mib.NodeID]struct{}), said: make(map[mib.NodeID]struct{}), called: make(map[mib.NodeID]Instant), heirs: make(map[mib.NodeID][]mib.NodeID), heirsUntil: make(map[mib.NodeID]Instant),
		failing: make(map[mib.NodeID]bool), askedAt: make(map[mib.NodeID]Instant), quietUntil: make(map[mib.NodeID]Instant), spurned: make(map[mib.NodeID]Instant),
		scouts: make(map[mib.NodeID]*scout), addressed: make(map[mib.NodeID]mib.Epoch), searches: make(map[mib.NodeID]*search), heardOf: make(map[mib.NodeID]Instant), promoting: make(map[mib.NodeID]bool), committed: make(map[mib.NodeID]Instant),
		wanted: make(map[mib.NodeID]struct{}), deeper: make(map[mib.NodeID]struct{}), open: make(map[mib.NodeID]struct{}), openedAt: make(map[mib.NodeID]Instant), stagedFrom: make(map[mib.NodeID]uint32),
		moving: make(map[mib.NodeID]struct{}), tied: make(map[mib.NodeID]map[mib.NodeID]struct{}), holders: make(map[mib.NodeID][]mib.NodeID),
		agenda:     agenda{nodes: make(map[mib.NodeID]struct{}), waiting: make(map[mib.NodeID]struct{})},
		dirtyNodes: make(map[mib.NodeID]struct{}), dirtyLedgers: make(map[mib.NodeID]struct{}), dirtyCursors: make(map[mib.NodeID]struct{}),
	}
	if e.state.Nodes == nil {
		e.state.Nodes = make(map[mib.NodeID]Node)
	}
	if e.state.Ledgers == nil {
		e.state.Ledgers = make(map[mib.NodeID]Ledger)
	}
	if e.state.Cursors == nil {
		e.state.Cursors = make(map[mib.NodeID]Cursor)
	}
	e.hosts, e.hostMetrics = make(map[mib.NodeID]*host), hostMetrics()
	if e.policy, _ = PolicyByName(settings.Policy); e.policy == nil {
		e.policy = Balance{}
	}
	if e.state.Meta.Self == 0 {
		e.state.Meta.Self = 1
	}
	e.state.Meta.NextID = max(e.state.Meta.NextID, e.state.Meta.Self+1)
	for id, n := range e.state.Nodes {
		e.ids = append(e.ids, id)
		e.own(n.Owner, id)
		e.want(&n)
		e.tie(&n)
		e.state.Meta.NextID = max(e.state.Meta.NextID, id+1)
	}
	slices.Sort(e.ids)
	for _, id := range e.ids {
		n := e.state.Nodes[id]
		e.hosting = append(e.hosting, e.hostingOf(&n))
	}
	return e
}

// Step takes an event and gives the actions it asks for. An error means that
// the engine cannot go on; nothing of the step is to be carried out.
func (e *Engine) Step(ev Event) ([]Action, error) {
	if _, first := ev.(Restarted); !e.begun && !first {
		return nil, ErrNotStarted
	}
	e.now = max(e.now, ev.at())
	e.depth.full = false
	e.out, e.samples, e.forget = nil, nil, nil
	e.concern(ev)
	switch ev := ev.(type) {
	case Restarted:
		e.restarted(ev)
	case Ticked:
	case ChildReported:
		e.reported(ev)
	case ChildSilent:
		if c := e.children[ev.Child]; c != nil && !c.self {
			c.leftAt = e.now
			e.silence(c)
		}
	case LogRead:
		e.logRead(ev)
	case NodeJoined:
		e.joined(ev)
	case NodeLeft:
		e.left(ev.Node)
	case ActionDone:
		e.done(ev.Action)
	case ActionFailed:
		e.failed(ev)
	case OperatorAsked:
		e.operator(ev)
	case Tuned:
		e.tuned(ev.Settings)
	case Relayed:
		e.relayed(ev)
	case Unrelayed:
		e.unrelayed(ev)
	case Claimed:
		e.herald = true
		clear(e.newer)
		clear(e.said)
		for _, c := range e.children {
			c.announced = false
		}
	case Measured:
		e.depth.load = ev.Load
	case Vouched:
		e.vouched(ev.Child)
	default:
		return nil, fmt.Errorf("unknown event %T", ev)
	}
	e.work()
	if e.state.Meta.Term > maxTerm {
		return nil, ErrTermsUsedUp
	}
	return e.flush(), nil
}

// work brings things nearer to how they should be: it compares what is known
// with what is wanted and acts on the difference, whatever the event was.
func (e *Engine) work() {
	e.complete()
	e.claimAll()
	ready := e.allSeen()
	if ready {
		e.place()
		e.advancePlans()
		if e.asked || e.now >= e.nextRound {
			e.runRound()
		} else if e.rose != 0 && e.allTold() {
			e.react()
		}
		e.settleAll()
		e.control()
		for _, c := range e.stirred() {
			e.readLog(c)
			e.announce(c)
		}
		e.announceDeeper()
	} else {
		for id := range e.agenda.nodes { // probes ask for their rows
			e.enrol(id)
		}
	}
	e.probeAll()
	e.settleAgenda()
	e.agenda.all = !ready // all that was left undone is to be done once it can be
}

// flush gives the step's actions, the write that they depend on first.
func (e *Engine) flush() []Action {
	var t Txn
	if e.dirtyMeta {
		m := e.state.Meta
		t.Meta = &m
	}
	for _, id := range sortedKeys(e.dirtyNodes) {
		if n, ok := e.state.Nodes[id]; ok {
			t.Nodes = append(t.Nodes, n.clone())
		}
	}
	for _, id := range sortedKeys(e.dirtyLedgers) {
		if l, ok := e.state.Ledgers[id]; ok {
			t.Ledgers = append(t.Ledgers, LedgerOf{id, l.clone()})
		}
	}
	for _, id := range sortedKeys(e.dirtyCursors) {
		t.Cursors = append(t.Cursors, CursorOf{id, e.state.Cursors[id]})
	}
	t.Forget, t.Samples = e.forget, e.samples
	e.dirtyMeta = false
	e.dirtyNodes, e.dirtyLedgers, e.dirtyCursors = emptied(e.dirtyNodes), emptied(e.dirtyLedgers), emptied(e.dirtyCursors)
	if t.Empty() {
		return e.out
	}
	switch {
	case !e.keeps(GuardStoreFirst):
		return append(e.out, Persist{t})
	case !e.keeps(GuardOneTxn):
		cursors := Txn{Cursors: t.Cursors}
		t.Cursors = nil
		return append([]Action{Persist{cursors}, Persist{t}}, e.out...)
	}
	return append([]Action{Persist{t}}, e.out...)
}

func (e *Engine) do(a Action) { e.out = append(e.out, a) }

func (e *Engine) action() ActionID {
	e.nextAction++
	return e.nextAction
}

func (e *Engine) record(r Entry) {
	r.At = e.now
	e.do(Record{r})
}

func (e *Engine) alert(format string, args ...any) {
	e.counters.Alerts++
	e.do(Alert{fmt.Sprintf(format, args...)})
}

func (e *Engine) restarted(ev Restarted) {
	e.begun, e.since = true, e.now
	jump := uint32(1)
	switch {
	case ev.Restored && e.keeps(GuardTermJump):
		jump = restoreJump
	case e.state.Meta.Level > 0 && e.state.Meta.Term > 0 && !e.keeps(GuardAnyTerm):
		jump = 0
	}
	e.addChild(e.state.Meta.Self)
	for _, id := range e.ids {
		n := e.state.Nodes[id]
		if ev.Restored && n.manages() { // which ILMs are below whom now they announce again
			n.Manager, n.Under = false, 0
			e.save(&n)
		}
		if n.Wanted {
			e.formed = true
			if n.Owner == e.state.Meta.Self {
				e.addChild(id)
			}
		}
		e.touch(id)
	}
	e.nextRound = e.now.Add(e.settings.Trigger)
	e.formBy = e.now.Add(e.formTime())
	e.raiseTerm(e.state.Meta.Term + jump)
	if ev.Restored {
		e.scoutAll()
		e.state.Meta.Restored, e.state.Meta.Backed = e.state.Meta.Term, e.state.Meta.High
		// Fences are ordered by the ILMs' own epochs first: what was sent after
		// the backup, and is still on its way, may have newer ones than it knows.
		for _, id := range e.ids {
			if n, _ := e.node(id); n.Owner == e.state.Meta.Self && (n.Wanted || id == n.Owner) {
				*n = n.clone()
				e.raiseOwner(n)
			}
		}
	}
}

// raiseTerm begins a new term: nothing of the old one is outstanding any
// more, and every child has to be claimed and read again.
func (e *Engine) raiseTerm(term uint32) {
	e.state.Meta.Term = term
	e.dirtyMeta, e.agenda.all = true, true
	for _, c := range e.children {
		c.newTerm()
	}
	e.record(Entry{Kind: KindTerm, Node: e.state.Meta.Self, Seen: fmt.Sprintf("term %d", term)})
}

// newEpoch gives an epoch for a node that is above every epoch known of it,
// within the own term: it begins with the levels above, as they granted the
// node, and leaves those below at zero.
func (e *Engine) newEpoch(n *Node) mib.Epoch {
	level := e.state.Meta.Level
	var next mib.Epoch
	if e.keeps(GuardGrant) {
		copy(next[:level], n.basis(level))
	}
	next[level] = e.state.Meta.High[level] + 1
	if e.keeps(GuardTermEpoch) {
		next[level] = max(next[level], e.state.Meta.Term<<16|1)
	}
	if next.Term(level) > e.state.Meta.Term { // 65,535 epochs in one term
		e.raiseTerm(next.Term(level))
	}
	e.sawEpoch(next)
	return next
}

// sawEpoch notes an epoch that was met at a child: its own level's count.
func (e *Engine) sawEpoch(ep mib.Epoch) {
	level := e.state.Meta.Level
	if e.state.Meta.High[level] < ep[level] {
		e.state.Meta.High[level] = ep[level]
		e.dirtyMeta = true
	}
}

// strange reports whether this manager, with the counts up to high, has not
// made the epoch: its count is higher, it is of a time that the store does not
// know, or a manager below has made it.
func (e *Engine) strange(ep, high mib.Epoch) bool {
	level := e.state.Meta.Level
	if m := &e.state.Meta; m.Restored > 0 && ep[level] > m.Backed[level] && ep.Term(level) < m.Restored {
		return true // of the time after the backup, whatever was given since
	}
	return ep[level] > high[level] || slices.ContainsFunc(ep[level+1:], func(count uint32) bool { return count > 0 })
}

// foreignGrant reports whether an epoch was made under a newer grant than the
// one that this manager has of the node: it is somebody else's by now.
func (e *Engine) foreignGrant(n *Node, ep mib.Epoch) bool {
	level := e.state.Meta.Level
	return slices.Compare(ep[:level], n.basis(level)) > 0
}

// interval is the time between a node's slots.
func (e *Engine) interval(n *Node) time.Duration {
	if n.Interval > 0 {
		return n.Interval
	}
	return e.settings.Interval
}

// Deadline is when the engine wants to be Ticked at the latest. What waits
// for an answer needs no tick.
func (e *Engine) Deadline() Instant {
	d := e.now.Add(e.settings.Trigger)
	sooner := func(t Instant) {
		if t > e.now {
			d = min(d, t)
		}
	}
	sooner(e.nextRound)
	sooner(e.holdUntil)
	sooner(e.formBy)
	if len(e.agenda.wakes) > 0 {
		sooner(e.agenda.wakes[0].wake)
	}
	return d
}

// Meta gives what the manager knows of itself.
func (e *Engine) Meta() Meta { return e.state.Meta }

// Settings gives the settings in force.
func (e *Engine) Settings() Settings { return e.settings }

// Node gives what is known of a node.
func (e *Engine) Node(id mib.NodeID) (Node, bool) {
	n, ok := e.state.Nodes[id]
	return n, ok
}

// Host is what is known of what a node's machine has to do beside SIMONE's work.
func (e *Engine) Host(id mib.NodeID) (HostView, bool) {
	n := e.state.Nodes[id]
	return e.hostLoad(id, n.Interval)
}

// Cost is what a poll of a node costs its owner, as that last said; 0: not known.
func (e *Engine) Cost(id mib.NodeID) time.Duration {
	n := e.state.Nodes[id]
	if c := e.children[n.Owner]; c != nil {
		if r := c.rows[id]; r != nil {
			return r.Cost
		}
	}
	return 0
}

// NextNode is the first known node after id.
func (e *Engine) NextNode(id mib.NodeID) (mib.NodeID, bool) {
	i, found := slices.BinarySearch(e.ids, id)
	if found {
		i++
	}
	if i == len(e.ids) {
		return 0, false
	}
	return e.ids[i], true
}

// Len is how many nodes are known.
func (e *Engine) Len() int { return len(e.ids) }

// Ledger gives a node's ledger; do not change it.
func (e *Engine) Ledger(id mib.NodeID) Ledger { return e.state.Ledgers[id] }

// Children gives the state of every child manager, by NodeID, without self.
func (e *Engine) Children() []ChildStatus {
	out := make([]ChildStatus, 0, len(e.line))
	for _, c := range e.line {
		if !c.self {
			out = append(out, ChildStatus{
				ID: c.id, Report: c.report, At: c.reportAt, Silent: c.silent,
				Lost: c.lost, Retiring: e.state.Nodes[c.id].Retiring, Ready: e.ready(c), Nodes: len(e.owned[c.id]),
			})
		}
	}
	return out
}

// Deeper gives the nodes that are ILMs below other ILMs, by NodeID, as far as
// they were announced.
func (e *Engine) Deeper() []Node {
	nodes := make([]Node, 0, len(e.deeper))
	for _, id := range sortedKeys(e.deeper) {
		if n := e.state.Nodes[id]; !n.Wanted && !n.leaving() {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// ChildStatus is what an engine knows of a child manager.
type ChildStatus struct {
	ID       mib.NodeID
	Report   Report  // the last
	At       Instant // of the last report; 0: none yet
	Silent   bool
	Lost     bool // a manager with a newer grant has it
	Retiring bool
	Ready    bool // claimed, read and active: it can be given nodes
	Nodes    int  // that it owns
}

// Counters count what an engine did since it started.
type Counters struct {
	Rounds, Moves, Aborts, Failovers   uint64
	Splits, Migrates, Merges           uint64
	Forks, Joins                       uint64
	Alerts, StaleFences, SamplesStored uint64
	SamplesRefused, Claims             uint64
}

// Counters gives the counts.
func (e *Engine) Counters() Counters { return e.counters }
