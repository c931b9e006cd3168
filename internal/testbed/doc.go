// Package testbed holds what tests and the demo stand on: a deterministic
// world of managers, lists and nodes on a fake network that loses, delays,
// doubles and reorders (world.go), and fixtures with real processes. Nothing
// that ships imports it but the demo.
package testbed
