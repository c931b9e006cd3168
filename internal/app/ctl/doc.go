// Package ctl is simonectl, the operator's hand: the tree and what is in it
// shown as text, JSON or YAML, and changed, all of it over SNMP from the
// address of any node. What it reads and writes are ordinary objects of
// SIMONE-MIB, so that snmpwalk and snmpset can do the same.
//
// Fetching fills structs, whose JSON names are stable; rendering makes text
// of the same structs and asks nobody.
package ctl
