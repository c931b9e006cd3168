//go:build linux

package testbed

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"simone/mib"
)

// TestLiveRollback: the tree is changed by an operator, one ILM gone altogether,
// and is put back to what the TLM recorded: the same lists and the same ILMs, by
// planned moves that cost no device a poll and no slot a sample.
func TestLiveRollback(t *testing.T) {
	t.Parallel()
	const poll = 500 * time.Millisecond
	tr := plant(t, 5, poll, "tlm:ilms.start=3", "tlm:ilms.min=2")
	devices := tr.devices(t, 12)
	all := tr.everybody(devices)
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled(all...))
	state := filepath.Join(tr.dir, "tlm")
	ctl := func(args ...string) string {
		return simonectl(t, append([]string{"-a", tr.tlm().address.String(), "-w", "private"}, args...)...)
	}
	ctl("reconfig", "mode", "fixed") // what follows is to be the operator's doing alone
	before := tr.owners(t)
	for range 2 { // the first is recorded when the second is over
		ctl("reconfig", "trigger")
	}
	since := time.Now()

	leaver := tr.ilms()[0]
	ctl("drain", "--wait", "--for", "60s", leaver)
	ctl("undrain", leaver)
	kept := tr.ilms()[len(tr.ilms())-1]
	ctl("move", "d1", "d2", "d3", "--to", kept, "--wait", "--for", "60s")
	eventually(t, patience, "the tree settles", tr.settled(all...))
	if differ(before, tr.owners(t)) == "" {
		t.Fatal("nothing has changed")
	}

	to := since.Format(time.RFC3339Nano)
	plan := ctl("reconfig", "rollback", "--state", state, "--to", to, "--dry-run")
	if !strings.Contains(plan, "to move back") || differ(before, tr.owners(t)) == "" {
		t.Errorf("the dry run: %s", plan)
	}
	t.Log(ctl("reconfig", "rollback", "--state", state, "--to", to, "--wait", "--for", "60s"))
	eventually(t, patience, "the tree settles", tr.settled(all...))
	eventually(t, patience, "all is as it was", func() string { return differ(before, tr.owners(t)) })

	replayed := ctl("reconfig", "plan", "--state", state, "--since", "10m", "--what-if", "policy=paper", "--what-if", "split=5")
	for _, want := range []string{" nodes, 3 ILMs", "policy=paper split=5", "global latency", "nodes moved an hour"} {
		if !strings.Contains(replayed, want) {
			t.Errorf("the plan does not say %q:\n%s", want, replayed)
		}
	}
	t.Log(replayed)

	if n := tr.counter(mib.SimoneReconfigFailovers); n > 0 {
		t.Errorf("%d of the moves were not planned:\n%s", n, tr.lately(40))
	}
	managers := tr.managersByPort()
	tr.stop("tlm")
	a := tr.audit()
	a.check(t, nil)
	var heard testimony
	heard.add(a.hear(devices, managers, since))
	heard.check(t)
}

// owners is who manages each node but the TLM and its machine.
func (tr *tree) owners(t *testing.T) map[string]mib.NodeID {
	t.Helper()
	names, err := tr.names()
	if err != nil {
		t.Fatal(err)
	}
	owners := make(map[string]mib.NodeID, len(names))
	for name, n := range names {
		owners[name] = n.owner
	}
	return owners
}

func differ(want, got map[string]mib.NodeID) string {
	var out []string
	for name, o := range want {
		if got[name] != o {
			out = append(out, fmt.Sprintf("%s is with %d instead of %d", name, got[name], o))
		}
	}
	return strings.Join(out, ", ")
}
