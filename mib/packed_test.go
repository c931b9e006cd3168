package mib

import (
	"bytes"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func exampleApply() Apply {
	return Apply{
		Stage: []SupportRow{
			{Node: 17, Epoch: Epoch{0x10002, 0x30004}, Slot: 9, Due: -1500 * time.Millisecond, Interval: time.Second,
				Kind: KindLeaf, Name: "n17", Address: "127.0.0.17:1161", Profile: "simone", Credential: "public"},
			{Node: math.MaxUint32, Epoch: Epoch{1, 2, 3, math.MaxUint32}, Slot: math.MaxUint32, Due: time.Hour, Interval: 0,
				Kind: KindDevice, Address: "[::1]:161"},
		},
		Destroy: []Tombstone{{Node: 4, Epoch: Epoch{0x10001}}},
	}
}

func exampleSample() Sample {
	return Sample{RTT: 210 * time.Microsecond, Cost: 12 * time.Microsecond, Values: []MetricValue{
		{MetricNumber("simone", "load1"), 0, 0.25}, {7, 3, -1}, {1, math.MaxUint32, 1 << 60}, {2, 0, math.Inf(1)}, {3, 0, 1e-300},
	}}
}

func exampleRecord() Record {
	return Record{Seq: 5, Kind: RecordSample, Node: 17, Slot: 9, Age: 42 * time.Millisecond, Payload: exampleSample().Append(nil)}
}

func exampleFence() Fence { return Fence{Parent: 1, Own: Epoch{0x20001, 5}, Term: 2, Seq: 77} }

func TestPackedRoundTrips(t *testing.T) {
	t.Run("Apply", func(t *testing.T) {
		want := exampleApply()
		got, err := ParseApply(want.Append(nil))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	})
	t.Run("Sample", func(t *testing.T) {
		want := exampleSample()
		got, err := ParseSample(want.Append(nil))
		slices.SortFunc(want.Values, compareValues)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	})
	t.Run("Record", func(t *testing.T) {
		want := exampleRecord()
		got, err := ParseRecord(5, want.Append(nil))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	})
	t.Run("Fence", func(t *testing.T) {
		want := exampleFence()
		got, err := ParseFence(want.Append(nil))
		if err != nil || got != want {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	})
	t.Run("Digest", func(t *testing.T) {
		var want Digest
		want.Add(17, Epoch{1})
		got, err := ParseDigest(want.Append(nil))
		if err != nil || got != want {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
	})
}

// Cut anywhere, packed content is refused and never half taken; longer than
// it should be too.
func TestPackedTruncated(t *testing.T) {
	for name, c := range map[string]struct {
		packed []byte
		parse  func([]byte) error
		whole  []int // lengths at which a prefix is whole by itself
	}{
		"Apply":  {Apply{Stage: exampleApply().Stage[:1]}.Append(nil), func(b []byte) error { _, err := ParseApply(b); return err }, []int{1}},
		"Fence":  {exampleFence().Append(nil), func(b []byte) error { _, err := ParseFence(b); return err }, nil},
		"Epoch":  {Epoch{1}.Append(nil), func(b []byte) error { _, err := ParseEpoch(b); return err }, nil},
		"Digest": {Digest{1, 2}.Append(nil), func(b []byte) error { _, err := ParseDigest(b); return err }, nil},
		"Sample": {exampleSample().Append(nil), func(b []byte) error { _, err := ParseSample(b); return err }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.parse(c.packed); err != nil {
				t.Fatal(err)
			}
			for n := range c.packed {
				err := c.parse(c.packed[:n])
				if whole := len(c.whole) > 0 && c.whole[0] == n; (err == nil) != whole {
					t.Errorf("%d of %d octets: %v", n, len(c.packed), err)
				}
			}
			if err := c.parse(append(bytes.Clone(c.packed), 0)); err == nil {
				t.Error("it is taken with an octet too many")
			}
		})
	}
}

func TestParseApplyRefuses(t *testing.T) {
	row := exampleApply().Stage[0]
	long := row
	long.Name = strings.Repeat("x", 256)
	for name, c := range map[string]struct {
		packed []byte
		want   string // in the error
	}{
		"Empty":     {nil, "end in the middle"},
		"Version":   {[]byte{9}, "version 9"},
		"Operation": {[]byte{1, 7}, "row 1: unknown operation 7"},
		"LongName":  {Apply{Stage: []SupportRow{row, long}}.Append(nil), "row 2: length of name 256 is above 255"},
		"TooMuch":   {make([]byte, MaxApply+1), "at most 1300"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseApply(c.packed); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestSupportRowLen(t *testing.T) {
	one, two := Apply{Stage: exampleApply().Stage[:1]}, exampleApply()
	two.Destroy = nil
	if got := len(two.Append(nil)) - len(one.Append(nil)); got != two.Stage[1].Len() {
		t.Errorf("the row takes %d octets, Len says %d", got, two.Stage[1].Len())
	}
}

func TestFenceOrder(t *testing.T) {
	base := Fence{Parent: 1, Own: Epoch{5}, Term: 5, Seq: 5}
	for name, f := range map[string]Fence{
		"Epoch": {Own: Epoch{6}, Term: 1, Seq: 1},
		"Term":  {Own: Epoch{5}, Term: 6, Seq: 1},
		"Seq":   {Own: Epoch{5}, Term: 5, Seq: 6},
	} {
		if f.Compare(base) <= 0 || base.Compare(f) >= 0 {
			t.Errorf("%s: a higher one does not order above", name)
		}
	}
	other := base
	other.Parent = 9
	if base.Compare(other) != 0 {
		t.Error("the parent's NodeID takes part in the order")
	}
}

func TestEpochOrder(t *testing.T) {
	inOrder := []Epoch{{}, {0, 0, 0, 1}, {0, 1}, {0, 1, 0, 9}, {1}, {1, 0, 2}, {0x10000}}
	for i := range inOrder {
		for j := range inOrder {
			if got := inOrder[i].Less(inOrder[j]); got != (i < j) {
				t.Errorf("%v before %v: %v", inOrder[i], inOrder[j], got)
			}
		}
	}
	if e := (Epoch{0x20003, 0x10000}); e.String() != "2.3/1.0" || e.Term(0) != 2 || e.Term(1) != 1 || e.IsZero() {
		t.Errorf("%v, terms %d and %d", e, e.Term(0), e.Term(1))
	}
	if s := (Epoch{}).String(); s != "0.0" {
		t.Errorf("the zero epoch is %s", s)
	}
}

func TestDigest(t *testing.T) {
	var a, b Digest
	a.Add(1, Epoch{1})
	a.Add(2, Epoch{1})
	b.Add(2, Epoch{1})
	if a == b {
		t.Error("different lists, equal digests")
	}
	b.Add(1, Epoch{2})
	if a == b {
		t.Error("different epochs, equal digests")
	}
	b.Remove(1, Epoch{2})
	b.Add(1, Epoch{1})
	if a != b {
		t.Error("equal lists, different digests")
	}
}

func TestOIDText(t *testing.T) {
	for text, want := range map[string]string{
		"1.3.6": ".1.3.6", ".1.3": ".1.3", "0": ".0", "4294967295": ".4294967295",
	} {
		if o, err := ParseOID(text); err != nil || o.String() != want {
			t.Errorf("ParseOID(%q) = %v, %v", text, o, err)
		}
	}
	for _, text := range []string{"", ".", "..1", "1..2", "1.", "1.x", "-1", "4294967296", strings.Repeat(".1", MaxOIDLen+1)} {
		if o, err := ParseOID(text); err == nil {
			t.Errorf("ParseOID(%q) = %v", text, o)
		}
	}
}

func TestOIDAppendCopies(t *testing.T) {
	o := append(make(OID, 0, 10), 1, 2)
	a, b := o.Append(3), o.Append(4)
	if a.Equal(b) || !a.HasPrefix(o) || o.HasPrefix(a) || len(o) != 2 {
		t.Errorf("%v and %v of %v", a, b, o)
	}
}

func TestValueString(t *testing.T) {
	for want, v := range map[string]Value{
		"-5": Integer(-5), "4294967295": Gauge(math.MaxUint32), "18446744073709551615": Counter64(math.MaxUint64),
		"text": Text("text"), "grün": Text("grün"), "00ff": Octets([]byte{0, 255}), "80ff": Octets([]byte{0x80, 0xff}),
		"c29b31": Text("\u009b1"), // a terminal would take U+009B for an escape sequence
		".1.3":   ObjectID(OID{1, 3}), "10.0.0.1": IPAddress(netip.MustParseAddr("10.0.0.1")), "0.0.0.0": IPAddress(netip.IPv6Loopback()),
		"noSuchObject": {Type: TypeNoSuchObject}, "endOfMibView": {Type: TypeEndOfMIBView}, "NULL": {Type: TypeNull},
	} {
		if got := v.String(); got != want {
			t.Errorf("%v %q, want %q", v.Type, got, want)
		}
	}
}

func FuzzParseOID(f *testing.F) {
	for _, s := range []string{"1.3.6.1", ".1", "", "..", "1.4294967295", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := ParseOID(s)
		if err != nil {
			return
		}
		if len(o) == 0 || len(o) > MaxOIDLen {
			t.Fatalf("%q gives %d parts", s, len(o))
		}
		if again, err := ParseOID(o.String()); err != nil || !again.Equal(o) {
			t.Fatalf("%q gives %v and that %v, %v", s, o, again, err)
		}
	})
}

func FuzzParseEpoch(f *testing.F) {
	f.Add(Epoch{1, 2, 3, 4}.Append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := ParseEpoch(b); err == nil && !bytes.Equal(e.Append(nil), b) {
			t.Fatalf("%x gives %v", b, e)
		}
	})
}

func FuzzParseFence(f *testing.F) {
	f.Add(exampleFence().Append(nil))
	f.Add(make([]byte, FenceLen-1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := ParseFence(b); err == nil && !bytes.Equal(v.Append(nil), b) {
			t.Fatalf("%x gives %v", b, v)
		}
	})
}

func FuzzParseApply(f *testing.F) {
	f.Add(exampleApply().Append(nil))
	f.Add(Apply{}.Append(nil))
	f.Add([]byte{1, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseApply(b)
		if err != nil {
			if len(a.Stage)+len(a.Destroy) > 0 {
				t.Fatalf("%x is refused (%v) and half taken", b, err)
			}
			return
		}
		packed := a.Append(nil)
		if len(packed) > len(b) { // ours is the shortest form
			t.Fatalf("%d octets pack into %d", len(b), len(packed))
		}
		if again, err := ParseApply(packed); err != nil || !bytes.Equal(again.Append(nil), packed) {
			t.Fatalf("%x gives %+v and that %+v, %v", b, a, again, err)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add(exampleRecord().Append(nil))
	f.Add(Record{Kind: RecordFailing, Node: 3}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRecord(1, b)
		if err != nil {
			return
		}
		again, err := ParseRecord(1, r.Append(nil))
		if err != nil || again.Kind != r.Kind || again.Node != r.Node || again.Slot != r.Slot || again.Age != r.Age ||
			!bytes.Equal(again.Payload, r.Payload) {
			t.Fatalf("%x gives %+v and that %+v, %v", b, r, again, err)
		}
	})
}

func FuzzParseSample(f *testing.F) {
	f.Add(exampleSample().Append(nil))
	f.Add([]byte{0, 0, 255, 255, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSample(b)
		if err != nil {
			return
		}
		packed := s.Append(nil) // compared packed: NaN does not equal itself
		if again, err := ParseSample(packed); err != nil || !bytes.Equal(again.Append(nil), packed) {
			t.Fatalf("%x gives %+v and that %+v, %v", b, s, again, err)
		}
	})
}

// What was read of tables comes back in order of metric and instance, and takes
// few octets; rates have seven digits.
func TestSampleOfTables(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Custom(func(t *rapid.T) float64 {
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				return float64(rapid.Int64Range(-1<<52, 1<<52).Draw(t, "whole"))
			case 1:
				return rapid.Float64().Draw(t, "any")
			}
			f, _ := strconv.ParseFloat(strconv.FormatFloat(rapid.Float64Range(0, 1e9).Draw(t, "rate"), 'g', 7, 64), 64)
			return f
		})
		s := Sample{RTT: time.Millisecond, Values: rapid.SliceOf(rapid.Custom(func(t *rapid.T) MetricValue {
			return MetricValue{Metric: rapid.Uint32Range(0, 5).Draw(t, "metric"), Instance: rapid.Uint32().Draw(t, "instance"), Value: rate.Draw(t, "value")}
		})).Draw(t, "values")}
		got, err := ParseSample(s.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(s.Values, func(v MetricValue) bool { return v.Instance != 0 }) {
			slices.SortStableFunc(s.Values, compareValues)
		}
		if got.RTT != s.RTT || !slices.Equal(got.Values, s.Values) {
			t.Fatalf("%+v\nis not\n%+v", got.Values, s.Values)
		}
	})
	var ports Sample
	for metric := range uint32(12) {
		for port := range uint32(48) {
			ports.Values = append(ports.Values, MetricValue{Metric: 1<<30 + metric, Instance: port + 1, Value: 123456.7 + float64(port)})
		}
	}
	if n := len(ports.Append(nil)); n > 7*len(ports.Values) {
		t.Errorf("%d values take %d octets", len(ports.Values), n)
	}
}

// A sample of a device with more than fits a record is cut, and can be read.
func TestSampleThatIsTooLarge(t *testing.T) {
	var s Sample
	for metric := range uint32(4) {
		for row := range uint32(5000) {
			s.Values = append(s.Values, MetricValue{Metric: metric, Instance: row + 1, Value: 0.1234567})
		}
	}
	b := s.Append(nil)
	got, err := ParseSample(b)
	if err != nil || len(b) > MaxSample || len(b) < MaxSample-100 || len(got.Values) != s.Packed() || !slices.Equal(got.Values, s.Values[:len(got.Values)]) {
		t.Errorf("%d octets, %d values, %d packed: %v", len(b), len(got.Values), s.Packed(), err)
	}
}
