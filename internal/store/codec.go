package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"simone/mib"
	"simone/reconfig"
)

// recordVersion is the version of the records' content. A reader knows all
// versions up to its own.
const recordVersion = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal appends the check sum to a record that begins with its version octet.
func seal(key, record []byte) []byte {
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, record)
	return binary.BigEndian.AppendUint32(record, sum)
}

// unseal gives the content of a record, which aliases it.
func unseal(key, sealed []byte) ([]byte, error) {
	if len(sealed) < 5 {
		return nil, fmt.Errorf("%d octets are too few", len(sealed))
	}
	record := sealed[:len(sealed)-4]
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, record)
	if sum != binary.BigEndian.Uint32(sealed[len(record):]) {
		return nil, errors.New("the check sum is wrong")
	}
	if record[0] != recordVersion {
		return nil, fmt.Errorf("the record is of version %d, this program reads %d", record[0], recordVersion)
	}
	return record[1:], nil
}

func sealJSON(key []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return seal(key, append([]byte{recordVersion}, b...)), nil
}

func unsealJSON(key, sealed []byte, v any) error {
	content, err := unseal(key, sealed)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, v)
}

func nodeKey(id mib.NodeID) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(id))
}

func parseNodeKey(k []byte) (mib.NodeID, error) {
	if len(k) != 4 {
		return 0, fmt.Errorf("the key has %d octets instead of 4", len(k))
	}
	return mib.NodeID(binary.BigEndian.Uint32(k)), nil
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func parseSeqKey(k []byte) (uint64, error) {
	if len(k) != 8 {
		return 0, fmt.Errorf("the key has %d octets instead of 8", len(k))
	}
	return binary.BigEndian.Uint64(k), nil
}

// sealLedger packs a ledger. Runs are differences modulo 2^32, small numbers
// as long as they are sorted, and exact even if not.
func sealLedger(key []byte, l *reconfig.Ledger) []byte {
	b := make([]byte, 1, 64)
	b[0] = recordVersion
	b = binary.AppendUvarint(b, l.Refused)
	b = binary.AppendUvarint(b, uint64(len(l.Runs)))
	last := uint32(0)
	for _, r := range l.Runs {
		b = binary.AppendUvarint(b, uint64(r.From-last))
		b = binary.AppendUvarint(b, uint64(r.To-r.From))
		last = r.To
	}
	b = binary.AppendUvarint(b, uint64(len(l.Held)))
	for i := range l.Held {
		h := &l.Held[i]
		b = binary.AppendUvarint(b, uint64(h.Slot))
		b = binary.BigEndian.AppendUint64(b, uint64(h.At))
		b = binary.AppendUvarint(b, uint64(h.By))
		b = binary.AppendUvarint(b, uint64(len(h.Payload)))
		b = append(b, h.Payload...)
	}
	return seal(key, b)
}

func unsealLedger(key, sealed []byte) (reconfig.Ledger, error) {
	var l reconfig.Ledger
	content, err := unseal(key, sealed)
	if err != nil {
		return l, err
	}
	r := reader{b: content}
	l.Refused = r.uvarint()
	last := uint32(0)
	for n := r.count(); n > 0; n-- {
		from := last + r.uint32()
		last = from + r.uint32()
		l.Runs = append(l.Runs, reconfig.Run{From: from, To: last})
	}
	for n := r.count(); n > 0; n-- {
		l.Held = append(l.Held, reconfig.HeldSample{
			Slot: r.uint32(), At: r.instant(), By: mib.NodeID(r.uint32()), Payload: r.bytes(),
		})
	}
	return l, r.done()
}

func sealCursor(key []byte, c reconfig.Cursor) []byte {
	b := []byte{recordVersion}
	b = binary.BigEndian.AppendUint64(b, c.Incarnation)
	b = binary.BigEndian.AppendUint32(b, c.Seq)
	return seal(key, b)
}

func unsealCursor(key, sealed []byte) (reconfig.Cursor, error) {
	b, err := unseal(key, sealed)
	if err == nil && len(b) != 12 {
		err = fmt.Errorf("a cursor has 12 octets, not %d", len(b))
	}
	if err != nil {
		return reconfig.Cursor{}, err
	}
	return reconfig.Cursor{Incarnation: binary.BigEndian.Uint64(b), Seq: binary.BigEndian.Uint32(b[8:])}, nil
}

func sealEpoch(key []byte, e mib.Epoch) []byte {
	return seal(key, e.Append([]byte{recordVersion}))
}

func unsealEpoch(key, sealed []byte) (mib.Epoch, error) {
	b, err := unseal(key, sealed)
	if err != nil {
		return mib.Epoch{}, err
	}
	return mib.ParseEpoch(b)
}

func sealSample(key []byte, s *reconfig.Stored) []byte {
	b := make([]byte, 1, 32+len(s.Payload))
	b[0] = recordVersion
	b = binary.AppendUvarint(b, uint64(s.Node))
	b = binary.AppendUvarint(b, uint64(s.Slot))
	b = binary.BigEndian.AppendUint64(b, uint64(s.At))
	b = binary.AppendUvarint(b, uint64(s.By))
	b = append(b, s.Payload...)
	return seal(key, b)
}

// unsealSample unpacks a sample; its payload aliases the record.
func unsealSample(key, sealed []byte) (reconfig.Stored, error) {
	content, err := unseal(key, sealed)
	if err != nil {
		return reconfig.Stored{}, err
	}
	r := reader{b: content}
	s := reconfig.Stored{Node: mib.NodeID(r.uint32()), Slot: r.uint32(), At: r.instant(), By: mib.NodeID(r.uint32())}
	s.Payload, r.b = r.b, nil
	return s, r.done()
}

// reader takes fields off a record; the first error sticks.
type reader struct {
	b   []byte
	err error
}

var errShort = errors.New("the record ends in the middle of a field")

func (r *reader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.err = errShort
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uint32() uint32 {
	v := r.uvarint()
	if v > 1<<32-1 && r.err == nil {
		r.err = fmt.Errorf("%d is above %d", v, uint32(1<<32-1))
	}
	return uint32(v)
}

// count reads a number of items, each of which takes at least one octet.
func (r *reader) count() uint64 {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.err = errShort
		return 0
	}
	return n
}

func (r *reader) instant() reconfig.Instant {
	if r.err == nil && len(r.b) < 8 {
		r.err = errShort
	}
	if r.err != nil {
		return 0
	}
	v := binary.BigEndian.Uint64(r.b)
	r.b = r.b[8:]
	return reconfig.Instant(v)
}

func (r *reader) bytes() []byte {
	n := r.count()
	if r.err != nil || n == 0 {
		return nil
	}
	v := append([]byte(nil), r.b[:n]...)
	r.b = r.b[n:]
	return v
}

func (r *reader) done() error {
	if r.err == nil && len(r.b) > 0 {
		return fmt.Errorf("%d octets are left over", len(r.b))
	}
	return r.err
}
