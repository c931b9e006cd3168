//go:build linux

package testbed

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"simone/mib"
)

var forkFlag = flag.Int("live.fork", 60, "how many nodes TestLiveForkJoin has at most, 60 or more; 300 is the whole size")

// TestLiveForkJoin: 16 nodes become many, and 16 again. The tree gets a level
// of ILMs more and loses it again, with at most one change of depth in ten
// triggers; by the store no slot of any node is empty, and by the devices' own
// account each interval has one sample and no more.
func TestLiveForkJoin(t *testing.T) {
	t.Parallel()
	const (
		processes = 12 // of the 16; all can be ILMs
		least     = 16
		fanIn     = 5
	)
	poll, trigger := time.Second, 500*time.Millisecond
	most := max(*forkFlag, 60)
	if most > 100 {
		trigger = time.Second
	}
	// So few nodes are many for ILMs that have little room.
	capacity := max(14, most*46/300)
	tr := plant(t, processes, poll, "tlm:trigger="+trigger.String(), fmt.Sprintf("ilm.capacity=%d", capacity), fmt.Sprintf("tlm:ilm.capacity=%d", 10*most),
		fmt.Sprintf("tlm:ilms.fan_in=%d", fanIn), "tlm:ilms.start=1", "temperature.expression=1")
	tr.expect(`level=WARN msg=".*(silent|joins; trying again|the list is full)`) // what an ILM takes back may come before a row that it had room for
	t.Cleanup(func() {
		if t.Failed() {
			tr.dumpManagers()
		}
	})
	stay := tr.devices(t, least-processes)
	come := tr.farm(most - least)
	list := filepath.Join(tr.dir, "devices.json")
	writeFile(t, list, "[]")
	tr.members["tlm"].set(fmt.Sprintf("file_sd=[%q]", list))
	tr.start()
	limit := patience + time.Duration(most)*time.Second/4
	eventually(t, limit, "the tree forms", tr.whole(stay, 1))
	seen := tr.watchDepth()

	since := time.Now()
	for i := 0; i < len(come); i += max(most/20, 1) { // twenty times a few
		writeFile(t, list, fileSD(come[:min(i+max(most/20, 1), len(come))]))
		tr.triggers(1)
	}
	writeFile(t, list, fileSD(come))
	took := eventually(t, limit, fmt.Sprintf("%d nodes are below two levels of ILMs", most), tr.whole(slices.Concat(stay, come), 2))
	t.Logf("%d nodes: two levels after %v, %d ILMs right below the TLM", most, took.Round(time.Millisecond), len(tr.below()))
	tr.triggers(5)
	managers := tr.managersByPort()
	forks := tr.counter(mib.SimoneReconfigForks)
	seen.pause()
	down := pause{from: time.Now()}
	tr.stop("tlm")
	a := tr.audit()
	a.levels = true
	a.check(t, nil)
	heard := a.hear(slices.Concat(stay, come), managers, since)
	tr.start("tlm")
	eventually(t, limit, "the TLM answers", func() string {
		if tr.depth() < 0 {
			return "not yet"
		}
		return ""
	})
	down.to = time.Now()
	eventually(t, limit, "the tree is as it was", tr.whole(slices.Concat(stay, come), 2))
	seen.resume()

	since = time.Now()
	for i := len(come); i > 0; i -= max(most/20, 1) {
		writeFile(t, list, fileSD(come[:i]))
		tr.triggers(1)
	}
	writeFile(t, list, "[]")
	took = eventually(t, limit, fmt.Sprintf("%d nodes are below one level of ILMs", least), tr.whole(stay, 1))
	t.Logf("%d nodes: one level after %v, %d ILMs", least, took.Round(time.Millisecond), len(tr.below()))
	tr.triggers(5)
	managers = tr.managersByPort()
	joins := tr.counter(mib.SimoneReconfigJoins)
	if forks == 0 || joins == 0 {
		t.Errorf("%d forks and %d joins are counted:\n%s", forks, joins, tr.lately(60))
	}
	seen.check(t, 10*trigger)
	tr.stop("tlm")
	a = tr.audit()
	a.levels, a.down = true, []pause{down}
	a.check(t, nil)
	heard.add(a.hear(stay, managers, since))
	t.Logf("%d forks, %d joins, %v; %d samples of devices held against %d GETs, %d of them by another manager than the one before: %d lost, %d doubled, %d unproven; a GET left up to %v late",
		forks, joins, seen, heard.Samples, heard.Asks, heard.Handed, heard.Lost, heard.Doubled, heard.Unproven, heard.Late.Round(time.Millisecond))
	heard.check(t)
	// A row tells when its next slot is due from now on: if the machine stands
	// still between telling and hearing, the schedule moves by that.
	if heard.Drift > poll/2+tr.pauses.longest() {
		t.Errorf("the time of a schedule went away from its numbers by %v: intervals are missing, or there twice", heard.Drift)
	}
}

