// Package mib is the vocabulary that every part of SIMONE shares: object
// identifiers and values (RFC 2578), node identities, epochs and fences, the
// packed rows and records that managers exchange, and the ordered variable
// tree with its two-phase SET that both agent front ends show. SIMONE-MIB.txt
// in this directory is the authority; a test holds the Go names against it.
//
// Nothing here does I/O.
package mib
