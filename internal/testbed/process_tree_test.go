//go:build linux

package testbed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

const (
	agentPort = 1161
	// maxDevices is how many devices a tree may have besides its members.
	maxDevices = 64
	// patience is for what must happen; only a test that fails waits so long.
	patience = 20 * time.Second
	// slack is what a busy machine may add to a time that is measured.
	slack = 1500 * time.Millisecond
	// ending is for a clean stop, on a machine that stands still now and then;
	// TestLiveStop says how long one takes.
	ending = 8 * time.Second
)

// tree is a TLM and nodes as processes on loopback addresses of their own.
type tree struct {
	tb       testing.TB
	dir      string
	client   *client
	base     netip.Addr // the TLM's; node n<i> has the i-1st after it
	poll     time.Duration
	members  map[string]*member
	expected []*regexp.Regexp // warnings and errors that belong to the test

	keep  bool // leave the logs of a test that failed in dir
	shown bool // who had whom, in a test that failed

	top  string // which member is the TLM that leads
	etcd *Etcd  // where the TLMs keep their state; nil: the TLM has a file

	pauses    *pauses
	witnesses witnesses
}

// member is a process of a tree, through all its lives.
type member struct {
	name    string
	address netip.AddrPort
	program string
	args    []string
	log     *logBuffer
	host    *host          // where it runs; nil: where the test does
	ahead   *time.Duration // of the true time, by its clock; nil: it has none of its own
	*process
}

// freeBlock finds loopback addresses in a row that nobody has bound.
func freeBlock(tb testing.TB, n int) netip.Addr {
	tb.Helper()
	for range 100 {
		base := netip.AddrFrom4([4]byte{127, byte(64 + rand.IntN(128)), byte(1 + rand.IntN(250)), 1})
		free := true
		for i, a := 0, base; i < n && free; i, a = i+1, a.Next() {
			c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, agentPort)))
			if err != nil {
				free = false
				continue
			}
			_ = c.Close()
		}
		if free {
			return base
		}
	}
	tb.Fatal("no free loopback addresses")
	return netip.Addr{}
}

// plant makes a tree of n nodes, n2 and up, with the shipped configurations
// and what sets say beyond them ("tlm:poll=1s", "n3:log.level=debug"; without
// a name before the colon, for all). Nothing runs yet.
func plant(t *testing.T, n int, poll time.Duration, sets ...string) *tree {
	t.Helper()
	tr := &tree{
		tb: t, dir: t.TempDir(), client: newClient(t), base: freeBlock(t, n+1+maxDevices), poll: poll,
		members: make(map[string]*member), pauses: watchPauses(t), witnesses: make(witnesses), top: "tlm",
	}
	at := tr.base
	for i := range n + 1 {
		name, program, file := "tlm", "simone-tlm", "tlm.yaml"
		if i > 0 {
			name, program, file = fmt.Sprintf("n%d", i+1), "simoned", "simoned.yaml"
		}
		m := &member{name: name, address: netip.AddrPortFrom(at, agentPort), program: daemon(t, program), log: new(logBuffer)}
		m.args = []string{"-config", shipped(t, file)}
		m.set("name=" + name)
		m.set("listen=" + m.address.String())
		m.set("state=" + filepath.Join(tr.dir, name))
		if i == 0 {
			m.set("poll=" + poll.String())
			m.set("trigger=" + poll.String())
		} else {
			m.set("announce.to=" + netip.AddrPortFrom(tr.base, agentPort).String())
		}
		for _, s := range sets {
			switch who, what, ok := strings.Cut(s, ":"); {
			case ok && who == name:
				m.set(what)
			case !ok:
				m.set(s)
			}
		}
		tr.members[name] = m
		at = at.Next()
	}
	t.Cleanup(tr.harvest)
	return tr
}

// configure gives a member a copy of its configuration file, changed.
func (tr *tree) configure(name string, change func(text string) string) {
	tr.tb.Helper()
	m := tr.members[name]
	text, err := os.ReadFile(m.args[1])
	if err != nil {
		tr.tb.Fatal(err)
	}
	m.args[1] = filepath.Join(tr.dir, name+".yaml")
	if err := os.WriteFile(m.args[1], []byte(change(string(text))), 0o600); err != nil {
		tr.tb.Fatal(err)
	}
}

// replacing changes one text in a file that must have it.
func replacing(tb testing.TB, old, new string) func(string) string {
	return func(text string) string {
		tb.Helper()
		if strings.Count(text, old) != 1 {
			tb.Fatalf("%q is not there once", old)
		}
		return strings.Replace(text, old, new, 1)
	}
}

