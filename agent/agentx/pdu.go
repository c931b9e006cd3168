package agentx

import (
	"strconv"

	"simone/mib"
)

// Type is h.type, what a PDU is (RFC 2741, section 6.1).
type Type byte

// The PDUs of RFC 2741.
const (
	TypeOpen            Type = 1
	TypeClose           Type = 2
	TypeRegister        Type = 3
	TypeUnregister      Type = 4
	TypeGet             Type = 5
	TypeGetNext         Type = 6
	TypeGetBulk         Type = 7
	TypeTestSet         Type = 8
	TypeCommitSet       Type = 9
	TypeUndoSet         Type = 10
	TypeCleanupSet      Type = 11
	TypeNotify          Type = 12
	TypePing            Type = 13
	TypeIndexAllocate   Type = 14
	TypeIndexDeallocate Type = 15
	TypeAddAgentCaps    Type = 16
	TypeRemoveAgentCaps Type = 17
	TypeResponse        Type = 18
)

func (t Type) String() string {
	switch t {
	case TypeOpen:
		return "Open"
	case TypeClose:
		return "Close"
	case TypeRegister:
		return "Register"
	case TypeUnregister:
		return "Unregister"
	case TypeGet:
		return "Get"
	case TypeGetNext:
		return "GetNext"
	case TypeGetBulk:
		return "GetBulk"
	case TypeTestSet:
		return "TestSet"
	case TypeCommitSet:
		return "CommitSet"
	case TypeUndoSet:
		return "UndoSet"
	case TypeCleanupSet:
		return "CleanupSet"
	case TypeNotify:
		return "Notify"
	case TypePing:
		return "Ping"
	case TypeIndexAllocate:
		return "IndexAllocate"
	case TypeIndexDeallocate:
		return "IndexDeallocate"
	case TypeAddAgentCaps:
		return "AddAgentCaps"
	case TypeRemoveAgentCaps:
		return "RemoveAgentCaps"
	case TypeResponse:
		return "Response"
	}
	return "PDU type " + strconv.Itoa(int(t))
}

// hasContext reports whether a context may stand before the PDU's own fields
// (RFC 2741, section 6.1.1).
func (t Type) hasContext() bool {
	switch t {
	case TypeRegister, TypeUnregister, TypeGet, TypeGetNext, TypeGetBulk, TypeTestSet, TypeNotify, TypePing,
		TypeIndexAllocate, TypeIndexDeallocate, TypeAddAgentCaps, TypeRemoveAgentCaps:
		return true
	}
	return false
}

// Flags are h.flags (RFC 2741, section 6.1).
type Flags byte

// The flags of RFC 2741.
const (
	FlagInstance     Flags = 0x01 // Register: the subtree is a whole instance
	FlagNewIndex     Flags = 0x02 // IndexAllocate: one never used before
	FlagAnyIndex     Flags = 0x04 // IndexAllocate: any that is free
	FlagContext      Flags = 0x08 // a context follows the header
	FlagNetworkOrder Flags = 0x10 // numbers are big-endian
)

// Reason is c.reason, why a session is closed (RFC 2741, section 6.2.2).
type Reason byte

// The reasons of RFC 2741.
const (
	ReasonOther         Reason = 1
	ReasonParseError    Reason = 2
	ReasonProtocolError Reason = 3
	ReasonTimeouts      Reason = 4
	ReasonShutdown      Reason = 5
	ReasonByManager     Reason = 6
)

func (r Reason) String() string {
	switch r {
	case ReasonOther:
		return "other"
	case ReasonParseError:
		return "parseError"
	case ReasonProtocolError:
		return "protocolError"
	case ReasonTimeouts:
		return "timeouts"
	case ReasonShutdown:
		return "shutdown"
	case ReasonByManager:
		return "byManager"
	}
	return "reason " + strconv.Itoa(int(r))
}

// Code is res.error: an error-status of SNMP, or one of AgentX from 256 on
// (RFC 2741, section 6.2.16).
type Code uint16

// The codes of RFC 2741 that are not error-statuses.
const (
	CodeOpenFailed            Code = 256
	CodeNotOpen               Code = 257
	CodeIndexWrongType        Code = 258
	CodeIndexAlreadyAllocated Code = 259
	CodeIndexNoneAvailable    Code = 260
	CodeIndexNotAllocated     Code = 261
	CodeUnsupportedContext    Code = 262
	CodeDuplicateRegistration Code = 263
	CodeUnknownRegistration   Code = 264
	CodeUnknownAgentCaps      Code = 265
	CodeParseError            Code = 266
	CodeRequestDenied         Code = 267
	CodeProcessingError       Code = 268
)

func (c Code) String() string {
	switch c {
	case CodeOpenFailed:
		return "openFailed"
	case CodeNotOpen:
		return "notOpen"
	case CodeIndexWrongType:
		return "indexWrongType"
	case CodeIndexAlreadyAllocated:
		return "indexAlreadyAllocated"
	case CodeIndexNoneAvailable:
		return "indexNoneAvailable"
	case CodeIndexNotAllocated:
		return "indexNotAllocated"
	case CodeUnsupportedContext:
		return "unsupportedContext"
	case CodeDuplicateRegistration:
		return "duplicateRegistration"
	case CodeUnknownRegistration:
		return "unknownRegistration"
	case CodeUnknownAgentCaps:
		return "unknownAgentCaps"
	case CodeParseError:
		return "parseError"
	case CodeRequestDenied:
		return "requestDenied"
	case CodeProcessingError:
		return "processingError"
	}
	return mib.ErrorStatus(c).String()
}

// Range is a SearchRange (RFC 2741, section 5.2): names from Start, itself
// only if Include says so, up to End and without it. An empty End is none.
type Range struct {
	Start   mib.OID
	Include bool
	End     mib.OID
}

// PDU is one message of AgentX. The fields below the header are those of its
// Type; the others are ignored on encoding and zero after decoding.
type PDU struct {
	Type        Type
	Flags       Flags
	Session     uint32
	Transaction uint32
	Packet      uint32

	Context []byte // with FlagContext, in PDUs that can carry one

	Timeout    byte    // Open, Register: seconds; 0 leaves it to the master
	Priority   byte    // Register, Unregister: the lower one wins
	RangeSubID byte    // Register, Unregister: which part of ID is a range, from 1; 0 is none
	UpperBound uint32  // Register, Unregister: its end, when RangeSubID is not 0
	Reason     Reason  // Close
	ID         mib.OID // Open: the subagent; Register, Unregister: the subtree; agent capabilities: which
	Descr      []byte  // Open, AddAgentCaps

	NonRepeaters   uint16  // GetBulk
	MaxRepetitions uint16  // GetBulk
	Ranges         []Range // Get, GetNext, GetBulk

	Vars []mib.Variable // TestSet, Notify, IndexAllocate, IndexDeallocate, Response

	Uptime uint32 // Response: the master's sysUpTime, hundredths of a second
	Error  Code   // Response
	Index  uint16 // Response: the variable at fault, from 1; 0 is none

	arena []uint32 // what decoded OIDs point into
}
