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
func newLayout(q *Query) *layout {
	if q.request.Verb != mib.VerbGet {
		return new(layout)
	}
	l := &layout{names: make([]known, len(q.names)), fixed: true}
	for i := range l.names {
		l.names[i] = known{q.names[i], q.request.Vars[i].Name}
	}
	return l
}

// decode takes variables apart from r's position on, as long as they are of the
// usual kind: of the known name, with a value of a common type. vars are those
// before; its room is used, and what stands there already is not written again.
func (l *layout) decode(r *reader, vars []mib.Variable) []mib.Variable {
	i := len(vars)
	vars = vars[:min(cap(vars), max(len(l.names), i))]
	for ; i < len(vars); i++ {
		b := r.b[r.pos:r.end]
		if len(b) < 2 || b[0] != tagSequence || b[1] >= 0x80 || len(b) < 2+int(b[1]) {
			break
		}
		b = b[2 : 2+int(b[1])]
		k := &l.names[i]
		size := len(k.element)
		if len(b) < size+3 || !same(b[:size], k.element) {
			break
		}
		octets := 2 + len(b)
		b = b[size:]
		if int(b[1]) != len(b)-2 || !common(b, k.name, &vars[i]) {
			break
		}
		r.pos += octets
	}
	return vars[:i]
}

// same is bytes.Equal for two of the same length, which mostly is 8 to 16.
func same(a, b []byte) bool {
	n := len(a)
	if n < 8 || n > 16 || n != len(b) {
		return bytes.Equal(a, b)
	}
	return binary.NativeEndian.Uint64(a) == binary.NativeEndian.Uint64(b) &&
		binary.NativeEndian.Uint64(a[n-8:]) == binary.NativeEndian.Uint64(b[n-8:])
}

// common makes the variable of that name, if its value is of a common type, and
// what follows the value's header, an octet or more, is in order.
func common(b []byte, name mib.OID, v *mib.Variable) bool {
	contents := b[2:]
	t := mib.Type(b[0])
	width := 4
	switch t {
	case mib.TypeCounter64:
		width = 8
	case mib.TypeCounter32, mib.TypeGauge32, mib.TypeTimeTicks:
	case mib.TypeInteger:
		if len(contents) > 4 || contents[0] >= 0x80 {
			return false
		}
		*v = mib.Variable{Name: name, Value: mib.Value{Type: t, Int: int64(bigEndian(contents))}}
		return true
	case mib.TypeOctetString:
		*v = mib.Variable{Name: name, Value: mib.Value{Type: t, Bytes: slices.Clip(contents)}}
		return true
	default:
		return false
	}
	switch {
	case len(contents) == width: // where the first bit is set nothing else can be meant
	case len(contents) == width+1 && contents[0] == 0:
		contents = contents[1:]
	case len(contents) > width || contents[0] >= 0x80:
		return false
	}
	if v.Value.Type != t || !identical(v.Name, name) {
		*v = mib.Variable{Name: name, Value: mib.Value{Type: t}}
	}
	if len(contents) == 4 {
		v.Value.Uint = uint64(binary.BigEndian.Uint32(contents))
	} else {
		v.Value.Uint = bigEndian(contents)
	}
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
