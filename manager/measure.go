package manager

import (
	"time"

	"simone/reconfig"
	"simone/temperature"
)

// Measures are what a host measured in its last trigger window.
type Measures struct {
	At          reconfig.Instant // when the window was closed; 0: there was none
	Windows     uint32           // closed since the node became an ILM
	Temperature float64          // stu
	Weighted    float64          // stu, with history
	Latency     temperature.Summary
	Late        temperature.Summary // how late polls left against their ticks
	Intrusion   float64             // percent of the node's CPU that SIMONE used
	Utilisation float64             // 0..1, more if polls need more than there is, shed ones included
	PollCost    time.Duration
	Injected    time.Duration // mean delay of a result that was injected (Config.Slow)
}

// window is the trigger window under way. Host.mu guards it.
type window struct {
	temperature.Window
	late   temperature.Window
	opened reconfig.Instant
	polls  uint64        // concluded with an answer
	missed uint64        // concluded without one
	shed   uint64        // that did not leave
	busy   time.Duration // that the work of polls took

	injected time.Duration // of busy, what Config.Slow caused
}

func (w *window) reset(now reconfig.Instant) {
	*w = window{opened: now}
}

// closeWindow ends the trigger window and makes its temperature.
func (h *Host) closeWindow() {
	intrusion := h.cfg.Node.Intrusion()
	outstanding, oldest := h.results.outstanding()
	now := h.cfg.Clock.Now()

	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.list.Active() {
		return
	}
	o := temperature.Observation{
		Outstanding: outstanding,
		Leaves:      h.list.Len(),
		Intrusion:   intrusion,
		Backlog:     float64(h.backlog(outstanding)),
	}
	s := h.window.Summary()
	o.Completed, o.Latency = s.Count, s.Mean
	if h.measures.Windows == 0 && o.Leaves > 0 && s.Count+h.window.polls+h.window.missed == 0 && outstanding == 0 {
		// There is work, but none has been seen yet: that is not a cold ILM.
		h.window.reset(now)
		return
	}
	if outstanding > 0 {
		o.Oldest = max(time.Since(oldest), 0)
	}
	m := Measures{
		At: now, Windows: h.measures.Windows + 1, Latency: s, Late: h.window.late.Summary(), Intrusion: intrusion,
		PollCost: h.measures.PollCost,
	}
	if h.window.polls > 0 {
		m.PollCost = h.window.busy / time.Duration(h.window.polls)
		m.Injected = h.window.injected / time.Duration(h.window.polls)
	}
	if length := now.Sub(h.window.opened); length > 0 {
		busy := h.window.busy + time.Duration(h.window.shed)*m.PollCost
		m.Utilisation = busy.Seconds() / (length.Seconds() * h.cfg.Processors)
	}
	o.Utilisation = 100 * m.Utilisation
	t, err := h.meter.Close(o)
	if err != nil {
		h.log.Warn("temperature not computed; the previous one stands", "err", err)
	}
	m.Temperature, m.Weighted = t, h.meter.History.Weighted()
	h.measures = m
	h.window.reset(now)
}

// resetWindows begins anew, as when the node becomes an ILM or an empty list
// gets its first row: that it was cold without work says nothing of how it
// will be with some. h.mu is held.
func (h *Host) resetWindows(now reconfig.Instant) {
	h.measures = Measures{}
	h.meter.History.Reset()
	h.window.reset(now)
}

// backlog is how many jobs wait: polls that are due and have not left, and
// replies that are not in the tables. h.mu is held.
func (h *Host) backlog(outstanding int) int { return h.leaving + outstanding }

// Measures gives the figures of the last trigger window; all zero while the
// node is no ILM.
func (h *Host) Measures() Measures {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.measures
}

// Tuning is how temperatures are computed now.
func (h *Host) Tuning() Tuning {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tuning
}

// Tune changes how temperatures are computed from the next window on. On
// error nothing changes.
func (h *Host) Tune(t Tuning) error {
	if err := t.Validate(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tune(t)
}

func (h *Host) tune(t Tuning) error {
	if _, err := h.ruledTuning(t).meter(h.meter); err != nil {
		return err
	}
	h.tuning = t
	return nil
}
