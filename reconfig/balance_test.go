package reconfig

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"simone/mib"
)

// used makes an active ILM with n movable nodes that cause a utilisation in
// equal parts, and a temperature that has lasted for long.
func used(id mib.NodeID, utilisation, temperature float64, n int) ChildView {
	c := ilm(id, temperature, n)
	c.Utilisation, c.Rate, c.Hot, c.Cold = utilisation, float64(n), 5, 5
	for range n {
		c.Loads = append(c.Loads, utilisation/float64(n))
	}
	return c
}

func changed(c ChildView, change func(*ChildView)) ChildView { change(&c); return c }

// balanceView is paperView with a budget.
func balanceView(children ...ChildView) View {
	v := paperView(children...)
	v.Budget = 100
	return v
}

func viewed(v View, change func(*View)) View { change(&v); return v }

func TestBalanceDecide(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	tests := []struct {
		name string
		view View
		want string
	}{
		{"no ILMs", balanceView(), ""},
		{"one ILM", balanceView(used(1, .3, 2, 10)), ""},
		{"all alike", balanceView(used(1, .3, 2, 10), used(2, .3, 2, 10)), ""},

		// Evening utilisations.
		{"the busiest gives to the idlest", balanceView(used(1, .5, 2, 10), used(2, .3, 2, 10), used(3, .1, 2, 10)), "split 1>3 4"},
		{"within the dead band", balanceView(used(1, .5, 2, 10), used(2, .36, 2, 10)), ""},
		{"hardly anything to do", balanceView(used(1, .049, 2, 100), used(2, .001, 2, 2)), ""},
		{"the target stays below the source", balanceView(used(1, .5, 2, 1), used(2, .1, 2, 10)), ""},
		{"the target may come to be the source's equal", balanceView(used(1, .4, 2, 2), used(2, .1, 2, 10)), ""},
		{"two sources never meet at a target", balanceView(used(1, .5, 2, 10), used(2, .5, 2, 10), used(3, .1, 2, 2)), "split 1>3 4"},
		{"as many pairs as there are", balanceView(used(1, .5, 2, 10), used(2, .5, 2, 10), used(3, .1, 2, 2), used(4, .1, 2, 2)), "split 1>3 4, split 2>4 4"},
		{"where a poll costs three times as much, fewer", balanceView(used(1, .5, 2, 10), used(2, .15, 2, 1)), "split 1>2 1"},
		{"a cheaper target is not relied on", balanceView(used(1, .5, 2, 10), used(2, .01, 2, 10)), "split 1>2 4"},
		{"to a hot ILM never", balanceView(used(1, .5, 2, 10), changed(used(2, .1, 18, 1), func(c *ChildView) { c.Hot = 0 })), ""},
		{"not so many that the target would be hot", balanceView(used(1, .5, 2, 10), used(2, .1, 10, 4)), "split 1>2 2"},
		{"the budget", viewed(balanceView(used(1, .5, 2, 10), used(2, .1, 2, 10)), func(v *View) { v.Budget = 3 }), "split 1>2 3"},
		{"no budget", viewed(balanceView(used(1, .5, 2, 10), used(2, .1, 2, 10)), func(v *View) { v.Budget = 0 }), ""},
		{"room on the target", balanceView(used(1, .5, 2, 10), changed(used(2, .1, 2, 10), func(c *ChildView) { c.Capacity = 16 })), "split 1>2 2"},
		{"nodes that may not go there", viewed(balanceView(used(1, .5, 2, 4), used(2, .1, 2, 10)), func(v *View) {
			v.Allows = func(node, to mib.NodeID) bool { return node != 1004 }
		}), "split 1>2 1"},
		{"a target that may take none is passed over", viewed(balanceView(used(1, .5, 2, 4), used(2, .1, 2, 10), used(3, .2, 2, 10)), func(v *View) {
			v.Allows = func(_, to mib.NodeID) bool { return to != 2 }
		}), "split 1>3 1"},
		{"busy source", balanceView(busy(used(1, .5, 2, 10)), used(2, .1, 2, 10)), ""},
		{"busy target", balanceView(used(1, .5, 2, 10), busy(used(2, .1, 2, 10))), ""},
		{"source at rest", balanceView(changed(used(1, .5, 2, 10), func(c *ChildView) { c.Rests = true }), used(2, .1, 2, 10)), ""},
		{"target at rest", balanceView(used(1, .5, 2, 10), changed(used(2, .1, 2, 10), func(c *ChildView) { c.Rests = true })), ""},
		{"source has just taken", balanceView(changed(used(1, .5, 2, 10), func(c *ChildView) { c.NoGive = true }), used(2, .1, 2, 10)), ""},
		{"target has just given", balanceView(used(1, .5, 2, 10), changed(used(2, .1, 2, 10), func(c *ChildView) { c.NoTake = true })), ""},
		{"pinned nodes stay", balanceView(pinned(changed(used(1, .5, 2, 1), func(c *ChildView) { c.Loads = []float64{.1} }), 4), used(2, .1, 2, 10)), "split 1>2 1"},
		{"utilisation unknown", balanceView(used(1, nan, 2, 10), used(2, .1, 2, 10)), ""},
		{"utilisation without end", balanceView(used(1, inf, 2, 10), used(2, .1, 2, 10)), ""},
		{"loads unknown", balanceView(changed(used(1, .5, 2, 10), func(c *ChildView) { c.Loads, c.Rate = nil, nan }), used(2, .1, 2, 10)), "split 1>2 4"},

		// An ILM without nodes.
		{"an ILM without nodes gets its share", balanceView(used(1, 0, 2, 20), used(2, 0, 2, 10), used(3, 0, 0, 0)), "split 1>3 10"},
		{"few nodes are left where they are", balanceView(used(1, 0, 2, 3), used(2, 0, 0, 0)), ""},
		{"uneven, but nobody without", balanceView(used(1, 0, 2, 50), used(2, 0, 0.2, 1)), ""},

		// Relief of a hot ILM.
		{"half of a slowed ILM's list", balanceView(used(1, .2, 20, 10), used(2, .3, 2, 10)), "split 1>2 5"},
		{"once above split is not enough", balanceView(changed(used(1, .2, 20, 10), func(c *ChildView) { c.Hot = 1 }), used(2, .2, 2, 10)), ""},
		{"the target is the idlest that is not hot", balanceView(used(1, .2, 20, 10), used(2, .3, 2, 10), used(3, .2, 2, 10), changed(used(4, .1, 18, 10), func(c *ChildView) { c.Hot = 1 })), "split 1>3 5"},
		{"hottest first", balanceView(used(1, .2, 20, 10), used(2, .2, 30, 10), used(3, .2, 2, 10)), "split 2>3 5"},
		{"nobody is much cooler", balanceView(used(1, .2, 20, 10), used(2, .2, 14, 10)), ""},
		{"no more than the target has room for", balanceView(used(1, .5, 20, 10), used(2, .48, 2, 10)), "split 1>2 2"},
		{"one node", balanceView(used(1, .2, 20, 1), used(2, .2, 2, 10)), ""},
		{"temperature without end", balanceView(used(1, .1, inf, 10), pinned(used(2, .1, 2, 10), 1)), "migrate 1>2 10-"},
		{"temperature unknown", balanceView(used(1, .2, nan, 10), used(2, .2, 2, 10)), ""},

		// Migrate.
		{"all of it above migrate", balanceView(used(1, .1, 600, 10), used(2, .1, 2, 10)), "migrate 1>2 10-"},
		{"half, if it may not be spared", bounded(balanceView(used(1, .1, 600, 10), used(2, .1, 2, 10)), 2, 5), "split 1>2 5"},
		{"half, if nodes are pinned", balanceView(pinned(used(1, .1, 600, 10), 2), used(2, .1, 2, 10)), "split 1>2 6"},
		{"half, if all is too much for one", balanceView(used(1, .3, 600, 10), used(2, .3, 2, 10)), "split 1>2 5"},

		// Promotion.
		{"all hot by temperature", withIdle(balanceView(used(1, .2, 20, 10), used(2, .2, 30, 10)), 8, 9), "split 2>8 5+"},
		{"not all of them", withIdle(balanceView(used(1, .2, 2, 10), used(2, .2, 17, 10)), 8), ""},
		{"one not for long", withIdle(balanceView(used(1, .2, 20, 10), changed(used(2, .2, 30, 10), func(c *ChildView) { c.Hot = 1 })), 8), ""},
		{"all hot by utilisation", withIdle(balanceView(used(1, .7, 2, 10), used(2, .6, 2, 10)), 8), "split 1>8 5+"},
		{"hot by utilisation and no host", balanceView(used(1, .7, 2, 10), used(2, .6, 2, 10)), ""},
		{"as many as there may be", bounded(withIdle(balanceView(used(1, .7, 2, 10)), 8), 1, 1), ""},
		{"one is not known", withIdle(balanceView(used(1, .9, 2, 10), busy(used(2, .9, 2, 10))), 8), ""},
		{"the host's own row is not handed to it", withIdle(balanceView(used(1, .9, 2, 4)), 1004), "split 1>1004 2+"},

		// Merge.
		{"two cold ILMs", balanceView(used(1, .01, .05, 10), used(2, .02, .03, 10), used(3, .02, 2, 10)), "merge 2>1 10-"},
		{"one pair a round", balanceView(used(1, .01, .05, 10), used(2, .01, .05, 10), used(3, .01, .05, 10), used(4, .01, .05, 10)), "merge 1>2 10-"},
		{"one cold ILM", balanceView(used(1, .01, .05, 10), used(2, .02, 2, 10)), ""},
		{"not for long", balanceView(changed(used(1, .01, .05, 10), func(c *ChildView) { c.Cold = 1 }), used(2, .01, .05, 10)), ""},
		{"too much for one", balanceView(used(1, .2, .05, 10), used(2, .2, .05, 10)), ""},
		{"too many rows for one", balanceView(used(1, .01, .05, 10), changed(used(2, .01, .05, 10), func(c *ChildView) { c.Capacity = 25 }), changed(used(3, .01, .05, 10), func(c *ChildView) { c.Capacity = 24 })), "merge 2>1 10-"},
		{"too many rows for any", balanceView(changed(used(1, .01, .05, 10), func(c *ChildView) { c.Capacity = 25 }), changed(used(2, .01, .05, 10), func(c *ChildView) { c.Capacity = 25 })), ""},
		{"as few as there may be", bounded(balanceView(used(1, .01, .05, 10), used(2, .01, .05, 10)), 2, 5), ""},
		{"the last one", bounded(balanceView(used(1, .01, .05, 10)), 0, 5), ""},
		{"pinned nodes keep it", balanceView(pinned(used(1, .01, .03, 10), 1), used(2, .01, .05, 10)), "merge 2>1 10-"},
		{"the budget is too small", viewed(balanceView(used(1, .01, .05, 10), used(2, .01, .05, 10)), func(v *View) { v.Budget = 9 }), ""},
		{"it would be hot with both", thresholds(balanceView(used(1, .01, 4, 10), used(2, .01, 4, 10)), 5, 5, 5), ""},
		{"it would be promoted again", viewed(balanceView(used(1, .1, .05, 10), used(2, .1, .05, 10)), func(v *View) { v.Grown, v.GrownAt = true, .3 }), ""},
		{"there was more to do when it was promoted", viewed(balanceView(used(1, .1, .05, 10), used(2, .1, .05, 10)), func(v *View) { v.Grown, v.GrownAt = true, .4 }), "merge 1>2 10-"},
		{"one node may not go", viewed(balanceView(used(1, .01, .05, 10), used(2, .01, .05, 10)), func(v *View) {
			v.Allows = func(node, _ mib.NodeID) bool { return node != 1001 && node != 2001 }
		}), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := brief(Balance{}.Decide(tt.view)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBalanceSaysWhatItSeesAndExpects(t *testing.T) {
	tests := []struct {
		name           string
		view           View
		seen, expected string
	}{
		{"level", balanceView(used(1, .5, 2, 10), used(2, .1, 2, 10)),
			"utilisation 50.0 % with 10 nodes, while node 2 has 10.0 % with 10 nodes", "4 nodes move to node 2: utilisation 30.0 % there, 30.0 % here"},
		{"relief", balanceView(used(1, .2, 20, 2), used(2, .2, 2, 10)),
			"temperature 20 stu above split 17.5 with 2 nodes, for 5 rounds", "1 node moves to node 2: utilisation 30.0 % there, 10.0 % here"},
		{"promotion", withIdle(balanceView(used(1, .8, 2, 4)), 9),
			"mean utilisation 80.0 % of 1 ILMs above 60.0 %", "2 nodes move to node 9, which becomes an ILM: utilisation 40.0 % there, 40.0 % here"},
		{"merge", balanceView(used(1, .01, .05, 10), used(2, .01, .05, 10)),
			"temperature 0.05 stu below merge 0.1 with 10 nodes, for 5 rounds", "10 nodes move to node 2: utilisation 2.0 % there; node 1 stops being an ILM"},
		{"filling", balanceView(used(1, 0, 2, 8), used(2, 0, 0, 0)),
			"8 nodes, while node 2 has none", "4 nodes move to node 2: utilisation 0.0 % there, 0.0 % here"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ts := Balance{}.Decide(tt.view)
			if len(ts) != 1 || ts[0].Seen != tt.seen || ts[0].Expected != tt.expected {
				t.Errorf("got %+v\nwant seen     %s\nwant expected %s", ts, tt.seen, tt.expected)
			}
		})
	}
}

// drawNumber is a measure, at times one that is none.
func drawNumber(most float64) *rapid.Generator[float64] {
	return rapid.Custom(func(t *rapid.T) float64 {
		switch rapid.IntRange(0, 19).Draw(t, "odd") {
		case 0:
			return math.NaN()
		case 1:
			return math.Inf(1)
		case 2:
			return 0
		}
		return rapid.Float64Range(0, most).Draw(t, "number")
	})
}

func drawBalanceView(t *rapid.T) View {
	v := View{Budget: rapid.IntRange(0, 30).Draw(t, "budget"), MinILMs: rapid.IntRange(0, 4).Draw(t, "min")}
	split := rapid.Float64Range(0, 30).Draw(t, "split")
	v.Thresholds = Thresholds{rapid.Float64Range(0, split).Draw(t, "merge"), split, split * rapid.Float64Range(1, 5).Draw(t, "migrate")}
	for id := range rapid.IntRange(0, 8).Draw(t, "ilms") {
		c := used(mib.NodeID(id+1), drawNumber(1.5).Draw(t, "utilisation"), drawNumber(40).Draw(t, "temperature"), rapid.IntRange(0, 12).Draw(t, "nodes"))
		c.Fixed = rapid.SampledFrom([]int{0, 0, 0, 2}).Draw(t, "fixed")
		c.Capacity = rapid.SampledFrom([]int{0, 0, 12, 20}).Draw(t, "capacity")
		c.Hot, c.Cold = rapid.IntRange(0, 3).Draw(t, "hot"), rapid.IntRange(0, 3).Draw(t, "cold")
		kind := rapid.IntRange(0, 15).Draw(t, "state")
		c.Busy, c.Rests, c.NoGive, c.NoTake = kind == 0, kind == 1, kind == 2, kind == 3
		v.Children = append(v.Children, c)
	}
	v.MaxILMs = max(rapid.IntRange(1, 10).Draw(t, "max"), v.MinILMs)
	for id := range rapid.IntRange(0, 2).Draw(t, "idle") {
		v.Idle = append(v.Idle, mib.NodeID(id+100))
	}
	v.Grown, v.GrownAt = rapid.Bool().Draw(t, "grown"), rapid.Float64Range(0, 3).Draw(t, "grown at")
	return v
}

// TestBalanceStaysWithinBounds: whatever it is shown, a decision keeps to the
// budget (DESIGN section 5, I5), to MinILMs and MaxILMs and to who may take
// part, names each node and each ILM once, and leaves the view alone.
func TestBalanceStaysWithinBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawBalanceView(t)
		before := fmt.Sprintf("%+v", v)
		ts := Balance{}.Decide(v)
		if after := fmt.Sprintf("%+v", v); after != before {
			t.Fatalf("the view was changed:\n%s\n%s", before, after)
		}
		said := brief(ts)
		of := make(map[mib.NodeID]ChildView)
		for _, c := range v.Children {
			of[c.ID] = c
		}
		active, moved := len(v.Children), 0
		part := make(map[mib.NodeID]bool)
		for _, tr := range ts {
			from, known := of[tr.From]
			to, is := of[tr.To]
			if !known || is == tr.Promote || tr.From == tr.To || tr.Promote && !slices.Contains(v.Idle, tr.To) {
				t.Fatalf("%s: wrong source or target", said)
			}
			if part[tr.From] || part[tr.To] {
				t.Fatalf("%s: one ILM twice", said)
			}
			part[tr.From], part[tr.To] = true, true
			if from.Busy || to.Busy || from.Rests || to.Rests || from.NoGive || to.NoTake {
				t.Fatalf("%s: an ILM that may not take part", said)
			}
			if !(to.Temperature <= v.Thresholds.Split) {
				t.Fatalf("%s: a hot target", said)
			}
			seen := make(map[mib.NodeID]bool)
			for _, n := range tr.Nodes {
				if seen[n] || !slices.Contains(from.Nodes, n) || n == tr.To {
					t.Fatalf("%s: node %d", said, n)
				}
				seen[n] = true
			}
			if to.Capacity > 0 && len(tr.Nodes) > 0 && 10*(len(to.Nodes)+to.Fixed+len(tr.Nodes)) >= 8*to.Capacity {
				t.Fatalf("%s: too many rows", said)
			}
			moved += len(tr.Nodes)
			if tr.Promote {
				if active++; active > v.MaxILMs {
					t.Fatalf("%s: more than %d ILMs", said, v.MaxILMs)
				}
			}
			if tr.Demote {
				if len(tr.Nodes) != len(from.Nodes) || from.Fixed > 0 {
					t.Fatalf("%s: nodes are left with an ILM that is none", said)
				}
				if active--; active < max(v.MinILMs, 1) {
					t.Fatalf("%s: fewer than %d ILMs", said, v.MinILMs)
				}
			} else if len(tr.Nodes) == 0 {
				t.Fatalf("%s: nothing to do", said)
			}
			if tr.Seen == "" || tr.Expected == "" || strings.Contains(tr.Expected, "NaN") {
				t.Fatalf("%s: says %q and %q", said, tr.Seen, tr.Expected)
			}
		}
		if moved > v.Budget {
			t.Fatalf("%s: %d nodes moved, budget %d", said, moved, v.Budget)
		}
	})
}

