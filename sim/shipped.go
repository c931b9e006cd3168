package sim

import (
	"simone/mib"
	"simone/reconfig"
	"simone/sim/scenario"
)

// paper has the very policy of the daemons decide, on a view as a manager's
// engine would make it. Its moves are atomic, as in the paper's own model.
func paper(p *scenario.Parameters) func(*world) {
	view := reconfig.View{
		Thresholds:       reconfig.Thresholds(p.Thresholds),
		MinILMs:          1,
		MaxILMs:          p.ILMs,
		MigrateToColdest: p.MigrateTarget == "coldest",
	}
	ilms := make(map[mib.NodeID]int, p.ILMs)
	return func(w *world) {
		view.Children, view.Idle = view.Children[:0], view.Idle[:0]
		for i := range w.roles {
			if w.dead(i) {
				continue
			}
			r, id := &w.roles[i], nodeID(w.hostOf(i))
			ilms[id] = i
			if !r.active {
				view.Idle = append(view.Idle, id)
				continue
			}
			view.Children = append(view.Children, reconfig.ChildView{ID: id, Temperature: w.temperatureOf(i), Nodes: r.nodes})
		}
		for _, t := range (reconfig.Paper{}).Decide(view) {
			from, to := ilms[t.From], ilms[t.To]
			if t.Promote {
				w.activate(to)
			}
			w.move(from, to, t.Nodes)
			if t.Demote {
				w.roles[from].active = false
			}
			w.rec.transformed(w.now, t.Kind, len(t.Nodes))
		}
	}
}
