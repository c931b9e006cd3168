package etcd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"simone/internal/store"
)

// entriesUpto tells which entries up to one are still there, oldest first:
// those that only histories need. How large they are is not asked.
func (r *reading) entriesUpto(ctx context.Context, k keys, upto uint64) (all []kept, err error) {
	names := reading{client: r.client, revision: r.revision, keysOnly: true}
	now := time.Now()
	err = names.each(ctx, k.journal(), k.entry(upto+1), func(key, _ []byte, modified int64) error {
		seq, err := k.seqOf(key)
		all = append(all, kept{seq: seq, revision: modified, at: now})
		return err
	})
	return all, err
}

// Run writes snapshots and shortens the journal until ctx ends or the store is
// of no use any more. It returns nil.
func (s *Store) Run(ctx context.Context) error {
	const look = time.Second
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.deposed:
			return nil
		case <-ticker.C:
		}
		if s.Held() != nil || !s.snapshotDue() {
			continue
		}
		err := s.tidy(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.m.log.Warn("the snapshot in etcd could not be brought up to date; trying again", "err", err)
		}
		failing = err != nil
	}
}

func (s *Store) snapshotDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.m.cfg.Limits
	return s.since.entries > 0 && (s.since.entries >= l.SnapshotCount || s.since.octets >= l.SnapshotSize || time.Since(s.since.from) >= l.SnapshotEvery)
}

// tidy writes what has changed to the snapshot, and takes out of the journal
// what nobody needs any more.
func (s *Store) tidy(ctx context.Context) error {
	if err := s.snapshot(ctx); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if err := s.trim(ctx); err != nil {
		return fmt.Errorf("shorten the journal: %w", err)
	}
	return nil
}

// Bounds of one transaction of a snapshot, well below etcd's.
const (
	maxOps    = 100
	maxOctets = 512 << 10
)

// snapshot writes the parts that have changed.
func (s *Store) snapshot(ctx context.Context) (err error) {
	s.mu.Lock()
	if err := s.ready(ctx); err != nil {
		s.mu.Unlock()
		return err
	}
	as, upto, dirty := s.as, s.tail.seq, s.dirty
	var ops []clientv3.Op
	sizes := make(map[int]int) // by operation
	for _, p := range slices.SortedFunc(maps.Keys(dirty), comparePart) {
		c, failed := s.picture.Part(p)
		if failed == nil && c.Empty() {
			ops = append(ops, clientv3.OpDelete(s.keys.part(p)))
			continue
		}
		packed := []byte(nil)
		if failed == nil {
			packed, failed = c.Pack()
		}
		if failed != nil {
			s.mu.Unlock()
			return failed
		}
		sizes[len(ops)] = len(packed)
		ops = append(ops, clientv3.OpPut(s.keys.part(p), string(packed)))
	}
	if entries, err := s.picture.Entries(0, 1); err == nil && len(entries) > 0 { // those that fell off go
		oldest := store.EntryPart(entries[0].Seq)
		ops = append(ops, clientv3.OpDelete(s.keys.part(store.Part{Kind: store.PartEntries}), clientv3.WithRange(s.keys.part(oldest))))
	}
	s.dirty, s.since = make(map[store.Part]struct{}), backlog{}
	s.mu.Unlock()
	defer func() {
		if err == nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		maps.Copy(s.dirty, dirty)
		if s.since.entries++; s.since.from.IsZero() { // so that it is tried again
			s.since.from = time.Now()
		}
	}()

	first, octets := 0, 0
	for i := range ops {
		octets += sizes[i]
		if i+1 < len(ops) && i+1-first < maxOps && octets+sizes[i+1] < maxOctets {
			continue
		}
		if _, err := s.m.commit(ctx, as, nil, ops[first:i+1]...); err != nil {
			return err
		}
		first, octets = i+1, 0
	}
	_, err = s.m.commit(ctx, as, nil, clientv3.OpPut(s.keys.upto(), fmt.Sprintf("%x", upto)))
	return err
}

func comparePart(a, b store.Part) int {
	if a.Kind != b.Kind {
		return int(a.Kind) - int(b.Kind)
	}
	return int(int64(a.Number) - int64(b.Number))
}

// trim takes entries out of the journal that are in the snapshot and that
// nobody is to read any more. Right after a snapshot, but for what has come
// since, all are in it.
func (s *Store) trim(ctx context.Context) error {
	s.mu.Lock()
	l := &s.m.cfg.Limits
	size := 0
	for _, k := range s.journal {
		size += k.size
	}
	n := 0
	last := len(s.journal) - 1 - s.since.entries // the end stays: writes are conditional on it
	for now := time.Now(); n < last; n++ {
		k := &s.journal[n]
		if size <= l.JournalSize && now.Sub(k.at) <= l.JournalAge {
			break
		}
		if s.m.history.dir != "" && k.seq > s.m.history.reached() && size <= 2*l.JournalSize {
			break // the own history lags behind
		}
		size -= k.size
	}
	if n == 0 {
		s.mu.Unlock()
		return nil
	}
	as, oldest := s.as, s.journal[n]
	s.mu.Unlock()

	_, err := s.m.commit(ctx, as, nil,
		clientv3.OpDelete(s.keys.journal(), clientv3.WithRange(s.keys.entry(oldest.seq))),
		clientv3.OpDelete(string(s.keys)+"/piece/", clientv3.WithRange(s.keys.pieces(oldest.seq))))
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.journal = slices.Clone(s.journal[n:])
	s.mu.Unlock()
	if !l.Compact {
		return nil
	}
	_, err = within(ctx, func(ctx context.Context) (*clientv3.CompactResponse, error) {
		return s.m.etcd().Compact(ctx, oldest.revision)
	})
	if errors.Is(err, errCompacted) { // by somebody else, further on
		return nil
	}
	return err
}
