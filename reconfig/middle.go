package reconfig

import (
	"fmt"
	"maps"
	"slices"

	"simone/mib"
)

// Middle is an ILM that has ILMs below it: it joins the List that its parent
// writes to the Engine that shares the list out. The engine's own list is the
// part of the List that is not away at a manager below; what the managers
// below poll is relayed into the List's log. Like its two halves it does no
// I/O, and one goroutine owns all three.
type Middle struct {
	list   *List
	engine *Engine
	edits  uint64
	synced bool
	fence  mib.Fence // of the engine's control of its own list
	sum    uint64
	marks  []relayMark
	holes  map[mib.NodeID]bool    // children of which copies are missing after their marks
	above  mib.Fence              // of the manager above: who it is and its term
	zeros  map[mib.NodeID]Instant // when slot 0 of each row was due, as the engine was told
}

// NewMiddle joins a list and an engine.
func NewMiddle(l *List, e *Engine) *Middle {
	m := &Middle{list: l, engine: e, zeros: make(map[mib.NodeID]Instant), holes: make(map[mib.NodeID]bool)}
	// The fence of an earlier life, above which the engine has to go. One that
	// has its store is in a newer term.
	if t := l.state.Term; t > 0 && l.keeps(GuardKeptTerm) {
		m.fence = mib.Fence{Term: t, Seq: 1}
	}
	return m
}

// Events gives what the engine has to be told since the last call: nodes that
// the parent has granted, changed or taken away, and what it acknowledged.
func (m *Middle) Events(now Instant) []Event {
	at := At{now}
	var out []Event
	above := mib.Fence{Parent: m.list.state.Fence.Parent, Term: m.list.state.Fence.Term}
	if above != m.above {
		m.above = above
		out = append(out, Claimed{At: at})
	}
	if !m.synced || m.edits != m.list.edits {
		m.synced, m.edits = true, m.list.edits
		out = append(out, m.compare(at)...)
	}
	return append(out, m.passed(at)...)
}

// compare tells the engine how the list differs from what it knows.
func (m *Middle) compare(at At) []Event {
	var out []Event
	maps.DeleteFunc(m.zeros, func(id mib.NodeID, _ Instant) bool { return m.list.rows[id] == nil })
	for id, ok := m.engine.NextNode(0); ok; id, ok = m.engine.NextNode(id) {
		if n, _ := m.engine.Node(id); m.list.rows[id] == nil && !n.leaving() && id != m.engine.state.Meta.Self {
			out = append(out, NodeLeft{At: at, Node: id})
		}
	}
	for _, id := range m.list.ids {
		e := m.list.rows[id]
		r := &e.Row
		kind := r.Kind
		if kind == mib.KindILM {
			kind = mib.KindLeaf
		}
		n, known := m.engine.Node(id)
		if known && !n.leaving() && n.Grant == r.Epoch && n.Name == r.Name && n.Address == r.Address && n.Profile == r.Profile && n.Credential == r.Credential &&
			n.Interval == r.Interval && n.Zone == r.Zone && n.Candidate == r.Candidate && n.Kind == kind && m.zeros[id] == e.Zero {
			continue
		}
		m.zeros[id] = e.Zero
		out = append(out, NodeJoined{At: at, Node: Node{
			ID: id, Name: r.Name, Address: r.Address, Kind: kind, Profile: r.Profile, Credential: r.Credential,
			Interval: r.Interval, Zone: r.Zone, Candidate: r.Candidate, Grant: r.Epoch, Zero: e.Zero,
		}})
	}
	return out
}

// Take does a Relay, an Announce or an Outgrown of the engine.
func (m *Middle) Take(now Instant, a Action) {
	switch a := a.(type) {
	case Relay:
		m.copy(now, a)
	case Outgrown:
		m.list.log.add(mib.Record{Kind: mib.RecordNewer, Node: a.Node, Payload: a.Epoch.Append(nil)}, now)
		m.marks = append(m.marks, relayMark{first: m.list.log.head, seq: m.list.log.head, child: a.Node, announces: true})
	case Announce:
		kind := mib.RecordLeaf
		if a.Active {
			kind = mib.RecordILM
		}
		r := mib.Record{Kind: kind, Node: a.Child}
		r.Payload = said{a.Under, a.Epoch}.payload()
		m.list.log.add(r, now)
		head := m.list.log.head
		m.marks = append(m.marks, relayMark{first: head, seq: head, child: a.Child, announces: true, vouch: a.Active && a.Under == 0})
	}
}

// Plan is List.Plan for the engine's control of its own list. The change is
// made durable and applied like any other of the list.
func (m *Middle) Plan(set ControlSet) (*ListChange, *Refusal) {
	sum := set.sum()
	switch c := set.Fence.Compare(m.fence); {
	case c < 0 || c == 0 && sum != m.sum:
		return nil, &Refusal{FenceStale, fmt.Sprintf("the fence (%v) is not above the one seen (%v)", set.Fence, m.fence)}
	case c == 0:
		return nil, nil
	}
	st := &m.list.state
	ch := &ListChange{Active: st.Active, Settings: st.Settings, Fence: st.Fence, FenceSum: st.FenceSum, Term: max(st.Term, set.Fence.Term)}
	for _, r := range set.Apply.Stage {
		e := m.list.rows[r.Node]
		if e == nil {
			continue // the parent has taken it away: the engine is about to hear of that
		}
		if r.Epoch.Less(e.Inner) || e.Away && r.Epoch == e.Inner {
			return nil, &Refusal{EpochStale, fmt.Sprintf("node %d: epoch %v is not above %v", r.Node, r.Epoch, e.Inner)}
		}
		row := e.ListRow
		row.Inner, row.Away = r.Epoch, false
		ch.Rows = append(ch.Rows, row)
	}
	for _, t := range set.Apply.Destroy {
		if e := m.list.rows[t.Node]; e != nil && !t.Epoch.Less(e.Inner) {
			row := e.ListRow
			row.Inner, row.Away = t.Epoch, true
			ch.Rows = append(ch.Rows, row)
		}
	}
	m.fence, m.sum = set.Fence, sum
	return ch, nil
}

// Report is the engine's own list as a child's is reported.
func (m *Middle) Report(now Instant, ids []mib.NodeID, full bool) Report {
	r := Report{Fence: m.fence, Active: true, Windows: 1, Digest: m.list.inner, Capacity: m.list.limits.Capacity, Log: Cursor{Incarnation: 1}, Full: full}
	if full {
		ids = slices.Clone(m.list.ids)
	}
	for _, id := range ids {
		e := m.list.rows[id]
		if e == nil || e.Away {
			continue
		}
		s, _ := m.list.Row(now, id)
		s.Row.Epoch = e.innerEpoch()
		r.Rows = append(r.Rows, RowReport{Row: s.Row, First: e.ownFirst, Samples: e.ownSamples, Failing: s.Failing, Cost: s.Cost})
	}
	return r
}
