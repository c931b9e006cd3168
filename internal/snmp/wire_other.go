//go:build !linux

package snmp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// canGather says that datagrams can be left to gather in the socket. Elsewhere
// there are no system calls for several.
const canGather = false

// wire sends and reads one datagram at a time. receive, wait and datagram are
// for one goroutine.
type wire struct {
	socket    *Socket
	buffer    []byte
	there     bool // wait has read one
	n         int
	d         Datagram
	truncated bool
}

func openWire(s *Socket) (*wire, error) {
	return &wire{socket: s, buffer: make([]byte, MaxMessage+1)}, nil
}

// Addr is where it is bound.
func (w *wire) Addr() netip.AddrPort { return w.socket.Addr() }

// Close unbinds the socket.
func (w *wire) Close() error { return w.socket.Close() }

// SetReadDeadline makes wait fail then with os.ErrDeadlineExceeded.
func (w *wire) SetReadDeadline(t time.Time) error { return w.socket.SetReadDeadline(t) }

// wait waits for a datagram. An error that is not of the deadline, or of Close,
// belongs to a single datagram, which then is empty.
func (w *wire) wait() error {
	var err error
	w.n, w.d, w.truncated, err = w.socket.Read(w.buffer)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return err
	}
	w.d.Source = withoutZone(w.d.Source)
	w.there = true
	return nil
}

// receive says how many datagrams wait has read.
func (w *wire) receive() (int, error) {
	if !w.there {
		return 0, nil
	}
	w.there = false
	return 1, nil
}

func (w *wire) datagram(int) (b []byte, d Datagram, truncated bool) {
	return w.buffer[:w.n], w.d, w.truncated || w.n > MaxMessage
}

// send sends the first of the letters.
func (w *wire) send(letters []outgoing) (int, error) {
	if err := w.socket.Write(letters[0].b, letters[0].to); err != nil {
		return 0, err
	}
	return 1, nil
}
