package snmp

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"simone/mib"
)

const (
	upTime    = "1.3.6.1.2.1.1.3.0"
	sysName   = "1.3.6.1.2.1.1.5.0"
	nobodyHas = "1.3.6.1.2.1.1.9.0"
)

func instances(names ...string) (vars []mib.Variable) {
	for _, name := range names {
		vars = append(vars, mib.Variable{Name: mib.MustOID(name)})
	}
	return vars
}

// gatherer keeps the names of what a walk brings.
type gatherer struct {
	names  []string
	errors int // requests that were not answered
	ended  chan error
}

func (g *gatherer) Walked(_ netip.AddrPort, r *mib.Response) bool {
	if r.Err != nil {
		g.errors++
	}
	for _, v := range r.Vars {
		g.names = append(g.names, strings.TrimPrefix(v.Name.String(), "."))
	}
	return true
}

func (g *gatherer) Ended(_ netip.AddrPort, err error) { g.ended <- err }

// What is read along with a walk comes with its first answer, whatever an agent
// makes of the request, and what it does not have is passed over.
func TestWalkReadsAlong(t *testing.T) {
	lead := []string{upTime, nobodyHas, sysName}
	for _, tt := range []struct {
		name       string
		credential string
		rows       uint32
		spoil      func(n int, m, r *Message) bool
	}{
		{name: "Bulk", rows: 4},
		{name: "LongTable", rows: 300},
		{name: "NoRows", rows: 0},
		{name: "CutOff", rows: 9, spoil: func(_ int, _, r *Message) bool { r.Vars = r.Vars[:min(len(r.Vars), 2)]; return true }},
		{name: "TooBig", rows: 9, spoil: func(_ int, _, r *Message) bool {
			if len(r.Vars) > 3 {
				r.Status, r.Vars = mib.TooBig, nil
			}
			return true
		}},
		{name: "TooBigForTwo", rows: 9, spoil: func(_ int, _, r *Message) bool {
			if len(r.Vars) > 1 {
				r.Status, r.Vars = mib.TooBig, nil
			}
			return true
		}},
		{name: "NoBulk", rows: 9, spoil: func(_ int, m, r *Message) bool {
			if m.Verb == mib.VerbGetBulk {
				r.Status, r.Vars = mib.GenErr, m.Vars
			}
			return true
		}},
		{name: "V1", credential: "old", rows: 9, spoil: func(_ int, m, r *Message) bool {
			for i, v := range r.Vars {
				if v.Value.IsException() {
					r.Status, r.Index, r.Vars = mib.NoSuchName, i+1, m.Vars
				}
			}
			return true
		}},
		{name: "LostLater", rows: 40, spoil: func(n int, _, _ *Message) bool { return n == 1 || n%3 != 0 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := append([]mib.OID{mib.MustOID(upTime), mib.MustOID(sysName)}, table(2, tt.rows)...)
			a := bulkAgent(t, list, tt.spoil)
			p, stop := startPoller(t)
			defer stop()
			if tt.credential == "" {
				tt.credential = "public"
			}
			w, err := p.PrepareWalk(mib.Request{Credential: tt.credential, Timeout: 100 * time.Millisecond, Retries: 3, Vars: instances(lead...)}, columnsOf(2))
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				g := &gatherer{ended: make(chan error, 1)}
				w.Ask(a.Addr(), g)
				if err := <-g.ended; err != nil {
					t.Fatal(err)
				}
				want := make([]string, 0, len(list))
				for _, o := range list {
					want = append(want, strings.TrimPrefix(o.String(), "."))
				}
				slices.Sort(want)
				if slices.Sort(g.names); !slices.Equal(g.names, want) {
					t.Fatalf("read %v, not %v", g.names, want)
				}
			}
		})
	}
}

