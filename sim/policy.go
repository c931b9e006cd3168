package sim

import (
	"fmt"
	"slices"
	"strings"

	"simone/sim/scenario"
)

// Policy decides, at each trigger, which ILM is to poll which leaf and where
// the ILMs are.
type Policy struct {
	Name  string
	About string // in a line

	// start makes the policy for one run; nil if it only runs staged.
	start func(*scenario.Parameters) func(*world)
	// place says where leaves begin; nil: in blocks of leaf numbers.
	place func(*scenario.Parameters) func(leaf int) int
	// free: what it does costs the ILMs nothing; for bounds of what can be
	// reached.
	free bool
	// pull: ILMs take reports from one queue, each when it has room.
	pull bool
	// daemons is the name of the daemons' policy that runs where moves are
	// staged; empty if there is none.
	daemons string
	// roam: every leaf may become an ILM, where moves are staged.
	roam bool
	// detect is when the death of an ILM that dies now is known to those who
	// have failover do something about it; nil: never. Revived is what they do
	// when one comes back; nil: it goes on as it is. Where moves are staged the
	// daemons see to it themselves.
	detect   func(*world) float64
	failover func(w *world, dead int)
	revived  func(*world)
}

// Policies lists what can be simulated.
func Policies() []Policy {
	return []Policy{
		{Name: "static", About: "nothing ever moves", start: stateless(nothing)},
		{Name: "paper", About: "the rule of document 001, as the daemons run it", start: paper, daemons: "paper", detect: probed, failover: toSpareOrAll},
		{Name: "balance", About: "the daemons' default, by their engine and staged moves", daemons: "balance", roam: true},
		{Name: "relocate", About: "an ILM goes where factor times less is going on, told by reports and one probe", start: relocate, detect: probed, failover: toLightest},
		{Name: "static-hash", About: "leaves placed by a hash", start: stateless(nothing), place: hashed},
		{Name: "bounded-hash", About: "consistent hashing, none above 1.1 times the mean", start: stateless(nothing), place: boundedHashed, detect: probed, failover: rehashWithout, revived: rehash},
		{Name: "gnmic", About: "counts of leaves kept within one of each other", start: stateless(leastTargets), detect: sessionLost, failover: toFewest},
		{Name: "zabbix", About: "counts evened out when long far off the mean, as in a proxy group", start: proxyGroup, detect: failoverDelay, failover: toFewest},
		{Name: "pull", About: "one queue of reports for all ILMs, as LibreNMS' pollers have of devices", start: stateless(nothing), pull: true},
		{Name: "oracle-balance", About: "bound: leaves shared out by the load of this moment, hosts as they are, for free", start: stateless(shareOut), free: true, detect: probed, failover: toFewest},
		{Name: "oracle-relocate", About: "bound: ILMs on the idlest hosts of this moment, leaves shared out, for free", start: stateless(bestHosts), free: true, detect: probed, failover: toLightest},
	}
}

// PolicyByName finds a policy.
func PolicyByName(name string) (Policy, error) {
	var names []string
	for _, p := range Policies() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Policy{}, fmt.Errorf("there is no policy %q in the simulator: write %s or %s", name, strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
}

// Staged reports whether the daemons have a policy of that name, so that its moves
// can be staged as theirs are.
func Staged(name string) bool {
	p, err := PolicyByName(name)
	return err == nil && p.daemons != ""
}

// policyOf finds a scenario's policy.
func policyOf(p *scenario.Parameters) (Policy, error) {
	policy, err := PolicyByName(p.Policy)
	if err == nil && p.Enact == "staged" && policy.daemons == "" && policy.Name != Baseline {
		err = fmt.Errorf("policy %s is none of the daemons', whose moves alone can be staged: leave enact at atomic, or write policy paper or balance", p.Policy)
	}
	return policy, err
}

// stateless is a policy that remembers nothing of its own.
func stateless(decide func(*world)) func(*scenario.Parameters) func(*world) {
	return func(*scenario.Parameters) func(*world) { return decide }
}

// nothing is what a policy does that leaves all as it is.
func nothing(*world) {}

// intensity is how much slower than on an idle host of speed 1 a manager's
// next job would be on one with so many computing jobs.
func intensity(jobs int32, speed float64) float64 { return float64(1+jobs) / speed }

// knownSpeed is a host's speed as far as managers know it.
func (w *world) knownSpeed(node int32) float64 {
	if !w.SpeedKnown {
		return 1
	}
	return 1 / w.nodes[node].slow
}

// intensityOf is that of an ILM's host at this moment.
func (w *world) intensityOf(ilm int) float64 {
	host := w.hostOf(ilm)
	return intensity(w.nodes[host].ncs, w.knownSpeed(host))
}

// hostOf is the node that an ILM is on.
func (w *world) hostOf(ilm int) int32 { return w.stations[w.roles[ilm].station].node }

// asTheyAre leaves an order as it is.
func asTheyAre(int, int) int { return 0 }

// activeBy lists the active ILMs that live in an order.
func (w *world) activeBy(order func(a, b int) int) (list []int) {
	for i := range w.roles {
		if w.roles[i].active && !w.dead(i) {
			list = append(list, i)
		}
	}
	slices.SortStableFunc(list, order)
	return list
}
