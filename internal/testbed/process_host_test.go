//go:build linux

package testbed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"unsafe"
)

// host is a machine of its own as far as the network goes: a network namespace
// with a loopback device and a TUN device, whose other end is a fabric's.
type host struct {
	address netip.Addr
	tun     *os.File
	work    chan func()
	gone    chan struct{} // closed when nothing can be done there any more
}

// errHost says why hosts cannot be made, and what to do.
var errHost = errors.New("network namespaces with TUN devices need root, or the rights of root in a user namespace (unshare -Ur), and /dev/net/tun")

// newHost makes a host in the network 192.0.2.0/24 (RFC 5737: nobody's). It is
// there until the test ends.
func newHost(tb testing.TB, address netip.Addr) (*host, error) {
	h := &host{address: address, work: make(chan func()), gone: make(chan struct{})}
	made := make(chan error)
	go func() {
		defer close(h.gone)
		// The thread is never unlocked, so that it ends with this goroutine:
		// no other is to find itself in this namespace. What is started from
		// it dies with it.
		runtime.LockOSThread()
		err := h.make()
		made <- err
		if err != nil {
			return
		}
		for f := range h.work {
			f()
		}
	}()
	if err := <-made; err != nil {
		return nil, fmt.Errorf("host %v: %w", address, err)
	}
	tb.Cleanup(func() {
		close(h.work)
		<-h.gone
		_ = h.tun.Close()
	})
	return h, nil
}

// do runs something on the host: the sockets that it opens and the processes
// that it starts are the host's.
func (h *host) do(f func()) {
	done := make(chan struct{})
	h.work <- func() {
		defer close(done) // even if f ends the test
		f()
	}
	<-done
}

// Of linux/if.h and linux/if_tun.h.
const (
	tunSetIff    = 0x400454ca
	iffTun       = 0x0001
	iffNoPI      = 0x1000
	ifreqLen     = 40
	ifreqPayload = 16 // after the name
)

// make makes the namespace and its devices, on the host's thread.
func (h *host) make() error {
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		return fmt.Errorf("%w: unshare: %w", errHost, err)
	}
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%w: /dev/net/tun: %w", errHost, err)
	}
	request := interfaceRequest("tun0")
	binary.NativeEndian.PutUint16(request[ifreqPayload:], iffTun|iffNoPI)
	if err := ioctl(fd, tunSetIff, request); err != nil {
		_ = syscall.Close(fd)
		return fmt.Errorf("%w: TUNSETIFF: %w", errHost, err)
	}
	h.tun = os.NewFile(uintptr(fd), "tun of "+h.address.String())
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(s) }()
	for _, step := range []struct {
		device  string
		what    uintptr
		address netip.Addr
	}{
		{"tun0", syscall.SIOCSIFADDR, h.address},
		{"tun0", syscall.SIOCSIFNETMASK, netip.AddrFrom4([4]byte{255, 255, 255, 0})},
		{"tun0", syscall.SIOCSIFFLAGS, netip.Addr{}},
		{"lo", syscall.SIOCSIFFLAGS, netip.Addr{}},
	} {
		request := interfaceRequest(step.device)
		if step.address.IsValid() { // struct sockaddr_in
			binary.NativeEndian.PutUint16(request[ifreqPayload:], syscall.AF_INET)
			a := step.address.As4()
			copy(request[ifreqPayload+4:], a[:])
		} else {
			binary.NativeEndian.PutUint16(request[ifreqPayload:], syscall.IFF_UP|syscall.IFF_RUNNING)
		}
		if err := ioctl(s, step.what, request); err != nil {
			return fmt.Errorf("%s: ioctl %#x: %w", step.device, step.what, err)
		}
	}
	return nil
}

// interfaceRequest is a struct ifreq that names a device.
func interfaceRequest(device string) *[ifreqLen]byte {
	var r [ifreqLen]byte
	copy(r[:ifreqPayload-1], device)
	return &r
}

func ioctl(fd int, what uintptr, request *[ifreqLen]byte) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), what, uintptr(unsafe.Pointer(request))); errno != 0 {
		return errno
	}
	return nil
}
