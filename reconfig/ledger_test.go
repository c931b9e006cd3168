package reconfig

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A ledger against the naive one: a set of slots. Once it has closed its
// oldest gaps, slots in them count as filled and nothing else differs.
func TestLedgerAgainstSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l Ledger
		set := make(map[uint32]bool)
		width := rapid.SampledFrom([]int{20, 300, 5000}).Draw(t, "width")
		closed := uint32(0) // gaps up to here may be closed
		for _, n := range rapid.SliceOfN(rapid.IntRange(1, width), 0, 1500).Draw(t, "slots") {
			slot := uint32(n)
			want := !set[slot]
			if got := l.Fill(slot); got != want && slot > closed {
				t.Fatalf("Fill(%d) = %v, want %v", slot, got, want)
			}
			set[slot] = true
			if len(l.Runs) == maxRuns {
				closed = max(closed, l.Runs[0].To)
			}
		}
		for i, r := range l.Runs {
			if r.From > r.To || i > 0 && l.Runs[i-1].To+1 >= r.From {
				t.Fatalf("runs %v are not sorted, disjoint and apart", l.Runs)
			}
		}
		if len(l.Runs) > maxRuns {
			t.Fatalf("%d runs", len(l.Runs))
		}
		last := uint32(0)
		for slot := uint32(1); slot <= uint32(width)+1; slot++ {
			if set[slot] {
				last = slot
			}
			if l.Filled(slot) != set[slot] && (set[slot] || slot > closed) {
				t.Fatalf("Filled(%d) = %v, want %v", slot, l.Filled(slot), set[slot])
			}
		}
		if l.Last() != last {
			t.Fatalf("Last() = %d, want %d", l.Last(), last)
		}
	})
}

// A clone shares nothing that Fill or hold change.
func TestLedgerClone(t *testing.T) {
	l := Ledger{}
	for _, s := range []uint32{1, 2, 5, 9} {
		l.Fill(s)
	}
	l.hold(HeldSample{Slot: 7})
	l.hold(HeldSample{Slot: 7, By: 3}) // the first one stays
	c := l.clone()
	c.Fill(3)
	c.Fill(4)
	c.hold(HeldSample{Slot: 8})
	if want := []Run{{1, 2}, {5, 5}, {9, 9}}; !slices.Equal(l.Runs, want) {
		t.Errorf("runs %v, want %v", l.Runs, want)
	}
	if len(l.Held) != 1 || l.Held[0].By != 0 {
		t.Errorf("held %+v", l.Held)
	}
}
