package snmp

import (
	"errors"
	"fmt"

	"simone/mib"
)

// ErrTooBig says that a message does not fit a UDP datagram.
var ErrTooBig = errors.New("message too big for a datagram")

// Append encodes m after what is in b. It fails on what SNMP cannot carry: an
// OID or a number out of range, a type unknown, a version or a PDU that does
// not go with it. b then is as it was.
func (m *Message) Append(b []byte) ([]byte, error) {
	if err := m.check(); err != nil {
		return b, err
	}
	sizes, err := m.sizes()
	if err != nil {
		return b, err
	}
	body := 2 + signedSize(int64(m.Version)) + elementSize(len(m.Community)) + elementSize(sizes.pdu)
	if size := elementSize(body); size > MaxMessage {
		return b, fmt.Errorf("encode %d variables: %w: %d octets", len(m.Vars), ErrTooBig, size)
	}
	b = appendHeader(b, tagSequence, body)
	b = appendSigned(b, tagInteger, int64(m.Version))
	b = appendOctets(b, tagOctetString, m.Community)
	return m.appendPDU(b, sizes), nil
}

// pduSizes are how many octets of contents a PDU and its list of variables
// have.
type pduSizes struct{ pdu, list int }

// sizes measures the PDU. It fails when BER cannot carry one of the variables.
func (p *PDU) sizes() (s pduSizes, err error) {
	if p.packed != nil {
		s.list = len(p.packed)
	} else {
		for i := range p.Vars {
			n, err := VariableSize(p.Vars[i])
			if err != nil {
				return s, err
			}
			s.list += n
		}
	}
	s.pdu = elementSize(s.list)
	if p.Verb == mib.VerbTrapV1 {
		s.pdu += elementSize(oidSize(p.Trap.Enterprise)) + 6 +
			2 + signedSize(int64(p.Trap.Generic)) + 2 + signedSize(int64(p.Trap.Specific)) +
			2 + unsignedSize(uint64(p.Trap.Uptime))
		return s, nil
	}
	first, second := p.middle()
	s.pdu += 2 + signedSize(int64(p.RequestID)) + 2 + signedSize(first) + 2 + signedSize(second)
	return s, nil
}

// middle is what stands between the request-id and the variables.
func (p *PDU) middle() (first, second int64) {
	if p.Verb == mib.VerbGetBulk {
		return int64(p.NonRepeaters), int64(p.MaxRepetitions)
	}
	return int64(p.Status), int64(p.Index)
}

// appendPDU encodes what sizes has measured.
func (p *PDU) appendPDU(b []byte, s pduSizes) []byte {
	b = appendHeader(b, byte(p.Verb), s.pdu)
	if p.Verb == mib.VerbTrapV1 {
		agent := p.Trap.Agent.Unmap().As4()
		b = appendOID(b, p.Trap.Enterprise)
		b = appendOctets(b, byte(mib.TypeIPAddress), agent[:])
		b = appendSigned(b, tagInteger, int64(p.Trap.Generic))
		b = appendSigned(b, tagInteger, int64(p.Trap.Specific))
		b = appendUnsigned(b, byte(mib.TypeTimeTicks), uint64(p.Trap.Uptime))
	} else {
		first, second := p.middle()
		b = appendSigned(b, tagInteger, int64(p.RequestID))
		b = appendSigned(b, tagInteger, first)
		b = appendSigned(b, tagInteger, second)
	}
	b = appendHeader(b, tagSequence, s.list)
	if p.packed != nil {
		return append(b, p.packed...)
	}
	for i := range p.Vars {
		b = appendVariable(b, p.Vars[i])
	}
	return b
}

