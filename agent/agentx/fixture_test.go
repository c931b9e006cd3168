package agentx

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"simone/mib"
)

// patience is for what must happen; only a test that fails waits so long.
const patience = 20 * time.Second

// playpen is where the tests' objects stand, inside the subtree that a
// Subagent registers if it is told nothing else.
func playpen() mib.OID { return mib.SimoneMIB.Append(99) }

// object is a name in the playpen: .1.n.0 are values that can be written, a
// SET of .2.n.0 is refused with status n, .3 panics, .4.n.0 is n octets long,
// .5 is a table of rows that come and go: .5.1.column.row.
func object(parts ...uint32) mib.OID { return playpen().Append(parts...) }

func cell(column, row uint32) mib.OID { return object(5, 1, column, row) }

// values are behind object(1, n, 0), from 1.
func values() []mib.Value {
	return []mib.Value{
		mib.Integer(-42),
		mib.Text("hello"),
		mib.ObjectID(mib.MustOID("1.3.6.1.4.1.8072")),
		mib.IPAddress(netip.MustParseAddr("192.0.2.7")),
		mib.Counter32(math.MaxUint32),
		mib.Gauge(1 << 31),
		mib.Ticks(4711),
		mib.Counter64(math.MaxUint64),
		{Type: mib.TypeOpaque, Bytes: []byte{0x9f, 0x78, 4, 0x3f, 0x80, 0, 0}}, // the float 1
		mib.ObjectID(mib.OID{0, 0}),
		mib.Text(""),
	}
}

// shelf is a Setter over a sorted list of variables that can be written.
type shelf struct {
	test func(vars []mib.Variable) (mib.Txn, *mib.SetError) // nil accepts what is of the same type
	gate chan struct{}                                      // if not nil, each Get and Commit takes one
	got  chan struct{}                                      // and says here first that it is there

	// mu guards vars and log.
	mu   sync.Mutex
	vars []mib.Variable
	log  []string // the steps of SETs
}

func (s *shelf) search(name mib.OID) (int, bool) {
	return slices.BinarySearchFunc(s.vars, name, func(v mib.Variable, n mib.OID) int { return v.Name.Compare(n) })
}

func (s *shelf) wait() {
	if s.gate != nil {
		s.got <- struct{}{}
		<-s.gate
	}
}

func (s *shelf) Get(name mib.OID) mib.Value {
	s.wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.search(name)
	if !ok {
		return mib.Value{Type: mib.TypeNoSuchInstance}
	}
	return s.vars[i].Value
}

func (s *shelf) Next(name mib.OID) (mib.Variable, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.search(name)
	if ok {
		i++
	}
	if i == len(s.vars) {
		return mib.Variable{}, false
	}
	return s.vars[i], true
}

func (s *shelf) Test(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	s.note("test")
	if s.test != nil {
		return s.test(vars)
	}
	for i, v := range vars {
		s.mu.Lock()
		at, ok := s.search(v.Name)
		same := ok && s.vars[at].Value.Type == v.Value.Type
		s.mu.Unlock()
		if !same {
			return nil, mib.Refuse(mib.WrongType, i, "another type, or no such object")
		}
	}
	return &write{shelf: s, vars: vars}, nil
}

func (s *shelf) note(step string) {
	s.mu.Lock()
	s.log = append(s.log, step)
	s.mu.Unlock()
}

// steps are those that have happened since it was asked last.
func (s *shelf) steps() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.log
	s.log = nil
	return l
}

// put changes a variable and gives what it was.
func (s *shelf) put(v mib.Variable) mib.Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := s.search(v.Name)
	old := s.vars[i].Value
	s.vars[i].Value = v.Value
	return old
}

// write is a SET that commits and undoes as it is told.
type write struct {
	shelf        *shelf
	vars         []mib.Variable
	old          []mib.Value
	commit, undo mib.ErrorStatus
}

func (w *write) Commit() *mib.SetError {
	w.shelf.note("commit")
	w.shelf.wait()
	if w.commit != mib.NoError {
		return mib.Refuse(w.commit, 0, "as asked")
	}
	for _, v := range w.vars {
		w.old = append(w.old, w.shelf.put(v))
	}
	return nil
}

func (w *write) Undo() *mib.SetError {
	w.shelf.note("undo")
	if w.undo != mib.NoError {
		return mib.Refuse(w.undo, 0, "as asked")
	}
	for i, old := range w.old {
		w.shelf.put(mib.Variable{Name: w.vars[i].Name, Value: old})
	}
	return nil
}

func (w *write) Cleanup() { w.shelf.note("cleanup") }

// panicking panics, save on a walk, which leaps over it.
type panicking struct{}

func (panicking) Get(mib.OID) mib.Value             { panic("in get") }
func (panicking) Next(mib.OID) (mib.Variable, bool) { return mib.Variable{}, false }
func (panicking) Test(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	if vars[0].Name[len(playpen())+1] == 1 {
		panic("in test")
	}
	return panickingTxn{}, nil
}

type panickingTxn struct{}

func (panickingTxn) Commit() *mib.SetError { panic("in commit") }
func (panickingTxn) Undo() *mib.SetError   { return nil }
func (panickingTxn) Cleanup()              {}

// rows is a table of four columns: 1 INTEGER, 2 string, 3 Gauge32, 4
// Counter64, which is read-only. Writing a cell makes its row.
type rows struct {
	// mu guards the fields below.
	mu    sync.Mutex
	order []uint32
	cells map[[2]uint32]mib.Value // by row and column
}

