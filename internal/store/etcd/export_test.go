package etcd

import "context"

// Tidy writes a snapshot and shortens the journal now.
func (s *Store) Tidy(ctx context.Context) error { return s.tidy(ctx) }

// Followed reports whether the history has all that the journal has.
func (s *Store) Followed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m.history.reached() == s.tail.seq
}
