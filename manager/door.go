package manager

import (
	"time"

	"simone/mib"
	"simone/reconfig"
)

// A Host is the Door through which the engine of the same process reaches this
// list. What goes through it is what a parent does over SNMP, with the same
// checks and the same store.
var _ Door = (*Host)(nil)

// Control does a control SET. A *reconfig.Refusal says that nothing has
// changed; another error that the store failed and nothing has changed.
func (h *Host) Control(set reconfig.ControlSet) error {
	h.controlMu.Lock()
	defer h.controlMu.Unlock()
	change, refusal := h.plan(set)
	if refusal != nil {
		return refusal
	}
	return h.commit(change)
}

// Report gives what a parent reads at each probe: with the whole list if
// full, else with those of the rows asked for that there are.
func (h *Host) Report(rows []mib.NodeID, full bool) reconfig.Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.cfg.Clock.Now()
	h.hear(now)
	lease := time.Duration(0)
	if last := h.lease(now); last != 0 {
		lease = now.Sub(last)
	}
	m := h.measures
	r := reconfig.Report{
		Fence:       h.list.Fence(),
		Active:      h.list.Active(),
		Windows:     m.Windows,
		Temperature: m.Temperature,
		Weighted:    m.Weighted,
		Latency:     m.Latency.Mean,
		Intrusion:   m.Intrusion,
		Utilisation: m.Utilisation,
		Digest:      h.list.Digest(),
		Subtree:     h.list.Census(),
		Log:         h.list.Log().Head(),
		Lease:       lease,
		Capacity:    h.list.Capacity(),
		Full:        full,
	}
	add := func(id mib.NodeID) {
		if s, have := h.list.Row(now, id); have {
			r.Rows = append(r.Rows, reconfig.RowReport{
				Row: s.Row, First: s.First, Samples: s.Samples, Failing: s.Failing, Cost: s.Cost,
			})
		}
	}
	if full {
		for id, ok := h.list.NextRow(0); ok; id, ok = h.list.NextRow(id) {
			add(id)
		}
		return r
	}
	for _, id := range rows {
		add(id)
	}
	return r
}

// ReadLog gives up to limit records after the cursor, and the incarnation of
// the log; a cursor of another incarnation reads from the start.
func (h *Host) ReadLog(from reconfig.Cursor, limit int) (uint64, []mib.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	log := h.list.Log()
	return log.Head().Incarnation, log.Read(h.cfg.Clock.Now(), from, limit)
}
