package store

import (
	bolt "go.etcd.io/bbolt"

	"simone/reconfig"
)

// Entry is an entry of the event table with its number, from 1. It is an
// alias of an unnamed type, so that a package that declares an interface for
// its store can name it without importing this one.
type Entry = struct {
	Seq uint64
	reconfig.Entry
}

// AddEntries appends to the event table and drops the oldest entries beyond
// its limit. Numbers are never used twice.
func (d *DB) AddEntries(entries []reconfig.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	return d.guard("add entries", func() error {
		return d.bolt.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketEntries)
			b.FillPercent = 0.95 // keys only grow
			for i := range entries {
				seq, err := b.NextSequence()
				if err != nil {
					return err
				}
				k := seqKey(seq)
				v, err := sealJSON(k, &entries[i])
				if err != nil {
					return err
				}
				if err := b.Put(k, v); err != nil {
					return err
				}
			}
			c := b.Cursor()
			for k, _ := c.First(); k != nil; k, _ = c.First() {
				seq, err := parseSeqKey(k)
				if err != nil {
					return &recordError{bucketEntries, k, err}
				}
				if b.Sequence()-seq < uint64(d.limits.Entries) {
					return nil
				}
				if err := b.Delete(k); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// Entries gives up to limit entries (all if limit is not positive) with
// numbers above after, in their order. Those that fell off are missing.
func (d *DB) Entries(after uint64, limit int) (entries []Entry, err error) {
	if after == 1<<64-1 {
		return nil, nil
	}
	err = d.guard("read entries", func() error {
		return d.bolt.View(func(tx *bolt.Tx) error {
			c := tx.Bucket(bucketEntries).Cursor()
			for k, v := c.Seek(seqKey(after + 1)); k != nil; k, v = c.Next() {
				if limit > 0 && len(entries) == limit {
					return nil
				}
				var e Entry
				var err error
				if e.Seq, err = parseSeqKey(k); err == nil {
					err = unsealJSON(k, v, &e.Entry)
				}
				if err != nil {
					return &recordError{bucketEntries, k, err}
				}
				entries = append(entries, e)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}
