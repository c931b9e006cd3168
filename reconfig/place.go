package reconfig

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"simone/mib"
)

// This file decides where nodes go for other reasons than a policy's: a first
// owner, a silent owner, a drained or retiring one, a role to take up.

// place gives every node that is misplaced an owner or an intent.
func (e *Engine) place() {
	if e.agenda.roles {
		e.agenda.roles = false
		e.ensureILMs()
	}
	e.agenda.late = e.agenda.late[:0]
	looked := e.toLook()
	e.giveUp(looked)
	var away []mib.NodeID
	for _, id := range looked {
		if n, known := e.state.Nodes[id]; known && n.Intent.Target == 0 && e.misplaced(&n) != KindNone {
			away = append(away, id)
			e.agenda.waiting[id] = struct{}{} // until it is looked at again
		} else {
			delete(e.agenda.waiting, id)
		}
	}
	if len(away) == 0 {
		return
	}
	incoming := make(map[mib.NodeID]int)
	planned := 0
	for id := range e.moving {
		t := e.state.Nodes[id].Intent
		incoming[t.Target]++
		if t.Why != KindFailover && t.Why != KindAdopt {
			planned++
		}
	}
	budget := e.budget()
	moved := make(map[[3]mib.NodeID]int) // why, from, to
	for _, id := range away {
		n, known := e.node(id)
		if !known || n.Intent.Target != 0 {
			continue
		}
		why := e.misplaced(n)
		if why == KindNone || why != KindFailover && e.now < e.quietUntil[id] {
			continue
		}
		*n = n.clone()
		if why != KindAssign || n.Owner != 0 {
			if why != KindFailover && planned >= budget {
				continue
			}
		}
		to, ok := e.goal(n, why, incoming)
		if !ok {
			continue
		}
		incoming[to]++
		if why == KindRestore && e.sought(id) {
			e.openIntent(n, to, why)
			e.save(n)
			continue
		}
		moved[[3]mib.NodeID{mib.NodeID(why), n.Owner, to}]++
		if n.Owner == 0 {
			e.assign(n, to)
			continue
		}
		if why != KindFailover {
			planned++
		}
		e.openIntent(n, to, why)
		e.save(n)
	}
	keys := make([][3]mib.NodeID, 0, len(moved))
	for k := range moved {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b [3]mib.NodeID) int { return slices.Compare(a[:], b[:]) })
	for _, k := range keys {
		e.record(Entry{Kind: Kind(k[0]), From: k[1], To: k[2], Nodes: moved[k]})
	}
}

// budget is how many nodes planned moves may have under way, and one round
// may move: the churn, or one ILM's list if that is more (DESIGN section 2).
func (e *Engine) budget() int {
	most := 1
	for _, c := range e.line {
		most = max(most, len(e.owned[c.id]))
	}
	return max(int(e.settings.Churn*float64(len(e.ids))+0.999), most)
}

// misplaced says why a node should not stay where it is; KindNone: it should.
func (e *Engine) misplaced(n *Node) Kind {
	self := e.state.Meta.Self
	switch {
	case n.leaving():
		return KindNone
	case n.Owner == 0:
		return KindAssign
	case n.ID == self:
		return KindNone
	case n.Wanted && n.Owner != self:
		if e.gone(n.Owner) {
			return KindFailover
		}
		return KindPromote
	case n.Wanted:
		return KindNone
	case e.gone(n.Owner):
		return KindFailover
	case e.children[n.Owner].lost: // the manager above is about to take it away
		return KindNone
	case n.Owner == self:
		if !n.Pinned && e.anyILM(n) {
			return KindAssign
		}
		return KindNone
	case e.placed(n) && !n.Pinned && !n.manages():
		return KindPlace
	case e.closed(n.Owner) && !n.Pinned && !n.manages():
		return KindDrain
	case n.banned(n.Owner, e.now) && e.children[n.Owner].rows[n.ID] == nil:
		return KindRestore
	case e.sought(n.ID) && !n.Pinned:
		return KindRestore
	}
	return KindNone
}

// goal picks where a misplaced node goes.
func (e *Engine) goal(n *Node, why Kind, incoming map[mib.NodeID]int) (mib.NodeID, bool) {
	self := e.state.Meta.Self
	if n.ID == self || n.Wanted {
		return self, true
	}
	if why == KindFailover && (e.holding() || e.awaitsHeirs(n.Owner)) {
		return 0, false
	}
	if why == KindAssign && e.forming() && e.now < e.formBy {
		return 0, false // else the first ILM that is ready gets everything
	}
	if why == KindRestore && e.sought(n.ID) {
		return e.nextToTry(n, incoming)
	}
	if why == KindPlace {
		return e.placeOf(n)
	}
	if e.room() {
		if to, ok := e.coldest(n, incoming, func(c *child) bool { return e.allowed(n, c) }); ok {
			return to, true
		}
	}
	switch why {
	case KindFailover: // excluded and drained ones too, if nobody else is left (BanYields)
		if e.now < e.quietUntil[n.ID] || !e.keeps(GuardBanYields) {
			return 0, false
		}
		if to, ok := e.coldest(n, incoming, func(*child) bool { return true }); ok {
			return to, true
		}
	case KindAssign:
		if n.Owner == self {
			return 0, false
		}
	case KindDrain:
		if e.forming() || e.state.Nodes[n.Owner].Retiring && e.settings.MaxILMs >= 0 && e.awaitsRoom(n) {
			return 0, false
		}
	}
	return self, n.Owner != self && (why == KindFailover || !n.banned(self, e.now))
}

