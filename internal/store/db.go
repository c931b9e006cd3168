package store

import (
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
)

// Limits bound what a store keeps of things that never end. Zeros are the
// defaults.
type Limits struct {
	Samples int // per node; 512 by default
	Entries int // of the event table; 4096 by default
	// Whole is up to what size of the file, in octets, opening it includes the
	// full check; a larger one is checked quickly. 64 MiB by default.
	Whole int64
}

// WithDefaults puts the defaults in the place of zeros.
func (l Limits) WithDefaults() Limits {
	if l.Samples <= 0 {
		l.Samples = 512
	}
	if l.Entries <= 0 {
		l.Entries = 4096
	}
	if l.Whole <= 0 {
		l.Whole = 64 << 20
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

	// As they were when it was opened.
	pages, free int
	known       uint32 // the term in the file beside the store

	// applyMu is held during Apply: one at a time, with the repair of the index
	// if it fails. It guards the field below.
	applyMu sync.Mutex
	counted uint32 // the term in the file beside the store, now

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
// wrote it.
//
// It reads the file from end to end, for the index of the samples, and on the
// way checks the version, every page, every record's check sum and bbolt's own
// lists: some 2 ms for each MiB. Up to Limits.Whole it does what Check does.
func Open(path string) (*DB, error) { return OpenWith(path, Limits{}) }

// OpenWith is Open with limits of the caller's.
func OpenWith(path string, limits Limits) (db *DB, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("store %s: make its directory: %w", path, err)
	}
	d := &DB{path: path, limits: limits.WithDefaults()}
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
		whole, err := d.prepare()
		if err != nil {
			return err
		}
		if d.known, err = readTerm(d.path); err != nil {
			return err
		}
		d.counted = d.known
		return d.verify(whole)
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// open takes the file and its lock, and makes the file if it is not there.
func (d *DB) open() error {
	for range maxReplaced {
		if err := d.openOnce(); err != nil {
			return err
		}
		// Whoever waits for the lock of a file that is then replaced
		// (Compact, Restore) has the lock of one that nobody will read again.
		if same, err := isAt(d.file, d.path); err != nil || same {
			return err
		}
		err := d.bolt.Close()
		d.bolt, d.file = nil, nil
		if err != nil {
			return fmt.Errorf("store %s: close: %w", d.path, err)
		}
	}
	return fmt.Errorf("store %s: it is replaced again and again: start one process at a time", d.path)
}

// maxReplaced is how often in a row the file may have been replaced between
// its opening and its locking.
const maxReplaced = 5

func (d *DB) openOnce() error {
	info, err := os.Stat(d.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := create(d.path); err != nil {
			return err
		}
	case err == nil && info.Size() == 0:
		return damaged(d.path, "it is empty: it was cut off, or never written to its end")
	}
	d.bolt, err = bolt.Open(d.path, 0o600, &bolt.Options{
		Timeout:      lockWait,
		FreelistType: bolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag&^os.O_CREATE, mode) // nothing is made by halves here
			d.file = f
			return f, err
		},
	})
	switch {
	case errors.Is(err, bolterr.ErrTimeout):
		return locked(d.path)
	case errors.Is(err, os.ErrPermission):
		return forbidden(err)
	case errors.As(err, new(*os.PathError)): // names the file itself
		return fmt.Errorf("store: %w", err)
	case err != nil:
		return damaged(d.path, err)
	}
	return nil
}

// create makes a new store. It is laid out under another name and gets its own
// when it is whole, so that what a crash leaves behind is a store or nothing.
func create(path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	if err := f.Close(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	b, err := bolt.Open(f.Name(), 0o600, &bolt.Options{Timeout: lockWait, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return fmt.Errorf("store %s: make it: %w", path, err)
	}
	if err := errors.Join(b.Update(layOut), b.Close()); err != nil {
		return fmt.Errorf("store %s: make it: %w", path, err)
	}
	// Unlike a rename this does not replace what another process has just made.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("store: %w", err)
	}
	return syncDir(filepath.Dir(path)) // the name must survive a power cut as the content does
}

// layOut makes the buckets of a new store.
func layOut(tx *bolt.Tx) error {
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
}

// isAt reports whether an open file is the one with that name.
func isAt(f *os.File, path string) (bool, error) {
	have, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("store: %w", err)
	}
	there, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("store: %w", err)
	}
	return os.SameFile(have, there), nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
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
