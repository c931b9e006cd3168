package mib

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Access is a MAX-ACCESS of RFC 2578, section 7.3.
type Access int32

// The accesses, from least to most.
const (
	NotAccessible       Access = 1
	AccessibleForNotify Access = 2
	AccessReadOnly      Access = 3
	AccessReadWrite     Access = 4
	AccessReadCreate    Access = 5
)

func (a Access) String() string {
	switch a {
	case NotAccessible:
		return "not-accessible"
	case AccessibleForNotify:
		return "accessible-for-notify"
	case AccessReadOnly:
		return "read-only"
	case AccessReadWrite:
		return "read-write"
	case AccessReadCreate:
		return "read-create"
	}
	return "access(" + strconv.Itoa(int(a)) + ")"
}

// Shape is what kind of definition an object has in the MIB.
type Shape int32

// The shapes.
const (
	ShapeNode         Shape = 1 // an arc without a value of its own
	ShapeScalar       Shape = 2 // its one instance is .0
	ShapeTable        Shape = 3
	ShapeEntry        Shape = 4
	ShapeColumn       Shape = 5
	ShapeNotification Shape = 6
)

func (s Shape) String() string {
	switch s {
	case ShapeNode:
		return "node"
	case ShapeScalar:
		return "scalar"
	case ShapeTable:
		return "table"
	case ShapeEntry:
		return "entry"
	case ShapeColumn:
		return "column"
	case ShapeNotification:
		return "notification"
	}
	return "shape(" + strconv.Itoa(int(s)) + ")"
}

// Object describes one definition of a MIB.
type Object struct {
	Name    string
	OID     OID
	Shape   Shape
	Access  Access // of scalars and columns
	Syntax  Syntax // of scalars and columns
	Units   string
	Index   []string // of an entry: the columns that make up the index
	Objects []string // of a notification: what it carries
}

// Writable reports whether the MIB lets the object be written.
func (o *Object) Writable() bool { return o.Access >= AccessReadWrite }

// Syntax is what values an object may take.
type Syntax struct {
	Name   string        // as the MIB has it: Unsigned32, DisplayString, ...
	Type   Type          // on the wire
	Ranges []Range       // of the number, or of an octet string's length; none: the type's own
	Enum   []Enumeration // the named numbers of an INTEGER; none: any number
	Text   bool          // an octet string that is to be NVT ASCII (DisplayString)
}

// Range is an inclusive range.
type Range struct{ Min, Max int64 }

// Enumeration is one named number.
type Enumeration struct {
	Name  string
	Value int32
}

// Label gives the name of an enumerated number, or false.
func (s *Syntax) Label(n int32) (string, bool) {
	for _, e := range s.Enum {
		if e.Value == n {
			return e.Name, true
		}
	}
	return "", false
}

// Number gives the number of an enumerated name, or false.
func (s *Syntax) Number(label string) (int32, bool) {
	for _, e := range s.Enum {
		if e.Name == label {
			return e.Value, true
		}
	}
	return 0, false
}

// Format renders a value of the object for people: enumerations by name.
func (s *Syntax) Format(v Value) string {
	if v.Type == TypeInteger && s.Type == TypeInteger {
		if label, ok := s.Label(int32(v.Int)); ok {
			return label
		}
	}
	return v.String()
}

