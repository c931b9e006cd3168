// Package demo is simonectl demo: a top-level manager, candidates and leaves
// in one process, speaking real SNMP to each other on loopback addresses. It
// makes one ILM slow and ends another, shows how the tree answers, and checks
// from outside that no sample was lost.
package demo
