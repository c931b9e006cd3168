package manager

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
	"simone/reconfig"
)

func up() mib.Variable {
	return scalar(mib.SimoneIlmAdminStatus, mib.Integer(int32(mib.IlmAdminUp)))
}

func cursor(incarnation uint64, seq uint32) mib.Variable {
	return scalar(mib.SimoneIlmCursor, mib.Octets(appendCursor(nil, reconfig.Cursor{Incarnation: incarnation, Seq: seq})))
}

// TestControlRefusals: every refusal has its status and its variable, says
// why in simoneIlmError, and changes nothing (RFC 3416, section 4.2.5; DESIGN
// section 5, fencing).
func TestControlRefusals(t *testing.T) {
	// The list has nodes 20 and 21 at epoch 1.5, a tombstone for 22 at 1.7,
	// and room for one more.
	fence := func(seq uint32) mib.Variable {
		return fenceVar(mib.Fence{Parent: 1, Own: mib.Epoch{1<<16 | 4}, Term: 1, Seq: seq})
	}
	next := fence(100)
	with := func(change func(*mib.SupportRow)) mib.Variable {
		r := row(30, 9)
		change(&r)
		return applyVar(mib.Apply{Stage: []mib.SupportRow{r}})
	}
	destroy := cell(mib.SimoneSupportRowStatus, 20, mib.Integer(int32(mib.RowDestroy)))
	create := cell(mib.SimoneSupportRowStatus, 30, mib.Integer(int32(mib.RowCreateAndGo)))
	address := cell(mib.SimoneSupportAddress, 30, mib.Text("127.0.1.30:161"))
	for _, c := range []struct {
		name   string
		vars   []mib.Variable
		status mib.ErrorStatus
		index  int
		reason string // part of simoneIlmError
	}{
		{"no fence", []mib.Variable{up()}, mib.InconsistentValue, 0, "begins with simoneIlmFence.0"},
		{"fence not first", []mib.Variable{up(), next}, mib.InconsistentValue, 0, "begins with simoneIlmFence.0"},
		{"fence too short", []mib.Variable{{Name: mib.Instance(mib.SimoneIlmFence), Value: mib.Text("x")}}, mib.WrongLength, 0, "octets"},
		{"fence is a number", []mib.Variable{{Name: mib.Instance(mib.SimoneIlmFence), Value: mib.Gauge(1)}}, mib.WrongType, 0, "OCTET STRING"},
		{"lower fence", []mib.Variable{fence(1), up()}, mib.InconsistentValue, 0, "lower than the one seen"},
		{"same fence, other content", []mib.Variable{fence(4), up()}, mib.InconsistentValue, 0, "used already"},
		{"fence twice", []mib.Variable{next, next}, mib.WrongValue, 1, "twice"},
		{"same fence, other parent", []mib.Variable{fenceVar(mib.Fence{Parent: 3, Own: mib.Epoch{1<<16 | 4}, Term: 1, Seq: 4}), applyVar(mib.Apply{Destroy: []mib.Tombstone{{Node: 22, Epoch: mib.Epoch{1<<16 | 7}}}})},
			mib.InconsistentValue, 0, "used already"},
		{"rows and role in one", []mib.Variable{next, applyVar(mib.Apply{Stage: []mib.SupportRow{row(30, 9)}}), up()}, mib.WrongValue, 1, "one SET"},
		{"packed rows that are none", []mib.Variable{next, scalar(mib.SimoneIlmApply, mib.Text("\x01\x07"))}, mib.WrongValue, 1, "unknown operation"},
		{"packed rows cut short", []mib.Variable{next, scalar(mib.SimoneIlmApply, mib.Text("\x01\x01\x85"))}, mib.WrongValue, 1, "row 1"},
		{"packed rows too long", []mib.Variable{next, scalar(mib.SimoneIlmApply, mib.Octets(make([]byte, 1301)))}, mib.WrongLength, 1, "1301"},
		{"row older than the list's", []mib.Variable{next, with(func(r *mib.SupportRow) { r.Node, r.Epoch = 20, mib.Epoch{1<<16 | 4} })}, mib.InconsistentValue, 1, "node 20"},
		{"row at the tombstone", []mib.Variable{next, with(func(r *mib.SupportRow) { r.Node, r.Epoch = 22, mib.Epoch{1<<16 | 7} })}, mib.InconsistentValue, 1, "tombstone"},
		{"unknown credential", []mib.Variable{next, with(func(r *mib.SupportRow) { r.Credential = "prod" })}, mib.ResourceUnavailable, 1, `"prod" is not held`},
		{"unknown profile", []mib.Variable{next, with(func(r *mib.SupportRow) { r.Profile = "ups" })}, mib.ResourceUnavailable, 1, `"ups" is not held`},
		{"bad address", []mib.Variable{next, with(func(r *mib.SupportRow) { r.Address = "leaf30" })}, mib.WrongValue, 1, `"leaf30" is not host:port`},
		{"interval shorter than the column's", []mib.Variable{next, with(func(r *mib.SupportRow) { r.Interval = 99 * time.Millisecond })}, mib.WrongValue, 1, "100ms to 24h"},
		{"interval longer than the column's", []mib.Variable{next, with(func(r *mib.SupportRow) { r.Interval = 24*time.Hour + time.Millisecond })}, mib.WrongValue, 1, "100ms to 24h"},
		{"bad interval", []mib.Variable{next, with(func(r *mib.SupportRow) { r.Interval = 0 })}, mib.WrongValue, 1, "interval"},
		{"ancestor", []mib.Variable{next, with(func(r *mib.SupportRow) { r.Node = 1 })}, mib.ResourceUnavailable, 1, "own path 1/4"},
		{"itself", []mib.Variable{next, with(func(r *mib.SupportRow) { r.Node = 4 })}, mib.ResourceUnavailable, 1, "own path 1/4"},
		{"list is full", []mib.Variable{next, applyVar(mib.Apply{Stage: []mib.SupportRow{row(30, 9), row(31, 9)}})}, mib.ResourceUnavailable, 1, "full (3 rows)"},
		{"demotion with rows", []mib.Variable{next, scalar(mib.SimoneIlmAdminStatus, mib.Integer(int32(mib.IlmAdminDown)))}, mib.InconsistentValue, 1, "2 nodes are still"},
		{"status that is none", []mib.Variable{next, scalar(mib.SimoneIlmAdminStatus, mib.Integer(7))}, mib.WrongValue, 1, "up(1)"},
		{"interval out of range", []mib.Variable{next, scalar(mib.SimoneIlmPollInterval, mib.Gauge(5)), up()}, mib.WrongValue, 1, "100 to 86400000"},
		{"read-only object", []mib.Variable{next, scalar(mib.SimoneIlmDigest, mib.Text("x"))}, mib.NotWritable, 1, "simoneIlmDigest.0"},
		{"other instance", []mib.Variable{{Name: mib.SimoneIlmFence.Append(1), Value: next.Value}}, mib.NoCreation, 0, "only instance"},
		{"cursor too short", []mib.Variable{next, scalar(mib.SimoneIlmCursor, mib.Text("x"))}, mib.WrongLength, 1, "octets"},

		{"columns without fence", []mib.Variable{create, address}, mib.InconsistentValue, 0, "begins with simoneIlmFence.0"},
		{"row without address", []mib.Variable{next, create}, mib.InconsistentValue, 1, "simoneSupportAddress"},
		{"row without createAndGo", []mib.Variable{next, address}, mib.InconsistentName, 1, "createAndGo(4)"},
		{"createAndWait", []mib.Variable{next, address, cell(mib.SimoneSupportRowStatus, 30, mib.Integer(int32(mib.RowCreateAndWait)))}, mib.WrongValue, 2, "not supported"},
		{"row is there already", []mib.Variable{next, cell(mib.SimoneSupportRowStatus, 20, mib.Integer(int32(mib.RowCreateAndGo)))}, mib.InconsistentValue, 1, "there already"},
		{"column with a bad address", []mib.Variable{next, create, cell(mib.SimoneSupportAddress, 30, mib.Text("here"))}, mib.WrongValue, 2, "host:port"},
		{"column with an unknown profile", []mib.Variable{next, create, address, cell(mib.SimoneSupportProfile, 30, mib.Text("ups"))}, mib.ResourceUnavailable, 1, `"ups"`},
		{"column with an old epoch", []mib.Variable{next, cell(mib.SimoneSupportEpoch, 20, mib.Octets(mib.Epoch{5}.Append(nil)))}, mib.InconsistentValue, 1, "below the row's"},
		{"row on the own path", []mib.Variable{next, cell(mib.SimoneSupportRowStatus, 1, mib.Integer(int32(mib.RowCreateAndGo))), cell(mib.SimoneSupportAddress, 1, mib.Text("127.0.0.1:161"))},
			mib.ResourceUnavailable, 1, "close a loop"},
		{"row 0", []mib.Variable{next, cell(mib.SimoneSupportRowStatus, 0, mib.Integer(int32(mib.RowCreateAndGo)))}, mib.NoCreation, 1, "NodeID"},
		{"learned column", []mib.Variable{next, cell(mib.SimoneSupportRtt, 20, mib.Gauge(1))}, mib.NotWritable, 1, "simoneSupportRtt.20"},
		{"destroy and change", []mib.Variable{next, destroy, cell(mib.SimoneSupportName, 20, mib.Text("x"))}, mib.InconsistentValue, 1, "destroyed"},
		{"column twice", []mib.Variable{next, destroy, destroy}, mib.WrongValue, 2, "twice"},
		{"columns and packed rows", []mib.Variable{next, destroy, applyVar(mib.Apply{Stage: []mib.SupportRow{row(30, 9)}})}, mib.WrongValue, 1, "one SET"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, func(cfg *Config) { cfg.Capacity = 3 })
			b.promote(t)
			b.stage(t, row(20, 5), row(21, 5), row(22, 6))
			b.set(t, applyVar(mib.Apply{Destroy: []mib.Tombstone{{Node: 22, Epoch: mib.Epoch{1<<16 | 6}}}}))
			b.set(t, applyVar(mib.Apply{Destroy: []mib.Tombstone{{Node: 22, Epoch: mib.Epoch{1<<16 | 7}}}})) // sequence 4
			before, writes := b.Report(nil, true), b.store.writes
			e := b.tree.Set(c.vars)
			if e == nil {
				t.Fatal("it was accepted")
			}
			if e.Status != c.status || e.Index != c.index || !strings.Contains(e.Reason, c.reason) {
				t.Errorf("refused with %v; want %v at variable %d, saying %q", e, c.status, c.index+1, c.reason)
			}
			if text := b.read(t, mib.SimoneIlmError).String(); !strings.Contains(text, c.reason) {
				t.Errorf("simoneIlmError is %q, want it to say %q", text, c.reason)
			}
			after := b.Report(nil, true)
			if after.Digest != before.Digest || after.Fence != before.Fence || after.Active != before.Active || b.store.writes != writes {
				t.Errorf("a refused SET changed something: %+v, before %+v", after, before)
			}
			b.set(t) // and it holds no lock: the next SET, a claim, passes
		})
	}
}

