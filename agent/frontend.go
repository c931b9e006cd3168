package agent

import (
	"context"
	"net/netip"
)

// FrontEnd shows a mib.Tree over SNMP: the built-in responder, or a subagent
// of the machine's own snmpd. Both behave the same to who asks.
type FrontEnd interface {
	// Run answers until ctx is done, and then returns nil; an error says why
	// it could not go on. What it listens on was bound before.
	Run(ctx context.Context) error
	// Addr is where it answers.
	Addr() netip.AddrPort
}
