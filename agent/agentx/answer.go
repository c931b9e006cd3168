package agentx

import (
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"simone/mib"
)

// maxBulk is how many octets of variables the answer to a GetBulk is filled
// with. More would not fit an SNMP message anyway.
const maxBulk = 64 << 10

// maxKept is how many variables the buffers for answering keep room for.
const maxKept = 4096

// answerer is the state of the goroutine that calls the handlers.
type answerer struct {
	in       PDU
	out      PDU
	buf      []byte
	at       int // the index, from 1, of the range that is worked on; 0 is none
	observed []mib.Variable
	cursors  []mib.OID
	set      *set   // tested and not ended; nil if none
	kept     uint32 // the transaction that was committed and abandoned last
	hasKept  bool   // there was one
	timer    *time.Timer
	recent   [recentAnswers]settled
	next     int // where in recent the next one goes
}

// answerAll answers requests, one after another, until the session is dead.
// Then what is left of a SET ends.
func (s *session) answerAll() {
	s.timer = time.NewTimer(s.agent.cfg.SetTimeout)
	s.timer.Stop()
	defer s.abandon("the connection to the snmpd is gone")
	for {
		select {
		case <-s.dead:
			return
		case <-s.timer.C:
			s.abandon("the snmpd does not go on with it")
		case f := <-s.requests:
			// Who waits for this may be gone: above all, nothing may be
			// committed then that is reported as failed.
			select {
			case <-s.dead:
				return
			default:
			}
			if !s.repeat(f) {
				s.handle(f)
			}
			s.release(f)
		}
	}
}

// handle answers one request.
func (s *session) handle(f *frame) {
	err := s.in.Decode(f.b)
	s.out = PDU{
		Type: TypeResponse, Flags: f.Flags & FlagNetworkOrder,
		Session: f.Session, Transaction: f.Transaction, Packet: f.Packet,
		Vars: s.out.Vars[:0],
	}
	switch {
	case f.Session != s.id.Load():
		s.agent.counts.badSessions.Add(1)
		s.refuse(CodeNotOpen, 0)
	case err != nil:
		s.agent.counts.parseErrs.Add(1)
		s.refuse(CodeParseError, 0)
	case !slices.Contains(s.agent.cfg.Contexts, string(s.in.Context)) && s.in.Type.hasContext():
		s.agent.counts.badContexts.Add(1)
		s.refuse(CodeUnsupportedContext, 0)
	case !s.guard(s.answer):
		s.refuse(Code(mib.GenErr), s.at)
	}
	if time.Since(f.at) > slowAnswer {
		s.agent.counts.slow.Add(1)
	}
	if f.Type != TypeCleanupSet { // which gets no answer (RFC 2741, section 7.2.4.4)
		s.respond(f)
	} else {
		s.settle(f.request())
	}
	clear(s.out.Vars) // let go of what the answer pointed to
	if cap(s.out.Vars) > maxKept || cap(s.in.Vars) > maxKept || cap(s.in.Ranges) > maxKept || cap(s.buf) > readStep {
		s.in, s.out, s.buf = PDU{}, PDU{}, nil
	}
}

// respond sends the answer in s.out, and keeps it where a repetition of the
// request must not be carried out again.
func (s *session) respond(f *frame) {
	var err error
	if s.buf, err = s.out.Append(s.buf[:0]); err != nil {
		s.agent.log.Error("a handler gave what SNMP cannot carry", "error", err)
		s.refuse(Code(mib.GenErr), 0)
		s.buf, _ = s.out.Append(s.buf[:0]) // has neither variables nor anything else that could be wrong
	}
	s.keep(f)
	s.settle(f.request())
	s.agent.counts.outResponses.Add(1)
	if s.out.Error != 0 {
		s.agent.counts.outErrors.Add(1)
	}
	_ = s.write(s.buf) // an error has ended the session
}

// refuse makes the answer an error; index counts from 1, and 0 is none.
func (s *session) refuse(code Code, index int) {
	clear(s.out.Vars)
	s.out.Vars = s.out.Vars[:0]
	s.out.Error, s.out.Index = code, uint16(index)
}

// guard calls f and reports whether it returned. A handler that panics costs
// one request, not the agent.
func (s *session) guard(f func()) (returned bool) {
	defer func() {
		if returned {
			return
		}
		s.agent.counts.panics.Add(1)
		s.agent.log.Error("handler panicked", "pdu", s.in.Type, "panic", recover(), "stack", string(debug.Stack()))
	}()
	f()
	return true
}

