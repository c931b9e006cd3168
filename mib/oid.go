package mib

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxOIDLen is the most sub-identifiers an OID may have (RFC 2578, 3.5).
const MaxOIDLen = 128

// OID is an object identifier. Functions treat it as immutable; Append copies.
type OID []uint32

// ParseOID reads a dotted OID, with or without a leading dot.
func ParseOID(s string) (OID, error) {
	trimmed := strings.TrimPrefix(s, ".")
	if trimmed == "" {
		return nil, errors.New("empty OID; write it as 1.3.6.1.2.1.1.1.0")
	}
	o := make(OID, 0, 16)
	for part := range strings.SplitSeq(trimmed, ".") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("OID %q: %q is not a number from 0 to 4294967295", s, part)
		}
		o = append(o, uint32(n))
	}
	if len(o) > MaxOIDLen {
		return nil, fmt.Errorf("OID %q has %d parts; at most %d are allowed", s, len(o), MaxOIDLen)
	}
	return o, nil
}

// MustOID is ParseOID for constants; it panics on a malformed one.
func MustOID(s string) OID {
	o, err := ParseOID(s)
	if err != nil {
		panic(err)
	}
	return o
}

// String gives the dotted form with a leading dot, as snmpwalk -On prints it.
func (o OID) String() string {
	return string(o.AppendText(nil))
}

// AppendText appends the dotted form to b.
func (o OID) AppendText(b []byte) []byte {
	for _, n := range o {
		b = append(b, '.')
		b = strconv.AppendUint(b, uint64(n), 10)
	}
	return b
}

// Compare orders OIDs lexicographically, as GETNEXT walks them.
func (o OID) Compare(p OID) int {
	// Every lookup in a tree does this several times, and slices.Compare of
	// a type of its own calls a function for each part.
	for i := range min(len(o), len(p)) {
		if o[i] != p[i] {
			if o[i] < p[i] {
				return -1
			}
			return 1
		}
	}
	switch {
	case len(o) < len(p):
		return -1
	case len(o) > len(p):
		return 1
	}
	return 0
}

// Equal reports whether o and p are the same identifier.
func (o OID) Equal(p OID) bool { return slices.Equal(o, p) }

// HasPrefix reports whether o lies in the subtree at prefix (or is its root).
func (o OID) HasPrefix(prefix OID) bool {
	return len(o) >= len(prefix) && slices.Equal(o[:len(prefix)], prefix)
}

// firstAt finds the first of n names in order that does not sort before name,
// n if there is none, and whether it is name itself. It is
// slices.BinarySearchFunc without copies of what has the names.
func firstAt(n int, at func(int) OID, name OID) (int, bool) {
	low, high := 0, n
	for low < high {
		middle := int(uint(low+high) >> 1)
		switch c := at(middle).Compare(name); {
		case c == 0:
			return middle, true
		case c < 0:
			low = middle + 1
		default:
			high = middle
		}
	}
	return low, false
}

// Append returns a new OID with the given parts added.
func (o OID) Append(parts ...uint32) OID {
	r := make(OID, 0, len(o)+len(parts))
	return append(append(r, o...), parts...)
}
