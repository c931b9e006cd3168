package smi

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Module is a module that has been read.
type Module struct {
	Name string
	Defs []Def // in order of OID: nodes, objects and notifications
}

// Macro is what a definition was made with.
type Macro string

// The macros that leave a Def. Types and conformance leave none.
const (
	ModuleIdentity   Macro = "MODULE-IDENTITY"
	ObjectIdentifier Macro = "OBJECT IDENTIFIER"
	ObjectType       Macro = "OBJECT-TYPE"
	NotificationType Macro = "NOTIFICATION-TYPE"
)

// Def is one definition that has an OID.
type Def struct {
	Name        string
	Macro       Macro
	OID         []uint32
	Syntax      Syntax // of an OBJECT-TYPE
	Access      string // MAX-ACCESS
	Units       string
	Description string
	Index       []string // of an entry
	Objects     []string // of a notification
}

// Syntax is a type with textual conventions resolved.
type Syntax struct {
	Name   string // as written, without sizes and ranges
	Base   string // the type of SNMPv2-SMI or ASN.1 underneath; "" for an entry; "SEQUENCE OF" for a table
	Ranges [][2]int64
	Enum   []Named
	Text   bool // a DisplayString
}

// Named is a named number.
type Named struct {
	Name  string
	Value int64
}

// imported are the types that a module may import.
func imported() map[string]Syntax {
	return map[string]Syntax{
		"Counter32":     {Base: "Counter32"},
		"Counter64":     {Base: "Counter64"},
		"Gauge32":       {Base: "Gauge32"},
		"Integer32":     {Base: "INTEGER"},
		"IpAddress":     {Base: "IpAddress"},
		"TimeTicks":     {Base: "TimeTicks"},
		"Unsigned32":    {Base: "Gauge32"},
		"DateAndTime":   {Base: "OCTET STRING", Ranges: [][2]int64{{8, 8}, {11, 11}}},
		"DisplayString": {Base: "OCTET STRING", Ranges: [][2]int64{{0, 255}}, Text: true},
		"TimeStamp":     {Base: "TimeTicks"},
		"TruthValue":    {Base: "INTEGER", Enum: []Named{{"true", 1}, {"false", 2}}},
		"RowStatus": {Base: "INTEGER", Enum: []Named{
			{"active", 1}, {"notInService", 2}, {"notReady", 3}, {"createAndGo", 4}, {"createAndWait", 5}, {"destroy", 6},
		}},
	}
}

// Parse reads a module.
func Parse(src string) (*Module, error) {
	tokens, err := scan(src)
	if err != nil {
		return nil, err
	}
	p := &parser{
		tokens: tokens,
		types:  imported(),
		roots:  map[string][]uint32{"enterprises": {1, 3, 6, 1, 4, 1}},
	}
	m, err := p.module()
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", p.line(), err)
	}
	return m, nil
}

type parser struct {
	tokens []token
	at     int
	types  map[string]Syntax
	roots  map[string][]uint32 // OIDs by name
	defs   []Def
}

func (p *parser) line() int {
	if len(p.tokens) == 0 {
		return 1
	}
	return p.tokens[min(p.at, len(p.tokens)-1)].line
}

// peek gives the text of the next token; "" at the end and for strings.
func (p *parser) peek() string {
	if p.at >= len(p.tokens) || p.tokens[p.at].quoted {
		return ""
	}
	return p.tokens[p.at].text
}

func (p *parser) next() string {
	s := p.peek()
	p.at++
	return s
}

func (p *parser) accept(words ...string) bool {
	for i, w := range words {
		if p.at+i >= len(p.tokens) || p.tokens[p.at+i].quoted || p.tokens[p.at+i].text != w {
			return false
		}
	}
	p.at += len(words)
	return true
}

func (p *parser) expect(words ...string) error {
	if p.accept(words...) {
		return nil
	}
	return fmt.Errorf("expected %q, found %q", strings.Join(words, " "), p.peek())
}

func (p *parser) str() (string, error) {
	if p.at >= len(p.tokens) || !p.tokens[p.at].quoted {
		return "", fmt.Errorf("expected a string, found %q", p.peek())
	}
	p.at++
	return p.tokens[p.at-1].text, nil
}

func (p *parser) number() (int64, error) {
	n, err := strconv.ParseInt(p.peek(), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("expected a number, found %q", p.peek())
	}
	p.at++
	return n, nil
}

func (p *parser) module() (*Module, error) {
	m := &Module{Name: p.next()}
	if err := p.expect("DEFINITIONS", "::=", "BEGIN", "IMPORTS"); err != nil {
		return nil, err
	}
	for p.next() != ";" {
		if p.at >= len(p.tokens) {
			return nil, fmt.Errorf("IMPORTS does not end with a semicolon")
		}
	}
	for !p.accept("END") {
		if p.at >= len(p.tokens) {
			return nil, fmt.Errorf("END is missing")
		}
		if err := p.definition(); err != nil {
			return nil, err
		}
	}
	m.Defs = p.defs
	slices.SortFunc(m.Defs, func(a, b Def) int { return slices.Compare(a.OID, b.OID) })
	for i := 1; i < len(m.Defs); i++ {
		if slices.Equal(m.Defs[i-1].OID, m.Defs[i].OID) {
			return nil, fmt.Errorf("%s and %s have the same OID", m.Defs[i-1].Name, m.Defs[i].Name)
		}
	}
	return m, nil
}

