package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"simone/internal/store/storetest"
	"simone/mib"
	"simone/reconfig"
)

// logKeeper is what keeps a report log.
type logKeeper interface {
	LoadLog() (reconfig.LogState, error)
	KeepLog(reconfig.LogBatch) error
}

func batch(incarnation uint64, tail uint32, seqs ...uint32) reconfig.LogBatch {
	b := reconfig.LogBatch{LogState: reconfig.LogState{Incarnation: incarnation, Tail: tail, Reserved: 1000}}
	for _, s := range seqs {
		r := mib.Record{Seq: s, Kind: mib.RecordSample, Node: mib.NodeID(s % 5), Slot: 7 * s, Payload: []byte("values")}
		b.Records = append(b.Records, reconfig.KeptRecord{Record: r, At: reconfig.Instant(s) * 1e9})
	}
	return b
}

func TestKeptLog(t *testing.T) {
	bothKinds(t, func(t *testing.T, k storetest.Store, reopen func() storetest.Store) {
		log := func() logKeeper { return k.(logKeeper) }
		s, err := log().LoadLog()
		must(t, err)
		wantEqual(t, "new", s, reconfig.LogState{})
		must(t, log().KeepLog(batch(9, 0, 1, 2, 3)))
		must(t, log().KeepLog(batch(9, 2, 4, 5, 300)))
		k = reopen()
		s, err = log().LoadLog()
		must(t, err)
		want := batch(9, 2, 3, 4, 5, 300).LogState
		wantEqual(t, "after two batches", s, want)
		last := batch(9, 4)
		last.Polled, last.Reserved = map[mib.NodeID]uint32{3: 21, 4: 28}, 300
		must(t, log().KeepLog(last))
		k = reopen()
		s, err = log().LoadLog()
		must(t, err)
		want = batch(9, 4, 5, 300).LogState
		want.Polled, want.Reserved = last.Polled, 300
		wantEqual(t, "after the last", s, want)
		must(t, log().KeepLog(batch(10, 0, 1)))
		k = reopen()
		s, err = log().LoadLog()
		must(t, err)
		wantEqual(t, "of another incarnation", s, batch(10, 0, 1).LogState)
	})
}

// A log that is put back would go on with numbers that were given since.
func TestRestoreForgetsTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.db")
	d := mustOpen(t, path, Limits{})
	must(t, d.KeepLog(batch(9, 0, 1, 2, 3)))
	var backup bytes.Buffer
	_, err := d.Backup(&backup, "")
	must(t, err)
	must(t, d.Close())
	before, after, err := Compact(path)
	must(t, err)
	if before == 0 || after == 0 {
		t.Errorf("compacted from %d to %d", before, after)
	}
	d = mustOpen(t, path, Limits{})
	s, err := d.LoadLog()
	must(t, err)
	wantEqual(t, "compacted", s, batch(9, 0, 1, 2, 3).LogState)
	must(t, d.Close())
	mustRestore(t, path, backup.Bytes())
	d = mustOpen(t, path, Limits{})
	s, err = d.LoadLog()
	must(t, err)
	wantEqual(t, "restored", s, reconfig.LogState{})
}

func TestDamagedLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node.db")
	d := mustOpen(t, path, Limits{})
	must(t, d.KeepLog(batch(9, 0, 1, 2, 3)))
	must(t, d.bolt.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketLog).Put(seqKey(2), []byte("what it was not"))
	}))
	must(t, d.Close())
	if _, err := Open(path); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open = %v, want ErrDamaged", err)
	}
	must(t, os.Remove(path))
}
