// Package sim is simonectl sim: the shipped core run in virtual time, to see
// what it does before anybody depends on it.
package sim
