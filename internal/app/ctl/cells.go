package ctl

import (
	"math"
	"time"

	"simone/mib"
)

// cells are values by object: of a row, or of scalars. What is absent reads
// as the zero value of what it is read as, or as nil where the result is a
// pointer.
type cells map[string]mib.Value

// value gives an object's value; false for none and for exceptions.
func (c cells) value(object mib.OID) (mib.Value, bool) {
	v, ok := c[object.String()]
	return v, ok && !v.IsException() && v.Type != mib.TypeNull
}

// text reads an octet string, without what would move a terminal's cursor.
func (c cells) text(object mib.OID) string {
	v, ok := c.value(object)
	if !ok || v.Type != mib.TypeOctetString {
		return ""
	}
	return v.String()
}

// label reads an enumerated number by its name in the MIB.
func (c cells) label(object mib.OID) string {
	v, ok := c.value(object)
	o, known := mib.ObjectByOID(object)
	if !ok || !known {
		return ""
	}
	return o.Syntax.Format(v)
}

// integer reads an INTEGER.
func (c cells) integer(object mib.OID) int32 {
	v, _ := c.value(object)
	return int32(v.Int)
}

// number reads a count, counter or gauge.
func (c cells) number(object mib.OID) uint32 {
	v, _ := c.value(object)
	return uint32(v.Uint)
}

func (c cells) node(object mib.OID) mib.NodeID { return mib.NodeID(c.number(object)) }

func (c cells) truth(object mib.OID) bool {
	v, _ := c.value(object)
	return mib.IsTrue(v)
}

// decimal reads a SimoneDecimal; nil if it is empty.
func (c cells) decimal(object mib.OID) *float64 {
	v, ok := c.value(object)
	if !ok {
		return nil
	}
	f, err := mib.ParseDecimal(v)
	if err != nil {
		return nil
	}
	return &f
}

// hundredths reads a SimoneHundredths.
func (c cells) hundredths(object mib.OID) *float64 {
	v, ok := c.value(object)
	if !ok {
		return nil
	}
	f := float64(v.Uint) / 100
	return &f
}

// seconds reads an age in milliseconds as seconds; nil for Never.
func (c cells) seconds(object mib.OID) *float64 {
	v, ok := c.value(object)
	if !ok || v.Uint == mib.Never {
		return nil
	}
	f := float64(v.Uint) / 1000
	return &f
}

// millis reads microseconds as milliseconds.
func (c cells) millis(object mib.OID) *float64 {
	v, ok := c.value(object)
	if !ok {
		return nil
	}
	f := float64(v.Uint) / 1000
	return &f
}

// time reads a DateAndTime, in this machine's zone.
func (c cells) time(object mib.OID) time.Time {
	v, ok := c.value(object)
	if !ok {
		return time.Time{}
	}
	t, err := mib.ParseDateAndTime(v)
	if err != nil {
		return time.Time{}
	}
	return t
}

// epoch reads a SimoneEpoch; empty for the zero epoch.
func (c cells) epoch(object mib.OID) string {
	v, ok := c.value(object)
	if !ok {
		return ""
	}
	e, err := mib.ParseEpoch(v.Bytes)
	if err != nil || e.IsZero() {
		return ""
	}
	return e.String()
}

// duration makes a time.Duration of seconds as cells.seconds gives them.
func duration(seconds float64) time.Duration {
	return time.Duration(math.Round(seconds * float64(time.Second)))
}
