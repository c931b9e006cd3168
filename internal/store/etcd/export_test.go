package etcd

import "context"

// Tidy writes a snapshot and shortens the journal now.
func (s *Store) Tidy(ctx context.Context) error { return s.tidy(ctx) }
