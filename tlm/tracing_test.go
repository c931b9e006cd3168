package tlm

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"simone/internal/trace"
	"simone/mib"
)

// notebook is a Tracer that keeps rounds in memory.
type notebook struct {
	rounds []trace.Round
	fails  int // so many of the next are not kept
	closed bool
}

func (n *notebook) Add(r trace.Round) error {
	if n.fails > 0 {
		n.fails--
		return errors.New("no space left on device")
	}
	n.rounds = append(n.rounds, r)
	return nil
}

func (n *notebook) Close() error {
	n.closed = true
	return nil
}

// Each round is recorded with whose each node was, which were ILMs and what the
// manager decided by; a disk that is full costs rounds and nothing else.
func TestRoundsAreRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		notes := &notebook{}
		w.trace = notes
		w.open()
		w.start()
		for i := range 3 {
			w.announce(w.addCandidate(fmt.Sprintf("c%d", i), fmt.Sprintf("127.0.3.%d:161", i+1), 0))
			w.announce(w.addLeaf(fmt.Sprintf("l%d", i), fmt.Sprintf("127.0.4.%d:161", i+1)))
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if len(notes.rounds) < 5 {
			t.Fatalf("%d rounds are recorded", len(notes.rounds))
		}
		last := notes.rounds[len(notes.rounds)-1]
		if s := last.Settings; s == nil || s.Policy != "balance" || s.Trigger != 1 || s.Thresholds != [3]float64{0.1, 17.5, 500} || s.STU != 0.001 {
			t.Errorf("settings %+v", s)
		}
		if len(last.ILMs) == 0 || last.ILMs[0].Nodes < 3 {
			t.Errorf("ILMs %+v", last.ILMs)
		}
		ilms := 0
		for _, n := range last.Nodes {
			real, ok := w.Conductor().Node(n.ID)
			if !ok || real.Owner != n.Owner || real.Name != n.Name || real.Wanted != n.ILM {
				t.Errorf("node %+v, is %+v", n, real)
			}
			if n.ILM {
				ilms++
			}
			if n.Candidate && n.Load != 1 { // what all metrics of the nodes of this world are
				t.Errorf("node %d: load %g", n.ID, n.Load)
			}
		}
		if len(last.Nodes) != 6 || ilms != len(last.ILMs) || last.Nodes[0].ID == mib.NodeID(1) {
			t.Errorf("%d nodes, %d ILMs: %+v", len(last.Nodes), ilms, last.Nodes)
		}
		notes.fails = 2
		before := len(notes.rounds)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := len(notes.rounds) - before; got < 2 || got > 3 {
			t.Errorf("%d rounds in five seconds of which two could not be kept", got)
		}
		if n := w.logs.count("rounds cannot be recorded"); n != 1 {
			t.Errorf("the log says so %d times", n)
		}
		w.stop()
		if !notes.closed {
			t.Error("the record is not closed")
		}
	})
}
