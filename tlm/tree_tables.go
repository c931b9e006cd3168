package tlm

import (
	"cmp"
	"slices"

	"simone/mib"
	"simone/reconfig"
)

// next finds the first of sorted rows whose NodeID comes after the index.
func next[T any](rows []T, index mib.OID, id func(T) mib.NodeID) (mib.OID, bool) {
	after := uint64(0)
	if len(index) > 0 {
		after = first(index) + 1
	}
	i, _ := slices.BinarySearchFunc(rows, after, func(r T, n uint64) int { return cmp.Compare(uint64(id(r)), n) })
	if i == len(rows) {
		return nil, false
	}
	return mib.OID{uint32(id(rows[i]))}, true
}

// find gives the row of an index, among sorted ones.
func find[T any](rows []T, index mib.OID, id func(T) mib.NodeID) (row T, ok bool) {
	if len(index) != 1 {
		return row, false
	}
	i, ok := slices.BinarySearchFunc(rows, mib.NodeID(index[0]), func(r T, n mib.NodeID) int { return cmp.Compare(id(r), n) })
	if !ok {
		return row, false
	}
	return rows[i], true
}

var noSuch = mib.Value{Type: mib.TypeNoSuchInstance}

// roundRows are the rows of simoneRoundTable.
type roundRows struct{ m *Manager }

func roundID(c reconfig.RoundChild) mib.NodeID  { return c.ID }
func childID(c reconfig.ChildStatus) mib.NodeID { return c.ID }

// Next gives the row after index.
func (r roundRows) Next(index mib.OID) (mib.OID, bool) {
	round, _ := r.m.conductor.Round()
	return next(round.Children, index, roundID)
}

// Value gives a cell.
func (r roundRows) Value(column uint32, index mib.OID) mib.Value {
	round, reports := r.m.conductor.Round()
	c, ok := find(round.Children, index, roundID)
	if !ok {
		return noSuch
	}
	seen, reported := find(reports, index, childID)
	switch column {
	case last(mib.SimoneRoundName):
		n, _ := r.m.conductor.Node(c.ID)
		return mib.Text(n.Name)
	case last(mib.SimoneRoundTemperature):
		return mib.Temperature(c.Temperature)
	case last(mib.SimoneRoundSupportCount):
		return mib.Unsigned(c.Nodes)
	case last(mib.SimoneRoundVerdict):
		return text(c.Verdict)
	}
	if !reported {
		return noSuch
	}
	switch column {
	case last(mib.SimoneRoundWeighted):
		return mib.Temperature(seen.Report.Weighted)
	case last(mib.SimoneRoundUtilisation):
		return mib.Hundredths(100 * seen.Report.Utilisation)
	case last(mib.SimoneRoundAge):
		return age(round.At, seen.At)
	}
	return noSuch
}

// age is how long before now something was, in milliseconds; Never for what
// has not been.
func age(now, then reconfig.Instant) mib.Value {
	if then == 0 {
		return mib.Gauge(mib.Never)
	}
	return mib.Millis(max(now.Sub(then), 0))
}

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
func (r treeRows) Next(index mib.OID) (mib.OID, bool) { return next(r.managers(), index, childID) }

// Value gives a cell.
func (r treeRows) Value(column uint32, index mib.OID) mib.Value {
	c, ok := find(r.managers(), index, childID)
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
	case last(mib.SimoneTreeName):
		return mib.Text(n.Name)
	case last(mib.SimoneTreeAddress):
		return mib.Text(n.Address)
	case last(mib.SimoneTreeParentId):
		return mib.Gauge(uint32(parent))
	case last(mib.SimoneTreeLevel):
		return mib.Gauge(level)
	case last(mib.SimoneTreeTemperature):
		return mib.Temperature(c.Report.Temperature)
	case last(mib.SimoneTreeWeighted):
		return mib.Temperature(c.Report.Weighted)
	case last(mib.SimoneTreeIntrusion):
		return mib.Hundredths(c.Report.Intrusion)
	case last(mib.SimoneTreeUtilisation):
		return mib.Hundredths(100 * c.Report.Utilisation)
	case last(mib.SimoneTreeLatency):
		return mib.Micros(c.Report.Latency)
	case last(mib.SimoneTreeSupportCount):
		return mib.Unsigned(c.Nodes)
	case last(mib.SimoneTreeOperStatus):
		return mib.Integer(int32(managerStatus(c)))
	case last(mib.SimoneTreeDrained):
		return mib.Truth(n.Drained)
	case last(mib.SimoneTreeDigest):
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
	for id, ok := r.m.conductor.NextNode(mib.NodeID(first(index))); ok; id, ok = r.m.conductor.NextNode(id) {
		if n, known := r.m.conductor.Node(id); known && !gone(n) {
			return mib.OID{uint32(id)}, true
		}
	}
	return nil, false
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
	case last(mib.SimoneNameName):
		return mib.Text(n.Name)
	case last(mib.SimoneNameOwner):
		return mib.Gauge(uint32(n.Owner))
	case last(mib.SimoneNameAddress):
		return mib.Text(n.Address)
	case last(mib.SimoneNameKind):
		kind := n.Kind
		if (n.Wanted || n.Manager) && kind == mib.KindLeaf {
			kind = mib.KindILM
		}
		return mib.Integer(int32(kind))
	case last(mib.SimoneNameZone):
		return mib.Text(n.Zone)
	case last(mib.SimoneNameOperStatus):
		return mib.Integer(int32(r.m.latest.status(n, r.m.conductor.Settings().Interval, now)))
	case last(mib.SimoneNameLastSample):
		return age(now, r.m.latest.of(n.ID))
	case last(mib.SimoneNameDrained):
		return mib.Truth(n.Drained)
	case last(mib.SimoneNamePinned):
		return mib.Truth(n.Pinned)
	case last(mib.SimoneNameCandidate):
		return mib.Truth(n.Candidate)
	case last(mib.SimoneNameEpoch):
		return mib.Octets(n.Epoch.Append(nil))
	}
	return noSuch
}
