//go:build linux

package testbed

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"simone/mib"
)

// inventoried has the nodes of a tree stand in the TLM's inventory, so that
// they neither announce themselves nor say goodbye.
func (tr *tree) inventoried(t *testing.T) {
	t.Helper()
	entries := "\nnodes:\n"
	for _, m := range tr.sorted() {
		if m.name != "tlm" {
			m.unset("announce.to")
			m.set("announce.to=")
			entries += fmt.Sprintf("  - {name: %s, address: %q, candidate: true}\n", m.name, m.address)
		}
	}
	tr.configure("tlm", replacing(t, "\nnodes:\n", entries))
}

// id is the number of a node.
func (a audit) id(name string) mib.NodeID {
	for id, n := range a.state.Nodes {
		if n.Name == name {
			return id
		}
	}
	return 0
}

// TestLiveKeptLog: ILMs that keep their report logs are restarted again and
// again before anybody has missed them. Who was stopped in good order has lost
// nothing: no slot of a device is empty, and none was polled twice. Who was
// killed has lost nothing either but what it had logged since its log was last
// written, and may poll the running slot again.
func TestLiveKeptLog(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"stopped", "killed"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			const poll = time.Second
			tr := plant(t, 3, poll, "ilm.log_window=200ms", "tlm:mode=fixed", "tlm:probe.misses=8", "tlm:ilms.min=2")
			devices := tr.devices(t, 9)
			tr.inventoried(t)
			all := tr.everybody(devices)
			tr.start()
			eventually(t, patience, "the tree forms", tr.settled(all...))
			before, err := tr.lists()
			if err != nil {
				t.Fatal(err)
			}
			const times = 6
			ilms := tr.ilms()
			for i := range times {
				name := ilms[i%len(ilms)]
				incarnation := tr.text(name, mib.SimoneIlmLogIncarnation)
				if how == "stopped" {
					tr.stop(name)
				} else {
					tr.members[name].kill()
				}
				tr.start(name)
				<-time.After(poll/3 + rand.N(poll)) // any moment of a slot
				eventually(t, patience, "the tree settles", tr.settled(all...))
				if again := tr.text(name, mib.SimoneIlmLogIncarnation); again != incarnation {
					t.Errorf("the log of %s is %s, it was %s", name, again, incarnation)
				}
			}
			after, err := tr.lists()
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range ilms {
				if len(after[name]) != len(before[name]) {
					t.Errorf("%s had %d nodes and has %d: it was missed", name, len(before[name]), len(after[name]))
				}
			}
			tr.stop("tlm")
			a := tr.audit()
			empty, refused, twice := 0, uint64(0), 0
			for _, d := range devices {
				id := a.id(d.name)
				for _, slot := range a.gaps(id) {
					if !a.pauses.over(a.due(id, slot), poll) {
						empty++
						t.Logf("%s: slot %d is empty%s", d.name, slot, a.witnesses.around(d.name, a.due(id, slot), poll))
					}
				}
				refused += a.state.Ledgers[id].Refused
				polls := d.polls(time.Time{})
				for i := 1; i < len(polls); i++ {
					if polls[i].at.Sub(polls[i-1].at) < poll/20 {
						twice++
					}
				}
			}
			t.Logf("%d restarts: %d slots are empty, %d samples came for filled slots, %d polls soon after another", times, empty, refused, twice)
			if how == "stopped" && empty+int(refused)+twice > 0 || how == "killed" && empty > times {
				t.Errorf("too many")
			}
		})
	}
}
