// Package faults runs the shipped core, the Engine and the List of package
// reconfig, in virtual time on machines that fail: messages are lost, late,
// doubled and reordered, networks fall apart, disks fill up, processes die
// between any two actions and inside every write, clocks are wrong, stores are
// old, and two managers believe to be the one. It checks the invariants of the
// protocol (docs/protocol.md) at every step, and that the tree is whole again
// once all is well.
//
// A [Scenario] says all that happens, in a text that can be read and replayed;
// [Draw] makes one of a number. The same scenario gives the same run, byte for
// byte. [Run] runs one, [Hunt] runs many on all cores, [Shrink] makes one that
// fails short.
package faults
