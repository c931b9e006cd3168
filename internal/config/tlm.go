package config

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"
)

// TLM is the configuration of simone-tlm: a node's, as its machine has a node
// agent too, and what the top-level manager needs. Keys marked now take
// effect on SIGHUP, the others after a restart.
type TLM struct {
	Node `yaml:",inline"`

	// Store is the file of the TLM's state, tlm.db in the state directory if
	// empty; or etcd://host:port,host:port/prefix for two or more TLMs, of
	// which one leads (etcds:// with TLS).
	Store string `yaml:"store" reload:"restart"`

	// Etcd is how a store in etcd is used.
	Etcd Etcd `yaml:"etcd" reload:"restart"`

	// Nodes is the inventory; nodes that announce themselves and those of
	// FileSD come to it.
	Nodes []Inventory `yaml:"nodes" reload:"now"`

	// FileSD are files, or patterns as targets/*.json, in Prometheus's
	// file_sd format, relative to the working directory. They are looked at
	// again when they change.
	FileSD []string `yaml:"file_sd" reload:"now"`

	// Poll is how often a node is polled whose row says nothing else (the
	// paper's MPP), 100ms to 24h.
	Poll Duration `yaml:"poll" reload:"now"`

	// Trigger is how often a manager collects temperatures, decides and
	// acts, 100ms to 24h.
	Trigger Duration `yaml:"trigger" reload:"now"`

	// Probe is how silent children are found.
	Probe Probe `yaml:"probe" reload:"now"`

	// Thresholds are the temperatures at which ILMs are transformed.
	Thresholds Thresholds `yaml:"thresholds" reload:"now"`

	// Policy is the rule that decides: paper, that of document 001.
	Policy string `yaml:"policy" reload:"now"`

	// Mode is automatic, or fixed: then the tree changes only when a node
	// fails, joins or leaves, or an operator says so.
	Mode string `yaml:"mode" reload:"now"`

	// ILMs bounds the number of intermediate-level managers.
	ILMs ILMs `yaml:"ilms" reload:"now"`

	// Churn is the most of all nodes that one round may move, above 0 and
	// up to 1; one ILM's whole list may always move.
	Churn float64 `yaml:"churn" reload:"now"`

	// MovesPerHour is how many nodes the policy of each manager may move in an
	// hour, 0 to 1000000000; 0 leaves it to the policy.
	MovesPerHour int `yaml:"moves_per_hour" reload:"now"`

	// MigrateTarget is where migrate moves to: any node that policy paper
	// names, or coldest: only to ILMs there already.
	MigrateTarget string `yaml:"migrate_target" reload:"now"`

	// Trace is what is recorded of the tree, for simonectl reconfig plan and
	// rollback.
	Trace Trace `yaml:"trace" reload:"restart"`
}

// Trace is the record of what was seen and done in each round, in the directory
// trace of the state directory.
type Trace struct {
	// Keep is how long it is kept, 10m to 8784h (a year); 0s records nothing.
	Keep Duration `yaml:"keep"`
}

// Probe is how a manager finds out that a child is silent.
type Probe struct {
	// Interval is the time between probes of a child, 10ms to 1h.
	Interval Duration `yaml:"interval"`
	// Misses is how many probes in a row stay without answer until the child
	// counts as silent, 1 to 100.
	Misses int `yaml:"misses"`
}

// Thresholds are temperatures in stu, in this order.
type Thresholds struct {
	Merge   float64 `yaml:"merge"`   // an ILM below it may be folded into another
	Split   float64 `yaml:"split"`   // one above it hands over part of its list
	Migrate float64 `yaml:"migrate"` // one above it hands over all of it
}

// ILMs bounds the number of intermediate-level managers.
type ILMs struct {
	Start int `yaml:"start"` // how many a new tree begins with
	Min   int `yaml:"min"`   // merge and demotion stop here
	Max   int `yaml:"max"`   // promotion stops here; 0: at the number of candidates
	// Levels is how many further levels of ILMs there are below each ILM at
	// most, 0 to 2. They come and go with the number of nodes (fork and join).
	Levels int `yaml:"levels"`
	// Below is how many ILMs each ILM keeps below itself at least. If it is
	// not 0, there are all Levels from the beginning and for good; 0: as many
	// as it takes.
	Below int `yaml:"below"`
	// FanIn is how many ILMs a manager has right below itself at most; with
	// more there is a level in between. 0: as many as it can serve in a trigger.
	FanIn int `yaml:"fan_in"`
}

// DefaultThresholds are those that the paper found best (document 001, 5.2).
func DefaultThresholds() Thresholds { return Thresholds{Merge: 0.1, Split: 17.5, Migrate: 500} }

