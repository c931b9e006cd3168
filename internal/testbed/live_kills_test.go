//go:build linux

package testbed

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	ilmKillsFlag = flag.Int("live.ilmkills", 4, "how often TestLiveIlmsKilled kills an ILM")
	ilmSeedFlag  = flag.Uint64("live.ilmseed", 1, "of when TestLiveIlmsKilled kills them")
)

// outage is what the death of one manager cost the nodes that it polled, by
// their own account.
type outage struct {
	victim string
	killed time.Time
	until  time.Duration // from the kill until the last of them was polled again
	first  time.Duration // until the first was
	nodes  int
	missed int           // the most slots that one of them went without
	stood  time.Duration // of until: how long the machine stood still
}

// TestLiveIlmsKilled: with the default detection, polls and triggers of a
// second, ILMs get SIGKILL at any moment, one after the other. What each
// polled is polled by others within four seconds, in the median within three.
// The devices themselves say when; how long the test's own process stood still
// meanwhile is told apart, and taken off before the limits are applied.
func TestLiveIlmsKilled(t *testing.T) {
	t.Parallel()
	const poll, longest, median = time.Second, 4 * time.Second, 3 * time.Second
	chance := rand.New(rand.NewPCG(*ilmSeedFlag, 2))
	tr := plant(t, 5, poll, "tlm:ilms.start=3")
	tr.expect(`level=WARN msg=".*silent`)
	devices := tr.devices(t, 12)
	all := tr.everybody(devices)
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled(all...))

	var outages []outage
	for range *ilmKillsFlag {
		victim, orphans := tr.busiestIlm(devices)
		if len(orphans) == 0 {
			t.Fatalf("no ILM polls a device: %v", tr.settled(all...)())
		}
		<-time.After(time.Duration(chance.Int64N(int64(poll)))) // at any moment between two triggers
		ports := tr.members[victim].udpPorts(t)
		tr.members[victim].kill()
		o := outage{victim: victim, killed: time.Now(), nodes: len(orphans), first: time.Hour}
		eventually(t, patience, "the devices of "+victim+" are polled again", func() string {
			for _, d := range orphans {
				if _, ok := d.askedBeside(ports, o.killed); !ok {
					return d.name + " is not polled"
				}
			}
			return ""
		})
		for _, d := range orphans {
			again, _ := d.askedBeside(ports, o.killed)
			last := o.killed.Add(-poll)
			for _, a := range d.polls(last) {
				if a.at.Before(o.killed) {
					last = a.at
				}
			}
			took := again.at.Sub(o.killed)
			o.first, o.until = min(o.first, took), max(o.until, took)
			o.missed = max(o.missed, int((again.at.Sub(last)+poll/2)/poll)-1)
		}
		o.stood = tr.pauses.since(o.killed)
		outages = append(outages, o)
		if o.until > longest {
			t.Logf("%s killed at %s, polled again after %v; stood still %v\n%s", victim, o.killed.Format("15:04:05.000"), o.until, o.stood, tr.lately(20))
		}
		tr.start(victim)
		eventually(t, patience, victim+" finds its place", tr.settled(all...))
	}

	var raw, net []time.Duration
	missed := make(map[int]int)
	for _, o := range outages {
		raw = append(raw, o.until)
		net = append(net, o.until-min(o.stood, o.until))
		missed[o.missed]++
		if o.until-o.stood > longest {
			t.Errorf("%s killed at %s: the last of its %d devices was polled after %v, of which the machine stood still for %v; at most %v",
				o.victim, o.killed.Format("15:04:05.000"), o.nodes, o.until, o.stood, longest)
		}
	}
	t.Logf("%d ILMs killed; until the last of their devices was polled again: %s", len(outages), spread(raw))
	t.Logf("the same without what the machine stood still: %s", spread(net))
	t.Logf("kills by the most slots that one device went without: %v", missed)
	if m := quantile(net, 0.5); m > median {
		t.Errorf("in the median %v until polled again; at most %v", m, median)
	}
}

// busiestIlm is the ILM that polls the most of the devices, and which.
func (tr *tree) busiestIlm(devices []*device) (name string, polled []*device) {
	tr.tb.Helper()
	names, err := tr.names()
	if err != nil {
		tr.tb.Fatal(err)
	}
	for _, ilm := range tr.ilms() {
		var of []*device
		for _, d := range devices {
			if names[d.name].owner == names[ilm].id {
				of = append(of, d)
			}
		}
		if len(of) > len(polled) {
			name, polled = ilm, of
		}
	}
	return name, polled
}

// quantile is the value at a share of a sorted list, from below.
func quantile(of []time.Duration, share float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

// spread shows a distribution of times.
func spread(of []time.Duration) string {
	var parts []string
	for _, q := range []struct {
		name  string
		share float64
	}{{"least", 0}, {"median", 0.5}, {"90 %", 0.9}, {"99 %", 0.99}, {"most", 1}} {
		parts = append(parts, fmt.Sprintf("%s %v", q.name, quantile(of, q.share).Round(time.Millisecond)))
	}
	return strings.Join(parts, ", ")
}
