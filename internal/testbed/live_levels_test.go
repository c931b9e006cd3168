//go:build linux

package testbed

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"simone/internal/app/ctl"
	"simone/internal/store"
	"simone/mib"
)

// TestLiveLevels: a tree of three levels lives through the loss and the return
// of managers on each of them.
func TestLiveLevels(t *testing.T) {
	t.Parallel()
	storyOfLevels(t, 14, 10, 8)
}

// TestLiveLevels60 is the same with sixty nodes, twelve of them candidates. It
// has the machine to itself.
func TestLiveLevels60(t *testing.T) {
	if raceFlags == "-race" || testing.Short() {
		t.Skip("sixty processes are too many with the race detector, and for -short")
	}
	storyOfLevels(t, 60, 12, 8)
}

const (
	levelsPoll      = time.Second // and trigger
	levelsDetection = 3 * 500 * time.Millisecond
	levelsPatience  = 40 * time.Second
)

// storyOfLevels makes a tree of n nodes as processes, the first of them
// candidates, and some devices as witnesses, and takes managers from it.
func storyOfLevels(t *testing.T, n, candidates, devices int) {
	// All are as warm as can be wished, so that nothing but failures changes
	// the tree.
	sets := []string{"tlm:ilms.levels=1", "tlm:ilms.below=2", "tlm:ilms.min=2", "temperature.expression=1"}
	for i := candidates; i < n; i++ {
		sets = append(sets, fmt.Sprintf("n%d:candidate=false", i+2))
	}
	tr := plant(t, n, levelsPoll, sets...)
	all := tr.everybody(tr.devices(t, devices))
	tr.expect(`level=WARN msg=".*(silent|newer manager|joins; trying again)`)
	t.Cleanup(func() {
		if t.Failed() {
			tr.dumpManagers()
		}
	})
	tr.start()
	took := eventually(t, levelsPatience, "three levels form", tr.deep(2, all...))
	t.Logf("three levels formed after %v", took.Round(time.Millisecond))
	tr.showsDepth(t)
	s := &levelStory{tree: tr, t: t, all: all, excuses: make(map[mib.NodeID][]pause)}

	m := s.see().managers(1)[0]
	s.loses("middle", m, true)
	s.back("the middle one is back", m)

	lower := s.see().managers(2)[0]
	s.loses("lower", lower, false)
	s.back("the lower one is back", lower)

	m = s.see().managers(1)[0]
	s.restarts("the middle one restarts", m)
	s.restarts("the TLM restarts", "tlm")
	m = s.see().managers(1)[0]
	from := time.Now()
	tr.members[m].kill()
	tr.members["tlm"].kill()
	tr.start("tlm", m)
	s.excuse(m, from)
	s.back("the TLM and a middle one restart", "")
	s.judge()
}

// levelStory is a story of levels with what it takes to judge it.
type levelStory struct {
	*tree
	t       *testing.T
	all     []string
	excuses map[mib.NodeID][]pause // when nodes could not be polled
}

// see reads the tree, which is whole at present.
func (s *levelStory) see() *seenLevels {
	s.t.Helper()
	seen, err := s.levels()
	if err != nil {
		s.t.Fatal(err)
	}
	return seen
}

// excuse says that a member, or its own nodes, could not be polled from then
// until now and a poll and its time-out later.
func (s *levelStory) excuse(name string, from time.Time) {
	s.t.Helper()
	names, err := s.names()
	if err != nil {
		s.t.Fatal(err)
	}
	id := names[name].id
	s.excuses[id] = append(s.excuses[id], pause{from.Add(-levelsPoll), time.Now().Add(10 * levelsPoll)})
}

// loses kills a manager. What it polled itself is polled again by others
// within detection, a trigger and an interval; what managers below it polled
// is not missed.
func (s *levelStory) loses(what, name string, adopted bool) {
	t := s.t
	t.Helper()
	before := s.see()
	id := before.names[name].id
	own := slices.DeleteFunc(before.polledBy(name), func(k mib.NodeID) bool { return k == id })
	below := before.below(name)
	killed := time.Now()
	s.members[name].kill()
	eventually(t, levelsPatience, "nodes that the lost one polled are polled by others", func() string {
		seen, err := s.levels()
		if err != nil {
			return err.Error()
		}
		for _, k := range own {
			if by := seen.pollers(k); len(by) == 0 || !slices.ContainsFunc(by, func(m string) bool { return seen.lists[m][k].age < time.Since(killed) }) {
				return fmt.Sprintf("node %d is polled by %v", k, by)
			}
		}
		return ""
	})
	took := time.Since(killed)
	if limit := levelsDetection + levelsPoll + levelsPoll + slack + s.pauses.since(killed); took > limit {
		t.Errorf("the %s one's nodes were polled by others after %v; detection, a trigger and an interval are %v", what, took, levelsDetection+2*levelsPoll)
	}
	for _, k := range append(own, id) {
		s.excuses[k] = append(s.excuses[k], pause{killed.Add(-levelsPoll), killed.Add(took + levelsPoll)})
	}
	settled := eventually(t, levelsPatience, "all but the lost one are in one list", s.deepBut(name))
	after := s.see()
	if adopted {
		for _, b := range below {
			if owner := after.names[b].owner; owner != after.names["tlm"].id {
				t.Errorf("%s, an ILM below the lost one, is owned by %d; the TLM adopts it", b, owner)
			}
		}
	}
	t.Logf("the %s one, %s, killed: %d nodes of its own polled by others after %v, %v below it; settled %v later", what, name, len(own), took.Round(time.Millisecond), below, settled.Round(time.Millisecond))
	s.witness(killed, own)
}

