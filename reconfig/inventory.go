package reconfig

import (
	"fmt"
	"slices"

	"simone/mib"
)

// joined adds a node to the inventory, or takes what has changed of it.
func (e *Engine) joined(ev NodeJoined) {
	in := ev.Node
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
	if in.Interval > 0 {
		n.Interval = in.Interval
	}
	n.Candidate = in.Candidate
	if in.Capabilities != nil {
		n.Capabilities = slices.Clone(in.Capabilities)
		slices.Sort(n.Capabilities)
	}
	delete(e.failing, n.ID)
	delete(e.spurned, n.ID)
	if ev.Active && !n.Wanted && n.ID != e.state.Meta.Self {
		n.Wanted = true
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

// find is the node that an announcement is about: by UUID, else by the ID
// that it says it has, else by the inventory's key; the latter two only if
// neither side has another UUID.
func (e *Engine) find(in Node) (*Node, bool) {
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
		n.Wanted, n.Retiring = false, false
		for _, k := range e.ownedBy(id) {
			e.touch(k)
		}
		e.removeChild(id)
	}
	n.Kind, n.Intent, n.Epoch = kindLeaving, Intent{}, e.newEpoch()
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
