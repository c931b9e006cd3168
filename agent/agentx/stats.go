package agentx

import "sync/atomic"

// Stats counts what a Subagent did since it was made.
type Stats struct {
	Connects      uint64 // sessions that stood: opened, and all subtrees registered
	Losses        uint64 // of them, those that ended before Run did
	Failures      uint64 // attempts that came to no session
	InGets        uint64 // requests, those repeated not counted
	InGetNexts    uint64
	InGetBulks    uint64
	InTestSets    uint64
	InCommitSets  uint64
	InUndoSets    uint64
	InCleanupSets uint64
	InReadVars    uint64 // variables asked for
	InSetVars     uint64 // variables tested
	Duplicates    uint64 // requests that the snmpd sent again, which were not carried out again
	ParseErrs     uint64 // octets that are no AgentX
	BadSessions   uint64 // requests of sessions that are not ours
	BadContexts   uint64
	Unexpected    uint64 // PDUs that a master does not send, answers to nothing
	Overflows     uint64 // requests refused because too many waited
	Slow          uint64 // answers that took longer than half a second
	Abandoned     uint64 // SETs that the snmpd did not bring to an end
	Panics        uint64 // in handlers; answered with genErr, and logged
	OutResponses  uint64
	OutErrors     uint64 // responses with an error
	OutPings      uint64
	OutNotifies   uint64
}

// counters are the Stats that some goroutines raise while others read.
type counters struct {
	connects, losses, failures,
	inGets, inGetNexts, inGetBulks, inTestSets, inCommitSets, inUndoSets, inCleanupSets, inReadVars, inSetVars,
	duplicates, parseErrs, badSessions, badContexts, unexpected, overflows, slow, abandoned, panics,
	outResponses, outErrors, outPings, outNotifies atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		Connects:      c.connects.Load(),
		Losses:        c.losses.Load(),
		Failures:      c.failures.Load(),
		InGets:        c.inGets.Load(),
		InGetNexts:    c.inGetNexts.Load(),
		InGetBulks:    c.inGetBulks.Load(),
		InTestSets:    c.inTestSets.Load(),
		InCommitSets:  c.inCommitSets.Load(),
		InUndoSets:    c.inUndoSets.Load(),
		InCleanupSets: c.inCleanupSets.Load(),
		InReadVars:    c.inReadVars.Load(),
		InSetVars:     c.inSetVars.Load(),
		Duplicates:    c.duplicates.Load(),
		ParseErrs:     c.parseErrs.Load(),
		BadSessions:   c.badSessions.Load(),
		BadContexts:   c.badContexts.Load(),
		Unexpected:    c.unexpected.Load(),
		Overflows:     c.overflows.Load(),
		Slow:          c.slow.Load(),
		Abandoned:     c.abandoned.Load(),
		Panics:        c.panics.Load(),
		OutResponses:  c.outResponses.Load(),
		OutErrors:     c.outErrors.Load(),
		OutPings:      c.outPings.Load(),
		OutNotifies:   c.outNotifies.Load(),
	}
}
