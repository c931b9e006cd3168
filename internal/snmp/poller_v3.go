package snmp

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"simone/internal/snmp/usm"
	"simone/mib"
)

// maxReports is how many Reports one attempt may meet and still be sent again:
// one each that tells the engine's id, that it has changed, and its clock.
const maxReports = 3

// pollerV3 is a poller's part for SNMPv3; the poller's mu guards all but
// incoming and scope, which are of Run's goroutine.
type pollerV3 struct {
	own   *Engine // nil: none
	self  *remote // what own is to itself, once a trap was sent
	out   Envelope
	about Scope
	probe Message

	incoming Envelope
	scope    Scope
}

// remote is an authoritative engine elsewhere (RFC 3414, section 2.3).
type remote struct {
	id    []byte
	boots int32
	clock int32     // the highest of the engine's times seen
	at    time.Time // when that was
	// synced says that an authentic message told boots and clock; before,
	// they are hints that make no answer stale.
	synced bool
	keys   map[*usm.Master]*usm.Keys
}

// requestV3 is a request's part for SNMPv3.
type requestV3 struct {
	user    []byte
	level   usm.Level
	master  *usm.Master
	engine  *remote // that the request is for; nil while it is looked for
	reports int     // that the present attempt has met
	fault   Fault   // that was reported last
}

// ReportError says that an agent refused a v3 request with a Report. It comes
// together with mib.ErrTimeout: Reports of most kinds prove nothing, so the
// poller goes on waiting for an answer.
type ReportError struct{ Fault Fault }

func (e *ReportError) Error() string { return "the agent reports: " + e.Fault.Error() }

// admitV3 gives the request its user, and its engine if that is known.
func (p *Poller) admitV3(r *request, c keyed) error {
	r.v3 = requestV3{user: c.user, level: c.User.Level, master: c.master}
	if r.Verb == mib.VerbTrap {
		// The sender of a trap is the authoritative engine.
		if p.v3.own == nil {
			return fmt.Errorf("trap to %v: a v3 trap takes an engine of one's own; send an inform", r.Address)
		}
		if p.v3.self == nil {
			p.v3.self = &remote{id: p.v3.own.ID(), at: time.Now()}
			p.v3.self.boots, p.v3.self.clock = p.v3.own.Now()
		}
		r.v3.engine = p.v3.self
		return nil
	}
	a := r.query.agent
	if a == nil {
		a = p.agent(r.Address, p.now())
	}
	r.v3.engine = a.engine
	return nil
}

// forgetKeys drops all localised keys, as the passphrases may be others.
func (p *Poller) forgetKeys() {
	if p.v3.self != nil {
		p.v3.self.keys = nil
	}
	for _, a := range p.agents {
		if a.engine != nil {
			a.engine.keys = nil
		}
	}
}

// localised gives the user's keys at the engine.
func (e *remote) localised(m *usm.Master) (*usm.Keys, error) {
	if k := e.keys[m]; k != nil {
		return k, nil
	}
	k, err := m.Localize(e.id)
	if err != nil {
		return nil, err
	}
	if e.keys == nil {
		e.keys = make(map[*usm.Master]*usm.Keys, 1)
	}
	e.keys[m] = k
	return k, nil
}

// now is what the engine's clock should show.
func (e *remote) now(now time.Time) int32 {
	return int32(min(int64(e.clock)+int64(now.Sub(e.at)/time.Second), math.MaxInt32))
}

// appendV3 encodes the request in m, or a question for the engine's id in its
// place.
func (p *Poller) appendV3(b []byte, r *request, m *Message, now time.Time) ([]byte, error) {
	e, s := &p.v3.out, &p.v3.about
	*e = Envelope{ID: m.RequestID, MaxSize: MaxMessage, Flags: FlagReportable}
	*s = Scope{}
	if a := p.agents[r.Address]; r.v3.engine == nil && a != nil {
		r.v3.engine = a.engine // another request may have found it
	}
	if r.v3.engine == nil {
		// RFC 3414, section 4.
		p.stats.Discoveries++
		p.v3.probe.PDU = PDU{Verb: mib.VerbGet, RequestID: m.RequestID}
		return e.Append(b, s, &p.v3.probe, nil)
	}
	engine := r.v3.engine
	keys, err := engine.localised(r.v3.master)
	if err != nil {
		return b, err
	}
	e.Flags = flagsOf(r.v3.level)
	if r.Verb != mib.VerbTrap {
		e.Flags |= FlagReportable
	}
	e.EngineID, s.EngineID = engine.id, engine.id
	e.User = r.v3.user
	if r.v3.level >= usm.AuthNoPriv {
		e.Boots, e.Time = engine.boots, engine.now(now)
	}
	return e.Append(b, s, m, keys)
}

