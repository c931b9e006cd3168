package agentx

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
)

func ranges(r ...Range) []Range { return r }

func get(names ...mib.OID) PDU {
	p := PDU{Type: TypeGet, Transaction: 1}
	for _, n := range names {
		p.Ranges = append(p.Ranges, Range{Start: n})
	}
	return p
}

// RFC 2741, section 7.2.3: N ranges get N variables.
func TestSubagentProcessing_7_2_3(t *testing.T) {
	variable := func(name mib.OID, v mib.Value) mib.Variable { return mib.Variable{Name: name, Value: v} }
	end := func(name mib.OID) mib.Variable { return variable(name, mib.Value{Type: mib.TypeEndOfMIBView}) }
	one, two := object(1, 1, 0), object(1, 2, 0)
	number, text := values()[0], values()[1]
	for _, tt := range []struct {
		name  string
		ask   PDU
		want  []mib.Variable
		code  Code
		index int
	}{
		{name: "7_2_3_1/Get", ask: get(two, one), want: []mib.Variable{variable(two, text), variable(one, number)}},
		{name: "7_2_3_1/GetNothing", ask: get()},
		{name: "7_2_3_1/GetExceptions", ask: get(object(1, 1, 1), object(77)),
			want: []mib.Variable{variable(object(1, 1, 1), mib.Value{Type: mib.TypeNoSuchInstance}), variable(object(77), mib.Value{Type: mib.TypeNoSuchObject})}},
		{name: "7_2_3_1/GetPanic", ask: get(one, object(3, 1)), code: Code(mib.GenErr), index: 2},
		{name: "7_2_3_2/GetNext", ask: PDU{Type: TypeGetNext, Ranges: ranges(Range{Start: one}, Range{Start: object()})},
			want: []mib.Variable{variable(two, text), variable(one, number)}},
		{name: "7_2_3_2/GetNextIncluding", ask: PDU{Type: TypeGetNext, Ranges: ranges(Range{Start: one, Include: true}, Range{Start: object(1), Include: true})},
			want: []mib.Variable{variable(one, number), variable(one, number)}},
		{name: "7_2_3_2/GetNextEndIsExclusive", ask: PDU{Type: TypeGetNext, Ranges: ranges(Range{Start: one, End: two}, Range{Start: one, End: object(1, 2, 0, 0)})},
			want: []mib.Variable{end(one), variable(two, text)}},
		{name: "7_2_3_2/GetNextAtTheEnd", ask: PDU{Type: TypeGetNext, Ranges: ranges(Range{Start: object(5, 2)}, Range{Start: one})},
			want: []mib.Variable{end(object(5, 2)), variable(two, text)}},
		{name: "7_2_3_2/GetNextFromTheStart", ask: PDU{Type: TypeGetNext, Ranges: ranges(Range{})}, want: []mib.Variable{variable(one, number)}},
		{name: "7_2_3_3/GetBulk", ask: PDU{Type: TypeGetBulk, NonRepeaters: 1, MaxRepetitions: 2, Ranges: ranges(
			Range{Start: one}, Range{Start: object(5, 1, 1), End: object(5, 1, 2)}, Range{Start: cell(3, 2), End: object(5, 1, 4)})},
			want: []mib.Variable{variable(two, text), variable(cell(1, 1), mib.Integer(1)), variable(cell(3, 3), mib.Gauge(3000)),
				variable(cell(1, 2), mib.Integer(2)), end(cell(3, 3))}},
		{name: "7_2_3_3/GetBulkEnds", ask: PDU{Type: TypeGetBulk, MaxRepetitions: 50, Ranges: ranges(Range{Start: cell(1, 2), End: object(5, 1, 2)})},
			want: []mib.Variable{variable(cell(1, 3), mib.Integer(3)), end(cell(1, 3))}},
		{name: "7_2_3_3/GetBulkNothing", ask: PDU{Type: TypeGetBulk, NonRepeaters: 9, MaxRepetitions: 50}},
		{name: "7_2_3_3/GetBulkMoreNonRepeatersThanRanges", ask: PDU{Type: TypeGetBulk, NonRepeaters: 9, Ranges: ranges(Range{Start: one})},
			want: []mib.Variable{variable(two, text)}},
		{name: "7_2_2/Unexpected", ask: PDU{Type: TypeOpen}, code: CodeRequestDenied},
		{name: "7_2_2/NotOpen", ask: PDU{Type: TypeGet, Session: 8, Ranges: ranges(Range{Start: one})}, code: CodeNotOpen},
		{name: "7_2_2/UnsupportedContext", ask: PDU{Type: TypeGet, Flags: FlagContext, Context: []byte("red"), Ranges: ranges(Range{Start: one})}, code: CodeUnsupportedContext},
		{name: "7_1_11/Ping", ask: PDU{Type: TypePing}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, order := range []Flags{FlagNetworkOrder, 0} {
				withMaster(t, Config{}, func(t *testing.T, m *master, a *Subagent, _ *fixture) {
					m.order = order
					got := tidy(m.ask(tt.ask))
					if got.Error != tt.code || int(got.Index) != tt.index || !reflect.DeepEqual(got.Vars, tt.want) {
						t.Errorf("got %v at %d, %v\nnot %v at %d, %v", got.Error, got.Index, got.Vars, tt.code, tt.index, tt.want)
					}
				})
			}
		})
	}
}

