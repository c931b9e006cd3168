//go:build linux

package testbed

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"simone/internal/app/chassis"
	"simone/internal/app/ctl"
	"simone/mib"
)

// simonectl runs a command of simonectl's that has to succeed.
func simonectl(tb testing.TB, args ...string) string {
	tb.Helper()
	out, err := trySimonectl(tb, args...)
	if err != nil {
		tb.Fatalf("simonectl %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func trySimonectl(tb testing.TB, args ...string) (string, error) {
	tb.Helper()
	var out, problems bytes.Buffer
	err := ctl.Main(tb.Context(), args, &out, &problems)
	return out.String() + problems.String(), err
}

// TestLiveBackup: the TLM hands out a backup while it works. Put back when the
// tree has changed since, twice, it begins terms that nobody used, finds the
// tree as it is, and loses no node; and as the ILMs go on, no device misses a
// poll. (The samples between the backup and the restore are gone from the
// history.)
func TestLiveBackup(t *testing.T) {
	t.Parallel()
	const poll = 500 * time.Millisecond
	tr := plant(t, 4, poll, "tlm:policy=paper")
	devices := tr.devices(t, 6)
	all := tr.everybody(devices)
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled(all...))
	state := filepath.Join(tr.dir, "tlm")
	socket, err := os.Stat(filepath.Join(state, chassis.BackupSocket))
	if err != nil || socket.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", socket.Mode(), err)
	}

	file := filepath.Join(t.TempDir(), "tlm.backup")
	t.Log(simonectl(t, "backup", "--state", state, file))
	if _, err := trySimonectl(t, "restore", "--state", state, file); err == nil {
		t.Error("a backup was put back under a running TLM")
	}
	node := filepath.Join(t.TempDir(), "n2.backup")
	simonectl(t, "backup", "--state", filepath.Join(tr.dir, "n2"), node)
	simonectl(t, "store", "check", node)

	// Today differs from the backup: one ILM has handed over its list.
	leaver := tr.ilms()[0]
	tr.client.mustSet(tr.tlm().address, scalar(mib.SimoneReconfigDrain, mib.Gauge(uint32(tr.mustName(leaver).id))))
	eventually(t, patience, "it is drained", func() string {
		lists, err := tr.lists()
		if err != nil {
			return err.Error()
		}
		if n := len(lists[leaver]); n > 0 {
			return fmt.Sprintf("%s has %d nodes", leaver, n)
		}
		return ""
	})
	eventually(t, patience, "the tree settles", tr.settled(all...))
	before, err := tr.lists()
	if err != nil {
		t.Fatal(err)
	}

	var terms []uint32
	first := time.Now()
	for range 2 {
		tr.stop("tlm")
		terms = append(terms, tr.audit().state.Meta.Term)
		t.Log(simonectl(t, "restore", "--state", state, file))
		began := time.Now()
		tr.start("tlm")
		eventually(t, patience, "the tree settles", tr.settled(all...))
		t.Logf("settled %v after the start with the backup", time.Since(began).Round(time.Millisecond))
	}
	after, err := tr.lists()
	if err != nil {
		t.Fatal(err)
	}
	for name, rows := range before {
		for id := range rows {
			// A machine that stands still has ILMs missed, with good reason.
			if _, still := after[name][id]; !still && tr.pauses.since(first) < time.Second {
				t.Errorf("node %d was on %s's list before the restore, and is not after it", id, name)
			}
		}
	}
	tr.stop("tlm")
	a := tr.audit()
	terms = append(terms, a.state.Meta.Term)
	if !slices.IsSorted(terms) || terms[1] < terms[0]+1024 || terms[2] < terms[1]+1024 {
		t.Errorf("terms were %v: each restore is to begin far above all that were used", terms)
	}
	for _, d := range devices {
		for _, gap := range d.gaps(poll) {
			if !tr.pauses.over(gap.from, gap.to.Sub(gap.from)) {
				t.Errorf("%s was not asked for %v", d.name, gap.to.Sub(gap.from))
			}
		}
	}
}

// mustName is what the TLM says of a node.
func (tr *tree) mustName(name string) named {
	tr.tb.Helper()
	names, err := tr.names()
	if err != nil {
		tr.tb.Fatal(err)
	}
	return names[name]
}
