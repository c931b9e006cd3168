package store

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// keyRestored, in bucketMeta, is there from a restore until the manager has
// begun the term that follows it.
var keyRestored = []byte("restored")

// restoredMark is the record at keyRestored.
type restoredMark struct {
	Made time.Time // when the backup was made
	Term uint32    // what the next term has to be far above
}

// Restored says what a restore did.
type Restored struct {
	Header Header
	Kept   string // where the store is that was there before; "" if there was none
	Term   uint32 // the highest one that is known to have been used
}

// Restore replaces the store at path by a backup, of which name is what errors
// call it. It verifies all of the backup before it changes anything, fails
// with ErrLocked while a process has the store open, and keeps the store that
// was there. The manager will begin a term that nobody has used: far above the
// highest in the backup, in the store replaced and in the file that counts
// them. check may refuse what the header says; nil accepts all.
func Restore(path string, backup io.Reader, name string, check func(Header) error) (r Restored, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return r, fmt.Errorf("store %s: make its directory: %w", path, err)
	}
	held, err := claim(path)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, held.release(err == nil)) }()

	next := path + ".restoring"
	if r.Header, err = unpack(next, backup, name, check); err != nil {
		return r, err
	}
	defer func() { // gone when all went well
		if e := os.Remove(next); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}()
	r.Term = max(r.Header.Term, held.term)
	if err := markRestored(next, r, name); err != nil {
		return r, err
	}
	if held.there {
		if r.Kept, err = keep(path); err != nil {
			return r, fmt.Errorf("store %s: keep it beside: %w", path, err)
		}
	}
	if err := writeTerm(path, r.Term); err != nil {
		return r, fmt.Errorf("store %s: %w", path, err)
	}
	if err := os.Rename(next, path); err != nil {
		return r, fmt.Errorf("store: %w", err)
	}
	return r, syncDir(filepath.Dir(path))
}

// unpack writes the store in a backup to a file, if the backup is good.
func unpack(path string, backup io.Reader, name string, check func(Header) error) (h Header, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return h, fmt.Errorf("store: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	out := bufio.NewWriterSize(f, 1<<16)
	h, err = readBackup(backup, name, nil, out)
	if err == nil && check != nil {
		err = check(h)
	}
	if err == nil {
		err = errors.Join(out.Flush(), f.Sync())
	}
	return h, errors.Join(err, f.Close())
}

// markRestored checks the store that is to be put in place, and has the manager that
// opens it next know where it comes from.
func markRestored(path string, r Restored, name string) error {
	d, err := OpenWith(path, Limits{Whole: 1 << 62})
	if err != nil {
		return badBackup(name, "the store in it is damaged: %v", err)
	}
	err = d.bolt.Update(func(tx *bolt.Tx) error {
		if err := forgetLog(tx); err != nil {
			return err
		}
		return putJSON(tx, bucketMeta, keyRestored, restoredMark{Made: r.Header.Made, Term: r.Term})
	})
	return errors.Join(err, d.Close())
}

// claimed is a store that nobody else can open meanwhile.
type claimed struct {
	path  string
	there bool // it was there before
	db    *DB  // nil if it cannot be read
	file  *os.File
	term  uint32 // the highest one known to have been used with it
}

// claim takes the lock of a store, whatever state it is in: a damaged one is
// what people restore.
func claim(path string) (c claimed, err error) {
	c.path = path
	_, err = os.Stat(path)
	c.there = err == nil
	c.db, err = Open(path)
	switch {
	case err == nil:
		s, err := c.db.Load()
		if err != nil {
			return c, errors.Join(err, c.db.Close())
		}
		c.term = s.Meta.Term
		return c, nil
	case !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion):
		return c, err
	}
	c.db = nil
	if term, err := readTerm(path); err == nil { // else the file is damaged too
		c.term = term
	}
	if c.file, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return c, fmt.Errorf("store: %w", err)
	}
	if err := lock(c.file); err != nil {
		return c, errors.Join(locked(path), c.file.Close())
	}
	return c, nil
}

// release gives the lock up; a store that claim has made is left only if it
// was replaced.
func (c claimed) release(replaced bool) error {
	var err error
	if !c.there && !replaced {
		err = os.Remove(c.path)
	}
	if c.db != nil {
		return errors.Join(err, c.db.Close())
	}
	return errors.Join(err, c.file.Close())
}

// keep gives a file a second name.
func keep(path string) (name string, err error) {
	at := time.Now().UTC().Format("20060102T150405Z")
	for i := range 100 {
		name = fmt.Sprintf("%s.replaced-%s", path, at)
		if i > 0 {
			name += fmt.Sprintf("-%d", i)
		}
		if err = os.Link(path, name); !errors.Is(err, os.ErrExist) {
			break
		}
	}
	return name, err
}

// Restored reports whether the store came from a backup and no term has been
// begun since. The manager has then to begin one far above that of Load.
func (d *DB) Restored() (restored bool, err error) {
	err = d.guard("read", func() error {
		return d.bolt.View(func(tx *bolt.Tx) error {
			m, err := d.readMark(tx)
			restored = m != nil
			return err
		})
	})
	return restored, err
}

func (d *DB) readMark(tx *bolt.Tx) (*restoredMark, error) {
	v := tx.Bucket(bucketMeta).Get(keyRestored)
	if v == nil {
		return nil, nil
	}
	content, err := unseal(keyRestored, v)
	if err != nil {
		return nil, &recordError{bucketMeta, keyRestored, err}
	}
	m := new(restoredMark)
	return m, json.Unmarshal(content, m)
}
