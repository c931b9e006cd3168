package mib

import "sync/atomic"

// Facade is a Setter that answers out of one tree at a time, which can be
// exchanged while it is in use: for a process whose role changes, and with it
// what it shows. The zero Facade shows nothing.
type Facade struct{ tree atomic.Pointer[Tree] }

var _ Setter = (*Facade)(nil)

// Show has the facade answer out of t, whose handlers are all registered. A
// SET under way goes on with the tree that it was tested by.
func (f *Facade) Show(t *Tree) { f.tree.Store(t) }

func (f *Facade) shown() *Tree {
	if t := f.tree.Load(); t != nil {
		return t
	}
	return &Tree{}
}

// Get implements Handler.
func (f *Facade) Get(name OID) Value { return f.shown().Get(name) }

// Next implements Handler.
func (f *Facade) Next(name OID) (Variable, bool) { return f.shown().Next(name) }

// Test implements Setter.
func (f *Facade) Test(vars []Variable) (Txn, *SetError) { return f.shown().Test(vars) }
