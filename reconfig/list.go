package reconfig

import (
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"simone/mib"
)

// ListState is what a manager keeps of its support list across restarts.
type ListState struct {
	Active   bool // it is an ILM
	Settings IlmSettings
	Fence    mib.Fence
	FenceSum uint64 // what the SET at Fence said
	// Term is the last one in which this manager's own engine took up the list
	// (Middle). It is kept here so that no term is used twice if what the engine
	// keeps is lost.
	Term  uint32
	Rows  map[mib.NodeID]ListRow
	Tombs map[mib.NodeID]mib.Epoch
}

// ListRow is the durable part of one row.
type ListRow struct {
	Row  mib.SupportRow // Slot and Due are of the time when it was staged
	Zero Instant        // when slot 0 was due
	// Inner is the epoch that this manager's own engine has given the node
	// last, and Away that it is on the list of a manager below (Middle).
	Inner mib.Epoch `json:",omitzero"`
	Away  bool      `json:",omitempty"`
}

// ListChange is one transaction on a list's store: fence and effect together.
type ListChange struct {
	Active   bool
	Settings IlmSettings
	Fence    mib.Fence
	FenceSum uint64
	Term     uint32
	Rows     []ListRow       // put
	Removed  []mib.NodeID    // delete
	Tombs    []mib.Tombstone // put
	Ack      Cursor          // trim the log to here; not durable

	undo *ListChange
}

// ListLimits bound a list.
type ListLimits struct {
	Capacity    int // rows that its manager polls itself
	LogRecords  int // records kept until acknowledged
	Incarnation uint64
	// Kept is for a log that outlives its process: what the store has of it,
	// the zero LogState if that is nothing yet. Nil for a log that is not kept.
	Kept *LogState
	// Polled gives the last slot of a node that is known to have been polled
	// before this process; false, or nil, if that is not known. Then no slot is
	// polled that has begun before.
	Polled  func(mib.NodeID) (slot uint32, known bool)
	Without Guards // switched off, in simulations only (Settings.Without)
	// Holds says whether this manager holds what a row needs: its profile,
	// its credential. The error says which and why; a *Refusal is one of
	// another kind than NotHeld.
	Holds func(mib.SupportRow) error
}

// Refusal is why a list refused a control SET. Nothing has changed.
type Refusal struct {
	Why  Failure
	Text string
}

func (r *Refusal) Error() string { return r.Text }

// List is a manager's own support list: what its parent told it to poll,
// when each node is due, and the report log that its parent reads.
type List struct {
	limits   ListLimits
	state    ListState
	rows     map[mib.NodeID]*entry
	ids      []mib.NodeID // sorted
	queue    dueQueue
	due      []Poll // the last that were
	packed   []byte // the last sample
	digest   mib.Digest
	inner    mib.Digest // of the rows that this manager polls itself, by inner epoch
	polled   mib.Digest // of the nodes that this manager polls itself
	log      Log
	edits    uint64       // counts changes of rows
	trials   []mib.NodeID // rows that are to be tried
	trialsAt Instant
	// Counts of what was refused or passed over, for the MIB.
	StaleFences, RefusedRows, SkippedPolls uint64
}

// entry is one row with what was learned of the node.
type entry struct {
	ListRow
	next     uint32  // the next slot to poll
	at       Instant // when it is due
	heapAt   int
	flying   uint32  // slot of the poll that is out; 0: none
	waiting  uint32  // slot that came due meanwhile; 0: none
	begun    uint32  // the slot that the row began with: samples of earlier ones were taken for an earlier row
	since    Instant // when that was
	followed Instant // when the sample was taken by which the row last went, while it is away
	first    uint32  // what has proved the row: its first sample's slot, and how many
	samples  uint32
	tried    bool   // as a trial has, before
	failures uint32 // polls in a row without an answer
	failing  bool
	lastAt   Instant // last answer
	rtt      time.Duration
	jitter   time.Duration
	cost     time.Duration
	polls    uint64
	lost     uint64
	// Since this manager polls the node itself (again).
	ownFirst, ownSamples uint32
	// What has arrived in the log. Slots before ownNext were polled by a
	// manager below, and may still be in its log.
	arrived arrivals
	ownNext uint32
}

