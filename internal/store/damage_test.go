package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"simone/mib"
	"simone/reconfig"
)

// goodFile is the content of a store of some size.
func goodFile(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "good.db")
	d := mustOpen(t, path, Limits{})
	for n := uint64(1); n <= 20; n++ {
		txn, ch := transaction(n)
		must(t, d.Apply(txn))
		must(t, d.ApplyList(ch))
		must(t, d.AddEntries([]reconfig.Entry{{Seen: "much", Expected: strings.Repeat("more ", 100)}}))
		must(t, d.SetSetting("simoneThresholdSplit", fmt.Sprint(n)))
	}
	var used int64 // the rest is room to grow
	must(t, d.bolt.View(func(tx *bolt.Tx) error {
		used = tx.Size()
		return nil
	}))
	must(t, d.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	return b[:used]
}

// content is all that a store holds.
type content struct {
	State    reconfig.State
	List     reconfig.ListState
	Entries  []Entry
	Settings map[string]string
	Samples  [][]reconfig.Stored
}

// readAll opens a file, reads everything and writes once more; nothing may
// panic.
func readAll(path string) (c content, err error) {
	d, err := Open(path)
	if err != nil {
		return c, err
	}
	var e1, e2, e3, e4 error
	c.State, e1 = d.Load()
	c.List, e2 = d.LoadList()
	c.Entries, e3 = d.Entries(0, 0)
	c.Settings, e4 = d.Settings()
	txn, ch := transaction(99)
	errs := []error{e1, e2, e3, e4}
	for id := mib.NodeID(1); id <= crashNodes; id++ {
		samples, err := d.Samples(id, 0)
		c.Samples = append(c.Samples, samples)
		errs = append(errs, err)
	}
	return c, errors.Join(append(errs, d.Apply(txn), d.ApplyList(ch), d.Close())...)
}

func TestDamagedFile(t *testing.T) {
	good := goodFile(t)
	page := os.Getpagesize()
	clone := func() []byte { return bytes.Clone(good) }
	tests := []struct {
		name    string
		content []byte
		want    error
	}{
		{"empty", nil, ErrDamaged},
		{"one octet", []byte{1}, ErrDamaged},
		{"not a store", []byte(strings.Repeat("hello world\n", 5000)), ErrDamaged},
		{"zeros", make([]byte, 1<<16), ErrDamaged},
		{"both headers garbage", func() []byte {
			b := clone()
			copy(b, bytes.Repeat([]byte{0xaa}, 2*page))
			return b
		}(), ErrDamaged},
		{"cut off in the header", good[:page+100], ErrDamaged},
		{"cut off after the headers", good[:2*page], ErrDamaged},
		{"half of it", good[:len(good)/2], ErrDamaged},
		{"cut off in the middle of a page", good[:3*len(good)/4+1234], ErrDamaged},
		{"second half never written", func() []byte {
			b := clone()
			clear(b[len(b)/2:])
			return b
		}(), ErrDamaged},
		{"all pages but the headers garbage", func() []byte {
			b := clone()
			for i := 2 * page; i < len(b); i++ {
				b[i] = byte(i * 7)
			}
			return b
		}(), ErrDamaged},
		{"one octet of a record flipped", func() []byte {
			b := clone()
			for at := 0; ; { // every copy: old pages are not read
				i := bytes.Index(b[at:], []byte(`"Expected":"more`))
				if i < 0 {
					return b
				}
				at += i + 20
				b[at] ^= 1
			}
		}(), ErrDamaged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tlm.db")
			must(t, os.WriteFile(path, tt.content, 0o600))
			for range 2 { // the second time: the lock was given up
				d, err := Open(path)
				if err == nil {
					_ = d.Close()
					t.Fatal("Open succeeded")
				}
				if !errors.Is(err, tt.want) {
					t.Fatalf("Open = %v, want %v", err, tt.want)
				}
				for _, part := range []string{path, "move the file aside", "adopted from the ILMs"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("the error %q does not say %q", err, part)
					}
				}
			}
			// The way out works.
			must(t, os.Rename(path, path+".damaged"))
			d := mustOpen(t, path, Limits{})
			state, err := d.Load()
			must(t, err)
			wantEqual(t, "State", state, newState())
		})
	}
}

// TestCutOffFreePages: what is missing holds nothing now, but the file is not
// what was written all the same.
func TestCutOffFreePages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	d := mustOpen(t, path, Limits{})
	must(t, d.Apply(reconfig.Txn{Samples: []reconfig.Stored{{Node: 5, Slot: 1, Payload: make([]byte, 1<<20)}}}))
	must(t, d.Apply(reconfig.Txn{Forget: []mib.NodeID{5}}))
	must(t, d.SetSetting("a", "b"))
	must(t, d.Close())
	must(t, os.Truncate(path, 1<<19))
	if _, err := Open(path); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open = %v, want ErrDamaged", err)
	}
}

