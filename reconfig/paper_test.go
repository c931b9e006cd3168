package reconfig

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"simone/mib"
)

// ilm makes an active ILM with n movable nodes id*1000+1, id*1000+2, ...
func ilm(id mib.NodeID, temperature float64, n int) ChildView {
	c := ChildView{ID: id, Temperature: temperature}
	for k := range n {
		c.Nodes = append(c.Nodes, id*1000+mib.NodeID(k)+1)
	}
	return c
}

func pinned(c ChildView, fixed int) ChildView { c.Fixed = fixed; return c }

func busy(c ChildView) ChildView { c.Busy = true; return c }

// paperView is a view with the paper's favourite thresholds and loose bounds.
func paperView(children ...ChildView) View {
	return View{Children: children, Thresholds: Thresholds{0.1, 17.5, 500}, MinILMs: 1, MaxILMs: 100}
}

func withIdle(v View, idle ...mib.NodeID) View { v.Idle = idle; return v }

func bounded(v View, low, high int) View { v.MinILMs, v.MaxILMs = low, high; return v }

func toColdest(v View) View { v.MigrateToColdest = true; return v }

func thresholds(v View, merge, split, migrate float64) View {
	v.Thresholds = Thresholds{merge, split, migrate}
	return v
}

// brief renders decisions so that a table can state them: kind, from>to, how
// many nodes, + when the target is promoted, - when the source is demoted.
func brief(ts []Transformation) string {
	var parts []string
	for _, t := range ts {
		s := fmt.Sprintf("%v %d>%d %d", t.Kind, t.From, t.To, len(t.Nodes))
		if t.Promote {
			s += "+"
		}
		if t.Demote {
			s += "-"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}

func TestPaperDecide(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	tests := []struct {
		name string
		view View
		want string
	}{
		{"no ILMs", paperView(), ""},
		{"nothing is hot or cold", paperView(ilm(1, 5, 10), ilm(2, 6, 10)), ""},

		{"split to the first idle host", withIdle(paperView(ilm(1, 20, 10), ilm(2, 1, 10)), 8, 9), "split 1>8 5+"},
		{"split to the coldest without idle hosts", paperView(ilm(1, 20, 10), ilm(2, 3, 10), ilm(3, 2, 10)), "split 1>3 5"},
		{"equally cold: lowest NodeID", paperView(ilm(1, 20, 10), ilm(2, 2, 10), ilm(3, 2, 10)), "split 1>2 5"},
		{"split of an odd list moves the smaller half", paperView(ilm(1, 20, 7), ilm(2, 2, 1)), "split 1>2 3"},
		{"one node cannot be split", paperView(ilm(1, 20, 1), ilm(2, 2, 10)), ""},
		{"no nodes cannot be split", withIdle(paperView(ilm(1, 20, 0), ilm(2, 2, 10)), 9), ""},
		{"nobody is colder", paperView(ilm(1, 20, 10), ilm(2, 20, 10)), ""},
		{"all equally hot, one idle host: the lowest NodeID takes it, the others follow to it",
			withIdle(paperView(ilm(1, 20, 10), ilm(2, 20, 8), ilm(3, 20, 6)), 9), "split 1>9 5+, split 2>9 4, split 3>9 3"},
		{"hottest first gets the idle host", withIdle(paperView(ilm(1, 20, 10), ilm(2, 30, 10), ilm(3, 1, 1)), 9), "split 2>9 5+, split 1>9 5"},
		{"one target may be chosen twice", paperView(ilm(1, 20, 10), ilm(2, 30, 10), ilm(3, 1, 1)), "split 2>3 5, split 1>3 5"},
		{"a fresh host is no colder than an ILM at 0 with a lower NodeID",
			withIdle(paperView(ilm(1, 20, 10), ilm(2, 30, 10), ilm(3, 0, 1)), 9), "split 2>9 5+, split 1>3 5"},
		{"one ILM only splits to an idle host", withIdle(paperView(ilm(1, 20, 10)), 9), "split 1>9 5+"},
		{"one ILM only without idle hosts", paperView(ilm(1, 20, 10)), ""},

		{"migrate to the first idle host", withIdle(paperView(ilm(1, 600, 10), ilm(2, 1, 10)), 8, 9), "migrate 1>8 10+-"},
		{"migrate to the coldest without idle hosts", paperView(ilm(1, 600, 10), ilm(2, 1, 10)), "migrate 1>2 10-"},
		{"migrate-target=coldest passes idle hosts over", toColdest(withIdle(paperView(ilm(1, 600, 10), ilm(2, 1, 10)), 9)), "migrate 1>2 10-"},
		{"migrate-target=coldest does not bind splits", toColdest(withIdle(paperView(ilm(1, 60, 10), ilm(2, 1, 10)), 9)), "split 1>9 5+"},
		{"migrate-target=coldest with nobody colder is skipped", toColdest(withIdle(paperView(ilm(1, 600, 10), ilm(2, 600, 10)), 9)), ""},
		{"the last ILM does not migrate but splits", withIdle(paperView(ilm(1, 600, 10)), 9), "split 1>9 5+"},
		{"the last but one migrated: the last does not", paperView(ilm(1, 700, 10), ilm(2, 600, 10)), "migrate 1>2 10-"},
		{"migrates come one after another", paperView(ilm(1, 700, 10), ilm(2, 800, 10), ilm(3, 1, 1)), "migrate 2>3 10-, migrate 1>3 10-"},
		{"an infinite temperature is above every threshold", paperView(ilm(1, inf, 10), ilm(2, 1, 10)), "migrate 1>2 10-"},
		{"a single node can migrate", paperView(ilm(1, 600, 1), ilm(2, 1, 10)), "migrate 1>2 1-"},
		{"nothing to migrate", withIdle(paperView(ilm(1, 600, 0), ilm(2, 1, 10)), 9), ""},
		{"who migrated takes nothing in the same round",
			withIdle(paperView(ilm(1, 600, 10), ilm(2, 20, 10), ilm(3, 19, 10)), 9), "migrate 1>9 10+-, split 2>9 5, split 3>9 5"},

		{"two cold ILMs merge, the colder moves", paperView(ilm(1, 0.05, 3), ilm(2, 0.02, 4)), "merge 2>1 4-"},
		{"equally cold: the lower NodeID moves", paperView(ilm(1, 0, 3), ilm(2, 0, 4)), "merge 1>2 3-"},
		{"one cold ILM alone stays", paperView(ilm(1, 0.05, 3), ilm(2, 5, 4)), ""},
		{"pairwise, coldest first", paperView(ilm(1, 0.04, 1), ilm(2, 0.01, 2), ilm(3, 0.03, 3), ilm(4, 0.02, 4), ilm(5, 9, 9)), "merge 2>4 2-, merge 3>1 3-"},
		{"an odd one stays", paperView(ilm(1, 0.03, 1), ilm(2, 0.02, 2), ilm(3, 0.01, 3)), "merge 3>2 3-"},
		{"cold and empty", paperView(ilm(1, 0, 0), ilm(2, 0, 0), ilm(3, 5, 9)), "merge 1>2 0-"},
		{"given nodes in this round: not merged away but may take",
			paperView(ilm(1, 20, 10), ilm(2, 0.01, 2), ilm(3, 0.02, 3), ilm(4, 0.03, 4)), "split 1>2 5, merge 3>4 3-"},
		{"a host promoted in this round does not merge", withIdle(paperView(ilm(1, 20, 10), ilm(2, 0.05, 2)), 9), "split 1>9 5+"},

		{"exactly at the thresholds nothing changes",
			withIdle(paperView(ilm(1, 0.1, 5), ilm(2, 0.1, 5), ilm(3, 17.5, 10)), 9), ""},
		{"exactly at migrate is a split", paperView(ilm(1, 500, 10), ilm(2, 1, 5)), "split 1>2 5"},

		{"MaxILMs: no new ILM, the coldest takes it", bounded(withIdle(paperView(ilm(1, 20, 10), ilm(2, 1, 5)), 9), 1, 2), "split 1>2 5"},
		{"MaxILMs is counted as hosts are promoted",
			bounded(withIdle(paperView(ilm(1, 20, 10), ilm(2, 30, 10), ilm(3, 40, 10)), 7, 8, 9), 1, 4), "split 3>7 5+, split 2>7 5, split 1>7 5"},
		{"at MaxILMs a migrate may still go to an idle host", bounded(withIdle(paperView(ilm(1, 600, 10), ilm(2, 1, 5)), 9), 1, 2), "migrate 1>9 10+-"},
		{"above MaxILMs it may not", bounded(withIdle(paperView(ilm(1, 600, 10), ilm(2, 1, 5)), 9), 1, 1), "migrate 1>2 10-"},
		{"MinILMs: no migrate into another ILM but a split", bounded(paperView(ilm(1, 600, 10), ilm(2, 1, 5)), 2, 9), "split 1>2 5"},
		{"at MinILMs a migrate may go to an idle host", bounded(withIdle(paperView(ilm(1, 600, 10), ilm(2, 1, 5)), 9), 2, 9), "migrate 1>9 10+-"},
		{"MinILMs: no merge", bounded(paperView(ilm(1, 0, 1), ilm(2, 0, 2)), 2, 9), ""},
		{"MinILMs is counted as ILMs merge", bounded(paperView(ilm(1, 0, 1), ilm(2, 0, 2), ilm(3, 0, 3), ilm(4, 0, 4)), 3, 9), "merge 1>2 1-"},
		{"a promotion makes room above MinILMs",
			bounded(withIdle(paperView(ilm(1, 20, 10), ilm(2, 0, 1), ilm(3, 0, 2)), 9), 3, 9), "split 1>9 5+, merge 2>3 1-"},
		{"busy ILMs count as active", bounded(paperView(ilm(1, 0, 1), ilm(2, 0, 2), busy(ilm(3, 0, 3))), 2, 9), "merge 1>2 1-"},

		{"a busy ILM is no source", withIdle(paperView(busy(ilm(1, 20, 10)), ilm(2, 1, 1)), 9), ""},
		{"a busy ILM is no target", paperView(ilm(1, 20, 10), busy(ilm(2, 1, 1)), ilm(3, 2, 1)), "split 1>3 5"},
		{"a busy ILM does not merge", paperView(busy(ilm(1, 0, 1)), ilm(2, 0, 2)), ""},

		{"pinned nodes: a split in place of a migrate", paperView(pinned(ilm(1, 600, 9), 1), ilm(2, 1, 1)), "split 1>2 5"},
		{"pinned nodes count in the half but do not move", paperView(pinned(ilm(1, 20, 2), 8), ilm(2, 1, 1)), "split 1>2 2"},
		{"all nodes pinned", paperView(pinned(ilm(1, 20, 0), 8), ilm(2, 1, 1)), ""},
		{"pinned nodes: not merged away", paperView(pinned(ilm(1, 0.01, 1), 1), ilm(2, 0.02, 2)), ""},
		{"pinned nodes: passed over, the next pair merges", paperView(pinned(ilm(1, 0.01, 1), 1), ilm(2, 0.02, 2), ilm(3, 0.03, 3)), "merge 2>3 2-"},
		{"pinned nodes: may take in a merge", paperView(ilm(1, 0.01, 1), pinned(ilm(2, 0.02, 2), 1)), "merge 1>2 1-"},

		{"an unknown temperature is not acted on", withIdle(paperView(ilm(1, nan, 10), ilm(2, 1, 1)), 9), ""},
		{"an unknown temperature is not cold", paperView(ilm(1, 20, 10), ilm(2, nan, 1), ilm(3, 3, 1)), "split 1>3 5"},
		{"unknown and cold do not merge", paperView(ilm(1, nan, 1), ilm(2, 0, 1)), ""},
		{"all unknown", withIdle(paperView(ilm(1, nan, 10), ilm(2, nan, 10)), 9), ""},

		{"thresholds out of order: nothing merges into an ILM that migrated",
			thresholds(paperView(ilm(1, 600, 4), ilm(2, 10, 4), ilm(3, 15, 4)), 700, 20, 500), "migrate 1>2 4-"},
		{"hot ones first, then cold ones", paperView(ilm(1, 0.03, 1), ilm(2, 20, 10), ilm(3, 0.01, 3), ilm(4, 600, 4), ilm(5, 0.02, 5)),
			"migrate 4>3 4-, split 2>3 5, merge 5>1 5-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := brief((Paper{}).Decide(tt.view)); got != tt.want {
				t.Errorf("Decide = %q, want %q", got, tt.want)
			}
		})
	}
}

