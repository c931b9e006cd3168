//go:build linux

package testbed

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"simone/mib"
)

// fleet is a tree whose members are hosts of a fabric, each with a wall clock
// of its own. Some answer through an snmpd of their own; all is SNMPv3,
// authPriv.
type fleet struct {
	*tree
	t        *testing.T
	fabric   *fabric
	operator *host // where people sit: nothing happens to it
	hosts    map[string]*host
	snmpds   map[string]*snmpd // by member, of those that have one

	store    *process // the etcd, on the host of that name
	storeLog *logBuffer
}

// etcdName is the host of the etcd that the TLMs share.
const etcdName = "etcd"

// fleetShape is what a fleet is made of.
type fleetShape struct {
	nodes      int // n2 and up
	candidates int // of them, the first
	snmpds     int // so many have an snmpd, the last candidate and those after it
	poll       time.Duration
	top        string // what the TLMs' configuration says besides
	seed       uint64
}

// muster makes a fleet with two TLMs that share an etcd, tlm and tlm2; nothing
// runs yet.
func muster(t *testing.T, s fleetShape) *fleet {
	t.Helper()
	program := findSnmpd(t)
	needEtcd(t)
	dir, err := os.MkdirTemp("", "simone-fleet-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(dir)
		}
	})
	f := &fleet{
		t: t, fabric: newFabric(s.seed), hosts: make(map[string]*host), snmpds: make(map[string]*snmpd),
		tree: &tree{
			tb: t, dir: dir, base: netip.MustParseAddr("192.0.2.1"), poll: s.poll, top: "tlm", keep: true,
			members: make(map[string]*member), pauses: watchPauses(t), witnesses: make(witnesses),
		},
	}
	f.operator = f.fabric.join(t, netip.MustParseAddr("192.0.2.200"))
	f.operator.do(func() { f.client = v3Client(t) })
	store := netip.MustParseAddr("192.0.2.201")
	f.hosts[etcdName], f.storeLog = f.fabric.join(t, store), new(logBuffer)
	second := netip.MustParseAddr("192.0.2.202")
	announced := fmt.Sprintf("%v,%v", netip.AddrPortFrom(f.base, agentPort), netip.AddrPortFrom(second, agentPort))

	at := f.base
	for i := range s.nodes + 2 {
		name, built, address := "tlm", "simone-tlm", at
		switch {
		case i > s.nodes:
			name, address = "tlm2", second
		case i > 0:
			name, built = fmt.Sprintf("n%d", i+1), "simoned"
		}
		h := f.fabric.join(t, address)
		m := &member{
			name: name, address: netip.AddrPortFrom(address, agentPort), program: daemon(t, built), log: new(logBuffer), host: h, ahead: new(time.Duration),
			args: []string{"-config", filepath.Join(dir, name+".yaml")},
		}
		f.hosts[name], f.members[name] = h, m
		own := fmt.Sprintf("announce: {to: %q, credential: join, every: 2s}\ncandidate: %v\n", announced, i <= s.candidates)
		if f.isTLM(name) {
			own = fmt.Sprintf("  - {name: %s, notify: true, sources: [192.0.2.0/24], %s}\nstore: \"etcd://%v:2379/test\"\npoll: %v\ntrigger: %v\n%s",
				joinUser, yamlKeys(joinUser), store, s.poll, s.poll, s.top)
		} else if i >= s.candidates && i < s.candidates+s.snmpds {
			d := newSnmpd(t, program, filepath.Join(dir, "snmpd-"+name), m.address)
			d.host = h
			f.snmpds[name] = d
		}
		writeFile(t, m.args[1], f.common(name)+own)
		at = at.Next()
	}
	t.Cleanup(f.harvest)
	return f
}

// common is the configuration that each member has; the list of users is its
// last part.
func (f *fleet) common(name string) string {
	m := f.members[name]
	text := fmt.Sprintf("name: %s\nstate: %q\nmetric_period: 5s\ncredentials:\n", name, filepath.Join(f.dir, name))
	for _, c := range [][2]string{{"tree", managerUser}, {"join", joinUser}} {
		text += fmt.Sprintf("  - {name: %s, version: v3, user: %s, %s}\n", c[0], c[1], yamlKeys(c[1]))
	}
	if d := f.snmpds[name]; d != nil {
		return text + fmt.Sprintf("front_end: agentx\nadvertise: %q\nagentx: {master: %q}\n", m.address, d.master())
	}
	text += fmt.Sprintf("listen: %q\ncommunities: []\nusers:\n", m.address)
	for _, user := range []string{managerUser, operatorUser, monitorUser} {
		write := ""
		if user == managerUser && f.isTLM(name) { // a standby hands on what it hears
			write = ", notify: true"
		}
		if user != monitorUser {
			write += ", write: [1.3.6.1.4.1.8072.9999.9999.7466]"
		}
		text += fmt.Sprintf("  - {name: %s, %s, sources: [192.0.2.0/24], read: [1.3.6.1]%s}\n", user, yamlKeys(user), write)
	}
	return text
}

