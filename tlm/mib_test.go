package tlm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"simone/internal/config"
	"simone/manager"
	"simone/mib"
	"simone/reconfig"
)

func set(object mib.OID, v mib.Value) mib.Variable {
	return mib.Variable{Name: mib.Instance(object), Value: v}
}

func (w *world) get(object mib.OID) string {
	w.t.Helper()
	v := w.tree.Get(mib.Instance(object))
	o, ok := mib.ObjectByOID(object)
	if !ok {
		w.t.Fatalf("no object %v", object)
	}
	return o.Syntax.Format(v)
}

func TestSetReconfig(t *testing.T) {
	var (
		merge, split, migrate = mib.SimoneThresholdMerge, mib.SimoneThresholdSplit, mib.SimoneThresholdMigrate
		minILMs, maxILMs      = mib.SimoneReconfigIlmsMin, mib.SimoneReconfigIlmsMax
	)
	for _, tt := range []struct {
		name   string
		vars   []mib.Variable
		status mib.ErrorStatus
		index  int    // of the refusal, from 0
		reason string // of the refusal
		object mib.OID
		want   string // what the object then reads
	}{
		{name: "merge", vars: []mib.Variable{set(merge, mib.Text("1"))}, object: merge, want: "1"},
		{name: "split", vars: []mib.Variable{set(split, mib.Text("20.5"))}, object: split, want: "20.5"},
		{name: "migrate", vars: []mib.Variable{set(migrate, mib.Text("1e3"))}, object: migrate, want: "1000"},
		{name: "all three in any order", vars: []mib.Variable{set(split, mib.Text("900")), set(migrate, mib.Text("1000")), set(merge, mib.Text("800"))}, object: split, want: "900"},
		{name: "split below merge", vars: []mib.Variable{set(split, mib.Text("0.05"))}, status: mib.InconsistentValue, reason: "out of order", object: split, want: "17.5"},
		{name: "merge above split, after another variable", vars: []mib.Variable{set(mib.SimoneReconfigWeighted, mib.Truth(true)), set(merge, mib.Text("18"))}, status: mib.InconsistentValue, index: 1, reason: "0.1-17.5-500", object: mib.SimoneReconfigWeighted, want: "false"},
		{name: "split above migrate", vars: []mib.Variable{set(split, mib.Text("501"))}, status: mib.InconsistentValue, reason: "out of order", object: split, want: "17.5"},
		{name: "negative threshold", vars: []mib.Variable{set(merge, mib.Text("-1"))}, status: mib.WrongValue, reason: "negative", object: merge, want: "0.1"},
		{name: "threshold that is no number", vars: []mib.Variable{set(split, mib.Text("hot"))}, status: mib.WrongValue, reason: `"hot"`, object: split, want: "17.5"},
		{name: "threshold that is empty", vars: []mib.Variable{set(split, mib.Text(""))}, status: mib.WrongValue, reason: "write it as", object: split, want: "17.5"},
		{name: "threshold of a wrong type", vars: []mib.Variable{set(split, mib.Integer(20))}, status: mib.WrongType, reason: "INTEGER", object: split, want: "17.5"},
		{name: "threshold that is too long", vars: []mib.Variable{set(split, mib.Text(strings.Repeat("1", 33)))}, status: mib.WrongLength, reason: "33 octets", object: split, want: "17.5"},
		{name: "policy", vars: []mib.Variable{set(mib.SimonePolicy, mib.Text("paper"))}, object: mib.SimonePolicy, want: "paper"},
		{name: "another policy", vars: []mib.Variable{set(mib.SimonePolicy, mib.Text("balance"))}, object: mib.SimonePolicy, want: "balance"},
		{name: "unknown policy", vars: []mib.Variable{set(mib.SimonePolicy, mib.Text("whim"))}, status: mib.WrongValue, reason: "write balance or paper", object: mib.SimonePolicy, want: "balance"},
		{name: "mode", vars: []mib.Variable{set(mib.SimoneReconfigMode, mib.Integer(2))}, object: mib.SimoneReconfigMode, want: "fixed"},
		{name: "mode that there is not", vars: []mib.Variable{set(mib.SimoneReconfigMode, mib.Integer(3))}, status: mib.WrongValue, reason: "automatic(1), fixed(2)", object: mib.SimoneReconfigMode, want: "automatic"},
		{name: "paused", vars: []mib.Variable{set(mib.SimoneReconfigPaused, mib.Truth(true))}, object: mib.SimoneReconfigPaused, want: "true"},
		{name: "churn", vars: []mib.Variable{set(mib.SimoneReconfigChurn, mib.Gauge(25))}, object: mib.SimoneReconfigChurn, want: "25"},
		{name: "churn of nothing", vars: []mib.Variable{set(mib.SimoneReconfigChurn, mib.Gauge(0))}, status: mib.WrongValue, reason: "1 to 100", object: mib.SimoneReconfigChurn, want: "10"},
		{name: "moves an hour", vars: []mib.Variable{set(mib.SimoneReconfigMovesPerHour, mib.Gauge(3000))}, object: mib.SimoneReconfigMovesPerHour, want: "3000"},
		{name: "too many moves an hour", vars: []mib.Variable{set(mib.SimoneReconfigMovesPerHour, mib.Gauge(4_000_000_000))}, status: mib.WrongValue, reason: "0 to 1000000000", object: mib.SimoneReconfigMovesPerHour, want: "0"},
		{name: "bounds of ILMs", vars: []mib.Variable{set(minILMs, mib.Gauge(3)), set(maxILMs, mib.Gauge(5))}, object: minILMs, want: "3"},
		{name: "maximum below the minimum", vars: []mib.Variable{set(minILMs, mib.Gauge(3)), set(maxILMs, mib.Gauge(2))}, status: mib.InconsistentValue, index: 1, reason: "between 3 and 2", object: minILMs, want: "1"},
		{name: "weighted", vars: []mib.Variable{set(mib.SimoneReconfigWeighted, mib.Truth(true))}, object: mib.SimoneReconfigWeighted, want: "true"},
		{name: "probe interval", vars: []mib.Variable{set(mib.SimoneReconfigProbeInterval, mib.Gauge(250))}, object: mib.SimoneReconfigProbeInterval, want: "250"},
		{name: "probe interval that is too short", vars: []mib.Variable{set(mib.SimoneReconfigProbeInterval, mib.Gauge(9))}, status: mib.WrongValue, reason: "10 to 3600000", object: mib.SimoneReconfigProbeInterval, want: "500"},
		{name: "probe misses", vars: []mib.Variable{set(mib.SimoneReconfigProbeMisses, mib.Gauge(5))}, object: mib.SimoneReconfigProbeMisses, want: "5"},
		{name: "no misses", vars: []mib.Variable{set(mib.SimoneReconfigProbeMisses, mib.Gauge(0))}, status: mib.WrongValue, reason: "1 to 100", object: mib.SimoneReconfigProbeMisses, want: "3"},
		{name: "trigger", vars: []mib.Variable{set(mib.SimoneIlmTriggerInterval, mib.Gauge(700))}, object: mib.SimoneIlmTriggerInterval, want: "700"},
		{name: "trigger that is too short", vars: []mib.Variable{set(mib.SimoneIlmTriggerInterval, mib.Gauge(70))}, status: mib.WrongValue, reason: "100 to 86400000", object: mib.SimoneIlmTriggerInterval, want: "1000"},
		{name: "poll interval, with a threshold", vars: []mib.Variable{set(split, mib.Text("30")), set(mib.SimoneIlmPollInterval, mib.Gauge(700))}, object: mib.SimoneIlmPollInterval, want: "700"},
		{name: "poll interval, after a threshold that is refused", vars: []mib.Variable{set(split, mib.Text("0.01")), set(mib.SimoneIlmPollInterval, mib.Gauge(700))}, status: mib.InconsistentValue, reason: "out of order", object: mib.SimoneIlmPollInterval, want: "1000"},
		{name: "drain", vars: []mib.Variable{set(mib.SimoneReconfigDrain, mib.Gauge(2))}, object: mib.SimoneReconfigDrain, want: "0"},
		{name: "undrain", vars: []mib.Variable{set(mib.SimoneReconfigUndrain, mib.Gauge(2))}, object: mib.SimoneReconfigUndrain, want: "0"},
		{name: "drain nobody", vars: []mib.Variable{set(mib.SimoneReconfigDrain, mib.Gauge(77))}, status: mib.WrongValue, reason: "there is no node 77", object: mib.SimoneReconfigDrain, want: "0"},
		{name: "pin", vars: []mib.Variable{set(mib.SimoneReconfigPin, mib.Gauge(2))}, object: mib.SimoneReconfigPin, want: "0"},
		{name: "pin nobody", vars: []mib.Variable{set(mib.SimoneReconfigPin, mib.Gauge(0))}, status: mib.WrongValue, reason: "there is no node 0", object: mib.SimoneReconfigPin, want: "0"},
		{name: "unpin nobody", vars: []mib.Variable{set(mib.SimoneReconfigUnpin, mib.Gauge(9))}, status: mib.WrongValue, reason: "there is no node 9", object: mib.SimoneReconfigUnpin, want: "0"},
		{name: "undrain nobody", vars: []mib.Variable{set(mib.SimoneReconfigUndrain, mib.Gauge(9))}, status: mib.WrongValue, reason: "there is no node 9", object: mib.SimoneReconfigUndrain, want: "0"},
		{name: "place a node", vars: []mib.Variable{set(mib.SimoneReconfigPlace, mib.Octets([]byte{0, 0, 0, 2, 0, 0, 0, 77}))}, status: mib.WrongValue, reason: "there is no node 77", object: mib.SimoneReconfigPlace, want: ""},
		{name: "place half a pair", vars: []mib.Variable{set(mib.SimoneReconfigPlace, mib.Octets([]byte{0, 0, 0, 2}))}, status: mib.WrongValue, reason: "4 octets are no pairs", object: mib.SimoneReconfigPlace, want: ""},
		{name: "a leaf is to be a leaf again", vars: []mib.Variable{set(mib.SimoneReconfigPlace, mib.Octets([]byte{0, 0, 0, 2, 0, 0, 0, 0}))}, status: mib.WrongValue, reason: "is no ILM", object: mib.SimoneReconfigPlace, want: ""},
		{name: "place a node at itself", vars: []mib.Variable{set(mib.SimoneReconfigPlace, mib.Octets([]byte{0, 0, 0, 2, 0, 0, 0, 2}))}, status: mib.WrongValue, reason: "cannot manage itself", object: mib.SimoneReconfigPlace, want: ""},
		{name: "a counter", vars: []mib.Variable{set(mib.SimoneReconfigRounds, mib.Counter32(1))}, status: mib.NotWritable, object: mib.SimoneReconfigForks, want: "0"},
		{name: "another instance", vars: []mib.Variable{{Name: split.Append(1), Value: mib.Text("20")}}, status: mib.NoCreation, object: split, want: "17.5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, func(c *config.TLM) { c.Nodes = []config.Inventory{node("n", "127.0.2.2:161")} })
				w.start()
				time.Sleep(2 * time.Second)
				before := w.walk(mib.SimoneReconfig.Append(1))
				e := w.tree.Set(tt.vars)
				switch {
				case tt.status == mib.NoError && e != nil:
					t.Fatalf("refused: %v", e)
				case tt.status != mib.NoError && (e == nil || e.Status != tt.status || e.Index != tt.index || !strings.Contains(e.Reason, tt.reason)):
					t.Fatalf("got %v, want %v at index %d with %q", e, tt.status, tt.index, tt.reason)
				}
				if got := w.tree.Get(mib.Instance(mib.SimoneIlmError)); e != nil && got.String() != e.Reason {
					t.Errorf("simoneIlmError is %q, want %q", got, e.Reason)
				}
				if got := w.get(tt.object); got != tt.want {
					t.Errorf("it then reads %s, want %s", got, tt.want)
				}
				if e != nil && fmt.Sprint(w.walk(mib.SimoneReconfig.Append(1))) != fmt.Sprint(before) {
					t.Error("a refused SET has changed something")
				}
			})
		})
	}
}