// TestPaperSection4 has one subtest for every sentence of document 001,
// section 4, that says something about the decision.
func TestPaperSection4(t *testing.T) {
	decide := Paper{}.Decide
	t.Run("moving managerial MS tasks (in terms of number of managed nodes) from heavily loaded ILMs to less loaded ILMs", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			v := drawView(t)
			heat := make(map[mib.NodeID]float64) // idle hosts are at 0
			for _, c := range v.Children {
				heat[c.ID] = c.Temperature
			}
			for _, tr := range decide(v) {
				if tr.Kind != KindMerge && !(heat[tr.To] < heat[tr.From]) {
					t.Fatalf("%s: from temperature %g to %g", brief([]Transformation{tr}), heat[tr.From], heat[tr.To])
				}
			}
		})
	})
	t.Run("the responsibility of managing node(s) is transferred between ILMs", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			v := drawView(t)
			owner := make(map[mib.NodeID]mib.NodeID)
			for _, c := range v.Children {
				for _, n := range c.Nodes {
					owner[n] = c.ID
				}
			}
			moved := make(map[mib.NodeID]bool)
			for _, tr := range decide(v) {
				if tr.From == tr.To {
					t.Fatalf("node %d moves to itself", tr.From)
				}
				for _, n := range tr.Nodes {
					if owner[n] != tr.From || moved[n] {
						t.Fatalf("%s moves node %d of %d (moved before: %t)", brief([]Transformation{tr}), n, owner[n], moved[n])
					}
					moved[n] = true
				}
			}
		})
	})
	t.Run("decided based on current values of temperature", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			v := drawView(t)
			want := brief(decide(v))
			for i := range v.Children {
				v.Children[i].Utilisation = rapid.Float64().Draw(t, "utilisation")
			}
			if got := brief(decide(v)); got != want {
				t.Fatalf("with other utilisations %q, want %q", got, want)
			}
		})
	})
	t.Run("a localized decision process involving two adjacent levels of nodes is used", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			v := drawView(t)
			before := fmt.Sprintf("%+v", v)
			first := decide(v)
			text := fmt.Sprintf("%+v", first)
			for _, tr := range first { // the answer is the caller's own
				for i := range tr.Nodes {
					tr.Nodes[i] = 0
				}
			}
			if after := fmt.Sprintf("%+v", v); after != before {
				t.Fatalf("the view was changed from %s to %s", before, after)
			}
			if again := fmt.Sprintf("%+v", decide(v)); again != text {
				t.Fatalf("the same view gave %s, then %s", text, again)
			}
		})
	})
	t.Run("Node A collects temperature and support node lists (SL) for level I + 1, computes, and then updates the new support list at level I + 1", func(t *testing.T) {
		// Both ends of every transformation are at level I + 1: an ILM of the
		// view, or a host that the same decision makes one.
		rapid.Check(t, func(t *rapid.T) {
			v := drawView(t)
			level := make(map[mib.NodeID]bool)
			for _, c := range v.Children {
				level[c.ID] = true
			}
			for _, tr := range decide(v) {
				if tr.Promote == level[tr.To] {
					t.Fatalf("%s: promoted although it is an ILM, or not promoted although it is none", brief([]Transformation{tr}))
				}
				if tr.Promote && !slices.Contains(v.Idle, tr.To) {
					t.Fatalf("%s: promotes a node that is no idle host", brief([]Transformation{tr}))
				}
				level[tr.To] = true
				if !level[tr.From] {
					t.Fatalf("%s: the source is no ILM", brief([]Transformation{tr}))
				}
				if tr.Demote {
					delete(level, tr.From)
				}
			}
		})
	})
	t.Run("Migrate – a node stops running an ILM and its managerial tasks are assigned to another, less hot node", func(t *testing.T) {
		got := decide(paperView(ilm(1, 600, 4), ilm(2, 30, 4), ilm(3, 10, 4)))
		if len(got) == 0 || got[0].Kind != KindMigrate || !got[0].Demote {
			t.Fatalf("Decide = %+v, want a migrate with a demotion first", got)
		}
		if m := got[0]; m.From != 1 || m.To != 3 || !slices.Equal(m.Nodes, []mib.NodeID{1001, 1002, 1003, 1004}) {
			t.Errorf("migrate %d>%d %v, want all four nodes of 1 at 3", m.From, m.To, m.Nodes)
		}
	})
	t.Run("Split – a node does not stop running an ILM but decides to pass part of its managerial tasks to another node", func(t *testing.T) {
		got := decide(paperView(ilm(1, 38.2, 5), ilm(2, 10, 4)))
		if len(got) != 1 || got[0].Kind != KindSplit || got[0].Demote {
			t.Fatalf("Decide = %+v, want one split without a demotion", got)
		}
		if want := []mib.NodeID{1004, 1005}; !slices.Equal(got[0].Nodes, want) {
			t.Errorf("split moves %v, want the last added %v", got[0].Nodes, want)
		}
	})
	t.Run("Merge- the complement of split. A cold ILM assumes the managerial tasks of another cold ILM, which then becomes a regular node", func(t *testing.T) {
		got := decide(paperView(ilm(1, 0.01, 2), ilm(2, 0.05, 4), ilm(3, 5, 4)))
		if len(got) != 1 || got[0].Kind != KindMerge || !got[0].Demote || got[0].Promote {
			t.Fatalf("Decide = %+v, want one merge with a demotion", got)
		}
		if m := got[0]; m.From != 1 || m.To != 2 || !slices.Equal(m.Nodes, []mib.NodeID{1001, 1002}) {
			t.Errorf("merge %d>%d %v, want both nodes of 1 at 2", m.From, m.To, m.Nodes)
		}
	})
	t.Run("Migrate and split operations try to reduce the temperature of an ILM", func(t *testing.T) {
		// Each takes at least one node from an ILM that is above split.
		rapid.Check(t, func(t *rapid.T) {
			v := drawView(t)
			heat := make(map[mib.NodeID]float64)
			for _, c := range v.Children {
				heat[c.ID] = c.Temperature
			}
			for _, tr := range decide(v) {
				if tr.Kind != KindMerge && (len(tr.Nodes) == 0 || !(heat[tr.From] > v.Thresholds.Split)) {
					t.Fatalf("%s at temperature %g", brief([]Transformation{tr}), heat[tr.From])
				}
			}
		})
	})
	t.Run("to free a lightly loaded node that can be fully dedicated to process NCS jobs", func(t *testing.T) {
		// What a merge frees keeps no node, and is given none in the same round.
		rapid.Check(t, func(t *rapid.T) {
			v := drawView(t)
			all := decide(v)
			for _, m := range all {
				if m.Kind != KindMerge {
					continue
				}
				for _, c := range v.Children {
					if c.ID == m.From && (len(m.Nodes) != len(c.Nodes) || c.Fixed != 0) {
						t.Fatalf("%s leaves nodes behind", brief([]Transformation{m}))
					}
				}
				for _, o := range all {
					if o.To == m.From {
						t.Fatalf("%s frees a node that %s loads", brief([]Transformation{m}), brief([]Transformation{o}))
					}
				}
			}
		})
	})
	t.Run("just as new resources are added when required (split), resources should be freed when not required", func(t *testing.T) {
		v := withIdle(paperView(ilm(1, 20, 10)), 9)
		if got, want := brief(decide(v)), "split 1>9 5+"; got != want {
			t.Errorf("under load: %q, want %q", got, want)
		}
		v = paperView(ilm(1, 0.02, 5), ilm(9, 0.01, 5))
		if got, want := brief(decide(v)), "merge 9>1 5-"; got != want {
			t.Errorf("load gone: %q, want %q", got, want)
		}
	})
}

