package snmp

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"simone/internal/snmp/usm"
	"simone/mib"
)

// queryV3 is a query with SNMPv3.
func queryV3(tb testing.TB, credential string, timeout time.Duration, retries int) *Query {
	req := askV3(netip.AddrPort{}, credential)
	req.Timeout, req.Retries = timeout, retries
	return mustQuery(tb, req)
}

// report is a Report in clear of an engine that calls itself so.
func report(tb testing.TB, id int32, engine string, f Fault) []byte {
	e := Envelope{ID: id, MaxSize: MaxMessage, EngineID: []byte(engine), Boots: 1 << 30, Time: 1 << 30}
	m := &Message{PDU: PDU{Verb: mib.VerbReport, RequestID: id, Vars: []mib.Variable{{Name: f.OID().Append(0), Value: mib.Counter32(1)}}}}
	b, err := e.Append(nil, &Scope{EngineID: e.EngineID}, m, nil)
	if err != nil {
		tb.Error(err)
	}
	return b
}

// Hostile agents that speak SNMPv3, with the keys or without, cost nobody but
// themselves, also those that a query finds out about as it is put: others'
// queries are answered, none of what they say is taken, what they are sent is
// bounded, and so is what is remembered of them.
func TestHostileAgentsOfV3CostOnlyThemselves(t *testing.T) {
	// sealed is an answer that is theirs, but for what change does to it.
	sealed := func(x *Exchange, m *Message, change func(e *Envelope, s *Scope, r *Message)) []byte {
		e, s, r := x.answer, Scope{EngineID: x.answer.EngineID}, answer(m, 666)
		change(&e, &s, r)
		b, err := e.Append(nil, &s, r, x.keys)
		if err != nil {
			t.Error(err)
		}
		return b
	}
	// raw is a datagram sealed with their keys that holds what they like in
	// place of a PDU.
	raw := func(x *Exchange, contents []byte) []byte {
		e := x.answer
		return sealRaw(t, &e, contents, x.keys)
	}
	attacks := map[string]func(n int, x *Exchange, m *Message, reply []byte) [][]byte{
		"WrongIDs": func(_ int, x *Exchange, m *Message, reply []byte) (all [][]byte) {
			if x.keys == nil {
				return [][]byte{reply} // let it find the engine
			}
			for i := range int32(50) {
				all = append(all, sealed(x, m, func(e *Envelope, _ *Scope, r *Message) { e.ID += i + 1; r.RequestID += i + 1 }))
			}
			return all
		},
		"WrongIDsWithin": func(_ int, x *Exchange, m *Message, reply []byte) (all [][]byte) {
			if x.keys == nil {
				return [][]byte{reply}
			}
			for i := range int32(50) {
				all = append(all, sealed(x, m, func(_ *Envelope, _ *Scope, r *Message) { r.RequestID += i + 1 }))
			}
			return all
		},
		"Oversized": func(_ int, x *Exchange, m *Message, reply []byte) [][]byte {
			if x.keys == nil {
				return [][]byte{[]byte(strings.Repeat("0", MaxMessage)), reply}
			}
			return [][]byte{
				[]byte(strings.Repeat("0", MaxMessage)),
				sealed(x, m, func(_ *Envelope, _ *Scope, r *Message) {
					r.RequestID++
					r.Vars[0].Value = mib.Text(strings.Repeat("x", 60_000))
				}),
			}
		},
		"NestedLengths": func(_ int, x *Exchange, m *Message, reply []byte) [][]byte {
			nested := []byte(strings.Repeat("\x30\x84\x00\x00\xff\xff", 10_000))
			if x.keys == nil {
				return [][]byte{nested, reply}
			}
			return [][]byte{nested, []byte(strings.Repeat("\x30\x80", 20_000)), raw(x, nested)}
		},
		"ReportsOfOtherEngines": func(n int, x *Exchange, m *Message, _ []byte) (all [][]byte) {
			for i := range 50 {
				all = append(all, report(t, x.Envelope.ID, fmt.Sprintf("engine %d of %d", i, n), UnknownEngineID))
			}
			return all
		},
		"ReportsOfAllKinds": func(n int, x *Exchange, _ *Message, reply []byte) (all [][]byte) {
			for f := Fault(1); f < faultCount; f++ {
				if f != UnknownEngineID || n > 1 {
					all = append(all, report(t, x.Envelope.ID, string(someEngine()), f))
				}
			}
			if n == 1 {
				all = append(all, reply)
			}
			return all
		},
		"ReportsOfTheTime": func(_ int, x *Exchange, m *Message, reply []byte) (all [][]byte) {
			if x.keys == nil {
				return [][]byte{reply}
			}
			for i := range int32(50) {
				all = append(all, sealed(x, m, func(e *Envelope, _ *Scope, r *Message) {
					e.Flags, e.Boots, e.Time = FlagAuth, 100+i, i
					r.Verb, r.Vars = mib.VerbReport, []mib.Variable{{Name: NotInTimeWindow.OID().Append(0), Value: mib.Counter32(1)}}
				}))
			}
			return all
		},
		"BootsAtTheirEnd": func(_ int, x *Exchange, m *Message, reply []byte) [][]byte {
			if x.keys == nil {
				return [][]byte{reply}
			}
			return [][]byte{sealed(x, m, func(e *Envelope, _ *Scope, _ *Message) { e.Boots = latched })}
		},
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			honest, bad := newV3Agent(t), newV3Agent(t)
			bad.onReply(func(n int, _ []byte, x *Exchange, m *Message, reply []byte) [][]byte {
				return attack(n, x, m, bytes.Clone(reply))
			})
			p := startPollerV3(t, PollerConfig{})
			victim, r := newRecorder(), newRecorder()
			const retries = 1
			p.Ask(bad.Addr(), queryV3(t, "priv", 100*time.Millisecond, retries), victim)
			for range 20 {
				p.Ask(honest.Addr(), queryV3(t, "priv", patience, 0), r)
			}
			for _, got := range r.await(t, 20) {
				if got.err != nil || got.vars[0].Value.Uint == 666 {
					t.Errorf("%+v", got)
				}
			}
			if got := victim.await(t, 1)[0]; !errors.Is(got.err, mib.ErrTimeout) {
				t.Errorf("its own: %+v", got)
			}
			s := p.Stats()
			if most := uint64(20 + 1 + (1+retries)*(1+maxReports)); s.Sent > most {
				t.Errorf("%d datagrams, at most %d are allowed", s.Sent, most)
			}
			if s.Unmatched+s.WrongSource+s.Malformed+s.Late+s.Duplicate+s.Reports+s.Unauthentic+s.Stale == 0 || s.Outstanding != 0 || s.Engines > 2 {
				t.Errorf("%+v", s)
			}
			// It is asked as any other when it behaves.
			bad.restart([]byte("another engine"), 1)
			bad.onReply(nil)
			p.Ask(bad.Addr(), queryV3(t, "priv", patience, 0), victim)
			if got := victim.await(t, 1); got[len(got)-1].err != nil {
				t.Errorf("once it behaves: %v", got[len(got)-1].err)
			}
		})
	}
}

