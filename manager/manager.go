package manager

import (
	"context"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// Poller asks agents. It is safe for concurrent use.
type Poller interface {
	// Prepare makes a query of what is read of many nodes again and again; the
	// request's address does not matter.
	Prepare(r mib.Request) (mib.Query, error)
	// PrepareWalk makes a walk of subtrees, of which the same holds. The variables
	// of r, instances 0 of scalars, are read along with the first rows.
	PrepareWalk(r mib.Request, roots []mib.OID) (mib.Walk, error)
	// Together has the queries that f puts leave together.
	Together(f func())
	// Start is for what is said once, as a SET. It sends a request and returns at
	// once. done is called exactly once, never by Start itself, from a goroutine
	// of the Poller that must not be kept.
	Start(r mib.Request, done func(mib.Response))
	// Do sends a request and waits for what becomes of it, or for ctx; then
	// Response.Err is ctx's cause.
	Do(ctx context.Context, r mib.Request) mib.Response
}

// ListStore keeps a support list across restarts. Its methods may block for a
// write to disk.
type ListStore interface {
	// LoadList gives what was kept; a new store gives the zero state.
	LoadList() (reconfig.ListState, error)
	// ApplyList makes a change durable: wholly, before it returns, or not at
	// all, with an error.
	ApplyList(*reconfig.ListChange) error
}

// Store is what a manager with an engine keeps across restarts.
type Store interface {
	ListStore
	// Load gives what was kept; a new store gives the zero state.
	Load() (reconfig.State, error)
	// Apply makes a transaction durable: wholly, before it returns, or not
	// at all, with an error.
	Apply(reconfig.Txn) error
	// AddEntries appends to the bounded ring behind simoneEventTable.
	AddEntries([]reconfig.Entry) error
}

// Restorable is a Store that knows whether it was put back from a backup.
type Restorable interface {
	// Restored reports whether it was, and nothing has raised the term since.
	Restored() (bool, error)
}

// Clock makes instants of one process. The zero Clock is not usable; make one
// with NewClock and give the same to all that compare their instants.
type Clock struct {
	start time.Time
	zero  reconfig.Instant
}

// NewClock starts a clock at the wall clock's time.
func NewClock() Clock {
	now := time.Now()
	return Clock{now, reconfig.Instant(now.UnixNano())}
}

// Now is the present.
func (c Clock) Now() reconfig.Instant { return c.zero.Add(time.Since(c.start)) }

// At is the instant of a time by the monotonic clock.
func (c Clock) At(t time.Time) reconfig.Instant { return c.zero.Add(t.Sub(c.start)) }

// Until is the time from now until t, negative if that has passed.
func (c Clock) Until(t reconfig.Instant) time.Duration { return t.Sub(c.Now()) }

// Wall is the wall clock's time at an instant, for people only.
func (c Clock) Wall(t reconfig.Instant) time.Time { return time.Unix(0, int64(t)) }