// coldest is the ILM with the fewest rows of those that may take the node.
func (e *Engine) coldest(n *Node, incoming map[mib.NodeID]int, may func(*child) bool) (mib.NodeID, bool) {
	best, rows := mib.NodeID(0), 0
	for _, c := range e.line {
		id := c.id
		if c.self || id == n.Owner || !e.ready(c) || !may(c) {
			continue
		}
		if k := len(e.owned[id]) + incoming[id]; best == 0 || k < rows {
			best, rows = id, k
		}
	}
	return best, best != 0
}

// anyILM reports whether some ILM may take the node.
func (e *Engine) anyILM(n *Node) bool {
	if !e.room() {
		return false
	}
	_, ok := e.coldest(n, nil, func(c *child) bool { return e.allowed(n, c) })
	return ok
}

// allowed reports whether a node may be placed on a child by choice.
func (e *Engine) allowed(n *Node, c *child) bool {
	return e.suits(n, c) && e.fits(c)
}

// suits is allowed without asking whether there is room.
func (e *Engine) suits(n *Node, c *child) bool {
	host := e.state.Nodes[c.id]
	if e.closed(c.id) || !e.mayHost(n, &host) {
		return false
	}
	limit := e.capacity(c)
	return limit == 0 || len(e.owned[c.id]) < limit
}

// mayHost reports whether a machine can look after a node at all.
func (e *Engine) mayHost(n, host *Node) bool {
	switch {
	case n.banned(host.ID, e.now):
		return false
	case n.Zone != "" && host.Zone != "" && n.Zone != host.Zone:
		return false
	case !host.holds("credential:", n.Credential), !host.holds("profile:", n.Profile):
		return false
	}
	return true
}

// holds reports whether a node advertises a capability, or all of several with
// commas between; one that advertises none of the kind, or * for more than it
// can name, is taken to hold all, and says no itself if it does not.
func (n *Node) holds(kind, names string) bool {
	any := false
	for _, c := range n.Capabilities {
		held, ok := strings.CutPrefix(c, kind)
		if any = any || ok; ok && (held == "*" || held == names) {
			return true
		}
	}
	if !any || names == "" {
		return true
	}
	if !strings.Contains(names, ",") {
		return false
	}
	for name := range strings.SplitSeq(names, ",") {
		if !n.holds(kind, name) {
			return false
		}
	}
	return true
}

// closed reports whether a child is to be given nothing: drained by the
// operator, on its way back to being a leaf, or about to stop.
func (e *Engine) closed(id mib.NodeID) bool {
	n := e.state.Nodes[id]
	return id != e.state.Meta.Self && (n.Drained || n.Retiring || e.goodbye(e.children[id]))
}

// farewell is for how long a child that has said that it stops is given
// nothing, though it still answers: it works for a moment longer, so that no
// slot stays empty until others have its nodes.
const farewell = 10 * time.Second

// goodbye reports whether a child has said that it stops, and has not joined
// again since.
func (e *Engine) goodbye(c *child) bool {
	return c != nil && c.leftAt != 0 && e.now.Sub(c.leftAt) < farewell
}

// forming reports whether an ILM is being promoted.
func (e *Engine) forming() bool {
	for id := range e.wanted {
		n := e.state.Nodes[id]
		c := e.children[id]
		if n.Wanted && !n.Retiring && !n.Drained && (c == nil || !c.silent && !e.ready(c)) {
			return true
		}
	}
	return !e.formed
}

// formTime is how long nodes wait at most for ILMs that are being promoted: a
// promotion takes a few writes to the new ILM's disk, each of which may have
// to be repeated.
func (e *Engine) formTime() time.Duration {
	return e.settings.Trigger + 2*time.Duration(e.settings.Misses)*e.settings.Probe
}

// assign gives a node its first owner. Nobody polls it yet, so there is
// nothing to hand over.
func (e *Engine) assign(n *Node, to mib.NodeID) {
	every := e.interval(n)
	e.state.Meta.Order++
	n.Owner, n.Epoch, n.Fence, n.Order = to, e.newEpoch(n), 1, e.state.Meta.Order
	n.Zero = e.now.Add(phase(uint32(n.ID), every) - every)
	if e.layered() {
		e.heardOf[n.ID] = e.now
	}
	e.save(n)
}

