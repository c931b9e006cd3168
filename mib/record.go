package mib

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"
)

// RecordKind says what a record of the report log tells.
type RecordKind byte

// The kinds of record. Wire numbers are never reused.
const (
	RecordSample  RecordKind = 1 // a node answered at a slot; Payload is a packed Sample
	RecordAdded   RecordKind = 2 // a row came into the support list or got a newer epoch; Payload is empty
	RecordRemoved RecordKind = 3 // a row left the support list
	RecordFailing RecordKind = 4 // a node that answered before does not answer
	RecordBack    RecordKind = 5 // a failing node answers again
	RecordILM     RecordKind = 6 // a node has become an ILM below this one
	RecordLeaf    RecordKind = 7 // it is a leaf again
	RecordNewer   RecordKind = 8 // a row below is at a newer epoch than this manager was granted the node at; Payload is that epoch
)

// Record is one entry of an ILM's report log (simoneReportTable).
type Record struct {
	Seq     uint32 // 1, 2, ... within one incarnation of the log
	Kind    RecordKind
	Node    NodeID
	Slot    uint32
	Age     time.Duration // from the event until the record was read
	Payload []byte
}

// Append packs all of the record but its sequence number, which is the
// index of its row.
func (r Record) Append(b []byte) []byte {
	b = append(b, byte(r.Kind))
	b = binary.AppendUvarint(b, uint64(r.Node))
	b = binary.AppendUvarint(b, uint64(r.Slot))
	b = binary.AppendUvarint(b, uint64(max(r.Age.Microseconds(), 0)))
	return append(b, r.Payload...)
}

// ParseRecord unpacks a record; its payload aliases b.
func ParseRecord(seq uint32, b []byte) (Record, error) {
	r := reader{b: b}
	rec := Record{
		Seq:  seq,
		Kind: RecordKind(r.byte()),
		Node: NodeID(r.uvarint(1<<32-1, "node")),
		Slot: uint32(r.uvarint(1<<32-1, "slot")),
		Age:  time.Duration(r.uvarint(1<<50, "age")) * time.Microsecond,
	}
	rec.Payload = r.b
	if r.err != nil {
		return Record{}, fmt.Errorf("report record %d: %w", seq, r.err)
	}
	return rec, nil
}

// Sample is what one poll of one node brought.
type Sample struct {
	RTT    time.Duration // from sending to the kernel's receive time stamp
	Cost   time.Duration // CPU time the poll took at the manager
	Values []MetricValue
}

// MetricValue is one metric of one instance.
type MetricValue struct {
	Metric   uint32 // a number of the metric registry
	Instance uint32 // 0 for a scalar, else the last part of the instance
	Value    float64
}

// MaxSample is the most octets of a packed sample: what is above it does not
// fit one record, and so not one datagram, of the report log.
const MaxSample = 60_000

// Append packs the sample. One with rows of tables is packed by metric, in
// order of metric and instance, and not more of it than MaxSample.
func (s Sample) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(max(s.RTT.Microseconds(), 0)))
	b = binary.AppendUvarint(b, uint64(max(s.Cost.Microseconds(), 0)))
	if slices.ContainsFunc(s.Values, func(v MetricValue) bool { return v.Instance != 0 }) {
		return s.appendRows(b)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Values)))
	for _, v := range s.Values {
		b = binary.AppendUvarint(b, uint64(v.Metric))
		b = binary.AppendUvarint(b, uint64(v.Instance))
		b = appendFloat(b, v.Value)
	}
	return b
}

// compareValues orders values by metric, then instance.
func compareValues(a, b MetricValue) int {
	return cmp.Or(cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.Instance, b.Instance))
}

// rowsOf is added to the number of metrics where values are packed by metric.
// Who knows no rows takes it for far too many values.
const rowsOf = 1 << 32

// appendRows packs the values by metric: how many metrics there are, and for
// each its number, how many instances it has, and of each how much it is above
// the one before.
func (s Sample) appendRows(b []byte) []byte {
	values := s.Values
	if !slices.IsSortedFunc(values, compareValues) {
		values = slices.SortedStableFunc(slices.Values(values), compareValues)
	}
	const most = 32 // octets of a metric's head and a value
	var all, packed []byte
	metrics := uint64(0)
	for room := MaxSample - len(b) - most; len(values) > 0 && len(all) < room; metrics++ {
		metric, n := values[0].Metric, 1
		for n < len(values) && values[n].Metric == metric {
			n++
		}
		rows, before := uint64(0), uint32(0)
		packed = packed[:0]
		for _, v := range values[:n] {
			if len(all)+len(packed) >= room {
				break
			}
			packed = appendNumber(binary.AppendUvarint(packed, uint64(v.Instance-before)), v.Value)
			before = v.Instance
			rows++
		}
		all = append(binary.AppendUvarint(binary.AppendUvarint(all, uint64(metric)), rows), packed...)
		values = values[n:]
	}
	return append(binary.AppendUvarint(b, rowsOf+metrics), all...)
}