// witness asks the devices whether they were polled at least every second
// slot since then, except those that the lost one polled itself.
func (s *levelStory) witness(since time.Time, except []mib.NodeID) {
	s.t.Helper()
	names, err := s.names()
	if err != nil {
		s.t.Fatal(err)
	}
	for name, d := range s.witnesses {
		if slices.Contains(except, names[name].id) {
			continue
		}
		last := since
		for _, a := range append(d.polls(since), asked{at: time.Now()}) {
			if gap := a.at.Sub(last); gap > 2*levelsPoll+slack/3+s.pauses.since(since) {
				s.t.Errorf("device %s was not asked for %v", name, gap.Round(time.Millisecond))
			}
			last = a.at
		}
	}
}

// back waits until the tree has its shape again, with a member started if one
// is named.
func (s *levelStory) back(what, name string) {
	s.t.Helper()
	from := time.Now()
	if name != "" {
		s.start(name)
	}
	took := eventually(s.t, levelsPatience, what, s.deep(1, s.all...))
	// What was seen may be older than what has started since: once more when
	// everybody has been polled a few times.
	eventually(s.t, levelsPatience, what+", polls", func() string {
		for _, d := range s.witnesses {
			if n := len(d.polls(from)); n < 4 {
				return fmt.Sprintf("device %s was polled %d times", d.name, n)
			}
		}
		return s.deep(1, s.all...)()
	})
	if name != "" {
		s.excuse(name, from)
	}
	s.t.Logf("%s: settled after %v", what, took.Round(time.Millisecond))
}

// restarts kills a member and starts it at once.
func (s *levelStory) restarts(what, name string) {
	s.t.Helper()
	from := time.Now()
	s.members[name].kill()
	s.start(name)
	s.excuse(name, from)
	s.back(what, "")
	s.excuse(name, from)
	s.witness(from, nil)
}

// judge stops the TLM and looks for two slots in a row that are empty and not
// excused.
func (s *levelStory) judge() {
	s.t.Helper()
	s.signalled("tlm")
	a := s.audit()
	missed := 0
	for _, id := range slices.Sorted(maps.Keys(a.state.Nodes)) {
		last := uint32(0)
		for _, slot := range a.gaps(id) {
			at := a.due(id, slot)
			if a.pauses.over(at, a.interval(id)) || slices.ContainsFunc(s.excuses[id], func(p pause) bool { return at.After(p.from) && at.Before(p.to) }) {
				continue
			}
			missed++
			if last != 0 && slot == last+1 {
				s.t.Errorf("node %d (%s): slots %d and %d, due at %s, are both empty between the runs %v%s", id, a.state.Nodes[id].Name, last, slot,
					at.Format("15:04:05.000"), a.runs(id), a.witnesses.around(a.state.Nodes[id].Name, at, 2*a.interval(id)))
			}
			last = slot
		}
	}
	s.t.Logf("%d samples stored of %d nodes; %d single slots missed by nodes whose manager was not lost", a.stored, len(a.state.Nodes), missed)
}

func (s *levelStory) signalled(name string) {
	m := s.members[name]
	m.signal(s.t, syscall.SIGTERM)
	if code := m.exit(s.t, 5*time.Second); code != 0 {
		s.t.Errorf("%s: exit code %d after SIGTERM", name, code)
	}
}