func TestOperatorsWishesAreOnDiskWhenAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *config.TLM) { c.Nodes = []config.Inventory{node("n", "127.0.2.2:161")} })
		w.start()
		time.Sleep(2 * time.Second)
		for _, tt := range []struct {
			object mib.OID
			value  mib.Value
			kind   reconfig.Kind
			is     func(reconfig.State) bool
		}{
			{mib.SimoneReconfigDrain, mib.Gauge(2), reconfig.KindDrain, func(s reconfig.State) bool { return s.Nodes[2].Drained }},
			{mib.SimoneReconfigUndrain, mib.Gauge(2), reconfig.KindUndrain, func(s reconfig.State) bool { return !s.Nodes[2].Drained }},
			{mib.SimoneReconfigPin, mib.Gauge(2), reconfig.KindPin, func(s reconfig.State) bool { return s.Nodes[2].Pinned }},
			{mib.SimoneReconfigUnpin, mib.Gauge(2), reconfig.KindUnpin, func(s reconfig.State) bool { return !s.Nodes[2].Pinned }},
			{mib.SimoneReconfigPaused, mib.Truth(true), reconfig.KindPause, func(s reconfig.State) bool { return s.Meta.Paused }},
			{mib.SimoneReconfigPaused, mib.Truth(false), reconfig.KindResume, func(s reconfig.State) bool { return !s.Meta.Paused }},
		} {
			if e := w.tree.Set([]mib.Variable{set(tt.object, tt.value)}); e != nil {
				t.Fatal(e)
			}
			state, err := w.store.Load()
			if err != nil || !tt.is(state) {
				t.Errorf("%s = %v: answered, and not in the store (%v)", mib.NameOf(tt.object), tt.value, err)
			}
			if w.kinds()[tt.kind] != 1 {
				t.Errorf("%s = %v: no event %v", mib.NameOf(tt.object), tt.value, tt.kind)
			}
		}
		rounds := w.Conductor().Counters().Rounds
		if e := w.tree.Set([]mib.Variable{set(mib.SimoneIlmTrigger, mib.Truth(true))}); e != nil {
			t.Fatal(e)
		}
		synctest.Wait()
		if got := w.Conductor().Counters().Rounds; got != rounds+1 {
			t.Errorf("%d rounds after the trigger, %d before", got, rounds)
		}
	})
}