// Document 001, section 5.2, for [0.1-25-500]: "temperature below 0.1
// triggers merge, 0.1 and 25 causes no change, between 25 and 500, a split,
// and above 500, a migrate".
func TestPaperSection52Regions(t *testing.T) {
	tests := []struct {
		temperature float64
		want        string
	}{
		{0, "merge 1>2 4-"}, {0.0999, "merge 2>1 4-"}, {0.1, ""}, {10, ""}, {25, ""},
		{25.001, "split 1>2 2"}, {499, "split 1>2 2"}, {500, "split 1>2 2"}, {500.1, "migrate 1>2 4-"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.temperature), func(t *testing.T) {
			v := thresholds(paperView(ilm(1, tt.temperature, 4), ilm(2, 0.05, 4)), 0.1, 25, 500)
			if got := brief((Paper{}).Decide(v)); got != tt.want {
				t.Errorf("Decide = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPaperTexts(t *testing.T) {
	tests := []struct {
		name           string
		view           View
		seen, expected string
	}{
		{"split", paperView(ilm(1, 38.2, 20), ilm(7, 1.2, 1)),
			"temperature 38.2 stu above split 17.5 with 20 nodes", "10 nodes move to node 7 (temperature 1.2)"},
		{"split to an idle host", withIdle(paperView(ilm(1, 38.25678, 3)), 7),
			"temperature 38.257 stu above split 17.5 with 3 nodes", "1 node moves to node 7, which becomes an ILM"},
		{"migrate", paperView(ilm(1, 1234.56, 20), ilm(7, 1, 1)),
			"temperature 1234.6 stu above migrate 500 with 20 nodes", "20 nodes move to node 7 (temperature 1); node 1 stops being an ILM"},
		{"merge", paperView(ilm(1, 0.05, 5), ilm(7, 0, 1)),
			"temperatures 0 and 0.05 stu below merge 0.1 with 1 node and 5 nodes", "1 node moves to node 1 (temperature 0.05); node 7 stops being an ILM"},
		{"infinite", paperView(ilm(1, math.Inf(1), 2), ilm(7, 100, 1)),
			"temperature +Inf stu above migrate 500 with 2 nodes", "2 nodes move to node 7 (temperature 100); node 1 stops being an ILM"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := (Paper{}).Decide(tt.view)
			if len(got) == 0 {
				t.Fatal("Decide gave nothing")
			}
			if got[0].Seen != tt.seen {
				t.Errorf("Seen = %q, want %q", got[0].Seen, tt.seen)
			}
			if got[0].Expected != tt.expected {
				t.Errorf("Expected = %q, want %q", got[0].Expected, tt.expected)
			}
		})
	}
}

// drawView draws a view in which every rule has a chance: temperatures come
// from few values, so that ties and exact thresholds are common.
func drawView(t *rapid.T) View {
	temperature := rapid.OneOf(
		rapid.SampledFrom([]float64{0, 0.02, 0.05, 0.1, 5, 17.5, 20, 30, 500, 600, math.NaN(), math.Inf(1)}),
		rapid.Float64Range(0, 1000),
		rapid.Float64Range(0, 0.1),
	)
	v := View{
		Thresholds:       rapid.SampledFrom([]Thresholds{{0.1, 17.5, 500}, {6, 20, 500}, {0.1, 20, 50}, {0, 0, 0}, {20, 20, 20}}).Draw(t, "thresholds"),
		MinILMs:          rapid.IntRange(0, 4).Draw(t, "min"),
		MigrateToColdest: rapid.Bool().Draw(t, "coldest"),
	}
	v.MaxILMs = v.MinILMs + rapid.IntRange(1, 8).Draw(t, "room")
	ids := rapid.SliceOfNDistinct(rapid.Uint32Range(1, 30), 0, 12, rapid.ID).Draw(t, "ids")
	slices.Sort(ids)
	for _, id := range ids {
		if rapid.IntRange(0, 3).Draw(t, "idle") == 0 {
			v.Idle = append(v.Idle, mib.NodeID(id))
			continue
		}
		c := ilm(mib.NodeID(id), temperature.Draw(t, "temperature"), rapid.IntRange(0, 6).Draw(t, "nodes"))
		c.Busy = rapid.IntRange(0, 5).Draw(t, "busy") == 0
		if rapid.IntRange(0, 4).Draw(t, "pinned") == 0 {
			c.Fixed = rapid.IntRange(1, 3).Draw(t, "fixed")
		}
		v.Children = append(v.Children, c)
	}
	return v
}

func TestPaperAgreesWithOracle(t *testing.T) {
	seen := make(map[Kind]int)
	rapid.Check(t, func(t *rapid.T) {
		v := drawView(t)
		got := (Paper{}).Decide(v)
		want := oracle(v)
		if brief(got) != brief(want) {
			t.Fatalf("Decide = %q, the oracle says %q\nview %+v", brief(got), brief(want), v)
		}
		for i := range got {
			seen[got[i].Kind]++
			if !slices.Equal(got[i].Nodes, want[i].Nodes) {
				t.Fatalf("%s moves %v, the oracle says %v", brief(got[i:i+1]), got[i].Nodes, want[i].Nodes)
			}
		}
	})
	for _, k := range []Kind{KindSplit, KindMigrate, KindMerge} {
		if seen[k] == 0 {
			t.Errorf("no view led to a %v: the comparison proves nothing", k)
		}
	}
}

func TestPaperStaysWithinBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawView(t)
		n := len(v.Children)
		for _, tr := range (Paper{}).Decide(v) {
			before := n
			if tr.Promote {
				n++
			}
			if tr.Demote {
				n--
			}
			if n > before && n > v.MaxILMs || n < before && n < max(v.MinILMs, 1) {
				t.Fatalf("%s: from %d to %d ILMs with bounds %d and %d", brief([]Transformation{tr}), before, n, v.MinILMs, v.MaxILMs)
			}
		}
	})
}

