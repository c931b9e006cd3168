// Package smi reads the part of SMIv2 (RFC 2578 to 2580) that SIMONE-MIB is
// written in, so that the Go tables can be generated from the text and held
// against it. It is no general compiler: what it does not know, it refuses.
package smi
