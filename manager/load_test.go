package manager

import (
	"testing"
	"time"

	"simone/reconfig"
)

// What samples cost is told apart from what the children cost, each as a share
// of the time since the last round.
func TestLoadMeter(t *testing.T) {
	var m loadMeter
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	if _, ok := m.close(at); ok {
		t.Error("a load before anything was measured")
	}
	m.add(reconfig.ChildReported{}, 2*time.Second)
	m.add(reconfig.LogRead{}, time.Second)
	m.add(reconfig.ActionDone{}, time.Second)
	if got, ok := m.close(at.Add(10 * time.Second)); !ok || got.Serving != 0.3 || got.Storing != 0.1 {
		t.Errorf("%+v, %v", got, ok)
	}
	if got, ok := m.close(at.Add(20 * time.Second)); !ok || got != (reconfig.Load{}) {
		t.Errorf("a window in which nothing happened: %+v, %v", got, ok)
	}
	if _, ok := m.close(at.Add(20 * time.Second)); ok {
		t.Error("a load of no time at all")
	}
}