// RFC 2741, section 6.1.1: contexts that are configured are registered and
// answered.
func TestContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a := newMaster(t, Config{Contexts: []string{"red", ""}}, newFixture(t, 0).tree)
		stop := run(t, a)
		asked := m.establish(7, 2)
		if string(asked[1].Context) != "red" || asked[1].Flags&FlagContext == 0 || asked[2].Flags&FlagContext != 0 {
			t.Errorf("registered %+v", asked)
		}
		for name, want := range map[string]Code{"red": 0, "": 0, "blue": CodeUnsupportedContext} {
			p := get(object(1, 1, 0))
			if name != "" {
				p.Flags, p.Context = FlagContext, []byte(name)
			}
			if r := m.ask(p); r.Error != want {
				t.Errorf("context %q: %v", name, r.Error)
			}
		}
		if n := a.Stats().BadContexts; n != 1 {
			t.Errorf("%d bad contexts", n)
		}
		m.finish(stop)
	})
}

// What a handler gives that SNMP cannot carry is genErr at its variable.
func TestUnencodableValue(t *testing.T) {
	withMaster(t, Config{}, func(t *testing.T, m *master, _ *Subagent, x *fixture) {
		x.plain.put(mib.Variable{Name: object(1, 2, 0), Value: mib.Value{Type: mib.TypeIPAddress, Bytes: make([]byte, 16)}})
		r := m.ask(get(object(1, 1, 0), object(1, 2, 0)))
		if r.Error != Code(mib.GenErr) || r.Index != 2 || len(r.Vars) != 0 {
			t.Errorf("got %+v", tidy(r))
		}
	})
}

// A long GetBulk is cut to what an SNMP message can hold.
func TestGetBulkIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a := newMaster(t, Config{}, newFixture(t, 5000).tree)
		stop := run(t, a)
		m.establish(7, 1)
		r := m.ask(PDU{Type: TypeGetBulk, MaxRepetitions: 65535, Ranges: ranges(Range{Start: object(5)}, Range{Start: object(5)})})
		if r.Error != 0 || len(r.Vars) < 500 || len(r.Vars) > 2000 {
			t.Errorf("%v, %d variables", r.Error, len(r.Vars))
		}
		m.finish(stop)
	})
}

// Reads are as the kernel gives them: parts of PDUs, and several in one.
func TestFragmentsAndCoalescence(t *testing.T) {
	withMaster(t, Config{}, func(t *testing.T, m *master, a *Subagent, _ *fixture) {
		b := m.request(get(object(1, 1, 0)))
		for i := range b {
			m.write(b[i : i+1])
		}
		if r := m.receive(); len(r.Vars) != 1 || r.Vars[0].Value.Int != -42 {
			t.Errorf("got %+v", tidy(r))
		}
		var all []byte
		for range 5 {
			all = append(all, m.request(get(object(1, 1, 0)))...)
		}
		cut := len(all) - 7
		m.write(all[:cut])
		for i := range 4 {
			if r := m.receive(); int(r.Packet) != int(m.packet)-4+i {
				t.Errorf("answer %d is to %d", i, r.Packet)
			}
		}
		m.write(all[cut:])
		if r := m.receive(); r.Packet != m.packet {
			t.Errorf("the last answer is to %d", r.Packet)
		}
	})
}

// A PDU whose frame holds and whose content does not is refused, and the
// session goes on.
func TestMalformedRequest(t *testing.T) {
	withMaster(t, Config{}, func(t *testing.T, m *master, a *Subagent, _ *fixture) {
		b := m.request(get(object(1, 1, 0)))
		b[HeaderSize] = 0xff // parts of the OID
		m.write(b)
		if r := m.receive(); r.Error != CodeParseError || r.Packet != m.packet {
			t.Errorf("got %+v", tidy(r))
		}
		unknown := m.request(PDU{Type: TypePing})
		unknown[1] = 99
		m.write(unknown)
		if r := m.receive(); r.Error != CodeParseError {
			t.Errorf("got %+v", tidy(r))
		}
		if r := m.ask(get(object(1, 1, 0))); r.Error != 0 {
			t.Errorf("afterwards: %+v", tidy(r))
		}
		if n := a.Stats().ParseErrs; n != 2 {
			t.Errorf("%d parse errors", n)
		}
	})
}

