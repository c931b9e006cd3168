package tlm

import (
	"bytes"
	"context"
	"fmt"

	"simone/mib"
	"simone/reconfig"
)

// Register puts the TLM's objects into a tree: those of its own support list,
// simoneReconfig with its tables, and simoneTree.
func (m *Manager) Register(tree *mib.Tree) error {
	if err := m.host.Register(tree); err != nil {
		return fmt.Errorf("tlm: %w", err)
	}
	objects := m.reconfigScalars()
	scalars, err := mib.NewScalarGroup(m.testReconfig, objects...)
	if err != nil {
		return fmt.Errorf("tlm: %w", err)
	}
	group := m.host.Explained(scalars)
	for _, o := range objects {
		if err := tree.Register(o.OID, group); err != nil {
			return fmt.Errorf("tlm: %w", err)
		}
	}
	for _, t := range []struct {
		entry mib.OID
		rows  mib.Rows
	}{
		{mib.SimoneEventEntry, m.events},
		{mib.SimoneRoundEntry, roundRows{m}},
		{mib.SimoneTreeEntry, treeRows{m}},
		{mib.SimoneNameEntry, nameRows{m}},
	} {
		table, err := mib.NewTable(t.entry, t.rows)
		if err != nil {
			return fmt.Errorf("tlm: %w", err)
		}
		if err := table.Register(tree); err != nil {
			return fmt.Errorf("tlm: %w", err)
		}
	}
	return nil
}

// wishes are the objects that ask something of the engine about a node, and
// what to ask to take it back.
func wishes() []struct {
	object    mib.OID
	ask, undo reconfig.Ask
	is        func(reconfig.Node) bool // it is so already
} {
	type wish = struct {
		object    mib.OID
		ask, undo reconfig.Ask
		is        func(reconfig.Node) bool
	}
	return []wish{
		{mib.SimoneReconfigDrain, reconfig.AskDrain, reconfig.AskUndrain, func(n reconfig.Node) bool { return n.Drained }},
		{mib.SimoneReconfigUndrain, reconfig.AskUndrain, reconfig.AskDrain, func(n reconfig.Node) bool { return !n.Drained }},
		{mib.SimoneReconfigPin, reconfig.AskPin, reconfig.AskUnpin, func(n reconfig.Node) bool { return n.Pinned }},
		{mib.SimoneReconfigUnpin, reconfig.AskUnpin, reconfig.AskPin, func(n reconfig.Node) bool { return !n.Pinned }},
	}
}

func (m *Manager) reconfigScalars() []mib.Scalar {
	var scalars []mib.Scalar
	for _, k := range m.settings.knobs {
		if !k.object.HasPrefix(mib.SimoneReconfig) {
			continue
		}
		scalars = append(scalars, mib.Scalar{OID: k.object, Read: func() mib.Value {
			s := m.conductor.Settings()
			return k.read(&s)
		}})
	}
	for _, w := range wishes() {
		scalars = append(scalars, mib.Scalar{OID: w.object, Read: func() mib.Value { return mib.Gauge(0) }})
	}
	scalars = append(scalars, mib.Scalar{OID: mib.SimoneReconfigPaused, Read: func() mib.Value {
		return mib.Truth(m.conductor.Meta().Paused)
	}})
	counter := func(object mib.OID, of func(reconfig.Counters) uint64) {
		scalars = append(scalars, mib.Scalar{OID: object, Read: func() mib.Value {
			return mib.Counter32(uint32(of(m.conductor.Counters()))) // it wraps
		}})
	}
	counter(mib.SimoneReconfigRounds, func(c reconfig.Counters) uint64 { return c.Rounds })
	counter(mib.SimoneReconfigSplits, func(c reconfig.Counters) uint64 { return c.Splits })
	counter(mib.SimoneReconfigMigrates, func(c reconfig.Counters) uint64 { return c.Migrates })
	counter(mib.SimoneReconfigMerges, func(c reconfig.Counters) uint64 { return c.Merges })
	counter(mib.SimoneReconfigFailovers, func(c reconfig.Counters) uint64 { return c.Failovers })
	counter(mib.SimoneReconfigMoves, func(c reconfig.Counters) uint64 { return c.Moves })
	counter(mib.SimoneReconfigAbortedMoves, func(c reconfig.Counters) uint64 { return c.Aborts })
	// No policy of this release forks or joins.
	counter(mib.SimoneReconfigForks, func(reconfig.Counters) uint64 { return 0 })
	counter(mib.SimoneReconfigJoins, func(reconfig.Counters) uint64 { return 0 })
	return scalars
}

