package faults

import (
	"maps"

	"simone/mib"
)

// slots is a set of slots of nodes. Most lie close together; a few are far off
// when a clock was set.
type slots map[mib.NodeID]bits

// bits is a set of numbers, 64 in a word.
type bits map[uint32]uint64

func (s slots) has(node mib.NodeID, slot uint32) bool {
	return s[node][slot/64]&(1<<(slot%64)) != 0
}

func (s slots) put(node mib.NodeID, slot uint32) {
	b := s[node]
	if b == nil {
		b = make(bits)
		s[node] = b
	}
	b[slot/64] |= 1 << (slot % 64)
}

func (s slots) clone() slots {
	c := make(slots, len(s))
	for id, b := range s {
		c[id] = maps.Clone(b)
	}
	return c
}
