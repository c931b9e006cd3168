package store

import (
	"cmp"
	"slices"

	bolt "go.etcd.io/bbolt"

	"simone/mib"
	"simone/reconfig"
)

// sampleIndex says where the samples of each node lie. It is in memory only:
// 16 octets a sample.
type sampleIndex struct {
	nodes map[mib.NodeID][]mark // by slot
	last  uint64                // the highest sequence number given
}

// mark is one sample: its slot and its key in the file.
type mark struct {
	seq  uint64
	slot uint32
}

func bySlot(m mark, slot uint32) int { return cmp.Compare(m.slot, slot) }

// add makes room for a sample: seq is its key, drop the key of the oldest
// one, which has to go for it (0: none). A slot that has its sample keeps it,
// and what is older than all of a full ring is not kept.
func (x *sampleIndex) add(node mib.NodeID, slot uint32, limit int) (seq, drop uint64, keep bool) {
	marks := x.nodes[node]
	i, found := slices.BinarySearchFunc(marks, slot, bySlot)
	if found || i == 0 && len(marks) >= limit {
		return 0, 0, false
	}
	x.last++
	marks = slices.Insert(marks, i, mark{x.last, slot})
	if len(marks) > limit {
		drop = marks[0].seq
		marks = marks[1:]
	}
	x.nodes[node] = marks
	return x.last, drop, true
}

// reindex builds the index from the file, and gives the keys of samples that
// are beyond the limit.
func (d *DB) reindex() (surplus []uint64, err error) {
	x := sampleIndex{nodes: make(map[mib.NodeID][]mark)}
	err = d.bolt.View(func(tx *bolt.Tx) error {
		return each(tx, bucketSamples, parseSeqKey, func(seq uint64, k, v []byte) error {
			s, err := unsealSample(k, v)
			if err != nil {
				return err
			}
			x.last = seq
			marks := x.nodes[s.Node]
			if n := len(marks); n == 0 || marks[n-1].slot < s.Slot {
				x.nodes[s.Node] = append(marks, mark{seq, s.Slot})
				return nil
			}
			i, _ := slices.BinarySearchFunc(marks, s.Slot, bySlot)
			x.nodes[s.Node] = slices.Insert(marks, i, mark{seq, s.Slot})
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	for id, marks := range x.nodes {
		if n := len(marks) - d.limits.Samples; n > 0 {
			for _, m := range marks[:n] {
				surplus = append(surplus, m.seq)
			}
			x.nodes[id] = slices.Clone(marks[n:])
		}
	}
	d.mu.Lock()
	d.index = x
	d.mu.Unlock()
	return surplus, nil
}

// Samples gives the samples of a node, the highest slot first, at most limit
// (all that are kept if limit is not positive).
func (d *DB) Samples(node mib.NodeID, limit int) (samples []reconfig.Stored, err error) {
	err = d.guard("read samples", func() error {
		d.mu.Lock()
		marks := slices.Clone(newest(d.index.nodes[node], limit))
		d.mu.Unlock()
		samples = make([]reconfig.Stored, 0, len(marks))
		return d.bolt.View(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketSamples)
			for _, m := range slices.Backward(marks) {
				k := seqKey(m.seq)
				v := b.Get(k)
				if v == nil { // just dropped, or not yet committed
					continue
				}
				s, err := unsealSample(k, v)
				if err != nil {
					return &recordError{bucketSamples, k, err}
				}
				s.Payload = slices.Clone(s.Payload)
				samples = append(samples, s)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return samples, nil
}

// newest is the last limit items, all if limit is not positive.
func newest[T any](all []T, limit int) []T {
	if limit > 0 && limit < len(all) {
		return all[len(all)-limit:]
	}
	return all
}
