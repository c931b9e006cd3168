package config

import (
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"simone/mib"
	"simone/profile"
)

// Kinds of inventory entries.
const (
	KindNode   = "node"   // runs simoned
	KindDevice = "device" // a plain SNMP agent
)

// Inventory is a node or device that the TLM is told of.
type Inventory struct {
	// Name is the key: an entry of the same name is the same device, whatever
	// its address. A node's identity is its UUID.
	Name string `yaml:"name"`
	// Address is host:port of the SNMP agent.
	Address string `yaml:"address"`
	// Kind is node or device; node if not given.
	Kind string `yaml:"kind"`
	// Profile is what to read of it: a profile, several with commas between, or
	// auto, by its sysObjectID; simone for nodes and auto for devices if empty.
	Profile string `yaml:"profile"`
	// Credential is how to ask it; the first one held if empty.
	Credential string `yaml:"credential"`
	// Interval is how often to poll it, 100ms to 24h; the TLM's poll if 0s.
	Interval Duration `yaml:"interval"`
	// Zone is where its address is reachable.
	Zone string `yaml:"zone"`
	// Candidate says that a node may become an ILM. What the node says of
	// itself must allow it too.
	Candidate bool `yaml:"candidate"`
}

func (n *Inventory) setDefaults() {
	n.Kind = KindNode
	n.Zone = "default"
}

// ProfileName is the profile that Profile stands for.
func (n *Inventory) ProfileName() string {
	switch {
	case n.Profile != "":
		return n.Profile
	case n.Kind == KindDevice:
		return profile.AutoName
	}
	return mib.ProfileSimone
}

// CheckInventory says, as Problems with keys like [2].address, what is wrong
// with entries from elsewhere (LoadFileSD) for this TLM: names and addresses
// given twice, credentials and profiles that it does not hold.
func (t *TLM) CheckInventory(nodes []Inventory) error { return t.inventoryProblems(nodes).err() }

func (t *TLM) inventoryProblems(nodes []Inventory) Problems {
	ps := append(inventoryProblems(nodes), t.profileProblems(nodes)...)
	for i, n := range nodes {
		checkHeld(&ps, fmt.Sprintf("[%d].credential", i), n.Credential, t.Credentials)
	}
	return ps
}

// inventoryProblems checks all but the credentials.
func inventoryProblems(nodes []Inventory) (ps Problems) {
	names, addresses := make(map[string]int), make(map[string]int)
	for i, n := range nodes {
		var one Problems
		if err := checkWord(n.Name); err != nil {
			one.add("name", "%v", err)
		} else if j, twice := names[n.Name]; twice {
			one.add("name", "%q is the name of entry [%d] too; each needs its own", n.Name, j)
		}
		names[n.Name] = i
		if err := checkPeer(n.Address); err != nil {
			one.add("address", "%v", err)
		} else if j, twice := addresses[n.Address]; twice {
			one.add("address", "%s is the address of entry [%d], %q, too; one of them is wrong", n.Address, j, nodes[j].Name)
		}
		addresses[n.Address] = i
		checkChoice(&one, "kind", n.Kind, KindNode, KindDevice)
		if n.Kind == KindDevice && n.Candidate {
			one.add("candidate", "a device cannot become an ILM; write false, or kind: node if simoned runs there")
		}
		if err := checkWord(n.Zone); err != nil {
			one.add("zone", "%v", err)
		}
		if n.Interval != 0 {
			checkDuration(&one, "interval", n.Interval, 100*time.Millisecond, 24*time.Hour)
		}
		ps.under(fmt.Sprintf("[%d]", i), one)
	}
	return ps
}

// fileSDGroup is one entry of a Prometheus file_sd file.
type fileSDGroup struct {
	Targets []string          `yaml:"targets"`
	Labels  map[string]string `yaml:"labels"`
}

// The labels of a file_sd group that SIMONE reads. Zone is read without the
// prefix too, as many inventories have it; other labels are somebody else's.
const (
	labelPrefix     = "__simone_"
	labelName       = labelPrefix + "name"
	labelKind       = labelPrefix + "kind"
	labelProfile    = labelPrefix + "profile"
	labelCredential = labelPrefix + "credential"
	labelInterval   = labelPrefix + "interval"
	labelZone       = labelPrefix + "zone"
	labelCandidate  = labelPrefix + "candidate"
	plainLabelZone  = "zone"
)

