package agentx

import (
	"encoding/binary"
	"fmt"

	"simone/mib"
)

// HeaderSize is the length of the header of every PDU, in octets.
const HeaderSize = 20

// version is h.version of RFC 2741.
const version = 1

// SyntaxError says where an octet string is no PDU of AgentX.
type SyntaxError struct {
	Offset int // in octets, from the start of the PDU
	What   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("no AgentX at octet %d: %s", e.Offset, e.What)
}

// Header is what stands before the payload (RFC 2741, section 6.1).
type Header struct {
	Type        Type
	Flags       Flags
	Session     uint32
	Transaction uint32
	Packet      uint32
	Length      uint32 // of the payload, in octets
}

// ParseHeader reads the HeaderSize octets at the beginning of b. Any Type
// passes; whether it exists, Decode says.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, &SyntaxError{len(b), fmt.Sprintf("a header has %d octets", HeaderSize)}
	}
	if b[0] != version {
		return Header{}, &SyntaxError{0, fmt.Sprintf("version %d; only %d is known", b[0], version)}
	}
	r := reader{b: b[:HeaderSize], pos: 4, little: Flags(b[2])&FlagNetworkOrder == 0}
	h := Header{Type: Type(b[1]), Flags: Flags(b[2])}
	for _, field := range []*uint32{&h.Session, &h.Transaction, &h.Packet, &h.Length} {
		*field, _ = r.uint32("the header")
	}
	if h.Length%4 != 0 {
		return Header{}, &SyntaxError{16, fmt.Sprintf("a payload of %d octets, which is no multiple of 4", h.Length)}
	}
	return h, nil
}

// Decode takes one whole PDU apart. Octet values and the context alias b,
// OIDs alias storage that the next Decode uses again: see Detach. Errors are a
// *SyntaxError; the header's fields are then still good unless the header was
// at fault.
func (p *PDU) Decode(b []byte) error {
	*p = PDU{Ranges: p.Ranges[:0], Vars: p.Vars[:0], arena: p.arena[:0]}
	h, err := ParseHeader(b)
	if err != nil {
		return err
	}
	p.Type, p.Flags, p.Session, p.Transaction, p.Packet = h.Type, h.Flags, h.Session, h.Transaction, h.Packet
	if uint64(h.Length) != uint64(len(b)-HeaderSize) {
		return &SyntaxError{16, fmt.Sprintf("a payload of %d octets is announced, %d are there", h.Length, len(b)-HeaderSize)}
	}
	r := reader{b: b, pos: HeaderSize, little: h.Flags&FlagNetworkOrder == 0}
	if h.Flags&FlagContext != 0 && h.Type.hasContext() {
		if p.Context, err = r.octets("the context"); err != nil {
			return err
		}
	}
	if err := p.decodeBody(&r); err != nil {
		return err
	}
	if r.pos != len(b) {
		return r.fail("%d octets too many after %v", len(b)-r.pos, p.Type)
	}
	return nil
}

