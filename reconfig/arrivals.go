package reconfig

import "math/bits"

// arrivals says up to where a node's samples are in a log, whoever took them.
// Those of managers below come by several ways when a node changes hands
// there, a newer one before an older.
type arrivals struct {
	next  uint32 // the first slot that is not there
	later uint64 // bit i: slot next+i is
}

// begin says that nothing before a slot is waited for.
func (a *arrivals) begin(slot uint32) {
	if slot > a.next {
		a.skip(slot - a.next)
		a.settle()
	}
}

// take notes that a slot's sample is there. What has not come when one 64
// slots further on has is not waited for.
func (a *arrivals) take(slot uint32) {
	if slot < a.next {
		return
	}
	if over := slot - a.next; over > 63 {
		a.skip(over - 63)
	}
	a.later |= 1 << (slot - a.next)
	a.settle()
}

// settle moves next past what is there.
func (a *arrivals) settle() { a.skip(uint32(bits.TrailingZeros64(^a.later))) }

func (a *arrivals) skip(n uint32) {
	a.next += n
	a.later >>= n // 0 from 64 on
}
