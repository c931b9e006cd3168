package frontends

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"simone/mib"
)

// step is one SET. Those of a table are done one after another at two worlds
// that are the same, each behind its own front end, and both worlds are the
// same afterwards: changed as one, or not at all.
type step struct {
	name    string
	version string // 1, 2c, 3; empty is 2c
	who     string // empty is private, or manager with version 3
	vars    func(w *world) []mib.Variable
	status  mib.ErrorStatus
	index   int
	// apart says why snmpd's answer has another status and index.
	apart       string
	snmpdStatus mib.ErrorStatus
	snmpdIndex  int
	// broken is what the disk says meanwhile.
	broken error
	reason string // what simoneIlmError has to say, in part
}

// What net-snmp does in its own way, whatever a subagent answers.
const (
	undoFailedHasAnIndex = "undoFailed has index 0 (RFC 3416, section 4.2.5), which net-snmp makes a genErr of: the subagent says 1"
	noAccessAlways       = "who may write nothing gets noAccess at the variable from net-snmp; RFC 3413, section 3.2, has authorizationError"
)

func vars(v ...mib.Variable) func(*world) []mib.Variable {
	return func(*world) []mib.Variable { return v }
}

// fenced are variables behind the next fence.
func fenced(v ...mib.Variable) func(*world) []mib.Variable {
	return func(w *world) []mib.Variable { return append([]mib.Variable{w.fence()}, v...) }
}

