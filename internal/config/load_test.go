package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// mustWrite makes a file, private unless a test says otherwise.
func mustWrite(tb testing.TB, name, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// Every file in configs/ must load, and must say what the defaults are where
// it claims to show them.
func TestShippedConfigurations(t *testing.T) {
	loaded := map[string]func(string) (any, error){
		"simoned.yaml": func(p string) (any, error) { return LoadNode(p) },
		"tlm.yaml":     func(p string) (any, error) { return LoadTLM(p) },

		"tlm-standby.yaml": func(p string) (any, error) { return LoadTLM(p) },
		"demo.yaml":        func(p string) (any, error) { return LoadDemo(p) },
	}
	files, err := filepath.Glob("../../configs/*.yaml")
	if err != nil || len(files) < len(loaded) {
		t.Fatalf("configs/ has only %v (%v)", files, err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			load := loaded[filepath.Base(f)]
			if load == nil {
				t.Fatal("nothing loads this file; add it to the table of this test")
			}
			c, err := load(f)
			if err != nil {
				t.Fatal(err)
			}
			now, restart := changesFromDefault(c)
			for _, key := range append(now, restart...) {
				switch key {
				case "name", "announce.to", "announce.credential", "credentials", "communities", "nodes", "file_sd":
				case "store", "listen": // which a TLM that shares its store needs
					if tlm, ok := c.(*TLM); ok && strings.HasPrefix(tlm.Store, "etcd://") {
						continue
					}
					fallthrough
				default:
					t.Errorf("%s is not the default, and the file does not say so", key)
				}
			}
			switch c := c.(type) {
			case *Node:
				noWarnings(t, c)
			case *TLM:
				noWarnings(t, &c.Node)
			}
		})
	}
}

func changesFromDefault(c any) (now, restart []string) {
	switch c.(type) {
	case *Node:
		return Changes(DefaultNode(), c)
	case *TLM:
		return Changes(DefaultTLM(), c)
	}
	return Changes(DefaultDemo(), c)
}

func noWarnings(t *testing.T, n *Node) {
	t.Helper()
	for _, w := range n.Warnings {
		t.Errorf("warning: %s", w)
	}
}

func TestDefaultsAreValid(t *testing.T) {
	if _, err := LoadNode(""); err != nil {
		t.Error(err)
	}
	if _, err := LoadTLM(""); err != nil {
		t.Error(err)
	}
	if _, err := LoadDemo(""); err != nil {
		t.Error(err)
	}
}

