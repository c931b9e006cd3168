package agentx

import (
	"encoding/binary"
	"fmt"
	"math"

	"simone/mib"
)

// Append encodes the PDU behind b, in the byte order that Flags say; if b has
// room, nothing is allocated. On an error b is returned as it was.
func (p *PDU) Append(b []byte) ([]byte, error) {
	w := writer{b: b, little: p.Flags&FlagNetworkOrder == 0}
	start := len(b)
	flags := p.Flags
	if !p.Type.hasContext() {
		flags &^= FlagContext
	}
	w.bytes(version, byte(p.Type), byte(flags))
	w.uint32(p.Session)
	w.uint32(p.Transaction)
	w.uint32(p.Packet)
	w.uint32(0) // the length, to be filled in
	if flags&FlagContext != 0 {
		w.octets(p.Context)
	}
	if err := p.appendBody(&w); err != nil {
		return b, fmt.Errorf("encode %v: %w", p.Type, err)
	}
	length := len(w.b) - start - HeaderSize
	if length > math.MaxInt32 {
		return b, fmt.Errorf("encode %v: %d octets are too many", p.Type, length)
	}
	if w.little {
		binary.LittleEndian.PutUint32(w.b[start+16:], uint32(length))
	} else {
		binary.BigEndian.PutUint32(w.b[start+16:], uint32(length))
	}
	return w.b, nil
}

func (p *PDU) appendBody(w *writer) error {
	switch p.Type {
	case TypeOpen:
		w.bytes(p.Timeout, 0, 0)
		if err := w.oid(p.ID, false); err != nil {
			return err
		}
		w.octets(p.Descr)
	case TypeClose:
		w.bytes(byte(p.Reason), 0, 0)
	case TypeRegister, TypeUnregister:
		timeout := p.Timeout
		if p.Type == TypeUnregister {
			timeout = 0
		}
		if int(p.RangeSubID) > len(p.ID) {
			return fmt.Errorf("part %d of %v is to be a range, and it has %d", p.RangeSubID, p.ID, len(p.ID))
		}
		w.bytes(timeout, p.Priority, p.RangeSubID)
		if err := w.oid(p.ID, false); err != nil {
			return err
		}
		if p.RangeSubID != 0 {
			w.uint32(p.UpperBound)
		}
	case TypeGet, TypeGetNext, TypeGetBulk:
		if p.Type == TypeGetBulk {
			w.pair(p.NonRepeaters, p.MaxRepetitions)
		}
		for _, r := range p.Ranges {
			if err := w.oid(r.Start, r.Include); err != nil {
				return err
			}
			if err := w.oid(r.End, false); err != nil {
				return err
			}
		}
	case TypeTestSet, TypeNotify, TypeIndexAllocate, TypeIndexDeallocate:
		return w.vars(p.Vars)
	case TypeCommitSet, TypeUndoSet, TypeCleanupSet, TypePing:
	case TypeAddAgentCaps, TypeRemoveAgentCaps:
		if err := w.oid(p.ID, false); err != nil {
			return err
		}
		if p.Type == TypeAddAgentCaps {
			w.octets(p.Descr)
		}
	case TypeResponse:
		w.uint32(p.Uptime)
		w.pair(uint16(p.Error), p.Index)
		return w.vars(p.Vars)
	default:
		return fmt.Errorf("there is no such PDU")
	}
	return nil
}

// check says whether SNMP can carry the variable, by the rules that the
// built-in responder has.
func check(v mib.Variable) error {
	if err := checkOID(v.Name); err != nil {
		return err
	}
	switch v.Value.Type {
	case mib.TypeInteger:
		if v.Value.Int != int64(int32(v.Value.Int)) {
			return fmt.Errorf("INTEGER %d does not fit 32 bits", v.Value.Int)
		}
	case mib.TypeCounter32, mib.TypeGauge32, mib.TypeTimeTicks:
		if v.Value.Uint > math.MaxUint32 {
			return fmt.Errorf("%v %d does not fit 32 bits", v.Value.Type, v.Value.Uint)
		}
	case mib.TypeIPAddress:
		if len(v.Value.Bytes) != 4 {
			return fmt.Errorf("IpAddress of %d octets, not 4", len(v.Value.Bytes))
		}
	case mib.TypeObjectID:
		return checkOID(v.Value.OID)
	case mib.TypeCounter64, mib.TypeOctetString, mib.TypeOpaque,
		0, mib.TypeNull, mib.TypeNoSuchObject, mib.TypeNoSuchInstance, mib.TypeEndOfMIBView:
	default:
		return fmt.Errorf("%v is no type of SNMP", v.Value.Type)
	}
	return nil
}

