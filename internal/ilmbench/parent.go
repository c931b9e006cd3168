package ilmbench

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"simone/internal/pollbench"
	"simone/internal/snmp"
	"simone/mib"
)

// parent does to the manager what a manager above it does: it makes it one,
// gives it a list, and reads and acknowledges its report log.
type parent struct {
	poller *snmp.Poller
	at     netip.AddrPort
	fence  uint32 // the last sequence number
	cursor uint32 // the last record that was read

	leaf func(i int) bool // which rows are those of SIMONE nodes; nil: none

	records, values, lost int // what was read; lost are records that fell off the log
}

func (p *parent) ask(ctx context.Context, r mib.Request) (mib.Response, error) {
	r.Address, r.Credential, r.Timeout, r.Retries = p.at, credential, 2*time.Second, 3
	response := p.poller.Do(ctx, r)
	if err := snmp.Result(r, response); err != nil {
		return response, fmt.Errorf("the manager: %w", err)
	}
	return response, nil
}

// set is a control SET.
func (p *parent) set(ctx context.Context, vars ...mib.Variable) error {
	p.fence++
	fence := mib.Fence{Parent: 1, Own: mib.Epoch{1<<16 | 1}, Term: 1, Seq: p.fence}
	_, err := p.ask(ctx, mib.Request{Verb: mib.VerbSet, Vars: append([]mib.Variable{scalar(mib.SimoneIlmFence, mib.Octets(fence.Append(nil)))}, vars...)})
	return err
}

func scalar(object mib.OID, v mib.Value) mib.Variable {
	return mib.Variable{Name: mib.Instance(object), Value: v}
}

// promote makes the manager one, with devices to poll, each once in an
// interval, spread evenly from begins on.
func (p *parent) promote(ctx context.Context, devices int, port uint16, interval time.Duration, begins time.Time) error {
	err := p.set(ctx, scalar(mib.SimoneIlmTriggerInterval, mib.Gauge(10_000)), scalar(mib.SimoneIlmPollInterval, mib.Gauge(uint32(interval.Milliseconds()))),
		scalar(mib.SimoneIlmAdminStatus, mib.Integer(int32(mib.IlmAdminUp))))
	if err != nil {
		return err
	}
	_, ref, err := profiled()
	if err != nil {
		return err
	}
	var apply mib.Apply
	octets := 1
	flush := func() error {
		err := p.set(ctx, scalar(mib.SimoneIlmApply, mib.Octets(apply.Append(nil))))
		apply, octets = mib.Apply{}, 1
		return err
	}
	for i, at := range pollbench.Targets(devices, port) {
		kind := mib.KindDevice
		if p.leaf != nil && p.leaf(i) {
			kind = mib.KindLeaf
		}
		row := mib.SupportRow{
			Node: mib.NodeID(10 + i), Epoch: mib.Epoch{1<<16 | 1}, Slot: 1, Interval: interval, Kind: kind,
			Due: max(time.Until(begins), 0) + time.Duration(i)*interval/time.Duration(devices), Name: fmt.Sprint("device-", i), Address: at.String(),
			Profile: ref, Credential: credential,
		}
		if octets+row.Len() > mib.MaxApply {
			if err := flush(); err != nil {
				return err
			}
		}
		apply.Stage = append(apply.Stage, row)
		octets += row.Len()
	}
	return flush()
}

// recordsAtOnce is how many records one request asks for.
const recordsAtOnce = 2

// read reads the report log to its end and acknowledges it.
func (p *parent) read(ctx context.Context) error {
	from := p.cursor
	for more := true; more; {
		r, err := p.ask(ctx, mib.Request{
			Verb: mib.VerbGetBulk, MaxRepetitions: recordsAtOnce, Vars: []mib.Variable{{Name: mib.SimoneReportRecord.Append(p.cursor)}},
		})
		if err != nil {
			return err
		}
		for _, v := range r.Vars {
			if !v.Name.HasPrefix(mib.SimoneReportRecord) || v.Value.IsException() {
				more = false
				break
			}
			number := v.Name[len(v.Name)-1]
			record, err := mib.ParseRecord(number, v.Value.Bytes)
			if err != nil {
				return err
			}
			p.lost += int(number - p.cursor - 1)
			p.cursor = number
			if record.Kind != mib.RecordSample {
				continue
			}
			sample, err := mib.ParseSample(record.Payload)
			if err != nil {
				return err
			}
			p.records++
			p.values += len(sample.Values)
		}
	}
	if p.cursor == from {
		return nil
	}
	r, err := p.ask(ctx, mib.Request{Verb: mib.VerbGet, Vars: []mib.Variable{{Name: mib.Instance(mib.SimoneIlmLogIncarnation)}}})
	if err != nil {
		return err
	}
	return p.set(ctx, scalar(mib.SimoneIlmCursor, mib.Octets(binary.BigEndian.AppendUint32(r.Vars[0].Value.Bytes, p.cursor))))
}

// aggregates reads simoneAggregateTable whole and says how many values it sums
// up.
func (p *parent) aggregates(ctx context.Context) (summed int, err error) {
	var roots []mib.OID
	for c := mib.ColumnAggregateCount; c <= mib.ColumnAggregateAge; c++ {
		roots = append(roots, mib.SimoneAggregateEntry.Append(c))
	}
	base := mib.Request{Address: p.at, Credential: credential, Timeout: 2 * time.Second, Retries: 3}
	err = p.poller.WalkColumns(ctx, base, roots, func(column int, v mib.Variable) error {
		if column == 0 && !v.Value.IsException() {
			summed += int(v.Value.Uint)
		}
		return nil
	})
	return summed, err
}

// lateness asks how late 99 of 100 polls left at most.
func (p *parent) lateness(ctx context.Context) (time.Duration, error) {
	r, err := p.ask(ctx, mib.Request{Verb: mib.VerbGet, Vars: []mib.Variable{{Name: mib.Instance(mib.SimoneIlmLatenessP99)}}})
	if err != nil {
		return 0, err
	}
	return time.Duration(r.Vars[0].Value.Uint) * time.Microsecond, nil
}
