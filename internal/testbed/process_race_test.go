//go:build linux && race

package testbed

// raceFlags has the daemons built as the test is: their reports go into their
// logs, where harvest finds them.
const raceFlags = "-race"
