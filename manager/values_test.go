package manager

import (
	"math"
	"slices"
	"testing"

	"simone/mib"
)

func metricValues(triples ...float64) []mib.MetricValue {
	var out []mib.MetricValue
	for i := 0; i < len(triples); i += 3 {
		out = append(out, mib.MetricValue{Metric: uint32(triples[i]), Instance: uint32(triples[i+1]), Value: triples[i+2]})
	}
	return out
}

func TestValuesWalkInOrder(t *testing.T) {
	v := newValues()
	v.put(9, 1, metricValues(5, 0, 1))
	v.put(2, 1, metricValues(7, 2, 1, 7, 1, 1, 3, 0, 1))
	v.put(4, 1, nil) // a node that answered without values has no rows
	want := []mib.OID{{2, 3, 0}, {2, 7, 1}, {2, 7, 2}, {9, 5, 0}}
	var got []mib.OID
	for at, ok := v.next(nil); ok; at, ok = v.next(at) {
		got = append(got, at)
	}
	if !slices.EqualFunc(got, want, mib.OID.Equal) {
		t.Errorf("walked %v, want %v", got, want)
	}
	for _, c := range []struct {
		name        string
		after, want mib.OID
	}{
		{"node only", mib.OID{2}, mib.OID{2, 3, 0}},
		{"node and metric", mib.OID{2, 7}, mib.OID{2, 7, 1}},
		{"longer than a row", mib.OID{2, 7, 1, 0}, mib.OID{2, 7, 2}},
		{"node between", mib.OID{3, 1, 1}, mib.OID{9, 5, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := v.next(c.after); !ok || !got.Equal(c.want) {
				t.Errorf("after %v: %v, want %v", c.after, got, c.want)
			}
		})
	}
}

func TestValuesAggregate(t *testing.T) {
	v := newValues()
	for n := range 100 {
		v.put(mib.NodeID(n+1), 7, metricValues(1, 0, float64(n+1)))
	}
	a, ok := v.aggregate(1)
	if !ok || a.count != 100 || a.min != 1 || a.max != 100 || a.sum != 5050 || a.mean != 50.5 ||
		a.p50 != 50 || a.p90 != 90 || a.p99 != 99 || a.oldest != 7 {
		t.Errorf("aggregate of 1..100 is %+v", a)
	}
	if want := math.Sqrt((100*100 - 1) / 12.0); math.Abs(a.dev-want) > 1e-9 {
		t.Errorf("deviation %v, want %v", a.dev, want)
	}
	v.silence(100)
	if a, _ := v.aggregate(1); a.count != 99 || a.max != 99 {
		t.Errorf("a node that has ceased to answer is in the aggregate: %+v", a)
	}
	if x, _, ok := v.get(100, 1, 0); !ok || x != 100 {
		t.Errorf("its last value reads as %v, %v", x, ok)
	}
	v.put(100, 7, metricValues(1, 0, 100))
	v.put(1, 9, metricValues(1, 0, 1001, 2, 0, 1))
	if a, _ := v.aggregate(1); a.max != 1001 || a.sum != 6050 {
		t.Errorf("a changed value is not in the aggregate: %+v", a)
	}
	if m, ok := v.nextMetric(1); !ok || m != 2 {
		t.Errorf("after metric 1 comes %d, %v", m, ok)
	}
	for n := range 100 {
		v.remove(mib.NodeID(n + 1))
	}
	if _, ok := v.aggregate(1); ok || len(v.metrics) != 0 || len(v.uses) != 0 {
		t.Errorf("metrics are left when all nodes are gone: %v", v.metrics)
	}
}