// ordered are the knobs whose values bind each other: a SET that breaks the
// order is refused at the last of them, as inconsistentValue says.
func ordered(object mib.OID) bool {
	for _, o := range []mib.OID{
		mib.SimoneThresholdMerge, mib.SimoneThresholdSplit, mib.SimoneThresholdMigrate,
		mib.SimoneReconfigIlmsMin, mib.SimoneReconfigIlmsMax,
	} {
		if object.Equal(o) {
			return true
		}
	}
	return false
}

// reconfigTxn is a tested SET of the group.
type reconfigTxn struct {
	m      *Manager
	names  []string                   // of the variables
	writes []func(*reconfig.Settings) // of settings; they have passed the test
	before *reconfig.Settings         // as they were when they were changed
	asks   []ask
	done   int // of asks
}

type ask struct {
	ask, undo reconfig.Ask // undo 0: nothing to take back
	node      mib.NodeID
	index     int
}

// testReconfig tests a SET of the group. All variables have passed their
// objects' syntax.
func (m *Manager) testReconfig(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	next := m.conductor.Settings()
	x := &reconfigTxn{m: m}
	bound := -1
	for i, v := range vars {
		x.names = append(x.names, mib.NameOf(v.Name))
		object := v.Name[:len(v.Name)-1]
		if object.Equal(mib.SimoneReconfigPaused) {
			x.asks = append(x.asks, m.pause(mib.IsTrue(v.Value), i))
			continue
		}
		isKnob := false
		for _, k := range m.settings.knobs {
			if !k.object.Equal(object) {
				continue
			}
			isKnob = true
			if err := k.write(&next, v.Value); err != nil {
				return nil, mib.Refuse(mib.WrongValue, i, "%s: %v", mib.NameOf(v.Name), err)
			}
			value := v.Value
			value.Bytes = bytes.Clone(value.Bytes)
			x.writes = append(x.writes, func(s *reconfig.Settings) { _ = k.write(s, value) })
			if ordered(object) {
				bound = i
			}
		}
		if isKnob {
			continue
		}
		for _, w := range wishes() {
			if !w.object.Equal(object) {
				continue
			}
			id := mib.NodeID(v.Value.Uint)
			n, known := m.conductor.Node(id)
			if !known || gone(n) {
				return nil, mib.Refuse(mib.WrongValue, i, "%s: there is no node %d; simoneNameTable lists them all", mib.NameOf(v.Name), id)
			}
			a := ask{ask: w.ask, undo: w.undo, node: id, index: i}
			if w.is(n) {
				a.undo = 0
			}
			x.asks = append(x.asks, a)
		}
	}
	if err := next.Validate(); err != nil {
		status := mib.InconsistentValue
		if bound < 0 {
			bound, status = len(vars)-1, mib.WrongValue
		}
		return nil, mib.Refuse(status, bound, "%s: %v", mib.NameOf(vars[bound].Name), err)
	}
	return x, nil
}

func (m *Manager) pause(on bool, index int) ask {
	a := ask{ask: reconfig.AskResume, undo: reconfig.AskPause, index: index}
	if on {
		a.ask, a.undo = a.undo, a.ask
	}
	if m.conductor.Meta().Paused == on {
		a.undo = 0
	}
	return a
}

// Commit keeps the settings, and has the engine keep the rest; it returns
// when all is on disk. What follows from it is done after the answer.
func (x *reconfigTxn) Commit() *mib.SetError {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	failed := func(index int, err error) *mib.SetError {
		e := mib.Refuse(mib.CommitFailed, index, "%s: %v", x.names[index], err)
		x.m.host.Refused(e)
		return e
	}
	if len(x.writes) > 0 {
		// Of what holds now: another handler of the same SET may have changed
		// the pace.
		before := x.m.conductor.Settings()
		next := before
		for _, write := range x.writes {
			write(&next)
		}
		x.before = &before
		if err := x.m.settings.change(ctx, next, x.m.conductor); err != nil {
			return failed(0, err)
		}
	}
	for _, a := range x.asks {
		x.done++ // also if it fails: it may yet happen
		if err := x.m.conductor.Ask(ctx, a.ask, a.node); err != nil {
			return failed(a.index, err)
		}
	}
	return nil
}

// Undo takes back what Commit did.
func (x *reconfigTxn) Undo() *mib.SetError {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	var failed *mib.SetError
	for ; x.done > 0; x.done-- {
		a := x.asks[x.done-1]
		if a.undo == 0 {
			continue
		}
		if err := x.m.conductor.Ask(ctx, a.undo, a.node); err != nil && failed == nil {
			failed = mib.Refuse(mib.UndoFailed, a.index, "%v", err)
		}
	}
	if x.before != nil {
		if err := x.m.settings.change(ctx, *x.before, x.m.conductor); err != nil && failed == nil {
			failed = mib.Refuse(mib.UndoFailed, 0, "%v", err)
		}
	}
	return failed
}

// Cleanup has nothing to free.
func (x *reconfigTxn) Cleanup() {}
