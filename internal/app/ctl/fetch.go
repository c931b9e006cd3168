package ctl

import (
	"context"
	"sync"

	"simone/mib"
)

// parallel is how many agents are asked at a time.
const parallel = 16

// each calls f for every element, several at a time, and waits for all.
func each[T any](all []T, f func(T)) {
	room := make(chan struct{}, parallel)
	var running sync.WaitGroup
	for _, x := range all {
		room <- struct{}{}
		running.Go(func() {
			defer func() { <-room }()
			f(x)
		})
	}
	running.Wait()
}

// settingsObjects are what Settings are made of.
func settingsObjects() []mib.OID {
	return []mib.OID{
		mib.SimoneThresholdMerge, mib.SimoneThresholdSplit, mib.SimoneThresholdMigrate,
		mib.SimonePolicy, mib.SimoneReconfigMode, mib.SimoneReconfigPaused, mib.SimoneReconfigWeighted,
	}
}

// settings reads what a manager decides by.
func (c *client) settings(ctx context.Context, manager endpoint) (Settings, error) {
	g, err := c.group(ctx, manager, settingsObjects()...)
	if err != nil {
		return Settings{}, err
	}
	return g.settings(), nil
}

func (g cells) settings() Settings {
	return Settings{
		Thresholds: Thresholds{
			Merge: g.decimal(mib.SimoneThresholdMerge), Split: g.decimal(mib.SimoneThresholdSplit),
			Migrate: g.decimal(mib.SimoneThresholdMigrate),
		},
		Policy: g.text(mib.SimonePolicy), Mode: g.label(mib.SimoneReconfigMode),
		Paused: g.truth(mib.SimoneReconfigPaused), Weighted: g.truth(mib.SimoneReconfigWeighted),
	}
}

// heated is the temperature that decisions go by.
func (s Settings) heated(now, weighted *float64) Heat {
	if s.Weighted {
		return s.heat(weighted)
	}
	return s.heat(now)
}

// managers reads simoneTreeTable, and asks the ILMs below others how they are,
// which the TLM does not know.
func (c *client) managers(ctx context.Context, tlm endpoint, s Settings) ([]Manager, error) {
	managers, err := c.treeTable(ctx, tlm)
	if err != nil {
		return nil, err
	}
	var deeper []*Manager
	for i := range managers {
		if m := &managers[i]; m.Level > 1 && m.Temperature == nil {
			deeper = append(deeper, m)
		}
		managers[i].Heat = s.heated(managers[i].Temperature, managers[i].Weighted)
	}
	each(deeper, func(m *Manager) {
		at, err := resolve(ctx, m.Address)
		if err == nil {
			_ = c.figures(ctx, at, s, m) // else there are none; whoever goes on to ask it finds out why
		}
	})
	return managers, nil
}

// treeTable reads simoneTreeTable.
func (c *client) treeTable(ctx context.Context, tlm endpoint) ([]Manager, error) {
	rows, err := c.rows(ctx, tlm, nil, nil,
		mib.SimoneTreeName, mib.SimoneTreeAddress, mib.SimoneTreeParentId, mib.SimoneTreeLevel,
		mib.SimoneTreeTemperature, mib.SimoneTreeWeighted, mib.SimoneTreeIntrusion, mib.SimoneTreeUtilisation,
		mib.SimoneTreeLatency, mib.SimoneTreeSupportCount, mib.SimoneTreeOperStatus, mib.SimoneTreeDrained)
	if err != nil {
		return nil, err
	}
	managers := make([]Manager, 0, len(rows))
	for _, r := range rows {
		m := Manager{
			ID: rowID(r), Name: r.text(mib.SimoneTreeName), Address: r.text(mib.SimoneTreeAddress),
			Level: r.number(mib.SimoneTreeLevel), Parent: r.node(mib.SimoneTreeParentId),
			Status:      r.label(mib.SimoneTreeOperStatus),
			Temperature: r.decimal(mib.SimoneTreeTemperature), Weighted: r.decimal(mib.SimoneTreeWeighted),
			Intrusion: r.hundredths(mib.SimoneTreeIntrusion), Utilisation: r.hundredths(mib.SimoneTreeUtilisation),
			Latency: r.millis(mib.SimoneTreeLatency), Nodes: r.number(mib.SimoneTreeSupportCount),
			Drained: r.truth(mib.SimoneTreeDrained),
		}
		managers = append(managers, m)
	}
	return managers, nil
}

// figures fills in what a manager says of itself.
func (c *client) figures(ctx context.Context, at endpoint, s Settings, m *Manager) error {
	g, err := c.group(ctx, at, mib.SimoneIlmOperStatus, mib.SimoneTemperatureNow, mib.SimoneTemperatureWeighted,
		mib.SimoneIntrusion, mib.SimoneUtilisation, mib.SimoneLatencyMean, mib.SimoneIlmSupportCount)
	if err != nil {
		return err
	}
	m.Status = g.label(mib.SimoneIlmOperStatus)
	m.Temperature, m.Weighted = g.decimal(mib.SimoneTemperatureNow), g.decimal(mib.SimoneTemperatureWeighted)
	m.Intrusion, m.Utilisation = g.hundredths(mib.SimoneIntrusion), g.hundredths(mib.SimoneUtilisation)
	m.Latency, m.Nodes = g.millis(mib.SimoneLatencyMean), g.number(mib.SimoneIlmSupportCount)
	m.Heat = s.heated(m.Temperature, m.Weighted)
	return nil
}