// checkOID holds an OID to what BER can carry: AgentX could carry more, but
// the snmpd has to pass it on.
func checkOID(o mib.OID) error {
	switch {
	case len(o) > mib.MaxOIDLen:
		return fmt.Errorf("OID of %d parts; at most %d are allowed", len(o), mib.MaxOIDLen)
	case len(o) > 0 && o[0] > 2:
		return fmt.Errorf("OID %v begins with %d; only 0, 1 and 2 can", o, o[0])
	case len(o) > 1 && o[0] < 2 && o[1] > 39:
		return fmt.Errorf("OID %v: the second part is at most 39 under %d", o, o[0])
	}
	return nil
}

// writer appends in one byte order.
type writer struct {
	b      []byte
	little bool
}

func (w *writer) uint32(n uint32) {
	if w.little {
		w.b = binary.LittleEndian.AppendUint32(w.b, n)
	} else {
		w.b = binary.BigEndian.AppendUint32(w.b, n)
	}
}

func (w *writer) uint64(n uint64) {
	if w.little {
		w.b = binary.LittleEndian.AppendUint64(w.b, n)
	} else {
		w.b = binary.BigEndian.AppendUint64(w.b, n)
	}
}

// pair appends two numbers of 16 bits.
func (w *writer) pair(first, second uint16) {
	if w.little {
		w.b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(w.b, first), second)
	} else {
		w.b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(w.b, first), second)
	}
}

// bytes appends three octets and a reserved one.
func (w *writer) bytes(first, second, third byte) { w.b = append(w.b, first, second, third, 0) }

// octets appends an Octet String with its padding (RFC 2741, section 5.3).
func (w *writer) octets(s []byte) {
	w.uint32(uint32(len(s)))
	w.b = append(w.b, s...)
	for n := len(s); n%4 != 0; n++ {
		w.b = append(w.b, 0)
	}
}

// oid appends an Object Identifier (RFC 2741, section 5.1), with 1.3.6.1 and
// the part after it as a prefix where it can be.
func (w *writer) oid(o mib.OID, include bool) error {
	if len(o) > mib.MaxOIDLen {
		return fmt.Errorf("OID of %d parts; at most %d are allowed", len(o), mib.MaxOIDLen)
	}
	var prefix, flag byte
	if len(o) > 4 && o[0] == 1 && o[1] == 3 && o[2] == 6 && o[3] == 1 && o[4] > 0 && o[4] <= math.MaxUint8 {
		prefix = byte(o[4])
		o = o[5:]
	}
	if include {
		flag = 1
	}
	w.bytes(byte(len(o)), prefix, flag)
	for _, part := range o {
		w.uint32(part)
	}
	return nil
}

func (w *writer) vars(vars []mib.Variable) error {
	for i := range vars {
		if err := w.variable(&vars[i]); err != nil {
			return fmt.Errorf("variable %d: %w", i+1, err)
		}
	}
	return nil
}

// variable appends a VarBind (RFC 2741, section 5.4). A zero Type counts as
// Null.
func (w *writer) variable(v *mib.Variable) error {
	if err := check(*v); err != nil {
		return err
	}
	kind := v.Value.Type
	if kind == 0 {
		kind = mib.TypeNull
	}
	w.pair(uint16(kind), 0)
	if err := w.oid(v.Name, false); err != nil {
		return err
	}
	switch kind {
	case mib.TypeInteger:
		w.uint32(uint32(int32(v.Value.Int)))
	case mib.TypeCounter32, mib.TypeGauge32, mib.TypeTimeTicks:
		w.uint32(uint32(v.Value.Uint))
	case mib.TypeCounter64:
		w.uint64(v.Value.Uint)
	case mib.TypeOctetString, mib.TypeOpaque, mib.TypeIPAddress:
		w.octets(v.Value.Bytes)
	case mib.TypeObjectID:
		o := v.Value.OID
		if len(o) == 2 && o[0] == 0 && o[1] == 0 {
			o = nil // the null identifier
		}
		return w.oid(o, false)
	}
	return nil
}
