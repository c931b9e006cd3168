package reconfig

import (
	"encoding/binary"
	"fmt"

	"simone/mib"
)

// Below the top an engine stores no samples: it relays its children's logs
// into the log that the manager above reads, where the slots are told apart.
// What it has relayed may be lost with it, so a child's log is acknowledged
// only to where the manager above has acknowledged what was relayed of it.

// readTo is how far a child's log has been read: at the top, stored; below
// it, relayed.
func (e *Engine) readTo(c *child) Cursor {
	if e.state.Meta.Level > 0 && c.relayed.Incarnation != 0 {
		return c.relayed
	}
	return e.state.Cursors[c.id]
}

// relay passes on what a child's log brought.
func (e *Engine) relay(c *child, ev LogRead) {
	cur := e.readTo(c)
	if cur.Incarnation != ev.Incarnation {
		cur = Cursor{Incarnation: ev.Incarnation}
		c.ackedSeq = 0
	}
	from := cur
	var fresh []mib.Record
	for _, r := range ev.Records {
		if r.Seq <= cur.Seq {
			continue
		}
		cur.Seq = r.Seq
		e.heard(c, &r)
		switch r.Kind {
		case mib.RecordSample, mib.RecordFailing, mib.RecordBack:
			fresh = append(fresh, r)
		case mib.RecordNewer:
			if e.newerBelow(&r) {
				fresh = append(fresh, r)
			}
		case mib.RecordILM, mib.RecordLeaf:
			if !e.counts(c, &r) {
				break
			}
			if s, ok := parseSaid(r.Payload); ok && s.under == 0 { // of an ILM right below the child
				s.under = c.id
				r.Payload = s.payload()
			}
			fresh = append(fresh, r)
		}
	}
	if len(ev.Records) == 0 && ev.Incarnation == c.readHead.Incarnation {
		cur.Seq = max(cur.Seq, c.readHead.Seq) // what was there has left the log (see logRead)
	}
	c.relayed = cur
	if !e.keeps(GuardRelay) { // taken for stored at once
		e.relayed(Relayed{Child: c.id, Cursor: cur})
	}
	if cur == from {
		c.readAt = e.now.Add(e.settings.Probe)
		return
	}
	e.do(Relay{Child: c.id, Cursor: cur, Records: fresh})
}

// heard takes what a record says besides a sample's values.
func (e *Engine) heard(c *child, r *mib.Record) {
	owned := e.state.Nodes[r.Node].Owner == c.id
	if owned && e.layered() {
		e.heardOf[r.Node] = e.now
	}
	switch r.Kind {
	case mib.RecordSample, mib.RecordBack:
		if r.Kind == mib.RecordSample {
			e.learnHost(r)
		}
		delete(e.failing, r.Node)
		if owned {
			e.reached(r.Node)
		}
	case mib.RecordFailing:
		e.failing[r.Node] = true
		if owned {
			e.unreached(r.Node)
		}
	case mib.RecordILM, mib.RecordLeaf:
		e.announced(c, r)
	}
}

// counts reports whether a child's word on an ILM below it counts: what an
// earlier owner said, and was read late, does not, nor what a manager further
// down said that had it before the one which was heard last (Heard).
func (e *Engine) counts(c *child, r *mib.Record) bool {
	n, known := e.state.Nodes[r.Node]
	s, ok := parseSaid(r.Payload)
	if !ok || s.epoch.Less(n.Heard) && e.keeps(GuardHeard) {
		return false
	}
	return known && !n.Wanted && (c.id == n.Owner || c.id == n.Intent.Target || e.gone(n.Owner))
}

