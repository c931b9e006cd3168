package etcd

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"simone/internal/store"
)

// formatVersion is the version of the keys and of what is below them.
const formatVersion = 1

// format is what the first leader writes.
type format struct {
	Version int
	ID      string // of the store, random: histories of another one do not go with it
}

// maxValue is the most octets of one value: etcd takes requests of 1.5 MiB.
const maxValue = 1 << 20

// entry is a key of the journal.
type entry struct {
	seq      uint64
	revision int64  // of etcd, when it was put
	life     uint64 // of the store that wrote it
	size     int    // octets, pieces included
	packed   []byte
}

// keys of a store below its prefix.
type keys string

func (k keys) format() string           { return string(k) + "/format" }
func (k keys) journal() string          { return string(k) + "/journal/" }
func (k keys) entry(seq uint64) string  { return fmt.Sprintf("%s/journal/%016x", k, seq) }
func (k keys) upto() string             { return string(k) + "/state/upto" }
func (k keys) state() string            { return string(k) + "/state/" }
func (k keys) pieces(seq uint64) string { return fmt.Sprintf("%s/piece/%016x/", k, seq) }
func (k keys) part(p store.Part) string { return fmt.Sprintf("%s/state/%d/%08x", k, p.Kind, p.Number) }
func (k keys) piece(seq uint64, h header, i int) string {
	return fmt.Sprintf("%s%016x-%x/%04x", k.pieces(seq), h.life, h.attempt, i)
}

// seqOf is the number of an entry's key.
func (k keys) seqOf(key []byte) (uint64, error) {
	seq, err := strconv.ParseUint(string(key[len(k.journal()):]), 16, 64)
	if err != nil {
		return 0, fmt.Errorf("key %s is none of the journal's: %w", key, err)
	}
	return seq, nil
}

// header is what an entry's value begins with. Pieces of a write that failed,
// and may yet come to be, are not those of the next attempt.
type header struct {
	life    uint64 // of who wrote it
	attempt uint64 // counts its writes
	pieces  int    // that are kept apart
}

func (h header) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, h.life)
	return binary.AppendUvarint(binary.AppendUvarint(b, h.attempt), uint64(h.pieces))
}

func parseHeader(value []byte) (h header, rest []byte, err error) {
	if len(value) < 8 {
		return h, nil, fmt.Errorf("an entry of the journal has %d octets", len(value))
	}
	h.life = binary.BigEndian.Uint64(value)
	rest = value[8:]
	attempt, a := binary.Uvarint(rest)
	pieces, p := binary.Uvarint(rest[max(a, 0):])
	if a <= 0 || p <= 0 || pieces > 1<<16 {
		return h, nil, errors.New("an entry of the journal does not say of what pieces it is")
	}
	h.attempt, h.pieces = attempt, int(pieces)
	return h, rest[a+p:], nil
}

// pageSize is how many keys are read at once.
const pageSize = 256

// reading reads keys as they were at one revision.
type reading struct {
	client   *clientv3.Client
	revision int64 // 0: the present, which the first answer tells
	keysOnly bool
}

// each calls f for every key from from on, below to.
func (r *reading) each(ctx context.Context, from, to string, f func(key, value []byte, modified int64) error) error {
	for {
		options := []clientv3.OpOption{clientv3.WithRange(to), clientv3.WithLimit(pageSize)}
		if r.revision != 0 {
			options = append(options, clientv3.WithRev(r.revision))
		}
		if r.keysOnly {
			options = append(options, clientv3.WithKeysOnly())
		}
		got, err := within(ctx, func(ctx context.Context) (*clientv3.GetResponse, error) { return r.client.Get(ctx, from, options...) })
		if err != nil {
			return fmt.Errorf("read %s: %w", from, err)
		}
		if r.revision == 0 {
			r.revision = got.Header.Revision
		}
		for _, kv := range got.Kvs {
			if err := f(kv.Key, kv.Value, kv.ModRevision); err != nil {
				return err
			}
		}
		if !got.More || len(got.Kvs) == 0 {
			return nil
		}
		from = string(got.Kvs[len(got.Kvs)-1].Key) + "\x00"
	}
}

