package testbed

import (
	"testing"
	"time"

	"simone/mib"
	"simone/reconfig"
)

func fast() reconfig.Settings {
	s := reconfig.DefaultSettings()
	s.Policy = "paper" // which splits at once what is hot
	s.Trigger, s.Interval = time.Second, time.Second
	s.MinILMs, s.StartILMs = 2, 4
	return s
}

func calm(t *testing.T, w *World) {
	t.Helper()
	for _, b := range append(w.Broken(), w.CheckCalm()...) {
		t.Error(b)
	}
}

func TestTreeForms(t *testing.T) {
	w := NewWorld(1, 44, 4, fast())
	w.Run(10 * time.Second)
	calm(t, w)
	for id := range w.Nodes {
		if g := w.Gaps(id); len(g) > 0 {
			t.Errorf("node %d: slots %v are empty", id, g)
		}
	}
	for _, c := range w.Parent.Engine.Children() {
		if !c.Ready || c.Nodes != 10 {
			t.Errorf("ILM %d: ready %v with %d nodes; want 10", c.ID, c.Ready, c.Nodes)
		}
	}
}

func TestHotIlmSplitsWithoutLoss(t *testing.T) {
	w := NewWorld(2, 44, 4, fast())
	w.Run(10 * time.Second)
	w.Nodes[2].Temp = 40
	w.Run(4 * time.Second)
	w.Nodes[2].Temp = 2
	w.Run(10 * time.Second)
	calm(t, w)
	if c := w.Parent.Engine.Counters(); c.Splits == 0 || c.Moves == 0 {
		t.Errorf("splits %d, moves %d", c.Splits, c.Moves)
	}
	for id := range w.Nodes {
		if g := w.Gaps(id); len(g) > 0 {
			t.Errorf("node %d: slots %v are empty", id, g)
		}
	}
}

func TestDeadIlmIsReplaced(t *testing.T) {
	w := NewWorld(3, 44, 4, fast())
	w.Run(10 * time.Second)
	w.Crash(w.Nodes[3])
	w.Run(3 * time.Second) // detection 1.5 s + one trigger
	for id := mib.NodeID(6); id < 46; id++ {
		if len(w.Holders(id)) == 0 {
			t.Errorf("node %d is on nobody's list", id)
		}
	}
	w.Run(5 * time.Second)
	w.Restart(w.Nodes[3])
	w.Run(10 * time.Second)
	calm(t, w)
}
