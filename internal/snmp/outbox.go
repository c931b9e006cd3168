package snmp

import "net/netip"

// batchSize is how many datagrams pass by one system call at most. More bring
// nothing: what remains is the kernel's work for each.
const batchSize = 32

// outgoing is a datagram that waits to be sent with others.
type outgoing struct {
	to netip.AddrPort
	id int32 // of the attempt
	b  []byte
}

// outbox gathers datagrams to send them together.
type outbox struct {
	letters [batchSize]outgoing // their b are used again
	size    int
	wire    *wire
}

// room gives a buffer to append a datagram to. The outbox is not full.
func (o *outbox) room() []byte { return o.letters[o.size].b[:0] }

// add takes a datagram, and with it the buffer that room gave. It reports
// whether the outbox is full now.
func (o *outbox) add(b []byte, to netip.AddrPort, id int32) (full bool) {
	o.letters[o.size] = outgoing{to: to, id: id, b: b}
	o.size++
	return o.size == batchSize
}

// flush sends all, in order, and calls failed for each that cannot be sent.
func (o *outbox) flush(failed func(l *outgoing, err error)) {
	for sent := 0; sent < o.size; {
		n, err := o.wire.send(o.letters[sent:o.size])
		sent += n
		if err != nil {
			failed(&o.letters[sent], err)
			sent++
		}
	}
	o.size = 0
}
