package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"simone/internal/store"
	"simone/mib"
	"simone/reconfig"
)

// Store is the shared store in the hands of the one who leads. All methods may
// be called by multiple goroutines at once. Writing methods are one etcd
// transaction each, conditional on leading.
type Store struct {
	m    *Member
	keys keys
	life uint64 // of this Store: marks what it wrote

	// mu guards the fields below. It is held during a write, as writes go
	// one after the other.
	mu      sync.Mutex
	picture *store.Memory // what etcd has
	as      candidate     // under which that is known to be so
	tail    tail
	stale   bool // a write has failed of which it is not known whether it happened
	dirty   map[store.Part]struct{}
	journal []kept // that is in etcd, oldest first
	since   backlog
	attempt uint64 // counts writes

	recent recent

	deposed     chan struct{} // closed when another one has led
	deposedOnce sync.Once
}

// tail is where the journal ends.
type tail struct {
	key      string // of the last entry; of the format before the first
	seq      uint64
	revision int64 // when the key was put
}

// kept is what the leader knows of an entry of the journal.
type kept struct {
	seq      uint64
	revision int64
	size     int
	at       time.Time
}

// backlog is what is in the journal and not in the snapshot.
type backlog struct {
	entries, octets int
	from            time.Time // of the first entry
}

// Lead reads the store. The member must lead, and what Lead gives is of use as
// long as Deposed is open. Until then an etcd that is away for a while makes
// writes fail, and no more.
func (m *Member) Lead(ctx context.Context) (*Store, error) {
	as, err := m.held()
	if err != nil {
		return nil, err
	}
	s := &Store{
		m: m, keys: keys(m.cfg.Prefix), life: rand.Uint64(), as: as,
		dirty: make(map[store.Part]struct{}), deposed: make(chan struct{}),
	}
	if err := s.read(ctx); err != nil {
		return nil, fmt.Errorf("read the store in etcd: %w", err)
	}
	if m.history.dir != "" { // who stood by has it already
		ctx, cancel := context.WithTimeout(ctx, awaitHistory)
		defer cancel()
		m.history.await(ctx, s.tail.seq)
	}
	return s, nil
}

// awaitHistory is how long a new leader waits for its history of samples:
// leading is more important.
const awaitHistory = 500 * time.Millisecond

// read takes the picture of what is there, and lays out what is empty.
func (s *Store) read(ctx context.Context) error {
	r := &reading{client: s.m.etcd()}
	f, modified, err := r.format(ctx, s.keys)
	if err != nil {
		return err
	}
	if f.Version == 0 {
		f = format{formatVersion, fmt.Sprintf("%016x", rand.Uint64())}
		value, err := json.Marshal(f)
		if err != nil {
			return err
		}
		if modified, err = s.m.commit(ctx, s.as, nil, clientv3.OpPut(s.keys.format(), string(value))); err != nil {
			return err
		}
		r.revision = 0
	}
	s.tail = tail{s.keys.format(), 0, modified}
	upto := uint64(0)
	s.picture, upto, err = r.picture(ctx, s.keys, s.m.cfg.Limits.Limits, func(e entry, c *store.Change) { s.note(e, c) })
	if err != nil {
		return err
	}
	before, err := r.entriesUpto(ctx, s.keys, upto)
	if err != nil {
		return err
	}
	if n := len(before); n > 0 && s.tail.seq == 0 {
		s.tail = tail{s.keys.entry(before[n-1].seq), before[n-1].seq, before[n-1].revision}
	}
	if s.tail.seq < upto {
		return fmt.Errorf("the journal does not go on where the snapshot ends, at entry %d: keys were deleted by hand; give the store another prefix, or restore etcd", upto)
	}
	s.journal = append(before, s.journal...)
	return nil
}

// note adds an entry that is in etcd to what is known of the journal. s.mu is
// held, or nobody else knows s.
func (s *Store) note(e entry, c *store.Change) {
	now := time.Now()
	s.tail = tail{s.keys.entry(e.seq), e.seq, e.revision}
	s.journal = append(s.journal, kept{e.seq, e.revision, e.size, now})
	for _, p := range c.Parts() {
		s.dirty[p] = struct{}{}
	}
	if s.since.entries == 0 {
		s.since.from = now
	}
	s.since.entries++
	s.since.octets += e.size
	if s.m.history.dir != "" {
		s.recent.add(e.seq, c.Txn, s.m.history.reached())
	}
}

// Deposed is closed when another manager has led: what was made of this store
// is not true any more.
func (s *Store) Deposed() <-chan struct{} { return s.deposed }

func (s *Store) depose() error {
	s.deposedOnce.Do(func() { close(s.deposed) })
	return ErrDeposed
}

// Held says why nothing may be done on the strength of this store now; nil if
// it may.
func (s *Store) Held() error {
	select {
	case <-s.deposed:
		return ErrDeposed
	default:
		return s.m.Held()
	}
}

// errConditions says that a transaction was refused by its conditions.
var errConditions = errors.New("the conditions do not hold any more")

// commit does operations in one transaction on condition that a candidate
// still leads, and of more.
func (m *Member) commit(ctx context.Context, as candidate, more []clientv3.Cmp, ops ...clientv3.Op) (revision int64, err error) {
	conditions := append([]clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(as.key), "=", as.created)}, more...)
	done, err := within(ctx, func(ctx context.Context) (*clientv3.TxnResponse, error) {
		return m.etcd().Txn(ctx).If(conditions...).Then(ops...).Commit()
	})
	if err != nil {
		return 0, err
	}
	if !done.Succeeded {
		return 0, errConditions
	}
	return done.Header.Revision, nil
}

