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
func (o OID) Compare(p OID) int { return slices.Compare(o, p) }

// Equal reports whether o and p are the same identifier.
func (o OID) Equal(p OID) bool { return slices.Equal(o, p) }

// HasPrefix reports whether o lies in the subtree at prefix (or is its root).
func (o OID) HasPrefix(prefix OID) bool {
	return len(o) >= len(prefix) && slices.Equal(o[:len(prefix)], prefix)
}

// Append returns a new OID with the given parts added.
func (o OID) Append(parts ...uint32) OID {
	r := make(OID, 0, len(o)+len(parts))
	return append(append(r, o...), parts...)
}
