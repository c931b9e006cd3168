package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"simone/mib"
	"simone/profile"
)

// profileFile is a file of profiles.
type profileFile struct {
	Profiles []writtenProfile `yaml:"profiles"`
}

// writtenProfile is a profile as people write it.
type writtenProfile struct {
	// Name is what nodes' profile says.
	Name string `yaml:"name"`
	// Interval is how often its objects are read that say nothing else; in
	// each poll if 0s.
	Interval Duration `yaml:"interval"`
	// MaxRepetitions is how many rows are asked for at a time at most.
	MaxRepetitions int `yaml:"max_repetitions"`
	// Retries is how many further attempts a request has, Timeout how long
	// each waits; the manager's own if 0.
	Retries int      `yaml:"retries"`
	Timeout Duration `yaml:"timeout"`
	// Objects are scalars, Tables columns.
	Objects []writtenObject `yaml:"objects"`
	Tables  []writtenTable  `yaml:"tables"`
}

// writtenObject is an object: what it is called alone, or with more.
type writtenObject struct {
	// Object is an OID, NAME or MODULE::NAME; of a scalar with its instance,
	// or by name without.
	Object string `yaml:"object"`
	// Name is that of the metric; the object's if empty.
	Name string `yaml:"name"`
	// As is value, rate, or auto: a rate if it is a counter.
	As string `yaml:"as"`
	// Unit is that of what becomes of it.
	Unit string `yaml:"unit"`
	// What is answered times Scale plus Offset is in Unit.
	Scale  float64 `yaml:"scale"`
	Offset float64 `yaml:"offset"`
	Help   string  `yaml:"help"`
	// Interval is how often it is read.
	Interval Duration `yaml:"interval"`
	// Discontinuity is an object whose change says that the counter began anew.
	Discontinuity string `yaml:"discontinuity"`
}

func (o *writtenObject) setDefaults() { o.Scale = 1 }

func (o *writtenObject) decodeText(text string) error {
	o.Object = text
	return nil
}

// writtenTable is columns of a table, or of several that have the same index.
type writtenTable struct {
	// Table is one whose columns are all read, as far as they are numbers.
	Table string `yaml:"table"`
	// Columns are those that are read.
	Columns []writtenObject `yaml:"columns"`
	// Interval and Discontinuity are those of columns that have none.
	Interval      Duration `yaml:"interval"`
	Discontinuity string   `yaml:"discontinuity"`
}

// readProfiles reads a file of profiles.
func readProfiles(file string, data []byte, names *glossary) (all []*profile.Profile, ps Problems) {
	var f profileFile
	d := decode(file, data, &f)
	if len(d.problems) > 0 {
		return nil, d.problems
	}
	if len(f.Profiles) == 0 {
		d.placed(Problems{{Key: "profiles", Text: "there is none; list at least one"}})
	}
	for i := range f.Profiles {
		p, problems := f.Profiles[i].resolve(file, names)
		var below Problems
		below.under(fmt.Sprintf("profiles[%d]", i), problems)
		d.placed(below)
		all = append(all, p)
	}
	return all, d.problems
}

func (w *writtenProfile) resolve(file string, names *glossary) (p *profile.Profile, ps Problems) {
	p = &profile.Profile{Name: w.Name, Source: file, MaxRepetitions: w.MaxRepetitions, Retries: w.Retries, Timeout: time.Duration(w.Timeout)}
	if err := checkWord(w.Name); err != nil {
		ps.add("name", "%v", err)
	} else if profile.Reserved(w.Name) {
		ps.add("name", "%s is built in and stays as it is; choose another name", w.Name)
	}
	checkInterval(&ps, "interval", w.Interval)
	checkInt(&ps, "max_repetitions", w.MaxRepetitions, 0, 1000)
	checkInt(&ps, "retries", w.Retries, 0, 10)
	if w.Timeout != 0 {
		checkDuration(&ps, "timeout", w.Timeout, 10*time.Millisecond, time.Minute)
	}
	if len(w.Objects)+len(w.Tables) == 0 {
		ps.add("objects", "the profile reads nothing; list objects, or tables with columns")
	}
	b := profileBuilder{names: names, p: p, had: make(map[string]string), ps: &ps}
	for i := range w.Objects {
		o := w.Objects[i]
		o.Interval = cmp.Or(o.Interval, w.Interval)
		b.add(fmt.Sprintf("objects[%d]", i), &o, false)
	}
	for i := range w.Tables {
		t := &w.Tables[i]
		at := fmt.Sprintf("tables[%d]", i)
		checkInterval(&ps, at+".interval", t.Interval)
		columns := t.Columns
		switch {
		case t.Table == "" && len(columns) == 0:
			ps.add(at, "it names neither a table nor columns; write one of them")
		case t.Table != "" && len(columns) > 0:
			ps.add(at+".table", "columns stand there too, and may be of several tables; keep one of the two")
		case t.Table != "":
			all, err := names.table(t.Table)
			if err != nil {
				ps.add(at+".table", "%v", err)
			}
			columns = all
		}
		for j := range columns {
			c := columns[j]
			c.Interval = cmp.Or(c.Interval, t.Interval, w.Interval)
			c.Discontinuity = cmp.Or(c.Discontinuity, t.Discontinuity)
			b.add(fmt.Sprintf("%s.columns[%d]", at, j), &c, true)
		}
	}
	return p, ps
}

