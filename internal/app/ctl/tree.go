package ctl

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"simone/mib"
)

func newTreeCommand(o *options) *cobra.Command {
	watch, leaves, interval := false, true, 2*time.Second
	c := &cobra.Command{
		Use:   "tree",
		Short: "show the tree: TLM, ILMs with their temperatures, nodes",
		Long: `Shows the tree as text: the TLM, its ILMs with temperature, utilisation and
number of nodes that they answer for, ILMs below ILMs, and each one's nodes
with their state and round-trip time, below the ILM that polls them.
Cold ILMs are blue, hot ones yellow, those above the migrate threshold red.`,
		Example: "  simonectl tree --leaves=false\n  simonectl tree --watch --interval 1s",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if interval < 100*time.Millisecond {
				return usage("write --interval 100ms or more", "--interval %v is too short", interval)
			}
			return o.visitTop(c.Context(), func(cl *client, tlm station) error {
				if watch {
					return o.watchTree(c.Context(), cl, tlm, leaves, interval)
				}
				t, err := cl.tree(c.Context(), tlm)
				if err != nil {
					return err
				}
				return o.show(t, func(p *page) { p.tree(t, leaves) })
			})
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "W", false, "show it again and again, until Ctrl-C")
	c.Flags().DurationVar(&interval, "interval", interval, "how often, with --watch")
	c.Flags().BoolVar(&leaves, "leaves", true, "show each node; =false counts them, and shows only those that fail")
	return c
}

