package snmp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"simone/mib"
)

// table makes columns 1 to n of a table with rows rows, in order.
func table(n, rows uint32) (list []mib.OID) {
	for c := range n {
		for r := range rows {
			list = append(list, mib.MustOID("1.3.6.1.4.1.9").Append(c+1, r+1))
		}
	}
	return list
}

func columnsOf(n uint32) (roots []mib.OID) {
	for c := range n {
		roots = append(roots, mib.MustOID("1.3.6.1.4.1.9").Append(c+1))
	}
	return roots
}

// bulkAgent answers GETNEXT and GETBULK of several columns out of a sorted
// list; spoil may change an answer, or have none sent.
func bulkAgent(t *testing.T, list []mib.OID, spoil func(n int, m, answer *Message) bool) *fakeAgent {
	next := func(name mib.OID) mib.Variable {
		for _, o := range list {
			if o.Compare(name) > 0 {
				return mib.Variable{Name: o, Value: mib.Integer(1)}
			}
		}
		return mib.Variable{Name: name, Value: mib.Value{Type: mib.TypeEndOfMIBView}}
	}
	return newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) {
		r := answer(m, 0)
		r.Vars = nil
		at := make([]mib.OID, len(m.Vars))
		for i, v := range m.Vars {
			at[i] = v.Name
		}
		for _, name := range at[:m.NonRepeaters] {
			r.Vars = append(r.Vars, next(name))
		}
		at = at[m.NonRepeaters:]
		for range max(1, m.MaxRepetitions) {
			for i := range at {
				v := next(at[i])
				r.Vars, at[i] = append(r.Vars, v), v.Name
			}
		}
		if spoil == nil || spoil(n, m, r) {
			a.send(r, d.Source)
		}
	})
}

func TestWalkColumns(t *testing.T) {
	tooBig := func(most int) func(int, *Message, *Message) bool {
		return func(_ int, _, r *Message) bool {
			if len(r.Vars) > most {
				r.Status, r.Vars = mib.TooBig, nil
			}
			return true
		}
	}
	for _, tt := range []struct {
		name       string
		credential string
		columns    uint32
		rows       uint32
		spoil      func(n int, m, r *Message) bool
		requests   int64 // at most; 0 is any number
		err        error
		read       uint32 // variables; 0: all
	}{
		{name: "SideBySide", columns: 3, rows: 50, requests: 8},
		{name: "One", columns: 1, rows: 200, requests: 10},
		{name: "V1", credential: "old", columns: 3, rows: 5, spoil: func(_ int, m, r *Message) bool {
			for i, v := range r.Vars {
				if v.Value.IsException() {
					r.Status, r.Index, r.Vars = mib.NoSuchName, i+1, m.Vars
				}
			}
			return true
		}},
		{name: "TooBig", columns: 3, rows: 20, spoil: tooBig(7)},
		{name: "FewerThanColumns", columns: 5, rows: 20, spoil: tooBig(2)},
		{name: "CutOff", columns: 4, rows: 30, spoil: func(_ int, _, r *Message) bool { r.Vars = r.Vars[:min(len(r.Vars), 6)]; return true }},
		{name: "NoBulk", columns: 2, rows: 6, spoil: func(_ int, m, r *Message) bool {
			if m.Verb == mib.VerbGetBulk {
				r.Status, r.Vars = mib.GenErr, m.Vars
			}
			return true
		}},
		{name: "OneGoesBack", columns: 2, rows: 40, err: ErrNotIncreasing, read: 40 + 30, spoil: func(_ int, m, r *Message) bool {
			for i := range r.Vars {
				if name := r.Vars[i].Name; name[7] == 1 && name[8] > 30 {
					r.Vars[i].Name = mib.MustOID("1.3.6.1.4.1.9.1.30")
				}
			}
			return true
		}},
		{name: "Nothing", columns: 1, rows: 1, err: ErrAnswer, spoil: func(_ int, _, r *Message) bool { r.Vars = nil; return true }},
		{name: "SilentWhenMuch", columns: 1, rows: 60, spoil: func(_ int, m, _ *Message) bool { return m.MaxRepetitions <= 12 }},
		{name: "SilentInTheMiddle", columns: 1, rows: 60, err: mib.ErrTimeout, read: 10, spoil: func(n int, m, _ *Message) bool { return n == 1 }},
	} {
		for how, walk := range walks {
			t.Run(tt.name+how, func(t *testing.T) {
				var requests atomic.Int64
				a := bulkAgent(t, table(tt.columns, tt.rows), func(n int, m, r *Message) bool {
					requests.Store(int64(n))
					return tt.spoil == nil || tt.spoil(n, m, r)
				})
				p, stop := startPoller(t)
				if tt.credential == "" {
					tt.credential = "public"
				}
				got := make([][]mib.OID, tt.columns)
				read := uint32(0)
				err := walk(p, mib.Request{Address: a.Addr(), Credential: tt.credential, Timeout: 200 * time.Millisecond}, columnsOf(tt.columns),
					func(column int, v mib.Variable) error {
						if !v.Value.IsException() {
							got[column] = append(got[column], v.Name)
							read++
						}
						return nil
					})
				stop()
				if !errors.Is(err, tt.err) {
					t.Errorf("error %v, not %v", err, tt.err)
				}
				if want := tt.read; tt.err != ErrAnswer && read != want && (want != 0 || read != tt.columns*tt.rows) {
					t.Errorf("%d variables", read)
				}
				for c, names := range got {
					for i, name := range names {
						if want := fmt.Sprintf(".1.3.6.1.4.1.9.%d.%d", c+1, i+1); name.String() != want {
							t.Fatalf("column %d, row %d is %v", c, i, name)
						}
					}
				}
				if n := requests.Load(); tt.requests > 0 && n > tt.requests {
					t.Errorf("%d requests, more than %d", n, tt.requests)
				}
			})
		}
	}
}