func (m *member) set(s string) { m.args = append(m.args, "-set", s) }

// unset leaves a key to the configuration file.
func (m *member) unset(key string) {
	for i := 0; i < len(m.args); i++ {
		if m.args[i] == "-set" && strings.HasPrefix(m.args[i+1], key+"=") {
			m.args = slices.Delete(m.args, i, i+2)
			i--
		}
	}
}

// harvest stops what runs, the TLM last so that it hears the goodbyes, and
// looks into the logs: for people if the test failed, and for warnings that
// nobody expects.
func (tr *tree) harvest() {
	var tlms, nodes []*member // all nodes at once: each ILM works on for a moment
	for _, m := range tr.sorted() {
		switch {
		case m.process == nil || !m.running():
		case filepath.Base(m.program) == "simone-tlm":
			tlms = append(tlms, m)
		default:
			nodes = append(nodes, m)
		}
	}
	for _, those := range [][]*member{nodes, tlms} {
		for _, m := range those {
			m.signal(tr.tb, syscall.SIGTERM)
		}
		for _, m := range those {
			if code := m.exit(tr.tb, ending); code != 0 {
				tr.tb.Errorf("%s: exit code %d after SIGTERM", m.name, code)
			}
		}
	}
	for _, m := range tr.sorted() {
		for line := range strings.Lines(m.log.String()) {
			if !strings.Contains(line, "level=WARN") && !strings.Contains(line, "level=ERROR") && strings.HasPrefix(line, "time=") {
				continue
			}
			if !slices.ContainsFunc(tr.expected, func(r *regexp.Regexp) bool { return r.MatchString(line) }) {
				tr.tb.Errorf("%s logs: %s", m.name, strings.TrimSpace(line))
			}
		}
	}
	if tr.tb.Failed() {
		for _, m := range tr.sorted() {
			if tr.keep {
				writeFile(tr.tb, filepath.Join(tr.dir, m.name+".log"), m.log.String())
			} else {
				tr.tb.Logf("--- %s\n%s", m.name, m.log)
			}
		}
		tr.dump()
	}
}

// show tells who has whom on its list, with the samples taken since the row
// came, while the members still run.
func (tr *tree) show() {
	lists, err := tr.lists()
	if err != nil {
		tr.tb.Logf("lists: %v", err)
	}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		tr.tb.Logf("--- list of %s, node:samples: %v", name, lists[name])
	}
}

// expect says that a warning or error in a log is as it should be.
func (tr *tree) expect(pattern string) {
	tr.expected = append(tr.expected, regexp.MustCompile(pattern))
}

// sorted gives the members, the TLM last.
func (tr *tree) sorted() []*member {
	return slices.SortedFunc(maps.Values(tr.members), func(a, b *member) int { return strings.Compare(a.name, b.name) })
}

// start starts members, all if none are named.
func (tr *tree) start(names ...string) {
	tr.tb.Helper()
	if len(names) == 0 {
		for _, m := range tr.sorted() {
			names = append(names, m.name)
		}
	}
	for _, name := range names {
		m := tr.members[name]
		m.process = start(tr.tb, m.host, m.ahead, m.log, exec.Command(m.program, m.args...))
	}
	tr.tb.Cleanup(func() { // before those that the processes end in
		if tr.tb.Failed() && !tr.shown {
			tr.shown = true
			tr.show()
		}
	})
}

func (tr *tree) tlm() *member { return tr.members[tr.top] }

// named is what simoneNameTable says of a node.
type named struct {
	id     mib.NodeID
	name   string
	owner  mib.NodeID
	kind   mib.Kind
	status mib.PollStatus
	age    time.Duration // of the last stored sample
	epoch  string
}

