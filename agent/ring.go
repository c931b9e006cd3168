package agent

import (
	"net/netip"
	"sync"
	"time"

	"simone/mib"
)

// Entry is one request that a front end received.
type Entry struct {
	Source netip.AddrPort // who asked
	Verb   mib.Verb
	First  mib.OID // the first variable's name; empty for a request without
	At     time.Time
}

// Ring remembers the last requests, so that a checker that shares no code
// with the managers can tell who polled a node, and when. All methods are
// safe for concurrent use.
type Ring struct {
	mu      sync.Mutex // guards the fields below
	entries []Entry
	count   uint64 // ever recorded; the next goes to count modulo len(entries)
}

// NewRing makes a ring that remembers size requests, at least one.
func NewRing(size int) *Ring { return &Ring{entries: make([]Entry, max(size, 1))} }

// Record remembers a request and forgets the oldest if the ring is full. It
// copies first, and allocates only until each place has been used once.
func (r *Ring) Record(source netip.AddrPort, verb mib.Verb, first mib.OID, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := &r.entries[r.count%uint64(len(r.entries))]
	e.Source, e.Verb, e.At = source, verb, at
	e.First = append(e.First[:0], first...)
	r.count++
}

// Since gives the requests recorded after the first seq ones, oldest first,
// how many of these the ring has forgotten, and the seq to ask with next
// time. Since(0) gives all that is remembered.
func (r *Ring) Since(seq uint64) (entries []Entry, forgotten, next uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := r.count - min(r.count, uint64(len(r.entries)))
	if seq < oldest {
		forgotten = oldest - seq
		seq = oldest
	}
	for ; seq < r.count; seq++ {
		e := r.entries[seq%uint64(len(r.entries))]
		e.First = append(mib.OID(nil), e.First...)
		entries = append(entries, e)
	}
	return entries, forgotten, r.count
}
