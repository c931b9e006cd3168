package store

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// writeUntilFull writes until the disk is full, which a limit on the size of
// files plays, tries a few times more, and goes on when there is room again.
func writeUntilFull(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	d, err := OpenWith(path, Limits{Samples: 100000})
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if limit.Max < math.MaxInt64 && limit.Max < 1<<30 {
		return errors.New("files are limited already")
	}
	room := syscall.Rlimit{Cur: 1 << 20, Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &room); err != nil {
		return err
	}
	n := uint64(1)
	for ; ; n++ {
		txn, _ := transaction(n)
		if err = d.Apply(txn); err != nil {
			break
		}
		fmt.Println("written", n)
	}
	fmt.Println("full:", err)
	for range 3 {
		txn, _ := transaction(n)
		if err := d.Apply(txn); err == nil {
			return errors.New("a write succeeded on a full disk")
		}
		state, err := d.Load()
		if err != nil {
			return fmt.Errorf("read while the disk is full: %w", err)
		}
		if state.Meta.Order != n-1 {
			return fmt.Errorf("the state is that of write %d, the last good one was %d", state.Meta.Order, n-1)
		}
	}
	if err := writeTerm(path, 12345); err != nil { // small files still fit; this is not what was full
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	txn, _ := transaction(n)
	if err := d.Apply(txn); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	fmt.Println("again", n)
	return d.Close()
}

// TestDiskFull: a write that finds no room fails, says so, and changes
// nothing; what is there can be read, and with room again it goes on.
func TestDiskFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	_, lines := startChild(t, "full", path)
	var last uint64
	full, again := "", false
	for lines.Scan() {
		line := lines.Text()
		var n uint64
		switch {
		case strings.HasPrefix(line, "full:"):
			full = line
		case strings.HasPrefix(line, "again"):
			again = true
		case strings.HasPrefix(line, "written"):
			if _, err := fmt.Sscanf(line, "written %d", &n); err != nil {
				t.Fatal(err)
			}
			last = n
		default:
			t.Errorf("the child says: %s", line)
		}
	}
	if !strings.Contains(full, path) || !strings.Contains(full, syscall.EFBIG.Error()) || !again || last == 0 {
		t.Fatalf("after %d writes: %q, again %v", last, full, again)
	}
	d := mustOpen(t, path, Limits{})
	state, err := d.Load()
	must(t, err)
	if state.Meta.Order != last+1 {
		t.Errorf("the store is of write %d, the last one was %d", state.Meta.Order, last+1)
	}
}

// A backup onto a full disk leaves no half of it behind that could be taken
// for one (see also TestBadBackups), nor does a restore.
func TestRestoreOntoAFullDisk(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tlm.db")
	managed(t, path, 5)
	backup := backupOf(t, path)
	if err := os.Mkdir(path+".restoring", 0o700); err != nil { // as good as no room: it cannot be written
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	must(t, err)
	if _, err := Restore(path, strings.NewReader(string(backup)), "b", nil); err == nil {
		t.Error("Restore succeeded")
	}
	after, err := os.ReadFile(path)
	must(t, err)
	if string(before) != string(after) {
		t.Error("the store has changed")
	}
	managed(t, path, 6) // it is not locked any more
}
