package reconfig

import (
	"fmt"
	"slices"

	"simone/mib"
)

// look is a decision to make an ILM of a machine that is asked first how busy
// it is: what its last report said may be an interval old, and what another
// decision saw of it too.
type look struct {
	Transformation
	probe ActionID
}

// lookAt asks the first of a transformation's machines.
func (e *Engine) lookAt(t Transformation) {
	l := &look{Transformation: t, probe: e.action()}
	l.To = t.Hosts[0].ID
	e.looks = append(e.looks, l)
	e.do(Probe{ID: l.probe, Child: l.To})
}

// looked takes a machine's answer: the transformation begins, unless the
// machine has become busier than it was thought to be.
func (e *Engine) looked(ev ChildReported) {
	t, ok := e.takeLook(ev.Action)
	if !ok {
		return
	}
	n, known := e.state.Nodes[t.To]
	if !known || !e.eligible(&n) || ev.Report.Active || ev.Report.Host.Known && ev.Report.Host.Load > t.Hosts[0].Load+noLoad {
		e.lookOn(t)
		return
	}
	t.Hosts, e.agenda.all = nil, true
	e.begin(t)
}

// lookFailed takes that a machine did not answer; it reports whether the
// action was a look.
func (e *Engine) lookFailed(id ActionID) bool {
	t, ok := e.takeLook(id)
	if ok {
		e.lookOn(t)
	}
	return ok
}

func (e *Engine) takeLook(id ActionID) (Transformation, bool) {
	i := slices.IndexFunc(e.looks, func(l *look) bool { return l.probe == id })
	if i < 0 {
		return Transformation{}, false
	}
	t := e.looks[i].Transformation
	e.looks = slices.Delete(e.looks, i, i+1)
	return t, true
}

// lookOn asks the next machine; if there is none the transformation is
// dropped, and the nodes that it would have moved go back into the budget.
func (e *Engine) lookOn(t Transformation) {
	if t.Hosts = t.Hosts[1:]; len(t.Hosts) > 0 {
		e.lookAt(t)
		return
	}
	e.spend(-float64(t.moves()))
	e.verdict(t.From, fmt.Sprintf("%v: no machine that was asked is as idle as it said", t.Kind))
}

// react has the policy decide between two triggers, because an ILM's machine
// has more to do than it had: what can be known at once need not wait.
func (e *Engine) react() {
	e.rose = 0
	p, ok := e.policy.(reactive)
	if !ok || e.paused() || !e.settings.Automatic || len(e.hosts) == 0 {
		return
	}
	view, _ := e.view()
	e.admit(p.React(view), &view)
}

// allTold reports whether all ILMs have told of their machines within the time
// between two probes before one was found to be busier: else machines whose
// loads rise together would be taken for unequal.
func (e *Engine) allTold() bool {
	for _, c := range e.line {
		if !c.self && !c.silent && c.reportAt <= e.rose.Add(-e.settings.Probe) {
			return false
		}
	}
	return true
}

// reactive is a policy that decides between triggers, too.
type reactive interface {
	// React decides on what does not wait for the next trigger.
	React(View) []Transformation
}

// asking says which machines are being asked, or are about to become ILMs.
func (e *Engine) asking() map[mib.NodeID]bool {
	ids := make(map[mib.NodeID]bool)
	for _, l := range e.looks {
		for _, h := range l.Hosts {
			ids[h.ID] = true
		}
	}
	return ids
}
