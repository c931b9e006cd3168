package snmpdconf

import (
	"cmp"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"simone/mib"
)

// What a Config has where it says nothing, and what snmpd is asked for.
const (
	DefaultSocket = "unix:/var/agentx/master" // as net-snmp's
	// timeout is how many seconds snmpd waits for a subagent.
	timeout = 3
	// bulkResponses is how many variables a GETBULK's answer may have:
	// snmpd's usual 100 make a walk of thousands of rows slow.
	bulkResponses = 1000
)

// Role is what a user may do.
type Role uint8

// The roles. Who may run scripts comes with the scripts.
const (
	Monitor  Role = iota + 1 // reads
	Operator                 // reads, and SETs thresholds, drains and triggers
	Manager                  // reads, and SETs rows and roles: all of SIMONE-MIB
	Join                     // is for informs only: reads and SETs nothing
)

// Roles are all of them, in the order in which they are written.
func Roles() []Role { return []Role{Monitor, Operator, Manager, Join} }

func (r Role) String() string {
	switch r {
	case Monitor:
		return "monitor"
	case Operator:
		return "operator"
	case Manager:
		return "manager"
	case Join:
		return "join"
	}
	return fmt.Sprintf("role(%d)", uint8(r))
}

// group is the role's group in snmpd.conf.
func (r Role) group() string {
	name := r.String()
	return "simone" + strings.ToUpper(name[:1]) + name[1:]
}

// may says what the role may do, for people.
func (r Role) may() string {
	switch r {
	case Monitor:
		return "reads"
	case Operator:
		return "reads, and SETs thresholds, drains and triggers"
	case Manager:
		return "reads, and SETs rows and roles in SIMONE-MIB"
	}
	return "is for informs only, and neither reads nor SETs"
}

// The views.
const (
	viewRead    = "simoneRead"
	viewOperate = "simoneOperate"
	viewManage  = "simoneManage"
	viewNotify  = "simoneNotify"
	viewNone    = "none"
)

// views are those of the role, to read, to write and to notify.
func (r Role) views() (read, write, notify string) {
	switch r {
	case Monitor:
		return viewRead, viewNone, viewNone
	case Operator:
		return viewRead, viewOperate, viewNone
	case Manager:
		return viewRead, viewManage, viewNotify
	}
	return viewNone, viewNone, viewNotify
}

// Member is a user in a role.
type Member struct {
	Role Role
	Account
}

// Config is what snmpd is to be told.
type Config struct {
	// Socket is snmpd's agentXSocket, unix:/path or tcp:host:port; empty is
	// DefaultSocket.
	Socket string
	// Group is the group of the machine's users that may connect to a unix
	// socket besides root; none if empty.
	Group string
	// Members are who may do what. A user has one role.
	Members []Member
}

var groupName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// socket is where subagents connect.
func (c *Config) socket() string { return cmp.Or(c.Socket, DefaultSocket) }

// Validate says what is wrong with the configuration.
func (c *Config) Validate() error {
	kind, rest, _ := strings.Cut(c.socket(), ":")
	switch {
	case strings.ContainsAny(c.socket(), " \t\r\n\"'#,"):
		return fmt.Errorf("AgentX socket %q: snmpd reads one word", c.Socket)
	case kind == "unix" && filepath.IsAbs(rest):
	case kind == "tcp":
		if host, port, err := net.SplitHostPort(rest); err != nil || host == "" || port == "" {
			return fmt.Errorf("AgentX socket %q: write tcp:host:port", c.Socket)
		}
	default:
		return fmt.Errorf("AgentX socket %q: write unix:/path or tcp:host:port", c.Socket)
	}
	if c.Group != "" && !groupName.MatchString(c.Group) {
		return fmt.Errorf("AgentX group %q is no group of this machine", c.Group)
	}
	if c.Group != "" && kind != "unix" {
		return fmt.Errorf("AgentX group %q: only a unix socket has a group", c.Group)
	}
	for i := range c.Members {
		m := &c.Members[i]
		if err := m.Validate(); err != nil {
			return fmt.Errorf("%v: %w", m.Role, err)
		}
		for _, o := range c.Members[:i] {
			if o.Name == m.Name && o.Role == m.Role {
				return fmt.Errorf("user %q has the role %v twice", m.Name, m.Role)
			}
			if o.Name == m.Name {
				return fmt.Errorf("user %q has the roles %v and %v: snmpd puts a user into one group", m.Name, o.Role, m.Role)
			}
		}
	}
	return nil
}

