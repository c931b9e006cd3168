package ctl

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"simone/internal/trace"
	"simone/mib"
	"simone/reconfig"
)

// Rollback is what it takes to return to an earlier assignment.
type Rollback struct {
	At    string       `json:"at"` // of the assignment
	Moves []MoveBack   `json:"moves"`
	Stop  []mib.NodeID `json:"ilms_to_stop"` // that were leaves then
	Start []mib.NodeID `json:"ilms_to_start"`
	Left  []LeftAlone  `json:"left"` // nodes that do not go back
	Same  int          `json:"nodes_in_place"`
	Mode  string       `json:"mode"` // of reconfiguration, afterwards
	Done  bool         `json:"done"` // false: it was only looked at
	Text  string       `json:"text"`
}

// MoveBack is one node's way back.
type MoveBack struct {
	ID   mib.NodeID `json:"id"`
	Name string     `json:"name"`
	From mib.NodeID `json:"from_id"`
	To   mib.NodeID `json:"to_id"`
}

// LeftAlone is a node that stays where it is, and why.
type LeftAlone struct {
	ID   mib.NodeID `json:"id"`
	Name string     `json:"name"`
	Why  string     `json:"why"`
}

func newRollbackCommand(o *options) *cobra.Command {
	state, to := "", ""
	dry, wait, automatic, patience := false, false, false, 10*time.Minute
	c := &cobra.Command{
		Use: "rollback --to WHEN --state DIR", Short: "return to an earlier assignment, by planned moves", Args: cobra.NoArgs,
		Long: `Gives each node back to the manager that had it at a time of the past, by planned
moves, which lose no sample; ILMs that were leaves then become leaves again. What
the tree was like is read from the TLM's record (trace, in its state directory on
this machine). Reconfiguration is set to fixed, so that the policy does not undo it,
unless --automatic is given. Nodes that are new stay where they are.
WHEN is how long ago, as 10m, or a time, as 2026-03-01T12:30:00Z.`,
		Example: "  simonectl reconfig rollback --state /var/lib/simone/tlm --to 30m --dry-run\n  simonectl reconfig rollback --state /var/lib/simone/tlm --to 30m --wait",
		RunE: func(c *cobra.Command, _ []string) error {
			if patience <= 0 {
				return usage("write it as --for 10m", "--for %v is no time to wait", patience)
			}
			at, err := moment(to, time.Now())
			if err != nil {
				return err
			}
			was, err := assignmentAt(state, at)
			if err != nil {
				return err
			}
			return o.visitTop(c.Context(), func(cl *client, tlm station) error {
				nodes, err := cl.nodes(c.Context(), tlm.endpoint)
				if err != nil {
					return err
				}
				settings, err := cl.settings(c.Context(), tlm.endpoint)
				if err != nil {
					return err
				}
				managers, err := cl.managers(c.Context(), tlm.endpoint, settings)
				if err != nil {
					return err
				}
				r, places := back(was, nodes, managers)
				r.Mode = settings.Mode
				if !dry {
					if !automatic && len(places) > 0 && settings.Mode != "fixed" {
						if err := cl.set(c.Context(), tlm.endpoint, write{mib.SimoneReconfigMode, mib.Integer(int32(mib.ReconfigFixed))}); err != nil {
							return err
						}
						r.Mode = "fixed"
					}
					if err := cl.place(c.Context(), tlm, places); err != nil {
						return err
					}
					if wait {
						if err := o.awaitPlaced(c.Context(), cl, tlm, places, patience); err != nil {
							return err
						}
					}
					r.Done = true
				}
				r.Text = r.sentence(wait)
				return o.show(r, func(p *page) { p.rollback(r) })
			})
		},
	}
	c.Flags().StringVar(&to, "to", "", "`WHEN` the tree was as it should be: 10m ago, or a time")
	c.Flags().StringVar(&state, "state", "", "state `DIR` of the TLM, as in its configuration")
	_ = c.MarkFlagRequired("to")
	_ = c.MarkFlagRequired("state")
	c.Flags().BoolVar(&dry, "dry-run", false, "show what would be done, and do nothing")
	c.Flags().BoolVar(&automatic, "automatic", false, "leave reconfiguration as it is: the policy may move nodes again")
	c.Flags().BoolVar(&wait, "wait", false, "wait until all are there")
	c.Flags().DurationVar(&patience, "for", patience, "how long to wait at most")
	return c
}

// moment reads a time of the past.
func moment(text string, now time.Time) (time.Time, error) {
	const how = "write how long ago, as 10m, or a time, as 2026-03-01T12:30:00Z"
	if d, err := time.ParseDuration(text); err == nil {
		if d <= 0 {
			return time.Time{}, usage(how, "%q is not in the past", text)
		}
		return now.Add(-d), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return time.Time{}, usage(how, "%q is no time", text)
	case at.After(now):
		return time.Time{}, usage(how, "%q is not in the past", text)
	}
	return at, nil
}

