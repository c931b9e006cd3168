package ctl

import (
	"bytes"
	"context"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"simone/agent/responder"
	"simone/mib"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	time.Local = time.UTC // goldens show times
	os.Exit(m.Run())
}

// The agents of the test's tree. Their addresses are fixed, as goldens show
// them.
const (
	tlmAt    = "127.83.0.1:11161"
	ilmAAt   = "127.83.0.2:11161"
	ilmBAt   = "127.83.0.3:11161"
	leaf4At  = "127.83.0.4:11161"
	leaf5At  = "127.83.0.5:11161" // nobody answers there
	ilmCAt   = "127.83.0.6:11161"
	leaf7At  = "127.83.0.7:11161" // nobody answers there
	switchAt = "127.83.0.8:161"   // nor there

	readCommunity  = "public"
	writeCommunity = "s3cret"
)

// cell of a fixture: a mib.Value, or a func() mib.Value.
type content = any

func valueOf(c content) mib.Value {
	if f, ok := c.(func() mib.Value); ok {
		return f()
	}
	return c.(mib.Value)
}

// fixture is a table that can be changed while it is read.
type fixture struct {
	mu   sync.Mutex
	rows map[string]map[uint32]content // by index; cells by column number
}

func newFixture() *fixture { return &fixture{rows: make(map[string]map[uint32]content)} }

// put sets cells of a row: pairs of a column's OID and a content.
func (f *fixture) put(index mib.OID, pairs ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.rows[index.String()]
	if r == nil {
		r = make(map[uint32]content)
		f.rows[index.String()] = r
	}
	for i := 0; i < len(pairs); i += 2 {
		column := pairs[i].(mib.OID)
		r[column[len(column)-1]] = pairs[i+1]
	}
}

// drop takes a row away.
func (f *fixture) drop(index mib.OID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.rows, index.String())
}

func (f *fixture) Next(index mib.OID) (mib.OID, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []mib.OID
	for key := range maps.Keys(f.rows) {
		all = append(all, mib.MustOID(key))
	}
	slices.SortFunc(all, mib.OID.Compare)
	for _, o := range all {
		if o.Compare(index) > 0 {
			return o, true
		}
	}
	return nil, false
}

func (f *fixture) Value(column uint32, index mib.OID) mib.Value {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.rows[index.String()][column]
	if !ok {
		return mib.Value{Type: mib.TypeNoSuchInstance}
	}
	return valueOf(c)
}

// agent is a SIMONE node made of fixtures.
type agent struct {
	t       *testing.T
	tree    *mib.Tree
	tables  map[string]*fixture
	mu      sync.Mutex
	scalars map[string]content
	test    func(vars []mib.Variable) *mib.SetError // of SETs; nil accepts
	on      func(object mib.OID, v mib.Value)       // after a SET
	cfg     responder.Config
	stop    func()
}

func newAgent(t *testing.T, at string, tables ...mib.OID) *agent {
	a := &agent{t: t, tree: mib.NewTree(), tables: make(map[string]*fixture), scalars: make(map[string]content)}
	a.cfg = responder.Config{
		Listen: at,
		Communities: []responder.Community{
			{Name: "read", Secret: readCommunity},
			{Name: "write", Secret: writeCommunity, Write: &responder.View{}},
		},
	}
	for _, entry := range tables {
		f := newFixture()
		table, err := mib.NewTable(entry, f)
		if err == nil {
			err = table.Register(a.tree)
		}
		if err != nil {
			t.Fatal(err)
		}
		a.tables[entry.String()] = f
	}
	return a
}

func (a *agent) table(entry mib.OID) *fixture { return a.tables[entry.String()] }

// put sets scalars: pairs of an object's OID and a content.
func (a *agent) put(pairs ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := 0; i < len(pairs); i += 2 {
		a.scalars[pairs[i].(mib.OID).String()] = pairs[i+1]
	}
}

func (a *agent) value(object mib.OID) mib.Value {
	a.mu.Lock()
	defer a.mu.Unlock()
	return valueOf(a.scalars[object.String()])
}

// start answers, until stop or the end of the test.
func (a *agent) start() *agent {
	a.t.Helper()
	a.fill()
	a.restart()
	return a
}

