package snmp

import (
	"testing"

	"simone/mib"
)

// BenchmarkDecodeAnswer takes answers apart as a poller does: to a GET of ten
// variables, and to a GETBULK of eleven rows of six columns.
func BenchmarkDecodeAnswer(b *testing.B) {
	for _, bb := range []struct {
		name          string
		verb          mib.Verb
		columns, rows uint32
	}{{"get10", mib.VerbGet, 10, 1}, {"bulk66", mib.VerbGetBulk, 6, 11}} {
		b.Run(bb.name, func(b *testing.B) {
			entry := mib.MustOID("1.3.6.1.2.1.2.2.1")
			req := mib.Request{Verb: bb.verb, MaxRepetitions: int(bb.rows)}
			answer := Message{Version: V2c, Community: []byte("public"), PDU: PDU{Verb: mib.VerbResponse, RequestID: 1 << 24}}
			for r := range bb.rows {
				for c := range bb.columns {
					if r == 0 && bb.verb == mib.VerbGetBulk {
						req.Vars = append(req.Vars, mib.Variable{Name: entry.Append(c + 10)})
					}
					v := mib.Variable{Name: entry.Append(c+10, r+1), Value: mib.Counter32(2_000_000_000 + r)}
					if answer.Vars = append(answer.Vars, v); bb.verb == mib.VerbGet {
						req.Vars = append(req.Vars, mib.Variable{Name: v.Name})
					}
				}
			}
			datagram, err := answer.Append(nil)
			if err != nil {
				b.Fatal(err)
			}
			m := Message{like: likeAnswers(mustQuery(b, req))}
			b.ReportAllocs()
			for b.Loop() {
				if err := m.Decode(datagram); err != nil {
					b.Fatal(err)
				}
			}
			if len(m.Vars) != int(bb.columns*bb.rows) {
				b.Errorf("%d variables", len(m.Vars))
			}
		})
	}
}