// fleet is a tree whose ILMs do as they are told, for a policy alone.
type fleet struct {
	limits   Thresholds
	min, max int
	churn    float64
	nodes    map[mib.NodeID]float64 // utilisation that each causes at an ILM of speed 1
	owner    map[mib.NodeID]mib.NodeID
	ilms     []mib.NodeID
	idle     []mib.NodeID
	model    string
	slow     map[mib.NodeID]float64 // factor on what nodes cost there
	heat     func(id mib.NodeID, utilisation float64, rows int) float64

	memory memory
	now    Instant
	open   []Transformation
}

const beat = 10 * time.Second

// round is a trigger: what was decided last time has been done by then.
func (f *fleet) round() []Transformation {
	f.now = f.now.Add(beat)
	for _, t := range f.open {
		f.memory.ended(f.now, beat, t, len(t.Nodes))
	}
	f.open = nil
	v := View{Idle: f.idle, Thresholds: f.limits, MinILMs: f.min, MaxILMs: f.max, Grown: f.memory.grown, GrownAt: f.memory.grownAt}
	slices.Sort(f.ilms)
	v.Budget = 1 + int(f.churn*float64(len(f.nodes)))
	for _, id := range f.ilms {
		c := ChildView{ID: id}
		for n := mib.NodeID(1); int(n) <= len(f.nodes); n++ {
			if f.owner[n] == id {
				load := f.nodes[n] * f.slow[id]
				c.Nodes, c.Loads = append(c.Nodes, n), append(c.Loads, load)
				c.Utilisation += load
				c.Rate++
			}
		}
		v.Budget = max(v.Budget, len(c.Nodes))
		c.Temperature = f.heat(id, c.Utilisation, len(c.Nodes))
		f.memory.observe(f.now, beat, f.limits, &c)
		v.Children = append(v.Children, c)
	}
	f.memory.forget(v)
	ts := Balance{}.Decide(v)
	for _, t := range ts {
		if t.Promote {
			f.memory.grew(v.load())
			f.ilms = append(f.ilms, t.To)
			f.idle = slices.DeleteFunc(slices.Clone(f.idle), func(id mib.NodeID) bool { return id == t.To })
		}
		f.memory.began(f.now, t)
		for _, n := range t.Nodes {
			f.owner[n] = t.To
		}
		if t.Demote {
			f.ilms = slices.DeleteFunc(f.ilms, func(id mib.NodeID) bool { return id == t.From })
			f.idle = append(slices.Clone(f.idle), t.From)
		}
	}
	f.open = ts
	return ts
}