// names reads simoneNameTable, by name.
func (tr *tree) names() (map[string]named, error) {
	at := tr.tlm().address
	byID := make(map[mib.NodeID]named)
	for column, put := range map[string]func(*named, mib.Value){
		mib.SimoneNameName.String():       func(n *named, v mib.Value) { n.name = string(v.Bytes) },
		mib.SimoneNameOwner.String():      func(n *named, v mib.Value) { n.owner = mib.NodeID(v.Uint) },
		mib.SimoneNameKind.String():       func(n *named, v mib.Value) { n.kind = mib.Kind(v.Int) },
		mib.SimoneNameOperStatus.String(): func(n *named, v mib.Value) { n.status = mib.PollStatus(v.Int) },
		mib.SimoneNameLastSample.String(): func(n *named, v mib.Value) { n.age = time.Duration(v.Uint) * time.Millisecond },
		mib.SimoneNameEpoch.String():      func(n *named, v mib.Value) { n.epoch = string(v.Bytes) },
	} {
		cells, err := tr.client.column(at, mib.MustOID(column))
		if err != nil {
			return nil, err
		}
		for id, v := range cells {
			n := byID[id]
			n.id = id
			put(&n, v)
			byID[id] = n
		}
	}
	byName := make(map[string]named)
	for _, n := range byID {
		byName[n.name] = n
	}
	return byName, nil
}

// lists reads the support lists of all members that run: by manager, the
// nodes on it with the samples taken since the row came.
func (tr *tree) lists() (map[string]map[mib.NodeID]uint64, error) {
	type list struct {
		name string
		rows map[mib.NodeID]mib.Value
		err  error
	}
	answers, asked := make(chan list), 0
	for _, m := range tr.members {
		if m.process == nil || !m.running() {
			continue
		}
		asked++
		go func() {
			rows, err := tr.client.column(m.address, mib.SimoneSupportSamples)
			answers <- list{m.name, rows, err}
		}()
	}
	lists := make(map[string]map[mib.NodeID]uint64)
	var failed error
	for range asked {
		a := <-answers
		failed = errors.Join(failed, a.err)
		lists[a.name] = make(map[mib.NodeID]uint64)
		for id, v := range a.rows {
			lists[a.name][id] = v.Uint
		}
	}
	return lists, failed
}

// holders gives who has each node on its list.
func holders(lists map[string]map[mib.NodeID]uint64) map[mib.NodeID][]string {
	held := make(map[mib.NodeID][]string)
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		for id := range lists[name] {
			held[id] = append(held[id], name)
		}
	}
	return held
}

// settled says what is not as it should be in a tree where nothing goes on:
// each of the nodes named, and no other, is on exactly one live list, that of
// its owner, is up, and its newest sample is not older than two polls.
func (tr *tree) settled(nodes ...string) func() string {
	if len(nodes) == 0 {
		nodes = slices.Collect(maps.Keys(tr.members))
	}
	slices.Sort(nodes)
	return func() string {
		names, err := tr.names()
		if err != nil {
			return err.Error()
		}
		if have := slices.Sorted(maps.Keys(names)); !slices.Equal(have, nodes) {
			return fmt.Sprintf("the TLM knows %v, want %v", have, nodes)
		}
		lists, err := tr.lists()
		if err != nil {
			return err.Error()
		}
		held := holders(lists)
		byID := make(map[mib.NodeID]string)
		for name, n := range names {
			byID[n.id] = name
		}
		for _, name := range nodes {
			n := names[name]
			switch by := held[n.id]; {
			case len(by) != 1 || by[0] != byID[n.owner]:
				return fmt.Sprintf("%s is on the lists of %v, its owner is %d (%s)", name, by, n.owner, byID[n.owner])
			case n.status != mib.PollUp:
				return fmt.Sprintf("%s is %v", name, n.status)
			case n.age > 2*tr.poll+200*time.Millisecond:
				return fmt.Sprintf("the last sample of %s is %v old", name, n.age)
			}
		}
		return ""
	}
}