func TestControlAtANodeThatIsNoIlm(t *testing.T) {
	for _, c := range []struct {
		name   string
		vars   []mib.Variable
		status mib.ErrorStatus
		reason string
	}{
		{"interval", []mib.Variable{scalar(mib.SimoneIlmPollInterval, mib.Gauge(1000))}, mib.InconsistentValue, "write simoneIlmAdminStatus up"},
		{"rows", []mib.Variable{applyVar(mib.Apply{Stage: []mib.SupportRow{row(20, 1)}})}, mib.InconsistentName, "promote it first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			e := b.tree.Set(append([]mib.Variable{fenceVar(b.fence())}, c.vars...))
			if e == nil || e.Status != c.status || e.Index != 1 || !strings.Contains(e.Reason, c.reason) {
				t.Errorf("got %v, want %v at variable 2 with %q", e, c.status, c.reason)
			}
		})
	}
}

func TestControlTheTopStaysAManager(t *testing.T) {
	b := newBench(t, func(cfg *Config) { cfg.Node = &fakeNode{id: Identity{ID: 1, Role: mib.RoleTLM, Path: "1"}} })
	down := scalar(mib.SimoneIlmAdminStatus, mib.Integer(int32(mib.IlmAdminDown)))
	for _, rows := range []string{"without rows", "with rows"} {
		e := b.tree.Set([]mib.Variable{fenceVar(b.fence()), down})
		if e == nil || e.Status != mib.InconsistentValue || e.Index != 1 || !strings.Contains(e.Reason, "cannot stop being a manager") {
			t.Errorf("%s: %v", rows, e)
		}
		b.stage(t, row(20, 5))
	}
}

