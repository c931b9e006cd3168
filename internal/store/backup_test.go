package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"simone/mib"
	"simone/reconfig"
)

// managed makes a store of a TLM in its n-th term.
func managed(t *testing.T, path string, term uint32) {
	t.Helper()
	d := mustOpen(t, path, Limits{})
	txn, ch := transaction(7)
	txn.Meta = &reconfig.Meta{Self: 1, Term: term, Order: 7}
	must(t, d.Apply(txn))
	must(t, d.ApplyList(ch))
	must(t, d.AddEntries([]reconfig.Entry{{Seen: "something"}, {Seen: "more"}}))
	must(t, d.SetSetting("simoneThresholdSplit", "20"))
	must(t, d.Close())
}

// backupOf makes a backup of a store that is open.
func backupOf(t *testing.T, path string) []byte {
	t.Helper()
	d := mustOpen(t, path, Limits{})
	var b bytes.Buffer
	h, err := d.Backup(&b, "some-uuid")
	must(t, err)
	must(t, d.Close())
	if h.Kind != KindTLM || h.Nodes != crashNodes || h.Rows != crashNodes/2 || h.UUID != "some-uuid" || h.Made.IsZero() {
		t.Fatalf("the header is %+v", h)
	}
	return b.Bytes()
}

func mustRestore(t *testing.T, path string, backup []byte) Restored {
	t.Helper()
	r, err := Restore(path, bytes.NewReader(backup), "the backup", nil)
	must(t, err)
	return r
}

func TestBackupAndRestore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	managed(t, path, 5)
	backup := backupOf(t, path)
	want, err := readAll(path)
	must(t, err)
	other := filepath.Join(t.TempDir(), "new", "tlm.db") // a machine that has nothing yet
	if r := mustRestore(t, other, backup); r.Kept != "" || r.Term != 5 {
		t.Errorf("restored %+v", r)
	}
	got, err := readAll(other)
	must(t, err)
	wantEqual(t, "State", got.State, want.State)
	wantEqual(t, "List", got.List, want.List)
	wantEqual(t, "Settings", got.Settings, want.Settings)
	wantEqual(t, "Samples", got.Samples, want.Samples)
	info, err := os.Stat(other)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	if files, _ := filepath.Glob(filepath.Join(filepath.Dir(other), "*")); len(files) != 2 {
		t.Errorf("left behind: %v", files)
	}
}

// TestBackupWhileWritten: every backup of a store that is being written is a
// state that was there between two writes.
func TestBackupWhileWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	d := mustOpen(t, path, Limits{Samples: 8})
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := uint64(1); ; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			txn, _ := transaction(n)
			if err := d.Apply(txn); err != nil {
				stopped <- err
				return
			}
		}
	}()
	last := uint64(0)
	for i := range 5 {
		var b bytes.Buffer
		_, err := d.Backup(&b, "")
		must(t, err)
		to := filepath.Join(t.TempDir(), fmt.Sprint(i))
		mustRestore(t, to, b.Bytes())
		c := mustOpen(t, to, Limits{Samples: 8})
		state, err := c.Load()
		must(t, err)
		n := state.Meta.Order
		if n < last {
			t.Errorf("backup %d is of write %d, the one before of %d", i, n, last)
		}
		last = n
		for id, node := range state.Nodes {
			if node.Order != n || state.Ledgers[id].Refused != n {
				t.Fatalf("backup %d: node %d is of write %d, its ledger of %d, Meta of %d", i, id, node.Order, state.Ledgers[id].Refused, n)
			}
		}
		must(t, c.Close())
	}
	close(stop)
	must(t, <-stopped)
}

// TestBadBackups: what is not a whole backup changes nothing, and the error
// names the file and the way out.
func TestBadBackups(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tlm.db")
	managed(t, path, 5)
	good := backupOf(t, path)
	before, err := os.ReadFile(path)
	must(t, err)
	body := bytes.IndexByte(good[len(backupMagic):], '\n') + len(backupMagic) + 1
	tests := []struct {
		name    string
		content []byte
	}{
		{"empty", nil},
		{"one octet", good[:1]},
		{"cut off in the first line", good[:5]},
		{"cut off in the header", good[:body-10]},
		{"header only", good[:body]},
		{"without its last octet", good[:len(good)-1]},
		{"without its check sum", good[:len(good)-sha256.Size]},
		{"something behind it", append(bytes.Clone(good), 0)},
		{"another program's file", []byte(strings.Repeat("hello world\n", 1000))},
		{"the database itself", before},
		{"header changed", bytes.Replace(good, []byte(`"Term":5`), []byte(`"Term":4`), 1)},
		{"of another layout", bytes.Replace(good, []byte("backup 1"), []byte("backup 9"), 1)},
	}
	page := os.Getpagesize()
	for at := body + page; at < len(good); at += page {
		tests = append(tests, struct {
			name    string
			content []byte
		}{fmt.Sprintf("cut off after %d octets", at), good[:at]})
	}
	for at := body; at < len(good); at += 1009 {
		flipped := bytes.Clone(good)
		flipped[at] ^= 1
		tests = append(tests, struct {
			name    string
			content []byte
		}{fmt.Sprintf("octet %d flipped", at), flipped})
	}
	for _, tt := range tests {
		_, err := Restore(path, bytes.NewReader(tt.content), "b.backup", nil)
		if !errors.Is(err, ErrBackup) {
			t.Errorf("%s: Restore = %v, want ErrBackup", tt.name, err)
			continue
		}
		for _, part := range []string{"b.backup", "take another backup", "adopted"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error %q does not say %q", tt.name, err, part)
			}
		}
	}
	after, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the store has changed")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 2 { // the store and its terms
		t.Errorf("left behind: %v", files)
	}
	t.Logf("%d bad backups", len(tests))
}