// ilms gives the names of the nodes that are ILMs, of whom the TLM says so.
func (tr *tree) ilms() []string {
	names, err := tr.names()
	if err != nil {
		return nil
	}
	var found []string
	for name, n := range names {
		if n.kind == mib.KindILM {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// eventKinds reads what simoneEventTable tells, oldest first.
func (tr *tree) eventKinds() ([]string, error) {
	cells, err := tr.client.column(tr.tlm().address, mib.SimoneEventKind)
	if err != nil {
		return nil, err
	}
	o, _ := mib.ObjectByOID(mib.SimoneEventKind)
	var kinds []string
	for _, seq := range slices.Sorted(maps.Keys(cells)) {
		kinds = append(kinds, o.Syntax.Format(cells[seq]))
	}
	return kinds, nil
}

// lately shows the last lines of simoneEventTable, for a time that was not as
// it should be.
func (tr *tree) lately(n int) string {
	at := tr.tlm().address
	times, err := tr.client.column(at, mib.SimoneEventTime)
	if err != nil {
		return err.Error()
	}
	texts, err := tr.client.column(at, mib.SimoneEventText)
	if err != nil {
		return err.Error()
	}
	o, _ := mib.ObjectByOID(mib.SimoneEventTime)
	var lines []string
	for _, seq := range slices.Sorted(maps.Keys(texts)) {
		lines = append(lines, o.Syntax.Format(times[seq])+" "+string(texts[seq].Bytes))
	}
	return strings.Join(lines[max(len(lines)-n, 0):], "\n")
}

// counter reads a counter of the TLM.
func (tr *tree) counter(object mib.OID) uint64 {
	tr.tb.Helper()
	return tr.client.must(tr.tlm().address, mib.Instance(object))[0].Uint
}

// client asks agents from outside, as any SNMP tool does.
type client struct {
	tb     testing.TB
	poller *snmp.Poller
}

func newClient(tb testing.TB) *client {
	tb.Helper()
	keys, err := snmp.NewKeyring(
		snmp.Credential{Name: "public", Version: snmp.V2c, Community: "public"},
		snmp.Credential{Name: "private", Version: snmp.V2c, Community: "private"},
	)
	if err != nil {
		tb.Fatal(err)
	}
	return clientWith(tb, keys, 250*time.Millisecond)
}

// clientWith runs a client to the end of the test.
func clientWith(tb testing.TB, keys snmp.Keyring, timeout time.Duration) *client {
	tb.Helper()
	c := &client{tb: tb}
	var err error
	if c.poller, err = snmp.NewPoller(snmp.PollerConfig{Timeout: timeout}, keys); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.poller.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("poller: %v", err)
		}
	})
	return c
}

// get reads variables.
func (c *client) get(at netip.AddrPort, names ...mib.OID) ([]mib.Value, error) {
	req := mib.Request{Address: at, Credential: "public", Verb: mib.VerbGet, Retries: 1}
	for _, n := range names {
		req.Vars = append(req.Vars, mib.Variable{Name: n, Value: mib.Value{Type: mib.TypeNull}})
	}
	resp := c.poller.Do(context.Background(), req)
	if err := snmp.Result(req, resp); err != nil {
		return nil, fmt.Errorf("read %s at %v: %w", mib.NameOf(names[0]), at, err)
	}
	values := make([]mib.Value, len(resp.Vars))
	for i, v := range resp.Vars {
		values[i] = v.Value
	}
	return values, nil
}

// must is get of what is there.
func (c *client) must(at netip.AddrPort, names ...mib.OID) []mib.Value {
	c.tb.Helper()
	values, err := c.get(at, names...)
	if err != nil {
		c.tb.Fatal(err)
	}
	return values
}

// set writes scalars or cells, once.
func (c *client) set(at netip.AddrPort, vars ...mib.Variable) mib.Response {
	return c.poller.Do(context.Background(), mib.Request{
		Address: at, Credential: "private", Verb: mib.VerbSet, Vars: vars, Timeout: time.Second,
	})
}

// mustSet is set of what is accepted.
func (c *client) mustSet(at netip.AddrPort, vars ...mib.Variable) {
	c.tb.Helper()
	if resp := c.set(at, vars...); resp.Err != nil || resp.Status != mib.NoError {
		c.tb.Fatalf("set %s: %v, %v at %d", mib.NameOf(vars[0].Name), resp.Err, resp.Status, resp.Index)
	}
}

// column reads a column whose index is one number.
func (c *client) column(at netip.AddrPort, column mib.OID) (map[mib.NodeID]mib.Value, error) {
	cells := make(map[mib.NodeID]mib.Value)
	base := mib.Request{Address: at, Credential: "public", Retries: 1}
	err := c.poller.Walk(context.Background(), base, column, func(v mib.Variable) error {
		cells[mib.NodeID(v.Name[len(v.Name)-1])] = v.Value
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("walk %s at %v: %w", mib.NameOf(column), at, err)
	}
	return cells, nil
}

// scalar makes a variable for set.
func scalar(object mib.OID, v mib.Value) mib.Variable {
	return mib.Variable{Name: mib.Instance(object), Value: v}
}

// thresholds makes the variables that set all three.
func thresholds(merge, split, migrate float64) []mib.Variable {
	return []mib.Variable{
		scalar(mib.SimoneThresholdMerge, mib.Decimal(merge)),
		scalar(mib.SimoneThresholdSplit, mib.Decimal(split)),
		scalar(mib.SimoneThresholdMigrate, mib.Decimal(migrate)),
	}
}
