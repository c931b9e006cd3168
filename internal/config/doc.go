// Package config reads the configuration of simoned, simone-tlm and the demo:
// strict YAML over documented defaults. Unknown keys, wrong types, duplicates
// and values that make no sense are refused with file, line, column, the key
// and what to write instead; all of them at once, not one per start.
//
// The struct tag reload says when a change takes effect on SIGHUP: "now", or
// after a "restart"; Changes tells the two apart for a running daemon.
package config
