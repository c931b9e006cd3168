package snmp

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"time"

	"simone/mib"
)

// Uptime is what sysUpTime shows for a start: hundredths of a second, modulo
// 2^32 (every 497 days).
func Uptime(started time.Time) uint32 {
	return uint32(uint64(time.Since(started) / (10 * time.Millisecond)))
}

// The names that every notification begins with (RFC 3416, section 4.2.6),
// and the parent of the standard traps.
func sysUpTime() mib.OID { return mib.OID{1, 3, 6, 1, 2, 1, 1, 3, 0} }
func trapOID() mib.OID   { return mib.OID{1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0} }
func snmpTraps() mib.OID { return mib.OID{1, 3, 6, 1, 6, 3, 1, 1, 5} }

// Notification is a trap or an inform as it was received. Its variables
// belong to whoever gets it.
type Notification struct {
	Source    netip.AddrPort
	Received  time.Time
	Community string // the name of the community, not its secret
	Inform    bool   // the sender waits for an answer, and gets one
	TrapOID   mib.OID
	Uptime    uint32         // the sender's, hundredths of a second
	Vars      []mib.Variable // without sysUpTime.0 and snmpTrapOID.0
}

// ParseNotification reads a notification out of a message. Traps of v1 are
// translated as RFC 3584, section 3.1, says.
func ParseNotification(m *Message) (Notification, error) {
	switch m.Verb {
	case mib.VerbTrapV1:
		n := Notification{Uptime: m.Trap.Uptime, Vars: m.Detach(nil)}
		switch g := m.Trap.Generic; {
		case g >= 0 && g < 6:
			n.TrapOID = snmpTraps().Append(uint32(g) + 1)
		default:
			n.TrapOID = m.Trap.Enterprise.Append(0, uint32(m.Trap.Specific))
		}
		return n, nil
	case mib.VerbInform, mib.VerbTrap:
		if len(m.Vars) < 2 || !m.Vars[0].Name.Equal(sysUpTime()) || m.Vars[0].Value.Type != mib.TypeTimeTicks ||
			!m.Vars[1].Name.Equal(trapOID()) || m.Vars[1].Value.Type != mib.TypeObjectID {
			return Notification{}, fmt.Errorf("the notification does not begin with sysUpTime.0 and snmpTrapOID.0")
		}
		vars := m.Detach(nil)
		return Notification{
			Inform:  m.Verb == mib.VerbInform,
			Uptime:  uint32(vars[0].Value.Uint),
			TrapOID: vars[1].Value.OID,
			Vars:    vars[2:],
		}, nil
	}
	return Notification{}, fmt.Errorf("PDU 0x%02x is no notification", byte(m.Verb))
}

// How many informs an Inbox remembers, and how long: longer than any sender
// goes on repeating.
const (
	inboxSize   = 1024
	inboxWindow = 2 * time.Minute
)

// Inbox passes notifications on, each once: an inform that is repeated
// because our answer was lost is answered again but not passed on again. It
// is for one goroutine. The zero Inbox is ready.
type Inbox struct {
	seed   maphash.Seed
	seen   map[inform]time.Time
	oldest [inboxSize]inform // a ring
	next   int
}

// inform tells informs apart. The hash of the whole datagram keeps apart
// those of a sender that began again at the same request-id.
type inform struct {
	source netip.AddrPort
	id     int32
	hash   uint64
}

// Deliver passes on the notification that came as m in datagram b, under the
// community of that name, unless it is a repetition. It reports whether an
// inform is to be answered: not if handle did not accept it, so that the
// sender tries again.
func (x *Inbox) Deliver(m *Message, b []byte, d Datagram, community string, handle func(Notification) bool) (answer bool, err error) {
	n, err := ParseNotification(m)
	if err != nil {
		return false, err
	}
	n.Source, n.Received, n.Community = d.Source, d.Received, community
	if !n.Inform {
		handle(n)
		return false, nil
	}
	if x.seen == nil {
		x.seed = maphash.MakeSeed()
		x.seen = make(map[inform]time.Time, inboxSize)
	}
	key := inform{d.Source, m.RequestID, maphash.Bytes(x.seed, b)}
	if at, ok := x.seen[key]; ok && d.Received.Sub(at) < inboxWindow {
		return true, nil
	}
	if !handle(n) {
		return false, nil
	}
	if _, ok := x.seen[key]; !ok {
		delete(x.seen, x.oldest[x.next])
		x.oldest[x.next] = key
		x.next = (x.next + 1) % inboxSize
	}
	x.seen[key] = d.Received
	return true, nil
}
