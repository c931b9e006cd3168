package ctl

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"simone/manager"
	"simone/mib"
	"simone/reconfig"
)

func newMoveCommand(o *options) *cobra.Command {
	to, wait, patience := "", false, 10*time.Minute
	c := &cobra.Command{
		Use: "move NODE... --to ILM", Short: "give nodes to an ILM, without losing a sample", Args: cobra.MinimumNArgs(1),
		Long: `Gives each NODE to ILM by planned moves, which lose no sample and keep to the
churn budget. A candidate that is no ILM yet becomes one. What cannot be moved
within ten triggers stays where it is; simonectl events tells why. The policy may
move the nodes again later: pin keeps them.
NODE and ILM are names, NodeIDs or addresses.`,
		ValidArgsFunction: o.completeNodes,
		RunE: func(c *cobra.Command, args []string) error {
			if patience <= 0 {
				return usage("write it as --for 10m", "--for %v is no time to wait", patience)
			}
			return o.visitTop(c.Context(), func(cl *client, tlm station) error {
				ilm, nodes, err := cl.find(c.Context(), tlm, to)
				if err != nil {
					return err
				}
				places := make([]reconfig.Place, len(args))
				for i, what := range args {
					n, err := pick(nodes, what)
					if err != nil {
						return err
					}
					places[i] = reconfig.Place{Node: n.ID, At: ilm.ID}
				}
				if err := cl.place(c.Context(), tlm, places); err != nil {
					return err
				}
				text := fmt.Sprintf("%s on the way to %s", count(len(places), "node"), who(ilm.ID, ilm.Name))
				if wait {
					if err := o.awaitPlaced(c.Context(), cl, tlm, places, patience); err != nil {
						return err
					}
					text = fmt.Sprintf("%s now with %s", count(len(places), "node"), who(ilm.ID, ilm.Name))
				}
				return o.done(Done{Action: "move", Node: ilm.ID, Name: ilm.Name, Text: text})
			})
		},
	}
	c.Flags().StringVar(&to, "to", "", "the `ILM` that is to have them")
	_ = c.MarkFlagRequired("to")
	_ = c.RegisterFlagCompletionFunc("to", o.completeNodes)
	c.Flags().BoolVar(&wait, "wait", false, "wait until they are there")
	c.Flags().DurationVar(&patience, "for", patience, "how long to wait at most")
	return c
}

// place asks the TLM to move nodes, as many in one SET as fit.
func (c *client) place(ctx context.Context, tlm station, places []reconfig.Place) error {
	for some := range slices.Chunk(places, manager.MaxPlaces) {
		if err := c.set(ctx, tlm.endpoint, write{mib.SimoneReconfigPlace, mib.Octets(manager.PackPlaces(some))}); err != nil {
			return err
		}
	}
	return nil
}

// awaitPlaced waits until all nodes are with the ILMs named.
func (o *options) awaitPlaced(ctx context.Context, cl *client, tlm station, places []reconfig.Place, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	look := time.NewTicker(drainLook)
	defer look.Stop()
	left, told := len(places), -1
	for {
		nodes, err := cl.nodes(ctx, tlm.endpoint)
		if err == nil { // one answer that is lost is no reason to give up
			left = 0
			for _, p := range places {
				if n, known := nodeByID(nodes, p.Node); known && n.Owner != p.At && p.At != 0 {
					left++
				}
			}
			if left == 0 {
				return nil
			}
			if left != told {
				told = left
				fmt.Fprintf(o.stderr, "%d of %s to go\n", left, count(len(places), "node"))
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return failed("simonectl events tells what was given up, and why", "%s not where they were asked to be", count(left, "node"))
		}
	}
}
