package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// textDecoder is a type that reads itself from any scalar. Its error says
// what to write instead, and nothing of the text if that may be a secret.
type textDecoder interface{ decodeText(text string) error }

// textDecoderOf is how v reads itself, if it does: by a method of this package
// or, for types from elsewhere, as an encoding.TextUnmarshaler.
func textDecoderOf(v reflect.Value) (decode func(text string) error, ok bool) {
	switch t := v.Addr().Interface().(type) {
	case textDecoder:
		return t.decodeText, true
	case encoding.TextUnmarshaler:
		return func(text string) error { return t.UnmarshalText([]byte(text)) }, true
	}
	return nil, false
}

// defaulter is an element of a list that does not start from zero.
type defaulter interface{ setDefaults() }

// decoder fills a struct from a YAML syntax tree. It is stricter than
// yaml.Unmarshal (text stays text, numbers stay numbers), finds every problem
// and not just the first, and remembers where each key stands, so that what
// Validate finds later has a line as well.
type decoder struct {
	file     string
	root     reflect.Type
	problems Problems
	lenient  bool               // unknown keys are no problem
	unknown  []Problem          // keys that are none; only place and key are set
	at       map[string]Problem // where the values stand, by key; only the place is set
}

// decode reads YAML (or JSON, which is a subset) over what is in v, a pointer.
func decode(file string, data []byte, v any) *decoder {
	d := newDecoder(file, v)
	d.read(data, v)
	return d
}

func newDecoder(file string, v any) *decoder {
	return &decoder{file: file, root: reflect.TypeOf(v).Elem(), at: make(map[string]Problem)}
}

// read is decode, once.
func (d *decoder) read(data []byte, v any) {
	tree, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return
	}
	bodies := slices.DeleteFunc(tree.Docs, func(doc *ast.DocumentNode) bool { return doc.Body == nil })
	switch len(bodies) {
	case 0: // an empty file leaves the defaults
	case 1:
		d.value(bodies[0].Body, reflect.ValueOf(v).Elem(), "")
	default:
		d.fail(bodies[1].Body, "", "a second document begins here; keep everything in one")
	}
}

// syntax notes a parser's error: its message and place, but not its excerpt
// of the source, which may show a secret.
func (d *decoder) syntax(err error) {
	p := Problem{File: d.file, Text: "this is not YAML"}
	var at yaml.Error
	if errors.As(err, &at) {
		p.Text += ": " + at.GetMessage()
		if t := at.GetToken(); t != nil && t.Position != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
		}
	}
	d.problems = append(d.problems, p)
}

func (d *decoder) fail(n ast.Node, key, format string, args ...any) {
	p := d.place(n)
	p.Key, p.Text = key, fmt.Sprintf(format, args...)
	d.problems = append(d.problems, p)
}

// place is a problem without a text at the node.
func (d *decoder) place(n ast.Node) Problem {
	p := Problem{File: d.file}
	if pos := position(n); pos != nil {
		p.Line, p.Column = pos.Line, pos.Column
	}
	return p
}

// placed notes problems that were found in the values, each at the place of
// its key or, for one that is not in the file, of the nearest key around it.
func (d *decoder) placed(ps Problems) {
	for _, p := range ps {
		if p.File != "" { // it is in another file
			d.problems = append(d.problems, p)
			continue
		}
		place := Problem{File: d.file}
		for key := p.Key; key != ""; key = key[:max(strings.LastIndexAny(key, ".["), 0)] {
			if at, ok := d.at[key]; ok {
				place = at
				break
			}
		}
		place.Key, place.Text = p.Key, p.Text
		d.problems = append(d.problems, place)
	}
}

func position(n ast.Node) *token.Position {
	// The token of a mapping is its first colon; its place is its first key.
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return position(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return position(m.Key)
	}
	if t := n.GetToken(); t != nil {
		return t.Position
	}
	return nil
}

func (d *decoder) value(n ast.Node, v reflect.Value, key string) {
	d.at[key] = d.place(n)
	switch x := n.(type) {
	case *ast.NullNode:
		return // nothing behind the colon leaves the default
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		d.fail(n, key, "anchors, aliases and tags are not understood; write the value itself")
		return
	case *ast.LiteralNode:
		d.value(x.Value, v, key)
		return
	}
	if decodeText, ok := textDecoderOf(v); ok {
		if text, ok := scalarText(n); ok {
			if err := decodeText(text); err != nil {
				d.fail(n, key, "%v", err)
			}
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		if _, ok := textDecoderOf(v); ok && len(fieldsOf(v.Type())) == 0 {
			d.fail(n, key, "%s stands where text is wanted", what(n))
			return
		}
		d.structure(n, v, key)
	case reflect.Map:
		d.mapping(n, v, key)
	case reflect.Slice:
		d.sequence(n, v, key)
	default:
		d.scalar(n, v, key)
	}
}

// entries gives the keys and values of a mapping; false when it is none.
func entries(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}, true
	}
	return nil, false
}

func (d *decoder) structure(n ast.Node, v reflect.Value, key string) {
	values, ok := entries(n)
	fields := fieldsOf(v.Type())
	if !ok {
		d.fail(n, key, "%s stands where keys are wanted; write below it one or more of %s", what(n), oneOf(names(fields)))
		return
	}
	seen := make(map[string]*token.Position)
	for _, e := range values {
		name, ok := d.key(e, key, seen)
		if !ok {
			continue
		}
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if i < 0 && d.lenient {
			p := d.place(e.Key)
			p.Key = join(key, name)
			d.unknown = append(d.unknown, p)
			continue
		}
		if i < 0 {
			d.fail(e.Key, join(key, name), "there is no such key; %s", d.remedy(name, key, fields))
			continue
		}
		d.value(e.Value, v.FieldByIndex(fields[i].index), join(key, name))
	}
}

