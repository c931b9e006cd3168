package frontends

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"simone/mib"
)

// object is a name in a part of the subtree that the MIB does not use: .1.n.0
// are values of every type that can be written, a SET of .2.n.0 is refused
// with status n, and .3.n.0 panics: in Get, in Test for n = 1, in Commit for
// others.
func object(parts ...uint32) mib.OID { return mib.SimoneMIB.Append(99).Append(parts...) }

// values are behind object(1, n, 0), from 1.
func values() []mib.Value {
	return []mib.Value{
		mib.Integer(-42),
		mib.Text("hello"),
		mib.ObjectID(mib.MustOID("1.3.6.1.4.1.8072")),
		mib.IPAddress(netip.MustParseAddr("192.0.2.7")),
		mib.Counter32(math.MaxUint32),
		mib.Gauge(1 << 31),
		mib.Ticks(4711),
		mib.Counter64(math.MaxUint64),
		mib.ObjectID(mib.OID{0, 0}),
		mib.Text(""),
	}
}

// shelf is a Setter for object(1) and object(2).
type shelf struct {
	mu   sync.Mutex // guards vars
	vars []mib.Variable
}

func newShelf() *shelf {
	s := new(shelf)
	for i, v := range values() {
		s.vars = append(s.vars, mib.Variable{Name: object(1, uint32(i+1), 0), Value: v})
	}
	for i := mib.TooBig; i <= mib.InconsistentName; i++ {
		s.vars = append(s.vars, mib.Variable{Name: object(2, uint32(i), 0), Value: mib.Integer(int32(i))})
	}
	return s
}

func (s *shelf) register(t *mib.Tree) error {
	for _, r := range []struct {
		root mib.OID
		h    mib.Handler
	}{{object(1), s}, {object(2), refusing{s}}, {object(3), panicking{}}} {
		if err := t.Register(r.root, r.h); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, v := range s.vars {
		fmt.Fprintf(&b, "%v %v\n", v.Name, v.Value)
	}
	return b.String()
}

func (s *shelf) search(name mib.OID) (int, bool) {
	return slices.BinarySearchFunc(s.vars, name, func(v mib.Variable, n mib.OID) int { return v.Name.Compare(n) })
}

func (s *shelf) Get(name mib.OID) mib.Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.search(name); ok {
		return s.vars[i].Value
	}
	return mib.Value{Type: mib.TypeNoSuchInstance}
}

func (s *shelf) Next(name mib.OID) (mib.Variable, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.search(name)
	if ok {
		i++
	}
	if i == len(s.vars) {
		return mib.Variable{}, false
	}
	return s.vars[i], true
}

func (s *shelf) Test(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	for i, v := range vars {
		switch old := s.Get(v.Name); {
		case old.IsException():
			return nil, mib.Refuse(mib.NoCreation, i, "no such object")
		case old.Type != v.Value.Type:
			return nil, mib.Refuse(mib.WrongType, i, "another type")
		}
	}
	var old []mib.Variable
	return mib.TxnFuncs{
		OnCommit: func() error {
			for _, v := range vars {
				old = append(old, mib.Variable{Name: v.Name, Value: s.put(v)})
			}
			return nil
		},
		OnUndo: func() error {
			for _, v := range slices.Backward(old) {
				s.put(v)
			}
			return nil
		},
	}, nil
}

// put changes a variable and gives what it was.
func (s *shelf) put(v mib.Variable) mib.Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := s.search(v.Name)
	old := s.vars[i].Value
	s.vars[i].Value = v.Value
	return old
}

// refusing refuses SETs as the name says.
type refusing struct{ *shelf }

func (r refusing) Test(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	if r.Get(vars[0].Name).IsException() {
		return nil, mib.Refuse(mib.NoCreation, 0, "no such object")
	}
	status := mib.ErrorStatus(vars[0].Name[len(object())+1])
	refuse := func() error { return mib.Refuse(status, 0, "as asked") }
	switch status {
	case mib.CommitFailed:
		return mib.TxnFuncs{OnCommit: refuse}, nil
	case mib.UndoFailed:
		return mib.TxnFuncs{OnCommit: refuse, OnUndo: refuse}, nil
	}
	return nil, mib.Refuse(status, 0, "as asked")
}

// panicking panics, save on a walk, which leaps over it.
type panicking struct{}

func (panicking) Get(mib.OID) mib.Value             { panic("in get") }
func (panicking) Next(mib.OID) (mib.Variable, bool) { return mib.Variable{}, false }
func (panicking) Test(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	if vars[0].Name[len(object())+1] == 1 {
		panic("in test")
	}
	return mib.TxnFuncs{OnCommit: func() error { panic("in commit") }}, nil
}