func checkInterval(ps *Problems, key string, d Duration) {
	if d != 0 {
		checkDuration(ps, key, d, 100*time.Millisecond, 24*time.Hour)
	}
}

// profileBuilder makes the objects of a profile.
type profileBuilder struct {
	names *glossary
	p     *profile.Profile
	had   map[string]string // names of metrics, and where they stand
	ps    *Problems
}

func (b *profileBuilder) add(at string, w *writtenObject, column bool) {
	var ps Problems
	defer func() { b.ps.under(at, ps) }()
	checkInterval(&ps, "interval", w.Interval)
	if w.Scale == 0 || math.IsNaN(w.Scale) || math.IsInf(w.Scale, 0) {
		ps.add("scale", "%v makes every value the same; write the factor, 1 for values as they are", w.Scale)
	}
	if math.IsNaN(w.Offset) || math.IsInf(w.Offset, 0) {
		ps.add("offset", "%v is no number that could be added", w.Offset)
	}
	kind := profile.Auto
	switch w.As {
	case "", "auto":
	case "value":
		kind = profile.Value
	case "rate":
		kind = profile.Rate
	default:
		checkChoice(&ps, "as", w.As, "auto", "value", "rate")
	}
	o, err := b.names.object(w.Object, column)
	if err != nil {
		ps.add("object", "%v", err)
		return
	}
	if kind == profile.Auto && o.typed {
		kind = profile.Value
		if o.counter {
			kind = profile.Rate
		}
	}
	name := cmp.Or(w.Name, o.name)
	switch err := checkWord(name); {
	case name == "":
		ps.add("name", "it is missing, and %s has none of its own; write what the metric is to be called", w.Object)
	case err != nil:
		ps.add("name", "%v", err)
	case b.had[name] != "":
		ps.add("name", "%s is called so too; give one of them another name", b.had[name])
	}
	b.had[name] = at
	unit := w.Unit
	if unit == "" && w.Scale == 1 && o.unit != "" {
		if unit = o.unit; kind == profile.Rate {
			unit += "/s"
		}
	}
	made := profile.Object{
		Name: name, OID: o.oid, Column: column, Kind: kind, Unit: unit, Scale: w.Scale, Offset: w.Offset,
		Help: cmp.Or(w.Help, o.help), Interval: time.Duration(w.Interval),
	}
	if w.Discontinuity != "" && kind != profile.Value {
		clock, err := b.names.object(w.Discontinuity, column)
		if err != nil {
			ps.add("discontinuity", "%v", err)
		}
		made.Discontinuity = clock.oid
	}
	b.p.Objects = append(b.p.Objects, made)
}

// named is what an object's name stands for.
type named struct {
	name, unit, help string
	oid              mib.OID
	typed, counter   bool
}

// object finds a column, or an instance of a scalar.
func (n *glossary) object(text string, column bool) (o named, err error) {
	if text == "" {
		return o, errors.New("it is missing; write an OID, NAME or MODULE::NAME")
	}
	if c := text[0]; c == '.' || '0' <= c && c <= '9' {
		if o.oid, err = mib.ParseOID(text); err != nil {
			return o, err
		}
		if len(o.oid) < 3 || o.oid[0] > 2 || o.oid[0] < 2 && o.oid[1] > 39 {
			return o, fmt.Errorf("%s is no object; write its whole OID, as 1.3.6.1.2.1.1.3.0", text)
		}
		return o, nil
	}
	label, instance, whole := strings.Cut(text, ".")
	d, err := n.find(label)
	if err != nil {
		return o, err
	}
	o = named{name: d.Name, unit: d.Unit, help: d.Help, oid: d.OID, typed: true, counter: d.Counter}
	switch {
	case !d.Number:
		return o, fmt.Errorf("%s is no number; only numbers are kept", label)
	case column && whole:
		return o, fmt.Errorf("%s: all rows of a column are read; write %s, or one row of it under objects", text, label)
	case column && !d.Column:
		return o, fmt.Errorf("%s is no column of a table; write it under objects", label)
	case !column && d.Column && !whole:
		return o, fmt.Errorf("%s is a column; write it in columns of tables, or one row of it as %s.1", label, label)
	case !column && !whole:
		o.oid = o.oid.Append(0)
	case !column:
		rest, err := mib.ParseOID(instance)
		if err != nil {
			return o, fmt.Errorf("%s: %w", text, err)
		}
		o.oid = o.oid.Append(rest...)
		if d.Column { // the name alone would be that of every row
			o.name += "." + strings.ReplaceAll(strings.TrimPrefix(rest.String(), "."), ".", "_")
		}
	}
	return o, nil
}

// table gives the columns of a table that are numbers, by OID.
func (n *glossary) table(name string) (columns []writtenObject, err error) {
	t, err := n.findTable(name)
	if err != nil {
		return nil, err
	}
	for _, c := range t {
		if c.Number {
			columns = append(columns, writtenObject{Object: c.Module + "::" + c.Name, Scale: 1})
		}
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("%s has no column that is a number and can be read", name)
	}
	return columns, nil
}

// digits says how many of something there are.
func digits(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
