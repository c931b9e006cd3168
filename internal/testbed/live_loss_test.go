//go:build linux

package testbed

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"simone/mib"
)

// ids gives the nodes' numbers and UUIDs, by name.
func (tr *tree) ids() map[string]string {
	tr.tb.Helper()
	names, err := tr.names()
	if err != nil {
		tr.tb.Fatal(err)
	}
	ids := make(map[string]string)
	for name, n := range names {
		ids[name] = n.id.String()
		if m := tr.members[name]; m != nil {
			ids[name] += " " + string(tr.client.must(m.address, mib.Instance(mib.SimoneNodeUuid))[0].Bytes)
		}
	}
	return ids
}

// same compares what ids gave at two times.
func same(t *testing.T, before, after map[string]string) {
	t.Helper()
	for name, id := range before {
		if after[name] != id {
			t.Errorf("%s was node %s and is %s", name, id, after[name])
		}
	}
}

// TestLivePowerCut: everything ends at once and is started again in any order.
// Everybody is who they were, nobody is polled twice, and the slots number on.
func TestLivePowerCut(t *testing.T) {
	t.Parallel()
	tr := plant(t, 4, 500*time.Millisecond)
	all := tr.everybody(tr.devices(t, 4))
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled(all...))
	before := tr.ids()
	for _, m := range tr.members {
		m.kill()
	}
	first := tr.audit()
	for name := range tr.members {
		tr.start(name)
	}
	restarted := time.Now()
	took := eventually(t, patience, "the tree is as it was", func() string {
		names, err := tr.names()
		if err != nil {
			return err.Error()
		}
		for name, n := range names {
			if n.age > time.Since(restarted)-100*time.Millisecond {
				return name + " was not polled since"
			}
		}
		return tr.settled(all...)()
	})
	t.Logf("settled %v after the restart", took.Round(time.Millisecond))
	same(t, before, tr.ids())
	tr.stop("tlm")
	second := tr.audit()
	for id := range first.state.Nodes {
		was, is := first.state.Ledgers[id], second.state.Ledgers[id]
		if is.Last() <= was.Last() {
			t.Errorf("node %d: slot %d is the last, %d was before", id, is.Last(), was.Last())
		}
		if len(is.Runs) > len(was.Runs)+2 {
			t.Errorf("node %d: slots are filled in pieces: %v", id, second.runs(id))
		}
	}
}

// TestLiveStoreLost: the TLM loses its store and its directory. It finds its
// tree again, with everybody under their old numbers, and nobody polled twice.
func TestLiveStoreLost(t *testing.T) {
	t.Parallel()
	tr := plant(t, 4, 500*time.Millisecond)
	for name, m := range tr.members {
		if name != "tlm" {
			m.set("announce.every=1s") // an orphan says so after three times that
		}
	}
	all := tr.everybody(tr.devices(t, 4))
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled(all...))
	before := tr.ids()
	tr.expect(`level=WARN .*does not acknowledge`)
	tr.tlm().kill()
	if err := os.RemoveAll(filepath.Join(tr.dir, "tlm")); err != nil {
		t.Fatal(err)
	}
	tr.start("tlm")
	took := eventually(t, 2*patience, "the tree is as it was", tr.settled(all...))
	t.Logf("settled %v after the restart", took.Round(time.Millisecond))
	after := tr.ids()
	after["tlm"] = before["tlm"] // its UUID was lost too
	same(t, before, after)
}
