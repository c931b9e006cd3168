package ctl

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"simone/mib"
)

func newDoctorCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "check the tree and say what to do about what is wrong",
		Long: `Checks that the tree can be reached, that the ILMs of every level are claimed, do
their rounds and go by the TLM's settings, that every node has recent samples, that nothing was dropped; and on
this machine that walks by name and large UDP buffers are possible. It exits
with 1 if a check fails; warnings do not count.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var checks []Check
			err := o.visit(c.Context(), func(cl *client, at endpoint) error {
				var err error
				checks, err = cl.examine(c.Context(), at)
				return err
			})
			if err != nil {
				return err
			}
			checks = append(checks, o.localChecks()...)
			if err := o.show(checks, func(p *page) { p.checks(checks) }); err != nil {
				return err
			}
			bad := 0
			for _, k := range checks {
				if k.Status == Fail {
					bad++
				}
			}
			if bad > 0 {
				return failed("", "%s failed", count(bad, "check"))
			}
			return nil
		},
	}
}

// examine checks the tree. What cannot be checked because nobody answers is
// itself a check that failed; err is only for what ends the command.
func (c *client) examine(ctx context.Context, from endpoint) ([]Check, error) {
	tlm, err := c.top(ctx, from)
	if interrupted(ctx) {
		return nil, failed("", "interrupted")
	}
	if err != nil {
		k := Check{Name: "reachable", Status: Fail, Detail: brief(err)}
		_, k.Remedy, _ = strings.Cut(err.Error(), "\n  ")
		return []Check{k}, nil
	}
	x := &examination{c: c, tlm: tlm}
	x.add("reachable", OK, "", "TLM %s, from %v", tlm.label(), from)
	if err := x.read(ctx); err != nil {
		if interrupted(ctx) {
			return nil, failed("", "interrupted")
		}
		x.add("tables", Fail, "is it of this release, and may "+x.c.access.who(reader)+" see its tables?", "%s", brief(err))
		return x.checks, nil
	}
	x.versions()
	x.managersAnswer()
	x.claims()
	x.windows()
	x.rules()
	x.subtrees()
	x.clocks()
	x.coverage()
	x.failing()
	x.store()
	x.fences()
	x.logs()
	x.shedding()
	x.paused()
	return x.checks, nil
}

// examination is what the checks of the tree are made on.
type examination struct {
	c        *client
	tlm      station
	settings Settings
	managers []Manager
	nodes    []Node
	visits   []visited // of all managers, in order of NodeID
	newest   uint32    // event
	checks   []Check
}

// visited is what a manager said when it was asked itself.
type visited struct {
	Manager
	cells
	skew *time.Duration // its clock against ours
	err  error
}

func (x *examination) add(name string, status Health, remedy, format string, args ...any) {
	x.checks = append(x.checks, Check{Name: name, Status: status, Detail: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (x *examination) read(ctx context.Context) (err error) {
	if x.settings, err = x.c.settings(ctx, x.tlm.endpoint); err != nil {
		return err
	}
	if x.managers, err = x.c.managers(ctx, x.tlm.endpoint, x.settings); err != nil {
		return err
	}
	if x.nodes, err = x.c.nodes(ctx, x.tlm.endpoint); err != nil {
		return err
	}
	if x.newest, err = x.c.newest(ctx, x.tlm.endpoint, mib.SimoneEventKind); err != nil {
		return err
	}
	var mu sync.Mutex // guards x.visits
	each(x.managers, func(m Manager) {
		v := x.c.visitManager(ctx, x.tlm, m)
		mu.Lock()
		defer mu.Unlock()
		x.visits = append(x.visits, v)
	})
	slices.SortFunc(x.visits, func(a, b visited) int { return cmp.Compare(a.ID, b.ID) })
	return ctx.Err()
}

// visitManager asks a manager itself.
func (c *client) visitManager(ctx context.Context, tlm station, m Manager) visited {
	v := visited{Manager: m}
	at := tlm.endpoint
	if m.ID != tlm.id {
		if at, v.err = resolve(ctx, m.Address); v.err != nil {
			return v
		}
	}
	v.cells, v.err = c.group(ctx, at, append(settingsObjects(), mib.SimoneNodeId, mib.SimoneNodeRole, mib.SimoneNodeSoftware,
		mib.SimoneIlmOperStatus, mib.SimoneIlmFence, mib.SimoneIlmLease, mib.SimoneIlmLastRound,
		mib.SimoneIlmTriggerInterval, mib.SimoneIlmSupportCount, mib.SimoneIlmSubtreeDigest, mib.SimoneIlmLogDropped, mib.SimoneIlmStaleFences, mib.SimoneIlmShedShare)...)
	if v.err != nil {
		return v
	}
	if _, ok := v.value(mib.SimoneIlmOperStatus); !ok {
		v.err = fmt.Errorf("%s at %v answers, but not as a manager", who(m.ID, m.Name), at)
		return v
	}
	// Its wall clock, as far as a metric of its own tells.
	asked := time.Now()
	rows, err := c.rows(ctx, at, mib.OID{0}, nil, mib.SimoneMetricTime, mib.SimoneMetricAge)
	if err == nil && len(rows) > 0 {
		taken := rows[0].time(mib.SimoneMetricTime)
		if age := rows[0].seconds(mib.SimoneMetricAge); age != nil && !taken.IsZero() {
			skew := taken.Add(duration(*age)).Sub(asked)
			v.skew = &skew
		}
	}
	return v
}

// judge adds a check that is ok unless there are things wrong.
func (x *examination) judge(name string, bad Health, wrong []string, remedy, fine string, args ...any) {
	if len(wrong) == 0 {
		x.add(name, OK, "", fine, args...)
		return
	}
	const most = 5
	if n := len(wrong); n > most {
		wrong = append(wrong[:most:most], fmt.Sprintf("and %d more", n-most))
	}
	x.add(name, bad, remedy, "%s", strings.Join(wrong, "; "))
}

// versions holds the managers' software against each other.
func (x *examination) versions() {
	var wrong []string
	for _, v := range x.visits {
		if s := v.text(mib.SimoneNodeSoftware); v.err == nil && s != x.tlm.software {
			wrong = append(wrong, fmt.Sprintf("%s runs %q", who(v.ID, v.Name), s))
		}
	}
	x.judge("versions", Warn, wrong, fmt.Sprintf("bring them to the TLM's, %q", x.tlm.software), "all managers run %q", x.tlm.software)
}

// managersAnswer checks that no ILM is silent, for the TLM or for us.
func (x *examination) managersAnswer() {
	var silent, unreached []string
	ilms := 0
	for _, v := range x.visits {
		if v.ID == x.tlm.id {
			continue
		}
		ilms++
		switch {
		case v.Status == mib.IlmDown.String():
			silent = append(silent, who(v.ID, v.Name)+" at "+v.Address)
		case v.err != nil:
			unreached = append(unreached, fmt.Sprintf("%s: %s", who(v.ID, v.Name), brief(v.err)))
		}
	}
	if ilms == 0 {
		x.add("ilms", Warn, "are there candidates (simonectl node ls), and do they answer?", "there is no ILM: the TLM does all the work")
	}
	x.judge("silent ILMs", Fail, silent, "start simoned there again, or take the node out of the inventory; "+
		"its nodes go to others meanwhile", "every ILM answers the TLM")
	x.judge("ILMs from here", Fail, unreached, "the TLM reaches it and this machine does not: check the route, "+
		"and that "+x.c.access.flags(reader)+" is good everywhere", "%s asked, each answers", count(ilms-len(silent), "ILM"))
}

// claims checks that each ILM has been claimed by its parent.
func (x *examination) claims() {
	var wrong []string
	for _, v := range x.visits {
		if v.err != nil || v.ID == x.tlm.id || v.Status == mib.IlmStarting.String() {
			continue
		}
		value, _ := v.value(mib.SimoneIlmFence)
		fence, err := mib.ParseFence(value.Bytes)
		switch lease := v.seconds(mib.SimoneIlmLease); {
		case err != nil || fence == (mib.Fence{}):
			wrong = append(wrong, who(v.ID, v.Name)+" was never claimed")
		case fence.Parent != v.Parent:
			wrong = append(wrong, fmt.Sprintf("%s is claimed by node %d, and its manager is %d", who(v.ID, v.Name), fence.Parent, v.Parent))
		case v.label(mib.SimoneIlmOperStatus) != mib.IlmUp.String():
			wrong = append(wrong, fmt.Sprintf("%s says that it is %s", who(v.ID, v.Name), v.label(mib.SimoneIlmOperStatus)))
		case lease != nil && duration(*lease) > leaseLimit:
			wrong = append(wrong, fmt.Sprintf("%s was last asked by its manager %s ago", who(v.ID, v.Name), span(lease)))
		}
	}
	x.judge("claims", Fail, wrong, "look at simonectl events and the logs of both; if two TLMs run, stop one", "every ILM is claimed by its manager")
}

// leaseLimit is how long an ILM may go unasked: probes come every half second.
const leaseLimit = 30 * time.Second

// windows checks that each manager does its rounds.
func (x *examination) windows() {
	var wrong []string
	for _, v := range x.visits {
		if v.err != nil || v.Status == mib.IlmStarting.String() {
			continue
		}
		trigger, last := v.seconds(mib.SimoneIlmTriggerInterval), v.seconds(mib.SimoneIlmLastRound)
		switch {
		case last == nil:
			wrong = append(wrong, who(v.ID, v.Name)+" has not completed a trigger window yet")
		case trigger != nil && *last > 3**trigger:
			wrong = append(wrong, fmt.Sprintf("%s completed its last trigger window %s ago, and they take %s",
				who(v.ID, v.Name), span(last), span(trigger)))
		}
	}
	x.judge("windows", Warn, wrong, "wait one trigger period; if it stays so, is that machine overloaded?", "every manager completes its trigger windows")
}

// rules checks that all managers decide by what was said at the TLM.
func (x *examination) rules() {
	var wrong []string
	words := func(s Settings) string { return new(page).settings(s) }
	want := words(x.settings)
	for _, v := range x.visits {
		if _, shows := v.value(mib.SimonePolicy); v.err != nil || !shows || v.Status == mib.IlmStarting.String() {
			continue
		}
		if got := words(v.settings()); got != want {
			wrong = append(wrong, fmt.Sprintf("%s goes by %s", who(v.ID, v.Name), got))
		}
	}
	x.judge("settings", Warn, wrong, "each manager tells the ILMs below it at once; if it stays so, look at the log of the manager above: is it refused?",
		"every manager goes by %s", want)
}

// subtrees checks that what an ILM was given is polled by it or below it.
func (x *examination) subtrees() {
	var wrong []string
	for _, v := range x.visits {
		value, _ := v.value(mib.SimoneIlmSubtreeDigest)
		sum, err := mib.ParseDigest(value.Bytes)
		if v.err != nil || err != nil || v.ID == x.tlm.id || v.Status != mib.IlmUp.String() {
			continue
		}
		if given := v.number(mib.SimoneIlmSupportCount); sum.Count < given {
			wrong = append(wrong, fmt.Sprintf("%s was given %s, and %d are polled in its subtree", who(v.ID, v.Name), count(int(given), "node"), sum.Count))
		}
	}
	x.judge("subtrees", Warn, wrong, "nodes that move are missing for moments; if it stays so the manager above gives them to others: look at simonectl events",
		"what ILMs were given is polled below them")
}

// skewLimit is how much a clock may be off before event times mislead.
const skewLimit = 5 * time.Second

func (x *examination) clocks() {
	var wrong []string
	known := 0
	for _, v := range x.visits {
		if v.skew == nil {
			continue
		}
		known++
		if v.skew.Abs() > skewLimit {
			wrong = append(wrong, fmt.Sprintf("that of %s is off by %v", who(v.ID, v.Name), v.skew.Round(time.Second)))
		}
	}
	if known == 0 {
		return
	}
	x.judge("clocks", Warn, wrong, "set them by NTP; SIMONE goes by ages, but times of events mislead people",
		"%s within %v of this machine's", count(known, "clock"), skewLimit)
}

// coverage checks that nodes have samples, by their ages.
func (x *examination) coverage() {
	var never, unowned []string
	up := 0
	var oldest *float64
	for _, n := range x.nodes {
		switch {
		case n.Owner == 0 && n.ID != x.tlm.id:
			unowned = append(unowned, who(n.ID, n.Name))
		case n.Status == mib.PollUp.String():
			up++
			if n.LastSample != nil && (oldest == nil || *n.LastSample > *oldest) {
				oldest = n.LastSample
			}
		case n.LastSample == nil:
			never = append(never, who(n.ID, n.Name)+" has no sample yet")
		}
	}
	x.judge("owners", Fail, unowned, "these nodes have no manager: wait one trigger period; "+
		"else see simonectl reconfig explain for why nobody takes them", "every node has a manager")
	switch {
	case len(x.nodes) == 0:
		x.add("coverage", Warn, "list nodes in the TLM's configuration, or let them announce themselves to it", "there are no nodes")
	case up == len(x.nodes):
		x.add("coverage", OK, "", "%s, each with a recent sample, the oldest %s", count(up, "node"), ago(oldest))
	case up*10 >= len(x.nodes)*9:
		x.add("coverage", Warn, "see the nodes below; simonectl node show NODE tells more", "%d of %s have a recent sample", up, count(len(x.nodes), "node"))
	default:
		x.add("coverage", Fail, "see the nodes below; simonectl node show NODE tells more", "%d of %s have a recent sample", up, count(len(x.nodes), "node"))
	}
	x.judge("first samples", Warn, never, "wait one polling interval; then see simonectl node show NODE", "every node has been sampled")
}

func (x *examination) failing() {
	var wrong []string
	for _, n := range x.nodes {
		if n.Status == mib.PollFailing.String() {
			wrong = append(wrong, fmt.Sprintf("%s at %s, last sample %s", who(n.ID, n.Name), n.Address, ago(n.LastSample)))
		}
	}
	x.judge("failing nodes", Warn, wrong, "is the agent there running, and is its credential right? simonectl node show NODE tells more", "no node fails")
}

// store checks that the TLM reads back what it wrote: its start alone writes
// an event.
func (x *examination) store() {
	if x.newest == 0 {
		x.add("store", Fail, "look into the TLM's log: is its disk full, or its file damaged?", "the TLM cannot read its events")
		return
	}
	x.add("store", OK, "", "the TLM's store has %s", count(int(x.newest), "event"))
}

func (x *examination) fences() {
	var wrong []string
	for _, v := range x.visits {
		if n := v.number(mib.SimoneIlmStaleFences); v.err == nil && n > 0 {
			wrong = append(wrong, fmt.Sprintf("%s refused %s of an older manager since it started", who(v.ID, v.Name), count(int(n), "SET")))
		}
	}
	x.judge("stale fences", Warn, wrong, "if the count grows, a second manager writes to the tree: is another TLM running?", "no manager met a stale fence")
}

// logs checks that no report was lost on its way up.
func (x *examination) logs() {
	var wrong []string
	for _, v := range x.visits {
		// The TLM has no parent that reads its log.
		if n := v.number(mib.SimoneIlmLogDropped); v.err == nil && n > 0 && v.ID != x.tlm.id {
			wrong = append(wrong, fmt.Sprintf("%s dropped %s", who(v.ID, v.Name), count(int(n), "record")))
		}
	}
	x.judge("report logs", Warn, wrong, "it was cut off for longer than its log is deep; if that repeats, raise ilm.log_records there", "no manager dropped a record")
}

// shedding checks that every manager has time for all its polls.
func (x *examination) shedding() {
	var wrong []string
	for _, v := range x.visits {
		if share := v.hundredths(mib.SimoneIlmShedShare); v.err == nil && share != nil && *share > 0 {
			wrong = append(wrong, fmt.Sprintf("%s leaves out %s of its polls", who(v.ID, v.Name), unit(share, "%")))
		}
	}
	x.judge("shed polls", Warn, wrong, "there is more to poll than they have time for: let more nodes be ILMs, or poll less often; simonectl slow tells what costs most",
		"every manager has time for all its polls")
}

func (x *examination) paused() {
	if x.settings.Paused {
		x.add("planned moves", Warn, "simonectl reconfig resume lets them go on", "an operator has paused them")
	}
}

func (p *page) checks(checks []Check) {
	width := 0
	for _, k := range checks {
		width = max(width, len(k.Name))
	}
	for _, k := range checks {
		p.linef("%s  %-*s  %s", p.dye(k.Status.paint(), fmt.Sprintf("%-4s", k.Status)), width, k.Name, k.Detail)
		if k.Remedy != "" {
			p.linef("%*s-> %s", width+8, "", k.Remedy)
		}
	}
}
