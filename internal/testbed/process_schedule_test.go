//go:build linux

package testbed

import (
	"reflect"
	"testing"
	"time"
)

// A seed is a schedule: the same faults at the same times for the same fleet.
// Nobody suffers two at a time, and all are over when the time is.
func TestScheduleIsTheSeeds(t *testing.T) {
	managers, leaves, under := []string{"n2", "n3", "tlm", "tlm2"}, []string{"n4", "n5", "n6"}, []string{"n5"}
	const length = 5 * time.Minute
	seen := make(map[faultKind]int)
	for seed := uint64(1); seed <= 20; seed++ {
		faults := schedule(seed, length, managers, leaves, under)
		if !reflect.DeepEqual(faults, schedule(seed, length, managers, leaves, under)) {
			t.Errorf("seed %d is two schedules", seed)
		}
		if reflect.DeepEqual(faults, schedule(seed+1, length, managers, leaves, under)) {
			t.Errorf("seeds %d and %d are one schedule", seed, seed+1)
		}
		until := make(map[string]time.Duration)
		for _, f := range faults {
			seen[f.kind]++
			if f.over > length || f.over < f.at {
				t.Errorf("seed %d: %v from %v to %v", seed, f, f.at, f.over)
			}
			if f.kind == faultSplit {
				continue
			}
			if who := f.who[0]; until[who] > f.at {
				t.Errorf("seed %d: %v at %v, while something else lasts to %v", seed, f, f.at, until[who])
			} else {
				until[who] = f.over
			}
		}
	}
	for _, kind := range []faultKind{faultKill, faultFreeze, faultCut, faultDeaf, faultMute, faultRough, faultSplit, faultClock, faultSnmpd} {
		if seen[kind] == 0 {
			t.Errorf("there is no %s in twenty schedules", kind)
		}
	}
}
