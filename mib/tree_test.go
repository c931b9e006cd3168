package mib

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// store is a Setter over plain variables, with faults to order.
type store struct {
	vars map[string]Value
	list []OID // in order

	refuseTest, failCommit, failUndo *SetError

	tested [][]Variable
	calls  []string
}

func newStore(names ...string) *store {
	s := &store{vars: map[string]Value{}}
	for _, n := range names {
		o := MustOID(n)
		s.vars[o.String()] = Integer(0)
		s.list = append(s.list, o)
	}
	slices.SortFunc(s.list, OID.Compare)
	return s
}

func (s *store) Get(name OID) Value {
	if v, ok := s.vars[name.String()]; ok {
		return v
	}
	return Value{Type: TypeNoSuchInstance}
}

func (s *store) Next(name OID) (Variable, bool) {
	i, exact := slices.BinarySearchFunc(s.list, name, OID.Compare)
	if exact {
		i++
	}
	if i == len(s.list) {
		return Variable{}, false
	}
	return Variable{s.list[i], s.vars[s.list[i].String()]}, true
}

func (s *store) Test(vars []Variable) (Txn, *SetError) {
	s.tested = append(s.tested, vars)
	if s.refuseTest != nil {
		return nil, s.refuseTest
	}
	old := map[string]Value{}
	return TxnFuncs{
		OnCommit: func() error {
			s.calls = append(s.calls, "commit")
			for _, v := range vars {
				old[v.Name.String()] = s.vars[v.Name.String()]
				s.vars[v.Name.String()] = v.Value
			}
			if s.failCommit != nil {
				return s.failCommit
			}
			return nil
		},
		OnUndo: func() error {
			s.calls = append(s.calls, "undo")
			for n, v := range old {
				s.vars[n] = v
			}
			if s.failUndo != nil {
				return s.failUndo
			}
			return nil
		},
		OnCleanup: func() { s.calls = append(s.calls, "cleanup") },
	}, nil
}

func mustRegister(tb testing.TB, t *Tree, root string, h Handler) {
	tb.Helper()
	if err := t.Register(MustOID(root), h); err != nil {
		tb.Fatal(err)
	}
}

func walk(t *Tree) []OID {
	var names []OID
	for name := (OID{}); ; {
		v, ok := t.Next(name)
		if !ok {
			return names
		}
		name = v.Name
		names = append(names, name)
	}
}

func TestTreeRegister(t *testing.T) {
	tree := NewTree()
	mustRegister(t, tree, "1.3.6", newStore())
	mustRegister(t, tree, "1.3.4", newStore())
	for _, c := range []struct {
		name, root string
		ok         bool
	}{
		{"same", "1.3.6", false},
		{"inside", "1.3.6.1", false},
		{"around", "1.3", false},
		{"beside", "1.3.7", true},
		{"before", "1.3.5.9", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := tree.Register(MustOID(c.root), newStore()); (err == nil) != c.ok {
				t.Errorf("Register(%s) = %v", c.root, err)
			}
		})
	}
	if err := tree.Register(nil, newStore()); err == nil {
		t.Error("an empty root was taken")
	}
	want := []string{".1.3.4", ".1.3.5.9", ".1.3.6", ".1.3.7"}
	if got := fmt.Sprint(tree.Roots()); got != fmt.Sprint(want) {
		t.Errorf("roots %v, want %v", got, want)
	}
}

