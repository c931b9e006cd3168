package pollbench

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

// burst is how many datagrams the floor sends before it reads as many: as many
// as the engine has on their way.
const burst = 256

// floor exchanges datagrams: it sends the same question to all and reads what
// comes back, but does not look at it. Each takes one system call, of a socket
// that Go's runtime does not watch, as it would be woken by each datagram. While
// answers are missing it sleeps.
type floor struct {
	fd       int
	targets  []syscall.Sockaddr
	question []byte
	answer   []byte
}

// Sleeps grow while nothing comes.
const (
	shortNap = time.Millisecond
	longNap  = 10 * time.Millisecond
)

func newFloor(targets []netip.AddrPort, m *snmp.Message) (*floor, error) {
	question, err := m.Append(nil)
	if err != nil {
		return nil, err
	}
	f := &floor{question: question, answer: make([]byte, 2048)}
	for _, t := range targets {
		f.targets = append(f.targets, &syscall.SockaddrInet4{Addr: t.Addr().As4(), Port: int(t.Port())})
	}
	if f.fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0); err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	_ = syscall.SetsockoptInt(f.fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, snmp.ReceiveBuffer)
	err = errors.Join(
		os.NewSyscallError("bind", syscall.Bind(f.fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})),
		os.NewSyscallError("fcntl", syscall.SetNonblock(f.fd, true)))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// getMessage asks for the scalars, bulkMessage for the table.
func getMessage() *snmp.Message {
	m := &snmp.Message{Version: snmp.V2c, Community: []byte(Community), PDU: snmp.PDU{Verb: mib.VerbGet, RequestID: 1 << 24}}
	m.Vars = getVars()
	return m
}

func bulkMessage() *snmp.Message {
	m := getMessage()
	m.Verb, m.MaxRepetitions, m.Vars = mib.VerbGetBulk, tableRows, bulkVars()
	return m
}

func getVars() (vars []mib.Variable) {
	for i := range scalars {
		vars = append(vars, mib.Variable{Name: scalar(i)})
	}
	return vars
}

func bulkVars() (vars []mib.Variable) {
	for i := range tableColumns {
		vars = append(vars, mib.Variable{Name: tableColumn(i)})
	}
	return vars
}

func (f *floor) round() (failed int, err error) {
	for left := f.targets; len(left) > 0; left = left[min(burst, len(left)):] {
		now := left[:min(burst, len(left))]
		for _, to := range now {
			if err := f.send(to); err != nil {
				return 0, fmt.Errorf("send: %w", err)
			}
		}
		missing, err := f.collect(len(now))
		if failed += missing; err != nil {
			return failed, fmt.Errorf("receive: %w", err)
		}
	}
	return failed, nil
}

func (f *floor) send(to syscall.Sockaddr) error {
	for {
		switch err := syscall.Sendto(f.fd, f.question, 0, to); err {
		case syscall.EINTR:
		case syscall.EAGAIN:
			time.Sleep(shortNap)
		default:
			return err
		}
	}
}

// collect reads answers, and says how many are missing in the end.
func (f *floor) collect(wanted int) (missing int, err error) {
	nap, slept := shortNap, time.Duration(0)
	for wanted > 0 && slept < patience {
		time.Sleep(nap)
		slept += nap
		came, err := f.read(wanted)
		if err != nil {
			return wanted, err
		}
		if wanted -= came; came == 0 {
			nap = min(2*nap, longNap)
		} else {
			nap = shortNap
		}
	}
	return wanted, nil
}

// read reads the answers that are there, at most so many.
func (f *floor) read(most int) (n int, err error) {
	for n < most {
		switch _, err := syscall.Read(f.fd, f.answer); err {
		case nil:
			n++
		case syscall.EINTR:
		case syscall.EAGAIN:
			return n, nil
		default:
			return n, err
		}
	}
	return n, nil
}

func (f *floor) Close() error { return os.NewSyscallError("close", syscall.Close(f.fd)) }