// isTLM says which members are TLMs: they are in nobody's inventory but their
// own.
func (f *fleet) isTLM(name string) bool { return name == "tlm" || name == "tlm2" }

// launchStore starts the etcd, again if need be.
func (f *fleet) launchStore() {
	f.t.Helper()
	address := f.hosts[etcdName].address.String()
	f.store = start(f.t, f.hosts[etcdName], nil, f.storeLog, etcdCommand(f.dir, address+":2379", address+":2380"))
}

// launch starts the members, their snmpds, and the etcd.
func (f *fleet) launch() {
	f.t.Helper()
	f.launchStore()
	for _, m := range f.sorted() {
		if d := f.snmpds[m.name]; d != nil {
			d.launch(f.t)
		}
	}
	f.start()
}

// walk is net-snmp's snmpwalk from the operator's host, as monitor: the values
// by what follows the root in their names, strings in hexadecimal.
func (f *fleet) walk(name string, root mib.OID) (map[string]string, error) {
	f.t.Helper()
	out, err := toolOn(f.t, f.operator, "snmpwalk", "-v3", "-l", "authPriv", "-u", monitorUser, "-a", "SHA-256", "-A", authOf(monitorUser), "-x", "AES", "-X", privOf(monitorUser),
		"-r2", "-t1", "-Oqnx", f.members[name].address.String(), root.String())
	if err != nil {
		return nil, fmt.Errorf("snmpwalk of %s at %s: %w: %s", mib.NameOf(root), name, err, strings.TrimSpace(out))
	}
	values := make(map[string]string)
	last := ""
	for line := range strings.Lines(out) {
		oid, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if ok && strings.HasPrefix(oid, ".1.") {
			last = strings.TrimPrefix(strings.TrimPrefix(oid, "."+strings.TrimPrefix(root.String(), ".")), ".")
			values[last] = value
		} else if last != "" { // a long value goes on
			values[last] += " " + line
		}
	}
	return values, nil
}

// sightedRow is a row of a support list as snmpwalk shows it.
type sightedRow struct {
	name     string
	epoch    mib.Epoch
	interval string // milliseconds
	status   string
	samples  uint64
	slot     uint32 // the next
}

// sight is what snmpwalk shows of a fleet.
type sight struct {
	at     time.Time
	leader string                               // the TLM that leads
	names  map[mib.NodeID]named                 // of the TLM's simoneNameTable
	lists  map[string]map[mib.NodeID]sightedRow // by manager
	sums   map[string]mib.Digest                // simoneIlmDigest, by manager
	tree   map[mib.NodeID]mib.Digest            // simoneTreeDigest, by ILM
	total  mib.Digest                           // simoneIlmSubtreeDigest of the TLM
	drops  map[string]uint64                    // simoneIlmLogDropped, by manager
}

// octets reads a string as snmpwalk -Ox shows it: "6E 32 ".
func octets(value string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Trim(strings.TrimSpace(value), `"`), " ", ""))
	if err != nil {
		return []byte("not hexadecimal: " + value)
	}
	return b
}

