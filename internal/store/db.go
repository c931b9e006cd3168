package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterr "go.etcd.io/bbolt/errors"

	"simone/mib"
	"simone/reconfig"
)

// Limits bound what a store keeps of things that never end. Zeros are the
// defaults.
type Limits struct {
	Samples int // per node; 512 by default
	Entries int // of the event table; 4096 by default
}

func (l Limits) withDefaults() Limits {
	if l.Samples <= 0 {
		l.Samples = 512
	}
	if l.Entries <= 0 {
		l.Entries = 4096
	}
	return l
}

// formatVersion is the version of the file as a whole.
const formatVersion = 1

// lockWait is how long Open waits for the lock: long enough for a process
// that is just ending, short enough for a person who watches.
const lockWait = 700 * time.Millisecond

var (
	bucketFormat   = []byte("format")
	bucketMeta     = []byte("meta")
	bucketNodes    = []byte("nodes")
	bucketLedgers  = []byte("ledgers")
	bucketCursors  = []byte("cursors")
	bucketRows     = []byte("rows")
	bucketTombs    = []byte("tombs")
	bucketEntries  = []byte("entries")
	bucketSamples  = []byte("samples")
	bucketSettings = []byte("settings")

	keyVersion = []byte("version") // in bucketFormat
	keyEngine  = []byte("engine")  // in bucketMeta
	keyList    = []byte("list")    // in bucketMeta
)

// buckets are all but format.
func buckets() [][]byte {
	return [][]byte{
		bucketMeta, bucketNodes, bucketLedgers, bucketCursors, bucketRows,
		bucketTombs, bucketEntries, bucketSamples, bucketSettings,
	}
}

// DB is a store in a bbolt file.
type DB struct {
	path   string
	limits Limits
	bolt   *bolt.DB
	file   *os.File // the one that bolt has open

	applyMu sync.Mutex // one Apply at a time, with the repair of the index if it fails

	// mu guards the fields below. It is never taken inside a read
	// transaction, nor held during a commit.
	mu     sync.Mutex
	index  sampleIndex
	broken error // why nothing works any more: damage found, or closed
}

// Open opens the store in the file at path with default limits, and makes
// file (mode 0600) and directory (0700) if they are not there. It fails with
// ErrLocked, within a second, if another process has the file open, with
// ErrDamaged if it cannot be read, and with ErrVersion if another release
// wrote it. It reads the file from end to end.
func Open(path string) (*DB, error) { return OpenWith(path, Limits{}) }