// NewList makes a list from what the store kept; now is the present.
func NewList(state ListState, limits ListLimits, now Instant) *List {
	l := &List{limits: limits, state: state, rows: make(map[mib.NodeID]*entry, len(state.Rows))}
	if l.state.Rows == nil {
		l.state.Rows = make(map[mib.NodeID]ListRow)
	}
	if l.state.Tombs == nil {
		l.state.Tombs = make(map[mib.NodeID]mib.Epoch)
	}
	l.log = newLog(limits.Incarnation, limits.LogRecords)
	if limits.Kept != nil {
		l.log.resume(*limits.Kept, now)
	}
	polled := polledBefore(limits)
	for _, r := range state.Rows {
		// A clock that was set back while the list was down would have its
		// nodes wait until it is as late as it was.
		if far := due(r.Zero, r.Row.Interval, r.Row.Slot).Sub(now); far > 2*r.Row.Interval {
			r.Zero = r.Zero.Add(-far.Truncate(r.Row.Interval))
		}
		l.put(r, now)
		l.takeRunning(l.rows[r.Row.Node], polled, now)
	}
	return l
}

// Plan checks a control SET and gives the change to be made durable. A nil
// change without a refusal repeats what was done already: answer it again.
func (l *List) Plan(now Instant, set ControlSet) (*ListChange, *Refusal) {
	sum := set.sum()
	switch c := set.Fence.Compare(l.state.Fence); {
	case !l.keeps(GuardChildFence):
	case c < 0:
		l.StaleFences++
		return nil, &Refusal{FenceStale, fmt.Sprintf("the fence (%v) is lower than the one seen (%v)", set.Fence, l.state.Fence)}
	case c == 0 && (sum != l.state.FenceSum || set.Fence.Parent != l.state.Fence.Parent):
		l.StaleFences++
		return nil, &Refusal{FenceStale, fmt.Sprintf("the fence (%v) was used already, with other content or by parent %d", set.Fence, l.state.Fence.Parent)}
	case c == 0:
		return nil, nil
	}
	ch := &ListChange{
		Active: l.state.Active, Settings: l.state.Settings, Fence: set.Fence, FenceSum: sum, Term: l.state.Term,
		undo: &ListChange{
			Active: l.state.Active, Settings: l.state.Settings, Fence: l.state.Fence, FenceSum: l.state.FenceSum, Term: l.state.Term,
		},
	}
	switch set.Verb {
	case Claim:
	case Promote:
		ch.Active, ch.Settings = true, set.Settings
	case Demote:
		if len(l.rows) > 0 {
			return nil, &Refusal{Malformed, fmt.Sprintf("%d nodes are still on the support list: release them before the demotion", len(l.rows))}
		}
		ch.Active = false
	case Acknowledge:
		ch.Ack = set.Cursor
	case Stage, Release:
		if ref := l.planRows(now, set.Apply, ch); ref != nil {
			l.RefusedRows++
			return nil, ref
		}
	default:
		return nil, &Refusal{Malformed, fmt.Sprintf("unknown control verb %d", set.Verb)}
	}
	return ch, nil
}

