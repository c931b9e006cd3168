package ctl

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"simone/mib"
)

// Slow is a node as it is to poll, and Slowness what is told of all.
type Slow struct {
	ID          mib.NodeID `json:"id"`
	Name        string     `json:"name"`
	Kind        string     `json:"kind"`
	Address     string     `json:"address"`
	Profile     string     `json:"profile"`
	Manager     mib.NodeID `json:"manager_id"`
	ManagerName string     `json:"manager"`
	Status      string     `json:"status"`
	Wait        *float64   `json:"wait_milliseconds"` // for a poll to end, in the mean
	RTT         *float64   `json:"rtt_milliseconds"`
	Jitter      *float64   `json:"jitter_milliseconds"`
	Loss        *float64   `json:"loss_percent"` // of polls without an answer
	Failures    uint32     `json:"failures"`     // polls without an answer
	Cost        *float64   `json:"cost_milliseconds"`
	CPU         *float64   `json:"cpu_percent"`  // that its polls take of one processor
	Share       *float64   `json:"cost_percent"` // of what all polls of its manager cost
	Why         []string   `json:"why"`          // what is wrong with it; empty if nothing
}

// Punctuality is how well a manager keeps up with its polls.
type Punctuality struct {
	ID        mib.NodeID `json:"id"`
	Name      string     `json:"name"`
	Nodes     int        `json:"nodes"`                 // that it polls itself
	LateMean  *float64   `json:"late_milliseconds"`     // polls against their ticks, in the last trigger window
	LateP99   *float64   `json:"late_p99_milliseconds"` // null: it does not tell
	Cost      float64    `json:"cpu_percent"`           // of one processor, by its nodes' costs
	ShedShare *float64   `json:"shed_percent"`          // of its polls that it leaves out now
	Shed      [3]uint32  `json:"shed_polls"`            // left out so far: of high, normal and low priority
	Problem   string     `json:"problem"`               // why it could not be read; empty if it could
}

// Slowness is what slow shows.
type Slowness struct {
	Nodes    []Slow        `json:"nodes"`
	All      int           `json:"nodes_in_all"`
	Managers []Punctuality `json:"managers"`
}

// slowOrders are what nodes can be put in order by, the worst first.
func slowOrders() map[string]func(*Slow) *float64 {
	return map[string]func(*Slow) *float64{
		"wait": func(s *Slow) *float64 { return s.Wait },
		"rtt":  func(s *Slow) *float64 { return s.RTT }, "jitter": func(s *Slow) *float64 { return s.Jitter },
		"loss": func(s *Slow) *float64 { return s.Loss }, "cost": func(s *Slow) *float64 { return s.CPU },
		"failures": func(s *Slow) *float64 { f := float64(s.Failures); return &f },
	}
}

func newSlowCommand(o *options) *cobra.Command {
	last, by := 20, "wait"
	c := &cobra.Command{
		Use:   "slow",
		Short: "name the slowest and sickest nodes, and what they cost",
		Long: `Reads the support lists of all managers and names the nodes that are the worst
to poll: how long a poll of them takes in the mean, round trips and attempts that
time out together (--by wait), or what they cost their manager's processor
(--by cost). What is wrong with each is said: it fails, it loses polls, it is slow
or unsteady against the others, it costs more than they do. Below it is said how
late each manager's polls leave, and how many it leaves out for lack of time.`,
		Example: "  simonectl slow\n  simonectl slow --by cost -n 5 -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			order, ok := slowOrders()[by]
			if !ok {
				return usage("write wait, rtt, jitter, loss, failures or cost", "--by %q is no order", by)
			}
			if last < 0 {
				return usage("write -n 0 for all, or more", "-n %d", last)
			}
			return o.visitTop(c.Context(), func(cl *client, tlm station) error {
				t, err := cl.tree(c.Context(), tlm)
				if err != nil {
					return err
				}
				s := slowness(t)
				cl.punctuality(c.Context(), tlm, t, s)
				worst(s.Nodes, order)
				if last > 0 && last < len(s.Nodes) {
					s.Nodes = s.Nodes[:last]
				}
				return o.show(s, func(p *page) { p.slow(s) })
			})
		},
	}
	c.Flags().IntVarP(&last, "last", "n", last, "how many nodes; 0: all")
	c.Flags().StringVar(&by, "by", by, "the worst by this: wait, rtt, jitter, loss, failures, cost")
	return c
}