// A backup whose check sum is right, of a store that is not: made from a disk
// that had gone bad.
func TestBackupOfADamagedStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	managed(t, path, 5)
	d := mustOpen(t, path, Limits{})
	must(t, d.bolt.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketEntries).Put(seqKey(77), []byte("spoilt record"))
	}))
	var b bytes.Buffer
	_, err := d.Backup(&b, "")
	must(t, err)
	must(t, d.Close())
	if _, err := Restore(filepath.Join(t.TempDir(), "x.db"), &b, "b.backup", nil); !errors.Is(err, ErrBackup) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("Restore = %v, want ErrBackup that says that the store in it is damaged", err)
	}
}

func TestRestoreWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	managed(t, path, 5)
	backup := backupOf(t, path)
	_, lines := startChild(t, "hold", path)
	if !lines.Scan() {
		t.Fatal("the child did not open the store")
	}
	if _, err := Restore(path, bytes.NewReader(backup), "b", nil); !errors.Is(err, ErrLocked) {
		t.Errorf("Restore = %v, want ErrLocked", err)
	}
	if _, _, err := Compact(path); !errors.Is(err, ErrLocked) {
		t.Errorf("Compact = %v, want ErrLocked", err)
	}
	if _, _, err := Check(path); !errors.Is(err, ErrLocked) {
		t.Errorf("Check = %v, want ErrLocked", err)
	}
}

// TestRestoreRefusedByCaller: what check refuses changes nothing.
func TestRestoreRefusedByCaller(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	managed(t, path, 5)
	backup := backupOf(t, path)
	no := errors.New("no")
	fresh := filepath.Join(t.TempDir(), "tlm.db")
	if _, err := Restore(fresh, bytes.NewReader(backup), "b", func(Header) error { return no }); !errors.Is(err, no) {
		t.Errorf("Restore = %v", err)
	}
	if _, err := os.Stat(fresh); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a store was made: %v", err)
	}
}

// begin opens a store as a manager does that starts, and gives the term that
// it begins.
func begin(t *testing.T, path string) uint32 {
	t.Helper()
	d := mustOpen(t, path, Limits{})
	state, err := d.Load()
	must(t, err)
	restored, err := d.Restored()
	must(t, err)
	e := reconfig.New(state, reconfig.DefaultSettings(), 1)
	actions, err := e.Step(reconfig.Restarted{At: reconfig.At{Now: 1}, Restored: restored})
	must(t, err)
	must(t, d.Apply(actions[0].(reconfig.Persist).Txn))
	must(t, d.Close())
	return e.Meta().Term
}

// TestNoTermTwice is the rule TermJump of docs/protocol.md: however often
// which backup is put back, with the store before it intact, damaged or gone,
// no term is begun twice, and the jump is made once for each restore.
func TestNoTermTwice(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tlm.db")
	managed(t, path, 5)
	backup := backupOf(t, path)
	used := make(map[uint32]string)
	last := uint32(5)
	start := func(what string, jumps bool) {
		t.Helper()
		term := begin(t, path)
		if before, again := used[term]; again {
			t.Errorf("%s: term %d was used before (%s)", what, term, before)
		}
		used[term] = what
		if term <= last || jumps != (term >= last+1024) {
			t.Errorf("%s: term %d after term %d", what, term, last)
		}
		last = term
	}
	start("start", false)
	mustRestore(t, path, backup)
	start("first start after a restore", true)
	start("second start after it", false)
	mustRestore(t, path, backup)
	start("start after the second restore of the same backup", true)
	start("start", false)
	mustRestore(t, path, backup)
	mustRestore(t, path, backup)
	start("start after two restores", true)

	must(t, os.Truncate(path, 1000))
	mustRestore(t, path, backup)
	start("start after a restore over a damaged store", true)
	must(t, os.Remove(path))
	mustRestore(t, path, backup)
	start("start after a restore over nothing", true)

	must(t, os.Remove(termFile(path)))
	mustRestore(t, path, backup)
	start("start after a restore over a store whose terms were not counted", true)

	// Put back by hand, behind everybody's back.
	before, err := os.ReadFile(path)
	must(t, err)
	start("start", false)
	start("start", false)
	must(t, os.WriteFile(path, before, 0o600))
	start("start after cp", false)
	must(t, os.Remove(path))
	start("start with an empty store", false)
}

