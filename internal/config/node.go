package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"simone/mib"
	"simone/profile"
	"simone/temperature"
)

// Node is the configuration of simoned: what every node has, the TLM's own
// included. Keys marked now take effect on SIGHUP, the others after a restart.
type Node struct {
	// Name is what people call the node: letters, digits, - _ and .; the
	// host's name if empty. The node's identity is its UUID, not this.
	Name string `yaml:"name" reload:"restart"`

	// FrontEnd is how the node answers SNMP: responder, which is built in, or
	// agentx, by which it joins the machine's own snmpd. Then Listen,
	// Communities and Users are not used; see problemsAgentX.
	FrontEnd string `yaml:"front_end" reload:"restart"`

	// AgentX is how the node joins the snmpd.
	AgentX AgentX `yaml:"agentx" reload:"restart"`

	// Listen is the IP address and port of the built-in SNMP responder;
	// 0.0.0.0:1161 is all addresses of the machine. The default is on
	// loopback, so that nothing is open to a network before somebody says so.
	Listen string `yaml:"listen" reload:"restart"`

	// Advertise is the host:port at which others reach the node; Listen if
	// empty, which then has to be one address and not all. With agentx it is
	// where the snmpd answers, and needed.
	Advertise string `yaml:"advertise" reload:"restart"`

	// State is the directory of the node's UUID, place and lists; var/NAME
	// under the working directory if empty. It is made when missing.
	State string `yaml:"state" reload:"restart"`

	// Zone is where the node's address is reachable; moves stay inside it.
	Zone string `yaml:"zone" reload:"restart"`

	// Candidate says that the node may become an ILM.
	Candidate bool `yaml:"candidate" reload:"restart"`

	// MetricPeriod is how often the node measures itself (the paper's AUP),
	// 100ms to 1h. It can be SET as well (simoneNodeMetricPeriod).
	MetricPeriod Duration `yaml:"metric_period" reload:"now"`

	// Announce is whom the node tells that it is there.
	Announce Announce `yaml:"announce" reload:"restart"`

	// Notify is whom the node tells by inform of what it does as a manager:
	// of transformations that it begins and ILMs that it loses.
	Notify []Receiver `yaml:"notify" reload:"restart"`

	// Credentials are how the node asks others: its parent when it announces
	// itself, and as an ILM its children. An ILM refuses rows with
	// credentials that it does not hold.
	Credentials []Credential `yaml:"credentials" reload:"now"`

	// Communities are who may ask the node, by SNMPv1 and v2c.
	Communities []Community `yaml:"communities" reload:"restart"`

	// Users are who may ask the node, by SNMPv3; none if not given.
	Users []User `yaml:"users" reload:"restart"`

	// Temperature is how the node computes its temperature as an ILM.
	Temperature Temperature `yaml:"temperature" reload:"now"`

	// ILM bounds what the node takes on as an ILM.
	ILM ILM `yaml:"ilm" reload:"restart"`

	// Courtesy is how the node asks those that it polls as a manager.
	Courtesy Courtesy `yaml:"courtesy" reload:"now"`

	// Log is what the process logs, to standard error.
	Log Log `yaml:"log"`

	// Profiles are what the node can read of others, beside the built-in
	// profiles. The files are read again on SIGHUP.
	Profiles Profiles `yaml:"profiles" reload:"now"`

	// Warnings is what Load found doubtful but not wrong.
	Warnings []string `yaml:"-"`

	held *profile.Set // nil: the built-in ones
}

// Announce is whom a node tells by inform that it joined.
type Announce struct {
	// To is the host:port of the TLM, or of each of several that share a
	// store, with commas between them; empty for a node that the TLM finds in
	// its inventory.
	To string `yaml:"to"`
	// Credential is the name of the credential to use; the first one if empty.
	Credential string `yaml:"credential"`
	// Every is how long to wait between informs until one is acknowledged
	// and the node has a place, 100ms to 1h.
	Every Duration `yaml:"every"`
}