// fill puts the scalars into the tree.
func (a *agent) fill() {
	a.t.Helper()
	var objects []mib.Scalar
	for name := range a.scalars {
		object := mib.MustOID(name)
		objects = append(objects, mib.Scalar{OID: object, Read: func() mib.Value { return a.value(object) }})
	}
	group, err := mib.NewScalarGroup(a.set, objects...)
	if err == nil {
		err = group.Register(a.tree)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// restart answers again after stop.
func (a *agent) restart() {
	a.t.Helper()
	r, err := responder.New(a.cfg, a.tree)
	if err != nil {
		a.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	var once sync.Once
	a.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				a.t.Errorf("responder at %s: %v", a.cfg.Listen, err)
			}
		})
	}
	a.t.Cleanup(a.stop)
}

func (a *agent) set(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	if a.test != nil {
		if err := a.test(vars); err != nil {
			return nil, err
		}
	}
	return mib.TxnFuncs{OnCommit: func() error {
		for _, v := range vars {
			object := v.Name[:len(v.Name)-1]
			a.put(object, v.Value)
			a.mu.Lock()
			on := a.on
			a.mu.Unlock()
			if on != nil {
				on(object, v.Value)
			}
		}
		return nil
	}}, nil
}

// identity sets who a node is.
func (a *agent) identity(id mib.NodeID, name string, role mib.Role, parent string, parentID mib.NodeID) {
	a.put(mib.SimoneNodeId, mib.Gauge(uint32(id)), mib.SimoneNodeName, mib.Text(name),
		mib.SimoneNodeRole, mib.Integer(int32(role)), mib.SimoneNodeParent, mib.Text(parent),
		mib.SimoneNodeParentId, mib.Gauge(uint32(parentID)), mib.SimoneNodeSoftware, mib.Text("simoned 1.0"),
		mib.SimoneNodeUuid, mib.Text("8f0d3a4e-0000-4000-8000-000000000001"), mib.SimoneNodeLevel, mib.Gauge(uint32(3-role)),
		mib.SimoneNodePath, mib.Text("1/2"), mib.SimoneNodeCapabilities, mib.Text("profile:simone credential:tree"),
		mib.SimoneNodeStartTime, mib.DateAndTime(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)),
		mib.SimoneNodeMetricPeriod, mib.Gauge(5000))
}

// manages sets what a manager shows of itself as one.
func (a *agent) manages(parent mib.NodeID) {
	fence := mib.Fence{}
	if parent != 0 {
		fence = mib.Fence{Parent: parent, Own: mib.Epoch{1<<16 | 1}, Term: 1, Seq: 7}
	}
	a.put(mib.SimoneIlmOperStatus, mib.Integer(int32(mib.IlmUp)), mib.SimoneIlmFence, mib.Octets(fence.Append(nil)),
		mib.SimoneIlmLatenessMean, mib.Gauge(600), mib.SimoneIlmLatenessP99, mib.Gauge(4100), mib.SimoneIlmShedShare, mib.Gauge(0),
		mib.SimoneIlmShedHigh, mib.Counter32(0), mib.SimoneIlmShedNormal, mib.Counter32(7), mib.SimoneIlmShedLow, mib.Counter32(90),
		mib.SimoneIlmLease, mib.Gauge(400), mib.SimoneIlmLastRound, mib.Gauge(800),
		mib.SimoneIlmTriggerInterval, mib.Gauge(1000), mib.SimoneIlmSupportCount, mib.Gauge(2),
		mib.SimoneIlmLogDropped, mib.Counter32(0), mib.SimoneIlmStaleFences, mib.Counter32(0), mib.SimoneIlmError, mib.Text(""),
		mib.SimoneIlmSubtreeDigest, mib.Octets(mib.Digest{Count: 3}.Append(nil)), mib.SimoneTemperatureNow, mib.Decimal(3.5), mib.SimoneTemperatureWeighted, mib.Decimal(1.75), mib.SimoneIntrusion, mib.Hundredths(1.25),
		mib.SimoneUtilisation, mib.Hundredths(12.5), mib.SimoneLatencyMean, mib.Gauge(3500))
}