// members are those in a stable order.
func (c *Config) members() []Member {
	return slices.SortedFunc(slices.Values(c.Members), func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), strings.Compare(a.Name, b.Name))
	})
}

// Line is one line that snmpd.conf needs.
type Line struct {
	Text string
	Why  string // what it is for
}

// section is a heading and lines below it.
type section struct {
	heading string
	lines   []Line
}

// Lines are the lines that snmpd.conf needs.
func (c *Config) Lines() (all []Line) {
	for _, s := range c.sections() {
		all = append(all, s.lines...)
	}
	return all
}

func (c *Config) sections() []section {
	agentx := section{heading: "simoned joins snmpd as an AgentX subagent (RFC 2741)"}
	agentx.add("snmpd takes subagents", "master agentx")
	agentx.add("where simoned connects: agentx.master of its configuration", "agentXSocket %s", c.socket())
	if strings.HasPrefix(c.socket(), "unix:") {
		owner, why := "", "root alone may connect"
		if c.Group != "" {
			// snmpd takes -1 for the user that it is; a root by name it
			// takes for an unknown one, and says so in its log.
			owner, why = " -1 "+c.Group, "root and group "+c.Group+" may connect, and nobody else"
		}
		agentx.add(why, "agentXPerms 0660 0755%s", owner)
	}
	agentx.add("a subagent that hangs holds snmpd up no longer, in seconds", "agentXTimeout %d", timeout)
	agentx.add("snmpd does not ask again, which would be a second SET", "agentXRetries 0")
	agentx.add("no line in the log for each request", "dontLogTCPWrappersConnects yes")
	agentx.add("walks of large tables take few requests", "maxGetbulkResponses %d", bulkResponses)

	views := section{heading: "what may be seen and SET (VACM, RFC 3415)"}
	include := func(view, why string, root mib.OID) { views.add(why, "view %s included %v", view, root) }
	include(viewRead, "all that read see the machine's own objects (MIB-2)", mib.OID{1, 3, 6, 1, 2, 1})
	include(viewRead, "and its load, memory and disks (UCD-SNMP-MIB)", mib.OID{1, 3, 6, 1, 4, 1, 2021})
	include(viewRead, "and SIMONE-MIB", mib.SimoneMIB)
	include(viewRead, "and snmpd's engine (RFC 3411)", mib.OID{1, 3, 6, 1, 6, 3, 10, 2, 1})
	include(viewRead, "and messages that it refused (RFC 3412)", mib.OID{1, 3, 6, 1, 6, 3, 11, 2, 1})
	include(viewRead, "and wrong keys and replays (RFC 3414)", mib.OID{1, 3, 6, 1, 6, 3, 15, 1, 1})
	include(viewOperate, "operators SET thresholds, policy, drains and pins", mib.SimoneReconfig)
	include(viewOperate, "and how temperatures are made", mib.SimoneTemperature)
	include(viewOperate, "and trigger a round", mib.SimoneIlmTrigger)
	include(viewManage, "managers SET all of SIMONE-MIB", simoneObjects())
	include(viewNotify, "notifications of SIMONE-MIB", simoneNotifications())

	access := section{heading: "who may, with authentication and privacy only"}
	for _, r := range Roles() {
		read, write, notify := r.views()
		access.add("role "+r.String()+" "+r.may(), "access %s \"\" usm priv exact %s %s %s", r.group(), read, write, notify)
	}
	for _, m := range c.members() {
		access.add(fmt.Sprintf("user %s has the role %v", m.Name, m.Role), "group %s usm %s", m.Role.group(), m.Name)
	}
	return []section{agentx, views, access}
}

func (s *section) add(why, format string, args ...any) {
	s.lines = append(s.lines, Line{fmt.Sprintf(format, args...), why})
}

func simoneObjects() mib.OID       { return append(slices.Clone(mib.SimoneMIB), 1) }
func simoneNotifications() mib.OID { return append(slices.Clone(mib.SimoneMIB), 0) }

// Block is what Put puts into snmpd.conf. It has no secret.
func (c *Config) Block() string {
	var b strings.Builder
	for _, s := range c.sections() {
		fmt.Fprintf(&b, "# %s\n", s.heading)
		for _, l := range s.lines {
			b.WriteString(l.Text + "\n")
		}
	}
	return b.String()
}
