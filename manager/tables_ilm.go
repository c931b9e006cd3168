package manager

import (
	"encoding/binary"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// Register puts the host's objects into the node's tree: simoneTemperature,
// simoneIlm, simoneSupportTable, simoneAggregateTable and simoneReportTable;
// below the top, simoneReconfig.
// simoneMetricTable is the agent's, which takes MetricRows into it.
func (h *Host) Register(tree *mib.Tree) error {
	tuning, err := h.temperatureGroup()
	if err != nil {
		return err
	}
	if err := tree.Register(mib.SimoneTemperature, h.Explained(tuning)); err != nil {
		return err
	}
	c, err := newControl(h)
	if err != nil {
		return err
	}
	roots := []mib.OID{mib.SimoneIlm, mib.SimoneSupport}
	for _, s := range h.ruleScalars() {
		roots = append(roots, s.OID)
	}
	for _, root := range roots {
		if err := tree.Register(root, c); err != nil {
			return err
		}
	}
	if h.cfg.Events != nil {
		if err := h.ruled(h.cfg.Events).Register(tree); err != nil {
			return err
		}
	}
	for _, t := range []struct {
		entry mib.OID
		rows  mib.Rows
	}{
		{mib.SimoneAggregateEntry, aggregateRows{h}},
		{mib.SimoneReportEntry, reportRows{h}},
	} {
		table, err := mib.NewTable(t.entry, t.rows)
		if err != nil {
			return err
		}
		if err := table.Register(tree); err != nil {
			return err
		}
	}
	return nil
}

// locked makes a Read of a function that needs h.mu.
func (h *Host) locked(read func() mib.Value) func() mib.Value {
	return func() mib.Value {
		h.mu.Lock()
		defer h.mu.Unlock()
		return read()
	}
}

// ilmScalars are the objects of the group simoneIlm.
func (h *Host) ilmScalars() []mib.Scalar {
	now := h.cfg.Clock.Now
	log := func() *reconfig.Log { return h.list.Log() }
	read := []struct {
		object mib.OID
		value  func() mib.Value // h.mu is held
	}{
		{mib.SimoneIlmAdminStatus, func() mib.Value {
			if h.list.Active() {
				return mib.Integer(int32(mib.IlmAdminUp))
			}
			return mib.Integer(int32(mib.IlmAdminDown))
		}},
		{mib.SimoneIlmOperStatus, func() mib.Value { return mib.Integer(int32(h.operStatus())) }},
		{mib.SimoneIlmTrigger, func() mib.Value { return mib.Truth(false) }},
		{mib.SimoneIlmFence, func() mib.Value { return mib.Octets(h.list.Fence().Append(nil)) }},
		{mib.SimoneIlmApply, func() mib.Value { return mib.Text("") }},
		{mib.SimoneIlmCursor, func() mib.Value {
			return mib.Octets(appendCursor(nil, reconfig.Cursor{Incarnation: log().Head().Incarnation, Seq: log().Tail()}))
		}},
		{mib.SimoneIlmTriggerInterval, func() mib.Value { return mib.Millis(h.triggerPeriod()) }},
		{mib.SimoneIlmPollInterval, func() mib.Value { return mib.Millis(h.pollInterval()) }},
		{mib.SimoneIlmLevels, func() mib.Value { return mib.Gauge(h.list.Settings().Levels) }},
		{mib.SimoneIlmBelow, func() mib.Value { return mib.Gauge(h.list.Settings().Below) }},
		{mib.SimoneIlmFanIn, func() mib.Value { return mib.Gauge(h.list.Settings().FanIn) }},
		{mib.SimoneIlmSupportCount, func() mib.Value { return mib.Unsigned(h.list.Len()) }},
		{mib.SimoneIlmDigest, func() mib.Value { return mib.Octets(h.list.Digest().Append(nil)) }},
		{mib.SimoneIlmBacklog, func() mib.Value {
			outstanding, _ := h.results.outstanding()
			return mib.Unsigned(h.backlog(outstanding))
		}},
		{mib.SimoneIlmLease, func() mib.Value { return age(now(), h.lease(now())) }},
		{mib.SimoneIlmError, func() mib.Value { return mib.Text(h.lastError) }},
		{mib.SimoneIlmCapacity, func() mib.Value { return mib.Unsigned(h.list.Capacity()) }},
		{mib.SimoneIlmLogIncarnation, func() mib.Value {
			return mib.Octets(binary.BigEndian.AppendUint64(nil, log().Head().Incarnation))
		}},
		{mib.SimoneIlmLogHead, func() mib.Value { return mib.Gauge(log().Head().Seq) }},
		{mib.SimoneIlmLogTail, func() mib.Value { return mib.Gauge(log().Tail()) }},
		{mib.SimoneIlmLogDropped, func() mib.Value { return counter(log().Dropped()) }},
		{mib.SimoneIlmStaleFences, func() mib.Value { return counter(h.list.StaleFences) }},
		{mib.SimoneIlmRefusedRows, func() mib.Value { return counter(h.list.RefusedRows) }},
		{mib.SimoneIlmPolls, func() mib.Value { return counter(h.counts.Polls) }},
		{mib.SimoneIlmPollFailures, func() mib.Value { return counter(h.counts.Failures) }},
		{mib.SimoneIlmPollsSkipped, func() mib.Value { return counter(h.list.SkippedPolls) }},
		{mib.SimoneIlmPollCost, func() mib.Value { return mib.Micros(h.measures.PollCost) }},
		{mib.SimoneIlmLatenessMean, func() mib.Value { return mib.Micros(h.measures.Late.Mean) }},
		{mib.SimoneIlmLatenessP99, func() mib.Value { return mib.Micros(h.measures.Late.P99) }},
		{mib.SimoneIlmShedShare, func() mib.Value { return mib.Hundredths(100 * h.shedder.share) }},
		{mib.SimoneIlmShedHigh, func() mib.Value { return counter(h.counts.Shed[PriorityHigh]) }},
		{mib.SimoneIlmShedNormal, func() mib.Value { return counter(h.counts.Shed[PriorityNormal]) }},
		{mib.SimoneIlmShedLow, func() mib.Value { return counter(h.counts.Shed[PriorityLow]) }},
	}
	// What the engine says is not asked for under the lock.
	scalars := []mib.Scalar{
		{OID: mib.SimoneIlmSubtreeDigest, Read: func() mib.Value { return mib.Octets(h.subtreeDigest().Append(nil)) }},
		{OID: mib.SimoneIlmLastRound, Read: func() mib.Value { return age(now(), h.lastRound()) }},
	}
	for _, r := range read {
		scalars = append(scalars, mib.Scalar{OID: r.object, Read: h.locked(r.value)})
	}
	return scalars
}

// operStatus says how far the node is in being an ILM. h.mu is held.
func (h *Host) operStatus() mib.IlmStatus {
	switch {
	case !h.list.Active():
		return mib.IlmDown
	case !h.running:
		return mib.IlmStarting
	}
	return mib.IlmUp
}

// subtreeDigest adds up the nodes that are polled here and below.
func (h *Host) subtreeDigest() mib.Digest {
	var sum mib.Digest
	if b := h.engine(); b != nil {
		sum = b.Census()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	sum.Merge(h.list.Census())
	return sum
}

// engine is what is below this manager, if anything is. h.mu is not held.
func (h *Host) engine() Below {
	if h.cfg.Below != nil {
		return h.cfg.Below
	}
	if c := h.conductor(); c != nil {
		return c
	}
	return nil
}

// lastRound is when this manager last completed a round; for one without
// managers below that is the end of a trigger window.
func (h *Host) lastRound() reconfig.Instant {
	if b := h.engine(); b != nil && b.LastRound() != 0 {
		return b.LastRound()
	}
	return h.Measures().At
}

// counter makes a Counter32, which wraps.
func counter(n uint64) mib.Value { return mib.Counter32(uint32(n)) }

// age is how long ago something was, in milliseconds; Never for the zero
// instant.
func age(now, then reconfig.Instant) mib.Value {
	if then == 0 {
		return mib.Gauge(mib.Never)
	}
	return mib.Millis(max(now.Sub(then), 0))
}

func appendCursor(b []byte, c reconfig.Cursor) []byte {
	b = binary.BigEndian.AppendUint64(b, c.Incarnation)
	return binary.BigEndian.AppendUint32(b, c.Seq)
}

// temperatureGroup makes the handler of simoneTemperature. What can be
// written is tested and changed together, because the weights bind each
// other.
func (h *Host) temperatureGroup() (*mib.Scalars, error) {
	read := []struct {
		object mib.OID
		value  func() mib.Value // h.mu is held
	}{
		{mib.SimoneTemperatureNow, func() mib.Value { return mib.Temperature(h.measures.Temperature) }},
		{mib.SimoneTemperatureWeighted, func() mib.Value { return mib.Temperature(h.measures.Weighted) }},
		{mib.SimoneIntrusion, func() mib.Value { return mib.Hundredths(h.measures.Intrusion) }},
		{mib.SimoneUtilisation, func() mib.Value { return mib.Hundredths(100 * h.measures.Utilisation) }},
		{mib.SimoneLatencyMean, func() mib.Value { return mib.Micros(h.measures.Latency.Mean) }},
		{mib.SimoneLatencyDeviation, func() mib.Value { return mib.Micros(h.measures.Latency.StdDev) }},
		{mib.SimoneLatencyP99, func() mib.Value { return mib.Micros(h.measures.Latency.P99) }},
		{mib.SimoneLatencySamples, func() mib.Value { return mib.Gauge(uint32(h.measures.Latency.Count)) }},
		{mib.SimoneTemperatureStu, func() mib.Value { return mib.Micros(h.tuning.STU) }},
		{mib.SimoneTemperatureWeightA, func() mib.Value { return mib.Decimal(h.tuning.WeightA) }},
		{mib.SimoneTemperatureWeightB, func() mib.Value { return mib.Decimal(h.tuning.WeightB) }},
		{mib.SimoneTemperatureHistory, func() mib.Value { return mib.Text(FormatHistory(h.ruledTuning(h.tuning).History)) }},
		{mib.SimoneTemperatureExpression, func() mib.Value { return mib.Text(h.tuning.Expression) }},
		{mib.SimoneTemperatureWindows, func() mib.Value { return mib.Counter32(h.measures.Windows) }},
	}
	scalars := []mib.Scalar{ // as in ilmScalars
		{OID: mib.SimoneTemperatureGlobal, Read: func() mib.Value {
			if l, ok := h.globalLatency(); ok {
				return mib.Temperature(float64(l) / float64(h.Tuning().STU))
			}
			return mib.Text("")
		}},
		{OID: mib.SimoneLatencyGlobal, Read: func() mib.Value {
			l, _ := h.globalLatency()
			return mib.Micros(l)
		}},
	}
	for _, r := range read {
		scalars = append(scalars, mib.Scalar{OID: r.object, Read: h.locked(r.value)})
	}
	return mib.NewScalarGroup(h.testTuning, scalars...)
}

// globalLatency is the mean of the ILMs' mean latencies below.
func (h *Host) globalLatency() (time.Duration, bool) {
	b := h.engine()
	if b == nil {
		return 0, false
	}
	return b.GlobalLatency()
}

// testTuning tests a SET of the simoneTemperature group.
func (h *Host) testTuning(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	old := h.Tuning()
	t := old
	for i, v := range vars {
		var err error
		switch object := v.Name[:len(v.Name)-1]; {
		case object.Equal(mib.SimoneTemperatureStu):
			t.STU = time.Duration(v.Value.Uint) * time.Microsecond
		case object.Equal(mib.SimoneTemperatureWeightA):
			t.WeightA, err = mib.ParseDecimal(v.Value)
		case object.Equal(mib.SimoneTemperatureWeightB):
			t.WeightB, err = mib.ParseDecimal(v.Value)
		case object.Equal(mib.SimoneTemperatureHistory):
			if told, _ := h.Told(); told.Rules.History != "" {
				return nil, mib.Refuse(mib.InconsistentValue, i, "%s: the manager above has told %s; change simoneReconfigHistory at the TLM",
					mib.NameOf(v.Name), told.Rules.History)
			}
			t.History, err = parseHistory(string(v.Value.Bytes))
		case object.Equal(mib.SimoneTemperatureExpression):
			t.Expression = string(v.Value.Bytes)
		}
		if err == nil && i == len(vars)-1 {
			err = t.Validate()
		}
		if err != nil {
			return nil, mib.Refuse(mib.WrongValue, i, "%s: %v", mib.NameOf(v.Name), err)
		}
	}
	set := func(t Tuning) error {
		if h.cfg.KeepTuning != nil {
			if err := h.cfg.KeepTuning(t); err != nil {
				return err
			}
		}
		return h.Tune(t)
	}
	return mib.TxnFuncs{
		OnCommit: func() error { return set(t) },
		OnUndo:   func() error { return set(old) },
	}, nil
}
