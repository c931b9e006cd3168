package manager

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// queue is a manager that works off so many polls a second, one after another.
type queue struct {
	s        shedder
	capacity float64
	waiting  float64 // polls
	now      reconfig.Instant
	shed     map[Priority][]int // by node
	polled   map[Priority]int
	debts    map[Priority][]float64
}

func newQueue(capacity float64, nodes map[Priority]int) *queue {
	q := &queue{capacity: capacity, now: 1, shed: make(map[Priority][]int), polled: make(map[Priority]int), debts: make(map[Priority][]float64)}
	for p, n := range nodes {
		q.shed[p], q.debts[p] = make([]int, n), make([]float64, n)
		for i := range n {
			q.debts[p][i] = newRowState(mib.NodeID(i+1), 0).debt
		}
	}
	return q
}

// run polls each node every second, for so many seconds; changed counts how
// often shedding began or ended.
func (q *queue) run(seconds int) (changed int) {
	const ticks = 50
	for range seconds {
		for tick := range ticks {
			q.now = q.now.Add(time.Second / ticks)
			q.waiting = max(0, q.waiting-q.capacity/ticks)
			delay := time.Duration(q.waiting / q.capacity * float64(time.Second))
			q.s.waited(delay)
			if q.s.look(q.now, delay, time.Second) {
				changed++
			}
			for p, debts := range q.debts {
				for i := tick; i < len(debts); i += ticks {
					if q.s.sheds(p, &debts[i]) {
						q.shed[p][i]++
						continue
					}
					q.polled[p]++
					q.waiting++
				}
			}
		}
	}
	return changed
}

func (q *queue) forget() {
	for p := range q.shed {
		clear(q.shed[p])
		q.polled[p] = 0
	}
}

// Work beyond the capacity is shed, that of low priorities first and of the
// same one evenly; what is left is not late for long, and nothing is shed when
// there is time for all again.
func TestShedderShedsWhatIsTooMuch(t *testing.T) {
	q := newQueue(1000, map[Priority]int{PriorityHigh: 300, PriorityNormal: 800, PriorityLow: 400})
	if q.run(60) != 1 {
		t.Errorf("shedding did not begin once")
	}
	q.forget()
	q.run(100)
	if delay := q.waiting / q.capacity; delay > 2 {
		t.Errorf("polls wait for %.2f s", delay)
	}
	sum := func(p Priority) (n, least, most int) {
		least = 1 << 30
		for _, s := range q.shed[p] {
			n, least, most = n+s, min(least, s), max(most, s)
		}
		return n, least, most
	}
	if n, _, _ := sum(PriorityHigh); n > 0 {
		t.Errorf("%d polls of high priority are shed", n)
	}
	if _, least, _ := sum(PriorityLow); least < 90 {
		t.Errorf("of a node of low priority %d polls in 100 are shed, as the normal ones are", least)
	}
	n, least, most := sum(PriorityNormal)
	if n < 800*5 || n > 800*30 || most-least > 2 {
		t.Errorf("of nodes of normal priority %d to %d polls in 100 are shed, want one in eight of each", least, most)
	}
	if polled := q.polled[PriorityHigh] + q.polled[PriorityNormal] + q.polled[PriorityLow]; polled < 90_000 {
		t.Errorf("%d polls of 100000 that there was time for", polled)
	}
	q.capacity = 2000
	if q.run(120) != 1 || q.s.share != 0 {
		t.Errorf("%v is shed with time for all", q.s.share)
	}
}

// A machine that stands still for two seconds, or is slow for ten, catches up:
// nothing is shed.
func TestShedderForgivesStalls(t *testing.T) {
	q := newQueue(1000, map[Priority]int{PriorityNormal: 500})
	for range 20 {
		q.run(10)
		q.waiting += 1000 // of two seconds
	}
	if q.s.share != 0 || q.polled[PriorityNormal] != 500*200 {
		t.Errorf("%v is shed", q.s.share)
	}
}

func TestOverloadIsShedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Int64
		var mu sync.Mutex
		var told []reconfig.Entry
		b := newBench(t, func(cfg *Config) {
			cfg.Interval = time.Second
			cfg.Slow = func() time.Duration { return time.Duration(slow.Load()) }
			cfg.Tell = func(e reconfig.Entry) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, e)
			}
		})
		b.node.id.ID = 0 // no announcements
		b.run(t)
		b.promote(t)
		const nodes, devices = 20, 130
		var rows []mib.SupportRow
		for i := range mib.NodeID(nodes + devices) {
			r := row(20+i, 1)
			r.Due = time.Duration(i) * time.Second / (nodes + devices)
			if i >= nodes {
				r.Kind = mib.KindDevice
			}
			rows = append(rows, r)
		}
		for len(rows) > 0 {
			n := min(10, len(rows))
			b.stage(t, rows[:n]...)
			rows = rows[n:]
		}
		time.Sleep(5 * time.Second)
		slow.Store(int64(10 * time.Millisecond)) // 1.5 times what there is time for
		time.Sleep(120 * time.Second)
		c := b.Counts()
		if c.Shed[PriorityHigh] != 0 || c.Shed[PriorityNormal] < 120*30 || c.Overflows != 0 {
			t.Errorf("counts %+v", c)
		}
		if n := b.read(t, mib.SimoneIlmShedNormal).Uint; n != c.Shed[PriorityNormal] {
			t.Errorf("simoneIlmShedNormal is %d, not %d", n, c.Shed[PriorityNormal])
		}
		if share := b.read(t, mib.SimoneIlmShedShare).Uint; share < 2000 || share > 6500 {
			t.Errorf("simoneIlmShedShare is %d", share)
		}
		utilisation := 0.0 // of thirty windows: in one more polls are shed than in another
		const windows = 30
		for range windows {
			time.Sleep(time.Second)
			utilisation += b.Measures().Utilisation / windows
		}
		if utilisation < 1.35 || utilisation > 1.65 {
			t.Errorf("utilisation is %v, want 1.5 with what is shed", utilisation)
		}
		if late := b.Measures().Latency.Mean; late > 2*time.Second {
			t.Errorf("latency is %v", late)
		}
		slow.Store(0)
		time.Sleep(120 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 2 || told[0].Kind != reconfig.KindShed || !strings.Contains(told[0].Seen, "there is no time for all") ||
			!strings.Contains(told[1].Outcome, "were left out") {
			t.Errorf("told %+v", told)
		}
		if share := b.read(t, mib.SimoneIlmShedShare).Uint; share != 0 {
			t.Errorf("simoneIlmShedShare is %d with time for all", share)
		}
	})
}

func TestPrioritiesOfProfiles(t *testing.T) {
	b := newBench(t, func(cfg *Config) { cfg.Priorities = Priorities([]string{"core"}, []string{mib.ProfileSystem}) })
	r := row(20, 1)
	for _, tt := range []struct {
		kind    mib.Kind
		profile string
		want    Priority
	}{
		{mib.KindLeaf, mib.ProfileSimone, PriorityHigh}, {mib.KindILM, mib.ProfileSimone, PriorityHigh},
		{mib.KindDevice, "other", PriorityNormal}, {mib.KindDevice, mib.ProfileSystem, PriorityLow},
		{mib.KindDevice, "core", PriorityHigh}, {mib.KindDevice, "system,core@0a1b2c3d", PriorityHigh},
		{mib.KindDevice, "other@0a1b2c3d,system", PriorityLow},
	} {
		r.Kind, r.Profile = tt.kind, tt.profile
		if got := b.priority(&r); got != tt.want {
			t.Errorf("%v with profile %s has priority %v, not %v", tt.kind, tt.profile, got, tt.want)
		}
	}
}