// One TLM and six nodes on one machine, by flags alone.
func TestSixNodesOnOneMachine(t *testing.T) {
	tlm, err := LoadTLM("../../configs/tlm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	addresses := map[string]bool{tlm.Address(): true}
	states := map[string]bool{tlm.StateDir(): true}
	for _, n := range []string{"2", "3", "4", "5", "6", "7"} {
		c, err := LoadNode("../../configs/simoned.yaml", Override{"name", "n" + n}, Override{"listen", "127.0.0." + n + ":1161"})
		if err != nil {
			t.Fatal(err)
		}
		if c.Announce.To != tlm.Address() {
			t.Errorf("node %s announces to %s, the TLM is at %s", n, c.Announce.To, tlm.Address())
		}
		if c.Credentials[0].Community.Reveal() != tlm.Credentials[0].Community.Reveal() {
			t.Errorf("node %s and the TLM do not share a community", n)
		}
		if addresses[c.Address()] || states[c.StateDir()] {
			t.Errorf("node %s shares address %s or state %s with another", n, c.Address(), c.StateDir())
		}
		addresses[c.Address()], states[c.StateDir()] = true, true
	}
}

func TestLoadReplacesDefaults(t *testing.T) {
	path := mustWrite(t, "tlm.yaml", `
name: top
poll: 500ms
thresholds: {split: 20}
temperature: 0.2*I + L
churn: 1
ilms:
candidate: false
nodes:
  - {name: a, address: "10.0.0.1:161", kind: device}
  - name: b
    address: b.example.net:1161
    candidate: true
    interval: 1m
`)
	c, err := LoadTLM(path)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultTLM()
	want.Name = "top"
	want.Communities[0].Name = "1"
	want.Poll = Duration(500 * time.Millisecond)
	want.Thresholds.Split = 20
	want.Temperature.Expression = "0.2*I + L"
	want.Churn = 1
	want.Nodes = []Inventory{
		{Name: "a", Address: "10.0.0.1:161", Kind: "device", Zone: "default"},
		{Name: "b", Address: "b.example.net:1161", Kind: "node", Zone: "default", Candidate: true, Interval: Duration(time.Minute)},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	if a, b := c.Nodes[0].ProfileName(), c.Nodes[1].ProfileName(); a != "auto" || b != "simone" {
		t.Errorf("profiles %q and %q", a, b)
	}
}

// What is wrong is refused with file, line, column, key, and what to write.
func TestLoadRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       []string // parts of the error, in order of lines
	}{
		{"unknown key", "pol: 1s", []string{`tlm.yaml:1:1: pol: there is no such key; did you mean "poll"?`}},
		{"unknown key below", "thresholds:\n  spilt: 20", []string{`:2:3: thresholds.spilt: there is no such key; did you mean "split"?`}},
		{"key in the wrong place", "split: 20", []string{`:1:1: split: there is no such key; it belongs under "thresholds"`}},
		{"key that belongs at the top", "ilms:\n  trigger: 1s", []string{`:2:3: ilms.trigger: there is no such key; it belongs at the top`}},
		{"key like nothing", "thresholds:\n  xyzzy: 1", []string{"the keys here are merge, split, migrate"}},
		{"duplicate", "poll: 1s\ntrigger: 1s\npoll: 2s", []string{":3:1: poll: it stands there twice, first in line 1"}},
		{"no YAML", "poll: [1s", []string{":1:"}},
		{"tab", "ilms:\n\tmin: 2", []string{":2:"}},
		{"two documents", "poll: 1s\n---\npoll: 2s\n", []string{":3:1: a second document"}},
		{"anchor", "poll: &p 1s", []string{":1:7: poll: anchors, aliases and tags"}},
		{"merge key", "thresholds:\n  <<: {split: 20}", []string{":2:3: thresholds: a key has to be a plain word"}},
		{"number for text", "name: 12", []string{`:1:7: name: 12 is a number and text is wanted; write it in quotes: "12"`}},
		{"text for number", "churn: lots", []string{`:1:8: churn: "lots" is not a number`}},
		{"broken number", "ilms: {min: 1.5}", []string{`ilms.min: "1.5" is not a whole number`}},
		{"not a number", "churn: .nan", []string{`churn: ".nan" is not a number`}},
		{"text for truth", "candidate: yes", []string{`candidate: "yes" is neither true nor false`}},
		{"list for keys", "thresholds: [1, 2, 3]", []string{"thresholds: a list stands where keys are wanted; write below it one or more of merge, split or migrate"}},
		{"keys for a list", "nodes: {a: b}", []string{"nodes: a set of keys stands where a list is wanted"}},
		{"list for a secret", "credentials:\n  - name: x\n    community: [hunter2]", []string{":3:16: credentials[0].community: a list stands where text is wanted"}},
		{"no unit", "poll: 10", []string{":1:7: poll: 10 has no unit; write for example 10s"}},
		{"no time", "poll: soon", []string{`poll: "soon" is not a time`}},
		{"time too short", "poll: 1ms", []string{":1:7: poll: 1ms is out of range; write a time from 100ms to 24h0m0s"}},
		{"every problem at once", "poll: 1ms\ntrigger: 1ms", []string{":1:7: poll", ":2:10: trigger"}},

		{"thresholds out of order", "thresholds:\n  merge: 20\n  split: 10", []string{":3:10: thresholds.split: 10 is not above merge (20); the order is merge < split < migrate"}},
		{"threshold equal", "thresholds: {split: 500}", []string{"thresholds.migrate: 500 is not above split (500)"}},
		{"threshold negative", "thresholds: {merge: -1}", []string{"thresholds.merge: -1 is not a positive number"}},
		{"churn", "churn: 10", []string{"churn: 10 is no share"}},
		{"moves per hour", "moves_per_hour: -1", []string{"moves_per_hour: -1"}},
		{"churn of nothing", "churn: 0", []string{":1:8: churn: 0 is no share; write a number above 0", "mode: fixed"}},
		{"ilms", "ilms: {min: 3, max: 2}", []string{"ilms.max: 2 is below min (3)"}},
		{"start", "ilms: {min: 3}", []string{"ilms.start: 2 is not from min (3) to the number of candidates"}},
		{"policy", "policy: papr", []string{`policy: "papr" is not known; did you mean "paper"?`}},
		{"mode", "mode: manual", []string{`mode: "manual" is not known; write automatic or fixed`}},
		{"scheme", "store: redis://10.0.0.1:2379", []string{`store: "redis://10.0.0.1:2379" is neither the path of a file nor of a scheme that is known; write etcd://192.0.2.10:2379`}},
		{"etcd without port", "store: etcd://10.0.0.1/simone", []string{"10.0.0.1", "write etcd://192.0.2.10:2379"}},
		{"etcd without host", "store: etcd:///simone", []string{"store: ", "write etcd://192.0.2.10:2379"}},
		{"etcd with a user", "store: etcd://root:hunter2@10.0.0.1:2379/simone", []string{"store: it has a user in it; write them as user and password_file"}},
		{"etcd with options", "store: etcd://10.0.0.1:2379/simone?tls=1", []string{"more than hosts and a prefix"}},
		{"etcd's lease", "store: etcd://10.0.0.1:2379\netcd:\n  lease: 500ms", []string{"etcd.lease: 500ms is not a number of whole seconds from 2s to 60s"}},
		{"TLS without etcds", "store: etcd://10.0.0.1:2379\netcd:\n  ca_file: ca.pem", []string{"etcd.ca_file: open"}},
		{"a user without password", "store: etcd://10.0.0.1:2379\netcd:\n  user: simone", []string{"etcd.password: it is missing"}},
		{"etcd's keys for a file", "etcd:\n  user: simone\n  password: hunter22", []string{"etcd: the store is a file; write store: etcd://"}},
		{"a TLM announces nothing", "announce: {to: '127.0.0.1:1'}\ncredentials: [{name: a, community: b}]", []string{"announce.to: a TLM announces itself to nobody"}},
		{"v3 with a community", "credentials: [{name: a, version: v3, community: b}]", []string{
			"credentials[0].user: it is missing", "credentials[0].auth.passphrase: it is missing; write passphrase, or passphrase_file",
			"credentials[0].priv.passphrase: it is missing", "credentials[0].community: version v3 has a user and keys in place of a community"}},
		{"v2c with a user", "credentials: [{name: a, community: b, user: c}]", []string{"credentials[0].user: user, level, auth and priv are for SNMPv3; write version: v3"}},
		{"v3 level", "credentials:\n- {name: a, version: v3, user: u, level: authPrv}", []string{`:2:42: credentials[0].level: "authPrv" is not known; did you mean "authPriv"?`}},
		{"v3 user", "users: [{name: a b, level: noAuthNoPriv}]", []string{`users[0].name: "a b" has a ' '`}},
		{"v3 long user", "users: [{name: abcdefghijklmnopqrstuvwxyz0123456, level: noAuthNoPriv}]", []string{"at most 32 are allowed in the name of an SNMPv3 user"}},
		{"v3 user twice", "users: [{name: a, level: noAuthNoPriv}, {name: a, level: noAuthNoPriv}]", []string{`users[1].name: "a" stands there twice`}},
		{"v3 short passphrase", "users: [{name: a, level: authNoPriv, auth: {passphrase: hunter2}}]", []string{"users[0].auth.passphrase: it has fewer than 8 characters"}},
		{"v3 auth protocol", "users: [{name: a, level: authNoPriv, auth: {protocol: sha255, passphrase: hunter22}}]", []string{`users[0].auth.protocol: "sha255" is not known; did you mean "sha256"?`}},
		{"v3 priv protocol", "users: [{name: a, auth: {passphrase: hunter22}, priv: {protocol: rot13, passphrase: hunter22}}]", []string{`users[0].priv.protocol: "rot13" is not known; write aes128`}},
		{"v3 keys not used", "users: [{name: a, level: authNoPriv, auth: {passphrase: hunter22}, priv: {passphrase: hunter22}}]", []string{"users[0].priv: level authNoPriv has no privacy"}},
		{"v3 keys not used at all", "users: [{name: a, level: noAuthNoPriv, auth: {passphrase: hunter22}}]", []string{"users[0].auth: level noAuthNoPriv has no authentication"}},
		{"v3 passphrase twice", "users: [{name: a, auth: {passphrase: hunter22, passphrase_file: x}, priv: {passphrase: hunter22}}]", []string{"users[0].auth.passphrase_file: passphrase is given too"}},
		{"v3 no such file", "users: [{name: a, auth: {passphrase_file: nowhere}, priv: {passphrase: hunter22}}]", []string{"users[0].auth.passphrase_file: there is no file", "with the passphrase in it, mode 600"}},
		{"v3 sources", "users: [{name: a, level: noAuthNoPriv, sources: []}]", []string{"users[0].sources: it is empty"}},
		{"v3 view", "users: [{name: a, level: noAuthNoPriv, write: [1.3.x]}]", []string{"users[0].write[0]:"}},
		{"nobody may ask", "communities: []", []string{"communities: there are neither communities nor users"}},
		{"version", "credentials: [{name: a, version: '2', community: b}]", []string{`credentials[0].version: "2" is no version of SNMP; write v3 or v2c`}},
		{"credential twice", "credentials: [{name: a, community: b}, {name: a, community: c}]", []string{`credentials[1].name: "a" stands there twice`}},
		{"no community", "credentials: [{name: a}]", []string{"credentials[0].community: it is missing; write community, or community_file"}},
		{"no such secret file", "credentials: [{name: a, community_file: nowhere}]", []string{"credentials[0].community_file: there is no file", "mode 600"}},
		{"community twice", "communities: [{community: a}, {community: a}]", []string{"communities[1].community: the same community stands above"}},
		{"no sources", "communities: [{community: a, sources: []}]", []string{"communities[0].sources: it is empty"}},
		{"source without length", "communities: [{community: a, sources: [10.0.0.1]}]", []string{"communities[0].sources[0]: \"10.0.0.1\" has no length; write 10.0.0.1/32"}},
		{"source with bits", "communities: [{community: a, sources: [10.0.0.1/8]}]", []string{"communities[0].sources[0]: \"10.0.0.1/8\" has bits beyond its length; write 10.0.0.0/8"}},
		{"bad subtree", "communities: [{community: a, write: [1.3.x]}]", []string{"communities[0].write[0]:", "write a subtree as 1.3.6.1.2.1"}},
		{"expression", "temperature:\n  expression: 0.2*I + X", []string{":2:15: temperature.expression: temperature expression \"0.2*I + X\", column 9: unknown name X"}},
		{"short expression", "temperature: 0.2*I + X", []string{":1:14: temperature.expression: "}},
		{"weights", "temperature: {a: 0, b: 0}", []string{"temperature.a: temperature weights a and b are both 0"}},
		{"history", "temperature: {history: [0, 1]}", []string{"temperature.history: history weight 1"}},
		{"weight b", "temperature: {b: -1, expression: L}", []string{"temperature.b: temperature weight b is -1"}},
		{"odd stu", "temperature: {stu: 1500ns}", []string{"temperature.stu: 1.5µs is not a whole number of microseconds; write for example 1µs"}},
		{"community name", "communities: [{name: a b, community: c}]", []string{`communities[0].name: "a b" has a ' '`}},
		{"community name twice", "communities: [{name: a, community: c}, {name: a, community: d}]", []string{`communities[1].name: "a" stands there twice`}},
		{"stu", "temperature: {stu: 0s}", []string{"temperature.stu: 0s is out of range"}},

		{"listen at a name", "listen: localhost:1161", []string{`:1:9: listen: "localhost:1161" does not begin with an IP address`}},
		{"listen without host", "listen: ':1161'", []string{"write 127.0.0.1:1161, or 0.0.0.0:1161 for all"}},
		{"listen without port", "listen: 127.0.0.1", []string{`"127.0.0.1" has no port; write for example 127.0.0.1:1161`}},
		{"listen port", "listen: 127.0.0.1:99999", []string{`port "99999" is not a number from 1 to 65535`}},
		{"bare IPv6", "listen: '2001:db8::1:1161'", []string{"an IPv6 address goes in brackets"}},
		{"listen everywhere", "listen: 0.0.0.0:1161", []string{"advertise: it is needed, as listen (0.0.0.0:1161) is every address"}},
		{"advertise everywhere", "advertise: 0.0.0.0:1161", []string{"stands for all addresses of a machine"}},
		{"advertise port 0", "advertise: n1:0", []string{"has port 0, where nobody answers"}},
		{"not quite an IP address", "advertise: 127.0.0.300:1161", []string{"has no IP address in it"}},
		{"host name", "advertise: 'a b:1161'", []string{`host "a b" has a ' '`}},
		{"name", "name: ../etc", []string{`name: "../etc" does not begin with a letter or digit`}},
		{"capacity", "ilm: {capacity: 0}", []string{"ilm.capacity: 0 is out of range"}},
		{"both priorities", "ilm: {high_priority: [core], low_priority: [system, core]}", []string{"ilm.low_priority[1]: core is in high_priority too"}},
		{"outstanding", "courtesy: {outstanding: 0}", []string{":1:25: courtesy.outstanding: 0 is out of range; write a number from 1 to 64"}},
		{"rate", "courtesy: {rate: -1}", []string{"courtesy.rate: -1 polls of one address a second are out of range; write a number from 0.01 to 10000, or 0"}},
		{"rate that is no number", "courtesy: {rate: .nan}", []string{"courtesy.rate: "}},
		{"rest", "courtesy: {rest: 10ms}", []string{"courtesy.rest: 10ms is out of range"}},
		{"window", "courtesy: {window: 100000}", []string{"courtesy.window: 100000 is out of range"}},
		{"log", "log: {level: verbose}", []string{`log.level: "verbose" is not known; write debug, info, warn or error`}},

		{"node twice", "nodes:\n  - {name: a, address: 'a:1'}\n  - {name: a, address: 'b:1'}", []string{`:3:12: nodes[1].name: "a" is the name of entry [0] too`}},
		{"address twice", "nodes:\n  - {name: a, address: 'a:1'}\n  - {name: b, address: 'a:1'}", []string{`nodes[1].address: a:1 is the address of entry [0], "a", too`}},
		{"node without address", "nodes:\n  - name: a", []string{":2:5: nodes[0].address: there is no address"}},
		{"kind", "nodes: [{name: a, address: 'a:1', kind: router}]", []string{`nodes[0].kind: "router" is not known; write node or device`}},
		{"profile", "nodes: [{name: a, address: 'a:1', profile: sytem}]", []string{`nodes[0].profile: there is no profile "sytem"`}},
		{"candidate device", "nodes: [{name: a, address: 'a:1', kind: device, candidate: true}]", []string{"nodes[0].candidate: a device cannot become an ILM"}},
		{"credential not held", "credentials: [{name: tree, community: c}]\nnodes: [{name: a, address: 'a:1', credential: tre}]", []string{`nodes[0].credential: there is no credential "tre"; did you mean "tree"?`}},
		{"credential of none", "nodes: [{name: a, address: 'a:1', credential: x}]", []string{`nodes[0].credential: there is no credential "x", nor any other`}},
		{"file_sd", "file_sd: ['[']", []string{"file_sd[0]: \"[\" is neither a file nor a pattern"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := LoadTLM(mustWrite(t, "tlm.yaml", tc.text))
			if err == nil {
				t.Fatalf("loaded as %+v", c)
			}
			if _, ok := err.(Problems); !ok {
				t.Errorf("the error is a %T", err)
			}
			rest := err.Error()
			for _, want := range tc.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Errorf("error\n%s\ndoes not say\n%s", err, want)
				}
				rest = after
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestLoadNodeRefusesAnnounceWithoutCredential(t *testing.T) {
	_, err := LoadNode(mustWrite(t, "n.yaml", "announce: {to: '127.0.0.1:1161'}"))
	if err == nil || !strings.Contains(err.Error(), "announce.to: announcing takes a credential and none is held") {
		t.Errorf("error %v", err)
	}
}

func TestLoadUnreadable(t *testing.T) {
	_, err := LoadTLM(filepath.Join(t.TempDir(), "nowhere.yaml"))
	if err == nil || !os.IsNotExist(unwrapAll(err)) || !strings.Contains(err.Error(), "nowhere.yaml") {
		t.Errorf("error %v", err)
	}
}

func unwrapAll(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok || u.Unwrap() == nil {
			return err
		}
		if _, ok := err.(*os.PathError); ok {
			return err
		}
		err = u.Unwrap()
	}
}

func TestLoadDemoRefuses(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"base", "base: 10.0.0.1", `base: "10.0.0.1" is not an address in 127.0.0.0/8`},
		{"no room", "base: 127.255.255.250", "there is no room for 45 addresses"},
		{"start below min", "start: 1", "start: 1 is out of range; write a number from 2 to 4"},
		{"nobody left", "{ilms: 1, start: 1, min: 1}", "with one candidate nobody is left"},
		{"port", "port: 0", "port: 0 is out of range"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := LoadDemo(mustWrite(t, "demo.yaml", tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestDemoAddresses(t *testing.T) {
	d := DefaultDemo()
	d.Base = "127.16.0.250"
	tlm, nodes := d.Addresses()
	if tlm.String() != "127.16.0.250:1161" || len(nodes) != 44 {
		t.Fatalf("TLM %v, %d nodes", tlm, len(nodes))
	}
	if nodes[0].String() != "127.16.0.251:1161" || nodes[43].String() != "127.16.1.38:1161" {
		t.Errorf("nodes from %v to %v", nodes[0], nodes[43])
	}
}

func TestLookup(t *testing.T) {
	for _, tc := range []struct{ address, want string }{
		{"127.0.0.1:1161", "127.0.0.1:1161"},
		{"[::ffff:127.0.0.1]:1161", "127.0.0.1:1161"},
		{"localhost:1161", "127.0.0.1:1161"},
	} {
		got, err := Lookup(t.Context(), tc.address)
		if err != nil || got.String() != tc.want {
			t.Errorf("Lookup(%s) = %v, %v; want %s", tc.address, got, err, tc.want)
		}
	}
	for _, address := range []string{"", "localhost", "a b:1", "127.0.0.300:1"} {
		if got, err := Lookup(t.Context(), address); err == nil {
			t.Errorf("Lookup(%q) = %v", address, got)
		}
	}
}

func TestOverrides(t *testing.T) {
	set := func(s ...string) (*TLM, error) {
		var os []Override
		for _, o := range s {
			p, err := ParseOverride(o)
			if err != nil {
				return nil, err
			}
			os = append(os, p)
		}
		return LoadTLM(mustWriteTLM(t), os...)
	}
	c, err := set("thresholds.split=30", "name=12", "temperature.expression=I > 5 ? 10 : L", "file_sd=[a.json, b.json]", "poll=2s", "mode=fixed")
	if err != nil {
		t.Fatal(err)
	}
	if c.Thresholds.Split != 30 || c.Thresholds.Merge != 2 || c.Name != "12" || c.Temperature.Expression != "I > 5 ? 10 : L" ||
		len(c.FileSD) != 2 || c.Poll != Duration(2*time.Second) || c.Mode != "fixed" {
		t.Errorf("got %+v", c)
	}
	for _, tc := range []struct{ set, want string }{
		{"thresholds.spilt=30", `--set thresholds.spilt: there is no key "thresholds.spilt"; did you mean "split"?`},
		{"thresholds.split=1", "--set thresholds.split: thresholds.split: 1 is not above merge (2)"},
		{"poll=5", "--set poll: 5 has no unit"},
		{"ilms.min=", "there is nothing behind the ="},
		{"poll.x=1", "poll has no keys below it"},
		{"nodes[0].name=x", "write key=value in one line"},
		{"split", "is not of the form key=value"},
		{"thresholds.split=a: b: c", "--set thresholds.split: "},
	} {
		t.Run(tc.set, func(t *testing.T) {
			_, err := set(tc.set)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func mustWriteTLM(tb testing.TB) string {
	tb.Helper()
	return mustWrite(tb, "tlm.yaml", "thresholds:\n  merge: 2\n")
}

// What --check prints can be loaded again, but for its secrets.
func TestMarshalledConfigurationLoads(t *testing.T) {
	c := DefaultTLM()
	c.Name = "top"
	c.Communities[0].Name = "1"
	c.Nodes = []Inventory{{Name: "a", Address: "a:1", Kind: "node", Zone: "z", Interval: Duration(time.Second)}}
	b, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	got, err := LoadTLM(mustWrite(t, "tlm.yaml", string(b)))
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	now, restart := Changes(c, got)
	if len(now) != 0 || !slices.Equal(restart, []string{"communities", "etcd.password"}) { // empty is not none
		t.Errorf("changed: %v, %v", now, restart)
	}
}

func TestChanges(t *testing.T) {
	a, b := DefaultTLM(), DefaultTLM()
	if now, restart := Changes(a, b); len(now)+len(restart) != 0 {
		t.Errorf("equal configurations differ in %v, %v", now, restart)
	}
	b.Listen = "127.0.0.9:1161"
	b.Log.Level, b.Log.Format = "debug", "json"
	b.Thresholds.Split = 20
	b.Temperature.History = []float64{1}
	b.Communities[0].Community = NewSecret("other")
	now, restart := Changes(a, b)
	if want := []string{"log.level", "temperature.history", "thresholds.split"}; !reflect.DeepEqual(now, want) {
		t.Errorf("now %v, want %v", now, want)
	}
	if want := []string{"communities", "listen", "log.format"}; !reflect.DeepEqual(restart, want) {
		t.Errorf("restart %v, want %v", restart, want)
	}
}

// Every key has a name of its own and says when it takes effect.
func TestKeysAreComplete(t *testing.T) {
	var walk func(typ reflect.Type, at, reload string)
	walk = func(typ reflect.Type, at, reload string) {
		seen := map[string]bool{}
		for _, f := range fieldsOf(typ) {
			key := join(at, f.name)
			how := f.reload
			if how == "" {
				how = reload
			}
			if f.name == "" || seen[f.name] {
				t.Errorf("%q: no name, or the same twice", key)
			}
			seen[f.name] = true
			if f.typ.Kind() == reflect.Struct && len(fieldsOf(f.typ)) > 0 {
				walk(f.typ, key, how)
			} else if how != "now" && how != "restart" {
				t.Errorf("%s does not say whether it takes effect now or after a restart", key)
			}
		}
	}
	walk(reflect.TypeFor[Node](), "", "")
	walk(reflect.TypeFor[TLM](), "", "")
}

// A file that is not there is named, with what to do.
func TestNoFile(t *testing.T) {
	_, err := LoadNode(filepath.Join(t.TempDir(), "none.yaml"))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%v, want that it is not there", err)
	}
	for _, part := range []string{"none.yaml", "--config", "configs/"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}