// Front ends survive a handler that panics; later SETs must not wait for it.
func TestControlSurvivesAPanic(t *testing.T) {
	panics := false
	b := newBench(t, func(cfg *Config) {
		cfg.HoldsCredential = func(string) bool {
			if panics {
				panic("no keyring")
			}
			return true
		}
	})
	b.promote(t)
	func() {
		panics = true
		defer func() {
			panics = false
			if recover() == nil {
				t.Error("it did not panic")
			}
		}()
		b.tree.Set([]mib.Variable{fenceVar(b.fence()), applyVar(mib.Apply{Stage: []mib.SupportRow{row(20, 1)}})})
	}()
	b.stage(t, row(20, 1))
}

// The lease is for whoever asks how old the last contact is, the parent in
// the middle of its next one included.
func TestLeaseShowsThePreviousContact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		check := func(when string, want uint64) {
			t.Helper()
			if got := b.read(t, mib.SimoneIlmLease).Uint; got != want {
				t.Errorf("%s: %d, want %d", when, got, want)
			}
		}
		check("never asked", mib.Never)
		b.read(t, mib.SimoneIlmFence)
		check("in the first probe", mib.Never)
		time.Sleep(500 * time.Millisecond)
		check("for somebody else", 500)
		b.read(t, mib.SimoneIlmFence)
		check("in the second probe", 500)
		check("in the second probe, again", 500)
		time.Sleep(700 * time.Millisecond)
		b.set(t)
		check("in a control SET", 700)
		time.Sleep(100 * time.Millisecond)
		if r := b.Report(nil, false); r.Lease != 100*time.Millisecond {
			t.Errorf("through the door: %v", r.Lease)
		}
	})
}

