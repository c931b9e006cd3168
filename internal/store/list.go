package store

import (
	"errors"

	bolt "go.etcd.io/bbolt"

	"simone/mib"
	"simone/reconfig"
)

// listHead is what a list has once.
type listHead struct {
	Active   bool
	Settings reconfig.IlmSettings
	Fence    mib.Fence
	FenceSum uint64
	Term     uint32 `json:",omitzero"`
}

func listHeadOf(c *reconfig.ListChange) listHead {
	return listHead{c.Active, c.Settings, c.Fence, c.FenceSum, c.Term}
}

// LoadList gives the support list's state. A new store has empty maps.
func (d *DB) LoadList() (state reconfig.ListState, err error) {
	err = d.guard("load list", func() error {
		return d.bolt.View(func(tx *bolt.Tx) (err error) {
			state, err = d.readList(tx)
			return err
		})
	})
	return state, err
}

func (d *DB) readList(tx *bolt.Tx) (reconfig.ListState, error) {
	var head listHead
	if v := tx.Bucket(bucketMeta).Get(keyList); v != nil {
		if err := unsealJSON(keyList, v, &head); err != nil {
			return reconfig.ListState{}, &recordError{bucketMeta, keyList, err}
		}
	}
	s := newListState(head)
	return s, errors.Join(
		eachNode(tx, bucketRows, func(id mib.NodeID, k, v []byte) error {
			var r reconfig.ListRow
			err := unsealJSON(k, v, &r)
			s.Rows[id] = r
			return err
		}),
		eachNode(tx, bucketTombs, func(id mib.NodeID, k, v []byte) (err error) {
			s.Tombs[id], err = unsealEpoch(k, v)
			return err
		}),
	)
}

func newListState(h listHead) reconfig.ListState {
	return reconfig.ListState{
		Active: h.Active, Settings: h.Settings, Fence: h.Fence, FenceSum: h.FenceSum, Term: h.Term,
		Rows:  make(map[mib.NodeID]reconfig.ListRow),
		Tombs: make(map[mib.NodeID]mib.Epoch),
	}
}

// ApplyList makes a change of the support list durable, fence and effect
// together. As in List.Apply, removals come after rows, and a tombstone of
// the zero epoch is none. Acknowledgements are not kept.
func (d *DB) ApplyList(change *reconfig.ListChange) error {
	if change == nil {
		return nil
	}
	return d.guard("apply list", func() error {
		return d.bolt.Update(func(tx *bolt.Tx) error {
			if err := putJSON(tx, bucketMeta, keyList, listHeadOf(change)); err != nil {
				return err
			}
			for i := range change.Rows {
				if err := putJSON(tx, bucketRows, nodeKey(change.Rows[i].Row.Node), &change.Rows[i]); err != nil {
					return err
				}
			}
			rows, tombs := tx.Bucket(bucketRows), tx.Bucket(bucketTombs)
			for _, id := range change.Removed {
				if err := rows.Delete(nodeKey(id)); err != nil {
					return err
				}
			}
			for _, t := range change.Tombs {
				k := nodeKey(t.Node)
				var err error
				if t.Epoch.IsZero() {
					err = tombs.Delete(k)
				} else {
					err = tombs.Put(k, sealEpoch(k, t.Epoch))
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}
