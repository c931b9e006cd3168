package ctl

import (
	"context"

	"simone/mib"
)

// events reads the event table of a manager after a sequence number.
func (c *client) events(ctx context.Context, from endpoint, after uint32) ([]Event, error) {
	rows, err := c.rows(ctx, from, nil, mib.OID{after},
		mib.SimoneEventTime, mib.SimoneEventKind, mib.SimoneEventNodeId, mib.SimoneEventFrom, mib.SimoneEventTo,
		mib.SimoneEventNodes, mib.SimoneEventSeen, mib.SimoneEventExpected, mib.SimoneEventOutcome, mib.SimoneEventText)
	if err != nil {
		return nil, err
	}
	out := make([]Event, 0, len(rows))
	for _, r := range rows {
		out = append(out, Event{
			Sequence: uint32(rowID(r)), Time: r.time(mib.SimoneEventTime), Kind: r.label(mib.SimoneEventKind),
			Node: r.node(mib.SimoneEventNodeId), From: r.node(mib.SimoneEventFrom), To: r.node(mib.SimoneEventTo),
			Nodes: r.number(mib.SimoneEventNodes), Seen: r.text(mib.SimoneEventSeen),
			Expected: r.text(mib.SimoneEventExpected), Outcome: r.text(mib.SimoneEventOutcome), Text: r.text(mib.SimoneEventText),
		})
	}
	return out, nil
}

// lastEvents reads the last events of a manager, at most n, the oldest first.
func (c *client) lastEvents(ctx context.Context, from endpoint, n int) ([]Event, error) {
	newest, err := c.newest(ctx, from, mib.SimoneEventKind)
	if err != nil || newest == 0 || n <= 0 {
		return []Event{}, err
	}
	after := uint32(0)
	if uint64(newest) > uint64(n) {
		after = newest - uint32(n)
	}
	return c.events(ctx, from, after)
}

// namer puts names to the NodeIDs of events.
type namer struct {
	c     *client
	tlm   station
	names map[mib.NodeID]string
}

// name fills in the names. It reads them anew when an event is about a node
// that it does not know; a node that is gone stays without one.
func (n *namer) name(ctx context.Context, events []Event) {
	for i := range events {
		e := &events[i]
		for _, id := range []mib.NodeID{e.Manager, e.Node, e.From, e.To} {
			if _, known := n.names[id]; !known && id != 0 {
				n.read(ctx, id)
			}
		}
		e.ManagerName, e.NodeName, e.FromName, e.ToName = n.names[e.Manager], n.names[e.Node], n.names[e.From], n.names[e.To]
	}
}

// read reads all names; they are an adornment, so it may fail.
func (n *namer) read(ctx context.Context, wanted mib.NodeID) {
	if n.names == nil {
		n.names = map[mib.NodeID]string{n.tlm.id: n.tlm.name}
	}
	rows, err := n.c.rows(ctx, n.tlm.endpoint, nil, nil, mib.SimoneNameName)
	if err == nil {
		for _, r := range rows {
			n.names[rowID(r)] = r.text(mib.SimoneNameName)
		}
	}
	if _, known := n.names[wanted]; !known {
		n.names[wanted] = ""
	}
}

// counters of simoneReconfig, by what they are called in an Explanation.
func counters() []struct {
	name   string
	object mib.OID
} {
	return []struct {
		name   string
		object mib.OID
	}{
		{"splits", mib.SimoneReconfigSplits}, {"migrates", mib.SimoneReconfigMigrates},
		{"merges", mib.SimoneReconfigMerges}, {"forks", mib.SimoneReconfigForks}, {"joins", mib.SimoneReconfigJoins},
		{"failovers", mib.SimoneReconfigFailovers}, {"moves", mib.SimoneReconfigMoves},
		{"aborted_moves", mib.SimoneReconfigAbortedMoves},
	}
}

// explain reads why the tree below a manager is as it is: the last round and
// what was done before, the last n events of transformations and failures.
func (c *client) explain(ctx context.Context, tlm, at station, n int) (*Explanation, error) {
	settings, err := c.settings(ctx, at.endpoint)
	if err != nil {
		return nil, err
	}
	objects := []mib.OID{mib.SimoneReconfigRounds, mib.SimoneIlmLastRound}
	for _, k := range counters() {
		objects = append(objects, k.object)
	}
	g, err := c.group(ctx, at.endpoint, objects...)
	if err != nil {
		return nil, err
	}
	x := &Explanation{
		Settings: settings, Rounds: g.number(mib.SimoneReconfigRounds), LastRound: g.seconds(mib.SimoneIlmLastRound),
		Counters: make(map[string]uint32), ILMs: []Round{},
	}
	for _, k := range counters() {
		x.Counters[k.name] = g.number(k.object)
	}
	rows, err := c.rows(ctx, at.endpoint, nil, nil,
		mib.SimoneRoundName, mib.SimoneRoundTemperature, mib.SimoneRoundWeighted, mib.SimoneRoundUtilisation,
		mib.SimoneRoundSupportCount, mib.SimoneRoundAge, mib.SimoneRoundVerdict)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		round := Round{
			ID: rowID(r), Name: r.text(mib.SimoneRoundName), Temperature: r.decimal(mib.SimoneRoundTemperature),
			Weighted: r.decimal(mib.SimoneRoundWeighted), Utilisation: r.hundredths(mib.SimoneRoundUtilisation),
			Nodes: r.number(mib.SimoneRoundSupportCount), Age: r.seconds(mib.SimoneRoundAge), Verdict: r.text(mib.SimoneRoundVerdict),
		}
		round.Heat = settings.heated(round.Temperature, round.Weighted)
		x.ILMs = append(x.ILMs, round)
	}
	// Most events are none of those that explain; look at more of them.
	const among = 20
	events, err := c.lastEvents(ctx, at.endpoint, n*among)
	if err != nil {
		return nil, err
	}
	x.Events = []Event{}
	for _, e := range events {
		if explains(e) {
			e.Manager = at.id
			x.Events = append(x.Events, e)
		}
	}
	x.Events = x.Events[max(0, len(x.Events)-n):]
	(&namer{c: c, tlm: tlm}).name(ctx, x.Events)
	return x, nil
}

// explains reports whether an event says why the tree is as it is, rather
// than who came and went.
func explains(e Event) bool {
	return e.Expected != "" || e.Outcome != "" || e.Kind == "failover" || e.Kind == "lost" || e.Kind == "abort" || e.Kind == "suspect"
}
