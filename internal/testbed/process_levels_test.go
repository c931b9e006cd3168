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
	"testing"
	"time"

	"simone/internal/app/ctl"
	"simone/internal/store"
	"simone/mib"
)

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
		list, listErr := db.LoadList()
		for _, id := range slices.Sorted(maps.Keys(list.Rows)) {
			r := list.Rows[id]
			tr.tb.Logf("%s: row %d %s at %v, inner %v, away %v", m.name, id, r.Row.Name, r.Row.Epoch, r.Inner, r.Away)
		}
		state, stateErr := db.Load()
		for _, id := range slices.Sorted(maps.Keys(state.Nodes)) {
			tr.logNode(m.name+": ", state.Nodes[id])
		}
		entries, err := db.Entries(0, 0)
		for _, e := range entries {
			tr.logEntry(m.name+": ", e)
		}
		if err := errors.Join(listErr, stateErr, err, db.Close()); err != nil {
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
