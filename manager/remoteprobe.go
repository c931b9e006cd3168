package manager

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"simone/mib"
	"simone/reconfig"
)

const (
	// maxProbeTimeout is the longest that a child has to show that it lives.
	// It is asked once, so that detection takes misses x probe interval.
	maxProbeTimeout = 500 * time.Millisecond
	// rowRetries: reading on from a child that has just answered may be
	// repeated, since reading changes nothing.
	rowRetries = 2
	// maxReadings is how often a list that changes under the reading is
	// begun again.
	maxReadings = 3
)

// summary is what a probe asks first, fence first: the child's state but for
// its rows. Order is that of the fields in parseSummary.
func summaryObjects() []mib.OID {
	return []mib.OID{
		mib.SimoneIlmFence,
		mib.SimoneIlmAdminStatus,
		mib.SimoneTemperatureWindows,
		mib.SimoneTemperatureNow,
		mib.SimoneTemperatureWeighted,
		mib.SimoneLatencyMean,
		mib.SimoneIntrusion,
		mib.SimoneUtilisation,
		mib.SimoneIlmDigest,
		mib.SimoneIlmLogIncarnation,
		mib.SimoneIlmLogHead,
		mib.SimoneIlmLease,
		mib.SimoneIlmCapacity,
		mib.SimoneIlmSubtreeDigest,
	}
}

// hostObjects come after them: what the child's machine has to do beside.
func hostObjects() []mib.OID {
	return []mib.OID{
		mib.MetricInstance(0, mib.MetricNumber(mib.ProfileSimone, mib.MetricLoad), 0),
		mib.MetricInstance(0, mib.MetricNumber(mib.ProfileSimone, mib.MetricSpeed), 0),
	}
}

// errChanged says that the list changed while it was read.
var errChanged = errors.New("the list changed while it was read")

// probe reads the child's report.
func (d *remoteDelegate) probe(ctx context.Context, a reconfig.Probe) (answer, error) {
	for range maxReadings {
		report, dues, err := d.report(ctx, a)
		if errors.Is(err, errChanged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return func(now reconfig.Instant) reconfig.Event {
			for i := range report.Rows {
				report.Rows[i].Row.Due = dues[i].Sub(now)
			}
			return reconfig.ChildReported{At: reconfig.At{Now: now}, Action: a.ID, Child: a.Child, Report: report}
		}, nil
	}
	return nil, failed(reconfig.TimedOut, "node %d at %v: %v, %d times in a row", d.child, d.address, errChanged, maxReadings)
}

// report reads once. dues are when the rows' slots are due.
func (d *remoteDelegate) report(ctx context.Context, a reconfig.Probe) (reconfig.Report, []reconfig.Instant, error) {
	response, err := d.ask(ctx, mib.Request{
		Verb: mib.VerbGet, Vars: append(scalarVars(summaryObjects()...), columnVars(hostObjects())...), Timeout: d.probeTimeout,
	})
	if err != nil {
		return reconfig.Report{}, nil, err
	}
	report, err := parseSummary(response)
	if err != nil {
		return reconfig.Report{}, nil, failed(reconfig.Malformed, "node %d at %v: %v", d.child, d.address, err)
	}
	report.Full = a.Full
	r := rowReader{d: d, fence: report.Fence}
	switch {
	case a.Full:
		if report.Digest.Count > 0 {
			err = r.readAll(ctx, report.Digest)
		}
	case len(a.Rows) > 0:
		err = r.readNamed(ctx, a.Rows)
	}
	report.Rows = r.rows
	return report, r.dues, err
}

func columnVars(cells []mib.OID) []mib.Variable {
	vars := make([]mib.Variable, len(cells))
	for i, o := range cells {
		vars[i] = mib.Variable{Name: o, Value: null}
	}
	return vars
}

func scalarVars(objects ...mib.OID) []mib.Variable {
	vars := make([]mib.Variable, len(objects))
	for i, o := range objects {
		vars[i] = mib.Variable{Name: mib.Instance(o), Value: null}
	}
	return vars
}

// fields takes the values of an answer one by one; the first that is not as
// it must be sticks.
type fields struct {
	vars []mib.Variable
	err  error
}

func (f *fields) next(t mib.Type) mib.Value {
	if f.err != nil {
		return mib.Value{}
	}
	if len(f.vars) == 0 {
		f.err = errors.New("the answer is too short")
		return mib.Value{}
	}
	v := f.vars[0]
	f.vars = f.vars[1:]
	if v.Value.Type != t {
		f.err = fmt.Errorf("%s is %v and not %v", mib.NameOf(v.Name), v.Value.Type, t)
		return mib.Value{}
	}
	return v.Value
}

func (f *fields) gauge() uint32   { return uint32(f.next(mib.TypeGauge32).Uint) }
func (f *fields) counter() uint32 { return uint32(f.next(mib.TypeCounter32).Uint) }
func (f *fields) integer() int32  { return int32(f.next(mib.TypeInteger).Int) }
func (f *fields) text() string    { return string(f.next(mib.TypeOctetString).Bytes) }

// hundredths reads a number with two decimals.
func (f *fields) hundredths() float64 { return float64(f.gauge()) / 100 }

// decimal reads a SimoneDecimal; empty, which is no value, is 0.
func (f *fields) decimal() float64 {
	v := f.next(mib.TypeOctetString)
	if f.err != nil || len(v.Bytes) == 0 {
		return 0
	}
	n, err := mib.ParseDecimal(v)
	f.err = err
	return n
}

func fieldOf[T any](f *fields, parse func([]byte) (T, error)) T {
	b := f.next(mib.TypeOctetString).Bytes
	if f.err != nil {
		var none T
		return none
	}
	v, err := parse(b)
	f.err = err
	return v
}

func parseIncarnation(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("a log's incarnation has 8 octets, not %d", len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}

// parseHost takes hostObjects; a node that has not measured yet lacks them, and
// one of another kind has none.
func parseHost(vars []mib.Variable) (l reconfig.HostLoad) {
	if len(vars) != len(hostObjects()) {
		return l
	}
	load, err := mib.ParseDecimal(vars[0].Value)
	if err != nil || load < 0 {
		return l
	}
	l.Known, l.Load = true, load
	if speed, err := mib.ParseDecimal(vars[1].Value); err == nil && speed > 0 {
		l.Speed = speed / 100
	}
	return l
}

func parseSummary(response mib.Response) (reconfig.Report, error) {
	if response.Status != mib.NoError {
		return reconfig.Report{}, fmt.Errorf("it answered %v at variable %d", response.Status, response.Index)
	}
	f := fields{vars: response.Vars}
	r := reconfig.Report{
		Fence:       fieldOf(&f, mib.ParseFence),
		Active:      mib.IlmAdmin(f.integer()) == mib.IlmAdminUp,
		Windows:     f.counter(),
		Temperature: f.decimal(),
		Weighted:    f.decimal(),
		Latency:     time.Duration(f.gauge()) * time.Microsecond,
		Intrusion:   f.hundredths(),
		Utilisation: f.hundredths() / 100,
		Digest:      fieldOf(&f, mib.ParseDigest),
	}
	r.Log.Incarnation = fieldOf(&f, parseIncarnation)
	r.Log.Seq = f.gauge()
	r.Lease = time.Duration(f.gauge()) * time.Millisecond
	r.Capacity = int(f.gauge())
	r.Subtree = fieldOf(&f, mib.ParseDigest)
	r.Host = parseHost(f.vars)
	return r, f.err
}
