// Package scenario holds the parameters of the simulator's model: what is
// simulated, with which load, costs and policy, their defaults and bounds
// (docs/evaluation.md). It is apart from the simulator so that whoever reads
// configurations does not carry the simulator along.
package scenario

import (
	"errors"
	"fmt"
	"math"
)

// Parameters describe one scenario. Times are in stu, simulated time units of
// 100 ms; demands are the stu that a job takes on an idle CPU of speed 1.
type Parameters struct {
	// Leaves is the number of polled nodes, ILMs that of the hosts that can
	// manage them; a TLM comes on top.
	Leaves int `json:"leaves" yaml:"leaves"`
	ILMs   int `json:"ilms" yaml:"ilms"`
	// Upper is the number of hosts of a level of ILMs between those and the
	// TLM, which get the reports of as many ILMs each; 0: no such level.
	Upper int `json:"upper,omitempty" yaml:"upper"`
	// Seed is that of the first replication; the others follow it.
	Seed int `json:"seed" yaml:"seed"`
	// End is when a run ends, Warmup from when on it is measured.
	End    float64 `json:"end" yaml:"end"`
	Warmup float64 `json:"warmup" yaml:"warmup"`

	// Rho is the utilisation of each leaf and ILM host by the jobs of the
	// network computing system; Mean their mean demand. Gaps between arrivals
	// are Weibull with Shape (1: a Poisson process).
	Rho   float64 `json:"rho" yaml:"rho"`
	Mean  float64 `json:"mean" yaml:"mean"`
	Shape float64 `json:"shape" yaml:"shape"`
	// Service is the law of their demands: pareto (bounded: exponent
	// ParetoShape, its upper bound ParetoRatio times the lower), exponential
	// or fixed.
	Service     string  `json:"service" yaml:"service"`
	ParetoShape float64 `json:"pareto_shape" yaml:"pareto_shape"`
	ParetoRatio float64 `json:"pareto_ratio" yaml:"pareto_ratio"`
	// Hot is how many further jobs are on each leaf and ILM host from the
	// beginning and never end. Crowd is how many of Mean come at once to the
	// first ILM's host, at CrowdAt. Each Flip there come FlipJobs to every host
	// that take it half of that time, FlipPhase of it after each multiple.
	Hot       int     `json:"hot" yaml:"hot"`
	Crowd     int     `json:"crowd" yaml:"crowd"`
	CrowdAt   float64 `json:"crowd_at" yaml:"crowd_at"`
	Flip      float64 `json:"flip" yaml:"flip"`
	FlipJobs  int     `json:"flip_jobs" yaml:"flip_jobs"`
	FlipPhase Share   `json:"flip_phase" yaml:"flip_phase"`
	// SpeedSigma spreads the speeds of leaves and ILM hosts: the standard
	// deviation of their logarithm, the mean speed being 1. SpeedKnown says
	// that leaves report their speeds, so that a policy can go by them.
	SpeedSigma float64 `json:"speed_sigma" yaml:"speed_sigma"`
	SpeedKnown bool    `json:"speed_known" yaml:"speed_known"`

	// Poll is the period of polls (the paper's MPP), Stagger the share of it
	// over which the polls of one period are spread.
	Poll    float64 `json:"poll" yaml:"poll"`
	Stagger Share   `json:"stagger" yaml:"stagger"`
	// The demands of a poll at the leaf, of its report at the ILM and at the
	// TLM, and of each ILM's at the TLM once per trigger.
	PollCost   float64 `json:"poll_cost" yaml:"poll_cost"`
	ReportCost float64 `json:"report_cost" yaml:"report_cost"`
	TLMCost    float64 `json:"tlm_cost" yaml:"tlm_cost"`
	// UpperCost is that of a report at an ILM of the upper level, if there is
	// one.
	UpperCost  float64 `json:"upper_cost,omitempty" yaml:"upper_cost"`
	TLMILMCost float64 `json:"tlm_ilm_cost" yaml:"tlm_ilm_cost"`
	// AgentPeriod and AgentCost are those of every node's agent; 0: none.
	AgentPeriod float64 `json:"agent_period" yaml:"agent_period"`
	AgentCost   float64 `json:"agent_cost" yaml:"agent_cost"`
	// OutputCost is what the output queue takes for a report, Network how
	// long it is under way then.
	OutputCost float64 `json:"output_cost" yaml:"output_cost"`
	Network    float64 `json:"network" yaml:"network"`
	// W is how many manager jobs of one host may be in its CPU at a time.
	W int `json:"w" yaml:"w"`

	// Policy decides at each Trigger; see sim.Policies.
	Policy     string     `json:"policy" yaml:"policy"`
	Trigger    float64    `json:"trigger" yaml:"trigger"`
	Thresholds Thresholds `json:"thresholds" yaml:"thresholds"`
	// MigrateTarget is idle (an inactive host if there is one) or coldest
	// (the coldest active ILM), for policy paper.
	MigrateTarget string `json:"migrate_target" yaml:"migrate_target"`
	// A and B weigh intrusion and latency: T = A*I + B*L. Weighted has
	// policies decide on the mean over the last windows by Weights, the
	// newest first.
	A        float64   `json:"a" yaml:"a"`
	B        float64   `json:"b" yaml:"b"`
	Weighted bool      `json:"weighted" yaml:"weighted"`
	Weights  []float64 `json:"weights" yaml:"weights"`
	// Enact is atomic (moves take effect with the next polls, as in the
	// paper's model) or staged: the daemons' engine makes them by the moving
	// protocol, with a probe of each ILM every Probe and at most the share
	// Churn of all leaves moved in a round. Policy balance is always staged.
	Enact string  `json:"enact" yaml:"enact"`
	Probe float64 `json:"probe" yaml:"probe"`
	Churn float64 `json:"churn" yaml:"churn"`
	// Factor is by how much lighter a host has to be for policy relocate.
	// A move takes place Ahead triggers after the decision, if the host is
	// still lighter. DeadBand, if not 0, is by which share what ILMs have to
	// do may differ before leaves move between them as well. Budget is how
	// many nodes may move in an hour; 0: any number.
	Factor   float64 `json:"factor" yaml:"factor"`
	Ahead    int     `json:"ahead" yaml:"ahead"`
	DeadBand float64 `json:"dead_band" yaml:"dead_band"`
	Budget   float64 `json:"budget" yaml:"budget"`
	// ReconfigCost and ReconfigNodeCost are the demand of a manager job for
	// taking part in a reconfiguration, and for each node moved in or out;
	// RoleStart is added where a host becomes an ILM.
	ReconfigCost     float64 `json:"reconfig_cost" yaml:"reconfig_cost"`
	ReconfigNodeCost float64 `json:"reconfig_node_cost" yaml:"reconfig_node_cost"`
	RoleStart        float64 `json:"role_start" yaml:"role_start"`
	// MTBF is how long an ILM manages in the mean until it dies; 0: for ever.
	// Repair later it is back.
	MTBF   float64 `json:"mtbf,omitempty" yaml:"mtbf"`
	Repair float64 `json:"repair" yaml:"repair"`
}

