package reconfig

import (
	"slices"
	"testing"
	"time"

	"simone/mib"
)

// newLayered is an engine of a level with ILMs 2 and 3 below, which have been
// claimed and read and are empty, and the nodes given.
func newLayered(t *testing.T, level int, nodes ...Node) *Engine {
	t.Helper()
	s := DefaultSettings()
	s.Levels = 2
	all := map[mib.NodeID]Node{}
	for _, n := range append([]Node{{ID: 2, Owner: 1, Epoch: epoch(1), Wanted: true}, {ID: 3, Owner: 1, Epoch: epoch(2), Wanted: true}}, nodes...) {
		n.Kind = mib.KindLeaf
		all[n.ID] = n
	}
	var high mib.Epoch
	high[level] = 2<<16 | 20
	e := New(State{Meta: Meta{Self: 1, Level: level, Term: 1, High: high}, Nodes: all}, s, 1)
	if _, err := e.Step(Restarted{At: At{start}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range e.line {
		c.claimed, c.seen, c.full, c.reportAt, c.report.Active = true, true, false, start, true
	}
	e.out = nil
	return e
}

func (e *Engine) shows(child, node mib.NodeID, ep mib.Epoch) *seenRow {
	r := &seenRow{RowReport{Row: mib.SupportRow{Node: node, Epoch: ep, Interval: DefaultSettings().Interval}, Samples: 3}, start}
	e.setRow(e.children[child], r)
	return r
}

func process(e *Engine, node, child mib.NodeID) (Node, bool) {
	n, _ := e.node(node)
	*n = n.clone()
	changed := e.process(n, e.children[child])
	got, _ := e.Node(node)
	return got, changed
}

// A manager that has come nearer to the top gives rows anew that it made further
// down (OwnLevel).
func TestRowsOfALevelBelowAreGivenAnew(t *testing.T) {
	old := mib.Epoch{7, 4, 0, 1<<16 | 5}
	e := newLayered(t, 2, Node{ID: 9, Owner: 2, Grant: mib.Epoch{7, 4}, Epoch: old})
	e.shows(2, 9, old)
	n, changed := process(e, 9, 2)
	if !changed || e.ofLevelBelow(n.Epoch) || !old.Less(n.Epoch) {
		t.Errorf("changed %v, to %v", changed, n.Epoch)
	}
	e.shows(2, 9, n.Epoch)
	if n, changed := process(e, 9, 2); changed {
		t.Errorf("and once more, to %v", n.Epoch)
	}
}

// A row that a child was given and is without is given at a newer epoch, to an
// owner and to a target (Regrant).
func TestLostRowIsGivenAtANewerEpoch(t *testing.T) {
	for _, target := range []mib.NodeID{0, 3} {
		ep := mib.Epoch{2<<16 | 9}
		n := Node{ID: 9, Owner: 2, Epoch: ep}
		at := mib.NodeID(2)
		if target != 0 {
			n.Epoch, n.Intent, at = epoch(3), Intent{Target: target, Epoch: ep}, target
		}
		e := newLayered(t, 0, n)
		now := func() mib.Epoch {
			if n, _ := e.Node(9); target != 0 {
				return n.Intent.Epoch
			} else {
				return n.Epoch
			}
		}
		if _, changed := process(e, 9, at); changed {
			t.Errorf("target %d: what was never sent is at %v", target, now())
		}
		e.send(e.children[at], ControlSet{Verb: Stage, Apply: mib.Apply{Stage: []mib.SupportRow{{Node: 9, Epoch: ep}}}})
		if _, changed := process(e, 9, at); !changed || !ep.Less(now()) {
			t.Errorf("target %d: changed %v, to %v", target, changed, now())
		}
		if _, changed := process(e, 9, at); changed {
			t.Errorf("target %d: and once more before it was sent, to %v", target, now())
		}
	}
}

// An engine that has lost what it kept begins above the term that its list has
// kept (KeptTerm).
func TestTermIsKeptWithTheList(t *testing.T) {
	l := newListTest(t, ListLimits{})
	m := NewMiddle(l.List, New(State{Meta: Meta{Self: 9, Level: 1}}, DefaultSettings(), 1))
	ch, refusal := m.Plan(ControlSet{Verb: Claim, Fence: mib.Fence{Parent: 9, Term: 5, Seq: 1}})
	if refusal != nil || ch.Term != 5 {
		t.Fatalf("%v, %+v", refusal, ch)
	}
	l.Apply(start, ch)
	if ch, _ := l.Plan(start, ControlSet{Verb: Claim, Fence: mib.Fence{Parent: 1, Term: 9, Seq: 1}}); ch.Term != 5 {
		t.Errorf("a SET of the manager above keeps term %d", ch.Term)
	}
	e := New(State{Meta: Meta{Self: 9, Level: 1}}, DefaultSettings(), 1)
	m = NewMiddle(l.List, e)
	actions, err := e.Step(Restarted{At: At{start}})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(actions, func(a Action) bool { _, is := a.(Probe); return is })
	if _, err := e.Step(ChildReported{At: At{start.Add(time.Second)}, Action: actions[i].(Probe).ID, Child: 9, Report: m.Report(start, nil, true)}); err != nil {
		t.Fatal(err)
	}
	if got := e.Meta().Term; got <= 5 {
		t.Errorf("the engine works in term %d", got)
	}
}

// Of a row below at a newer epoch than the node was granted at the manager above
// is told, once, and again if it is another; who has given the node at an older
// epoch of its own gives it anew (Outgrown).
func TestRowsThatHaveOutgrownTheirGrant(t *testing.T) {
	newer := mib.Epoch{7<<16 | 3}
	e := newLayered(t, 1, Node{ID: 9, Owner: 2, Grant: mib.Epoch{7 << 16}, Epoch: mib.Epoch{7 << 16, 1<<16 | 1}})
	e.shows(2, 9, newer)
	told := func(actions []Action) (n int) {
		for _, a := range actions {
			if a, is := a.(Outgrown); is && a.Node == 9 && a.Epoch == newer {
				n++
			}
		}
		return n
	}
	for range 2 {
		if n, changed := process(e, 9, 2); changed || told(e.out) != 1 {
			t.Errorf("changed %v, to %v; told %d times", changed, n.Epoch, told(e.out))
		}
	}
	if actions, err := e.Step(Claimed{At{start}}); err != nil || told(actions) != 1 {
		t.Errorf("another manager above is told %d times: %v", told(actions), err)
	}

	said := func(ep mib.Epoch) *mib.Record {
		return &mib.Record{Kind: mib.RecordNewer, Node: 9, Payload: ep.Append(nil)}
	}
	for name, tt := range map[string]struct {
		node   Node
		raised bool
	}{
		"given before":      {Node{ID: 9, Owner: 2, Epoch: mib.Epoch{6<<16 | 9}}, true},
		"given since":       {Node{ID: 9, Owner: 3, Epoch: mib.Epoch{8 << 16}}, false},
		"on its way there":  {Node{ID: 9, Owner: 3, Epoch: mib.Epoch{6 << 16}, Intent: Intent{Target: 2, Epoch: newer}}, false},
		"known as it is":    {Node{ID: 9, Owner: 2, Epoch: newer}, false},
		"not the inventory": {Node{ID: 8, Owner: 2, Epoch: epoch(9)}, false},
	} {
		e := newLayered(t, 0, tt.node)
		if e.newerBelow(said(newer)) {
			t.Errorf("%s: there is nobody above the top", name)
		}
		n, _ := e.Node(tt.node.ID)
		if raised := n.Epoch != tt.node.Epoch; raised != tt.raised || raised && !newer.Less(n.Epoch) {
			t.Errorf("%s: at %v", name, n.Epoch)
		}
		if tt.raised && e.Meta().Term <= newer.Term(0) {
			t.Errorf("%s: the term of the epoch that was met is used: %d", name, e.Meta().Term)
		}
	}
	e = newLayered(t, 1, Node{ID: 9, Owner: 2, Grant: mib.Epoch{6 << 16}, Epoch: mib.Epoch{6 << 16, 1 << 16}})
	if !e.newerBelow(said(newer)) {
		t.Error("a manager between does not pass it on")
	}
}

// A newer row of what is to be an ILM of this manager does not take it there
// first (OwnRow).
func TestRowOfAnILMIsItsManagers(t *testing.T) {
	for _, owner := range []mib.NodeID{1, 2} {
		newer := mib.Epoch{7 << 16, 3}
		e := newLayered(t, 0, Node{ID: 9, Owner: owner, Epoch: epoch(9), Wanted: true})
		e.shows(3, 9, newer)
		n, changed := process(e, 9, 3)
		if !changed || n.Intent.Target == 3 || !n.wasOwner(3) {
			t.Errorf("owner %d: changed %v, a move to %d, its samples count %v", owner, changed, n.Intent.Target, n.wasOwner(3))
		}
		if got := max(n.Epoch[0], n.Intent.Epoch[0]); got <= newer[0] {
			t.Errorf("owner %d: at %v, on its way at %v", owner, n.Epoch, n.Intent.Epoch)
		}
	}
}

// A list that changes its pace goes on with the number that is to come, also
// where what arrived from below is far behind it.
func TestPaceOfARowThatIsBehind(t *testing.T) {
	now := Instant(1e18)
	row := grantedRow(5, mib.Epoch{1 << 16}, 3, time.Second)
	l := NewList(ListState{Active: true}, ListLimits{Incarnation: 1}, now)
	mustStage(t, l, now, 1, row)
	away := l.rows[5].ListRow
	away.Inner, away.Away = mib.Epoch{1 << 16, 1}, true
	l.Apply(now, &ListChange{Active: true, Fence: l.Fence(), Rows: []ListRow{away}})
	now = now.Add(60 * time.Second)
	row.Epoch, row.Interval, row.Slot, row.Due = mib.Epoch{2 << 16}, 5*time.Second, 40, 0
	mustStage(t, l, now, 2, row)
	back := l.rows[5].ListRow
	back.Inner, back.Away = mib.Epoch{2 << 16, 1}, false
	l.Apply(now, &ListChange{Active: true, Fence: l.Fence(), Rows: []ListRow{back}})
	if at, ok := l.Next(); !ok || at.Sub(now) > 5*time.Second {
		t.Errorf("it is polled in %v", at.Sub(now))
	}
}

// A row that was taken away and granted again before the engine has compared is
// polled here, so it is reported, at its grant, and in the digest: else nobody
// would see that the node is polled further down as well.
func TestRowGrantedAgainUnseen(t *testing.T) {
	l := newListTest(t, ListLimits{})
	m := NewMiddle(l.List, New(State{Meta: Meta{Self: 9, Level: 1}}, DefaultSettings(), 1))
	l.mustSet(start, stage(row(2, 1)))
	ch, refusal := m.Plan(ControlSet{Verb: Release, Fence: mib.Fence{Parent: 9, Term: 1, Seq: 1}, Apply: mib.Apply{Destroy: []mib.Tombstone{{Node: 2, Epoch: mib.Epoch{1, 1<<16 | 1}}}}})
	if refusal != nil {
		t.Fatal(refusal)
	}
	l.Apply(start, ch)
	if r := m.Report(start, nil, true); len(r.Rows) > 0 || r.Digest != (mib.Digest{}) {
		t.Fatalf("a row that is away is reported: %+v, digest %+v", r.Rows, r.Digest)
	}
	l.mustSet(start, release(2, 1))
	l.mustSet(start, stage(row(2, 2)))
	r := m.Report(start, nil, true)
	if len(r.Rows) != 1 || r.Rows[0].Row.Epoch != row(2, 2).Epoch {
		t.Fatalf("reported: %+v", r.Rows)
	}
	var want mib.Digest
	want.Add(2, row(2, 2).Epoch)
	if r.Digest != want {
		t.Errorf("digest %+v, want %+v", r.Digest, want)
	}
}