// write makes a change: in etcd, then in the picture. prepare is called with
// the lock held, and may fill in what depends on what is there.
func (s *Store) write(what string, c store.Change, prepare func(*store.Change)) error {
	err := s.writeLocked(c, prepare)
	if err != nil {
		return fmt.Errorf("store in etcd: %s: %w", what, err)
	}
	return nil
}

func (s *Store) writeLocked(c store.Change, prepare func(*store.Change)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx := context.Background() // each request has its limit
	if err := s.ready(ctx); err != nil {
		return err
	}
	if prepare != nil {
		prepare(&c)
	}
	packed, err := c.Pack()
	if err != nil {
		return err
	}
	if err := s.append(ctx, &c, packed); err != nil {
		return err
	}
	return do(s.picture, c)
}

// ready makes sure that the picture is what etcd has, and that this manager
// leads. s.mu is held.
func (s *Store) ready(ctx context.Context) error {
	select {
	case <-s.deposed:
		return ErrDeposed
	default:
	}
	as, err := s.m.held()
	if err != nil {
		return err
	}
	if !s.stale && as == s.as {
		return nil
	}
	// Since the last write that is known another one may have led, or a write
	// of this one's may have happened all the same.
	r := &reading{client: s.m.etcd()}
	_, modified, err := r.one(ctx, s.tail.key)
	if err != nil {
		return err
	}
	if modified != s.tail.revision {
		return s.depose()
	}
	err = r.entries(ctx, s.keys, s.tail.seq, func(e entry) error {
		if e.life != s.life {
			return s.depose()
		}
		c, err := store.ParseChange(e.packed)
		if err != nil {
			return err
		}
		s.note(e, &c)
		return do(s.picture, c)
	})
	if err != nil {
		return err
	}
	s.as, s.stale = as, false
	return nil
}

// append puts an entry to the end of the journal. s.mu is held.
func (s *Store) append(ctx context.Context, c *store.Change, packed []byte) error {
	e := entry{seq: s.tail.seq + 1, life: s.life, size: len(packed)}
	key := s.keys.entry(e.seq)
	conditions := []clientv3.Cmp{
		clientv3.Compare(clientv3.ModRevision(s.tail.key), "=", s.tail.revision),
		clientv3.Compare(clientv3.CreateRevision(key), "=", 0),
	}
	s.stale = true // until it is known how it went
	s.attempt++
	h := header{life: s.life, attempt: s.attempt}
	for ; len(packed) > maxValue; h.pieces++ {
		if err := s.m.Held(); err != nil {
			return err
		}
		piece := clientv3.OpPut(s.keys.piece(e.seq, h, h.pieces), string(packed[:maxValue]))
		if _, err := s.m.commit(ctx, s.as, conditions, piece); err != nil {
			return err
		}
		packed = packed[maxValue:]
	}
	revision, err := s.m.commit(ctx, s.as, conditions, clientv3.OpPut(key, string(append(h.append(nil), packed...))))
	if err != nil {
		return err
	}
	s.stale = false
	e.revision = revision
	s.note(e, c)
	return nil
}

// Load gives the engine's state.
func (s *Store) Load() (reconfig.State, error) {
	if err := s.look("load"); err != nil {
		return reconfig.State{}, err
	}
	return s.picture.Load()
}

// LoadList gives the support list's state.
func (s *Store) LoadList() (reconfig.ListState, error) {
	if err := s.look("load list"); err != nil {
		return reconfig.ListState{}, err
	}
	return s.picture.LoadList()
}

// look makes sure that the picture is what etcd has.
func (s *Store) look(what string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(context.Background()); err != nil {
		return fmt.Errorf("store in etcd: %s: %w", what, err)
	}
	return nil
}

// Apply makes a transaction of the engine's durable.
func (s *Store) Apply(txn reconfig.Txn) error {
	if txn.Empty() {
		return nil
	}
	return s.write("apply", store.Change{Txn: txn}, nil)
}

// ApplyList makes a change of the support list durable, fence and effect
// together.
func (s *Store) ApplyList(change *reconfig.ListChange) error {
	if change == nil {
		return nil
	}
	return s.write("apply to list", store.Change{List: change}, nil)
}

// AddEntries appends to the event table.
func (s *Store) AddEntries(entries []reconfig.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	return s.write("add entries", store.Change{}, func(c *store.Change) {
		next := s.picture.LastEntry()
		for _, e := range entries {
			next++
			c.Entries = append(c.Entries, store.Entry{Seq: next, Entry: e})
		}
	})
}

// SetSettings keeps settings, and forgets others, together.
func (s *Store) SetSettings(put map[string]string, forget ...string) error {
	if err := store.CheckSettings(put, forget); err != nil {
		return err
	}
	return s.write("set settings", store.Change{Put: put, Unset: forget}, nil)
}

// SetSetting keeps one setting.
func (s *Store) SetSetting(name, value string) error {
	return s.SetSettings(map[string]string{name: value})
}

// Entries gives up to limit entries with numbers above after, as last known.
func (s *Store) Entries(after uint64, limit int) ([]store.Entry, error) {
	return s.picture.Entries(after, limit)
}

// Settings gives the settings that were changed, as last known.
func (s *Store) Settings() (map[string]string, error) { return s.picture.Settings() }

// Samples gives the samples of a node, the highest slot first, at most limit
// (all that are kept if limit is not positive): from this machine's history,
// and what is on its way there.
func (s *Store) Samples(node mib.NodeID, limit int) ([]reconfig.Stored, error) {
	return s.m.history.samples(node, limit, s.recent.after(s.m.history.reached(), node))
}
