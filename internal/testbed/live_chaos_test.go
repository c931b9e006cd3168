//go:build linux

package testbed

import (
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"simone/mib"
)

var (
	chaosForFlag    = flag.Duration("chaos.for", 8*time.Second, "how long TestLiveChaos makes faults")
	chaosSeedFlag   = flag.Uint64("chaos.seed", 1, "of which faults TestLiveChaos makes, and when")
	chaosNodesFlag  = flag.Int("chaos.nodes", 14, "how many nodes the fleet of TestLiveChaos has")
	chaosSnmpdsFlag = flag.Int("chaos.snmpds", 3, "how many of them answer through an snmpd")
)

// TestLiveChaos: machines with clocks that differ, joined by a network that can
// be cut, slowed and shaken, run two TLMs, an etcd that these share, and nodes,
// some under a real snmpd. They are killed and started again, stopped and continued, cut off alone and in
// groups, one way and both, their clocks are set. When that is over snmpwalk
// finds each node on one list, that of its owner, at one epoch, with digests
// that agree and nothing open, and the network carries polls of each by one
// manager only. Then an ILM is cut off once more, and heals: two triggers later
// nobody is polled by two, and no slot of that time is empty in the store.
func TestLiveChaos(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the clocks of the daemons are set by machine code for amd64 only")
	}
	const poll, triggers = time.Second, 2
	candidates := max(5, *chaosNodesFlag/5)
	f := muster(t, fleetShape{
		nodes: *chaosNodesFlag, candidates: candidates, snmpds: *chaosSnmpdsFlag, poll: poll, seed: *chaosSeedFlag,
		top: "ilms: {start: 4, min: 3}\n",
	})
	f.expect(`level=WARN`)
	f.expect(`level=ERROR .*(etcd|lease)`) // it was killed, stopped, or cut off
	var managers, leaves, under []string
	for _, m := range f.sorted() {
		var number int
		if _, err := fmt.Sscanf(m.name, "n%d", &number); err == nil && number > candidates+1 {
			leaves = append(leaves, m.name)
		} else {
			managers = append(managers, m.name)
		}
		if f.snmpds[m.name] != nil {
			under = append(under, m.name)
		}
	}
	faults := schedule(*chaosSeedFlag, *chaosForFlag, managers, leaves, under)
	for i, m := range f.sorted() { // clocks differ from the beginning
		*m.ahead = []time.Duration{0, 0, 3 * time.Second, -2 * time.Minute, 5 * time.Hour, -40 * 24 * time.Hour}[(i+int(*chaosSeedFlag))%6]
	}
	var journal []string
	var last *sight
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d; what was done:\n%s", *chaosSeedFlag, strings.Join(journal, "\n"))
			if last != nil {
				t.Logf("what snmpwalk saw last, at %s:\n%v", last.at.Format("15:04:05.000"), last)
			}
			t.Logf("logs are in %s", filepath.Join(f.dir, "*.log"))
		}
	})
	var unlike []string // what snmpwalk saw that was not in order, and when
	seen := func() string {
		s, err := f.look()
		wrong := ""
		if err != nil {
			wrong = err.Error()
		} else {
			last = s
			wrong = f.wrong(s)
		}
		if wrong != "" {
			unlike = append(unlike, time.Now().Format("15:04:05.000 ")+wrong)
		}
		return wrong
	}
	f.launch()
	took := eventually(t, 2*patience, "the fleet forms", f.ready())
	t.Logf("%d nodes, %d under an snmpd, formed after %v", *chaosNodesFlag, len(under), took.Round(time.Millisecond))

	f.clocksDiffer()

	journal = f.suffer(faults)
	f.fabric.clear()
	did := make(map[faultKind]int)
	for _, x := range faults {
		did[x.kind]++
	}
	ended := time.Now()
	eventually(t, 3*patience, "the fleet settles", f.ready())
	settled := time.Since(ended)
	eventually(t, 2*patience, "snmpwalk sees a fleet in order", seen)
	t.Logf("%d faults in %v, %v: settled after %v, by snmpwalk after %v", len(faults), *chaosForFlag, did, settled.Round(time.Millisecond), time.Since(ended).Round(time.Millisecond))
	if len(unlike) > 2 {
		t.Logf("meanwhile it saw\n%s", strings.Join(unlike, "\n"))
	}
	f.rests(&last)
	before := last
	d, cut := f.healed(t, false)
	if d > triggers*poll+slack {
		t.Errorf("a node was polled by two %v after the healing; two triggers are %v", d, triggers*poll)
	}
	eventually(t, 2*patience, "snmpwalk sees a fleet in order", seen)
	after := last
	if *chaosForFlag >= 30*time.Second {
		// A node that its owner could not reach moves, which takes two samples
		// of the new owner and the reading of the old one's log.
		if d, _ := f.healed(t, true); d > (triggers+4)*poll+slack {
			t.Errorf("a node was polled by two %v after the healing; two triggers and a move are %v", d, (triggers+4)*poll)
		}
	}
	for name, n := range last.drops {
		if n > 0 {
			t.Errorf("the report log of %s has lost %d records", name, n)
		}
	}
	// The ILM that was cut off went on to poll, and what it kept came later;
	// but nobody could ask the ILM itself.
	f.filled(before, after, cut)
	t.Logf("the network carried %d packets and lost %d", f.fabric.carried, f.fabric.lost)
}

