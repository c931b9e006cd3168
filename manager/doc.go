// Package manager is what intermediate-level managers and the top-level
// manager share. It makes the two state machines of package reconfig live:
//
//   - [Host] carries a node's support list: it polls what is due, measures
//     what that costs, shows the lists and values in the MIB, and obeys the
//     control SETs of its parent. Every SIMONE node has one.
//   - [Conductor] hosts a manager's Engine: it writes its transactions to the
//     store and carries its wishes to the children over SNMP. Only a manager
//     of managers has one; its own list it reaches through the [Door] that a
//     Host is.
//
// Goroutines here only carry bytes and keep time; what is decided is decided
// in package reconfig and in package temperature.
package manager
