package responder

import (
	"fmt"

	"simone/internal/snmp"
	"simone/internal/snmp/usm"
	"simone/mib"
)

// openEngine makes the agent an SNMPv3 engine if it has users.
func (r *Responder) openEngine() error {
	if len(r.cfg.Users) == 0 {
		return nil
	}
	users := make([]snmp.User, len(r.cfg.Users))
	r.users = make(map[string]*access, len(users))
	for i := range r.cfg.Users {
		u := &r.cfg.Users[i]
		users[i] = u.User
		r.users[u.Name] = &access{
			name: u.Name, view: u.View, write: u.Write, notify: u.Notify, sources: u.Sources, user: &u.User,
		}
	}
	var err error
	r.engine, err = snmp.NewEngine(snmp.EngineConfig{ID: r.cfg.EngineID, Boots: r.cfg.Boots, Users: users})
	return err
}

// handleV3 deals with one datagram of SNMPv3.
func (r *Responder) handleV3(b []byte, d snmp.Datagram) {
	// Where nobody may ask from, nothing is said, not even in a Report.
	welcome := false
	for _, u := range r.users {
		welcome = welcome || u.admits(d.Source.Addr())
	}
	if !welcome {
		r.counts.inBadSources.Add(1)
		return
	}
	x := &r.exchange
	r.keysMu.Lock()
	err := r.engine.Open(b, x, &r.request)
	r.keysMu.Unlock()
	switch err := err.(type) {
	case nil:
	case snmp.Fault:
		r.report(x, d, err)
		return
	default:
		r.counts.inASNParseErrs.Add(1)
		return
	}
	who := r.users[x.User.Name]
	if !who.admits(d.Source.Addr()) {
		r.counts.inBadSources.Add(1)
		return
	}
	r.most = min(r.cfg.MaxMessage, int(x.Envelope.MaxSize))
	r.overhead = x.Envelope.Overhead(&x.Scope)
	if x.Envelope.Flags.Level() < who.user.Level {
		r.counts.inBadLevels.Add(1)
		// RFC 3413, section 3.2: noAccessEntry. Notifications have no answer
		// that says so.
		switch r.request.Verb {
		case mib.VerbGet, mib.VerbGetNext, mib.VerbGetBulk, mib.VerbSet:
			r.refuse(mib.AuthorizationError, min(1, len(r.request.Vars)))
			r.send(d)
		}
		return
	}
	switch r.request.Verb {
	case mib.VerbSet, mib.VerbInform:
		if x.Envelope.Flags.Level() >= usm.AuthNoPriv && !r.replays.first(x.MAC(b)) {
			r.counts.inReplays.Add(1)
			return
		}
	}
	// Repetitions of an inform differ in salt and time, not in this.
	r.serve(x.Clear, d, who)
}

// replaysKept is for how many messages it is known that they came. More SETs
// and informs than that hardly come within the time window.
const replaysKept = 4096

// replays remembers messages that change something by how their MACs begin.
// The time window alone would let somebody else send one again for 150 s (RFC
// 3414, section 1.1 leaves that open). Senders that repeat a question because
// it was not answered ask it anew, with another id and MAC.
type replays struct {
	seen map[[12]byte]bool // 12 octets are the shortest MAC
	ring [][12]byte
	next int
}

// first reports whether the MAC was not there before, and keeps it.
func (p *replays) first(mac []byte) bool {
	key := [12]byte(mac)
	if p.seen[key] {
		return false
	}
	if p.seen == nil {
		p.seen = make(map[[12]byte]bool)
	}
	if len(p.ring) < replaysKept {
		p.ring = append(p.ring, key)
	} else {
		delete(p.seen, p.ring[p.next])
		p.ring[p.next] = key
		p.next = (p.next + 1) % replaysKept
	}
	p.seen[key] = true
	return true
}

// report tells the sender of a message that was refused, if it is owed that.
func (r *Responder) report(x *snmp.Exchange, d snmp.Datagram, f snmp.Fault) {
	var owed bool
	r.keysMu.Lock()
	r.out, owed = r.engine.Report(r.out[:0], x, f)
	r.keysMu.Unlock()
	if !owed {
		return
	}
	if err := r.socket.Answer(r.out, d); err != nil {
		r.counts.sendFailures.Add(1)
		return
	}
	r.counts.outPkts.Add(1)
	r.counts.outReports.Add(1)
}

// Engine is the agent as an SNMPv3 engine; nil if it has no users.
func (r *Responder) Engine() *snmp.Engine { return r.engine }

// registerEngine puts the groups of SNMP-FRAMEWORK-MIB (RFC 3411),
// SNMP-MPD-MIB (RFC 3412), SNMP-TARGET-MIB's contexts (RFC 3413) and
// SNMP-USER-BASED-SM-MIB's statistics (RFC 3414) into the tree.
func (r *Responder) registerEngine() error {
	if r.engine == nil {
		return nil
	}
	group := func(arc uint32) mib.OID { return mib.OID{1, 3, 6, 1, 6, 3, 10, 2, 1, arc} }
	id := mib.Octets(r.engine.ID())
	objects := []mib.Scalar{
		{OID: group(1), Read: func() mib.Value { return id }},
		{OID: group(2), Read: func() mib.Value { boots, _ := r.engine.Now(); return mib.Integer(boots) }},
		{OID: group(3), Read: func() mib.Value { _, clock := r.engine.Now(); return mib.Integer(clock) }},
		{OID: group(4), Read: func() mib.Value { return mib.Integer(int32(r.cfg.MaxMessage)) }},
	}
	for f := snmp.Fault(1); f.Known(); f++ {
		objects = append(objects, mib.Scalar{OID: f.OID(), Read: func() mib.Value {
			return mib.Counter32(uint32(r.engine.Refused(f)))
		}})
	}
	scalars, err := mib.NewScalars(objects...)
	if err == nil {
		err = scalars.Register(r.tree)
	}
	if err != nil {
		return fmt.Errorf("register the SNMPv3 groups: %w", err)
	}
	return nil
}