// walks are the ways to read columns: waiting for each answer, and by queries.
var walks = map[string]func(*Poller, mib.Request, []mib.OID, func(int, mib.Variable) error) error{
	"Waiting": func(p *Poller, base mib.Request, roots []mib.OID, fn func(int, mib.Variable) error) error {
		return p.WalkColumns(context.Background(), base, roots, fn)
	},
	"Asking": func(p *Poller, base mib.Request, roots []mib.OID, fn func(int, mib.Variable) error) error {
		w, err := p.PrepareWalk(base, roots)
		if err != nil {
			return err
		}
		by := &walker{roots: roots, fn: fn, ended: make(chan error, 1)}
		w.Ask(base.Address, by)
		return <-by.ended
	},
}

// walker passes what is read on.
type walker struct {
	roots []mib.OID
	fn    func(int, mib.Variable) error
	most  int // answers; 0: any number
	ended chan error
}

func (r *walker) Walked(_ netip.AddrPort, resp *mib.Response) bool {
	for _, v := range resp.Vars {
		i := slices.IndexFunc(r.roots, v.Name.HasPrefix)
		v.Name = slices.Clone(v.Name) // it is not theirs for longer
		if r.fn(i, v) != nil {
			return false
		}
	}
	r.most--
	return r.most != 0
}

func (r *walker) Ended(_ netip.AddrPort, err error) { r.ended <- err }

// Who wants no more is left alone, and what has been learnt is known to the
// next walk, which may be of another agent.
func TestPreparedWalkIsCutAndUsedAgain(t *testing.T) {
	list := table(2, 100)
	a, b := bulkAgent(t, list, nil), bulkAgent(t, list, nil)
	p, stop := startPoller(t)
	defer stop()
	roots := columnsOf(2)
	w, err := p.PrepareWalk(mib.Request{Credential: "public", Timeout: patience}, roots)
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range []*fakeAgent{a, b, a} {
		n := 0
		r := &walker{roots: roots, fn: func(int, mib.Variable) error { n++; return nil }, ended: make(chan error, 1)}
		if i == 0 {
			r.most = 2
		}
		w.Ask(at.Addr(), r)
		err := <-r.ended
		if cut := i == 0; errors.Is(err, ErrCut) != cut || !cut && (err != nil || n != len(list)) {
			t.Errorf("walk %d: %d of %d variables: %v", i, n, len(list), err)
		}
	}
	if _, err := p.PrepareWalk(mib.Request{}, nil); err == nil {
		t.Error("a walk of nothing")
	}
	w, err = p.PrepareWalk(mib.Request{Credential: "nobody"}, roots)
	if err != nil {
		t.Fatal(err)
	}
	r := &walker{roots: roots, ended: make(chan error, 1)}
	w.Ask(a.Addr(), r)
	if err := <-r.ended; err == nil {
		t.Error("a walk with a credential that nobody has")
	}
}

