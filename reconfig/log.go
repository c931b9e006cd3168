package reconfig

import "simone/mib"

// Log is a bounded report log: records by sequence number, kept until the
// parent has acknowledged them or there is no room.
type Log struct {
	incarnation uint64
	limit       int
	records     []logged // ring would save a copy; trims are rare and whole
	tail        uint32   // sequence number before the first record kept
	dropped     uint64
}

type logged struct {
	mib.Record
	at Instant
}

// defaultLogRecords is how many records a log keeps if nothing else is said.
const defaultLogRecords = 65536

func newLog(incarnation uint64, limit int) Log {
	if limit <= 0 {
		limit = defaultLogRecords
	}
	return Log{incarnation: incarnation, limit: limit}
}

func (l *Log) add(r mib.Record, now Instant) {
	if len(l.records) == l.limit { // the oldest eighth goes at once, so that this is O(1) on average
		n := max(l.limit/8, 1)
		l.dropped += uint64(n)
		l.trim(l.tail + uint32(n))
	}
	r.Seq = l.tail + uint32(len(l.records)) + 1
	l.records = append(l.records, logged{r, now})
}

func (l *Log) trim(seq uint32) {
	if seq <= l.tail {
		return
	}
	n := min(int(seq-l.tail), len(l.records))
	l.records = append(l.records[:0:0], l.records[n:]...)
	l.tail += uint32(n)
}

// Head is the incarnation of the log and the sequence number of its newest
// record (or of the newest one it had).
func (l *Log) Head() Cursor {
	return Cursor{l.incarnation, l.tail + uint32(len(l.records))}
}

// Tail is the sequence number before the oldest record that is kept.
func (l *Log) Tail() uint32 { return l.tail }

// Dropped counts records that fell off unacknowledged.
func (l *Log) Dropped() uint64 { return l.dropped }

// After gives the first record after seq, with its age at now.
func (l *Log) After(now Instant, seq uint32) (mib.Record, bool) {
	if seq < l.tail {
		seq = l.tail
	}
	i := int(seq - l.tail)
	if i >= len(l.records) {
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
