package manager

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// fakeAgent is a child as the network shows it: variables in order, an answer
// to SETs, and a place to meddle.
type fakeAgent struct {
	delay time.Duration // from a request to its answer
	// meddle, if set, may change the agent before the n-th request (from 1)
	// is answered, or answer in its place.
	meddle func(n int, r mib.Request) *mib.Response
	onSet  func(vars []mib.Variable) (mib.ErrorStatus, int)

	mu       sync.Mutex
	vars     []mib.Variable // sorted
	requests []mib.Request
}

func (a *fakeAgent) put(name mib.OID, v mib.Value) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, found := slices.BinarySearchFunc(a.vars, name, func(v mib.Variable, o mib.OID) int { return v.Name.Compare(o) })
	if found {
		a.vars[i].Value = v
		return
	}
	a.vars = slices.Insert(a.vars, i, mib.Variable{Name: name, Value: v})
}

func (a *fakeAgent) remove(name mib.OID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.vars = slices.DeleteFunc(a.vars, func(v mib.Variable) bool { return v.Name.Equal(name) })
}

func (a *fakeAgent) putScalar(object mib.OID, v mib.Value) { a.put(mib.Instance(object), v) }

// putReport shows a report, and its digest of the rows shown so far.
func (a *fakeAgent) putReport(r reconfig.Report) {
	active := mib.IlmAdminDown
	if r.Active {
		active = mib.IlmAdminUp
	}
	a.putScalar(mib.SimoneIlmFence, mib.Octets(r.Fence.Append(nil)))
	a.putScalar(mib.SimoneIlmAdminStatus, mib.Integer(int32(active)))
	a.putScalar(mib.SimoneTemperatureWindows, mib.Counter32(r.Windows))
	a.putScalar(mib.SimoneTemperatureNow, mib.Decimal(r.Temperature))
	a.putScalar(mib.SimoneTemperatureWeighted, mib.Decimal(r.Weighted))
	a.putScalar(mib.SimoneLatencyMean, mib.Micros(r.Latency))
	a.putScalar(mib.SimoneIntrusion, mib.Hundredths(r.Intrusion))
	a.putScalar(mib.SimoneUtilisation, mib.Hundredths(100*r.Utilisation))
	a.putScalar(mib.SimoneIlmDigest, mib.Octets(r.Digest.Append(nil)))
	a.putScalar(mib.SimoneIlmLogIncarnation, mib.Octets(binary.BigEndian.AppendUint64(nil, r.Log.Incarnation)))
	a.putScalar(mib.SimoneIlmLogHead, mib.Gauge(r.Log.Seq))
	a.putScalar(mib.SimoneIlmLease, mib.Millis(r.Lease))
	a.putScalar(mib.SimoneIlmCapacity, mib.Unsigned(r.Capacity))
	a.putScalar(mib.SimoneIlmSubtreeDigest, mib.Octets(r.Subtree.Append(nil)))
}

func (a *fakeAgent) putRow(r reconfig.RowReport) {
	status := mib.PollUp
	if r.Failing {
		status = mib.PollFailing
	}
	for column, v := range map[*mib.OID]mib.Value{
		&mib.SimoneSupportEpoch:      mib.Octets(r.Row.Epoch.Append(nil)),
		&mib.SimoneSupportSlot:       mib.Gauge(r.Row.Slot),
		&mib.SimoneSupportDue:        mib.SignedMillis(r.Row.Due),
		&mib.SimoneSupportFirstSlot:  mib.Gauge(r.First),
		&mib.SimoneSupportSamples:    mib.Counter32(r.Samples),
		&mib.SimoneSupportOperStatus: mib.Integer(int32(status)),
		&mib.SimoneSupportCost:       mib.Micros(r.Cost),
		&mib.SimoneSupportName:       mib.Text(r.Row.Name),
		&mib.SimoneSupportAddress:    mib.Text(r.Row.Address),
		&mib.SimoneSupportKind:       mib.Integer(int32(r.Row.Kind)),
		&mib.SimoneSupportProfile:    mib.Text(r.Row.Profile),
		&mib.SimoneSupportCredential: mib.Text(r.Row.Credential),
		&mib.SimoneSupportInterval:   mib.Millis(r.Row.Interval),
	} {
		a.put(column.Append(uint32(r.Row.Node)), v)
	}
}

