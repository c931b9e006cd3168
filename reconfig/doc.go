// Package reconfig is the reconfiguration engine and the moving protocol of
// SIMONE: which node is polled by which manager, when that changes, and how a
// node changes hands without a gap (paper section 4; docs/protocol.md).
//
// Both ends are steppable state machines. A parent runs an Engine:
// [Engine.Step] takes one event and returns the actions it asks for. A child
// runs a List: its support list, fence, tombstones, slots and report log.
// Nothing here reads a clock, does I/O or starts a goroutine; time arrives in
// events and the hosts (package manager, package sim) carry the bytes. The
// same code therefore runs in a daemon and in a simulation that crashes it
// between any two actions.
//
// Neither type is safe for concurrent use: one goroutine owns each.
package reconfig