// drawFleet makes a fleet whose temperatures follow one of the models:
// constant, whatever is moved; rows, in proportion to those; queue, as a
// queue's waiting time, of which no projection in Balance knows.
func drawFleet(t *rapid.T, models ...string) *fleet {
	f := &fleet{
		nodes: make(map[mib.NodeID]float64), owner: make(map[mib.NodeID]mib.NodeID), slow: make(map[mib.NodeID]float64),
		churn: rapid.SampledFrom([]float64{.02, .1, 1}).Draw(t, "churn"), now: 1e18,
	}
	split := rapid.Float64Range(0, 30).Draw(t, "split")
	f.limits = Thresholds{rapid.Float64Range(0, split).Draw(t, "merge"), split, split * rapid.Float64Range(1, 5).Draw(t, "migrate")}
	ilms, idle := rapid.IntRange(1, 6).Draw(t, "ilms"), rapid.IntRange(0, 4).Draw(t, "idle")
	f.min = rapid.IntRange(0, ilms).Draw(t, "min")
	f.max = ilms + rapid.IntRange(0, 4).Draw(t, "more")
	base, slope := make(map[mib.NodeID]float64), make(map[mib.NodeID]float64)
	for i := range ilms + idle {
		id := mib.NodeID(1000 + i)
		if i < ilms {
			f.ilms = append(f.ilms, id)
		} else {
			f.idle = append(f.idle, id)
		}
		f.slow[id] = rapid.SampledFrom([]float64{1, 1, 1, 2, 5}).Draw(t, "slow")
		base[id] = rapid.Float64Range(0, 40).Draw(t, "base")
		slope[id] = rapid.Float64Range(0, 3).Draw(t, "slope")
	}
	scale := rapid.SampledFrom([]float64{0, .001, .01, .05}).Draw(t, "scale")
	for n := range rapid.IntRange(0, 60).Draw(t, "nodes") {
		id := mib.NodeID(n + 1)
		f.nodes[id] = scale * rapid.Float64Range(.2, 2).Draw(t, "load")
		f.owner[id] = f.ilms[rapid.IntRange(0, ilms-1).Draw(t, "owner")]
	}
	f.model = rapid.SampledFrom(models).Draw(t, "model")
	f.heat = func(id mib.NodeID, u float64, rows int) float64 {
		switch f.model {
		case "rows":
			return slope[id] * float64(rows)
		case "queue":
			return slope[id] / (1 - min(u, .999))
		}
		return base[id]
	}
	return f
}