// Packed is how many values of the sample go into a record.
func (s Sample) Packed() int {
	if len(s.Values) < MaxSample/32 { // they all fit
		return len(s.Values)
	}
	packed, err := ParseSample(s.Append(nil))
	if err != nil {
		return 0
	}
	return len(packed.Values)
}

// ParseSample unpacks a sample. It refuses octets behind it.
func ParseSample(b []byte) (Sample, error) {
	r := reader{b: b}
	s := Sample{
		RTT:  time.Duration(r.uvarint(1<<50, "round trip")) * time.Microsecond,
		Cost: time.Duration(r.uvarint(1<<50, "cost")) * time.Microsecond,
	}
	n := r.uvarint(rowsOf+uint64(len(b)), "number of values")
	switch {
	case r.err != nil:
	case n >= rowsOf:
		s.Values, n = r.rows(n-rowsOf), 0
	case n > uint64(len(b)):
		r.err = fmt.Errorf("number of values %d is above %d", n, len(b))
	case n > 0:
		s.Values = make([]MetricValue, 0, n)
	}
	for ; n > 0 && r.err == nil; n-- {
		v := MetricValue{
			Metric:   uint32(r.uvarint(1<<32-1, "metric")),
			Instance: uint32(r.uvarint(1<<32-1, "instance")),
		}
		v.Value = r.float()
		s.Values = append(s.Values, v)
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d octets too many", len(r.b))
	}
	if r.err != nil {
		return Sample{}, fmt.Errorf("sample: %w", r.err)
	}
	return s, nil
}

// rows unpacks what appendRows has packed.
func (r *reader) rows(metrics uint64) (values []MetricValue) {
	for ; metrics > 0 && r.err == nil; metrics-- {
		metric := uint32(r.uvarint(1<<32-1, "metric"))
		instance := uint64(0)
		for n := r.uvarint(uint64(len(r.b)), "number of rows"); n > 0 && r.err == nil; n-- {
			if instance += r.uvarint(1<<32-1, "instance"); instance > 1<<32-1 {
				r.err = fmt.Errorf("instance %d does not fit 32 bits", instance)
				break
			}
			values = append(values, MetricValue{Metric: metric, Instance: uint32(instance), Value: r.float()})
		}
	}
	return values
}

// appendNumber is appendFloat, and writes decimals of a few digits, which rates
// are, as the digits and an exponent of ten from -1 to -12.
func appendNumber(b []byte, f float64) []byte {
	if a := math.Abs(f); a >= 1e-9 && a < 1e7 && f != math.Trunc(f) {
		for places, power := 1, 10.0; places <= 12; places, power = places+1, 10*power {
			digits := math.Round(f * power)
			if math.Abs(digits) >= 1e8 {
				break
			}
			if digits/power == f {
				return binary.AppendVarint(append(b, 1+byte(places)), int64(digits))
			}
		}
	}
	return appendFloat(b, f)
}

// appendFloat writes whole numbers, which most metrics are, as a varint and
// others as eight octets.
func appendFloat(b []byte, f float64) []byte {
	if n := int64(f); float64(n) == f && n > -1<<53 && n < 1<<53 {
		return binary.AppendVarint(append(b, 0), n)
	}
	return binary.BigEndian.AppendUint64(append(b, 1), math.Float64bits(f))
}

func (r *reader) float() float64 {
	switch k := r.byte(); {
	case k >= 2 && k <= 13:
		digits := r.varint()
		return float64(digits) / math.Pow10(int(k)-1)
	case k == 0:
		return float64(r.varint())
	case k == 1:
		if r.err == nil && len(r.b) < 8 {
			r.err = errShort
		}
		if r.err != nil {
			return 0
		}
		f := math.Float64frombits(binary.BigEndian.Uint64(r.b))
		r.b = r.b[8:]
		return f
	default:
		if r.err == nil {
			r.err = fmt.Errorf("unknown number form %d", k)
		}
		return 0
	}
}

// PeekSample looks for single values in a packed sample, without taking the
// rest apart: those of metrics, instance 0, go into values. found says which
// were there; none of a sample that is cut short.
func PeekSample(b []byte, metrics []uint32, values []float64) (rtt time.Duration, found [4]bool) {
	r := reader{b: b}
	rtt = time.Duration(r.uvarint(1<<50, "round trip")) * time.Microsecond
	r.uvarint(1<<50, "cost")
	for n := r.uvarint(uint64(len(b)), "number of values"); n > 0 && r.err == nil; n-- {
		metric, instance := uint32(r.uvarint(1<<32-1, "metric")), r.uvarint(1<<32-1, "instance")
		value := r.float()
		for i, want := range metrics[:min(len(metrics), len(values), len(found))] {
			if metric == want && instance == 0 && r.err == nil {
				values[i], found[i] = value, true
			}
		}
	}
	if r.err != nil {
		return 0, [4]bool{}
	}
	return rtt, found
}
