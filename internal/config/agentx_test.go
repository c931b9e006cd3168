package config

import (
	"slices"
	"strings"
	"testing"
)

func TestLoadAgentX(t *testing.T) {
	c, err := LoadNode("../../configs/simoned.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if c.FrontEnd != FrontEndResponder || c.AgentX.Master != "unix:/var/agentx/master" || c.AgentX.Priority != 127 {
		t.Errorf("by default %s, %+v", c.FrontEnd, c.AgentX)
	}
	c, err = LoadNode(mustWrite(t, "simoned.yaml", `
front_end: agentx
advertise: 192.0.2.7:161
agentx: {master: "tcp:127.0.0.1:705", priority: 20, contexts: ["", simone]}
`))
	if err != nil {
		t.Fatal(err)
	}
	noWarnings(t, c)
	if c.Address() != "192.0.2.7:161" || c.AgentX.Master != "tcp:127.0.0.1:705" || c.AgentX.Priority != 20 || !slices.Equal(c.AgentX.Contexts, []string{"", "simone"}) {
		t.Errorf("%+v at %s", c.AgentX, c.Address())
	}
	if c.Informed() {
		t.Error("somebody may notify it")
	}
}

// A TLM under an snmpd listens for informs itself.
func TestLoadAgentXOfTLM(t *testing.T) {
	const base = "front_end: agentx\nadvertise: 127.0.0.1:161\n"
	c, err := LoadTLM(mustWrite(t, "tlm.yaml", base+"listen: 127.0.0.1:1162\ncommunities: [{community: s3cret, notify: true}]"))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Informed() {
		t.Error("nobody may notify it")
	}
	if c, err = LoadTLM(mustWrite(t, "tlm.yaml", base)); err != nil || c.Informed() {
		t.Errorf("with an inventory alone: error %v", err)
	}
}

func TestLoadAgentXRefuses(t *testing.T) {
	const base = "front_end: agentx\nadvertise: 127.0.0.1:161\n"
	node := func(path string) error { _, err := LoadNode(path); return err }
	top := func(path string) error { _, err := LoadTLM(path); return err }
	for _, tt := range []struct {
		name, text, want string
		load             func(string) error
	}{
		{"front end", "front_end: agentz", `front_end: "agentz" is not known; did you mean "agentx"?`, node},
		{"no advertise", "front_end: agentx", "advertise: it is needed when front_end is agentx; write the host:port at which this machine's snmpd answers", node},
		{"listen", base + "listen: 127.0.0.1:1162", "listen: front_end is agentx, so that the snmpd answers, and its configuration says where (agentAddress); leave listen out", node},
		{"communities", base + "communities: [{community: private, write: [simoneMIB]}]", "communities[0]: front_end is agentx, so that the snmpd answers, and its configuration says who may ask what (rocommunity, rwcommunity); leave it out", node},
		{"notify", base + "communities: [{community: s3cret, notify: true}]", "communities[0]: front_end is agentx", node},
		{"users", base + "users: [{name: guest, level: noAuthNoPriv}]", "users[0]: front_end is agentx, so that the snmpd answers, and its configuration says who may ask what (createUser, rouser, rwuser); leave it out", node},
		{"master", base + "agentx: {master: /var:705, priority: 0}", `agentx.priority: 0 is out of range; write a number from 1 to 255`, node},
		{"relative master", base + "agentx: {master: unix:agentx}", `agentx.master: "unix:agentx" is no socket of an snmpd; write its agentXSocket, as unix:/var/agentx/master or tcp:127.0.0.1:705`, node},
		{"context", base + "agentx: {contexts: [a, b, a]}", `agentx.contexts[2]: "a" stands there twice`, node},
		{"questions to the TLM", base + "communities: [{community: private}]", "write notify: true if it is for the informs of nodes that join, or leave it out", top},
		{"two at one port", base + "listen: 127.0.0.1:161\ncommunities: [{community: s3cret, notify: true}]", "listen: 127.0.0.1:161 is where the snmpd answers (advertise); write another address or port", top},
		{"listen of a deaf TLM", base + "listen: 127.0.0.1:1162", "listen: front_end is agentx", top},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.load(mustWrite(t, "file.yaml", tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}