// failing refuses in its commit, as another handler of the same SET may.
type failing struct{ mib.Handler }

func (failing) Test([]mib.Variable) (mib.Txn, *mib.SetError) {
	return mib.TxnFuncs{OnCommit: func() error { return errors.New("no") }}, nil
}

// What the TLM is told of its pace holds for the whole tree, over a restart,
// and until the file says something new.
func TestThePaceCanBeSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *config.TLM) { c.ILMs.Start = 1 })
		n := w.addCandidate("ilm", "127.0.1.2:161", 2)
		w.start()
		if !w.announce(n) {
			t.Fatal("not accepted")
		}
		time.Sleep(20 * time.Second)
		check := func(when string, trigger, poll, split string) {
			t.Helper()
			time.Sleep(5 * time.Second)
			s := w.Conductor().Settings()
			if a, b := fmt.Sprint(s.Trigger.Milliseconds()), fmt.Sprint(s.Interval.Milliseconds()); a != trigger || b != poll {
				t.Errorf("%s: the engine's are %s and %s, want %s and %s", when, a, b, trigger, poll)
			}
			if got := w.get(mib.SimoneThresholdSplit); got != split {
				t.Errorf("%s: split %s, want %s", when, got, split)
			}
			ilm := w.net.trees["127.0.1.2:161"]
			for name, tree := range map[string]*mib.Tree{"the TLM": w.tree, "the ILM": ilm} {
				a, b := tree.Get(mib.Instance(mib.SimoneIlmTriggerInterval)), tree.Get(mib.Instance(mib.SimoneIlmPollInterval))
				if a.String() != trigger || b.String() != poll {
					t.Errorf("%s: %s has %v and %v, want %s and %s", when, name, a, b, trigger, poll)
				}
			}
		}
		check("in the beginning", "1000", "1000", "17.5")
		if e := w.tree.Set([]mib.Variable{
			set(mib.SimoneIlmTriggerInterval, mib.Gauge(2000)), set(mib.SimoneThresholdSplit, mib.Text("30")), set(mib.SimoneIlmPollInterval, mib.Gauge(500)),
		}); e != nil {
			t.Fatal(e)
		}
		check("after the SET", "2000", "500", "30")
		w.restart()
		check("after a restart", "2000", "500", "30")
		next := *w.cfg
		next.Trigger = config.Duration(3 * time.Second)
		if err := w.Reload(&next); err != nil {
			t.Fatal(err)
		}
		check("after a reload with another trigger", "3000", "500", "30")

		w.settings.store = fullDisk{w.store}
		e := w.tree.Set([]mib.Variable{set(mib.SimoneIlmTriggerInterval, mib.Gauge(400))})
		if e == nil || e.Status != mib.CommitFailed || !strings.Contains(w.get(mib.SimoneIlmError), "no space left") {
			t.Errorf("with a full disk: %v", e)
		}
		w.settings.store = w.store
		check("after a SET that could not be kept", "3000", "500", "30")
	})
}

func TestSetReconfigIsUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *config.TLM) { c.Nodes = []config.Inventory{node("n", "127.0.2.2:161")} })
		other := mib.MustOID("1.3.6.1.4.1.99999")
		if err := w.tree.Register(other, failing{fixed{}}); err != nil {
			t.Fatal(err)
		}
		w.start()
		time.Sleep(2 * time.Second)
		e := w.tree.Set([]mib.Variable{
			set(mib.SimoneThresholdSplit, mib.Text("30")),
			set(mib.SimoneReconfigDrain, mib.Gauge(2)),
			set(mib.SimoneReconfigPaused, mib.Truth(true)),
			set(mib.SimoneIlmTriggerInterval, mib.Gauge(5000)),
			{Name: other.Append(1, 0), Value: mib.Integer(1)},
		})
		if e == nil || e.Status != mib.CommitFailed || e.Index != 4 {
			t.Fatalf("got %v, want commitFailed at index 4", e)
		}
		state, err := w.store.Load()
		if err != nil {
			t.Fatal(err)
		}
		kept, err := w.store.Settings()
		if err != nil {
			t.Fatal(err)
		}
		if got := w.get(mib.SimoneIlmTriggerInterval); got != "1000" {
			t.Errorf("trigger %s, want 1000 as before", got)
		}
		if got := w.get(mib.SimoneThresholdSplit); got != "17.5" || state.Nodes[2].Drained || state.Meta.Paused || len(kept) != 0 {
			t.Errorf("split %s, drained %v, paused %v, kept %v: want all as before", got, state.Nodes[2].Drained, state.Meta.Paused, kept)
		}
	})
}

