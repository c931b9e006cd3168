package manager

import (
	"context"
	"fmt"
	"slices"

	"simone/mib"
	"simone/reconfig"
)

const (
	// maxLogRecords bounds one ReadLog. The engine asks again for the rest.
	maxLogRecords = 2000
	// maxLogOctets bounds it too: what is read is stored as one, and etcd takes
	// a megabyte and a half.
	maxLogOctets = 512 << 10
	// Of so many octets an answer should be: it then fits an Ethernet frame.
	logAnswerOctets = 1300
	// recordOverhead is what a record's name and headers take beside it.
	recordOverhead = 28
	// Bounds of how many records are asked for at a time.
	minLogRepetitions, maxLogRepetitions = 1, 60
)

// readLog reads the child's report log after a cursor. Records may fall off
// the log or be added meanwhile; but if the numbering began again, numbers
// mean something else and the reading is void.
func (d *remoteDelegate) readLog(ctx context.Context, a reconfig.ReadLog) (answer, error) {
	incarnation, err := d.incarnation(ctx)
	if err != nil {
		return nil, err
	}
	seq := a.From.Seq
	if a.From.Incarnation != incarnation {
		seq = 0
	}
	var records []mib.Record
	read := d.clock.Now()
	total := 0
	for repetitions, more := 8, true; more && len(records) < maxLogRecords && total < maxLogOctets; {
		response, err := d.ask(ctx, mib.Request{
			Verb:           mib.VerbGetBulk,
			MaxRepetitions: repetitions,
			Vars:           []mib.Variable{{Name: mib.SimoneReportRecord.Append(seq), Value: null}},
			Timeout:        maxProbeTimeout, Retries: rowRetries,
		})
		if err != nil {
			return nil, err
		}
		if response.Status == mib.TooBig && repetitions > minLogRepetitions {
			repetitions /= 2
			continue
		}
		if response.Status != mib.NoError || len(response.Vars) == 0 {
			return nil, d.badLog(fmt.Errorf("it answered %v with %d records", response.Status, len(response.Vars)))
		}
		octets, count := 0, 0
		received := d.received(response)
		for _, v := range response.Vars {
			number, ok := rowIndex(v.Name, mib.SimoneReportRecord)
			if !ok || v.Value.IsException() || len(records) == maxLogRecords {
				more = false
				break
			}
			if number <= seq {
				return nil, d.badLog(fmt.Errorf("after record %d it answered record %d", seq, number))
			}
			if v.Value.Type != mib.TypeOctetString {
				return nil, d.badLog(fmt.Errorf("record %d is %v", number, v.Value.Type))
			}
			record, err := mib.ParseRecord(number, slices.Clone(v.Value.Bytes))
			if err != nil {
				return nil, d.badLog(err)
			}
			record.Age += read.Sub(received) // ages count until read
			records = append(records, record)
			octets += recordOverhead + len(v.Value.Bytes)
			total += len(v.Value.Bytes)
			count++
			seq = number
		}
		if count > 0 {
			repetitions = min(max(logAnswerOctets*count/octets, minLogRepetitions), maxLogRepetitions)
		}
	}
	after, err := d.incarnation(ctx)
	if err != nil {
		return nil, err
	}
	if after != incarnation {
		return nil, failed(reconfig.TimedOut, "node %d at %v: the report log began again while it was read", d.child, d.address)
	}
	return logRead(a, incarnation, records, read), nil
}

// incarnation asks which numbering the log has.
func (d *remoteDelegate) incarnation(ctx context.Context) (uint64, error) {
	response, err := d.ask(ctx, mib.Request{
		Verb: mib.VerbGet, Vars: scalarVars(mib.SimoneIlmLogIncarnation),
		Timeout: maxProbeTimeout, Retries: rowRetries,
	})
	if err != nil {
		return 0, err
	}
	if response.Status != mib.NoError {
		return 0, d.badLog(fmt.Errorf("it answered %v", response.Status))
	}
	f := fields{vars: response.Vars}
	n := fieldOf(&f, parseIncarnation)
	if f.err != nil {
		return 0, d.badLog(f.err)
	}
	return n, nil
}

func (d *remoteDelegate) badLog(err error) error {
	return failed(reconfig.Malformed, "node %d at %v: report log: %v", d.child, d.address, err)
}
