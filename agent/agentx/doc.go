// Package agentx is the front end of an agent on a machine whose own snmpd
// answers SNMP: a subagent that connects to the snmpd, registers its part of
// the tree there and answers for it out of a mib.Tree (RFC 2741).
//
// PDU is the protocol's codec, Subagent the front end. It connects again
// whenever the snmpd went away, and reads the connection apart from the
// goroutine that answers, so that a slow handler holds up nothing else.
package agentx
