package snmp

import (
	"errors"
	"slices"
	"testing"

	"simone/mib"
)

// walkAgent answers GETNEXT and GETBULK from a list; it finds more than most
// repetitions too big.
func walkAgent(t *testing.T, most int, list []mib.OID) *fakeAgent {
	return newFakeAgent(t, func(a *fakeAgent, _ int, m *Message, d Datagram) {
		r := answer(m, 0)
		r.Vars = nil
		repeat := 1
		if m.Verb == mib.VerbGetBulk {
			repeat = m.MaxRepetitions
		}
		if repeat > most {
			r.Status = mib.TooBig
			a.send(r, d.Source)
			return
		}
		i := slices.IndexFunc(list, func(o mib.OID) bool { return o.Compare(m.Vars[0].Name) > 0 })
		for ; i >= 0 && i < len(list) && repeat > 0; i, repeat = i+1, repeat-1 {
			r.Vars = append(r.Vars, mib.Variable{Name: list[i], Value: mib.Integer(int32(i))})
		}
		switch {
		case repeat > 0 && m.Version == V1:
			r.Status, r.Index, r.Vars = mib.NoSuchName, 1, m.Vars
		case repeat > 0:
			r.Vars = append(r.Vars, mib.Variable{Name: m.Vars[0].Name, Value: mib.Value{Type: mib.TypeEndOfMIBView}})
		}
		a.send(r, d.Source)
	})
}

func TestWalk(t *testing.T) {
	root := mib.MustOID("1.3.6.1.4.1.9")
	var inside []mib.OID
	for i := range uint32(100) {
		inside = append(inside, root.Append(1, i))
	}
	beyond := append(slices.Clone(inside), mib.MustOID("1.3.6.1.4.1.10.1"))
	loop := append(slices.Clone(inside), inside[98])
	for _, tt := range []struct {
		name       string
		credential string
		most       int
		list       []mib.OID
		err        error
	}{
		{"EndOfView", "public", 100, inside, nil},
		{"EndOfSubtree", "public", 100, beyond, nil},
		{"V1", "old", 1, inside, nil},
		{"TooBigIsHalved", "public", 3, beyond, nil},
		{"NotIncreasing", "public", 1000, loop, ErrNotIncreasing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := walkAgent(t, tt.most, tt.list)
			p, _ := startPoller(t)
			var got []mib.OID
			base := mib.Request{Address: a.Addr(), Credential: tt.credential, Timeout: patience, MaxRepetitions: 40}
			err := p.Walk(t.Context(), base, root, func(v mib.Variable) error {
				got = append(got, v.Name)
				return nil
			})
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, not %v", err, tt.err)
			}
			if !slices.EqualFunc(got, inside, mib.OID.Equal) {
				t.Errorf("%d variables, not %d", len(got), len(inside))
			}
		})
	}
	t.Run("Refused", func(t *testing.T) {
		p, _ := startPoller(t)
		a := walkAgent(t, 0, nil)
		var status *StatusError
		err := p.Walk(t.Context(), mib.Request{Address: a.Addr(), Credential: "public", Timeout: patience}, root, nil)
		if !errors.As(err, &status) || status.Status != mib.TooBig {
			t.Errorf("error %v", err)
		}
	})
	t.Run("UnknownCredential", func(t *testing.T) {
		p, _ := startPoller(t)
		var unknown *UnknownCredentialError
		if err := p.Walk(t.Context(), mib.Request{Credential: "x"}, root, nil); !errors.As(err, &unknown) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("CallersError", func(t *testing.T) {
		a := walkAgent(t, 100, inside)
		p, _ := startPoller(t)
		enough := errors.New("enough")
		n := 0
		err := p.Walk(t.Context(), mib.Request{Address: a.Addr(), Credential: "public", Timeout: patience}, root,
			func(mib.Variable) error { n++; return enough })
		if !errors.Is(err, enough) || n != 1 {
			t.Errorf("error %v after %d", err, n)
		}
	})
}