// steps are all the SETs.
func steps() []step {
	const createAndGo, createAndWait, destroy = int32(mib.RowCreateAndGo), int32(mib.RowCreateAndWait), int32(mib.RowDestroy)
	status := func(node uint32, s int32) mib.Variable { return cell(mib.SimoneSupportRowStatus, node, mib.Integer(s)) }
	address := func(node uint32) mib.Variable {
		return cell(mib.SimoneSupportAddress, node, mib.Text(fmt.Sprintf("127.0.2.%d:161", node&255)))
	}
	with := func(change func(*mib.SupportRow)) mib.Variable {
		r := row(30, 9)
		change(&r)
		return apply(mib.Apply{Stage: []mib.SupportRow{r}})
	}
	failing := func(s mib.ErrorStatus) mib.Variable {
		return mib.Variable{Name: object(2, uint32(s), 0), Value: mib.Integer(1)}
	}
	value := func(i int, v mib.Value) mib.Variable { return mib.Variable{Name: object(1, uint32(i), 0), Value: v} }
	fifty := func(first uint32) (v []mib.Variable) {
		for n := first; n < first+50; n++ {
			v = append(v, status(n, createAndGo), address(n))
		}
		return v
	}
	bad := func(v []mib.Variable, at int, instead mib.Variable) []mib.Variable {
		v[at] = instead
		return v
	}
	up := scalar(mib.SimoneIlmAdminStatus, mib.Integer(int32(mib.IlmAdminUp)))
	disk := errors.New("no space left on device")

	all := []step{
		// Rows by columns: one, several, fifty; changed, destroyed, again.
		{name: "Row/Create", vars: fenced(status(30, createAndGo), address(30))},
		{name: "Row/Change", vars: fenced(cell(mib.SimoneSupportName, 30, mib.Text("thirty")), cell(mib.SimoneSupportInterval, 30, mib.Gauge(2500)))},
		{name: "Row/Destroy", vars: fenced(status(30, destroy))},
		{name: "Row/DestroyWhatIsNotThere", vars: fenced(status(30, destroy))},
		{name: "Row/CreateWithAllColumns", vars: fenced(cell(mib.SimoneSupportName, 31, mib.Text("n31")), address(31), cell(mib.SimoneSupportKind, 31, mib.Integer(int32(mib.KindLeaf))),
			cell(mib.SimoneSupportProfile, 31, mib.Text(mib.ProfileSimone)), cell(mib.SimoneSupportCredential, 31, mib.Text("demo")), cell(mib.SimoneSupportInterval, 31, mib.Gauge(1000)),
			cell(mib.SimoneSupportSlot, 31, mib.Gauge(7)), cell(mib.SimoneSupportDue, 31, mib.Integer(80000000)),
			cell(mib.SimoneSupportEpoch, 31, mib.Octets(mib.Epoch{1<<16 | 9}.Append(nil))), status(31, createAndGo))},
		{name: "Rows/Fifty", vars: fenced(fifty(1000)...)},
		{name: "Rows/FiftyAndTheLastIsWrong", vars: fenced(bad(fifty(2000), 99, cell(mib.SimoneSupportAddress, 2049, mib.Text("here")))...), status: mib.WrongValue, index: 101, reason: "host:port"},
		{name: "Rows/FiftyAreTooMany", vars: fenced(fifty(2000)...), status: mib.ResourceUnavailable, index: 2, reason: "full (100 rows)"},

		// The same packed.
		{name: "Apply/Stage", vars: fenced(apply(mib.Apply{Stage: []mib.SupportRow{row(40, 9), row(41, 9)}}))},
		{name: "Apply/Destroy", vars: fenced(apply(mib.Apply{Destroy: []mib.Tombstone{{Node: 40, Epoch: mib.Epoch{1<<16 | 9}}}}))},
		{name: "Apply/StageAndDestroy", vars: fenced(apply(mib.Apply{Stage: []mib.SupportRow{row(42, 9)}, Destroy: []mib.Tombstone{{Node: 41, Epoch: mib.Epoch{1<<16 | 9}}}}))},
		{name: "Apply/Twenty", vars: fenced(apply(many(50, 18)))},

		// Scalars, the trigger, other groups, several handlers in one SET.
		{name: "Scalars/Settings", vars: fenced(scalar(mib.SimoneIlmPollInterval, mib.Gauge(2000)), scalar(mib.SimoneIlmLevels, mib.Gauge(1)))},
		{name: "Scalars/Trigger", vars: vars(scalar(mib.SimoneIlmTrigger, mib.Truth(true)))},
		{name: "Scalars/Temperature", vars: vars(scalar(mib.SimoneTemperatureStu, mib.Gauge(2000)), scalar(mib.SimoneTemperatureExpression, mib.Text("I + L")))},
		{name: "Scalars/Node", vars: vars(scalar(mib.SimoneNodeMetricPeriod, mib.Gauge(60000)))},
		{name: "Scalars/SeveralHandlers", vars: fenced(scalar(mib.SimoneIlmPollInterval, mib.Gauge(3000)), value(1, mib.Integer(7)), scalar(mib.SimoneTemperatureStu, mib.Gauge(3000)))},
		{name: "Claim", vars: fenced()},
		{name: "Claim/Repeated", vars: func(w *world) []mib.Variable { return []mib.Variable{fence(1, w.seq)} }},

		// Every refusal of a real ILM, with its variable.
		{name: "WrongType/Fence", vars: vars(scalar(mib.SimoneIlmFence, mib.Gauge(1))), status: mib.WrongType, index: 1},
		{name: "WrongType/Cell", vars: fenced(cell(mib.SimoneSupportInterval, 20, mib.Text("1"))), status: mib.WrongType, index: 2},
		{name: "WrongLength/Fence", vars: vars(scalar(mib.SimoneIlmFence, mib.Text("x"))), status: mib.WrongLength, index: 1, reason: "octets"},
		{name: "WrongLength/Apply", vars: fenced(scalar(mib.SimoneIlmApply, mib.Octets(make([]byte, 1301)))), status: mib.WrongLength, index: 2, reason: "1301"},
		{name: "WrongValue/Status", vars: fenced(scalar(mib.SimoneIlmAdminStatus, mib.Integer(7))), status: mib.WrongValue, index: 2, reason: "up(1)"},
		{name: "WrongValue/Apply", vars: fenced(scalar(mib.SimoneIlmApply, mib.Text("\x01\x07"))), status: mib.WrongValue, index: 2, reason: "unknown operation"},
		{name: "WrongValue/CreateAndWait", vars: fenced(address(32), status(32, createAndWait)), status: mib.WrongValue, index: 3, reason: "not supported"},
		{name: "WrongValue/Twice", vars: fenced(address(20), address(20)), status: mib.WrongValue, index: 3, reason: "twice"},
		{name: "NoCreation/Scalar", vars: vars(mib.Variable{Name: mib.SimoneIlmFence.Append(1), Value: fence(1, 1000).Value}), status: mib.NoCreation, index: 1, reason: "only instance"},
		{name: "NoCreation/Row0", vars: fenced(status(0, createAndGo)), status: mib.NoCreation, index: 2, reason: "NodeID"},
		{name: "InconsistentValue/NoFence", vars: vars(up), status: mib.InconsistentValue, index: 1, reason: "begins with simoneIlmFence.0"},
		{name: "InconsistentValue/FenceNotFirst", vars: func(w *world) []mib.Variable { return []mib.Variable{up, w.fence()} }, status: mib.InconsistentValue, index: 1},
		{name: "InconsistentValue/StaleFence", vars: vars(fence(1, 1), up), status: mib.InconsistentValue, index: 1, reason: "lower than the one seen"},
		{name: "InconsistentValue/FenceUsedAlready", vars: func(w *world) []mib.Variable {
			f := w.host.Report(nil, false).Fence
			return []mib.Variable{fence(f.Term, f.Seq), up}
		}, status: mib.InconsistentValue, index: 1, reason: "used already"},
		{name: "InconsistentValue/Tombstone", vars: fenced(with(func(r *mib.SupportRow) { r.Node, r.Epoch = 24, mib.Epoch{1<<16 | 6} })), status: mib.InconsistentValue, index: 2, reason: "tombstone"},
		{name: "InconsistentValue/OlderEpoch", vars: fenced(cell(mib.SimoneSupportEpoch, 20, mib.Octets(mib.Epoch{5}.Append(nil)))), status: mib.InconsistentValue, index: 2, reason: "below the row's"},
		{name: "InconsistentValue/RowIsThere", vars: fenced(address(20), status(20, createAndGo)), status: mib.InconsistentValue, index: 3, reason: "there already"},
		{name: "InconsistentValue/DemotionWithRows", vars: fenced(scalar(mib.SimoneIlmAdminStatus, mib.Integer(int32(mib.IlmAdminDown)))), status: mib.InconsistentValue, index: 2, reason: "still"},
		{name: "InconsistentValue/Place", vars: vars(scalar(mib.SimoneNodeParent, mib.Text("127.0.0.9:161"))), status: mib.InconsistentValue, index: 1},
		{name: "InconsistentName/NoRow", vars: fenced(address(32)), status: mib.InconsistentName, index: 2, reason: "createAndGo(4)"},
		{name: "NotWritable/ReadOnly", vars: fenced(scalar(mib.SimoneIlmDigest, mib.Text("x"))), status: mib.NotWritable, index: 2},
		{name: "NotWritable/LearnedColumn", vars: fenced(cell(mib.SimoneSupportRtt, 20, mib.Gauge(1))), status: mib.NotWritable, index: 2},
		{name: "NotWritable/NoObject", vars: vars(mib.Variable{Name: object(77, 0), Value: mib.Integer(1)}), status: mib.NotWritable, index: 1},
		{name: "NotWritable/ReadOnlyTable", vars: vars(cell(mib.SimoneAggregateCount, 1, mib.Gauge(1))), status: mib.NotWritable, index: 1},
		{name: "ResourceUnavailable/Credential", vars: fenced(with(func(r *mib.SupportRow) { r.Credential = "prod" })), status: mib.ResourceUnavailable, index: 2, reason: `"prod" is not held`},
		{name: "ResourceUnavailable/OwnPath", vars: fenced(with(func(r *mib.SupportRow) { r.Node = 1 })), status: mib.ResourceUnavailable, index: 2, reason: "own path 1/4"},
		{name: "ResourceUnavailable/OwnPathByColumns", vars: fenced(status(1, createAndGo), address(1)), status: mib.ResourceUnavailable, index: 2, reason: "own path 1/4"},
		{name: "WrongValue/Address", vars: fenced(with(func(r *mib.SupportRow) { r.Address = "n30" })), status: mib.WrongValue, index: 2, reason: `"n30" is not host:port`},
		{name: "WrongValue/AddressByColumns", vars: fenced(status(32, createAndGo), cell(mib.SimoneSupportAddress, 32, mib.Text("n30"))), status: mib.WrongValue, index: 3, reason: `"n30" is not host:port`},
		{name: "WrongValue/Interval", vars: fenced(with(func(r *mib.SupportRow) { r.Interval = 99 * time.Millisecond })), status: mib.WrongValue, index: 2, reason: "100ms to 24h"},
		{name: "WrongValue/IntervalByColumns", vars: fenced(cell(mib.SimoneSupportInterval, 20, mib.Gauge(99))), status: mib.WrongValue, index: 2, reason: "100 to 86400000"},
		{name: "WrongValue/Policy", vars: fenced(scalar(mib.SimonePolicy, mib.Text("whim"))), status: mib.WrongValue, index: 2, reason: "balance or paper"},
		{name: "InconsistentValue/RuleWithoutFence", vars: vars(scalar(mib.SimoneThresholdSplit, mib.Text("20"))), status: mib.InconsistentValue, index: 1, reason: "begins with simoneIlmFence.0"},
		{name: "Scalars/Rules", vars: fenced(scalar(mib.SimoneThresholdSplit, mib.Text("20")), scalar(mib.SimonePolicy, mib.Text("paper")), scalar(mib.SimoneReconfigPaused, mib.Truth(true)))},
		{name: "CommitFailed/Disk", vars: fenced(apply(mib.Apply{Stage: []mib.SupportRow{row(90, 9)}})), broken: disk, status: mib.CommitFailed, index: 1, reason: "no space left"},

		// What passed is undone when another handler fails, in test and in
		// commit, before and after it.
		{name: "AllOrNothing/Test", vars: fenced(apply(mib.Apply{Stage: []mib.SupportRow{row(90, 9)}}), value(1, mib.Text("x"))), status: mib.WrongType, index: 3},
		{name: "AllOrNothing/TestOfTheFirst", vars: vars(value(1, mib.Integer(99)), fence(1, 1)), status: mib.InconsistentValue, index: 2},
		{name: "AllOrNothing/TwoRefuse", vars: vars(value(1, mib.Text("x")), fence(1, 1)), status: mib.WrongType, index: 1},
		{name: "Undo/Apply", vars: fenced(apply(mib.Apply{Stage: []mib.SupportRow{row(91, 9)}, Destroy: []mib.Tombstone{{Node: 23, Epoch: mib.Epoch{1<<16 | 9}}}}), failing(mib.CommitFailed)), status: mib.CommitFailed, index: 3},
		{name: "Undo/Columns", vars: fenced(status(92, createAndGo), address(92), value(1, mib.Integer(99)), failing(mib.CommitFailed)), status: mib.CommitFailed, index: 5},
		{name: "Undo/Scalars", vars: vars(scalar(mib.SimoneTemperatureStu, mib.Gauge(9000)), scalar(mib.SimoneNodeMetricPeriod, mib.Gauge(9000)), value(2, mib.Text("changed")), failing(mib.CommitFailed)), status: mib.CommitFailed, index: 4},
		{name: "Undo/Fails", vars: vars(value(2, mib.Text("changed")), failing(mib.UndoFailed)), status: mib.UndoFailed, apart: undoFailedHasAnIndex, snmpdStatus: mib.UndoFailed, snmpdIndex: 1},
		{name: "Undo/OfTheDisk", vars: fenced(with(func(r *mib.SupportRow) { r.Node = 93 }), value(2, mib.Text("changed"))), broken: disk, status: mib.CommitFailed, index: 1},

		{name: "Panic/Test", vars: vars(mib.Variable{Name: object(3, 1, 0), Value: mib.Integer(1)}), status: mib.GenErr, index: 1},
		{name: "Panic/Commit", vars: vars(mib.Variable{Name: object(3, 2, 0), Value: mib.Integer(1)}), status: mib.GenErr, index: 1},

		// Views.
		{name: "View/OfTheOperator", who: "operator", vars: vars(value(3, mib.ObjectID(mib.OID{1, 3, 6})))},
		{name: "View/Excluded", who: "operator", vars: vars(value(3, mib.ObjectID(mib.OID{1, 3, 7})), value(1, mib.Integer(5))), status: mib.NoAccess, index: 2},
		{name: "View/Outside", who: "operator", vars: vars(scalar(mib.SimoneTemperatureStu, mib.Gauge(1))), status: mib.NoAccess, index: 1},
		{name: "View/ReadOnlyCommunity", who: "public", vars: vars(value(1, mib.Integer(5))), status: mib.AuthorizationError, index: 1, apart: noAccessAlways, snmpdStatus: mib.NoAccess, snmpdIndex: 1},
		{name: "View/ReadOnlyCommunity/Rows", who: "public", vars: fenced(status(33, createAndGo), address(33)), status: mib.AuthorizationError, index: 1, apart: noAccessAlways, snmpdStatus: mib.NoAccess, snmpdIndex: 1},
		{name: "View/Monitor", version: "3", who: "monitor", vars: vars(value(1, mib.Integer(5))), status: mib.AuthorizationError, index: 1, apart: noAccessAlways, snmpdStatus: mib.NoAccess, snmpdIndex: 1},
		{name: "View/ReadOnlyCommunity/v1", version: "1", who: "public", vars: vars(value(1, mib.Integer(5))), status: mib.NoSuchName, index: 1},

		// Other versions.
		{name: "V3/Columns", version: "3", vars: fenced(status(34, createAndGo), address(34))},
		{name: "V3/Apply", version: "3", vars: fenced(apply(mib.Apply{Stage: []mib.SupportRow{row(43, 9)}}))},
		{name: "V3/StaleFence", version: "3", vars: vars(fence(1, 1)), status: mib.InconsistentValue, index: 1},
		{name: "V1/Columns", version: "1", vars: fenced(status(35, createAndGo), address(35))},
		{name: "V1/StaleFence", version: "1", vars: vars(fence(1, 1)), status: mib.BadValue, index: 1},
		{name: "V1/NotWritable", version: "1", vars: fenced(scalar(mib.SimoneIlmDigest, mib.Text("x"))), status: mib.NoSuchName, index: 2},
		{name: "V1/CommitFailed", version: "1", vars: vars(value(2, mib.Text("changed")), failing(mib.CommitFailed)), status: mib.GenErr, index: 2},
		{name: "V1/NoCreation", version: "1", vars: fenced(status(0, createAndGo)), status: mib.NoSuchName, index: 2},
	}
	// Every type that can be written.
	for i, v := range []mib.Value{mib.Integer(-7), mib.Text("changed"), mib.ObjectID(mib.OID{1, 3, 6, 1}), mib.IPAddress(netip.MustParseAddr("127.0.0.9")),
		mib.Counter32(9), mib.Gauge(3_000_000_000), mib.Ticks(100), mib.Counter64(1 << 40)} {
		all = append(all, step{name: "Type/" + v.Type.String(), vars: vars(value(i+1, v))})
	}
	// Every status (RFC 3416), and what v1 makes of it (RFC 3584, section 4.4).
	for s := mib.TooBig; s <= mib.InconsistentName; s++ {
		if s == mib.UndoFailed || s == mib.TooBig {
			continue // stands above; is no handler's to say
		}
		all = append(all, step{name: "Status/" + s.String(), vars: vars(value(1, mib.Integer(1)), failing(s)), status: s, index: 2})
	}
	return all
}

