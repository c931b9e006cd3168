//go:build linux

package testbed

import (
	"fmt"
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

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
	sets := []string{"tlm:ilms.levels=1", "tlm:ilms.below=2", "tlm:ilms.min=2", "tlm:policy=paper", "temperature.expression=1"}
	for i := candidates; i < n; i++ {
		sets = append(sets, fmt.Sprintf("n%d:candidate=false", i+2))
	}
	informed := listen(t)
	for i := range candidates + 1 {
		name := "tlm"
		if i > 0 {
			name = fmt.Sprintf("n%d", i+1)
		}
		sets = append(sets, fmt.Sprintf("%s:notify=[{to: %q}]", name, informed.address))
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
	tr.rulesHold(t)
	tr.tellsEvents(t)
	s := &levelStory{tree: tr, t: t, all: all, excuses: make(map[mib.NodeID][]pause)}

	m := s.see().managers(1)[0]
	id := s.see().names[m].id
	s.loses("middle", m, true)
	informed.of(t, m, id)
	s.back("the middle one is back", m)

	lower := s.see().managers(2)[0]
	id = s.see().names[lower].id
	s.loses("lower", lower, false)
	informed.of(t, lower, id)
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
	tr.rulesLast(t)
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
