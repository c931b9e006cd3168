package ctl

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"simone/mib"
)

func newThresholdsCommand(o *options) *cobra.Command {
	c := group(&cobra.Command{Use: "thresholds", Short: "show or set the temperatures that the TLM decides by"})
	c.AddCommand(
		&cobra.Command{
			Use: "get", Short: "show the thresholds, in stu", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				return o.visitTop(c.Context(), func(cl *client, tlm station) error { return o.thresholds(c, cl, tlm) })
			},
		},
		&cobra.Command{
			Use: "set NAME=VALUE...", Short: "set thresholds: merge, split, migrate, in stu",
			Long: `Sets one or more thresholds in one go: an ILM colder than merge may be folded
into another, one hotter than split hands over part of its list, one hotter
than migrate all of it. They have to be merge <= split <= migrate, also with
those that are not set.`,
			Example: "  simonectl thresholds set split=12.5\n  simonectl thresholds set merge=0.1 split=17.5 migrate=500",
			Args:    cobra.MinimumNArgs(1),
			ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
				return []string{"merge=", "split=", "migrate="}, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
			},
			RunE: func(c *cobra.Command, args []string) error {
				writes, err := thresholdWrites(args)
				if err != nil {
					return err
				}
				return o.visitTop(c.Context(), func(cl *client, tlm station) error {
					if err := cl.set(c.Context(), tlm.endpoint, writes...); err != nil {
						return err
					}
					return o.thresholds(c, cl, tlm)
				})
			},
		})
	return c
}

// thresholds shows what holds now.
func (o *options) thresholds(c *cobra.Command, cl *client, tlm station) error {
	s, err := cl.settings(c.Context(), tlm.endpoint)
	if err != nil {
		return err
	}
	return o.show(s, func(p *page) {
		p.table([]string{"THRESHOLD", ">STU", "MEANING"}, [][]cell{
			{{"merge", plain}, {number(s.Merge), Cold.paint()}, {"a colder ILM may be merged", plain}},
			{{"split", plain}, {number(s.Split), Hot.paint()}, {"a hotter ILM is split", plain}},
			{{"migrate", plain}, {number(s.Migrate), Critical.paint()}, {"all that a hotter ILM does goes to another node", plain}},
		})
		p.linef("")
		p.linef("%s", p.settings(s))
	})
}

// thresholdWrites reads assignments such as split=17.5.
func thresholdWrites(args []string) ([]write, error) {
	objects := map[string]mib.OID{
		"merge": mib.SimoneThresholdMerge, "split": mib.SimoneThresholdSplit, "migrate": mib.SimoneThresholdMigrate,
	}
	const how = "write merge=0.1 split=17.5 migrate=500, or some of them"
	var writes []write
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		if !ok {
			return nil, usage(how, "%q is not NAME=VALUE", a)
		}
		object, ok := objects[name]
		switch {
		case !ok:
			return nil, usage(how, "there is no threshold %q", name)
		case slices.ContainsFunc(writes, func(w write) bool { return w.object.Equal(object) }):
			return nil, usage("give it once", "threshold %s is there twice", name)
		}
		v := mib.Text(value)
		if f, err := mib.ParseDecimal(v); err != nil {
			return nil, usage(how, "threshold %s: %w", name, err)
		} else if f < 0 {
			return nil, usage(how, "threshold %s: %s is negative", name, value)
		}
		writes = append(writes, write{object, v})
	}
	return writes, nil
}
