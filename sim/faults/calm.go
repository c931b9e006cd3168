package faults

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// checkCalm says what is wrong in a world that had time to settle since the
// last fault began or ended: I1 and I3 of DESIGN section 5, that every move
// has ended, that every manager has what the one above thinks it has, and that
// samples of every node that can be polled arrive at the top.
func (w *World) checkCalm() []string {
	var bad []string
	wrong := func(format string, args ...any) {
		bad = append(bad, fmt.Sprintf("at %v, all calm: ", w.Elapsed())+fmt.Sprintf(format, args...))
	}
	if w.top.life == 0 {
		wrong("no top manager runs")
		return bad
	}
	s := w.top.store
	for _, id := range slices.Sorted(maps.Keys(s.Nodes)) {
		n := s.Nodes[id]
		holders := slices.DeleteFunc(slices.Clone(w.holders(id)), func(m *machine) bool { return m.clone || m != w.machines[1] && w.apart(1, m.place) })
		if n.Kind < 0 { // on its way out, and waits for a manager that is not there
			if len(holders) > 0 {
				wrong("node %d has left and is still on the lists of %v", id, places(holders))
			}
			continue
		}
		if w.dead(id) && w.sought(id) {
			continue
		}
		if n.Intent.Target != 0 {
			wrong("node %d: the move to %d never ends", id, n.Intent.Target)
			continue
		}
		chain, why := w.chain(id)
		if why != "" {
			wrong("I1: node %d: %s", id, why)
			continue
		}
		at := w.machines[id]
		by := chain[len(chain)-1]
		if len(holders) != len(chain) && at.up && !at.copied && !w.apart(by.place, at.place) {
			// A row of what its owner does not reach stays where it may still
			// work: at a drained ILM, if no other can take it, or where the
			// address is still known that one with a copied identity has taken.
			wrong("I3: node %d is on the lists of %v, its way down is %v", id, places(holders), places(chain))
			continue
		}
		every := w.top.settings.Interval
		if n.Interval > 0 {
			every = n.Interval
		}
		limit := 3*every + time.Second + time.Duration(len(chain)-1)*w.top.settings.Probe
		if n.Address != at.address && w.apart(1, at.place) {
			continue // it cannot say where it is now
		}
		if at.up && !w.apart(by.place, at.place) && w.now.Sub(w.checks.fresh[id]) > limit {
			wrong("node %d answers %d, but no sample of it was stored for %v", id, by.id, w.now.Sub(w.checks.fresh[id]))
		}
		// A dead ILM below a drained one stays with it: nobody has read the end
		// of its log, and it is to be taken over as what it is (Leaves only). So do
		// the ILMs between the two: they are leaves when they have none below.
		deadILM := w.aboveDeadILM(id)
		if host := s.Nodes[n.Owner]; host.Drained && !n.Pinned && n.Owner != 1 && !deadILM {
			for _, c := range w.top.engine.Children() {
				o := s.Nodes[c.ID]
				banned := slices.ContainsFunc(n.Banned, func(b reconfig.Ban) bool { return b.Target == c.ID && w.top.at(w).Now < b.Until })
				if c.Ready && !o.Drained && !o.Retiring && !banned {
					wrong("node %d stays on %d, which is drained, although %d could take it", id, n.Owner, c.ID)
					break
				}
			}
		}
	}
	for _, by := range w.managers() {
		for _, c := range by.engine.Children() {
			if m := w.machines[c.ID]; c.Retiring && m != nil && m.up && !w.scenario.Abandon && !by.pinnedAt(c.ID) && !w.keptAt(by, c.ID) { // else those that could take what it has may be out of reach
				wrong("ILM %d never hands over to become a leaf, as manager %d wants", c.ID, by.self)
			}
		}
	}
	for _, m := range w.machines {
		if m == nil || !m.up || m.clone || m.gone || !m.list.Active() || w.apart(1, m.place) {
			continue
		}
		for id := range m.disk.Rows {
			if n, known := s.Nodes[id]; (!known || n.Kind < 0) && !w.machines[id].gone {
				wrong("node %d is on the list of %d and the top does not know it", id, m.place)
			}
		}
	}
	return bad
}

