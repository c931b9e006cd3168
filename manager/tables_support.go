package manager

import (
	"simone/mib"
	"simone/reconfig"
)

// supportRows is simoneSupportTable.
type supportRows struct{ h *Host }

var _ mib.RowSetter = supportRows{}

// Next implements mib.Rows.
func (t supportRows) Next(index mib.OID) (mib.OID, bool) {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	after := mib.NodeID(0)
	if len(index) > 0 {
		after = mib.NodeID(index[0])
	}
	id, ok := t.h.list.NextRow(after)
	return mib.OID{uint32(id)}, ok
}

// Value implements mib.Rows.
func (t supportRows) Value(column uint32, index mib.OID) mib.Value {
	none := mib.Value{Type: mib.TypeNoSuchInstance}
	if len(index) != 1 {
		return none
	}
	h := t.h
	id := mib.NodeID(index[0])
	var below reconfig.Node // as the engine of a Deep knows it, whose lock comes before h.mu
	if column == mib.ColumnSupportKind || column == mib.ColumnSupportVia {
		below = h.below(id)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.cfg.Clock.Now()
	s, have := h.list.Row(now, id)
	if !have {
		return none
	}
	switch column {
	case mib.ColumnSupportName:
		return mib.Text(s.Row.Name)
	case mib.ColumnSupportAddress:
		return mib.Text(s.Row.Address)
	case mib.ColumnSupportKind:
		if below.Wanted {
			return mib.Integer(int32(mib.KindILM))
		}
		return mib.Integer(int32(s.Row.Kind))
	case mib.ColumnSupportProfile:
		return mib.Text(s.Row.Profile)
	case mib.ColumnSupportCredential:
		return mib.Text(s.Row.Credential)
	case mib.ColumnSupportInterval:
		return mib.Millis(s.Row.Interval)
	case mib.ColumnSupportSlot:
		return mib.Gauge(s.Row.Slot)
	case mib.ColumnSupportDue:
		return mib.SignedMillis(s.Row.Due)
	case mib.ColumnSupportEpoch:
		return mib.Octets(s.Row.Epoch.Append(nil))
	case mib.ColumnSupportOperStatus:
		return mib.Integer(int32(pollStatus(s)))
	case mib.ColumnSupportFirstSlot:
		return mib.Gauge(s.First)
	case mib.ColumnSupportSamples:
		return mib.Counter32(s.Samples)
	case mib.ColumnSupportLastPoll:
		return age(now, s.LastAt)
	case mib.ColumnSupportRtt:
		return mib.Micros(s.RTT)
	case mib.ColumnSupportJitter:
		return mib.Micros(s.Jitter)
	case mib.ColumnSupportLoss:
		if s.Polls == 0 {
			return mib.Gauge(0)
		}
		return mib.Hundredths(100 * float64(s.Lost) / float64(s.Polls))
	case mib.ColumnSupportCost:
		return mib.Micros(s.Cost)
	case mib.ColumnSupportLoad:
		if load, _, ok := h.load(id); ok {
			return mib.Hundredths(load)
		}
	case mib.ColumnSupportLoadAverage:
		if load, before, ok := h.load(id); ok {
			return mib.Hundredths((load + before) / 2)
		}
	case mib.ColumnSupportSpeed:
		return mib.Gauge(0) // nothing measures it yet
	case mib.ColumnSupportFailures:
		return counter(s.Lost)
	case mib.ColumnSupportRowStatus:
		return mib.Integer(int32(mib.RowActive))
	case mib.ColumnSupportVia:
		switch {
		case !s.Away:
			return mib.Gauge(0)
		case below.Owner != 0 && below.Owner != h.cfg.Node.Identity().ID:
			return mib.Gauge(uint32(below.Owner))
		}
	}
	return none
}

// Test implements mib.RowSetter. The cells' syntax is all that is checked
// here; control.Test judges them together with the fence.
func (t supportRows) Test([]mib.Cell) (mib.Txn, *mib.SetError) { return mib.TxnFuncs{}, nil }

func pollStatus(s reconfig.RowStatus) mib.PollStatus {
	switch {
	case s.Failing:
		return mib.PollFailing
	case s.LastAt != 0:
		return mib.PollUp
	}
	return mib.PollWaiting
}

// load is the length of a node's run queue as it last reported it, and as it
// reported it before. h.mu is held.
func (h *Host) load(id mib.NodeID) (now, before float64, ok bool) {
	state, have := h.nodes[id]
	if !have {
		return 0, 0, false
	}
	now, _, ok = h.values.get(id, h.runQueue, 0)
	return now, state.runQueue, ok
}
