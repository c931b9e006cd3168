package mib

import (
	"cmp"
	"fmt"
	"slices"
)

// MetricNumber gives the number by which a metric goes, the same everywhere:
// the 32-bit FNV-1a hash of "profile/name" without its top bit.
func MetricNumber(profile, name string) uint32 {
	h := uint32(2166136261)
	for _, s := range [...]string{profile, "/", name} {
		for i := range len(s) {
			h = (h ^ uint32(s[i])) * 16777619
		}
	}
	return h & 0x7fffffff
}

// Metric describes one metric of a profile (simoneMetricRegistryTable).
type Metric struct {
	Number  uint32
	Profile string
	Name    string
	Unit    string  // "" for a plain number
	Scale   float64 // a value as the agent gives it, times Scale, is in Unit
	Help    string  // one sentence
}

// ProfileMetric is one line of a profile: a metric and where an agent has it.
type ProfileMetric struct {
	Metric
	OID OID // of the instance to GET
}

// Profile says what to read of a node, in the order of the request.
type Profile struct {
	Name    string
	Metrics []ProfileMetric
}

// OIDs lists what one poll of the profile asks for.
func (p *Profile) OIDs() []OID {
	oids := make([]OID, len(p.Metrics))
	for i := range p.Metrics {
		oids[i] = p.Metrics[i].OID
	}
	return oids
}

// Sample makes metric values of the answers to a poll, which stand in the
// order of OIDs. Exceptions and what is no number are left out.
func (p *Profile) Sample(vars []Variable) []MetricValue {
	values := make([]MetricValue, 0, min(len(vars), len(p.Metrics)))
	for i, v := range vars[:min(len(vars), len(p.Metrics))] {
		m := &p.Metrics[i]
		if !v.Name.Equal(m.OID) {
			continue
		}
		if f, err := Number(v.Value); err == nil {
			values = append(values, MetricValue{Metric: m.Number, Value: f * m.Scale})
		}
	}
	return values
}

// The names of the built-in profiles.
const (
	ProfileSimone = "simone" // a SIMONE node's own metrics
	ProfileSystem = "system" // what any SNMP agent has
)

// Metrics of ProfileSimone by which managers choose hosts for ILMs.
const (
	MetricLoad  = "load"
	MetricSpeed = "speed"
)

// MetricInstance names a cell of simoneMetricTable in column Value.
func MetricInstance(node NodeID, metric, instance uint32) OID {
	return SimoneMetricValue.Append(uint32(node), metric, instance)
}

// ProfileByName gives a fresh copy of a built-in profile.
func ProfileByName(name string) (Profile, error) {
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
	}
	return Profile{}, fmt.Errorf("there is no profile %q: write %s or %s", name, ProfileSimone, ProfileSystem)
}

// Profiles gives fresh copies of the built-in profiles.
func Profiles() []Profile {
	simone := Profile{Name: ProfileSimone}
	for _, m := range []Metric{
		{Name: "load1", Unit: "processes", Help: "Load average of one minute."},
		{Name: "load5", Unit: "processes", Help: "Load average of five minutes."},
		{Name: "load15", Unit: "processes", Help: "Load average of fifteen minutes."},
		{Name: "cpu", Unit: "percent", Help: "CPU time not idle, of all CPUs together, in the last refresh period."},
		{Name: "runqueue", Unit: "processes", Help: "Processes that run or are ready to."},
		{Name: "mem_total", Unit: "octets", Help: "Memory of the machine."},
		{Name: "mem_available", Unit: "octets", Help: "Memory that can be had without swapping."},
		{Name: "swap_used", Unit: "octets", Help: "Swap space in use."},
		{Name: "disk_read", Unit: "octets/s", Help: "Read from disks in the last refresh period."},
		{Name: "disk_write", Unit: "octets/s", Help: "Written to disks in the last refresh period."},
		{Name: "disk_used", Unit: "percent", Help: "Space used on the root file system."},
		{Name: "net_in", Unit: "octets/s", Help: "Received on all interfaces but loopback in the last refresh period."},
		{Name: "net_out", Unit: "octets/s", Help: "Sent on all interfaces but loopback in the last refresh period."},
		{Name: "uptime", Unit: "seconds", Help: "Since the machine started."},
		{Name: "simone_cpu", Unit: "percent", Help: "CPU time that SIMONE itself uses (intrusion)."},
		{Name: "simone_rss", Unit: "octets", Help: "Memory that SIMONE itself uses."},
		{Name: MetricLoad, Unit: "processes", Help: "Processes that one more would share each CPU with: now or in the mean since the last refresh, whichever is more, without SIMONE's own. In a control group with a quota: threads of that group, and as many more as what it waits for its next period comes to."},
		{Name: MetricSpeed, Unit: "percent", Help: "Speed of a CPU, 100 being that of the reference machine."},
	} {
		m.Profile, m.Scale = ProfileSimone, 1
		m.Number = MetricNumber(m.Profile, m.Name)
		simone.Metrics = append(simone.Metrics, ProfileMetric{m, MetricInstance(0, m.Number, 0)})
	}
	system := Profile{Name: ProfileSystem}
	for _, m := range []ProfileMetric{
		{Metric{Name: "sysUpTime", Unit: "seconds", Scale: 0.01, Help: "Since the agent started."}, OID{1, 3, 6, 1, 2, 1, 1, 3, 0}},
		{Metric{Name: "ifNumber", Unit: "interfaces", Scale: 1, Help: "Network interfaces."}, OID{1, 3, 6, 1, 2, 1, 2, 1, 0}},
		{Metric{Name: "snmpInPkts", Unit: "messages", Scale: 1, Help: "SNMP messages received, counting up."}, OID{1, 3, 6, 1, 2, 1, 11, 1, 0}},
	} {
		m.Profile = ProfileSystem
		m.Number = MetricNumber(m.Profile, m.Name)
		system.Metrics = append(system.Metrics, m)
	}
	return []Profile{simone, system}
}

