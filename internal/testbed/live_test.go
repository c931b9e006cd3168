//go:build linux

package testbed

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"simone/mib"
)

// TestLiveTreeForms: simone-tlm and six simoned with the shipped
// configurations, started in any order, become a tree in which the start ILMs
// are promoted and every node is polled.
func TestLiveTreeForms(t *testing.T) {
	t.Parallel()
	tr := plant(t, 6, time.Second)
	tr.start()
	took := eventually(t, patience, "the tree forms", tr.settled())
	t.Logf("formed after %v", took.Round(time.Millisecond))
	if ilms := tr.ilms(); len(ilms) != 2 {
		t.Errorf("ILMs are %v; ilms.start is 2", ilms)
	}
	for _, ilm := range tr.ilms() {
		v := tr.client.must(tr.members[ilm].address, mib.Instance(mib.SimoneNodeRole), mib.Instance(mib.SimoneIlmOperStatus), mib.Instance(mib.SimoneIlmSupportCount))
		if mib.Role(v[0].Int) != mib.RoleILM || mib.IlmStatus(v[1].Int) != mib.IlmUp || v[2].Uint != 2 {
			t.Errorf("%s: role %v, status %v, %d rows; want ilm, up, 2", ilm, mib.Role(v[0].Int), mib.IlmStatus(v[1].Int), v[2].Uint)
		}
	}

	before := make(map[string]usage)
	for _, m := range tr.sorted() {
		before[m.name] = m.usage(t)
	}
	const watch = 5 * time.Second
	polls := tr.counter(mib.SimoneIlmPolls)
	eventually(t, 2*watch, "polls go on", func() string {
		if n := tr.counter(mib.SimoneIlmPolls) - polls; n < 3*uint64(watch/time.Second) {
			return fmt.Sprintf("%d polls", n)
		}
		return ""
	})
	var cpu time.Duration
	resident := 0
	for _, m := range tr.sorted() {
		u := m.usage(t)
		cpu += u.cpu - before[m.name].cpu
		resident += u.resident
		if u.files > before[m.name].files {
			t.Errorf("%s has %d descriptors open, %d before", m.name, u.files, before[m.name].files)
		}
	}
	t.Logf("seven processes: %.1f %% of a core, %d MiB resident", 100*cpu.Seconds()/watch.Seconds(), resident>>20)
	if cpu > watch/4 {
		t.Errorf("an idle tree took %v of CPU in %v", cpu, watch)
	}
}

// TestLiveSplit: when thresholds are SET so low that every ILM is hot, lists
// are split and nodes promoted, and no slot of a node that moves is lost.
func TestLiveSplit(t *testing.T) {
	t.Parallel()
	tr := plant(t, 6, 500*time.Millisecond, "tlm:policy=paper")
	all := tr.everybody(tr.devices(t, 8))
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled(all...))
	at := tr.tlm().address
	tr.client.mustSet(at, thresholds(0, 0.0001, 1e9)...)
	eventually(t, patience, "a split", func() string {
		splits, moves := tr.counter(mib.SimoneReconfigSplits), tr.counter(mib.SimoneReconfigMoves)
		if splits < 2 || moves < 4 || len(tr.ilms()) < 3 {
			return fmt.Sprintf("%d splits, %d moves, ILMs are %v", splits, moves, tr.ilms())
		}
		return ""
	})
	tr.client.mustSet(at, thresholds(0, 1e8, 1e9)...)
	eventually(t, patience, "the tree calms down", tr.settled(all...))
	splits, moves := tr.counter(mib.SimoneReconfigSplits), tr.counter(mib.SimoneReconfigMoves)
	kinds, err := tr.eventKinds()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"promote", "tuned", "split"} {
		if !slices.Contains(kinds, want) {
			t.Errorf("simoneEventTable has no %s: %v", want, kinds)
		}
		if s := tr.logs("tlm", "level=INFO msg=\""+want)(); s != "" {
			t.Error(s)
		}
	}
	tr.stop("tlm")
	a := tr.audit()
	a.check(t, nil)
	t.Logf("%d splits, %d moves, %d samples, ILMs in the end: %d", splits, moves, a.stored, a.ilms)
}

// TestLiveIlmKilled: an ILM gets SIGKILL. Its nodes are on other live lists
// within detection and one trigger, and polled an interval later; when it
// comes back with its old list, nobody stays polled twice.
func TestLiveIlmKilled(t *testing.T) {
	t.Parallel()
	tr := plant(t, 6, time.Second)
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled())
	victim := tr.ilms()[0]
	lists, err := tr.lists()
	if err != nil {
		t.Fatal(err)
	}
	orphans := lists[victim]
	names, err := tr.names()
	if err != nil {
		t.Fatal(err)
	}

	tr.expect(`level=WARN msg=".*silent`)
	<-time.After(rand.N(time.Second)) // at any moment between two triggers
	killed := time.Now()
	tr.members[victim].kill()
	find := func(wrong func(id mib.NodeID, samples uint64, held bool) string) func() string {
		return func() string {
			lists, err := tr.lists()
			if err != nil {
				return err.Error()
			}
			for id := range orphans {
				held, samples := false, uint64(0)
				for _, rows := range lists {
					if n, ok := rows[id]; ok {
						held, samples = true, max(samples, n)
					}
				}
				if s := wrong(id, samples, held); s != "" {
					return s
				}
			}
			return ""
		}
	}
	const detection, trigger, interval = 3 * 500 * time.Millisecond, time.Second, time.Second
	eventually(t, patience, "its nodes are taken over", find(func(id mib.NodeID, _ uint64, held bool) string {
		if !held {
			return fmt.Sprintf("node %d is on nobody's list", id)
		}
		return ""
	}))
	taken := time.Since(killed)
	eventually(t, patience, "its nodes are polled", find(func(id mib.NodeID, samples uint64, _ bool) string {
		if samples == 0 {
			return fmt.Sprintf("node %d is not polled", id)
		}
		return ""
	}))
	polled := time.Since(killed)
	t.Logf("%d nodes of %s: on other lists after %v, polled after %v", len(orphans), victim, taken.Round(time.Millisecond), polled.Round(time.Millisecond))
	if limit := detection + trigger + slack + tr.pauses.since(killed); taken > limit {
		t.Errorf("taken over after %v; detection and a trigger are %v", taken, detection+trigger)
	}
	if limit := detection + trigger + interval + slack + tr.pauses.since(killed); polled > limit {
		t.Errorf("polled after %v; an interval after the take-over is %v", polled, detection+trigger+interval)
	}

	tr.start(victim)
	took := eventually(t, patience, "the one that was killed finds its place", tr.settled())
	t.Logf("%s settled %v after its restart", victim, took.Round(time.Millisecond))
	tr.stop("tlm")
	excused := map[mib.NodeID]bool{names[victim].id: true}
	for id := range orphans {
		excused[id] = true
	}
	tr.audit().check(t, excused)
}
