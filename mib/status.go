package mib

import (
	"fmt"
	"strconv"
)

// ErrorStatus is the error-status of a response (RFC 3416, section 3).
type ErrorStatus int32

// Every error-status of RFC 3416. NoSuchName, BadValue and ReadOnly occur
// only in SNMPv1 responses (RFC 3584, section 4.4).
const (
	NoError             ErrorStatus = 0
	TooBig              ErrorStatus = 1
	NoSuchName          ErrorStatus = 2
	BadValue            ErrorStatus = 3
	ReadOnly            ErrorStatus = 4
	GenErr              ErrorStatus = 5
	NoAccess            ErrorStatus = 6
	WrongType           ErrorStatus = 7
	WrongLength         ErrorStatus = 8
	WrongEncoding       ErrorStatus = 9
	WrongValue          ErrorStatus = 10
	NoCreation          ErrorStatus = 11
	InconsistentValue   ErrorStatus = 12
	ResourceUnavailable ErrorStatus = 13
	CommitFailed        ErrorStatus = 14
	UndoFailed          ErrorStatus = 15
	AuthorizationError  ErrorStatus = 16
	NotWritable         ErrorStatus = 17
	InconsistentName    ErrorStatus = 18
)

// String gives the name that RFC 3416 gives the status.
func (s ErrorStatus) String() string {
	switch s {
	case NoError:
		return "noError"
	case TooBig:
		return "tooBig"
	case NoSuchName:
		return "noSuchName"
	case BadValue:
		return "badValue"
	case ReadOnly:
		return "readOnly"
	case GenErr:
		return "genErr"
	case NoAccess:
		return "noAccess"
	case WrongType:
		return "wrongType"
	case WrongLength:
		return "wrongLength"
	case WrongEncoding:
		return "wrongEncoding"
	case WrongValue:
		return "wrongValue"
	case NoCreation:
		return "noCreation"
	case InconsistentValue:
		return "inconsistentValue"
	case ResourceUnavailable:
		return "resourceUnavailable"
	case CommitFailed:
		return "commitFailed"
	case UndoFailed:
		return "undoFailed"
	case AuthorizationError:
		return "authorizationError"
	case NotWritable:
		return "notWritable"
	case InconsistentName:
		return "inconsistentName"
	}
	return "error-status(" + strconv.Itoa(int(s)) + ")"
}

// SetError is why a SET was refused. Status and Index go onto the wire (where
// Index counts from 1), Reason into logs and simoneIlmError.
type SetError struct {
	Status ErrorStatus
	Index  int    // position of the variable at fault, from 0; -1 is no single one
	Reason string // for people; may be empty
}

func (e *SetError) Error() string {
	s := e.Status.String()
	if e.Index >= 0 {
		s += " at variable " + strconv.Itoa(e.Index+1)
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// Refuse makes a SetError with a formatted reason.
func Refuse(status ErrorStatus, index int, format string, args ...any) *SetError {
	return &SetError{Status: status, Index: index, Reason: fmt.Sprintf(format, args...)}
}
