package agentx

import (
	"simone/mib"
)

// set is a SET between its TestSet and its end (RFC 2741, section 7.2.4). The
// snmpd does one at a time, and the tree too.
type set struct {
	transaction uint32
	txn         mib.Txn
	committed   bool // told to commit, whatever came of it
	failed      bool // the commit
}

// recentAnswers is how many answers to the steps of a SET are kept for
// requests that come again. A SET has at most four steps, and one answer is
// outstanding.
const recentAnswers = 16

// settled is a request of a SET that has been carried out.
type settled struct {
	request request
	answer  []byte // nil for CleanupSet
}

// repeat reports whether the request has been carried out already, and then
// gives the same answer: net-snmp sends a PDU again when the answer is late.
func (s *session) repeat(f *frame) bool {
	switch f.Type {
	case TypeTestSet, TypeCommitSet, TypeUndoSet:
	default:
		return false // may be carried out any number of times
	}
	key := f.request()
	for i := range s.recent {
		if r := &s.recent[i]; r.answer != nil && r.request == key {
			s.agent.counts.duplicates.Add(1)
			s.settle(key)
			_ = s.write(r.answer) // an error has ended the session
			return true
		}
	}
	return false
}

// keep remembers the answer in s.buf to a step of a SET. One that was refused
// before anything was done is remembered too: the answer stays the same.
func (s *session) keep(f *frame) {
	switch f.Type {
	case TypeTestSet, TypeCommitSet, TypeUndoSet:
		r := &s.recent[s.next]
		s.next = (s.next + 1) % len(s.recent)
		r.request, r.answer = f.request(), append(r.answer[:0], s.buf...)
	}
}

// testSet is RFC 2741, section 7.2.4.1.
func (s *session) testSet() {
	if s.set != nil {
		s.abandon("the snmpd began another")
	}
	s.agent.counts.inSetVars.Add(uint64(len(s.in.Vars)))
	if s.agent.cfg.Observe != nil {
		s.guard(func() { s.agent.cfg.Observe(mib.VerbSet, s.in.Vars) })
	}
	// Handlers may keep what they are given.
	txn, refused := s.agent.tree.Test(s.in.Detach())
	if refused != nil {
		s.refuseSet(refused)
		return
	}
	s.set = &set{transaction: s.in.Transaction, txn: txn}
	s.timer.Reset(s.agent.cfg.SetTimeout)
}

// refuseSet answers with why a SET went wrong. An error without a variable
// (undoFailed) is put at the first one: net-snmp makes genErr of index 0.
func (s *session) refuseSet(e *mib.SetError) { s.refuse(Code(e.Status), max(e.Index+1, 1)) }

// open gives the SET that the request goes on with; nil if there is none,
// because it was abandoned or never tested.
func (s *session) open() *set {
	if s.set == nil || s.set.transaction != s.in.Transaction {
		return nil
	}
	return s.set
}

// commitSet is RFC 2741, section 7.2.4.2. After a commit that failed the
// master sends UndoSet.
func (s *session) commitSet() {
	x := s.open()
	if x == nil {
		s.refuse(Code(mib.CommitFailed), 1)
		return
	}
	s.timer.Reset(s.agent.cfg.SetTimeout)
	x.committed, x.failed = true, true // unless it returns
	if e := x.txn.Commit(); e != nil {
		s.refuseSet(e)
		return
	}
	x.failed = false
}

// undoSet is RFC 2741, section 7.2.4.3. No CleanupSet follows from net-snmp,
// so that everything is freed here.
func (s *session) undoSet() {
	x := s.open()
	if x == nil {
		if s.in.Transaction == s.kept && s.hasKept {
			s.refuse(Code(mib.UndoFailed), 1)
		}
		return // nothing was done, or it was undone before
	}
	s.end()
	if e := x.txn.Undo(); e != nil {
		s.refuseSet(e)
	}
}

// cleanupSet is RFC 2741, section 7.2.4.4.
func (s *session) cleanupSet() {
	if x := s.open(); x != nil {
		s.end()
		x.txn.Cleanup()
	}
}

// end forgets the SET, so that the next can come.
func (s *session) end() {
	s.set = nil
	s.timer.Stop()
}

// abandon ends a SET that the master does not bring to an end, so that it
// does not hold up others for ever. What was committed stays, and what was
// not never happens; half a commit is taken back.
func (s *session) abandon(why string) {
	x := s.set
	if x == nil {
		return
	}
	s.end()
	s.agent.counts.abandoned.Add(1)
	s.agent.log.Warn("a SET was left open", "why", why, "committed", x.committed && !x.failed)
	s.guard(func() {
		if x.failed {
			if e := x.txn.Undo(); e != nil {
				s.agent.log.Error("a SET that failed could not be undone", "error", e)
			}
			return
		}
		if x.committed {
			s.kept, s.hasKept = x.transaction, true
		}
		x.txn.Cleanup()
	})
}