// answer does what the request in s.in says and makes s.out the answer.
func (s *session) answer() {
	counts := &s.agent.counts
	s.at = 0
	switch s.in.Type {
	case TypeGet:
		counts.inGets.Add(1)
		counts.inReadVars.Add(uint64(len(s.in.Ranges)))
		s.observe(mib.VerbGet)
		s.get()
	case TypeGetNext:
		counts.inGetNexts.Add(1)
		counts.inReadVars.Add(uint64(len(s.in.Ranges)))
		s.observe(mib.VerbGetNext)
		s.getNext()
	case TypeGetBulk:
		counts.inGetBulks.Add(1)
		s.observe(mib.VerbGetBulk)
		s.getBulk()
		counts.inReadVars.Add(uint64(len(s.out.Vars)))
	case TypeTestSet:
		counts.inTestSets.Add(1)
		s.testSet()
	case TypeCommitSet:
		counts.inCommitSets.Add(1)
		s.commitSet()
	case TypeUndoSet:
		counts.inUndoSets.Add(1)
		s.undoSet()
	case TypeCleanupSet:
		counts.inCleanupSets.Add(1)
		s.cleanupSet()
	case TypePing: // no master asks this, but the answer is plain
	default:
		counts.unexpected.Add(1)
		s.refuse(CodeRequestDenied, 0)
	}
}

// observe tells who wants to know of a request that reads.
func (s *session) observe(verb mib.Verb) {
	if s.agent.cfg.Observe == nil {
		return
	}
	s.observed = s.observed[:0]
	for _, r := range s.in.Ranges {
		s.observed = append(s.observed, mib.Variable{Name: r.Start, Value: mib.Value{Type: mib.TypeNull}})
	}
	s.guard(func() { s.agent.cfg.Observe(verb, s.observed) })
}

// add puts a variable into the answer to range i; if it cannot, it makes the
// refusal.
func (s *session) add(v mib.Variable, i int) bool {
	if err := check(v); err != nil {
		s.agent.log.Error("a handler gave what SNMP cannot carry", "error", fmt.Errorf("%v: %w", v.Name, err))
		s.refuse(Code(mib.GenErr), i+1)
		return false
	}
	s.out.Vars = append(s.out.Vars, v)
	return true
}

// get is RFC 2741, section 7.2.3.1.
func (s *session) get() {
	for i, r := range s.in.Ranges {
		s.at = i + 1
		if !s.add(mib.Variable{Name: r.Start, Value: s.agent.tree.Get(r.Start)}, i) {
			return
		}
	}
}

// getNext is RFC 2741, section 7.2.3.2.
func (s *session) getNext() {
	for i, r := range s.in.Ranges {
		s.at = i + 1
		v, _ := s.following(r)
		if !s.add(v, i) {
			return
		}
	}
}

// following gives the first variable in the range, or its start with
// endOfMibView.
func (s *session) following(r Range) (mib.Variable, bool) {
	if r.Include {
		if v := s.agent.tree.Get(r.Start); !v.IsException() {
			return mib.Variable{Name: r.Start, Value: v}, true
		}
	}
	for from := r.Start; ; {
		v, ok := s.agent.tree.Next(from)
		if !ok || len(r.End) > 0 && v.Name.Compare(r.End) >= 0 {
			return mib.Variable{Name: r.Start, Value: mib.Value{Type: mib.TypeEndOfMIBView}}, false
		}
		if !v.Value.IsException() {
			return v, true
		}
		from = v.Name
	}
}

// getBulk is RFC 2741, section 7.2.3.3. It stops after a row that has nothing
// but endOfMibView, and where the answer would be too long.
func (s *session) getBulk() {
	ranges := s.in.Ranges
	nonRepeaters := min(int(s.in.NonRepeaters), len(ranges))
	room := maxBulk
	add := func(v mib.Variable, i int) bool {
		room -= 8 + 4*len(v.Name) + 8 + 4*len(v.Value.OID) + len(v.Value.Bytes) // at most
		return (room >= 0 || len(s.out.Vars) == 0) && s.add(v, i)
	}
	for i, r := range ranges[:nonRepeaters] {
		s.at = i + 1
		if v, _ := s.following(r); !add(v, i) {
			return
		}
	}
	columns := ranges[nonRepeaters:]
	s.cursors = s.cursors[:0]
	for _, r := range columns {
		s.cursors = append(s.cursors, r.Start)
	}
	for row, live := 0, len(columns) > 0; live && row < int(s.in.MaxRepetitions); row++ {
		live = false
		for j, r := range columns {
			s.at = nonRepeaters + j + 1
			v, ok := s.following(Range{Start: s.cursors[j], Include: r.Include && row == 0, End: r.End})
			live = live || ok
			if !add(v, nonRepeaters+j) {
				return
			}
			s.cursors[j] = v.Name
		}
	}
}
