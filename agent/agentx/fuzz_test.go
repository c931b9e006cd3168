package agentx

import (
	"bytes"
	"testing"
	"time"

	"simone/mib"
)

// FuzzStream takes any octets whatever for what an snmpd sends, through all of
// a session but its goroutines.
func FuzzStream(f *testing.F) {
	var all []byte
	for _, v := range vectors() {
		b := mustHex(f, v.wire)
		all = append(all, b...)
		f.Add(b)
	}
	f.Add(all)
	seed := func(pdus ...PDU) {
		var b []byte
		for _, p := range pdus {
			var err error
			if b, err = p.Append(b); err != nil {
				f.Fatal(err)
			}
		}
		f.Add(b)
	}
	for _, vars := range [][]mib.Variable{
		{number(7)},
		{number(7), {Name: object(2, 14, 0), Value: mib.Integer(1)}},
		{{Name: object(5, 1, 1, 9), Value: mib.Integer(1)}, {Name: object(1, 2, 0), Value: mib.Text("x")}},
	} {
		seed(PDU{Type: TypeTestSet, Packet: 1, Vars: vars}, PDU{Type: TypeCommitSet, Packet: 2}, PDU{Type: TypeCommitSet, Packet: 2}, PDU{Type: TypeUndoSet, Packet: 3})
		seed(PDU{Type: TypeTestSet, Packet: 1, Vars: vars}, PDU{Type: TypeCommitSet, Packet: 2}, PDU{Type: TypeCleanupSet, Packet: 3}, PDU{Type: TypeUndoSet, Packet: 4})
	}
	seed(get(object(1, 1, 0), object(3, 1)), PDU{Type: TypeGetNext, Ranges: ranges(Range{Start: object()})},
		PDU{Type: TypeGetBulk, MaxRepetitions: 9, NonRepeaters: 1, Ranges: ranges(Range{Start: object(4)}, Range{Start: object(1), Include: true, End: object(2)})})
	f.Fuzz(func(t *testing.T, stream []byte) {
		x := newFixture(t, 2)
		a, err := New(Config{Logger: quiet()}, x.tree)
		if err != nil {
			t.Fatal(err)
		}
		out := new(recorder)
		s := newSession(a, out)
		s.timer = time.NewTimer(time.Hour)
		defer s.timer.Stop()
		touched := bytes.Contains(stream, []byte{0, 0, 0, 99}) || bytes.Contains(stream, []byte{99, 0, 0, 0})
		for r := bytes.NewReader(stream); ; {
			var fr frame
			if err := fr.read(r); err != nil {
				if cap(fr.b) > 2*len(stream)+2*readStep {
					t.Errorf("%d octets for a stream of %d", cap(fr.b), len(stream))
				}
				break
			}
			if fr.Type == TypeResponse {
				s.answered(&fr)
				continue
			}
			out.Reset()
			if !s.repeat(&fr) {
				s.handle(&fr)
			}
			if fr.Type == TypeCleanupSet {
				if out.Len() > 0 {
					t.Errorf("CleanupSet is answered with %x", out.Bytes())
				}
				continue
			}
			var p PDU
			if err := p.Decode(out.Bytes()); err != nil || p.Type != TypeResponse || p.Session != fr.Session || p.Transaction != fr.Transaction || p.Packet != fr.Packet {
				t.Errorf("%x is answered with %x: %v", fr.b, out.Bytes(), err)
			}
			if n := len(s.in.Ranges); p.Error == 0 && (fr.Type == TypeGet || fr.Type == TypeGetNext) && len(p.Vars) != n {
				t.Errorf("%d variables for %d ranges", len(p.Vars), n)
			}
		}
		s.abandon("the end")
		if txn, e := x.tree.Test([]mib.Variable{number(1)}); e != nil {
			t.Error(e)
		} else {
			txn.Cleanup()
		}
		// Only the handler that is made to panic may.
		if a.Stats().Panics > 0 && !touched {
			t.Errorf("%x made it panic", stream)
		}
	})
}

// recorder is a connection that keeps what is written.
type recorder struct {
	discard
	bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error)      { return r.Buffer.Write(b) }
func (r *recorder) Read(b []byte) (int, error)       { return r.Buffer.Read(b) }
func (r *recorder) SetWriteDeadline(time.Time) error { return nil }