// decides adds simoneReconfig, with what holds in the whole tree.
func (a *agent) decides() {
	a.put(
		mib.SimoneThresholdMerge, mib.Text("0.1"), mib.SimoneThresholdSplit, mib.Text("17.5"), mib.SimoneThresholdMigrate, mib.Text("500"),
		mib.SimonePolicy, mib.Text("paper"), mib.SimoneReconfigMode, mib.Integer(int32(mib.ReconfigAutomatic)),
		mib.SimoneReconfigPaused, mib.Truth(false), mib.SimoneReconfigWeighted, mib.Truth(false))
}

// supports adds a row to a manager's support list. A rtt of 0 is a node that
// has never answered.
func (a *agent) supports(id mib.NodeID, name, at string, kind mib.Kind, status mib.PollStatus, rtt time.Duration) {
	last := mib.Gauge(mib.Never)
	if rtt > 0 {
		last = mib.Gauge(300)
	}
	a.table(mib.SimoneSupportEntry).put(mib.OID{uint32(id)},
		mib.SimoneSupportName, mib.Text(name), mib.SimoneSupportKind, mib.Integer(int32(kind)),
		mib.SimoneSupportAddress, mib.Text(at), mib.SimoneSupportProfile, mib.Text("simone"),
		mib.SimoneSupportCredential, mib.Text("tree"), mib.SimoneSupportOperStatus, mib.Integer(int32(status)),
		mib.SimoneSupportLastPoll, last, mib.SimoneSupportRtt, mib.Micros(rtt), mib.SimoneSupportJitter, mib.Micros(rtt/10),
		mib.SimoneSupportLoss, mib.Hundredths(0.5), mib.SimoneSupportCost, mib.Gauge(85),
		mib.SimoneSupportFailures, mib.Counter32(1), mib.SimoneSupportSamples, mib.Counter32(199),
		mib.SimoneSupportSlot, mib.Gauge(201), mib.SimoneSupportInterval, mib.Gauge(0),
		mib.SimoneSupportEpoch, mib.Octets(mib.Epoch{1<<16 | 3}.Append(nil)))
}

// measures adds a metric of the built-in profile to a table of metrics.
func (a *agent) measures(node mib.NodeID, profile, name string, value float64) {
	a.table(mib.SimoneMetricEntry).put(mib.OID{uint32(node), mib.MetricNumber(profile, name), 0},
		mib.SimoneMetricValue, mib.Decimal(value), mib.SimoneMetricAge, mib.Gauge(1500),
		mib.SimoneMetricTime, func() mib.Value { return mib.DateAndTime(time.Now().Add(-1500 * time.Millisecond)) })
}

// fleet is the test's tree:
//
//	tlm 1 ─┬─ ilm-a 2 (hot) ─┬─ ilm-c 6 ── n7
//	       │                 ├─ n4
//	       │                 └─ n5 (failing)
//	       └─ ilm-b 3 (cold) ── switch 8, a device
type fleet struct {
	t                   *testing.T
	tlm, a, b, c, leaf4 *agent
}