// dumpManagers shows what ILMs with ILMs below have done, for a test that
// failed. They still run: what is read is a copy.
func (tr *tree) dumpManagers() {
	for _, m := range tr.sorted() {
		content, err := os.ReadFile(filepath.Join(tr.dir, m.name, "node.db"))
		if err != nil {
			continue // it is the TLM, or has never run
		}
		path := filepath.Join(tr.dir, m.name+"-copy.db")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			tr.tb.Log(err)
			continue
		}
		db, err := store.Open(path)
		if err != nil {
			tr.tb.Logf("%s: %v", m.name, err)
			continue
		}
		entries, err := db.Entries(0, 0)
		for _, e := range entries {
			tr.tb.Logf("%s: %s %s node %d from %d to %d (%d): %s", m.name, time.Unix(0, int64(e.At)).Format("15:04:05.000"), e.Kind, e.Node, e.From, e.To, e.Nodes, e.Seen)
		}
		if err := errors.Join(err, db.Close()); err != nil {
			tr.tb.Log(err)
		}
	}
}

// listed is a row of a support list as seen from outside.
type listed struct {
	via     mib.NodeID // 0: polled by the list's manager
	known   bool       // whether via is
	kind    mib.Kind
	samples uint64
	age     time.Duration // since it last answered
}

// seenLevels is what SNMP shows of a tree at one time.
type seenLevels struct {
	names map[string]named
	byID  map[mib.NodeID]string
	lists map[string]map[mib.NodeID]listed // of the managers that answer
	level map[string]uint64                // simoneNodeLevel of those with a list
}

// levels reads all support lists.
func (tr *tree) levels() (*seenLevels, error) {
	s := &seenLevels{byID: make(map[mib.NodeID]string), lists: make(map[string]map[mib.NodeID]listed), level: make(map[string]uint64)}
	var err error
	if s.names, err = tr.names(); err != nil {
		return nil, err
	}
	for name, n := range s.names {
		s.byID[n.id] = name
	}
	type answer struct {
		name  string
		rows  map[mib.NodeID]listed
		level uint64
		err   error
	}
	answers, asked := make(chan answer), 0
	for _, m := range tr.members {
		if m.process == nil || !m.running() {
			continue
		}
		asked++
		go func() {
			a := answer{name: m.name}
			a.rows, a.level, a.err = tr.client.listOf(m)
			answers <- a
		}()
	}
	var failed error
	for range asked {
		a := <-answers
		failed = errors.Join(failed, a.err)
		if len(a.rows) > 0 {
			s.lists[a.name], s.level[a.name] = a.rows, a.level
		}
	}
	return s, failed
}

// listOf reads a member's support list and level.
func (c *client) listOf(m *member) (map[mib.NodeID]listed, uint64, error) {
	samples, err := c.column(m.address, mib.SimoneSupportSamples)
	if err != nil || len(samples) == 0 {
		return nil, 0, err
	}
	rows := make(map[mib.NodeID]listed)
	for id, v := range samples {
		rows[id] = listed{samples: v.Uint}
	}
	for object, put := range map[string]func(*listed, mib.Value){
		mib.SimoneSupportVia.String():      func(l *listed, v mib.Value) { l.via, l.known = mib.NodeID(v.Uint), true },
		mib.SimoneSupportKind.String():     func(l *listed, v mib.Value) { l.kind = mib.Kind(v.Int) },
		mib.SimoneSupportLastPoll.String(): func(l *listed, v mib.Value) { l.age = time.Duration(v.Uint) * time.Millisecond },
	} {
		cells, err := c.column(m.address, mib.MustOID(object))
		if err != nil {
			return nil, 0, err
		}
		for id, l := range rows {
			if v, ok := cells[id]; ok {
				put(&l, v)
				rows[id] = l
			}
		}
	}
	level, err := c.get(m.address, mib.Instance(mib.SimoneNodeLevel))
	if err != nil {
		return nil, 0, err
	}
	return rows, level[0].Uint, nil
}

// pollers gives who polls a node itself.
func (s *seenLevels) pollers(id mib.NodeID) (by []string) {
	for name, rows := range s.lists {
		if l, ok := rows[id]; ok && l.known && l.via == 0 {
			by = append(by, name)
		}
	}
	slices.Sort(by)
	return by
}

// polledBy gives the nodes that a manager polls itself.
func (s *seenLevels) polledBy(name string) (ids []mib.NodeID) {
	for id, l := range s.lists[name] {
		if l.known && l.via == 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// below gives the ILMs that a manager has on its list.
func (s *seenLevels) below(name string) (ilms []string) {
	for id, l := range s.lists[name] {
		if b := s.byID[id]; l.kind == mib.KindILM && b != name {
			ilms = append(ilms, b)
		}
	}
	slices.Sort(ilms)
	return ilms
}

// managers gives the ILMs of a level; those of level 1 that have most below
// come first.
func (s *seenLevels) managers(level int) (names []string) {
	at := []string{"tlm"}
	for range level {
		var next []string
		for _, m := range at {
			next = append(next, s.below(m)...)
		}
		at = next
	}
	return slices.SortedFunc(slices.Values(at), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(s.below(b)), len(s.below(a))), strings.Compare(a, b))
	})
}

