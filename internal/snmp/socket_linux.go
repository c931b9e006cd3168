package snmp

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"time"
)

const msgTruncated = syscall.MSG_TRUNC

// setOptions asks for time stamps, and on a wildcard socket for the address
// each datagram was sent to.
func (s *Socket) setOptions() error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		// Without time stamps Read falls back to the clock.
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
		if !s.addr.Addr().IsUnspecified() {
			return
		}
		if s.v4 {
			failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1)
			return
		}
		failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_RECVPKTINFO, 1)
	})
	if err != nil {
		return err
	}
	return failed
}

// align rounds up to the boundary on which control messages begin.
func align(n int) int { return (n + sizeofWord - 1) &^ (sizeofWord - 1) }

const (
	// sizeofWord is that of the kernel's long: a Cmsghdr is one and two ints.
	sizeofWord      = syscall.SizeofCmsghdr - 8
	sizeofCmsg      = syscall.SizeofCmsghdr
	sizeofPktinfo4  = syscall.SizeofInet4Pktinfo
	sizeofPktinfo6  = syscall.SizeofInet6Pktinfo
	scmTimestampNS  = syscall.SO_TIMESTAMPNS // SCM_TIMESTAMPNS is the same number
	pktinfo4DstAddr = 8
)

func word(b []byte) int64 {
	if sizeofWord == 8 {
		return int64(binary.NativeEndian.Uint64(b))
	}
	return int64(int32(binary.NativeEndian.Uint32(b)))
}

// parseControl reads the control messages of one datagram. It is the parser
// of the syscall package without its allocations.
func parseControl(b []byte) (d Datagram) {
	for len(b) >= sizeofCmsg {
		length := word(b)
		if length < sizeofCmsg || length > int64(len(b)) {
			return d
		}
		level := int(binary.NativeEndian.Uint32(b[sizeofWord:]))
		kind := int(binary.NativeEndian.Uint32(b[sizeofWord+4:]))
		data := b[sizeofCmsg:length]
		switch {
		case level == syscall.SOL_SOCKET && kind == scmTimestampNS && len(data) >= 2*sizeofWord:
			d.Received = time.Unix(word(data), word(data[sizeofWord:]))
		case level == syscall.IPPROTO_IP && kind == syscall.IP_PKTINFO && len(data) >= sizeofPktinfo4:
			d.Local = netip.AddrFrom4([4]byte(data[pktinfo4DstAddr:]))
		case level == syscall.IPPROTO_IPV6 && kind == syscall.IPV6_PKTINFO && len(data) >= sizeofPktinfo6:
			d.Local = netip.AddrFrom16([16]byte(data))
		}
		b = b[min(align(int(length)), len(b)):]
	}
	return d
}

// appendLocal makes the control message that sets a datagram's source. On a
// socket for both families IPv4 goes mapped into IPv6.
func appendLocal(b []byte, local netip.Addr, v4 bool) []byte {
	level, kind, size := syscall.IPPROTO_IPV6, syscall.IPV6_PKTINFO, sizeofPktinfo6
	if v4 {
		level, kind, size = syscall.IPPROTO_IP, syscall.IP_PKTINFO, sizeofPktinfo4
	}
	length := sizeofCmsg + size
	if sizeofWord == 8 {
		b = binary.NativeEndian.AppendUint64(b, uint64(length))
	} else {
		b = binary.NativeEndian.AppendUint32(b, uint32(length))
	}
	b = binary.NativeEndian.AppendUint32(b, uint32(level))
	b = binary.NativeEndian.AppendUint32(b, uint32(kind))
	if v4 {
		a := local.As4()
		b = append(b, 0, 0, 0, 0) // interface: the routing decides
		b = append(b, a[:]...)    // ipi_spec_dst
		b = append(b, 0, 0, 0, 0) // ipi_addr, which sending ignores
	} else {
		a := local.As16()
		b = append(b, a[:]...)
		b = append(b, 0, 0, 0, 0) // interface
	}
	for len(b) < align(length) {
		b = append(b, 0)
	}
	return b
}
