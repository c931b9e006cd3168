package mib

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

func TestResolve(t *testing.T) {
	const root = ".1.3.6.1.4.1.8072.9999.9999.7466"
	for _, c := range []struct{ name, oid, back string }{
		{"simoneThresholdSplit.0", root + ".1.8.2.0", "simoneThresholdSplit.0"},
		{"SIMONE-MIB::simoneThresholdSplit.0", root + ".1.8.2.0", "simoneThresholdSplit.0"},
		{"simoneSupportTable", root + ".1.4.1", "simoneSupportTable"},
		{"simoneSupportName.17", root + ".1.4.1.1.2.17", "simoneSupportName.17"},
		{"simoneMetricValue.0.7.0", root + ".1.5.1.1.4.0.7.0", "simoneMetricValue.0.7.0"},
		{"simoneMIB", root, "simoneMIB"},
		{root + ".1.8.2.0", root + ".1.8.2.0", "simoneThresholdSplit.0"},
		{"1.3.6.1.2.1.1.3.0", ".1.3.6.1.2.1.1.3.0", ".1.3.6.1.2.1.1.3.0"},
		{root + ".1.10.5", root + ".1.10.5", "simoneResource.5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := Resolve(c.name)
			if err != nil || o.String() != c.oid {
				t.Fatalf("%v, %v, want %s", o, err, c.oid)
			}
			if got := NameOf(o); got != c.back {
				t.Errorf("back it is %s, want %s", got, c.back)
			}
		})
	}
	for name, want := range map[string]string{
		"simonethresholdsplit": "did you mean simoneThresholdSplit?",
		"thresholdSplit.0":     "did you mean simoneThresholdSplit?",
		"sysUpTime.0":          "has no object",
		"IF-MIB::ifNumber.0":   "in numbers",
		"simoneNodeId.x":       "not a number",
		"":                     "empty",
		"SIMONE-MIB::":         "empty",
		"simoneNodeId" + strings.Repeat(".1", MaxOIDLen): "more than",
	} {
		if o, err := Resolve(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Resolve(%.40q) = %v, %v, want %q", name, o, err, want)
		}
	}
}

// Every definition goes there and back, alone and with an instance.
func TestNamesRoundTrip(t *testing.T) {
	for _, o := range Objects() {
		for _, instance := range []string{"", ".0", ".4294967295"} {
			got, err := Resolve(o.Name + instance)
			if err != nil || !strings.HasSuffix(got.String(), o.OID.String()+instance) {
				t.Errorf("%s%s is %v, %v", o.Name, instance, got, err)
				continue
			}
			// .0 below a group can be another definition's own name.
			if back, _ := Locate(got); back == nil || !got.HasPrefix(back.OID) || len(back.OID) < len(o.OID) {
				t.Errorf("%v is located at %v", got, back)
			}
		}
	}
	if o, rest := Locate(OID{1, 3}); o != nil || rest != nil {
		t.Errorf("1.3 is located at %v", o)
	}
}

func TestSyntaxParse(t *testing.T) {
	for _, c := range []struct {
		object OID
		text   string
		want   Value
		err    string
	}{
		{SimoneIlmAdminStatus, "down", Integer(2), ""},
		{SimoneIlmAdminStatus, "1", Integer(1), ""},
		{SimoneIlmAdminStatus, "sideways", Value{}, "up(1), down(2)"},
		{SimoneIlmAdminStatus, "3", Value{}, "up(1), down(2)"},
		{SimoneIlmTrigger, "true", Integer(1), ""},
		{SimoneReconfigDrain, "17", Gauge(17), ""},
		{SimoneReconfigDrain, "-1", Value{}, "SimoneNodeId"},
		{SimoneNodeMetricPeriod, "5", Value{}, "100 to 3600000"},
		{SimoneThresholdSplit, "17.5", Text("17.5"), ""},
		{SimoneThresholdSplit, strings.Repeat("1", 33), Value{}, "0 to 32"},
		{SimoneNodeEpoch, "0x00010002000000000000000000000000", Octets(Epoch{0x10002}.Append(nil)), ""},
		{SimoneNodeEpoch, "0x0001", Value{}, "allowed are 16"},
		{SimoneNodeEpoch, "0x000", Value{}, "odd number"},
		{SimoneSupportName, "0xzz", Text("0xzz"), ""},
		{SimoneSupportDue, "-250", Integer(-250), ""},
	} {
		t.Run(NameOf(c.object)+"="+c.text, func(t *testing.T) {
			o, ok := ObjectByOID(c.object)
			if !ok {
				t.Fatal("no such object")
			}
			v, err := o.Syntax.Parse(c.text)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, %v, want an error with %q", v, err, c.err)
				}
				return
			}
			if err != nil || fmt.Sprint(v.Type, v) != fmt.Sprint(c.want.Type, c.want) {
				t.Errorf("%v, %v, want %v", v, err, c.want)
			}
		})
	}
}

