package ctl

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simone/mib"
)

func newReconfigCommand(o *options) *cobra.Command {
	c := group(&cobra.Command{Use: "reconfig", Short: "see why the tree changes, or make it stop or go"})
	last, at := 10, ""
	explain := &cobra.Command{
		Use: "explain", Short: "show what the last round saw and made of it, and the last transformations", Args: cobra.NoArgs,
		Long: `Shows what the TLM saw of each ILM in its last round and what it decided for it
and why; and the last transformations with what was seen, what was expected and
what came of it one trigger later. With --at NODE it is that ILM which tells, of
the ILMs below it.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if last < 0 || last > 1000 {
				return usage("write -n 0 to 1000", "-n %d", last)
			}
			return o.visitTop(c.Context(), func(cl *client, tlm station) error {
				who := tlm
				if at != "" {
					n, _, err := cl.find(c.Context(), tlm, at)
					if err != nil {
						return err
					}
					if who, err = cl.station(c.Context(), tlm, n); err != nil {
						return err
					}
				}
				x, err := cl.explain(c.Context(), tlm, who, last)
				if err != nil {
					return err
				}
				return o.show(x, func(p *page) { p.explanation(x) })
			})
		},
	}
	explain.Flags().IntVarP(&last, "last", "n", last, "how many of the last events")
	explain.Flags().StringVar(&at, "at", "", "this manager instead of the TLM: a name, a NodeID or an address")
	c.AddCommand(
		explain,
		&cobra.Command{
			Use: "trigger", Short: "run a round now", Args: cobra.NoArgs,
			Long: "Has the TLM run a round now: collect, decide, act; and waits until it has.",
			RunE: func(c *cobra.Command, _ []string) error {
				return o.visitTop(c.Context(), func(cl *client, tlm station) error {
					d, err := cl.trigger(c.Context(), tlm)
					if err != nil {
						return err
					}
					return o.done(d)
				})
			},
		},
		pauseCommand(o, "pause", "stop planned moves; failures are answered all the same", true,
			"planned moves are paused; simonectl reconfig resume ends that"),
		pauseCommand(o, "resume", "let planned moves go on", false, "planned moves go on"),
		modeCommand(o),
		newPlanCommand(o),
		newRollbackCommand(o),
	)
	return c
}

func modeCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "mode automatic|fixed", Short: "let the policy change the tree, or not", Args: cobra.ExactArgs(1),
		Long: `automatic lets the policy change the tree; with fixed it changes only when a node
fails, joins or leaves, or an operator says so. It lasts over restarts, until the
TLM's configuration says something else.`,
		ValidArgs: []string{"automatic", "fixed"},
		RunE: func(c *cobra.Command, args []string) error {
			mode, known := map[string]mib.ReconfigMode{"automatic": mib.ReconfigAutomatic, "fixed": mib.ReconfigFixed}[args[0]]
			if !known {
				return usage("write automatic or fixed", "there is no mode %q", args[0])
			}
			return o.visitTop(c.Context(), func(cl *client, tlm station) error {
				if err := cl.set(c.Context(), tlm.endpoint, write{mib.SimoneReconfigMode, mib.Integer(int32(mode))}); err != nil {
					return err
				}
				return o.done(Done{Action: "mode", Text: "reconfiguration is " + args[0]})
			})
		},
	}
}

func pauseCommand(o *options, name, short string, paused bool, text string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.visitTop(c.Context(), func(cl *client, tlm station) error {
				if err := cl.set(c.Context(), tlm.endpoint, write{mib.SimoneReconfigPaused, mib.Truth(paused)}); err != nil {
					return err
				}
				return o.done(Done{Action: name, Text: text})
			})
		},
	}
}

// trigger has a round run, and waits for its end as long as for an answer.
func (c *client) trigger(ctx context.Context, tlm station) (Done, error) {
	rounds := func() (uint32, error) {
		g, err := c.group(ctx, tlm.endpoint, mib.SimoneReconfigRounds)
		return g.number(mib.SimoneReconfigRounds), err
	}
	before, err := rounds()
	if err != nil {
		return Done{}, err
	}
	if err := c.set(ctx, tlm.endpoint, write{mib.SimoneIlmTrigger, mib.Truth(true)}); err != nil {
		return Done{}, err
	}
	patience := time.NewTimer(c.timeout)
	defer patience.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		now, err := rounds()
		if err != nil {
			return Done{}, err
		}
		if now != before {
			return Done{Action: "trigger", Text: fmt.Sprintf("round %d is done; simonectl reconfig explain tells what it made of the tree", now)}, nil
		}
		select {
		case <-again.C:
		case <-patience.C:
			return Done{Action: "trigger", Text: "a round is asked for; it has not ended yet, as it waits for ILMs"}, nil
		case <-ctx.Done():
			return Done{}, failed("", "interrupted; the round was asked for")
		}
	}
}