// announced takes what a child says of an ILM below it.
func (e *Engine) announced(c *child, r *mib.Record) {
	if s, ok := parseSaid(r.Payload); ok && r.Kind == mib.RecordILM && !s.epoch.Less(e.state.Nodes[r.Node].Heard) {
		e.yield(c, r.Node)
	}
	if !e.counts(c, r) {
		return
	}
	s, _ := parseSaid(r.Payload)
	n, _ := e.node(r.Node)
	under := s.under
	if under == 0 {
		under = c.id
	}
	present := n.Under
	if n.Manager {
		present = n.Owner
	}
	if t := n.Intent.Target; t != 0 && c.id == n.Owner && present != 0 && (present == t || e.state.Nodes[present].Owner == t) {
		return // whom it moves to has said it already
	}
	*n = n.clone()
	heard := n.Heard
	if n.Heard.Less(s.epoch) {
		n.Heard = s.epoch
	}
	switch is := r.Kind == mib.RecordILM; {
	case is && under != present:
		n.Manager, n.Under = under == n.Owner, under
	case !is && present != 0 && (under == present || !s.epoch.IsZero()):
		n.Manager, n.Under = false, 0
	case heard != n.Heard:
	default:
		return
	}
	if n.Manager {
		n.Under = 0
	}
	if n.manages() && c.id == n.Owner && n.Intent.Target != 0 && n.Intent.Why != KindFailover && n.Intent.Why != KindAdopt {
		// It was a leaf when the move was planned. What it polls by now, and
		// what nobody has read of its log, would be lost with its place.
		e.abort(n, fmt.Sprintf("it has become an ILM below ILM %d", n.Owner))
		return
	}
	e.save(n)
}

// yield leaves a node, which is on its way from a child to become an ILM here, to
// that child, if it has made one of it meanwhile: the child takes its
// announcement for vouched for once it is stored, and gives the node others.
// These would be found with the node here, as moves that the child knows nothing
// of, while the child goes on with them.
func (e *Engine) yield(c *child, id mib.NodeID) {
	n, known := e.node(id)
	if !known || !n.Wanted || n.Owner != c.id || c.self || e.children[id] != nil { // it is one here already
		return
	}
	*n = n.clone()
	e.unwant(n, fmt.Sprintf("it has become an ILM below ILM %d", c.id))
}

// unwant has a node that has not come here yet stay where it is, and what it is.
func (e *Engine) unwant(n *Node, why string) {
	n.Wanted, n.Retiring, n.Vouched = false, false, false
	if n.Intent.Target != 0 {
		e.abort(n, why)
	} else {
		e.save(n)
	}
}

// said is the payload of an announcement: the manager right above the node that
// it is about, 0 for the one whose log it is in, and the epoch at which that one
// has the node.
type said struct {
	under mib.NodeID
	epoch mib.Epoch
}

func (s said) payload() []byte {
	return s.epoch.Append(binary.BigEndian.AppendUint32(nil, uint32(s.under)))
}

func parseSaid(payload []byte) (s said, ok bool) {
	if len(payload) != 4+mib.EpochLen {
		return s, len(payload) == 0
	}
	ep, err := mib.ParseEpoch(payload[4:])
	return said{mib.NodeID(binary.BigEndian.Uint32(payload)), ep}, err == nil
}

// relayed: the manager above has stored a child's records.
func (e *Engine) relayed(ev Relayed) {
	old := e.state.Cursors[ev.Child]
	if e.children[ev.Child] == nil || old.Incarnation == ev.Cursor.Incarnation && old.Seq >= ev.Cursor.Seq {
		return
	}
	e.stir(e.children[ev.Child])
	e.state.Cursors[ev.Child] = ev.Cursor
	e.dirtyCursors[ev.Child] = struct{}{}
}

// unrelayed: copies of a child's records are missing, which are read again.
func (e *Engine) unrelayed(ev Unrelayed) {
	c := e.children[ev.Child]
	if c == nil {
		return
	}
	e.stir(c)
	// What is being read may begin beyond them.
	c.relayed, c.reading, c.readAt = ev.Cursor, 0, e.now
	if ev.Cursor.Incarnation == 0 {
		c.relayed = e.state.Cursors[c.id]
	}
}

// vouched: the manager above knows that a child is an ILM. Before that it is
// given no nodes, as nobody would look for them there if this manager died.
func (e *Engine) vouched(id mib.NodeID) {
	if n, known := e.node(id); known && n.Wanted && !n.Vouched {
		*n = n.clone()
		n.Vouched = true
		e.save(n)
		for id := range e.owned[e.state.Meta.Self] {
			e.touch(id)
		}
	}
}