// TestTornHeader: a power cut in the middle of a commit leaves the newer of
// the two headers half written; the transaction before it is still there.
func TestTornHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	d := mustOpen(t, path, Limits{})
	for n := uint64(1); n <= 3; n++ {
		txn, _ := transaction(n)
		must(t, d.Apply(txn))
	}
	must(t, d.Close())
	good, err := os.ReadFile(path)
	must(t, err)
	page := os.Getpagesize()
	orders := make(map[uint64]bool)
	for header := range 2 {
		torn := bytes.Clone(good)
		clear(torn[header*page+16+32 : (header+1)*page])
		must(t, os.WriteFile(path, torn, 0o600))
		d := mustOpen(t, path, Limits{})
		state, err := d.Load()
		must(t, err)
		orders[state.Meta.Order] = true
		must(t, d.Close())
	}
	if !orders[3] || !orders[2] || len(orders) != 2 {
		t.Errorf("with one header torn and with the other the store holds %v; want 3 and 2", orders)
	}
}

// TestCutAtEveryPage: a file that ends early is refused, wherever it ends.
func TestCutAtEveryPage(t *testing.T) {
	good := goodFile(t)
	path := filepath.Join(t.TempDir(), "tlm.db")
	for at := 0; at < len(good); at += os.Getpagesize() {
		for _, more := range []int{0, 1, os.Getpagesize() / 2} {
			must(t, os.WriteFile(path, good[:at+more], 0o600))
			d, err := Open(path)
			if err == nil {
				_ = d.Close()
			}
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("cut off after %d of %d octets: %v, want ErrDamaged", at+more, len(good), err)
			}
		}
	}
}

// TestQuickCheck: what a file is spared that is too large for the full check
// is to look up each sample by its key. Records and pages are still checked.
func TestQuickCheck(t *testing.T) {
	good := goodFile(t)
	path := filepath.Join(t.TempDir(), "tlm.db")
	found := 0
	for at := 2 * os.Getpagesize(); at < len(good); at += 1999 {
		spoilt := bytes.Clone(good)
		for i := at; i < min(at+64, len(spoilt)); i++ {
			spoilt[i] ^= 0xff
		}
		must(t, os.WriteFile(path, spoilt, 0o600))
		quick, errQuick := OpenWith(path, Limits{Whole: 1})
		if errQuick == nil {
			must(t, quick.Close())
		}
		_, _, errFull := Check(path)
		switch {
		case errQuick != nil && errFull == nil:
			t.Errorf("at %d: the quick check finds %v, the full one nothing", at, errQuick)
		case errQuick != nil:
			found++
		}
	}
	if found == 0 {
		t.Error("no damage was found at all")
	}
}

func TestNoPermission(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	path := filepath.Join(t.TempDir(), "tlm.db")
	must(t, mustOpen(t, path, Limits{}).Close())
	must(t, os.Chmod(path, 0))
	if _, err := Open(path); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "chown") {
		t.Errorf("Open = %v", err)
	}
}

// TestScatteredDamage spoils the file at many places in turn. Nothing may
// panic, and what is read without an error is as it was written (one header
// spoilt: as it was before the last transaction, which changed a setting).
func TestScatteredDamage(t *testing.T) {
	good := goodFile(t)
	path := filepath.Join(t.TempDir(), "tlm.db")
	must(t, os.WriteFile(path, good, 0o600))
	want, err := readAll(path)
	must(t, err)
	headers, found := 2*os.Getpagesize(), 0
	for at := 0; at < len(good); at += 1999 {
		for _, size := range []int{1, 64} {
			spoilt := bytes.Clone(good)
			for i := at; i < min(at+size, len(spoilt)); i++ {
				spoilt[i] ^= 0xff
			}
			must(t, os.WriteFile(path, spoilt, 0o600))
			got, err := readAll(path)
			if at < headers && err == nil {
				got.Settings = want.Settings
			}
			if err == nil {
				what := fmt.Sprintf(" after damage of %d octets at %d", size, at)
				wantEqual(t, "State"+what, got.State, want.State)
				wantEqual(t, "List"+what, got.List, want.List)
				wantEqual(t, "Entries"+what, got.Entries, want.Entries)
				wantEqual(t, "Settings"+what, got.Settings, want.Settings)
				wantEqual(t, "Samples"+what, got.Samples, want.Samples)
			} else {
				found++
				if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
					t.Errorf("%d octets at %d: %v, want ErrDamaged", size, at, err)
				}
			}
		}
	}
	if found == 0 {
		t.Error("no damage was found at all")
	}
	t.Logf("found %d of %d; the others hit unused pages", found, 2*(len(good)/1999+1))
}

func TestWrongVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	d := mustOpen(t, path, Limits{})
	must(t, d.bolt.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketFormat).Put(keyVersion, binary.BigEndian.AppendUint64(nil, 77))
	}))
	must(t, d.Close())
	_, err := Open(path)
	if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "77") || !strings.Contains(err.Error(), path) {
		t.Errorf("Open = %v, want ErrVersion naming version 77 and %s", err, path)
	}
}

func TestForeignFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	b, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, b.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("theirs"))
		return err
	}))
	must(t, b.Close())
	if _, err := Open(path); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "another program") {
		t.Errorf("Open = %v, want an error that says whose file it is", err)
	}
}

func TestUnusablePath(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); err == nil || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), dir) {
		t.Errorf("Open of a directory = %v, want an error that names it", err)
	}
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := Open(filepath.Join(file, "tlm.db")); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("Open below a file = %v, want an error that names it", err)
	}
}
