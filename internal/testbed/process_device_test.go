//go:build linux

package testbed

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"simone/agent/responder"
	"simone/mib"
)

// device is a plain SNMP agent that keeps a ring of who asked it: a witness
// that shares nothing with the managers.
type device struct {
	name    string
	address netip.AddrPort

	stop func() // ends it; it can be started again

	mu   sync.Mutex // guards the fields below
	seen []asked
	sets int
}

// asked is one GET.
type asked struct {
	by netip.AddrPort
	at time.Time
}

// start has a device answer, to the end of the test or until it is stopped.
func (d *device) start(tb testing.TB) {
	tb.Helper()
	r, err := responder.New(responder.Config{
		Listen: d.address.String(), Communities: []responder.Community{{Name: "all", Secret: "private"}},
		Observe: func(o responder.Observation) {
			d.mu.Lock()
			defer d.mu.Unlock()
			switch o.Verb {
			case mib.VerbGet:
				d.seen = append(d.seen, asked{o.Source, o.Received})
			case mib.VerbSet:
				d.sets++
			}
		},
	}, mib.NewTree())
	if err != nil {
		tb.Fatal(err)
	}
	if err := r.RegisterSystem(responder.System{Descr: "a device", Started: time.Now(), Name: d.name, Services: 72}); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := r.Run(ctx); err != nil {
			tb.Errorf("device %s: %v", d.name, err)
		}
	}()
	d.stop = func() {
		cancel()
		<-ended
	}
	tb.Cleanup(d.stop)
}

// writes is how many SETs it was sent.
func (d *device) writes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sets
}

// devices starts n devices, and puts them into the TLM's inventory.
func (tr *tree) devices(t *testing.T, n int) []*device {
	t.Helper()
	at := tr.base
	for range len(tr.members) {
		at = at.Next()
	}
	var all []*device
	inventory := "\nnodes:\n"
	for i := range n {
		d := &device{name: fmt.Sprintf("d%d", i+1), address: netip.AddrPortFrom(at, agentPort)}
		d.start(t)
		inventory += fmt.Sprintf("  - {name: %s, address: %q, kind: device, profile: system}\n", d.name, d.address)
		all = append(all, d)
		tr.witnesses[d.name] = d
		at = at.Next()
	}
	tr.configure("tlm", replacing(t, "\nnodes: []\n", inventory))
	return all
}

// everybody is the names of a tree's members and of its devices.
func (tr *tree) everybody(devices []*device) []string {
	names := slices.Collect(maps.Keys(tr.members))
	for _, d := range devices {
		names = append(names, d.name)
	}
	return names
}

// polls gives the GETs since a time, oldest first.
func (d *device) polls(since time.Time) []asked {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []asked
	for _, a := range d.seen {
		if a.at.After(since) {
			out = append(out, a)
		}
	}
	return out
}

// askedBeside gives the first GET since a time that came from none of the
// sockets of a process, which may have ended.
func (d *device) askedBeside(ports map[uint16]bool, since time.Time) (asked, bool) {
	for _, a := range d.polls(since) {
		if !ports[a.by.Port()] {
			return a, true
		}
	}
	return asked{}, false
}

// gaps gives when a device was not asked for as long as two polls are apart at
// most, from the first on.
func (d *device) gaps(poll time.Duration) (gaps []pause) {
	polls := d.polls(time.Time{})
	for i := 1; i < len(polls); i++ {
		if from, to := polls[i-1].at, polls[i].at; to.Sub(from) > 2*poll-poll/10 {
			gaps = append(gaps, pause{from, to})
		}
	}
	return gaps
}

// pollers gives who has asked since a time.
func (d *device) pollers(since time.Time) map[netip.AddrPort]int {
	by := make(map[netip.AddrPort]int)
	for _, a := range d.polls(since) {
		by[a.by]++
	}
	return by
}

// witnesses are the devices of a tree, by name.
type witnesses map[string]*device

// around shows the polls near a time, for a test that fails.
func (w witnesses) around(name string, at time.Time, window time.Duration) string {
	d, ok := w[name]
	if !ok {
		return ""
	}
	s := "; it was asked"
	for _, a := range d.polls(at.Add(-window)) {
		if a.at.Before(at.Add(window)) {
			s += fmt.Sprintf(" at %v by port %d", a.at.Sub(at).Round(time.Millisecond), a.by.Port())
		}
	}
	return s
}