// OpenWith is Open with limits of the caller's.
func OpenWith(path string, limits Limits) (db *DB, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("store %s: make its directory: %w", path, err)
	}
	d := &DB{path: path, limits: limits.withDefaults()}
	defer func() {
		if err != nil {
			d.abandon()
		}
	}()
	// bbolt panics, or reads beyond the end of the mapped file, on damage.
	err = d.guard("open", func() error {
		if err := d.open(); err != nil {
			return err
		}
		if err := d.prepare(); err != nil {
			return err
		}
		return d.verify()
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (d *DB) open() error {
	_, err := os.Stat(d.path)
	fresh := errors.Is(err, os.ErrNotExist)
	d.bolt, err = bolt.Open(d.path, 0o600, &bolt.Options{
		Timeout:      lockWait,
		FreelistType: bolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			d.file = f
			return f, err
		},
	})
	switch {
	case errors.Is(err, bolterr.ErrTimeout):
		return locked(d.path)
	case errors.As(err, new(*os.PathError)): // names the file itself
		return fmt.Errorf("store: %w", err)
	case err != nil:
		return damaged(d.path, err)
	}
	if fresh { // the name must survive a power cut as the content does
		return syncDir(filepath.Dir(d.path))
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// prepare checks that the file is whole and of this format, and lays out a
// new one. It writes to no other.
func (d *DB) prepare() error {
	fresh := false
	err := d.bolt.View(func(tx *bolt.Tx) error {
		info, err := d.file.Stat()
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		if info.Size() < tx.Size() {
			return damaged(d.path, fmt.Sprintf("it has %d octets of %d", info.Size(), tx.Size()))
		}
		if err := verifyPages(tx); err != nil {
			return damaged(d.path, err)
		}
		if k, _ := tx.Cursor().First(); k == nil {
			fresh = true
			return nil
		}
		f := tx.Bucket(bucketFormat)
		if f == nil {
			return damaged(d.path, "it is a bbolt file of another program")
		}
		v := f.Get(keyVersion)
		if len(v) != 8 {
			return damaged(d.path, "it has no version")
		}
		if have := binary.BigEndian.Uint64(v); have != formatVersion {
			return wrongVersion(d.path, have, formatVersion)
		}
		for _, name := range buckets() {
			if tx.Bucket(name) == nil {
				return damaged(d.path, fmt.Sprintf("bucket %s is missing", name))
			}
		}
		return nil
	})
	if err != nil || !fresh {
		return err
	}
	return d.bolt.Update(func(tx *bolt.Tx) error {
		f, err := tx.CreateBucket(bucketFormat)
		if err != nil {
			return err
		}
		for _, name := range buckets() {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return f.Put(keyVersion, binary.BigEndian.AppendUint64(nil, formatVersion))
	})
}

// verifyPages checks that no page claims to go on beyond the end of the file:
// bbolt believes what a page says of its length, and would fill the memory
// with the list of its parts.
func verifyPages(tx *bolt.Tx) error {
	pages := int(tx.Size()) / tx.DB().Info().PageSize
	for id := 0; id < pages; id++ {
		p, err := tx.Page(id)
		if err != nil {
			return err
		}
		if p.Type == "free" {
			continue
		}
		if p.OverflowCount >= pages-id {
			return fmt.Errorf("page %d claims %d more of %d pages", id, p.OverflowCount, pages)
		}
		id += p.OverflowCount
	}
	return nil
}

// verify reads every record, so that damage is found now and not in the
// middle of a failover, and builds the index of the samples.
func (d *DB) verify() error {
	err := d.bolt.View(func(tx *bolt.Tx) error {
		for _, name := range buckets() {
			if err := verifyKeys(tx, name); err != nil {
				return err
			}
		}
		// bbolt's own check, of what it keeps in between. It runs in a
		// goroutine where a fault cannot be caught, so it comes after all
		// pages were read here.
		var problem error // the first of perhaps many
		for err := range tx.Check() {
			problem = cmp.Or(problem, err)
		}
		if problem != nil {
			return damaged(d.path, problem)
		}
		if err := each(tx, bucketMeta, parseName, func(_ string, k, v []byte) error {
			_, err := unseal(k, v) // a spoilt name would look like a missing record
			return err
		}); err != nil {
			return err
		}
		if _, err := d.readState(tx); err != nil {
			return err
		}
		if _, err := d.readList(tx); err != nil {
			return err
		}
		if _, err := d.readSettings(tx); err != nil {
			return err
		}
		return each(tx, bucketEntries, parseSeqKey, func(_ uint64, k, v []byte) error {
			return unsealJSON(k, v, new(reconfig.Entry))
		})
	})
	if err != nil {
		return err
	}
	surplus, err := d.reindex()
	if err != nil || len(surplus) == 0 {
		return err
	}
	return d.bolt.Update(func(tx *bolt.Tx) error { // the limit was higher before
		b := tx.Bucket(bucketSamples)
		for _, seq := range surplus {
			if err := b.Delete(seqKey(seq)); err != nil {
				return err
			}
		}
		return nil
	})
}

// verifyKeys checks that every record of a bucket is also found when it is
// looked for: a walk does not see damage to the keys in between.
func verifyKeys(tx *bolt.Tx, bucket []byte) error {
	b := tx.Bucket(bucket)
	return b.ForEach(func(k, v []byte) error {
		if found := b.Get(k); v == nil || found == nil || &found[0] != &v[0] {
			return &recordError{bucket, append([]byte(nil), k...), errors.New("it is not found by its key")}
		}
		return nil
	})
}

// Path is the file's name.
func (d *DB) Path() string { return d.path }

// Close gives up the file and its lock. It waits for calls under way; calls
// after it fail with ErrClosed. Closing again does nothing.
func (d *DB) Close() error {
	d.mu.Lock()
	before := d.broken
	d.broken = fmt.Errorf("store %s: %w", d.path, ErrClosed)
	d.mu.Unlock()
	switch {
	case errors.Is(before, ErrClosed):
		return nil
	case before != nil: // bolt's own locks may be held for good
		d.abandon()
		return nil
	}
	if err := d.bolt.Close(); err != nil {
		return fmt.Errorf("store %s: close: %w", d.path, err)
	}
	return nil
}

// abandon frees the lock on the file without trusting its content.
func (d *DB) abandon() {
	if d.bolt != nil && !d.isBroken() {
		_ = d.bolt.Close()
		return
	}
	if d.file != nil {
		unlock(d.file)
		_ = d.file.Close()
	}
}

func (d *DB) isBroken() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.broken != nil
}

// guard runs one operation, and makes errors of bbolt's panics and of faults
// in the mapped file. After one of those the DB does nothing further: what
// is in memory of the file can no longer be trusted.
func (d *DB) guard(op string, f func() error) (err error) {
	d.mu.Lock()
	err = d.broken
	d.mu.Unlock()
	if err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = damaged(d.path, fmt.Sprintf("%s: %v", op, r))
			d.mu.Lock()
			d.broken = err
			d.mu.Unlock()
		}
	}()
	err = f()
	var bad *recordError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterr.ErrDatabaseNotOpen):
		return fmt.Errorf("store %s: %s: %w", d.path, op, ErrClosed)
	case errors.As(err, &bad):
		return damaged(d.path, bad)
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrLocked), errors.Is(err, ErrVersion):
		return err // says all
	case op == "open":
		return err
	}
	return fmt.Errorf("store %s: %s: %w", d.path, op, err)
}

// recordError says which record is damaged.
type recordError struct {
	bucket, key []byte
	err         error
}

func (e *recordError) Error() string {
	return fmt.Sprintf("bucket %s, key %x: %v", e.bucket, e.key, e.err)
}

// each calls f for every record of a bucket in the order of keys. Keys and
// values are not to be kept.
func each[K any](tx *bolt.Tx, bucket []byte, parse func([]byte) (K, error), f func(key K, k, v []byte) error) error {
	return tx.Bucket(bucket).ForEach(func(k, v []byte) error {
		key, err := parse(k)
		if err == nil {
			err = f(key, k, v)
		}
		if err != nil {
			return &recordError{bucket, append([]byte(nil), k...), err}
		}
		return nil
	})
}

// eachNode is each for buckets whose keys are NodeIDs.
func eachNode(tx *bolt.Tx, bucket []byte, f func(id mib.NodeID, k, v []byte) error) error {
	return each(tx, bucket, parseNodeKey, f)
}
