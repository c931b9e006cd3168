package manager

import (
	"context"
	"log/slog"
	"sync"

	"simone/mib"
	"simone/reconfig"
)

// Notify sends a notification to one receiver and returns when that has
// acknowledged it, or has not after all attempts.
type Notify func(ctx context.Context, notification mib.OID, vars []mib.Variable) error

// Herald tells receivers of what goes into the event table: simoneTransformation
// and simoneIlmLost, with the variables of the event's row. Each receiver gets
// them in order and at its own pace. What was written before the first event
// that is heard is not told.
type Herald struct {
	events EntryStore
	to     []Notify
	log    *slog.Logger

	// mu guards the fields below.
	mu    sync.Mutex
	first reconfig.Instant // of the first event heard; 0: none yet
	kicks []chan struct{}  // one for each receiver, with room for one
}

// NewHerald makes a Herald for receivers; without any it does nothing.
func NewHerald(events EntryStore, to []Notify, log *slog.Logger) *Herald {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	h := &Herald{events: events, to: to, log: log}
	for range to {
		h.kicks = append(h.kicks, make(chan struct{}, 1))
	}
	return h
}

// Heard is told of each entry after it was stored, and does not block.
func (h *Herald) Heard(e reconfig.Entry) {
	if heralded(e.Kind) == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.first == 0 {
		h.first = e.At
	}
	for _, k := range h.kicks {
		select {
		case k <- struct{}{}:
		default:
		}
	}
}

// heralded is the notification for a kind of event; nil for none.
func heralded(k reconfig.Kind) mib.OID {
	switch k {
	case reconfig.KindSplit, reconfig.KindMigrate, reconfig.KindMerge, reconfig.KindFork, reconfig.KindJoin:
		return mib.SimoneTransformation
	case reconfig.KindLost:
		return mib.SimoneIlmLost
	}
	return nil
}

// Run tells the receivers until ctx ends, and returns nil then.
func (h *Herald) Run(ctx context.Context) error {
	var receivers sync.WaitGroup
	for i := range h.to {
		receivers.Go(func() { h.tell(ctx, i) })
	}
	receivers.Wait()
	<-ctx.Done()
	return nil
}

// maxUntold bounds how many events a receiver that was away is told of.
const maxUntold = 256

// tell keeps one receiver informed.
func (h *Herald) tell(ctx context.Context, receiver int) {
	after, failing := uint64(0), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.kicks[receiver]:
		}
		h.mu.Lock()
		first := h.first
		h.mu.Unlock()
		entries, err := h.events.Entries(after, 0)
		if err != nil {
			h.log.Warn("events cannot be read, and nobody is told of them", "err", err)
			continue
		}
		var fresh []LoggedEntry
		for _, e := range entries {
			after = e.Seq
			if e.At >= first && heralded(e.Kind) != nil {
				fresh = append(fresh, e)
			}
		}
		if n := len(fresh); n > maxUntold {
			h.log.Warn("a receiver of notifications is too slow and misses some", "receiver", receiver+1, "missed", n-maxUntold)
			fresh = fresh[n-maxUntold:]
		}
		for i := range fresh {
			err := h.to[receiver](ctx, heralded(fresh[i].Kind), heraldVars(fresh[i]))
			if ctx.Err() != nil {
				return
			}
			if err != nil && !failing {
				h.log.Warn("a notification was not acknowledged", "receiver", receiver+1, "err", err)
			}
			failing = err != nil
		}
	}
}

// heraldVars are the variables of an event's notification.
func heraldVars(e LoggedEntry) []mib.Variable {
	columns := []mib.OID{mib.SimoneEventKind, mib.SimoneEventFrom, mib.SimoneEventTo, mib.SimoneEventNodes, mib.SimoneEventSeen, mib.SimoneEventExpected}
	if e.Kind == reconfig.KindLost {
		columns = []mib.OID{mib.SimoneEventNodeId, mib.SimoneEventNodes, mib.SimoneEventSeen}
	}
	vars := make([]mib.Variable, len(columns))
	for i, c := range columns {
		vars[i] = mib.Variable{Name: c.Append(uint32(e.Seq)), Value: eventCell(&e, c[len(c)-1])}
	}
	return vars
}
