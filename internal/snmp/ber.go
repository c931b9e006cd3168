package snmp

import (
	"fmt"
	"math/bits"

	"simone/mib"
)

// Tags that are not values.
const (
	tagInteger     = byte(mib.TypeInteger)
	tagOctetString = byte(mib.TypeOctetString)
	tagNull        = byte(mib.TypeNull)
	tagObjectID    = byte(mib.TypeObjectID)
	tagSequence    = byte(0x30)
)

// SyntaxError says what is wrong in a datagram and where.
type SyntaxError struct {
	Offset int // octets from the start of the datagram
	What   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("octet %d: %s", e.Offset, e.What)
}

// reader takes BER apart. Its end is that of the innermost element entered;
// nothing is ever read beyond it.
type reader struct {
	b   []byte
	pos int
	end int
}

func (r *reader) fail(at int, format string, args ...any) error {
	return &SyntaxError{Offset: at, What: fmt.Sprintf(format, args...)}
}

func (r *reader) more() bool { return r.pos < r.end }

// header reads a tag and a length and checks that the contents are there.
// Lengths may be longer than they need be (net-snmp writes 82 00 nn), but
// not indefinite.
func (r *reader) header() (tag byte, length int, err error) {
	if left := r.end - r.pos - 2; left >= 0 { // nearly all are of this form
		tag, length = r.b[r.pos], int(r.b[r.pos+1])
		if length < 0x80 && length <= left && tag&0x1f != 0x1f {
			r.pos += 2
			return tag, length, nil
		}
	}
	return r.longHeader()
}

// longHeader is header for all forms.
func (r *reader) longHeader() (tag byte, length int, err error) {
	at := r.pos
	if r.end-r.pos < 2 {
		return 0, 0, r.fail(at, "an element needs 2 octets or more, %d are left", r.end-r.pos)
	}
	tag = r.b[r.pos]
	if tag&0x1f == 0x1f {
		return 0, 0, r.fail(at, "tag 0x%02x is of the long form, which SNMP does not use", tag)
	}
	first := r.b[r.pos+1]
	r.pos += 2
	switch {
	case first < 0x80:
		length = int(first)
	case first == 0x80:
		return 0, 0, r.fail(at+1, "indefinite length")
	default:
		n := int(first & 0x7f)
		if n > 4 {
			return 0, 0, r.fail(at+1, "a length of %d octets; at most 4 make sense", n)
		}
		if r.end-r.pos < n {
			return 0, 0, r.fail(at+1, "a length of %d octets, %d are left", n, r.end-r.pos)
		}
		// In 64 bits: four octets may not fit an int of 32.
		long := uint64(0)
		for _, c := range r.b[r.pos : r.pos+n] {
			long = long<<8 | uint64(c)
		}
		r.pos += n
		if long > uint64(r.end-r.pos) {
			return 0, 0, r.fail(at+1, "length %d, but %d octets are left", long, r.end-r.pos)
		}
		length = int(long)
	}
	if length > r.end-r.pos {
		return 0, 0, r.fail(at+1, "length %d, but %d octets are left", length, r.end-r.pos)
	}
	return tag, length, nil
}

// enter begins a constructed element and returns the end to give to leave.
func (r *reader) enter(tag byte, what string) (outer int, err error) {
	length, err := r.expect(tag, what)
	if err != nil {
		return 0, err
	}
	outer = r.end
	r.end = r.pos + length
	return outer, nil
}

// leave ends a constructed element, which must have been read to its end.
func (r *reader) leave(outer int, what string) error {
	if r.pos != r.end {
		return r.fail(r.pos, "%d octets too many in %s", r.end-r.pos, what)
	}
	r.end = outer
	return nil
}

func (r *reader) expect(tag byte, what string) (length int, err error) {
	if r.more() && r.b[r.pos] != tag {
		return 0, r.fail(r.pos, "%s has tag 0x%02x, not 0x%02x", what, r.b[r.pos], tag)
	}
	_, length, err = r.header()
	return length, err
}

// integer reads an INTEGER element of at most 32 bits.
func (r *reader) integer(what string) (int32, error) {
	length, err := r.expect(tagInteger, what)
	if err != nil {
		return 0, err
	}
	return r.signed(length, what)
}

// signed reads the contents of an INTEGER. Shorter forms would do for some
// values that come in four octets; there are agents that always send four.
func (r *reader) signed(length int, what string) (int32, error) {
	if length < 1 || length > 4 {
		return 0, r.fail(r.pos, "%s in %d octets; 1 to 4 are allowed", what, length)
	}
	n := int32(int8(r.b[r.pos]))
	for _, c := range r.b[r.pos+1 : r.pos+length] {
		n = n<<8 | int32(c)
	}
	r.pos += length
	return n, nil
}

// unsigned reads the contents of an unsigned type of width octets. A leading
// zero octet keeps a great number from being negative; some encoders leave
// it out when all width octets are used, and nothing else can be meant.
func (r *reader) unsigned(length, width int, what string) (uint64, error) {
	at := r.pos
	if length < 1 || length > width+1 {
		return 0, r.fail(at, "%s in %d octets; 1 to %d are allowed", what, length, width+1)
	}
	if length == width+1 && r.b[at] != 0 {
		return 0, r.fail(at, "%s does not fit %d bits", what, 8*width)
	}
	if length < width && r.b[at]&0x80 != 0 {
		return 0, r.fail(at, "%s is negative", what)
	}
	n := uint64(0)
	for _, c := range r.b[at : at+length] {
		n = n<<8 | uint64(c)
	}
	r.pos += length
	return n, nil
}

