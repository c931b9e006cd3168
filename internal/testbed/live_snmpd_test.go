//go:build linux

package testbed

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"simone/mib"
)

// TestLiveUnderSnmpd: a TLM and six nodes, each a subagent of a real snmpd of
// its own and asked by SNMPv3 alone, do what those with the built-in responder
// do. What is there after each step is walked from outside by snmpwalk.
func TestLiveUnderSnmpd(t *testing.T) {
	t.Parallel()
	const poll = time.Second
	tr := plantUnderSnmpd(t, 6, 6, poll, "policy: paper\nilms: {min: 2}\nthresholds: {merge: 0.0001, split: 30, migrate: 5000}\n")
	tr.expect(`level=WARN msg="(no session|session) with the snmpd`)
	tr.expect(`level=WARN msg="a SET was left open" .* why="the connection to the snmpd is gone"`) // it was killed
	tr.expect(`level=WARN msg=".*silent`)
	tr.expect(`level=WARN msg="the manager above does not acknowledge that this node joins`) // it starts last
	began := time.Now()
	tr.startAll()
	all := tr.everybody(tr.devices)
	excused := make(map[mib.NodeID]bool)

	took := eventually(t, patience, "the tree forms", tr.settled(all...))
	t.Logf("formed after %v", took.Round(time.Millisecond))
	ilms := tr.ilms()
	if len(ilms) != 2 {
		t.Fatalf("ILMs are %v; two were to be promoted", ilms)
	}
	tr.seen("formed", all)
	tr.views(ilms[0])

	// One ILM is slowed until its list splits.
	hot := ilms[0]
	rows := len(tr.walk(hot, mib.SimoneSupportName))
	splits := tr.counter(mib.SimoneReconfigSplits)
	how, restore := slowed(t, tr.members[hot].process)
	took = eventually(t, patience, hot+" is split", func() string {
		if n := tr.counter(mib.SimoneReconfigSplits); n == splits {
			return fmt.Sprintf("its temperature is %v", tr.walk("tlm", mib.SimoneTreeTemperature))
		}
		return ""
	})
	var after int
	handed := eventually(t, patience, hot+" has less to do", func() string {
		if after = len(tr.walk(hot, mib.SimoneSupportName)); after >= rows {
			return fmt.Sprintf("it has %d rows, %d before", after, rows)
		}
		return ""
	})
	restore()
	// From here on nodes move because something fails, and not because the
	// machine of the test is busy.
	tr.client.mustSet(tr.tlm().address, thresholds(0, 1e8, 1e9)...)
	t.Logf("%s slowed (%s): split decided after %v, its %d rows are %d %v later", hot, how, took.Round(time.Millisecond), rows, after, handed.Round(time.Millisecond))
	eventually(t, patience, "the tree settles", tr.settled(all...))
	tr.seen("split", all)

	// The snmpds under an ILM and under a leaf are killed and restarted, and so
	// is the leaf itself, while its snmpd goes on to answer.
	names, err := tr.names()
	if err != nil {
		t.Fatal(err)
	}
	leaf := ""
	for _, m := range tr.sorted() {
		if names[m.name].kind == mib.KindLeaf && m.name != "tlm" {
			leaf = m.name
		}
	}
	ilm := tr.busiest("")
	excused[names[ilm].id], excused[names[leaf].id] = true, true // while nobody answered
	tr.survives("snmpd of the ILM "+ilm, ilm, all, 0, func() { tr.restartSnmpd(ilm) })
	tr.survives("snmpd of the leaf "+leaf, leaf, all, 1, func() {
		tr.snmpds[leaf].kill()
		tr.failing(leaf)
		tr.snmpds[leaf].launch(t)
	})
	tr.survives("leaf "+leaf+" itself", leaf, all, 1, func() {
		tr.members[leaf].kill()
		tr.failing(leaf)
		tr.start(leaf)
	})
	tr.seen("restarted", all)

	// Another ILM is killed: what the first one polled is to have no gap.
	victim := tr.busiest(ilm)
	lists, err := tr.lists()
	if err != nil {
		t.Fatal(err)
	}
	tr.members[victim].kill()
	killed := time.Now()
	orphans := lists[victim]
	excused[names[victim].id] = true
	for id := range orphans {
		excused[id] = true
	}
	eventually(t, patience, "the nodes of "+victim+" are polled by others", func() string {
		lists, err := tr.lists()
		if err != nil {
			return err.Error()
		}
		held := holders(lists)
		for id := range orphans {
			polled := false
			for _, by := range held[id] {
				polled = polled || lists[by][id] > 0
			}
			if !polled {
				return fmt.Sprintf("node %d is on the lists of %v", id, held[id])
			}
		}
		return ""
	})
	polled := time.Since(killed)
	const detection, trigger, interval = 3 * 500 * time.Millisecond, poll, poll
	t.Logf("%s killed, its snmpd not: its %d nodes are polled by others after %v", victim, len(orphans), polled.Round(time.Millisecond))
	if limit := detection + trigger + interval + slack + tr.pauses.since(killed); polled > limit {
		t.Errorf("polled after %v; detection, a trigger and an interval are %v", polled, detection+trigger+interval)
	}
	tr.seenWithout("killed", victim, slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == victim }))
	tr.start(victim)
	took = eventually(t, patience, victim+" finds its place", tr.settled(all...))
	t.Logf("%s settled %v after its restart", victim, took.Round(time.Millisecond))
	tr.seen("back", all)

	tr.stop("tlm")
	tr.audit().check(t, excused)
	t.Logf("all in %v", time.Since(began).Round(time.Millisecond))
}

