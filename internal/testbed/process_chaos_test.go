//go:build linux

package testbed

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// fault is something that happens to a fleet and, some time later, is over.
type fault struct {
	at, over time.Duration // since the beginning
	kind     faultKind
	who      []string
	weather  weather
	ahead    time.Duration // of the clock from then on
}

// faultKind is what happens.
type faultKind string

// The kinds of faults.
const (
	faultKill   faultKind = "kill"   // SIGKILL, then a restart
	faultFreeze faultKind = "freeze" // SIGSTOP, then SIGCONT
	faultCut    faultKind = "cut"    // nothing comes from it or gets to it
	faultDeaf   faultKind = "deafen" // nothing gets to it
	faultMute   faultKind = "mute"   // nothing comes from it
	faultRough  faultKind = "rough"  // its packets are lost, late and doubled
	faultSplit  faultKind = "split"  // some are cut off from the rest, not from each other
	faultClock  faultKind = "clock"  // its clock is set
	faultSnmpd  faultKind = "snmpd"  // its snmpd gets SIGKILL, then a restart
)

// schedule makes the faults of a seed: the same for the same seed, time and
// fleet, whatever the fleet does meanwhile. Nobody suffers two at a time,
// though a split may catch whom something else has caught.
func schedule(seed uint64, length time.Duration, managers, leaves, snmpds []string) (faults []fault) {
	chance := rand.New(rand.NewPCG(seed, 0xc4a05))
	between := func(least, most time.Duration) time.Duration {
		return least + time.Duration(chance.Int64N(int64(most-least)))
	}
	busy := make(map[string]time.Duration)
	kinds := []faultKind{
		faultKill, faultKill, faultKill, faultKill, faultFreeze, faultFreeze, faultFreeze, faultCut, faultCut,
		faultDeaf, faultMute, faultRough, faultRough, faultSplit, faultSplit, faultClock, faultClock, faultSnmpd,
	}
	for at := time.Duration(0); at < length; at += between(100*time.Millisecond, 1200*time.Millisecond) {
		f := fault{at: at, kind: kinds[chance.IntN(len(kinds))]}
		f.over = min(at+between(200*time.Millisecond, 6*time.Second), length)
		from := managers
		switch {
		case f.kind == faultSnmpd:
			from = snmpds
		case chance.IntN(3) == 0:
			from = leaves
		case f.kind != faultClock && f.kind != faultSplit && chance.IntN(8) == 0:
			from = []string{etcdName}
		}
		if len(from) == 0 {
			continue
		}
		who := from[chance.IntN(len(from))]
		switch f.kind {
		case faultRough:
			f.weather = weather{loss: 0.4 * chance.Float64(), double: 0.3 * chance.Float64(), delay: between(0, 50*time.Millisecond), jitter: between(1, 300*time.Millisecond)}
		case faultClock:
			f.over = at
			f.ahead = []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour, 30 * 24 * time.Hour}[chance.IntN(5)] * time.Duration(chance.IntN(5)-2)
		case faultSplit:
			all := slices.Concat(managers, leaves)
			chance.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			f.who = all[:1+chance.IntN(len(all)/2)]
			slices.Sort(f.who)
			faults = append(faults, f)
			continue
		}
		if busy[who] > at {
			continue
		}
		busy[who] = f.over + time.Millisecond
		f.who = []string{who}
		faults = append(faults, f)
	}
	return faults
}

func (f fault) String() string {
	text := fmt.Sprintf("%s %s", f.kind, strings.Join(f.who, " "))
	switch f.kind {
	case faultRough:
		text += fmt.Sprintf(" (%.0f %% lost, %.0f %% doubled, %v to %v late)", 100*f.weather.loss, 100*f.weather.double, f.weather.delay.Round(time.Millisecond), (f.weather.delay + f.weather.jitter).Round(time.Millisecond))
	case faultClock:
		text += fmt.Sprintf(" to %v ahead", f.ahead)
	}
	if f.over > f.at {
		text += fmt.Sprintf(" for %v", (f.over - f.at).Round(time.Millisecond))
	}
	return text
}

// suffer has a fleet go through faults, and tells when what was done.
func (f *fleet) suffer(faults []fault) (journal []string) {
	f.t.Helper()
	type step struct {
		at   time.Duration
		do   func()
		text string
	}
	var steps []step
	for _, x := range faults {
		steps = append(steps, step{x.at, func() { f.begin(x, faults) }, x.String()})
		if x.over > x.at {
			steps = append(steps, step{x.over, func() { f.end(x, faults) }, "end of " + x.String()})
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return int(a.at - b.at) })
	began := time.Now()
	for _, s := range steps {
		<-time.After(time.Until(began.Add(s.at)))
		journal = append(journal, fmt.Sprintf("%s %s", time.Now().Format("15:04:05.000"), s.text))
		s.do()
	}
	return journal
}

// begin makes a fault.
func (f *fleet) begin(x fault, all []fault) {
	who := x.who[0]
	m := f.members[who]
	switch x.kind {
	case faultKill:
		f.processOf(who).kill()
	case faultFreeze:
		f.processOf(who).signal(f.t, syscall.SIGSTOP)
	case faultSnmpd:
		f.snmpds[who].kill()
	case faultClock:
		*m.ahead = x.ahead
		if err := m.clock.set(x.ahead); err != nil {
			f.t.Errorf("clock of %s: %v", who, err)
		}
	default:
		f.storm(x.at, all)
	}
}

// end has a fault be over.
func (f *fleet) end(x fault, all []fault) {
	who := x.who[0]
	switch x.kind {
	case faultKill:
		if who == etcdName {
			f.launchStore()
		} else {
			f.start(who)
		}
	case faultFreeze:
		f.processOf(who).signal(f.t, syscall.SIGCONT)
	case faultSnmpd:
		f.snmpds[who].launch(f.t)
	default:
		f.storm(x.over, all)
	}
}

// processOf is a member's process, or that of the etcd.
func (f *fleet) processOf(name string) *process {
	if name == etcdName {
		return f.store
	}
	return f.members[name].process
}

// storm makes the weather of a time anew, of all the faults that last.
func (f *fleet) storm(now time.Duration, all []fault) {
	hosts := func(names []string) (list []netip.Addr) {
		for _, n := range names {
			list = append(list, f.hosts[n].address)
		}
		return list
	}
	var everybody []netip.Addr
	for _, h := range f.hosts {
		everybody = append(everybody, h.address)
	}
	others := func(names []string) []netip.Addr {
		in := hosts(names)
		return slices.DeleteFunc(slices.Clone(everybody), func(a netip.Addr) bool { return slices.Contains(in, a) })
	}
	f.fabric.clear()
	for _, x := range all {
		if now < x.at || now >= x.over {
			continue
		}
		who, rest := hosts(x.who), others(x.who)
		switch x.kind {
		case faultCut, faultSplit:
			f.fabric.set(severed, who, rest, true)
		case faultDeaf:
			f.fabric.set(severed, rest, who, false)
		case faultMute:
			f.fabric.set(severed, who, rest, false)
		case faultRough:
			f.fabric.set(x.weather, who, rest, true)
		}
	}
}
