// Package frontends has no code of its own: its tests hold the two front ends
// of an agent, the built-in responder and the subagent of a real snmpd, to one
// behaviour over the tree of a real ILM. What is read and written
// (read_test.go, write_test.go) is answered alike by both, but for the
// exceptions that stand in the tables with their reasons; what is hostile
// (hostile_test.go) is refused and counted by both, and changes nothing. What
// they cost is measured side by side (bench_test.go).
package frontends
