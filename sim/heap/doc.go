// Package heap holds what is to happen in a simulation, in the order in which
// it does: by time, at equal times by kind, then by id.
//
// A [Heap] has numbered slots with at most one pending event each: a timer
// that is set, moved and stopped in place. A [Queue] takes any number of events
// with a value each. Neither allocates once it has grown to its largest size,
// and both are deterministic: the same calls give the same order, for events
// that are equal in everything too.
//
// Neither type is safe for concurrent use.
package heap
