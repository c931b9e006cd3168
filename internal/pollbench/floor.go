package pollbench

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

// burst is how many datagrams the floor sends before it reads as many.
const burst = 256

// floor exchanges datagrams: it sends the same question to all and reads what
// comes back, but does not look at it. It sleeps until the answers to a burst
// should be there, which costs less than being woken for each.
type floor struct {
	conn     *net.UDPConn
	targets  []netip.AddrPort
	question []byte
	answer   []byte
	nap      time.Duration
}

// A read that waits takes longer than this; naps are at most so long.
const (
	waited  = 20 * time.Microsecond
	mostNap = 20 * time.Millisecond
)

func newFloor(targets []netip.AddrPort, m *snmp.Message) (*floor, error) {
	question, err := m.Append(nil)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(snmp.ReceiveBuffer)
	return &floor{conn, targets, question, make([]byte, 2048), time.Millisecond}, nil
}

// getMessage asks for the scalars, bulkMessage for the table.
func getMessage() *snmp.Message {
	m := &snmp.Message{Version: snmp.V2c, Community: []byte(community), PDU: snmp.PDU{Verb: mib.VerbGet, RequestID: 1 << 24}}
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
	if err := f.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	for left := f.targets; len(left) > 0; left = left[min(burst, len(left)):] {
		now := left[:min(burst, len(left))]
		for _, to := range now {
			if _, err := f.conn.WriteToUDPAddrPort(f.question, to); err != nil {
				return 0, fmt.Errorf("send to %v: %w", to, err)
			}
		}
		time.Sleep(f.nap)
		began := time.Now()
		for i := range now {
			if _, _, err := f.conn.ReadFromUDPAddrPort(f.answer); err != nil {
				return len(left) - i, nil
			}
		}
		if time.Since(began) > time.Duration(len(now))*2*time.Microsecond+waited {
			f.nap = min(f.nap*5/4, mostNap)
		} else {
			f.nap -= f.nap / 20
		}
	}
	return 0, nil
}

func (f *floor) Close() error { return f.conn.Close() }