// LoadFileSD reads a Prometheus file_sd file, JSON or YAML: a list of groups,
// each with targets (host or host:port; port 161 if none) and labels:
// __simone_kind, _profile, _credential, _interval, _zone, _candidate hold for
// all targets of the group and mean what the fields of Inventory do;
// __simone_name names the only target of a group, others are named after
// their address. The error is Problems with file and line. Whether the
// credentials and profiles are held is TLM.CheckInventory's to say.
func LoadFileSD(path string) ([]Inventory, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read file_sd file: %w", err)
	}
	var groups []fileSDGroup
	d := decode(path, data, &groups)
	var nodes []Inventory
	var keys []string // where nodes[i] stands in the file
	for i, g := range groups {
		at := "[" + strconv.Itoa(i) + "]"
		template, ps := g.template()
		if len(g.Targets) == 0 {
			ps.add("targets", "the group has none; list at least one, or take the group away")
		}
		if len(g.Targets) > 1 && template.Name != "" {
			ps.add("labels."+labelName, "one name for %d targets; put each into a group of its own", len(g.Targets))
		}
		var below Problems
		below.under(at, ps)
		d.placed(below)
		for j, target := range g.Targets {
			n := template
			n.Address = withPort(target)
			if n.Name == "" {
				n.Name = nameOfAddress(n.Address)
			}
			nodes = append(nodes, n)
			keys = append(keys, fmt.Sprintf("%s.targets[%d]", at, j))
		}
	}
	if len(d.problems) > 0 {
		return nil, d.problems.err()
	}
	for _, p := range inventoryProblems(nodes) {
		// "[3].address" is the third target, wherever it stands in the file.
		var i int
		rest := ""
		if _, err := fmt.Sscanf(p.Key, "[%d].%s", &i, &rest); err == nil && i < len(keys) {
			p.Text = rest + ": " + p.Text
			p.Key = keys[i]
		}
		d.placed(Problems{p})
	}
	if err := d.problems.err(); err != nil {
		return nil, err
	}
	return nodes, nil
}

// template is what the labels of the group say of all its targets.
func (g *fileSDGroup) template() (n Inventory, ps Problems) {
	n.setDefaults()
	for _, label := range slices.Sorted(maps.Keys(g.Labels)) {
		value := g.Labels[label]
		key := "labels." + label
		switch label {
		case labelName:
			n.Name = value
		case labelKind:
			n.Kind = value
		case labelProfile:
			n.Profile = value
		case labelCredential:
			n.Credential = value
		case labelZone:
			n.Zone = value
		case plainLabelZone:
			if g.Labels[labelZone] == "" {
				n.Zone = value
			}
		case labelInterval:
			if err := n.Interval.decodeText(value); err != nil {
				ps.add(key, "%v", err)
			}
		case labelCandidate:
			b, err := strconv.ParseBool(value)
			if err != nil {
				ps.add(key, `%q is neither "true" nor "false"; write one of these`, value)
			}
			n.Candidate = b
		default:
			if word, ok := strings.CutPrefix(label, labelPrefix); ok {
				known := []string{"name", "kind", "profile", "credential", "interval", "zone", "candidate"}
				if near := nearest(word, known); near != "" {
					ps.add(key, "there is no such label; did you mean %s?", labelPrefix+near)
				} else {
					ps.add(key, "there is no such label; after %s may stand %s", labelPrefix, oneOf(known))
				}
			}
		}
	}
	return n, ps
}

func withPort(target string) string {
	if _, _, err := net.SplitHostPort(target); err == nil {
		return target
	}
	return net.JoinHostPort(strings.Trim(target, "[]"), strconv.Itoa(SNMPPort))
}

// nameOfAddress makes a node's name of host:port: the host, and the port
// unless it is SNMP's own.
func nameOfAddress(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	host = strings.ReplaceAll(host, ":", "_")
	if port != strconv.Itoa(SNMPPort) {
		host += "_" + port
	}
	return host
}