func newRows(n uint32) *rows {
	r := &rows{cells: make(map[[2]uint32]mib.Value)}
	for i := uint32(1); i <= n; i++ {
		r.put(i, 1, mib.Integer(int32(i)))
		r.put(i, 2, mib.Text(fmt.Sprintf("node-%d.example.net", i)))
		r.put(i, 3, mib.Gauge(i*1000))
		r.put(i, 4, mib.Counter64(uint64(i)<<33))
	}
	return r
}

func columns() []mib.Column {
	return []mib.Column{
		{Number: 1, Syntax: mib.Syntax{Name: "Integer32", Type: mib.TypeInteger}, Writable: true},
		{Number: 2, Syntax: mib.Syntax{Name: "OCTET STRING", Type: mib.TypeOctetString}, Writable: true},
		{Number: 3, Syntax: mib.Syntax{Name: "Gauge32", Type: mib.TypeGauge32}, Writable: true},
		{Number: 4, Syntax: mib.Syntax{Name: "Counter64", Type: mib.TypeCounter64}},
	}
}

func (r *rows) put(row, column uint32, v mib.Value) {
	if i, ok := slices.BinarySearch(r.order, row); !ok {
		r.order = slices.Insert(r.order, i, row)
	}
	r.cells[[2]uint32{row, column}] = v
}

func (r *rows) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.order)
}

func (r *rows) Next(index mib.OID) (mib.OID, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := 0
	if len(index) > 0 {
		var ok bool
		if i, ok = slices.BinarySearch(r.order, index[0]); ok {
			i++
		}
	}
	if i == len(r.order) {
		return nil, false
	}
	return mib.OID{r.order[i]}, true
}

func (r *rows) Value(column uint32, index mib.OID) mib.Value {
	if len(index) != 1 {
		return mib.Value{Type: mib.TypeNoSuchInstance}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, ok := r.cells[[2]uint32{index[0], column}]; ok {
		return v
	}
	return mib.Value{Type: mib.TypeNoSuchInstance}
}

func (r *rows) Test(cells []mib.Cell) (mib.Txn, *mib.SetError) {
	for i, c := range cells {
		if len(c.Index) != 1 {
			return nil, mib.Refuse(mib.NoCreation, i, "the index is one number")
		}
		if c.Index[0] == 0 {
			return nil, mib.Refuse(mib.InconsistentName, i, "there is no row 0")
		}
	}
	return mib.TxnFuncs{OnCommit: func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, c := range cells {
			r.put(c.Index[0], c.Column, c.Value)
		}
		return nil
	}}, nil
}

// fixture is a tree with handles on what is behind it.
type fixture struct {
	tree  *mib.Tree
	plain *shelf
	rows  *rows
}

func newFixture(tb testing.TB, nRows uint32) *fixture {
	tb.Helper()
	f := &fixture{tree: mib.NewTree(), plain: new(shelf), rows: newRows(nRows)}
	for i, v := range values() {
		f.plain.vars = append(f.plain.vars, mib.Variable{Name: object(1, uint32(i+1), 0), Value: v})
	}
	refusing := new(shelf)
	for i := range uint32(18) {
		refusing.vars = append(refusing.vars, mib.Variable{Name: object(2, i+1, 0), Value: mib.Integer(int32(i + 1))})
	}
	refusing.test = func(vars []mib.Variable) (mib.Txn, *mib.SetError) {
		if len(vars[0].Name) < len(playpen())+2 {
			return nil, mib.Refuse(mib.NotWritable, 0, "no object")
		}
		switch status := mib.ErrorStatus(vars[0].Name[len(playpen())+1]); status {
		case mib.CommitFailed:
			return &write{shelf: refusing, commit: mib.CommitFailed}, nil
		case mib.UndoFailed:
			return &write{shelf: refusing, commit: mib.CommitFailed, undo: mib.UndoFailed}, nil
		default:
			return nil, mib.Refuse(status, 0, "as asked")
		}
	}
	big := &shelf{test: func([]mib.Variable) (mib.Txn, *mib.SetError) {
		return nil, mib.Refuse(mib.NotWritable, 0, "not this one")
	}}
	for _, n := range []uint32{10, 100, 1000, 2000, 40000} {
		big.vars = append(big.vars, mib.Variable{Name: object(4, n, 0), Value: mib.Octets(make([]byte, n))})
	}
	for _, r := range []struct {
		root mib.OID
		h    mib.Handler
	}{
		{object(1), f.plain}, {object(2), refusing}, {object(3), panicking{}}, {object(4), big},
		{object(5, 1), mib.NewTableOf(object(5, 1), columns(), f.rows)},
	} {
		if err := f.tree.Register(r.root, r.h); err != nil {
			tb.Fatal(err)
		}
	}
	return f
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// start runs a Subagent until the test ends, or until the function it gives is
// called.
func start(tb testing.TB, cfg Config, tree *mib.Tree) (*Subagent, func()) {
	tb.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet()
	}
	a, err := New(cfg, tree)
	if err != nil {
		tb.Fatal(err)
	}
	return a, run(tb, a)
}

func run(tb testing.TB, a *Subagent) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := a.Run(ctx); err != nil {
			tb.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	tb.Cleanup(stop)
	return stop
}

// until waits for something that nobody reports.
func until(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			tb.Fatalf("in vain: %s", what)
		}
		<-tick.C
	}
}
