package snmp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// ReceiveBuffer is how much a socket asks the kernel to queue. Linux grants
// up to net.core.rmem_max, and doubles it for its own bookkeeping.
const ReceiveBuffer = 4 << 20

// Datagram is what came with the octets of one datagram.
type Datagram struct {
	Source   netip.AddrPort
	Received time.Time // by the kernel's clock where it tells
	// Local is the address it was sent to, where the kernel tells: answers
	// from a wildcard socket go out from there.
	Local netip.Addr
}

// Socket is one UDP socket with kernel receive time stamps. One goroutine may
// read while others write.
type Socket struct {
	conn *net.UDPConn
	addr netip.AddrPort
	v4   bool // bound to IPv4 only
	oob  [256]byte
}

// OpenSocket binds a socket. An address without an IP takes IPv4 and IPv6
// where the machine has both; port 0 takes any.
func OpenSocket(local netip.AddrPort) (*Socket, error) {
	network := "udp"
	if local.Addr().Is4() {
		network = "udp4"
	} else if local.Addr().Is6() && !local.Addr().IsUnspecified() {
		network = "udp6"
	}
	laddr := &net.UDPAddr{Port: int(local.Port())}
	if local.Addr().IsValid() {
		laddr.IP, laddr.Zone = local.Addr().AsSlice(), local.Addr().Zone()
	}
	conn, err := net.ListenUDP(network, laddr)
	if err != nil {
		return nil, fmt.Errorf("bind %v: %w", laddr, err)
	}
	s := &Socket{conn: conn, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	s.v4 = s.addr.Addr().Unmap().Is4()
	// A smaller buffer than asked for is no reason to fail.
	_ = conn.SetReadBuffer(ReceiveBuffer)
	if err := s.setOptions(); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("bind %v: %w", laddr, err)
	}
	return s, nil
}

// Addr is where the socket is bound.
func (s *Socket) Addr() netip.AddrPort {
	return netip.AddrPortFrom(s.addr.Addr().Unmap(), s.addr.Port())
}

// Read waits for a datagram. One longer than b comes with truncated true.
// After Close the error is net.ErrClosed, after the deadline
// os.ErrDeadlineExceeded.
func (s *Socket) Read(b []byte) (n int, d Datagram, truncated bool, err error) {
	n, oobn, flags, source, err := s.conn.ReadMsgUDPAddrPort(b, s.oob[:])
	if err != nil {
		return 0, d, false, err
	}
	d = parseControl(s.oob[:oobn])
	d.Source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
	d.Local = d.Local.Unmap()
	if d.Received.IsZero() {
		d.Received = time.Now()
	}
	return n, d, flags&msgTruncated != 0, nil
}

// Write sends a datagram.
func (s *Socket) Write(b []byte, to netip.AddrPort) error {
	if s.v4 && to.Addr().Is4In6() {
		to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	}
	_, err := s.conn.WriteToUDPAddrPort(b, to)
	return err
}

// Answer sends a datagram back to where d came from, out of the address that
// d was sent to.
func (s *Socket) Answer(b []byte, d Datagram) error {
	if !s.addr.Addr().IsUnspecified() || !d.Local.IsValid() {
		return s.Write(b, d.Source)
	}
	var oob [64]byte
	control := appendLocal(oob[:0], d.Local, s.v4)
	_, _, err := s.conn.WriteMsgUDPAddrPort(b, control, d.Source)
	return err
}

// SetReadDeadline makes Read fail then, also one that is already waiting.
func (s *Socket) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// Close unbinds the socket.
func (s *Socket) Close() error { return s.conn.Close() }

// Serve calls handle with each datagram, one after another, until ctx ends;
// it then returns nil. handle may not keep b. A datagram longer than MaxMessage
// comes with truncated true.
func (s *Socket) Serve(ctx context.Context, handle func(b []byte, d Datagram, truncated bool)) error {
	if err := s.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("read %v: %w", s.addr, err)
	}
	stop := context.AfterFunc(ctx, func() {
		_ = s.SetReadDeadline(time.Unix(1, 0)) // wakes a Read that waits
	})
	defer stop()
	buf := make([]byte, MaxMessage+1)
	var pause time.Duration
	for ctx.Err() == nil {
		n, d, truncated, err := s.Read(buf)
		switch {
		case err == nil:
			pause = 0
			handle(buf[:n], d, truncated || n > MaxMessage)
		case ctx.Err() != nil:
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("read %v: %w", s.addr, err)
		case errors.Is(err, os.ErrDeadlineExceeded):
			// Nobody but ctx sets the deadline; ask it again.
		default:
			// Errors that belong to one datagram or to a passing lack of
			// memory; never spin on them.
			pause = min(max(2*pause, time.Millisecond), time.Second)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
	return nil
}
