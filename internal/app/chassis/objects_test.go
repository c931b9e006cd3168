package chassis_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"simone/internal/app/chassis"
	"simone/internal/app/node"
	"simone/internal/app/top"
	"simone/internal/config"
	"simone/mib"
)

// patience is for what must happen; only a test that fails waits so long.
const patience = 20 * time.Second

// small is a real tree in one process: a TLM with three candidates, one of
// which it has made an ILM.
type small struct {
	top *top.Top
	ilm *node.Node
}

func newSmall(t *testing.T) *small {
	t.Helper()
	free, err := net.ListenPacket("udp4", "127.78.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.LocalAddr().(*net.UDPAddr).Port
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	fill := func(c *config.Node, name string, n byte) {
		c.Name, c.State = name, filepath.Join(dir, name)
		c.Listen = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 78, 0, n}), uint16(port)).String()
		c.MetricPeriod = config.Duration(200 * time.Millisecond)
		c.Credentials = []config.Credential{{Name: "c", Version: "v2c", Community: config.NewSecret("s3cret")}}
		c.Communities = []config.Community{{
			Community: config.NewSecret("s3cret"), Sources: []string{"127.0.0.0/8"}, Read: []string{"1"}, Write: []string{"simoneMIB"}, Notify: true,
		}}
	}
	tc := config.DefaultTLM()
	fill(&tc.Node, "tlm", 1)
	tc.Poll, tc.Trigger, tc.ILMs = config.Duration(200*time.Millisecond), config.Duration(300*time.Millisecond), config.ILMs{Start: 1, Min: 1, Max: 1}
	tc.Thresholds = config.Thresholds{Merge: 0.1, Split: 1e6, Migrate: 1e7} // nothing moves by itself
	x := &small{}
	mount := func(o *chassis.Options) { o.From = netip.MustParseAddrPort(o.Config.Listen).Addr() }
	if x.top, err = top.Open(top.Options{Config: tc, Mount: mount}); err != nil {
		t.Fatal(err)
	}
	var nodes []*node.Node
	for i := range byte(3) {
		nc := config.DefaultNode()
		fill(nc, fmt.Sprintf("n%d", i), 2+i)
		nc.Candidate = true
		nc.Announce = config.Announce{To: tc.Listen, Credential: "c", Every: config.Duration(300 * time.Millisecond)}
		n, err := node.Open(node.Options{Config: nc, Mount: mount})
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	start := func(name string, run func(context.Context) error, stop func() error) {
		running.Go(func() {
			if err := run(ctx); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := stop(); err != nil {
				t.Errorf("close %s: %v", name, err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	start("tlm", x.top.Run, x.top.Close)
	for _, n := range nodes {
		start("node", n.Run, n.Close)
	}
	eventually(t, "one node is an ILM and looks after the others", func() bool {
		for _, n := range nodes {
			if r := n.Manager().Host().Report(nil, true); r.Active && len(r.Rows) == 2 && r.Rows[0].Samples > 2 {
				x.ilm = n
				return true
			}
		}
		return false
	})
	return x
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// TestEveryObjectIsShown walks a TLM and an ILM: there is every object that can
// be read, but for those that simoneCompliance does not ask of the role, and
// each has a value that fits its syntax.
func TestEveryObjectIsShown(t *testing.T) {
	x := newSmall(t)
	for _, c := range []struct {
		name   string
		tree   *mib.Tree
		except map[string]string // arcs that are not shown, and why
	}{
		{"ilm", x.ilm.Chassis().Tree, map[string]string{
			"simoneEventTable": "this one has no managers below it",
			"simoneRoundTable": "this one has no managers below it",
			"simoneTree":       "only the TLM sees the whole tree",
		}},
		{"tlm", x.top.Chassis().Tree, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := make(map[string]bool)
			look := func() {
				for name := mib.SimoneMIB; ; {
					v, ok := c.tree.Next(name)
					if !ok || !v.Name.HasPrefix(mib.SimoneMIB) {
						return
					}
					if v.Name.Compare(name) <= 0 {
						t.Fatalf("after %v comes %v", name, v.Name)
					}
					name = v.Name
					o, _ := mib.Locate(v.Name)
					if o == nil {
						t.Fatalf("%v is not in the MIB", v.Name)
					}
					if status, why := o.Syntax.Check(v.Value); status != mib.NoError {
						t.Errorf("%s: %s", mib.NameOf(v.Name), why)
					}
					seen[o.Name] = true
				}
			}
			excepted := func(o mib.OID) bool {
				for name := range c.except {
					if root, ok := mib.ObjectByName(name); !ok || o.HasPrefix(root.OID) {
						return true
					}
				}
				return false
			}
			missing := func() (names []string) {
				for _, o := range mib.ObjectsBelow(mib.SimoneObjects) {
					if (o.Shape == mib.ShapeScalar || o.Shape == mib.ShapeColumn) && o.Access >= mib.AccessReadOnly && !seen[o.Name] && !excepted(o.OID) {
						names = append(names, o.Name)
					}
				}
				return names
			}
			// The log is empty at times, and a round comes with the trigger.
			deadline := time.Now().Add(patience)
			for look(); len(missing()) > 0 && time.Now().Before(deadline); look() {
			}
			if m := missing(); len(m) > 0 {
				t.Errorf("not shown: %s", strings.Join(m, ", "))
			}
			for name := range seen {
				if o, _ := mib.ObjectByName(name); excepted(o.OID) {
					t.Errorf("%s is shown: take its arc off the exceptions", name)
				}
			}
		})
	}
}

// attempt is one object that can be written: a good value, and a bad one.
type attempt struct {
	object mib.OID
	index  mib.OID // nil: a scalar's .0
	// with are variables that the SET needs before this one.
	with   []mib.Variable
	fenced bool // simoneIlmFence has to come first
	good   mib.Value
	reads  string // what it reads as afterwards; empty: as written
	bad    mib.Value
	status mib.ErrorStatus // of the bad value
	blame  int             // the position of the variable at fault before this one, from its own; 0: itself
}

func (a *attempt) name() mib.OID {
	if a.index == nil {
		return mib.Instance(a.object)
	}
	return append(slices.Clone(a.object), a.index...)
}

// set writes a value with all that it needs. A manager above, which raises the
// fence at the same time, is tried again against.
func (a *attempt) set(t *testing.T, tree *mib.Tree, v mib.Value) (refused *mib.SetError, at int) {
	t.Helper()
	for range 100 {
		var vars []mib.Variable
		if a.fenced {
			vars = append(vars, mib.Variable{Name: mib.Instance(mib.SimoneIlmFence), Value: nextFence(t, tree)})
		}
		vars = append(append(vars, a.with...), mib.Variable{Name: a.name(), Value: v})
		e := tree.Set(vars)
		if a.fenced && e != nil && e.Status == mib.InconsistentValue && e.Index == 0 {
			continue
		}
		return e, len(vars) - 1
	}
	t.Fatalf("%s: the fence is always stale", mib.NameOf(a.name()))
	return nil, 0
}

// nextFence is the smallest fence above the one seen.
func nextFence(t *testing.T, tree *mib.Tree) mib.Value {
	t.Helper()
	f, err := mib.ParseFence(tree.Get(mib.Instance(mib.SimoneIlmFence)).Bytes)
	if err != nil {
		t.Fatal(err)
	}
	f.Seq++
	return mib.Octets(f.Append(nil))
}

// TestEveryWritableObject SETs each object that the MIB calls writable at a
// real TLM and a real ILM: a good value is accepted and read back, a bad one is
// refused with the status that RFC 3416 wants, and changes nothing.
func TestEveryWritableObject(t *testing.T) {
	x := newSmall(t)
	down, up := x.ilm.Chassis().Tree, x.top.Chassis().Tree
	text, gauge, octets := mib.Text, mib.Gauge, mib.Octets
	long := text(strings.Repeat("1", 33))

	place := x.ilm.Chassis().Node.Place()
	epoch := mib.Variable{Name: mib.Instance(mib.SimoneNodeEpoch), Value: octets(place.Epoch.Append(nil))}
	placed := func(object mib.OID, good, bad mib.Value, status mib.ErrorStatus, blame int) attempt {
		return attempt{object: object, with: []mib.Variable{epoch}, good: good, bad: bad, status: status, blame: blame}
	}
	row := x.ilm.Manager().Host().Report(nil, true).Rows[0].Row
	cell := func(column mib.OID, good mib.Value, reads string, bad mib.Value, status mib.ErrorStatus) attempt {
		return attempt{object: column, index: mib.OID{uint32(row.Node)}, fenced: true, good: good, reads: reads, bad: bad, status: status}
	}
	incarnation := down.Get(mib.Instance(mib.SimoneIlmLogIncarnation)).Bytes
	cursor := octets(binary.BigEndian.AppendUint32(slices.Clone(incarnation), 1))
	const any = "*" // reads as something of its own

	atILM := []attempt{
		placed(mib.SimoneNodeId, gauge(uint32(place.ID)), gauge(uint32(place.ID)+1), mib.InconsistentValue, -1),
		placed(mib.SimoneNodeLevel, gauge(7), gauge(256), mib.WrongValue, 0),
		placed(mib.SimoneNodeParent, text("127.0.0.9:161"), text("nowhere"), mib.WrongValue, 0),
		placed(mib.SimoneNodeParentId, gauge(uint32(place.ParentID)), gauge(77), mib.InconsistentValue, -1),
		placed(mib.SimoneNodePath, text("1/8/"+place.ID.String()), text("1/4/1"), mib.WrongValue, 0),
		{object: mib.SimoneNodeEpoch, good: epoch.Value, bad: octets(make([]byte, 16)), status: mib.InconsistentValue},
		{object: mib.SimoneNodeMetricPeriod, good: gauge(300), bad: gauge(99), status: mib.WrongValue},
		{object: mib.SimoneTemperatureStu, good: gauge(2000), bad: gauge(0), status: mib.WrongValue},
		{object: mib.SimoneTemperatureWeightA, good: text("0.5"), bad: text("-1"), status: mib.WrongValue},
		{object: mib.SimoneTemperatureWeightB, good: text("1.5"), bad: text("much"), status: mib.WrongValue},
		{object: mib.SimoneTemperatureHistory, good: text("1 0.5"), bad: text("0 1"), status: mib.WrongValue},
		{object: mib.SimoneTemperatureExpression, good: text("I + L"), bad: text("I +"), status: mib.WrongValue},
		{object: mib.SimoneIlmAdminStatus, fenced: true, good: mib.Integer(1), bad: mib.Integer(2), status: mib.InconsistentValue},
		{object: mib.SimoneIlmTrigger, good: mib.Truth(true), reads: "2", bad: mib.Integer(3), status: mib.WrongValue},
		{object: mib.SimoneIlmFence, reads: any, good: nextFence(t, down), bad: octets(make([]byte, 28)), status: mib.InconsistentValue},
		{object: mib.SimoneIlmApply, fenced: true, good: octets(mib.Apply{Destroy: []mib.Tombstone{{Node: 4_000_000, Epoch: mib.Epoch{1}}}}.Append(nil)), reads: any, bad: text("\x01\x07"), status: mib.WrongValue},
		{object: mib.SimoneIlmCursor, fenced: true, good: cursor, reads: any, bad: text("short"), status: mib.WrongLength},
		{object: mib.SimoneIlmTriggerInterval, fenced: true, good: gauge(400), bad: gauge(99), status: mib.WrongValue},
		{object: mib.SimoneIlmPollInterval, fenced: true, good: gauge(400), bad: gauge(0), status: mib.WrongValue},
		{object: mib.SimoneIlmLevels, fenced: true, good: gauge(1), bad: gauge(4), status: mib.WrongValue},
		{object: mib.SimoneIlmBelow, fenced: true, good: gauge(2), bad: gauge(1001), status: mib.WrongValue},
		{object: mib.SimoneIlmFanIn, fenced: true, good: gauge(20), bad: gauge(1_000_001), status: mib.WrongValue},
		cell(mib.SimoneSupportName, text("door"), "", text("d\xf6or"), mib.WrongValue),
		cell(mib.SimoneSupportAddress, text(row.Address), "", text("door"), mib.WrongValue),
		cell(mib.SimoneSupportKind, mib.Integer(int32(row.Kind)), "", mib.Integer(4), mib.WrongValue),
		cell(mib.SimoneSupportProfile, text(row.Profile), "", text("ups"), mib.ResourceUnavailable),
		cell(mib.SimoneSupportCredential, text("c"), "", text("prod"), mib.ResourceUnavailable),
		cell(mib.SimoneSupportInterval, gauge(250), "", gauge(50), mib.WrongValue),
		cell(mib.SimoneSupportSlot, gauge(1), any, text("1"), mib.WrongType),
		cell(mib.SimoneSupportDue, mib.Integer(10), any, gauge(1), mib.WrongType),
		cell(mib.SimoneSupportEpoch, octets(row.Epoch.Append(nil)), "", octets(make([]byte, 16)), mib.WrongValue),
		cell(mib.SimoneSupportRowStatus, mib.Integer(int32(mib.RowActive)), "", mib.Integer(int32(mib.RowCreateAndGo)), mib.InconsistentValue),
	}
	wish := func(object mib.OID) attempt {
		return attempt{object: object, good: gauge(uint32(place.ID)), reads: "0", bad: gauge(4_000_000), status: mib.WrongValue}
	}
	atTLM := []attempt{
		{object: mib.SimoneIlmTriggerInterval, good: gauge(400), bad: gauge(99), status: mib.WrongValue},
		{object: mib.SimoneIlmPollInterval, good: gauge(400), bad: gauge(0), status: mib.WrongValue},
		{object: mib.SimoneThresholdMerge, good: text("0.2"), bad: text("-1"), status: mib.WrongValue},
		{object: mib.SimoneThresholdSplit, good: text("2000000"), bad: text("0.01"), status: mib.InconsistentValue},
		{object: mib.SimoneThresholdMigrate, good: text("20000000.5"), bad: long, status: mib.WrongLength},
		{object: mib.SimonePolicy, good: text("paper"), bad: text("whim"), status: mib.WrongValue},
		{object: mib.SimoneReconfigMode, good: mib.Integer(2), bad: mib.Integer(3), status: mib.WrongValue},
		{object: mib.SimoneReconfigPaused, good: mib.Truth(true), bad: mib.Integer(0), status: mib.WrongValue},
		{object: mib.SimoneReconfigChurn, good: gauge(20), bad: gauge(0), status: mib.WrongValue},
		{object: mib.SimoneReconfigMovesPerHour, good: gauge(3000), bad: gauge(1_000_000_001), status: mib.WrongValue},
		{object: mib.SimoneReconfigIlmsMin, good: gauge(0), bad: gauge(9), status: mib.InconsistentValue},
		{object: mib.SimoneReconfigIlmsMax, good: gauge(3), bad: text("3"), status: mib.WrongType},
		{object: mib.SimoneReconfigWeighted, good: mib.Truth(true), bad: gauge(1), status: mib.WrongType},
		{object: mib.SimoneReconfigColdest, good: mib.Truth(true), bad: gauge(1), status: mib.WrongType},
		{object: mib.SimoneReconfigHistory, good: text("0.5 0.5"), bad: text("0 1"), status: mib.WrongValue},
		{object: mib.SimoneReconfigProbeInterval, good: gauge(400), bad: gauge(9), status: mib.WrongValue},
		{object: mib.SimoneReconfigProbeMisses, good: gauge(4), bad: gauge(101), status: mib.WrongValue},
		wish(mib.SimoneReconfigPin), wish(mib.SimoneReconfigUnpin), wish(mib.SimoneReconfigDrain), wish(mib.SimoneReconfigUndrain),
		{object: mib.SimoneReconfigPlace, good: octets(nil), bad: octets(make([]byte, 7)), status: mib.WrongValue},
	}
	tried := make(map[string]bool)
	for _, part := range []struct {
		name     string
		tree     *mib.Tree
		attempts []attempt
	}{{"ilm", down, atILM}, {"tlm", up, atTLM}} {
		t.Run(part.name, func(t *testing.T) {
			for _, a := range part.attempts {
				name := mib.NameOf(a.name())
				tried[mib.NameOf(a.object)] = true
				before := part.tree.Get(a.name())
				if before.IsException() {
					t.Errorf("%s is not there: %v", name, before)
					continue
				}
				e, at := a.set(t, part.tree, a.bad)
				if e == nil || e.Status != a.status || e.Index != at+a.blame || e.Reason == "" {
					t.Errorf("%s = %v: %v; want %v at variable %d, with a reason", name, a.bad, e, a.status, at+a.blame+1)
				}
				if now := part.tree.Get(a.name()); a.reads != any && now.String() != before.String() {
					t.Errorf("%s is %v after a refused SET, and was %v", name, now, before)
				}
				if a.object.Equal(mib.SimoneIlmFence) { // it moves on by itself
					a.good = nextFence(t, part.tree)
				}
				if e, _ := a.set(t, part.tree, a.good); e != nil {
					t.Errorf("%s = %v: %v", name, a.good, e)
					continue
				}
				want := a.good.String()
				if a.reads != "" {
					want = a.reads
				}
				if now := part.tree.Get(a.name()); want != any && now.String() != want {
					t.Errorf("%s reads %v after it was set to %v, want %s", name, now, a.good, want)
				}
				if a.reads == "" {
					if e, _ := a.set(t, part.tree, before); e != nil {
						t.Errorf("%s cannot be put back to %v: %v", name, before, e)
					}
				}
			}
		})
	}
	for _, o := range mib.ObjectsBelow(mib.SimoneObjects) {
		if o.Writable() && !tried[o.Name] {
			t.Errorf("%s is writable and was not tried", o.Name)
		}
		delete(tried, o.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(tried)) {
		t.Errorf("%s was tried and is not writable", name)
	}
	t.Run("the TLM is nobody's child", func(t *testing.T) {
		for _, o := range []mib.OID{mib.SimoneNodeId, mib.SimoneNodeLevel, mib.SimoneNodeParent, mib.SimoneNodeParentId, mib.SimoneNodePath, mib.SimoneNodeEpoch} {
			v := mib.Variable{Name: mib.Instance(o), Value: up.Get(mib.Instance(o))}
			if e := up.Set([]mib.Variable{v}); e == nil || e.Status != mib.NotWritable {
				t.Errorf("%s: %v, want notWritable", mib.NameOf(v.Name), e)
			}
		}
	})
}
