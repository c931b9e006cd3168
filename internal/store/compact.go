package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// Space is how large a store is, in octets, and how much of it is free.
type Space struct{ Size, Free int64 }

// Space says how the file was used when it was opened.
func (d *DB) Space() Space {
	page := int64(d.bolt.Info().PageSize)
	return Space{int64(d.pages) * page, int64(d.free) * page}
}

// Sparse reports whether the file is large and mostly free, so that compacting
// it is worth its while.
func (s Space) Sparse() bool {
	const large = 8 << 20 // octets
	return s.Size >= large && s.Free > s.Size/2
}

// Compact writes the store at path anew without its free pages, and puts the
// new file in the place of the old one at once: after a crash it is one of the
// two. It checks both in full. It fails with ErrLocked while a process has the
// store open.
func Compact(path string) (before, after int64, err error) {
	if _, err := os.Stat(path); err != nil {
		return 0, 0, fmt.Errorf("store: %w", err)
	}
	d, err := OpenWith(path, Limits{Whole: 1 << 62})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	before = d.Space().Size
	next := path + ".compacting"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) { // of an attempt that was ended
		return before, 0, fmt.Errorf("store: %w", err)
	}
	defer func() {
		if e := os.Remove(next); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}()
	if err := d.copyTo(next); err != nil {
		return before, 0, fmt.Errorf("store %s: compact: %w", path, err)
	}
	if after, err = sameAs(next, d); err != nil {
		return before, after, fmt.Errorf("store %s: compact: %w", path, err)
	}
	if err := os.Rename(next, path); err != nil {
		return before, after, fmt.Errorf("store: %w", err)
	}
	return before, after, syncDir(filepath.Dir(path))
}

// copyTo writes what the store holds to a new file.
func (d *DB) copyTo(path string) error {
	to, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, FreelistType: bolt.FreelistMapType, NoSync: true})
	if err != nil {
		return err
	}
	const octets = 1 << 20 // of one transaction
	err = d.guard("compact", func() error { return bolt.Compact(to, d.bolt, octets) })
	if err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}

// sameAs opens a copy with the full check, compares how many records it has,
// and gives its size.
func sameAs(path string, d *DB) (size int64, err error) {
	c, err := OpenWith(path, Limits{Whole: 1 << 62})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	have, err := c.count()
	if err != nil {
		return 0, err
	}
	want, err := d.count()
	if err != nil {
		return 0, err
	}
	for name, n := range want {
		if have[name] != n {
			return 0, fmt.Errorf("the copy has %d records in %s, not %d", have[name], name, n)
		}
	}
	return c.Space().Size, nil
}

// count gives the number of records in each bucket.
func (d *DB) count() (records map[string]int, err error) {
	records = make(map[string]int)
	err = d.guard("count", func() error {
		return d.bolt.View(func(tx *bolt.Tx) error {
			return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
				records[string(name)] = b.Stats().KeyN
				return nil
			})
		})
	})
	return records, err
}

// Check opens the store at path, with the full check whatever its size, and
// says what is in it. It fails with ErrLocked while a process has it open, and
// makes none.
func Check(path string) (h Header, s Space, err error) {
	if _, err := os.Stat(path); err != nil {
		return h, s, fmt.Errorf("store: %w", err)
	}
	d, err := OpenWith(path, Limits{Whole: 1 << 62})
	if err != nil {
		return h, s, err
	}
	err = d.guard("check", func() error {
		return d.bolt.View(func(tx *bolt.Tx) (err error) {
			h, err = d.header(tx)
			return err
		})
	})
	return h, d.Space(), errors.Join(err, d.Close())
}
