package reconfig

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"simone/mib"
)

// disk is where a log is kept.
type disk struct{ LogState }

func (d *disk) keep(b LogBatch) {
	d.Incarnation, d.Tail, d.Reserved, d.Polled = b.Incarnation, b.Tail, b.Reserved, b.Polled
	d.Records = append(d.Records, b.Records...)
	d.Records = slices.DeleteFunc(d.Records, func(r KeptRecord) bool { return r.Seq <= b.Tail })
}

// TestLogOutlivesItsProcess runs logs through clean ends and crashes, with a
// parent that reads by cursor now and then. A number that the parent has seen
// never stands for another record; nothing is lost but what was logged after
// the last write before a crash; nothing is read twice.
func TestLogOutlivesItsProcess(t *testing.T) {
	for seed := range uint64(200) {
		chance := rand.New(rand.NewPCG(seed, 3))
		var on disk
		now := Instant(time.Hour)
		start := func(incarnation uint64) *Log {
			l := newLog(incarnation, 0)
			state := on.LogState
			state.Records = slices.Clone(state.Records)
			l.resume(state, now)
			b := l.Batch(false)
			on.keep(b)
			l.Kept(b)
			return &l
		}
		l := start(100 + seed)
		number, safe := uint32(0), uint32(0) // of the records logged: each has its own Slot; those up to safe are on disk
		lost := make(map[uint32]bool)
		read := make(map[uint32]uint32) // slot to sequence number
		bySeq := make(map[uint32]uint32)
		cursor := Cursor{}
		readAll := func() {
			for _, r := range l.Read(now, cursor, 1000) {
				if old, again := bySeq[r.Seq]; again {
					t.Fatalf("seed %d: number %d stands for %d and for %d", seed, r.Seq, old, r.Slot)
				}
				if _, again := read[r.Slot]; again {
					t.Fatalf("seed %d: record %d is read twice", seed, r.Slot)
				}
				if r.Age < 0 {
					t.Fatalf("seed %d: record %d is %v old", seed, r.Slot, r.Age)
				}
				bySeq[r.Seq], read[r.Slot] = r.Slot, r.Seq
				cursor = Cursor{l.Head().Incarnation, r.Seq}
			}
			if h := l.Head(); h.Incarnation == cursor.Incarnation && len(l.Read(now, cursor, 1)) == 0 {
				cursor.Seq = max(cursor.Seq, h.Seq) // as Engine.logRead does
			}
		}
		for range 60 {
			switch chance.IntN(8) {
			case 0, 1, 2:
				for range chance.IntN(20) {
					number++
					l.add(mib.Record{Kind: mib.RecordSample, Node: 3, Slot: number}, now)
				}
			case 3, 4:
				readAll()
			case 5:
				b := l.Batch(false)
				on.keep(b)
				l.Kept(b)
				safe = number
			case 6:
				l.trim(cursor.Seq)
			case 7:
				if chance.IntN(2) == 0 {
					b := l.Batch(true)
					on.keep(b)
					safe = number
				} else {
					for n := safe + 1; n <= number; n++ {
						if _, ok := read[n]; !ok {
							lost[n] = true
						}
					}
				}
				now += Instant(time.Duration(chance.IntN(2000)-500) * time.Millisecond) // the clock may be set
				incarnation := l.Head().Incarnation
				if l = start(999); l.Head().Incarnation != incarnation {
					t.Fatalf("seed %d: the log began anew", seed)
				}
			}
		}
		b := l.Batch(false)
		on.keep(b)
		l.Kept(b)
		for range 3 {
			readAll()
		}
		for n := uint32(1); n <= number; n++ {
			if _, ok := read[n]; !ok && !lost[n] {
				t.Fatalf("seed %d: record %d of %d was never read", seed, n, number)
			}
		}
	}
}

// A record that no number is reserved for is not shown: after a crash another
// one could have its number.
func TestLogShowsWhatIsReserved(t *testing.T) {
	l := newLog(1, 0)
	l.resume(LogState{}, 0)
	l.add(mib.Record{Slot: 1}, 0)
	if h := l.Head(); h.Seq != 0 || len(l.Read(0, Cursor{}, 9)) != 0 {
		t.Errorf("before the first write the head is %d", h.Seq)
	}
	l.Kept(l.Batch(false))
	if h := l.Head(); h.Seq != 1 || len(l.Read(0, Cursor{}, 9)) != 1 {
		t.Errorf("after it the head is %d", h.Seq)
	}
	for n := range uint32(logReserve + 10) {
		l.add(mib.Record{Slot: n + 2}, 0)
	}
	if h := l.Head(); h.Seq != 1+logReserve {
		t.Errorf("the head is %d, %d are reserved", h.Seq, 1+logReserve)
	}
	if _, ok := l.After(0, 1+logReserve); ok {
		t.Error("a record beyond the reserved ones is shown")
	}
}

// When the numbers of an incarnation are used up, what is left is told in
// another one.
func TestLogWithUsedUpNumbers(t *testing.T) {
	l := newLog(2, 0)
	l.resume(LogState{Incarnation: 1, Tail: 5, Reserved: 1<<32 - 10, Records: []KeptRecord{{Record: mib.Record{Seq: 6, Slot: 60}}, {Record: mib.Record{Seq: 9, Slot: 90}}}}, 0)
	b := l.Batch(false)
	l.Kept(b)
	if b.Incarnation != 2 || len(b.Records) != 2 {
		t.Errorf("the first batch is %+v", b)
	}
	records := l.Read(0, Cursor{Incarnation: 1, Seq: 1 << 31}, 9)
	if len(records) != 2 || records[0].Slot != 60 || records[0].Seq != 1 || records[1].Slot != 90 {
		t.Errorf("read %+v", records)
	}
}

