package store

import (
	"errors"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"simone/mib"
	"simone/reconfig"
)

// Load gives the engine's state. A new store has the zero Meta and empty maps.
func (d *DB) Load() (state reconfig.State, err error) {
	err = d.guard("load", func() error {
		return d.bolt.View(func(tx *bolt.Tx) (err error) {
			if state, err = d.readState(tx); err != nil {
				return err
			}
			if m, err := d.readMark(tx); err != nil {
				return err
			} else if m != nil {
				state.Meta.Term = max(state.Meta.Term, m.Term)
			}
			state.Meta.Term = max(state.Meta.Term, d.known) // the store may be older than the file that counts them
			return nil
		})
	})
	return state, err
}

func (d *DB) readState(tx *bolt.Tx) (reconfig.State, error) {
	s := newState()
	if v := tx.Bucket(bucketMeta).Get(keyEngine); v != nil {
		if err := unsealJSON(keyEngine, v, &s.Meta); err != nil {
			return s, &recordError{bucketMeta, keyEngine, err}
		}
	}
	return s, errors.Join(
		eachNode(tx, bucketNodes, func(id mib.NodeID, k, v []byte) error {
			var n reconfig.Node
			err := unsealJSON(k, v, &n)
			s.Nodes[id] = n
			return err
		}),
		eachNode(tx, bucketLedgers, func(id mib.NodeID, k, v []byte) (err error) {
			s.Ledgers[id], err = unsealLedger(k, v)
			return err
		}),
		eachNode(tx, bucketCursors, func(id mib.NodeID, k, v []byte) (err error) {
			s.Cursors[id], err = unsealCursor(k, v)
			return err
		}),
	)
}

func newState() reconfig.State {
	return reconfig.State{
		Nodes:   make(map[mib.NodeID]reconfig.Node),
		Ledgers: make(map[mib.NodeID]reconfig.Ledger),
		Cursors: make(map[mib.NodeID]reconfig.Cursor),
	}
}

// Apply makes a transaction of the engine's durable. What it forgets is gone
// afterwards, with its samples, also if the same transaction puts it.
func (d *DB) Apply(txn reconfig.Txn) error {
	if txn.Empty() {
		return nil
	}
	d.applyMu.Lock()
	defer d.applyMu.Unlock()
	if txn.Meta != nil && txn.Meta.Term > d.counted {
		if err := writeTerm(d.path, txn.Meta.Term); err != nil {
			return fmt.Errorf("store %s: %w", d.path, err)
		}
		d.counted = txn.Meta.Term
	}
	err := d.guard("apply", func() error {
		return d.bolt.Update(func(tx *bolt.Tx) error { return d.apply(tx, &txn) })
	})
	if err != nil && (len(txn.Samples) > 0 || len(txn.Forget) > 0) {
		// The index ran ahead of the file: take it from there again. If that
		// fails as well nothing can be written, which the next call will say.
		_ = d.guard("read samples", func() error {
			_, err := d.reindex()
			return err
		})
	}
	return err
}

func (d *DB) apply(tx *bolt.Tx, txn *reconfig.Txn) error {
	if txn.Meta != nil {
		if err := putJSON(tx, bucketMeta, keyEngine, txn.Meta); err != nil {
			return err
		}
		m, err := d.readMark(tx)
		if err != nil {
			return err
		}
		if m != nil && txn.Meta.Term > m.Term { // a restore is made up for
			if err := tx.Bucket(bucketMeta).Delete(keyRestored); err != nil {
				return err
			}
		}
	}
	for i := range txn.Nodes {
		if err := putJSON(tx, bucketNodes, nodeKey(txn.Nodes[i].ID), &txn.Nodes[i]); err != nil {
			return err
		}
	}
	ledgers := tx.Bucket(bucketLedgers)
	for i := range txn.Ledgers {
		k := nodeKey(txn.Ledgers[i].Node)
		if err := ledgers.Put(k, sealLedger(k, &txn.Ledgers[i].Ledger)); err != nil {
			return err
		}
	}
	cursors := tx.Bucket(bucketCursors)
	for _, c := range txn.Cursors {
		k := nodeKey(c.Child)
		if err := cursors.Put(k, sealCursor(k, c.Cursor)); err != nil {
			return err
		}
	}
	if err := d.putSamples(tx, txn.Samples, txn.Forget); err != nil {
		return err
	}
	for _, id := range txn.Forget {
		k := nodeKey(id)
		if err := errors.Join(tx.Bucket(bucketNodes).Delete(k), ledgers.Delete(k)); err != nil {
			return err
		}
	}
	return nil
}

func putJSON(tx *bolt.Tx, bucket, key []byte, v any) error {
	record, err := sealJSON(key, v)
	if err != nil {
		return err
	}
	return tx.Bucket(bucket).Put(key, record)
}

// putSamples appends samples, drops the oldest of nodes that have too many,
// and all of forgotten nodes.
func (d *DB) putSamples(tx *bolt.Tx, samples []reconfig.Stored, forget []mib.NodeID) error {
	if len(samples) == 0 && len(forget) == 0 {
		return nil
	}
	b := tx.Bucket(bucketSamples)
	b.FillPercent = 0.95 // keys only grow
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range samples {
		s := &samples[i]
		if slices.Contains(forget, s.Node) {
			continue
		}
		seq, drop, keep := d.index.add(s.Node, s.Slot, d.limits.Samples)
		if !keep {
			continue
		}
		k := seqKey(seq)
		if err := b.Put(k, sealSample(k, s)); err != nil {
			return err
		}
		if drop != 0 {
			if err := b.Delete(seqKey(drop)); err != nil {
				return err
			}
		}
	}
	for _, id := range forget {
		for _, m := range d.index.nodes[id] {
			if err := b.Delete(seqKey(m.seq)); err != nil {
				return err
			}
		}
		delete(d.index.nodes, id)
	}
	return nil
}