func (a *fakeAgent) putRecord(r mib.Record) {
	a.put(mib.SimoneReportRecord.Append(r.Seq), mib.Octets(r.Append(nil)))
}

func (a *fakeAgent) asked() []mib.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.requests)
}

func (a *fakeAgent) answer(r mib.Request) mib.Response {
	a.mu.Lock()
	a.requests = append(a.requests, r)
	n := len(a.requests)
	a.mu.Unlock()
	if a.meddle != nil {
		if response := a.meddle(n, r); response != nil {
			return *response
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var out mib.Response
	switch r.Verb {
	case mib.VerbGet:
		for _, v := range r.Vars {
			i, found := a.find(v.Name)
			value := mib.Value{Type: mib.TypeNoSuchInstance}
			if found {
				value = a.vars[i].Value
			}
			out.Vars = append(out.Vars, mib.Variable{Name: v.Name, Value: value})
		}
	case mib.VerbGetBulk:
		names := make([]mib.OID, len(r.Vars))
		for i, v := range r.Vars {
			names[i] = v.Name
		}
		for range r.MaxRepetitions {
			for i, name := range names {
				at, found := a.find(name)
				if found {
					at++
				}
				v := mib.Variable{Name: name, Value: mib.Value{Type: mib.TypeEndOfMIBView}}
				if at < len(a.vars) {
					v = a.vars[at]
				}
				names[i] = v.Name
				out.Vars = append(out.Vars, v)
			}
		}
	case mib.VerbSet:
		if a.onSet != nil {
			out.Status, out.Index = a.onSet(r.Vars)
		}
		out.Vars = r.Vars
	}
	return out
}

func (a *fakeAgent) find(name mib.OID) (int, bool) {
	return slices.BinarySearchFunc(a.vars, name, func(v mib.Variable, o mib.OID) int { return v.Name.Compare(o) })
}

// fakeNetwork is a Poller over fake agents; those it does not know are silent.
type fakeNetwork struct {
	mu     sync.Mutex
	agents map[netip.AddrPort]*fakeAgent
	silent map[netip.AddrPort]bool
}

var _ Poller = (*fakeNetwork)(nil)

func (n *fakeNetwork) Start(r mib.Request, done func(mib.Response)) {
	go func() { done(n.Do(context.Background(), r)) }()
}

// Prepare implements Poller.
func (n *fakeNetwork) Prepare(r mib.Request) (mib.Query, error) { return query{n, r}, nil }

// PrepareWalk implements manager.Poller: no tables are read here.
func (*fakeNetwork) PrepareWalk(mib.Request, []mib.OID) (mib.Walk, error) {
	return nil, errors.ErrUnsupported
}

// Together implements Poller.
func (n *fakeNetwork) Together(f func()) { f() }

func (n *fakeNetwork) silence(a netip.AddrPort, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.silent == nil {
		n.silent = make(map[netip.AddrPort]bool)
	}
	n.silent[a] = on
}

func (n *fakeNetwork) Do(ctx context.Context, r mib.Request) mib.Response {
	n.mu.Lock()
	agent := n.agents[r.Address]
	if n.silent[r.Address] {
		agent = nil
	}
	n.mu.Unlock()
	timeout := r.Timeout
	if timeout == 0 {
		timeout = time.Second
	}
	wait := timeout * time.Duration(1+r.Retries)
	if agent != nil && agent.delay < timeout {
		wait = agent.delay
	}
	sent := time.Now()
	select { // of two things that are ready, select takes any
	case <-ctx.Done():
		wait = time.Hour
	default:
	}
	select {
	case <-ctx.Done():
		return mib.Response{Err: context.Cause(ctx)}
	case <-time.After(wait):
	}
	if agent == nil || agent.delay >= timeout {
		return mib.Response{Err: mib.ErrTimeout}
	}
	response := agent.answer(r)
	response.Sent, response.Received = sent, time.Now()
	return response
}

// memoryStore is a Store that can be made to fail, and that remembers in
// which order it was written.
type memoryStore struct {
	mu      sync.Mutex
	state   reconfig.State
	entries []reconfig.Entry
	fail    error // of Apply and Load
	applied int
	onApply func(reconfig.Txn)
}

var _ Store = (*memoryStore)(nil)

var errEngineDisk = errors.New("no space left on device")

func (s *memoryStore) setFail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *memoryStore) Load() (reconfig.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return reconfig.State{}, s.fail
	}
	return reconfig.State{
		Meta: s.state.Meta, Nodes: maps.Clone(s.state.Nodes),
		Ledgers: maps.Clone(s.state.Ledgers), Cursors: maps.Clone(s.state.Cursors),
	}, nil
}

