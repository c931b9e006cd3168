package sim

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"

	"simone/sim/faults"
)

const growLong = `Grow runs the shipped core, engines and lists, in virtual time on a tree that
nobody disturbs, while leaves come until there are --most and go until there are
--least again: levels of ILMs appear (fork) and go (join) by themselves. With a
trigger and a poll each second, it shows how deep the tree was when, how many
samples were lost, and the fewest triggers between two changes of depth.

The exit code is 0 if no invariant was broken and no sample lost.`

// growResult is what simonectl sim grow ends with.
type growResult struct {
	Least    int           `json:"least"`
	Most     int           `json:"most"`
	Triggers int           `json:"triggers"`
	Samples  uint64        `json:"samples"`
	Lost     int           `json:"samples_lost"`
	Moves    int           `json:"planned_moves"`
	Forks    int           `json:"forks"`
	Joins    int           `json:"joins"`
	Apart    *float64      `json:"triggers_between_changes_min"` // null: fewer than two changes
	Depths   []growthDepth `json:"depths"`
	Broken   []string      `json:"violation,omitempty"`
}

// growthDepth is how deep the tree was from a time on.
type growthDepth struct {
	Second float64 `json:"second"`
	Levels int     `json:"levels"`
	ILMs   int     `json:"ilms"`
	Top    int     `json:"ilms_below_top"`
	Nodes  int     `json:"nodes"`
}

func growCommand() *cobra.Command {
	g := faults.DefaultGrowth()
	cmd := &cobra.Command{
		Use:   "grow",
		Short: "Let a tree grow and shrink, and see levels come and go",
		Long:  growLong,
		Example: `  simonectl sim grow
  simonectl sim grow --most 1000 --capacity 16 --hosts 120 -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := g.Scenario()
			if err := g.Validate(); err != nil {
				return err
			}
			if err := s.Validate(); err != nil {
				return err
			}
			defer debug.SetGCPercent(debug.SetGCPercent(400)) // as much as a hunt
			bar := newBar(cmd.ErrOrStderr())
			bar.say(fmt.Sprintf("%d triggers with up to %d leaves: this may take a minute or two", s.Triggers(), g.Most))
			r := growth(g, faults.Run(s, nil))
			bar.clear()
			if err := show(cmd, r, r.table); err != nil {
				return err
			}
			if n := len(r.Broken); n > 0 || r.Lost > 0 {
				return fmt.Errorf("%d violations, %d samples lost", n, r.Lost)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&g.Least, "least", g.Least, "`number` of leaves at first and in the end")
	flags.IntVar(&g.Most, "most", g.Most, "`number` of leaves in between")
	flags.IntVar(&g.Hosts, "hosts", g.Hosts, "`number` of nodes that can be ILMs and stay")
	flags.IntVar(&g.Capacity, "capacity", g.Capacity, "`number` of rows that an ILM polls at most")
	flags.IntVar(&g.FanIn, "fan-in", g.FanIn, "`number` of ILMs right below a manager at most; 0: as many as it can serve")
	flags.DurationVar(&g.ChildTakes, "child-takes", g.ChildTakes, "what one ILM right below costs a manager of each trigger of a second")
	flags.IntVar(&g.MostLevels, "levels", g.MostLevels, "`number` of further levels below each ILM at most")
	flags.IntVar(&g.Ramp, "ramp", g.Ramp, "`number` of triggers in which leaves come, and again go")
	flags.IntVar(&g.Rest, "rest", g.Rest, "`number` of triggers before, between and after")
	flags.Uint64Var(&g.Seed, "seed", g.Seed, "`number` of the run")
	return cmd
}

// growth puts together what is shown of a run.
func growth(g faults.Growth, r faults.Result) *growResult {
	out := &growResult{
		Least: g.Least, Most: g.Most, Triggers: r.Triggers, Samples: r.Samples, Lost: r.Lost, Moves: r.Planned,
		Forks: r.Forks, Joins: r.Joins, Broken: r.Violations,
	}
	for _, d := range r.Depths {
		out.Depths = append(out.Depths, growthDepth{Second: d.At.Seconds(), Levels: d.Levels, ILMs: d.ILMs, Top: d.Top, Nodes: d.Nodes})
	}
	if apart, ok := faults.Apart(r.Depths); ok {
		n := apart.Seconds() // a trigger is a second
		out.Apart = &n
	}
	return out
}

func (r *growResult) table(w io.Writer) {
	fmt.Fprintf(w, "leaves\t%d to %d and back, in %d triggers\n", r.Least, r.Most, r.Triggers)
	fmt.Fprintf(w, "samples\t%d, %d lost\n", r.Samples, r.Lost)
	fmt.Fprintf(w, "forks, joins\t%d, %d, with %d planned moves\n", r.Forks, r.Joins, r.Moves)
	if r.Apart != nil {
		fmt.Fprintf(w, "between changes\t%.0f triggers at least\n", *r.Apart)
	}
	for _, d := range r.Depths {
		fmt.Fprintf(w, "at %.0f s\t%d levels, %d ILMs, %d of them right below the top, %d nodes\n", d.Second, d.Levels, d.ILMs, d.Top, d.Nodes)
	}
	for _, v := range r.Broken {
		fmt.Fprintln(w, v)
	}
}
