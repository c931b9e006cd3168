package manager

import (
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
	"simone/profile"
	"simone/reconfig"
)

// TestWalk walks all that a host shows: in strictly rising order, each
// variable read again by GET, of the type that the MIB gives it, and every
// object of the host's groups is there.
func TestWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(cfg *Config) { cfg.Below = fakeBelow{} })
		b.run(t)
		b.promote(t)
		b.stage(t, row(20, 1), row(300, 1), row(70000, 1))
		time.Sleep(2200 * time.Millisecond)
		seen := make(map[string]int)
		at := mib.SimoneMIB
		for {
			v, ok := b.tree.Next(at)
			if !ok {
				break
			}
			if v.Name.Compare(at) <= 0 {
				t.Fatalf("%v comes after %v", v.Name, at)
			}
			at = v.Name
			object, _ := mib.Locate(v.Name)
			if object == nil || object.Shape != mib.ShapeScalar && object.Shape != mib.ShapeColumn {
				t.Fatalf("%v is in no object of the MIB", v.Name)
			}
			if v.Value.Type != object.Syntax.Type {
				t.Errorf("%s is a %v, the MIB says %v", mib.NameOf(v.Name), v.Value.Type, object.Syntax.Type)
			}
			if status, reason := object.Syntax.Check(v.Value); status != mib.NoError {
				t.Errorf("%s = %v is not what the MIB allows: %s", mib.NameOf(v.Name), v.Value, reason)
			}
			if again := b.tree.Get(v.Name); again.Type != v.Value.Type {
				t.Errorf("GET of %s gives %v", mib.NameOf(v.Name), again)
			}
			seen[object.Name]++
		}
		for _, group := range []mib.OID{mib.SimoneTemperature, mib.SimoneIlm, mib.SimoneSupport, mib.SimoneMetricEntry, mib.SimoneAggregate, mib.SimoneReport} {
			for _, o := range mib.ObjectsBelow(group) {
				if (o.Shape == mib.ShapeScalar || o.Shape == mib.ShapeColumn) && o.Access >= mib.AccessReadOnly && seen[o.Name] == 0 {
					t.Errorf("%s was not walked", o.Name)
				}
			}
		}
		if n := seen["simoneSupportName"]; n != 3 {
			t.Errorf("%d rows in simoneSupportTable", n)
		}
		metrics := len(mib.Profiles()[0].Metrics)
		if n := seen["simoneMetricValue"]; n != 3*metrics {
			t.Errorf("%d values in simoneMetricTable, want %d", n, 3*metrics)
		}
		if n := seen["simoneAggregateCount"]; n != metrics {
			t.Errorf("%d rows in simoneAggregateTable, want %d", n, metrics)
		}
		if n := seen["simoneReportRecord"]; n != 3+3*3 { // rows added, then three slots of each
			t.Errorf("%d records in simoneReportTable", n)
		}
	})
}

// fakeBelow is what the TLM's engine says.
type fakeBelow struct{}

func (fakeBelow) GlobalLatency() (time.Duration, bool) { return 17500 * time.Microsecond, true }
func (fakeBelow) Census() mib.Digest                   { return mib.Digest{Count: 40, XOR: 5} }
func (fakeBelow) LastRound() reconfig.Instant          { return 0 }
func (fakeBelow) Trigger()                             {}

func TestReportRecordsReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.run(t)
		b.promote(t)
		b.stage(t, row(20, 1))
		time.Sleep(600 * time.Millisecond)
		rec, err := mib.ParseRecord(2, b.tree.Get(mib.SimoneReportRecord.Append(2)).Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Kind != mib.RecordSample || rec.Node != 20 || rec.Slot != 5 || rec.Age < 490*time.Millisecond || rec.Age > 500*time.Millisecond {
			t.Errorf("record 2 is %+v, want the sample of slot 5 half a second ago", rec)
		}
		if s, err := mib.ParseSample(rec.Payload); err != nil || len(s.Values) == 0 || s.Values[0].Value != 1 {
			t.Errorf("its sample: %+v, %v", s, err)
		}
	})
}

func TestSupportRowsShowWhatWasLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.poller.answer = func(r mib.Request) (mib.Response, time.Duration, bool) {
			if r.Address.String() == row(21, 1).Address {
				return mib.Response{}, 0, false
			}
			return ones(r), 7 * time.Millisecond, true
		}
		b.run(t)
		b.promote(t)
		b.stage(t, row(20, 1), row(21, 1))
		cells := func(node uint32) map[uint32]mib.Value {
			m := make(map[uint32]mib.Value)
			for _, c := range mib.ColumnsOf(mib.SimoneSupportEntry) {
				m[c.Number] = b.tree.Get(mib.SimoneSupportEntry.Append(c.Number, node))
			}
			return m
		}
		if c := cells(20); c[mib.ColumnSupportOperStatus].Int != int64(mib.PollWaiting) || c[mib.ColumnSupportLastPoll].Uint != math.MaxUint32 {
			t.Errorf("before the first poll: %v", c)
		}
		time.Sleep(2600 * time.Millisecond)
		c := cells(20)
		for column, want := range map[uint32]string{
			mib.ColumnSupportOperStatus: "2", mib.ColumnSupportFirstSlot: "5", mib.ColumnSupportSamples: "3", mib.ColumnSupportSlot: "8",
			mib.ColumnSupportRtt: "7000", mib.ColumnSupportJitter: "0", mib.ColumnSupportLoss: "0", mib.ColumnSupportDue: "500",
			mib.ColumnSupportLoad: "100", mib.ColumnSupportLoadAverage: "100", mib.ColumnSupportFailures: "0", mib.ColumnSupportRowStatus: "1",
		} {
			if c[column].String() != want {
				t.Errorf("column %d of a node that answers is %v, want %s", column, c[column], want)
			}
		}
		d := cells(21)
		if d[mib.ColumnSupportOperStatus].Int != int64(mib.PollFailing) || d[mib.ColumnSupportLoss].Uint != 6667 && d[mib.ColumnSupportLoss].Uint != 10000 ||
			d[mib.ColumnSupportLoad].Type != mib.TypeNoSuchInstance {
			t.Errorf("a node that does not answer: %v", d)
		}
	})
}

func TestSubtreeIsSummedUp(t *testing.T) {
	b := newBench(t, func(cfg *Config) { cfg.Below = fakeBelow{} })
	b.promote(t)
	b.stage(t, row(20, 1))
	d, err := mib.ParseDigest(b.read(t, mib.SimoneIlmSubtreeDigest).Bytes)
	var own mib.Digest
	own.AddNode(20)
	if err != nil || d.Count != 41 || d.XOR != own.XOR^5 {
		t.Errorf("subtree digest is %+v, %v", d, err)
	}
	if g := b.read(t, mib.SimoneTemperatureGlobal).String(); g != "17.5" {
		t.Errorf("global latency is %s stu", g)
	}
	if v := b.read(t, mib.SimoneIlmLastRound).Uint; v != mib.Never {
		t.Errorf("last round is %d ms ago, there was none", v)
	}
	for n := range 10 {
		b.Observe(mib.NodeID(100+n), time.Second, mib.Sample{Values: metricValues(9, 0, float64(n))})
	}
	if c := b.tree.Get(mib.SimoneAggregateCount.Append(9)).Uint; c != 10 {
		t.Errorf("%d values of nodes deeper down are summed up, want 10", c)
	}
	b.Forget(100)
	if m := b.tree.Get(mib.SimoneAggregateMin.Append(9)).String(); m != "1" {
		t.Errorf("minimum is %s after the node with 0 is gone", m)
	}
}

func TestNewRefusesBadConfigurations(t *testing.T) {
	good := func() Config {
		return Config{
			Node: &fakeNode{}, Store: &listStore{}, Poller: &fakePoller{}, Clock: NewClock(),
			Profiles:        profile.BuiltInSet,
			HoldsCredential: func(string) bool { return true },
		}
	}
	for _, c := range []struct {
		name   string
		change func(*Config)
	}{
		{"no node", func(c *Config) { c.Node = nil }},
		{"no store", func(c *Config) { c.Store = nil }},
		{"no poller", func(c *Config) { c.Poller = nil }},
		{"no clock", func(c *Config) { c.Clock = Clock{} }},
		{"negative tick", func(c *Config) { c.Tick = -1 }},
		{"bad expression", func(c *Config) { c.Tuning = Tuning{Expression: "L +", WeightB: 1, STU: time.Millisecond} }},
		{"bad stu", func(c *Config) { c.Tuning = Tuning{WeightB: 1, STU: time.Nanosecond} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := good()
			c.change(&cfg)
			if _, err := New(cfg); err == nil {
				t.Error("it was accepted")
			}
		})
	}
	if _, err := New(good()); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestRunEndsWithWorkInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(cfg *Config) { cfg.Slow = func() time.Duration { return time.Hour } })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.Run(ctx) }()
		b.promote(t)
		b.stage(t, row(20, 1), row(21, 1))
		time.Sleep(time.Second)
		began := time.Now()
		cancel()
		if err := <-ended; err != nil || time.Since(began) > 0 {
			t.Errorf("Run ended with %v after %v", err, time.Since(began))
		}
		if roles := b.node.roles; !slices.Contains(roles, mib.RoleILM) {
			t.Errorf("roles were %v", roles)
		}
	})
}