func (p *PDU) decodeBody(r *reader) (err error) {
	switch p.Type {
	case TypeOpen:
		if p.Timeout, _, _, err = r.bytes("o.timeout"); err != nil {
			return err
		}
		if p.ID, _, err = p.oid(r, "o.id"); err != nil {
			return err
		}
		p.Descr, err = r.octets("o.descr")
		return err
	case TypeClose:
		reason, _, _, err := r.bytes("c.reason")
		p.Reason = Reason(reason)
		return err
	case TypeRegister, TypeUnregister:
		if p.Timeout, p.Priority, p.RangeSubID, err = r.bytes("timeout, priority and range"); err != nil {
			return err
		}
		if p.Type == TypeUnregister {
			p.Timeout = 0 // reserved there
		}
		if p.ID, _, err = p.oid(r, "the subtree"); err != nil || p.RangeSubID == 0 {
			return err
		}
		if int(p.RangeSubID) > len(p.ID) {
			return r.fail("part %d of the subtree is a range, and it has %d", p.RangeSubID, len(p.ID))
		}
		p.UpperBound, err = r.uint32("the upper bound")
		return err
	case TypeGetBulk:
		if p.NonRepeaters, p.MaxRepetitions, err = r.pair("g.non_repeaters"); err != nil {
			return err
		}
		return p.decodeRanges(r)
	case TypeGet, TypeGetNext:
		return p.decodeRanges(r)
	case TypeTestSet, TypeNotify, TypeIndexAllocate, TypeIndexDeallocate:
		return p.decodeVars(r)
	case TypeCommitSet, TypeUndoSet, TypeCleanupSet, TypePing:
		return nil
	case TypeAddAgentCaps:
		if p.ID, _, err = p.oid(r, "a.id"); err != nil {
			return err
		}
		p.Descr, err = r.octets("a.descr")
		return err
	case TypeRemoveAgentCaps:
		p.ID, _, err = p.oid(r, "a.id")
		return err
	case TypeResponse:
		if p.Uptime, err = r.uint32("res.sysUpTime"); err != nil {
			return err
		}
		var code uint16
		if code, p.Index, err = r.pair("res.error"); err != nil {
			return err
		}
		p.Error = Code(code)
		return p.decodeVars(r)
	}
	return &SyntaxError{1, fmt.Sprintf("there is no %v", p.Type)}
}

func (p *PDU) decodeRanges(r *reader) (err error) {
	for r.more() {
		var s Range
		if s.Start, s.Include, err = p.oid(r, "the start of a range"); err != nil {
			return err
		}
		if s.End, _, err = p.oid(r, "the end of a range"); err != nil {
			return err
		}
		p.Ranges = append(p.Ranges, s)
	}
	return nil
}

func (p *PDU) decodeVars(r *reader) error {
	for r.more() {
		v, err := p.variable(r)
		if err != nil {
			return err
		}
		p.Vars = append(p.Vars, v)
	}
	return nil
}

// variable reads a VarBind (RFC 2741, section 5.4).
func (p *PDU) variable(r *reader) (v mib.Variable, err error) {
	kind, _, err := r.pair("a variable's type")
	if err != nil {
		return v, err
	}
	if v.Name, _, err = p.oid(r, "a variable's name"); err != nil {
		return v, err
	}
	if kind > 0xff {
		return v, r.fail("%d is no type of SNMP", kind)
	}
	v.Value.Type = mib.Type(kind)
	var n uint32
	switch v.Value.Type {
	case mib.TypeInteger:
		n, err = r.uint32("an INTEGER")
		v.Value.Int = int64(int32(n))
	case mib.TypeCounter32, mib.TypeGauge32, mib.TypeTimeTicks:
		n, err = r.uint32("an unsigned number")
		v.Value.Uint = uint64(n)
	case mib.TypeCounter64:
		v.Value.Uint, err = r.uint64("a Counter64")
	case mib.TypeOctetString, mib.TypeOpaque:
		v.Value.Bytes, err = r.octets("an octet string")
	case mib.TypeIPAddress:
		v.Value.Bytes, err = r.octets("an IpAddress")
		if err == nil && len(v.Value.Bytes) != 4 {
			err = r.fail("an IpAddress of %d octets, not 4", len(v.Value.Bytes))
		}
	case mib.TypeObjectID:
		v.Value.OID, _, err = p.oid(r, "an OBJECT IDENTIFIER")
		if err == nil && len(v.Value.OID) == 0 {
			// The null identifier; SNMP writes it as 0.0.
			v.Value.OID = p.keep(0, 0)
		}
	case mib.TypeNull, mib.TypeNoSuchObject, mib.TypeNoSuchInstance, mib.TypeEndOfMIBView:
	default:
		err = r.fail("%v is no type of SNMP", v.Value.Type)
	}
	return v, err
}

