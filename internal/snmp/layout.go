package snmp

import (
	"bytes"
	"encoding/binary"
	"slices"

	"simone/mib"
)

// layout is which names stood where in the last answer to a query. As a rule
// they stand in the next one, too, also in another agent's: then they need not
// be taken apart again. To a GET they are those of the question.
type layout struct {
	names []known
	fixed bool // the names are the question's, and stay
}

// known is a name, and the element that it is in a message.
type known struct {
	element []byte
	name    mib.OID
}

// What a layout remembers, whatever an agent answers: about what fits a frame.
const (
	maxLayout  = 256 // names
	maxElement = 64  // octets of one
)

// newLayout makes that of a query's answers.
func newLayout(q *Query) layout {
	if q.request.Verb != mib.VerbGet {
		return layout{}
	}
	l := layout{names: make([]known, len(q.names)), fixed: true}
	for i := range l.names {
		l.names[i] = known{q.names[i], q.request.Vars[i].Name}
	}
	return l
}

// decode takes the ith variable apart, at r's position, if it is of the usual
// kind: of the known name, with a value of a common type. Otherwise it reports
// false, and r and v are as they were.
func (l *layout) decode(r *reader, i int, v *mib.Variable) bool {
	b := r.b[r.pos:r.end]
	if i >= len(l.names) || len(b) < 2 || b[0] != tagSequence || b[1] >= 0x80 || len(b) < 2+int(b[1]) {
		return false
	}
	b = b[2 : 2+int(b[1])]
	k := &l.names[i]
	if !bytes.HasPrefix(b, k.element) {
		return false
	}
	size := 2 + len(b)
	b = b[len(k.element):]
	if len(b) < 3 || int(b[1]) != len(b)-2 || !common(b, &v.Value) {
		return false
	}
	v.Name = k.name
	r.pos += size
	return true
}

// common takes a value apart if it is of a common type, and what follows its
// header, an octet or more, is in order.
func common(b []byte, v *mib.Value) bool {
	contents := b[2:]
	t := mib.Type(b[0])
	switch t {
	case mib.TypeCounter32, mib.TypeGauge32, mib.TypeTimeTicks:
		switch {
		case len(contents) == 4: // one that begins with a set bit cannot be meant as negative
			v.Uint = uint64(binary.BigEndian.Uint32(contents))
		case len(contents) == 5 && contents[0] == 0:
			v.Uint = uint64(binary.BigEndian.Uint32(contents[1:]))
		case len(contents) < 4 && contents[0] < 0x80:
			v.Uint = bigEndian(contents)
		default:
			return false
		}
	case mib.TypeCounter64:
		switch {
		case len(contents) == 8:
			v.Uint = binary.BigEndian.Uint64(contents)
		case len(contents) < 8 && contents[0] < 0x80:
			v.Uint = bigEndian(contents)
		default:
			return false
		}
	case mib.TypeInteger:
		if len(contents) > 4 || contents[0] >= 0x80 {
			return false
		}
		v.Int = int64(bigEndian(contents))
	case mib.TypeOctetString:
		v.Bytes = slices.Clip(contents)
	default:
		return false
	}
	v.Type = t
	return true
}

func bigEndian(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// learn remembers the ith name, and the element it came in, and gives the memory
// of the layout's own where it is now.
func (l *layout) learn(i int, element []byte, name mib.OID) {
	if l.fixed || i >= maxLayout || i > len(l.names) || len(element) > maxElement {
		return
	}
	if i == len(l.names) {
		l.names = append(l.names, known{})
	}
	k := &l.names[i]
	k.element, k.name = append(k.element[:0], element...), append(k.name[:0], name...)
}