// views holds what each user may do against DESIGN section 4.
func (tr *snmpdTree) views(name string) {
	tr.t.Helper()
	at := tr.members[name].address
	threshold := mib.Variable{Name: mib.Instance(mib.SimoneThresholdSplit), Value: mib.Decimal(30)}
	fence := mib.Variable{Name: mib.Instance(mib.SimoneIlmFence), Value: mib.Text("x")}
	for _, tt := range []struct {
		user   string
		v      mib.Variable
		status mib.ErrorStatus
	}{
		{"public", threshold, mib.NoAccess},
		{"private", fence, mib.NoAccess},
		{managerUser, fence, mib.WrongLength},
	} {
		r := tr.client.poller.Do(tr.t.Context(), mib.Request{Address: at, Credential: tt.user, Verb: mib.VerbSet, Vars: []mib.Variable{tt.v}})
		if r.Err != nil || r.Status != tt.status || r.Index != 1 {
			tr.t.Errorf("%s SETs %s: %v at %d, error %v; want %v", tt.user, mib.NameOf(tt.v.Name), r.Status, r.Index, r.Err, tt.status)
		}
	}
	tr.client.mustSet(tr.tlm().address, threshold) // by the operator
}

// busiest is the ILM with the longest list, of those other than one.
func (tr *snmpdTree) busiest(except string) (name string) {
	tr.t.Helper()
	most := -1
	for _, ilm := range tr.ilms() {
		if n := len(tr.walk(ilm, mib.SimoneSupportName)); n > most && ilm != except {
			name, most = ilm, n
		}
	}
	return name
}

// failing waits until the TLM says that a node does not answer.
func (tr *snmpdTree) failing(name string) {
	tr.t.Helper()
	began := time.Now()
	eventually(tr.t, patience, name+" is found to be failing", func() string {
		names := tr.walk("tlm", mib.SimoneNameName)
		for id, status := range tr.walk("tlm", mib.SimoneNameOperStatus) {
			if names[id] == name && status != strconv.Itoa(int(mib.PollUp)) {
				return ""
			}
		}
		return "it is up"
	})
	tr.t.Logf("%s is found to be failing after %v", name, time.Since(began).Round(time.Millisecond))
}

// survives restarts something of a member, and holds the rows that the member
// is and has afterwards against those of before. A node that nobody reaches is
// tried from one manager after the other and stays with the first that gets an
// answer; who is away for that long may move once.
func (tr *snmpdTree) survives(what, name string, all []string, may uint64, restart func()) {
	tr.t.Helper()
	before, err := tr.names()
	if err != nil {
		tr.t.Fatal(err)
	}
	own := tr.walk(name, mib.SimoneSupportEpoch)
	moves := tr.counter(mib.SimoneReconfigMoves)
	began := time.Now()
	restart()
	restarted := time.Now()
	eventually(tr.t, patience, name+" is polled again", tr.settled(all...))
	tr.t.Logf("%s killed and restarted within %v: all is as it was %v later", what,
		restarted.Sub(began).Round(time.Millisecond), time.Since(restarted).Round(time.Millisecond))
	after, err := tr.names()
	if err != nil {
		tr.t.Fatal(err)
	}
	n := tr.counter(mib.SimoneReconfigMoves)
	if b, a := before[name], after[name]; a.id != b.id || n == moves && (a.owner != b.owner || a.epoch != b.epoch) {
		tr.t.Errorf("%s was node %d of %d at epoch %x, and is node %d of %d at %x", name, b.id, b.owner, b.epoch, a.id, a.owner, a.epoch)
	}
	if now := tr.walk(name, mib.SimoneSupportEpoch); !maps.Equal(own, now) {
		tr.t.Errorf("the rows of %s were %v, and are %v", name, own, now)
	}
	if n-moves > may {
		tr.t.Errorf("%d nodes moved, %d may", n-moves, may)
	}
}

// seen has snmpwalk find what a step left: each node once, on the list of its
// owner, and up.
func (tr *snmpdTree) seen(step string, all []string) {
	tr.t.Helper()
	tr.seenWithout(step, "", all)
}

// seenWithout is seen while a member does not run.
func (tr *snmpdTree) seenWithout(step, dead string, all []string) {
	tr.t.Helper()
	var text []string
	eventually(tr.t, patience, "snmpwalk sees what was "+step, func() string {
		names, owners := tr.walk("tlm", mib.SimoneNameName), tr.walk("tlm", mib.SimoneNameOwner)
		listed := make(map[string][]string)
		text = nil
		for _, m := range tr.sorted() {
			if m.name == dead {
				if rows := tr.walk(m.name, mib.SimoneSupportName); len(rows) > 0 {
					tr.t.Errorf("the snmpd of %s shows %v, and nobody is behind it", dead, rows)
				}
				continue
			}
			rows := tr.walk(m.name, mib.SimoneSupportName)
			if len(rows) > 0 {
				text = append(text, fmt.Sprintf("%s has %s", m.name, strings.Join(slices.Sorted(maps.Values(rows)), " ")))
			}
			for id, up := range tr.walk(m.name, mib.SimoneSupportOperStatus) {
				if up != strconv.Itoa(int(mib.PollUp)) && names[id] != dead {
					return fmt.Sprintf("%s at %s is %s", names[id], m.name, up)
				}
			}
			for id := range rows {
				listed[names[id]] = append(listed[names[id]], m.name)
			}
		}
		for id, name := range names {
			if by := listed[name]; name != dead && (len(by) != 1 || by[0] != names[owners[id]]) {
				return fmt.Sprintf("%s is on the lists of %v, its owner is %s", name, by, names[owners[id]])
			}
		}
		for _, name := range all {
			if listed[name] == nil {
				return name + " is on no list"
			}
		}
		return ""
	})
	tr.t.Logf("%s: %s", step, strings.Join(text, "; "))
}
