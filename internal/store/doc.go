// Package store keeps what a manager must not lose: its engine's state, its
// own support list, the settings that people changed, the event table and a
// bounded history of samples per node. [DB] keeps it in one bbolt file;
// [Memory] keeps it for tests and simulation.
//
// Every writing method is one transaction: when it returns nil all of it is on
// disk, when it returns an error none of it is, whatever happens to the
// process (after a write error or a crash in between, what the disk has is one
// of the two). All methods may be called by multiple goroutines at once.
//
// # Leadership
//
// Every write of a manager's store is conditional on still being leader
// (DESIGN section 5). Here the lock on the file is the leadership: [Open]
// takes it, only [DB.Close] or the end of the process gives it up, and nobody
// else can write in between. A second manager on the same file is refused with
// [ErrLocked]. A store that several managers share has to make its writes
// conditional by other means.
//
// # The file
//
// Buckets hold the records, keys are big-endian numbers or names:
//
//	format    version
//	meta      engine's Meta, list's head
//	nodes     by NodeID
//	ledgers   by NodeID
//	cursors   by NodeID of the child
//	rows      of the support list, by NodeID
//	tombs     of the support list, by NodeID
//	entries   by sequence number
//	samples   by order of arrival; an index by node is built when it is opened
//	settings  by name
//	log       report log, by sequence number; only if one was kept
//
// Beside the file is another one that counts terms (FILE.term).
//
// Samples lie in order of arrival, not by node, so that a second's samples of
// all nodes share a few pages instead of dirtying one page each.
//
// A record is a version octet, its content, and a CRC-32C over key, version
// and content, because bbolt has check sums in its two headers only. [Open]
// checks them all, and the pages between them, before anything is written:
// on a damaged page bbolt may panic, read outside the file or fill the memory.
// Content that is written every second is packed; the rest is JSON, so that a
// field that is new in a type is kept without anything to be done here. JSON
// replaces octets that are not UTF-8 in names.
package store
