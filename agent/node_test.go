package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"simone/mib"
)

// at makes an epoch of the TLM's level.
func at(count uint32) mib.Epoch { return mib.Epoch{count} }

func mustNode(tb testing.TB, o NodeOptions) *Node {
	tb.Helper()
	if o.Name == "" {
		o.Name = "n1"
	}
	if o.Collector == nil {
		o.Collector = mustCollector(tb, CollectorOptions{Proc: mustProc(tb, procFiles())})
	}
	n, err := OpenNode(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := n.Close(); err != nil {
			tb.Error(err)
		}
	})
	return n
}

func mustTree(tb testing.TB, n *Node) *mib.Tree {
	tb.Helper()
	t := mib.NewTree()
	if err := n.Register(t); err != nil {
		tb.Fatal(err)
	}
	return t
}

func set(object mib.OID, v mib.Value) mib.Variable {
	return mib.Variable{Name: mib.Instance(object), Value: v}
}

// announcement is the SET with which a manager says where a node stands.
func announcement(p Place) []mib.Variable {
	return []mib.Variable{
		set(mib.SimoneNodeEpoch, mib.Octets(p.Epoch.Append(nil))),
		set(mib.SimoneNodeId, mib.Gauge(uint32(p.ID))),
		set(mib.SimoneNodeParentId, mib.Gauge(uint32(p.ParentID))),
		set(mib.SimoneNodeParent, mib.Text(p.Parent)),
		set(mib.SimoneNodePath, mib.Text(p.Path)),
		set(mib.SimoneNodeLevel, mib.Gauge(p.Level)),
	}
}

func place17() Place {
	return Place{ID: 17, Level: 2, Parent: "127.0.0.4:1161", ParentID: 4, Path: "1/4/17", Epoch: at(0x10005)}
}

func TestNodeShowsWhoItIs(t *testing.T) {
	start := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	n := mustNode(t, NodeOptions{Name: "n1", Address: "127.0.0.2:1161", Zone: "east", Candidate: true, Software: "simoned 0.1", Start: start})
	if err := n.SetCapabilities([]string{"system", "simone", "simone"}, []string{"tree"}); err != nil {
		t.Fatal(err)
	}
	tree := mustTree(t, n)
	for object, want := range map[string]string{
		"simoneNodeName.0":          "n1",
		"simoneNodeId.0":            "0",
		"simoneNodeUuid.0":          n.UUID(),
		"simoneNodeRole.0":          "1",
		"simoneNodeLevel.0":         "0",
		"simoneNodeParent.0":        "",
		"simoneNodePath.0":          "",
		"simoneNodeZone.0":          "east",
		"simoneNodeCandidate.0":     "1",
		"simoneNodeCapabilities.0":  "credential:tree profile:simone profile:system",
		"simoneNodeSoftware.0":      "simoned 0.1",
		"simoneNodeDiscontinuity.0": "0",
		"simoneNodeMetricPeriod.0":  "5000",
		"simoneNodeAddress.0":       "127.0.0.2:1161",
	} {
		name, err := mib.Resolve(object)
		if err != nil {
			t.Fatal(err)
		}
		if got := tree.Get(name).String(); got != want {
			t.Errorf("%s = %q, want %q", object, got, want)
		}
	}
	if got, err := mib.ParseDateAndTime(tree.Get(mib.Instance(mib.SimoneNodeStartTime))); err != nil || !got.Equal(start) {
		t.Errorf("start time %v (%v), want %v", got, err, start)
	}
	n.SetRole(mib.RoleILM)
	if got := tree.Get(mib.Instance(mib.SimoneNodeRole)); got.Int != int64(mib.RoleILM) {
		t.Errorf("role %v after SetRole", got)
	}
	// The MIB's group and what is registered are the same.
	for _, o := range mib.ObjectsBelow(mib.SimoneNode) {
		v := tree.Get(mib.Instance(o.OID))
		if v.IsException() {
			t.Errorf("%s is %v", o.Name, v)
		} else if status, reason := o.Syntax.Check(v); status != mib.NoError {
			t.Errorf("%s = %v: %s", o.Name, v, reason)
		}
	}
}

