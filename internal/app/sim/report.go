package sim

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"simone/sim"
	"simone/sim/evaluation"
)

const reportLong = `Report writes DIR/report.md and DIR/report.html from what sim sweep has put into
DIR: of sim sweep --evaluation document 001's tables and figures, with the paper's
numbers beside those found here and a verdict on each; of any other sweep a table
by the keys in which its scenarios differ, and a figure. The page is complete in
itself. A sweep that is still under way can be reported on.`

func reportCommand() *cobra.Command {
	var seeds int
	cmd := &cobra.Command{
		Use:     "report DIR",
		Short:   "Show what was swept, and compare it with document 001",
		Long:    reportLong,
		Example: "  simonectl sim report results",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := args[0]
			if _, err := os.Stat(dir); err != nil {
				return fmt.Errorf("read results: %w; simonectl sim sweep --evaluation --out %s makes them", err, dir)
			}
			results, err := sim.OpenResults(dir)
			if err != nil {
				return err
			}
			if err := results.Close(); err != nil {
				return fmt.Errorf("read results: %w", err)
			}
			if results.Len() == 0 {
				return fmt.Errorf("%s holds no runs: simonectl sim sweep --out %s makes some", dir, dir)
			}
			report := evaluation.NewReport(results, seeds)
			files := []string{filepath.Join(dir, "report.md"), filepath.Join(dir, "report.html")}
			for i, write := range []func(io.Writer) error{report.Markdown, report.HTML} {
				if err := writeFile(files[i], write); err != nil {
					return fmt.Errorf("write the report: %w", err)
				}
			}
			n := report.Tally()
			return show(cmd, map[string]any{
				"files":                              files,
				evaluation.Reproduced.String():       n[evaluation.Reproduced],
				evaluation.TrendOnly.String():        n[evaluation.TrendOnly],
				evaluation.NotFound.String():         n[evaluation.NotFound],
				"not simulated, or nothing to judge": n[evaluation.Open],
			}, func(w io.Writer) {
				fmt.Fprintln(w, report.Conclusion())
				for _, f := range files {
					fmt.Fprintln(w, f)
				}
			})
		},
	}
	cmd.Flags().IntVar(&seeds, "seeds", 8, "`number` of replications that are to be used at most")
	return cmd
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
