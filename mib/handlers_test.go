package mib

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// testScalars makes a tree of scalars with the syntaxes that matter.
func testScalars(tb testing.TB) (*Tree, map[string]*Value) {
	tb.Helper()
	values := map[string]*Value{}
	scalar := func(n uint32, s Syntax, v Value, test func(Value) error) Scalar {
		values[OID{1, n}.String()] = &v
		return Scalar{
			OID: OID{1, n}, Syntax: &s,
			Read:  func() Value { return v },
			Test:  test,
			Write: func(w Value) error { v = w; return nil },
		}
	}
	readOnly := scalar(3, Syntax{Type: TypeInteger}, Integer(7), nil)
	readOnly.Write = nil
	none := scalar(7, Syntax{Type: TypeInteger}, Value{Type: TypeNoSuchInstance}, nil)
	s, err := NewScalars(
		readOnly, none,
		scalar(5, Syntax{Type: TypeGauge32, Ranges: []Range{{0, 0}, {100, 200}}}, Gauge(100), nil),
		scalar(1, Syntax{Type: TypeInteger, Enum: []Enumeration{{"up", 1}, {"down", 2}}}, Integer(1), nil),
		scalar(2, Syntax{Type: TypeOctetString, Ranges: []Range{{2, 4}}, Text: true}, Text("ab"), nil),
		scalar(4, Syntax{Type: TypeInteger}, Integer(1), func(v Value) error {
			switch v.Int {
			case 13:
				return errors.New("unlucky")
			case 14:
				return Refuse(InconsistentValue, -1, "not now")
			}
			return nil
		}),
		scalar(6, Syntax{Type: TypeIPAddress}, Value{Type: TypeIPAddress, Bytes: []byte{127, 0, 0, 1}}, nil),
	)
	if err != nil {
		tb.Fatal(err)
	}
	tree := NewTree()
	if err := s.Register(tree); err != nil {
		tb.Fatal(err)
	}
	return tree, values
}

func TestScalarsRead(t *testing.T) {
	tree, _ := testScalars(t)
	if got := fmt.Sprint(walk(tree)); got != "[.1.1.0 .1.2.0 .1.3.0 .1.4.0 .1.5.0 .1.6.0]" {
		t.Errorf("walk %s", got)
	}
	for _, c := range []struct {
		name string
		want Type
	}{{"1.3.0", TypeInteger}, {"1.3.1", TypeNoSuchInstance}, {"1.3", TypeNoSuchInstance}, {"1.3.0.0", TypeNoSuchInstance}, {"1.8.0", TypeNoSuchObject}, {"1.7.0", TypeNoSuchInstance}} {
		if got := tree.Get(MustOID(c.name)).Type; got != c.want {
			t.Errorf("Get(%s) is %v, want %v", c.name, got, c.want)
		}
	}
}

// RFC 3416, section 4.2.5, in its order.
func TestScalarsRefuse(t *testing.T) {
	for _, c := range []struct {
		name   string
		object string
		value  Value
		status ErrorStatus
	}{
		{"NoSuchObject", "1.9.0", Integer(1), NotWritable},
		{"ReadOnly", "1.3.0", Integer(1), NotWritable},
		{"ReadOnlyComesBeforeType", "1.3.0", Text("x"), NotWritable},
		{"Type", "1.1.0", Gauge(1), WrongType},
		{"TypeComesBeforeInstance", "1.1.1", Gauge(1), WrongType},
		{"TooLong", "1.2.0", Text("abcde"), WrongLength},
		{"TooShort", "1.2.0", Text("a"), WrongLength},
		{"IPv6", "1.6.0", Value{Type: TypeIPAddress, Bytes: make([]byte, 16)}, WrongLength},
		{"IntegerBeyond32Bits", "1.1.0", Value{Type: TypeInteger, Int: 1 << 40}, WrongEncoding},
		{"GaugeBeyond32Bits", "1.5.0", Value{Type: TypeGauge32, Uint: 1 << 40}, WrongEncoding},
		{"NotASCII", "1.2.0", Text("a\xff"), WrongValue},
		{"Enumeration", "1.1.0", Integer(3), WrongValue},
		{"Range", "1.5.0", Gauge(99), WrongValue},
		{"OwnTest", "1.4.0", Integer(13), WrongValue},
		{"OwnStatus", "1.4.0", Integer(14), InconsistentValue},
		{"Instance", "1.1.1", Integer(1), NoCreation},
		{"NoInstance", "1.1", Integer(1), NoCreation},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree, values := testScalars(t)
			err := tree.Set([]Variable{{OID{1, 1, 0}, Integer(2)}, {MustOID(c.object), c.value}})
			if err == nil || err.Status != c.status || err.Index != 1 || err.Reason == "" {
				t.Errorf("Set = %v, want %v at variable 2 with a reason", err, c.status)
			}
			if v := values[".1.1"]; v.Int != 1 {
				t.Errorf("the first variable was written: %v", v)
			}
		})
	}
}

