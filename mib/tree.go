package mib

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Handler answers for one subtree, or for several. Names are full OIDs. The
// tree calls it from many goroutines at once; it must not block.
type Handler interface {
	// Get gives the variable's value, or a NoSuchObject or NoSuchInstance
	// value when there is none.
	Get(name OID) Value
	// Next gives the first variable after name inside the handler's
	// subtrees, in O(log n), and false when there is none.
	Next(name OID) (Variable, bool)
}

// Setter is a Handler whose objects can be written.
type Setter interface {
	Handler
	// Test checks the SET in the order of RFC 3416, section 4.2.5, and
	// changes nothing. SetError.Index is a position in vars, from 0.
	Test(vars []Variable) (Txn, *SetError)
}

// Txn is a tested SET, the two phases of RFC 2741, section 7.2.4. It ends in
// one of three ways: Commit then Cleanup; Commit then Undo, when this or
// another handler's Commit failed; or Cleanup alone, when another handler
// refused in test or the commit did not come as far.
type Txn interface {
	// Commit makes the change.
	Commit() *SetError
	// Undo takes back whatever Commit did, also when Commit failed half-way,
	// and frees what Cleanup would have freed.
	Undo() *SetError
	// Cleanup frees what Test took.
	Cleanup()
}

// Tree is the ordered variable tree behind an agent's front end. Once all
// handlers are registered, it is safe for concurrent use. SETs are
// serialised: from a Test that passed until its Txn ends, another one waits.
//
// A Tree is itself a Setter and can be registered in another.
type Tree struct {
	entries []entry // in order of root; no root lies inside another
	groups  int

	// setMu is held from a Test that passed until Cleanup or Undo.
	setMu sync.Mutex
}

type entry struct {
	root    OID
	handler Handler
	group   int // entries of the same handler share it
}

var _ Setter = (*Tree)(nil)

// NewTree makes an empty tree.
func NewTree() *Tree { return &Tree{} }

// Register lets h answer for every name at or below root. Roots may not
// overlap. The same Setter may stand at several roots; it then gets all its
// variables of one SET in one Test call. Call it before the tree is in use.
func (t *Tree) Register(root OID, h Handler) error {
	if len(root) == 0 {
		return fmt.Errorf("register %T: the root is empty", h)
	}
	if h == nil {
		return fmt.Errorf("register %v: the handler is nil", root)
	}
	i, _ := t.search(root)
	for _, j := range []int{i - 1, i} {
		if j < 0 || j >= len(t.entries) {
			continue
		}
		if r := t.entries[j].root; root.HasPrefix(r) || r.HasPrefix(root) {
			return fmt.Errorf("register %v: it overlaps %v, which is taken", root, r)
		}
	}
	group := t.groups
	if reflect.TypeOf(h).Comparable() {
		for _, e := range t.entries {
			if reflect.TypeOf(e.handler).Comparable() && e.handler == h {
				group = e.group
				break
			}
		}
	}
	if group == t.groups {
		t.groups++
	}
	t.entries = slices.Insert(t.entries, i, entry{slices.Clone(root), h, group})
	return nil
}

// Roots lists the registered roots in order.
func (t *Tree) Roots() []OID {
	roots := make([]OID, len(t.entries))
	for i, e := range t.entries {
		roots[i] = e.root
	}
	return roots
}

// search finds where root stands or would stand among the entries.
func (t *Tree) search(root OID) (int, bool) {
	return firstAt(len(t.entries), func(i int) OID { return t.entries[i].root }, root)
}

// find gives the entry that answers for name. As no root lies inside
// another, it can only be the last one that does not sort after name.
func (t *Tree) find(name OID) (int, bool) {
	i, exact := t.search(name)
	if exact {
		return i, true
	}
	if i > 0 && name.HasPrefix(t.entries[i-1].root) {
		return i - 1, true
	}
	return i, false
}

// Get gives the value of the variable called name, or a NoSuchObject or
// NoSuchInstance value.
func (t *Tree) Get(name OID) Value {
	i, ok := t.find(name)
	if !ok {
		return Value{Type: TypeNoSuchObject}
	}
	return t.entries[i].handler.Get(name)
}

// Next gives the first variable after name, and false at the end of the
// tree. What it returns always sorts after name, whatever handlers do, so
// that every walk ends.
func (t *Tree) Next(name OID) (Variable, bool) {
	i, _ := t.find(name)
	for ; i < len(t.entries); i++ {
		e := &t.entries[i]
		v, ok := e.handler.Next(name)
		if !ok || v.Name.Compare(name) <= 0 {
			continue
		}
		// A handler with several roots may skip over another handler's; then
		// that one's turn comes first. A name before the root stands at an
		// earlier root of this handler and has come up since that was asked.
		if v.Name.HasPrefix(e.root) || v.Name.Compare(e.root) < 0 {
			return v, true
		}
	}
	return Variable{}, false
}

