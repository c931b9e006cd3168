package responder

import (
	"bytes"
	"testing"

	"simone/internal/snmp"
	"simone/mib"
)

// FuzzHandle sends any datagram whatever through the whole responder. The
// answers go nowhere: the source is no address.
func FuzzHandle(f *testing.F) {
	for _, c := range []string{"public", "private", "operator", "join"} {
		for _, version := range []snmp.Version{snmp.V1, snmp.V2c} {
			for verb := mib.VerbGet; verb <= mib.VerbReport; verb++ {
				m := snmp.Message{Version: version, Community: []byte(c), PDU: snmp.PDU{
					Verb: verb, RequestID: 1, MaxRepetitions: 50, NonRepeaters: 1,
					Vars: []mib.Variable{
						{Name: mib.MustOID("1.3.6.1.2.1.1.3.0"), Value: mib.Ticks(1)},
						{Name: mib.MustOID("1.3.6.1.6.3.1.1.4.1.0"), Value: mib.ObjectID(playpen())},
						{Name: object(1, 2, 0), Value: mib.Text("x")},
						{Name: object(4)},
					}}}
				if b, err := m.Append(nil); err == nil {
					f.Add(b)
				}
			}
		}
	}
	f.Add([]byte("garbage"))
	for _, user := range []string{"", "guest", "nobody"} {
		for verb := mib.VerbGet; verb <= mib.VerbReport; verb++ {
			m := &snmp.Message{PDU: snmp.PDU{Verb: verb, RequestID: 1, MaxRepetitions: 50, Vars: []mib.Variable{{Name: object(1)}}}}
			e := &snmp.Envelope{ID: 1, MaxSize: 484, Flags: snmp.FlagReportable, EngineID: engineID(f), User: []byte(user)}
			if b, err := e.Append(nil, &snmp.Scope{EngineID: engineID(f)}, m, nil); err == nil {
				f.Add(b)
			}
		}
	}
	cfg := v3Config(f)
	cfg.Notify = func(snmp.Notification) bool { return true }
	cfg.Observe = func(Observation) {}
	r, err := New(cfg, newTree(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = r.socket.Close() })
	f.Fuzz(func(t *testing.T, b []byte) {
		before := r.Stats()
		r.handle(bytes.Clone(b), snmp.Datagram{}, false) // which may decrypt in place
		s := r.Stats()
		if s.InPkts != before.InPkts+1 {
			t.Fatal("not counted")
		}
		// Only the handler that is made to panic may.
		if s.Panics != before.Panics {
			touched := false
			for _, v := range r.request.Vars {
				touched = touched || v.Name.HasPrefix(object(3))
			}
			if !touched {
				t.Errorf("%x made the responder panic", b)
			}
		}
		if s.SendFailures == before.SendFailures {
			return
		}
		if v, ok := snmp.PeekVersion(r.out); ok && v == snmp.V3 {
			if err := new(snmp.Envelope).Decode(r.out); err != nil {
				t.Errorf("%x is answered with %x: %v", b, r.out, err)
			}
			return
		}
		var m snmp.Message
		if err := m.Decode(r.out); err != nil || m.Verb != mib.VerbResponse || m.RequestID != r.request.RequestID {
			t.Errorf("%x is answered with %x: %v", b, r.out, err)
		}
	})
}