func (l *List) planRows(now Instant, a mib.Apply, ch *ListChange) *Refusal {
	if !l.state.Active {
		return &Refusal{NotILM, "this node is not an ILM: promote it first (simoneIlmAdminStatus up)"}
	}
	fresh := 0
	for _, r := range a.Stage {
		if err := validRow(r); err != nil {
			return &Refusal{Malformed, err.Error()}
		}
		old, have := l.rows[r.Node]
		if t := l.state.Tombs[r.Node]; !t.Less(r.Epoch) {
			return &Refusal{EpochStale, fmt.Sprintf("node %d: epoch %v is not above its tombstone %v", r.Node, r.Epoch, t)}
		}
		if have && r.Epoch.Less(old.Row.Epoch) {
			return &Refusal{EpochStale, fmt.Sprintf("node %d: epoch %v is below the row's %v", r.Node, r.Epoch, old.Row.Epoch)}
		}
		if l.limits.Holds != nil {
			if err := l.limits.Holds(r); err != nil {
				why := NotHeld
				if refusal, ok := errors.AsType[*Refusal](err); ok {
					why = refusal.Why
				}
				return &Refusal{why, fmt.Sprintf("node %d (%s): %v", r.Node, r.Name, err)}
			}
		}
		if have {
			ch.undo.Rows = append(ch.undo.Rows, old.ListRow)
			zero, present := old.Zero, old.present(now)
			if r.Slot > present+1 { // the parent knows of slots that this list, its clock set back, does not
				zero = now.Add(r.Due - time.Duration(r.Slot)*r.Interval)
			} else if r.Interval != old.Row.Interval { // keep the numbering, change the pace
				zero = due(old.Zero, old.Row.Interval, present).Add(-time.Duration(present) * r.Interval)
			}
			ch.Rows = append(ch.Rows, ListRow{Row: r, Zero: zero, Inner: old.Inner, Away: old.Away})
			continue
		}
		fresh++
		if l.limits.Capacity > 0 && int(l.polled.Count)+fresh > l.limits.Capacity {
			return &Refusal{NotHeld, fmt.Sprintf("node %d: the list is full (%d rows)", r.Node, l.limits.Capacity)}
		}
		ch.undo.Removed = append(ch.undo.Removed, r.Node)
		ch.Rows = append(ch.Rows, ListRow{Row: r, Zero: now.Add(r.Due - time.Duration(r.Slot)*r.Interval)})
	}
	for _, t := range a.Destroy {
		if old, have := l.rows[t.Node]; have && !t.Epoch.Less(old.Row.Epoch) {
			ch.Removed = append(ch.Removed, t.Node)
			ch.undo.Rows = append(ch.undo.Rows, old.ListRow)
		}
		if old := l.state.Tombs[t.Node]; old.Less(t.Epoch) {
			ch.Tombs = append(ch.Tombs, t)
			ch.undo.Tombs = append(ch.undo.Tombs, mib.Tombstone{Node: t.Node, Epoch: old})
		}
	}
	return nil
}

// The intervals that a row may have (simoneSupportInterval).
const (
	MinInterval = 100 * time.Millisecond
	MaxInterval = 24 * time.Hour
)

func validRow(r mib.SupportRow) error {
	switch {
	case r.Node == 0:
		return fmt.Errorf("a row needs a NodeID from 1 to 4294967295")
	case r.Epoch.IsZero():
		return fmt.Errorf("node %d: a row needs an epoch", r.Node)
	case r.Interval < MinInterval || r.Interval > MaxInterval:
		return fmt.Errorf("node %d: interval %v is not from %v to %v", r.Node, r.Interval, MinInterval, MaxInterval)
	case r.Kind < mib.KindLeaf || r.Kind > mib.KindDevice:
		return fmt.Errorf("node %d: kind %d is not leaf(1), ilm(2) or device(3)", r.Node, r.Kind)
	}
	return nil
}

// Apply makes a planned change, after the host has made it durable.
func (l *List) Apply(now Instant, ch *ListChange) {
	if len(ch.Rows) > 0 || len(ch.Removed) > 0 {
		l.edits++
	}
	l.state.Active, l.state.Settings = ch.Active, ch.Settings
	l.state.Fence, l.state.FenceSum, l.state.Term = ch.Fence, ch.FenceSum, max(l.state.Term, ch.Term)
	for _, r := range ch.Rows {
		_, have := l.rows[r.Row.Node]
		l.put(r, now)
		if !have {
			l.tryRow(r.Row.Node, now)
		}
	}
	for _, id := range ch.Removed {
		l.remove(id, now)
	}
	for _, t := range ch.Tombs {
		if t.Epoch.IsZero() {
			delete(l.state.Tombs, t.Node)
		} else {
			l.state.Tombs[t.Node] = t.Epoch
		}
	}
	if ch.Ack.Incarnation == l.log.incarnation || !l.keeps(GuardBootID) {
		l.log.trim(ch.Ack.Seq)
	}
}

