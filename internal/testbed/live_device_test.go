//go:build linux

package testbed

import (
	"fmt"
	"testing"
	"time"

	"simone/mib"
)

// TestLiveDevice: plain SNMP agents in the inventory are leaves: an ILM reads
// the profile system from them, never writes to them, says when one does not
// answer, and when it does again.
func TestLiveDevice(t *testing.T) {
	t.Parallel()
	tr := plant(t, 2, time.Second)
	devices := tr.devices(t, 2)
	tr.start()
	all := []string{"tlm", "n2", "n3", "d1", "d2"}
	eventually(t, patience, "the tree forms", tr.settled(all...))
	names, err := tr.names()
	if err != nil {
		t.Fatal(err)
	}
	id := names["d1"].id
	if k := names["d1"].kind; k != mib.KindDevice {
		t.Errorf("d1 is a %v", k)
	}
	owner := ""
	for name, n := range names {
		if n.id == names["d1"].owner {
			owner = name
		}
	}
	uptime := mib.MetricNumber("system", "sysUpTime")
	eventually(t, patience, "its owner shows its metrics, the TLM too", func() string {
		for _, member := range []string{owner, "tlm"} {
			v, err := tr.client.get(tr.members[member].address, mib.SimoneMetricValue.Append(uint32(id), uptime, 0))
			if err != nil {
				return err.Error()
			}
			if seconds, err := mib.ParseDecimal(v[0]); err != nil || seconds <= 0 || seconds > 60 {
				return fmt.Sprintf("%s says %v: %v", member, v[0], err)
			}
		}
		return ""
	})
	status := func(want mib.PollStatus) func() string {
		return func() string {
			names, err := tr.names()
			if err != nil {
				return err.Error()
			}
			if names["d1"].status != want || names["d2"].status != mib.PollUp {
				return fmt.Sprintf("d1 is %v, d2 is %v", names["d1"].status, names["d2"].status)
			}
			return ""
		}
	}
	devices[0].stop()
	took := eventually(t, patience, "it is failing", status(mib.PollFailing))
	t.Logf("failing after %v", took.Round(time.Millisecond))
	devices[0].start(t)
	took = eventually(t, patience, "it is up", status(mib.PollUp))
	t.Logf("up again after %v", took.Round(time.Millisecond))
	for _, d := range devices {
		if d.writes() > 0 {
			t.Errorf("%s was written to", d.name)
		}
	}
}