// TestTermFileDamaged: it is not taken for a small number.
func TestTermFileDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	managed(t, path, 5)
	must(t, os.WriteFile(termFile(path), []byte("12x\n"), 0o600))
	if _, err := Open(path); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), termFile(path)) || !strings.Contains(err.Error(), "-restored") {
		t.Errorf("Open = %v", err)
	}
}

func TestKeptStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	managed(t, path, 9)
	backup := backupOf(t, path)
	d := mustOpen(t, path, Limits{})
	must(t, d.SetSetting("a", "what is to be kept"))
	must(t, d.Close())
	r := mustRestore(t, path, backup)
	if again := mustRestore(t, path, backup); again.Kept == r.Kept {
		t.Errorf("both are kept as %s", r.Kept)
	}
	kept := mustOpen(t, r.Kept, Limits{})
	settings, err := kept.Settings()
	must(t, err)
	if settings["a"] != "what is to be kept" {
		t.Errorf("the store that was replaced has %v", settings)
	}
}

func TestCopyBackup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	managed(t, path, 5)
	backup := backupOf(t, path)
	var b bytes.Buffer
	h, err := CopyBackup(&b, bytes.NewReader(backup), "b")
	must(t, err)
	if !bytes.Equal(b.Bytes(), backup) || h.Term != 5 {
		t.Errorf("%d of %d octets were copied, of %+v", b.Len(), len(backup), h)
	}
	if _, err := CopyBackup(io.Discard, bytes.NewReader(backup[:len(backup)/2]), "b"); !errors.Is(err, ErrBackup) {
		t.Errorf("of half a backup: %v", err)
	}
	full := errors.New("no room")
	if _, err := CopyBackup(failing{full}, bytes.NewReader(backup), "b"); !errors.Is(err, full) {
		t.Errorf("onto a full disk: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestCompact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	managed(t, path, 5)
	d := mustOpen(t, path, Limits{})
	must(t, d.Apply(reconfig.Txn{Samples: []reconfig.Stored{{Node: 500, Slot: 1, Payload: make([]byte, 16<<20)}}}))
	must(t, d.Apply(reconfig.Txn{Forget: []mib.NodeID{500}}))
	must(t, d.AddEntries([]reconfig.Entry{{Seen: "third"}}))
	must(t, d.Close())
	d = mustOpen(t, path, Limits{})
	if s := d.Space(); !s.Sparse() {
		t.Errorf("%+v is not sparse", s)
	}
	must(t, d.Close())
	before, after, err := Compact(path)
	must(t, err)
	if after*10 > before {
		t.Errorf("compacted from %d to %d octets", before, after)
	}
	h, s, err := Check(path)
	must(t, err)
	if h.Nodes != crashNodes || h.Term != 5 || s.Sparse() {
		t.Errorf("afterwards: %+v, %+v", h, s)
	}
	d = mustOpen(t, path, Limits{})
	must(t, d.AddEntries([]reconfig.Entry{{Seen: "fourth"}}))
	entries, err := d.Entries(0, 0)
	must(t, err)
	if n := len(entries); n != 4 || entries[3].Seq != 4 || entries[3].Seen != "fourth" {
		t.Errorf("the numbers of events do not go on: %+v", entries)
	}
	if files, _ := filepath.Glob(path + ".compacting"); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
}

// A store that is replaced while somebody waits for its lock is not what that
// one may write to.
func TestReplacedWhileWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	managed(t, path, 5)
	c, err := claim(path)
	must(t, err)
	opened := make(chan error, 1)
	var d *DB
	go func() {
		var err error
		d, err = Open(path)
		opened <- err
	}()
	other := path + ".other"
	managed(t, other, 6)
	must(t, os.Rename(other, path)) // before or after the other one has it open
	must(t, c.release(true))
	if err := <-opened; errors.Is(err, ErrLocked) {
		t.Skip("the machine was too slow: the lock was not waited for long enough")
	} else {
		must(t, err)
	}
	same, err := isAt(d.file, path)
	if err != nil || !same {
		t.Errorf("it has a file open that is not at %s (%v)", path, err)
	}
	must(t, d.Close())
}
