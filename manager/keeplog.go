package manager

import (
	"context"
	"fmt"
	"time"

	"simone/reconfig"
)

// LogStore keeps a report log across restarts. Its methods may block for a
// write to disk.
type LogStore interface {
	// LoadLog gives what was kept; a new store gives the zero state.
	LoadLog() (reconfig.LogState, error)
	// KeepLog makes a batch durable: wholly, before it returns, or not at all,
	// with an error.
	KeepLog(reconfig.LogBatch) error
}

// loadLog gives what the store has of the report log; nil if it is not to be
// kept.
func (h *Host) loadLog() (*reconfig.LogState, error) {
	if h.cfg.LogWindow == 0 {
		return nil, nil
	}
	s, ok := h.cfg.Store.(LogStore)
	if !ok {
		return nil, fmt.Errorf("manager: the report log cannot be kept in a %T: leave ilm.log_window at 0s", h.cfg.Store)
	}
	h.logs = s
	state, err := s.LoadLog()
	if err != nil {
		return nil, fmt.Errorf("manager: load the report log: %w", err)
	}
	return &state, nil
}

// keepLog writes what is new in the report log, and how far it was
// acknowledged, once each window: a poll costs no write of its own.
func (h *Host) keepLog(ctx context.Context) {
	tick := time.NewTicker(h.cfg.LogWindow)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := h.writeLog(func() reconfig.LogBatch { return h.list.Log().Batch(false) })
		if err != nil && !failing {
			h.log.Error("the report log cannot be kept: what is in it would be lost in a restart", "err", err)
		}
		failing = err != nil
	}
}

// writeLog makes a batch durable. One goroutine does so at a time.
func (h *Host) writeLog(batch func() reconfig.LogBatch) error {
	h.mu.Lock()
	b := batch()
	h.mu.Unlock()
	if h.logged.same(b) {
		return nil
	}
	if err := h.logs.KeepLog(b); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list.Log().Kept(b)
	h.logged = loggedTo{b.Tail, b.Reserved, b.Polled != nil}
	return nil
}

// loggedTo is what the last batch said.
type loggedTo struct {
	tail, reserved uint32
	last           bool
}

// same reports whether a batch says nothing new that matters.
func (l loggedTo) same(b reconfig.LogBatch) bool {
	return len(b.Records) == 0 && b.Polled == nil && !l.last && l.tail == b.Tail && l.reserved != 0 && b.Reserved-l.reserved < 1<<16
}

// endLog waits for the answers of polls that have left, within limits, and
// writes the rest of the log. Nothing is sent any more.
func (h *Host) endLog() {
	limit := time.NewTimer(lastAnswers)
	defer limit.Stop()
	for waiting := true; waiting; {
		h.mu.Lock()
		flying := h.list.Flying()
		h.mu.Unlock()
		if outstanding, _ := h.results.outstanding(); flying+outstanding == 0 {
			break
		}
		select {
		case <-h.concluded:
		case <-limit.C:
			waiting = false
		}
	}
	if err := h.writeLog(h.list.LastBatch); err != nil {
		h.log.Error("the report log could not be kept: what was not read of it is lost", "err", err)
	}
}

// lastAnswers is how long a process that ends waits for the answers to its
// last polls.
const lastAnswers = 300 * time.Millisecond

// conclude signals that a poll has been concluded.
func (h *Host) conclude() {
	select {
	case h.concluded <- struct{}{}:
	default:
	}
}