// Registry knows metrics by number. It does not change after NewRegistry and
// is safe for concurrent use.
type Registry struct {
	metrics []Metric // in order of number
}

// NewRegistry makes a registry of the profiles' metrics. It refuses two
// metrics whose names hash to one number: rename one of them.
func NewRegistry(profiles ...Profile) (*Registry, error) {
	var all []Metric
	for _, p := range profiles {
		for _, m := range p.Metrics {
			all = append(all, m.Metric)
		}
	}
	return RegistryOf(all)
}

// RegistryOf makes a registry of metrics, as NewRegistry does.
func RegistryOf(metrics []Metric) (*Registry, error) {
	r := &Registry{metrics: slices.Clone(metrics)}
	slices.SortFunc(r.metrics, func(a, b Metric) int { return cmp.Compare(a.Number, b.Number) })
	for i := 1; i < len(r.metrics); i++ {
		if a, b := &r.metrics[i-1], &r.metrics[i]; a.Number == b.Number {
			return nil, fmt.Errorf("metrics %s/%s and %s/%s have the same number %d: rename one",
				a.Profile, a.Name, b.Profile, b.Name, a.Number)
		}
	}
	return r, nil
}

// Metrics lists all metrics in order of number; do not change the slice.
func (r *Registry) Metrics() []Metric { return r.metrics }

// Metric finds a metric by number.
func (r *Registry) Metric(number uint32) (Metric, bool) {
	i, ok := r.search(number)
	if !ok {
		return Metric{}, false
	}
	return r.metrics[i], true
}

// After finds the first metric with a number above the given one.
func (r *Registry) After(number uint32) (Metric, bool) {
	i, ok := r.search(number)
	if ok {
		i++
	}
	if i == len(r.metrics) {
		return Metric{}, false
	}
	return r.metrics[i], true
}

// ByName finds a metric by "profile/name", or by its name alone if only one
// profile has it.
func (r *Registry) ByName(name string) (Metric, bool) {
	var found []Metric
	for _, m := range r.metrics {
		if m.Name == name || m.Profile+"/"+m.Name == name {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		return Metric{}, false
	}
	return found[0], true
}

func (r *Registry) search(number uint32) (int, bool) {
	return slices.BinarySearchFunc(r.metrics, number, func(m Metric, n uint32) int { return cmp.Compare(m.Number, n) })
}

// RegistryRows shows a registry as simoneMetricRegistryTable.
func RegistryRows(r *Registry) Rows { return registryRows{r} }

type registryRows struct{ r *Registry }

func (t registryRows) Next(index OID) (OID, bool) {
	m, ok := Metric{}, false
	if len(index) == 0 { // number 0 is a number like others
		if ok = len(t.r.metrics) > 0; ok {
			m = t.r.metrics[0]
		}
	} else {
		m, ok = t.r.After(index[0])
	}
	return OID{m.Number}, ok
}

func (t registryRows) Value(column uint32, index OID) Value {
	none := Value{Type: TypeNoSuchInstance}
	if len(index) != 1 {
		return none
	}
	m, ok := t.r.Metric(index[0])
	if !ok {
		return none
	}
	switch column {
	case ColumnMetricRegistryProfile:
		return Text(m.Profile)
	case ColumnMetricRegistryName:
		return Text(m.Name)
	case ColumnMetricRegistryUnit:
		return Text(m.Unit)
	case ColumnMetricRegistryScale:
		return Decimal(m.Scale)
	case ColumnMetricRegistryHelp:
		return Text(m.Help)
	}
	return none
}
