//go:build linux

package testbed

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"simone/mib"
)

var takeoversFlag = flag.Int("live.takeovers", 2, "how often TestLiveStandby kills the TLM that leads")

// TestLiveStandby: two TLMs share a store in etcd. The one that leads gets
// SIGKILL; the other acts at most 5 s later, which is when an ILM has a fence
// of its term. No slot of a device that an ILM polls is empty.
func TestLiveStandby(t *testing.T) {
	t.Parallel()
	const poll = time.Second
	e := StartEtcd(t)
	tr := plant(t, 6, poll, "tlm:ilms.min=2", "tlm:policy=paper")
	devices := tr.devices(t, 6)
	tr.share(t, e)
	all := tr.everybody(devices)
	tr.start()
	eventually(t, patience, "the tree forms", tr.settledUnder(all...))

	var took []time.Duration
	for range *takeoversFlag {
		old := tr.tlm()
		ilms := tr.ilms()
		before, err := tr.term(ilms)
		if err != nil || len(ilms) == 0 {
			t.Fatalf("terms of %v: %v", ilms, err)
		}
		old.kill()
		killed := time.Now()
		eventually(t, patience, "the other acts", func() string {
			now, err := tr.term(ilms)
			if err != nil {
				return err.Error()
			}
			if now == before {
				return fmt.Sprintf("the term is %d still", now)
			}
			return ""
		})
		took = append(took, time.Since(killed)-tr.pauses.since(killed))
		tr.start(old.name)
		eventually(t, patience, "the tree settles", tr.settledUnder(all...))
		if tr.tlm() == old {
			t.Fatalf("%s leads again", old.name)
		}
		eventually(t, patience, "ILMs know whose they are", func() string {
			for _, name := range tr.ilms() {
				values, err := tr.client.get(tr.members[name].address, mib.Instance(mib.SimoneNodeParent))
				if err != nil || string(values[0].Bytes) != tr.tlm().address.String() {
					return fmt.Sprintf("%s has the parent %v, error %v", name, values, err)
				}
			}
			return ""
		})
		eventually(t, patience, "who was killed stands by", func() string {
			values, err := tr.client.get(old.address, mib.Instance(mib.SimoneLeadState), mib.Instance(mib.SimoneNodeRole), mib.Instance(mib.SimoneNodeParent))
			switch {
			case err != nil:
				return err.Error()
			case mib.LeadState(values[0].Int) != mib.Standby || mib.Role(values[1].Int) != mib.RoleStandby || string(values[2].Bytes) != tr.tlm().address.String():
				return fmt.Sprint(values)
			}
			return ""
		})
	}
	slices.Sort(took)
	t.Logf("the other acts after %v", took)
	if worst := took[len(took)-1]; worst > 5*time.Second {
		t.Errorf("it took %v until the other one acted", worst)
	}
	tr.stop("tlm")
	tr.stop("tlm2")
	a := tr.audit()
	a.check(t, a.polledByTlm())
}
