package mib

import (
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
)

func TestMetricNumber(t *testing.T) {
	h := fnv.New32a()
	h.Write([]byte("simone/load1"))
	if got, want := MetricNumber("simone", "load1"), h.Sum32()&0x7fffffff; got != want {
		t.Errorf("%d, want %d", got, want)
	}
	// The numbers are on the wire and in stores: they never change.
	for name, want := range map[string]uint32{"simone/load1": 1618530248, "system/sysUpTime": 1735818622} {
		profile, metric, _ := strings.Cut(name, "/")
		if got := MetricNumber(profile, metric); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}

func TestProfiles(t *testing.T) {
	registry, err := NewRegistry(Profiles()...)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, p := range Profiles() {
		byName, err := ProfileByName(p.Name)
		if err != nil || len(byName.Metrics) != len(p.Metrics) || len(p.OIDs()) != len(p.Metrics) {
			t.Errorf("profile %s: %v", p.Name, err)
		}
		for _, m := range p.Metrics {
			count++
			if m.Number != MetricNumber(p.Name, m.Name) || m.Profile != p.Name || m.Scale == 0 || m.Help == "" || m.Unit == "" {
				t.Errorf("%s/%s is not filled in: %+v", p.Name, m.Name, m)
			}
			if p.Name == ProfileSimone && !m.OID.Equal(SimoneMetricValue.Append(0, m.Number, 0)) {
				t.Errorf("%s is read at %v", m.Name, m.OID)
			}
			if got, ok := registry.Metric(m.Number); !ok || got != m.Metric {
				t.Errorf("%s is not in the registry", m.Name)
			}
			if got, ok := registry.ByName(p.Name + "/" + m.Name); !ok || got != m.Metric {
				t.Errorf("%s is not found by its name", m.Name)
			}
		}
	}
	if len(registry.Metrics()) != count || count != 21 {
		t.Errorf("%d metrics in the registry, %d in the profiles, want 21", len(registry.Metrics()), count)
	}
	if _, err := ProfileByName("nobody"); err == nil {
		t.Error("an unknown profile was found")
	}
	if _, ok := registry.Metric(0); ok {
		t.Error("an unknown metric was found")
	}
}

func TestNewRegistryRefusesEqualNumbers(t *testing.T) {
	p := Profiles()[0]
	if _, err := NewRegistry(p, p); err == nil {
		t.Error("one number for two metrics")
	}
}

func TestProfileSample(t *testing.T) {
	p, err := ProfileByName(ProfileSystem)
	if err != nil {
		t.Fatal(err)
	}
	oids := p.OIDs()
	vars := []Variable{
		{oids[0], Ticks(12345)},
		{oids[1], Value{Type: TypeNoSuchInstance}},
		{oids[2], Counter32(7)},
	}
	want := fmt.Sprint([]MetricValue{{p.Metrics[0].Number, 0, 123.45}, {p.Metrics[2].Number, 0, 7}})
	if got := fmt.Sprint(p.Sample(vars)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	vars[0].Name, vars[2].Name = oids[2], oids[0]
	if got := p.Sample(append(vars, vars...)); len(got) != 0 {
		t.Errorf("answers to other questions were taken: %v", got)
	}
}

func TestRegistryRows(t *testing.T) {
	registry, err := NewRegistry(Profiles()...)
	if err != nil {
		t.Fatal(err)
	}
	table, err := NewTable(SimoneMetricRegistryEntry, RegistryRows(registry))
	if err != nil {
		t.Fatal(err)
	}
	tree := NewTree()
	if err := table.Register(tree); err != nil {
		t.Fatal(err)
	}
	if got := len(walk(tree)); got != 5*len(registry.Metrics()) {
		t.Errorf("the walk has %d cells, want 5 columns of %d", got, len(registry.Metrics()))
	}
	for _, c := range []struct {
		column OID
		want   string
	}{{SimoneMetricRegistryName, "sysUpTime"}, {SimoneMetricRegistryProfile, "system"}, {SimoneMetricRegistryUnit, "seconds"}, {SimoneMetricRegistryScale, "0.01"}} {
		if got := tree.Get(c.column.Append(MetricNumber("system", "sysUpTime"))); got.String() != c.want {
			t.Errorf("%s is %q, want %q", NameOf(c.column), got, c.want)
		}
	}
	if got := tree.Get(SimoneMetricRegistryName.Append(1)); got.Type != TypeNoSuchInstance {
		t.Errorf("an unknown metric is %v", got)
	}
}
