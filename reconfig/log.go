package reconfig

import (
	"math"
	"slices"

	"simone/mib"
)

// Log is a bounded report log: records by sequence number, kept until the
// parent has acknowledged them or there is no room.
type Log struct {
	incarnation uint64
	limit       int
	records     []logged // by sequence number; a ring would save a copy, but trims are rare and whole
	tail        uint32   // records up to it are gone: acknowledged, or fallen off
	head        uint32   // the newest sequence number given
	dropped     uint64
	fell        uint32 // the newest record that has fallen off unacknowledged

	// For a log that outlives its process. A number that the parent may have
	// seen must never stand for another record, also if what was logged last
	// is lost in a crash; so only numbers are shown that are reserved on disk,
	// and the next life begins above them.
	kept     uint32 // the newest record that is on disk
	reserved uint32
}

type logged struct {
	mib.Record
	at Instant
}

// defaultLogRecords is how many records a log keeps if nothing else is said.
const defaultLogRecords = 65536

// logReserve is how many sequence numbers are reserved ahead: more than are
// given between two writes, unless the disk is full.
const logReserve = 1 << 18

// LogState is what is kept of a log across restarts. A log that was never
// kept has the zero state.
type LogState struct {
	Incarnation uint64
	Tail        uint32
	Reserved    uint32 // sequence numbers up to it may have been seen
	Records     []KeptRecord
	// Polled is the last slot that was polled of each node of the list when
	// the process ended in good order; nil if it did not.
	Polled map[mib.NodeID]uint32
}

// KeptRecord is a record with when it was logged in place of its age.
type KeptRecord struct {
	mib.Record
	At Instant
}

func newLog(incarnation uint64, limit int) Log {
	if limit <= 0 {
		limit = defaultLogRecords
	}
	return Log{incarnation: incarnation, limit: limit, reserved: math.MaxUint32}
}

// resume makes the log go on where an earlier process has left it.
func (l *Log) resume(s LogState, now Instant) {
	switch {
	case s.Incarnation == 0:
	case s.Reserved > math.MaxUint32-4*logReserve: // the numbers are used up: begin anew with what is there
		for _, r := range s.Records {
			l.add(r.Record, min(r.At, now))
		}
		l.kept, l.reserved = 0, 0
		return
	default:
		l.incarnation, l.tail, l.head = s.Incarnation, s.Tail, max(s.Reserved, s.Tail)
		for _, r := range s.Records {
			if r.Seq > l.tail {
				l.records = append(l.records, logged{r.Record, min(r.At, now)}) // the clock may have been set back
			}
		}
	}
	l.kept, l.reserved = l.head, l.head
}

// LogBatch is what is to be written of a log that is kept: the records that
// are not on disk yet; those up to Tail may go from there. A list's store
// makes it durable as one.
type LogBatch struct{ LogState }

// Batch gives what has to be written now. last says that nothing follows, so
// that no number has to be reserved.
func (l *Log) Batch(last bool) LogBatch {
	b := LogBatch{LogState{Incarnation: l.incarnation, Tail: l.tail, Reserved: l.head}}
	if !last && l.head < math.MaxUint32-logReserve {
		b.Reserved += logReserve
	}
	i, _ := slices.BinarySearchFunc(l.records, l.kept+1, bySeq)
	for _, r := range l.records[i:] {
		b.Records = append(b.Records, KeptRecord{r.Record, r.at})
	}
	return b
}

// Kept says that a batch is on disk.
func (l *Log) Kept(b LogBatch) {
	if n := len(b.Records); n > 0 {
		l.kept = b.Records[n-1].Seq
	}
	l.reserved = b.Reserved
}

func bySeq(r logged, seq uint32) int {
	switch {
	case r.Seq < seq:
		return -1
	case r.Seq > seq:
		return 1
	}
	return 0
}

func (l *Log) add(r mib.Record, now Instant) {
	if len(l.records) == l.limit { // the oldest eighth goes at once, so that this is O(1) on average
		n := max(l.limit/8, 1)
		l.dropped += uint64(n)
		l.fell = l.records[n-1].Seq
		l.trim(l.fell)
	}
	l.head++
	r.Seq = l.head
	l.records = append(l.records, logged{r, now})
}

func (l *Log) trim(seq uint32) {
	if seq <= l.tail {
		return
	}
	n, found := slices.BinarySearchFunc(l.records, seq, bySeq)
	if found {
		n++
	}
	l.records = append(l.records[:0:0], l.records[n:]...)
	l.tail = min(seq, l.head)
}

// Head is the incarnation of the log and the sequence number of its newest
// record (or of the newest one it had).
func (l *Log) Head() Cursor {
	return Cursor{l.incarnation, min(l.head, l.reserved)}
}

// Tail is the sequence number before the oldest record that is kept.
func (l *Log) Tail() uint32 { return l.tail }

// Dropped counts records that fell off unacknowledged.
func (l *Log) Dropped() uint64 { return l.dropped }

// After gives the first record after seq, with its age at now.
func (l *Log) After(now Instant, seq uint32) (mib.Record, bool) {
	if seq == math.MaxUint32 {
		return mib.Record{}, false
	}
	i, _ := slices.BinarySearchFunc(l.records, seq+1, bySeq)
	if i >= len(l.records) || l.records[i].Seq > l.reserved {
		return mib.Record{}, false
	}
	r := l.records[i].Record
	r.Age = now.Sub(l.records[i].at)
	return r, true
}

// Read gives up to limit records after the cursor, with their ages at now; a
// cursor of another incarnation reads from the start.
func (l *Log) Read(now Instant, from Cursor, limit int) []mib.Record {
	seq := from.Seq
	if from.Incarnation != l.incarnation {
		seq = 0
	}
	var out []mib.Record
	for len(out) < limit {
		r, ok := l.After(now, seq)
		if !ok {
			break
		}
		out = append(out, r)
		seq = r.Seq
	}
	return out
}
