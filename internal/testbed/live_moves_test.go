//go:build linux

package testbed

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"simone/mib"
)

var (
	movesFlag    = flag.Int("live.moves", 40, "how many planned moves TestLiveMoves makes at least")
	moveSeedFlag = flag.Uint64("live.moveseed", 1, "of which moves TestLiveMoves makes, and when")
)

// TestLiveMoves: ILMs are drained and taken back, made hot until they split
// and cold until they merge, nodes are pinned; often before the moves of the
// last order have ended. By the store every slot of every node has its sample,
// and by the devices' own account each interval has one sample and no more.
func TestLiveMoves(t *testing.T) {
	t.Parallel()
	const poll, batch = 500 * time.Millisecond, 180 * time.Second // the store keeps 512 samples of a node
	chance := rand.New(rand.NewPCG(*moveSeedFlag, 3))
	tr := plant(t, 6, poll, "tlm:policy=paper", "tlm:ilms.min=2", "tlm:ilms.start=4", "tlm:thresholds.split=100000000", "tlm:thresholds.migrate=1000000000", "tlm:thresholds.merge=0.000001")
	devices := tr.devices(t, min(max(24, *movesFlag/10), maxDevices))
	all := tr.everybody(devices)
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled(all...))

	var (
		moves, aborted uint64
		heard          testimony
		orders         = make(map[string]int)
		began          = time.Now()
	)
	for int(moves) < *movesFlag && !t.Failed() {
		since := time.Now()
		for time.Since(since) < batch && int(moves+tr.counter(mib.SimoneReconfigMoves)) < *movesFlag {
			what := tr.order(chance)
			orders[what]++
			<-time.After(time.Duration(chance.Int64N(int64(4 * poll)))) // the random moment
		}
		tr.client.mustSet(tr.tlm().address, thresholds(0, 1e8, 1e9)...)
		tr.undrain()
		eventually(t, patience, "the tree settles", tr.settled(all...))
		if n := tr.counter(mib.SimoneReconfigFailovers); n > 0 {
			t.Errorf("%d of the moves were not planned:\n%s", n, tr.lately(40))
		}
		managers := tr.managersByPort()
		moves += tr.counter(mib.SimoneReconfigMoves)
		aborted += tr.counter(mib.SimoneReconfigAbortedMoves)
		tr.stop("tlm")
		a := tr.audit()
		a.check(t, nil)
		heard.add(a.hear(devices, managers, since))
		if int(moves) < *movesFlag {
			tr.start("tlm")
			eventually(t, patience, "the tree is as it was", tr.settled(all...))
		}
	}
	t.Logf("%d moves, and %d given up, in %v amid %v; %d samples of devices in the store, %d of them by another manager than the one before, for %d GETs: %d lost, %d doubled, %d unproven; a GET left up to %v late, a schedule drifted by up to %v",
		moves, aborted, time.Since(began).Round(time.Second), orders, heard.Samples, heard.Handed, heard.Asks, heard.Lost, heard.Doubled, heard.Unproven, heard.Late.Round(time.Millisecond), heard.Drift.Round(time.Millisecond))
	heard.check(t)
}

// order has the TLM move nodes by plan.
func (tr *tree) order(chance *rand.Rand) string {
	tr.tb.Helper()
	at := tr.tlm().address
	ask := func(object mib.OID, id mib.NodeID) { tr.client.mustSet(at, scalar(object, mib.Gauge(uint32(id)))) }
	switch chance.IntN(10) {
	case 0:
		tr.client.mustSet(at, thresholds(0, 0.0001, 1e9)...)
		return "hot"
	case 1:
		tr.client.mustSet(at, thresholds(1e6, 1e7, 1e9)...)
		return "cold"
	case 2:
		tr.client.mustSet(at, thresholds(0, 1e8, 1e9)...)
		names, err := tr.names()
		if err != nil {
			tr.tb.Fatal(err)
		}
		id := names[fmt.Sprintf("d%d", 1+chance.IntN(8))].id
		if chance.IntN(2) == 0 {
			ask(mib.SimoneReconfigPin, id)
			return "pin"
		}
		ask(mib.SimoneReconfigUnpin, id)
		return "unpin"
	}
	tr.client.mustSet(at, thresholds(0, 1e8, 1e9)...)
	tr.undrain()
	names, err := tr.names()
	if err != nil {
		tr.tb.Fatal(err)
	}
	if len(tr.ilms()) < 2 {
		return "nothing"
	}
	byID := make(map[mib.NodeID]string)
	for name, n := range names {
		byID[n.id] = name
	}
	name := byID[names[fmt.Sprintf("d%d", 1+chance.IntN(8))].owner] // one that has something to give
	ask(mib.SimoneReconfigDrain, names[name].id)
	if chance.IntN(4) == 0 { // the next order comes while this one is carried out
		return "drain, not waited for"
	}
	eventually(tr.tb, patience, name+" is drained", func() string {
		now, err := tr.names()
		if err != nil {
			return err.Error()
		}
		var still []string
		for _, n := range now {
			if strings.HasPrefix(n.name, "d") && n.owner == names[name].id {
				still = append(still, n.name)
			}
		}
		if len(still) > 0 && len(still) > tr.pinned() {
			return fmt.Sprintf("it polls %v", still)
		}
		return ""
	})
	return "drain"
}

// pinned is how many nodes stay where they are by the operator's word.
func (tr *tree) pinned() (n int) {
	cells, err := tr.client.column(tr.tlm().address, mib.SimoneNamePinned)
	if err != nil {
		tr.tb.Fatal(err)
	}
	for _, v := range cells {
		if mib.IsTrue(v) {
			n++
		}
	}
	return n
}
