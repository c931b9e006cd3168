package ctl

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"simone/internal/app/chassis"
	"simone/internal/store"
	"simone/mib"
	"simone/reconfig"
)

// daemonState makes the state directory of a daemon that is stopped.
func daemonState(t *testing.T, file, uuid string) string {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	txn := reconfig.Txn{Nodes: []reconfig.Node{{ID: 1, Name: "tlm"}, {ID: 2, Name: "n2"}}}
	if file == "tlm.db" {
		txn.Meta = &reconfig.Meta{Self: 1, Term: 7}
	}
	rows := &reconfig.ListChange{Rows: []reconfig.ListRow{{Row: mib.SupportRow{Node: 2}}}}
	if err := errors.Join(db.Apply(txn), db.ApplyList(rows), db.Close(), os.WriteFile(filepath.Join(dir, "uuid"), []byte(uuid+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBackupAndRestore(t *testing.T) {
	dir := daemonState(t, "tlm.db", "uuid-1")
	file := filepath.Join(t.TempDir(), "tlm.backup")
	r := simonectl(t, "backup", "--state", dir, file)
	if r.err != nil || !strings.Contains(r.stdout, "term 7, 2 nodes, 1 row") || !strings.Contains(r.stdout, "nobody had open") {
		t.Fatalf("%v\n%s", r.err, r.stdout)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if r := simonectl(t, "backup", "--state", dir, file); ExitCode(r.err) != ExitUsage || !strings.Contains(r.err.Error(), "--force") {
		t.Errorf("over a backup: %v", r.err)
	}
	if r := simonectl(t, "backup", "--state", dir, "--force", file); r.err != nil {
		t.Errorf("with --force: %v", r.err)
	}
	if r := simonectl(t, "store", "check", file); r.err != nil || !strings.Contains(r.stdout, "is in order") {
		t.Errorf("%v\n%s", r.err, r.stdout)
	}
	if r := simonectl(t, "store", "check", "--state", dir); r.err != nil || !strings.Contains(r.stdout, "is in order: term 7, 2 nodes") {
		t.Errorf("%v\n%s", r.err, r.stdout)
	}
	if r := simonectl(t, "store", "compact", "--state", dir); r.err != nil || !strings.Contains(r.stdout, "is compacted") {
		t.Errorf("%v\n%s", r.err, r.stdout)
	}

	t.Run("InPlace", func(t *testing.T) {
		var report StoreReport
		r := simonectl(t, "restore", "--state", dir, "-o", "json", file)
		if r.err != nil || json.Unmarshal([]byte(r.stdout), &report) != nil {
			t.Fatalf("%v\n%s", r.err, r.stdout)
		}
		if _, err := os.Stat(report.Kept); err != nil || report.Term != 7 || report.Nodes != 2 {
			t.Errorf("%+v: %v", report, err)
		}
	})
	t.Run("NewMachine", func(t *testing.T) {
		fresh := filepath.Join(t.TempDir(), "tlm")
		if r := simonectl(t, "restore", "--state", fresh, file); r.err != nil {
			t.Fatal(r.err)
		}
		if uuid, err := os.ReadFile(filepath.Join(fresh, "uuid")); err != nil || string(uuid) != "uuid-1\n" {
			t.Errorf("its uuid is %q, %v", uuid, err)
		}
		if r := simonectl(t, "store", "check", "--state", fresh); r.err != nil {
			t.Error(r.err)
		}
	})
	t.Run("Refused", func(t *testing.T) {
		half := filepath.Join(t.TempDir(), "half.backup")
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(half, content[:len(content)/2], 0o600); err != nil {
			t.Fatal(err)
		}
		open, err := store.Open(filepath.Join(dir, "tlm.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := open.Close(); err != nil {
				t.Error(err)
			}
		}()
		for name, c := range map[string]struct {
			args  []string
			code  int
			words []string
		}{
			"Half":         {[]string{"restore", "--state", daemonState(t, "tlm.db", "uuid-1"), half}, ExitFailed, []string{"half.backup", "it ends after", "take another backup"}},
			"HalfChecked":  {[]string{"store", "check", half}, ExitFailed, []string{"half.backup", "it ends after"}},
			"NoBackup":     {[]string{"restore", "--state", dir, filepath.Join(dir, "tlm.db")}, ExitFailed, []string{"does not begin as a backup"}},
			"Missing":      {[]string{"restore", "--state", dir, file + "x"}, ExitFailed, []string{"no such file"}},
			"OthersUUID":   {[]string{"restore", "--state", daemonState(t, "tlm.db", "uuid-2"), file}, ExitUsage, []string{"uuid-1", "uuid-2"}},
			"OfANode":      {[]string{"restore", "--state", daemonState(t, "node.db", "uuid-1"), file}, ExitUsage, []string{"node.db", "backup of a tlm"}},
			"Nowhere":      {[]string{"restore", file}, ExitUsage, []string{"--state"}},
			"Empty":        {[]string{"backup", "--state", t.TempDir(), half + "2"}, ExitUsage, []string{"neither a tlm.db nor a node.db"}},
			"Running":      {[]string{"restore", "--state", dir, file}, ExitFailed, []string{"another process has it open", "stop the daemon first"}},
			"BackupLocked": {[]string{"backup", "--state", dir, half + "3"}, ExitFailed, []string{"another process has it open", "--state"}},
			"CheckLocked":  {[]string{"store", "check", "--state", dir}, ExitFailed, []string{"take a backup"}},
			"Both":         {[]string{"store", "check", "--state", dir, file}, ExitUsage, []string{"both"}},
		} {
			t.Run(name, func(t *testing.T) {
				r := simonectl(t, c.args...)
				if ExitCode(r.err) != c.code {
					t.Fatalf("exit code %d, want %d: %v", ExitCode(r.err), c.code, r.err)
				}
				for _, w := range c.words {
					if !strings.Contains(r.err.Error(), w) {
						t.Errorf("%q does not say %q", r.err, w)
					}
				}
			})
		}
		if left, _ := filepath.Glob(half + "*"); len(left) != 1 {
			t.Errorf("left behind: %v", left)
		}
	})
}

// daemonSocket plays a daemon that answers at the backup socket.
func daemonSocket(t *testing.T, dir, answer string) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(dir, chassis.BackupSocket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			request := make([]byte, len(chassis.BackupRequest))
			_, _ = io.ReadFull(c, request)
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}
	}()
}

// TestBackupFromADaemonThatFails: what is not a whole backup gets no name.
func TestBackupFromADaemonThatFails(t *testing.T) {
	for name, c := range map[string]struct{ answer, want string }{
		"Refuses": {chassis.BackupRefusal + "the store is damaged\n", "the daemon: the store is damaged"},
		"Dies":    {"SIMONE backup 1\n{\"Kind\":\"tlm\",\"Format\":1,\"Octets\":99999}\nabc", "it ends after 3 of 99999"},
		"Closes":  {"", "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := daemonState(t, "tlm.db", "uuid-1")
			daemonSocket(t, dir, c.answer)
			out := t.TempDir()
			r := simonectl(t, "backup", "--state", dir, filepath.Join(out, "b"))
			if ExitCode(r.err) != ExitFailed || !strings.Contains(r.err.Error(), c.want) {
				t.Errorf("%v, want %q", r.err, c.want)
			}
			if left, _ := os.ReadDir(out); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
