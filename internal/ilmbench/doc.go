// Package ilmbench measures what a whole intermediate-level manager costs: its
// support list in a store on disk, polls of many devices, tables, aggregates,
// and a report log that its parent reads and acknowledges over SNMP. Beside it,
// at the same time and at the same pace, the poll engine alone asks the same of
// the same devices. The devices are a farm; farm, manager and engine have a
// process each, so that CPU time and memory are their own.
package ilmbench
