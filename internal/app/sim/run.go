package sim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"simone/internal/config"
	"simone/sim"
	"simone/sim/scenario"
)

const runLong = `Run simulates the scenario that CONFIG describes, once for each seed, and the
static scheme beside it, by which the hot zone is defined. Means come with 95 %
confidence intervals; --against adds those of the differences from another
policy, which are narrower, as both meet the same load. Without CONFIG all keys have their defaults, profile NCS-H
of document 001; configs/sim/ncs-h.yaml shows every key.`

// source is where a command takes its scenario from.
type source struct {
	policy string
	set    []string
}

func (s *source) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.policy, "policy", "", "`name` of the policy instead of CONFIG's; simonectl sim policies lists them")
	cmd.Flags().StringArrayVar(&s.set, "set", nil, "`key=value` instead of CONFIG's; repeat for more")
}

// load reads CONFIG, if there is one, with what the flags and more say.
func (s *source) load(args []string, more ...string) (*scenario.Parameters, error) {
	set := slices.Concat(s.set, more)
	if s.policy != "" {
		set = append(set, "policy="+s.policy)
	}
	var overrides []config.Override
	for _, word := range set {
		o, err := config.ParseOverride(word)
		if err != nil {
			return nil, err
		}
		overrides = append(overrides, o)
	}
	file := ""
	if len(args) > 0 {
		file = args[0]
	}
	c, err := config.LoadSim(file, overrides...)
	if err != nil {
		return nil, err
	}
	return &c.Parameters, nil
}

func runCommand() *cobra.Command {
	var from source
	var seeds int
	var against []string
	cmd := &cobra.Command{
		Use:   "run [CONFIG]",
		Short: "Simulate a scenario of the queueing model",
		Long:  runLong,
		Example: `  simonectl sim run configs/sim/ncs-h.yaml --policy relocate --set factor=4
  simonectl sim run configs/sim/ncs-h.yaml --policy balance --against paper --against static
  simonectl sim run configs/sim/bursty.yaml --seeds 16 --set thresholds=0.1-20-500 -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := from.load(args)
			if err != nil {
				return err
			}
			bar := newBar(cmd.ErrOrStderr())
			summary, err := sim.Replicate(cmd.Context(), p, seeds, against, bar.show)
			bar.clear()
			if err != nil {
				return fmt.Errorf("simulate: %w", err)
			}
			return show(cmd, summary, func(w io.Writer) { summaryTable(w, summary) })
		},
	}
	from.register(cmd)
	cmd.Flags().IntVar(&seeds, "seeds", 8, "`number` of replications, from the key seed on")
	cmd.Flags().StringArrayVar(&against, "against", nil, "`name` of a policy to compare with, seed by seed; repeat for more")
	return cmd
}

func policiesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "policies",
		Short: "List the policies that can be simulated",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			type policy struct {
				Name  string `json:"name"`
				About string `json:"about"`
			}
			var list []policy
			for _, p := range sim.Policies() {
				list = append(list, policy{p.Name, p.About})
			}
			return show(cmd, list, func(w io.Writer) {
				for _, p := range list {
					fmt.Fprintf(w, "%s\t%s\n", p.Name, p.About)
				}
			})
		},
	}
}

// show writes a value in the format asked for; table renders it for people,
// columns separated by tabs.
func show(cmd *cobra.Command, v any, table func(io.Writer)) error {
	out := cmd.OutOrStdout()
	switch format(cmd) {
	case "json":
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return fmt.Errorf("make JSON: %w", err)
		}
		_, err = fmt.Fprintln(out, string(b))
		return err
	case "yaml":
		b, err := json.Marshal(v)
		if err == nil {
			b, err = yaml.JSONToYAML(b)
		}
		if err != nil {
			return fmt.Errorf("make YAML: %w", err)
		}
		_, err = out.Write(b)
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	table(w)
	return w.Flush()
}

// summaryTable renders a summary for people.
func summaryTable(w io.Writer, s *sim.Summary) {
	fmt.Fprintf(w, "policy %s, %d seeds\n", s.Policy, len(s.Outcomes))
	for _, e := range s.Estimates {
		fmt.Fprintf(w, "%s\t%s\t± %s\t%s\t%s\n", e.Key, digits(e.Mean), digits(e.CI), e.Unit, e.About)
	}
	for i := range s.Against {
		pairingTable(w, &s.Against[i], len(s.Outcomes))
	}
}

// pairingTable renders a comparison for people.
func pairingTable(w io.Writer, p *sim.Pairing, seeds int) {
	fmt.Fprintf(w, "\nless what policy %s has, seed by seed\n", p.Against.Policy)
	for i := range p.Pairs {
		pair := &p.Pairs[i]
		if d := pair.Difference; !math.IsNaN(d.Mean) && pair.Key != "G_static" && pair.Key != "events_per_second" {
			fmt.Fprintf(w, "%s\t%s\t± %s\t%s\tmore with %d of %d seeds; %s\n", pair.Key, digits(d.Mean), digits(d.CI), pair.Unit, len(pair.Higher), seeds, cmp.Or(pair.Verdict(), "no interval"))
		}
	}
}

// digits writes four digits, or more where they stand before the point; a
// dash for what is not there.
func digits(x float64) string {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "-"
	case math.Abs(x) >= 1000:
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.4g", x)
}