func TestTreeWalkIsTheSortedList(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 50 {
		tree := NewTree()
		handlers := []*store{newStore(), newStore(), newStore()}
		var want []OID
		for root := uint32(1); root <= 9; root++ {
			h := handlers[r.IntN(len(handlers))]
			mustRegister(t, tree, OID{1, root}.String(), h)
			for range r.IntN(6) {
				o := OID{1, root}
				for range 1 + r.IntN(3) {
					o = o.Append(uint32(r.IntN(3)))
				}
				if h.vars[o.String()].Type != 0 {
					continue
				}
				h.vars[o.String()] = Integer(int32(root))
				h.list = append(h.list, o)
				want = append(want, o)
			}
		}
		for _, h := range handlers {
			slices.SortFunc(h.list, OID.Compare)
		}
		slices.SortFunc(want, OID.Compare)
		got := walk(tree)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("round %d: walk\n%v, want\n%v", round, got, want)
		}
		for _, o := range want {
			if v := tree.Get(o); v.IsException() || uint32(v.Int) != o[1] {
				t.Fatalf("round %d: Get(%v) = %v", round, o, v)
			}
		}
		// From any name whatever, Next is the first of the list after it.
		for range 100 {
			name := OID{1}
			for range r.IntN(5) {
				name = name.Append(uint32(r.IntN(11)))
			}
			i, exact := slices.BinarySearchFunc(want, name, OID.Compare)
			if exact {
				i++
			}
			v, ok := tree.Next(name)
			if ok != (i < len(want)) || ok && !v.Name.Equal(want[i]) {
				t.Fatalf("round %d: Next(%v) = %v, %v", round, name, v.Name, ok)
			}
		}
	}
}

// stuck always gives the same variable.
type stuck struct{ v Variable }

func (s stuck) Get(OID) Value             { return s.v.Value }
func (s stuck) Next(OID) (Variable, bool) { return s.v, true }

func TestTreeNextIsStrictlyIncreasing(t *testing.T) {
	tree := NewTree()
	mustRegister(t, tree, "1.1", newStore("1.1.5"))
	mustRegister(t, tree, "1.2", stuck{Variable{OID{1, 2, 3}, Integer(1)}})
	mustRegister(t, tree, "1.3", stuck{Variable{OID{1, 9}, Integer(1)}}) // not its own
	mustRegister(t, tree, "1.4", newStore("1.4.1"))
	want := "[.1.1.5 .1.2.3 .1.4.1]"
	if got := fmt.Sprint(walk(tree)); got != want {
		t.Errorf("walk %v, want %v", got, want)
	}
}

func TestTreeGetOutside(t *testing.T) {
	tree := NewTree()
	mustRegister(t, tree, "1.2", newStore("1.2.1"))
	for _, c := range []struct {
		name string
		want Type
	}{{"1.1.1", TypeNoSuchObject}, {"1.3", TypeNoSuchObject}, {"1", TypeNoSuchObject}, {"1.2.2", TypeNoSuchInstance}, {"1.2.1", TypeInteger}} {
		if v := tree.Get(MustOID(c.name)); v.Type != c.want {
			t.Errorf("Get(%s) is %v, want %v", c.name, v.Type, c.want)
		}
	}
}

func variables(names ...string) []Variable {
	vars := make([]Variable, len(names))
	for i, n := range names {
		vars[i] = Variable{MustOID(n), Integer(int32(i + 1))}
	}
	return vars
}

func TestTreeSetGroupsBySetter(t *testing.T) {
	a, b := newStore("1.1.1", "1.1.2", "1.3.1"), newStore("1.2.1", "1.2.2")
	tree := NewTree()
	mustRegister(t, tree, "1.1", a)
	mustRegister(t, tree, "1.2", b)
	mustRegister(t, tree, "1.3", a)
	vars := variables("1.3.1", "1.2.2", "1.1.2", "1.2.1", "1.1.1")
	if err := tree.Set(vars); err != nil {
		t.Fatal(err)
	}
	if len(a.tested) != 1 || len(b.tested) != 1 {
		t.Fatalf("tested %d and %d times, want once each", len(a.tested), len(b.tested))
	}
	names := func(vars []Variable) (l []OID) {
		for _, v := range vars {
			l = append(l, v.Name)
		}
		return
	}
	if got := fmt.Sprint(names(a.tested[0]), names(b.tested[0])); got != "[.1.3.1 .1.1.2 .1.1.1] [.1.2.2 .1.2.1]" {
		t.Errorf("handlers got %s: not the manager's order", got)
	}
	for _, v := range vars {
		if got := tree.Get(v.Name); got.Int != v.Value.Int {
			t.Errorf("%v is %v after the SET, want %v", v.Name, got, v.Value)
		}
	}
	// An index into one handler's share comes back as one into the SET.
	a.refuseTest = &SetError{Status: WrongValue, Index: 2}
	if err := tree.Set(vars); err == nil || err.Index != 4 || err.Status != WrongValue {
		t.Errorf("refused with %v, want wrongValue at variable 5", err)
	}
	// The first variable's refusal counts.
	b.refuseTest = &SetError{Status: WrongType, Index: 0}
	if err := tree.Set(vars); err == nil || err.Index != 1 || err.Status != WrongType {
		t.Errorf("refused with %v, want wrongType at variable 2", err)
	}
}