func TestNodeIsPlaced(t *testing.T) {
	var told []Place
	n := mustNode(t, NodeOptions{Address: "127.0.0.2:1161", Candidate: true, OnPlace: func(p Place) { told = append(told, p) }})
	tree := mustTree(t, n)
	if e := tree.Set(announcement(place17())); e != nil {
		t.Fatal(e)
	}
	if n.Place() != place17() {
		t.Errorf("place %+v", n.Place())
	}
	want := Identity{ID: 17, Role: mib.RoleLeaf, Level: 2, Path: "1/4/17", Address: "127.0.0.2:1161", Candidate: true}
	if n.Identity() != want {
		t.Errorf("identity %+v, want %+v", n.Identity(), want)
	}
	if e := tree.Set(announcement(place17())); e != nil {
		t.Errorf("the same once more: %v", e)
	}
	if len(told) != 1 || told[0] != place17() {
		t.Errorf("OnPlace was told %+v", told)
	}
}

// An announcement cannot undo that of a newer manager (simoneNodeEpoch).
func TestNodeRefusesPlaces(t *testing.T) {
	with := func(change func(*Place)) []mib.Variable {
		p := place17()
		change(&p)
		return announcement(p)
	}
	for _, tc := range []struct {
		name   string
		vars   []mib.Variable
		status mib.ErrorStatus // NoError: taken
		index  int
	}{
		{"without an epoch", []mib.Variable{set(mib.SimoneNodeMetricPeriod, mib.Gauge(200)), set(mib.SimoneNodeId, mib.Gauge(9))}, mib.InconsistentValue, 1},
		{"older epoch", with(func(p *Place) { p.Epoch = at(0x10004) }), mib.InconsistentValue, 0},
		{"older epoch, same place", []mib.Variable{set(mib.SimoneNodeEpoch, mib.Octets(at(1).Append(nil)))}, mib.InconsistentValue, 0},
		{"same epoch, other parent", with(func(p *Place) { p.ParentID = 5 }), mib.InconsistentValue, 0},
		{"same epoch, other node", with(func(p *Place) { p.ID = 18 }), mib.InconsistentValue, 0},
		{"same epoch and owner, whose path changed", with(func(p *Place) { p.Path, p.Level = "1/2/4/17", 3 }), mib.NoError, 0},
		{"newer epoch, other parent", with(func(p *Place) { p.ParentID, p.Path, p.Epoch = 5, "1/5/17", at(0x10006) }), mib.NoError, 0},
		{"epoch at the end of the SET", append(announcement(place17())[1:], announcement(place17())[0]), mib.NoError, 0},
		{"path with a loop", with(func(p *Place) { p.Path, p.Epoch = "1/4/4", at(0x10006) }), mib.WrongValue, 4},
		{"path of words", with(func(p *Place) { p.Path, p.Epoch = "tlm/n4", at(0x10006) }), mib.WrongValue, 4},
		{"parent without port", with(func(p *Place) { p.Parent, p.Epoch = "127.0.0.4", at(0x10006) }), mib.WrongValue, 3},
		{"level out of range", with(func(p *Place) { p.Level, p.Epoch = 256, at(0x10006) }), mib.WrongValue, 5},
		{"epoch of 4 octets", []mib.Variable{set(mib.SimoneNodeEpoch, mib.Octets([]byte{0, 1, 0, 6}))}, mib.WrongLength, 0},
		{"wrong type", []mib.Variable{set(mib.SimoneNodeEpoch, mib.Octets(at(0x10006).Append(nil))), set(mib.SimoneNodeId, mib.Integer(9))}, mib.WrongType, 1},
		{"read-only", []mib.Variable{set(mib.SimoneNodeName, mib.Text("x"))}, mib.NotWritable, 0},
		{"period too short", []mib.Variable{set(mib.SimoneNodeMetricPeriod, mib.Gauge(99))}, mib.WrongValue, 0},
		{"place fine, period not", append(with(func(p *Place) { p.Epoch = at(0x10006) }), set(mib.SimoneNodeMetricPeriod, mib.Gauge(99))), mib.WrongValue, 6},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := mustNode(t, NodeOptions{})
			tree := mustTree(t, n)
			if e := tree.Set(announcement(place17())); e != nil {
				t.Fatal(e)
			}
			e := tree.Set(tc.vars)
			if tc.status == mib.NoError {
				if e != nil {
					t.Fatal(e)
				}
				for _, v := range tc.vars {
					if got := tree.Get(v.Name); got.String() != v.Value.String() {
						t.Errorf("%s = %v after it was set to %v", mib.NameOf(v.Name), got, v.Value)
					}
				}
				return
			}
			if e == nil || e.Status != tc.status || e.Index != tc.index || e.Reason == "" {
				t.Errorf("refusal %v, want %v at variable %d with a reason", e, tc.status, tc.index+1)
			}
			if n.Place() != place17() || n.Collector().Period() != DefaultPeriod {
				t.Errorf("a refused SET changed %+v, %v", n.Place(), n.Collector().Period())
			}
		})
	}
}