// oid reads an Object Identifier (RFC 2741, section 5.1); the null identifier
// is an empty one.
func (p *PDU) oid(r *reader, what string) (o mib.OID, include bool, err error) {
	if len(r.b)-r.pos < 4 {
		return nil, false, r.short(what)
	}
	n, prefix := int(r.b[r.pos]), r.b[r.pos+1]
	include = r.b[r.pos+2] != 0
	total := n
	if prefix != 0 {
		total += 5
	}
	if total > mib.MaxOIDLen {
		return nil, false, r.fail("%s has %d parts; at most %d are allowed", what, total, mib.MaxOIDLen)
	}
	r.pos += 4
	if len(r.b)-r.pos < 4*n {
		return nil, false, r.short(what)
	}
	start := len(p.arena)
	if prefix != 0 {
		p.arena = append(p.arena, 1, 3, 6, 1, uint32(prefix))
	}
	for range n {
		part, _ := r.uint32(what)
		p.arena = append(p.arena, part)
	}
	return p.arena[start:len(p.arena):len(p.arena)], include, nil
}

func (p *PDU) keep(parts ...uint32) mib.OID {
	start := len(p.arena)
	p.arena = append(p.arena, parts...)
	return p.arena[start:len(p.arena):len(p.arena)]
}

// Detach copies the variables out of what was decoded, so that they may be
// kept.
func (p *PDU) Detach() []mib.Variable {
	vars := make([]mib.Variable, len(p.Vars))
	parts, octets := 0, 0
	for _, v := range p.Vars {
		parts += len(v.Name) + len(v.Value.OID)
		octets += len(v.Value.Bytes)
	}
	// One piece of memory each for all the OIDs and for all the octets.
	oids, bytes := make([]uint32, 0, parts), make([]byte, 0, octets)
	keep := func(o mib.OID) mib.OID {
		start := len(oids)
		oids = append(oids, o...)
		return oids[start:len(oids):len(oids)]
	}
	for i, v := range p.Vars {
		v.Name = keep(v.Name)
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

// reader walks over a PDU and stays inside.
type reader struct {
	b      []byte
	pos    int
	little bool // the byte order
}

func (r *reader) fail(format string, args ...any) error {
	return &SyntaxError{r.pos, fmt.Sprintf(format, args...)}
}

func (r *reader) short(what string) error { return r.fail("it ends within %s", what) }

func (r *reader) more() bool { return r.pos < len(r.b) }

func (r *reader) uint32(what string) (uint32, error) {
	if len(r.b)-r.pos < 4 {
		return 0, r.short(what)
	}
	b := r.b[r.pos : r.pos+4]
	r.pos += 4
	if r.little {
		return binary.LittleEndian.Uint32(b), nil
	}
	return binary.BigEndian.Uint32(b), nil
}

func (r *reader) uint64(what string) (uint64, error) {
	if len(r.b)-r.pos < 8 {
		return 0, r.short(what)
	}
	b := r.b[r.pos : r.pos+8]
	r.pos += 8
	if r.little {
		return binary.LittleEndian.Uint64(b), nil
	}
	return binary.BigEndian.Uint64(b), nil
}

// pair reads two numbers of 16 bits.
func (r *reader) pair(what string) (first, second uint16, err error) {
	if len(r.b)-r.pos < 4 {
		return 0, 0, r.short(what)
	}
	b := r.b[r.pos : r.pos+4]
	r.pos += 4
	if r.little {
		return binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), nil
	}
	return binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), nil
}

// bytes reads three octets and passes over one that is reserved.
func (r *reader) bytes(what string) (first, second, third byte, err error) {
	if len(r.b)-r.pos < 4 {
		return 0, 0, 0, r.short(what)
	}
	b := r.b[r.pos : r.pos+4]
	r.pos += 4
	return b[0], b[1], b[2], nil
}

// octets reads an Octet String (RFC 2741, section 5.3) and its padding.
func (r *reader) octets(what string) ([]byte, error) {
	length, err := r.uint32(what)
	if err != nil {
		return nil, err
	}
	n := (uint64(length) + 3) &^ 3
	if n > uint64(len(r.b)-r.pos) {
		return nil, r.fail("%s of %d octets, of which %d are there", what, length, len(r.b)-r.pos)
	}
	b := r.b[r.pos : r.pos+int(length) : r.pos+int(length)]
	r.pos += int(n)
	return b, nil
}
