package snmp

import "encoding/binary"

// routine is what a poller knows of a query that it puts again and again: its
// datagram, but for the request-id, and what answers look like.
type routine struct {
	layout    *layout
	datagram  []byte
	at        int // in datagram, of the four octets of the request-id
	version   Version
	community Secret
}

// append appends the datagram of r, of v1 or v2c, to b, with a request-id of
// four octets. m is to encode with.
func (t *routine) append(b []byte, r *request, m *Message) ([]byte, error) {
	if t.datagram == nil || t.version != r.version || t.community != r.community {
		datagram, err := m.Append(t.datagram[:0])
		if err != nil {
			return b, err
		}
		t.datagram, t.version, t.community = datagram, r.version, r.community
		// Behind the id are two short numbers and the list.
		t.at = len(datagram) - elementSize(len(r.query.list)) - 4
		first, second := m.middle()
		t.at -= 2 + signedSize(first) + 2 + signedSize(second)
	}
	start := len(b)
	b = append(b, t.datagram...)
	binary.BigEndian.PutUint32(b[start+t.at:], uint32(m.RequestID))
	return b, nil
}

// maxRoutines is how many are kept.
const maxRoutines = 64

// routines are those of the queries that are put just now.
type routines struct {
	all  map[*Query]*routine
	last *Query // whose routine is of
	of   *routine
}

// find gives that of q; nil: it has none.
func (l *routines) find(q *Query) *routine {
	if q.own != nil || q.once {
		return q.own
	}
	if q == l.last {
		return l.of
	}
	of := l.all[q]
	if of == nil {
		if l.all == nil || len(l.all) == maxRoutines {
			l.all = make(map[*Query]*routine, maxRoutines)
		}
		of = &routine{layout: newLayout(q)}
		l.all[q] = of
	}
	l.last, l.of = q, of
	return of
}
