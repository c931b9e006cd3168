package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
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
	mu    sync.Mutex
	db    *store.DB
	seq   uint64        // of the journal, up to which db has all that was still there
	grown chan struct{} // closed when seq changes
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

// samples gives those of a node, the highest slot first, and before them what
// is not in the file yet.
func (h *history) samples(node mib.NodeID, limit int, fresh later) ([]reconfig.Stored, error) {
	h.mu.Lock()
	db := h.db
	h.mu.Unlock()
	var all []reconfig.Stored
	if db != nil && !fresh.forgotten {
		var err error
		if all, err = db.Samples(node, 0); err != nil {
			return nil, err
		}
	}
	keep := h.limits.Samples
	for _, x := range fresh.samples {
		i, found := slices.BinarySearchFunc(all, x.Slot, func(s reconfig.Stored, slot uint32) int { return cmp.Compare(slot, s.Slot) })
		if !found && i < keep {
			all = slices.Insert(all, i, x)
			all = all[:min(len(all), keep)]
		}
	}
	if limit > 0 && limit < len(all) {
		all = all[:limit]
	}
	return all, nil
}

// recent is what the leader has written to the journal and may not be in its
// history yet.
type recent struct {
	mu      sync.Mutex // guards entries
	entries []recentEntry
}

type recentEntry struct {
	seq     uint64
	samples []reconfig.Stored
	forget  []mib.NodeID
}

// maxRecent bounds what waits for a history that cannot be written.
const maxRecent = 10_000

// add notes what an entry says of samples, and drops what the history has.
func (r *recent) add(seq uint64, txn reconfig.Txn, reached uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = slices.DeleteFunc(r.entries, func(e recentEntry) bool { return e.seq <= reached })
	if len(txn.Samples)+len(txn.Forget) == 0 {
		return
	}
	r.entries = append(r.entries, recentEntry{seq, copies(txn.Samples), slices.Clone(txn.Forget)})
	if n := len(r.entries) - maxRecent; n > 0 {
		r.entries = slices.Delete(r.entries, 0, n)
	}
}

func copies(samples []reconfig.Stored) []reconfig.Stored {
	all := slices.Clone(samples)
	for i := range all {
		all[i].Payload = slices.Clone(all[i].Payload)
	}
	return all
}

// later is what came of a node after what a history has.
type later struct {
	forgotten bool
	samples   []reconfig.Stored // in the order of their coming
}

// after gives what came of a node after an entry.
func (r *recent) after(seq uint64, node mib.NodeID) (l later) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		if e.seq <= seq {
			continue
		}
		for i := range e.samples {
			if e.samples[i].Node == node {
				l.samples = append(l.samples, copies(e.samples[i:i+1])...)
			}
		}
		if slices.Contains(e.forget, node) {
			l = later{forgotten: true}
		}
	}
	return l
}

// reached is how far the journal has been followed.
func (h *history) reached() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seq
}

// take writes what entries say of samples: in one transaction, but that one
// which forgets nodes is by itself.
func (h *history) take(entries []entry) error {
	var txn reconfig.Txn
	last := uint64(0)
	for _, e := range entries {
		c, err := store.ParseChange(e.packed)
		if err != nil {
			return fmt.Errorf("entry %d of the journal: %w", e.seq, err)
		}
		if len(c.Txn.Forget) > 0 || len(txn.Forget) > 0 {
			if err := h.write(txn, last); err != nil {
				return err
			}
			txn = reconfig.Txn{}
		}
		txn.Samples = append(txn.Samples, c.Txn.Samples...)
		txn.Forget, last = c.Txn.Forget, e.seq
	}
	return h.write(txn, last)
}

// write is one transaction, with how far it brings the history; 0 is nothing.
func (h *history) write(txn reconfig.Txn, last uint64) error {
	if last == 0 {
		return nil
	}
	txn.Cursors = []reconfig.CursorOf{{Child: followed, Cursor: reconfig.Cursor{Incarnation: last}}}
	h.mu.Lock()
	db := h.db
	h.mu.Unlock()
	if err := db.Apply(txn); err != nil {
		return err
	}
	h.advance(last)
	return nil
}

func (h *history) advance(seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq = seq
	if h.grown != nil {
		close(h.grown)
		h.grown = nil
	}
}

// await waits until the history has what the journal has up to an entry, or
// ctx ends.
func (h *history) await(ctx context.Context, seq uint64) {
	for {
		h.mu.Lock()
		if h.seq >= seq {
			h.mu.Unlock()
			return
		}
		if h.grown == nil {
			h.grown = make(chan struct{})
		}
		grown := h.grown
		h.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return
		}
	}
}

// follow keeps the history until ctx ends. What goes wrong is logged once,
// and tried again.
func (m *Member) follow(ctx context.Context) {
	if m.history.dir == "" {
		return
	}
	failing, pause := false, minPause
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
		if !failing {
			pause = minPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		if failing {
			pause = min(2*pause, maxPause)
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
	r := &reading{client: m.etcd()}
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
	watch := m.etcd().Watch(ctx, k.journal(), clientv3.WithPrefix(), clientv3.WithRev(revision+1), clientv3.WithFilterDelete())
	for {
		batch, err := gather(ctx, m.etcd(), k, watch)
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
