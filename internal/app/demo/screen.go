package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"simone/mib"
	"simone/reconfig"
	"simone/tlm"
)

// palette colours text for a terminal; the zero palette does not.
type palette struct{ on bool }

func (p palette) paint(code, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p palette) dim(s string) string    { return p.paint("2", s) }
func (p palette) bold(s string) string   { return p.paint("1", s) }
func (p palette) red(s string) string    { return p.paint("31", s) }
func (p palette) green(s string) string  { return p.paint("32", s) }
func (p palette) yellow(s string) string { return p.paint("33", s) }
func (p palette) blue(s string) string   { return p.paint("36", s) }

// heat colours a temperature: cold, warm, above half the split threshold, hot.
func (p palette) heat(t, split float64, s string) string {
	switch {
	case t > split:
		return p.paint("1;31", s)
	case t > split/2:
		return p.yellow(s)
	case t < split/50:
		return p.blue(s)
	}
	return p.green(s)
}

// ilmView is one ILM as the screen shows it.
type ilmView struct {
	id          mib.NodeID
	name, at    string
	temperature float64
	state       string // "" if all is well
	slowed      bool
	nodes       []nodeView
}

type nodeView struct {
	id     mib.NodeID
	name   string
	moving mib.NodeID // where to; 0: it stays
}

// view collects what the tree looks like now.
func (s *script) view() (ilms []ilmView, above []nodeView) {
	c := s.fleet.top.Manager().Conductor()
	byOwner := make(map[mib.NodeID][]nodeView)
	for _, n := range c.Nodes() {
		byOwner[n.Owner] = append(byOwner[n.Owner], nodeView{n.ID, n.Name, n.Intent.Target})
	}
	s.mu.Lock()
	slowed := s.slowed
	s.mu.Unlock()
	own := make(map[mib.NodeID]bool)
	for _, child := range s.children() {
		n, _ := c.Node(child.ID)
		own[child.ID] = true
		v := ilmView{id: child.ID, name: n.Name, at: n.Address, temperature: child.Report.Temperature, nodes: byOwner[child.ID]}
		switch {
		case child.Silent:
			v.state = "silent"
		case child.Retiring:
			v.state = "retiring"
		case !child.Ready:
			v.state = "starting"
		}
		v.slowed = slowed != nil && slowed.at.String() == n.Address
		ilms = append(ilms, v)
	}
	for _, n := range append(byOwner[1], byOwner[0]...) {
		if n.id != 1 && !own[n.id] {
			above = append(above, n)
		}
	}
	return ilms, above
}

// draw writes the tree, the last events and a command to try.
func (s *script) draw(w io.Writer, p palette, lines int) {
	d := s.fleet.cfg
	ilms, above := s.view()
	global, _ := s.fleet.top.Manager().Conductor().GlobalLatency()
	covered, nodes := s.fleet.top.Manager().Coverage()
	fmt.Fprintf(w, "%s  %d candidates, %d leaves, poll %v, trigger %v   %s\n", p.bold("SIMONE demo"), d.ILMs, d.Nodes,
		time.Duration(d.Poll), time.Duration(d.Trigger), p.dim(time.Since(s.began).Truncate(100*time.Millisecond).String()))
	fmt.Fprintf(w, "%s %s  %d of %d nodes covered, global latency %v\n", p.bold("TLM"), s.fleet.cfg.Base, covered, nodes, global.Round(10*time.Microsecond))
	for i, v := range ilms {
		branch := "├─"
		if i == len(ilms)-1 && len(above) == 0 {
			branch = "└─"
		}
		state := ""
		if v.state != "" {
			state = " " + p.red(v.state)
		}
		if v.slowed {
			state += " " + p.yellow("slowed (injected)")
		}
		temp := fmt.Sprintf("T %7.2f", v.temperature)
		if v.state != "silent" {
			temp = p.heat(v.temperature, d.Thresholds.Split, temp)
		}
		fmt.Fprintf(w, "%s %s %-6s %-15s %s  %2d nodes%s\n", branch, p.bold(fmt.Sprintf("%3d", v.id)), v.name, strings.TrimSuffix(v.at, fmt.Sprint(":", d.Port)), temp, len(v.nodes), state)
		rail := "│ "
		if branch == "└─" {
			rail = "  "
		}
		s.drawNodes(w, p, rail, v.nodes)
	}
	if len(above) > 0 {
		fmt.Fprintln(w, "└─ polled by the TLM itself")
		s.drawNodes(w, p, "  ", above)
	}
	fmt.Fprintln(w)
	for _, l := range s.recent(lines) {
		fmt.Fprintf(w, "%s %s\n", p.dim(fmt.Sprintf("%6.1fs", l.at.Sub(s.began).Seconds())), l.text)
	}
}

// drawNodes writes NodeIDs in lines; those that move are marked.
func (s *script) drawNodes(w io.Writer, p palette, rail string, nodes []nodeView) {
	const perLine = 16
	for chunk := range slices.Chunk(nodes, perLine) {
		var b strings.Builder
		for _, n := range chunk {
			m := s.fleet.byID(n.id)
			text := fmt.Sprintf("%4d", n.id)
			switch {
			case m != nil && m.dead.Load():
				text = p.red(text)
			case n.moving != 0:
				text = p.yellow(fmt.Sprintf("%4s", fmt.Sprint("›", n.id)))
			}
			b.WriteString(text)
		}
		fmt.Fprintf(w, "%s   %s\n", rail, b.String())
	}
}

// recent is the last lines of what happened: the demo's own doings and the
// event table's.
func (s *script) recent(n int) []note {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.notes)
	clock := s.fleet.top.Chassis().Clock
	for _, e := range s.entries {
		if notable(e) {
			all = append(all, note{clock.Wall(e.At), tlm.Sentence(e)})
		}
	}
	slices.SortStableFunc(all, func(a, b note) int { return a.at.Compare(b.at) })
	return all[max(0, len(all)-n):]
}

// notable leaves out what would only fill the screen.
func notable(e reconfig.Entry) bool {
	switch e.Kind {
	case reconfig.KindJoined, reconfig.KindTerm, reconfig.KindAssign:
		return false
	}
	return true
}

// hint is a command that shows a living ILM's support list with net-snmp's
// tools, by number.
func (s *script) hint() string {
	at := netipOf(s)
	return fmt.Sprintf("try in another terminal:  snmpwalk -v2c -c %s -On %s %v", readCommunity, at, mib.SimoneSupportEntry)
}

func netipOf(s *script) string {
	ilms, _ := s.view()
	for _, v := range ilms {
		if v.state == "" {
			return v.at
		}
	}
	return fmt.Sprint(s.fleet.cfg.Base, ":", s.fleet.cfg.Port)
}