// clocksDiffer makes sure that the members believe the clocks that they were
// given: by the time in the first lines of their logs, just after the start.
func (f *fleet) clocksDiffer() {
	f.t.Helper()
	for _, m := range f.sorted() {
		word, _, _ := strings.Cut(m.log.String(), " ")
		at, err := time.Parse("time=2006-01-02T15:04:05.999Z07:00", word)
		if err != nil {
			f.t.Errorf("%s: %v", m.name, err)
			continue
		}
		if off := time.Since(at) + *m.ahead; off.Abs() > time.Minute {
			f.t.Errorf("the clock of %s is to be %v ahead, and its log begins at %v", m.name, *m.ahead, at)
		}
	}
}

// ready says what is not as it should be in a fleet where nothing goes on.
func (f *fleet) ready() func() string { return f.settledUnder(slices.Sorted(maps.Keys(f.members))...) }

// rests holds a fleet that is in order against itself some polls later:
// everything is where it was, and each node was polled by one manager at its
// interval.
func (f *fleet) rests(last **sight) {
	f.t.Helper()
	const polls = 5
	var moves uint64
	var began time.Time
	eventually(f.t, 2*patience, "the fleet is at rest", func() string {
		moves, began = f.counter(mib.SimoneReconfigMoves), time.Now()
		before, err := f.look()
		if err != nil {
			return err.Error()
		}
		<-time.After(time.Until(began.Add(polls * f.poll)))
		if n := f.counter(mib.SimoneReconfigMoves); n != moves {
			return fmt.Sprintf("%d nodes have moved", n-moves)
		}
		if wrong := f.single(began, polls); wrong != "" {
			return wrong
		}
		after, err := f.look()
		if err != nil {
			return err.Error()
		}
		*last = after
		intervals := uint64((after.at.Sub(before.at) - slack) / f.poll)
		for name, rows := range after.lists {
			for id, r := range rows {
				if was, have := before.lists[name][id]; !have || r.samples < was.samples+intervals {
					return fmt.Sprintf("%s has %d samples of %s, and had %d %v before", name, r.samples, r.name, was.samples, after.at.Sub(before.at))
				}
			}
		}
		return f.wrong(after)
	})
}

// healed cuts the ILM with most nodes off from all other managers for a while,
// and with it, if wanted, some nodes from all others: they are polled by nobody
// else meanwhile, and what is polled by the ILM alone then has to move back. It
// says how long after the healing the last poll came from a manager that is not
// the one of now, and who was cut off.
func (f *fleet) healed(t *testing.T, withNodes bool) (longest time.Duration, ilm string) {
	t.Helper()
	eventually(t, 2*patience, "the fleet is settled", f.ready())
	names, err := f.names()
	if err != nil {
		t.Fatal(err)
	}
	most := -1
	count := make(map[mib.NodeID]int)
	for _, n := range names {
		count[n.owner]++
	}
	for _, name := range f.ilms() {
		if n := count[names[name].id]; n > most {
			ilm, most = name, n
		}
	}
	apart := []netip.Addr{f.hosts[ilm].address}
	var rest []netip.Addr
	for i, m := range f.sorted() {
		n := names[m.name]
		switch {
		case m.name == ilm:
		case withNodes && n.kind == mib.KindLeaf && !f.isTLM(m.name) && (n.owner == names[ilm].id && i%2 == 0 || i%5 == 0):
			apart = append(apart, f.hosts[m.name].address)
		case withNodes || n.kind == mib.KindILM || f.isTLM(m.name):
			rest = append(rest, f.hosts[m.name].address)
		}
	}
	// What moves by plan is polled by two for a while.
	f.pause(true)
	defer f.pause(false)
	f.fabric.set(severed, apart, rest, true)
	<-time.After(5 * f.poll)
	f.fabric.clear()
	healed := time.Now()
	eventually(t, 2*patience, "the split fleet settles", f.ready())
	<-time.After(3 * f.poll) // so that everybody's last poll is that of who polls it now

	of := ""
	for name, by := range f.asksOf(time.Time{}) {
		if len(by) == 0 {
			t.Errorf("%s is not asked", name)
			continue
		}
		owner := by[len(by)-1].by
		for _, a := range slices.Backward(by) {
			if a.by != owner {
				if d := a.at.Sub(healed); d > longest {
					longest, of = d, name
				}
				break
			}
		}
	}
	t.Logf("%s, which had %d nodes, was cut off from %d hosts with %d others for %v: nobody was polled by two %v after the healing (%s)",
		ilm, most, len(rest), len(apart)-1, 5*f.poll, longest.Round(time.Millisecond), of)
	return longest - min(f.pauses.since(healed), longest), ilm
}

// pause stops planned moves, or lets them go on.
func (f *fleet) pause(on bool) {
	f.t.Helper()
	eventually(f.t, patience, "planned moves are stopped, or go on", func() string {
		if f.leader() == "" {
			return "nobody leads"
		}
		r := f.client.set(f.tlm().address, scalar(mib.SimoneReconfigPaused, mib.Truth(on)))
		if r.Err != nil || r.Status != mib.NoError {
			return fmt.Sprint(r.Err, r.Status)
		}
		return ""
	})
}
