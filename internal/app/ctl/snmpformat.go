package ctl

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"strconv"

	"simone/mib"
)

// appendLine writes a variable as snmpwalk -On prints it when it knows no MIB.
func appendLine(b []byte, v mib.Variable) []byte {
	b = v.Name.AppendText(b)
	b = append(b, " = "...)
	b = appendSNMPValue(b, v.Value)
	return append(b, '\n')
}

func appendSNMPValue(b []byte, v mib.Value) []byte {
	switch v.Type {
	case mib.TypeInteger:
		return strconv.AppendInt(append(b, "INTEGER: "...), v.Int, 10)
	case mib.TypeCounter32, mib.TypeGauge32, mib.TypeCounter64:
		return strconv.AppendUint(append(b, v.Type.String()+": "...), v.Uint, 10)
	case mib.TypeTimeTicks:
		return appendTicks(b, v.Uint)
	case mib.TypeOctetString:
		return appendOctetString(b, v.Bytes)
	case mib.TypeOpaque:
		return appendOpaque(b, v.Bytes)
	case mib.TypeObjectID:
		return v.OID.AppendText(append(b, "OID: "...))
	case mib.TypeIPAddress:
		a, _ := netip.AddrFromSlice(v.Bytes) // of four octets, or it would not have been decoded
		return a.AppendTo(append(b, "IpAddress: "...))
	case mib.TypeNull:
		return append(b, "NULL"...)
	case mib.TypeNoSuchObject:
		return append(b, "No Such Object available on this agent at this OID"...)
	case mib.TypeNoSuchInstance:
		return append(b, "No Such Instance currently exists at this OID"...)
	case mib.TypeEndOfMIBView:
		return append(b, "No more variables left in this MIB View (It is past the end of the MIB tree)"...)
	}
	return append(b, v.Type.String()...)
}

// appendTicks writes hundredths of a second as (4711) 0:00:47.11.
func appendTicks(b []byte, ticks uint64) []byte {
	b = fmt.Appendf(b, "Timeticks: (%d) ", ticks)
	seconds := ticks / 100
	switch days := seconds / 86400; {
	case days == 1:
		b = append(b, "1 day, "...)
	case days > 1:
		b = fmt.Appendf(b, "%d days, ", days)
	}
	return fmt.Appendf(b, "%d:%02d:%02d.%02d", seconds/3600%24, seconds/60%60, seconds%60, ticks%100)
}

// appendOctetString writes text as text and anything else in hexadecimal.
func appendOctetString(b, s []byte) []byte {
	if len(s) == 0 {
		return append(b, `""`...)
	}
	for _, c := range s {
		if !isPrint(c) && !isSpace(c) {
			return appendHex(append(b, "Hex-STRING: "...), s)
		}
	}
	b = append(b, `STRING: "`...)
	for _, c := range s {
		if c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return append(b, '"')
}

// isPrint and isSpace are those of C where no locale is set.
func isPrint(c byte) bool { return c >= ' ' && c <= '~' }
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// appendHex writes sixteen octets to a line.
func appendHex(b, s []byte) []byte {
	for i, c := range s {
		if i > 0 && i%16 == 0 {
			b = append(b, '\n')
		}
		b = fmt.Appendf(b, "%02X ", c)
	}
	return b
}

// Types that net-snmp packs into an Opaque, behind the octet 0x9f.
const (
	opaquePrefix  = 0x9f
	opaqueCounter = 0x76
	opaqueFloat   = 0x78
	opaqueDouble  = 0x79
	opaqueInt     = 0x7a
	opaqueUint    = 0x7b
)

// appendOpaque writes the numbers that net-snmp packs into an Opaque as such; a
// double it calls a float, too.
func appendOpaque(b, s []byte) []byte {
	if len(s) >= 3 && s[0] == opaquePrefix && int(s[2]) == len(s)-3 {
		inner := s[3:]
		switch kind := s[1]; {
		case kind == opaqueFloat && len(inner) == 4:
			return appendFloat(b, float64(math.Float32frombits(binary.BigEndian.Uint32(inner))))
		case kind == opaqueDouble && len(inner) == 8:
			return appendFloat(b, math.Float64frombits(binary.BigEndian.Uint64(inner)))
		case kind == opaqueInt && len(inner) > 0 && len(inner) <= 8:
			n := int64(int8(inner[0]))
			for _, c := range inner[1:] {
				n = n<<8 | int64(c)
			}
			return fmt.Appendf(b, "Opaque: Int64: %d", n)
		case (kind == opaqueUint || kind == opaqueCounter) && len(inner) <= 9:
			n := uint64(0)
			for _, c := range inner {
				n = n<<8 | uint64(c)
			}
			name := "Opaque: UInt64"
			if kind == opaqueCounter {
				name = "Opaque: Counter64"
			}
			return fmt.Appendf(b, "%s: %d", name, n)
		}
	}
	return appendHex(append(b, "OPAQUE: "...), s)
}

// appendFloat writes a float as C does, also those that are no numbers.
func appendFloat(b []byte, f float64) []byte {
	b = append(b, "Opaque: Float: "...)
	if math.Signbit(f) {
		b = append(b, '-')
	}
	switch f = math.Abs(f); {
	case math.IsNaN(f):
		return append(b, "nan"...)
	case math.IsInf(f, 0):
		return append(b, "inf"...)
	}
	return strconv.AppendFloat(b, f, 'f', 6, 64)
}
