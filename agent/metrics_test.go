package agent

import (
	"slices"
	"testing"
	"time"

	"simone/mib"
)

// childRows is a MetricSource with one column, by index in order.
type childRows []mib.OID

func (c childRows) Next(index mib.OID) (mib.OID, bool) {
	i, ok := slices.BinarySearchFunc(c, index, mib.OID.Compare)
	if ok {
		i++
	}
	if i == len(c) {
		return nil, false
	}
	return c[i], true
}

func (c childRows) Value(column uint32, index mib.OID) mib.Value {
	if _, ok := slices.BinarySearchFunc(c, index, mib.OID.Compare); !ok || column != mib.ColumnMetricValue {
		return mib.Value{Type: mib.TypeNoSuchInstance}
	}
	return mib.Text("7")
}

// A poller's request for profile simone is answered in full, with what is
// missing as noSuchInstance.
func TestMetricTableAnswersTheProfile(t *testing.T) {
	c := mustCollector(t, CollectorOptions{Proc: mustProc(t, procFiles())})
	n := mustNode(t, NodeOptions{Collector: c})
	tree := mustTree(t, n)
	profile, err := mib.ProfileByName(mib.ProfileSimone)
	if err != nil {
		t.Fatal(err)
	}
	oids := profile.OIDs()
	if v := tree.Get(oids[0]); v.Type != mib.TypeNoSuchInstance {
		t.Errorf("before the first measurement load1 is %v", v)
	}
	c.Collect(time.Now().Add(-3 * time.Second))
	vars := make([]mib.Variable, len(oids))
	for i, o := range oids {
		vars[i] = mib.Variable{Name: o, Value: tree.Get(o)}
	}
	sample := profile.Sample(vars)
	if !slices.Contains(sample, mib.MetricValue{Metric: mib.MetricNumber("simone", "load1"), Value: 0.5}) {
		t.Errorf("no load1 of 0.5 among %v", sample)
	}
	if len(sample) != len(c.Snapshot().Values()) {
		t.Errorf("%d of %d metrics came through", len(sample), len(c.Snapshot().Values()))
	}
	for i, m := range profile.Metrics {
		if m.Name == "cpu" && vars[i].Value.Type != mib.TypeNoSuchInstance {
			t.Errorf("cpu, which takes two measurements, is %v", vars[i].Value)
		}
	}
	age := tree.Get(mib.SimoneMetricAge.Append(0, mib.MetricNumber("simone", "load1"), 0))
	if age.Uint < 3000 || age.Uint > 60_000 {
		t.Errorf("age %v ms, want about 3000", age)
	}
}

func TestMetricTableWalk(t *testing.T) {
	c := mustCollector(t, CollectorOptions{Proc: mustProc(t, procFiles())})
	c.Collect(boot)
	n := mustNode(t, NodeOptions{Collector: c})
	tree := mustTree(t, n)
	load1 := mib.MetricNumber("simone", "load1")
	children := childRows{{4, load1, 0}, {4, load1, 2}, {9, load1, 0}}

	for _, tc := range []struct {
		name   string
		source MetricSource
	}{{"alone", nil}, {"with children", children}, {"alone again", nil}} {
		t.Run(tc.name, func(t *testing.T) {
			n.SetMetricSource(tc.source)
			var want []mib.OID
			for _, v := range c.Snapshot().Values() {
				want = append(want, mib.SimoneMetricValue.Append(0, v.Metric, 0))
			}
			if tc.source != nil {
				for _, index := range children {
					want = append(want, mib.SimoneMetricValue.Append(index...))
				}
			}
			var got []mib.OID
			for name := mib.SimoneMetricValue; ; {
				v, ok := tree.Next(name)
				if !ok || !v.Name.HasPrefix(mib.SimoneMetricValue) {
					break
				}
				if v.Name.Compare(name) <= 0 {
					t.Fatalf("%v comes after %v", v.Name, name)
				}
				name = v.Name
				got = append(got, name)
			}
			if !slices.EqualFunc(got, want, mib.OID.Equal) {
				t.Errorf("walked\n%v\nwant\n%v", got, want)
			}
		})
	}
}

// Next from names that are no rows: shorter, longer, between and behind.
func TestMetricTableNextFromAnywhere(t *testing.T) {
	c := mustCollector(t, CollectorOptions{Proc: mustProc(t, procFiles())})
	c.Collect(boot)
	rows := &metricRows{collector: c}
	own := c.Snapshot().Values()
	first, second := own[0].Metric, own[1].Metric
	for _, tc := range []struct {
		name  string
		index mib.OID
		want  mib.OID // nil: the end
	}{
		{"the beginning", nil, mib.OID{0, first, 0}},
		{"the node", mib.OID{0}, mib.OID{0, first, 0}},
		{"before the first", mib.OID{0, first - 1, 5}, mib.OID{0, first, 0}},
		{"the metric", mib.OID{0, first}, mib.OID{0, first, 0}},
		{"the row", mib.OID{0, first, 0}, mib.OID{0, second, 0}},
		{"a longer name", mib.OID{0, first, 0, 1}, mib.OID{0, second, 0}},
		{"another instance", mib.OID{0, first, 3}, mib.OID{0, second, 0}},
		{"the last", mib.OID{0, own[len(own)-1].Metric, 0}, nil},
		{"another node", mib.OID{5}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := rows.Next(tc.index)
			if ok != (tc.want != nil) || ok && !got.Equal(tc.want) {
				t.Errorf("Next(%v) = %v, %v; want %v", tc.index, got, ok, tc.want)
			}
		})
	}
	for _, index := range []mib.OID{nil, {0}, {0, first}, {0, first, 1}, {0, first, 0, 0}, {0, first + 1, 0}, {3, first, 0}} {
		if v := rows.Value(mib.ColumnMetricValue, index); v.Type != mib.TypeNoSuchInstance {
			t.Errorf("Value(%v) = %v", index, v)
		}
	}
}

// Nodes that share a collector show the same metrics and have places of their own.
func TestNodesShareACollector(t *testing.T) {
	c := mustCollector(t, CollectorOptions{Proc: mustProc(t, procFiles())})
	c.Collect(boot)
	a, b := mustNode(t, NodeOptions{Name: "a", Collector: c}), mustNode(t, NodeOptions{Name: "b", Collector: c})
	ta, tb := mustTree(t, a), mustTree(t, b)
	load1 := mib.MetricInstance(0, mib.MetricNumber("simone", "load1"), 0)
	if ta.Get(load1).String() != "0.5" || tb.Get(load1).String() != "0.5" {
		t.Errorf("load1 is %v and %v", ta.Get(load1), tb.Get(load1))
	}
	if a.UUID() == b.UUID() {
		t.Error("both have one UUID")
	}
	if e := ta.Set(announcement(place17())); e != nil {
		t.Fatal(e)
	}
	if b.Place() != (Place{}) {
		t.Errorf("placing one placed the other at %+v", b.Place())
	}
}
