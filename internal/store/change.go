package store

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"simone/mib"
	"simone/reconfig"
)

// Change is one write on a manager's store, of any kind: what Apply,
// ApplyList, AddEntries or SetSettings does. Stores that write a journal keep
// it packed.
type Change struct {
	Txn     reconfig.Txn
	List    *reconfig.ListChange
	Entries []Entry           // with their numbers
	Put     map[string]string // settings
	Unset   []string          // settings, by name
}

// Empty reports whether there is nothing to write.
func (c *Change) Empty() bool {
	return c.Txn.Empty() && c.List == nil && len(c.Entries)+len(c.Put)+len(c.Unset) == 0
}

// A packed Change is an octet that says how, and then fields: a tag, a number
// whose meaning depends on the tag, and a record with its length. Tags are
// append-only.
const (
	fieldMeta = iota + 1
	fieldNode
	fieldForget // no record
	fieldLedger
	fieldCursor
	fieldSample
	fieldList // the head; makes List
	fieldRow
	fieldRemoved // no record
	fieldTomb
	fieldEntry // by number
	fieldPut   // the number is the name's length; the value follows
	fieldUnset // likewise
)

// How a Change is packed.
const (
	packedPlain   = 1
	packedDeflate = 2
)

// worthPacking is from how many octets on deflating pays.
const worthPacking = 256

// maxChange bounds what a packed Change may unfold to: many times what 65,535
// nodes need.
const maxChange = 1 << 28

// Pack encodes the change. Order is that of the slices; settings are sorted.
func (c *Change) Pack() ([]byte, error) {
	w := fields{b: []byte{packedPlain}}
	if m := c.Txn.Meta; m != nil {
		w.json(fieldMeta, 0, keyEngine, m)
	}
	for i := range c.Txn.Nodes {
		n := &c.Txn.Nodes[i]
		w.json(fieldNode, uint64(n.ID), nodeKey(n.ID), n)
	}
	for _, id := range c.Txn.Forget {
		w.put(fieldForget, uint64(id), nil)
	}
	for i := range c.Txn.Ledgers {
		l := &c.Txn.Ledgers[i]
		w.put(fieldLedger, uint64(l.Node), sealLedger(nodeKey(l.Node), &l.Ledger))
	}
	for _, x := range c.Txn.Cursors {
		w.put(fieldCursor, uint64(x.Child), sealCursor(nodeKey(x.Child), x.Cursor))
	}
	for i := range c.Txn.Samples {
		s := &c.Txn.Samples[i]
		w.put(fieldSample, uint64(s.Node), sealSample(nodeKey(s.Node), s))
	}
	if l := c.List; l != nil {
		w.json(fieldList, 0, keyList, listHeadOf(l))
		for i := range l.Rows {
			r := &l.Rows[i]
			w.json(fieldRow, uint64(r.Row.Node), nodeKey(r.Row.Node), r)
		}
		for _, id := range l.Removed {
			w.put(fieldRemoved, uint64(id), nil)
		}
		for _, t := range l.Tombs {
			w.put(fieldTomb, uint64(t.Node), sealEpoch(nodeKey(t.Node), t.Epoch))
		}
	}
	for i := range c.Entries {
		e := &c.Entries[i]
		w.json(fieldEntry, e.Seq, seqKey(e.Seq), &e.Entry)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Put)) {
		w.put(fieldPut, uint64(len(name)), seal([]byte(name), append([]byte{recordVersion}, name+c.Put[name]...)))
	}
	for _, name := range c.Unset {
		w.put(fieldUnset, uint64(len(name)), seal([]byte(name), append([]byte{recordVersion}, name...)))
	}
	if w.err != nil {
		return nil, fmt.Errorf("pack a change: %w", w.err)
	}
	return deflated(w.b), nil
}

// fields writes a Change; the first error sticks.
type fields struct {
	b   []byte
	err error
}

func (w *fields) put(tag byte, number uint64, record []byte) {
	w.b = binary.AppendUvarint(append(w.b, tag), number)
	w.b = binary.AppendUvarint(w.b, uint64(len(record)))
	w.b = append(w.b, record...)
}

func (w *fields) json(tag byte, number uint64, key []byte, v any) {
	record, err := sealJSON(key, v)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.put(tag, number, record)
}

