package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"simone/reconfig"
)

// prepare checks that the file is all there and of this format, and says
// whether it is small enough for a full check. It writes nothing.
func (d *DB) prepare() (whole bool, err error) {
	err = d.bolt.View(func(tx *bolt.Tx) error {
		info, err := d.file.Stat()
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		if info.Size() < tx.Size() {
			return damaged(d.path, fmt.Sprintf("it has %d octets of %d", info.Size(), tx.Size()))
		}
		whole = tx.Size() <= d.limits.Whole
		if d.pages, d.free, err = verifyPages(tx); err != nil {
			return damaged(d.path, err)
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
	return whole, err
}

// verifyPages checks that no page claims to go on beyond the end of the file:
// bbolt believes what a page says of its length, and would fill the memory
// with the list of its parts. It counts them, and those that are free.
func verifyPages(tx *bolt.Tx) (pages, free int, err error) {
	pages = int(tx.Size()) / tx.DB().Info().PageSize
	for id := 0; id < pages; id++ {
		p, err := tx.Page(id)
		if err != nil {
			return 0, 0, err
		}
		if p.Type == "free" {
			free++
			continue
		}
		if p.OverflowCount >= pages-id {
			return 0, 0, fmt.Errorf("page %d claims %d more of %d pages", id, p.OverflowCount, pages)
		}
		id += p.OverflowCount
	}
	return pages, free, nil
}

// verify reads every record, so that damage is found now and not in the
// middle of a failover, and builds the index of the samples. Unless whole is
// set it does not look up each sample by its key, which takes as long as all
// the rest.
func (d *DB) verify(whole bool) error {
	surplus, err := d.reindex()
	if err != nil {
		return err
	}
	err = d.bolt.View(func(tx *bolt.Tx) error {
		for _, name := range buckets() {
			if !whole && bytes.Equal(name, bucketSamples) {
				continue // reindex has walked it
			}
			if err := verifyKeys(tx, name); err != nil {
				return err
			}
		}
		if tx.Bucket(bucketLog) != nil {
			if err := verifyKeys(tx, bucketLog); err != nil {
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
		if _, err := d.readLog(tx); err != nil {
			return err
		}
		return each(tx, bucketEntries, parseSeqKey, func(_ uint64, k, v []byte) error {
			return unsealJSON(k, v, new(reconfig.Entry))
		})
	})
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