func TestScalarsCommitAndUndo(t *testing.T) {
	values := []int64{10, 20, 30}
	var broken [3]error
	scalar := func(i int) Scalar {
		return Scalar{
			OID: OID{1, uint32(i + 1)}, Syntax: &Syntax{Type: TypeInteger},
			Read: func() Value { return Integer(int32(values[i])) },
			Write: func(v Value) error {
				if broken[i] != nil {
					return broken[i]
				}
				values[i] = v.Int
				return nil
			},
		}
	}
	s, err := NewScalars(scalar(0), scalar(1), scalar(2))
	if err != nil {
		t.Fatal(err)
	}
	set := []Variable{{OID{1, 1, 0}, Integer(1)}, {OID{1, 2, 0}, Integer(2)}, {OID{1, 3, 0}, Integer(3)}}
	txn, refused := s.Test(set)
	if refused != nil {
		t.Fatal(refused)
	}
	if fmt.Sprint(values) != "[10 20 30]" {
		t.Fatalf("Test changed the values to %v", values)
	}
	broken[2] = errors.New("no space left")
	if e := txn.Commit(); e == nil || e.Status != CommitFailed || e.Index != 2 {
		t.Fatalf("Commit = %v, want commitFailed at variable 3", e)
	}
	if e := txn.Undo(); e != nil {
		t.Fatal(e)
	}
	if fmt.Sprint(values) != "[10 20 30]" {
		t.Errorf("Undo left %v", values)
	}
	broken[2] = nil
	txn, _ = s.Test(set)
	if e := txn.Commit(); e != nil {
		t.Fatal(e)
	}
	broken[0] = errors.New("gone read-only")
	if e := txn.Undo(); e == nil || e.Status != UndoFailed {
		t.Errorf("Undo = %v, want undoFailed", e)
	}
	if fmt.Sprint(values) != "[1 20 30]" {
		t.Errorf("what could be undone was not: %v", values)
	}
}