// deflated is a packed Change, smaller if it can be.
func deflated(plain []byte) []byte {
	if len(plain) < worthPacking {
		return plain
	}
	var b bytes.Buffer
	b.WriteByte(packedDeflate)
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err == nil {
		_, err = w.Write(plain[1:])
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil || b.Len() >= len(plain) { // a buffer does not fail
		return plain
	}
	return b.Bytes()
}

// ParseChange is the inverse of Pack.
func ParseChange(packed []byte) (Change, error) {
	c, err := parseChange(packed)
	if err != nil {
		return Change{}, fmt.Errorf("packed change of %d octets: %w", len(packed), err)
	}
	return c, nil
}

func parseChange(packed []byte) (c Change, err error) {
	if len(packed) == 0 {
		return c, errShort
	}
	r := reader{b: packed[1:]}
	switch packed[0] {
	case packedPlain:
	case packedDeflate:
		if r.b, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(r.b)), maxChange+1)); err != nil {
			return c, err
		}
		if len(r.b) > maxChange {
			return c, errors.New("it unfolds to more than a store can hold")
		}
	default:
		return c, fmt.Errorf("it is packed in a way (%d) that this program does not know", packed[0])
	}
	for len(r.b) > 0 {
		tag := r.b[0]
		r.b = r.b[1:]
		number := r.uvarint()
		n := r.count()
		if r.err != nil {
			return c, r.err
		}
		record := r.b[:n:n]
		r.b = r.b[n:]
		if err := c.take(tag, number, record); err != nil {
			return c, fmt.Errorf("field %d of %d: %w", tag, number, err)
		}
	}
	return c, nil
}

// take puts one field into its place.
func (c *Change) take(tag byte, number uint64, record []byte) (err error) {
	id := mib.NodeID(number)
	if tag != fieldEntry && number > 1<<32-1 {
		return fmt.Errorf("%d is no NodeID", number)
	}
	if c.List == nil && (tag == fieldRow || tag == fieldRemoved || tag == fieldTomb) {
		return errors.New("it belongs to a list that is not there")
	}
	switch tag {
	case fieldMeta:
		c.Txn.Meta = new(reconfig.Meta)
		return unsealJSON(keyEngine, record, c.Txn.Meta)
	case fieldNode:
		var n reconfig.Node
		err = unsealJSON(nodeKey(id), record, &n)
		c.Txn.Nodes = append(c.Txn.Nodes, n)
	case fieldForget:
		c.Txn.Forget = append(c.Txn.Forget, id)
	case fieldLedger:
		l := reconfig.LedgerOf{Node: id}
		l.Ledger, err = unsealLedger(nodeKey(id), record)
		c.Txn.Ledgers = append(c.Txn.Ledgers, l)
	case fieldCursor:
		x := reconfig.CursorOf{Child: id}
		x.Cursor, err = unsealCursor(nodeKey(id), record)
		c.Txn.Cursors = append(c.Txn.Cursors, x)
	case fieldSample:
		var s reconfig.Stored
		s, err = unsealSample(nodeKey(id), record)
		s.Payload = slices.Clone(s.Payload)
		c.Txn.Samples = append(c.Txn.Samples, s)
	case fieldList:
		var h listHead
		err = unsealJSON(keyList, record, &h)
		c.List = &reconfig.ListChange{Active: h.Active, Settings: h.Settings, Fence: h.Fence, FenceSum: h.FenceSum, Term: h.Term}
	case fieldRow:
		var row reconfig.ListRow
		err = unsealJSON(nodeKey(id), record, &row)
		c.List.Rows = append(c.List.Rows, row)
	case fieldRemoved:
		c.List.Removed = append(c.List.Removed, id)
	case fieldTomb:
		t := mib.Tombstone{Node: id}
		t.Epoch, err = unsealEpoch(nodeKey(id), record)
		c.List.Tombs = append(c.List.Tombs, t)
	case fieldEntry:
		e := Entry{Seq: number}
		err = unsealJSON(seqKey(number), record, &e.Entry)
		c.Entries = append(c.Entries, e)
	case fieldPut, fieldUnset:
		if number >= uint64(len(record)) {
			return errShort
		}
		text, err := unseal(record[1:][:number:number], record)
		if err != nil {
			return err
		}
		if name := string(text[:number]); tag == fieldUnset {
			c.Unset = append(c.Unset, name)
		} else {
			if c.Put == nil {
				c.Put = make(map[string]string)
			}
			c.Put[name] = string(text[number:])
		}
	default:
		return errors.New("a field of a newer release")
	}
	return err
}