// assignmentAt reads the TLM's record.
func assignmentAt(state string, at time.Time) (trace.Assignment, error) {
	t, err := readTrace(state, at)
	if err != nil {
		return trace.Assignment{}, err
	}
	a, err := t.AssignmentAt(at)
	if err != nil {
		return a, failed("name a later time", "%w", err)
	}
	return a, nil
}

// readTrace reads what a TLM of this machine has recorded since a time.
func readTrace(state string, since time.Time) (*trace.Trace, error) {
	t, err := trace.Read(filepath.Join(state, "trace"), since)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usage("write --state and what state is in the TLM's configuration (var/NAME if it is left out), on the TLM's machine; trace.keep: 0s there records nothing",
			"there is no record in %s", state)
	case errors.Is(err, fs.ErrPermission):
		return nil, failed("run this as the TLM's user, or as root", "%w", err)
	case errors.Is(err, trace.ErrEmpty):
		return nil, failed("the TLM records each round, unless trace.keep is 0s in its configuration", "%w", err)
	case err != nil:
		return nil, failed("", "%w", err)
	}
	return t, nil
}

// back compares how it was with how it is.
func back(was trace.Assignment, nodes []Node, managers []Manager) (*Rollback, []reconfig.Place) {
	r := &Rollback{At: was.At.Format(time.RFC3339), Moves: []MoveBack{}, Stop: []mib.NodeID{}, Start: []mib.NodeID{}, Left: []LeftAlone{}}
	byID := make(map[mib.NodeID]Node, len(nodes))
	for _, n := range nodes {
		byID[n.ID] = n
	}
	manages := make(map[mib.NodeID]bool)
	top := mib.NodeID(0)
	var places []reconfig.Place
	for _, m := range managers {
		switch m.Level {
		case 0:
			top = m.ID
		case 1:
			manages[m.ID] = true
			if _, known := was.Owners[m.ID]; known && !slices.Contains(was.ILMs, m.ID) {
				r.Stop = append(r.Stop, m.ID)
				places = append(places, reconfig.Place{Node: m.ID})
			}
		}
	}
	for _, n := range nodes {
		to, known := was.Owners[n.ID]
		host, there := byID[to]
		left := func(why string, args ...any) {
			r.Left = append(r.Left, LeftAlone{n.ID, n.Name, fmt.Sprintf(why, args...)})
		}
		switch {
		case n.ID == top || manages[n.ID] && !slices.Contains(r.Stop, n.ID):
		case !known:
			left("it was not in the tree then")
		case n.Owner == to:
			r.Same++
		case n.Pinned:
			left("it is pinned to %s", who(n.Owner, n.OwnerName))
		case to == 0 || to == top:
			left("it was with no ILM then")
		case !there:
			left("node %d, which had it then, is gone", to)
		case !manages[to] && !host.Candidate:
			left("%s, which had it then, may not become an ILM any more", who(to, host.Name))
		default:
			if !manages[to] && !slices.Contains(r.Start, to) {
				r.Start = append(r.Start, to)
			}
			r.Moves = append(r.Moves, MoveBack{n.ID, n.Name, n.Owner, to})
			places = append(places, reconfig.Place{Node: n.ID, At: to})
		}
	}
	return r, places
}

func (r *Rollback) sentence(waited bool) string {
	text := fmt.Sprintf("the tree of %s: %s", r.At, count(len(r.Moves), "node"))
	switch {
	case len(r.Moves)+len(r.Stop) == 0:
		return fmt.Sprintf("the tree is as it was at %s", r.At)
	case !r.Done:
		text += " to move back"
	case waited:
		text += " moved back"
	default:
		text += " on the way back; simonectl events tells how it goes"
	}
	if r.Done && r.Mode == "fixed" {
		text += "; reconfiguration is fixed: simonectl reconfig mode automatic lets the policy go on"
	}
	return text
}

func (p *page) rollback(r *Rollback) {
	p.linef("%s", r.Text)
	var rows [][]cell
	for _, m := range r.Moves {
		rows = append(rows, []cell{{who(m.ID, m.Name), plain}, {m.From.String(), plain}, {m.To.String(), plain}})
	}
	if len(rows) > 0 && !r.Done {
		p.linef("")
		p.table([]string{"NODE", ">FROM", ">TO"}, rows)
	}
	for _, id := range r.Start {
		p.linef("node %d becomes an ILM", id)
	}
	for _, id := range r.Stop {
		p.linef("ILM %d becomes a leaf", id)
	}
	for _, l := range r.Left {
		p.linef("%s stays: %s", who(l.ID, l.Name), l.Why)
	}
}