func (p *parser) definition() error {
	name := p.next()
	switch {
	case p.accept("::=", "TEXTUAL-CONVENTION"):
		for !p.accept("SYNTAX") {
			if p.at >= len(p.tokens) {
				return fmt.Errorf("%s has no SYNTAX", name)
			}
			p.at++
		}
		s, err := p.syntax()
		p.types[name] = s
		return err
	case p.accept("::=", "SEQUENCE"):
		p.types[name] = Syntax{}
		return p.skipBraces()
	case p.accept("OBJECT", "IDENTIFIER"):
		return p.oid(Def{Name: name, Macro: ObjectIdentifier})
	case p.accept("MODULE-IDENTITY"), p.accept("OBJECT-TYPE"), p.accept("NOTIFICATION-TYPE"):
		return p.macro(Def{Name: name, Macro: Macro(p.tokens[p.at-1].text)})
	case p.accept("MODULE-COMPLIANCE"), p.accept("OBJECT-GROUP"), p.accept("NOTIFICATION-GROUP"):
		for !p.accept("::=") {
			if p.at >= len(p.tokens) {
				return fmt.Errorf("%s has no OID", name)
			}
			p.at++
		}
		return p.skipBraces()
	}
	return fmt.Errorf("%s: unknown definition %q", name, p.peek())
}

func (p *parser) skipBraces() error {
	if err := p.expect("{"); err != nil {
		return err
	}
	for depth := 1; depth > 0; p.at++ {
		switch {
		case p.at >= len(p.tokens):
			return fmt.Errorf("a closing brace is missing")
		case p.peek() == "{":
			depth++
		case p.peek() == "}":
			depth--
		}
	}
	return nil
}

// macro reads clauses until the OID.
func (p *parser) macro(d Def) error {
	for p.peek() != "::=" {
		var err error
		switch clause := p.next(); clause {
		case "SYNTAX":
			d.Syntax, err = p.syntax()
		case "MAX-ACCESS":
			d.Access = p.next()
		case "STATUS":
			p.next()
		case "UNITS":
			d.Units, err = p.str()
		case "DESCRIPTION":
			d.Description, err = p.str()
		case "REFERENCE", "LAST-UPDATED", "ORGANIZATION", "CONTACT-INFO", "REVISION":
			_, err = p.str()
		case "DEFVAL":
			err = p.skipBraces()
		case "INDEX":
			d.Index, err = p.names()
		case "OBJECTS":
			d.Objects, err = p.names()
		default:
			err = fmt.Errorf("unknown clause %q", clause)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
	}
	return p.oid(d)
}

func (p *parser) names() ([]string, error) {
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	var names []string
	for {
		names = append(names, p.next())
		if p.accept("}") {
			return names, nil
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
}

// oid reads "::= { parent 1 2 }" and keeps the definition.
func (p *parser) oid(d Def) error {
	if err := p.expect("::=", "{"); err != nil {
		return fmt.Errorf("%s: %w", d.Name, err)
	}
	parent, ok := p.roots[p.peek()]
	if !ok {
		return fmt.Errorf("%s: %q is not defined before it", d.Name, p.peek())
	}
	p.at++
	d.OID = slices.Clone(parent)
	for !p.accept("}") {
		n, err := p.number()
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		d.OID = append(d.OID, uint32(n))
	}
	if _, taken := p.roots[d.Name]; taken {
		return fmt.Errorf("%s is defined twice", d.Name)
	}
	p.roots[d.Name] = d.OID
	p.defs = append(p.defs, d)
	return nil
}

// syntax reads a type with its sizes, ranges or named numbers.
func (p *parser) syntax() (Syntax, error) {
	var s Syntax
	switch {
	case p.accept("SEQUENCE", "OF"):
		return Syntax{Name: p.next(), Base: "SEQUENCE OF"}, nil
	case p.accept("OCTET", "STRING"):
		s = Syntax{Name: "OCTET STRING", Base: "OCTET STRING"}
	case p.accept("OBJECT", "IDENTIFIER"):
		s = Syntax{Name: "OBJECT IDENTIFIER", Base: "OBJECT IDENTIFIER"}
	case p.accept("INTEGER"):
		s = Syntax{Name: "INTEGER", Base: "INTEGER"}
	default:
		name := p.next()
		known, ok := p.types[name]
		if !ok && !strings.HasSuffix(name, "Entry") { // an entry's SEQUENCE comes after it
			return s, fmt.Errorf("unknown type %q", name)
		}
		s = known
		s.Name = name
	}
	switch {
	case p.accept("{"):
		err := p.enumeration(&s)
		return s, err
	case p.accept("("):
		sized := p.accept("SIZE", "(")
		ranges, err := p.ranges()
		if err == nil && sized {
			err = p.expect(")")
		}
		s.Ranges = ranges
		return s, err
	}
	return s, nil
}

func (p *parser) enumeration(s *Syntax) error {
	s.Enum = nil
	for {
		name := p.next()
		if err := p.expect("("); err != nil {
			return err
		}
		n, err := p.number()
		if err != nil {
			return err
		}
		s.Enum = append(s.Enum, Named{name, n})
		if err := p.expect(")"); err != nil {
			return err
		}
		if p.accept("}") {
			slices.SortFunc(s.Enum, func(a, b Named) int { return cmp.Compare(a.Value, b.Value) })
			return nil
		}
		if err := p.expect(","); err != nil {
			return err
		}
	}
}

// ranges reads "1..5 | 7)".
func (p *parser) ranges() ([][2]int64, error) {
	var ranges [][2]int64
	for {
		low, err := p.number()
		if err != nil {
			return nil, err
		}
		high := low
		if p.accept("..") {
			if high, err = p.number(); err != nil {
				return nil, err
			}
		}
		ranges = append(ranges, [2]int64{low, high})
		if p.accept(")") {
			return ranges, nil
		}
		if err := p.expect("|"); err != nil {
			return nil, err
		}
	}
}
