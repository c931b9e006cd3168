// Package tlm is the top-level manager: the node at the root of the tree. It
// is a [manager.Host], whose support list has the ILMs' own rows, and a
// [manager.Conductor], whose engine moves work between the ILMs; and it adds
// what only the root has: the inventory of all nodes (from its configuration,
// from file_sd files, and from nodes that announce themselves), the MIB groups
// simoneReconfig and simoneTree, and settings that people change at run time.
//
// # Settings
//
// A setting that is changed by SET takes effect at once and is kept in the
// store: it outlives a restart and a SIGHUP, until the configuration file
// itself gives that key another value than it had when the SET came. Then the
// file holds again. So whoever changed something last wins, key by key.
package tlm
