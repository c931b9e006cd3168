package mib

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Type is the ASN.1 tag of a value as it stands on the wire (RFC 3416, 3).
type Type byte

// The value types of SNMP. Floats travel inside an Opaque, as net-snmp writes
// them; the exceptions are the "values" of RFC 3416, section 3.
const (
	TypeInteger        Type = 0x02
	TypeOctetString    Type = 0x04
	TypeNull           Type = 0x05
	TypeObjectID       Type = 0x06
	TypeIPAddress      Type = 0x40
	TypeCounter32      Type = 0x41
	TypeGauge32        Type = 0x42 // also Unsigned32
	TypeTimeTicks      Type = 0x43 // hundredths of a second
	TypeOpaque         Type = 0x44
	TypeCounter64      Type = 0x46
	TypeNoSuchObject   Type = 0x80
	TypeNoSuchInstance Type = 0x81
	TypeEndOfMIBView   Type = 0x82
)

func (t Type) String() string {
	switch t {
	case TypeInteger:
		return "INTEGER"
	case TypeOctetString:
		return "OCTET STRING"
	case TypeNull:
		return "NULL"
	case TypeObjectID:
		return "OBJECT IDENTIFIER"
	case TypeIPAddress:
		return "IpAddress"
	case TypeCounter32:
		return "Counter32"
	case TypeGauge32:
		return "Gauge32"
	case TypeTimeTicks:
		return "TimeTicks"
	case TypeOpaque:
		return "Opaque"
	case TypeCounter64:
		return "Counter64"
	case TypeNoSuchObject:
		return "noSuchObject"
	case TypeNoSuchInstance:
		return "noSuchInstance"
	case TypeEndOfMIBView:
		return "endOfMibView"
	}
	return "type 0x" + strconv.FormatUint(uint64(t), 16)
}

// Value is one SNMP value. Which field holds it follows from Type: Int for
// Integer, Uint for the counters, gauges and time ticks, Bytes for octet
// strings, IP addresses and opaques, OID for object identifiers; the others
// have none. Bytes may alias the datagram it was decoded from: copy to keep.
type Value struct {
	Type  Type
	Int   int64
	Uint  uint64
	Bytes []byte
	OID   OID
}

// Integer makes an INTEGER (Integer32).
func Integer(n int32) Value { return Value{Type: TypeInteger, Int: int64(n)} }

// Gauge makes a Gauge32 or Unsigned32.
func Gauge(n uint32) Value { return Value{Type: TypeGauge32, Uint: uint64(n)} }

// Counter32 makes a Counter32.
func Counter32(n uint32) Value { return Value{Type: TypeCounter32, Uint: uint64(n)} }

// Counter64 makes a Counter64.
func Counter64(n uint64) Value { return Value{Type: TypeCounter64, Uint: n} }

// Ticks makes a TimeTicks value, in hundredths of a second.
func Ticks(n uint32) Value { return Value{Type: TypeTimeTicks, Uint: uint64(n)} }

// Text makes an OCTET STRING from a string.
func Text(s string) Value { return Value{Type: TypeOctetString, Bytes: []byte(s)} }

// Octets makes an OCTET STRING that aliases b.
func Octets(b []byte) Value { return Value{Type: TypeOctetString, Bytes: b} }

// ObjectID makes an OBJECT IDENTIFIER that aliases o.
func ObjectID(o OID) Value { return Value{Type: TypeObjectID, OID: o} }

// IPAddress makes an IpAddress from an IPv4 address; others give 0.0.0.0.
func IPAddress(a netip.Addr) Value {
	b := [4]byte{}
	if a.Unmap().Is4() {
		b = a.Unmap().As4()
	}
	return Value{Type: TypeIPAddress, Bytes: b[:]}
}

// IsException reports whether v is noSuchObject, noSuchInstance or
// endOfMibView rather than a value.
func (v Value) IsException() bool { return v.Type >= TypeNoSuchObject }

// String renders the value for people; octet strings that are not printable
// come as hexadecimal.
func (v Value) String() string {
	switch v.Type {
	case TypeInteger:
		return strconv.FormatInt(v.Int, 10)
	case TypeCounter32, TypeGauge32, TypeTimeTicks, TypeCounter64:
		return strconv.FormatUint(v.Uint, 10)
	case TypeOctetString:
		if !printable(string(v.Bytes)) {
			return fmt.Sprintf("%x", v.Bytes)
		}
		return string(v.Bytes)
	case TypeOpaque:
		return fmt.Sprintf("%x", v.Bytes)
	case TypeObjectID:
		return v.OID.String()
	case TypeIPAddress:
		if a, ok := netip.AddrFromSlice(v.Bytes); ok {
			return a.String()
		}
		return fmt.Sprintf("%x", v.Bytes)
	}
	return v.Type.String()
}

// printable reports whether s is text that a terminal does not take for a
// control sequence.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t'
	})
}

// Variable is a name with its value: a variable binding (RFC 3416, 2.1).
type Variable struct {
	Name  OID
	Value Value
}
