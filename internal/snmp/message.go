package snmp

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"simone/mib"
)

// Version is the number at the head of every message.
type Version int32

// The versions of SNMP.
const (
	V1  Version = 0
	V2c Version = 1
	V3  Version = 3
)

func (v Version) String() string {
	switch v {
	case V1:
		return "v1"
	case V2c:
		return "v2c"
	case V3:
		return "v3"
	}
	return "version(" + strconv.Itoa(int(v)) + ")"
}

// ParseVersion reads "1", "v1", "2c", "v2c", "3" or "v3".
func ParseVersion(s string) (Version, error) {
	switch s {
	case "1", "v1":
		return V1, nil
	case "2c", "v2c":
		return V2c, nil
	case "3", "v3":
		return V3, nil
	}
	return 0, fmt.Errorf("SNMP version %q; write v1, v2c or v3", s)
}

// MaxMessage is the most octets that one UDP datagram over IPv4 carries.
const MaxMessage = 65507

// ErrVersion says that a message is of a version that is not spoken here.
var ErrVersion = errors.New("SNMP version not supported")

// Message is one community-based message, v1 or v2c, or the PDU of a v3
// message, whose other parts are an Envelope's. Decode can be called again and
// again on the same Message and then allocates nothing; what it decoded before
// is overwritten.
type Message struct {
	Version   Version
	Community []byte
	PDU

	arena []uint32 // the parts of all decoded OIDs
	like  *layout  // if not nil, what the message may look like
}

// PDU is what a message carries (RFC 3416, section 3).
type PDU struct {
	Verb      mib.Verb
	RequestID int32

	// Of all PDUs but GetBulk. Index counts from 1.
	Status mib.ErrorStatus
	Index  int

	// Of GetBulk. They come as they were sent: possibly negative.
	NonRepeaters   int
	MaxRepetitions int

	Vars []mib.Variable
	Trap TrapV1 // of VerbTrapV1 only, which has no RequestID

	packed []byte // if not nil, the variables as they are to stand in the message
}

// TrapV1 is what an SNMPv1 trap has in place of the common fields (RFC 1157,
// section 4.1.6).
type TrapV1 struct {
	Enterprise mib.OID
	Agent      netip.Addr
	Generic    int32
	Specific   int32
	Uptime     uint32 // hundredths of a second
}

// Decode takes a datagram apart. Community and octet values alias b, names
// and OID values alias storage that the next Decode uses again: see Detach.
// Errors are a *SyntaxError, or wrap ErrVersion when the syntax is that of
// another version.
func (m *Message) Decode(b []byte) error {
	r := reader{b: b, end: len(b)}
	outer, err := r.enter(tagSequence, "the message")
	if err != nil {
		return err
	}
	if r.end != len(b) {
		return r.fail(r.end, "%d octets too many after the message", len(b)-r.end)
	}
	version, err := r.integer("the version")
	if err != nil {
		return err
	}
	switch Version(version) {
	case V1, V2c:
		m.Version = Version(version)
	default: // v3 goes its own way from here: see Envelope
		return fmt.Errorf("%w: %v", ErrVersion, Version(version))
	}
	length, err := r.expect(tagOctetString, "the community")
	if err != nil {
		return err
	}
	m.Community = r.octets(length)
	if err := m.decodePDU(&r); err != nil {
		return err
	}
	return r.leave(outer, "the message")
}

func (m *Message) decodePDU(r *reader) error {
	m.PDU = PDU{Vars: m.Vars[:0]}
	m.arena = m.arena[:0]
	if !r.more() {
		return r.fail(r.pos, "there is no PDU")
	}
	at := r.pos
	m.Verb = mib.Verb(r.b[at])
	switch m.Verb {
	case mib.VerbGet, mib.VerbGetNext, mib.VerbResponse, mib.VerbSet:
	case mib.VerbTrapV1:
		if m.Version != V1 {
			return r.fail(at, "an SNMPv1 trap in a message of %v", m.Version)
		}
	case mib.VerbGetBulk, mib.VerbInform, mib.VerbTrap, mib.VerbReport:
		if m.Version == V1 {
			return r.fail(at, "PDU 0x%02x in a message of v1, which does not have it", byte(m.Verb))
		}
	default:
		return r.fail(at, "0x%02x is no PDU", byte(m.Verb))
	}
	outer, err := r.enter(byte(m.Verb), "the PDU")
	if err != nil {
		return err
	}
	if m.Verb == mib.VerbTrapV1 {
		err = m.decodeTrapHead(r)
	} else {
		err = m.decodeHead(r)
	}
	if err != nil {
		return err
	}
	if err := m.decodeVars(r); err != nil {
		return err
	}
	return r.leave(outer, "the PDU")
}

func (m *Message) decodeHead(r *reader) error {
	var err error
	if m.RequestID, err = r.integer("the request-id"); err != nil {
		return err
	}
	first, second := "the error-status", "the error-index"
	if m.Verb == mib.VerbGetBulk {
		first, second = "non-repeaters", "max-repetitions"
	}
	a, err := r.integer(first)
	if err != nil {
		return err
	}
	b, err := r.integer(second)
	if err != nil {
		return err
	}
	if m.Verb == mib.VerbGetBulk {
		m.NonRepeaters, m.MaxRepetitions = int(a), int(b)
	} else {
		m.Status, m.Index = mib.ErrorStatus(a), int(b)
	}
	return nil
}

