package manager

import (
	"net/netip"

	"simone/mib"
	"simone/reconfig"
)

// announcement is what a manager tells a SIMONE node on its list: whose it
// is. It goes out again when any of it changes.
type announcement struct {
	epoch  mib.Epoch
	parent mib.NodeID
	level  uint32
	path   string // of the parent
	from   string // the parent's address
}

// announceRetries: one more attempt; if that is lost too, the next poll that
// is answered brings another.
const announceRetries = 1

// announce gives what sends an announcement to the node, or nil if the node
// knows. It is told when it has answered a poll, so that dead nodes cost
// nothing. Devices are never written to. h.mu is held; call the result
// without it.
func (h *Host) announce(now reconfig.Instant, self Identity, node mib.NodeID, state *rowState) func() {
	status, have := h.list.Row(now, node)
	row := status.Row
	if !have || row.Kind == mib.KindDevice || state.announcing {
		return nil
	}
	if self.ID == 0 || self.ID == node || h.cfg.Leads != nil && h.cfg.Leads() != nil {
		return nil
	}
	epoch := row.Epoch
	if !status.Inner.IsZero() {
		epoch = status.Inner
	}
	told := announcement{epoch, self.ID, self.Level, self.Path, self.Address}
	if told == state.told {
		return nil
	}
	address, err := netip.ParseAddrPort(row.Address)
	if err != nil {
		return nil
	}
	state.announcing = true
	request := mib.Request{
		Address:    address,
		Credential: row.Credential,
		Verb:       mib.VerbSet,
		Vars:       told.vars(node),
		Timeout:    min(maxPollTimeout, row.Interval/4),
		Retries:    announceRetries,
	}
	return func() {
		h.cfg.Poller.Start(request, func(r mib.Response) { h.announced(node, told, r) })
	}
}

func (a announcement) vars(node mib.NodeID) []mib.Variable {
	path := node.String()
	if a.path != "" {
		path = a.path + "/" + path
	}
	set := func(object mib.OID, v mib.Value) mib.Variable {
		return mib.Variable{Name: mib.Instance(object), Value: v}
	}
	return []mib.Variable{
		set(mib.SimoneNodeEpoch, mib.Octets(a.epoch.Append(nil))),
		set(mib.SimoneNodeId, mib.Gauge(uint32(node))),
		set(mib.SimoneNodeParentId, mib.Gauge(uint32(a.parent))),
		set(mib.SimoneNodeParent, mib.Text(a.from)),
		set(mib.SimoneNodePath, mib.Text(path)),
		set(mib.SimoneNodeLevel, mib.Gauge(a.level+1)),
	}
}

// announced takes what became of an announcement, on the poller's goroutine.
func (h *Host) announced(node mib.NodeID, told announcement, r mib.Response) {
	h.mu.Lock()
	defer h.mu.Unlock()
	state, have := h.nodes[node]
	if !have {
		return
	}
	state.announcing = false
	if r.Err != nil {
		return // the next answered poll tries again
	}
	switch r.Status {
	case mib.NoError:
		state.told = told
		h.counts.Announced++
	case mib.TooBig, mib.GenErr, mib.ResourceUnavailable, mib.CommitFailed, mib.UndoFailed: // may pass: again with the next poll
		h.log.Debug("announcement failed", "node", node, "status", r.Status, "index", r.Index)
	case mib.InconsistentValue: // a newer owner has been there, as happens while a node moves
		state.told = told
		h.counts.Refused++
	default:
		state.told = told
		h.counts.Refused++
		h.log.Warn("announcement refused", "node", node, "status", r.Status, "index", r.Index)
	}
}
