package reconfig

import (
	"fmt"
	"slices"

	"simone/mib"
)

// joined adds a node to the inventory, or takes what has changed of it.
func (e *Engine) joined(ev NodeJoined) {
	in := ev.Node
	if e.state.Meta.Level > 0 {
		e.granted(in)
		return
	}
	n, known := e.find(in)
	if !known {
		id := in.ID
		if _, taken := e.state.Nodes[id]; taken || id == 0 {
			id = e.state.Meta.NextID
		}
		e.state.Meta.NextID = max(e.state.Meta.NextID, id+1)
		e.dirtyMeta = true
		n = &Node{ID: id}
	}
	old := *n
	*n = n.clone()
	n.UUID, n.Key, n.Name, n.Address = or(in.UUID, n.UUID), or(in.Key, n.Key), or(in.Name, n.Name), or(in.Address, n.Address)
	n.Profile, n.Credential, n.Zone = or(in.Profile, n.Profile), or(in.Credential, n.Credential), or(in.Zone, n.Zone)
	if in.Kind != 0 {
		n.Kind = in.Kind
	}
	if in.Interval > 0 || in.Key != "" { // an entry that names none goes back to the default
		n.Interval = in.Interval
	}
	n.Candidate = in.Candidate
	if in.Capabilities != nil {
		n.Capabilities = slices.Clone(in.Capabilities)
		slices.Sort(n.Capabilities)
	}
	delete(e.failing, n.ID)
	e.spoke(n.ID)
	delete(e.spurned, n.ID)
	if c := e.children[n.ID]; c != nil {
		c.leftAt = 0
		e.stir(c)
	}
	e.agenda.roles = e.agenda.roles || e.short && n.Candidate
	n.unban(e.state.Meta.Self) // it has just been heard here
	if ev.Active && !n.Wanted && n.ID != e.state.Meta.Self && !e.mayBeBelow(n) {
		n.Wanted = true
		if n.Intent.Target != 0 && n.Intent.Target != e.state.Meta.Self && e.keeps(GuardOwnRow) {
			e.letGo(n)
			n.Intent = Intent{}
		}
		e.record(Entry{Kind: KindAdopt, Node: n.ID, Seen: "calls itself an ILM, which the store does not know"})
	}
	if !known {
		e.save(n)
		e.record(Entry{Kind: KindJoined, Node: n.ID, Nodes: 1, Seen: fmt.Sprintf("%s at %s", n.Name, n.Address)})
		e.met(n.ID, in.Epoch)
		return
	}
	defer func() { e.met(n.ID, in.Epoch) }()
	if same(&old, n) {
		return
	}
	e.save(n)
	if n.Owner != 0 && (old.Address != n.Address || old.Name != n.Name || old.Profile != n.Profile ||
		old.Credential != n.Credential || old.Interval != n.Interval || old.Kind != n.Kind || old.Wanted != n.Wanted) {
		e.raiseOwner(n) // so that the row is written again
	}
}

// mayBeBelow reports whether a node that calls itself an ILM may be one below
// its owner, of which this manager has not heard yet. One that still looks for
// a parent after a while is not.
func (e *Engine) mayBeBelow(n *Node) bool {
	if !e.layered() || n.Owner == 0 || n.Owner == e.state.Meta.Self || !e.ready(e.children[n.Owner]) {
		return false
	}
	wait := 2 * e.formTime()
	since, called := e.called[n.ID]
	if !called || e.now.Sub(since) > 10*wait {
		e.called[n.ID] = e.now
		return true
	}
	return e.now.Sub(since) < wait
}

// granted takes a node that the manager above has put on this one's list, or
// what it has changed of it. Nothing else makes nodes below the top.
func (e *Engine) granted(in Node) {
	n, known := e.node(in.ID)
	*n = n.clone()
	fresh := !known || n.leaving() // taken away and granted again
	old := *n
	if fresh {
		e.state.Meta.Order++
		*n = Node{ID: in.ID, Owner: e.state.Meta.Self, Fence: 1, Zero: in.Zero, Order: e.state.Meta.Order, Prev: n.Prev}
	}
	n.Name, n.Address, n.Kind, n.Profile, n.Credential = in.Name, in.Address, in.Kind, in.Profile, in.Credential
	n.Interval, n.Zone, n.Candidate, n.Grant = in.Interval, in.Zone, in.Candidate, in.Grant
	// The list's numbers are those that the manager above knows: there is no
	// ledger here that would keep a new row from repeating some.
	n.Zero = in.Zero
	if !fresh && old.Grant == n.Grant && same(&old, n) {
		e.state.Nodes[n.ID] = *n // not worth a write
		e.stale(n.Owner)
		return
	}
	e.save(n)
	if c := e.children[n.ID]; c != nil && old.Grant != n.Grant {
		c.lost, c.announced, c.probeAt = false, false, e.now
		c.settings = IlmSettings{} // others may have had it since, and told it theirs
		e.stir(c)
	}
	e.raiseOwner(n)
}

