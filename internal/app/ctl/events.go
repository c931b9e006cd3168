package ctl

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newEventsCommand(o *options) *cobra.Command {
	follow, last, interval, at := false, 20, time.Second, ""
	c := &cobra.Command{
		Use:   "events",
		Short: "show what the managers of the tree did and why",
		Long: `Shows the last events of the whole tree, the oldest first, each with the manager
that writes of it: transformations, failures, nodes that came and went, what
operators asked for. The TLM and the ILMs of all levels are asked, the uppermost
` + fmt.Sprint(maxSources) + ` of them; times are by each one's own clock, and each keeps its last events
only. --at NODE asks one. With --follow it goes on with new ones until Ctrl-C;
-o json then gives one object a line.`,
		Example: "  simonectl events -n 50\n  simonectl events --at n2 --follow",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if last < 0 {
				return usage("write -n 0 or more", "-n %d", last)
			}
			if interval < 100*time.Millisecond {
				return usage("write --interval 100ms or more", "--interval %v is too short", interval)
			}
			return o.visitTop(c.Context(), func(cl *client, tlm station) error {
				r := &chronicle{client: cl, tlm: tlm, at: at, names: &namer{c: cl, tlm: tlm}, complain: func(text string) { fmt.Fprintln(o.stderr, text) }}
				if err := r.find(c.Context()); err != nil {
					return err
				}
				if follow {
					return o.follow(c.Context(), r, last, interval)
				}
				events, err := r.last(c.Context(), last)
				if err != nil {
					return err
				}
				return o.show(events, func(p *page) { p.events(events) })
			})
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new events, until Ctrl-C")
	c.Flags().IntVarP(&last, "last", "n", last, "how many of the last events")
	c.Flags().DurationVar(&interval, "interval", interval, "how often to look for new ones, with --follow")
	c.Flags().StringVar(&at, "at", "", "of this manager alone: a name, a NodeID or an address")
	if err := c.RegisterFlagCompletionFunc("at", o.completeNodes); err != nil {
		panic(err) // the flag is defined above
	}
	return c
}

// follow shows events as they come. A manager that is away for a while, as in
// a restart, is waited for: its events are numbered on.
func (o *options) follow(ctx context.Context, r *chronicle, last int, interval time.Duration) error {
	events, err := r.last(ctx, last)
	if err != nil {
		return err
	}
	next := time.NewTicker(interval)
	defer next.Stop()
	for {
		for _, e := range events {
			if err := o.stream(e, func(p *page) { p.event(e) }); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		if events = r.more(ctx); interrupted(ctx) {
			return nil
		}
	}
}

func (p *page) events(events []Event) {
	for _, e := range events {
		p.event(e)
	}
}

// event adds an event as a line, with what led to it.
func (p *page) event(e Event) {
	line := fmt.Sprintf("%5d  %s  %-12s %s", e.Sequence, e.Time.Local().Format(time.DateTime), who(e.Manager, e.ManagerName),
		p.dye(eventPaint(e.Kind), fmt.Sprintf("%-9s", e.Kind)))
	var about []string
	if e.Node != 0 {
		about = append(about, who(e.Node, e.NodeName))
	}
	if e.Nodes > 1 || e.Nodes == 1 && e.Node == 0 {
		about = append(about, count(int(e.Nodes), "node"))
	}
	if len(about) > 0 {
		line += " " + strings.Join(about, ", ")
	}
	if e.From != 0 {
		line += " from " + who(e.From, e.FromName)
	}
	if e.To != 0 {
		line += " to " + who(e.To, e.ToName)
	}
	p.linef("%s", line)
	told := len(about) > 0 || e.From != 0 || e.To != 0
	for _, why := range []struct{ name, text string }{{"seen", e.Seen}, {"expected", e.Expected}, {"outcome", e.Outcome}} {
		if why.text != "" {
			told = true
			p.linef("       %-9s %s", why.name+":", why.text)
		}
	}
	if !told && e.Text != "" && e.Text != e.Kind {
		p.linef("       %s", e.Text)
	}
}

func eventPaint(kind string) paint {
	switch kind {
	case "lost", "failover", "suspect", "abort":
		return red
	case "split", "migrate", "merge", "fork", "join":
		return yellow
	case "back", "joined", "restore":
		return green
	}
	return cyan
}
