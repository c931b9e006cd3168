package testbed

import (
	"strings"
	"testing"
	"time"
)

// TestIlmThatWasNotReadSinceTheRestartKeepsItsRole: an ILM is silent while its
// parent starts again, so that this life of the parent has never read it. It
// may still have rows, and is not taken for a leaf that never was an ILM.
func TestIlmThatWasNotReadSinceTheRestartKeepsItsRole(t *testing.T) {
	w := NewWorld(5, 24, 4, fast())
	w.Run(10 * time.Second)
	calm(t, w)
	w.Nodes[3].Cut = true // it polls on
	w.CrashParent()
	w.StartParent(false)
	w.Run(10 * time.Second)
	w.Nodes[3].Cut = false
	w.Run(2 * w.Parent.Settings.Trigger)
	calm(t, w) // I3
	for _, a := range w.Parent.Alerts {
		if strings.Contains(a, "before it became an ILM") {
			t.Error(a)
		}
	}
}
