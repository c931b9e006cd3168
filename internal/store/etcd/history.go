package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"simone/internal/store"
	"simone/mib"
	"simone/reconfig"
)

// errCompacted says that a revision is not to be had any more.
var errCompacted = rpctypes.ErrCompacted

// history is the samples that went through the journal, in a file of this
// machine's.
type history struct {
	dir    string // "": none is kept
	limits store.Limits
	log    *slog.Logger

	// mu guards the fields below.
	mu  sync.Mutex
	db  *store.DB
	seq uint64 // of the journal, up to which db has all that was still there
}

// followed is the "child" under whose cursor the file says how far it has
// followed the journal: so that this is one transaction with the samples.
const followed mib.NodeID = 0

// open opens the file that goes with a store, and takes away those of others.
func (h *history) open(id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.db != nil {
		return nil
	}
	name := "history-" + id + ".db"
	old, err := filepath.Glob(filepath.Join(h.dir, "history-*.db"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if filepath.Base(path) != name {
			h.log.Info("a history of samples belongs to another store and is removed", "file", path)
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	if h.db, err = store.OpenWith(filepath.Join(h.dir, name), h.limits); err != nil {
		h.db = nil
		return err
	}
	state, err := h.db.Load()
	if err != nil {
		return err
	}
	h.seq = state.Cursors[followed].Incarnation
	return nil
}

func (h *history) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.db == nil {
		return nil
	}
	return h.db.Close()
}

func (h *history) samples(node mib.NodeID, limit int) ([]reconfig.Stored, error) {
	h.mu.Lock()
	db := h.db
	h.mu.Unlock()
	if db == nil {
		return nil, nil
	}
	return db.Samples(node, limit)
}

// reached is how far the journal has been followed.
func (h *history) reached() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seq
}

// take writes what entries say of samples, in one transaction.
func (h *history) take(entries []entry) error {
	if len(entries) == 0 {
		return nil
	}
	var txn reconfig.Txn
	for _, e := range entries {
		c, err := store.ParseChange(e.packed)
		if err != nil {
			return fmt.Errorf("entry %d of the journal: %w", e.seq, err)
		}
		txn.Samples = append(txn.Samples, c.Txn.Samples...)
		txn.Forget = append(txn.Forget, c.Txn.Forget...) // numbers are never given again
	}
	last := entries[len(entries)-1].seq
	txn.Cursors = []reconfig.CursorOf{{Child: followed, Cursor: reconfig.Cursor{Incarnation: last}}}
	h.mu.Lock()
	db := h.db
	h.mu.Unlock()
	if err := db.Apply(txn); err != nil {
		return err
	}
	h.mu.Lock()
	h.seq = last
	h.mu.Unlock()
	return nil
}

// follow keeps the history until ctx ends. What goes wrong is logged once,
// and tried again.
func (m *Member) follow(ctx context.Context) {
	if m.history.dir == "" {
		return
	}
	failing := false
	for ctx.Err() == nil {
		began := time.Now()
		err := m.followOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing && !unreachable(err) { // of that Standing tells
			m.log.Warn("the history of samples cannot be kept up to date; trying again", "err", err)
		}
		failing = err != nil && time.Since(began) < maxPause
		select {
		case <-ctx.Done():
		case <-time.After(minPause):
		}
	}
}

// unreachable reports whether an error is about the way to etcd.
func unreachable(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "Unavailable")
}

// followOnce reads the journal from where the history ends, and what comes.
func (m *Member) followOnce(ctx context.Context) error {
	k := keys(m.cfg.Prefix)
	r := &reading{client: m.client}
	f, _, err := r.format(ctx, k)
	if err != nil {
		return err
	}
	if f.Version == 0 { // nobody has led yet
		return nil
	}
	if err := m.history.open(f.ID); err != nil {
		return err
	}
	var batch []entry
	next, size := m.history.reached()+1, 0
	err = r.entries(ctx, k, next-1, func(e entry) error {
		if e.seq > next && next > 1 && len(batch) == 0 {
			m.log.Warn("the history of samples has a gap: this manager was away for longer than the journal in etcd reaches back", "entries", e.seq-next)
		}
		next = e.seq + 1
		batch, size = append(batch, e), size+e.size
		if size < maxValue {
			return nil
		}
		err := m.history.take(batch)
		batch, size = nil, 0
		return err
	})
	if err == nil {
		err = m.history.take(batch)
	}
	if err != nil {
		return err
	}
	return m.followLive(ctx, k, r.revision)
}

// followLive takes what is put after a revision, until the watch breaks off.
func (m *Member) followLive(ctx context.Context, k keys, revision int64) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	watch := m.client.Watch(ctx, k.journal(), clientv3.WithPrefix(), clientv3.WithRev(revision+1), clientv3.WithFilterDelete())
	for {
		batch, err := gather(ctx, m.client, k, watch)
		if err := errors.Join(m.history.take(batch), err); err != nil {
			return err
		}
	}
}

// gatherFor is how long samples wait for others, to be written together.
const gatherFor = 100 * time.Millisecond

// gather takes entries from a watch until there are some, and as many as come
// soon after. An error ends the watch.
func gather(ctx context.Context, client *clientv3.Client, k keys, watch clientv3.WatchChan) (batch []entry, err error) {
	var over <-chan time.Time
	for size := 0; size < maxValue; {
		select {
		case <-over:
			return batch, nil
		case got, ok := <-watch:
			if !ok {
				return batch, cmp.Or(ctx.Err(), errWatch)
			}
			if err := got.Err(); err != nil {
				return batch, err
			}
			for _, event := range got.Events {
				r := &reading{client: client, revision: event.Kv.ModRevision}
				e, err := r.entry(ctx, k, event.Kv.Key, event.Kv.Value, event.Kv.ModRevision)
				if err != nil {
					return batch, err
				}
				batch, size = append(batch, e), size+e.size
			}
			if len(batch) > 0 && over == nil {
				over = time.After(gatherFor)
			}
		}
	}
	return batch, nil
}

var errWatch = errors.New("the watch has ended")