// What one walk finds out, the next one knows.
func TestWalkRemembersWhatWasTooBig(t *testing.T) {
	var refused atomic.Int64
	a := bulkAgent(t, table(1, 100), func(_ int, _, r *Message) bool {
		if len(r.Vars) > 5 {
			refused.Add(1)
			r.Status, r.Vars = mib.TooBig, nil
		}
		return true
	})
	p, stop := startPoller(t)
	for range 2 {
		if err := p.Walk(t.Context(), mib.Request{Address: a.Addr(), Credential: "public", Timeout: patience}, columnsOf(1)[0], func(mib.Variable) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if n := refused.Load(); n != 1 {
		t.Errorf("%d answers were too big, not 1", n)
	}
}

func TestMannersKnowWhenAnAnswerIsOverdue(t *testing.T) {
	var m manners
	if m.overdue() != 0 {
		t.Errorf("of an agent that never answered: %v", m.overdue())
	}
	for range 50 {
		m.answered(time.Millisecond)
	}
	if m.overdue() != minOverdue {
		t.Errorf("of a fast one: %v", m.overdue())
	}
	for i := range 100 {
		m.answered(900*time.Millisecond + time.Duration(i%5-2)*time.Millisecond)
	}
	if o := m.overdue(); o < 950*time.Millisecond || o > 2*time.Second {
		t.Errorf("of a slow one: %v", o)
	}
	m.answered(-time.Hour) // a clock was set back
	if m.rtt < 0 || m.overdue() < minOverdue {
		t.Errorf("%+v", m)
	}
}

// However an agent answers, a walk ends, and what it passes on increases.
func FuzzWalk(f *testing.F) {
	f.Add([]byte{1, 1, 1, 2, 1, 3, 2, 1}, uint8(2))
	f.Add([]byte{1, 1, 0, 0, 1, 1}, uint8(1))
	f.Add([]byte(strings.Repeat("\x01\x02", 50)), uint8(3))
	f.Fuzz(func(t *testing.T, script []byte, columns uint8) {
		roots := columnsOf(uint32(columns%4) + 1)
		w := newWalk(mib.Request{}, roots, V2c)
		last := make([]mib.OID, len(roots))
		for step := 0; w.more(); step++ {
			if step > 10*len(script)+100 {
				t.Fatal("no end")
			}
			req := w.request()
			if len(req.Vars) == 0 || req.Verb == mib.VerbGetBulk && req.MaxRepetitions < 1 {
				t.Fatalf("request %+v", req)
			}
			resp := mib.Response{}
			for range req.Vars { // a row of whatever the script says
				if len(script) < 2 {
					resp.Vars = append(resp.Vars, mib.Variable{Name: mib.OID{2}, Value: mib.Value{Type: mib.TypeEndOfMIBView}})
					continue
				}
				switch script[0] {
				case 250:
					resp.Status = mib.TooBig
				case 251:
					resp.Status = mib.GenErr
				case 252:
					resp.Err = mib.ErrTimeout
				}
				name := mib.MustOID("1.3.6.1.4.1.9").Append(uint32(script[0]%8), uint32(script[1]))
				resp.Vars = append(resp.Vars, mib.Variable{Name: name, Value: mib.Integer(1)})
				script = script[2:]
			}
			if err := w.take(req, resp, func(column int, v mib.Variable) error {
				if v.Value.IsException() {
					return nil
				}
				if !v.Name.HasPrefix(roots[column]) || v.Name.Compare(last[column]) <= 0 {
					t.Fatalf("column %d: %v after %v", column, v.Name, last[column])
				}
				last[column] = v.Name
				return nil
			}); err != nil {
				return
			}
		}
	})
}