func TestTreeSetNotWritable(t *testing.T) {
	tree := NewTree()
	w := newStore("1.1.1")
	mustRegister(t, tree, "1.1", w)
	mustRegister(t, tree, "1.2", struct{ Handler }{newStore("1.2.1")})
	for _, name := range []string{"1.2.1", "1.9"} {
		t.Run(name, func(t *testing.T) {
			err := tree.Set(variables("1.1.1", name))
			if err == nil || err.Status != NotWritable || err.Index != 1 {
				t.Errorf("Set = %v, want notWritable at variable 2", err)
			}
			if v := tree.Get(OID{1, 1, 1}); v.Int != 0 {
				t.Errorf("the other variable was written all the same: %v", v)
			}
		})
	}
	if got := fmt.Sprint(w.calls); got != "[cleanup cleanup]" {
		t.Errorf("calls %s: a handler that passed gets Cleanup alone", got)
	}
}

// RFC 3416, section 4.2.5: all variables are set, or none.
func TestTreeSetIsAtomic(t *testing.T) {
	fail := &SetError{Status: GenErr, Index: 0, Reason: "disk full"}
	for _, c := range []struct {
		name               string
		commitA, commitB   *SetError
		undoA              *SetError
		status             ErrorStatus
		index              int
		callsA, callsB     string
		writtenA, writtenB int64
	}{
		{name: "OK", status: NoError, callsA: "[commit cleanup]", callsB: "[commit cleanup]", writtenA: 1, writtenB: 2},
		{name: "SecondFails", commitB: fail, status: CommitFailed, index: 1, callsA: "[commit undo]", callsB: "[commit undo]"},
		{name: "FirstFails", commitA: fail, status: CommitFailed, index: 0, callsA: "[commit undo]", callsB: "[cleanup]"},
		{name: "UndoFails", commitB: fail, undoA: fail, status: UndoFailed, index: -1, callsA: "[commit undo]", callsB: "[commit undo]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := newStore("1.1.1"), newStore("1.2.1")
			a.failCommit, b.failCommit, a.failUndo = c.commitA, c.commitB, c.undoA
			tree := NewTree()
			mustRegister(t, tree, "1.1", a)
			mustRegister(t, tree, "1.2", b)
			err := tree.Set(variables("1.1.1", "1.2.1"))
			switch {
			case c.status == NoError && err != nil:
				t.Fatal(err)
			case c.status != NoError && (err == nil || err.Status != c.status || err.Index != c.index):
				t.Errorf("Set = %v, want %v, index %d", err, c.status, c.index)
			}
			if got := fmt.Sprint(a.calls); got != c.callsA {
				t.Errorf("first handler: %s, want %s", got, c.callsA)
			}
			if got := fmt.Sprint(b.calls); got != c.callsB {
				t.Errorf("second handler: %s, want %s", got, c.callsB)
			}
			if x, y := tree.Get(OID{1, 1, 1}).Int, tree.Get(OID{1, 2, 1}).Int; x != c.writtenA || y != c.writtenB {
				t.Errorf("values %d and %d, want %d and %d", x, y, c.writtenA, c.writtenB)
			}
			// Whatever happened, the next SET is not held off.
			a.failCommit, b.failCommit, a.failUndo = nil, nil, nil
			if err := tree.Set(variables("1.1.1", "1.2.1")); err != nil {
				t.Errorf("the next Set: %v", err)
			}
		})
	}
}

// broken is a Setter that panics where it is told to.
type broken struct {
	*store
	test, commit, undo, cleanup bool
}