// Receiver is whom a manager notifies.
type Receiver struct {
	// To is its host:port.
	To string `yaml:"to"`
	// Credential is the name of the credential to use; the first one if empty.
	Credential string `yaml:"credential"`
}

func (r *Receiver) problems(held []Credential) (ps Problems) {
	if err := checkPeer(r.To); err != nil {
		ps.add("to", "%v", err)
	}
	if len(held) == 0 {
		ps.add("to", "notifying takes a credential and none is held; add one under credentials")
	}
	checkHeld(&ps, "credential", r.Credential, held)
	return ps
}

// Credential is one named way to ask an agent. Its name travels in support
// lists, the secret never does.
type Credential struct {
	Name string `yaml:"name"`
	// Version is v1, v2c or v3.
	Version string `yaml:"version"`
	// Community is the secret itself of v1 and v2c, or CommunityFile a file
	// that holds it, relative to the configuration; a newline at its end does
	// not count.
	Community     Secret `yaml:"community"`
	CommunityFile string `yaml:"community_file"`
	// User is the name of v3's user, and Security its keys.
	User     string `yaml:"user"`
	Security `yaml:",inline"`
}

func (c *Credential) setDefaults() { c.Version = "v2c" }

// Community is one community that the node's responder accepts.
type Community struct {
	// Name is what logs call it, as the secret is not shown; its number in
	// the list, from 1, if empty.
	Name string `yaml:"name"`
	// Community is the secret itself, or CommunityFile a file that holds it.
	Community     Secret `yaml:"community"`
	CommunityFile string `yaml:"community_file"`
	// Sources are the networks it is accepted from, as 192.0.2.0/24;
	// loopback alone if empty.
	Sources []string `yaml:"sources"`
	// Read are the subtrees that may be read, by OID or by the name of an
	// object of SIMONE-MIB; all (1) if not given.
	Read []string `yaml:"read"`
	// Write are the subtrees that may be written; none if not given.
	Write []string `yaml:"write"`
	// Hide are subtrees of these that may be neither read nor written.
	Hide []string `yaml:"hide"`
	// Notify says that informs and traps are accepted with it: at a TLM those
	// of nodes that join.
	Notify bool `yaml:"notify"`
}

func (c *Community) setDefaults() {
	c.Sources = []string{"127.0.0.0/8", "::1/128"}
	c.Read = []string{"1"}
}

// View is what a community may do, ready for a responder. A list without
// subtrees stands for none.
type View struct {
	Sources []netip.Prefix
	Read    []mib.OID
	Write   []mib.OID
	Hide    []mib.OID // takes away from both
}

// View gives the community's subtrees and networks. On a validated
// configuration it does not fail.
func (c *Community) View() (View, error) {
	var v View
	for i, s := range c.Sources {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			if ip, e := netip.ParseAddr(s); e == nil {
				return v, &viewError{"sources", i, fmt.Sprintf("%q has no length; write %s/%d for this one address", s, s, ip.BitLen())}
			}
			return v, &viewError{"sources", i, fmt.Sprintf("%q is no network; write for example 192.0.2.0/24", s)}
		}
		if p != p.Masked() {
			return v, &viewError{"sources", i, fmt.Sprintf("%q has bits beyond its length; write %v", s, p.Masked())}
		}
		v.Sources = append(v.Sources, p)
	}
	for _, l := range []struct {
		key  string
		from []string
		to   *[]mib.OID
	}{{"read", c.Read, &v.Read}, {"write", c.Write, &v.Write}, {"hide", c.Hide, &v.Hide}} {
		for i, s := range l.from {
			o, err := mib.Resolve(s)
			if err != nil {
				return v, &viewError{l.key, i, fmt.Sprintf("%v; write a subtree as 1.3.6.1.2.1, or the name of an object of %s", err, mib.Module)}
			}
			*l.to = append(*l.to, o)
		}
	}
	return v, nil
}

// viewError says which entry of a view is wrong.
type viewError struct {
	list string
	i    int
	text string
}

func (e *viewError) Error() string { return fmt.Sprintf("%s[%d]: %s", e.list, e.i, e.text) }

