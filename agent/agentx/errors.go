package agentx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
)

// ErrNotConnected says that there is no session with the snmpd at the moment.
var ErrNotConnected = errors.New("no session with the snmpd")

// RefusedError says that the snmpd refused a request of ours.
type RefusedError struct {
	Op    string // what was asked: "register .1.3.6.1"
	Code  Code
	Index int // the variable at fault, from 1; 0 is none
}

func (e *RefusedError) Error() string {
	s := fmt.Sprintf("%s: the snmpd answers %v (%d)", e.Op, e.Code, uint16(e.Code))
	if e.Index > 0 {
		s += fmt.Sprintf(" at variable %d", e.Index)
	}
	if r := e.Remedy(); r != "" {
		s += ": " + r
	}
	return s
}

// Remedy says what to do about it; empty if that is not known.
func (e *RefusedError) Remedy() string {
	switch e.Code {
	case CodeOpenFailed:
		return "it takes no more subagents; see its log"
	case CodeDuplicateRegistration:
		return "another subagent has this subtree at the same priority; stop that one or configure another priority"
	case CodeRequestDenied:
		return "its configuration forbids this subtree; see its log"
	case CodeUnsupportedContext:
		return "it has no such context; leave the context out"
	case CodeNotOpen:
		return "it has forgotten the session"
	case CodeParseError:
		return "it does not understand this subagent; see its log and say so to who made SIMONE"
	}
	return ""
}

// closedError says that the master closed the session (RFC 2741, 7.1.8).
type closedError struct{ reason Reason }

func (e *closedError) Error() string { return "the snmpd closed the session: " + e.reason.String() }

// silentError says that the master did not answer in time.
type silentError struct{ what string }

func (e *silentError) Error() string { return "the snmpd did not answer " + e.what + " in time" }

// explain turns an error of a connection into a sentence with a remedy.
func explain(err error, master string) error {
	path, unix := strings.CutPrefix(master, "unix:")
	unix = unix || strings.HasPrefix(master, "/")
	switch {
	case errors.Is(err, fs.ErrNotExist) && unix:
		return fmt.Errorf("%w: is snmpd running, and does snmpd.conf have \"master agentx\" and \"agentXSocket unix:%s\"?", err, path)
	case errors.Is(err, fs.ErrPermission) && unix:
		return fmt.Errorf("%w: let this user in with agentXPerms in snmpd.conf", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: is snmpd running, and does snmpd.conf have \"master agentx\" and \"agentXSocket %s\"?", err, master)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		return errors.New("the snmpd closed the connection")
	}
	return err
}
