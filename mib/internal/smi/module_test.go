package smi

import (
	"strings"
	"testing"
)

const head = "T-MIB DEFINITIONS ::= BEGIN IMPORTS enterprises FROM SNMPv2-SMI;\nroot OBJECT IDENTIFIER ::= { enterprises 1 2 } -- comment\n"

func TestParse(t *testing.T) {
	m, err := Parse(head + `
Colour ::= TEXTUAL-CONVENTION STATUS current DESCRIPTION "c" SYNTAX INTEGER { green(2), red(1) }
b OBJECT-TYPE SYNTAX Colour UNITS "u" MAX-ACCESS read-write STATUS current DESCRIPTION "x -- no comment" ::= { root 2 }
a OBJECT-TYPE SYNTAX OCTET STRING (SIZE (0 | 4..9)) MAX-ACCESS read-only STATUS current DESCRIPTION "y" ::= { root 1 }
END`)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Defs) != 3 || m.Defs[1].Name != "a" || m.Defs[2].Name != "b" {
		t.Fatalf("definitions %+v are not root, a, b", m.Defs)
	}
	a, b := m.Defs[1], m.Defs[2]
	if len(a.OID) != 9 || a.OID[8] != 1 || a.Access != "read-only" || len(a.Syntax.Ranges) != 2 || a.Syntax.Ranges[1] != [2]int64{4, 9} {
		t.Errorf("a is %+v", a)
	}
	if b.Syntax.Name != "Colour" || b.Syntax.Base != "INTEGER" || b.Units != "u" || b.Description != "x -- no comment" ||
		len(b.Syntax.Enum) != 2 || b.Syntax.Enum[0] != (Named{"red", 1}) {
		t.Errorf("b is %+v", b)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ src, want string }{
		"Empty":         {"", "expected"},
		"NoEnd":         {head, "END is missing"},
		"OpenString":    {head + `x OBJECT-TYPE UNITS "`, "line 3: the string does not end"},
		"Character":     {head + "x ?", "line 3"},
		"UnknownParent": {head + "x OBJECT IDENTIFIER ::= { nowhere 1 } END", "nowhere"},
		"UnknownType":   {head + "x OBJECT-TYPE SYNTAX Strange ::= { root 1 } END", "Strange"},
		"UnknownClause": {head + "x OBJECT-TYPE COLOUR red ::= { root 1 } END", "COLOUR"},
		"Twice":         {head + "root OBJECT IDENTIFIER ::= { enterprises 9 } END", "defined twice"},
		"SameOID":       {head + "x OBJECT IDENTIFIER ::= { enterprises 1 2 } END", "same OID"},
		"OpenBrace":     {head + "X ::= SEQUENCE { a b", "brace"},
		"NotANumber":    {head + "x OBJECT IDENTIFIER ::= { root y } END", "number"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(c.src); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
