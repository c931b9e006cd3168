package snmp

import (
	"fmt"

	"simone/internal/snmp/usm"
	"simone/mib"
)

// Fault is why an engine refuses a v3 message. Each has a counter in the
// engine's MIB, and a Report names that counter. A Fault is an error.
type Fault uint8

// The faults of the user-based security model (RFC 3414, section 3.2), of
// message processing and dispatch (RFC 3412, section 7.2) and of contexts (RFC
// 3413, section 3.2).
const (
	UnsupportedSecLevel Fault = iota + 1
	NotInTimeWindow
	UnknownUserName
	UnknownEngineID
	WrongDigest
	DecryptionError
	UnknownSecurityModel
	InvalidMsg
	UnknownPDUHandler
	UnavailableContext
	UnknownContext

	faultCount
)

// faultInfo says where a fault is counted and what it means.
type faultInfo struct {
	name   string
	parent [10]uint32 // of the counter, behind 1.3.6.1.6.3: filled to its length
	length int
	reason string
}

func usmStats(arc uint32, name, reason string) faultInfo {
	return faultInfo{name, [10]uint32{15, 1, 1, arc}, 4, reason}
}

func (f Fault) info() faultInfo {
	switch f {
	case UnsupportedSecLevel:
		return usmStats(1, "usmStatsUnsupportedSecLevels", "the user has no keys for that level of security")
	case NotInTimeWindow:
		return usmStats(2, "usmStatsNotInTimeWindows", "the message is older than the time window")
	case UnknownUserName:
		return usmStats(3, "usmStatsUnknownUserNames", "there is no such user")
	case UnknownEngineID:
		return usmStats(4, "usmStatsUnknownEngineIDs", "the engine has another id")
	case WrongDigest:
		return usmStats(5, "usmStatsWrongDigests", "the authentication passphrase or protocol is another, or the message was changed")
	case DecryptionError:
		return usmStats(6, "usmStatsDecryptionErrors", "the privacy passphrase or protocol is another")
	case UnknownSecurityModel:
		return faultInfo{"snmpUnknownSecurityModels", [10]uint32{11, 2, 1, 1}, 4, "only the user-based security model is spoken"}
	case InvalidMsg:
		return faultInfo{"snmpInvalidMsgs", [10]uint32{11, 2, 1, 2}, 4, "the message claims privacy without authentication"}
	case UnknownPDUHandler:
		return faultInfo{"snmpUnknownPDUHandlers", [10]uint32{11, 2, 1, 3}, 4, "nothing there handles that kind of message"}
	case UnavailableContext:
		return faultInfo{"snmpUnavailableContexts", [10]uint32{12, 1, 4}, 3, "the context cannot be had now"}
	case UnknownContext:
		return faultInfo{"snmpUnknownContexts", [10]uint32{12, 1, 5}, 3, "there is no such context"}
	}
	return faultInfo{name: fmt.Sprintf("fault(%d)", uint8(f)), reason: "for a reason that is not known here"}
}

// Counter is the name of the object that counts the fault.
func (f Fault) Counter() string { return f.info().name }

func (f Fault) Error() string {
	i := f.info()
	return i.reason + " (" + i.name + ")"
}

// Known reports whether the fault is one of those above.
func (f Fault) Known() bool { return f > 0 && f < faultCount }

// OID is the object that counts the fault, without its .0.
func (f Fault) OID() mib.OID {
	i := f.info()
	return append(mib.OID{1, 3, 6, 1, 6, 3}, i.parent[:i.length]...)
}

// is reports whether name is that of the fault's counter.
func (f Fault) is(name mib.OID) bool {
	i := f.info()
	if len(name) != 6+i.length+1 || name[len(name)-1] != 0 {
		return false
	}
	prefix := [6]uint32{1, 3, 6, 1, 6, 3}
	return mib.OID(prefix[:]).Equal(name[:6]) && mib.OID(i.parent[:i.length]).Equal(name[6:6+i.length])
}

// faultOf gives the fault that a Report tells of, 0 if none.
func faultOf(m *Message) Fault {
	if len(m.Vars) == 0 {
		return 0
	}
	for f := Fault(1); f < faultCount; f++ {
		if f.is(m.Vars[0].Name) {
			return f
		}
	}
	return 0
}

// level is that of a Report of the fault to a message of level asked. What
// comes before the check of a message's MAC is told in clear: there may be no
// key to sign with (RFC 3414, section 3.2).
func (f Fault) level(asked usm.Level) usm.Level {
	switch f {
	case NotInTimeWindow:
		return usm.AuthNoPriv
	case UnknownPDUHandler, UnavailableContext, UnknownContext:
		return asked
	}
	return usm.NoAuthNoPriv
}
