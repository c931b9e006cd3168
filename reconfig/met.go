package reconfig

import "simone/mib"

// met takes note of the epoch at which a node that announces itself was last
// looked after. A manager whose store was lost or is old meets nodes that know
// of newer owners than it does; it goes above them, or they would not take its
// word for who their parent is. The caller has saved the node.
func (e *Engine) met(id mib.NodeID, epoch mib.Epoch) {
	if e.state.Meta.Level > 0 || epoch[0] <= e.state.Meta.High[0] {
		return // below the top the manager above sees to it
	}
	if t := epoch.Term(e.state.Meta.Level); t >= maxTerm {
		e.alert("node %d obeys an epoch that cannot be outranked (%v): remove its state directory and restart it", id, epoch)
		return
	} else if t > e.state.Meta.Term {
		e.raiseTerm(t + 1)
	}
	e.sawEpoch(epoch)
	if n, known := e.node(id); known && n.Owner != 0 && n.Epoch.Less(epoch) {
		*n = n.clone()
		e.raiseOwner(n)
	}
}