func managerTables() []mib.OID {
	return []mib.OID{mib.SimoneSupportEntry, mib.SimoneMetricEntry, mib.SimoneMetricRegistryEntry, mib.SimoneAggregateEntry}
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t}
	f.tlm = newAgent(t, tlmAt, append(managerTables(), mib.SimoneTreeEntry, mib.SimoneNameEntry, mib.SimoneEventEntry, mib.SimoneRoundEntry)...)
	f.tlm.identity(1, "tlm", mib.RoleTLM, "", 0)
	f.tlm.manages(0)
	f.tlm.decides()
	f.tlm.put(
		mib.SimoneReconfigDrain, mib.Gauge(0), mib.SimoneReconfigUndrain, mib.Gauge(0),
		mib.SimoneReconfigPlace, mib.Octets(nil),
		mib.SimoneReconfigPin, mib.Gauge(0), mib.SimoneReconfigUnpin, mib.Gauge(0),
		mib.SimoneIlmTrigger, mib.Truth(false), mib.SimoneReconfigRounds, mib.Counter32(41),
	)
	for i, k := range counters() {
		f.tlm.put(k.object, mib.Counter32(uint32(i)))
	}
	f.tlm.test = func(vars []mib.Variable) *mib.SetError {
		next := map[string]float64{}
		for _, o := range []mib.OID{mib.SimoneThresholdMerge, mib.SimoneThresholdSplit, mib.SimoneThresholdMigrate} {
			next[o.String()], _ = mib.ParseDecimal(f.tlm.value(o))
		}
		for _, v := range vars {
			next[v.Name[:len(v.Name)-1].String()], _ = mib.ParseDecimal(v.Value)
		}
		if next[mib.SimoneThresholdMerge.String()] > next[mib.SimoneThresholdSplit.String()] ||
			next[mib.SimoneThresholdSplit.String()] > next[mib.SimoneThresholdMigrate.String()] {
			return mib.Refuse(mib.InconsistentValue, len(vars)-1, "out of order")
		}
		return nil
	}
	f.tlm.on = func(object mib.OID, _ mib.Value) {
		if object.Equal(mib.SimoneIlmTrigger) {
			f.tlm.put(mib.SimoneReconfigRounds, mib.Counter32(42))
		}
	}
	f.tlm.supports(2, "ilm-a", ilmAAt, mib.KindILM, mib.PollUp, 410*time.Microsecond)
	f.tlm.supports(3, "ilm-b", ilmBAt, mib.KindILM, mib.PollUp, 390*time.Microsecond)
	f.manager(1, "tlm", tlmAt, 0, 0, 0.2, 2)
	f.manager(2, "ilm-a", ilmAAt, 1, 1, 21.44, 3)
	f.manager(3, "ilm-b", ilmBAt, 1, 1, 0.05, 1)
	f.deeper(6, "ilm-c", ilmCAt, 2, 2)
	f.node(1, "tlm", tlmAt, 0, mib.KindILM, mib.PollUp, 900)
	f.node(2, "ilm-a", ilmAAt, 1, mib.KindILM, mib.PollUp, 700)
	f.node(3, "ilm-b", ilmBAt, 1, mib.KindILM, mib.PollUp, 700)
	f.node(4, "n4", leaf4At, 2, mib.KindLeaf, mib.PollUp, 1100)
	f.node(5, "n5", leaf5At, 2, mib.KindLeaf, mib.PollFailing, 65000)
	f.node(6, "ilm-c", ilmCAt, 2, mib.KindILM, mib.PollUp, 700)
	f.node(7, "n7", leaf7At, 6, mib.KindLeaf, mib.PollUp, 1200)
	f.node(8, "switch", switchAt, 3, mib.KindDevice, mib.PollUp, 1200)
	f.event(1, 21 /* term */, 1, 0, 0, 0, "term 1", "", "")
	f.event(2, 22 /* joined */, 4, 0, 0, 1, "n4 at "+leaf4At, "", "")
	f.event(3, 1 /* split */, 0, 3, 2, 2, "temperature 21.4 stu above split 17.5 with 6 nodes", "about half of it", "")
	f.event(4, 26 /* outcome */, 0, 3, 2, 2, "temperature 21.4", "about half of it", "temperature 9.8 stu")
	f.event(5, 17 /* lost */, 9, 0, 0, 4, "3 probes unanswered", "", "")
	f.round(2, "ilm-a", 21.44, "hot: to be split to ilm-b")
	f.round(3, "ilm-b", 0.05, "cold, and the only one of its kind: nothing to merge with")
	f.tlm.measures(2, mib.ProfileSimone, "load1", 0.75)
	f.tlm.measures(0, mib.ProfileSimone, "load1", 0.25)
	f.tlm.table(mib.SimoneMetricRegistryEntry).put(mib.OID{4711},
		mib.SimoneMetricRegistryName, mib.Text("fanSpeed"), mib.SimoneMetricRegistryProfile, mib.Text("chassis"),
		mib.SimoneMetricRegistryUnit, mib.Text("rpm"))
	f.tlm.table(mib.SimoneAggregateEntry).put(mib.OID{4711},
		mib.SimoneAggregateCount, mib.Gauge(2), mib.SimoneAggregateMin, mib.Text("900"), mib.SimoneAggregateMax, mib.Text("1100"),
		mib.SimoneAggregateMean, mib.Text("1000"), mib.SimoneAggregateDeviation, mib.Text("100"), mib.SimoneAggregateSum, mib.Text("2000"),
		mib.SimoneAggregateP50, mib.Text("900"), mib.SimoneAggregateP90, mib.Text("1100"), mib.SimoneAggregateP99, mib.Text("1100"),
		mib.SimoneAggregateAge, mib.Gauge(2500))
	f.tlm.start()

	f.a = f.ilm(2, "ilm-a", ilmAAt, tlmAt, 1)
	f.a.supports(4, "n4", leaf4At, mib.KindLeaf, mib.PollUp, 250*time.Microsecond)
	f.a.supports(5, "n5", leaf5At, mib.KindLeaf, mib.PollFailing, 0)
	f.a.supports(6, "ilm-c", ilmCAt, mib.KindILM, mib.PollUp, 480*time.Microsecond)
	f.a.measures(4, mib.ProfileSimone, "load1", 1.5)
	f.a.measures(0, mib.ProfileSimone, "load1", 0.75)
	f.a.event(1, 21 /* term */, 2, 0, 0, 0, "term 1", "", "")
	f.a.event(4, 8 /* promote */, 6, 0, 0, 0, "", "", "")
	f.a.round(6, "ilm-c", 3.5, "no change")
	f.a.put(mib.SimoneReconfigRounds, mib.Counter32(12))
	f.a.start()
	f.b = f.ilm(3, "ilm-b", ilmBAt, tlmAt, 1)
	f.b.supports(8, "switch", switchAt, mib.KindDevice, mib.PollUp, 12*time.Millisecond)
	f.b.table(mib.SimoneMetricEntry).put(mib.OID{8, 4711, 3}, mib.SimoneMetricValue, mib.Text("900"), mib.SimoneMetricAge, mib.Gauge(100))
	f.b.start()
	f.c = f.ilm(6, "ilm-c", ilmCAt, ilmAAt, 2)
	f.c.put(mib.SimoneIlmSupportCount, mib.Gauge(1))
	f.c.supports(7, "n7", leaf7At, mib.KindLeaf, mib.PollUp, time.Millisecond)
	// n7 has moved here from ilm-a, which still has what it measured.
	f.a.measures(7, mib.ProfileSimone, "load1", 99)
	f.c.measures(7, mib.ProfileSimone, "load1", 0.5)
	f.c.start()
	f.leaf4 = newAgent(t, leaf4At)
	f.leaf4.identity(4, "n4", mib.RoleLeaf, ilmAAt, 2)
	f.leaf4.start()
	return f
}

