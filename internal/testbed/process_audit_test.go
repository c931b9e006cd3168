//go:build linux

package testbed

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"simone/internal/store"
	"simone/mib"
	"simone/reconfig"
)

// stop ends a member in good order.
func (tr *tree) stop(name string) {
	tr.tb.Helper()
	m := tr.members[name]
	m.signal(tr.tb, syscall.SIGTERM)
	if code := m.exit(tr.tb, ending); code != 0 {
		tr.tb.Errorf("%s: exit code %d after SIGTERM", name, code)
	}
}

// audit is what the TLM's store says while no TLM runs.
type audit struct {
	state   reconfig.State
	samples map[mib.NodeID][]reconfig.Stored // newest first, the last few hundred
	stored  int
	ilms    int
	levels  bool    // there are or have been ILMs below others
	down    []pause // when the TLM did not run, so that it did not poll what it polls itself

	poll      time.Duration // of nodes that name no interval
	pauses    *pauses
	witnesses witnesses
}

// interval is a node's time between polls.
func (a audit) interval(id mib.NodeID) time.Duration {
	return cmp.Or(a.state.Nodes[id].Interval, a.poll)
}

// due is when a slot was to be filled.
func (a audit) due(id mib.NodeID, slot uint32) time.Time {
	return time.Unix(0, int64(a.state.Nodes[id].Zero.Add(time.Duration(slot)*a.interval(id))))
}

// gaps gives the slots between a node's first and last that are empty.
func (a audit) gaps(id mib.NodeID) (empty []uint32) {
	runs := a.state.Ledgers[id].Runs
	for i := 1; i < len(runs); i++ {
		for slot := runs[i-1].To + 1; slot < runs[i].From; slot++ {
			empty = append(empty, slot)
		}
	}
	return empty
}

// kept is what a TLM keeps, as a store gives it.
type kept interface {
	Load() (reconfig.State, error)
	Samples(mib.NodeID, int) ([]reconfig.Stored, error)
	Entries(uint64, int) ([]store.Entry, error)
	Close() error
}

// open opens the TLM's store; no TLM may run, unless the store is in etcd.
func (tr *tree) open() (kept, error) {
	if tr.etcd != nil {
		return tr.openShared()
	}
	return store.Open(filepath.Join(tr.dir, "tlm", "tlm.db"))
}

func (tr *tree) audit() audit {
	tr.tb.Helper()
	db, err := tr.open()
	if err != nil {
		tr.tb.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			tr.tb.Error(err)
		}
	}()
	a := audit{samples: make(map[mib.NodeID][]reconfig.Stored), poll: tr.poll, pauses: tr.pauses, witnesses: tr.witnesses}
	if a.state, err = db.Load(); err != nil {
		tr.tb.Fatal(err)
	}
	for id, n := range a.state.Nodes {
		if a.samples[id], err = db.Samples(id, 0); err != nil {
			tr.tb.Fatal(err)
		}
		a.stored += len(a.samples[id])
		if n.Wanted {
			a.ilms++
		}
	}
	return a
}

// by says whose sample fills a slot; 0 if that is not known any more.
func (a audit) by(id mib.NodeID, slot uint32) mib.NodeID {
	for _, s := range a.samples[id] {
		if s.Slot == slot {
			return s.By
		}
	}
	return 0
}

// check holds the ledgers against the samples: every slot from the first to
// the last has its sample, except those of excused nodes.
func (a audit) check(tb testing.TB, excused map[mib.NodeID]bool) {
	tb.Helper()
	for _, id := range slices.Sorted(maps.Keys(a.state.Nodes)) {
		ledger := a.state.Ledgers[id]
		if len(ledger.Runs) == 0 {
			tb.Errorf("node %d: no sample was ever stored", id)
			continue
		}
		for _, slot := range a.gaps(id) {
			if at := a.due(id, slot); !excused[id] && !a.pauses.over(at, a.interval(id)) && !a.wasDown(id, slot) {
				tb.Errorf("node %d (%s): slot %d, due at %s, is empty between the runs %v%s", id, a.state.Nodes[id].Name, slot,
					at.Format("15:04:05.000"), a.runs(id), a.witnesses.around(a.state.Nodes[id].Name, at, a.interval(id)))
			}
		}
		seen := make(map[uint32]bool)
		for _, s := range a.samples[id] {
			if seen[s.Slot] {
				tb.Errorf("node %d: slot %d is stored twice", id, s.Slot)
			}
			seen[s.Slot] = true
			if !ledger.Filled(s.Slot) {
				tb.Errorf("node %d: slot %d has a sample, its ledger says it has none", id, s.Slot)
			}
		}
	}
}

// wasDown reports whether an empty slot was the TLM's own to fill, and it did
// not run then.
func (a audit) wasDown(id mib.NodeID, slot uint32) bool {
	for _, r := range a.state.Ledgers[id].Runs {
		if r.From <= slot {
			continue
		}
		at := a.due(id, slot)
		return a.by(id, r.From) == a.state.Meta.Self && slices.ContainsFunc(a.down, func(p pause) bool {
			return at.Add(a.interval(id)).After(p.from) && at.Before(p.to)
		})
	}
	return false
}

// runs shows the runs of a ledger, with whose samples are at their ends.
func (a audit) runs(id mib.NodeID) (text []string) {
	ledger := a.state.Ledgers[id]
	for _, r := range ledger.Runs {
		text = append(text, fmt.Sprintf("%d-%d (by %d to %d)", r.From, r.To, a.by(id, r.From), a.by(id, r.To)))
	}
	return text
}

// dump shows what the TLM's store has, for a test that failed.
func (tr *tree) dump() {
	db, err := tr.open()
	if err != nil {
		tr.tb.Logf("no dump: %v", err)
		return
	}
	defer func() { _ = db.Close() }()
	state, err := db.Load()
	if err != nil {
		tr.tb.Logf("no dump: %v", err)
		return
	}
	for _, id := range slices.Sorted(maps.Keys(state.Nodes)) {
		tr.logNode("", state.Nodes[id])
	}
	entries, err := db.Entries(0, 0)
	if err != nil {
		tr.tb.Logf("no events: %v", err)
	}
	for _, e := range entries[max(len(entries)-200, 0):] {
		tr.logEntry("", e)
	}
}

// logNode shows what a store has of a node.
func (tr *tree) logNode(whose string, n reconfig.Node) {
	tr.tb.Helper()
	tr.tb.Logf("%snode %d %s: owner %d epoch %v grant %v fence %d prev %v intent %+v wanted %v vouched %v retiring %v drained %v manager %v under %d banned %v",
		whose, n.ID, n.Name, n.Owner, n.Epoch, n.Grant, n.Fence, n.Prev, n.Intent, n.Wanted, n.Vouched, n.Retiring, n.Drained, n.Manager, n.Under, n.Banned)
}

// logEntry shows an entry of an event table.
func (tr *tree) logEntry(whose string, e store.Entry) {
	tr.tb.Helper()
	tr.tb.Logf("%s%s %v node %d from %d to %d (%d): %s %s %s", whose, time.Unix(0, int64(e.At)).Format("15:04:05.000"),
		e.Kind, e.Node, e.From, e.To, e.Nodes, e.Seen, e.Expected, e.Outcome)
}
