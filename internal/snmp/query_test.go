package snmp

import (
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
	return &l
}
