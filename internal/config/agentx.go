package config

import (
	"fmt"
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// The ways of a node to answer SNMP.
const (
	FrontEndResponder = "responder"
	FrontEndAgentX    = "agentx"
)

// AgentX is how a node joins its machine's own snmpd (RFC 2741).
type AgentX struct {
	// Master is the snmpd's agentXSocket: unix:/path or tcp:host:port.
	Master string `yaml:"master"`
	// Priority is 1 to 255: of two subagents with the same objects the one
	// with the lower number answers.
	Priority int `yaml:"priority"`
	// Contexts are the SNMP contexts that the node answers in; the default
	// context if there are none.
	Contexts []string `yaml:"contexts"`
}

func defaultAgentX() AgentX { return AgentX{Master: "unix:/var/agentx/master", Priority: 127} }

func (a *AgentX) problems() (ps Problems) {
	if !validMaster(a.Master) {
		ps.add("master", "%q is no socket of an snmpd; write its agentXSocket, as unix:/var/agentx/master or tcp:127.0.0.1:705", a.Master)
	}
	checkInt(&ps, "priority", a.Priority, 1, 255)
	for i, c := range a.Contexts {
		at := fmt.Sprintf("contexts[%d]", i)
		if slices.Contains(a.Contexts[:i], c) {
			ps.add(at, "%q stands there twice; keep one", c)
		}
		if len(c) > 32 {
			ps.add(at, "%q has %d octets; the name of an SNMP context has at most 32", c, len(c))
		}
	}
	return ps
}

func validMaster(s string) bool {
	kind, rest, _ := strings.Cut(s, ":")
	switch kind {
	case "unix":
		return filepath.IsAbs(rest)
	case "tcp":
		host, port, err := net.SplitHostPort(rest)
		return err == nil && host != "" && port != ""
	}
	return filepath.IsAbs(s)
}

// Informed reports whether anybody may send the node notifications.
func (n *Node) Informed() bool {
	return slices.ContainsFunc(n.Communities, func(c Community) bool { return c.Notify }) ||
		slices.ContainsFunc(n.Users, func(u User) bool { return u.Notify })
}

// problemsAgentX says what is wrong with the keys of the responder while the
// snmpd answers. It decides who may ask what, so that none of them has a
// meaning, but at the top those that let in informs, which the snmpd does not
// hand on.
func (n *Node) problemsAgentX(top bool) (ps Problems) {
	refuse := func(key, what, remedy string) {
		ps.add(key, "front_end is agentx, so that the snmpd answers, and its configuration says %s; %s", what, remedy)
	}
	if n.Advertise == "" {
		ps.add("advertise", "it is needed when front_end is agentx; write the host:port at which this machine's snmpd answers")
	}
	ps.under("agentx", n.AgentX.problems())
	usual := DefaultNode().Listen
	if top {
		usual = DefaultTLM().Listen
	}
	switch {
	case top && n.Informed():
		if n.Listen == n.Advertise {
			ps.add("listen", "%s is where the snmpd answers (advertise); write another address or port, for the informs of nodes that join", n.Listen)
		}
	case n.Listen != usual:
		refuse("listen", "where (agentAddress)", "leave listen out")
	}
	remedy := "leave it out"
	if top {
		remedy = "write notify: true if it is for the informs of nodes that join, or leave it out"
	}
	for i := range n.Communities {
		if c := &n.Communities[i]; !(top && c.Notify) && !(len(n.Communities) == 1 && usualCommunity(*c)) {
			refuse(fmt.Sprintf("communities[%d]", i), "who may ask what (rocommunity, rwcommunity)", remedy)
		}
	}
	for i := range n.Users {
		if !(top && n.Users[i].Notify) {
			refuse(fmt.Sprintf("users[%d]", i), "who may ask what (createUser, rouser, rwuser)", remedy)
		}
	}
	return ps
}

// usualCommunity reports whether a community is the one of the defaults.
func usualCommunity(c Community) bool {
	usual := publicCommunity()
	usual.Name = c.Name
	return reflect.DeepEqual(c, usual)
}