// The TLM has no parent: whoever has it on its list by mistake does not make
// it its child.
func TestTheTopIsNobodysChild(t *testing.T) {
	n := mustNode(t, NodeOptions{Role: mib.RoleTLM})
	tree := mustTree(t, n)
	if err := n.SetPlace(Place{ID: 1, Path: "1"}); err != nil {
		t.Fatal(err)
	}
	before := n.Place()
	epoch := mib.Octets(mib.Epoch{9 << 16}.Append(nil))
	period := set(mib.SimoneNodeMetricPeriod, mib.Gauge(700))
	for _, vars := range [][]mib.Variable{
		{period, set(mib.SimoneNodeEpoch, epoch)},
		{period, set(mib.SimoneNodeParentId, mib.Gauge(7)), set(mib.SimoneNodeEpoch, epoch)},
		{period, set(mib.SimoneNodeEpoch, epoch), set(mib.SimoneNodeId, mib.Gauge(9))},
	} {
		e := tree.Set(vars)
		if e == nil || e.Status != mib.NotWritable || e.Index != 1 || !strings.Contains(e.Reason, "nobody's child") {
			t.Errorf("SET of %v: %v", vars, e)
		}
	}
	if n.Place() != before {
		t.Errorf("place is now %+v", n.Place())
	}
	if e := tree.Set([]mib.Variable{period}); e != nil {
		t.Errorf("the period cannot be set: %v", e)
	}
}

func TestNodeMetricPeriod(t *testing.T) {
	n := mustNode(t, NodeOptions{})
	tree := mustTree(t, n)
	if e := tree.Set([]mib.Variable{set(mib.SimoneNodeMetricPeriod, mib.Gauge(250))}); e != nil {
		t.Fatal(e)
	}
	if got := n.Collector().Period(); got != 250*time.Millisecond {
		t.Errorf("period %v", got)
	}
}

// Undo after a commit, as when another handler's commit failed (RFC 2741,
// section 7.2.4), leaves memory and disk as they were.
func TestNodeUndo(t *testing.T) {
	dir := t.TempDir()
	n := mustNode(t, NodeOptions{StateDir: dir, OnPlace: func(p Place) {
		if p != place17() {
			t.Errorf("told of %+v, which was undone", p)
		}
	}})
	tree := mustTree(t, n)
	if e := tree.Set(announcement(place17())); e != nil {
		t.Fatal(e)
	}
	next := place17()
	next.Epoch, next.ParentID = at(0x10009), 8
	txn, e := tree.Test(append(announcement(next), set(mib.SimoneNodeMetricPeriod, mib.Gauge(250))))
	if e != nil {
		t.Fatal(e)
	}
	if e := txn.Commit(); e != nil {
		t.Fatal(e)
	}
	if n.Place() != next {
		t.Errorf("committed place %+v", n.Place())
	}
	if e := txn.Undo(); e != nil {
		t.Fatal(e)
	}
	if n.Place() != place17() || n.Collector().Period() != DefaultPeriod {
		t.Errorf("undone to %+v, %v", n.Place(), n.Collector().Period())
	}
	if p, err := n.state.place(); err != nil || p != place17() {
		t.Errorf("on disk %+v (%v)", p, err)
	}
}

