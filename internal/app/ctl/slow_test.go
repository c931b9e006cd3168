package ctl

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"simone/mib"
)

// slowTree is a manager with twenty nodes that are alike, and some that are not.
func slowTree() *Tree {
	f := func(x float64) *float64 { return &x }
	b := &Branch{Manager: Manager{ID: 1, Name: "tlm"}}
	node := func(name string, change func(*Support)) {
		s := Support{
			ID: mib.NodeID(len(b.Leaves) + 2), Name: name, Status: mib.PollUp.String(), LastPoll: f(0.3), RTT: f(3), Jitter: f(0.2),
			Loss: f(0), Cost: f(0.1), Interval: f(10),
		}
		change(&s)
		b.Leaves = append(b.Leaves, s)
	}
	for i := range 20 {
		node(fmt.Sprint("n", i), func(*Support) {})
	}
	node("far", func(s *Support) { s.RTT = f(900) })
	node("lossy", func(s *Support) { s.Loss = f(40) })
	node("dead", func(s *Support) {
		s.Status, s.LastPoll, s.RTT, s.Jitter, s.Interval = mib.PollFailing.String(), nil, nil, nil, f(2)
	})
	node("unsteady", func(s *Support) { s.RTT, s.Jitter = f(11), f(30) })
	node("large", func(s *Support) { s.Cost = f(7.9) })
	return &Tree{Root: b}
}

func TestSlowNamesTheWorst(t *testing.T) {
	s := slowness(slowTree())
	why := make(map[string][]string)
	for _, n := range s.Nodes {
		if len(n.Why) > 0 {
			why[n.Name] = n.Why
		}
	}
	want := map[string][]string{"far": {"slow"}, "lossy": {"loses polls"}, "dead": {"does not answer"}, "unsteady": {"unsteady"}, "large": {"costly"}}
	if len(why) != len(want) {
		t.Errorf("found fault with %v", why)
	}
	for name, w := range want {
		if !slices.Equal(why[name], w) {
			t.Errorf("%s: %v, want %v", name, why[name], w)
		}
	}
	for by, first := range map[string][]string{
		"wait": {"dead", "lossy", "far"}, // 3 x 500 ms; 0.6 x 3 + 0.4 x 3 x 1000; 900
		"rtt":  {"far", "unsteady"}, "jitter": {"unsteady"}, "loss": {"lossy"}, "cost": {"large"},
	} {
		worst(s.Nodes, slowOrders()[by])
		for i, name := range first {
			if s.Nodes[i].Name != name {
				t.Errorf("by %s number %d is %s, not %s", by, i+1, s.Nodes[i].Name, name)
			}
		}
	}
	large := s.Nodes[0]
	for _, n := range s.Nodes {
		if n.Name == "large" {
			large = n
		}
	}
	// 7.9 ms in 10 s, of those and 23 times 0.1 ms that others answered for.
	if large.CPU == nil || *large.CPU < 0.0789 || *large.CPU > 0.0791 || large.Share == nil || *large.Share < 77 || *large.Share > 78 {
		t.Errorf("large costs %v %%, %v %% of its manager's", number(large.CPU), number(large.Share))
	}
	if m := s.Managers; len(m) != 1 || m[0].Nodes != s.All || m[0].Cost < 0.101 || m[0].Cost > 0.103 {
		t.Errorf("managers %+v", m)
	}
}

func TestSlowRefuses(t *testing.T) {
	for args, want := range map[string]string{"--by speed": `--by "speed" is no order`, "-n -1": "-n -1"} {
		r := simonectl(t, append([]string{"slow"}, strings.Fields(args)...)...)
		if r.err == nil || !strings.Contains(r.err.Error(), want) {
			t.Errorf("%s: %v", args, r.err)
		}
	}
}