func (b broken) Test(vars []Variable) (Txn, *SetError) {
	if b.test {
		panic("test")
	}
	txn, refused := b.store.Test(vars)
	f, _ := txn.(TxnFuncs)
	if b.commit {
		f.OnCommit = func() error { panic("commit") }
	}
	if b.undo {
		f.OnUndo = func() error { panic("undo") }
	}
	if b.cleanup {
		f.OnCleanup = func() { panic("cleanup") }
	}
	return f, refused
}

// Front ends survive a handler that panics. The others of its SET are freed
// and undone all the same, and later SETs do not wait for ever.
func TestTreeSurvivesAHandlerThatPanics(t *testing.T) {
	fail := &SetError{Status: GenErr}
	for _, c := range []struct {
		name        string
		b           broken
		fail        *SetError // of the last handler's commit
		first, last string    // calls
	}{
		{"Test", broken{test: true}, nil, "[cleanup]", "[]"},
		{"Commit", broken{commit: true}, nil, "[commit undo]", "[cleanup]"},
		{"Undo", broken{undo: true}, fail, "[commit undo]", "[commit undo]"},
		{"Cleanup", broken{cleanup: true}, nil, "[commit cleanup]", "[commit cleanup]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			first, last := newStore("1.1.1"), newStore("1.3.1")
			c.b.store, last.failCommit = newStore("1.2.1"), c.fail
			tree := NewTree()
			mustRegister(t, tree, "1.1", first)
			mustRegister(t, tree, "1.2", c.b)
			mustRegister(t, tree, "1.3", last)
			func() {
				defer func() {
					if recover() == nil {
						t.Error("the panic was swallowed")
					}
				}()
				tree.Set(variables("1.1.1", "1.2.1", "1.3.1"))
			}()
			if a, z := fmt.Sprint(first.calls), fmt.Sprint(last.calls); a != c.first || z != c.last {
				t.Errorf("calls %s and %s, want %s and %s", a, z, c.first, c.last)
			}
			last.failCommit = nil
			if e := tree.Set(variables("1.1.1", "1.3.1")); e != nil {
				t.Errorf("the next SET: %v", e)
			}
		})
	}
}

func TestTreePassesEveryStatus(t *testing.T) {
	for status := TooBig; status <= InconsistentName; status++ {
		t.Run(status.String(), func(t *testing.T) {
			a := newStore("1.1.1")
			a.refuseTest = &SetError{Status: status, Index: 0, Reason: "because"}
			tree := NewTree()
			mustRegister(t, tree, "1.1", a)
			_, err := tree.Test(variables("1.1.1"))
			if err == nil || err.Status != status || err.Reason != "because" {
				t.Errorf("Test = %v", err)
			}
		})
	}
}

func TestTreeInsideATree(t *testing.T) {
	inner, s := NewTree(), newStore("1.1.1", "1.1.2")
	mustRegister(t, inner, "1.1", s)
	outer := NewTree()
	mustRegister(t, outer, "1", inner)
	if err := outer.Set(variables("1.1.2", "1.1.1")); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(walk(outer)); got != "[.1.1.1 .1.1.2]" {
		t.Errorf("walk %s", got)
	}
}

func TestTreeSerialisesSets(t *testing.T) {
	n := int32(0) // guarded by nothing but the tree
	object := OID{1, 1, 1}
	s, err := NewScalars(Scalar{
		OID: object, Syntax: &Syntax{Type: TypeInteger},
		Read:  func() Value { return Integer(0) },
		Write: func(Value) error { n++; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	tree := NewTree()
	if err := s.Register(tree); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if err := tree.Set([]Variable{{Instance(object), Integer(1)}}); err != nil {
					t.Error(err)
				}
				tree.Get(Instance(object))
			}
		})
	}
	wg.Wait()
	if n != 1600 {
		t.Errorf("%d writes, want 1600: two SETs ran at once", n)
	}
}

func TestSetErrorText(t *testing.T) {
	for want, e := range map[string]*SetError{
		"wrongValue at variable 2: no": Refuse(WrongValue, 1, "no"),
		"undoFailed":                   {Status: UndoFailed, Index: -1},
		"error-status(99)":             {Status: 99, Index: -1},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