func TestSyntaxFormat(t *testing.T) {
	o, _ := ObjectByOID(SimoneIlmOperStatus)
	for want, v := range map[string]Value{"starting": Integer(3), "9": Integer(9), "noSuchInstance": {Type: TypeNoSuchInstance}} {
		if got := o.Syntax.Format(v); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestDecimal(t *testing.T) {
	for _, f := range []float64{0, 17.5, -3, 0.1, 1e300, 5e-324, math.MaxFloat64, 1 << 53} {
		v := Decimal(f)
		if got, err := ParseDecimal(v); err != nil || got != f || len(v.Bytes) > 32 {
			t.Errorf("%g goes as %v and comes back as %g, %v", f, v, got, err)
		}
	}
	for want, f := range map[string]float64{
		"25276510208": 25276510208, "0.9372840299999999": 0.9372840299999999, "-3": -3, "0": math.Copysign(0, -1), "0.00001": 1e-5,
		"1000000000000000000000": 1e21, "99999999999999990000000000000000": 9.999999999999999e31, "1e+32": 1e32, "1.5e-31": 1.5e-31,
	} {
		if got := Decimal(f).String(); got != want {
			t.Errorf("%g goes as %s, want %s", f, got, want)
		}
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if v := Decimal(f); len(v.Bytes) != 0 {
			t.Errorf("%g goes as %v", f, v)
		}
	}
	for _, s := range []string{"", "x", "1_000", "0x10", "Inf", "NaN", "1,5", "1e999", " 1", "1e", "--1"} {
		if f, err := ParseDecimal(Text(s)); err == nil {
			t.Errorf("%q is %g", s, f)
		}
	}
	if _, err := ParseDecimal(Integer(1)); err == nil {
		t.Error("an INTEGER was taken for text")
	}
}

func TestRounded(t *testing.T) {
	for _, c := range []struct {
		f      float64
		digits int
		want   string
	}{
		{0.9372840299999999, 6, "0.937284"}, {17.499999999, 6, "17.5"}, {123456789, 6, "123457000"}, {-0.00012345678, 6, "-0.000123457"},
		{0, 6, "0"}, {0.1 + 0.2, 15, "0.3"}, {25276510208, 9, "25276510200"}, {55, 0, "60"}, {math.MaxFloat64, 1, Decimal(math.MaxFloat64).String()},
		{math.NaN(), 6, ""}, {math.Inf(-1), 6, ""},
	} {
		if got := Rounded(c.f, c.digits).String(); got != c.want {
			t.Errorf("%g to %d digits is %q, want %q", c.f, c.digits, got, c.want)
		}
	}
	if got := Temperature(16.123456789).String(); got != "16.1235" {
		t.Errorf("a temperature reads %q", got)
	}
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want float64
	}{{Integer(-2), -2}, {Gauge(7), 7}, {Counter64(1 << 40), 1 << 40}, {Ticks(100), 100}, {Text("0.25"), 0.25}} {
		if got, err := Number(c.v); err != nil || got != c.want {
			t.Errorf("%v is %g, %v", c.v, got, err)
		}
	}
	for _, v := range []Value{{Type: TypeNoSuchInstance}, {Type: TypeNull}, ObjectID(OID{1}), Text("many")} {
		if f, err := Number(v); err == nil {
			t.Errorf("%v is %g", v, f)
		}
	}
}

func TestGaugesSaturate(t *testing.T) {
	for _, c := range []struct {
		name string
		got  Value
		want uint64
	}{
		{"Hundredths", Hundredths(17.505), 1751},
		{"HundredthsBelow", Hundredths(-1), 0},
		{"HundredthsAbove", Hundredths(1e9), math.MaxUint32},
		{"HundredthsNaN", Hundredths(math.NaN()), 0},
		{"Millis", Millis(1500 * time.Microsecond), 1},
		{"MillisBelow", Millis(-time.Second), 0},
		{"MillisAbove", Millis(math.MaxInt64), math.MaxUint32},
		{"Micros", Micros(1500 * time.Microsecond), 1500},
		{"Unsigned", Unsigned(-1), 0},
	} {
		if c.got.Type != TypeGauge32 || c.got.Uint != c.want {
			t.Errorf("%s: %v, want %d", c.name, c.got, c.want)
		}
	}
	for d, want := range map[time.Duration]int64{-1500 * time.Millisecond: -1500, math.MaxInt64: math.MaxInt32, math.MinInt64: math.MinInt32} {
		if got := SignedMillis(d); got.Int != want {
			t.Errorf("%v is %v, want %d", d, got, want)
		}
	}
}

func TestTruth(t *testing.T) {
	for v, want := range map[int32]bool{1: true, 2: false, 0: false} {
		if IsTrue(Integer(v)) != want {
			t.Errorf("%d", v)
		}
	}
	if IsTrue(Gauge(1)) || !IsTrue(Truth(true)) || IsTrue(Truth(false)) || Truth(false).Int != 2 {
		t.Error("Truth and IsTrue do not fit together")
	}
}

// RFC 2579, DateAndTime: the example "1992-5-26,13:30:15.0,-4:0".
func TestDateAndTime(t *testing.T) {
	example := time.Date(1992, 5, 26, 13, 30, 15, 0, time.FixedZone("", -4*3600))
	v := DateAndTime(example)
	if got := fmt.Sprintf("%x", v.Bytes); got != "07c8051a0d1e0f002d0400" {
		t.Errorf("packed as %s", got)
	}
	for _, at := range []time.Time{example, time.Date(2026, 11, 20, 0, 0, 0, 900_000_000, time.UTC), time.Date(2026, 1, 31, 23, 59, 59, 0, time.FixedZone("", 5*3600+1800))} {
		if got, err := ParseDateAndTime(DateAndTime(at)); err != nil || !got.Equal(at) {
			t.Errorf("%v comes back as %v, %v", at, got, err)
		}
	}
	if got, err := ParseDateAndTime(Octets(v.Bytes[:8])); err != nil || !got.Equal(time.Date(1992, 5, 26, 13, 30, 15, 0, time.UTC)) {
		t.Errorf("without a zone it is %v, %v", got, err)
	}
	for _, bad := range [][]byte{nil, v.Bytes[:9], {7, 200, 13, 1, 0, 0, 0, 0}, {7, 200, 1, 1, 24, 0, 0, 0}, {7, 200, 1, 1, 0, 0, 0, 0, '*', 0, 0}} {
		if got, err := ParseDateAndTime(Octets(bad)); err == nil {
			t.Errorf("%x is %v", bad, got)
		}
	}
}

func TestTxnFuncs(t *testing.T) {
	var none TxnFuncs
	if none.Commit() != nil || none.Undo() != nil {
		t.Error("without functions something fails")
	}
	none.Cleanup()
	fails := TxnFuncs{
		OnCommit: func() error { return fmt.Errorf("write: %w", Refuse(ResourceUnavailable, 3, "full")) },
		OnUndo:   func() error { return fmt.Errorf("gone") },
	}
	if e := fails.Commit(); e == nil || e.Status != ResourceUnavailable || e.Index != 3 {
		t.Errorf("Commit = %v", e)
	}
	if e := fails.Undo(); e == nil || e.Status != UndoFailed || e.Index != -1 {
		t.Errorf("Undo = %v", e)
	}
	nothing := TxnFuncs{OnCommit: func() error { var e *SetError; return e }}
	if e := nothing.Commit(); e != nil {
		t.Errorf("a nil *SetError counts as an error: %v", e)
	}
}