// Answers of an agent that come from another address are nobody's, and those to
// one agent's query are not taken from another that was asked as well.
func TestAnswersForOthersAreNotTaken(t *testing.T) {
	var victim netip.AddrPort
	questions := make(chan int32, 1)
	var from netip.AddrPort
	quiet := newFakeAgent(t, func(_ *fakeAgent, _ int, m *Message, d Datagram) {
		from = d.Source
		questions <- m.RequestID
	})
	victim = quiet.Addr()
	liar := newFakeAgent(t, func(a *fakeAgent, n int, m *Message, d Datagram) { a.send(answer(m, n), d.Source) })
	p := startCourteous(t, Courtesy{})
	r := newRecorder()
	p.Ask(victim, queryOf(t, 200*time.Millisecond, someName), r)
	id := <-questions
	for range 20 {
		m := getRequest()
		m.Version, m.Community, m.RequestID = V2c, []byte("public"), id
		liar.send(answer(m, 666), from)
	}
	p.Ask(liar.Addr(), queryOf(t, patience, someName), r)
	for _, got := range r.await(t, 2) {
		if got.to == victim && !errors.Is(got.err, mib.ErrTimeout) || got.to == liar.Addr() && got.err != nil {
			t.Errorf("%+v", got)
		}
	}
	if s := p.Stats(); s.WrongSource != 20 {
		t.Errorf("%+v", s)
	}
}