func (f *fleet) ilm(id mib.NodeID, name, at, parent string, parentID mib.NodeID) *agent {
	a := newAgent(f.t, at, append(managerTables(), mib.SimoneEventEntry, mib.SimoneRoundEntry)...)
	a.identity(id, name, mib.RoleILM, parent, parentID)
	a.decides()
	a.manages(parentID)
	return a
}

func (f *fleet) manager(id mib.NodeID, name, at string, parent mib.NodeID, level uint32, temperature float64, nodes uint32) {
	f.tlm.table(mib.SimoneTreeEntry).put(mib.OID{uint32(id)},
		mib.SimoneTreeName, mib.Text(name), mib.SimoneTreeAddress, mib.Text(at), mib.SimoneTreeParentId, mib.Gauge(uint32(parent)),
		mib.SimoneTreeLevel, mib.Gauge(level), mib.SimoneTreeTemperature, mib.Decimal(temperature),
		mib.SimoneTreeWeighted, mib.Decimal(temperature/2), mib.SimoneTreeIntrusion, mib.Hundredths(1.25),
		mib.SimoneTreeUtilisation, mib.Hundredths(12.5), mib.SimoneTreeLatency, mib.Gauge(uint32(temperature*1000)),
		mib.SimoneTreeSupportCount, mib.Gauge(nodes), mib.SimoneTreeOperStatus, mib.Integer(int32(mib.IlmUp)),
		mib.SimoneTreeDrained, mib.Truth(false))
}

// deeper is an ILM below another one, of which the TLM knows less.
func (f *fleet) deeper(id mib.NodeID, name, at string, parent mib.NodeID, level uint32) {
	f.tlm.table(mib.SimoneTreeEntry).put(mib.OID{uint32(id)},
		mib.SimoneTreeName, mib.Text(name), mib.SimoneTreeAddress, mib.Text(at), mib.SimoneTreeParentId, mib.Gauge(uint32(parent)),
		mib.SimoneTreeLevel, mib.Gauge(level), mib.SimoneTreeOperStatus, mib.Integer(int32(mib.IlmUp)), mib.SimoneTreeDrained, mib.Truth(false))
}