// Undo gives the change that takes ch back; make it durable and apply it. An
// acknowledgement is not taken back: it trims only what is stored elsewhere.
func (ch *ListChange) Undo() *ListChange { return ch.undo }

func (l *List) put(r ListRow, now Instant) {
	e, have := l.rows[r.Row.Node]
	present := r.Row.Slot
	if have {
		present = e.present(now)
		l.digest.Remove(r.Row.Node, e.Row.Epoch)
	} else {
		e = &entry{heapAt: -1}
		l.rows[r.Row.Node] = e
		i, _ := slices.BinarySearch(l.ids, r.Row.Node)
		l.ids = slices.Insert(l.ids, i, r.Row.Node)
	}
	moved := have && (e.Zero != r.Zero || e.Row.Interval != r.Row.Interval)
	back := have && e.Away && !r.Away
	epoch := e.Row.Epoch
	if have {
		l.toggleInner(e, false)
	}
	e.ListRow = r
	l.toggleInner(e, true)
	l.state.Rows[r.Row.Node] = r
	l.digest.Add(r.Row.Node, r.Row.Epoch)
	if !have {
		e.next = r.Row.Slot
		if due(e.Zero, r.Row.Interval, e.next) < now.Add(-r.Row.Interval) { // after a restart
			e.next = slotAt(e.Zero, r.Row.Interval, now)
		}
		e.begun, e.since = e.next, now
		e.arrived.begin(e.next)
	}
	if have && r.Row.Slot > max(present, e.next)+1 {
		// Nobody polls the slots between here: what proves the row, and the
		// fence of a move that rests on it, begin with the new number.
		e.begun, e.since = r.Row.Slot, now
		e.next, e.first, e.samples, e.ownFirst, e.ownSamples = r.Row.Slot, 0, 0, 0, 0
		e.tried = false
		e.arrived.begin(e.next)
	}
	if have && e.Away && epoch != r.Row.Epoch {
		// What came from below may have ended since, unnoticed here; what the
		// manager above concludes from the row at its new epoch must not rest
		// on it.
		e.begun, e.since = max(present, r.Row.Slot), now
		e.first, e.samples = 0, 0
	}
	if back { // polled here again, from the present slot on
		e.ownNext = max(e.next, slotAt(e.Zero, r.Row.Interval, now))
		e.next, e.flying, e.ownFirst, e.ownSamples = e.ownNext, 0, 0, 0
	}
	if moved {
		e.arrived.begin(r.Row.Slot)
	}
	if moved || back { // what waits for another poll was due by another schedule
		e.waiting = 0
	}
	switch {
	case e.Away:
		if e.heapAt >= 0 {
			heap.Remove(&l.queue, e.heapAt)
		}
	case !have || moved || back:
		e.at = due(e.Zero, r.Row.Interval, e.next)
		if e.heapAt >= 0 {
			heap.Fix(&l.queue, e.heapAt)
		} else {
			heap.Push(&l.queue, e)
		}
	}
	if !have || epoch != r.Row.Epoch {
		l.log.add(mib.Record{Kind: mib.RecordAdded, Node: r.Row.Node, Slot: e.next}, now)
	}
}

// present is the next slot to poll, by whoever polls the node, as this list
// counts them.
func (e *entry) present(now Instant) uint32 {
	if e.Away { // what has come from below is behind, or has other numbers
		return slotAt(e.Zero, e.Row.Interval, now)
	}
	return e.next
}

