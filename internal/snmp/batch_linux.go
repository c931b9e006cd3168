package snmp

import (
	"encoding/binary"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// header is the kernel's struct mmsghdr.
type header struct {
	unix.Msghdr
	length uint32 // octets sent or received
}

// Control messages of one datagram: its time stamp and the address it was sent
// to.
const controlOctets = 128

// receiver reads many datagrams by one system call.
type receiver struct {
	raw     syscall.RawConn
	headers [batchSize]header
	pieces  [batchSize]unix.Iovec
	sources [batchSize]unix.RawSockaddrInet6
	control [batchSize][controlOctets]byte
	buffers [batchSize][]byte

	read func(fd uintptr) bool // once receives into n and err
	n    int
	err  error
}

func newReceiver(s *Socket) (*receiver, error) {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	r := &receiver{raw: raw}
	// One piece, of which the system gives only what is used.
	all := make([]byte, batchSize*(MaxMessage+1))
	for i := range r.headers {
		r.buffers[i], all = all[:MaxMessage+1:MaxMessage+1], all[MaxMessage+1:]
		r.pieces[i].Base = &r.buffers[i][0]
		r.pieces[i].SetLen(MaxMessage + 1)
		h := &r.headers[i]
		h.Iov = &r.pieces[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&r.sources[i]))
		h.Control = &r.control[i][0]
	}
	r.read = func(fd uintptr) bool {
		r.n, r.err = r.once(fd)
		return r.err != syscall.EAGAIN
	}
	return r, nil
}

// receive waits for datagrams and says how many have come. Errors are those of
// Socket.Read.
func (r *receiver) receive() (int, error) {
	if err := r.raw.Read(r.read); err != nil {
		return 0, err
	}
	if r.err != nil {
		return 0, os.NewSyscallError("recvmmsg", r.err)
	}
	return r.n, nil
}

func (r *receiver) once(fd uintptr) (int, error) {
	for i := range r.headers {
		r.headers[i].Namelen = uint32(unsafe.Sizeof(r.sources[i]))
		r.headers[i].SetControllen(controlOctets)
	}
	for {
		n, _, errno := syscall.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.headers[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// datagram gives the ith that has come; it is valid until the next receive.
func (r *receiver) datagram(i int) (b []byte, d Datagram, truncated bool) {
	h := &r.headers[i]
	d = parseControl(r.control[i][:h.Controllen])
	d.Source = r.source(i)
	return r.buffers[i][:h.length], d, h.Flags&msgTruncated != 0 || h.length > MaxMessage
}

// source reads a sender's address, without zone.
func (r *receiver) source(i int) netip.AddrPort {
	a := &r.sources[i]
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&a.Port))[:])
	if a.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), port)
}

// sender sends many datagrams by one system call.
type sender struct {
	socket  *Socket
	raw     syscall.RawConn
	headers [batchSize]header
	pieces  [batchSize]unix.Iovec
	targets [batchSize]unix.RawSockaddrInet6

	write func(fd uintptr) bool // sends the first wanted, n of them
	want  int
	n     int
	err   error
}

func newSender(s *Socket) (*sender, error) {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	w := &sender{socket: s, raw: raw}
	for i := range w.headers {
		h := &w.headers[i]
		h.Iov = &w.pieces[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&w.targets[i]))
	}
	w.write = func(fd uintptr) bool {
		w.n, w.err = w.once(fd)
		return w.err != syscall.EAGAIN
	}
	return w, nil
}

// send sends letters in order and says how many went out before an error: the
// one after them is at fault.
func (w *sender) send(letters []outgoing) (int, error) {
	w.want = 0
	for i := range letters {
		if w.isOdd(letters[i].to.Addr()) {
			if i > 0 {
				break // it is the first of the next call
			}
			if err := w.socket.Write(letters[0].b, letters[0].to); err != nil {
				return 0, err
			}
			return 1, nil
		}
		w.put(i, &letters[i])
		w.want++
	}
	if err := w.raw.Write(w.write); err != nil {
		return 0, err
	}
	if w.err != nil {
		return w.n, os.NewSyscallError("sendmmsg", w.err)
	}
	return w.n, nil
}

// isOdd reports whether an address has a zone, or is of another family than the
// socket: the net package deals with that.
func (w *sender) isOdd(a netip.Addr) bool {
	return a.Zone() != "" || w.socket.v4 && !a.Unmap().Is4()
}

// put makes the ith header that of a letter.
func (w *sender) put(i int, l *outgoing) {
	h, t := &w.headers[i], &w.targets[i]
	w.pieces[i].Base = unsafe.SliceData(l.b)
	w.pieces[i].SetLen(len(l.b))
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&t.Port))[:], l.to.Port())
	if w.socket.v4 {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(t))
		v4.Family, v4.Addr = unix.AF_INET, l.to.Addr().Unmap().As4()
		h.Namelen = uint32(unsafe.Sizeof(*v4))
		return
	}
	t.Family, t.Addr = unix.AF_INET6, l.to.Addr().As16()
	h.Namelen = uint32(unsafe.Sizeof(*t))
}

func (w *sender) once(fd uintptr) (int, error) {
	for {
		n, _, errno := syscall.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&w.headers[0])), uintptr(w.want), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