// answerV3 matches a message of v3 with the request that it answers.
func (p *Poller) answerV3(b []byte, d Datagram) {
	e := &p.v3.incoming
	if e.Decode(b) != nil {
		p.count(&p.stats.Malformed)
		return
	}
	p.mu.Lock()
	r := p.match(e.ID, d.Source)
	if r != nil && r.version != V3 {
		p.stats.Malformed++
		r = nil
	}
	if r == nil {
		p.mu.Unlock()
		return
	}
	now := p.now()
	if !p.open(r, b, now) {
		p.mu.Unlock()
		return
	}
	m := &p.message
	if m.Verb == mib.VerbReport {
		p.reported(r, now)
		p.mu.Unlock()
		return
	}
	a := r.query.agent
	if a == nil {
		a = p.agents[r.Address]
	}
	if a != nil {
		a.engine, a.used = r.v3.engine, now
	}
	ended := p.conclude(r, m, d.Received)
	p.mu.Unlock()
	p.tell(&ended)
}

// open checks the message in p.v3.incoming and takes its PDU apart into
// p.message (RFC 3414, section 3.2; RFC 3412, section 7.2). It reports whether
// the PDU is a response to what r asked, as safe as that was, or a Report.
func (p *Poller) open(r *request, b []byte, now time.Time) bool {
	e, m, engine := &p.v3.incoming, &p.message, r.v3.engine
	level := e.Flags.Level()
	padding := 0
	own := engine != nil && bytes.Equal(e.EngineID, engine.id)
	if level >= usm.AuthNoPriv {
		if !own || !bytes.Equal(e.User, r.v3.user) || level > r.v3.level {
			p.stats.Unauthentic++
			return false
		}
		keys, err := engine.localised(r.v3.master)
		if err != nil || !keys.Verify(b, e.mac, e.macLen) {
			p.stats.Unauthentic++
			return false
		}
		if level == usm.AuthPriv {
			if keys.Decrypt(e.data, e.Boots, e.Time, e.salt) != nil {
				p.stats.Malformed++
				return false
			}
			padding = keys.Padding()
		}
	}
	m.like = r.query.layout()
	if m.decodeScoped(e.data, &p.v3.scope, padding) != nil || m.Verb != mib.VerbReport && m.Verb != mib.VerbResponse {
		p.stats.Malformed++
		return false
	}
	if m.Verb == mib.VerbReport {
		// The one Report that may come from another time says what time it is.
		if level < usm.AuthNoPriv || faultOf(m) == NotInTimeWindow && e.ID == r.last() {
			return true
		}
		return p.timely(engine, now)
	}
	switch {
	case !own || level != r.v3.level || !bytes.Equal(e.User, r.v3.user):
		p.stats.Unauthentic++
		return false
	case m.RequestID != e.ID || len(p.v3.scope.Name) != 0 || !bytes.Equal(p.v3.scope.EngineID, engine.id):
		p.stats.Malformed++
		return false
	}
	return level < usm.AuthNoPriv || p.timely(engine, now)
}

// timely holds the authentic message in p.v3.incoming against the engine's
// clock, and the clock against the message (RFC 3414, section 3.2, step 7 b).
func (p *Poller) timely(engine *remote, now time.Time) bool {
	e := &p.v3.incoming
	if !engine.synced || e.Boots > engine.boots || e.Boots == engine.boots && e.Time > engine.clock {
		engine.set(e, now)
	}
	if engine.boots == latched || e.Boots < engine.boots || int64(e.Time) < int64(engine.now(now))-window {
		p.stats.Stale++
		return false
	}
	return true
}

// set takes boots and time of an authentic message for the engine's.
func (e *remote) set(m *Envelope, now time.Time) {
	e.boots, e.clock, e.at, e.synced = m.Boots, m.Time, now, true
}

// reported deals with a Report to the request, the message in p.v3.incoming:
// the request is sent again if that helps. mu is held.
func (p *Poller) reported(r *request, now time.Time) {
	e, engine := &p.v3.incoming, r.v3.engine
	p.stats.Reports++
	fault := faultOf(&p.message)
	authentic := e.Flags&FlagAuth != 0
	again := false
	switch {
	case e.ID != r.last():
		// To an earlier message: what it says has been dealt with.
	case fault == UnknownEngineID:
		if len(e.EngineID) < MinEngineID || engine != nil && bytes.Equal(e.EngineID, engine.id) {
			break
		}
		// Nothing proves this yet. What an authentic message has told of the
		// other engine stays until one of this engine's comes.
		r.v3.engine = &remote{id: bytes.Clone(e.EngineID), boots: e.Boots, clock: e.Time, at: now}
		if a := p.agents[r.Address]; a != nil && (a.engine == nil || !a.engine.synced) {
			a.engine = r.v3.engine
		}
		again = true
	case fault == NotInTimeWindow && authentic && engine != nil:
		// The only way for an engine's boots to become less: authentic, and
		// an answer to what is outstanding.
		engine.set(e, now)
		p.stats.Resyncs++
		again = true
	}
	if fault != 0 && !again {
		r.v3.fault = fault
	}
	if !again || r.v3.reports == maxReports {
		return
	}
	r.v3.reports++
	p.transmit(r, now)
}
