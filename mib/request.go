package mib

import (
	"errors"
	"net/netip"
	"time"
)

// Verb is a PDU's tag (RFC 3416, 3).
type Verb byte

// The verbs of SNMP.
const (
	VerbGet      Verb = 0xa0
	VerbGetNext  Verb = 0xa1
	VerbResponse Verb = 0xa2
	VerbSet      Verb = 0xa3
	VerbTrapV1   Verb = 0xa4
	VerbGetBulk  Verb = 0xa5
	VerbInform   Verb = 0xa6
	VerbTrap     Verb = 0xa7
	VerbReport   Verb = 0xa8
)

// Request is one question to one agent, as a manager puts it to its poller.
type Request struct {
	Address        netip.AddrPort
	Credential     string // a name in the poller's keyring, never a secret
	Verb           Verb
	NonRepeaters   int // GetBulk only
	MaxRepetitions int // GetBulk only
	Vars           []Variable
	Timeout        time.Duration // for each attempt; 0 is the poller's default
	Retries        int           // further attempts after the first
}

// Response is what became of a Request. If Err is nil the agent answered, and
// Status and Index say how; Vars are then valid and belong to the receiver.
type Response struct {
	Err      error // ErrTimeout, or why nothing could be sent
	Status   ErrorStatus
	Index    int // from 1, as on the wire; 0 is no single variable
	Vars     []Variable
	Sent     time.Time // of the attempt that was answered
	Received time.Time // the kernel's receive time stamp where there is one
	Attempts int       // that were sent
	Left     time.Time // when the first of them was; zero if none was
}

// RTT is the time from the last attempt to its answer.
func (r *Response) RTT() time.Duration { return r.Received.Sub(r.Sent) }

// Query is a Request that its poller has prepared, to put it to many agents
// again and again.
type Query interface {
	// Ask puts it to the agent at an address, as soon as that is kind, and
	// returns at once. asker is told exactly once what becomes of it, never by
	// Ask itself.
	Ask(to netip.AddrPort, asker Asker)
}

// Asker is told what becomes of queries.
type Asker interface {
	// Answered is called with the address that was asked, from a goroutine of
	// the poller: it must not block. r and all it points to are valid until
	// Answered returns, and are not to be changed.
	Answered(to netip.AddrPort, r *Response)
}

// ErrTimeout says that no attempt was answered in time.
var ErrTimeout = errors.New("no answer")

// Walk is subtrees that are read side by side, prepared by a poller to read
// them of many agents again and again.
type Walk interface {
	// Ask reads the subtrees of the agent at an address, as soon as that is
	// kind, and returns at once. walker is told what comes, never by Ask itself.
	Ask(to netip.AddrPort, walker Walker)
}

// Walker is told what a Walk brings, from a goroutine of the poller: it must
// not block.
type Walker interface {
	// Walked is called with what became of each request: with the answer, of
	// whose variables those are left that are of the subtrees, or read along; or
	// with the error of one that was not answered. r and all it points to are
	// valid until Walked returns. It reports whether to go on after an answer.
	Walked(to netip.AddrPort, r *Response) bool
	// Ended is called once, when the subtrees end or nothing more can be read;
	// err says what was not read. What was read before has been passed on.
	Ended(to netip.AddrPort, err error)
}
