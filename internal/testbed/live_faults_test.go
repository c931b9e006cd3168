//go:build linux

package testbed

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"simone/mib"
)

var (
	faultsFlag    = flag.Int("live.faults", 10, "how many faults TestLiveFaults makes")
	faultSeedFlag = flag.Uint64("live.faultseed", 1, "of which faults TestLiveFaults makes, and when")
)

// TestLiveFaults: processes are killed, stopped for a while and started again
// at random, several at a time and the TLM too, while nodes move. When that is
// over the tree settles: each node is on one live list, and polled by one
// manager.
func TestLiveFaults(t *testing.T) {
	t.Parallel()
	const poll = 500 * time.Millisecond
	chance := rand.New(rand.NewPCG(*faultSeedFlag, 1))
	tr := plant(t, 6, poll, "tlm:ilms.min=2", "tlm:policy=paper") // which leaves alone what is neither hot nor cold
	tr.expect(`level=WARN`)                                       // all kinds
	devices := tr.devices(t, 8)
	all := tr.everybody(devices)
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled(all...))

	frozen := make(map[string]bool)
	did := make(map[string]int)
	var faults []string
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(strings.Join(faults, "\n"))
		}
	})
	names := slices.Sorted(maps.Keys(tr.members))
	for range *faultsFlag {
		was := maps.Clone(did)
		name := names[chance.IntN(len(names))]
		m := tr.members[name]
		switch {
		case frozen[name]:
			did["thaw"]++
			m.signal(t, syscall.SIGCONT)
			delete(frozen, name)
		case !m.running():
			did["start"]++
			tr.start(name)
		case chance.IntN(2) == 0:
			did["kill"]++
			m.kill()
		case chance.IntN(2) == 0:
			did["freeze"]++
			m.signal(t, syscall.SIGSTOP)
			frozen[name] = true
		default:
			did[tr.disturb(chance)[:3]]++
		}
		for what, n := range did {
			if n > was[what] {
				faults = append(faults, fmt.Sprintf("%s %s %s", time.Now().Format("15:04:05.000"), what, name))
			}
		}
		<-time.After(time.Duration(chance.Int64N(int64(4 * poll)))) // the random moment
	}
	for _, name := range names {
		switch m := tr.members[name]; {
		case frozen[name]:
			m.signal(t, syscall.SIGCONT)
		case !m.running():
			tr.start(name)
		}
	}
	eventually(t, patience, "the TLM is calm", func() string {
		r := tr.client.set(tr.tlm().address, thresholds(0, 1e8, 1e9)...)
		if r.Err != nil {
			return r.Err.Error()
		}
		if r.Status != mib.NoError {
			return r.Status.String()
		}
		return ""
	})
	tr.undrain()
	took := eventually(t, 2*patience, "the tree settles", tr.settled(all...))
	settled := time.Now()
	eventually(t, patience, "each device is polled by one manager", func() string {
		for _, d := range devices {
			if by := d.pollers(settled); len(by) != 1 || len(d.polls(settled)) < 4 {
				return d.name + " is polled by more or less than one"
			}
		}
		return ""
	})
	t.Logf("%v: settled %v after the last", did, took.Round(time.Millisecond))
}
