package manager

import (
	"strings"
	"testing"

	"simone/mib"
	"simone/reconfig"
)

// rules that differ from the defaults in everything.
var otherRules = reconfig.Rules{
	Policy: "paper", Fixed: true, Paused: true, Thresholds: reconfig.Thresholds{Merge: 0.25, Split: 12.5, Migrate: 1000}, ChurnPercent: 7,
	Weighted: true, ToColdest: true, ProbeMillis: 250, Misses: 4, History: "0.5 0.5",
	MovesPerHour: 500,
}

// noEntries is an EntryStore of a node that never had ILMs below.
type noEntries struct{}

func (noEntries) Entries(uint64, int) ([]LoggedEntry, error) { return nil, nil }

func ruledBench(t *testing.T) *bench {
	return newBench(t, func(cfg *Config) { cfg.Events = noEntries{} })
}

// What a manager tells the ILMs below it arrives as it was, in what the store
// keeps, in simoneReconfig, and in the settings of an engine.
func TestRulesAreTold(t *testing.T) {
	b := ruledBench(t)
	if got := b.read(t, mib.SimonePolicy).String(); got != "balance" {
		t.Errorf("simonePolicy of a node that was told nothing is %q, want the default", got)
	}
	set := reconfig.ControlSet{Verb: reconfig.Promote, Settings: reconfig.IlmSettings{
		TriggerMillis: 1000, PollMillis: 2000, Levels: 2, Below: 3, FanIn: 9, Rules: otherRules,
	}}
	b.set(t, controlVars(set)[1:]...)
	told, active := b.Told()
	if !active || told != set.Settings {
		t.Errorf("told %+v, active %v; want %+v", told, active, set.Settings)
	}
	for _, c := range []struct {
		object mib.OID
		want   string
	}{
		{mib.SimoneThresholdMerge, "0.25"}, {mib.SimoneThresholdSplit, "12.5"}, {mib.SimoneThresholdMigrate, "1000"},
		{mib.SimonePolicy, "paper"}, {mib.SimoneReconfigMode, "2"}, {mib.SimoneReconfigPaused, "1"}, {mib.SimoneReconfigChurn, "7"}, {mib.SimoneReconfigMovesPerHour, "500"},
		{mib.SimoneReconfigColdest, "1"}, {mib.SimoneReconfigWeighted, "1"}, {mib.SimoneReconfigProbeInterval, "250"},
		{mib.SimoneReconfigProbeMisses, "4"}, {mib.SimoneReconfigHistory, "0.5 0.5"}, {mib.SimoneTemperatureHistory, "0.5 0.5"},
		{mib.SimoneReconfigIlmsMin, "3"}, {mib.SimoneReconfigIlmsMax, "0"}, {mib.SimoneReconfigRounds, "0"}, {mib.SimoneReconfigDrain, "0"},
	} {
		if got := b.read(t, c.object).String(); got != c.want {
			t.Errorf("%s is %s, want %s", mib.NameOf(c.object), got, c.want)
		}
	}
	s, _ := b.settings()
	if s.Policy != "paper" || s.Automatic || !s.Paused || s.Churn != 0.07 || s.Rules() != otherRules || s.Levels != 1 || s.Below != 3 || s.MinILMs != 3 || s.FanIn != 9 {
		t.Errorf("the engine's settings are %+v", s)
	}

	// One of them changes; the others stay.
	b.set(t, scalar(mib.SimoneThresholdSplit, mib.Text("20")))
	want := otherRules
	want.Thresholds.Split = 20
	if told, _ := b.Told(); told.Rules != want {
		t.Errorf("after a SET of one they are %+v, want %+v", told.Rules, want)
	}
	if kept := b.store.state.Settings.Rules; kept != want {
		t.Errorf("the store keeps %+v, want %+v", kept, want)
	}

	// A promotion that says nothing of how many ILMs there may be bounds none.
	told, _ = b.Told()
	told.FanIn = 0
	b.set(t, controlVars(reconfig.ControlSet{Verb: reconfig.Promote, Settings: told})[1:]...)
	if now, _ := b.Told(); now != told {
		t.Errorf("told %+v, want %+v", now, told)
	}

	// Without weights from above the node's own hold again.
	b.set(t, scalar(mib.SimoneReconfigHistory, mib.Text("")))
	if got := b.read(t, mib.SimoneTemperatureHistory).String(); got != "0.57 0.28 0.15" {
		t.Errorf("simoneTemperatureHistory is %q, want the node's own", got)
	}
}