// chain is the managers on whose lists a node is, from below the top down: the
// last one polls it. It says what is wrong if the lists and the engines do not
// agree.
func (w *World) chain(id mib.NodeID) (chain []*machine, why string) {
	by := w.top
	for range mib.Levels + 1 {
		n, known := by.engine.Node(id)
		if !known {
			return nil, fmt.Sprintf("manager %d does not know it", by.self)
		}
		if n.Owner == 0 {
			return nil, fmt.Sprintf("manager %d has given it to nobody", by.self)
		}
		m := w.machines[n.Owner]
		if m != by.host || by == w.top {
			if !m.up {
				return nil, fmt.Sprintf("manager %d has it at %d, which is down", by.self, n.Owner)
			}
			if m != w.machines[1] && w.apart(by.place, m.place) {
				return nil, fmt.Sprintf("manager %d has it at %d, which is out of reach", by.self, n.Owner)
			}
			if r, have := m.list.Row(m.now(w), id); !have {
				return nil, fmt.Sprintf("manager %d has it at %d, which has no row of it", by.self, n.Owner)
			} else if r.Row.Epoch != n.Epoch {
				return nil, fmt.Sprintf("manager %d has it at %d at epoch %v, the row says %v", by.self, n.Owner, n.Epoch, r.Row.Epoch)
			}
			chain = append(chain, m)
		}
		if n.Intent.Target != 0 {
			return nil, fmt.Sprintf("at manager %d the move to %d never ends", by.self, n.Intent.Target)
		}
		if m.list.Polls(id) {
			return chain, ""
		}
		if m == by.host && by != w.top {
			return nil, fmt.Sprintf("manager %d polls it itself, and its list says that one below does", by.self)
		}
		if m.mgr == nil || m.mgr.life == 0 {
			return nil, fmt.Sprintf("the list of %d says that a manager below polls it, and there is none", m.place)
		}
		by = m.mgr
	}
	return nil, "its way down never ends"
}

// aboveDeadILM reports whether a node is an ILM below others that does not run,
// or has such a one below itself.
func (w *World) aboveDeadILM(id mib.NodeID) bool {
	nodes := w.top.store.Nodes
	for x, n := range nodes {
		if (n.Manager || n.Under != 0) && w.dead(x) {
			for range mib.Levels {
				if x == id {
					return true
				}
				x = nodes[x].Under
			}
		}
	}
	return false
}

// pinnedAt reports whether an operator keeps a node with a child.
func (m *manager) pinnedAt(child mib.NodeID) bool {
	for _, n := range m.store.Nodes {
		if n.Owner == child && n.Pinned {
			return true
		}
	}
	return false
}

// keptAt reports whether a child has a node that none of the others reached
// when it was tried there: they are left alone with it for the scenario's Ban,
// and it stays meanwhile.
func (w *World) keptAt(m *manager, child mib.NodeID) bool {
	now := m.at(w).Now
	for _, n := range m.store.Nodes {
		barred := func(id mib.NodeID) bool {
			return slices.ContainsFunc(n.Banned, func(b reconfig.Ban) bool { return b.Target == id && now < b.Until })
		}
		if n.Owner == child && barred(m.self) && !slices.ContainsFunc(m.engine.Children(), func(c reconfig.ChildStatus) bool {
			host := m.store.Nodes[c.ID]
			return c.ID != child && c.Ready && !host.Drained && !host.Retiring && !barred(c.ID)
		}) {
			return true
		}
	}
	return false
}

// dead reports whether somebody cannot be asked at all.
func (w *World) dead(id mib.NodeID) bool { return !w.machines[id].up }

// sought reports whether some manager looks for one that reaches a node: it
// does so again and again for a dead one, and moves the row about for that.
func (w *World) sought(id mib.NodeID) bool {
	for _, m := range w.managers() {
		if n, known := m.engine.Node(id); known && (n.Intent.Why == reconfig.KindRestore || len(n.Prev) > 0) {
			return true
		}
	}
	return false
}

func places(ms []*machine) []int {
	out := make([]int, len(ms))
	for i, m := range ms {
		out[i] = m.place
	}
	slices.Sort(out)
	return out
}

// changes counts what a world that has settled does no more (I4).
func (w *World) changes() (sum uint64) {
	for _, m := range w.managers() {
		c := m.engine.Counters()
		sum += c.Moves + c.Aborts + c.Claims + uint64(m.engine.Meta().Term)
	}
	return sum
}

// managers is those that run, the top first.
func (w *World) managers() []*manager {
	var out []*manager
	if w.top.life != 0 {
		out = append(out, w.top)
	}
	for _, m := range w.machines {
		if m != nil && m.up && m.mgr != nil && m.mgr.life != 0 {
			out = append(out, m.mgr)
		}
	}
	return out
}

// nobodys counts known nodes that are on no live manager's list (I1).
func (w *World) nobodys() (n int) {
	for id, node := range w.top.store.Nodes {
		if node.Kind >= 0 && len(w.holders(id)) == 0 {
			n++
		}
	}
	return n
}

// gaps is the slots of a node between the first and the newest one stored that
// were not stored.
func (w *World) gaps(id mib.NodeID) []uint32 {
	l := w.top.store.Ledgers[id]
	var gaps []uint32
	for i := 1; i < len(l.Runs); i++ {
		for s := l.Runs[i-1].To + 1; s < l.Runs[i].From; s++ {
			gaps = append(gaps, s)
		}
	}
	return gaps
}