// Temperature is T = aI + bL or an expression, and its history. It may be
// written as an expression alone: "temperature: 0.2*I + L".
type Temperature struct {
	// A and B weigh intrusion (percent) and latency (stu).
	A float64 `yaml:"a"`
	B float64 `yaml:"b"`
	// Expression stands in for A and B if not empty: over I, L, U
	// (utilisation, percent) and B (backlog); see package temperature.
	Expression string `yaml:"expression"`
	// History are the weights of the present and the last temperatures in
	// the weighted one.
	History []float64 `yaml:"history"`
	// STU is how long a latency of 1 is, at least 1µs.
	STU Duration `yaml:"stu"`
}

func (t *Temperature) decodeText(text string) error {
	t.Expression = text
	return nil
}

// Formula compiles the formula. On a validated configuration it does not fail.
func (t *Temperature) Formula() (temperature.Formula, error) {
	if t.Expression != "" {
		return temperature.Compile(t.Expression)
	}
	return temperature.Linear(t.A, t.B)
}

// ILM bounds an intermediate-level manager.
type ILM struct {
	// Capacity is the most rows of the support list, 1 to 100000. A row
	// beyond is refused, and the parent places its node elsewhere.
	Capacity int `yaml:"capacity"`
	// LogRecords is how many records of the report log are kept for a parent
	// that does not read, 100 to 10000000; then the oldest go.
	LogRecords int `yaml:"log_records"`
	// LogWindow is how often the report log is written to disk, so that it
	// outlives the process: 100 ms to 1 h. What was logged within the last
	// window before a crash is lost with it. 0, the default, keeps it in memory
	// only.
	LogWindow Duration `yaml:"log_window"`
	// HighPriority and LowPriority are profiles whose nodes are polled before
	// others, or after them, where there are more than the manager has time for.
	// Otherwise SIMONE nodes are before devices.
	HighPriority []string `yaml:"high_priority"`
	LowPriority  []string `yaml:"low_priority"`
}

func (i *ILM) problemsPriority() (ps Problems) {
	for _, l := range []struct {
		key      string
		profiles []string
	}{{"high_priority", i.HighPriority}, {"low_priority", i.LowPriority}} {
		for n, p := range l.profiles {
			key := fmt.Sprintf("%s[%d]", l.key, n)
			if err := checkWord(p); err != nil {
				ps.add(key, "%v", err)
			} else if l.key == "low_priority" && slices.Contains(i.HighPriority, p) {
				ps.add(key, "%s is in high_priority too; take it out of one of them", p)
			}
		}
	}
	return ps
}

// Log is what a process writes to standard error.
type Log struct {
	// Level is the least severity shown: debug, info, warn or error.
	Level string `yaml:"level" reload:"now"`
	// Format is text for people or json for machines.
	Format string `yaml:"format" reload:"restart"`
}

var logLevels = []string{"debug", "info", "warn", "error"}

// Slog is the level for package slog; Info if it is not valid.
func (l Log) Slog() slog.Level {
	var s slog.Level
	_ = s.UnmarshalText([]byte(l.Level)) // the zero level is Info
	return s
}

// DefaultNode is a node on loopback that anybody there may read.
func DefaultNode() *Node {
	return &Node{
		FrontEnd:     FrontEndResponder,
		AgentX:       defaultAgentX(),
		Listen:       "127.0.0.2:1161",
		Zone:         "default",
		Candidate:    true,
		MetricPeriod: Duration(5 * time.Second),
		Announce:     Announce{Every: Duration(10 * time.Second)},
		Communities:  []Community{publicCommunity()},
		Temperature:  defaultTemperature(),
		ILM:          ILM{Capacity: 1000, LogRecords: 100_000},
		Courtesy:     defaultCourtesy(),
		Log:          Log{Level: "info", Format: "text"},
	}
}

func publicCommunity() Community {
	var c Community
	c.setDefaults()
	c.Community = NewSecret("public")
	return c
}