// announce tells the manager above of an ILM, once in this life and to each
// manager above: it may not vouch for it yet, or take it for another's.
func (e *Engine) announce(c *child) {
	n := e.state.Nodes[c.id]
	if e.state.Meta.Level > 0 && !c.self && n.Wanted && c.report.Active && !c.announced && !c.silent && !c.lost {
		c.announced = true
		e.do(Announce{Child: c.id, Active: true, Epoch: n.saidAt()})
	}
}

// retract tells the manager above of nodes that are no ILMs any more, in each
// life and to each manager: what it has heard may be from another, and what was
// said once may have been lost with the log, or read by another top only.
func (e *Engine) retract() {
	for _, id := range sortedKeys(e.ended) {
		if _, done := e.said[id]; done {
			continue
		}
		n, _ := e.node(id)
		e.said[id] = struct{}{}
		e.do(Announce{Child: id, Epoch: n.saidAt()})
		if !e.keeps(GuardRetract) { // said once
			*n = n.clone()
			n.Ended = false
			e.save(n)
		}
	}
}

// saidAt is the epoch of what this manager says of a node: none that was heard
// before is newer.
func (n *Node) saidAt() mib.Epoch {
	if n.Epoch.Less(n.Heard) {
		return n.Heard
	}
	return n.Epoch
}

// forgot has the manager above be told of all that are leaves, as far as is
// known after what was kept has been lost: which of them were ILMs is not.
func (e *Engine) forgot() {
	for _, id := range e.ids {
		if n, _ := e.node(id); n.Candidate && !n.Wanted && !n.manages() && !n.leaving() {
			*n = n.clone()
			n.Ended = true
			e.save(n)
		}
	}
}

// announceDeeper tells a new manager above of the ILMs further down.
func (e *Engine) announceDeeper() {
	if e.state.Meta.Level > 0 {
		e.retract()
	}
	if !e.herald {
		return
	}
	e.herald = false
	for _, n := range e.Deeper() {
		under := n.Under
		if n.Manager {
			under = n.Owner
		}
		e.do(Announce{Child: n.ID, Active: true, Under: under, Epoch: n.saidAt()})
	}
}

// adopt takes over the ILMs below an ILM that is lost, and reports until when
// its other nodes wait for what those have.
func (e *Engine) adopt(lost mib.NodeID) {
	if !e.keeps(GuardAdoption) {
		return
	}
	for _, id := range sortedKeys(e.tied[lost]) {
		// It was a leaf when its move to the lost one began, and has become an
		// ILM there since: back with its owner it would lose what it polls.
		if n, _ := e.node(id); n.Intent.Target == lost && n.Under == lost && !n.Wanted && !n.leaving() {
			*n = n.clone()
			e.commit(n, e.children[lost], n.Fence)
		}
	}
	for _, id := range e.ownedBy(lost) {
		n, _ := e.node(id)
		if !n.Manager || n.Wanted || n.leaving() {
			continue
		}
		*n = n.clone()
		n.Manager, n.Under, n.Wanted, n.Vouched, n.Retiring = false, 0, true, false, false
		n.Intent = Intent{}
		e.save(n)
		e.heirs[lost] = append(e.heirs[lost], id)
		e.heirsUntil[lost] = e.now.Add(e.formTime())
		e.record(Entry{Kind: KindAdopt, Node: id, From: lost, To: e.state.Meta.Self, Nodes: 1, Seen: "an ILM below one that is lost: it keeps what it polls"})
	}
}

// awaitsHeirs reports whether ILMs that were below a lost one have still to
// be read: its nodes may be with them.
func (e *Engine) awaitsHeirs(lost mib.NodeID) bool {
	if e.now >= e.heirsUntil[lost] || !e.keeps(GuardHeirs) {
		return false
	}
	for _, id := range e.heirs[lost] {
		if c := e.children[id]; c == nil || !c.silent && !c.seen {
			return true
		}
	}
	return false
}