// TestBalanceComesToRest: under constant load the tree stops changing,
// whatever the thresholds (DESIGN section 5, I4).
func TestBalanceComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFleet(t, "constant", "rows")
		var early, late []Transformation
		for i := range 300 {
			if ts := f.round(); i < 150 {
				early = append(early, ts...)
			} else {
				late = append(late, ts...)
			}
		}
		if len(late) > 0 {
			t.Fatalf("%d transformations in 150 rounds (%s), then still %s", len(early), brief(early), brief(late))
		}
	})
}

// TestBalanceTurnsEverMoreRarely: where ILMs do not do as projected, nodes may
// go back, but each ILM that gives after it took, or the reverse, waits four
// times as long as before.
func TestBalanceTurnsEverMoreRarely(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFleet(t, "constant", "rows", "queue")
		gave, turned, turns := make(map[mib.NodeID]bool), make(map[mib.NodeID]int), make(map[mib.NodeID]int)
		for i := range 300 {
			for _, tr := range f.round() {
				for _, id := range []mib.NodeID{tr.From, tr.To} {
					gives := id == tr.From
					if tr.Promote && !gives || tr.Demote {
						delete(turned, id) // it begins or ends its life as an ILM
						turns[id] = 0
					} else if last, took := turned[id]; took && gave[id] != gives {
						wait := 1
						for range turns[id] + 1 {
							wait *= 4
						}
						if i-last < wait {
							t.Fatalf("round %d: ILM %d turns %d rounds after its last part in anything, its turn number %d", i, id, i-last, turns[id]+1)
						}
						turns[id]++
					}
					if !tr.Demote || !(id == tr.From) {
						gave[id], turned[id] = gives, i
					}
				}
			}
		}
	})
}

