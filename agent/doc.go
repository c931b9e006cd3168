// Package agent is what a node shows of itself: who it is and where it stands
// in the tree (Node, the group simoneNode), and what it measures (Collector,
// the node's rows of simoneMetricTable). A Node registers in a mib.Tree, and
// a FrontEnd shows the tree over SNMP.
//
// It runs on Linux, whose /proc it reads.
package agent
