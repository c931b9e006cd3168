package profile

import (
	"slices"
	"testing"
	"time"

	"simone/mib"
)

// device answers what a plan asks for out of variables in order.
type device []mib.Variable

func (d device) answer(p *Plan, g Groups, at time.Duration) *Reading {
	r := begin(p, g)
	for _, s := range p.Scalars(g) {
		for _, v := range d {
			if v.Name.Equal(s.OID) {
				r.Scalar(s, v, at)
			}
		}
	}
	for _, o := range p.Columns(g) {
		for _, v := range d {
			if v.Name.HasPrefix(o) {
				r.Take(v, at)
			}
		}
	}
	return r
}

func begin(p *Plan, g Groups) *Reading {
	r := new(Reading)
	p.Read(r, g)
	return r
}

func oid(s string) mib.OID { return mib.MustOID(s) }

func TestProfilesShareWhatTheyBothWant(t *testing.T) {
	a := &Profile{Name: "a", Objects: []Object{
		{Name: "in", OID: oid("1.3.6.1.9.1.6"), Column: true, Kind: Value, Interval: time.Minute},
		{Name: "up", OID: oid("1.3.6.1.9.2.0"), Kind: Value},
	}}
	b := &Profile{Name: "b", Objects: []Object{
		{Name: "octets", OID: oid("1.3.6.1.9.1.6"), Column: true, Kind: Value, Scale: 8},
		{Name: "third", OID: oid("1.3.6.1.9.1.6"), Column: true, Kind: Value, Instances: []mib.OID{oid("1.3.6.1.9.1.6.3")}},
		{Name: "fourth", OID: oid("1.3.6.1.9.1.6"), Column: true, Kind: Value, Parts: []mib.OID{oid("1.3.6.1.9.1.6.4")}},
	}}
	p := NewPlan([]*Profile{a, b})
	var past Past
	g := p.Due(&past, 7, 10*time.Second)
	if got := p.Columns(g); len(got) != 1 || !got[0].Equal(oid("1.3.6.1.9.1.6")) {
		t.Errorf("columns %v, not the one that both want, once", got)
	}
	if got := p.Scalars(g); len(got) != 1 || !got[0].OID.Equal(oid("1.3.6.1.9.2.0")) {
		t.Errorf("scalars %v: the instance lies in a column that is walked", got)
	}
	d := device{
		{Name: oid("1.3.6.1.9.1.6.3"), Value: mib.Gauge(30)},
		{Name: oid("1.3.6.1.9.1.6.4.1"), Value: mib.Gauge(41)},
		{Name: oid("1.3.6.1.9.2.0"), Value: mib.Gauge(2)},
	}
	got := d.answer(p, g, 0).End(&past, 7, 10*time.Second)
	long := Instance(mib.OID{4, 1})
	want := []mib.MetricValue{
		{Metric: a.number(&a.Objects[0]), Instance: 3, Value: 30}, {Metric: a.number(&a.Objects[0]), Instance: long, Value: 41},
		{Metric: a.number(&a.Objects[1]), Value: 2},
		{Metric: b.number(&b.Objects[0]), Instance: 3, Value: 240}, {Metric: b.number(&b.Objects[0]), Instance: long, Value: 328},
		{Metric: b.number(&b.Objects[1]), Instance: 3, Value: 30},
		{Metric: b.number(&b.Objects[2]), Instance: long, Value: 41},
	}
	if len(got) != len(want) {
		t.Fatalf("%d values, not %d: %v", len(got), len(want), got)
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no value %v in %v", w, got)
		}
	}
}

func TestObjectsAreReadAsOftenAsTheySay(t *testing.T) {
	p := NewPlan([]*Profile{{Name: "a", Objects: []Object{
		{Name: "each", OID: oid("1.3.6.1.9.1.0"), Kind: Value},
		{Name: "second", OID: oid("1.3.6.1.9.2.0"), Kind: Value, Interval: 20 * time.Second},
		{Name: "sixth", OID: oid("1.3.6.1.9.3.0"), Kind: Value, Interval: time.Minute},
	}}})
	var past Past
	var read [3]int
	for slot := uint32(100); slot < 112; slot++ {
		g := p.Due(&past, slot, 10*time.Second)
		for i := range read {
			if g&(1<<i) != 0 {
				read[i]++
			}
		}
		if slot == 103 { // nobody answers: what was due stays so
			continue
		}
		begin(p, g).End(&past, slot, 10*time.Second)
	}
	if want := [3]int{12, 6, 2}; read != want {
		t.Errorf("in twelve polls read %v times, not %v", read, want)
	}
	if got := len(p.Scalars(p.Due(&past, 112, 10*time.Second))); got != 3 {
		t.Errorf("slot 112 asks for %d objects, not all", got)
	}
}

func TestRowsOfSeveralIndexesAreToldApart(t *testing.T) {
	seen := make(map[uint32]mib.OID)
	for i := range uint32(200) {
		for j := range uint32(20) {
			index := mib.OID{i, j}
			n := Instance(index)
			if n < 1<<31 {
				t.Fatalf("%v is instance %d, which stands for a row of one index", index, n)
			}
			if other, twice := seen[n]; twice {
				t.Fatalf("%v and %v are both instance %d", index, other, n)
			}
			seen[n] = index
		}
	}
	if Instance(nil) != 0 || Instance(mib.OID{7}) != 7 {
		t.Error("a scalar is 0, and a row of one index that index")
	}
}

func TestFloatsInOpaqueAreNumbers(t *testing.T) {
	p := NewPlan([]*Profile{{Name: "a", Objects: []Object{
		{Name: "f", OID: oid("1.3.6.1.9.1.0"), Kind: Value, Scale: 2, Offset: 1},
		{Name: "d", OID: oid("1.3.6.1.9.2.0"), Kind: Value},
		{Name: "n", OID: oid("1.3.6.1.9.3.0"), Kind: Value},
	}}})
	var past Past
	r := begin(p, 1)
	for name, octets := range map[string][]byte{
		"1.3.6.1.9.1.0": {0x9f, 0x78, 4, 0x3f, 0xc0, 0, 0},             // 1.5
		"1.3.6.1.9.2.0": {0x9f, 0x79, 8, 0x40, 4, 0, 0, 0, 0, 0, 0},    // 2.5
		"1.3.6.1.9.3.0": {0x9f, 0x79, 8, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0}, // infinite
	} {
		r.Take(mib.Variable{Name: oid(name), Value: mib.Value{Type: mib.TypeOpaque, Bytes: octets}}, 0)
	}
	var got []float64
	for _, v := range r.End(&past, 1, time.Second) {
		got = append(got, v.Value)
	}
	slices.Sort(got)
	if !slices.Equal(got, []float64{2.5, 4}) {
		t.Errorf("values %v, not 2.5 and twice 1.5 plus 1", got)
	}
}