func (l *List) remove(id mib.NodeID, now Instant) {
	e, have := l.rows[id]
	if !have {
		return
	}
	l.digest.Remove(id, e.Row.Epoch)
	l.toggleInner(e, false)
	delete(l.rows, id)
	delete(l.state.Rows, id)
	if i, found := slices.BinarySearch(l.ids, id); found {
		l.ids = slices.Delete(l.ids, i, i+1)
	}
	if e.heapAt >= 0 {
		heap.Remove(&l.queue, e.heapAt)
	}
	l.log.add(mib.Record{Kind: mib.RecordRemoved, Node: id, Slot: e.next}, now)
}

// toggleInner takes a row into the digests of those polled here, or out of
// them.
func (l *List) toggleInner(e *entry, in bool) {
	switch {
	case e.Away:
	case in:
		l.polled.AddNode(e.Row.Node)
	default:
		l.polled.RemoveNode(e.Row.Node)
	}
	switch {
	case e.Away:
	case in:
		l.inner.Add(e.Row.Node, e.innerEpoch())
	default:
		l.inner.Remove(e.Row.Node, e.innerEpoch())
	}
}

// innerEpoch is the epoch of a row for this manager's own engine: its grant, until
// the engine has given it one. A row that was taken away and granted again before
// the engine has seen that is polled here, whomever that has given the node to.
func (r *ListRow) innerEpoch() mib.Epoch {
	if r.Inner.IsZero() {
		return r.Row.Epoch
	}
	return r.Inner
}

// NextRow is the first node on the list after id, for walks.
func (l *List) NextRow(id mib.NodeID) (mib.NodeID, bool) {
	i, found := slices.BinarySearch(l.ids, id)
	if found {
		i++
	}
	if i == len(l.ids) {
		return 0, false
	}
	return l.ids[i], true
}

// Polls reports whether this manager polls the node itself: the row is here
// and not away at a manager below.
func (l *List) Polls(id mib.NodeID) bool {
	e, have := l.rows[id]
	return have && !e.Away
}

// Level is the level of the manager whose list this is, as the epochs of its
// rows have it: one below that which gave them. It is 0 without rows. A
// manager that is adopted further up keeps its level until all of its rows
// were given anew: epochs that it made for the old ones with the counts of
// another level would be mistaken for those of the manager that was between.
func (l *List) Level() int {
	level := 0
	for _, e := range l.rows {
		for i := mib.Levels - 1; i >= level; i-- {
			if e.Row.Epoch[i] != 0 {
				level = i + 1
			}
		}
	}
	return level
}

// Len is how many rows the list has.
func (l *List) Len() int { return len(l.rows) }

// Active reports whether its parent wants it to be an ILM.
func (l *List) Active() bool { return l.state.Active }

// Settings is what the parent said when it promoted this manager.
func (l *List) Settings() IlmSettings { return l.state.Settings }

// Fence is the highest fence seen.
func (l *List) Fence() mib.Fence { return l.state.Fence }

// Digest sums up the list.
func (l *List) Digest() mib.Digest { return l.digest }

// Census sums up the nodes that this manager polls itself.
func (l *List) Census() mib.Digest { return l.polled }

// Away reports whether any node of the list is at a manager below.
func (l *List) Away() bool { return int(l.polled.Count) < len(l.rows) }

// Capacity is how many rows the list may have now: those that its manager can
// poll itself, and those that managers below poll; 0: no limit.
func (l *List) Capacity() int {
	if l.limits.Capacity == 0 {
		return 0
	}
	return l.limits.Capacity + len(l.rows) - int(l.polled.Count)
}

// Log is the list's report log.
func (l *List) Log() *Log { return &l.log }

// Tombstone is the epoch at and below which rows of the node are refused.
func (l *List) Tombstone(id mib.NodeID) mib.Epoch { return l.state.Tombs[id] }

// sum is a hash of the set's content, without its fence.
func (s *ControlSet) sum() uint64 {
	h := fnv.New64a()
	b := []byte{byte(s.Verb)}
	b = s.Apply.Append(b)
	b = binary.BigEndian.AppendUint64(b, s.Cursor.Incarnation)
	b = binary.BigEndian.AppendUint32(b, s.Cursor.Seq)
	b = s.Settings.append(b)
	h.Write(b)
	return h.Sum64()
}
