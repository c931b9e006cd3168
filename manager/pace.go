package manager

import (
	"time"

	"simone/mib"
)

// pace is a trigger period, and the interval of polls for rows that name none.
type pace struct{ trigger, interval time.Duration }

// Pace changes both from now on. What a parent has said stands above them.
func (h *Host) Pace(trigger, interval time.Duration) {
	h.mu.Lock()
	h.pace = pace{trigger, interval}
	h.mu.Unlock()
	h.kick()
}

// takePace takes what a SET says of the pace out of a wish, where the node
// keeps it itself; nil if nothing.
func (w *wish) takePace(h *Host) *pace {
	if h.cfg.KeepPace == nil || w.triggerEvery < 0 && w.poll < 0 {
		return nil
	}
	h.mu.Lock()
	p := h.pace
	h.mu.Unlock()
	for at, d := range map[*int]*time.Duration{&w.triggerEvery: &p.trigger, &w.poll: &p.interval} {
		if *at >= 0 {
			*d = time.Duration(w.vars[*at].Value.Uint) * time.Millisecond
			*at = -1
		}
	}
	return &p
}

// keepPace makes a pace durable and then true, and gives the one before.
func (h *Host) keepPace(p pace) (before pace, err error) {
	h.mu.Lock()
	before = h.pace
	h.mu.Unlock()
	return before, h.cfg.KeepPace(p.trigger, p.interval)
}

// free reports whether an object is written without a fence.
func (h *Host) free(object mib.OID) bool {
	return object.Equal(mib.SimoneIlmTrigger) ||
		h.cfg.KeepPace != nil && (object.Equal(mib.SimoneIlmTriggerInterval) || object.Equal(mib.SimoneIlmPollInterval))
}