// rowID is the index of a table that has a NodeID, or another number, as its
// only index.
func rowID(r row) mib.NodeID {
	if len(r.index) == 0 {
		return 0
	}
	return mib.NodeID(r.index[0])
}

// nodes reads simoneNameTable.
func (c *client) nodes(ctx context.Context, tlm endpoint) ([]Node, error) {
	rows, err := c.rows(ctx, tlm, nil, nil,
		mib.SimoneNameName, mib.SimoneNameOwner, mib.SimoneNameAddress, mib.SimoneNameKind, mib.SimoneNameZone,
		mib.SimoneNameOperStatus, mib.SimoneNameLastSample, mib.SimoneNameDrained, mib.SimoneNamePinned,
		mib.SimoneNameCandidate, mib.SimoneNameEpoch)
	if err != nil {
		return nil, err
	}
	nodes := make([]Node, 0, len(rows))
	names := make(map[mib.NodeID]string, len(rows))
	for _, r := range rows {
		n := Node{
			ID: rowID(r), Name: r.text(mib.SimoneNameName), Kind: r.label(mib.SimoneNameKind),
			Address: r.text(mib.SimoneNameAddress), Zone: r.text(mib.SimoneNameZone), Owner: r.node(mib.SimoneNameOwner),
			Status: r.label(mib.SimoneNameOperStatus), LastSample: r.seconds(mib.SimoneNameLastSample),
			Drained: r.truth(mib.SimoneNameDrained), Pinned: r.truth(mib.SimoneNamePinned),
			Candidate: r.truth(mib.SimoneNameCandidate), Epoch: r.epoch(mib.SimoneNameEpoch),
		}
		nodes = append(nodes, n)
		names[n.ID] = n.Name
	}
	for i := range nodes {
		nodes[i].OwnerName = names[nodes[i].Owner]
	}
	return nodes, nil
}

// supportColumns are what a Support is made of; the first one every row has.
func supportColumns() []mib.OID {
	return []mib.OID{
		mib.SimoneSupportName, mib.SimoneSupportKind, mib.SimoneSupportAddress, mib.SimoneSupportProfile,
		mib.SimoneSupportCredential, mib.SimoneSupportOperStatus, mib.SimoneSupportLastPoll, mib.SimoneSupportRtt,
		mib.SimoneSupportJitter, mib.SimoneSupportLoss, mib.SimoneSupportCost, mib.SimoneSupportLoad,
		mib.SimoneSupportFailures, mib.SimoneSupportSamples, mib.SimoneSupportSlot, mib.SimoneSupportInterval,
		mib.SimoneSupportEpoch, mib.SimoneSupportVia,
	}
}

// support reads a manager's support list.
func (c *client) support(ctx context.Context, manager endpoint) ([]Support, error) {
	rows, err := c.rows(ctx, manager, nil, nil, supportColumns()...)
	if err != nil {
		return nil, err
	}
	list := make([]Support, 0, len(rows))
	for _, r := range rows {
		list = append(list, supportOf(r))
	}
	return list, nil
}

// supported reads one row of a manager's support list; nil if there is none.
func (c *client) supported(ctx context.Context, manager endpoint, node mib.NodeID) (*Support, error) {
	r, ok, err := c.row(ctx, manager, mib.OID{uint32(node)}, supportColumns()...)
	if err != nil || !ok {
		return nil, err
	}
	s := supportOf(r)
	return &s, nil
}

func supportOf(r row) Support {
	s := Support{
		ID: rowID(r), Name: r.text(mib.SimoneSupportName), Kind: r.label(mib.SimoneSupportKind),
		Address: r.text(mib.SimoneSupportAddress), Profile: r.text(mib.SimoneSupportProfile),
		Credential: r.text(mib.SimoneSupportCredential), Status: r.label(mib.SimoneSupportOperStatus),
		LastPoll: r.seconds(mib.SimoneSupportLastPoll), Loss: r.hundredths(mib.SimoneSupportLoss),
		Cost: r.millis(mib.SimoneSupportCost), Load: r.hundredths(mib.SimoneSupportLoad),
		Failures: r.number(mib.SimoneSupportFailures), Samples: r.number(mib.SimoneSupportSamples),
		Slot: r.number(mib.SimoneSupportSlot), Epoch: r.epoch(mib.SimoneSupportEpoch), Via: r.node(mib.SimoneSupportVia),
	}
	if s.LastPoll != nil { // else there was no round trip yet
		s.RTT, s.Jitter = r.millis(mib.SimoneSupportRtt), r.millis(mib.SimoneSupportJitter)
	}
	if r.number(mib.SimoneSupportInterval) != 0 {
		s.Interval = r.seconds(mib.SimoneSupportInterval)
	}
	return s
}
