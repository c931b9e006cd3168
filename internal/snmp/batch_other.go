//go:build !linux

package snmp

// Elsewhere there are no system calls for several datagrams.

// receiver reads one datagram at a time.
type receiver struct {
	socket    *Socket
	buffer    []byte
	n         int
	d         Datagram
	truncated bool
}

func newReceiver(s *Socket) (*receiver, error) {
	return &receiver{socket: s, buffer: make([]byte, MaxMessage+1)}, nil
}

func (r *receiver) receive() (int, error) {
	var err error
	if r.n, r.d, r.truncated, err = r.socket.Read(r.buffer); err != nil {
		return 0, err
	}
	r.d.Source = withoutZone(r.d.Source)
	return 1, nil
}

func (r *receiver) datagram(int) (b []byte, d Datagram, truncated bool) {
	return r.buffer[:r.n], r.d, r.truncated || r.n > MaxMessage
}

// sender sends one datagram at a time.
type sender struct{ socket *Socket }

func newSender(s *Socket) (*sender, error) { return &sender{s}, nil }

func (w *sender) send(letters []outgoing) (int, error) {
	if err := w.socket.Write(letters[0].b, letters[0].to); err != nil {
		return 0, err
	}
	return 1, nil
}