// Check holds a value that is to be written against the syntax, in the order
// of RFC 3416, section 4.2.5: wrongType, wrongLength, wrongEncoding,
// wrongValue. NoError and an empty reason say that it fits.
func (s *Syntax) Check(v Value) (ErrorStatus, string) {
	if v.Type != s.Type {
		return WrongType, fmt.Sprintf("it is %v and was written as %v", s.Type, v.Type)
	}
	switch s.Type {
	case TypeOctetString, TypeOpaque:
		if !s.allows(int64(len(v.Bytes))) {
			return WrongLength, fmt.Sprintf("%d octets; allowed are %s", len(v.Bytes), s.allowed())
		}
		if i := slices.IndexFunc(v.Bytes, func(c byte) bool { return c > 0x7f || c == 0 }); s.Text && i >= 0 {
			return WrongValue, fmt.Sprintf("octet %d (0x%02x) is not ASCII text", i+1, v.Bytes[i])
		}
	case TypeIPAddress:
		if len(v.Bytes) != 4 {
			return WrongLength, fmt.Sprintf("%d octets; an IpAddress has 4", len(v.Bytes))
		}
	case TypeInteger:
		if v.Int != int64(int32(v.Int)) {
			return WrongEncoding, fmt.Sprintf("%d does not fit 32 bits", v.Int)
		}
		if _, ok := s.Label(int32(v.Int)); len(s.Enum) > 0 && !ok {
			return WrongValue, fmt.Sprintf("%d is none of %s", v.Int, s.allowed())
		}
		if !s.allows(v.Int) {
			return WrongValue, fmt.Sprintf("%d; allowed are %s", v.Int, s.allowed())
		}
	case TypeGauge32, TypeCounter32, TypeTimeTicks:
		if v.Uint > math.MaxUint32 {
			return WrongEncoding, fmt.Sprintf("%d does not fit 32 bits", v.Uint)
		}
		if !s.allows(int64(v.Uint)) {
			return WrongValue, fmt.Sprintf("%d; allowed are %s", v.Uint, s.allowed())
		}
	}
	return NoError, ""
}

func (s *Syntax) allows(n int64) bool {
	return len(s.Ranges) == 0 || slices.ContainsFunc(s.Ranges, func(r Range) bool { return r.Min <= n && n <= r.Max })
}

// allowed lists what the syntax admits.
func (s *Syntax) allowed() string {
	var l []string
	for _, e := range s.Enum {
		l = append(l, fmt.Sprintf("%s(%d)", e.Name, e.Value))
	}
	for _, r := range s.Ranges {
		if r.Min == r.Max {
			l = append(l, strconv.FormatInt(r.Min, 10))
		} else {
			l = append(l, fmt.Sprintf("%d to %d", r.Min, r.Max))
		}
	}
	return strings.Join(l, ", ")
}

// Parse reads a value of the object as an operator types it: enumerations by
// name or number, octet strings as they are or as hexadecimal after "0x".
func (s *Syntax) Parse(text string) (Value, error) {
	v := Value{Type: s.Type}
	var err error
	switch s.Type {
	case TypeInteger:
		if n, ok := s.Number(text); ok {
			return Integer(n), nil
		}
		v.Int, err = strconv.ParseInt(text, 10, 32)
	case TypeGauge32, TypeCounter32, TypeTimeTicks:
		v.Uint, err = strconv.ParseUint(text, 10, 32)
	case TypeCounter64:
		v.Uint, err = strconv.ParseUint(text, 10, 64)
	case TypeObjectID:
		v.OID, err = ParseOID(text)
	case TypeOctetString:
		v.Bytes = []byte(text)
		if digits, ok := strings.CutPrefix(text, "0x"); ok && !s.Text {
			v.Bytes, err = parseHex(digits)
		}
	default:
		err = errors.New("values of this type cannot be typed in")
	}
	if err != nil {
		want := s.Name
		if len(s.Enum)+len(s.Ranges) > 0 {
			want += " (" + s.allowed() + ")"
		}
		return Value{}, fmt.Errorf("%q is no %s: %w", text, want, err)
	}
	if status, reason := s.Check(v); status != NoError {
		return Value{}, fmt.Errorf("%q: %s", text, reason)
	}
	return v, nil
}

func parseHex(s string) ([]byte, error) {
	if len(s)%2 != 0 {
		return nil, errors.New("an odd number of hexadecimal digits")
	}
	b := make([]byte, len(s)/2)
	for i := range b {
		n, err := strconv.ParseUint(s[2*i:2*i+2], 16, 8)
		if err != nil {
			return nil, err
		}
		b[i] = byte(n)
	}
	return b, nil
}

// Instance gives the name of a scalar's only instance: the OID with .0.
func Instance(object OID) OID { return object.Append(0) }
