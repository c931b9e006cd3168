package ctl

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"simone/mib"
)

func newNodeCommand(o *options) *cobra.Command {
	c := group(&cobra.Command{Use: "node", Short: "list the nodes, or show one"})
	c.AddCommand(
		&cobra.Command{
			Use: "ls", Aliases: []string{"list"}, Short: "list all nodes with their managers", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				return o.visitTop(c.Context(), func(cl *client, tlm station) error {
					nodes, err := cl.nodes(c.Context(), tlm.endpoint)
					if err != nil {
						return err
					}
					return o.show(nodes, func(p *page) { p.nodes(nodes) })
				})
			},
		},
		&cobra.Command{
			Use: "show NODE", Short: "show all that is known of a node", Args: cobra.ExactArgs(1),
			Long:              "Shows what the TLM, the node's manager and the node itself say of it.\nNODE is a name, a NodeID or an address.",
			ValidArgsFunction: o.completeNodes,
			RunE: func(c *cobra.Command, args []string) error {
				return o.visitTop(c.Context(), func(cl *client, tlm station) error {
					d, err := cl.detail(c.Context(), tlm, args[0])
					if err != nil {
						return err
					}
					return o.show(d, func(p *page) { p.detail(d) })
				})
			},
		})
	return c
}

func newILMCommand(o *options) *cobra.Command {
	c := group(&cobra.Command{Use: "ilm", Short: "list the managers"})
	c.AddCommand(&cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "list the TLM and the ILMs with their temperatures", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.visitTop(c.Context(), func(cl *client, tlm station) error {
				s, err := cl.settings(c.Context(), tlm.endpoint)
				if err != nil {
					return err
				}
				managers, err := cl.managers(c.Context(), tlm.endpoint, s)
				if err != nil {
					return err
				}
				return o.show(managers, func(p *page) { p.managers(managers) })
			})
		},
	})
	return c
}

// detail reads all that is known of a node.
func (c *client) detail(ctx context.Context, tlm station, what string) (*NodeDetail, error) {
	n, nodes, err := c.find(ctx, tlm, what)
	if err != nil {
		return nil, err
	}
	d := &NodeDetail{Node: n, Notes: []string{}}
	settings, err := c.settings(ctx, tlm.endpoint)
	if err != nil {
		return nil, err
	}
	managers, err := c.managers(ctx, tlm.endpoint, settings)
	if err != nil {
		return nil, err
	}
	for _, m := range managers {
		if m.ID == n.ID {
			d.Manager = &m
		}
	}
	note := func(err error) { d.Notes = append(d.Notes, brief(err)) }

	owner, owned := nodeByID(nodes, n.Owner)
	if n.Owner == tlm.id {
		owner.Address, owned = tlm.text, true
	}
	if owned {
		at, err := resolve(ctx, owner.Address)
		if err == nil {
			d.Support, err = c.supported(ctx, at, n.ID)
		}
		switch {
		case err != nil:
			note(err)
		case d.Support == nil:
			note(fmt.Errorf("its manager %s has no row for it now", who(n.Owner, n.OwnerName)))
		}
	}
	if n.Kind != mib.KindDevice.String() {
		at, err := tlm.endpoint, error(nil)
		if n.ID != tlm.id {
			at, err = resolve(ctx, n.Address)
		}
		var self *Self
		if err == nil {
			self, err = c.self(ctx, at)
		}
		if err != nil {
			note(err)
		}
		d.Self = self
	}
	return d, nil
}

// self reads what a node says of itself.
func (c *client) self(ctx context.Context, at endpoint) (*Self, error) {
	g, err := c.group(ctx, at, mib.SimoneNodeName, mib.SimoneNodeId, mib.SimoneNodeUuid, mib.SimoneNodeRole,
		mib.SimoneNodeLevel, mib.SimoneNodeParent, mib.SimoneNodeParentId, mib.SimoneNodePath,
		mib.SimoneNodeCapabilities, mib.SimoneNodeSoftware, mib.SimoneNodeStartTime, mib.SimoneNodeMetricPeriod)
	if err != nil {
		return nil, err
	}
	if _, ok := g.value(mib.SimoneNodeRole); !ok {
		return nil, failed("", "%v answers, but not as a SIMONE node", at)
	}
	return &Self{
		Name: g.text(mib.SimoneNodeName), ID: g.node(mib.SimoneNodeId), UUID: g.text(mib.SimoneNodeUuid),
		Role: g.label(mib.SimoneNodeRole), Level: g.number(mib.SimoneNodeLevel), Parent: g.text(mib.SimoneNodeParent),
		ParentID: g.node(mib.SimoneNodeParentId), Path: g.text(mib.SimoneNodePath),
		Capabilities: g.text(mib.SimoneNodeCapabilities), Software: g.text(mib.SimoneNodeSoftware),
		Started: g.time(mib.SimoneNodeStartTime), MetricPeriod: g.seconds(mib.SimoneNodeMetricPeriod),
	}, nil
}

