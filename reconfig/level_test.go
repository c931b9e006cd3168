package reconfig

import (
	"testing"
	"time"

	"simone/mib"
)

func grantedRow(node mib.NodeID, ep mib.Epoch, slot uint32, every time.Duration) mib.SupportRow {
	return mib.SupportRow{Node: node, Epoch: ep, Slot: slot, Interval: every, Kind: mib.KindLeaf, Name: "n", Address: "192.0.2.1:161"}
}

func mustStage(t *testing.T, l *List, now Instant, seq uint32, rows ...mib.SupportRow) {
	t.Helper()
	ch, refusal := l.Plan(now, ControlSet{Verb: Stage, Fence: mib.Fence{Parent: 1, Term: 1, Seq: seq}, Apply: mib.Apply{Stage: rows}})
	if refusal != nil {
		t.Fatal(refusal)
	}
	l.Apply(now, ch)
}

// An ILM is of the level below that which wrote its rows, until all are
// written anew.
func TestLevelIsThatOfTheRows(t *testing.T) {
	const now = Instant(1e18)
	l := NewList(ListState{Active: true}, ListLimits{Incarnation: 1}, now)
	if got := l.Level(); got != 0 {
		t.Errorf("without rows: %d", got)
	}
	mustStage(t, l, now, 1, grantedRow(5, mib.Epoch{1<<16 | 1, 1<<16 | 7}, 1, time.Second), grantedRow(6, mib.Epoch{1<<16 | 1, 1<<16 | 8}, 1, time.Second))
	if got := l.Level(); got != 2 {
		t.Errorf("rows of a manager of level 1: %d", got)
	}
	mustStage(t, l, now, 2, grantedRow(5, mib.Epoch{2 << 16}, 1, time.Second))
	if got := l.Level(); got != 2 {
		t.Errorf("one row of the top, one of a manager of level 1: %d", got)
	}
	mustStage(t, l, now, 3, grantedRow(6, mib.Epoch{2<<16 | 1}, 1, time.Second))
	if got := l.Level(); got != 1 {
		t.Errorf("rows of the top: %d", got)
	}
}

// A row that a manager below polls keeps its numbers when the pace changes,
// also if this process has never polled it.
func TestPaceOfARowThatIsAway(t *testing.T) {
	const now = Instant(1e18)
	row := grantedRow(5, mib.Epoch{1 << 16}, 3, time.Second)
	l := NewList(ListState{Active: true, Rows: map[mib.NodeID]ListRow{5: {Row: row, Zero: now.Add(-10 * time.Second), Inner: mib.Epoch{1 << 16, 1}, Away: true}}},
		ListLimits{Incarnation: 1}, now)
	row.Epoch, row.Interval = mib.Epoch{2 << 16}, 5*time.Second
	mustStage(t, l, now, 1, row)
	if s, _ := l.Row(now, 5); s.Row.Slot > 20 {
		t.Errorf("slot %d after 10 s of one slot each", s.Row.Slot)
	}
}

// Where numbers jump, what proves a row begins anew: nobody has polled the
// slots between there.
func TestJumpOfNumbersBeginsTheProofAnew(t *testing.T) {
	now := Instant(1e18)
	l := NewList(ListState{Active: true}, ListLimits{Incarnation: 1, Without: GuardTrial}, now)
	row := grantedRow(5, mib.Epoch{1 << 16}, 10, time.Second)
	mustStage(t, l, now, 1, row)
	for range 2 {
		for _, p := range l.Due(now) {
			l.Polled(now, 5, p.Slot, mib.Sample{})
		}
		now = now.Add(time.Second)
	}
	if s, _ := l.Row(now, 5); s.First != 10 || s.Samples != 2 {
		t.Fatalf("first %d, %d samples", s.First, s.Samples)
	}
	row.Epoch, row.Slot = mib.Epoch{1<<16 | 1}, 20
	mustStage(t, l, now, 2, row)
	if s, _ := l.Row(now, 5); s.First != 0 || s.Samples != 0 || s.Row.Slot != 20 {
		t.Errorf("first %d, %d samples, slot %d", s.First, s.Samples, s.Row.Slot)
	}
}

// Epochs go on from what the manager made at another level under one grant.
func TestEpochsGoOnAtAnotherLevel(t *testing.T) {
	n := Node{Grant: mib.Epoch{7}, Epoch: mib.Epoch{7, 3}}
	if got := n.basis(2); got[0] != 7 || got[1] != 3 {
		t.Errorf("under the same grant: %v", got)
	}
	n.Grant = mib.Epoch{8}
	if got := n.basis(2); got[0] != 8 || got[1] != 0 {
		t.Errorf("under a new grant: %v", got)
	}
}
