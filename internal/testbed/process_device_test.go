//go:build linux

package testbed

import (
	"context"
	"fmt"
	"net/netip"
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

	mu   sync.Mutex // guards seen
	seen []asked
}

// asked is one GET.
type asked struct {
	by netip.AddrPort
	at time.Time
}

// newDevice starts a device, which runs to the end of the test.
func newDevice(tb testing.TB, name string, at netip.Addr) *device {
	tb.Helper()
	d := &device{name: name, address: netip.AddrPortFrom(at, agentPort)}
	r, err := responder.New(responder.Config{
		Listen: d.address.String(), Communities: []responder.Community{{Name: "all", Secret: "private"}},
		Observe: func(o responder.Observation) {
			if o.Verb == mib.VerbGet {
				d.mu.Lock()
				defer d.mu.Unlock()
				d.seen = append(d.seen, asked{o.Source, o.Received})
			}
		},
	}, mib.NewTree())
	if err != nil {
		tb.Fatal(err)
	}
	if err := r.RegisterSystem(responder.System{Descr: "a device", Started: time.Now(), Name: name, Services: 72}); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("device %s: %v", name, err)
		}
	})
	return d
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
		d := newDevice(t, fmt.Sprintf("d%d", i+1), at)
		inventory += fmt.Sprintf("  - {name: %s, address: %q, kind: device, profile: system}\n", d.name, d.address)
		all = append(all, d)
		tr.witnesses[d.name] = d
		at = at.Next()
	}
	tr.configure("tlm", replacing(t, "\nnodes: []\n", inventory))
	return all
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
