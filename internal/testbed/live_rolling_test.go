//go:build linux

package testbed

import (
	"archive/tar"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"simone/mib"
)

var fromFlag = flag.String("live.from", "", "the commit that TestLiveUpgrade begins with, as 85e6045; it needs git")

// roll restarts every member as docs/operating.md says, one after the other:
// ILMs when they are drained, then the other nodes, the TLM last. change is
// called while a member is down.
func (tr *tree) roll(t *testing.T, all []string, change func(*member)) {
	t.Helper()
	at := tr.tlm().address.String()
	again := func(name string) {
		t.Helper()
		began := time.Now()
		tr.stop(name)
		change(tr.members[name])
		tr.start(name)
		eventually(t, patience, name+" is back", tr.settled(all...))
		t.Logf("%s settled %v after its stop", name, time.Since(began).Round(time.Millisecond))
	}
	done := make(map[string]bool)
	for {
		next := slices.IndexFunc(tr.ilms(), func(name string) bool { return !done[name] })
		if next < 0 {
			break
		}
		name := tr.ilms()[next]
		began := time.Now()
		simonectl(t, "-a", at, "-w", "private", "drain", "--wait", "--for", "30s", name)
		t.Logf("%s drained after %v", name, time.Since(began).Round(time.Millisecond))
		done[name] = true
		again(name)
		simonectl(t, "-a", at, "-w", "private", "undrain", name)
	}
	if len(done) < 3 {
		t.Errorf("only %d ILMs were restarted", len(done))
	}
	for _, m := range tr.sorted() {
		if !done[m.name] && m.name != "tlm" {
			again(m.name)
		}
	}
	again("tlm")
}

// checkWitnesses: every device was polled all the time, by one manager in the
// end, and the store has each of its samples once.
func (tr *tree) checkWitnesses(t *testing.T, devices []*device) {
	t.Helper()
	began := time.Now()
	eventually(t, patience, "each device is polled by one manager", func() string {
		// Of late: when processes have been started the policy may see that their
		// machines have more or less to do, and move what they poll once more.
		since := time.Now().Add(-5 * tr.poll)
		if since.Before(began) {
			return "too soon"
		}
		for _, d := range devices {
			if by := d.pollers(since); len(by) != 1 || len(d.polls(since)) < 3 {
				return fmt.Sprintf("%s was asked by %v", d.name, by)
			}
		}
		return ""
	})
	tr.stop("tlm")
	a := tr.audit()
	excused := make(map[mib.NodeID]bool) // who was down itself; the devices never were
	own := 0
	for name := range tr.members {
		id := a.id(name)
		excused[id] = true
		own += len(a.gaps(id))
	}
	a.check(t, excused)
	for _, d := range devices {
		for _, gap := range d.gaps(tr.poll) {
			if !tr.pauses.over(gap.from, gap.to.Sub(gap.from)) {
				t.Errorf("%s was not asked for %v", d.name, gap.to.Sub(gap.from).Round(time.Millisecond))
			}
		}
	}
	empty := 0
	for _, d := range devices {
		empty += len(a.gaps(a.id(d.name)))
	}
	t.Logf("%d samples in the store; %d slots of %d devices are empty, %d of the %d processes themselves", a.stored, empty, len(devices), own, len(tr.members))
}

// TestLiveRollingRestart: every process of a tree is restarted, ILMs after
// they are drained, and no slot of a device is lost and none is filled twice.
func TestLiveRollingRestart(t *testing.T) {
	t.Parallel()
	tr := plant(t, 12, time.Second, "tlm:ilms.min=3", "tlm:ilms.start=3", "tlm:ilm.log_window=1s")
	devices := tr.devices(t, 10)
	all := tr.everybody(devices)
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled(all...))
	tr.roll(t, all, func(*member) {})
	tr.checkWitnesses(t, devices)
}

// TestLiveUpgrade: a tree that runs on the daemons of an earlier commit, with
// that one's configurations, is restarted with today's, one process after the
// other: no sample is lost or stored twice, and every node is who it was.
func TestLiveUpgrade(t *testing.T) {
	if *fromFlag == "" {
		t.Skip("make upgrade runs it: it builds the daemons of an earlier commit")
	}
	old := t.TempDir()
	build := exec.Command("sh", "-c", `git -C "$0" archive "$1" | tar -x -C "$2" && cd "$2" && go build -buildvcs=false -o bin/ ./cmd/simoned ./cmd/simone-tlm`,
		filepath.Join("..", ".."), *fromFlag, old)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the daemons of %s: %v\n%s", *fromFlag, err, out)
	}
	tr := plant(t, 12, time.Second, "tlm:ilms.min=3", "tlm:ilms.start=3")
	for _, m := range tr.members {
		m.args[1] = filepath.Join(old, "configs", filepath.Base(m.args[1]))
	}
	devices := tr.devices(t, 10)
	all := tr.everybody(devices)
	today := make(map[string]string)
	for name, m := range tr.members {
		today[name], m.program = m.program, filepath.Join(old, "bin", filepath.Base(m.program))
	}
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled(all...))
	before, err := tr.names()
	if err != nil {
		t.Fatal(err)
	}
	tr.roll(t, all, func(m *member) { m.program = today[m.name] })
	after, err := tr.names()
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range before {
		if after[name].id != n.id {
			t.Errorf("%s was node %d and is node %d", name, n.id, after[name].id)
		}
	}
	tr.checkWitnesses(t, devices)
}

