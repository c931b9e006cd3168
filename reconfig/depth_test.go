package reconfig_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"simone/reconfig"
)

func TestDepthDecide(t *testing.T) {
	base := reconfig.DepthView{Most: 2, Children: 10, Nodes: 500, Carry: 64}
	with := func(change func(*reconfig.DepthView)) reconfig.DepthView {
		v := base
		change(&v)
		return v
	}
	for _, tt := range []struct {
		name         string
		view         reconfig.DepthView
		kind         reconfig.Kind
		levels, keep int
		seen         string
	}{
		{"NothingMeasured", base, reconfig.KindNone, 0, 0, ""},
		{"AllCanBeServed", with(func(v *reconfig.DepthView) { v.Serving = 0.3 }), reconfig.KindNone, 0, 0, ""},
		{"TooManyToServe", with(func(v *reconfig.DepthView) { v.Children, v.Serving = 40, 0.8 }), reconfig.KindFork, 1, 15, "one takes 2.0 % of a trigger"},
		{"SamplesLeaveLessForThem", with(func(v *reconfig.DepthView) { v.Children, v.Serving, v.Storing = 40, 0.5, 0.2 }), reconfig.KindFork, 1, 16, "32 can be served"},
		{"SamplesAreNotTheirFault", with(func(v *reconfig.DepthView) { v.Children, v.Serving, v.Storing = 10, 0.1, 0.9 }), reconfig.KindNone, 0, 0, ""},
		{"SlowMachineFewChildren", with(func(v *reconfig.DepthView) { v.Serving = 5 }), reconfig.KindNone, 0, 0, ""},
		{"RoundTakesLongerThanATrigger", with(func(v *reconfig.DepthView) { v.Children, v.Round = 60, 2 }), reconfig.KindFork, 1, 15, "a round takes 2 triggers"},
		{"Configured", with(func(v *reconfig.DepthView) { v.FanIn = 8 }), reconfig.KindFork, 1, 4, "8 can be served (as configured)"},
		{"MoreNodesThanTheIlmsCarry", with(func(v *reconfig.DepthView) { v.FanIn, v.Children, v.Nodes = 10, 10, 520 }), reconfig.KindFork, 1, 5, "10 ILMs right below, 11 wanted for 520 nodes"},
		{"BoundReached", with(func(v *reconfig.DepthView) { v.FanIn, v.Most = 8, 0 }), reconfig.KindNone, 0, 0, ""},
		{"SecondLevel", with(func(v *reconfig.DepthView) { v.FanIn, v.Levels, v.Children, v.Nodes = 8, 1, 8, 3000 }), reconfig.KindFork, 2, 4, ""},
		{"StillNeeded", with(func(v *reconfig.DepthView) { v.FanIn, v.Levels, v.Children = 16, 1, 8 }), reconfig.KindNone, 0, 0, ""},
		{"NotNeededAnyMore", with(func(v *reconfig.DepthView) { v.FanIn, v.Levels, v.Children, v.Nodes = 16, 1, 8, 300 }), reconfig.KindJoin, 0, 8, "300 nodes, for which 6 ILMs are enough"},
		{"TooFewToTakeItBack", with(func(v *reconfig.DepthView) { v.FanIn, v.Levels, v.Children, v.Nodes = 16, 1, 4, 300 }), reconfig.KindNone, 0, 0, ""},
		{"LeastReached", with(func(v *reconfig.DepthView) {
			v.FanIn, v.Levels, v.Least, v.Children, v.Nodes = 16, 1, 1, 8, 300
		}), reconfig.KindNone, 0, 0, ""},
		{"OneIlmCannotFork", with(func(v *reconfig.DepthView) { v.Children, v.FanIn = 1, 2 }), reconfig.KindNone, 0, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.view.Decide()
			if p.Kind != tt.kind || p.Kind != reconfig.KindNone && p.Levels != tt.levels || tt.keep != 0 && p.Keep != tt.keep || !strings.Contains(p.Seen, tt.seen) {
				t.Errorf("%+v, want %v to %d levels, %d kept, %q", p, tt.kind, tt.levels, tt.keep, tt.seen)
			}
		})
	}
}

// A change of depth is never one that the next decision takes back while the
// nodes are as many, whatever it was that called for it (I4).
func TestDepthStays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	changes := 0
	for range 200_000 {
		v := reconfig.DepthView{
			Levels: r.IntN(3), Most: 2, Children: 1 + r.IntN(80), Carry: float64(r.IntN(300)), FanIn: r.IntN(4) * r.IntN(40),
		}
		v.Nodes = v.Children + r.IntN(20_000) // ILMs are nodes, too
		child := r.Float64() * 0.1            // of a trigger, for each
		v.Serving, v.Storing = child*float64(v.Children), r.Float64()*0.7
		if r.IntN(3) == 0 {
			v.Round = r.Float64() * 3
		}
		p := v.Decide()
		if p.Kind == reconfig.KindNone {
			continue
		}
		changes++
		after := v
		after.Levels, after.Children = p.Levels, p.Keep
		if p.Levels > 0 {
			after.Carry, after.Served = p.Carry, p.Served
		}
		after.Serving = child * float64(p.Keep)
		if v.Round > 0 { // it grows with the children
			after.Round = v.Round * float64(p.Keep) / float64(v.Children)
		}
		if again := after.Decide(); again.Kind != reconfig.KindNone && again.Kind != p.Kind {
			t.Fatalf("%+v: %+v, then %+v: %+v", v, p, after, again)
		}
	}
	if changes < 1000 {
		t.Errorf("only %d changes", changes)
	}
}

// Width grows with the nodes and shrinks with the levels below.
func TestDepthWidth(t *testing.T) {
	v := reconfig.DepthView{Nodes: 1000, Carry: 50, FanIn: 16}
	for levels, want := range []int{25, 3, 1} {
		if got := v.Width(levels); got != want {
			t.Errorf("%d levels: %d ILMs, want %d", levels, got, want)
		}
	}
	v.Carry = 0
	if got := v.Width(0); got != 1 {
		t.Errorf("where an ILM carries any number: %d ILMs", got)
	}
	v = reconfig.DepthView{Nodes: math.MaxInt32, Carry: 1, Children: 5}
	if got := v.Width(2); got < 1 {
		t.Errorf("%d ILMs for very many nodes", got)
	}
}

// What an ILM is told: levels that are there for good have their number of
// ILMs, those of a fork as many as it takes, and none sends all home.
func TestLevelsTold(t *testing.T) {
	for _, tt := range []struct {
		name                      string
		told                      reconfig.IlmSettings
		least, most, levels, fans int
	}{
		{"None", reconfig.IlmSettings{}, 0, -1, 0, 0},
		{"ForGood", reconfig.IlmSettings{Levels: 2, Below: 3}, 3, 0, 1, 0},
		{"ByFork", reconfig.IlmSettings{Levels: 1, FanIn: 20}, 2, 0, 0, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.told.Of(true)
			if s.MinILMs != tt.least || s.MaxILMs != tt.most || s.Levels != tt.levels || s.FanIn != tt.fans || s.MostLevels != 0 {
				t.Errorf("%+v", s)
			}
			if s := tt.told.Of(false); s.MaxILMs != -1 || s.Levels != 0 {
				t.Errorf("of a leaf: %+v", s)
			}
		})
	}
}