func TestNewScalarsRefuses(t *testing.T) {
	read := func() Value { return Integer(0) }
	write := func(Value) error { return nil }
	for name, l := range map[string][]Scalar{
		"Twice":    {{OID: OID{1, 1}, Read: read}, {OID: OID{1, 1}, Read: read}},
		"Inside":   {{OID: OID{1, 1}, Read: read}, {OID: OID{1, 1, 2}, Read: read}},
		"NoRead":   {{OID: OID{1, 1}}},
		"NoSyntax": {{OID: OID{1, 1}, Read: read, Write: write}},
	} {
		if _, err := NewScalars(l...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// The objects of a group are checked one by one and written together.
func TestScalarGroup(t *testing.T) {
	var got [][]Variable
	committed := 0
	id := uint32(1)
	s, err := NewScalarGroup(func(vars []Variable) (Txn, *SetError) {
		got = append(got, vars)
		if len(vars) < 2 {
			return nil, Refuse(InconsistentValue, 0, "simoneNodeEpoch is missing")
		}
		return TxnFuncs{OnCommit: func() error { committed++; return nil }}, nil
	},
		Scalar{OID: SimoneNodeId, Read: func() Value { return Gauge(id) }},
		Scalar{OID: SimoneNodeEpoch, Read: func() Value { return Octets(Epoch{}.Append(nil)) }},
		Scalar{OID: SimoneNodeUuid, Read: func() Value { return Text("") }},
	)
	if err != nil {
		t.Fatal(err)
	}
	tree := NewTree()
	if err := s.Register(tree); err != nil {
		t.Fatal(err)
	}
	epoch := Variable{Instance(SimoneNodeEpoch), Octets(Epoch{1}.Append(nil))}
	node := Variable{Instance(SimoneNodeId), Gauge(9)}
	for _, c := range []struct {
		name   string
		vars   []Variable
		status ErrorStatus
		tests  int
	}{
		{"Both", []Variable{node, epoch}, NoError, 1},
		{"EpochMissing", []Variable{node}, InconsistentValue, 1},
		{"EpochTooShort", []Variable{node, {epoch.Name, Octets([]byte{1})}}, WrongLength, 0},
		{"ReadOnly", []Variable{node, epoch, {Instance(SimoneNodeUuid), Text("")}}, NotWritable, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, committed = nil, 0
			e := tree.Set(c.vars)
			if (e == nil) != (c.status == NoError) || e != nil && e.Status != c.status {
				t.Errorf("Set = %v, want %v", e, c.status)
			}
			if len(got) != c.tests {
				t.Errorf("the group was tested %d times, want %d", len(got), c.tests)
			}
			if want := c.status == NoError; (committed == 1) != want {
				t.Errorf("%d commits", committed)
			}
		})
	}
}

// grid is a RowSetter with rows of any index.
type grid struct {
	rows  []OID // in order
	cells map[string]Value
	got   []Cell
}

func (g *grid) Next(index OID) (OID, bool) {
	i, exact := slices.BinarySearchFunc(g.rows, index, OID.Compare)
	if exact {
		i++
	}
	if i == len(g.rows) {
		return nil, false
	}
	return g.rows[i], true
}

func (g *grid) Value(column uint32, index OID) Value {
	if v, ok := g.cells[fmt.Sprint(column, index)]; ok {
		return v
	}
	return Value{Type: TypeNoSuchInstance}
}

func (g *grid) Test(cells []Cell) (Txn, *SetError) {
	g.got = cells
	for i, c := range cells {
		if c.Index[0] == 99 {
			return nil, Refuse(InconsistentName, i, "no row 99 now")
		}
	}
	return TxnFuncs{}, nil
}

func testGrid() (*grid, *Table) {
	g := &grid{rows: []OID{{1, 5}, {2}, {2, 1}, {10}}, cells: map[string]Value{}}
	for _, c := range []uint32{2, 4, 7} {
		for _, r := range g.rows {
			if c != 4 || r[0] != 2 { // column 4 has holes
				g.cells[fmt.Sprint(c, r)] = Integer(int32(c))
			}
		}
	}
	return g, NewTableOf(OID{1, 3, 1}, []Column{
		{Number: 7, Syntax: Syntax{Type: TypeInteger}},
		{Number: 2, Syntax: Syntax{Type: TypeInteger}, Writable: true},
		{Number: 4, Syntax: Syntax{Type: TypeOctetString, Ranges: []Range{{0, 4}}}, Writable: true},
	}, g)
}

func TestTableWalk(t *testing.T) {
	g, table := testGrid()
	tree := NewTree()
	if err := table.Register(tree); err != nil {
		t.Fatal(err)
	}
	var want []OID
	for _, c := range []uint32{2, 4, 7} {
		for _, r := range g.rows {
			if _, ok := g.cells[fmt.Sprint(c, r)]; ok {
				want = append(want, append(OID{1, 3, 1, c}, r...))
			}
		}
	}
	if got := walk(tree); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("walk\n%v, want\n%v", got, want)
	}
	for name, next := range map[string]string{
		"1":           ".1.3.1.2.1.5",
		"1.3.1":       ".1.3.1.2.1.5",
		"1.3.1.0.9":   ".1.3.1.2.1.5",
		"1.3.1.2":     ".1.3.1.2.1.5",
		"1.3.1.2.1.9": ".1.3.1.2.2",
		"1.3.1.3.10":  ".1.3.1.4.1.5",
		"1.3.1.4.1.5": ".1.3.1.4.10",
		"1.3.1.4.10":  ".1.3.1.7.1.5",
		"1.3.1.7.10":  "",
		"1.3.2":       "",
	} {
		v, ok := table.Next(MustOID(name))
		if ok != (next != "") || ok && v.Name.String() != next {
			t.Errorf("Next(%s) = %v, want %s", name, v.Name, next)
		}
	}
}

func TestTableGet(t *testing.T) {
	_, table := testGrid()
	for name, want := range map[string]Type{
		"1.3.1.2.1.5": TypeInteger,
		"1.3.1.4.2":   TypeNoSuchInstance,
		"1.3.1.2.77":  TypeNoSuchInstance,
		"1.3.1.2":     TypeNoSuchInstance,
		"1.3.1.3.10":  TypeNoSuchObject,
		"1.3.1":       TypeNoSuchObject,
	} {
		if got := table.Get(MustOID(name)).Type; got != want {
			t.Errorf("Get(%s) is %v, want %v", name, got, want)
		}
	}
}

func TestTableSet(t *testing.T) {
	for _, c := range []struct {
		name, object string
		value        Value
		status       ErrorStatus
	}{
		{"OK", "1.3.1.4.2.1", Text("new"), NoError},
		{"NoColumn", "1.3.1.3.2", Integer(1), NotWritable},
		{"ReadOnlyColumn", "1.3.1.7.2", Integer(1), NotWritable},
		{"Type", "1.3.1.4.2", Integer(1), WrongType},
		{"Length", "1.3.1.4.2", Text("too long"), WrongLength},
		{"NoIndex", "1.3.1.4", Text(""), NoCreation},
		{"OwnStatus", "1.3.1.4.99", Text(""), InconsistentName},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, table := testGrid()
			_, e := table.Test([]Variable{{OID{1, 3, 1, 2, 10}, Integer(5)}, {MustOID(c.object), c.value}})
			if c.status != NoError {
				if e == nil || e.Status != c.status || e.Index != 1 {
					t.Errorf("Test = %v, want %v at variable 2", e, c.status)
				}
				return
			}
			if e != nil {
				t.Fatal(e)
			}
			if got := fmt.Sprint(g.got); got != "[{2 .10 5} {4 .2.1 new}]" {
				t.Errorf("the rows got %s", got)
			}
		})
	}
	t.Run("ReadOnlyRows", func(t *testing.T) {
		g, _ := testGrid()
		table := NewTableOf(OID{1}, []Column{{Number: 1, Syntax: Syntax{Type: TypeInteger}, Writable: true}}, struct{ Rows }{g})
		if _, e := table.Test(variables("1.1.1")); e == nil || e.Status != NotWritable {
			t.Errorf("Test = %v, want notWritable", e)
		}
	})
}