// done shows what a writing command did.
func (o *options) done(d Done) error {
	return o.show(d, func(p *page) { p.linef("%s", d.Text) })
}

// wish is something that an operator asks of the TLM about one node.
type wish struct {
	name, short, long string
	object            mib.OID
	after             string // what holds then; %s is the node
}

// wishes lists them all; each is a command.
func wishes() []wish {
	return []wish{
		{
			"drain", "move all that a node manages to others, and nothing more to it",
			"Makes all that NODE manages go to others, and nothing more come to it, until\nit is undrained. It lasts over restarts and stands above every policy.",
			mib.SimoneReconfigDrain, "%s is drained: what it manages goes to others; simonectl undrain ends that",
		},
		{
			"undrain", "end what drain began", "Lets NODE have a support list again.",
			mib.SimoneReconfigUndrain, "%s may have a support list again",
		},
		{
			"pin", "keep a node with its present manager",
			"Keeps NODE with its present manager, whatever the policy says, until it is\nunpinned. It lasts over restarts.",
			mib.SimoneReconfigPin, "%s stays with its manager; simonectl unpin ends that",
		},
		{
			"unpin", "end what pin began", "Lets NODE move again.",
			mib.SimoneReconfigUnpin, "%s may move again",
		},
	}
}

func newWishCommand(o *options, w wish) *cobra.Command {
	wait, patience := false, 10*time.Minute
	c := &cobra.Command{
		Use: w.name + " NODE", Short: w.short, Args: cobra.ExactArgs(1),
		Long:              w.long + "\nNODE is a name, a NodeID or an address.",
		ValidArgsFunction: o.completeNodes,
		RunE: func(c *cobra.Command, args []string) error {
			if patience <= 0 {
				return usage("write it as --for 10m", "--for %v is no time to wait", patience)
			}
			return o.visitTop(c.Context(), func(cl *client, tlm station) error {
				n, _, err := cl.find(c.Context(), tlm, args[0])
				if err != nil {
					return err
				}
				if err := cl.set(c.Context(), tlm.endpoint, write{w.object, mib.Gauge(uint32(n.ID))}); err != nil {
					return err
				}
				text := w.after
				if wait {
					if err := o.awaitDrained(c.Context(), cl, tlm, &n, patience); err != nil {
						return err
					}
					text = "%s holds nothing any more: it may be stopped; simonectl undrain ends the drain"
				}
				return o.done(Done{Action: w.name, Node: n.ID, Name: n.Name, Text: fmt.Sprintf(text, who(n.ID, n.Name))})
			})
		},
	}
	if w.name == "drain" {
		c.Flags().BoolVar(&wait, "wait", false, "wait until it manages nothing and all that it has logged is stored: until it may be stopped")
		c.Flags().DurationVar(&patience, "for", patience, "how long to wait at most")
	}
	return c
}

func (p *page) explanation(x *Explanation) {
	p.linef("%s", p.settings(x.Settings))
	var counted []string
	for _, k := range counters() {
		if n := x.Counters[k.name]; n > 0 {
			counted = append(counted, fmt.Sprintf("%s %d", strings.ReplaceAll(k.name, "_", " "), n))
		}
	}
	line := fmt.Sprintf("%s, the last one %s", count(int(x.Rounds), "round"), ago(x.LastRound))
	if len(counted) > 0 {
		line += "; " + strings.Join(counted, ", ")
	}
	p.linef("%s", line)
	p.linef("")
	var rows [][]cell
	for _, r := range x.ILMs {
		rows = append(rows, []cell{
			{who(r.ID, r.Name), plain}, {number(r.Temperature), r.Heat.paint()}, {number(r.Weighted), plain},
			{string(r.Heat), r.Heat.paint()}, {unit(r.Utilisation, "%"), plain}, {strconv.Itoa(int(r.Nodes)), plain},
			{span(r.Age), plain}, {r.Verdict, plain},
		})
	}
	if len(rows) == 0 {
		p.linef("the last round saw no ILM")
	} else {
		p.table([]string{"ILM", ">TEMPERATURE", ">WEIGHTED", "HEAT", ">UTILISATION", ">NODES", ">AGE", "VERDICT"}, rows)
	}
	if len(x.Events) > 0 {
		p.linef("")
		p.events(x.Events)
	}
}