// fullDisk is a Store that keeps no settings.
type fullDisk struct{ Store }

func (fullDisk) SetSettings(map[string]string, ...string) error {
	return errors.New("no space left on device")
}

func TestSetReconfigFailsWithTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.start()
		time.Sleep(time.Second)
		w.settings.store = fullDisk{w.store}
		e := w.tree.Set([]mib.Variable{set(mib.SimoneThresholdSplit, mib.Text("30"))})
		if e == nil || e.Status != mib.CommitFailed || !strings.Contains(e.Reason, "no space left") {
			t.Errorf("got %v, want commitFailed with the reason", e)
		}
		if got := w.get(mib.SimoneThresholdSplit); got != "17.5" {
			t.Errorf("split %s, want the old one", got)
		}
	})
}

func TestSettingsOutliveARestartUntilTheFileChangesThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.start()
		time.Sleep(time.Second)
		if e := w.tree.Set([]mib.Variable{
			set(mib.SimoneThresholdSplit, mib.Text("30")), set(mib.SimoneReconfigChurn, mib.Gauge(50)),
			set(mib.SimoneTemperatureExpression, mib.Text("2*L")),
		}); e != nil {
			t.Fatal(e)
		}
		check := func(when, split, churn, expression string) {
			t.Helper()
			if s, c, e := w.get(mib.SimoneThresholdSplit), w.get(mib.SimoneReconfigChurn), w.get(mib.SimoneTemperatureExpression); s != split || c != churn || e != expression {
				t.Errorf("%s: split %s, churn %s, expression %q; want %s, %s, %q", when, s, c, e, split, churn, expression)
			}
			if got := w.Conductor().Settings(); fmt.Sprint(got.Thresholds.Split) != split {
				t.Errorf("%s: the engine's split is %v, want %s", when, got.Thresholds.Split, split)
			}
		}
		check("after the SET", "30", "50", "2*L")
		w.restart()
		check("after a restart", "30", "50", "2*L")

		next := *w.cfg // another key of the file changes
		next.Thresholds.Migrate = 600
		if err := w.Reload(&next); err != nil {
			t.Fatal(err)
		}
		check("after a reload of other keys", "30", "50", "2*L")
		if got := w.get(mib.SimoneThresholdMigrate); got != "600" {
			t.Errorf("migrate %s, want the file's 600", got)
		}

		after := next
		after.Thresholds.Split = 40
		if err := w.Reload(&after); err != nil {
			t.Fatal(err)
		}
		check("after a reload with another split", "40", "50", "2*L")

		w.cfg = &after
		w.cfg.Churn = 0.2
		w.cfg.Temperature.Expression = "3*L"
		w.restart()
		check("after a restart with another churn and expression", "40", "20", "3*L")
		kept, err := w.store.Settings()
		if err != nil || len(kept) != 0 {
			t.Errorf("kept %v, %v: want nothing any more", kept, err)
		}

		bad := *w.cfg
		bad.Thresholds.Split = 0.01
		if err := w.Reload(&bad); err == nil || !strings.Contains(err.Error(), "out of order") {
			t.Errorf("a reload with thresholds out of order: %v", err)
		}
		check("after a reload that was refused", "40", "20", "3*L")
	})
}

func TestAKeptSettingThatNoLongerFitsGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.start()
		time.Sleep(time.Second)
		if e := w.tree.Set([]mib.Variable{set(mib.SimoneThresholdSplit, mib.Text("30"))}); e != nil {
			t.Fatal(e)
		}
		next := *w.cfg
		next.Thresholds.Migrate = 20 // the kept split is above it
		if err := w.Reload(&next); err != nil {
			t.Fatal(err)
		}
		if got := w.get(mib.SimoneThresholdSplit); got != "17.5" {
			t.Errorf("split %s, want the file's 17.5", got)
		}
		if w.logs.count("do not go with the configuration") != 1 {
			t.Error("nothing about it in the log")
		}
	})
}

func TestTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *config.TLM) {
			c.ILMs.Min = 2
			for i := 2; i < 4; i++ {
				e := node(fmt.Sprintf("ilm%d", i), fmt.Sprintf("127.0.1.%d:161", i))
				e.Candidate = true
				c.Nodes = append(c.Nodes, e)
				w := fmt.Sprintf("leaf%d", i)
				c.Nodes = append(c.Nodes, node(w, fmt.Sprintf("127.0.2.%d:161", i)))
			}
			c.Nodes = append(c.Nodes, node("dead", "127.0.3.1:161"))
		})
		w.addCandidate("ilm2", "127.0.1.2:161", 2)
		w.addCandidate("ilm3", "127.0.1.3:161", 4)
		w.addLeaf("leaf2", "127.0.2.2:161")
		w.addLeaf("leaf3", "127.0.2.3:161")
		entries, cancel := w.Subscribe()
		w.start()
		time.Sleep(30 * time.Second)

		tree := w.walk(mib.SimoneTreeTable)
		names := w.walk(mib.SimoneNameTable)
		rounds := w.walk(mib.SimoneRoundTable)
		events := w.walk(mib.SimoneEventTable)
		for _, tt := range []struct {
			in   map[string]mib.Value
			name string
			want string
		}{
			{tree, "simoneTreeName.1", "top"}, {tree, "simoneTreeParentId.1", "0"}, {tree, "simoneTreeLevel.1", "0"},
			{tree, "simoneTreeAddress.1", topAddress}, {tree, "simoneTreeOperStatus.1", "1"},
			{tree, "simoneTreeName.2", "ilm2"}, {tree, "simoneTreeParentId.2", "1"}, {tree, "simoneTreeLevel.2", "1"},
			{tree, "simoneTreeAddress.2", "127.0.1.2:161"}, {tree, "simoneTreeOperStatus.2", "1"}, {tree, "simoneTreeDrained.2", "2"},
			{tree, "simoneTreeName.4", "ilm3"}, {tree, "simoneTreeIntrusion.4", "100"},
			{names, "simoneNameName.1", "top"}, {names, "simoneNameOwner.1", "1"}, {names, "simoneNameKind.2", "2"},
			{names, "simoneNameKind.3", "1"}, {names, "simoneNameOperStatus.3", "2"}, {names, "simoneNameAddress.3", "127.0.2.2:161"},
			{names, "simoneNameCandidate.2", "1"}, {names, "simoneNameCandidate.3", "2"}, {names, "simoneNamePinned.3", "2"},
			{names, "simoneNameOperStatus.6", "1"}, {names, "simoneNameLastSample.6", "4294967295"}, {names, "simoneNameZone.6", "z"},
			{rounds, "simoneRoundName.2", "ilm2"}, {rounds, "simoneRoundTemperature.2", "0"},
			{events, "simoneEventKind.1", fmt.Sprint(int(reconfig.KindTerm))}, {events, "simoneEventNodeId.1", "1"},
		} {
			if v, ok := tt.in[tt.name]; !ok || v.String() != tt.want {
				t.Errorf("%s is %v, want %s", tt.name, v, tt.want)
			}
		}
		if got := w.get(mib.SimoneLatencyGlobal); got == "" {
			t.Error("no global latency")
		}
		if rows := len(names) / len(mib.ColumnsOf(mib.SimoneNameEntry)); rows != 6 {
			t.Errorf("simoneNameTable has %d rows, want 6", rows)
		}
		if rows := len(tree) / len(mib.ColumnsOf(mib.SimoneTreeEntry)); rows != 3 {
			t.Errorf("simoneTreeTable has %d rows, want the TLM and two ILMs", rows)
		}
		all := w.events()
		if len(events) != len(all)*len(mib.ColumnsOf(mib.SimoneEventEntry)) {
			t.Errorf("simoneEventTable has %d cells for %d events", len(events), len(all))
		}
		for _, e := range all {
			if got := <-entries; got != e.Entry {
				t.Fatalf("subscriber got %+v, want %+v", got, e.Entry)
			}
			if v := events[fmt.Sprintf("simoneEventText.%d", e.Seq)]; v.String() != manager.Sentence(e.Entry) || !strings.HasPrefix(v.String(), e.Kind.String()) {
				t.Errorf("event %d reads %q", e.Seq, v)
			}
		}
		cancel()
		if _, open := <-entries; open {
			t.Error("the subscription goes on")
		}

		t.Log("a dead ILM is down")
		w.net.put("127.0.1.3:161", nil)
		time.Sleep(5 * time.Second)
		if v := w.walk(mib.SimoneTreeTable)["simoneTreeOperStatus.4"]; v.Int != int64(mib.IlmDown) {
			t.Errorf("status %v, want down", v)
		}
		metrics := w.Host().MetricRows()
		if index, ok := metrics.Next(mib.OID{3}); !ok || index[0] != 3 {
			t.Errorf("the metric table has no values of node 3, which an ILM polls: %v", index)
		}
	})
}

