package heap

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRankOrdersByKindThenID(t *testing.T) {
	for _, tc := range []struct {
		name          string
		first, second Key[float64]
	}{
		{"time first", Key[float64]{1, Rank(9, 9)}, Key[float64]{2, Rank(0, 0)}},
		{"kind at equal times", Key[float64]{1, Rank(0, 9)}, Key[float64]{1, Rank(1, 0)}},
		{"id within a kind", Key[float64]{1, Rank(3, 1<<32-2)}, Key[float64]{1, Rank(3, 1<<32-1)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !tc.first.Before(tc.second) || tc.second.Before(tc.first) || tc.first.Before(tc.first) {
				t.Errorf("%v does not come before %v", tc.first, tc.second)
			}
		})
	}
	if k := (Key[int64]{Rank: Rank(7, 123)}); k.Kind() != 7 || k.ID() != 123 {
		t.Errorf("a rank of kind 7, id 123 is read as %d, %d", k.Kind(), k.ID())
	}
}

// The oracle looks at every slot to find the first.
func TestHeapAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.IntRange(1, 40).Draw(t, "slots")
		h, oracle := New[int64](slots), make(map[int]Key[int64])
		slot := rapid.IntRange(0, slots-1)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				s := slot.Draw(t, "slot")
				k := Key[int64]{rapid.Int64Range(0, 5).Draw(t, "at"), Rank(rapid.Uint8Range(0, 1).Draw(t, "kind"), uint32(s))}
				h.Set(s, k)
				oracle[s] = k
			},
			"clear": func(t *rapid.T) {
				s := slot.Draw(t, "slot")
				h.Clear(s)
				delete(oracle, s)
			},
			"": func(t *rapid.T) {
				if h.Len() != len(oracle) {
					t.Fatalf("%d are pending, want %d", h.Len(), len(oracle))
				}
				s, k, ok := h.Next()
				if ok != (len(oracle) > 0) {
					t.Fatalf("Next says %v with %d pending", ok, len(oracle))
				}
				if ok && oracle[s] != k {
					t.Fatalf("slot %d is said to be at %v, it is at %v", s, k, oracle[s])
				}
				for other, key := range oracle {
					if key.Before(k) {
						t.Fatalf("slot %d at %v comes before %d at %v", other, key, s, k)
					}
					if got, ok := h.Pending(other); !ok || got != key {
						t.Fatalf("slot %d is pending %v at %v, want %v", other, ok, got, key)
					}
				}
			},
		})
	})
}

func TestQueueGivesEventsInOrder(t *testing.T) {
	type event struct {
		key   Key[float64]
		value int
	}
	dice := rand.New(rand.NewPCG(1, 2))
	var q Queue[float64, int]
	var want []event
	for i := range 2000 {
		e := event{Key[float64]{float64(dice.IntN(50)), Rank(uint8(dice.IntN(3)), uint32(i))}, i}
		h := q.Push(e.key, e.value)
		if dice.IntN(4) > 0 {
			want = append(want, e)
			continue
		}
		if v, ok := q.Cancel(h); !ok || v != i {
			t.Fatalf("cancelling event %d gives %d, %v", i, v, ok)
		}
		if _, ok := q.Cancel(h); ok {
			t.Fatalf("event %d can be cancelled twice", i)
		}
	}
	slices.SortFunc(want, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.key.At, b.key.At), cmp.Compare(a.key.Rank, b.key.Rank))
	})
	if q.Len() != len(want) {
		t.Fatalf("%d are queued, want %d", q.Len(), len(want))
	}
	for _, w := range want {
		if k, ok := q.Peek(); !ok || k != w.key {
			t.Fatalf("next is %v, want %v", k, w.key)
		}
		if k, v, ok := q.Pop(); !ok || k != w.key || v != w.value {
			t.Fatalf("popped %v %d, want %v %d", k, v, w.key, w.value)
		}
	}
	if _, _, ok := q.Pop(); ok {
		t.Error("an empty queue gave an event")
	}
}

func TestNothingIsAllocatedOnceGrown(t *testing.T) {
	var q Queue[float64, [4]int]
	churn := func() {
		for i := range 100 {
			q.Push(Key[float64]{float64(i * 7 % 13), uint64(i)}, [4]int{i})
		}
		for q.Len() > 0 {
			q.Pop()
		}
	}
	churn()
	if n := testing.AllocsPerRun(10, churn); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// One event, hold model: the first of n is moved to a random time later.
func BenchmarkHold(b *testing.B) {
	for _, bc := range []struct {
		name  string
		slots int
	}{{"16", 16}, {"1k", 1 << 10}, {"128k", 1 << 17}} {
		b.Run(bc.name, func(b *testing.B) {
			h, dice := New[float64](bc.slots), rand.New(rand.NewPCG(1, 2))
			for s := range bc.slots {
				h.Set(s, Key[float64]{dice.ExpFloat64(), uint64(s)})
			}
			for b.Loop() {
				s, k, _ := h.Next()
				k.At += dice.ExpFloat64()
				h.Set(s, k)
			}
		})
	}
}
