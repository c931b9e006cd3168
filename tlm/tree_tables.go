package tlm

import (
	"cmp"
	"slices"
	"sync"
	"time"

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

// treeRow is a manager of the tree. Of ILMs below other ILMs it is known where
// they are and whether they answer; report is nil.
type treeRow struct {
	node   reconfig.Node
	parent mib.NodeID
	level  uint32
	status mib.IlmStatus
	report *reconfig.Report
	nodes  int
}

func rowID(r treeRow) mib.NodeID { return r.node.ID }

// treeRows are the rows of simoneTreeTable: the TLM and all ILMs. A table is
// read cell by cell, so what was gathered serves for a while.
type treeRows struct {
	m *Manager

	// mu guards the fields below.
	mu   sync.Mutex
	rows []treeRow // by NodeID
	at   reconfig.Instant
}

// treeAge is how old what the table shows may be. It is less than a probe's
// interval, so that nothing is missed, and more than a walk of a tree takes.
const treeAge = 200 * time.Millisecond

// managers are the TLM itself and the ILMs, by NodeID.
func (r *treeRows) managers() []treeRow {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.m.clock.Now(); r.rows == nil || now.Sub(r.at) >= treeAge {
		r.rows, r.at = r.m.gatherTree(now), now
	}
	return r.rows
}

// gatherTree lists the managers of the tree, by NodeID.
func (m *Manager) gatherTree(now reconfig.Instant) []treeRow {
	report := m.host.Report(nil, false)
	report.Latency = m.host.Measures().Latency.Mean
	self, _ := m.conductor.Node(selfID)
	self.ID, self.Name, self.Address = selfID, m.node.Name(), m.node.Identity().Address // it is there before it has joined its own inventory
	rows := []treeRow{{node: self, status: mib.IlmUp, report: &report, nodes: int(report.Digest.Count)}}
	for _, c := range m.conductor.Children() {
		n, _ := m.conductor.Node(c.ID)
		n.ID = c.ID
		rows = append(rows, treeRow{node: n, parent: selfID, level: 1, status: managerStatus(c), report: &c.Report, nodes: c.Nodes})
	}
	every := m.conductor.Settings().Interval
	for _, n := range m.conductor.Deeper() {
		row := treeRow{node: n, parent: n.Under, status: mib.IlmStarting}
		if n.Manager {
			row.parent = n.Owner
		}
		switch m.latest.status(n, every, now) {
		case mib.PollUp:
			row.status = mib.IlmUp
		case mib.PollFailing, mib.PollStopped:
			row.status = mib.IlmDown
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b treeRow) int { return cmp.Compare(a.node.ID, b.node.ID) })
	for i := range rows {
		rows[i].level = depth(rows, rows[i])
	}
	return rows
}

// depth is the level of a manager, by the way up from it.
func depth(rows []treeRow, r treeRow) uint32 {
	level := uint32(0)
	for r.parent != 0 && level < mib.Levels {
		level++
		up, ok := mib.FindNodeRow(rows, mib.OID{uint32(r.parent)}, rowID)
		if !ok { // it has just been lost
			break
		}
		r = up
	}
	return level
}

// Next gives the row after index.
func (r *treeRows) Next(index mib.OID) (mib.OID, bool) {
	return mib.NextNodeRow(r.managers(), index, rowID)
}

// Value gives a cell.
func (r *treeRows) Value(column uint32, index mib.OID) mib.Value {
	row, ok := mib.FindNodeRow(r.managers(), index, rowID)
	if !ok {
		return noSuch
	}
	switch column {
	case mib.ColumnTreeName:
		return mib.Text(row.node.Name)
	case mib.ColumnTreeAddress:
		return mib.Text(row.node.Address)
	case mib.ColumnTreeParentId:
		return mib.Gauge(uint32(row.parent))
	case mib.ColumnTreeLevel:
		return mib.Gauge(row.level)
	case mib.ColumnTreeOperStatus:
		return mib.Integer(int32(row.status))
	case mib.ColumnTreeDrained:
		return mib.Truth(row.node.Drained)
	}
	if row.report == nil {
		return noSuch
	}
	switch column {
	case mib.ColumnTreeTemperature:
		return mib.Temperature(row.report.Temperature)
	case mib.ColumnTreeWeighted:
		return mib.Temperature(row.report.Weighted)
	case mib.ColumnTreeIntrusion:
		return mib.Hundredths(row.report.Intrusion)
	case mib.ColumnTreeUtilisation:
		return mib.Hundredths(100 * row.report.Utilisation)
	case mib.ColumnTreeLatency:
		return mib.Micros(row.report.Latency)
	case mib.ColumnTreeSupportCount:
		return mib.Unsigned(row.nodes)
	case mib.ColumnTreeDigest:
		return mib.Octets(row.report.Digest.Append(nil))
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
