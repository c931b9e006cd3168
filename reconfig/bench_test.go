package reconfig_test

import (
	"testing"
	"time"

	"simone/internal/testbed"
	"simone/reconfig"
)

// BenchmarkWorld100 is 100 nodes below 8 ILMs for 200 triggers, with a split
// or a merge now and then: both ends of the protocol and the world between
// them.
func BenchmarkWorld100(b *testing.B) {
	for b.Loop() {
		s := quick()
		s.StartILMs, s.MinILMs = 8, 2
		w := testbed.NewWorld(1, 100, 8, s)
		for trigger := range 200 {
			if trigger%20 == 0 {
				if up := ilms(w); len(up) > 0 {
					w.Nodes[up[trigger%len(up)]].Temp = 20
				}
			}
			w.Run(s.Trigger)
			for _, n := range w.Nodes {
				n.Temp = 1
			}
		}
		if len(w.Broken()) > 0 {
			b.Fatal(w.Broken())
		}
	}
}

// BenchmarkStepSettled is one tick of an engine with many nodes that are all
// as they should be: what a big tree costs when nothing happens.
func BenchmarkStepSettled(b *testing.B) {
	s := quick()
	s.StartILMs = 8
	w := testbed.NewWorld(1, 2000, 8, s)
	w.Run(10 * time.Second)
	e, now := w.Parent.Engine, w.Now
	b.ResetTimer()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		if _, err := e.Step(reconfig.Ticked{At: reconfig.At{Now: now}}); err != nil {
			b.Fatal(err)
		}
	}
}
