package mib

import (
	"cmp"
	"slices"
)

// NextNodeRow finds the first of sorted rows whose NodeID comes after the index.
func NextNodeRow[T any](rows []T, index OID, id func(T) NodeID) (OID, bool) {
	after := uint64(0)
	if len(index) > 0 {
		after = uint64(index[0]) + 1
	}
	i, _ := slices.BinarySearchFunc(rows, after, func(r T, n uint64) int { return cmp.Compare(uint64(id(r)), n) })
	if i == len(rows) {
		return nil, false
	}
	return OID{uint32(id(rows[i]))}, true
}

// FindNodeRow gives the row of an index, among sorted ones.
func FindNodeRow[T any](rows []T, index OID, id func(T) NodeID) (row T, ok bool) {
	if len(index) != 1 {
		return row, false
	}
	i, ok := slices.BinarySearchFunc(rows, NodeID(index[0]), func(r T, n NodeID) int { return cmp.Compare(id(r), n) })
	if !ok {
		return row, false
	}
	return rows[i], true
}