// Once it is known how long a table is, it is read with one request that asks
// for a row more, as long as an answer has room for that; one that has grown is
// read whole all the same.
func TestWalkAsksForOneRowMore(t *testing.T) {
	var mu sync.Mutex
	var list []mib.OID
	var asked [][3]int // variables, non-repeaters and repetitions of each request
	set := func(rows uint32) {
		mu.Lock()
		defer mu.Unlock()
		list, asked = append([]mib.OID{mib.MustOID(upTime)}, table(6, rows)...), nil
	}
	a := newFakeAgent(t, func(a *fakeAgent, _ int, m *Message, d Datagram) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, [3]int{len(m.Vars), m.NonRepeaters, m.MaxRepetitions})
		a.send(bulk(list, m), d.Source)
	})
	p, stop := startPoller(t)
	defer stop()
	w, err := p.PrepareWalk(mib.Request{Credential: "public", Timeout: patience, Vars: instances(upTime)}, columnsOf(6))
	if err != nil {
		t.Fatal(err)
	}
	read := func() (objects int) {
		g := &gatherer{ended: make(chan error, 1)}
		w.Ask(a.Addr(), g)
		if err := <-g.ended; err != nil {
			t.Fatal(err)
		}
		return len(g.names)
	}
	for _, tt := range []struct {
		rows uint32
		want [][3]int
	}{
		{4, [][3]int{{7, 1, 5}}},
		{10, [][3]int{{7, 1, 11}}},
		// No more rows fit a frame: one small request finds that it was all.
		{13, [][3]int{{7, 1, 13}, {6, 0, 1}}},
		{0, [][3]int{{7, 1, 1}}},
	} {
		set(tt.rows)
		for range 4 { // finds out what fits, and how many there are
			if n := read(); n != 1+6*int(tt.rows) {
				t.Fatalf("%d of %d rows: %d objects", n, tt.rows, n)
			}
		}
		mu.Lock()
		asked = nil
		mu.Unlock()
		read()
		mu.Lock()
		if !slices.Equal(asked, tt.want) {
			t.Errorf("%d rows are read by %v, not %v", tt.rows, asked, tt.want)
		}
		mu.Unlock()
	}
}

// A walk that is made again and again costs no memory, nor one that nobody
// answers.
func TestWalkAllocatesNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		rows uint32
		dead bool
	}{{"OneAnswer", 8, false}, {"Several", 60, false}, {"Dead", 0, true}} {
		t.Run(tt.name, func(t *testing.T) {
			list := append([]mib.OID{mib.MustOID(upTime)}, table(6, tt.rows)...)
			s := mustOpen(t, "127.0.0.1:0")
			if !tt.dead {
				serveBulk(t, s, list)
			}
			p := startCourteous(t, Courtesy{Rest: time.Millisecond})
			w, err := p.PrepareWalk(mib.Request{Credential: "public", Timeout: 10 * time.Second, Vars: instances(upTime)}, columnsOf(6))
			if tt.dead {
				w, err = p.PrepareWalk(mib.Request{Credential: "public", Timeout: 5 * time.Millisecond, Vars: instances(upTime)}, columnsOf(6))
			}
			if err != nil {
				t.Fatal(err)
			}
			c := &counter{ended: make(chan struct{}, 1)}
			read := func() {
				c.objects = 0
				w.Ask(s.Addr(), c)
				<-c.ended
				if c.objects != 1+6*int(tt.rows) && !tt.dead {
					t.Errorf("%d objects", c.objects)
				}
			}
			for range 20 {
				read()
			}
			if n := testing.AllocsPerRun(50, read); n > 0.5 {
				t.Errorf("%v allocations a walk", n)
			}
			if dead := c.failed > 0; dead != tt.dead {
				t.Errorf("%d walks failed", c.failed)
			}
		})
	}
}

// counter counts what walks bring.
type counter struct {
	objects, failed int
	ended           chan struct{}
}

func (c *counter) Walked(_ netip.AddrPort, r *mib.Response) bool {
	c.objects += len(r.Vars)
	return true
}