func TestNewTableTakesColumnsFromTheMIB(t *testing.T) {
	table, err := NewTable(SimoneSupportEntry, &grid{})
	if err != nil {
		t.Fatal(err)
	}
	if len(table.columns) != 23 { // all but the index
		t.Errorf("%d columns, want 23", len(table.columns))
	}
	writable := map[uint32]bool{}
	for _, c := range table.columns {
		writable[c.Number] = c.Writable
	}
	if !writable[ColumnSupportRowStatus] || !writable[ColumnSupportDue] || writable[ColumnSupportRtt] {
		t.Errorf("writable columns are %v", writable)
	}
	if _, err := NewTable(SimoneSupportTable, &grid{}); err == nil {
		t.Error("a table's OID was taken for its entry's")
	}
}

func TestCheckRowStatus(t *testing.T) {
	for _, c := range []struct {
		exists  bool
		request RowStatus
		want    ErrorStatus
	}{
		{false, RowCreateAndGo, NoError}, {true, RowCreateAndGo, InconsistentValue},
		{false, RowActive, InconsistentValue}, {true, RowActive, NoError},
		{false, RowDestroy, NoError}, {true, RowDestroy, NoError},
		{false, RowCreateAndWait, WrongValue}, {true, RowNotInService, WrongValue}, {true, RowNotReady, WrongValue},
	} {
		if got, _ := CheckRowStatus(c.exists, c.request); got != c.want {
			t.Errorf("%v of an existing (%v) row: %v, want %v", c.request, c.exists, got, c.want)
		}
	}
}

// A Table answers in O(log n) if its rows do: the rows asked for grow with
// the holes passed over, not with the table.
func TestTableNextAsksFewRows(t *testing.T) {
	rows := &countingRows{n: 100_000}
	table := NewTableOf(OID{1}, []Column{{Number: 1}, {Number: 2}}, rows)
	for _, name := range []OID{{1}, {1, 1, 50_000}, {1, 1, 99_999}, {1, 2, 99_998}} {
		rows.asked = 0
		if _, ok := table.Next(name); !ok {
			t.Fatalf("Next(%v): nothing", name)
		}
		if rows.asked > 2 {
			t.Errorf("Next(%v) asked for %d rows", name, rows.asked)
		}
	}
}

type countingRows struct{ n, asked uint32 }

func (r *countingRows) Next(index OID) (OID, bool) {
	r.asked++
	next := uint32(0)
	if len(index) > 0 {
		next = index[0] + 1
	}
	return OID{next}, cmp.Less(next, r.n)
}

func (r *countingRows) Value(uint32, OID) Value { return Integer(1) }