func (f *fleet) node(id mib.NodeID, name, at string, owner mib.NodeID, kind mib.Kind, status mib.PollStatus, age uint32) {
	f.tlm.table(mib.SimoneNameEntry).put(mib.OID{uint32(id)},
		mib.SimoneNameName, mib.Text(name), mib.SimoneNameOwner, mib.Gauge(uint32(owner)), mib.SimoneNameAddress, mib.Text(at),
		mib.SimoneNameKind, mib.Integer(int32(kind)), mib.SimoneNameZone, mib.Text("default"),
		mib.SimoneNameOperStatus, mib.Integer(int32(status)), mib.SimoneNameLastSample, mib.Gauge(age),
		mib.SimoneNameDrained, mib.Truth(false), mib.SimoneNamePinned, mib.Truth(id == 8),
		mib.SimoneNameCandidate, mib.Truth(kind == mib.KindILM), mib.SimoneNameEpoch, mib.Octets(mib.Epoch{1<<16 | 3}.Append(nil)))
}

func (f *fleet) event(seq uint32, kind int32, node, from, to mib.NodeID, nodes uint32, seen, expected, outcome string) {
	f.tlm.event(seq, kind, node, from, to, nodes, seen, expected, outcome)
}

func (a *agent) event(seq uint32, kind int32, node, from, to mib.NodeID, nodes uint32, seen, expected, outcome string) {
	a.table(mib.SimoneEventEntry).put(mib.OID{seq},
		mib.SimoneEventTime, mib.DateAndTime(time.Date(2026, 11, 20, 10, 0, int(seq), 0, time.UTC)), mib.SimoneEventKind, mib.Integer(kind),
		mib.SimoneEventNodeId, mib.Gauge(uint32(node)), mib.SimoneEventFrom, mib.Gauge(uint32(from)), mib.SimoneEventTo, mib.Gauge(uint32(to)),
		mib.SimoneEventNodes, mib.Gauge(nodes), mib.SimoneEventSeen, mib.Text(seen), mib.SimoneEventExpected, mib.Text(expected),
		mib.SimoneEventOutcome, mib.Text(outcome), mib.SimoneEventText, mib.Text("the event in a sentence"))
}

func (f *fleet) round(id mib.NodeID, name string, temperature float64, verdict string) {
	f.tlm.round(id, name, temperature, verdict)
}

func (a *agent) round(id mib.NodeID, name string, temperature float64, verdict string) {
	a.table(mib.SimoneRoundEntry).put(mib.OID{uint32(id)},
		mib.SimoneRoundName, mib.Text(name), mib.SimoneRoundTemperature, mib.Decimal(temperature),
		mib.SimoneRoundWeighted, mib.Decimal(temperature), mib.SimoneRoundUtilisation, mib.Hundredths(12.5),
		mib.SimoneRoundSupportCount, mib.Gauge(3), mib.SimoneRoundAge, mib.Gauge(200), mib.SimoneRoundVerdict, mib.Text(verdict))
}

// result is what a run of simonectl gave.
type result struct {
	stdout, stderr string
	err            error
	code           int
}

// surroundings makes options with nothing around but what is given.
func surroundings(env map[string]string) (*options, *bytes.Buffer, *bytes.Buffer) {
	var stdout, stderr bytes.Buffer
	return &options{stdout: &stdout, stderr: &stderr, getenv: func(name string) string { return env[name] }}, &stdout, &stderr
}

// simonectl runs a command line against the TLM, unless it says otherwise.
func simonectl(t *testing.T, args ...string) result {
	t.Helper()
	return simonectlIn(t, map[string]string{envAddress: tlmAt}, args...)
}

func simonectlIn(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	o, stdout, stderr := surroundings(env)
	o.root = t.TempDir()
	err := run(t.Context(), o, args)
	return result{stdout.String(), stderr.String(), err, ExitCode(err)}
}

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test -update makes it", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", file, got, want)
	}
}