// look walks the TLM and all other members.
func (f *fleet) look() (*sight, error) {
	f.t.Helper()
	s := &sight{
		at: time.Now(), names: make(map[mib.NodeID]named), lists: make(map[string]map[mib.NodeID]sightedRow),
		sums: make(map[string]mib.Digest), tree: make(map[mib.NodeID]mib.Digest), drops: make(map[string]uint64),
	}
	cells := func(name string, table mib.OID, put func(column int, id mib.NodeID, value string)) error {
		values, err := f.walk(name, table)
		if err != nil {
			return err
		}
		for index, value := range values {
			// entry(1).column.id
			parts := strings.Split(index, ".")
			if len(parts) != 3 {
				continue // an empty table
			}
			column, _ := strconv.Atoi(parts[1])
			id, _ := strconv.ParseUint(parts[2], 10, 32)
			put(column, mib.NodeID(id), value)
		}
		return nil
	}
	last := func(o mib.OID) int { return int(o[len(o)-1]) }
	number := func(value string) uint64 {
		n, _ := strconv.ParseUint(value, 10, 64)
		return n
	}
	if f.leader() == "" {
		return nil, errors.New("no TLM leads")
	}
	s.leader = f.top
	err := cells(s.leader, mib.SimoneNameTable, func(column int, id mib.NodeID, value string) {
		n := s.names[id]
		n.id = id
		switch column {
		case last(mib.SimoneNameName):
			n.name = string(octets(value))
		case last(mib.SimoneNameOwner):
			n.owner = mib.NodeID(number(value))
		case last(mib.SimoneNameKind):
			n.kind = mib.Kind(number(value))
		case last(mib.SimoneNameOperStatus):
			n.status = mib.PollStatus(number(value))
		case last(mib.SimoneNameLastSample):
			n.age = time.Duration(number(value)) * time.Millisecond
		case last(mib.SimoneNameEpoch):
			n.epoch = string(octets(value))
		}
		s.names[id] = n
	})
	if err != nil {
		return nil, err
	}
	if err := cells(s.leader, mib.SimoneTreeTable, func(column int, id mib.NodeID, value string) {
		if column == last(mib.SimoneTreeDigest) {
			s.tree[id], _ = mib.ParseDigest(octets(value))
		}
	}); err != nil {
		return nil, err
	}
	for _, m := range f.sorted() {
		rows := make(map[mib.NodeID]sightedRow)
		if err := cells(m.name, mib.SimoneSupportTable, func(column int, id mib.NodeID, value string) {
			r := rows[id]
			switch column {
			case last(mib.SimoneSupportName):
				r.name = string(octets(value))
			case last(mib.SimoneSupportEpoch):
				r.epoch, _ = mib.ParseEpoch(octets(value))
			case last(mib.SimoneSupportInterval):
				r.interval = value
			case last(mib.SimoneSupportOperStatus):
				r.status = value
			case last(mib.SimoneSupportSlot):
				r.slot = uint32(number(value))
			case last(mib.SimoneSupportSamples):
				r.samples = number(value)
			}
			rows[id] = r
		}); err != nil {
			return nil, err
		}
		s.lists[m.name] = rows
		if f.isTLM(m.name) && m.name != s.leader {
			continue // a standby manages nothing, and shows no group for it
		}
		scalars, err := f.walk(m.name, mib.SimoneIlmAdminStatus[:len(mib.SimoneIlmAdminStatus)-1])
		if err != nil {
			return nil, err
		}
		scalar := func(o mib.OID) string { return scalars[strconv.Itoa(last(o))+".0"] }
		if s.sums[m.name], err = mib.ParseDigest(octets(scalar(mib.SimoneIlmDigest))); err != nil {
			return nil, fmt.Errorf("simoneIlmDigest of %s: %w", m.name, err)
		}
		s.drops[m.name] = number(scalar(mib.SimoneIlmLogDropped))
		if m.name == s.leader {
			if s.total, err = mib.ParseDigest(octets(scalar(mib.SimoneIlmSubtreeDigest))); err != nil {
				return nil, fmt.Errorf("simoneIlmSubtreeDigest of %s: %w", m.name, err)
			}
		}
	}
	return s, nil
}

// wrong says in what a sight is not of a fleet that is in order and at rest.
func (f *fleet) wrong(s *sight) string {
	byID := make(map[mib.NodeID]string)
	var have []string
	for id, n := range s.names {
		byID[id] = n.name
		have = append(have, n.name)
	}
	slices.Sort(have)
	if want := f.everyone(s.leader); !slices.Equal(have, want) {
		return fmt.Sprintf("the TLM knows %v, want %v", have, want)
	}
	holders := make(map[mib.NodeID][]string)
	var total mib.Digest
	for _, m := range f.sorted() {
		var sum mib.Digest
		for _, id := range slices.Sorted(maps.Keys(s.lists[m.name])) {
			r := s.lists[m.name][id]
			holders[id] = append(holders[id], m.name)
			sum.Add(id, r.epoch)
			total.Add(id, mib.Epoch{})
			switch n, known := s.names[id]; {
			case !known || n.name != r.name:
				return fmt.Sprintf("%s has node %d on its list as %q, the TLM as %q", m.name, id, r.name, n.name)
			case string(r.epoch.Append(nil)) != n.epoch:
				return fmt.Sprintf("%s has %s at epoch %v, the TLM at %x", m.name, r.name, r.epoch, n.epoch)
			case r.interval != strconv.FormatInt(f.poll.Milliseconds(), 10):
				return fmt.Sprintf("%s polls %s every %s ms", m.name, r.name, r.interval)
			case r.status != strconv.Itoa(int(mib.PollUp)):
				return fmt.Sprintf("%s has %s with status %s", m.name, r.name, r.status)
			}
		}
		if sum != s.sums[m.name] {
			return fmt.Sprintf("the digest of %s is %v, that of its rows is %v", m.name, s.sums[m.name], sum)
		}
	}
	for id, n := range s.names {
		switch by := holders[id]; {
		case len(by) != 1 || by[0] != byID[n.owner]:
			return fmt.Sprintf("%s is on the lists of %v, its owner is %s", n.name, by, byID[n.owner])
		case n.status != mib.PollUp:
			return fmt.Sprintf("%s is %v", n.name, n.status)
		case n.age > 2*f.poll+slack:
			return fmt.Sprintf("the last sample of %s is %v old", n.name, n.age)
		}
	}
	for id, sum := range s.tree {
		if sum != s.sums[byID[id]] {
			return fmt.Sprintf("the TLM has %s with digest %v, it has %v", byID[id], sum, s.sums[byID[id]])
		}
	}
	if total != s.total {
		return fmt.Sprintf("the TLM's digest of the tree is %v, that of all rows' nodes is %v", s.total, total)
	}
	return ""
}