func (s *memoryStore) Apply(t reconfig.Txn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.applied++
	if s.onApply != nil {
		s.onApply(t)
	}
	if s.state.Nodes == nil {
		s.state.Nodes = make(map[mib.NodeID]reconfig.Node)
		s.state.Ledgers = make(map[mib.NodeID]reconfig.Ledger)
		s.state.Cursors = make(map[mib.NodeID]reconfig.Cursor)
	}
	if t.Meta != nil {
		s.state.Meta = *t.Meta
	}
	for _, n := range t.Nodes {
		s.state.Nodes[n.ID] = n
	}
	for _, id := range t.Forget {
		delete(s.state.Nodes, id)
		delete(s.state.Ledgers, id)
	}
	for _, l := range t.Ledgers {
		s.state.Ledgers[l.Node] = l.Ledger
	}
	for _, c := range t.Cursors {
		s.state.Cursors[c.Child] = c.Cursor
	}
	return nil
}

func (s *memoryStore) AddEntries(e []reconfig.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, e...)
	return nil
}

func (s *memoryStore) LoadList() (reconfig.ListState, error) { return reconfig.ListState{}, nil }
func (s *memoryStore) ApplyList(*reconfig.ListChange) error  { return nil }
func (s *memoryStore) kinds() map[reconfig.Kind]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := make(map[reconfig.Kind]int)
	for _, e := range s.entries {
		k[e.Kind]++
	}
	return k
}

// listDoor is a Door to a bare list, without disk or network.
type listDoor struct {
	clock Clock
	mu    sync.Mutex
	list  *reconfig.List
}

func newListDoor(clock Clock) *listDoor {
	return &listDoor{clock: clock, list: reconfig.NewList(reconfig.ListState{Active: true}, reconfig.ListLimits{Incarnation: 77}, clock.Now())}
}

func (d *listDoor) Control(set reconfig.ControlSet) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	change, refusal := d.list.Plan(d.clock.Now(), set)
	if refusal != nil {
		return refusal
	}
	if change != nil {
		d.list.Apply(d.clock.Now(), change)
	}
	return nil
}

func (d *listDoor) Report(rows []mib.NodeID, full bool) reconfig.Report {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := reconfig.Report{
		Fence: d.list.Fence(), Active: d.list.Active(), Digest: d.list.Digest(), Log: d.list.Log().Head(), Full: full,
	}
	if full {
		rows = nil
		for id, ok := d.list.NextRow(0); ok; id, ok = d.list.NextRow(id) {
			rows = append(rows, id)
		}
	}
	for _, id := range rows {
		if s, ok := d.list.Row(d.clock.Now(), id); ok {
			r.Rows = append(r.Rows, reconfig.RowReport{Row: s.Row, First: s.First, Samples: s.Samples, Failing: s.Failing, Cost: s.Cost})
		}
	}
	return r
}

func (d *listDoor) ReadLog(from reconfig.Cursor, limit int) (uint64, []mib.Record) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.list.Log().Head().Incarnation, d.list.Log().Read(d.clock.Now(), from, limit)
}

func (d *listDoor) rows() []mib.NodeID {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []mib.NodeID
	for id, ok := d.list.NextRow(0); ok; id, ok = d.list.NextRow(id) {
		ids = append(ids, id)
	}
	return ids
}
