package agent

import (
	"sync/atomic"
	"time"

	"simone/mib"
)

// MetricSource gives the rows of simoneMetricTable for nodes other than the
// answering one: at an ILM those of its children. Their indices are NodeID
// above 0, metric number and instance; the columns are the MIB's. It is asked
// from many goroutines at once.
type MetricSource interface{ mib.Rows }

// metricRows is simoneMetricTable: the collector's last snapshot at NodeID 0,
// then the rows of another source if there is one.
type metricRows struct {
	collector *Collector
	others    atomic.Pointer[MetricSource]
}

// Next implements mib.Rows.
func (t *metricRows) Next(index mib.OID) (mib.OID, bool) {
	if len(index) == 0 || index[0] == 0 {
		values := t.collector.Snapshot().values
		if i := after(values, index); i < len(values) {
			return mib.OID{0, values[i].Metric, values[i].Instance}, true
		}
	}
	others := t.others.Load()
	if others == nil {
		return nil, false
	}
	return (*others).Next(index)
}

// after finds the first of the node's own values whose index sorts after one
// that is empty or begins with NodeID 0.
func after(values []mib.MetricValue, index mib.OID) int {
	if len(index) < 2 {
		return 0
	}
	s := Snapshot{values: values}
	i, exact := s.search(index[1])
	// Instances are all 0: an index as long as the row's is at or behind it.
	if exact && len(index) > 2 {
		i++
	}
	return i
}

// Value implements mib.Rows.
func (t *metricRows) Value(column uint32, index mib.OID) mib.Value {
	none := mib.Value{Type: mib.TypeNoSuchInstance}
	if len(index) == 0 {
		return none
	}
	if index[0] != 0 {
		if others := t.others.Load(); others != nil {
			return (*others).Value(column, index)
		}
		return none
	}
	if len(index) != 3 || index[2] != 0 {
		return none
	}
	s := t.collector.Snapshot()
	i, ok := s.search(index[1])
	if !ok {
		return none
	}
	switch column {
	case mib.ColumnMetricValue:
		return mib.Decimal(s.values[i].Value)
	case mib.ColumnMetricTime:
		return mib.DateAndTime(s.At)
	case mib.ColumnMetricAge:
		return mib.Millis(max(time.Since(s.At), 0))
	}
	return none
}
