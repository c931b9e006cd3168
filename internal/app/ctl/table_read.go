package ctl

import (
	"context"
	"maps"
	"slices"

	"simone/internal/snmp"
	"simone/mib"
)

// row is one row of a table: its index and those of its cells that were asked
// for and that it has.
type row struct {
	index mib.OID
	cells
}

// repetitions is how many rows a GETBULK asks for at most. Agents put as many
// into an answer as fit.
const repetitions = 25

// rows reads columns of a table in the order of the index: rows whose index
// begins with prefix, and is longer, and comes after after (nil: all). Rows may
// lack cells, and rows may come and go meanwhile; those without a cell in the
// first column are left out.
func (c *client) rows(ctx context.Context, from endpoint, prefix, after mib.OID, columns ...mib.OID) ([]row, error) {
	type cursor struct {
		column mib.OID
		root   mib.OID // column and prefix
		last   mib.OID // full name of what was read last
	}
	var open []*cursor
	for _, column := range columns {
		root := column.Append(prefix...)
		last := root
		if after != nil {
			last = column.Append(after...)
		}
		open = append(open, &cursor{column, root, last})
	}
	read := make(map[string]*row)
	repeat := repetitions
	for len(open) > 0 {
		req := mib.Request{Address: from.addr, Verb: mib.VerbGetBulk, MaxRepetitions: repeat}
		for _, cur := range open {
			req.Vars = append(req.Vars, mib.Variable{Name: cur.last, Value: mib.Value{Type: mib.TypeNull}})
		}
		resp, err := c.ask(ctx, from, req)
		if err != nil {
			return nil, err
		}
		if resp.Status == mib.TooBig && repeat > 1 {
			repeat /= 2
			continue
		}
		if err := snmp.Result(req, resp); err != nil {
			return nil, failed("", "read %s: %w", mib.NameOf(columns[0]), err)
		}
		if len(resp.Vars) == 0 {
			return nil, failed("", "read %s: %v answers without a variable", mib.NameOf(columns[0]), from)
		}
		ended := make(map[*cursor]bool)
		for i, v := range resp.Vars {
			// An answer that was cut off ends amidst a repetition; each column
			// goes on from where it is.
			cur := open[i%len(open)]
			if ended[cur] {
				continue
			}
			if v.Value.Type == mib.TypeEndOfMIBView || !v.Name.HasPrefix(cur.root) && v.Name.Compare(cur.root) > 0 {
				ended[cur] = true
				continue
			}
			if v.Name.Compare(cur.last) <= 0 {
				return nil, failed("a walk of it might never end: its agent is broken",
					"read %s: %v gives %v after %v: %w", mib.NameOf(columns[0]), from, v.Name, cur.last, snmp.ErrNotIncreasing)
			}
			cur.last = v.Name
			index := v.Name[len(cur.column):]
			key := index.String()
			if read[key] == nil {
				read[key] = &row{index, make(cells)}
			}
			read[key].cells[cur.column.String()] = v.Value
		}
		open = slices.DeleteFunc(open, func(cur *cursor) bool { return ended[cur] })
	}
	sorted := slices.SortedFunc(maps.Values(read), func(a, b *row) int { return a.index.Compare(b.index) })
	var out []row
	for _, r := range sorted {
		if _, ok := r.value(columns[0]); ok {
			out = append(out, *r)
		}
	}
	return out, nil
}

// row reads one row, whose index is known, and whether it is there: whether it
// has the first column.
func (c *client) row(ctx context.Context, from endpoint, index mib.OID, columns ...mib.OID) (row, bool, error) {
	names := make([]mib.OID, len(columns))
	for i, column := range columns {
		names[i] = column.Append(index...)
	}
	values, err := c.get(ctx, from, names...)
	if err != nil {
		return row{}, false, err
	}
	r := row{index, make(cells, len(columns))}
	for i, column := range columns {
		r.cells[column.String()] = values[i]
	}
	_, ok := r.value(columns[0])
	return r, ok, nil
}

// newest finds the greatest index of a table with one number as its index, in
// a few GETNEXTs however long the table is. It is 0 for an empty one.
func (c *client) newest(ctx context.Context, from endpoint, column mib.OID) (uint32, error) {
	next := func(after uint64) (uint32, bool, error) {
		req := mib.Request{Address: from.addr, Verb: mib.VerbGetNext,
			Vars: []mib.Variable{{Name: column.Append(uint32(after)), Value: mib.Value{Type: mib.TypeNull}}}}
		resp, err := c.ask(ctx, from, req)
		if err != nil {
			return 0, false, err
		}
		if err := snmp.Result(req, resp); err != nil {
			return 0, false, failed("", "read %s: %w", mib.NameOf(column), err)
		}
		v := resp.Vars[0]
		if v.Value.Type == mib.TypeEndOfMIBView || !v.Name.HasPrefix(column) || len(v.Name) != len(column)+1 {
			return 0, false, nil
		}
		n := v.Name[len(column)]
		if uint64(n) <= after {
			return 0, false, failed("its agent is broken", "read %s: %v gives row %d after %d: %w",
				mib.NameOf(column), from, n, after, snmp.ErrNotIncreasing)
		}
		return n, true, nil
	}
	found, ok, err := next(0)
	if err != nil || !ok {
		return 0, err
	}
	// Double the step until nothing follows, then halve what is left.
	low, high := uint64(found), uint64(1)<<32-1
	for step := uint64(1); low+step <= high; step *= 2 {
		n, ok, err := next(low + step - 1)
		if err != nil {
			return 0, err
		}
		if !ok {
			high = low + step - 1
			break
		}
		low = uint64(n)
	}
	for low < high {
		middle := low + (high-low)/2
		n, ok, err := next(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			low = uint64(n)
		} else {
			high = middle
		}
	}
	return uint32(low), nil
}