// TestRunningSlotIsTaken: a list that starts polls the slot that runs, once,
// if it knows that nobody has; and goes on at the next one in its time.
func TestRunningSlotIsTaken(t *testing.T) {
	const every = 10 * time.Second
	zero := Instant(1000 * time.Hour)
	row := ListRow{Zero: zero, Row: mib.SupportRow{Node: 5, Epoch: mib.Epoch{1}, Slot: 3, Interval: every, Kind: mib.KindLeaf}}
	now := zero.Add(20*every + 4*time.Second) // slot 20 has run for 4 s
	polls := func(limits ListLimits, now Instant) (slots []uint32, at []time.Duration) {
		l := NewList(ListState{Active: true, Rows: map[mib.NodeID]ListRow{5: row}}, limits, now)
		for until := now.Add(2 * every); ; {
			next, ok := l.Next()
			if !ok || next > until {
				return slots, at
			}
			for _, p := range l.Due(next) {
				slots, at = append(slots, p.Slot), append(at, next.Sub(zero))
				l.Polled(next, p.Row.Node, p.Slot, mib.Sample{})
			}
		}
	}
	last := func(slot uint32, known bool) ListLimits {
		return ListLimits{Polled: func(mib.NodeID) (uint32, bool) { return slot, known }}
	}
	kept := func(s LogState) ListLimits { return ListLimits{Kept: &s} }
	sampled := []KeptRecord{{Record: mib.Record{Seq: 4, Kind: mib.RecordSample, Node: 5, Slot: 20}}}
	for name, tt := range map[string]struct {
		limits ListLimits
		now    Instant
		want   []uint32
	}{
		"nothing is known":                 {ListLimits{}, now, []uint32{21, 22}},
		"nothing is known of it":           {last(0, false), now, []uint32{21, 22}},
		"it was not polled":                {last(19, true), now, []uint32{20, 21, 22}},
		"it was polled":                    {last(20, true), now, []uint32{21, 22}},
		"it was never polled":              {last(0, true), now, []uint32{20, 21, 22}},
		"a new log":                        {kept(LogState{}), now, []uint32{21, 22}},
		"a kept log without it":            {kept(LogState{Incarnation: 9}), now, []uint32{20, 21, 22}},
		"a kept log with it":               {kept(LogState{Incarnation: 9, Records: sampled}), now, []uint32{21, 22}},
		"a clean end after it":             {kept(LogState{Incarnation: 9, Polled: map[mib.NodeID]uint32{5: 20}}), now, []uint32{21, 22}},
		"a clean end before it":            {kept(LogState{Incarnation: 9, Polled: map[mib.NodeID]uint32{5: 19}}), now, []uint32{20, 21, 22}},
		"its row begins later":             {last(0, true), zero.Add(2*every + time.Second), []uint32{3, 4}},
		"its first slot has been polled":   {last(3, true), zero.Add(3*every + time.Second), []uint32{4, 5}},
		"its first slot has not":           {last(0, true), zero.Add(3*every + time.Second), []uint32{3, 4, 5}},
		"the clock was set back for hours": {last(900, true), now, []uint32{21, 22}},
	} {
		t.Run(name, func(t *testing.T) {
			slots, at := polls(tt.limits, tt.now)
			if !slices.Equal(slots, tt.want) {
				t.Fatalf("slots %v are polled, want %v", slots, tt.want)
			}
			for i, slot := range slots {
				want := time.Duration(slot) * every
				if slot == 20 {
					want += 7 * time.Second // half of the six seconds that are left
				}
				if slot == 3 {
					want = max(want, tt.now.Sub(zero)) // it is due by its row
					at[i] = max(at[i], tt.now.Sub(zero))
				}
				if at[i] != want {
					t.Errorf("slot %d at %v, want %v", slot, at[i], want)
				}
			}
		})
	}
}

// TestLastBatchSaysWhatWasPolled: also of a poll whose answer nobody hears.
func TestLastBatchSaysWhatWasPolled(t *testing.T) {
	now := Instant(time.Hour)
	rows := make(map[mib.NodeID]ListRow)
	for id := mib.NodeID(1); id <= 2; id++ {
		rows[id] = ListRow{Zero: now, Row: mib.SupportRow{Node: id, Epoch: mib.Epoch{1}, Slot: 1, Interval: time.Second, Kind: mib.KindLeaf}}
	}
	l := NewList(ListState{Active: true, Rows: rows}, ListLimits{Kept: &LogState{}}, now)
	for slot := uint32(1); slot <= 3; slot++ {
		at := now.Add(time.Duration(slot) * time.Second)
		if polls := l.Due(at); len(polls) != 2 || l.Flying() != 2 {
			t.Fatalf("slot %d: %d polls, %d flying", slot, len(polls), l.Flying())
		}
		l.Polled(at, 1, slot, mib.Sample{})
		if slot < 3 {
			l.Polled(at, 2, slot, mib.Sample{})
		}
	}
	b := l.LastBatch()
	if b.Polled[1] != 3 || b.Polled[2] != 2 || b.Reserved != l.log.head {
		t.Errorf("polled %v, reserved %d of %d", b.Polled, b.Reserved, l.log.head)
	}
}