func defaultTemperature() Temperature {
	return Temperature{A: 0, B: 1, History: temperature.DefaultWeights(), STU: Duration(temperature.DefaultSTU)}
}

// StateDir is the directory that State stands for.
func (n *Node) StateDir() string {
	if n.State == "" {
		return filepath.Join("var", n.Name)
	}
	return n.State
}

// Address is where others reach the node: Advertise, or else Listen.
func (n *Node) Address() string {
	if n.Advertise == "" {
		return n.Listen
	}
	return n.Advertise
}

// Validate says all that is wrong, as Problems.
func (n *Node) Validate() error { return n.problems().err() }

func (n *Node) problems() Problems { return n.check(false) }

// check is problems of a node, or of the one at the top.
func (n *Node) check(top bool) Problems {
	var ps Problems
	if err := checkWord(n.Name); err != nil {
		ps.add("name", "%v", err)
	}
	if err := checkWord(n.Zone); err != nil {
		ps.add("zone", "%v", err)
	}
	if err := checkListen(n.Listen); err != nil {
		ps.add("listen", "%v", err)
	} else if at := netip.MustParseAddrPort(n.Listen); n.FrontEnd == FrontEndResponder && n.Advertise == "" && at.Addr().IsUnspecified() {
		ps.add("advertise", "it is needed, as listen (%s) is every address of the machine; write the one that others reach it at", n.Listen)
	}
	if n.Advertise != "" {
		if err := checkPeer(n.Advertise); err != nil {
			ps.add("advertise", "%v", err)
		}
	}
	checkChoice(&ps, "front_end", n.FrontEnd, FrontEndResponder, FrontEndAgentX)
	if n.FrontEnd == FrontEndAgentX {
		ps = append(ps, n.problemsAgentX(top)...)
	}
	checkDuration(&ps, "metric_period", n.MetricPeriod, 100*time.Millisecond, time.Hour)
	ps.under("credentials", credentialProblems(n.Credentials))
	ps.under("announce", n.Announce.problems(n.Credentials))
	for i := range n.Notify {
		ps.under(fmt.Sprintf("notify[%d]", i), n.Notify[i].problems(n.Credentials))
	}
	for i := range n.Communities {
		ps.under(fmt.Sprintf("communities[%d]", i), n.Communities[i].problems(n.Communities[:i]))
	}
	for i := range n.Users {
		ps.under(fmt.Sprintf("users[%d]", i), n.Users[i].problems(n.Users[:i]))
	}
	if n.FrontEnd == FrontEndResponder && len(n.Communities)+len(n.Users) == 0 {
		ps.add("communities", "there are neither communities nor users, so that nobody could ask this node, its parent included; write one of each that may")
	}
	ps.under("temperature", n.Temperature.problems())
	checkInt(&ps, "ilm.capacity", n.ILM.Capacity, 1, 100_000)
	checkInt(&ps, "ilm.log_records", n.ILM.LogRecords, 100, 10_000_000)
	if n.ILM.LogWindow != 0 {
		checkDuration(&ps, "ilm.log_window", n.ILM.LogWindow, 100*time.Millisecond, time.Hour)
	}
	ps.under("ilm", n.ILM.problemsPriority())
	ps.under("courtesy", n.Courtesy.problems())
	checkChoice(&ps, "log.level", n.Log.Level, logLevels...)
	checkChoice(&ps, "log.format", n.Log.Format, "text", "json")
	return ps
}

// Targets are the addresses in To.
func (a *Announce) Targets() []string {
	if a.To == "" {
		return nil
	}
	targets := strings.Split(a.To, ",")
	for i := range targets {
		targets[i] = strings.TrimSpace(targets[i])
	}
	return targets
}

func (a *Announce) problems(held []Credential) (ps Problems) {
	checkDuration(&ps, "every", a.Every, 100*time.Millisecond, time.Hour)
	if a.To == "" {
		return ps
	}
	for _, to := range a.Targets() {
		if err := checkPeer(to); err != nil {
			ps.add("to", "%v", err)
		}
	}
	if len(held) == 0 {
		ps.add("to", "announcing takes a credential and none is held; add one under credentials")
	}
	checkHeld(&ps, "credential", a.Credential, held)
	return ps
}