func (m *Message) decodeTrapHead(r *reader) error {
	length, err := r.expect(tagObjectID, "the enterprise")
	if err != nil {
		return err
	}
	if m.Trap.Enterprise, err = m.decodeOID(r, length); err != nil {
		return err
	}
	at := r.pos
	if length, err = r.expect(byte(mib.TypeIPAddress), "the agent's address"); err != nil {
		return err
	}
	if length != 4 {
		return r.fail(at, "the agent's address has %d octets, not 4", length)
	}
	m.Trap.Agent = netip.AddrFrom4([4]byte(r.octets(4)))
	if m.Trap.Generic, err = r.integer("the generic trap"); err != nil {
		return err
	}
	if m.Trap.Specific, err = r.integer("the specific trap"); err != nil {
		return err
	}
	if length, err = r.expect(byte(mib.TypeTimeTicks), "the time stamp"); err != nil {
		return err
	}
	uptime, err := r.unsigned(length, 4, "the time stamp")
	m.Trap.Uptime = uint32(uptime)
	return err
}

func (m *Message) decodeVars(r *reader) error {
	outer, err := r.enter(tagSequence, "the variable list")
	if err != nil {
		return err
	}
	for r.more() {
		if m.like != nil {
			if m.Vars = m.like.decode(r, m.Vars); !r.more() {
				break
			}
		}
		if err := m.decodeVar(r, m.addVar()); err != nil {
			return err
		}
	}
	return r.leave(outer, "the variable list")
}

func (m *Message) decodeVar(r *reader, v *mib.Variable) error {
	list, err := r.enter(tagSequence, "a variable")
	if err != nil {
		return err
	}
	if v.Name, err = m.decodeName(r); err != nil {
		return err
	}
	if err := m.decodeValue(r, &v.Value); err != nil {
		return err
	}
	return r.leave(list, "a variable")
}

// addVar adds an empty variable, in place.
func (m *Message) addVar() *mib.Variable {
	if n := len(m.Vars); n < cap(m.Vars) {
		m.Vars = m.Vars[:n+1]
		m.Vars[n] = mib.Variable{}
	} else {
		m.Vars = append(m.Vars, mib.Variable{})
	}
	return &m.Vars[len(m.Vars)-1]
}

// decodeName reads a variable's name.
func (m *Message) decodeName(r *reader) (mib.OID, error) {
	at, i := r.pos, len(m.Vars)-1
	if m.like != nil && i < len(m.like.names) {
		if k := &m.like.names[i]; bytes.HasPrefix(r.b[at:r.end], k.element) {
			r.pos += len(k.element)
			return k.name, nil
		}
	}
	length, err := r.expect(tagObjectID, "a variable's name")
	if err != nil {
		return nil, err
	}
	name, err := m.decodeOID(r, length)
	if err == nil && m.like != nil {
		m.like.learn(i, r.b[at:r.pos], name)
	}
	return name, err
}

func (m *Message) decodeOID(r *reader, length int) (mib.OID, error) {
	start := len(m.arena)
	var err error
	m.arena, err = r.oid(length, m.arena)
	// If the arena has moved, earlier OIDs stay valid where they were.
	return mib.OID(m.arena[start:len(m.arena):len(m.arena)]), err
}

func (m *Message) decodeValue(r *reader, v *mib.Value) error {
	at := r.pos
	tag, length, err := r.header()
	if err != nil {
		return err
	}
	v.Type = mib.Type(tag)
	switch v.Type {
	case mib.TypeInteger:
		n, err := r.signed(length, "an INTEGER")
		v.Int = int64(n)
		return err
	case mib.TypeCounter32, mib.TypeGauge32, mib.TypeTimeTicks:
		v.Uint, err = r.unsigned(length, 4, "an unsigned value")
	case mib.TypeCounter64:
		v.Uint, err = r.unsigned(length, 8, "a Counter64")
	case mib.TypeOctetString, mib.TypeOpaque:
		v.Bytes = r.octets(length)
	case mib.TypeIPAddress:
		if length != 4 {
			return r.fail(at, "an IpAddress of %d octets, not 4", length)
		}
		v.Bytes = r.octets(length)
	case mib.TypeObjectID:
		v.OID, err = m.decodeOID(r, length)
	case mib.TypeNull, mib.TypeNoSuchObject, mib.TypeNoSuchInstance, mib.TypeEndOfMIBView:
		if length != 0 {
			return r.fail(at, "%v with %d octets of contents", v.Type, length)
		}
	default:
		return r.fail(at, "0x%02x is no type of SNMP", tag)
	}
	return err
}

// Detach copies the variables out of the datagram and out of m, so that they
// may be kept. Names equal to the one at the same place in like (the request,
// as a rule) are shared with it instead of copied.
func (m *Message) Detach(like []mib.Variable) []mib.Variable {
	vars := make([]mib.Variable, len(m.Vars))
	parts, octets := 0, 0
	for i, v := range m.Vars {
		if i >= len(like) || !v.Name.Equal(like[i].Name) {
			parts += len(v.Name)
		}
		parts += len(v.Value.OID)
		octets += len(v.Value.Bytes)
	}
	// One piece of memory each for all the OIDs and for all the octets.
	var oids []uint32
	var bytes []byte
	if parts > 0 {
		oids = make([]uint32, 0, parts)
	}
	if octets > 0 {
		bytes = make([]byte, 0, octets)
	}
	keep := func(o mib.OID) mib.OID {
		start := len(oids)
		oids = append(oids, o...)
		return mib.OID(oids[start:len(oids):len(oids)])
	}
	for i, v := range m.Vars {
		if i < len(like) && v.Name.Equal(like[i].Name) {
			v.Name = like[i].Name
		} else {
			v.Name = keep(v.Name)
		}
		if v.Value.OID != nil {
			v.Value.OID = keep(v.Value.OID)
		}
		if v.Value.Bytes != nil {
			start := len(bytes)
			bytes = append(bytes, v.Value.Bytes...)
			v.Value.Bytes = bytes[start:len(bytes):len(bytes)]
		}
		vars[i] = v
	}
	return vars
}
