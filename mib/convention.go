package mib

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// IlmAdmin is what a node is told to be (simoneIlmAdminStatus).
type IlmAdmin int32

// The administrative states.
const (
	IlmAdminUp   IlmAdmin = 1
	IlmAdminDown IlmAdmin = 2
)

func (s IlmAdmin) String() string { return label(SimoneIlmAdminStatus, int32(s)) }

// IlmStatus is how far a node is in being an ILM (simoneIlmOperStatus).
type IlmStatus int32

// The operational states.
const (
	IlmUp       IlmStatus = 1
	IlmDown     IlmStatus = 2
	IlmStarting IlmStatus = 3
	IlmDraining IlmStatus = 4
)

func (s IlmStatus) String() string { return label(SimoneIlmOperStatus, int32(s)) }

// PollStatus is what came of a manager's polls of a node
// (simoneSupportOperStatus).
type PollStatus int32

// The poll states.
const (
	PollWaiting PollStatus = 1
	PollUp      PollStatus = 2
	PollFailing PollStatus = 3
	PollStopped PollStatus = 4 // only the TLM knows
)

func (s PollStatus) String() string { return label(SimoneSupportOperStatus, int32(s)) }

// ReconfigMode says whether policies act (simoneReconfigMode).
type ReconfigMode int32

// The modes.
const (
	ReconfigAutomatic ReconfigMode = 1
	ReconfigFixed     ReconfigMode = 2
)

func (m ReconfigMode) String() string { return label(SimoneReconfigMode, int32(m)) }

// label names an enumerated number as the MIB does.
func label(object OID, n int32) string {
	o, ok := ObjectByOID(object)
	if ok {
		if s, ok := o.Syntax.Label(n); ok {
			return s
		}
	}
	return strconv.Itoa(int(n))
}

// Never stands for an age that there is not: what it would count from has
// not happened (simoneIlmLastRound, simoneSupportLastPoll).
const Never = math.MaxUint32

// Truth makes a TruthValue (RFC 2579).
func Truth(b bool) Value {
	if b {
		return Integer(1)
	}
	return Integer(2)
}

// IsTrue reads a TruthValue.
func IsTrue(v Value) bool { return v.Type == TypeInteger && v.Int == 1 }

// maxDecimal is the size of a SimoneDecimal, and of a metric's value.
const maxDecimal = 32

// Decimal makes a SimoneDecimal, or a metric's value: the shortest decimal
// number that reads back as f, with an exponent only where it would not fit
// without. What is not a finite number becomes empty.
func Decimal(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Text("")
	}
	if f == 0 {
		f = 0 // also minus zero
	}
	b := strconv.AppendFloat(nil, f, 'f', -1, 64)
	if len(b) > maxDecimal {
		b = strconv.AppendFloat(b[:0], f, 'e', -1, 64)
	}
	return Octets(b)
}

// Rounded is Decimal for what was computed of measurements: f to so many
// significant digits.
func Rounded(f float64, digits int) Value {
	near, err := strconv.ParseFloat(strconv.FormatFloat(f, 'e', max(digits, 1)-1, 64), 64)
	if err != nil { // rounded up beyond what a float64 holds
		near = f
	}
	return Decimal(near)
}

// temperatureDigits is more than any measurement of time is good for.
const temperatureDigits = 6

// Temperature makes a SimoneDecimal of a temperature in stu, rounded to six
// significant digits.
func Temperature(stu float64) Value { return Rounded(stu, temperatureDigits) }

// ParseDecimal reads a SimoneDecimal.
func ParseDecimal(v Value) (float64, error) {
	if v.Type != TypeOctetString {
		return 0, fmt.Errorf("a decimal number is an OCTET STRING, not %v", v.Type)
	}
	// ParseFloat would take hexadecimal, underscores, Inf and NaN as well.
	s := string(v.Bytes)
	if s == "" || strings.Trim(s, "+-.0123456789eE") != "" {
		return 0, fmt.Errorf("%q is not a decimal number; write it as 17.5", s)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a decimal number; write it as 17.5", s)
	}
	return f, nil
}

// Number reads any numeric value: counters, gauges, integers, time ticks (in
// hundredths of a second), and text that is a decimal number.
func Number(v Value) (float64, error) {
	switch v.Type {
	case TypeInteger:
		return float64(v.Int), nil
	case TypeCounter32, TypeGauge32, TypeTimeTicks, TypeCounter64:
		return float64(v.Uint), nil
	case TypeOctetString:
		return ParseDecimal(v)
	}
	return 0, fmt.Errorf("%v is not a number", v.Type)
}

// Hundredths makes a SimoneHundredths: f times 100, rounded, within 32 bits.
func Hundredths(f float64) Value { return Gauge(saturate(f * 100)) }

// Millis makes a Gauge32 or Unsigned32 in milliseconds, within 32 bits.
func Millis(d time.Duration) Value { return Gauge(saturate(float64(d.Milliseconds()))) }

// Micros makes a Gauge32 or Unsigned32 in microseconds, within 32 bits.
func Micros(d time.Duration) Value { return Gauge(saturate(float64(d.Microseconds()))) }

func saturate(f float64) uint32 {
	switch f = math.Round(f); {
	case !(f > 0): // also not a number
		return 0
	case f >= math.MaxUint32:
		return math.MaxUint32
	}
	return uint32(f)
}

// SignedMillis makes an Integer32 in milliseconds, within 32 bits.
func SignedMillis(d time.Duration) Value {
	return Integer(int32(min(max(d.Milliseconds(), math.MinInt32), math.MaxInt32)))
}

// Unsigned makes a Gauge32 or Unsigned32 of a count, within 32 bits.
func Unsigned(n int) Value { return Gauge(saturate(float64(n))) }

// DateAndTime makes a DateAndTime (RFC 2579) of 11 octets, to a tenth of a
// second, with the offset of t's own location.
func DateAndTime(t time.Time) Value {
	b := binary.BigEndian.AppendUint16(nil, uint16(t.Year()))
	b = append(b, byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()),
		byte(t.Nanosecond()/100_000_000))
	_, offset := t.Zone()
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	return Octets(append(b, sign, byte(offset/3600), byte(offset%3600/60)))
}

// ParseDateAndTime reads a DateAndTime of 8 octets (then in UTC) or of 11.
func ParseDateAndTime(v Value) (time.Time, error) {
	b := v.Bytes
	if v.Type != TypeOctetString || len(b) != 8 && len(b) != 11 {
		return time.Time{}, fmt.Errorf("a DateAndTime has 8 or 11 octets, not %d", len(b))
	}
	if b[2] < 1 || b[2] > 12 || b[3] < 1 || b[3] > 31 || b[4] > 23 || b[5] > 59 || b[6] > 60 || b[7] > 9 {
		return time.Time{}, fmt.Errorf("%x is not a DateAndTime: a field is out of range", b)
	}
	zone := time.UTC
	if len(b) == 11 {
		offset := int(b[9])*3600 + int(b[10])*60
		if b[8] != '+' && b[8] != '-' || b[9] > 13 || b[10] > 59 {
			return time.Time{}, fmt.Errorf("%x is not a DateAndTime: the offset is out of range", b)
		}
		if b[8] == '-' {
			offset = -offset
		}
		zone = time.FixedZone("", offset)
	}
	return time.Date(int(binary.BigEndian.Uint16(b)), time.Month(b[2]), int(b[3]), int(b[4]), int(b[5]), int(b[6]),
		int(b[7])*100_000_000, zone), nil
}
