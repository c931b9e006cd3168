package snmp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// canGather says that datagrams can be left to gather in the socket: that many
// are read by one system call, and that none wakes anybody before wait.
const canGather = true

// wire is a socket for many datagrams. Go's runtime does not watch it: it would
// be woken by each datagram, also when nobody waits for one, and that costs more
// than the datagram does. An epoll instance of the wire's own watches the socket
// for one event, once wait has armed it, and it is this that the runtime watches.
//
// receive, wait and datagram are for one goroutine, send for one at a time.
type wire struct {
	addr   netip.AddrPort
	v4     bool // bound to IPv4 only
	socket *os.File
	fd     int // of socket; -1: it is closed
	in     inbound
	out    outbound

	watch   *os.File // the epoll instance
	watched syscall.RawConn
	epoll   int
	armed   bool
	ready   func(fd uintptr) bool // looks whether there is a datagram, and arms
	failed  error                 // of ready
}

// header is the kernel's struct mmsghdr.
type header struct {
	unix.Msghdr
	length uint32 // octets sent or received
}

// Control messages of one datagram: its time stamp and the address it was sent
// to.
const controlOctets = 128

// inbound is what datagrams are received into.
type inbound struct {
	headers [batchSize]header
	pieces  [batchSize]unix.Iovec
	sources [batchSize]unix.RawSockaddrInet6
	control [batchSize][controlOctets]byte
	buffers [batchSize][]byte
}

// outbound is what datagrams are sent from.
type outbound struct {
	headers [batchSize]header
	pieces  [batchSize]unix.Iovec
	targets [batchSize]unix.RawSockaddrInet6
}

// openWire takes the socket over.
func openWire(s *Socket) (w *wire, err error) {
	w = &wire{addr: s.Addr(), v4: s.v4, fd: -1, epoll: -1}
	defer func() {
		if err = errors.Join(err, s.Close()); err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	if err := w.take(s); err != nil {
		return w, err
	}
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return w, os.NewSyscallError("epoll_create1", err)
	}
	// A file that does not block is what the runtime watches.
	if err := unix.SetNonblock(w.epoll, true); err != nil {
		_ = unix.Close(w.epoll)
		return w, os.NewSyscallError("fcntl", err)
	}
	w.watch = os.NewFile(uintptr(w.epoll), "epoll")
	if err := w.control(unix.EPOLL_CTL_ADD, unix.EPOLLONESHOT); err != nil {
		return w, err
	}
	if w.watched, err = w.watch.SyscallConn(); err != nil {
		return w, err
	}
	w.ready = func(uintptr) bool {
		var there bool
		there, w.failed = w.look()
		return there || w.failed != nil
	}
	w.in.init()
	w.out.init()
	return w, nil
}

// take makes a copy of the socket that the runtime does not watch.
func (w *wire) take(s *Socket) error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		w.fd, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("take the socket over: %w", err)
	}
	// A file that blocks is not watched. Nothing here blocks all the same.
	if err := unix.SetNonblock(w.fd, false); err != nil {
		_ = unix.Close(w.fd)
		w.fd = -1
		return os.NewSyscallError("fcntl", err)
	}
	w.socket = os.NewFile(uintptr(w.fd), "udp")
	w.mayFragment(false)
	return nil
}

// mayFragment says whether datagrams over IPv4 may be sent in fragments. What
// may not needs no number of its own to put it together again, which takes the
// kernel a hash for each.
func (w *wire) mayFragment(may bool) {
	how := unix.IP_PMTUDISC_DO
	if may {
		how = unix.IP_PMTUDISC_WANT
	}
	_ = unix.SetsockoptInt(w.fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, how) // else it is as it was
}

func (w *inbound) init() {
	// One piece, of which the system gives only what is used.
	all := make([]byte, batchSize*(MaxMessage+1))
	for i := range w.headers {
		w.buffers[i], all = all[:MaxMessage+1:MaxMessage+1], all[MaxMessage+1:]
		w.pieces[i].Base = &w.buffers[i][0]
		w.pieces[i].SetLen(MaxMessage + 1)
		h := &w.headers[i]
		h.Iov = &w.pieces[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&w.sources[i]))
		h.Control = &w.control[i][0]
	}
}

func (w *outbound) init() {
	for i := range w.headers {
		h := &w.headers[i]
		h.Iov = &w.pieces[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&w.targets[i]))
	}
}

// Addr is where it is bound.
func (w *wire) Addr() netip.AddrPort { return w.addr }

// Close unbinds the socket. Nothing may be sent at the same time.
func (w *wire) Close() (err error) {
	if w.watch != nil {
		err = w.watch.Close()
	}
	if w.socket != nil {
		err = errors.Join(err, w.socket.Close())
	}
	w.fd = -1
	return err
}

// SetReadDeadline makes wait fail then with os.ErrDeadlineExceeded, also when it
// is waiting already.
func (w *wire) SetReadDeadline(t time.Time) error { return w.watch.SetReadDeadline(t) }

