package store

import (
	"maps"
	"slices"

	"simone/mib"
	"simone/reconfig"
)

// Part is a part of a store's content: what a snapshot writes under one key.
type Part struct {
	Kind   PartKind
	Number uint32 // of the part among those of its kind
}

// PartKind says what a Part has.
type PartKind uint8

// The kinds of parts. A snapshot is read in any order, but PartHead last: the
// parts with rows repeat the list's head as it was when they were written.
const (
	PartNodes   PartKind = iota + 1 // of the engine's state, by NodeID
	PartLedgers                     // by NodeID
	PartCursors                     // by NodeID of the child
	PartRows                        // of the support list, with tombstones, by NodeID
	PartEntries                     // of the event table, by number
	PartHead                        // what there is once: Meta, the list's head, settings
)

// perPart is how many nodes, or entries, lie in one part: so few that a part
// is a few ten kilo-octets, so many that a thousand nodes are few keys.
const perPart = 64

// EntryPart is the part that has an entry of the event table.
func EntryPart(seq uint64) Part { return Part{PartEntries, uint32(seq / perPart)} }

// Parts gives the parts that a change touches, each once.
func (c *Change) Parts() []Part {
	touched := make(map[Part]struct{})
	put := func(kind PartKind, number uint64) { touched[Part{kind, uint32(number / perPart)}] = struct{}{} }
	for i := range c.Txn.Nodes {
		put(PartNodes, uint64(c.Txn.Nodes[i].ID))
	}
	for _, id := range c.Txn.Forget {
		put(PartNodes, uint64(id))
		put(PartLedgers, uint64(id))
	}
	for i := range c.Txn.Ledgers {
		put(PartLedgers, uint64(c.Txn.Ledgers[i].Node))
	}
	for _, x := range c.Txn.Cursors {
		put(PartCursors, uint64(x.Child))
	}
	if l := c.List; l != nil {
		for i := range l.Rows {
			put(PartRows, uint64(l.Rows[i].Row.Node))
		}
		for _, id := range l.Removed {
			put(PartRows, uint64(id))
		}
		for _, t := range l.Tombs {
			put(PartRows, uint64(t.Node))
		}
	}
	for i := range c.Entries {
		put(PartEntries, c.Entries[i].Seq)
	}
	if c.Txn.Meta != nil || c.List != nil || len(c.Put)+len(c.Unset) > 0 {
		put(PartHead, 0)
	}
	return slices.Collect(maps.Keys(touched))
}

// Do makes a change of any kind, with all that belongs to it. Samples are kept
// as Apply keeps them.
func (m *Memory) Do(c Change) error {
	if err := m.Apply(c.Txn); err != nil {
		return err
	}
	if err := m.ApplyList(c.List); err != nil {
		return err
	}
	if len(c.Put)+len(c.Unset) > 0 {
		if err := m.SetSettings(c.Put, c.Unset...); err != nil {
			return err
		}
	}
	if len(c.Entries) == 0 {
		return nil
	}
	return m.write(func() {
		for _, e := range c.Entries {
			if e.Seq > m.last { // parts of a snapshot may come in any order
				m.last = e.Seq
				m.entries = append(m.entries, e)
			} else if i, found := slices.BinarySearchFunc(m.entries, e.Seq, bySeq); !found {
				m.entries = slices.Insert(m.entries, i, e)
			}
		}
		m.entries = newest(m.entries, m.limits.Entries)
	})
}

// LastEntry is the number of the newest entry; 0 is none.
func (m *Memory) LastEntry() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// Part gives what a part has now, as the change that makes it of nothing.
func (m *Memory) Part(p Part) (c Change, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	first := uint64(p.Number) * perPart
	records := func(bucket []byte, f func(id mib.NodeID, key, record []byte) error) {
		for n := first; n < first+perPart && err == nil; n++ {
			id := mib.NodeID(n)
			if record, ok := m.records[string(bucket)][id]; ok {
				err = f(id, nodeKey(id), record)
			}
		}
	}
	switch p.Kind {
	case PartNodes:
		records(bucketNodes, func(_ mib.NodeID, key, record []byte) error {
			var n reconfig.Node
			defer func() { c.Txn.Nodes = append(c.Txn.Nodes, n) }()
			return unsealJSON(key, record, &n)
		})
	case PartLedgers:
		records(bucketLedgers, func(id mib.NodeID, key, record []byte) error {
			l, err := unsealLedger(key, record)
			c.Txn.Ledgers = append(c.Txn.Ledgers, reconfig.LedgerOf{Node: id, Ledger: l})
			return err
		})
	case PartCursors:
		records(bucketCursors, func(id mib.NodeID, key, record []byte) error {
			x, err := unsealCursor(key, record)
			c.Txn.Cursors = append(c.Txn.Cursors, reconfig.CursorOf{Child: id, Cursor: x})
			return err
		})
	case PartRows:
		list := m.headChange()
		records(bucketRows, func(_ mib.NodeID, key, record []byte) error {
			var r reconfig.ListRow
			defer func() { list.Rows = append(list.Rows, r) }()
			return unsealJSON(key, record, &r)
		})
		records(bucketTombs, func(id mib.NodeID, key, record []byte) error {
			e, err := unsealEpoch(key, record)
			list.Tombs = append(list.Tombs, mib.Tombstone{Node: id, Epoch: e})
			return err
		})
		if len(list.Rows)+len(list.Tombs) > 0 {
			c.List = list
		}
	case PartEntries:
		i, _ := slices.BinarySearchFunc(m.entries, first, bySeq)
		for ; i < len(m.entries) && m.entries[i].Seq < first+perPart; i++ {
			c.Entries = append(c.Entries, m.entries[i])
		}
	case PartHead:
		if m.meta != nil {
			c.Txn.Meta = new(reconfig.Meta)
			err = unsealJSON(keyEngine, m.meta, c.Txn.Meta)
		}
		c.List = m.headChange()
		c.Put = maps.Clone(m.settings)
	}
	return c, err
}

// headChange is the list's head alone. m.mu is held.
func (m *Memory) headChange() *reconfig.ListChange {
	return &reconfig.ListChange{Active: m.list.Active, Settings: m.list.Settings, Fence: m.list.Fence, FenceSum: m.list.FenceSum, Term: m.list.Term}
}
