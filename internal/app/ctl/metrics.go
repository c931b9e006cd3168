package ctl

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

func newMetricsCommand(o *options) *cobra.Command {
	name, aggregate := "", false
	c := &cobra.Command{
		Use:   "metrics [NODE]",
		Short: "show what was measured, of one node or of all",
		Long: `Shows the last values of the metrics as their managers polled them: of NODE (a
name, a NodeID or an address), or of all nodes. With --aggregate it shows each
metric summed up over the whole tree, or over the subtree of NODE if that is a
manager.`,
		Example:           "  simonectl metrics n5\n  simonectl metrics --metric load1\n  simonectl metrics --aggregate",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: o.completeNodes,
		RunE: func(c *cobra.Command, args []string) error {
			return o.visitTop(c.Context(), func(cl *client, tlm station) error {
				what := ""
				if len(args) > 0 {
					what = args[0]
				}
				if aggregate {
					return o.aggregate(c, cl, tlm, what, name)
				}
				return o.metrics(c, cl, tlm, what, name)
			})
		},
	}
	c.Flags().StringVarP(&name, "metric", "m", "", "only this metric: `NAME`, PROFILE/NAME or its number")
	c.Flags().BoolVar(&aggregate, "aggregate", false, "count, minimum, maximum, mean, quantiles of each metric")
	return c
}

func (o *options) metrics(c *cobra.Command, cl *client, tlm station, what, name string) error {
	ctx := c.Context()
	if what == "" {
		nodes, err := cl.nodes(ctx, tlm.endpoint)
		if err != nil {
			return err
		}
		metrics, problems, err := cl.allMetrics(ctx, tlm, nodes, name)
		if err != nil {
			return err
		}
		for _, p := range problems {
			fmt.Fprintf(o.stderr, "not all values are here: %s\n", brief(p))
		}
		return o.showMetrics(metrics, name, true)
	}
	n, nodes, err := cl.find(ctx, tlm, what)
	if err != nil {
		return err
	}
	metrics, err := cl.metricsOf(ctx, tlm, n, nodes, name)
	if err != nil {
		return err
	}
	return o.showMetrics(metrics, name, false)
}

func (o *options) showMetrics(metrics []Metric, name string, nodes bool) error {
	if len(metrics) == 0 {
		return noMetric(name)
	}
	return o.show(metrics, func(p *page) {
		headings := []string{"METRIC", ">INSTANCE", ">VALUE", "UNIT", ">AGE"}
		if nodes {
			headings = append([]string{"NODE"}, headings...)
		}
		var rows [][]cell
		for _, m := range metrics {
			instance := ""
			if m.Instance != 0 {
				instance = strconv.FormatUint(uint64(m.Instance), 10)
			}
			row := []cell{{m.Name, plain}, {instance, plain}, {number(m.Value), plain}, {m.Unit, plain}, {span(m.Age), plain}}
			if nodes {
				row = append([]cell{{who(m.Node, m.NodeName), plain}}, row...)
			}
			rows = append(rows, row)
		}
		p.table(headings, rows)
	})
}

// noMetric is the error of an empty answer.
func noMetric(name string) error {
	if name != "" {
		return failed("simonectl metrics --aggregate lists all metrics", "there is no value of a metric %q", name)
	}
	return failed("wait one polling interval; simonectl doctor tells more", "there are no values yet")
}

func (o *options) aggregate(c *cobra.Command, cl *client, tlm station, what, name string) error {
	ctx := c.Context()
	at := tlm.endpoint
	if what != "" {
		n, _, err := cl.find(ctx, tlm, what)
		if err != nil {
			return err
		}
		if n.ID != tlm.id {
			if at, err = resolve(ctx, n.Address); err != nil {
				return err
			}
		}
	}
	known, err := cl.registry(ctx, at)
	if err != nil {
		return err
	}
	sums, err := cl.aggregates(ctx, at, known, name)
	if err != nil {
		return err
	}
	if len(sums) == 0 {
		return noMetric(name)
	}
	return o.show(sums, func(p *page) {
		var rows [][]cell
		for _, a := range sums {
			row := []cell{{a.Name, plain}, {a.Unit, plain}, {strconv.Itoa(int(a.Count)), plain}}
			for _, f := range []*float64{a.Min, a.Mean, a.P50, a.P90, a.P99, a.Max, a.Deviation, a.Sum} {
				row = append(row, cell{number(f), plain})
			}
			rows = append(rows, append(row, cell{span(a.Age), plain}))
		}
		p.table([]string{"METRIC", "UNIT", ">COUNT", ">MIN", ">MEAN", ">P50", ">P90", ">P99", ">MAX", ">DEVIATION", ">SUM", ">OLDEST"}, rows)
	})
}