// completeNodes completes names of nodes, as far as the tree answers.
func (o *options) completeNodes(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	o.timeout, o.retries = min(o.timeout, time.Second), 0 // somebody waits with a finger on the key
	var names []string
	err := o.visitTop(c.Context(), func(cl *client, tlm station) error {
		nodes, err := cl.nodes(c.Context(), tlm.endpoint)
		for _, n := range nodes {
			if n.Name != "" {
				names = append(names, n.Name+"\t"+n.Kind+" "+n.ID.String()+" at "+n.Address)
			}
		}
		return err
	})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError | cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (p *page) nodes(nodes []Node) {
	var rows [][]cell
	for _, n := range nodes {
		rows = append(rows, []cell{
			{id(n.ID), plain}, {n.Name, plain}, {n.Kind, plain}, {n.Address, plain}, {n.Zone, plain},
			{who(n.Owner, n.OwnerName), plain}, {n.Status, statusPaint(n.Status)}, {span(n.LastSample), plain},
			{flags("drained", n.Drained, "pinned", n.Pinned, "candidate", n.Candidate), plain},
		})
	}
	p.table([]string{">ID", "NAME", "KIND", "ADDRESS", "ZONE", "MANAGER", "STATUS", ">SAMPLE AGE", "FLAGS"}, rows)
}

func (p *page) managers(managers []Manager) {
	var rows [][]cell
	for _, m := range managers {
		rows = append(rows, []cell{
			{id(m.ID), plain}, {m.Name, plain}, {m.Address, plain}, {strconv.Itoa(int(m.Level)), plain}, {id(m.Parent), plain},
			{m.Status, statusPaint(m.Status)}, {number(m.Temperature), m.Heat.paint()}, {number(m.Weighted), plain},
			{string(m.Heat), m.Heat.paint()}, {unit(m.Latency, "ms"), plain}, {unit(m.Intrusion, "%"), plain},
			{unit(m.Utilisation, "%"), plain}, {strconv.Itoa(int(m.Nodes)), plain}, {flags("drained", m.Drained), plain},
		})
	}
	p.table([]string{">ID", "NAME", "ADDRESS", ">LEVEL", ">PARENT", "STATUS", ">TEMPERATURE", ">WEIGHTED", "HEAT",
		">LATENCY", ">INTRUSION", ">UTILISATION", ">NODES", "FLAGS"}, rows)
}

func (p *page) detail(d *NodeDetail) {
	at := func(name, value string) field { return field{name, cell{value, plain}} }
	p.fields(who(d.ID, d.Name), []field{
		at("kind", d.Kind), at("address", d.Address), at("zone", d.Zone), at("manager", who(d.Owner, d.OwnerName)),
		{"status", cell{d.Status, statusPaint(d.Status)}}, at("last sample", ago(d.LastSample)), at("epoch", d.Epoch),
		at("flags", flags("drained", d.Drained, "pinned", d.Pinned, "candidate", d.Candidate)),
	})
	if s := d.Support; s != nil {
		p.fields("as its manager sees it", []field{
			{"status", cell{s.Status, statusPaint(s.Status)}}, at("profile", s.Profile), at("credential", s.Credential),
			at("interval", span(s.Interval)), at("last poll", ago(s.LastPoll)), at("round trip", unit(s.RTT, "ms")),
			at("jitter", unit(s.Jitter, "ms")), at("loss", unit(s.Loss, "%")), at("CPU cost", unit(s.Cost, "ms")),
			at("run queue", number(s.Load)), at("samples", strconv.Itoa(int(s.Samples))),
			at("failures", strconv.Itoa(int(s.Failures))), at("next slot", strconv.Itoa(int(s.Slot))), at("epoch", s.Epoch),
		})
	}
	if m := d.Manager; m != nil {
		p.fields("as a manager", []field{
			{"status", cell{m.Status, statusPaint(m.Status)}},
			{"temperature", cell{unit(m.Temperature, " stu"), m.Heat.paint()}}, at("weighted", unit(m.Weighted, " stu")),
			{"heat", cell{string(m.Heat), m.Heat.paint()}}, at("latency", unit(m.Latency, "ms")),
			at("intrusion", unit(m.Intrusion, "%")), at("utilisation", unit(m.Utilisation, "%")),
			at("nodes", strconv.Itoa(int(m.Nodes))), at("level", strconv.Itoa(int(m.Level))), at("parent", id(m.Parent)),
		})
	}
	if s := d.Self; s != nil {
		started := ""
		if !s.Started.IsZero() {
			started = s.Started.Format(time.DateTime)
		}
		p.fields("as it says itself", []field{
			at("name", s.Name), at("id", id(s.ID)), at("role", s.Role), at("level", strconv.Itoa(int(s.Level))),
			at("path", s.Path), at("manager at", s.Parent), at("uuid", s.UUID), at("software", s.Software),
			at("capabilities", s.Capabilities), at("started", started), at("metric period", span(s.MetricPeriod)),
		})
	}
	for _, n := range d.Notes {
		p.linef("%s", p.dye(yellow, "note: "+n))
	}
}

// ago shows an age as a time ago; never for none.
func ago(seconds *float64) string {
	if seconds == nil {
		return "never"
	}
	return span(seconds) + " ago"
}
