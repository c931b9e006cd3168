package snmp

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"simone/internal/snmp/usm"
	"simone/mib"
)

const (
	authPassphrase = "authentication"
	privPassphrase = "privacy, please"
)

// v3User may do everything there is for its protocols.
func v3User(name string, auth usm.Auth, priv usm.Priv) User {
	u := User{Name: name, Level: usm.NoAuthNoPriv, Auth: auth, Priv: priv}
	if auth != usm.NoAuth {
		u.Level, u.AuthPassphrase = usm.AuthNoPriv, authPassphrase
	}
	if priv != usm.NoPriv {
		u.Level, u.PrivPassphrase = usm.AuthPriv, privPassphrase
	}
	return u
}

func mustLocalize(tb testing.TB, u User, engineID []byte) *usm.Keys {
	tb.Helper()
	m, err := u.master()
	if err != nil {
		tb.Fatal(err)
	}
	k, err := m.Localize(engineID)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func someEngine() []byte { return []byte("\x80\x00\x1f\x88\x05an engine") }

// envelope is a request to someEngine at a level of security.
func envelope(level usm.Level) *Envelope {
	return &Envelope{
		ID: 77, MaxSize: MaxMessage, Flags: flagsOf(level) | FlagReportable,
		EngineID: someEngine(), Boots: 3, Time: 1000, User: []byte("user"),
	}
}

func getRequest() *Message {
	return &Message{Version: V3, PDU: PDU{Verb: mib.VerbGet, RequestID: 77, Vars: []mib.Variable{
		{Name: mib.MustOID(someName), Value: mib.Value{Type: mib.TypeNull}}}}}
}

func mustSeal(tb testing.TB, e *Envelope, s *Scope, m *Message, keys *usm.Keys) []byte {
	tb.Helper()
	b, err := e.Append(nil, s, m, keys)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestEnvelopeRoundTrip(t *testing.T) {
	for priv := usm.NoPriv; priv <= usm.AES256C; priv++ {
		for auth := usm.NoAuth; auth <= usm.SHA512; auth++ {
			if auth == usm.NoAuth && priv != usm.NoPriv {
				continue
			}
			t.Run(auth.String()+"/"+priv.String(), func(t *testing.T) {
				u := v3User("user", auth, priv)
				keys := mustLocalize(t, u, someEngine())
				sent, scope := envelope(u.Level), &Scope{EngineID: someEngine(), Name: []byte("context")}
				before := []byte("before")
				b, err := sent.Append(before, scope, getRequest(), keys)
				if err != nil {
					t.Fatal(err)
				}
				if len(b)-len(before) > sent.Overhead(scope)+20 {
					t.Errorf("%d octets are more than the overhead of %d and one variable", len(b), sent.Overhead(scope))
				}
				b = b[len(before):]
				var got Envelope
				if err := got.Decode(b); err != nil {
					t.Fatal(err)
				}
				if v, ok := PeekVersion(b); !ok || v != V3 {
					t.Errorf("version %v, %v", v, ok)
				}
				if got.ID != sent.ID || got.MaxSize != sent.MaxSize || got.Flags != sent.Flags || got.Boots != sent.Boots ||
					got.Time != sent.Time || !bytes.Equal(got.EngineID, sent.EngineID) || !bytes.Equal(got.User, sent.User) {
					t.Errorf("got %+v, not %+v", got, *sent)
				}
				padding := 0
				if auth != usm.NoAuth && !keys.Verify(b, got.mac, got.macLen) {
					t.Error("the MAC is wrong")
				}
				if priv != usm.NoPriv {
					if bytes.Contains(b, []byte("context")) {
						t.Error("the scoped PDU goes out in clear")
					}
					padding = keys.Padding()
					if err := keys.Decrypt(got.data, got.Boots, got.Time, got.salt); err != nil {
						t.Fatal(err)
					}
				}
				var m Message
				var s Scope
				if err := m.decodeScoped(got.data, &s, padding); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(m.PDU, getRequest().PDU) || !reflect.DeepEqual(s, *scope) {
					t.Errorf("got %+v in %+v", m.PDU, s)
				}
			})
		}
	}
}

func TestEnvelopeDoesNotAllocate(t *testing.T) {
	u := v3User("user", usm.SHA256, usm.AES128)
	keys, e, scope, m := mustLocalize(t, u, someEngine()), envelope(u.Level), &Scope{EngineID: someEngine()}, getRequest()
	var b []byte
	var got Envelope
	var s Scope
	var decoded Message
	if n := testing.AllocsPerRun(100, func() {
		var err error
		if b, err = e.Append(b[:0], scope, m, keys); err != nil {
			t.Fatal(err)
		}
		if err := got.Decode(b); err != nil || !keys.Verify(b, got.mac, got.macLen) {
			t.Fatal(err)
		}
		if err := keys.Decrypt(got.data, got.Boots, got.Time, got.salt); err != nil {
			t.Fatal(err)
		}
		if err := decoded.decodeScoped(got.data, &s, 0); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestEnvelopeAppendRefuses(t *testing.T) {
	u := v3User("user", usm.SHA256, usm.NoPriv)
	keys := mustLocalize(t, u, someEngine())
	for _, tt := range []struct {
		name   string
		change func(e *Envelope, s *Scope, m *Message)
		err    string
	}{
		{"TrapV1", func(_ *Envelope, _ *Scope, m *Message) { m.Verb = mib.VerbTrapV1 }, "no PDU 0xa4 in v3"},
		{"ID", func(e *Envelope, _ *Scope, _ *Message) { e.ID = -1 }, "out of range"},
		{"MaxSize", func(e *Envelope, _ *Scope, _ *Message) { e.MaxSize = 483 }, "out of range"},
		{"EngineID", func(e *Envelope, _ *Scope, _ *Message) { e.EngineID = make([]byte, 33) }, "too long"},
		{"User", func(e *Envelope, _ *Scope, _ *Message) { e.User = make([]byte, 33) }, "too long"},
		{"Flags", func(e *Envelope, _ *Scope, _ *Message) { e.Flags = FlagPriv }, "privacy without authentication"},
		{"Keys", func(e *Envelope, _ *Scope, _ *Message) { e.Flags = FlagAuth | FlagPriv }, "no keys for authPriv"},
		{"Variable", func(_ *Envelope, _ *Scope, m *Message) { m.Vars[0].Value = mib.Value{Type: 0x99} }, "no type of SNMP"},
		{"Size", func(_ *Envelope, _ *Scope, m *Message) { m.Vars[0].Value = mib.Octets(make([]byte, MaxMessage-50)) }, "too big"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, s, m := envelope(usm.AuthNoPriv), &Scope{}, getRequest()
			tt.change(e, s, m)
			b, err := e.Append([]byte("kept"), s, m, keys)
			if err == nil || !strings.Contains(err.Error(), tt.err) || string(b) != "kept" {
				t.Errorf("%q, error %v", b, err)
			}
		})
	}
}

// Every message cut off anywhere, and every one with a length that lies, is
// refused or means something else; none is read beyond its end.
func TestEnvelopeDecodeRefuses(t *testing.T) {
	good := mustSeal(t, envelope(usm.NoAuthNoPriv), &Scope{EngineID: someEngine()}, getRequest(), nil)
	t.Run("Truncated", func(t *testing.T) {
		for n := range good {
			var e Envelope
			if err := e.Decode(good[:n:n]); err == nil {
				t.Errorf("%d octets of %d are taken", n, len(good))
			}
		}
	})
	t.Run("Behind", func(t *testing.T) {
		var e Envelope
		if err := e.Decode(append(bytes.Clone(good), 0)); err == nil {
			t.Error("an octet too many is taken")
		}
	})
	for _, tt := range []struct {
		name, octets string
		err          string
		is           error
	}{
		// version, header {id, max, flags, model}, parameters {engine, boots, time, user, mac, salt}, data
		{"Version", "30 03 020101", "", ErrVersion},
		{"NegativeID", "30 11 020103 300c 0201ff 020201e4 040104 020103", "the message's id is -1", nil},
		{"SmallMaxSize", "30 11 020103 300c 020101 020201e3 040104 020103", "the largest message is 483", nil},
		{"NoFlags", "30 10 020103 300b 020101 020201e4 0400 020103", "flags of 0 octets", nil},
		{"ModelZero", "30 12 020103 300d 020101 020201e4 040104 020100", "the security model is 0", nil},
		{"ModelOther", "30 12 020103 300d 020101 020201e4 040104 020102", "", ErrSecurityModel},
		{"PrivWithoutAuth", "30 12 020103 300d 020101 020201e4 040106 020103", "", ErrFlags},
		{"EngineTooLong", "30 42 020103 300d 020101 020201e4 040104 020103 042c 302a 0421 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20 020100 0400 0400", "the engine's id has 33 octets", nil},
		{"NegativeBoots", "30 24 020103 300d 020101 020201e4 040104 020103 0410 300e 0400 0201ff 020100 0400 0400 0400", "the engine's boots is -1", nil},
		{"NegativeTime", "30 24 020103 300d 020101 020201e4 040104 020103 0410 300e 0400 020100 0201ff 0400 0400 0400", "the engine's time is -1", nil},
		{"NoData", "30 24 020103 300d 020101 020201e4 040104 020103 0410 300e 0400 020100 020100 0400 0400 0400", "an element needs 2 octets", nil},
		{"DataOctets", "30 26 020103 300d 020101 020201e4 040104 020103 0410 300e 0400 020100 020100 0400 0400 0400 0400", "the scoped PDU has tag 0x04", nil},
		{"DataInClear", "30 26 020103 300d 020101 020201e4 040107 020103 0410 300e 0400 020100 020100 0400 0400 0400 3000", "the encrypted PDU has tag 0x30", nil},
		{"ParametersBehind", "30 28 020103 300d 020101 020201e4 040104 020103 0412 300e 0400 020100 020100 0400 0400 0400 0500 3000", "2 octets too many in the security parameters", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := mustHex(t, tt.octets)
			b[1] = byte(len(b) - 2)
			if err := new(Envelope).Decode(b); err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, not %q", err, tt.err)
			}
		})
	}
}

// Whatever comes, Decode takes it apart within its bounds, and what it takes
// can be encoded and means the same again.
func FuzzDecodeV3(f *testing.F) {
	for level := usm.NoAuthNoPriv; level <= usm.AuthPriv; level++ {
		keys := mustLocalize(f, v3User("user", usm.SHA256, usm.AES128), someEngine())
		for _, m := range []*Message{getRequest(), sample()} {
			b, err := envelope(level).Append(nil, &Scope{EngineID: someEngine()}, m, keys)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	discovery := &Envelope{MaxSize: MaxMessage, Flags: FlagReportable}
	f.Add(mustSeal(f, discovery, &Scope{}, &Message{PDU: PDU{Verb: mib.VerbGet}}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Envelope
		if e.Decode(b) != nil {
			return
		}
		for name, part := range map[string][]byte{"engine id": e.EngineID, "user": e.User, "salt": e.salt, "data": e.data} {
			if cap(part) > 0 && !inside(b, part) {
				t.Errorf("the %s lies outside the message", name)
			}
		}
		if e.mac < 0 || e.macLen < 0 || e.mac+e.macLen > len(b) {
			t.Errorf("the MAC is at %d, %d octets", e.mac, e.macLen)
		}
		var m Message
		var s Scope
		if m.decodeScoped(e.data, &s, 8) != nil {
			return
		}
		e.Flags &^= FlagAuth | FlagPriv
		once := mustSeal(t, &e, &s, &m, nil)
		var e2 Envelope
		if err := e2.Decode(once); err != nil {
			t.Fatalf("%x\n%v", once, err)
		}
		var m2 Message
		var s2 Scope
		if err := m2.decodeScoped(e2.data, &s2, 0); err != nil {
			t.Fatalf("%x\n%v", once, err)
		}
		if twice := mustSeal(t, &e2, &s2, &m2, nil); !bytes.Equal(once, twice) {
			t.Errorf("%x\n%x", once, twice)
		}
	})
}

// inside reports whether part is a slice of b that cannot grow beyond it.
func inside(b, part []byte) bool {
	part = part[:cap(part)]
	for i := range b {
		if &b[i] == &part[0] {
			return i+len(part) <= len(b)
		}
	}
	return false
}
