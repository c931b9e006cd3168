package reconfig

import "fmt"

// A store that was restored from a backup may know as leaves what have become
// ILMs since. Before the manager decides anything it therefore asks every
// candidate, once it is restored, whom it obeys (model rule ReadAll, of
// children that the store does not know). Those that do not answer announce
// themselves when they can.

// scout is a candidate that is being asked.
type scout struct {
	probe  ActionID // outstanding
	missed int
}

// scoutAll begins to ask.
func (e *Engine) scoutAll() {
	for _, id := range e.ids {
		if n := e.state.Nodes[id]; n.Candidate && !n.Wanted && !n.leaving() && id != e.state.Meta.Self {
			e.scouts[id] = &scout{}
		}
	}
}

// probeScouts sends what is to be asked.
func (e *Engine) probeScouts() {
	for _, id := range sortedKeys(e.scouts) {
		if s := e.scouts[id]; s.probe == 0 {
			s.probe = e.action()
			e.do(Probe{ID: s.probe, Child: id})
		}
	}
}

// scouted takes a candidate's answer: an ILM that obeys this manager is one of
// its children. Those below others are announced by these.
func (e *Engine) scouted(ev ChildReported) {
	s := e.scouts[ev.Child]
	if s == nil || s.probe != ev.Action {
		return
	}
	delete(e.scouts, ev.Child)
	n, known := e.node(ev.Child)
	if !known || n.Wanted || n.leaving() || !ev.Report.Active || ev.Report.Fence.Parent != e.state.Meta.Self {
		return
	}
	*n = n.clone()
	n.Wanted = true
	if e.keeps(GuardOwnRow) {
		e.letGo(n)
		n.Intent = Intent{}
	}
	e.raiseOwner(n) // above all fences of before (restarted)
	e.formed = true
	e.addChild(n.ID) // whoever has its own row: what it polls must be known before anything is decided
	e.record(Entry{Kind: KindAdopt, Node: n.ID, Seen: fmt.Sprintf("an ILM of this manager (%v), which the store does not know", ev.Report.Fence)})
}

// scoutMissed takes that a candidate did not answer; it reports whether the
// action was a scout's.
func (e *Engine) scoutMissed(id ActionID) bool {
	for k, s := range e.scouts {
		if s.probe != id {
			continue
		}
		s.probe = 0
		if s.missed++; s.missed >= e.settings.Misses {
			delete(e.scouts, k)
		}
		return true
	}
	return false
}

// scouting reports whether candidates have still to answer.
func (e *Engine) scouting() bool { return len(e.scouts) > 0 }