func (m *Message) check() error {
	v1Only, v2Only := false, false
	switch m.Verb {
	case mib.VerbGet, mib.VerbGetNext, mib.VerbResponse, mib.VerbSet:
	case mib.VerbTrapV1:
		v1Only = true
		if err := checkOID(m.Trap.Enterprise); err != nil {
			return fmt.Errorf("encode a trap's enterprise: %w", err)
		}
		if !m.Trap.Agent.Unmap().Is4() {
			return fmt.Errorf("encode a v1 trap: the agent's address %v is not IPv4", m.Trap.Agent)
		}
	case mib.VerbGetBulk, mib.VerbInform, mib.VerbTrap, mib.VerbReport:
		v2Only = true
	default:
		return fmt.Errorf("encode: 0x%02x is no PDU", byte(m.Verb))
	}
	switch {
	case m.Version != V1 && m.Version != V2c: // v3 has Envelope.Append
		return fmt.Errorf("encode: %w: %v", ErrVersion, m.Version)
	case m.Version == V1 && v2Only, m.Version != V1 && v1Only:
		return fmt.Errorf("encode: there is no PDU 0x%02x in %v", byte(m.Verb), m.Version)
	}
	return nil
}

// VariableSize is how many octets a variable takes in a message. It fails
// when BER cannot carry the variable.
func VariableSize(v mib.Variable) (int, error) {
	if err := checkOID(v.Name); err != nil {
		return 0, fmt.Errorf("encode a name: %w", err)
	}
	value, err := valueSize(v.Value)
	if err != nil {
		return 0, fmt.Errorf("encode %v: %w", v.Name, err)
	}
	return elementSize(elementSize(oidSize(v.Name)) + value), nil
}

// Overhead is an upper bound for what a message takes besides its variables.
func Overhead(community []byte) int {
	// Message, PDU and list with lengths of 3 octets, version, community,
	// request-id, status and index.
	return 3*5 + 3 + elementSize(len(community)) + 3*6
}

// valueSize is the size of the value's element. A zero Type counts as Null,
// so that a request's variables need only names.
func valueSize(v mib.Value) (int, error) {
	switch v.Type {
	case mib.TypeInteger:
		if v.Int != int64(int32(v.Int)) {
			return 0, fmt.Errorf("INTEGER %d does not fit 32 bits", v.Int)
		}
		return 2 + signedSize(v.Int), nil
	case mib.TypeCounter32, mib.TypeGauge32, mib.TypeTimeTicks:
		if v.Uint > 0xffffffff {
			return 0, fmt.Errorf("%v %d does not fit 32 bits", v.Type, v.Uint)
		}
		return 2 + unsignedSize(v.Uint), nil
	case mib.TypeCounter64:
		return 2 + unsignedSize(v.Uint), nil
	case mib.TypeOctetString, mib.TypeOpaque:
		return elementSize(len(v.Bytes)), nil
	case mib.TypeIPAddress:
		if len(v.Bytes) != 4 {
			return 0, fmt.Errorf("IpAddress of %d octets, not 4", len(v.Bytes))
		}
		return 6, nil
	case mib.TypeObjectID:
		if err := checkOID(v.OID); err != nil {
			return 0, err
		}
		return elementSize(oidSize(v.OID)), nil
	case 0, mib.TypeNull, mib.TypeNoSuchObject, mib.TypeNoSuchInstance, mib.TypeEndOfMIBView:
		return 2, nil
	}
	return 0, fmt.Errorf("%v is no type of SNMP", v.Type)
}

// appendVariable encodes what VariableSize has found good.
func appendVariable(b []byte, v mib.Variable) []byte {
	value, _ := valueSize(v.Value) // checked by Append's VariableSize
	b = appendHeader(b, tagSequence, elementSize(oidSize(v.Name))+value)
	b = appendOID(b, v.Name)
	tag := byte(v.Value.Type)
	switch v.Value.Type {
	case mib.TypeInteger:
		return appendSigned(b, tag, v.Value.Int)
	case mib.TypeCounter32, mib.TypeGauge32, mib.TypeTimeTicks, mib.TypeCounter64:
		return appendUnsigned(b, tag, v.Value.Uint)
	case mib.TypeOctetString, mib.TypeOpaque, mib.TypeIPAddress:
		return appendOctets(b, tag, v.Value.Bytes)
	case mib.TypeObjectID:
		return appendOID(b, v.Value.OID)
	case 0:
		return append(b, tagNull, 0)
	}
	return append(b, tag, 0)
}