// one reads a key; nil if it is not there.
func (r *reading) one(ctx context.Context, key string) (value []byte, modified int64, err error) {
	err = r.each(ctx, key, key+"\x00", func(_, v []byte, m int64) error {
		value, modified = v, m
		return nil
	})
	return value, modified, err
}

// entries reads the journal after an entry.
func (r *reading) entries(ctx context.Context, k keys, after uint64, f func(entry) error) error {
	return r.each(ctx, k.entry(after+1), clientv3.GetPrefixRangeEnd(k.journal()), func(key, value []byte, modified int64) error {
		e, err := r.entry(ctx, k, key, value, modified)
		if err != nil {
			return err
		}
		return f(e)
	})
}

// entry makes an entry of its key, and reads its pieces.
func (r *reading) entry(ctx context.Context, k keys, key, value []byte, modified int64) (entry, error) {
	seq, err := k.seqOf(key)
	if err != nil {
		return entry{}, err
	}
	h, rest, err := parseHeader(value)
	if err != nil {
		return entry{}, fmt.Errorf("%s: %w", key, err)
	}
	e := entry{seq: seq, revision: modified, life: h.life}
	for i := range h.pieces {
		piece, _, err := r.one(ctx, k.piece(seq, h, i))
		if err != nil {
			return entry{}, err
		}
		if piece == nil {
			return entry{}, fmt.Errorf("%s: piece %d of %d is missing", key, i, h.pieces)
		}
		e.packed = append(e.packed, piece...)
	}
	e.packed = append(e.packed, rest...)
	e.size = len(e.packed)
	return e, nil
}

// format reads the format; false if there is none yet.
func (r *reading) format(ctx context.Context, k keys) (f format, modified int64, err error) {
	value, modified, err := r.one(ctx, k.format())
	if err != nil || value == nil {
		return format{}, 0, err
	}
	if err := json.Unmarshal(value, &f); err != nil {
		return format{}, 0, fmt.Errorf("%s is not of this program: %w: give the store another prefix", k.format(), err)
	}
	if f.Version != formatVersion {
		return format{}, 0, fmt.Errorf("%s: %w: it has version %d, this program reads %d: run the release that wrote it, or give the store another prefix",
			k, store.ErrVersion, f.Version, formatVersion)
	}
	return f, modified, nil
}

// picture reads the state: the parts of the snapshot, and the journal from
// there on. upto is the last entry that the snapshot has.
func (r *reading) picture(ctx context.Context, k keys, limits store.Limits, f func(entry, *store.Change)) (_ *store.Memory, upto uint64, err error) {
	limits.Samples = 1 // those are in the history
	picture := store.NewMemoryWith(limits)
	var heads []store.Change
	err = r.each(ctx, k.state(), clientv3.GetPrefixRangeEnd(k.state()), func(key, value []byte, _ int64) error {
		if string(key) == k.upto() {
			if upto, err = strconv.ParseUint(string(value), 16, 64); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			return nil
		}
		c, err := store.ParseChange(value)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if string(key) == k.part(store.Part{Kind: store.PartHead}) {
			heads = append(heads, c)
			return nil
		}
		return picture.Do(c)
	})
	for _, c := range heads {
		if err == nil {
			err = picture.Do(c)
		}
	}
	if err != nil {
		return nil, 0, err
	}
	err = r.entries(ctx, k, upto, func(e entry) error {
		c, err := store.ParseChange(e.packed)
		if err != nil {
			return fmt.Errorf("%s: %w", k.entry(e.seq), err)
		}
		f(e, &c)
		return do(picture, c)
	})
	return picture, upto, err
}

// do makes a change in a picture, which has no samples.
func do(picture *store.Memory, c store.Change) error {
	c.Txn.Samples = nil
	return picture.Do(c)
}