// giveUp aborts moves whose target cannot take the node any more.
func (e *Engine) giveUp(looked []mib.NodeID) {
	for _, id := range looked {
		if _, moving := e.moving[id]; !moving {
			continue
		}
		n, _ := e.node(id)
		t := n.Intent.Target
		c := e.children[t]
		why := ""
		switch {
		case c == nil || c.silent:
			why = fmt.Sprintf("ILM %d is silent", t)
		case e.closed(t) && !e.managesAt(n, t) && !e.gone(n.Owner) && n.Intent.Why != KindAdopt && e.keeps(GuardDropTell):
			why = fmt.Sprintf("ILM %d is drained or retiring", t)
		case !c.self && e.readable(c) && !c.report.Active && !e.state.Nodes[t].Wanted:
			why = fmt.Sprintf("node %d is not an ILM", t)
		default:
			continue
		}
		*n = n.clone()
		e.abort(n, why)
	}
}

// ensureILMs keeps the number of ILMs at its lower bound, whatever the policy
// does: it promotes candidates for ILMs that are silent or drained.
func (e *Engine) ensureILMs() {
	self := e.state.Meta.Self
	active := 0
	for _, id := range sortedKeys(e.wanted) {
		n, _ := e.node(id)
		c := e.children[id]
		switch {
		case n.Owner != self && n.Owner != 0 && n.banned(self, e.now):
			// Who cannot be reached from here cannot be managed from here.
			*n = n.clone()
			e.unmake(n)
			e.alert("node %d (%s) cannot become an ILM: this manager cannot reach it", id, n.Name)
			continue
		case c == nil:
			if n.Owner == self && n.Intent.Target == 0 {
				e.addChild(id).fresh = e.promoting[id]
				delete(e.promoting, id)
			}
		case c.silent && (c.fresh || c.seen) && !c.report.Active && len(e.owned[id]) == 0:
			// It went silent before it ever was an ILM: let it be a leaf. One
			// that this life has not read may have rows, which nobody would
			// look for then.
			*n = n.clone()
			e.unmake(n)
			e.spurned[id] = e.now.Add(max(spurnRounds*e.settings.Trigger, e.settings.BanFor))
			e.alert("node %d (%s) fell silent before it became an ILM; another candidate takes its place", id, n.Name)
			continue
		}
		if !n.Retiring && e.settings.MaxILMs < 0 { // there are to be none below any more
			*n = n.clone()
			e.retire(n)
		}
		if !n.Retiring && !n.Drained && (c == nil || !c.silent && !e.goodbye(c)) {
			active++
		}
	}
	want := max(e.settings.MinILMs, e.width())
	if e.settings.MaxILMs > 0 {
		want = min(want, e.settings.MaxILMs)
	}
	if !e.formed {
		want = max(want, e.settings.StartILMs)
	}
	for active < want {
		id, ok := e.candidate()
		if e.short = !ok; !ok {
			return
		}
		if !e.formed { // nodes may come long after this manager has started
			e.formBy = e.now.Add(e.formTime())
		}
		e.promote(id)
		active++
	}
	e.formed = true
}

// promote has a node become an ILM: its own row comes here first.
func (e *Engine) promote(id mib.NodeID) {
	n, ok := e.node(id)
	if !ok || n.Wanted {
		return
	}
	*n = n.clone()
	n.Wanted, n.Retiring, n.Placed = true, false, 0
	e.save(n)
	e.promoting[id] = true
	if n.Owner == e.state.Meta.Self && n.Intent.Target == 0 {
		e.addChild(id).fresh = true
		e.raiseOwner(n) // its row says now that it is an ILM
	}
}

// candidate is the first node that may be promoted.
func (e *Engine) candidate() (mib.NodeID, bool) {
	for i, id := range e.ids {
		if !e.hosting[i].may && e.hosting[i].owner != 0 {
			continue
		}
		if n := e.state.Nodes[id]; e.eligible(&n) {
			return id, true
		}
	}
	return 0, false
}

// spurnRounds is for how many triggers at least a node that fell silent before
// it became an ILM is not tried again, unless it announces itself.
const spurnRounds = 10

// eligible reports whether a node may be made an ILM now.
func (e *Engine) eligible(n *Node) bool {
	return e.now >= e.spurned[n.ID] && n.Candidate && !n.Wanted && !n.manages() && !n.Drained && !n.Pinned && n.Kind == mib.KindLeaf && n.Intent.Target == 0 &&
		n.ID != e.state.Meta.Self && !n.banned(e.state.Meta.Self, e.now) && !e.failing[n.ID] && (n.Owner == 0 || !e.gone(n.Owner))
}