// wrong says what is not as it should be: each of the nodes named is polled by
// exactly one manager, which is reached from the TLM by simoneSupportVia, and
// its newest sample is fresh.
func (s *seenLevels) wrong(nodes []string) string {
	for _, name := range nodes {
		n, known := s.names[name]
		if !known {
			return fmt.Sprintf("the TLM does not know %s", name)
		}
		by := s.pollers(n.id)
		if len(by) != 1 {
			return fmt.Sprintf("%s is polled by %v", name, by)
		}
		way := []string{"tlm"}
		for {
			last := way[len(way)-1]
			l, has := s.lists[last][n.id]
			via, ok := s.byID[l.via], true
			if !has && last == "tlm" { // whom the TLM gave it to, its own table of names says
				via, ok = s.byID[n.owner], n.owner != 0
			} else if !has {
				return fmt.Sprintf("%s should be on the list of %s (by way of %v)", name, last, way)
			} else if l.via == 0 {
				break
			}
			if way = append(way, via); !ok || len(way) > 4 {
				return fmt.Sprintf("%s: the way to it, %v, does not end", name, way)
			}
		}
		switch {
		case way[len(way)-1] != by[0]:
			return fmt.Sprintf("%s is polled by %v; the way from the TLM is %v", name, by, way)
		case n.status != mib.PollUp:
			return fmt.Sprintf("%s is %v", name, n.status)
		case n.age > 3*levelsPoll:
			return fmt.Sprintf("the last sample of %s is %v old", name, n.age)
		}
	}
	return ""
}

// deep says what is missing for a settled tree of the nodes named in which at
// least so many ILMs below the TLM have two or more below themselves, and in
// which those who have any leave all others to them.
func (tr *tree) deep(wide int, nodes ...string) func() string {
	return func() string {
		s, err := tr.levels()
		if err != nil {
			return err.Error()
		}
		if len(s.names) != len(nodes) {
			return fmt.Sprintf("the TLM knows %d nodes of %d", len(s.names), len(nodes))
		}
		if wrong := s.wrong(nodes); wrong != "" {
			return wrong
		}
		found := 0
		for _, m := range s.managers(1) {
			ilms := s.below(m)
			if len(ilms) >= 2 {
				found++
			}
			for _, b := range ilms {
				if s.level[b] != 2 && len(s.lists[b]) > 0 {
					return fmt.Sprintf("%s below %s is at level %d", b, m, s.level[b])
				}
			}
			for _, id := range s.polledBy(m) {
				if b := s.byID[id]; len(ilms) > 0 && !slices.Contains(ilms, b) {
					return fmt.Sprintf("%s polls %s itself", m, b)
				}
			}
		}
		if found < wide {
			return fmt.Sprintf("%d ILMs of %v have two below", found, s.managers(1))
		}
		return ""
	}
}

// deepBut is for a tree that lacks a member: everybody else is polled by one.
func (tr *tree) deepBut(lost string) func() string {
	return func() string {
		s, err := tr.levels()
		if err != nil {
			return err.Error()
		}
		return s.wrong(slices.DeleteFunc(slices.Collect(maps.Keys(s.names)), func(name string) bool { return name == lost }))
	}
}

// showsDepth: simonectl tree shows the levels too.
func (tr *tree) showsDepth(t *testing.T) {
	t.Helper()
	var out, problems bytes.Buffer
	err := ctl.Main(t.Context(), []string{"-a", tr.tlm().address.String(), "tree", "-o", "json"}, &out, &problems)
	if err != nil {
		t.Fatalf("simonectl tree: %v\n%s", err, &problems)
	}
	var shown struct{ TLM ctl.Branch }
	if err := json.Unmarshal(out.Bytes(), &shown); err != nil {
		t.Fatal(err)
	}
	depth, nodes := 0, 1
	var visit func(b *ctl.Branch, level int)
	visit = func(b *ctl.Branch, level int) {
		depth = max(depth, level)
		nodes += len(b.Leaves)
		if b.Problem != "" || b.Level != uint32(level) {
			t.Errorf("simonectl tree: %s at level %d of %d: %s", b.Name, b.Level, level, b.Problem)
		}
		for _, x := range b.Branches {
			nodes++
			visit(x, level+1)
		}
	}
	visit(&shown.TLM, 0)
	if want := len(tr.members) + len(tr.witnesses); depth != 2 || nodes < want {
		t.Errorf("simonectl tree shows %d levels of ILMs and %d nodes, want 2 and %d", depth, nodes, want)
	}
}