// TestBalanceLeavesAloneWhatFailed: a move that comes to nothing is tried
// again ever more rarely.
func TestBalanceLeavesAloneWhatFailed(t *testing.T) {
	var m memory
	now, tries := Instant(1e18), 0
	for range 300 {
		now = now.Add(beat)
		v := balanceView(used(1, .5, 2, 10), used(2, .1, 2, 10))
		for i := range v.Children {
			m.observe(now, beat, v.Thresholds, &v.Children[i])
		}
		for _, tr := range (Balance{}).Decide(v) {
			tries++
			m.began(now, tr)
			m.ended(now.Add(beat/2), beat, tr, 0)
		}
	}
	if tries < 2 || tries > 5 {
		t.Errorf("%d tries in 300 rounds", tries)
	}
}

func BenchmarkBalanceDecide(b *testing.B) {
	for _, bench := range []struct {
		name string
		ilms int
		step float64 // in utilisation, from one ILM to the next of ten
	}{{"even/10", 10, 0}, {"even/1000", 1000, 0}, {"uneven/10", 10, .05}, {"uneven/1000", 1000, .05}} {
		b.Run(bench.name, func(b *testing.B) {
			v := balanceView()
			v.Budget = 10 * bench.ilms
			for i := range bench.ilms {
				v.Children = append(v.Children, used(mib.NodeID(i+1), .1+bench.step*float64(i%10), 5, 20))
			}
			for b.Loop() {
				Balance{}.Decide(v)
			}
		})
	}
}