// Whatever comes from the agent that was asked with SNMPv3, in clear or sealed
// with the keys, and with the id that is awaited, a query ends at most once,
// what is sent for it is bounded, and nothing is left of it.
func FuzzAnswerV3(f *testing.F) {
	to := netip.MustParseAddrPort("127.0.0.1:9")
	list := appendVariable(nil, mib.Variable{Name: mib.MustOID(someName), Value: mib.Counter64(7)})
	pdu := append([]byte{2, 1, 0, 2, 1, 0}, appendOctets(nil, tagSequence, list)...)
	fault := appendVariable(nil, mib.Variable{Name: UnknownEngineID.OID().Append(0), Value: mib.Counter32(1)})
	told := append([]byte{2, 1, 0, 2, 1, 0}, appendOctets(nil, tagSequence, fault)...)
	f.Add(byte(3), byte(mib.VerbResponse), []byte(nil), pdu)
	f.Add(byte(0), byte(mib.VerbReport), []byte(nil), told)
	f.Add(byte(1), byte(mib.VerbReport), []byte("other engine"), told)
	f.Add(byte(3), byte(mib.VerbReport), []byte(nil), told)
	u := v3User("priv", usm.SHA256, usm.AES128)
	keyring, err := NewKeyring(Credential{Name: "priv", Version: V3, User: u})
	if err != nil {
		f.Fatal(err)
	}
	p, err := NewPoller(PollerConfig{LocalAddress: loopback()}, keyring)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = p.wire.Close() })
	keys := mustLocalize(f, u, someEngine())
	q := queryV3(f, "priv", time.Hour, 0)
	f.Fuzz(func(t *testing.T, flags, verb byte, engine, tail []byte) {
		if len(tail)+len(engine) > MaxMessage-300 || len(engine) > MaxEngineID {
			return
		}
		delete(p.agents, to)
		p.mu.Lock()
		p.agent(to, time.Now()).engine = &remote{id: someEngine(), boots: 8, at: time.Now(), synced: true}
		p.mu.Unlock()
		seen := new(fuzzed)
		before := p.Stats().Sent
		p.Ask(to, q, seen)
		r := p.wheel.any()
		if len(engine) == 0 {
			engine = someEngine()
		}
		for range 6 {
			if seen.answers > 0 {
				break
			}
			id := r.last()
			e := Envelope{ID: id, MaxSize: MaxMessage, Flags: Flags(flags & 7), EngineID: engine, User: []byte("priv"), Boots: 8}
			scoped := appendOctets(appendOctets(nil, tagOctetString, engine), tagOctetString, nil)
			scoped = appendOctets(scoped, verb, append(appendSigned(nil, tagInteger, int64(id)), tail...))
			datagram := sealRaw(t, &e, appendOctets(nil, tagSequence, scoped), keys)
			p.answer(datagram, Datagram{Source: to, Received: time.Now()}, false)
		}
		if n := p.Stats().Sent - before; n > 1+maxReports {
			t.Errorf("%d datagrams for one attempt", n)
		}
		for r := p.wheel.any(); r != nil; r = p.wheel.any() {
			p.endSoon(r, mib.ErrTimeout)
		}
		p.mu.Lock()
		p.endEnded()
		p.queries.age(p, time.Now().Add(time.Hour))
		p.mu.Unlock()
		if s := p.Stats(); seen.answers != 1 || s.Outstanding != 0 || s.Waiting != 0 || p.queries.counted != 0 {
			t.Errorf("answered %d times: %+v", seen.answers, s)
		}
	})
}

// sealRaw makes a message of whatever stands for its scoped PDU, encrypted and
// signed as e's flags say.
func sealRaw(tb testing.TB, e *Envelope, scoped []byte, keys *usm.Keys) []byte {
	header := appendSigned(nil, tagInteger, int64(e.ID))
	header = appendSigned(header, tagInteger, int64(e.MaxSize))
	header = append(header, tagOctetString, 1, byte(e.Flags))
	header = appendSigned(header, tagInteger, modelUSM)
	var mac, salt []byte
	if e.Flags&FlagAuth != 0 {
		mac = make([]byte, keys.MACSize())
	}
	if e.Flags&FlagPriv != 0 {
		used := keys.Salt(e.Boots)
		salt = used[:]
		scoped = append(bytes.Clone(scoped), make([]byte, keys.CipherSize(len(scoped))-len(scoped))...)
		keys.Encrypt(scoped, e.Boots, e.Time, used)
		scoped = appendOctets(nil, tagOctetString, scoped)
	}
	parameters := appendOctets(nil, tagOctetString, e.EngineID)
	parameters = appendSigned(parameters, tagInteger, int64(e.Boots))
	parameters = appendSigned(parameters, tagInteger, int64(e.Time))
	parameters = appendOctets(parameters, tagOctetString, e.User)
	parameters = appendOctets(parameters, tagOctetString, mac)
	parameters = appendOctets(parameters, tagOctetString, salt)
	body := appendSigned(nil, tagInteger, int64(V3))
	body = appendOctets(body, tagSequence, header)
	body = appendOctets(body, tagOctetString, appendOctets(nil, tagSequence, parameters))
	b := appendOctets(nil, tagSequence, append(body, scoped...))
	var made Envelope
	if err := made.Decode(b); err == nil && mac != nil {
		keys.Sign(b, made.mac)
	}
	return b
}
