package faults

import (
	"flag"
	"io"
	"os"
	"testing"
)

var (
	growMost  = flag.Int("faults.grow", 512, "leaves of the tree that grows and shrinks; 4096 is the whole size")
	growTrace = flag.Bool("faults.growtrace", false, "trace it")
)

// Levels come and go with the number of leaves, no sample is lost, and the
// depth changes at most once in ten triggers (paper section 6: fork and join).
func TestForkAndJoin(t *testing.T) {
	small := func(change func(*Growth)) Growth {
		g := DefaultGrowth()
		g.Most, g.Hosts, g.Capacity = 512, 48, 16
		if change != nil {
			change(&g)
		}
		return g
	}
	for _, tt := range []struct {
		name         string
		growth       Growth
		deepest      int
		forks, joins int
	}{
		{"TooManyToServe", grown(small(nil)), 2, 1, 1},
		{"TooManyAsConfigured", small(func(g *Growth) { g.Most, g.FanIn, g.ChildTakes = 300, 10, 0; g.Hosts = 32 }), 2, 1, 1},
		{"TwoLevelsMore", small(func(g *Growth) { g.FanIn, g.ChildTakes, g.Capacity, g.Hosts, g.Rest = 5, 0, 34, 36, 90 }), 3, 2, 2},
		{"Bound", small(func(g *Growth) { g.MostLevels, g.Most = 0, 200 }), 1, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := tt.growth.Scenario()
			if err := s.Validate(); err != nil {
				t.Fatal(err)
			}
			var trace io.Writer
			if *growTrace {
				trace = os.Stdout
			}
			r := Run(s, trace)
			t.Logf("%v, %d forks, %d joins, %d lost", r, r.Forks, r.Joins, r.Lost)
			deepest := 0
			for _, d := range r.Depths {
				t.Log(d)
				deepest = max(deepest, d.Levels)
			}
			for _, v := range r.Violations {
				t.Error(v)
			}
			if r.Lost > 0 {
				t.Errorf("%d samples lost", r.Lost)
			}
			if deepest != tt.deepest || r.Depths[len(r.Depths)-1].Levels > max(tt.deepest-tt.joins, 1) {
				t.Errorf("%d levels of ILMs at most and %d in the end, want %d and %d", deepest, r.Depths[len(r.Depths)-1].Levels, tt.deepest, max(tt.deepest-tt.joins, 1))
			}
			if r.Forks != tt.forks || r.Joins < tt.joins {
				t.Errorf("%d forks and %d joins, want %d and %d", r.Forks, r.Joins, tt.forks, tt.joins)
			}
			if apart, ok := Apart(r.Depths); ok && apart < 10*s.Trigger {
				t.Errorf("two changes of depth within %v, a trigger is %v", apart, s.Trigger)
			}
		})
	}
}

// grown is a growth of the size that was asked for.
func grown(g Growth) Growth {
	if *growMost >= 1000 {
		most := *growMost
		g = DefaultGrowth()
		g.Most = most
	}
	return g
}
