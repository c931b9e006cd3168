package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"simone/manager"
	"simone/mib"
	"simone/reconfig"
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

// tree is what the tree looks like now, in lines. Of each list at most perList
// lines of nodes are shown; negative is all.
func (s *script) tree(p palette, width, perList int) []string {
	d := s.fleet.cfg
	ilms, above := s.view()
	global, _ := s.fleet.top.Manager().Conductor().GlobalLatency()
	covered, nodes := s.fleet.top.Manager().Coverage()
	lines := []string{
		fmt.Sprintf("%s  %d candidates, %d leaves, poll %v, trigger %v   %s", p.bold("SIMONE demo"), d.ILMs, d.Nodes,
			time.Duration(d.Poll), time.Duration(d.Trigger), p.dim(time.Since(s.began).Truncate(100*time.Millisecond).String())),
		fmt.Sprintf("%s %s  %d of %d nodes covered, global latency %v", p.bold("TLM"), d.Base, covered, nodes, global.Round(10*time.Microsecond)),
	}
	for i, v := range ilms {
		branch, rail := "├─", "│ "
		if i == len(ilms)-1 && len(above) == 0 {
			branch, rail = "└─", "  "
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
		lines = append(lines, fmt.Sprintf("%s %s %-6s %-15s %s  %2d nodes%s", branch, p.bold(fmt.Sprintf("%3d", v.id)), v.name,
			strings.TrimSuffix(v.at, fmt.Sprint(":", d.Port)), temp, len(v.nodes), state))
		lines = s.appendNodes(lines, p, rail, width, perList, v.nodes)
	}
	if len(above) > 0 {
		lines = append(lines, "└─ polled by the TLM itself")
		lines = s.appendNodes(lines, p, "  ", width, perList, above)
	}
	return lines
}

// appendNodes adds lines of NodeIDs; those that move or are dead are marked.
func (s *script) appendNodes(lines []string, p palette, rail string, width, most int, nodes []nodeView) []string {
	cell := 4
	for _, n := range nodes {
		cell = max(cell, len(fmt.Sprint(n.id))+2)
	}
	const indent = 5
	perLine := max((width-indent)/cell, 1)
	if width <= 0 {
		perLine = 16
	}
	hidden := 0
	if most >= 0 && len(nodes) > most*perLine {
		keep := max(most*perLine-2, 0) // two cells say how many there are beyond
		nodes, hidden = nodes[:keep], len(nodes)-keep
	}
	for chunk := range slices.Chunk(nodes, perLine) {
		var b strings.Builder
		for _, n := range chunk {
			m := s.fleet.byID(n.id)
			switch {
			case m != nil && m.dead.Load():
				b.WriteString(p.red(fmt.Sprintf("%*s", cell, fmt.Sprint("×", n.id))))
			case n.moving != 0:
				b.WriteString(p.yellow(fmt.Sprintf("%*s", cell, fmt.Sprint("›", n.id))))
			default:
				fmt.Fprintf(&b, "%*d", cell, n.id)
			}
		}
		lines = append(lines, fmt.Sprintf("%s   %s", rail, b.String()))
	}
	if hidden > 0 && most > 0 {
		lines[len(lines)-1] += p.dim(fmt.Sprintf(" +%d", hidden))
	}
	return lines
}

// legend says what the marks and colours mean.
func (s *script) legend(p palette) string {
	split := s.fleet.cfg.Thresholds.Split
	marks := p.yellow("›7") + " moves  " + p.red("×7") + " killed   T: temperature, splits above " + fmt.Sprint(split)
	if p.on {
		marks += ": " + p.blue("cold") + " " + p.green("warm") + " " + p.yellow("half") + " " + p.paint("1;31", "hot")
	}
	return marks
}

// enoughEvents is how many lines of events there are to be before node lists
// are shown in full.
const enoughEvents = 5

// frame is the whole screen: the tree, the last events, and at the bottom what
// the marks mean and a command to try. Where there is no room, the lists of
// nodes are shortened first, then the events, then the tree from its top.
func (s *script) frame(p palette, width, height int) []string {
	foot := []string{"", s.legend(p), p.dim("Ctrl-C ends the demo. Try in another terminal:")}
	command := s.hint()
	last := (len(command) + width - 1) / width // rows: it is not cut, so that it can be copied
	var lines []string
	room := 0
	for _, perList := range []int{-1, 1, 0} {
		lines = s.tree(p, width, perList)
		room = height - len(lines) - 1 - len(foot) - last
		if room >= enoughEvents {
			break
		}
	}
	lines = append(lines, "")
	lines = append(append(lines, s.events(p, width, room)...), foot...)
	for i := range lines {
		lines[i] = cut(lines[i], width)
	}
	if surplus := len(lines) + last - height; surplus > 0 {
		lines = lines[min(surplus, len(lines)):]
	}
	return append(lines, command)
}

// eventIndent is the width of an event's time.
const eventIndent = 8

// events are the last events in so many rows: one each, and the newest whole
// as far as three rows do.
func (s *script) events(p palette, width, rows int) []string {
	if rows <= 0 {
		return nil
	}
	recent := s.recent(rows)
	var lines []string
	for i, n := range recent {
		at := p.dim(fmt.Sprintf("%6.1fs ", n.at.Sub(s.began).Seconds()))
		parts := wrap(n.text, width-eventIndent, 3)
		if i < len(recent)-1 {
			parts = []string{n.text} // is cut
		}
		for j, part := range parts {
			if j > 0 {
				at = strings.Repeat(" ", eventIndent)
			}
			lines = append(lines, at+part)
		}
	}
	return lines[max(0, len(lines)-rows):]
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
			all = append(all, note{clock.Wall(e.At), manager.Sentence(e)})
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
	return fmt.Sprintf("snmpwalk -v2c -c %s -On %s %s", readCommunity, at, strings.TrimPrefix(mib.SimoneSupport.String(), "."))
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
