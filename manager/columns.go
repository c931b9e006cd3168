package manager

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"simone/mib"
)

// decodeCells makes rows of the columns of a SET, one Apply for all of them.
// h.controlMu is held.
func (w *wish) decodeCells(h *Host) (mib.Apply, *mib.SetError) {
	type row struct {
		first int // position of its first cell
		cells map[uint32]int
	}
	rows := make(map[mib.NodeID]*row)
	var order []mib.NodeID
	for _, at := range w.cells {
		name := w.vars[at].Name
		column, index := name[len(mib.SimoneSupportEntry)], name[len(mib.SimoneSupportEntry)+1:]
		if len(index) != 1 || index[0] == 0 {
			return mib.Apply{}, mib.Refuse(mib.NoCreation, at, "%s: the index is one NodeID from 1 to 4294967295", mib.NameOf(name))
		}
		id := mib.NodeID(index[0])
		r := rows[id]
		if r == nil {
			r = &row{at, make(map[uint32]int)}
			rows[id] = r
			order = append(order, id)
		}
		if _, twice := r.cells[column]; twice {
			return mib.Apply{}, mib.Refuse(mib.WrongValue, at, "%s stands there twice", mib.NameOf(name))
		}
		r.cells[column] = at
	}
	var apply mib.Apply
	for _, id := range order {
		r := rows[id]
		if refused := w.decodeRow(h, id, r.first, r.cells, &apply); refused != nil {
			return mib.Apply{}, refused
		}
	}
	return apply, nil
}

// decodeRow adds one row's columns to the Apply.
func (w *wish) decodeRow(h *Host, id mib.NodeID, first int, cells map[uint32]int, apply *mib.Apply) *mib.SetError {
	refuse := func(status mib.ErrorStatus, at int, format string, args ...any) *mib.SetError {
		return mib.Refuse(status, at, "%s: "+format, append([]any{mib.NameOf(w.vars[at].Name)}, args...)...)
	}
	now := h.cfg.Clock.Now()
	h.mu.Lock()
	status, exists := h.list.Row(now, id)
	tomb := h.list.Tombstone(id)
	interval := h.pollInterval()
	h.mu.Unlock()

	request := mib.RowStatus(0)
	if at, given := cells[mib.ColumnSupportRowStatus]; given {
		request = mib.RowStatus(w.vars[at].Value.Int)
		if code, reason := mib.CheckRowStatus(exists, request); code != mib.NoError {
			return refuse(code, at, "%s", reason)
		}
	}
	switch {
	case request == mib.RowDestroy && len(cells) > 1:
		return refuse(mib.InconsistentValue, first, "a row that is destroyed takes no other columns")
	case request == mib.RowDestroy:
		if exists {
			apply.Destroy = append(apply.Destroy, mib.Tombstone{Node: id, Epoch: status.Row.Epoch})
		}
		return nil
	case !exists && request != mib.RowCreateAndGo:
		return refuse(mib.InconsistentName, first, "there is no such row; write simoneSupportRowStatus createAndGo(4) in the same SET")
	}

	row := status.Row
	if !exists {
		if _, given := cells[mib.ColumnSupportAddress]; !given {
			return refuse(mib.InconsistentValue, cells[mib.ColumnSupportRowStatus], "a new row needs simoneSupportAddress in the same SET")
		}
		row = mib.SupportRow{
			Node: id, Epoch: successor(tomb), Slot: 1, Interval: interval, Kind: mib.KindLeaf,
			Credential: h.cfg.Credential,
		}
	}
	for _, column := range slices.Sorted(maps.Keys(cells)) {
		at := cells[column]
		v := w.vars[at].Value
		switch column {
		case mib.ColumnSupportName:
			row.Name = string(v.Bytes)
		case mib.ColumnSupportAddress:
			row.Address = string(v.Bytes)
			if _, err := netip.ParseAddrPort(row.Address); err != nil {
				return refuse(mib.WrongValue, at, "%q is not host:port or [host]:port in numbers, for example 192.0.2.7:161", row.Address)
			}
		case mib.ColumnSupportKind:
			row.Kind = mib.Kind(v.Int)
		case mib.ColumnSupportProfile:
			row.Profile = string(v.Bytes)
		case mib.ColumnSupportCredential:
			row.Credential = string(v.Bytes)
		case mib.ColumnSupportInterval:
			row.Interval = interval
			if v.Uint > 0 {
				row.Interval = time.Duration(v.Uint) * time.Millisecond
			}
		case mib.ColumnSupportSlot:
			row.Slot = uint32(v.Uint)
		case mib.ColumnSupportDue:
			row.Due = time.Duration(v.Int) * time.Millisecond
		case mib.ColumnSupportEpoch:
			epoch, err := mib.ParseEpoch(v.Bytes)
			if err != nil {
				return refuse(mib.WrongLength, at, "%v", err)
			}
			row.Epoch = epoch
		}
	}
	if row.Profile == "" {
		row.Profile = mib.ProfileSimone
		if row.Kind == mib.KindDevice {
			row.Profile = mib.ProfileSystem
		}
	}
	apply.Stage = append(apply.Stage, row)
	return nil
}

// successor is the smallest epoch above e. (The greatest epoch has none and
// gives the zero epoch, which is refused.)
func successor(e mib.Epoch) mib.Epoch {
	for i := len(e) - 1; i >= 0; i-- {
		if e[i]++; e[i] != 0 {
			break
		}
	}
	return e
}