// many are n rows from one NodeID on.
func many(first mib.NodeID, n int) (a mib.Apply) {
	for i := range n {
		a.Stage = append(a.Stage, row(first+mib.NodeID(i), 9))
	}
	return a
}

// TestWritesAreAnsweredAlike: two worlds, two front ends, one answer and one
// effect.
func TestWritesAreAnsweredAlike(t *testing.T) {
	for _, asker := range []string{"gosnmp", "net-snmp"} {
		t.Run(asker, func(t *testing.T) {
			a, b := twins(t)
			for _, s := range steps() {
				t.Run(s.name, func(t *testing.T) { s.do(t, asker, a, b) })
			}
		})
	}
}

// do does the step at both, which are in the same state.
func (s step) do(t *testing.T, asker string, fronts ...*front) {
	version, who := s.version, s.who
	if version == "" {
		version = "2c"
	}
	if who == "" {
		who = map[bool]string{true: "manager", false: "private"}[version == "3"]
	}
	var said, states []string
	for _, f := range fronts {
		w := f.world
		before := w.state()
		v := s.vars(w)
		w.store.breakWith(s.broken)
		status, index := s.status, s.index
		if s.apart != "" && f.name == "snmpd" {
			status, index = s.snmpdStatus, s.snmpdIndex
		}
		var got, want string
		switch asker {
		case "gosnmp":
			got, want = set(t, f, version, who, v), fmt.Sprintf("%v at %d\n", status, index)
			said = append(said, got)
		default:
			var ok bool
			if got, ok = setByTool(t, f, version, who, v); !ok {
				if e := w.tree.Set(v); (e != nil) != (s.status != mib.NoError) {
					t.Fatalf("%v", e) // so that both go on from the same
				}
				break
			}
			said = append(said, got)
			want = " = "
			if status != mib.NoError {
				got = strings.ReplaceAll(got, "(", "")
				want = "Reason: " + strings.Replace(status.String(), "genErr", "genError", 1)
			}
		}
		w.store.breakWith(nil)
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %q, not %q", f.name, got, want)
		}
		after := w.state()
		if s.status != mib.NoError && after != before {
			t.Errorf("%s: a refused SET changed\n%s\nto\n%s", f.name, before, after)
		}
		if s.reason != "" {
			if text := w.tree.Get(mib.Instance(mib.SimoneIlmError)).String(); !strings.Contains(text, s.reason) {
				t.Errorf("%s: simoneIlmError is %q, which has no %q", f.name, text, s.reason)
			}
		}
		states = append(states, after)
	}
	if s.apart == "" && len(said) == 2 {
		same(t, asker, said[0], said[1])
	}
	same(t, "this test for its state", states[0], states[1])
}
