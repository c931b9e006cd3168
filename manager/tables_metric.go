package manager

import (
	"simone/mib"
)

// MetricRows gives the rows of simoneMetricTable for the nodes below. The
// answering node's own rows, at index 0, are not among them.
func (h *Host) MetricRows() mib.Rows { return metricRows{h} }

type metricRows struct{ h *Host }

// Next implements mib.Rows.
func (t metricRows) Next(index mib.OID) (mib.OID, bool) {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	return t.h.values.next(index)
}

// Value implements mib.Rows.
func (t metricRows) Value(column uint32, index mib.OID) mib.Value {
	none := mib.Value{Type: mib.TypeNoSuchInstance}
	if len(index) != 3 {
		return none
	}
	h := t.h
	h.mu.Lock()
	defer h.mu.Unlock()
	value, at, ok := h.values.get(mib.NodeID(index[0]), index[1], index[2])
	if !ok {
		return none
	}
	switch column {
	case mib.ColumnMetricValue:
		return mib.Decimal(value)
	case mib.ColumnMetricTime:
		return mib.DateAndTime(h.cfg.Clock.Wall(at))
	case mib.ColumnMetricAge:
		return age(h.cfg.Clock.Now(), at)
	}
	return none
}

// computedDigits is to how many digits means and sums are shown: more than any
// metric has, and fewer than show that binary fractions were added up.
const computedDigits = 12

// aggregateRows is simoneAggregateTable.
type aggregateRows struct{ h *Host }

// Next implements mib.Rows.
func (t aggregateRows) Next(index mib.OID) (mib.OID, bool) {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	after := int64(-1)
	if len(index) > 0 {
		after = int64(index[0])
	}
	m, ok := t.h.values.nextMetric(after)
	return mib.OID{m}, ok
}

// Value implements mib.Rows.
func (t aggregateRows) Value(column uint32, index mib.OID) mib.Value {
	none := mib.Value{Type: mib.TypeNoSuchInstance}
	if len(index) != 1 {
		return none
	}
	h := t.h
	h.mu.Lock()
	defer h.mu.Unlock()
	a, ok := h.values.aggregate(index[0])
	if !ok {
		return none
	}
	switch column {
	case mib.ColumnAggregateCount:
		return mib.Unsigned(a.count)
	case mib.ColumnAggregateMin:
		return mib.Decimal(a.min)
	case mib.ColumnAggregateMax:
		return mib.Decimal(a.max)
	case mib.ColumnAggregateMean:
		return mib.Rounded(a.mean, computedDigits)
	case mib.ColumnAggregateDeviation:
		return mib.Rounded(a.dev, computedDigits)
	case mib.ColumnAggregateSum:
		return mib.Rounded(a.sum, computedDigits)
	case mib.ColumnAggregateP50:
		return mib.Decimal(a.p50)
	case mib.ColumnAggregateP90:
		return mib.Decimal(a.p90)
	case mib.ColumnAggregateP99:
		return mib.Decimal(a.p99)
	case mib.ColumnAggregateAge:
		return age(h.cfg.Clock.Now(), a.oldest)
	}
	return none
}

// reportRows is simoneReportTable.
type reportRows struct{ h *Host }

// Next implements mib.Rows.
func (t reportRows) Next(index mib.OID) (mib.OID, bool) {
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	after := uint32(0)
	if len(index) > 0 {
		after = index[0]
	}
	r, ok := t.h.list.Log().After(t.h.cfg.Clock.Now(), after)
	return mib.OID{r.Seq}, ok
}

// Value implements mib.Rows.
func (t reportRows) Value(column uint32, index mib.OID) mib.Value {
	none := mib.Value{Type: mib.TypeNoSuchInstance}
	if len(index) != 1 || index[0] == 0 {
		return none
	}
	h := t.h
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.list.Log().After(h.cfg.Clock.Now(), index[0]-1)
	if !ok || r.Seq != index[0] {
		return none
	}
	switch column {
	case mib.ColumnReportRecord:
		return mib.Octets(r.Append(nil))
	case mib.ColumnReportKind:
		return mib.Integer(int32(r.Kind))
	case mib.ColumnReportNodeId:
		return mib.Gauge(uint32(r.Node))
	case mib.ColumnReportSlot:
		return mib.Gauge(r.Slot)
	case mib.ColumnReportAge:
		return mib.Millis(r.Age)
	}
	return none
}