// TestLiveOldStores: today's daemons go on from the state directories that
// those of commit 85e6045 left behind, though at other addresses: every node
// has its number, drains, pins and what was SET hold, terms go on.
func TestLiveOldStores(t *testing.T) {
	t.Parallel()
	tr := plant(t, 6, time.Second)
	unpack(t, filepath.Join("..", "store", "testdata", "state-85e6045.tar.gz.base64"), tr.dir)
	var expected map[string]struct {
		State struct {
			Meta  struct{ Term uint32 }
			Nodes map[string]struct {
				ID              mib.NodeID
				Name            string
				Drained, Pinned bool
				Wanted          bool
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(tr.dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &expected); err != nil {
		t.Fatal(err)
	}
	was := expected["tlm"].State
	tr.expect(`level=WARN msg=".*(silent|cut off|does not acknowledge)`) // nobody is where he was
	tr.start()
	eventually(t, patience, "the tree settles", tr.settled())
	names, err := tr.names()
	if err != nil {
		t.Fatal(err)
	}
	if len(was.Nodes) != 7 {
		t.Fatalf("the fixture has %d nodes", len(was.Nodes))
	}
	for _, n := range was.Nodes {
		if names[n.Name].id != n.ID {
			t.Errorf("%s was node %d and is node %d", n.Name, n.ID, names[n.Name].id)
		}
	}
	if s := tr.shows("tlm", mib.SimoneThresholdSplit, "21")(); s != "" {
		t.Error(s)
	}
	tr.stop("tlm")
	a := tr.audit()
	if a.state.Meta.Term <= was.Meta.Term {
		t.Errorf("term %d after term %d", a.state.Meta.Term, was.Meta.Term)
	}
	for _, n := range was.Nodes {
		if now := a.state.Nodes[n.ID]; now.Drained != n.Drained || now.Pinned != n.Pinned {
			t.Errorf("%s: drained %v, pinned %v; was %v, %v", n.Name, now.Drained, now.Pinned, n.Drained, n.Pinned)
		}
	}
	t.Logf("%d nodes; term %d, then %d", len(a.state.Nodes), was.Meta.Term, a.state.Meta.Term)
}

// unpack writes the files of a tar archive, gzipped and in base64.
func unpack(tb testing.TB, archive, dir string) {
	tb.Helper()
	f, err := os.Open(archive)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, f))
	if err != nil {
		tb.Fatal(err)
	}
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			tb.Fatal(err)
		}
		to := filepath.Join(dir, filepath.Clean("/"+h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(to, 0o700)
		} else {
			content, e := io.ReadAll(r)
			err = errors.Join(e, os.WriteFile(to, content, 0o600))
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// TestLiveGoodbye: ILMs are stopped in good order without a drain. They work
// for a moment after their goodbye, so that no slot of a device stays empty
// until others have it, and what they log in that moment is read.
func TestLiveGoodbye(t *testing.T) {
	t.Parallel()
	const times = 6
	tr := plant(t, 6, time.Second, "tlm:ilms.min=3", "tlm:ilms.start=3", "tlm:mode=fixed")
	devices := tr.devices(t, 12)
	all := tr.everybody(devices)
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled(all...))
	for range times {
		lists, err := tr.lists()
		if err != nil {
			t.Fatal(err)
		}
		name := slices.MaxFunc(tr.ilms(), func(a, b string) int { return len(lists[a]) - len(lists[b]) })
		began := time.Now()
		tr.stop(name)
		t.Logf("%s with %d nodes ended after %v", name, len(lists[name]), time.Since(began).Round(time.Millisecond))
		eventually(t, patience, "the others have its nodes", func() string {
			lists, err := tr.lists()
			if err != nil {
				return err.Error()
			}
			held := holders(lists)
			for _, d := range devices {
				if id := tr.mustName(d.name).id; len(held[id]) == 0 {
					return fmt.Sprintf("%s is on nobody's list", d.name)
				}
			}
			return ""
		})
		tr.start(name)
		eventually(t, patience, "the tree settles", tr.settled(all...))
	}
	tr.checkWitnesses(t, devices)
}