func TestControlRepeatedSetIsAnsweredAgain(t *testing.T) {
	b := newBench(t, nil)
	b.promote(t)
	vars := []mib.Variable{fenceVar(b.fence()), applyVar(mib.Apply{Stage: []mib.SupportRow{row(20, 1)}})}
	for i := range 3 {
		if e := b.tree.Set(vars); e != nil {
			t.Fatalf("time %d: %v", i+1, e)
		}
	}
	if r := b.Report(nil, true); len(r.Rows) != 1 || b.store.writes != 2 {
		t.Errorf("%d rows, %d writes; a repetition has no further effect", len(r.Rows), b.store.writes)
	}
}

func TestControlIsDurableBeforeItIsAnswered(t *testing.T) {
	b := newBench(t, nil)
	b.promote(t)
	b.store.breakWith(errDisk)
	e := b.tree.Set([]mib.Variable{fenceVar(b.fence()), applyVar(mib.Apply{Stage: []mib.SupportRow{row(20, 1)}})})
	if e == nil || e.Status != mib.CommitFailed || !strings.Contains(e.Reason, errDisk.Error()) {
		t.Fatalf("with a broken store: %v, want commitFailed that says why", e)
	}
	if r := b.Report(nil, true); len(r.Rows) != 0 || r.Fence.Seq != 1 {
		t.Errorf("what could not be stored was done: %+v", r)
	}
	b.store.breakWith(nil)
	b.stage(t, row(20, 1))
}

