package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simone/sim/faults"
)

const faultsLong = `Faults runs the shipped core, engines and lists of up to three levels of ILMs,
in virtual time on a network and on machines that fail, and checks the
invariants at every step: messages are lost, late, doubled and reordered,
networks fall apart, disks fill up, processes die between any two actions and
inside any write, clocks are wrong, backups are old, two managers lead, two
machines have one identity, and operators drain and pin meanwhile.

Each scenario is drawn from a number, the seed, and lasts at least 200 triggers
with at least 10 faults. The same seed gives the same run. Seeds are run one
after the other from --seed on, until --for is over or --count is reached. What
fails first is shrunk to a short scenario, which --replay runs again.

--break RULE runs without a rule of the moving protocol and ends with the first
violation; --break list lists the rules. The exit code is 0 if there was no
violation.`

// faultsFlags are those of simonectl sim faults.
type faultsFlags struct {
	length, shrink       time.Duration
	count, seed          uint64
	nodes, cores, levels int
	moves                int
	rule, replay, keepIn string
	trace                bool
}

func faultsCommand() *cobra.Command {
	var f faultsFlags
	cmd := &cobra.Command{
		Use:   "faults",
		Short: "Look for faults that the moving protocol does not survive",
		Long:  faultsLong,
		Example: `  simonectl sim faults --for 60s
  simonectl sim faults --for 60s --break Hold -o json
  simonectl sim faults --seed 17 --count 1 --trace
  simonectl sim faults --moves 10000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if strings.EqualFold(f.rule, "list") {
				return listRules(cmd)
			}
			if err := f.validate(); err != nil {
				return err
			}
			if f.replay != "" {
				return f.again(cmd)
			}
			return f.hunt(cmd)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.DurationVar(&f.length, "for", time.Minute, "how long to run; 0: until Ctrl-C or --count")
	flags.Uint64Var(&f.count, "count", 0, "`number` of scenarios; 0: as many as there is time for")
	flags.Uint64Var(&f.seed, "seed", 1, "`number` of the first scenario")
	flags.IntVar(&f.nodes, "nodes", 100, "`number` of nodes in each")
	flags.IntVar(&f.levels, "levels", 0, "`number` of levels of ILMs, 1 to 3; 0: by the seed")
	flags.IntVar(&f.cores, "cores", runtime.GOMAXPROCS(0), "`number` of scenarios to run at once")
	flags.StringVar(&f.rule, "break", "", "`RULE` to switch off; list lists them")
	flags.IntVar(&f.moves, "moves", 0, "make planned moves that are to lose no sample, at least `N`")
	flags.DurationVar(&f.shrink, "shrink", 30*time.Second, "how long to look for a shorter scenario that fails too; 0: not at all")
	flags.StringVar(&f.replay, "replay", "", "`FILE` with a scenario to run instead; - is the standard input")
	flags.StringVar(&f.keepIn, "save", "", "`FILE` for the shrunk scenario")
	flags.BoolVar(&f.trace, "trace", false, "show all that happens, of --replay or of the one scenario of --count 1")
	return cmd
}

func (f *faultsFlags) validate() error {
	switch {
	case f.nodes < 4 || f.nodes > 10_000:
		return fmt.Errorf("--nodes %d: write 4 to 10000", f.nodes)
	case f.levels < 0 || f.levels > 3:
		return fmt.Errorf("--levels %d: write 0 to 3", f.levels)
	case f.cores < 1:
		return fmt.Errorf("--cores %d: write 1 or more", f.cores)
	case f.seed == 0:
		return errors.New("--seed 0: seeds begin with 1")
	case f.moves < 0 || f.length < 0 || f.shrink < 0:
		return errors.New("--moves, --for and --shrink: write nothing below 0")
	case f.trace && f.replay == "" && f.count != 1:
		return errors.New("--trace shows one scenario: write --count 1 and its --seed, or --replay")
	}
	return nil
}

// faultsResult is what simonectl sim faults ends with.
type faultsResult struct {
	Scenarios        uint64           `json:"scenarios"`
	Violations       uint64           `json:"violations"` // scenarios with one or more
	PerHour          float64          `json:"scenarios_per_hour"`
	PerHourCore      float64          `json:"scenarios_per_hour_core"`
	FirstFailing     *uint64          `json:"first_failing_seed"`
	Break            string           `json:"break,omitempty"`
	Nodes            int              `json:"nodes"`
	FirstSeed        uint64           `json:"first_seed"`
	LastSeed         uint64           `json:"last_seed"`
	Cores            int              `json:"cores"`
	Seconds          float64          `json:"seconds"`
	TriggersMin      int              `json:"triggers_min"` // of a scenario
	FaultsMin        int              `json:"faults_min"`
	Triggers         int              `json:"triggers"`
	Faults           int              `json:"faults"`
	Steps            uint64           `json:"steps"`
	Polls            uint64           `json:"polls"`
	Samples          uint64           `json:"samples"`
	PlannedMoves     int              `json:"planned_moves"`
	SamplesLost      *int             `json:"samples_lost,omitempty"` // with --moves
	SamplesDoubled   *int             `json:"samples_duplicated,omitempty"`
	Violation        []string         `json:"violation,omitempty"` // of the first failing seed
	Failing          []faults.Failing `json:"failing,omitempty"`
	Scenario         string           `json:"scenario,omitempty"` // shrunk
	ScenarioViolates []string         `json:"scenario_violation,omitempty"`
}

// hunt runs scenarios and shows what came of them.
func (f *faultsFlags) hunt(cmd *cobra.Command) error {
	shape := faults.Shape{Nodes: f.nodes, Levels: f.levels, Planned: f.moves > 0}
	if f.rule != "" {
		b, err := faults.RuleByName(f.rule)
		if err != nil {
			return err
		}
		shape.Without = b.Rule
	}
	if f.trace {
		return f.report(cmd, faults.Draw(f.seed, shape))
	}
	// Worlds come and go: less collecting costs memory that nobody else wants.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	ctx := cmd.Context()
	if f.length > 0 && (f.count == 0 || cmd.Flags().Changed("for")) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.length)
		defer cancel()
	}
	bar := newBar(cmd.ErrOrStderr())
	h := faults.Hunt{Shape: shape, First: f.seed, Count: f.count, Moves: f.moves, Cores: f.cores, AtOnce: f.rule != "", Progress: func(b faults.Bag) {
		bar.say(b.String())
	}}
	bag := h.Run(ctx)
	bar.clear()
	r := faultsResult{
		Scenarios: bag.Scenarios, Violations: bag.Failed, PerHour: bag.PerHour(), PerHourCore: bag.PerHour() / float64(f.cores), Break: f.rule, Nodes: f.nodes,
		FirstSeed: bag.FirstSeed, LastSeed: bag.LastSeed, Cores: f.cores, Seconds: bag.Took.Seconds(), TriggersMin: bag.LeastTriggers, FaultsMin: bag.LeastFaults,
		Triggers: bag.Triggers, Faults: bag.Faults, Steps: bag.Steps, Polls: bag.Polls, Samples: bag.Samples, PlannedMoves: bag.Planned, Violation: bag.Violations, Failing: bag.Failing,
	}
	if f.moves > 0 {
		r.SamplesLost, r.SamplesDoubled = &bag.Lost, new(int)
		for _, v := range bag.Violations {
			if strings.Contains(v, "stored twice") {
				*r.SamplesDoubled++
			}
		}
	}
	if bag.Failed > 0 {
		r.FirstFailing = &bag.FirstFailing
		if f.shrink > 0 {
			if err := f.shorten(cmd, faults.Draw(bag.FirstFailing, shape), &r); err != nil {
				return err
			}
		}
	}
	if err := show(cmd, r, func(w io.Writer) { r.table(w) }); err != nil {
		return err
	}
	if bag.Failed > 0 {
		return fmt.Errorf("%d of %d scenarios ended with a violation, the first with seed %d", bag.Failed, bag.Scenarios, bag.FirstFailing)
	}
	return nil
}

// shorten shrinks a scenario that fails.
func (f *faultsFlags) shorten(cmd *cobra.Command, s *faults.Scenario, r *faultsResult) error {
	bar := newBar(cmd.ErrOrStderr())
	bar.say(fmt.Sprintf("seed %d fails: looking for a shorter scenario for %v", s.Seed, f.shrink))
	ctx, cancel := context.WithTimeout(cmd.Context(), f.shrink)
	defer cancel()
	short := faults.Shrink(ctx, s)
	bar.clear()
	r.Scenario, r.ScenarioViolates = short.String(), faults.Run(short, nil).Violations
	if f.keepIn == "" {
		return nil
	}
	if err := os.WriteFile(f.keepIn, []byte(r.Scenario), 0o644); err != nil {
		return fmt.Errorf("save the scenario: %w", err)
	}
	return nil
}

// again replays a scenario from a file.
func (f *faultsFlags) again(cmd *cobra.Command) error {
	in := cmd.InOrStdin()
	if f.replay != "-" {
		file, err := os.Open(f.replay)
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		defer file.Close()
		in = file
	}
	s, err := faults.Parse(in)
	if err != nil {
		return fmt.Errorf("replay %s: %w", f.replay, err)
	}
	return f.report(cmd, s)
}

// report runs one scenario and says what came of it.
func (f *faultsFlags) report(cmd *cobra.Command, s *faults.Scenario) error {
	var trace io.Writer
	if f.trace {
		trace = cmd.OutOrStdout()
	}
	r := faults.Run(s, trace)
	if !f.trace {
		for _, v := range r.Violations {
			fmt.Fprintln(cmd.OutOrStdout(), v)
		}
	}
	fmt.Fprintln(cmd.OutOrStdout(), r)
	if n := len(r.Violations); n > 0 {
		return fmt.Errorf("%d violations", n)
	}
	return nil
}

func (r *faultsResult) table(w io.Writer) {
	fmt.Fprintf(w, "scenarios\t%d (seeds %d to %d)\n", r.Scenarios, r.FirstSeed, r.LastSeed)
	fmt.Fprintf(w, "violations\t%d\n", r.Violations)
	fmt.Fprintf(w, "scenarios an hour\t%.0f (%.0f on each of %d cores)\n", r.PerHour, r.PerHourCore, r.Cores)
	fmt.Fprintf(w, "each at least\t%d triggers, %d faults, %d nodes\n", r.TriggersMin, r.FaultsMin, r.Nodes)
	fmt.Fprintf(w, "in all\t%d triggers, %d faults, %d polls, %d planned moves\n", r.Triggers, r.Faults, r.Polls, r.PlannedMoves)
	if r.SamplesLost != nil {
		fmt.Fprintf(w, "samples\t%d lost, %d duplicated\n", *r.SamplesLost, *r.SamplesDoubled)
	}
	if r.FirstFailing == nil {
		return
	}
	fmt.Fprintf(w, "first failing seed\t%d\n", *r.FirstFailing)
	for _, v := range r.Violation {
		fmt.Fprintf(w, "\t%s\n", v)
	}
	for _, v := range r.Failing {
		if v.Seed != *r.FirstFailing {
			fmt.Fprintf(w, "seed %d\t%s\n", v.Seed, v.Violation)
		}
	}
	if r.Scenario != "" {
		fmt.Fprintf(w, "\nThis shorter scenario fails too; --replay FILE --trace shows how:\n\n%s\n", r.Scenario)
		for _, v := range r.ScenarioViolates {
			fmt.Fprintf(w, "# %s\n", v)
		}
	}
}

// listRules lists what --break takes.
func listRules(cmd *cobra.Command) error {
	type rule struct {
		Rule string `json:"rule"`
		Says string `json:"says"`
	}
	var rules []rule
	for _, b := range faults.Breakables() {
		rules = append(rules, rule{b.Rule.String(), b.Says})
	}
	return show(cmd, rules, func(w io.Writer) {
		for _, r := range rules {
			fmt.Fprintf(w, "%s\t%s\n", r.Rule, r.Says)
		}
	})
}
