package manager

import (
	"context"
	"sync"

	"simone/reconfig"
)

// letter is one event on its way to an engine.
type letter struct {
	// event makes the event once it is the engine's turn to see it, so that
	// instants never go backwards and ages are those of that moment.
	event func(now reconfig.Instant) reconfig.Event
	// of is the engine's life that the letter answers; nil is any.
	of *life
	// ctx is the sender's patience; nil is endless. A letter that is still
	// in the box when it ends is thrown away.
	ctx context.Context
	// done, if not nil, is told what came of it. It has room for one.
	done chan error
}

func (l *letter) refuse() {
	if l.done != nil {
		l.done <- ErrStopped
	}
}

// mailbox is a queue that never makes its senders wait. What bounds it are
// the senders: one answer for each action, and operators who wait for theirs.
type mailbox struct {
	ready chan struct{} // has room for one: there may be letters

	// mu guards the fields below.
	mu      sync.Mutex
	letters []letter
	closed  bool
}

func newMailbox() *mailbox { return &mailbox{ready: make(chan struct{}, 1)} }

// put adds a letter. Once the box is closed, its sender is told ErrStopped.
func (m *mailbox) put(l letter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		l.refuse()
		return
	}
	m.letters = append(m.letters, l)
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// close refuses all letters that are in the box or come later.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for _, l := range m.letters {
		l.refuse()
	}
	m.letters = nil
}

// take empties the box.
func (m *mailbox) take() []letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.letters
	m.letters = nil
	return l
}
