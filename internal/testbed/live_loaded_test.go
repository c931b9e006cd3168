//go:build linux

package testbed

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"simone/mib"
)

// TestLiveLoadedHosts: each node is on a machine of its own (a control group with
// a tenth of a CPU). Three of eight that are ILMs get other work: programs that
// take all they can get, and a compilation. Within five triggers no role is on
// them any more, latencies are as they were, and nothing moves afterwards.
func TestLiveLoadedHosts(t *testing.T) {
	t.Parallel()
	const (
		ilms, idle, loaded = 8, 4, 3
		share              = 0.1 // of a CPU, for each machine
		poll, trigger      = 500 * time.Millisecond, 2 * time.Second
		before, after      = 6, 10 // triggers that are watched
		work               = 4     // processes on a machine that is loaded
	)
	hosts := newMachines(t)
	tr := plant(t, ilms+idle, poll, "tlm:trigger="+trigger.String(), fmt.Sprintf("tlm:ilms.start=%d", ilms),
		fmt.Sprintf("tlm:ilms.min=%d", ilms), fmt.Sprintf("tlm:ilms.max=%d", ilms), "metric_period=1s")
	all := tr.everybody(tr.devices(t, 64))
	tr.start()
	for _, m := range tr.sorted() {
		if m == tr.tlm() {
			hosts.add(m.name, 5*share)
		} else {
			hosts.add(m.name, share)
		}
		hosts.put(m.name, m.process)
	}
	eventually(t, patience, "the tree forms", tr.settled(all...))
	eventually(t, patience, "all start ILMs are there", func() string {
		if have := tr.ilms(); len(have) != ilms {
			return fmt.Sprintf("ILMs are %v", have)
		}
		return ""
	})
	unloaded := tr.latencies(before)

	victims := tr.ilms()[:loaded]
	var compiling *process
	for i, v := range victims {
		if i == 0 {
			compiling = hosts.load(v, fmt.Sprintf("exec go build -a -p %d std", work), "GOCACHE="+filepath.Join(tr.dir, "cache"), "GOFLAGS=")
			continue
		}
		for range work {
			hosts.load(v, "while :; do :; done")
		}
	}
	var throttled []time.Duration
	for _, v := range victims {
		throttled = append(throttled, hosts.throttled(v))
	}
	rounds, began := tr.counter(mib.SimoneReconfigRounds), time.Now()
	took := eventually(t, patience, "no ILM is on a loaded machine", func() string {
		have := tr.ilms()
		for _, v := range victims {
			if slices.Contains(have, v) {
				return fmt.Sprintf("ILMs are %v; %v are loaded\n%s", have, victims, tr.lately(20))
			}
		}
		if len(have) != ilms {
			return fmt.Sprintf("ILMs are %v", have)
		}
		return ""
	})
	used := tr.counter(mib.SimoneReconfigRounds) - rounds
	eventually(t, patience, "those that were ILMs are leaves of others", func() string {
		names, err := tr.names()
		if err != nil {
			return err.Error()
		}
		for _, v := range victims {
			if names[v].owner == names["tlm"].id {
				return v + " is the TLM's"
			}
		}
		return tr.settled(all...)()
	})
	if used > 5 && took > 5*trigger+tr.pauses.since(began) {
		t.Errorf("the roles had moved after %v, %d triggers\n%s", took.Round(time.Millisecond), used, tr.lately(40))
	}
	moves := tr.counter(mib.SimoneReconfigMoves)
	watched := time.Now()
	moved := tr.latencies(after)
	if again := tr.counter(mib.SimoneReconfigMoves) - moves; again > 0 {
		t.Errorf("%d nodes were moved in the %d triggers after\n%s", again, after, tr.lately(40))
	}
	for i, v := range victims {
		if now := hosts.throttled(v); now <= throttled[i] {
			t.Errorf("%s never used its quota up", v)
		}
	}
	if !compiling.running() {
		t.Errorf("the compilation has ended: %s", compiling.log)
	}
	was, is := unloaded.quantile(0.95), moved.quantile(0.95)
	t.Logf("%v were loaded: other machines had their roles after %v (%d triggers); p95 of latency before %v, after %v",
		victims, took.Round(time.Millisecond), used, was, is)
	switch still := tr.pauses.since(watched); {
	case float64(is) <= 1.5*float64(was):
	case still > 0: // nor did the ILMs poll meanwhile
		t.Logf("latencies say nothing: the machine stood still for %v of that time", still.Round(time.Millisecond))
	default:
		t.Errorf("p95 of latency was %v, and is %v with the roles on idle machines", was, is)
	}
}

// latencies are the mean latencies of ILMs' trigger windows, with how many polls
// each stands for.
type latencies []struct {
	mean  time.Duration
	polls uint64
}

// latencies watches the ILMs for so many windows of theirs.
func (tr *tree) latencies(windows int) (l latencies) {
	tr.tb.Helper()
	objects := []mib.OID{mib.SimoneTemperatureWindows, mib.SimoneLatencyMean, mib.SimoneLatencySamples}
	for i, o := range objects {
		objects[i] = mib.Instance(o)
	}
	first, last := make(map[string]uint64), make(map[string]uint64)
	eventually(tr.tb, 3*patience, fmt.Sprintf("%d windows of each ILM", windows), func() string {
		var behind []string
		for _, name := range tr.ilms() {
			v, err := tr.client.get(tr.members[name].address, objects...)
			if err != nil {
				return err.Error()
			}
			w := v[0].Uint
			if _, known := first[name]; !known {
				first[name], last[name] = w, w
			}
			if w > last[name] {
				last[name] = w
				l = append(l, struct {
					mean  time.Duration
					polls uint64
				}{time.Duration(v[1].Uint) * time.Microsecond, v[2].Uint})
			}
			if w < first[name]+uint64(windows) {
				behind = append(behind, name)
			}
		}
		if len(behind) > 0 {
			return "not yet: " + strings.Join(behind, ", ")
		}
		return ""
	})
	return l
}

// quantile is the latency that so large a share of the polls has at most.
func (l latencies) quantile(q float64) time.Duration {
	slices.SortFunc(l, func(a, b struct {
		mean  time.Duration
		polls uint64
	}) int {
		return int(a.mean - b.mean)
	})
	total := uint64(0)
	for _, w := range l {
		total += w.polls
	}
	sum := uint64(0)
	for _, w := range l {
		if sum += w.polls; float64(sum) >= math.Ceil(q*float64(total)) {
			return w.mean
		}
	}
	return 0
}