// Observers hear what is asked, a SET when it is tested and once.
func TestObserve(t *testing.T) {
	type heard struct {
		verb mib.Verb
		name string
	}
	var got []heard
	cfg := Config{Observe: func(verb mib.Verb, vars []mib.Variable) {
		for _, v := range vars {
			got = append(got, heard{verb, v.Name.String()})
		}
		if len(vars) > 1 {
			panic("an observer's")
		}
	}}
	withMaster(t, cfg, func(t *testing.T, m *master, a *Subagent, _ *fixture) {
		one := object(1, 1, 0)
		m.ask(get(one))
		m.ask(PDU{Type: TypeGetNext, Ranges: ranges(Range{Start: object()})})
		if code, _ := m.step(TypeTestSet, 5, mib.Variable{Name: one, Value: mib.Integer(1)}); code != 0 {
			t.Error(code)
		}
		m.step(TypeCommitSet, 5)
		m.cleanup(5)
		if r := m.ask(get(one, one)); r.Error != 0 {
			t.Errorf("an observer that panics: %v", r.Error)
		}
		want := []heard{{mib.VerbGet, one.String()}, {mib.VerbGetNext, object().String()}, {mib.VerbSet, one.String()}, {mib.VerbGet, one.String()}, {mib.VerbGet, one.String()}}
		if !slices.Equal(got, want) {
			t.Errorf("got %v", got)
		}
	})
}

// The master asks again after a second while a handler is at work; one answer
// is enough, and our own pings go on.
func TestSlowHandler(t *testing.T) {
	withMaster(t, Config{Ping: 10 * time.Second, Timeout: 2 * time.Second}, func(t *testing.T, m *master, a *Subagent, x *fixture) {
		x.plain.gate, x.plain.got = make(chan struct{}), make(chan struct{}, 10)
		question := get(object(1, 1, 0))
		question.Packet = 77
		b := m.request(question)
		m.write(b)
		<-x.plain.got
		for range 3 {
			m.write(b)
		}
		// The ping comes in spite of the handler, and is not answered: the
		// snmpd may be waiting too.
		if p := m.receive(); p.Type != TypePing {
			t.Fatalf("got %+v", tidy(p))
		}
		m.silent(5 * time.Second)
		if p := m.receive(); p.Type != TypePing {
			t.Fatalf("got %+v", tidy(p))
		} else {
			m.respond(p, 0)
		}
		x.plain.gate <- struct{}{}
		if r := m.receive(); r.Packet != 77 || r.Error != 0 {
			t.Errorf("got %+v", tidy(r))
		}
		x.plain.gate = nil
		m.silent(time.Second)
		s := a.Stats()
		if s.Duplicates != 3 || s.InGets != 1 || s.Slow != 1 || s.Losses != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// More than can wait is refused at once.
func TestOverflow(t *testing.T) {
	withMaster(t, Config{}, func(t *testing.T, m *master, a *Subagent, x *fixture) {
		x.plain.gate, x.plain.got = make(chan struct{}), make(chan struct{}, 10)
		m.write(m.request(get(object(1, 1, 0))))
		<-x.plain.got
		for range maxWaiting {
			m.write(m.request(get(object(2, 1, 0))))
		}
		if r := m.ask(get(object(2, 1, 0))); r.Error != Code(mib.GenErr) {
			t.Errorf("got %+v", tidy(r))
		}
		go func() { x.plain.gate <- struct{}{} }()
		for range 1 + maxWaiting {
			if r := m.receive(); r.Error != 0 {
				t.Fatalf("got %+v", tidy(r))
			}
		}
		x.plain.gate = nil
		if s := a.Stats(); s.Overflows != 1 || s.InGets != 1+maxWaiting {
			t.Errorf("%+v", s)
		}
	})
}

// A big request is taken, and its buffers are not kept.
func TestBigRequest(t *testing.T) {
	withMaster(t, Config{}, func(t *testing.T, m *master, _ *Subagent, _ *fixture) {
		names := slices.Repeat([]mib.OID{object(1, 1, 0)}, 5000)
		b := m.request(get(names...))
		if len(b) < readStep {
			t.Fatalf("%d octets are not big", len(b))
		}
		for part := range slices.Chunk(b, 1000) {
			m.write(part)
		}
		if r := m.receive(); len(r.Vars) != 5000 || r.Error != 0 {
			t.Errorf("%d variables, %v", len(r.Vars), r.Error)
		}
		if r := m.ask(get(object(1, 2, 0))); len(r.Vars) != 1 || !bytes.Equal(r.Vars[0].Value.Bytes, []byte("hello")) {
			t.Errorf("afterwards: %+v", tidy(r))
		}
	})
}
