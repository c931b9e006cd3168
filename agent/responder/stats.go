package responder

import "sync/atomic"

// Stats counts what a Responder did since it was made. Where RFC 3418 or RFC
// 1213 has an object of that name in the snmp group, the object shows it.
type Stats struct {
	InPkts              uint64 // datagrams received
	InBadVersions       uint64
	InBadCommunityNames uint64 // unknown, or not from this source
	InBadCommunityUses  uint64 // SETs and notifications that the community, or user, may not send
	InBadSources        uint64 // v3: of users who may not ask from there
	InBadLevels         uint64 // v3: of a user, at a lower level of security than is demanded
	InReplays           uint64 // v3: SETs and informs that had come before, octet for octet
	InASNParseErrs      uint64 // no SNMP message, cut off, or with lengths that lie
	InUnexpectedPDUs    uint64 // responses, reports, notifications that nobody handles or that are malformed
	InTotalReqVars      uint64 // variables read
	InTotalSetVars      uint64 // variables written
	InGetRequests       uint64
	InGetNexts          uint64
	InGetBulks          uint64
	InSetRequests       uint64
	InTraps             uint64 // traps and informs passed on
	OutPkts             uint64
	OutResponses        uint64
	OutReports          uint64 // v3
	OutTooBigs          uint64
	OutNoSuchNames      uint64
	OutBadValues        uint64
	OutGenErrs          uint64
	SilentDrops         uint64 // not even an error response would have fitted
	SendFailures        uint64
	Panics              uint64 // in handlers; answered with genErr, and logged
}

// counters are the Stats that the serving goroutine raises while others read.
type counters struct {
	inPkts, inBadVersions, inBadCommunityNames, inBadCommunityUses, inASNParseErrs, inUnexpectedPDUs,
	inTotalReqVars, inTotalSetVars, inGetRequests, inGetNexts, inGetBulks, inSetRequests, inTraps,
	outPkts, outResponses, outTooBigs, outNoSuchNames, outBadValues, outGenErrs,
	inBadSources, inBadLevels, inReplays, outReports,
	silentDrops, sendFailures, panics atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{
		InPkts:              c.inPkts.Load(),
		InBadVersions:       c.inBadVersions.Load(),
		InBadCommunityNames: c.inBadCommunityNames.Load(),
		InBadCommunityUses:  c.inBadCommunityUses.Load(),
		InBadSources:        c.inBadSources.Load(),
		InBadLevels:         c.inBadLevels.Load(),
		InReplays:           c.inReplays.Load(),
		InASNParseErrs:      c.inASNParseErrs.Load(),
		InUnexpectedPDUs:    c.inUnexpectedPDUs.Load(),
		InTotalReqVars:      c.inTotalReqVars.Load(),
		InTotalSetVars:      c.inTotalSetVars.Load(),
		InGetRequests:       c.inGetRequests.Load(),
		InGetNexts:          c.inGetNexts.Load(),
		InGetBulks:          c.inGetBulks.Load(),
		InSetRequests:       c.inSetRequests.Load(),
		InTraps:             c.inTraps.Load(),
		OutPkts:             c.outPkts.Load(),
		OutResponses:        c.outResponses.Load(),
		OutReports:          c.outReports.Load(),
		OutTooBigs:          c.outTooBigs.Load(),
		OutNoSuchNames:      c.outNoSuchNames.Load(),
		OutBadValues:        c.outBadValues.Load(),
		OutGenErrs:          c.outGenErrs.Load(),
		SilentDrops:         c.silentDrops.Load(),
		SendFailures:        c.sendFailures.Load(),
		Panics:              c.panics.Load(),
	}
}