// everyone is who the TLM that leads knows when it knows all.
func (f *fleet) everyone(leader string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(f.members)), func(name string) bool { return f.isTLM(name) && name != leader })
}

// slots gives the next slot of each node, by name.
func (s *sight) slots() map[string]uint32 {
	next := make(map[string]uint32)
	for _, rows := range s.lists {
		for _, r := range rows {
			next[r.name] = max(next[r.name], r.slot)
		}
	}
	return next
}

// filled stops the TLMs and holds the store against what snmpwalk saw of slots at
// two times: between them none is empty.
func (f *fleet) filled(from, to *sight, excused ...string) {
	f.t.Helper()
	f.stop("tlm")
	f.stop("tlm2")
	f.store.kill()
	f.etcd = &Etcd{tb: f.t, dir: f.dir, Endpoint: freeTCP(f.t), peer: freeTCP(f.t)}
	f.etcd.Start()
	defer f.etcd.Kill()
	a := f.audit()
	first, last := from.slots(), to.slots()
	for id, n := range a.state.Nodes {
		for _, slot := range a.gaps(id) {
			if slot < first[n.Name] || slot+1 >= last[n.Name] || slices.Contains(excused, n.Name) {
				continue
			}
			// The slot was due about then: snmpwalk takes a while.
			due := from.at.Add(time.Duration(slot-first[n.Name]) * f.poll)
			if f.pauses.over(due.Add(-2*f.poll), 4*f.poll) {
				f.t.Logf("%s: slot %d is empty; the machine stood still then", n.Name, slot)
				continue
			}
			f.t.Errorf("%s: slot %d is empty; it is one of %d to %d, when all were answered: %v", n.Name, slot, first[n.Name], last[n.Name], a.runs(id))
		}
	}
}

// String shows who has whom.
func (s *sight) String() string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(s.lists)) {
		var rows []string
		for _, id := range slices.Sorted(maps.Keys(s.lists[name])) {
			r := s.lists[name][id]
			rows = append(rows, fmt.Sprintf("%s@%v(%s)", r.name, r.epoch, r.status))
		}
		if len(rows) > 0 {
			lines = append(lines, fmt.Sprintf("%s: %s", name, strings.Join(rows, " ")))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.names)) {
		n := s.names[id]
		lines = append(lines, fmt.Sprintf("node %d %s: owner %d, %v, %v, last sample %v ago, epoch %x", id, n.name, n.owner, n.kind, n.status, n.age, n.epoch))
	}
	return strings.Join(lines, "\n")
}

// asksOf gives who asked each member but the TLMs since a time, by the fabric's
// account, oldest first.
func (f *fleet) asksOf(since time.Time) map[string][]heard {
	all := make(map[string][]heard)
	for name, m := range f.members {
		if !f.isTLM(name) {
			all[name] = f.fabric.asked(m.address.Addr(), since, map[netip.Addr]bool{f.operator.address: true})
		}
	}
	return all
}

// single says which member is asked by more or less than one manager since a
// time, in which the interval has passed so many times.
func (f *fleet) single(since time.Time, times int) string {
	all := f.asksOf(since)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		by := make(map[netip.Addr]int)
		for _, a := range all[name] {
			by[a.by]++
		}
		if len(by) != 1 {
			return fmt.Sprintf("%s is asked by %v", name, by)
		}
		if n := len(all[name]); n < times-1 {
			return fmt.Sprintf("%s was asked %d times in %d intervals", name, n, times)
		}
	}
	return ""
}
