//go:build linux && !race

package testbed

const raceFlags = "-race=false"
