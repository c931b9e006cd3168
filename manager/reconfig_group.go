package manager

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// Reconfig is the group simoneReconfig with its tables, of a manager whose
// engine may come and go. All but Change must be given.
type Reconfig struct {
	Host      *Host
	Conductor func() *Conductor // nil while there is no engine
	Settings  func() reconfig.Settings
	// Change makes settings durable and then true. Nil where the manager above
	// tells them: then those in Knobs are only shown, and simoneReconfigPaused
	// is for the Host to show.
	Change func(context.Context, reconfig.Settings) error
	Knobs  []Knob // those of the group that are shown here
	Events EntryStore
}

// askTimeout is how long a SET waits for the engine, whose turns take
// milliseconds.
const askTimeout = 2 * time.Second

// Register puts the objects into a tree.
func (g *Reconfig) Register(tree *mib.Tree) error {
	objects := g.scalars()
	scalars, err := mib.NewScalarGroup(g.test, objects...)
	if err != nil {
		return fmt.Errorf("simoneReconfig: %w", err)
	}
	group := g.Host.Explained(scalars)
	for _, o := range objects {
		if err := tree.Register(o.OID, group); err != nil {
			return fmt.Errorf("simoneReconfig: %w", err)
		}
	}
	for _, t := range []struct {
		entry mib.OID
		rows  mib.Rows
	}{
		{mib.SimoneEventEntry, &eventRows{store: g.Events}},
		{mib.SimoneRoundEntry, roundRows{g.Conductor}},
	} {
		table, err := mib.NewTable(t.entry, t.rows)
		if err != nil {
			return fmt.Errorf("simoneReconfig: %w", err)
		}
		if err := table.Register(tree); err != nil {
			return fmt.Errorf("simoneReconfig: %w", err)
		}
	}
	return nil
}

// nodeWish is an object that asks something of the engine about a node, and what
// to ask to take it back.
type nodeWish struct {
	object    mib.OID
	ask, undo reconfig.Ask
	is        func(reconfig.Node) bool // it is so already
}

func nodeWishes() []nodeWish {
	return []nodeWish{
		{mib.SimoneReconfigDrain, reconfig.AskDrain, reconfig.AskUndrain, func(n reconfig.Node) bool { return n.Drained }},
		{mib.SimoneReconfigUndrain, reconfig.AskUndrain, reconfig.AskDrain, func(n reconfig.Node) bool { return !n.Drained }},
		{mib.SimoneReconfigPin, reconfig.AskPin, reconfig.AskUnpin, func(n reconfig.Node) bool { return n.Pinned }},
		{mib.SimoneReconfigUnpin, reconfig.AskUnpin, reconfig.AskPin, func(n reconfig.Node) bool { return !n.Pinned }},
	}
}

func (g *Reconfig) scalars() []mib.Scalar {
	var scalars []mib.Scalar
	for _, k := range g.Knobs {
		scalars = append(scalars, mib.Scalar{OID: k.Object, Read: func() mib.Value {
			s := g.Settings()
			return k.Read(&s)
		}})
	}
	for _, w := range nodeWishes() {
		scalars = append(scalars, mib.Scalar{OID: w.object, Read: func() mib.Value { return mib.Gauge(0) }})
	}
	scalars = append(scalars, mib.Scalar{OID: mib.SimoneReconfigPlace, Read: func() mib.Value { return mib.Octets(nil) }})
	if g.Change != nil {
		scalars = append(scalars, mib.Scalar{OID: mib.SimoneReconfigPaused, Read: func() mib.Value {
			return mib.Truth(g.Conductor().Meta().Paused)
		}})
	}
	counter := func(object mib.OID, of func(reconfig.Counters) uint64) {
		scalars = append(scalars, mib.Scalar{OID: object, Read: func() mib.Value {
			c := g.Conductor()
			if c == nil {
				return mib.Counter32(0)
			}
			return mib.Counter32(uint32(of(c.Counters()))) // it wraps
		}})
	}
	counter(mib.SimoneReconfigRounds, func(c reconfig.Counters) uint64 { return c.Rounds })
	counter(mib.SimoneReconfigSplits, func(c reconfig.Counters) uint64 { return c.Splits })
	counter(mib.SimoneReconfigMigrates, func(c reconfig.Counters) uint64 { return c.Migrates })
	counter(mib.SimoneReconfigMerges, func(c reconfig.Counters) uint64 { return c.Merges })
	counter(mib.SimoneReconfigFailovers, func(c reconfig.Counters) uint64 { return c.Failovers })
	counter(mib.SimoneReconfigMoves, func(c reconfig.Counters) uint64 { return c.Moves })
	counter(mib.SimoneReconfigAbortedMoves, func(c reconfig.Counters) uint64 { return c.Aborts })
	counter(mib.SimoneReconfigForks, func(c reconfig.Counters) uint64 { return c.Forks })
	counter(mib.SimoneReconfigJoins, func(c reconfig.Counters) uint64 { return c.Joins })
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
	g      *Reconfig
	names  []string                   // of the variables
	writes []func(*reconfig.Settings) // of settings; they have passed the test
	before *reconfig.Settings         // as they were when they were changed
	asks   []ask
	done   int // of asks
}