// A place that cannot be stored is not taken.
func TestNodeCommitFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	n := mustNode(t, NodeOptions{StateDir: dir})
	tree := mustTree(t, n)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	e := tree.Set(announcement(place17()))
	if e == nil || e.Status != mib.CommitFailed {
		t.Errorf("SET gave %v, want commitFailed", e)
	}
	if n.Place() != (Place{}) {
		t.Errorf("place %+v", n.Place())
	}
}

func TestNodeSurvivesRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "var", "n1")
	open := func() *Node {
		n, err := OpenNode(NodeOptions{Name: "n1", StateDir: dir, Collector: mustCollector(t, CollectorOptions{Proc: mustProc(t, procFiles())})})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n := open()
	uuid := n.UUID()
	if !uuidForm.MatchString(uuid) || uuid[14] != '4' {
		t.Errorf("UUID %q is not of version 4", uuid)
	}
	if e := mustTree(t, n).Set(announcement(place17())); e != nil {
		t.Fatal(e)
	}
	if _, err := OpenNode(NodeOptions{Name: "twin", StateDir: dir, Collector: n.Collector()}); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second node in the same directory: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = open()
	if n.UUID() != uuid || n.Place() != place17() {
		t.Errorf("after a restart %s at %+v, want %s at %+v", n.UUID(), n.Place(), uuid, place17())
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.Contains(f.Name(), ".new") {
			t.Errorf("%s was left behind", f.Name())
		}
	}
}

func TestOpenNodeRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, file, text, want string
	}{
		{"garbage for a UUID", uuidFile, "me\n", "holds no UUID; put the node's own back, or remove the file"},
		{"half a place", placeFile, `{"id": 1`, "remove the file for the node to join again"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, tc.file), []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			o := NodeOptions{Name: "n1", StateDir: dir, Collector: mustCollector(t, CollectorOptions{Proc: mustProc(t, procFiles())})}
			for range 2 { // the second time too: a refusal keeps no lock
				_, err := OpenNode(o)
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("error %v, want %q", err, tc.want)
				}
			}
		})
	}
	t.Run("no name", func(t *testing.T) {
		if _, err := OpenNode(NodeOptions{}); err == nil {
			t.Error("opened")
		}
	})
	t.Run("no collector", func(t *testing.T) {
		if _, err := OpenNode(NodeOptions{Name: "x"}); err == nil {
			t.Error("opened")
		}
	})
}

func TestNodeSetPlace(t *testing.T) {
	n := mustNode(t, NodeOptions{Role: mib.RoleTLM})
	top := Place{ID: 1, Path: "1"}
	if err := n.SetPlace(top); err != nil {
		t.Fatal(err)
	}
	if err := n.SetPlace(place17()); err != nil {
		t.Fatal(err)
	}
	if err := n.SetPlace(top); !errors.Is(err, ErrStale) {
		t.Errorf("an older place: %v, want ErrStale", err)
	}
	if err := n.SetPlace(Place{Path: "x", Epoch: at(0x20000)}); err == nil || n.Place() != place17() {
		t.Errorf("a malformed place: %v, now %+v", err, n.Place())
	}
}

func TestNodeCapabilitiesTooLong(t *testing.T) {
	n := mustNode(t, NodeOptions{})
	if err := n.SetCapabilities([]string{"simone"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := n.SetCapabilities(nil, []string{strings.Repeat("x", 1100)}); err == nil {
		t.Error("1100 octets were taken")
	}
	if n.Capabilities() != "profile:simone" {
		t.Errorf("capabilities %q", n.Capabilities())
	}
}

// While a place is being written to disk, the one before it stands and can be
// read: an ILM looks at it for each answer that it takes.
func TestPlaceDoesNotWaitForTheDisk(t *testing.T) {
	n := mustNode(t, NodeOptions{})
	n.mu.Lock() // as for the time of a write
	defer n.mu.Unlock()
	read := make(chan Identity, 1)
	go func() { read <- n.Identity() }()
	select {
	case i := <-read:
		if i.ID != 0 {
			t.Errorf("%+v", i)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits")
	}
}
