package mib

import (
	"fmt"
	"slices"
)

// Scalar is one object with the single instance .0.
type Scalar struct {
	// OID is the object's, without the .0.
	OID OID
	// Syntax is what a SET must satisfy; nil takes that of SIMONE-MIB.
	Syntax *Syntax
	// Read computes the value. An exception says that there is none now.
	Read func() Value
	// Test checks a value beyond its syntax; nil accepts. An error that is
	// no *SetError means wrongValue.
	Test func(Value) error
	// Write stores a tested value; nil makes the object read-only. A failed
	// Write must have changed nothing. To undo, what Read gave before is
	// written back.
	Write func(Value) error
}

// Scalars is a Setter for scalar objects, in whatever order they are given.
type Scalars struct {
	objects  []scalar // in order of OID
	together func(vars []Variable) (Txn, *SetError)
}

type scalar struct {
	Scalar
	name     OID // of the instance
	writable bool
}

var _ Setter = (*Scalars)(nil)

// NewScalars makes a handler. It refuses objects given twice, without Read,
// or writable without a syntax.
func NewScalars(objects ...Scalar) (*Scalars, error) { return NewScalarGroup(nil, objects...) }

// NewScalarGroup makes a handler whose variables are written together: after
// each variable of a SET has passed its own checks, test gets all of them in
// the manager's order, and its Txn does the writing, so that one SET can be
// one write to disk. Writable are then the objects that SIMONE-MIB calls so,
// and no Scalar's Write is called.
func NewScalarGroup(test func(vars []Variable) (Txn, *SetError), objects ...Scalar) (*Scalars, error) {
	s := &Scalars{objects: make([]scalar, 0, len(objects)), together: test}
	for _, o := range objects {
		known, inMIB := ObjectByOID(o.OID)
		if o.Syntax == nil && inMIB {
			o.Syntax = &known.Syntax
		}
		c := scalar{o, Instance(o.OID), o.Write != nil}
		if test != nil {
			c.writable = inMIB && known.Writable()
		}
		switch {
		case o.Read == nil:
			return nil, fmt.Errorf("scalar %v: it has no Read", o.OID)
		case c.writable && o.Syntax == nil:
			return nil, fmt.Errorf("scalar %v: it is writable, not in SIMONE-MIB, and has no Syntax", o.OID)
		}
		s.objects = append(s.objects, c)
	}
	slices.SortFunc(s.objects, func(a, b scalar) int { return a.OID.Compare(b.OID) })
	for i := 1; i < len(s.objects); i++ {
		if s.objects[i].OID.HasPrefix(s.objects[i-1].OID) {
			return nil, fmt.Errorf("scalar %v: it stands there twice, or inside another", s.objects[i].OID)
		}
	}
	return s, nil
}

// Register registers the handler at each of its objects, so that tables may
// stand between them.
func (s *Scalars) Register(t *Tree) error {
	for i := range s.objects {
		if err := t.Register(s.objects[i].OID, s); err != nil {
			return err
		}
	}
	return nil
}

// find gives the object that name lies in, or nil.
func (s *Scalars) find(name OID) *scalar {
	i, exact := firstAt(len(s.objects), func(i int) OID { return s.objects[i].OID }, name)
	if !exact {
		i--
	}
	if i < 0 || !name.HasPrefix(s.objects[i].OID) {
		return nil
	}
	return &s.objects[i]
}

// Get gives the value of an instance.
func (s *Scalars) Get(name OID) Value {
	c := s.find(name)
	switch {
	case c == nil:
		return Value{Type: TypeNoSuchObject}
	case !name.Equal(c.name):
		return Value{Type: TypeNoSuchInstance}
	}
	return c.Read()
}

// Next gives the first instance after name that has a value.
func (s *Scalars) Next(name OID) (Variable, bool) {
	i, exact := firstAt(len(s.objects), func(i int) OID { return s.objects[i].name }, name)
	if exact {
		i++
	}
	for ; i < len(s.objects); i++ {
		if v := s.objects[i].Read(); !v.IsException() {
			return Variable{s.objects[i].name, v}, true
		}
	}
	return Variable{}, false
}

// Test checks each variable in the order of RFC 3416, section 4.2.5.
func (s *Scalars) Test(vars []Variable) (Txn, *SetError) {
	for i, v := range vars {
		c := s.find(v.Name)
		if c == nil || !c.writable {
			return nil, Refuse(NotWritable, i, "%s cannot be written", NameOf(v.Name))
		}
		if status, reason := c.Syntax.Check(v.Value); status != NoError {
			return nil, Refuse(status, i, "%s: %s", NameOf(v.Name), reason)
		}
		if !v.Name.Equal(c.name) {
			return nil, Refuse(NoCreation, i, "%s: the only instance is .0", NameOf(v.Name))
		}
		if c.Test == nil {
			continue
		}
		if e := refusal(c.Test(v.Value), WrongValue, i); e != nil {
			e.Index = i
			return nil, e
		}
	}
	if s.together != nil {
		return s.together(vars)
	}
	return &scalarsTxn{s: s, vars: vars}, nil
}

type scalarsTxn struct {
	s    *Scalars
	vars []Variable
	old  []Value // of the variables written so far
}

func (x *scalarsTxn) Commit() *SetError {
	for i, v := range x.vars {
		c := x.s.find(v.Name)
		old := c.Read()
		if err := c.Write(v.Value); err != nil {
			return refusal(fmt.Errorf("%s: %w", NameOf(v.Name), err), CommitFailed, i)
		}
		x.old = append(x.old, old)
	}
	return nil
}

func (x *scalarsTxn) Undo() *SetError {
	var failed *SetError
	for i := len(x.old) - 1; i >= 0; i-- {
		name := x.vars[i].Name
		if err := x.s.find(name).Write(x.old[i]); err != nil && failed == nil {
			failed = refusal(fmt.Errorf("%s: %w", NameOf(name), err), UndoFailed, i)
		}
	}
	x.old = nil
	return failed
}

func (x *scalarsTxn) Cleanup() { x.old = nil }
