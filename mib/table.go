package mib

import (
	"fmt"
	"slices"
)

// Rows is what stands behind a Table.
type Rows interface {
	// Next gives the index of the first row after index, in O(log n). The
	// empty index sorts before every row; others need not be rows.
	Next(index OID) (OID, bool)
	// Value computes one cell. It is NoSuchInstance when there is no such
	// row, or when the row has no value in that column.
	Value(column uint32, index OID) Value
}

// RowSetter is Rows that can be written.
type RowSetter interface {
	Rows
	// Test checks cells that have passed their columns' syntax, all those
	// that one SET has for this table and in the manager's order. It changes
	// nothing. SetError.Index is a position in cells.
	Test(cells []Cell) (Txn, *SetError)
}

// Cell is one variable of a SET on a table.
type Cell struct {
	Column uint32
	Index  OID
	Value  Value
}

// Column is an accessible column of a table.
type Column struct {
	Number   uint32
	Syntax   Syntax
	Writable bool
}

// Table is a Setter for a conceptual table.
type Table struct {
	entry   OID
	columns []Column // in order of number
	rows    Rows
}

var _ Setter = (*Table)(nil)

// NewTable makes a handler for a table of SIMONE-MIB, given the OID of its
// entry. Columns are written only if rows is a RowSetter.
func NewTable(entry OID, rows Rows) (*Table, error) {
	columns := ColumnsOf(entry)
	if len(columns) == 0 {
		return nil, fmt.Errorf("table %v: SIMONE-MIB has no entry with columns there", entry)
	}
	return NewTableOf(entry, columns, rows), nil
}

// NewTableOf makes a handler for a table of any MIB.
func NewTableOf(entry OID, columns []Column, rows Rows) *Table {
	t := &Table{entry: slices.Clone(entry), columns: slices.Clone(columns), rows: rows}
	slices.SortFunc(t.columns, func(a, b Column) int { return int(int64(a.Number) - int64(b.Number)) })
	return t
}

// ColumnsOf gives the accessible columns that SIMONE-MIB has below an entry.
func ColumnsOf(entry OID) []Column {
	var columns []Column
	for _, o := range ObjectsBelow(entry) {
		if o.Shape == ShapeColumn && len(o.OID) == len(entry)+1 && o.Access >= AccessReadOnly {
			columns = append(columns, Column{o.OID[len(o.OID)-1], o.Syntax, o.Writable()})
		}
	}
	return columns
}

// Register registers the table at its entry.
func (t *Table) Register(tree *Tree) error { return tree.Register(t.entry, t) }

// column finds a column's place by its number.
func (t *Table) column(number uint32) (int, bool) {
	return slices.BinarySearchFunc(t.columns, number, func(c Column, n uint32) int {
		return int(int64(c.Number) - int64(n))
	})
}

// split takes a name apart; ok is false if it has no column of this table.
func (t *Table) split(name OID) (column int, index OID, ok bool) {
	if len(name) <= len(t.entry) || !name.HasPrefix(t.entry) {
		return 0, nil, false
	}
	column, ok = t.column(name[len(t.entry)])
	return column, name[len(t.entry)+1:], ok
}

// Get gives the value of a cell.
func (t *Table) Get(name OID) Value {
	column, index, ok := t.split(name)
	switch {
	case !ok:
		return Value{Type: TypeNoSuchObject}
	case len(index) == 0:
		return Value{Type: TypeNoSuchInstance}
	}
	return t.rows.Value(t.columns[column].Number, index)
}

// Next gives the first cell after name: down the rows of one column, then on
// to the next column.
func (t *Table) Next(name OID) (Variable, bool) {
	column, index := 0, OID(nil)
	switch {
	case name.HasPrefix(t.entry) && len(name) > len(t.entry):
		var exact bool
		if column, exact = t.column(name[len(t.entry)]); exact {
			index = name[len(t.entry)+1:]
		}
	case name.Compare(t.entry) > 0:
		return Variable{}, false
	}
	for ; column < len(t.columns); column++ {
		number := t.columns[column].Number
		for {
			next, ok := t.rows.Next(index)
			// A source that goes backwards would keep a walk from ending.
			if !ok || next.Compare(index) <= 0 {
				break
			}
			index = next
			// A row that went since, or that is empty here, is passed over.
			if v := t.rows.Value(number, index); !v.IsException() {
				name := make(OID, 0, len(t.entry)+1+len(index))
				return Variable{append(append(append(name, t.entry...), number), index...), v}, true
			}
		}
		index = nil
	}
	return Variable{}, false
}

// Test checks each variable against its column in the order of RFC 3416,
// section 4.2.5, and then has the rows test them together.
func (t *Table) Test(vars []Variable) (Txn, *SetError) {
	setter, ok := t.rows.(RowSetter)
	if !ok && len(vars) > 0 {
		return nil, Refuse(NotWritable, 0, "%s cannot be written", NameOf(vars[0].Name))
	}
	cells := make([]Cell, len(vars))
	for i, v := range vars {
		column, index, ok := t.split(v.Name)
		if !ok || !t.columns[column].Writable {
			return nil, Refuse(NotWritable, i, "%s cannot be written", NameOf(v.Name))
		}
		c := &t.columns[column]
		if status, reason := c.Syntax.Check(v.Value); status != NoError {
			return nil, Refuse(status, i, "%s: %s", NameOf(v.Name), reason)
		}
		if len(index) == 0 {
			return nil, Refuse(NoCreation, i, "%s: the index of the row is missing", NameOf(v.Name))
		}
		cells[i] = Cell{c.Number, index, v.Value}
	}
	return setter.Test(cells)
}