// checkHeld refuses the name of a credential that is not among those held;
// empty stands for the first.
func checkHeld(ps *Problems, key, name string, held []Credential) {
	if name == "" || slices.ContainsFunc(held, func(c Credential) bool { return c.Name == name }) {
		return
	}
	known := make([]string, len(held))
	for i, c := range held {
		known[i] = c.Name
	}
	switch near := nearest(name, known); {
	case near != "":
		ps.add(key, "there is no credential %q; did you mean %q?", name, near)
	case len(known) == 0:
		ps.add(key, "there is no credential %q, nor any other; add it under credentials", name)
	default:
		ps.add(key, "there is no credential %q; there is %s", name, oneOf(known))
	}
}

func credentialProblems(cs []Credential) (ps Problems) {
	for i, c := range cs {
		at := fmt.Sprintf("[%d]", i)
		if err := checkWord(c.Name); err != nil {
			ps.add(at+".name", "%v", err)
		} else if slices.ContainsFunc(cs[:i], func(d Credential) bool { return d.Name == c.Name }) {
			ps.add(at+".name", "%q stands there twice; each credential needs its own name", c.Name)
		}
		switch c.Version {
		case "v1", "v2c":
			ps.under(at, c.problemsCommunity())
		case "v3":
			ps.under(at, c.problemsV3())
		default:
			ps.add(at+".version", "%q is no version of SNMP; write v3 or v2c, or v1 for a device that knows no better", c.Version)
		}
	}
	return ps
}

func secretProblems(s Secret, file string) (ps Problems) {
	switch {
	case s.IsZero() && file == "":
		ps.add("community", "it is missing; write community, or community_file with the name of a file that holds it")
	case len(s.Reveal()) > 255:
		ps.add("community", "it has more than 255 octets")
	}
	return ps
}

func (c *Community) problems(before []Community) (ps Problems) {
	ps = secretProblems(c.Community, c.CommunityFile)
	if c.Name != "" {
		if err := checkWord(c.Name); err != nil {
			ps.add("name", "%v", err)
		}
		if slices.ContainsFunc(before, func(d Community) bool { return d.Name == c.Name }) {
			ps.add("name", "%q stands there twice; each community needs its own name, or none", c.Name)
		}
	}
	if !c.Community.IsZero() && slices.ContainsFunc(before, func(d Community) bool { return d.Community.Reveal() == c.Community.Reveal() }) {
		ps.add("community", "the same community stands above; put what it may do into one entry")
	}
	if len(c.Sources) == 0 {
		ps.add("sources", "it is empty, so that nobody could use the community; leave the key out for loopback, or write networks as 192.0.2.0/24")
	}
	if _, err := c.View(); err != nil {
		if at, ok := err.(*viewError); ok {
			ps.add(fmt.Sprintf("%s[%d]", at.list, at.i), "%s", at.text)
		}
	}
	return ps
}

func (t *Temperature) problems() (ps Problems) {
	// The weights are checked even while an expression hides them, so that
	// taking it away at run time cannot fail.
	if _, err := temperature.Linear(t.A, t.B); err != nil {
		key := "a"
		if _, err := temperature.Linear(t.A, 1); err == nil && t.B != 0 {
			key = "b"
		}
		ps.add(key, "%v", err)
	}
	if t.Expression != "" {
		if _, err := temperature.Compile(t.Expression); err != nil {
			ps.add("expression", "%v", err)
		}
	}
	if err := temperature.CheckWeights(t.History); err != nil {
		ps.add("history", "%v", err)
	}
	checkDuration(&ps, "stu", t.STU, time.Microsecond, time.Hour)
	if d := time.Duration(t.STU); d%time.Microsecond != 0 {
		ps.add("stu", "%v is not a whole number of microseconds; write for example %v", d, max(d.Truncate(time.Microsecond), time.Microsecond))
	}
	return ps
}
