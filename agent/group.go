package agent

import (
	"errors"
	"fmt"
	"time"

	"simone/mib"
)

// Register puts the node's groups into a tree.
func (n *Node) Register(t *mib.Tree) error {
	scalars, err := mib.NewScalarGroup(n.testSet, n.scalars()...)
	if err != nil {
		return fmt.Errorf("register node %s: %w", n.options.Name, err)
	}
	metrics, err := mib.NewTable(mib.SimoneMetricEntry, &n.metrics)
	if err != nil {
		return fmt.Errorf("register node %s: %w", n.options.Name, err)
	}
	registry, err := mib.NewTable(mib.SimoneMetricRegistryEntry, registryRows{n})
	if err != nil {
		return fmt.Errorf("register node %s: %w", n.options.Name, err)
	}
	if err := errors.Join(scalars.Register(t), metrics.Register(t), registry.Register(t)); err != nil {
		return fmt.Errorf("register node %s: %w", n.options.Name, err)
	}
	return nil
}

// scalars are the objects of simoneNode.
func (n *Node) scalars() []mib.Scalar {
	o := &n.options
	text := func(s string) func() mib.Value {
		return func() mib.Value { return mib.Text(s) }
	}
	placed := func(f func(Place) mib.Value) func() mib.Value {
		return func() mib.Value { return f(n.Place()) }
	}
	onText := func(check func(string) error) func(mib.Value) error {
		return func(v mib.Value) error { return check(string(v.Bytes)) }
	}
	return []mib.Scalar{
		{OID: mib.SimoneNodeName, Read: text(o.Name)},
		{OID: mib.SimoneNodeId, Read: placed(func(p Place) mib.Value { return mib.Gauge(uint32(p.ID)) })},
		{OID: mib.SimoneNodeUuid, Read: text(n.uuid)},
		{OID: mib.SimoneNodeRole, Read: func() mib.Value { return mib.Integer(int32(n.Role())) }},
		{OID: mib.SimoneNodeLevel, Read: placed(func(p Place) mib.Value { return mib.Gauge(p.Level) })},
		{OID: mib.SimoneNodeParent, Read: placed(func(p Place) mib.Value { return mib.Text(p.Parent) }), Test: onText(checkParent)},
		{OID: mib.SimoneNodeParentId, Read: placed(func(p Place) mib.Value { return mib.Gauge(uint32(p.ParentID)) })},
		{OID: mib.SimoneNodePath, Read: placed(func(p Place) mib.Value { return mib.Text(p.Path) }), Test: onText(checkPath)},
		{OID: mib.SimoneNodeEpoch, Read: placed(func(p Place) mib.Value { return mib.Octets(p.Epoch.Append(nil)) })},
		{OID: mib.SimoneNodeZone, Read: text(o.Zone)},
		{OID: mib.SimoneNodeCandidate, Read: func() mib.Value { return mib.Truth(o.Candidate) }},
		{OID: mib.SimoneNodeCapabilities, Read: func() mib.Value { return mib.Text(n.Capabilities()) }},
		{OID: mib.SimoneNodeSoftware, Read: text(o.Software)},
		{OID: mib.SimoneNodeStartTime, Read: func() mib.Value { return mib.DateAndTime(o.Start) }},
		// Counters begin with the process, as sysUpTime does.
		{OID: mib.SimoneNodeDiscontinuity, Read: func() mib.Value { return mib.Ticks(0) }},
		{OID: mib.SimoneNodeMetricPeriod, Read: func() mib.Value { return mib.Millis(o.Collector.Period()) }},
		{OID: mib.SimoneNodeAddress, Read: text(o.Address)},
	}
}

// testSet judges all that one SET writes of simoneNode. The tree lets no
// other SET in until the Txn ends.
func (n *Node) testSet(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	before := n.Place()
	x := &nodeTxn{node: n, before: before, after: before, period: n.options.Collector.Period()}
	x.periodBefore = x.period
	firstPlace, epochAt := -1, -1
	for i, v := range vars {
		o, _ := mib.Locate(v.Name)
		if o == nil {
			return nil, mib.Refuse(mib.NotWritable, i, "%v cannot be written", v.Name)
		}
		if o.OID.Equal(mib.SimoneNodeMetricPeriod) {
			x.period = time.Duration(v.Value.Uint) * time.Millisecond
			continue
		}
		if r := n.Role(); r == mib.RoleTLM || r == mib.RoleStandby {
			return nil, mib.Refuse(mib.NotWritable, i, "%s: this node is a top-level manager, and nobody's child: take it off the list of the manager that announces itself here", o.Name)
		}
		switch {
		case o.OID.Equal(mib.SimoneNodeEpoch):
			e, err := mib.ParseEpoch(v.Value.Bytes)
			if err != nil {
				return nil, mib.Refuse(mib.WrongLength, i, "%s: %v", o.Name, err)
			}
			x.after.Epoch = e
			epochAt = i
			continue
		case o.OID.Equal(mib.SimoneNodeId):
			x.after.ID = mib.NodeID(v.Value.Uint)
		case o.OID.Equal(mib.SimoneNodeLevel):
			x.after.Level = uint32(v.Value.Uint)
		case o.OID.Equal(mib.SimoneNodeParent):
			x.after.Parent = string(v.Value.Bytes)
		case o.OID.Equal(mib.SimoneNodeParentId):
			x.after.ParentID = mib.NodeID(v.Value.Uint)
		case o.OID.Equal(mib.SimoneNodePath):
			x.after.Path = string(v.Value.Bytes)
		default:
			return nil, mib.Refuse(mib.NotWritable, i, "%s cannot be written", o.Name)
		}
		if firstPlace < 0 {
			firstPlace = i
		}
	}
	if firstPlace >= 0 && epochAt < 0 {
		return nil, mib.Refuse(mib.InconsistentValue, firstPlace, "a new place has to carry simoneNodeEpoch in the same SET; the present one is %v", before.Epoch)
	}
	if err := before.replacedBy(x.after); err != nil {
		return nil, mib.Refuse(mib.InconsistentValue, max(epochAt, 0), "%v", err)
	}
	return x, nil
}

// nodeTxn is one SET on simoneNode.
type nodeTxn struct {
	node                 *Node
	before, after        Place
	period, periodBefore time.Duration
	committed            bool
}

// Commit stores the place first, as only that can fail.
func (x *nodeTxn) Commit() *mib.SetError {
	n := x.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.Place() != x.before { // SetPlace came in between
		return mib.Refuse(mib.CommitFailed, -1, "the place changed at the same time")
	}
	if err := n.store(x.after); err != nil {
		return mib.Refuse(mib.CommitFailed, -1, "%v", err)
	}
	x.committed = true
	return setPeriod(n, x.period, mib.CommitFailed)
}

// Undo puts back what was there.
func (x *nodeTxn) Undo() *mib.SetError {
	if !x.committed {
		return nil
	}
	x.committed = false
	n := x.node
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.store(x.before); err != nil {
		return mib.Refuse(mib.UndoFailed, -1, "%v", err)
	}
	return setPeriod(n, x.periodBefore, mib.UndoFailed)
}

func setPeriod(n *Node, d time.Duration, status mib.ErrorStatus) *mib.SetError {
	if err := n.options.Collector.SetPeriod(d); err != nil {
		return mib.Refuse(status, -1, "%v", err)
	}
	return nil
}

// Cleanup tells who wants to know, now that the SET as a whole stands.
func (x *nodeTxn) Cleanup() {
	if x.committed && x.after != x.before && x.node.options.OnPlace != nil {
		x.node.options.OnPlace(x.after)
	}
}