// key reads the key of an entry, and notes one that is no word or stands there twice.
func (d *decoder) key(e *ast.MappingValueNode, under string, seen map[string]*token.Position) (string, bool) {
	name, ok := scalarText(e.Key)
	if _, merge := e.Key.(*ast.MergeKeyNode); merge || !ok {
		d.fail(e.Key, under, "a key has to be a plain word; merge keys and others are not understood")
		return "", false
	}
	if first := seen[name]; first != nil {
		d.fail(e.Key, join(under, name), "it stands there twice, first in line %d; keep one", first.Line)
		return "", false
	}
	seen[name] = position(e.Key)
	return name, true
}

// remedy says what may have been meant by an unknown key.
func (d *decoder) remedy(name, under string, fields []field) string {
	known := names(fields)
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if parents := whereIs(d.root, "", name); len(parents) > 0 && !slices.Contains(parents, under) {
		if parents[0] == "" {
			return "it belongs at the top, not here"
		}
		return fmt.Sprintf("it belongs under %q", parents[0])
	}
	return "the keys here are " + strings.Join(known, ", ")
}

// whereIs lists the keys of the structs that have a key of that name.
func whereIs(t reflect.Type, at, name string) (parents []string) {
	for t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for _, f := range fieldsOf(t) {
		if f.name == name {
			parents = append(parents, at)
		}
		parents = append(parents, whereIs(f.typ, join(at, f.name), name)...)
	}
	return parents
}

func (d *decoder) mapping(n ast.Node, v reflect.Value, key string) {
	values, ok := entries(n)
	if !ok {
		d.fail(n, key, "%s stands where keys with values are wanted", what(n))
		return
	}
	m := reflect.MakeMap(v.Type())
	seen := make(map[string]*token.Position)
	for _, e := range values {
		name, ok := d.key(e, key, seen)
		if !ok {
			continue
		}
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(e.Value, item, join(key, name))
		m.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), item)
	}
	v.Set(m)
}

// sequence replaces the list; what was in it by default is gone.
func (d *decoder) sequence(n ast.Node, v reflect.Value, key string) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fail(n, key, "%s stands where a list is wanted; begin each of its lines with \"- \", or write [a, b]", what(n))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(s.Values), len(s.Values))
	for i, e := range s.Values {
		item := list.Index(i)
		if def, ok := item.Addr().Interface().(defaulter); ok {
			def.setDefaults()
		}
		d.value(e, item, join(key, "["+strconv.Itoa(i)+"]"))
	}
	v.Set(list)
}

func (d *decoder) scalar(n ast.Node, v reflect.Value, key string) {
	text, ok := scalarText(n)
	if !ok {
		d.fail(n, key, "%s stands where one value is wanted", what(n))
		return
	}
	switch v.Kind() {
	case reflect.String:
		if _, ok := n.(*ast.StringNode); !ok {
			d.fail(n, key, "%s is %s and text is wanted; write it in quotes: %q", text, what(n), text)
			return
		}
		v.SetString(text)
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.fail(n, key, "%q is neither true nor false; write one of these", text)
			return
		}
		v.SetBool(b.Value)
	case reflect.Int:
		i, err := strconv.ParseInt(text, 10, 64)
		if _, ok := n.(*ast.IntegerNode); !ok || err != nil || v.OverflowInt(i) {
			d.fail(n, key, "%q is not a whole number; write for example 10", text)
			return
		}
		v.SetInt(i)
	case reflect.Float64:
		switch x := n.(type) {
		case *ast.FloatNode:
			v.SetFloat(x.Value)
			return
		case *ast.IntegerNode:
			if f, err := strconv.ParseFloat(text, 64); err == nil {
				v.SetFloat(f)
				return
			}
		}
		d.fail(n, key, "%q is not a number; write for example 17.5", text)
	default:
		// Only a field of a new type without a case here gets this far.
		d.fail(n, key, "a value of type %v cannot be configured", v.Type())
	}
}

// scalarText is a scalar as it was written, without quotes.
func scalarText(n ast.Node) (string, bool) {
	switch x := n.(type) {
	case *ast.StringNode:
		return x.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return x.GetToken().Value, true
	}
	return "", false
}

// what names the kind of a node for people.
func what(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a set of keys"
	case *ast.SequenceNode:
		return "a list"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "a truth value"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	}
	return "something else"
}

// field is one key of a struct.
type field struct {
	name   string
	index  []int
	typ    reflect.Type
	reload string // now, restart, or empty: as the struct around it
}

// fieldsOf lists the keys of a struct, those of inlined structs among them.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
			continue
		case options == "inline":
			for _, g := range fieldsOf(f.Type) {
				g.index = append([]int{i}, g.index...)
				fields = append(fields, g)
			}
			continue
		}
		fields = append(fields, field{name, []int{i}, f.Type, f.Tag.Get("reload")})
	}
	return fields
}

func names(fields []field) []string {
	l := make([]string, len(fields))
	for i, f := range fields {
		l[i] = f.name
	}
	return l
}
