package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	bolt "go.etcd.io/bbolt"

	"simone/mib"
)

// A backup file is
//
//	SIMONE backup 1\n
//	Header as JSON on one line\n
//	the store, as a bbolt file
//	SHA-256 of all before it, 32 octets
//
// so that head -2 tells a person what it is, and a file that was cut off,
// changed or not written to its end is told from a good one.

// backupMagic is the first line. Its number is that of the layout.
const backupMagic = "SIMONE backup 1\n"

// maxHeader bounds the second line.
const maxHeader = 4096

// Header says what a backup is of.
type Header struct {
	Kind   Kind
	UUID   string     // of the node whose it is; "" if that was not known
	Made   time.Time  // when
	Format uint64     // of the store
	Self   mib.NodeID // of the manager; 0 for a node that never managed ILMs
	Term   uint32     // of the manager
	Nodes  int        // in the inventory
	Rows   int        // on the support list
	Octets int64      // of the store
}

// Kind is whose store it is.
type Kind string

// The kinds.
const (
	KindTLM  Kind = "tlm"
	KindNode Kind = "node"
)

// ErrBackup says that a file is no backup that could be put back.
var ErrBackup = errors.New("the backup cannot be used")

// badBackup is an ErrBackup with the way out.
func badBackup(name, format string, args ...any) error {
	return fmt.Errorf("%s: %w (%s): take another backup; without one, move the store aside and start empty: the tree will be adopted from the ILMs",
		name, ErrBackup, fmt.Sprintf(format, args...))
}

// Backup writes a backup of the store as it is now, while it is in use. uuid
// is that of the node whose it is. It holds up no writer; but the file grows
// until it is done, by what is written meanwhile.
func (d *DB) Backup(w io.Writer, uuid string) (Header, error) {
	var h Header
	err := d.guard("back up", func() error {
		return d.bolt.View(func(tx *bolt.Tx) error {
			var err error
			if h, err = d.header(tx); err != nil {
				return err
			}
			h.UUID = uuid
			return writeBackup(w, h, func(w io.Writer) error {
				_, err := tx.WriteTo(w)
				return err
			})
		})
	})
	return h, err
}

// header says what a transaction sees.
func (d *DB) header(tx *bolt.Tx) (Header, error) {
	s, err := d.readState(tx)
	if err != nil {
		return Header{}, err
	}
	h := Header{
		Kind: KindNode, Made: time.Now().UTC().Truncate(time.Second), Format: formatVersion, Self: s.Meta.Self, Term: s.Meta.Term,
		Nodes: len(s.Nodes), Rows: tx.Bucket(bucketRows).Stats().KeyN, Octets: tx.Size(),
	}
	if s.Meta.Self != 0 && s.Meta.Level == 0 {
		h.Kind = KindTLM
	}
	return h, nil
}

func writeBackup(w io.Writer, h Header, image func(io.Writer) error) error {
	line, err := json.Marshal(h)
	if err != nil {
		return err
	}
	sum := sha256.New()
	both := io.MultiWriter(w, sum)
	if _, err := io.WriteString(both, backupMagic); err != nil {
		return err
	}
	if _, err := both.Write(append(line, '\n')); err != nil {
		return err
	}
	if err := image(both); err != nil {
		return err
	}
	_, err = w.Write(sum.Sum(nil))
	return err
}

// CopyBackup copies a backup and checks it on the way: what was written is a
// good backup if it returns no error. name is what errors call it.
func CopyBackup(to io.Writer, from io.Reader, name string) (Header, error) {
	return readBackup(from, name, to, nil)
}

// readBackup reads a backup to its end. All of it goes to whole, the store in
// it to image; either may be nil.
func readBackup(from io.Reader, name string, whole, image io.Writer) (Header, error) {
	if whole == nil {
		whole = io.Discard
	}
	if image == nil {
		image = io.Discard
	}
	sum := sha256.New()
	in := bufio.NewReaderSize(from, 1<<16)
	out := &splitter{whole: whole, sum: sum}
	h, err := readHeader(in, name, out)
	if err != nil {
		return h, err
	}
	n, err := io.CopyN(io.MultiWriter(out, image), in, h.Octets)
	if out.failed != nil {
		return h, out.failed
	}
	switch {
	case errors.Is(err, io.EOF):
		return h, badBackup(name, "it ends after %d of %d octets of the store", n, h.Octets)
	case err != nil:
		return h, fmt.Errorf("%s: %w", name, err)
	}
	var have [sha256.Size]byte
	if _, err := io.ReadFull(in, have[:]); err != nil {
		return h, badBackup(name, "it ends before its check sum")
	}
	if !bytes.Equal(have[:], sum.Sum(nil)) {
		return h, badBackup(name, "the check sum is wrong: it has changed since it was made")
	}
	if _, err := in.ReadByte(); err == nil {
		return h, badBackup(name, "something follows after its end")
	}
	if _, err := whole.Write(have[:]); err != nil {
		return h, err
	}
	return h, nil
}

// splitter writes to whole and sum, and keeps an error of whole's apart from
// those of reading.
type splitter struct {
	whole  io.Writer
	sum    hash.Hash
	failed error
}

// Write implements io.Writer.
func (s *splitter) Write(b []byte) (int, error) {
	if n, err := s.whole.Write(b); err != nil {
		s.failed = err
		return n, err
	}
	return s.sum.Write(b)
}

func readHeader(in *bufio.Reader, name string, out *splitter) (h Header, err error) {
	magic := make([]byte, len(backupMagic))
	if n, err := io.ReadFull(in, magic); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return h, fmt.Errorf("%s: %w", name, err)
	} else if n == 0 {
		return h, badBackup(name, "it is empty")
	}
	if string(magic) != backupMagic {
		if bytes.HasPrefix(magic, []byte("SIMONE backup ")) {
			return h, badBackup(name, "its layout is of another release: run the release that made it")
		}
		return h, badBackup(name, "it does not begin as a backup does: simonectl backup makes them; a copy of the database is none")
	}
	var line []byte
	for len(line) < maxHeader {
		b, err := in.ReadByte()
		if err != nil {
			return h, badBackup(name, "it ends in its header")
		}
		if line = append(line, b); b == '\n' {
			break
		}
	}
	if err := json.Unmarshal(line, &h); err != nil {
		return h, badBackup(name, "its header cannot be read: %v", err)
	}
	switch {
	case h.Format != formatVersion:
		return h, fmt.Errorf("%s: %w: it has version %d, this program reads %d: use the release that made it", name, ErrVersion, h.Format, formatVersion)
	case h.Octets <= 0:
		return h, badBackup(name, "its header says that it is empty")
	}
	_, err = out.Write(append(magic, line...))
	return h, err
}