// DefaultTLM is a TLM on loopback with an empty inventory.
func DefaultTLM() *TLM {
	n := DefaultNode()
	n.Listen = "127.0.0.1:1161"
	n.Candidate = false
	return &TLM{
		Node:          *n,
		Poll:          Duration(10 * time.Second),
		Trigger:       Duration(10 * time.Second),
		Probe:         Probe{Interval: Duration(500 * time.Millisecond), Misses: 3},
		Thresholds:    DefaultThresholds(),
		Policy:        "balance",
		Mode:          "automatic",
		ILMs:          ILMs{Start: 2, Min: 1, Levels: 2},
		Churn:         0.1,
		MigrateTarget: "any",
		Etcd:          DefaultEtcd(),
		Trace:         Trace{Keep: Duration(24 * time.Hour)},
	}
}

// TraceDir is where the trace is kept.
func (t *TLM) TraceDir() string { return filepath.Join(t.StateDir(), "trace") }

// StorePath is the file that Store stands for; "" if it is in etcd.
func (t *TLM) StorePath() string {
	if strings.Contains(t.Store, "://") {
		return ""
	}
	if t.Store == "" {
		return filepath.Join(t.StateDir(), "tlm.db")
	}
	return t.Store
}

// Validate says all that is wrong, as Problems.
func (t *TLM) Validate() error { return t.problems().err() }

func (t *TLM) problems() Problems {
	ps := t.Node.check(true)
	if t.Announce.To != "" {
		ps.add("announce.to", "a TLM announces itself to nobody; leave it out")
	}
	if t.Candidate {
		ps.add("candidate", "a TLM cannot become an ILM; write false or leave it out")
	}
	t.checkStore(&ps)
	checkDuration(&ps, "poll", t.Poll, 100*time.Millisecond, 24*time.Hour)
	checkDuration(&ps, "trigger", t.Trigger, 100*time.Millisecond, 24*time.Hour)
	checkDuration(&ps, "probe.interval", t.Probe.Interval, 10*time.Millisecond, time.Hour)
	checkInt(&ps, "probe.misses", t.Probe.Misses, 1, 100)
	ps.under("thresholds", t.Thresholds.problems())
	checkPolicy(&ps, t.Policy)
	checkChoice(&ps, "mode", t.Mode, "automatic", "fixed")
	checkChoice(&ps, "migrate_target", t.MigrateTarget, "any", "coldest")
	if !(t.Churn > 0 && t.Churn <= 1) {
		ps.add("churn", "%v is no share; write a number above 0 and up to 1, for example 0.1 for a tenth of the nodes per round; mode: fixed stops planned moves", t.Churn)
	}
	checkInt(&ps, "moves_per_hour", t.MovesPerHour, 0, 1_000_000_000)
	if t.Trace.Keep != 0 {
		checkDuration(&ps, "trace.keep", t.Trace.Keep, 10*time.Minute, 366*24*time.Hour)
	}
	ps.under("ilms", t.ILMs.problems())
	ps.under("nodes", t.inventoryProblems(t.Nodes))
	for i, f := range t.FileSD {
		if _, err := filepath.Match(f, ""); err != nil || f == "" {
			ps.add(fmt.Sprintf("file_sd[%d]", i), "%q is neither a file nor a pattern; write for example targets/*.json", f)
		}
	}
	return ps
}

func checkPolicy(ps *Problems, policy string) {
	checkChoice(ps, "policy", policy, "balance", "paper")
}

func (t *Thresholds) problems() (ps Problems) {
	ok := true
	for _, v := range []struct {
		key   string
		value float64
	}{{"merge", t.Merge}, {"split", t.Split}, {"migrate", t.Migrate}} {
		if !(v.value > 0) || math.IsInf(v.value, 0) {
			ps.add(v.key, "%v is not a positive number; the defaults are 0.1, 17.5 and 500", v.value)
			ok = false
		}
	}
	if !ok {
		return ps
	}
	if t.Split <= t.Merge {
		ps.add("split", "%v is not above merge (%v); the order is merge < split < migrate", t.Split, t.Merge)
	}
	if t.Migrate <= t.Split {
		ps.add("migrate", "%v is not above split (%v); the order is merge < split < migrate", t.Migrate, t.Split)
	}
	return ps
}

func (n *ILMs) problems() (ps Problems) {
	checkInt(&ps, "levels", n.Levels, 0, 2)
	checkInt(&ps, "below", n.Below, 0, 1000)
	if n.FanIn != 0 {
		checkInt(&ps, "fan_in", n.FanIn, 2, 1_000_000)
	}
	const most = 1_000_000
	checkInt(&ps, "min", n.Min, 1, most)
	checkInt(&ps, "max", n.Max, 0, most)
	if n.Max != 0 && n.Max < n.Min {
		ps.add("max", "%d is below min (%d); write at least as many, or 0 for as many as there are candidates", n.Max, n.Min)
		return ps
	}
	if n.Start < n.Min || n.Max != 0 && n.Start > n.Max {
		most := "the number of candidates"
		if n.Max != 0 {
			most = fmt.Sprintf("max (%d)", n.Max)
		}
		ps.add("start", "%d is not from min (%d) to %s", n.Start, n.Min, most)
	}
	return ps
}