// oracle is the rule once more, written down as SIM.md tells it and without
// regard for cost: a table of hosts that is searched anew for every step.
func oracle(v View) []Transformation {
	type host struct {
		ChildView
		active, atStart, handled, touched bool
	}
	var hosts []*host
	for _, c := range v.Children {
		hosts = append(hosts, &host{ChildView: c, active: true, atStart: true})
	}
	for _, id := range v.Idle {
		hosts = append(hosts, &host{ChildView: ChildView{ID: id}})
	}
	slices.SortFunc(hosts, func(a, b *host) int { return int(a.ID) - int(b.ID) })
	usable := func(h *host) bool { return h.active && !h.Busy && h.Temperature == h.Temperature }
	count := func() (n int) {
		for _, h := range hosts {
			if h.active {
				n++
			}
		}
		return n
	}
	firstInactive := func() *host {
		for _, h := range hosts {
			if !h.active && !h.atStart {
				return h
			}
		}
		return nil
	}
	coldestOther := func(than *host) (best *host) {
		for _, h := range hosts {
			if h != than && usable(h) && h.Temperature < than.Temperature && (best == nil || h.Temperature < best.Temperature) {
				best = h
			}
		}
		return best
	}
	var out []Transformation
	emit := func(kind Kind, from, to *host, nodes []mib.NodeID) {
		out = append(out, Transformation{Kind: kind, From: from.ID, To: to.ID, Nodes: nodes, Promote: !to.active, Demote: kind != KindSplit})
		to.active = true
		from.active = kind == KindSplit
		from.touched, to.touched = true, true
	}
	for {
		var hot *host
		for _, h := range hosts {
			if h.atStart && !h.handled && usable(h) && (hot == nil || h.Temperature > hot.Temperature) {
				hot = h
			}
		}
		if hot == nil {
			break
		}
		hot.handled = true
		fresh := firstInactive()
		if v.MigrateToColdest || count() > v.MaxILMs {
			fresh = nil
		}
		canMigrate := count() > 1 && hot.Fixed == 0 && !hot.touched && (fresh != nil || count()-1 >= v.MinILMs)
		if hot.Temperature > v.Thresholds.Migrate && canMigrate {
			target := fresh
			if target == nil {
				target = coldestOther(hot)
			}
			if target != nil && len(hot.Nodes) > 0 {
				emit(KindMigrate, hot, target, hot.Nodes)
			}
			continue
		}
		if hot.Temperature > v.Thresholds.Split {
			target := firstInactive()
			if target == nil || count()+1 > v.MaxILMs {
				target = coldestOther(hot)
			}
			half := (len(hot.Nodes) + hot.Fixed) / 2
			keep := max(len(hot.Nodes)-half, 0)
			if target != nil && keep < len(hot.Nodes) {
				emit(KindSplit, hot, target, hot.Nodes[keep:])
			}
		}
	}
	var first *host
	paired := make(map[*host]bool)
	for {
		var next *host
		for _, h := range hosts {
			if h.atStart && !paired[h] && usable(h) && h.Temperature < v.Thresholds.Merge && (next == nil || h.Temperature < next.Temperature) {
				next = h
			}
		}
		if next == nil {
			return out
		}
		paired[next] = true
		switch {
		case first != nil && count() > v.MinILMs && count() > 1:
			emit(KindMerge, first, next, first.Nodes)
			first = nil
		case next.Fixed == 0 && !next.touched:
			first = next
		}
	}
}

func BenchmarkPaperDecide(b *testing.B) {
	for _, x := range []int{10, 1000, 100000} {
		b.Run(fmt.Sprint(x), func(b *testing.B) {
			v := paperView()
			v.MaxILMs = x
			for i := range x {
				v.Children = append(v.Children, ilm(mib.NodeID(i+1), float64(i*7919%1000)/25, 4))
			}
			for b.Loop() {
				Paper{}.Decide(v)
			}
		})
	}
}
