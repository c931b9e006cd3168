package ctl

import (
	"errors"
	"fmt"

	"simone/internal/snmp"
	"simone/mib"
)

// held is the credential of that name in the keyring.
func (a *access) held(name string) snmp.Credential {
	if name == writer {
		return a.write
	}
	return a.read
}

// flags names what says who asks, for hints.
func (a *access) flags(name string) string {
	switch {
	case a.way == byFile:
		return "the credentials in " + a.file
	case a.way == byUser:
		return "--user (" + envUser + ") and its keys"
	case name == writer:
		return "--write-community (" + envWriteCommunity + ")"
	}
	return "--community (" + envCommunity + ")"
}

// who is what may not do something.
func (a *access) who(name string) string {
	if c := a.held(name); c.Version == snmp.V3 {
		return fmt.Sprintf("user %q", c.User.Name)
	}
	return "this community"
}

// unheard says why an agent that runs may not answer.
func (a *access) unheard(name string) string {
	if a.held(name).Version == snmp.V3 {
		return "an agent without SNMPv3 gives no answer either, nor do some to a wrong privacy passphrase: check " + a.flags(name)
	}
	return "a wrong community gets no answer either: check " + a.flags(name)
}

// reported makes the error of a v3 request that was refused with a Report.
func (a *access) reported(to endpoint, name string, report *snmp.ReportError) *Failure {
	u := a.held(name).User
	hint := ""
	switch report.Fault {
	case snmp.UnknownUserName:
		hint = fmt.Sprintf("check the user's name, %s, against users in that node's configuration, or against createUser of its snmpd "+
			"(simonectl snmpd-config check there)", a.flags(name))
	case snmp.WrongDigest:
		hint = fmt.Sprintf("the user exists: check the authentication passphrase and protocol (here %v) of %s", u.Auth, a.flags(name))
	case snmp.DecryptionError:
		hint = fmt.Sprintf("the authentication is right: check the privacy passphrase and protocol (here %v) of %s", u.Priv, a.flags(name))
	case snmp.UnsupportedSecLevel:
		hint = fmt.Sprintf("the user there has no keys for %v: check the level of %s against that user's there", u.Level, a.flags(name))
	case snmp.NotInTimeWindow:
		hint = "the agent's clock or count of boots went back while it was asked: try again; " +
			"if that repeats, two agents have one engine id, or its persistent files are lost at each start"
	case snmp.UnknownEngineID:
		hint = "try again; if that repeats, two agents answer at that address"
	}
	return &Failure{Code: ExitFailed, Err: fmt.Errorf("%v refuses user %q: %w", to, u.Name, report), Hint: hint}
}

// unanswered is the error of a request that timed out. SNMP agents say nothing
// to a wrong community, so it looks like a wrong address.
func (c *client) unanswered(to endpoint, name string, err error) *Failure {
	if report, ok := errors.AsType[*snmp.ReportError](err); ok {
		return c.access.reported(to, name, report)
	}
	where := "is simoned or simone-tlm running there? check --address; "
	switch {
	case name == writer:
		where = "is it still running? "
	case c.anybody:
		where = "does an SNMP agent listen there, for this machine? its port is 161 unless it is given; "
	}
	return &Failure{
		Code: ExitUnreachable,
		Err: fmt.Errorf("nobody answers at %v (%s of %v): %w",
			to, count(1+c.retries, "attempt"), c.timeout, mib.ErrTimeout),
		Hint: where + c.access.unheard(name),
	}
}

// statusHint says what to do about an error-status.
func (a *access) statusHint(name string, s mib.ErrorStatus) string {
	switch s {
	case mib.AuthorizationError, mib.NoAccess, mib.ReadOnly:
		verb := "read"
		if name == writer {
			verb = "write"
		}
		if c := a.held(name); c.Version == snmp.V3 {
			return fmt.Sprintf("user %q may not %s it at level %v: check %s against users in that node's configuration, "+
				"or against the views of its snmpd (simonectl snmpd-config check there)", c.User.Name, verb, c.User.Level, a.flags(name))
		}
		return fmt.Sprintf("this community may not %s it: check %s against the communities in that node's configuration", verb, a.flags(name))
	case mib.NotWritable, mib.NoSuchName, mib.NoCreation:
		return "the agent there does not have it, or not for writing: is it the TLM, and of this release?"
	case mib.WrongValue, mib.BadValue, mib.WrongLength, mib.WrongType:
		return "the value is not one that it takes; simonectl mib print shows which"
	case mib.InconsistentValue:
		return "the value does not go with others: thresholds must be merge <= split <= migrate, none negative"
	case mib.ResourceUnavailable, mib.CommitFailed, mib.GenErr, mib.UndoFailed:
		return "look into the log of the process there; simonectl doctor checks more"
	}
	return ""
}