// octets gives the contents of an element; they alias the datagram.
func (r *reader) octets(length int) []byte {
	// The capacity is cut so that nobody appends over what follows.
	b := r.b[r.pos : r.pos+length : r.pos+length]
	r.pos += length
	return b
}

// oid reads the contents of an OBJECT IDENTIFIER and appends its parts to
// the arena; it is what has been added to it. No contents at all are 0.0, as
// net-snmp has it.
func (r *reader) oid(length int, arena []uint32) ([]uint32, error) {
	if length == 0 {
		return append(arena, 0, 0), nil
	}
	end := r.pos + length
	first, err := r.sub(end, 0xffffffff+80) // it holds two parts
	switch {
	case err != nil:
		return arena, err
	case first < 40:
		arena = append(arena, 0, uint32(first))
	case first < 80:
		arena = append(arena, 1, uint32(first-40))
	default:
		arena = append(arena, 2, uint32(first-80))
	}
	for parts := 2; r.pos < end; parts++ {
		if parts == mib.MaxOIDLen {
			return arena, r.fail(r.pos, "an OID of more than %d parts", mib.MaxOIDLen)
		}
		if c := r.b[r.pos]; c < 0x80 { // nearly all are of this form
			arena = append(arena, uint32(c))
			r.pos++
			continue
		}
		n, err := r.sub(end, 0xffffffff)
		if err != nil {
			return arena, err
		}
		arena = append(arena, uint32(n))
	}
	return arena, nil
}

// sub reads a sub-identifier of an OID that goes to end.
func (r *reader) sub(end int, most uint64) (n uint64, err error) {
	at := r.pos
	if r.b[at] == 0x80 {
		return 0, r.fail(at, "a sub-identifier begins with a zero group")
	}
	for r.pos < end {
		c := r.b[r.pos]
		r.pos++
		if n = n<<7 | uint64(c&0x7f); n > most {
			return 0, r.fail(at, "a sub-identifier does not fit 32 bits")
		}
		if c < 0x80 {
			return n, nil
		}
	}
	return 0, r.fail(at, "the OID ends inside a sub-identifier")
}

// Sizes of encodings. A message's lengths come before its contents, so each
// is computed first and nothing has to be moved.

func lengthSize(n int) int {
	switch {
	case n < 0x80:
		return 1
	case n < 0x100:
		return 2
	case n < 0x10000:
		return 3
	}
	return 4
}

// elementSize is the size of a whole element with n octets of contents.
func elementSize(n int) int { return 1 + lengthSize(n) + n }

func signedSize(n int64) int {
	if n < 0 {
		n = ^n
	}
	return bits.Len64(uint64(n))/8 + 1
}

func unsignedSize(n uint64) int { return bits.Len64(n)/8 + 1 }

func subSize(n uint64) int { return max(1, (bits.Len64(n)+6)/7) }

// firstSub packs an OID's first two parts, which travel as one.
func firstSub(o mib.OID) uint64 {
	switch len(o) {
	case 0:
		return 0
	case 1:
		return 40 * uint64(o[0])
	}
	return 40*uint64(o[0]) + uint64(o[1])
}

func oidSize(o mib.OID) int {
	n := subSize(firstSub(o))
	for i := 2; i < len(o); i++ {
		n += subSize(uint64(o[i]))
	}
	return n
}

// checkOID says whether BER can carry the OID. One part alone is padded to
// two, as net-snmp does when it is asked to walk "1".
func checkOID(o mib.OID) error {
	switch {
	case len(o) > mib.MaxOIDLen:
		return fmt.Errorf("OID of %d parts; at most %d are allowed", len(o), mib.MaxOIDLen)
	case len(o) > 0 && o[0] > 2:
		return fmt.Errorf("OID %v begins with %d; only 0, 1 and 2 can", o, o[0])
	case len(o) > 1 && o[0] < 2 && o[1] > 39:
		return fmt.Errorf("OID %v: the second part is at most 39 under %d", o, o[0])
	}
	return nil
}

func appendHeader(b []byte, tag byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(b, tag, byte(n))
	case n < 0x100:
		return append(b, tag, 0x81, byte(n))
	case n < 0x10000:
		return append(b, tag, 0x82, byte(n>>8), byte(n))
	}
	return append(b, tag, 0x83, byte(n>>16), byte(n>>8), byte(n))
}

func appendSigned(b []byte, tag byte, n int64) []byte {
	size := signedSize(n)
	b = append(b, tag, byte(size))
	for i := 8 * (size - 1); i >= 0; i -= 8 {
		b = append(b, byte(n>>i))
	}
	return b
}

func appendUnsigned(b []byte, tag byte, n uint64) []byte {
	size := unsignedSize(n)
	b = append(b, tag, byte(size))
	if size == 9 {
		b = append(b, 0)
		size = 8
	}
	for i := 8 * (size - 1); i >= 0; i -= 8 {
		b = append(b, byte(n>>i))
	}
	return b
}

func appendSub(b []byte, n uint64) []byte {
	for i := 7 * (subSize(n) - 1); i > 0; i -= 7 {
		b = append(b, byte(n>>i)|0x80)
	}
	return append(b, byte(n)&0x7f)
}

func appendOID(b []byte, o mib.OID) []byte {
	b = appendHeader(b, tagObjectID, oidSize(o))
	b = appendSub(b, firstSub(o))
	for i := 2; i < len(o); i++ {
		b = appendSub(b, uint64(o[i]))
	}
	return b
}

func appendOctets(b []byte, tag byte, s []byte) []byte {
	b = appendHeader(b, tag, len(s))
	return append(b, s...)
}