// find is the node that an announcement is about: by UUID, else by the ID
// that it says it has, else by the inventory's key; the latter two only if
// neither side has another UUID.
func (e *Engine) find(in Node) (*Node, bool) {
	if in.ID == e.state.Meta.Self { // on whatever machine it runs now
		return e.node(in.ID)
	}
	fits := func(n *Node) bool {
		return !n.leaving() && (in.UUID == "" || n.UUID == "" || n.UUID == in.UUID)
	}
	byKey := mib.NodeID(0)
	for _, id := range e.ids {
		n := e.state.Nodes[id]
		if in.UUID != "" && n.UUID == in.UUID && !n.leaving() {
			return e.node(id)
		}
		if in.Key != "" && n.Key == in.Key && fits(&n) {
			byKey = id
		}
	}
	if n, known := e.state.Nodes[in.ID]; known && fits(&n) {
		return e.node(in.ID)
	}
	return e.node(byKey)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func same(a, b *Node) bool {
	return a.UUID == b.UUID && a.Key == b.Key && a.Name == b.Name && a.Address == b.Address && a.Profile == b.Profile &&
		a.Credential == b.Credential && a.Zone == b.Zone && a.Kind == b.Kind && a.Interval == b.Interval &&
		a.Candidate == b.Candidate && a.Wanted == b.Wanted && slices.Equal(a.Capabilities, b.Capabilities)
}

// left takes a node out of the inventory: its rows are destroyed wherever
// they are, then it is forgotten. Its ID is not used again.
func (e *Engine) left(id mib.NodeID) {
	n, known := e.node(id)
	if !known || id == e.state.Meta.Self || n.leaving() {
		return
	}
	*n = n.clone()
	if n.Wanted {
		n.Wanted, n.Retiring, n.Vouched = false, false, false
		for _, k := range e.ownedBy(id) {
			e.touch(k)
		}
		e.removeChild(id)
	}
	n.Kind, n.Intent, n.Epoch = kindLeaving, Intent{}, e.newEpoch(n)
	e.save(n)
	e.record(Entry{Kind: KindLeft, Node: id, Nodes: 1, Seen: n.Name})
}

// operator does what an operator asked for.
func (e *Engine) operator(ev OperatorAsked) {
	m := &e.state.Meta
	switch ev.Ask {
	case AskTrigger:
		e.asked = true
		e.record(Entry{Kind: KindTrigger, Node: m.Self})
		return
	case AskPause, AskResume:
		m.Paused = ev.Ask == AskPause
		e.dirtyMeta = true
		e.record(Entry{Kind: [...]Kind{KindPause, KindResume}[ev.Ask-AskPause], Node: m.Self})
		return
	}
	if ev.Ask == AskPlace {
		e.asksPlaces(ev.Places)
		return
	}
	n, known := e.node(ev.Node)
	if !known {
		return
	}
	*n = n.clone()
	var kind Kind
	switch ev.Ask {
	case AskDrain:
		n.Drained, kind = true, KindDrain
	case AskUndrain:
		n.Drained, kind = false, KindUndrain
	case AskPin:
		n.Pinned, kind = true, KindPin
	case AskUnpin:
		n.Pinned, kind = false, KindUnpin
	default:
		return
	}
	e.save(n)
	for id := range e.owned[n.ID] {
		e.touch(id)
	}
	for id := range e.owned[m.Self] {
		e.touch(id)
	}
	e.record(Entry{Kind: kind, Node: n.ID, Nodes: len(e.owned[n.ID]), Seen: "asked for by the operator"})
}

// tuned takes new settings.
func (e *Engine) tuned(s Settings) {
	old := e.settings
	e.settings = s
	if p, err := PolicyByName(s.Policy); err == nil {
		e.policy = p
	}
	if s.Trigger != old.Trigger {
		e.nextRound = e.now.Add(s.Trigger)
	}
	if s.Interval != old.Interval {
		for _, c := range e.line {
			c.portion.known = false
		}
		for _, id := range e.ids {
			if n, _ := e.node(id); n.Interval == 0 && n.Owner != 0 && !n.leaving() {
				*n = n.clone()
				e.raiseOwner(n)
			}
		}
	}
	e.record(Entry{
		Kind: KindTuned, Node: e.state.Meta.Self,
		Seen: fmt.Sprintf("policy %s, thresholds %g-%g-%g, trigger %v, poll %v", s.Policy, s.Thresholds.Merge, s.Thresholds.Split, s.Thresholds.Migrate, s.Trigger, s.Interval),
	})
}
