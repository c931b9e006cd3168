package snmp

import (
	"net/netip"
	"testing"
	"time"

	"simone/mib"
)

// fuzzed counts what queries were answered with.
type fuzzed struct{ answers int }

func (f *fuzzed) Answered(_ netip.AddrPort, r *mib.Response) {
	f.answers++
	for _, v := range r.Vars { // all of it can be read
		_ = v.Name.String() + v.Value.String()
	}
}

// Whatever comes from the address that was asked, with the request-id that is
// awaited, a request ends at most once, and nothing is left of it.
func FuzzAnswer(f *testing.F) {
	req := get(netip.MustParseAddrPort("127.0.0.1:9"), someName, "1.3.6.1.2.1.1.5.0")
	good := answer(&Message{Version: V2c, PDU: PDU{Vars: req.Vars}}, 1)
	list := []byte(nil)
	for _, v := range good.Vars {
		list = appendVariable(list, v)
	}
	tail := append([]byte{2, 1, 0, 2, 1, 0}, appendOctets(nil, tagSequence, list)...)
	f.Add(byte(1), byte(mib.VerbResponse), tail)
	f.Add(byte(1), byte(mib.VerbReport), tail)
	f.Add(byte(1), byte(mib.VerbResponse), []byte{2, 1, 1, 2, 1, 0, 0x30, 0})
	f.Add(byte(0), byte(mib.VerbResponse), []byte{2, 1, 2, 2, 1, 7, 0x30, 2, 0x30, 0})
	f.Add(byte(3), byte(mib.VerbResponse), tail)
	p, err := NewPoller(PollerConfig{LocalAddress: loopback()}, mustKeys(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = p.wire.Close() })
	req.Timeout = time.Hour
	q := mustQuery(f, req)
	f.Fuzz(func(t *testing.T, version, verb byte, tail []byte) {
		if len(tail) > MaxMessage-100 {
			return
		}
		seen := new(fuzzed)
		done := 0
		p.Ask(req.Address, q, seen)
		queried := p.slots.at(p.queries.aging[len(p.queries.aging)-1]).request
		p.Start(req, func(mib.Response) { done++ })
		var plain *request
		for r := p.wheel.any(); r != nil; r = r.next {
			if r != queried {
				plain = r
			}
		}
		if plain == nil { // they are in different spokes
			for _, spoke := range p.wheel.spokes {
				if spoke != nil && spoke != queried {
					plain = spoke
				}
			}
		}
		for _, r := range []*request{queried, plain} {
			pdu := append(appendSigned(nil, tagInteger, int64(r.last())), tail...)
			body := appendSigned(nil, tagInteger, int64(version))
			body = appendOctets(body, tagOctetString, []byte("public"))
			body = appendOctets(body, verb, pdu)
			datagram := appendOctets(nil, tagSequence, body)
			for range 2 {
				p.answer(datagram, Datagram{Source: req.Address, Received: time.Now()}, false)
			}
		}
		if seen.answers > 1 || done > 1 {
			t.Errorf("answered %d and %d times", seen.answers, done)
		}
		for r := p.wheel.any(); r != nil; r = p.wheel.any() {
			p.endSoon(r, mib.ErrTimeout)
		}
		p.mu.Lock()
		p.endEnded()
		p.queries.age(p, time.Now().Add(time.Hour))
		p.mu.Unlock()
		p.agents[req.Address].rests = time.Time{}
		if s := p.Stats(); seen.answers != 1 || done != 1 || s.Outstanding != 0 || s.Waiting != 0 || p.queries.counted != 0 {
			t.Errorf("answered %d and %d times: %+v", seen.answers, done, s)
		}
	})
}