// ask passes on a wish; the engine may have gone since the test.
func (x *reconfigTxn) ask(ctx context.Context, a ask) error {
	c := x.g.Conductor()
	if c == nil {
		return ErrStopped
	}
	if a.places != nil {
		return c.Place(ctx, a.places)
	}
	return c.Ask(ctx, a.ask, a.node)
}

type ask struct {
	ask, undo    reconfig.Ask // undo 0: nothing to take back
	node         mib.NodeID
	places, back []reconfig.Place // of AskPlace
	index        int
}

// reverse is the wish that takes it back, if there is anything to.
func (a ask) reverse() (ask, bool) {
	return ask{ask: a.undo, node: a.node, places: a.back, index: a.index}, a.undo != 0
}

// test tests a SET of the group. All variables have passed their
// objects' syntax.
func (g *Reconfig) test(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	for i, v := range vars {
		for _, k := range g.Knobs {
			if g.Change == nil && v.Name.HasPrefix(k.Object) {
				return nil, mib.Refuse(mib.NotWritable, i, "%s: here it follows from what the manager above says", mib.NameOf(v.Name))
			}
		}
	}
	c := g.Conductor()
	if c == nil {
		return nil, mib.Refuse(mib.InconsistentValue, 0, "%s: this node has no ILMs below itself", mib.NameOf(vars[0].Name))
	}
	next := g.Settings()
	x := &reconfigTxn{g: g}
	bound := -1
	for i, v := range vars {
		x.names = append(x.names, mib.NameOf(v.Name))
		object := v.Name[:len(v.Name)-1]
		if object.Equal(mib.SimoneReconfigPaused) {
			x.asks = append(x.asks, g.pause(mib.IsTrue(v.Value), i))
			continue
		}
		if object.Equal(mib.SimoneReconfigPlace) {
			a, refused := g.place(c, v, i)
			if refused != nil {
				return nil, refused
			}
			x.asks = append(x.asks, a)
			continue
		}
		isKnob := false
		for _, k := range g.Knobs {
			if !k.Object.Equal(object) {
				continue
			}
			isKnob = true
			if err := k.Write(&next, v.Value); err != nil {
				return nil, mib.Refuse(mib.WrongValue, i, "%s: %v", mib.NameOf(v.Name), err)
			}
			value := v.Value
			value.Bytes = bytes.Clone(value.Bytes)
			x.writes = append(x.writes, func(s *reconfig.Settings) { _ = k.Write(s, value) })
			if ordered(object) {
				bound = i
			}
		}
		if isKnob {
			continue
		}
		for _, w := range nodeWishes() {
			if !w.object.Equal(object) {
				continue
			}
			id := mib.NodeID(v.Value.Uint)
			n, known := c.Node(id)
			if !known || n.Kind < mib.KindLeaf {
				return nil, mib.Refuse(mib.WrongValue, i, "%s: there is no node %d below this manager", mib.NameOf(v.Name), id)
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

func (g *Reconfig) pause(on bool, index int) ask {
	a := ask{ask: reconfig.AskResume, undo: reconfig.AskPause, index: index}
	if on {
		a.ask, a.undo = a.undo, a.ask
	}
	if g.Conductor().Meta().Paused == on {
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
		x.g.Host.Refused(e)
		return e
	}
	if len(x.writes) > 0 {
		// Of what holds now: another handler of the same SET may have changed
		// the pace.
		before := x.g.Settings()
		next := before
		for _, write := range x.writes {
			write(&next)
		}
		x.before = &before
		if err := x.g.Change(ctx, next); err != nil {
			return failed(0, err)
		}
	}
	for _, a := range x.asks {
		x.done++ // also if it fails: it may yet happen
		if err := x.ask(ctx, a); err != nil {
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
		a, needed := x.asks[x.done-1].reverse()
		if !needed {
			continue
		}
		if err := x.ask(ctx, a); err != nil && failed == nil {
			failed = mib.Refuse(mib.UndoFailed, a.index, "%v", err)
		}
	}
	if x.before != nil {
		if err := x.g.Change(ctx, *x.before); err != nil && failed == nil {
			failed = mib.Refuse(mib.UndoFailed, 0, "%v", err)
		}
	}
	return failed
}

// Cleanup has nothing to free.
func (x *reconfigTxn) Cleanup() {}