func (c *counter) Ended(_ netip.AddrPort, err error) {
	if err != nil {
		c.failed++
	}
	c.ended <- struct{}{}
}

// bulk answers m out of a sorted list.
func bulk(list []mib.OID, m *Message) *Message {
	r := &Message{Version: m.Version, Community: m.Community, PDU: PDU{Verb: mib.VerbResponse, RequestID: m.RequestID}}
	bulkInto(list, m, r)
	return r
}

// bulkInto is bulk, with the memory of r.
func bulkInto(list []mib.OID, m, r *Message) {
	r.Version, r.Community, r.Verb, r.RequestID, r.Status, r.Index = m.Version, m.Community, mib.VerbResponse, m.RequestID, mib.NoError, 0
	r.Vars = r.Vars[:0]
	next := func(name mib.OID) mib.Variable {
		i, found := slices.BinarySearchFunc(list, name, mib.OID.Compare)
		if found {
			i++
		}
		if i == len(list) {
			return mib.Variable{Name: name, Value: mib.Value{Type: mib.TypeEndOfMIBView}}
		}
		return mib.Variable{Name: list[i], Value: mib.Counter32(uint32(2_000_000_000))}
	}
	for i := range m.Vars[:m.NonRepeaters] {
		r.Vars = append(r.Vars, next(m.Vars[i].Name))
	}
	columns := m.Vars[m.NonRepeaters:]
	for range m.MaxRepetitions {
		for i := range columns {
			v := next(columns[i].Name)
			r.Vars, columns[i].Name = append(r.Vars, v), v.Name
		}
	}
}

// serveBulk answers without allocating: that would count.
func serveBulk(t *testing.T, s *Socket, list []mib.OID) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var m, r Message
	var out []byte
	wg.Go(func() {
		_ = s.Serve(ctx, func(b []byte, d Datagram, _ bool) {
			if m.Decode(b) != nil {
				return
			}
			bulkInto(list, &m, &r)
			var err error
			if out, err = r.Append(out[:0]); err == nil {
				_ = s.Write(out, d.Source)
			}
		})
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// Only what comes next after its object can be read along.
func TestPrepareWalkRefusesToReadAlong(t *testing.T) {
	p, stop := startPoller(t)
	defer stop()
	for _, names := range [][]string{{"1.3.6.1.2.1.2.2.1.10.7"}, {upTime, "1.0"}, slices.Repeat([]string{upTime}, maxLead+1)} {
		if _, err := p.PrepareWalk(mib.Request{Credential: "public", Vars: instances(names...)}, columnsOf(1)); !errors.Is(err, ErrLead) {
			t.Errorf("%v: %v", names, err)
		}
	}
}

// Who has not answered is not asked for as much again.
func TestWalkAsksTheSilentForLess(t *testing.T) {
	var most atomic.Int64
	var silent atomic.Bool
	a := bulkAgent(t, table(1, 100), func(_ int, m, _ *Message) bool {
		most.Store(max(most.Load(), int64(m.MaxRepetitions)))
		return !silent.Load() || m.MaxRepetitions <= 20
	})
	p := startCourteous(t, Courtesy{Rest: time.Nanosecond})
	w, err := p.PrepareWalk(mib.Request{Credential: "public", Timeout: 60 * time.Millisecond}, columnsOf(1))
	if err != nil {
		t.Fatal(err)
	}
	walk := func() error {
		g := &gatherer{ended: make(chan error, 1)}
		w.Ask(a.Addr(), g)
		return <-g.ended
	}
	for range 3 {
		if err := walk(); err != nil {
			t.Fatal(err)
		}
	}
	if most.Load() <= 20 {
		t.Fatalf("at most %d rows were asked for", most.Load())
	}
	silent.Store(true)
	for n := 1; ; n++ {
		err := walk()
		if err == nil {
			break
		}
		if n > 20 || !errors.Is(err, mib.ErrTimeout) {
			t.Fatalf("walk %d: %v", n, err)
		}
	}
}