// wait waits until there is a datagram. After Close the error is net.ErrClosed.
func (w *wire) wait() error {
	switch err := w.watched.Read(w.ready); {
	case errors.Is(err, os.ErrClosed):
		return net.ErrClosed
	case err != nil:
		return err
	}
	return w.failed
}

// look arms the epoll instance, if it is not, and asks it.
func (w *wire) look() (there bool, err error) {
	if !w.armed {
		if err := w.control(unix.EPOLL_CTL_MOD, unix.EPOLLIN|unix.EPOLLONESHOT); err != nil {
			return false, err
		}
		w.armed = true
	}
	var events [1]unix.EpollEvent
	for {
		n, err := unix.EpollWait(w.epoll, events[:], 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return false, os.NewSyscallError("epoll_wait", err)
		}
		w.armed = n == 0
		return n > 0, nil
	}
}

func (w *wire) control(op int, events uint32) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(w.epoll, op, w.fd, &unix.EpollEvent{Events: events}))
}

// receive says how many datagrams have come, batchSize at most, and does not
// wait for any. An error belongs to a single datagram, or is of a lack of memory.
func (w *wire) receive() (int, error) {
	in := &w.in
	for i := range in.headers {
		in.headers[i].Namelen = uint32(unsafe.Sizeof(in.sources[i]))
		in.headers[i].SetControllen(controlOctets)
	}
	for {
		n, _, errno := syscall.Syscall6(unix.SYS_RECVMMSG, uintptr(w.fd), uintptr(unsafe.Pointer(&in.headers[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EAGAIN:
			return 0, nil
		case syscall.EINTR:
		default:
			return 0, os.NewSyscallError("recvmmsg", errno)
		}
	}
}

// datagram gives the ith that has come; it is valid until the next receive.
func (w *wire) datagram(i int) (b []byte, d Datagram, truncated bool) {
	h := &w.in.headers[i]
	d = parseControl(w.in.control[i][:h.Controllen])
	d.Source = w.in.source(i)
	return w.in.buffers[i][:min(h.length, MaxMessage+1)], d, h.Flags&msgTruncated != 0 || h.length > MaxMessage
}

// source reads a sender's address, without zone.
func (w *inbound) source(i int) netip.AddrPort {
	a := &w.sources[i]
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&a.Port))[:])
	if a.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), port)
}

// send sends letters in order and says how many went out before an error: the
// one after them is at fault.
func (w *wire) send(letters []outgoing) (int, error) {
	for i := range letters {
		err := w.put(i, &letters[i])
		switch {
		case err != nil && i == 0:
			return 0, err
		case err != nil: // it is the first of the next call
			return w.push(i)
		}
	}
	return w.push(len(letters))
}

// put makes the ith header that of a letter.
func (w *wire) put(i int, l *outgoing) error {
	out := &w.out
	h, t := &out.headers[i], &out.targets[i]
	out.pieces[i].Base = unsafe.SliceData(l.b)
	out.pieces[i].SetLen(len(l.b))
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&t.Port))[:], l.to.Port())
	a := l.to.Addr()
	if w.v4 {
		if a = a.Unmap(); !a.Is4() {
			return &net.AddrError{Err: "an address of IPv6, and the socket has one of IPv4", Addr: a.String()}
		}
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(t))
		v4.Family, v4.Addr = unix.AF_INET, a.As4()
		h.Namelen = uint32(unsafe.Sizeof(*v4))
		return nil
	}
	t.Family, t.Addr, t.Scope_id = unix.AF_INET6, a.As16(), 0
	h.Namelen = uint32(unsafe.Sizeof(*t))
	if zone := a.Zone(); zone != "" {
		var err error
		t.Scope_id, err = scope(zone)
		return err
	}
	return nil
}

// scope gives the number of the interface that a zone names.
func scope(zone string) (uint32, error) {
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("zone %q: %w", zone, err)
	}
	return uint32(i.Index), nil
}

// sendPatience is how long it takes for what is being sent to leave, at most:
// after that the datagram counts as lost.
const sendPatience = 50 * time.Millisecond

// push sends the first n headers. What is too large for a frame goes alone.
func (w *wire) push(n int) (int, error) {
	sent, errno := w.try(n)
	if errno == syscall.EMSGSIZE {
		w.mayFragment(true)
		sent, errno = w.try(1)
		w.mayFragment(false)
	}
	if errno != 0 {
		return 0, os.NewSyscallError("sendmmsg", errno)
	}
	return sent, nil
}

func (w *wire) try(n int) (int, syscall.Errno) {
	for {
		sent, _, errno := syscall.Syscall6(unix.SYS_SENDMMSG, uintptr(w.fd), uintptr(unsafe.Pointer(&w.out.headers[0])), uintptr(n), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(sent), 0
		case syscall.EINTR:
		case syscall.EAGAIN:
			if ready, _ := unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLOUT}}, int(sendPatience/time.Millisecond)); ready == 0 {
				return 0, syscall.ENOBUFS
			}
		default:
			return 0, errno
		}
	}
}
