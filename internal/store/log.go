package store

import (
	"encoding/binary"
	"errors"

	bolt "go.etcd.io/bbolt"

	"simone/mib"
	"simone/reconfig"
)

// bucketLog holds the records of a report log, by sequence number. It is there
// once a log was kept; earlier releases know nothing of it.
var bucketLog = []byte("log")

var keyLog = []byte("log") // in bucketMeta

// logHead is what a log has once.
type logHead struct {
	Incarnation    uint64
	Tail, Reserved uint32
	Polled         map[mib.NodeID]uint32 `json:",omitempty"`
}

func (h logHead) state() reconfig.LogState {
	return reconfig.LogState{Incarnation: h.Incarnation, Tail: h.Tail, Reserved: h.Reserved, Polled: h.Polled}
}

func headOf(b *reconfig.LogBatch) logHead {
	return logHead{b.Incarnation, b.Tail, b.Reserved, b.Polled}
}

// LoadLog gives the report log that was kept; the zero state if none was.
func (d *DB) LoadLog() (s reconfig.LogState, err error) {
	err = d.guard("load log", func() error {
		return d.bolt.View(func(tx *bolt.Tx) (err error) {
			s, err = d.readLog(tx)
			return err
		})
	})
	return s, err
}

func (d *DB) readLog(tx *bolt.Tx) (reconfig.LogState, error) {
	v := tx.Bucket(bucketMeta).Get(keyLog)
	if v == nil || tx.Bucket(bucketLog) == nil {
		return reconfig.LogState{}, nil
	}
	var head logHead
	if err := unsealJSON(keyLog, v, &head); err != nil {
		return reconfig.LogState{}, &recordError{bucketMeta, keyLog, err}
	}
	s := head.state()
	err := each(tx, bucketLog, parseSeqKey, func(seq uint64, k, v []byte) error {
		r, err := unsealLogged(k, v, uint32(seq))
		s.Records = append(s.Records, r)
		return err
	})
	return s, err
}

// KeepLog makes a batch of a report log durable: its records are added, those
// up to its tail go, and all of another incarnation.
func (d *DB) KeepLog(batch reconfig.LogBatch) error {
	return d.guard("keep log", func() error {
		return d.bolt.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucketLog)
			if err != nil {
				return err
			}
			var head logHead
			if v := tx.Bucket(bucketMeta).Get(keyLog); v != nil {
				if err := unsealJSON(keyLog, v, &head); err != nil {
					return &recordError{bucketMeta, keyLog, err}
				}
			}
			if head.Incarnation != batch.Incarnation {
				if err := tx.DeleteBucket(bucketLog); err != nil {
					return err
				}
				if b, err = tx.CreateBucket(bucketLog); err != nil {
					return err
				}
			}
			if err := putJSON(tx, bucketMeta, keyLog, headOf(&batch)); err != nil {
				return err
			}
			b.FillPercent = 0.95 // keys only grow
			for i := range batch.Records {
				k := seqKey(uint64(batch.Records[i].Seq))
				if err := b.Put(k, sealLogged(k, &batch.Records[i])); err != nil {
					return err
				}
			}
			c := b.Cursor()
			for k, _ := c.First(); k != nil; k, _ = c.First() {
				seq, err := parseSeqKey(k)
				if err != nil {
					return &recordError{bucketLog, k, err}
				}
				if seq > uint64(batch.Tail) {
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

// forgetLog takes the log out of a store: the numbers that an old one would go
// on with have been given meanwhile.
func forgetLog(tx *bolt.Tx) error {
	if tx.Bucket(bucketLog) == nil {
		return nil
	}
	return errors.Join(tx.DeleteBucket(bucketLog), tx.Bucket(bucketMeta).Delete(keyLog))
}

// sealLogged packs a record of the log; its number is the key.
func sealLogged(key []byte, r *reconfig.KeptRecord) []byte {
	b := make([]byte, 1, 40+len(r.Payload))
	b[0] = recordVersion
	b = binary.BigEndian.AppendUint64(b, uint64(r.At))
	plain := r.Record
	plain.Age = 0
	return seal(key, plain.Append(b))
}

func unsealLogged(key, sealed []byte, seq uint32) (reconfig.KeptRecord, error) {
	content, err := unseal(key, sealed)
	if err == nil && len(content) < 8 {
		err = errShort
	}
	if err != nil {
		return reconfig.KeptRecord{}, err
	}
	r, err := mib.ParseRecord(seq, append([]byte(nil), content[8:]...))
	return reconfig.KeptRecord{Record: r, At: reconfig.Instant(binary.BigEndian.Uint64(content))}, err
}

// LoadLog gives the report log that was kept.
func (m *Memory) LoadLog() (reconfig.LogState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.logHead.state()
	for _, k := range m.logKeys {
		r, err := unsealLogged(seqKey(uint64(k)), m.log[k], k)
		if err != nil {
			return s, err
		}
		s.Records = append(s.Records, r)
	}
	return s, nil
}

// KeepLog makes a batch of a report log durable.
func (m *Memory) KeepLog(batch reconfig.LogBatch) error {
	return m.write(func() {
		if m.logHead.Incarnation != batch.Incarnation {
			m.log, m.logKeys = make(map[uint32][]byte), nil
		}
		m.logHead = headOf(&batch)
		for i := range batch.Records {
			seq := batch.Records[i].Seq
			m.log[seq] = sealLogged(seqKey(uint64(seq)), &batch.Records[i])
			m.logKeys = append(m.logKeys, seq)
		}
		for len(m.logKeys) > 0 && m.logKeys[0] <= batch.Tail {
			delete(m.log, m.logKeys[0])
			m.logKeys = m.logKeys[1:]
		}
	})
}
