package chassis

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"simone/internal/store"
)

// fakeArchive writes what it is told, in pieces, and then fails as it is told.
type fakeArchive struct {
	text string
	size int
	err  error
}

func (f fakeArchive) Backup(w io.Writer, _ string) (store.Header, error) {
	for written := 0; written < f.size; written += len(f.text) {
		if _, err := io.WriteString(w, f.text); err != nil {
			return store.Header{}, err
		}
	}
	return store.Header{}, f.err
}

// offer serves backups to the end of the test, and gives the socket and how to
// end it.
func offer(t *testing.T, a Archive) (socket string, end func()) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, BackupSocket), []byte("left by a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := listenBackups(dir, a, "uuid", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.run(ctx) }()
	done := false
	end = func() {
		if done {
			return
		}
		done = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end)
	return filepath.Join(dir, BackupSocket), end
}

func ask(t *testing.T, socket, request string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBackupSocket(t *testing.T) {
	const piece = "a piece of a backup\n"
	socket, end := offer(t, fakeArchive{text: piece, size: 1 << 20})
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
	for range 2 {
		got, err := io.ReadAll(ask(t, socket, BackupRequest))
		if err != nil || len(got) < 1<<20 || !strings.HasPrefix(strings.Repeat(piece, len(got)/len(piece)+1), string(got)) {
			t.Errorf("%d octets, %v", len(got), err)
		}
	}
	got, err := io.ReadAll(ask(t, socket, "everything!\n"))
	if err != nil || !strings.HasPrefix(string(got), BackupRefusal) {
		t.Errorf("to another request: %q, %v", got, err)
	}
	end()
	if left, _ := os.ReadDir(filepath.Dir(socket)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBackupSocketTellsFailure(t *testing.T) {
	socket, _ := offer(t, fakeArchive{err: errors.New("the store is damaged")})
	got, err := io.ReadAll(ask(t, socket, BackupRequest))
	if err != nil || string(got) != BackupRefusal+"the store is damaged\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// Who asks for a backup and does not read it, or asks for nothing, does not
// keep the daemon from ending.
func TestBackupSocketEndsAtOnce(t *testing.T) {
	for name, request := range map[string]string{"reads nothing": BackupRequest, "asks for nothing": ""} {
		t.Run(name, func(t *testing.T) {
			socket, end := offer(t, fakeArchive{text: "a piece", size: 1 << 30})
			ask(t, socket, request)
			began := time.Now()
			end()
			if took := time.Since(began); took > backupPatience/2 {
				t.Errorf("it took %v", took)
			}
		})
	}
}