// TestRulesAreRefused: what makes no sense is refused whole, and without a
// fence everything.
func TestRulesAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		fenced bool
		vars   []mib.Variable
		status mib.ErrorStatus
		index  int
		reason string
	}{
		{"no fence", false, []mib.Variable{scalar(mib.SimoneThresholdSplit, mib.Text("5"))}, mib.InconsistentValue, 0, "begins with simoneIlmFence.0"},
		{"pause without fence", false, []mib.Variable{scalar(mib.SimoneReconfigPaused, mib.Truth(true))}, mib.InconsistentValue, 0, "begins with simoneIlmFence.0"},
		{"policy that is none", true, []mib.Variable{scalar(mib.SimonePolicy, mib.Text("chaos"))}, mib.WrongValue, 1, `no policy "chaos"`},
		{"thresholds out of order", true, []mib.Variable{scalar(mib.SimoneThresholdSplit, mib.Text("501"))}, mib.WrongValue, 1, "out of order"},
		{"threshold below zero", true, []mib.Variable{scalar(mib.SimoneThresholdMerge, mib.Text("-1"))}, mib.WrongValue, 1, "negative"},
		{"history that is none", true, []mib.Variable{scalar(mib.SimoneReconfigHistory, mib.Text("0 1"))}, mib.WrongValue, 1, "simoneReconfigHistory.0"},
		{"twice", true, []mib.Variable{scalar(mib.SimoneThresholdSplit, mib.Text("5")), scalar(mib.SimoneThresholdSplit, mib.Text("6"))}, mib.WrongValue, 2, "twice"},
		{"with rows", true, []mib.Variable{scalar(mib.SimoneThresholdSplit, mib.Text("5")), applyVar(mib.Apply{Stage: []mib.SupportRow{row(30, 9)}})}, mib.WrongValue, 1, "one SET"},
		{"what follows from levels", false, []mib.Variable{scalar(mib.SimoneReconfigIlmsMin, mib.Gauge(5))}, mib.NotWritable, 0, "manager above"},
		{"a wish without an engine", false, []mib.Variable{scalar(mib.SimoneReconfigDrain, mib.Gauge(5))}, mib.InconsistentValue, 0, "no ILMs below"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := ruledBench(t)
			b.promote(t)
			before, writes := b.store.state.Settings, b.store.writes
			vars := c.vars
			if c.fenced {
				vars = append([]mib.Variable{fenceVar(b.fence())}, vars...)
			}
			e := b.tree.Set(vars)
			if e == nil {
				t.Fatal("it was accepted")
			}
			if e.Status != c.status || e.Index != c.index || !strings.Contains(e.Reason, c.reason) {
				t.Errorf("refused with %v; want %v at variable %d, saying %q", e, c.status, c.index+1, c.reason)
			}
			if b.store.state.Settings != before || b.store.writes != writes {
				t.Error("a refused SET changed something")
			}
		})
	}
	b := ruledBench(t)
	b.set(t, controlVars(reconfig.ControlSet{Verb: reconfig.Promote, Settings: reconfig.IlmSettings{TriggerMillis: 1000, PollMillis: 1000, Rules: otherRules}})[1:]...)
	if e := b.tree.Set([]mib.Variable{scalar(mib.SimoneTemperatureHistory, mib.Text("1"))}); e == nil || e.Status != mib.InconsistentValue {
		t.Errorf("own weights below those of the manager above: %v, want inconsistentValue", e)
	}
}

// A walk sees every object of simoneIlm, simoneSupport and simoneReconfig once
// and in order, although one handler stands at all three.
func TestWalkPassesTheRules(t *testing.T) {
	b := ruledBench(t)
	b.promote(t)
	b.stage(t, row(20, 5))
	var last mib.OID
	seen := map[string]bool{}
	for name := mib.SimoneIlm; ; name = last {
		v, ok := b.tree.Next(name)
		if !ok {
			break
		}
		if last != nil && v.Name.Compare(last) <= 0 {
			t.Fatalf("%v comes after %v", v.Name, last)
		}
		last = v.Name
		seen[mib.NameOf(v.Name)] = true
	}
	for _, name := range []string{"simoneIlmBelow.0", "simoneSupportName.20", "simoneThresholdMerge.0", "simoneReconfigIlmsMin.0", "simoneReconfigDrain.0", "simoneReconfigHistory.0"} {
		if !seen[name] {
			t.Errorf("a walk does not come by %s", name)
		}
	}
}
