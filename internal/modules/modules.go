// Package modules finds out what names in files of MIB modules (SMIv1 and
// SMIv2) stand for, so that profiles can be written by name. The types of the
// library that reads them stop here.
package modules

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/sleepinggenius2/gosmi"
	"github.com/sleepinggenius2/gosmi/smi"
	"github.com/sleepinggenius2/gosmi/types"

	"simone/mib"
)

// Shape is what kind of definition a name stands for.
type Shape int

// The shapes of definitions.
const (
	Other Shape = iota
	Scalar
	Table
	Column
)

// Object is a definition.
type Object struct {
	Module  string
	Name    string
	OID     mib.OID
	Shape   Shape
	Counter bool // Counter32, Counter64 or a type made of them
	Number  bool // what an agent answers is one
	Unit    string
	Help    string
	Columns []Object // of a Table, those that can be read
}

// Library reads modules while it is open.
type Library struct {
	dirs []string
	all  bool // every module has been loaded
}

// reading is held by the one Library that is open: what the library below
// reads is the process's.
var reading sync.Mutex

// Open makes a library of the modules in the directories: a module is in the
// file of its name, with any ending or none. Close it.
func Open(dirs ...string) (*Library, error) {
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("%s is no directory with MIB modules; make mibs brings the base modules into mib/base", dir)
		}
	}
	reading.Lock()
	gosmi.Init()
	// Where others on the machine keep theirs does not count.
	gosmi.SetFS()
	for _, dir := range dirs {
		gosmi.AppendFS(gosmi.NamedFS(dir, directory{os.DirFS(dir).(fs.ReadDirFS)}))
	}
	return &Library{dirs: dirs}, nil
}

// Close forgets what was read.
func (l *Library) Close() {
	gosmi.Exit()
	reading.Unlock()
}

// ErrUnknown says that no module has the name.
var ErrUnknown = errors.New("no such name")

// Object finds what MODULE::name, or name alone, stands for. An instance after
// it (name.0) is not part of it.
func (l *Library) Object(name string) (o Object, err error) {
	defer func() { // the library below was made for files that are as they should be
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: a module cannot be read: %v", name, r)
		}
	}()
	module, label, qualified := strings.Cut(name, "::")
	if !qualified {
		return l.anywhere(name)
	}
	m, err := gosmi.GetModule(module)
	if err != nil {
		return Object{}, fmt.Errorf("module %s cannot be read from %s: %w", module, strings.Join(l.dirs, ", "), ErrUnknown)
	}
	n, err := m.GetNode(label)
	if err != nil {
		return Object{}, fmt.Errorf("module %s has no %s: %w%s", module, label, ErrUnknown, alike(m, label))
	}
	return object(n), nil
}

// anywhere looks in all modules. Several may define the same object.
func (l *Library) anywhere(name string) (found Object, err error) {
	l.loadAll()
	for _, m := range gosmi.GetLoadedModules() {
		n, err := m.GetNode(name)
		if err != nil || n.Name != name {
			continue
		}
		o := object(n)
		switch {
		case found.Name == "":
			found = o
		case !found.OID.Equal(o.OID):
			return Object{}, fmt.Errorf("%s is in %s and in %s; write %s::%s or %s::%s", name, found.Module, o.Module, found.Module, name, o.Module, name)
		}
	}
	if found.Name == "" {
		return Object{}, fmt.Errorf("no module in %s has %s: %w", strings.Join(l.dirs, ", "), name, ErrUnknown)
	}
	return found, nil
}

// loadAll loads every file; what is no module is passed over.
func (l *Library) loadAll() {
	if l.all {
		return
	}
	l.all = true
	for _, dir := range l.dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				load(strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())))
			}
		}
	}
}

// load passes over what cannot be read.
func load(module string) {
	defer func() { _ = recover() }()
	_, _ = gosmi.GetModule(module) // LoadModule prints
}

// alike says what may have been meant.
func alike(m gosmi.SmiModule, label string) string {
	for _, n := range m.GetNodes() {
		if strings.EqualFold(n.Name, label) {
			return "; did you mean " + n.Name + "?"
		}
	}
	return ""
}

func object(n gosmi.SmiNode) Object {
	o := Object{Module: n.GetModule().Name, Name: n.Name, Help: sentence(n.Description)}
	for _, part := range n.Oid {
		o.OID = append(o.OID, uint32(part))
	}
	switch n.Kind {
	case types.NodeScalar:
		o.Shape = Scalar
	case types.NodeColumn:
		o.Shape = Column
	case types.NodeTable:
		o.Shape = Table
		columns, order := n.GetRow().GetColumns()
		for _, name := range order {
			if c := columns[name]; c.Access == types.AccessReadOnly || c.Access == types.AccessReadWrite {
				o.Columns = append(o.Columns, object(c))
			}
		}
	}
	if t := n.SmiType; t != nil {
		o.Unit = t.Units
		o.Counter = counts(t)
		o.Number = slices.Contains([]types.BaseType{types.BaseTypeInteger32, types.BaseTypeUnsigned32, types.BaseTypeInteger64, types.BaseTypeUnsigned64,
			types.BaseTypeFloat32, types.BaseTypeFloat64, types.BaseTypeEnum}, t.BaseType) || t.Name == "Float" || t.Name == "Double"
	}
	return o
}

// counts reports whether a type is a counter, or made of one. Those that begin
// at zero (RFC 4502, RFC 2856) are gauges to ASN.1.
func counts(t *gosmi.SmiType) bool {
	for raw := t.GetRaw(); raw != nil; raw = smi.GetParentType(raw) {
		if strings.HasPrefix(strings.TrimPrefix(string(raw.Name), "ZeroBased"), "Counter") {
			return true
		}
	}
	return false
}

// sentence is the first one of a description, in one line.
func sentence(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if i := strings.Index(s, ". "); i >= 0 {
		s = s[:i+1]
	}
	const most = 200
	if r := []rune(s); len(r) > most {
		s = string(r[:most-1]) + "…"
	}
	return s
}