// farm starts n devices that are in no inventory yet.
func (tr *tree) farm(n int) []*device {
	tr.tb.Helper()
	at := freeBlock(tr.tb, n)
	all := make([]*device, n)
	for i := range all {
		all[i] = &device{name: fmt.Sprintf("f%d", i+1), address: netip.AddrPortFrom(at, agentPort)}
		all[i].start(tr.tb)
		tr.witnesses[all[i].name] = all[i]
		at = at.Next()
	}
	return all
}

// fileSD writes devices as a file_sd file has them.
func fileSD(devices []*device) string {
	type group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	groups := make([]group, len(devices))
	for i, d := range devices {
		groups[i] = group{[]string{d.address.String()}, map[string]string{"__simone_name": d.name, "__simone_kind": "device", "__simone_profile": "system"}}
	}
	text, err := json.Marshal(groups)
	if err != nil {
		panic(err) // strings can always be written
	}
	return string(text)
}

// triggers waits for so many of the TLM's rounds.
func (tr *tree) triggers(n uint64) {
	tr.tb.Helper()
	from := tr.counter(mib.SimoneReconfigRounds)
	eventually(tr.tb, patience, fmt.Sprintf("%d rounds", n), func() string {
		if now := tr.counter(mib.SimoneReconfigRounds); now < from+n {
			return fmt.Sprintf("%d of them", now-from)
		}
		return ""
	})
}

// whole says what is missing for a tree of the members and these devices, each
// polled by one manager, with so many levels of ILMs.
func (tr *tree) whole(devices []*device, levels int) func() string {
	nodes := tr.everybody(devices)
	return func() string {
		if d := tr.depth(); d != levels {
			return fmt.Sprintf("there are %d levels of ILMs, want %d", d, levels)
		}
		s, err := tr.levels()
		if err != nil {
			return err.Error()
		}
		if len(s.names) != len(nodes) {
			return fmt.Sprintf("the TLM knows %d nodes, want %d", len(s.names), len(nodes))
		}
		return s.wrong(nodes)
	}
}

// below is the ILMs right below the TLM, by simoneTreeTable.
func (tr *tree) below() (ids []mib.NodeID) {
	cells, err := tr.client.column(tr.tlm().address, mib.SimoneTreeLevel)
	if err != nil {
		return nil
	}
	for id, v := range cells {
		if v.Uint == 1 {
			ids = append(ids, id)
		}
	}
	return ids
}

// depth is how many levels of ILMs there are, by simoneTreeTable; -1 if it
// cannot be read.
func (tr *tree) depth() int {
	cells, err := tr.client.column(tr.tlm().address, mib.SimoneTreeLevel)
	if err != nil || len(cells) == 0 {
		return -1
	}
	deepest := uint64(0)
	for _, v := range cells {
		deepest = max(deepest, v.Uint)
	}
	return int(deepest)
}

// depths is how deep a tree was over time.
type depths struct {
	turns   chan bool // true: watch; false: do not
	stopped chan struct{}
	list    []depthSeen // of the watching goroutine until stopped is closed
}

type depthSeen struct {
	at     time.Time
	levels int
}

// watchDepth looks at the depth again and again, until check.
func (tr *tree) watchDepth() *depths {
	d := &depths{turns: make(chan bool), stopped: make(chan struct{})}
	go func() {
		defer close(d.stopped)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		watching := true
		for {
			select {
			case on, more := <-d.turns:
				if !more {
					return
				}
				watching = on
				continue
			case <-tick.C:
			}
			if !watching {
				continue
			}
			if n := tr.depth(); n > 0 && (len(d.list) == 0 || d.list[len(d.list)-1].levels != n) {
				d.list = append(d.list, depthSeen{time.Now(), n})
			}
		}
	}()
	tr.tb.Cleanup(d.end)
	return d
}

func (d *depths) pause()  { d.turns <- false }
func (d *depths) resume() { d.turns <- true }

func (d *depths) end() {
	select {
	case <-d.stopped:
	default:
		close(d.turns)
		<-d.stopped
	}
}

// check ends the watching: two changes are to lie so far apart at least.
func (d *depths) check(tb testing.TB, apart time.Duration) {
	tb.Helper()
	d.end()
	for i := 2; i < len(d.list); i++ { // the first is what there was
		if gap := d.list[i].at.Sub(d.list[i-1].at); gap < apart {
			tb.Errorf("two changes of depth within %v: %v", gap.Round(time.Millisecond), d)
		}
	}
}

// String writes the depths with their times.
func (d *depths) String() (s string) {
	for i, x := range d.list {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%d levels from %s on", x.levels, x.at.Format("15:04:05"))
	}
	return s
}
