package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"simone/sim"
	"simone/sim/evaluation"
	"simone/sim/scenario"
)

const sweepLong = `Sweep simulates every combination of the values given by --vary, or with
--evaluation all that sim report shows, each for several seeds and on all
cores. What is done is kept in DIR: a sweep that was ended goes on where it
was, and one with more seeds or values adds what is missing.`

func sweepCommand() *cobra.Command {
	var from source
	var seeds int
	var dir string
	var vary []string
	var all bool
	var only []string
	cmd := &cobra.Command{
		Use:   "sweep [CONFIG] --out DIR",
		Short: "Simulate combinations of parameters",
		Long:  sweepLong,
		Example: `  simonectl sim sweep configs/sim/bursty.yaml --vary leaves=256,512 --vary policy=paper,relocate --out results
  simonectl sim sweep --evaluation --out results
  simonectl sim sweep --evaluation --only table1,figure5-i --seeds 16 --out results`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return errors.New("there is nowhere to keep what is done; write --out DIR")
			}
			if len(only) > 0 && !all {
				return errors.New("--only is of the report's exhibits; write --evaluation as well")
			}
			points, err := from.points(args, vary, all)
			if err == nil {
				points, err = exhibited(points, only)
			}
			if err != nil {
				return err
			}
			results, err := sim.OpenResults(dir)
			if err != nil {
				return err
			}
			var list []scenario.Parameters
			for _, p := range points {
				list = append(list, p.scenario)
			}
			bar := newBar(cmd.ErrOrStderr())
			err = sim.Sweep(cmd.Context(), list, seeds, results, bar.show)
			bar.clear()
			err = errors.Join(err, results.Close())
			if cmd.Context().Err() != nil {
				return fmt.Errorf("ended with %d of %d runs done, which are in %s: the same command goes on from there", bar.so.Done, bar.so.Of, dir)
			}
			if err != nil {
				return fmt.Errorf("sweep: %w", err)
			}
			var done []swept
			for _, p := range points {
				done = append(done, swept{p.varied, results.Summary(&p.scenario, seeds)})
			}
			return show(cmd, done, func(w io.Writer) { sweptTable(w, done) })
		},
	}
	from.register(cmd)
	cmd.Flags().StringVar(&dir, "out", "", "`directory` for what is done")
	cmd.Flags().StringArrayVar(&vary, "vary", nil, "`key=value,value`: simulate with each of them; repeat for combinations")
	cmd.Flags().BoolVar(&all, "evaluation", false, "all scenarios of the report")
	cmd.Flags().StringSliceVar(&only, "only", nil, "`exhibit,exhibit` of --evaluation: "+strings.Join(exhibits(), ", "))
	cmd.Flags().IntVar(&seeds, "seeds", 8, "`number` of replications, from the key seed on")
	return cmd
}

// point is one combination, and what makes it differ from others.
type point struct {
	exhibit  string // of the report; empty: none
	varied   string
	scenario scenario.Parameters
}

// exhibits are the names of what sim report shows.
func exhibits() (ids []string) {
	for _, e := range evaluation.Exhibits() {
		ids = append(ids, e.ID)
	}
	return ids
}

// exhibited leaves the points of some exhibits; of all, if none are named.
func exhibited(points []point, only []string) (list []point, err error) {
	for _, id := range only {
		if !slices.Contains(exhibits(), id) {
			return nil, fmt.Errorf("there is no exhibit %q; write some of %s", id, strings.Join(exhibits(), ", "))
		}
	}
	if len(only) == 0 {
		return points, nil
	}
	for _, p := range points {
		if slices.Contains(only, p.exhibit) {
			list = append(list, p)
		}
	}
	return list, nil
}

// points makes the combinations; without --vary that is one.
func (s *source) points(args, vary []string, all bool) (points []point, err error) {
	if all {
		if len(args) > 0 || len(vary) > 0 || len(s.set) > 0 || s.policy != "" {
			return nil, errors.New("--evaluation has scenarios of its own; leave CONFIG, --vary, --set and --policy out")
		}
		for _, e := range evaluation.Exhibits() {
			for _, r := range e.Rows {
				points = append(points, point{e.ID, e.ID + ": " + r.Label, r.Scenario})
			}
		}
		return points, nil
	}
	combinations := [][]string{nil}
	for _, v := range vary {
		key, values, ok := strings.Cut(v, "=")
		if !ok {
			return nil, fmt.Errorf("--vary %s: write key=value,value, as thresholds=0.1-10-500,0.1-20-500", v)
		}
		var more [][]string
		for _, c := range combinations {
			for value := range strings.SplitSeq(values, ",") {
				more = append(more, append(c[:len(c):len(c)], key+"="+value))
			}
		}
		combinations = more
	}
	for _, c := range combinations {
		p, err := s.load(args, c...)
		if err != nil {
			return nil, err
		}
		points = append(points, point{"", strings.Join(c, " "), *p})
	}
	return points, nil
}

// swept is what came of a point.
type swept struct {
	varied  string
	summary *sim.Summary
}

// MarshalJSON puts what was varied beside the summary.
func (s swept) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Varied  string       `json:"varied"`
		Summary *sim.Summary `json:"summary"`
	}{s.varied, s.summary})
}

func sweptTable(w io.Writer, done []swept) {
	keys := []string{"G", "hot_percent", "p95", "job_weighted_mean", "moves_per_hour"}
	fmt.Fprintf(w, "SCENARIO\tPOLICY\t%s\n", strings.ToUpper(strings.Join(keys, "\t")))
	for _, s := range done {
		fmt.Fprintf(w, "%s\t%s", s.varied, s.summary.Policy)
		for _, k := range keys {
			e := s.summary.Estimate(k)
			fmt.Fprintf(w, "\t%s ± %s", digits(e.Mean), digits(e.CI))
		}
		fmt.Fprintln(w)
	}
}