func TestSubscribersThatSleepMissEntries(t *testing.T) {
	var f feed
	entries, cancel := f.subscribe()
	defer cancel()
	for i := range feedBacklog + 10 {
		f.publish(reconfig.Entry{Nodes: i}) // must not block
	}
	n := 0
	for len(entries) > 0 {
		if e := <-entries; e.Nodes != n {
			t.Fatalf("entry %d, want %d", e.Nodes, n)
		}
		n++
	}
	if n != feedBacklog {
		t.Errorf("%d entries, want %d", n, feedBacklog)
	}
	cancel()
	cancel()
	f.publish(reconfig.Entry{})
}

func TestNewRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		n := &fakeNode{name: "x", uuid: uuidOf("x")}
		n.identity.ID = 7
		if _, err := New(Options{Config: w.cfg, Node: n, Poller: w.net, Store: w.store, Clock: w.clock, Profiles: profiles, HoldsCredential: holds}); err == nil || !strings.Contains(err.Error(), "the node is 7") {
			t.Errorf("a node that is not the TLM's: %v", err)
		}
		if _, err := New(Options{}); err == nil {
			t.Error("nothing at all was taken")
		}
		bad := *w.cfg
		bad.Churn = 0
		if _, err := New(Options{Config: &bad, Node: w.node, Poller: w.net, Store: w.store, Clock: w.clock, Profiles: profiles, HoldsCredential: holds}); err == nil || !strings.Contains(err.Error(), "churn") {
			t.Errorf("a churn of 0: %v", err)
		}
	})
}

func TestRunStopsWhenTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		time.Sleep(10 * time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}
