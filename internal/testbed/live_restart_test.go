//go:build linux

package testbed

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"simone/mib"
)

var (
	killsFlag = flag.Int("live.kills", 10, "how often TestLiveTlmKilled kills the TLM")
	seedFlag  = flag.Uint64("live.seed", 1, "of when and amid what TestLiveTlmKilled kills it")
)

// disturb has the TLM change the tree: thresholds that make all ILMs hot, or
// cold; an ILM drained, another no more. It may be down.
func (tr *tree) disturb(chance *rand.Rand) string {
	at := tr.tlm().address
	switch chance.IntN(5) {
	case 0, 1:
		tr.client.set(at, thresholds(0, 0.0001, 1e9)...)
		return "hot"
	case 2:
		tr.client.set(at, thresholds(1e6, 1e7, 1e9)...)
		return "cold"
	}
	tr.undrain()
	ilms := tr.ilms()
	names, err := tr.names()
	if err != nil || len(ilms) < 2 {
		return "nothing"
	}
	name := ilms[chance.IntN(len(ilms))]
	tr.client.set(at, scalar(mib.SimoneReconfigDrain, mib.Gauge(uint32(names[name].id))))
	return "drain " + name
}

// undrain takes back all drains that it can.
func (tr *tree) undrain() {
	drained, err := tr.client.column(tr.tlm().address, mib.SimoneNameDrained)
	if err != nil {
		return
	}
	for id, v := range drained {
		if mib.IsTrue(v) {
			tr.client.set(tr.tlm().address, scalar(mib.SimoneReconfigUndrain, mib.Gauge(uint32(id))))
		}
	}
}

// TestLiveTlmKilled: the TLM gets SIGKILL at random moments, while it moves
// nodes and changes roles, and is started again. Nothing is lost: each node is
// on exactly one live list in the end, and no slot of a device is empty, as
// ILMs go on without a TLM.
func TestLiveTlmKilled(t *testing.T) {
	t.Parallel()
	const poll = 500 * time.Millisecond
	chance := rand.New(rand.NewPCG(*seedFlag, 0))
	tr := plant(t, 6, poll, "tlm:ilms.min=2", "tlm:policy=paper")
	devices := tr.devices(t, 8)
	all := tr.everybody(devices)
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled(all...))

	var moves, term uint64
	amid := make(map[string]int)
	for range *killsFlag {
		amid[tr.disturb(chance)]++
		<-time.After(time.Duration(chance.Int64N(int64(2 * poll)))) // the random moment
		tr.tlm().kill()
		a := tr.audit()
		open := 0
		for _, n := range a.state.Nodes {
			if n.Intent.Target != 0 || n.Owner == 0 {
				open++
			}
		}
		if open > 0 {
			moves++
		}
		if n := uint64(a.state.Meta.Term); n <= term {
			t.Errorf("term %d after term %d", n, term)
		} else {
			term = n
		}
		tr.start("tlm")
		if chance.IntN(4) > 0 { // else it may be killed before it works
			eventually(t, patience, "the TLM answers", func() string {
				if _, err := tr.client.get(tr.tlm().address, mib.Instance(mib.SimoneReconfigRounds)); err != nil {
					return err.Error()
				}
				return ""
			})
		}
	}
	eventually(t, patience, "the TLM answers", func() string {
		if r := tr.client.set(tr.tlm().address, thresholds(0, 1e8, 1e9)...); r.Err != nil || r.Status != mib.NoError {
			return fmt.Sprint(r.Err, r.Status)
		}
		return ""
	})
	tr.undrain()
	took := eventually(t, patience, "the tree settles", tr.settled(all...))
	settled := time.Now()
	eventually(t, patience, "each device is polled by one manager", func() string {
		for _, d := range devices {
			if by := d.pollers(settled); len(by) != 1 || len(d.polls(settled)) < 4 {
				return fmt.Sprintf("%s was asked by %v", d.name, by)
			}
		}
		return ""
	})
	tr.stop("tlm")
	a := tr.audit()
	refused := uint64(0)
	for _, l := range a.state.Ledgers {
		refused += l.Refused
	}
	t.Logf("killed %d times amid %v, %d times with moves open; settled %v after the last; %d samples in the store, %d refused for slots that were filled",
		*killsFlag, amid, moves, took.Round(time.Millisecond), a.stored, refused)
	a.check(t, a.polledByTlm())
}

// polledByTlm gives the nodes that were on the TLM's own list at some time:
// nobody polls those while it is down.
func (a audit) polledByTlm() map[mib.NodeID]bool {
	found := make(map[mib.NodeID]bool)
	for id := range a.state.Nodes {
		ledger := a.state.Ledgers[id]
		excused := true // each gap begins or ends with a poll of the TLM's
		for i := 1; i < len(ledger.Runs); i++ {
			if a.by(id, ledger.Runs[i-1].To) != 1 && a.by(id, ledger.Runs[i].From) != 1 {
				excused = false
			}
		}
		found[id] = excused
	}
	return found
}
