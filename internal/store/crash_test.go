package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// The test binary runs itself as the process that is killed, or that holds
// the file: this names what to do, and where.
const (
	childEnv     = "SIMONE_STORE_TEST_CHILD"
	childPathEnv = "SIMONE_STORE_TEST_PATH"
)

func TestMain(m *testing.M) {
	var err error
	switch what := os.Getenv(childEnv); what {
	case "":
		os.Exit(m.Run())
	case "write":
		err = writeForever(os.Getenv(childPathEnv))
	case "full":
		err = writeUntilFull(os.Getenv(childPathEnv))
	case "hold":
		err = hold(os.Getenv(childPathEnv))
	default:
		err = fmt.Errorf("unknown child %q", what)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// startChild runs the test binary as a child and gives its lines. The child
// ends with the test at the latest.
func startChild(t *testing.T, what, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+what, childPathEnv+"="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // ends when we do, however we end
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

func exitWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func hold(path string) error {
	d, err := Open(path)
	if err != nil {
		return err
	}
	fmt.Println("open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return d.Close()
}

const crashNodes = 40

// transaction is the n-th write of the child: everything in it says n.
func transaction(n uint64) (reconfig.Txn, *reconfig.ListChange) {
	txn := reconfig.Txn{Meta: &reconfig.Meta{Order: n}}
	for id := mib.NodeID(1); id <= crashNodes; id++ {
		var l reconfig.Ledger
		l.Fill(uint32(n))
		l.Refused = n
		txn.Nodes = append(txn.Nodes, reconfig.Node{ID: id, Order: n, Name: strings.Repeat("x", int(n%50))})
		txn.Ledgers = append(txn.Ledgers, reconfig.LedgerOf{Node: id, Ledger: l})
		txn.Cursors = append(txn.Cursors, reconfig.CursorOf{Child: id, Cursor: reconfig.Cursor{Incarnation: n, Seq: uint32(n)}})
		txn.Samples = append(txn.Samples, sample(id, uint32(n)))
	}
	ch := &reconfig.ListChange{FenceSum: n}
	for id := mib.NodeID(1); id <= crashNodes; id++ {
		if (n+uint64(id))%2 == 0 {
			ch.Rows = append(ch.Rows, reconfig.ListRow{Zero: reconfig.Instant(n), Row: mib.SupportRow{Node: id}})
		} else {
			ch.Removed = append(ch.Removed, id)
			ch.Tombs = append(ch.Tombs, mib.Tombstone{Node: id, Epoch: mib.Epoch{uint32(n)}})
		}
	}
	return txn, ch
}

// writeForever goes on where the file ends, and prints what is written.
func writeForever(path string) error {
	go exitWithParent()
	d, err := OpenWith(path, Limits{Samples: 8})
	if err != nil {
		return err
	}
	state, err := d.Load()
	if err != nil {
		return err
	}
	for n := state.Meta.Order + 1; ; n++ {
		txn, ch := transaction(n)
		if err := d.Apply(txn); err != nil {
			return err
		}
		fmt.Println("state", n)
		if err := d.ApplyList(ch); err != nil {
			return err
		}
		fmt.Println("list", n)
		if err := d.AddEntries([]reconfig.Entry{{Nodes: int(n)}}); err != nil {
			return err
		}
		fmt.Println("entry", n)
	}
}

const killings = 6

func TestKilledWriterLeavesWholeTransactions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tlm.db")
	for round := range killings {
		cmd, lines := startChild(t, "write", path)
		told := make(map[string]uint64)
		read := func() bool {
			if !lines.Scan() {
				return false
			}
			what, number, _ := strings.Cut(lines.Text(), " ")
			n, err := strconv.ParseUint(number, 10, 64)
			if err != nil {
				t.Fatalf("the child says %q", lines.Text())
			}
			told[what] = n
			return true
		}
		for range 20 + rand.IntN(30) {
			if !read() {
				t.Fatal("the child ended by itself")
			}
		}
		// Kill it at some point of a write, not just after one.
		go func() {
			time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond)
			_ = cmd.Process.Kill()
		}()
		for read() {
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}

		d, err := OpenWith(path, Limits{Samples: 8})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		checkWhole(t, d, told)
		must(t, d.Close())
	}
}

// checkWhole checks that a store holds exactly the first n transactions of
// each kind, and all that the child said were done.
func checkWhole(t *testing.T, d *DB, told map[string]uint64) {
	t.Helper()
	state, err := d.Load()
	must(t, err)
	n := state.Meta.Order
	if n < told["state"] || n > told["state"]+1 {
		t.Fatalf("the store holds transaction %d; %d was said to be done", n, told["state"])
	}
	want, _ := transaction(n)
	for i, node := range want.Nodes {
		wantEqual(t, "Node", state.Nodes[node.ID], node)
		wantEqual(t, "Ledger", state.Ledgers[node.ID], want.Ledgers[i].Ledger)
		wantEqual(t, "Cursor", state.Cursors[node.ID], want.Cursors[i].Cursor)
		var newest []uint32
		for k := uint64(0); k < 8 && k < n; k++ {
			newest = append(newest, uint32(n-k))
		}
		wantEqual(t, "slots", slots(t, d, node.ID, 0), newest)
	}
	list, err := d.LoadList()
	must(t, err)
	if list.FenceSum < told["list"] || list.FenceSum > told["list"]+1 {
		t.Fatalf("the store holds list change %d; %d was said to be done", list.FenceSum, told["list"])
	}
	model := newListState(listHead{})
	for k := max(list.FenceSum, 2) - 1; k <= list.FenceSum; k++ { // two in a row touch every row and tombstone
		_, ch := transaction(k)
		for _, r := range ch.Rows {
			model.Rows[r.Row.Node] = r
		}
		for _, id := range ch.Removed {
			delete(model.Rows, id)
		}
		for _, tomb := range ch.Tombs {
			model.Tombs[tomb.Node] = tomb.Epoch
		}
	}
	wantEqual(t, "Rows", list.Rows, model.Rows)
	wantEqual(t, "Tombs", list.Tombs, model.Tombs)
	entries, err := d.Entries(0, 0)
	must(t, err)
	// Every kill so far may have come between a transaction and its entry.
	if got := uint64(len(entries)); got+killings < told["entry"] || got > n {
		t.Fatalf("the store holds %d entries; %d were said to be written", got, told["entry"])
	}
	for i, e := range entries {
		if e.Seq != uint64(i+1) {
			t.Fatalf("entry %d has number %d", i, e.Seq)
		}
	}
}

func TestTwoOpeners(t *testing.T) {
	refused := func(t *testing.T, path string) {
		t.Helper()
		start := time.Now()
		d, err := Open(path)
		if err == nil {
			_ = d.Close()
			t.Fatal("a second Open succeeded")
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v to refuse", took)
		}
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
			t.Errorf("Open = %v, want ErrLocked naming %s", err, path)
		}
	}
	t.Run("same process", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tlm.db")
		d := mustOpen(t, path, Limits{})
		refused(t, path)
		must(t, d.SetSetting("a", "b")) // the first goes on
		must(t, d.Close())
		mustOpen(t, path, Limits{})
	})
	t.Run("another process", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tlm.db")
		cmd, lines := startChild(t, "hold", path)
		if !lines.Scan() || lines.Text() != "open" {
			t.Fatalf("the child says %q", lines.Text())
		}
		refused(t, path)
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()
		mustOpen(t, path, Limits{}) // its lock died with it
	})
}

func TestClosed(t *testing.T) {
	d := mustOpen(t, filepath.Join(t.TempDir(), "tlm.db"), Limits{})
	must(t, d.Close())
	must(t, d.Close())
	_, loadErr := d.Load()
	_, samplesErr := d.Samples(1, 1)
	for what, err := range map[string]error{
		"Load": loadErr, "Samples": samplesErr,
		"Apply": d.Apply(reconfig.Txn{Meta: &reconfig.Meta{}}), "SetSetting": d.SetSetting("a", "b"),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close = %v, want ErrClosed", what, err)
		}
	}
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "tlm.db")
	mustOpen(t, path, Limits{})
	for name, want := range map[string]os.FileMode{dir: 0o700, path: 0o600} {
		info, err := os.Stat(name)
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
}
