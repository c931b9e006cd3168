package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"simone/internal/modules"
	"simone/mib"
	"simone/profile"
)

// glossary knows what the names of objects stand for: those of the built-in
// profiles, of SIMONE-MIB, and of modules in files.
type glossary struct {
	dirs     []string
	library  *modules.Library // opened when the first name is looked up; nil: not yet
	builtIn  map[string]definition
	problems Problems // of the directories
}

// definition is what is known of a name.
type definition struct {
	Module, Name, Unit, Help string
	OID                      mib.OID
	Column, Counter, Number  bool
}

func newGlossary(dir string, mibs []string) *glossary {
	n := &glossary{builtIn: make(map[string]definition)}
	for _, p := range profile.BuiltIn() {
		for _, o := range p.Objects {
			d := definition{Name: o.Name, OID: o.OID, Column: o.Column, Counter: o.Kind == profile.Rate, Number: true, Help: o.Help}
			switch {
			case p.Name == mib.ProfileSimone, strings.HasPrefix(o.Name, "load"): // not names of a MIB
				continue
			case d.Counter:
				d.Unit = strings.TrimSuffix(o.Unit, "/s")
			case o.Scale == 0 || o.Scale == 1:
				d.Unit = o.Unit
			}
			if !d.Column {
				d.OID = o.OID[:len(o.OID)-1]
			}
			n.builtIn[o.Name] = d
		}
	}
	const clock = "ifCounterDiscontinuityTime"
	n.builtIn[clock] = definition{Name: clock, OID: mib.MustOID("1.3.6.1.2.1.31.1.1.1.19"), Column: true, Number: true}
	for i, at := range mibs {
		if !filepath.IsAbs(at) {
			at = filepath.Join(dir, at)
		}
		n.dirs = append(n.dirs, at)
		if files, err := filepath.Glob(filepath.Join(at, "*")); err != nil || len(files) == 0 {
			n.problems.add(fmt.Sprintf("[%d]", i), "there are no files in %s; write a directory with MIB modules, such as /usr/share/snmp/mibs", at)
		}
	}
	return n
}

func (n *glossary) close() {
	if n.library != nil {
		n.library.Close()
	}
}

// open reads the modules' directories once they are needed.
func (n *glossary) open() error {
	if n.library != nil || len(n.dirs) == 0 || len(n.problems) > 0 {
		return nil
	}
	l, err := modules.Open(n.dirs...)
	n.library = l
	return err
}

// find looks a name up, in files first.
func (n *glossary) find(name string) (definition, error) {
	if err := n.open(); err != nil {
		return definition{}, err
	}
	module, label, qualified := strings.Cut(name, "::")
	if !qualified {
		label = name
	}
	var failure error
	if n.library != nil && module != mib.Module {
		o, err := n.library.Object(name)
		if err == nil {
			return defined(o)
		}
		if failure = err; !errors.Is(err, modules.ErrUnknown) {
			return definition{}, err
		}
	}
	if o, ok := mib.ObjectByName(label); ok && (!qualified || module == mib.Module) {
		column := o.Shape == mib.ShapeColumn
		if !column && o.Shape != mib.ShapeScalar {
			return definition{}, fmt.Errorf("%s is neither a scalar nor a column", name)
		}
		text := o.Syntax.Type == mib.TypeOctetString || o.Syntax.Type == mib.TypeObjectID
		return definition{Module: mib.Module, Name: o.Name, OID: o.OID, Column: column, Number: !text}, nil
	}
	if d, ok := n.builtIn[label]; ok {
		return d, nil
	}
	if failure != nil {
		return definition{}, fmt.Errorf("%w; write the OID, or add the directory of its module to mibs", failure)
	}
	for known := range n.builtIn {
		if strings.EqualFold(known, label) {
			return definition{}, fmt.Errorf("%s is not known; did you mean %s?", name, known)
		}
	}
	return definition{}, fmt.Errorf("%s is not known; write the OID, or the directory of its MIB module under profiles.mibs of the configuration (simonectl: --mibs)", name)
}

func defined(o modules.Object) (definition, error) {
	if o.Shape != modules.Column && o.Shape != modules.Scalar {
		return definition{}, fmt.Errorf("%s::%s is neither a scalar nor a column of a table", o.Module, o.Name)
	}
	return definition{
		Module: o.Module, Name: o.Name, OID: o.OID, Unit: o.Unit, Help: o.Help,
		Column: o.Shape == modules.Column, Counter: o.Counter, Number: o.Number,
	}, nil
}

// findTable gives the columns of a table that can be read.
func (n *glossary) findTable(name string) (columns []definition, err error) {
	if err := n.open(); err != nil {
		return nil, err
	}
	if n.library == nil {
		return nil, fmt.Errorf("the columns of %s are not known without its MIB module; list columns, or write the module's directory under profiles.mibs of the configuration (simonectl: --mibs)", name)
	}
	t, err := n.library.Object(name)
	if err != nil {
		return nil, err
	}
	if t.Shape != modules.Table {
		return nil, fmt.Errorf("%s is no table; write it under objects, or under columns", name)
	}
	for _, c := range t.Columns {
		d, err := defined(c)
		if err != nil {
			return nil, err
		}
		columns = append(columns, d)
	}
	return columns, nil
}