// Default is profile NCS-H: 1,024 leaves, 8 ILMs, half of every CPU taken by
// computing jobs with Poisson arrivals.
func Default() *Parameters {
	return &Parameters{
		Leaves: 1024, ILMs: 8, Seed: 1, End: 300_000, Warmup: 10_000,
		Rho: 0.5, Mean: 660, Shape: 1,
		Service: "pareto", ParetoShape: 1.5, ParetoRatio: 200, SpeedKnown: true,
		FlipJobs: 2,
		Poll:     100, PollCost: 0.1, ReportCost: 0.104, TLMCost: 0.02,
		AgentPeriod: 100, AgentCost: 0.02, OutputCost: 0.005, Network: 0.05, W: 1,
		Policy: "paper", Trigger: 100, Thresholds: Thresholds{0.1, 17.5, 500}, MigrateTarget: "idle",
		B: 1, Weights: []float64{0.57, 0.28, 0.15},
		Enact: "atomic", Probe: 5, Churn: 1,
		Factor: 3, ReconfigCost: 0.2, ReconfigNodeCost: 0.005,
		Repair: 3000,
	}
}

// Fault is a value that cannot be simulated.
type Fault struct{ Key, Text string }

func (f Fault) Error() string { return f.Key + ": " + f.Text }

// Faults tells everything that is wrong with the parameters.
func (p *Parameters) Faults() (fs []Fault) {
	whole := func(key string, n, least, most int) {
		if n < least || n > most {
			fs = append(fs, Fault{key, fmt.Sprintf("%d is not from %d to %d", n, least, most)})
		}
	}
	number := func(key string, x, least, most float64) {
		if !(x >= least && x <= most) {
			fs = append(fs, Fault{key, fmt.Sprintf("%g is not from %g to %g", x, least, most)})
		}
	}
	choice := func(key, word string, of ...string) {
		for _, w := range of {
			if w == word {
				return
			}
		}
		fs = append(fs, Fault{key, fmt.Sprintf("%q is none of %q", word, of)})
	}
	const most = 1e9 // beyond it a stu's fractions get lost
	whole("leaves", p.Leaves, 1, 2_000_000)
	whole("ilms", p.ILMs, 1, 10_000)
	whole("upper", p.Upper, 0, p.ILMs)
	if p.Upper > 0 && (p.Enact == "staged" || p.Policy == "balance") {
		fs = append(fs, Fault{"upper", "staged moves are of one level only; write 0, or enact: atomic and another policy than balance"})
	}
	number("upper_cost", p.UpperCost, 0, 1e6)
	whole("seed", p.Seed, 0, math.MaxInt32)
	number("end", p.End, 1, most)
	number("warmup", p.Warmup, 0, p.End)
	number("rho", p.Rho, 0, 0.99)
	number("mean", p.Mean, 0.001, 1e6)
	number("shape", p.Shape, 0.1, 100)
	choice("service", p.Service, "pareto", "exponential", "fixed")
	number("pareto_shape", p.ParetoShape, 0.1, 10)
	if p.ParetoShape == 1 {
		fs = append(fs, Fault{"pareto_shape", "1 is left out, where the mean has another form; write 1.001"})
	}
	number("pareto_ratio", p.ParetoRatio, 1.001, 1e9)
	whole("hot", p.Hot, 0, 1000)
	whole("crowd", p.Crowd, 0, 10_000)
	number("crowd_at", p.CrowdAt, 0, most)
	number("flip", p.Flip, 0, most)
	if p.Flip > 0 && p.Flip < 1 {
		fs = append(fs, Fault{"flip", fmt.Sprintf("%g is less than 1 and not 0, which is never", p.Flip)})
	}
	whole("flip_jobs", p.FlipJobs, 1, 1000)
	number("flip_phase", float64(p.FlipPhase), 0, 1)
	number("speed_sigma", p.SpeedSigma, 0, 3)
	number("poll", p.Poll, 0.1, most)
	number("stagger", float64(p.Stagger), 0, 1)
	for _, c := range []struct {
		key  string
		cost float64
	}{
		{"poll_cost", p.PollCost}, {"report_cost", p.ReportCost}, {"tlm_cost", p.TLMCost}, {"tlm_ilm_cost", p.TLMILMCost},
		{"agent_period", p.AgentPeriod}, {"agent_cost", p.AgentCost}, {"output_cost", p.OutputCost}, {"network", p.Network},
		{"a", p.A}, {"b", p.B},
		{"reconfig_cost", p.ReconfigCost}, {"reconfig_node_cost", p.ReconfigNodeCost}, {"role_start", p.RoleStart},
	} {
		number(c.key, c.cost, 0, 1e6)
	}
	whole("w", p.W, 1, 1024)
	number("trigger", p.Trigger, 0.1, most)
	t := p.Thresholds
	if !(0 <= t.Merge && t.Merge <= t.Split && t.Split <= t.Migrate) {
		fs = append(fs, Fault{"thresholds", fmt.Sprintf("%s is out of order; write 0 <= merge <= split <= migrate, for example 0.1-17.5-500", t)})
	}
	choice("migrate_target", p.MigrateTarget, "idle", "coldest")
	if p.A == 0 && p.B == 0 {
		fs = append(fs, Fault{"b", "a and b are both 0; write b: 1"})
	}
	if len(p.Weights) == 0 || p.Weights[0] <= 0 {
		fs = append(fs, Fault{"weights", "the first, that of the present temperature, must be positive; write for example [0.57, 0.28, 0.15]"})
	}
	for _, w := range p.Weights {
		number("weights", w, 0, 1e6)
	}
	choice("enact", p.Enact, "atomic", "staged")
	number("probe", p.Probe, 0.1, most)
	number("churn", p.Churn, 0.001, 1)
	number("factor", p.Factor, 1, 1000)
	whole("ahead", p.Ahead, 0, 1000)
	number("dead_band", p.DeadBand, 0, 1000)
	number("budget", p.Budget, 0, most)
	number("mtbf", p.MTBF, 0, most)
	number("repair", p.Repair, 1, most)
	return fs
}

// Validate gives all that is wrong as one error.
func (p *Parameters) Validate() error {
	var errs []error
	for _, f := range p.Faults() {
		errs = append(errs, f)
	}
	return errors.Join(errs...)
}