func TestControlIsUndoneWithTheRestOfItsSet(t *testing.T) {
	b := newBench(t, nil)
	other := mib.MustOID("1.3.6.1.4.1.8072.9999.9999.1.1")
	scalars, err := mib.NewScalars(mib.Scalar{
		OID: other, Syntax: &mib.Syntax{Type: mib.TypeInteger},
		Read:  func() mib.Value { return mib.Integer(1) },
		Write: func(mib.Value) error { return errDisk },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := scalars.Register(b.tree); err != nil {
		t.Fatal(err)
	}
	b.promote(t)
	b.stage(t, row(20, 1))
	before := b.Report(nil, true)
	e := b.tree.Set([]mib.Variable{
		fenceVar(b.fence()),
		applyVar(mib.Apply{Stage: []mib.SupportRow{row(21, 2)}, Destroy: []mib.Tombstone{{Node: 20, Epoch: mib.Epoch{1<<16 | 1}}}}),
		{Name: mib.Instance(other), Value: mib.Integer(2)},
	})
	if e == nil || e.Status != mib.CommitFailed {
		t.Fatalf("SET: %v, want commitFailed", e)
	}
	after := b.Report(nil, true)
	if after.Fence != before.Fence || after.Digest != before.Digest || len(after.Rows) != 1 || after.Rows[0].Row.Node != 20 {
		t.Errorf("after the undo: %+v, before: %+v", after, before)
	}
	if s, _ := b.store.LoadList(); len(s.Rows) != 1 || s.Fence != before.Fence {
		t.Errorf("the undo is not durable: %+v", s)
	}
	b.stage(t, row(20, 2)) // neither tombstone nor lock is left
}

func TestControlOnlyCandidatesArePromoted(t *testing.T) {
	b := newBench(t, nil)
	b.node.id.Candidate = false
	e := b.tree.Set([]mib.Variable{fenceVar(b.fence()), up()})
	if e == nil || e.Status != mib.ResourceUnavailable || e.Index != 1 {
		t.Errorf("promotion of a node that is no candidate: %v", e)
	}
}

func TestControlByColumns(t *testing.T) {
	b := newBench(t, nil)
	b.promote(t)
	b.stage(t, row(22, 6))
	b.set(t, applyVar(mib.Apply{Destroy: []mib.Tombstone{{Node: 22, Epoch: mib.Epoch{1<<16 | 6}}}}))
	b.set(t,
		cell(mib.SimoneSupportRowStatus, 22, mib.Integer(int32(mib.RowCreateAndGo))),
		cell(mib.SimoneSupportAddress, 22, mib.Text("127.0.1.22:161")),
		cell(mib.SimoneSupportKind, 22, mib.Integer(int32(mib.KindDevice))),
		cell(mib.SimoneSupportRowStatus, 23, mib.Integer(int32(mib.RowCreateAndGo))),
		cell(mib.SimoneSupportAddress, 23, mib.Text("127.0.1.23:161")),
		cell(mib.SimoneSupportInterval, 23, mib.Gauge(2000)))
	r := b.Report(nil, true)
	if len(r.Rows) != 2 {
		t.Fatalf("%d rows", len(r.Rows))
	}
	a, c := r.Rows[0].Row, r.Rows[1].Row
	if a.Node != 22 || a.Epoch != (mib.Epoch{1<<16 | 6, 0, 0, 1}) || a.Profile != mib.ProfileSystem || a.Kind != mib.KindDevice ||
		a.Credential != "demo" || a.Interval.Seconds() != 1 {
		t.Errorf("row 22 is %+v; want the smallest epoch above its tombstone and the defaults of a device", a)
	}
	if c.Node != 23 || c.Interval.Seconds() != 2 || c.Profile != mib.ProfileSimone || c.Epoch.IsZero() {
		t.Errorf("row 23 is %+v", c)
	}
	b.set(t, cell(mib.SimoneSupportName, 23, mib.Text("door")))
	if v := b.tree.Get(mib.SimoneSupportName.Append(23)); v.String() != "door" {
		t.Errorf("name is %v", v)
	}
	b.set(t, cell(mib.SimoneSupportRowStatus, 23, mib.Integer(int32(mib.RowDestroy))), cell(mib.SimoneSupportRowStatus, 99, mib.Integer(int32(mib.RowDestroy))))
	if v := b.tree.Get(mib.SimoneSupportRowStatus.Append(23)); v.Type != mib.TypeNoSuchInstance {
		t.Errorf("a destroyed row reads as %v", v)
	}
}

func TestControlThroughTheDoor(t *testing.T) {
	b := newBench(t, func(cfg *Config) { cfg.Node = &fakeNode{id: Identity{ID: 1, Role: mib.RoleTLM, Path: "1"}} })
	if !b.Report(nil, false).Active {
		t.Fatal("a TLM is not active from the start")
	}
	set := reconfig.ControlSet{Verb: reconfig.Stage, Fence: b.fence(), Apply: mib.Apply{Stage: []mib.SupportRow{row(20, 1), row(1, 1)}}}
	if err := b.Control(set); err != nil {
		t.Fatal(err)
	}
	set.Fence.Term = 0
	var refusal *reconfig.Refusal
	if err := b.Control(set); !errors.As(err, &refusal) || refusal.Why != reconfig.FenceStale {
		t.Errorf("stale fence through the door: %v", err)
	}
	b.store.breakWith(errDisk)
	if err := b.Control(reconfig.ControlSet{Verb: reconfig.Claim, Fence: b.fence()}); !errors.Is(err, errDisk) {
		t.Errorf("broken store through the door: %v", err)
	}
	if r := b.Report([]mib.NodeID{20, 99}, false); r.Full || len(r.Rows) != 1 || r.Rows[0].Row.Node != 20 {
		t.Errorf("report of named rows: %+v", r)
	}
}

func TestControlAcknowledgeTrimsTheLog(t *testing.T) {
	b := newBench(t, nil)
	b.promote(t)
	b.stage(t, row(20, 1), row(21, 1), row(22, 1))
	b.set(t, cursor(76, 2)) // of another life, late: it is accepted, and nothing happens
	if n := b.read(t, mib.SimoneIlmLogTail).Uint; n != 0 {
		t.Errorf("tail is %d after a cursor of another incarnation", n)
	}
	b.set(t, cursor(77, 2))
	if tail, head := b.read(t, mib.SimoneIlmLogTail).Uint, b.read(t, mib.SimoneIlmLogHead).Uint; tail != 2 || head != 3 {
		t.Errorf("log is from %d to %d, want 2 to 3", tail, head)
	}
	if incarnation, records := b.ReadLog(reconfig.Cursor{Incarnation: 77, Seq: 2}, 10); incarnation != 77 || len(records) != 1 || records[0].Node != 22 {
		t.Errorf("log after the cursor: %v", records)
	}
	if v := b.tree.Get(mib.SimoneReportKind.Append(2)); v.Type != mib.TypeNoSuchInstance {
		t.Errorf("an acknowledged record reads as %v", v)
	}
}

func TestTemperatureBySet(t *testing.T) {
	t.Run("refusals change nothing", func(t *testing.T) {
		for _, c := range []struct {
			name   string
			vars   []mib.Variable
			index  int
			reason string
		}{
			{"no expression", []mib.Variable{scalar(mib.SimoneTemperatureExpression, mib.Text("L +"))}, 0, "column"},
			{"unknown name", []mib.Variable{scalar(mib.SimoneTemperatureExpression, mib.Text("X"))}, 0, "names are"},
			{"negative weight", []mib.Variable{scalar(mib.SimoneTemperatureWeightA, mib.Text("-1"))}, 0, "weight a"},
			{"no weight left", []mib.Variable{scalar(mib.SimoneTemperatureStu, mib.Gauge(500)), scalar(mib.SimoneTemperatureWeightB, mib.Text("0"))}, 1, "both 0"},
			{"no number", []mib.Variable{scalar(mib.SimoneTemperatureWeightB, mib.Text("much"))}, 0, "not a decimal number"},
			{"bad history", []mib.Variable{scalar(mib.SimoneTemperatureHistory, mib.Text("0 1"))}, 0, "history weight 1"},
		} {
			t.Run(c.name, func(t *testing.T) {
				b := newBench(t, nil)
				e := b.tree.Set(c.vars)
				if e == nil || e.Status != mib.WrongValue || e.Index != c.index || !strings.Contains(e.Reason, c.reason) {
					t.Errorf("refused with %v; want wrongValue at variable %d saying %q", e, c.index+1, c.reason)
				}
				if got := b.read(t, mib.SimoneIlmError).String(); e != nil && got != e.Reason {
					t.Errorf("simoneIlmError is %q", got)
				}
				if now, was := b.Tuning(), DefaultTuning(); now.STU != was.STU || now.WeightB != was.WeightB || now.Expression != "" {
					t.Errorf("tuning is now %+v", now)
				}
			})
		}
	})
	t.Run("takes effect with the next window and is kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var kept []Tuning
			b := newBench(t, func(cfg *Config) {
				cfg.KeepTuning = func(t Tuning) error { kept = append(kept, t); return nil }
			})
			b.run(t)
			b.promote(t)
			b.stage(t, row(20, 1))
			if e := b.tree.Set([]mib.Variable{
				scalar(mib.SimoneTemperatureExpression, mib.Text("10*I + L")),
				scalar(mib.SimoneTemperatureHistory, mib.Text("1")),
			}); e != nil {
				t.Fatal(e)
			}
			b.sleepWindow()
			if v := b.read(t, mib.SimoneTemperatureNow).String(); v != "25" { // intrusion 2.5, latency 0
				t.Errorf("temperature is %s, want 25", v)
			}
			if len(kept) != 1 || kept[0].Expression != "10*I + L" {
				t.Errorf("kept %+v", kept)
			}
		})
	})
}
