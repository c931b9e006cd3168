package manager

import (
	"context"
	"fmt"
	"slices"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// How many rows are asked for at a time: so many that an answer stays below
// about 1,400 octets and 60 variables.
const (
	namedRows = 6
	wholeRows = 3
)

// shortColumns are read of every row; wholeColumns come after them in a full
// report.
func shortColumns() []mib.OID {
	return []mib.OID{
		mib.SimoneSupportEpoch,
		mib.SimoneSupportSlot,
		mib.SimoneSupportDue,
		mib.SimoneSupportFirstSlot,
		mib.SimoneSupportSamples,
		mib.SimoneSupportOperStatus,
		mib.SimoneSupportCost,
	}
}

func wholeColumns() []mib.OID {
	return append(shortColumns(),
		mib.SimoneSupportName,
		mib.SimoneSupportAddress,
		mib.SimoneSupportKind,
		mib.SimoneSupportProfile,
		mib.SimoneSupportCredential,
		mib.SimoneSupportInterval,
	)
}

// rowReader reads rows of a child's support list, and makes sure that they
// are of one and the same list: the one at fence.
type rowReader struct {
	d     *remoteDelegate
	fence mib.Fence
	rows  []reconfig.RowReport
	dues  []reconfig.Instant
}

// readNamed reads those of the named rows that are there.
func (r *rowReader) readNamed(ctx context.Context, ids []mib.NodeID) error {
	columns := shortColumns()
	for at, size := 0, namedRows; at < len(ids); {
		chunk := ids[at:min(at+size, len(ids))]
		last := at+len(chunk) == len(ids)
		vars := make([]mib.Variable, 0, len(chunk)*len(columns)+1)
		for _, id := range chunk {
			for _, c := range columns {
				vars = append(vars, mib.Variable{Name: c.Append(uint32(id)), Value: null})
			}
		}
		if last { // after the rows, so that a change before it shows
			vars = append(vars, scalarVars(mib.SimoneIlmFence)...)
		}
		response, err := r.read(ctx, mib.Request{Verb: mib.VerbGet, Vars: vars})
		if err != nil {
			return err
		}
		switch {
		case response.Status == mib.TooBig && size > 1:
			size /= 2
			continue
		case response.Status != mib.NoError:
			return r.malformed(fmt.Errorf("it answered %v at variable %d", response.Status, response.Index))
		case len(response.Vars) != len(vars):
			return r.malformed(fmt.Errorf("it answered %d variables for %d", len(response.Vars), len(vars)))
		}
		for i, id := range chunk {
			cells := response.Vars[i*len(columns) : (i+1)*len(columns)]
			if cells[0].Value.IsException() {
				continue // it has no such row
			}
			if err := r.add(id, cells, response); err != nil {
				return err
			}
		}
		if last {
			return r.checkFence(response.Vars[len(vars)-1:])
		}
		at += len(chunk)
	}
	return nil
}

// readAll reads the whole list, of which the digest is known.
func (r *rowReader) readAll(ctx context.Context, digest mib.Digest) error {
	columns := wholeColumns()
	read := mib.Digest{}
	for at, size, end := uint32(0), wholeRows, false; !end; {
		vars := make([]mib.Variable, len(columns))
		for i, c := range columns {
			vars[i] = mib.Variable{Name: c.Append(at), Value: null}
		}
		response, err := r.read(ctx, mib.Request{Verb: mib.VerbGetBulk, MaxRepetitions: size, Vars: vars})
		switch {
		case err != nil:
			return err
		case response.Status == mib.TooBig && size > 1:
			size /= 2
			continue
		case response.Status != mib.NoError:
			return r.malformed(fmt.Errorf("it answered %v at variable %d", response.Status, response.Index))
		case len(response.Vars) < len(columns):
			return r.malformed(fmt.Errorf("it answered %d variables where one row has %d", len(response.Vars), len(columns)))
		}
		for cells := range slices.Chunk(response.Vars, len(columns)) {
			if len(cells) < len(columns) {
				break // it was cut short: ask again from the last whole row
			}
			index, ok := rowIndex(cells[0].Name, columns[0])
			if !ok || cells[0].Value.IsException() {
				end = true
				break
			}
			if index <= at {
				return r.malformed(fmt.Errorf("after row %d it answered row %d", at, index))
			}
			for i := range cells {
				if other, ok := rowIndex(cells[i].Name, columns[i]); !ok || other != index {
					return errChanged // a row came or went between two columns
				}
			}
			if err := r.add(mib.NodeID(index), cells, response); err != nil {
				return err
			}
			row := r.rows[len(r.rows)-1].Row
			read.Add(row.Node, row.Epoch)
			at = index
		}
	}
	response, err := r.read(ctx, mib.Request{Verb: mib.VerbGet, Vars: scalarVars(mib.SimoneIlmFence)})
	if err != nil {
		return err
	}
	if err := r.checkFence(response.Vars); err != nil {
		return err
	}
	if read != digest { // written by a person, without a fence
		return errChanged
	}
	return nil
}

func (r *rowReader) read(ctx context.Context, request mib.Request) (mib.Response, error) {
	request.Timeout, request.Retries = maxProbeTimeout, rowRetries
	return r.d.ask(ctx, request)
}

func (r *rowReader) malformed(err error) error {
	return failed(reconfig.Malformed, "node %d at %v: support list: %v", r.d.child, r.d.address, err)
}

// rowIndex gives the NodeID in the name of a cell of that column.
func rowIndex(name, column mib.OID) (uint32, bool) {
	if len(name) != len(column)+1 || !name.HasPrefix(column) {
		return 0, false
	}
	return name[len(column)], true
}

func (r *rowReader) checkFence(vars []mib.Variable) error {
	f := fields{vars: vars}
	fence := fieldOf(&f, mib.ParseFence)
	if f.err != nil {
		return r.malformed(f.err)
	}
	if fence != r.fence {
		return errChanged
	}
	return nil
}

// add takes one row: the cells of shortColumns, or of wholeColumns.
func (r *rowReader) add(id mib.NodeID, cells []mib.Variable, response mib.Response) error {
	f := fields{vars: cells}
	row := reconfig.RowReport{Row: mib.SupportRow{Node: id}}
	row.Row.Epoch = fieldOf(&f, mib.ParseEpoch)
	row.Row.Slot = f.gauge()
	row.Row.Due = time.Duration(f.integer()) * time.Millisecond
	row.First = f.gauge()
	row.Samples = f.counter()
	row.Failing = mib.PollStatus(f.integer()) == mib.PollFailing
	row.Cost = time.Duration(f.gauge()) * time.Microsecond
	if len(cells) > len(shortColumns()) {
		row.Row.Name = f.text()
		row.Row.Address = f.text()
		row.Row.Kind = mib.Kind(f.integer())
		row.Row.Profile = f.text()
		row.Row.Credential = f.text()
		row.Row.Interval = time.Duration(f.gauge()) * time.Millisecond
	}
	if f.err != nil {
		return r.malformed(fmt.Errorf("row %d: %w", id, f.err))
	}
	r.rows = append(r.rows, row)
	r.dues = append(r.dues, r.d.received(response).Add(row.Row.Due))
	return nil
}