// managersOf lists all managers of a tree.
func managersOf(t *Tree) (all []*Branch) {
	var add func(b *Branch)
	add = func(b *Branch) {
		all = append(all, b)
		for _, below := range b.Branches {
			add(below)
		}
	}
	add(t.Root)
	for _, b := range t.Orphans {
		add(b)
	}
	return all
}

// How much worse than the usual is too much.
const (
	lossyPercent = 1
	slowTimes    = 4  // the median round trip
	slowMillis   = 10 // and at least
	costlyTimes  = 4  // the median cost
)

// slowness judges all nodes of a tree.
func slowness(t *Tree) *Slowness {
	s := &Slowness{Nodes: []Slow{}, Managers: []Punctuality{}}
	for _, b := range managersOf(t) {
		m := Punctuality{ID: b.ID, Name: b.Name, Nodes: len(b.Leaves), Problem: b.Problem}
		from := len(s.Nodes)
		for i := range b.Leaves {
			n := slowOf(&b.Leaves[i], &b.Manager)
			s.Nodes = append(s.Nodes, n)
			if n.CPU != nil {
				m.Cost += *n.CPU
			}
		}
		for i := range s.Nodes[from:] {
			if n := &s.Nodes[from+i]; n.CPU != nil && m.Cost > 0 {
				share := 100 * *n.CPU / m.Cost
				n.Share = &share
			}
		}
		s.Managers = append(s.Managers, m)
	}
	s.All = len(s.Nodes)
	rtt, cost := medianOf(s.Nodes, func(n *Slow) *float64 { return n.RTT }), medianOf(s.Nodes, func(n *Slow) *float64 { return n.Cost })
	for i := range s.Nodes {
		s.Nodes[i].judge(rtt, cost)
	}
	return s
}

// pollAttempts and maxPollTimeout are those of managers: a poll that nobody
// answers ends after as many time-outs, of at most a quarter of the interval.
const (
	pollAttempts   = 3
	maxPollTimeout = 1000.0 // milliseconds
)

func slowOf(r *Support, m *Manager) Slow {
	s := Slow{
		ID: r.ID, Name: r.Name, Kind: r.Kind, Address: r.Address, Profile: r.Profile, Manager: m.ID, ManagerName: m.Name, Status: r.Status,
		RTT: r.RTT, Jitter: r.Jitter, Loss: r.Loss, Failures: r.Failures, Why: []string{},
	}
	if r.LastPoll != nil {
		s.Cost = r.Cost
	}
	timeout := maxPollTimeout
	if r.Interval != nil && *r.Interval > 0 {
		timeout = min(timeout, *r.Interval*1000/4)
		if s.Cost != nil {
			cpu := 100 * *s.Cost / (*r.Interval * 1000)
			s.CPU = &cpu
		}
	}
	lost := 0.0
	if r.Loss != nil {
		lost = *r.Loss / 100
	}
	switch {
	case r.Status == mib.PollFailing.String():
		wait := pollAttempts * timeout
		s.Wait = &wait
	case r.RTT != nil:
		wait := (1-lost)**r.RTT + lost*pollAttempts*timeout
		s.Wait = &wait
	}
	return s
}

// judge says what is wrong with a node, given the usual round trip time and
// cost.
func (s *Slow) judge(rtt, cost float64) {
	if s.Status == mib.PollFailing.String() {
		s.Why = append(s.Why, "does not answer")
	} else if s.Loss != nil && *s.Loss >= lossyPercent {
		s.Why = append(s.Why, "loses polls")
	}
	if s.RTT != nil && *s.RTT >= slowMillis && *s.RTT > slowTimes*rtt {
		s.Why = append(s.Why, "slow")
	}
	if s.Jitter != nil && s.RTT != nil && *s.Jitter >= slowMillis && *s.Jitter > *s.RTT/2 {
		s.Why = append(s.Why, "unsteady")
	}
	if s.Cost != nil && *s.Cost > costlyTimes*cost {
		s.Why = append(s.Why, "costly")
	}
}

