package reconfig

import (
	"fmt"
	"math"
)

// DepthView is what a manager knows when it decides how many levels of ILMs
// its tree has (paper section 6: fork and join).
type DepthView struct {
	Levels      int // of ILMs below each of the manager's own, now
	Least, Most int // of them
	Children    int // ILMs right below that stay ILMs, or are about to become some
	Nodes       int // that the manager looks after, ILMs among them
	FanIn       int // ILMs that a manager is to have right below it at most; 0: as many as it can serve

	Carry   float64 // nodes that one ILM can poll; 0: any number
	Served  int     // ILMs that could be served at the last fork; 0: no fork, or as many as FanIn says
	Serving float64 // share of a trigger that it takes to serve all children, without their samples
	Storing float64 // share of a trigger that their samples take
	Round   float64 // how old the median child's last answer is at a trigger, in triggers
}

// DepthPlan is what is to change; its Kind is KindNone if nothing is.
type DepthPlan struct {
	Kind           Kind    // KindFork or KindJoin
	Levels         int     // afterwards
	Keep           int     // of a fork: children that stay and get ILMs below them; the others go under those
	Carry          float64 // nodes that one ILM is taken to carry from now on
	Served         int     // ILMs that are taken to be served from now on; 0: as measured
	Seen, Expected string
}

// What decides on depth. Between a fork and the join that undoes it the nodes
// have to become fewer by more than half.
const (
	busyShare  = 0.6  // of a trigger that a manager works for its children at most
	roomShare  = 0.8  // of what an ILM can carry it gets
	widthShare = 0.75 // of the ILMs that a manager can serve it gets when a level is planned
	joinShare  = 0.4  // of those that it can serve are enough without a level: it goes
	leastFanIn = 16   // ILMs that any manager can serve, whatever was measured
	sureShare  = 0.05 // of a trigger: less says nothing about what a child costs
)

// fanIn is how many ILMs right below it the manager can serve in a trigger;
// unlimited (math.MaxInt) if nothing speaks against any number.
func (v *DepthView) fanIn() (most int, why string) {
	most = math.MaxInt
	n := float64(v.Children)
	if v.Serving > sureShare && v.Children > 0 {
		most = max(int(n*max(busyShare-v.Storing, sureShare)/v.Serving+1e-9), leastFanIn)
		why = fmt.Sprintf("one takes %s of a trigger", percent(v.Serving/n))
	}
	if v.Round > 1 && v.Children > 0 {
		if late := max(int(n/v.Round), leastFanIn); late < most {
			most, why = late, fmt.Sprintf("a round takes %.2g triggers", v.Round)
		}
	}
	if v.Served > 0 && v.Levels > v.Least && v.Served < most {
		most, why = v.Served, "as at the last fork"
	}
	if v.FanIn > 0 && v.FanIn < most {
		most, why = v.FanIn, "as configured"
	}
	return max(most, 2), why
}

// Width is how many ILMs right below the manager carry its nodes, if each has
// so many levels below it; at least 1.
func (v *DepthView) Width(levels int) int {
	if v.Carry <= 0 {
		return 1
	}
	most, _ := v.fanIn()
	carry := roomShare * v.Carry
	if levels > 0 {
		carry *= math.Pow(max(widthShare*float64(most), 1), float64(levels))
	}
	return max(int(math.Ceil(float64(v.Nodes)/carry)), 1)
}

// Decide says whether a level is to come or to go. It is a pure function of
// the view.
func (v DepthView) Decide() DepthPlan {
	most, why := v.fanIn()
	if width := max(v.Width(v.Levels), v.Children); width > most && v.Levels < v.Most && v.Children >= 2 {
		p := DepthPlan{Kind: KindFork, Levels: v.Levels + 1, Carry: v.carried()}
		if most != v.FanIn {
			p.Served = most
		}
		after := v
		after.Carry = p.Carry
		p.Keep = min(max(after.Width(p.Levels), (most+1)/2, 2), most, v.Children)
		p.Seen = fmt.Sprintf("%d ILMs right below, %d wanted for %s; %d can be served (%s)", v.Children, v.Width(v.Levels), countNodes(v.Nodes), most, why)
		p.Expected = fmt.Sprintf("%d stay, with %s of ILMs below each", p.Keep, countLevels(p.Levels))
		return p
	}
	if v.Levels <= v.Least {
		return DepthPlan{}
	}
	if enough := v.Width(v.Levels - 1); enough <= v.Children && v.Children <= most && enough <= max(int(joinShare*float64(most)), 1) {
		return DepthPlan{
			Kind: KindJoin, Levels: v.Levels - 1, Keep: v.Children, Carry: v.Carry, Served: v.Served,
			Seen:     fmt.Sprintf("%s, for which %d ILMs are enough; %d can be served", countNodes(v.Nodes), enough, most),
			Expected: fmt.Sprintf("%d stay, with %s of ILMs below each", v.Children, countLevels(v.Levels-1)),
		}
	}
	return DepthPlan{}
}

// carried is how many nodes one ILM is taken to carry from a fork on: if there
// are more ILMs than what is known of them calls for, no more than each does
// at the fork, whatever it was that called for so many.
func (v *DepthView) carried() float64 {
	if v.Carry > 0 && v.Width(v.Levels) >= v.Children {
		return v.Carry
	}
	most, _ := v.fanIn()
	lowest := float64(v.Children)
	if v.Levels > 0 {
		lowest *= math.Pow(max(widthShare*float64(most), 1), float64(v.Levels))
	}
	now := float64(v.Nodes) / (roomShare * lowest)
	if v.Carry > 0 {
		now = min(now, v.Carry)
	}
	return now
}

func countLevels(n int) string {
	switch n {
	case 0:
		return "no level"
	case 1:
		return "1 level"
	}
	return fmt.Sprintf("%d levels", n)
}
