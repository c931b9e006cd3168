package snmp

import (
	"reflect"
	"testing"

	"simone/mib"
)

// An answer is understood in the same way whether it is known what was asked
// or not.
func FuzzDecodeAsked(f *testing.F) {
	names := []string{someName, "1.3.6.1.2.1.1.5.0", "2.5.1.4294967295"}
	m := Message{Version: V2c, PDU: PDU{Verb: mib.VerbResponse, RequestID: 1}}
	for _, n := range names {
		m.Vars = append(m.Vars, mib.Variable{Name: mib.MustOID(n), Value: mib.Counter64(1 << 60)})
	}
	f.Add(mustEncode(f, &m))
	m.Vars[0], m.Vars[1] = m.Vars[1], m.Vars[0]
	f.Add(mustEncode(f, &m))
	m.Vars = append(m.Vars, m.Vars[0])
	f.Add(mustEncode(f, &m))
	q := queryOf(f, 0, names...)
	f.Fuzz(func(t *testing.T, b []byte) {
		plain, asked := Message{}, Message{like: likeAnswers(q)}
		a, e := plain.Decode(b), asked.Decode(b)
		if (a == nil) != (e == nil) || len(plain.Vars) != len(asked.Vars) {
			t.Fatalf("%v and %v, %d and %d variables", a, e, len(plain.Vars), len(asked.Vars))
		}
		if a != nil {
			return
		}
		for i, v := range plain.Vars {
			if w := asked.Vars[i]; !v.Name.Equal(w.Name) || v.Value.Type != w.Value.Type || v.Value.String() != w.Value.String() {
				t.Errorf("variable %d is %v and %v", i, v, w)
			}
		}
		// The request-id that is looked for first is the one that is read then.
		if _, id, ok := peek(b); ok && plain.Verb == mib.VerbResponse && id != plain.RequestID {
			t.Errorf("request-id %d and %d", id, plain.RequestID)
		}
	})
}

// likeAnswers is what answers to q look like.
func likeAnswers(q *Query) *layout {
	l := newLayout(q)
	return l
}

// An answer is understood in the same way whatever came before it.
func FuzzDecodeAfterOthers(f *testing.F) {
	m := Message{Version: V2c, PDU: PDU{Verb: mib.VerbResponse, RequestID: 1}}
	for i, v := range []mib.Value{
		mib.Counter32(1 << 31), mib.Counter64(7), mib.Integer(-1), mib.Integer(5), mib.Text("x"), mib.ObjectID(mib.OID{1, 3}), {Type: mib.TypeEndOfMIBView},
	} {
		m.Vars = append(m.Vars, mib.Variable{Name: mib.OID{1, 3, 6, 1, 2, 1, 2, 2, 1, 10, uint32(i)}, Value: v})
	}
	one := mustEncode(f, &m)
	for i := range m.Vars {
		m.Vars[i].Name = m.Vars[i].Name.Append(1 << 20)
	}
	m.Vars[0], m.Vars[1] = m.Vars[1], m.Vars[0]
	two := mustEncode(f, &m)
	f.Add(one, one)
	f.Add(one, two)
	f.Add(two, one[:len(one)-3])
	req := mib.Request{Verb: mib.VerbGetBulk, MaxRepetitions: 10, Vars: []mib.Variable{{Name: mib.OID{1, 3}}}}
	q := mustQuery(f, req)
	f.Fuzz(func(t *testing.T, one, two []byte) {
		after := Message{like: likeAnswers(q)}
		for _, b := range [][]byte{one, two, two, one} {
			plain := Message{}
			a, e := plain.Decode(b), after.Decode(b)
			if (a == nil) != (e == nil) {
				t.Fatalf("%v and %v", a, e)
			}
			if a != nil {
				continue
			}
			if len(plain.Vars) != len(after.Vars) {
				t.Fatalf("%d and %d variables", len(plain.Vars), len(after.Vars))
			}
			for i, v := range plain.Vars {
				if w := after.Vars[i]; !reflect.DeepEqual(v, w) {
					t.Errorf("variable %d is %+v and %+v", i, v, w)
				}
			}
		}
	})
}
