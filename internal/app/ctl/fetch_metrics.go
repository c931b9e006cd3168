package ctl

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"

	"simone/mib"
)

// described is what a metric's number means.
type described struct{ profile, name, unit string }

// registry reads what the metrics of an agent are called. Those of the
// built-in profiles are known in any case.
func (c *client) registry(ctx context.Context, from endpoint) (map[uint32]described, error) {
	known := make(map[uint32]described)
	for _, p := range mib.Profiles() {
		for _, m := range p.Metrics {
			known[m.Number] = described{m.Profile, m.Name, m.Unit}
		}
	}
	rows, err := c.rows(ctx, from, nil, nil,
		mib.SimoneMetricRegistryName, mib.SimoneMetricRegistryProfile, mib.SimoneMetricRegistryUnit)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		known[uint32(rowID(r))] = described{
			r.text(mib.SimoneMetricRegistryProfile), r.text(mib.SimoneMetricRegistryName), r.text(mib.SimoneMetricRegistryUnit),
		}
	}
	return known, nil
}

// describe finds a metric by number; one that nobody knows goes by its number.
func describe(known map[uint32]described, number uint32) described {
	d, ok := known[number]
	if !ok {
		d.name = strconv.FormatUint(uint64(number), 10)
	}
	return d
}

// named reports whether an operator means this metric: by its name, alone or
// after its profile, or by its number. The empty name means every metric.
func (d described) named(name string, number uint32) bool {
	return name == "" || name == d.name || name == d.profile+"/"+d.name || name == strconv.FormatUint(uint64(number), 10)
}

// metrics reads simoneMetricTable of an agent: of one node, or, if of is nil,
// of all that stand there but index 0, which is the agent itself.
func (c *client) metrics(ctx context.Context, from endpoint, of *mib.NodeID, known map[uint32]described, name string) ([]Metric, error) {
	var prefix, after mib.OID
	if of != nil {
		prefix = mib.OID{uint32(*of)}
	} else {
		after = mib.OID{1} // where node 1 begins; what comes before is index 0
	}
	rows, err := c.rows(ctx, from, prefix, after, mib.SimoneMetricValue, mib.SimoneMetricAge)
	if err != nil {
		return nil, err
	}
	var out []Metric
	for _, r := range rows {
		if len(r.index) != 3 {
			continue
		}
		d := describe(known, r.index[1])
		if !d.named(name, r.index[1]) {
			continue
		}
		out = append(out, Metric{
			Node: mib.NodeID(r.index[0]), Profile: d.profile, Name: d.name, Unit: d.unit, Instance: r.index[2],
			Value: r.decimal(mib.SimoneMetricValue), Age: r.seconds(mib.SimoneMetricAge),
		})
	}
	return out, nil
}

// metricsOf reads the metrics of one node: from its manager, where they are as
// polled; or, where the manager has none, from the node itself.
func (c *client) metricsOf(ctx context.Context, tlm station, n Node, nodes []Node, name string) ([]Metric, error) {
	known, err := c.registry(ctx, tlm.endpoint)
	if err != nil {
		return nil, err
	}
	read := func(address string, id mib.NodeID) ([]Metric, error) {
		at, err := resolve(ctx, address)
		if err != nil {
			return nil, err
		}
		if at.addr != tlm.addr { // a profile may be known there only
			local, err := c.registry(ctx, at)
			if err != nil {
				return nil, err
			}
			maps.Copy(local, known)
			return c.metrics(ctx, at, &id, local, name)
		}
		return c.metrics(ctx, at, &id, known, name)
	}
	var out []Metric
	own := mib.NodeID(0) // how a node's own metrics are indexed
	owner, owned := nodeByID(nodes, n.Owner)
	switch {
	case n.ID == tlm.id:
		out, err = read(tlm.text, own)
	case n.Owner == tlm.id:
		out, err = read(tlm.text, n.ID)
	case owned:
		out, err = read(owner.Address, n.ID)
	}
	if len(out) == 0 && n.Kind != mib.KindDevice.String() && n.ID != tlm.id {
		if direct, failure := read(n.Address, own); failure == nil {
			out, err = direct, nil
		}
	}
	for i := range out {
		out[i].Node, out[i].NodeName = n.ID, n.Name
	}
	sortMetrics(out)
	return out, err
}

// allMetrics reads the metrics of all nodes, of each from its manager.
func (c *client) allMetrics(ctx context.Context, tlm station, nodes []Node, name string) (all []Metric, problems []error, err error) {
	type source struct {
		id      mib.NodeID
		address string
	}
	sources := []source{{tlm.id, tlm.text}}
	owned := make(map[mib.NodeID]Node, len(nodes))
	for _, n := range nodes {
		owned[n.ID] = n
	}
	for _, n := range nodes {
		if o, ok := owned[n.Owner]; ok && !slices.ContainsFunc(sources, func(s source) bool { return s.id == o.ID }) {
			sources = append(sources, source{o.ID, o.Address})
		}
	}
	known, err := c.registry(ctx, tlm.endpoint)
	if err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex // guards all and problems
	each(sources, func(s source) {
		at, err := tlm.endpoint, error(nil)
		if s.id != tlm.id {
			at, err = resolve(ctx, s.address)
		}
		var got []Metric
		if err == nil {
			got, err = c.metrics(ctx, at, nil, known, name)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			problems = append(problems, err)
			return
		}
		for _, m := range got {
			// A node that moves stands in two lists; only its owner counts.
			if n, ok := owned[m.Node]; ok && n.Owner == s.id {
				m.NodeName = n.Name
				all = append(all, m)
			}
		}
	})
	sortMetrics(all)
	return all, problems, nil
}

func sortMetrics(m []Metric) {
	slices.SortFunc(m, func(a, b Metric) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Profile, b.Profile), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Instance, b.Instance))
	})
}

// aggregates reads simoneAggregateTable of a manager.
func (c *client) aggregates(ctx context.Context, from endpoint, known map[uint32]described, name string) ([]Aggregate, error) {
	rows, err := c.rows(ctx, from, nil, nil,
		mib.SimoneAggregateCount, mib.SimoneAggregateMin, mib.SimoneAggregateMax, mib.SimoneAggregateMean,
		mib.SimoneAggregateDeviation, mib.SimoneAggregateSum, mib.SimoneAggregateP50, mib.SimoneAggregateP90,
		mib.SimoneAggregateP99, mib.SimoneAggregateAge)
	if err != nil {
		return nil, err
	}
	var out []Aggregate
	for _, r := range rows {
		number := uint32(rowID(r))
		d := describe(known, number)
		if !d.named(name, number) {
			continue
		}
		out = append(out, Aggregate{
			Profile: d.profile, Name: d.name, Unit: d.unit, Count: r.number(mib.SimoneAggregateCount),
			Min: r.decimal(mib.SimoneAggregateMin), Max: r.decimal(mib.SimoneAggregateMax),
			Mean: r.decimal(mib.SimoneAggregateMean), Deviation: r.decimal(mib.SimoneAggregateDeviation),
			Sum: r.decimal(mib.SimoneAggregateSum), P50: r.decimal(mib.SimoneAggregateP50),
			P90: r.decimal(mib.SimoneAggregateP90), P99: r.decimal(mib.SimoneAggregateP99),
			Age: r.seconds(mib.SimoneAggregateAge),
		})
	}
	slices.SortFunc(out, func(a, b Aggregate) int {
		return cmp.Or(cmp.Compare(a.Profile, b.Profile), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}
