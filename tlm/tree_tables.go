package tlm

import (
	"simone/mib"
	"simone/reconfig"
)

var noSuch = mib.Value{Type: mib.TypeNoSuchInstance}

// age is how long before now something was, in milliseconds; Never for what
// has not been.
func age(now, then reconfig.Instant) mib.Value {
	if then == 0 {
		return mib.Gauge(mib.Never)
	}
	return mib.Millis(max(now.Sub(then), 0))
}

func childID(c reconfig.ChildStatus) mib.NodeID { return c.ID }

// treeRows are the rows of simoneTreeTable: the TLM and the ILMs.
type treeRows struct{ m *Manager }

// managers are the TLM itself and the ILMs, by NodeID.
func (r treeRows) managers() []reconfig.ChildStatus {
	report := r.m.host.Report(nil, false)
	report.Latency = r.m.host.Measures().Latency.Mean
	self := reconfig.ChildStatus{ID: selfID, Report: report, At: r.m.clock.Now(), Ready: true, Nodes: int(report.Digest.Count)}
	return append([]reconfig.ChildStatus{self}, r.m.conductor.Children()...)
}

// Next gives the row after index.
func (r treeRows) Next(index mib.OID) (mib.OID, bool) {
	return mib.NextNodeRow(r.managers(), index, childID)
}

// Value gives a cell.
func (r treeRows) Value(column uint32, index mib.OID) mib.Value {
	c, ok := mib.FindNodeRow(r.managers(), index, childID)
	if !ok {
		return noSuch
	}
	n, _ := r.m.conductor.Node(c.ID)
	if c.ID == selfID { // it is there before it has joined its own inventory
		n.Name, n.Address = r.m.node.Name(), r.m.node.Identity().Address
	}
	parent, level := selfID, uint32(1)
	if c.ID == selfID {
		parent, level = 0, 0
	}
	switch column {
	case mib.ColumnTreeName:
		return mib.Text(n.Name)
	case mib.ColumnTreeAddress:
		return mib.Text(n.Address)
	case mib.ColumnTreeParentId:
		return mib.Gauge(uint32(parent))
	case mib.ColumnTreeLevel:
		return mib.Gauge(level)
	case mib.ColumnTreeTemperature:
		return mib.Temperature(c.Report.Temperature)
	case mib.ColumnTreeWeighted:
		return mib.Temperature(c.Report.Weighted)
	case mib.ColumnTreeIntrusion:
		return mib.Hundredths(c.Report.Intrusion)
	case mib.ColumnTreeUtilisation:
		return mib.Hundredths(100 * c.Report.Utilisation)
	case mib.ColumnTreeLatency:
		return mib.Micros(c.Report.Latency)
	case mib.ColumnTreeSupportCount:
		return mib.Unsigned(c.Nodes)
	case mib.ColumnTreeOperStatus:
		return mib.Integer(int32(managerStatus(c)))
	case mib.ColumnTreeDrained:
		return mib.Truth(n.Drained)
	case mib.ColumnTreeDigest:
		return mib.Octets(c.Report.Digest.Append(nil))
	}
	return noSuch
}

func managerStatus(c reconfig.ChildStatus) mib.IlmStatus {
	switch {
	case c.Silent:
		return mib.IlmDown
	case c.Retiring:
		return mib.IlmDraining
	case c.Ready:
		return mib.IlmUp
	}
	return mib.IlmStarting
}

// nameRows are the rows of simoneNameTable: all nodes.
type nameRows struct{ m *Manager }

// Next gives the row after index.
func (r nameRows) Next(index mib.OID) (mib.OID, bool) {
	for id, ok := r.m.conductor.NextNode(after(index)); ok; id, ok = r.m.conductor.NextNode(id) {
		if n, known := r.m.conductor.Node(id); known && !gone(n) {
			return mib.OID{uint32(id)}, true
		}
	}
	return nil, false
}

// after is the NodeID that an index begins with; 0 for none, which stands
// before all rows.
func after(index mib.OID) mib.NodeID {
	if len(index) == 0 {
		return 0
	}
	return mib.NodeID(index[0])
}

// gone reports whether a node has left, and is known only until its rows are
// destroyed everywhere.
func gone(n reconfig.Node) bool { return n.Kind < mib.KindLeaf }

// Value gives a cell.
func (r nameRows) Value(column uint32, index mib.OID) mib.Value {
	if len(index) != 1 {
		return noSuch
	}
	n, ok := r.m.conductor.Node(mib.NodeID(index[0]))
	if !ok || gone(n) {
		return noSuch
	}
	now := r.m.clock.Now()
	switch column {
	case mib.ColumnNameName:
		return mib.Text(n.Name)
	case mib.ColumnNameOwner:
		return mib.Gauge(uint32(n.Owner))
	case mib.ColumnNameAddress:
		return mib.Text(n.Address)
	case mib.ColumnNameKind:
		kind := n.Kind
		if (n.Wanted || n.Manager) && kind == mib.KindLeaf {
			kind = mib.KindILM
		}
		return mib.Integer(int32(kind))
	case mib.ColumnNameZone:
		return mib.Text(n.Zone)
	case mib.ColumnNameOperStatus:
		return mib.Integer(int32(r.m.latest.status(n, r.m.conductor.Settings().Interval, now)))
	case mib.ColumnNameLastSample:
		return age(now, r.m.latest.of(n.ID))
	case mib.ColumnNameDrained:
		return mib.Truth(n.Drained)
	case mib.ColumnNamePinned:
		return mib.Truth(n.Pinned)
	case mib.ColumnNameCandidate:
		return mib.Truth(n.Candidate)
	case mib.ColumnNameEpoch:
		return mib.Octets(n.Epoch.Append(nil))
	}
	return noSuch
}