// Test checks a SET with every handler concerned. If several refuse, the
// refusal of the first variable counts. If it passes, other SETs wait until
// the Txn ends; so it must end, with Cleanup or with Undo.
func (t *Tree) Test(vars []Variable) (Txn, *SetError) {
	t.setMu.Lock()
	txn, passed := &treeTxn{tree: t}, false
	defer func() {
		if !passed { // also when a handler panics, which front ends survive
			txn.Cleanup()
		}
	}()
	if refused := txn.test(vars); refused != nil {
		return nil, refused
	}
	passed = true
	return txn, nil
}

// test has each handler test its share of the SET. Those that passed stand in
// x.parts with their Txn, whatever becomes of the others.
func (x *treeTxn) test(vars []Variable) *SetError {
	t := x.tree
	var refused *SetError
	refuse := func(e *SetError) {
		if refused == nil || e.Index < refused.Index {
			refused = e
		}
	}
	groups := make(map[int]int) // group to position in x.parts
	var setters []Setter
	for i, v := range vars {
		at, ok := t.find(v.Name)
		if !ok {
			refuse(Refuse(NotWritable, i, "there is no object at %v", v.Name))
			continue
		}
		setter, ok := t.entries[at].handler.(Setter)
		if !ok {
			refuse(Refuse(NotWritable, i, "nothing under %v can be written", t.entries[at].root))
			continue
		}
		p, ok := groups[t.entries[at].group]
		if !ok {
			p = len(x.parts)
			groups[t.entries[at].group] = p
			x.parts = append(x.parts, part{})
			setters = append(setters, setter)
		}
		x.parts[p].vars = append(x.parts[p].vars, v)
		x.parts[p].indices = append(x.parts[p].indices, i)
	}
	for i := range x.parts {
		p := &x.parts[i]
		part, e := setters[i].Test(p.vars)
		if e != nil {
			refuse(p.mapped(e))
			continue
		}
		p.txn = part
	}
	return refused
}

// Set writes all the variables or none: Test, Commit, and Cleanup or Undo.
func (t *Tree) Set(vars []Variable) *SetError {
	txn, refused := t.Test(vars)
	if refused != nil {
		return refused
	}
	returned := false
	defer func() {
		if !returned { // a handler panics: later SETs must not wait for ever
			txn.Undo()
		}
	}()
	failed := txn.Commit()
	returned = true
	if failed != nil {
		if stuck := txn.Undo(); stuck != nil {
			stuck.Reason = strings.TrimSuffix(failed.Reason+"; "+stuck.Reason, "; ")
			return stuck
		}
		return failed
	}
	txn.Cleanup()
	return nil
}

// treeTxn is one SET over all its handlers.
type treeTxn struct {
	tree      *Tree
	parts     []part // in the order of their first variables
	committed int    // how many parts have been told to commit
	ended     bool
}

// part is one handler's share of a SET.
type part struct {
	vars    []Variable
	indices []int // where the vars stand in the whole SET
	txn     Txn   // nil when the handler refused
}

// mapped gives the handler's error with its index in the whole SET.
func (p *part) mapped(e *SetError) *SetError {
	m := *e
	if e.Index >= 0 && e.Index < len(p.indices) {
		m.Index = p.indices[e.Index]
	} else {
		m.Index = p.indices[0]
	}
	return &m
}

// Commit makes the change, handler by handler, up to the first that fails.
// The error's status is then commitFailed, whatever the handler called it.
func (x *treeTxn) Commit() *SetError {
	for x.committed < len(x.parts) {
		p := &x.parts[x.committed]
		x.committed++
		if e := p.txn.Commit(); e != nil {
			e = p.mapped(e)
			e.Status = CommitFailed
			return e
		}
	}
	return nil
}

// Undo takes the change back, last handler first. All are undone even if one
// fails or panics; the error is undoFailed with no variable's index (RFC 3416,
// 4.2.5).
func (x *treeTxn) Undo() (failed *SetError) {
	if x.ended {
		return nil
	}
	defer x.end()
	for i := range x.parts {
		defer func() { // the last first
			p := &x.parts[i]
			if i >= x.committed {
				p.txn.Cleanup()
				return
			}
			if e := p.txn.Undo(); e != nil && failed == nil {
				failed = &SetError{Status: UndoFailed, Index: -1, Reason: e.Reason}
			}
		}()
	}
	return nil
}

// Cleanup ends the SET. Calling it again, or after Undo, does nothing.
func (x *treeTxn) Cleanup() {
	if x.ended {
		return
	}
	defer x.end()
	for i := len(x.parts) - 1; i >= 0; i-- {
		if txn := x.parts[i].txn; txn != nil {
			defer txn.Cleanup() // the first first, and all even if one panics
		}
	}
}

func (x *treeTxn) end() {
	x.ended = true
	x.tree.setMu.Unlock()
}