// watchTree draws the tree again and again, on a terminal in place. What does
// not answer for a while is shown as that.
func (o *options) watchTree(ctx context.Context, c *client, tlm station, leaves bool, interval time.Duration) error {
	_, _, inPlace := terminalSize(o.stdout)
	inPlace = inPlace && o.output == formatTable
	if inPlace {
		if err := o.print("\x1b[2J"); err != nil {
			return err
		}
	}
	next := time.NewTicker(interval)
	defer next.Stop()
	var last *Tree
	for first := true; ; first = false {
		t, err := c.tree(ctx, tlm)
		switch {
		case interrupted(ctx):
			return nil
		case err != nil && last == nil:
			return err
		case err == nil:
			last = t
		}
		switch {
		case inPlace:
			err = o.redraw(last, leaves, err)
		case err != nil:
			fmt.Fprintln(o.stderr, brief(err)) // the output is for trees
			err = nil
		default:
			err = o.stream(last, func(p *page) {
				if !first {
					p.linef("")
				}
				p.tree(last, leaves)
			})
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
	}
}

// redraw draws over what was drawn before, as much as the terminal has room
// for.
func (o *options) redraw(t *Tree, leaves bool, problem error) error {
	p := &page{color: o.colored()}
	p.linef("%s", p.dye(faint, time.Now().Format(time.TimeOnly)+"  Ctrl-C ends it"))
	if problem != nil {
		p.linef("%s", p.dye(red, brief(problem)+"; this is what was seen before"))
	}
	p.tree(t, leaves)
	_, height, _ := terminalSize(o.stdout)
	return o.print(frame(p.String(), height))
}

// frame makes text that overwrites a screen of so many lines from its top.
func frame(text string, height int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if height > 1 && len(lines) > height-1 {
		hidden := len(lines) - height + 2
		lines = append(lines[:height-2], fmt.Sprintf("... %d more lines; --leaves=false shows fewer", hidden))
	}
	// Home; each line to its end; what is left of the screen.
	return "\x1b[H" + strings.Join(lines, "\x1b[K\n") + "\x1b[K\n\x1b[J"
}

// tree adds the whole tree.
func (p *page) tree(t *Tree, leaves bool) {
	p.linef("%s", p.settings(t.Settings))
	p.branch(t.Root, "", "", leaves)
	for _, b := range t.Orphans {
		p.linef("%s", p.dye(red, fmt.Sprintf("without its manager %d:", b.Parent)))
		p.branch(b, "", "", leaves)
	}
}

// settings is one line about what the TLM decides by.
func (p *page) settings(s Settings) string {
	line := fmt.Sprintf("policy %s, %s, thresholds %s-%s-%s stu",
		s.Policy, s.Mode, number(s.Merge), number(s.Split), number(s.Migrate))
	if s.Weighted {
		line += ", weighted"
	}
	if s.Paused {
		line += p.dye(yellow, ", paused")
	}
	return line
}

// branch adds a manager and what is below it. lead stands before its line,
// indent before those below.
func (p *page) branch(b *Branch, lead, indent string, leaves bool) {
	p.linef("%s", lead+p.manager(b))
	type twig func(lead, indent string)
	var twigs []twig
	for _, below := range b.Branches {
		twigs = append(twigs, func(lead, indent string) { p.branch(below, lead, indent, leaves) })
	}
	hidden := 0
	for _, s := range b.Leaves {
		if !leaves && s.Status != mib.PollFailing.String() {
			hidden++
			continue
		}
		twigs = append(twigs, func(lead, _ string) { p.linef("%s", lead+p.leaf(s)) })
	}
	if hidden > 0 {
		twigs = append(twigs, func(lead, _ string) { p.linef("%s", lead+p.dye(faint, count(hidden, "node")+" not failing")) })
	}
	if b.Problem != "" {
		twigs = append(twigs, func(lead, _ string) { p.linef("%s", lead+p.dye(red, b.Problem)) })
	}
	for i, t := range twigs {
		if i < len(twigs)-1 {
			t(indent+"├─ ", indent+"│  ")
		} else {
			t(indent+"└─ ", indent+"   ")
		}
	}
}

func (p *page) manager(b *Branch) string {
	parts := []string{p.dye(bold, who(b.ID, b.Name)), b.Address}
	if b.Status != mib.IlmUp.String() {
		parts = append(parts, p.dye(statusPaint(b.Status), b.Status))
	}
	if b.Drained {
		parts = append(parts, p.dye(yellow, "drained"))
	}
	// A TLM that polls only ILMs has no telling temperature, an ILM that the
	// TLM does not list and that does not answer has none.
	if b.Temperature != nil && (b.Level > 0 || len(b.Leaves) > 0) {
		parts = append(parts, p.dye(b.Heat.paint(), strings.TrimSpace("T "+number(b.Temperature)+" "+string(b.Heat))))
		parts = append(parts, "util "+unit(b.Utilisation, "%"))
	}
	if b.Level == 0 && len(b.Branches) > 0 {
		ilms, leaves := b.below()
		parts = append(parts, count(ilms, "ILM"), count(leaves, "other node"))
	} else {
		parts = append(parts, count(int(b.Nodes), "node"))
	}
	if b.RTT != nil {
		parts = append(parts, "rtt "+unit(b.RTT, "ms"))
	}
	return strings.Join(parts, "  ")
}

func (p *page) leaf(s Support) string {
	parts := []string{who(s.ID, s.Name), p.dye(statusPaint(s.Status), s.Status)}
	if s.Kind == mib.KindDevice.String() {
		parts = append(parts, s.Kind)
	}
	switch {
	case s.Status == mib.PollFailing.String() && s.LastPoll != nil:
		parts = append(parts, "last answer "+span(s.LastPoll)+" ago")
	case s.Status == mib.PollFailing.String():
		parts = append(parts, "never answered", s.Address)
	case s.RTT != nil:
		parts = append(parts, unit(s.RTT, "ms"))
	}
	return strings.Join(parts, "  ")
}

// below counts the managers and the other nodes of a whole subtree, as far as
// lists could be read. A node that is moving stands in two lists.
func (b *Branch) below() (managers, leaves int) {
	seen := make(map[mib.NodeID]bool)
	var visit func(*Branch)
	visit = func(b *Branch) {
		for _, s := range b.Leaves {
			seen[s.ID] = true
		}
		for _, x := range b.Branches {
			managers++
			visit(x)
		}
	}
	visit(b)
	return managers, len(seen)
}
