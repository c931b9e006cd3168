package manager

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// LoggedEntry is an entry of the event table with its number, from 1.
type LoggedEntry = struct {
	Seq uint64
	reconfig.Entry
}

// EntryStore has the bounded ring that Store.AddEntries appends to.
type EntryStore interface {
	// Entries gives up to limit entries with numbers above after, in order.
	Entries(after uint64, limit int) ([]LoggedEntry, error)
}

// eventRows are the rows of simoneEventTable, straight from the store.
type eventRows struct {
	store EntryStore

	// mu guards the field below: the entry that was read last, because a row
	// is read column by column.
	mu   sync.Mutex
	last LoggedEntry
}

// entry gives the first entry with a number above after.
func (r *eventRows) entry(after uint64) (LoggedEntry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last.Seq != 0 && r.last.Seq == after+1 {
		return r.last, true
	}
	entries, err := r.store.Entries(after, 1)
	if err != nil || len(entries) == 0 {
		return LoggedEntry{}, false
	}
	r.last = entries[0]
	return r.last, true
}

// Next gives the row after index.
func (r *eventRows) Next(index mib.OID) (mib.OID, bool) {
	e, ok := r.entry(first(index))
	if !ok || e.Seq > math.MaxUint32 {
		return nil, false
	}
	return mib.OID{uint32(e.Seq)}, true
}

// first is the first part of an index; 0 for none, which stands before all
// rows. Rows with one number as their index sort after it exactly if theirs
// is greater.
func first(index mib.OID) uint64 {
	if len(index) == 0 {
		return 0
	}
	return uint64(index[0])
}

// Value gives a cell.
func (r *eventRows) Value(column uint32, index mib.OID) mib.Value {
	none := mib.Value{Type: mib.TypeNoSuchInstance}
	if len(index) != 1 || index[0] == 0 {
		return none
	}
	e, ok := r.entry(uint64(index[0]) - 1)
	if !ok || e.Seq != uint64(index[0]) {
		return none
	}
	return eventCell(&e, column)
}

// eventCell is a column of an event's row.
func eventCell(e *LoggedEntry, column uint32) mib.Value {
	switch column {
	case mib.ColumnEventTime:
		return mib.DateAndTime(time.Unix(0, int64(e.At)))
	case mib.ColumnEventKind:
		return mib.Integer(int32(e.Kind))
	case mib.ColumnEventNodeId:
		return mib.Gauge(uint32(e.Node))
	case mib.ColumnEventFrom:
		return mib.Gauge(uint32(e.From))
	case mib.ColumnEventTo:
		return mib.Gauge(uint32(e.To))
	case mib.ColumnEventNodes:
		return mib.Unsigned(e.Nodes)
	case mib.ColumnEventSeen:
		return text(e.Seen)
	case mib.ColumnEventExpected:
		return text(e.Expected)
	case mib.ColumnEventOutcome:
		return text(e.Outcome)
	case mib.ColumnEventText:
		return text(Sentence(e.Entry))
	}
	return mib.Value{Type: mib.TypeNoSuchInstance}
}

// maxText is the size of a SimoneText.
const maxText = 1024

// text makes a SimoneText, cut to its size between two characters.
func text(s string) mib.Value {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return mib.Text(s)
}

// Sentence tells an entry in one line: "split: 12 nodes from 4 to 7 (seen: T
// 21.3 above 17.5; expected: about half of it)".
func Sentence(e reconfig.Entry) string {
	var s strings.Builder
	s.WriteString(e.Kind.String())
	var words []string
	switch {
	case e.Node != 0 && e.Nodes > 1: // an ILM and its list
		words = append(words, fmt.Sprintf("node %d with %d nodes", e.Node, e.Nodes))
	case e.Node != 0:
		words = append(words, fmt.Sprintf("node %d", e.Node))
	case e.Nodes == 1:
		words = append(words, "1 node")
	case e.Nodes > 1:
		words = append(words, fmt.Sprintf("%d nodes", e.Nodes))
	}
	if e.From != 0 {
		words = append(words, fmt.Sprintf("from %d", e.From))
	}
	if e.To != 0 {
		words = append(words, fmt.Sprintf("to %d", e.To))
	}
	if len(words) > 0 {
		s.WriteString(": " + strings.Join(words, " "))
	}
	var why []string
	for _, w := range []struct{ label, text string }{{"seen", e.Seen}, {"expected", e.Expected}, {"outcome", e.Outcome}} {
		if w.text != "" {
			why = append(why, w.label+": "+w.text)
		}
	}
	if len(why) > 0 {
		s.WriteString(" (" + strings.Join(why, "; ") + ")")
	}
	return s.String()
}