func medianOf(nodes []Slow, of func(*Slow) *float64) float64 {
	var all []float64
	for i := range nodes {
		if f := of(&nodes[i]); f != nil {
			all = append(all, *f)
		}
	}
	if len(all) == 0 {
		return math.Inf(1) // nothing is worse
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// worst puts nodes in order, the worst first; what is not known is last.
func worst(nodes []Slow, by func(*Slow) *float64) {
	slices.SortStableFunc(nodes, func(a, b Slow) int {
		x, y := by(&a), by(&b)
		switch {
		case x == nil && y == nil:
			return 0
		case x == nil:
			return 1
		case y == nil:
			return -1
		}
		return cmp.Compare(*y, *x)
	})
}

// punctuality asks the managers how they keep up.
func (c *client) punctuality(ctx context.Context, tlm station, t *Tree, s *Slowness) {
	all := managersOf(t)
	asked := make([]int, len(all))
	for i := range asked {
		asked[i] = i
	}
	each(asked, func(i int) {
		b, m := all[i], &s.Managers[i]
		if b.Problem != "" {
			return
		}
		at, err := tlm.endpoint, error(nil)
		if b.ID != tlm.id {
			at, err = resolve(ctx, b.Address)
		}
		var g cells
		if err == nil {
			g, err = c.group(ctx, at, mib.SimoneIlmLatenessMean, mib.SimoneIlmLatenessP99, mib.SimoneIlmShedShare,
				mib.SimoneIlmShedHigh, mib.SimoneIlmShedNormal, mib.SimoneIlmShedLow)
		}
		if err != nil {
			m.Problem = brief(err)
			return
		}
		m.LateMean, m.LateP99, m.ShedShare = g.millis(mib.SimoneIlmLatenessMean), g.millis(mib.SimoneIlmLatenessP99), g.hundredths(mib.SimoneIlmShedShare)
		m.Shed = [3]uint32{g.number(mib.SimoneIlmShedHigh), g.number(mib.SimoneIlmShedNormal), g.number(mib.SimoneIlmShedLow)}
	})
}

// slow adds the nodes that are the worst, and how their managers keep up.
func (p *page) slow(s *Slowness) {
	var rows [][]cell
	for i := range s.Nodes {
		n := &s.Nodes[i]
		paint := plain
		if len(n.Why) > 0 {
			paint = yellow
		}
		rows = append(rows, []cell{
			{text: who(n.ID, n.Name)}, {text: who(n.Manager, n.ManagerName)}, {n.Status, statusPaint(n.Status)},
			{text: unit(n.Wait, "ms")}, {text: unit(n.RTT, "ms")}, {text: unit(n.Jitter, "ms")}, {text: unit(n.Loss, "%")},
			{text: fmt.Sprint(n.Failures)}, {text: unit(n.Cost, "ms")}, {text: unit(n.Share, "%")}, {strings.Join(n.Why, ", "), paint},
		})
	}
	p.table([]string{"NODE", "MANAGER", "STATUS", ">WAIT", ">RTT", ">JITTER", ">LOSS", ">FAILURES", ">COST", ">OF ITS MANAGER'S", "WHY"}, rows)
	p.linef("")
	rows = nil
	for _, m := range s.Managers {
		shed := cell{text: unit(m.ShedShare, "%")}
		if m.ShedShare != nil && *m.ShedShare > 0 {
			shed.paint = red
		}
		cost := m.Cost
		rows = append(rows, []cell{
			{text: who(m.ID, m.Name)}, {text: fmt.Sprint(m.Nodes)}, {text: unit(m.LateMean, "ms")}, {text: unit(m.LateP99, "ms")},
			{text: unit(&cost, "%")}, shed, {text: fmt.Sprintf("%d, %d, %d", m.Shed[0], m.Shed[1], m.Shed[2])}, {m.Problem, red},
		})
	}
	p.table([]string{"MANAGER", ">NODES", ">LATE", ">LATE P99", ">CPU", ">SHED NOW", ">SHED HIGH, NORMAL, LOW", "PROBLEM"}, rows)
}
