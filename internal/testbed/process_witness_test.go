//go:build linux

package testbed

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// testimony is what comes of holding the samples that a TLM has of devices
// against what the devices themselves say of who asked them, and when.
type testimony struct {
	Samples  int // that were held against it
	Asks     int // in the time of those samples
	Handed   int // how often a sample was by another manager than the one before
	Lost     int // intervals that no sample stands for
	Doubled  int // samples that stand for an interval that another one stands for
	Unproven int // samples that the device was not asked for by the manager named
	Excused  int // of lost and doubled, those at whose time the machine stood still
	// Drift is the most that the time of a node's schedule went away from the
	// number of its slots between its first sample and its last.
	Drift time.Duration
	Wrong []string // the first of all that is wrong, in words
}

// managersByPort says who asks from which UDP port: what each process of the
// tree has open now.
func (tr *tree) managersByPort() map[uint16]mib.NodeID {
	tr.tb.Helper()
	names, err := tr.names()
	if err != nil {
		tr.tb.Fatal(err)
	}
	by := make(map[uint16]mib.NodeID)
	for _, m := range tr.sorted() {
		if m.process == nil || !m.running() {
			continue
		}
		for port := range m.udpPorts(tr.tb) {
			if port != agentPort {
				by[port] = names[m.name].id
			}
		}
	}
	return by
}

// hear has the devices bear witness to the samples that the store still has,
// from a time on. A sample is proven by a GET from a socket of the manager
// that is said to have polled, shortly before; one GET proves one sample. Slot
// numbers are not believed: that the samples' GETs follow each other by an
// interval is what says that none is lost and none is there twice.
func (a audit) hear(devices []*device, managers map[uint16]mib.NodeID, since time.Time) testimony {
	var t testimony
	ids := make(map[string]mib.NodeID)
	for id, n := range a.state.Nodes {
		ids[n.Name] = id
	}
	for _, d := range devices {
		t.hear(a, d, ids[d.name], managers, since)
	}
	return t
}

func (t *testimony) hear(a audit, d *device, id mib.NodeID, managers map[uint16]mib.NodeID, since time.Time) {
	interval := a.interval(id)
	asks := d.polls(since)
	slices.SortFunc(asks, func(x, y asked) int { return x.at.Compare(y.at) })
	samples := slices.Clone(a.samples[id])
	slices.SortFunc(samples, func(x, y reconfig.Stored) int { return cmp.Compare(x.Slot, y.Slot) })

	used := make(map[int]bool)
	var last, first time.Time
	var lastBy mib.NodeID
	var lastSlot, firstSlot uint32
	for _, s := range samples {
		at := time.Unix(0, int64(s.At))
		if at.Before(since.Add(interval)) {
			continue
		}
		// The last GET of that manager that is not later than the sample, by
		// whose clock ages were added up on the way.
		found := -1
		for i, x := range asks {
			if managers[x.by.Port()] == s.By && !used[i] && x.at.Before(at.Add(interval/4)) && x.at.After(at.Add(-interval)) {
				found = i
			}
		}
		t.Samples++
		if found < 0 {
			t.Unproven++
			t.wrong("%s: the sample of slot %d, of %s by node %d, is proven by none of its GETs%s", d.name, s.Slot, at.Format("15:04:05.000"), s.By, d.around(at, interval))
			continue
		}
		used[found] = true
		at = asks[found].at
		if !last.IsZero() {
			gap := at.Sub(last)
			excused := a.pauses.over(last, gap)
			wrong := int((gap+interval/2)/interval) - 1
			switch {
			case wrong == 0:
			case excused:
				t.Excused++
			case wrong > 0:
				t.Lost += wrong
				t.wrong("%s: %v between the GETs of slots %d (by %d) and %d (by %d), at %s%s", d.name, gap, lastSlot, lastBy, s.Slot, s.By, at.Format("15:04:05.000"), d.around(at, 2*interval))
			default:
				t.Doubled++
				t.wrong("%s: only %v between the GETs of slots %d (by %d) and %d (by %d), at %s%s", d.name, gap, lastSlot, lastBy, s.Slot, s.By, at.Format("15:04:05.000"), d.around(at, 2*interval))
			}
			if s.By != lastBy {
				t.Handed++
			}
		} else {
			first, firstSlot = at, s.Slot
		}
		last, lastBy, lastSlot = at, s.By, s.Slot
	}
	drift := last.Sub(first) - time.Duration(lastSlot-firstSlot)*interval
	t.Drift = max(t.Drift, drift.Abs())
	for _, x := range asks {
		if !x.at.Before(first) && !x.at.After(last) {
			t.Asks++
		}
	}
}

// around shows the GETs near a time.
func (d *device) around(at time.Time, window time.Duration) string {
	return witnesses{d.name: d}.around(d.name, at, window)
}

func (t *testimony) wrong(format string, args ...any) {
	const most = 20
	if len(t.Wrong) < most {
		t.Wrong = append(t.Wrong, fmt.Sprintf(format, args...))
	}
}

// add adds up the testimonies of parts of a run.
func (t *testimony) add(o testimony) {
	t.Samples += o.Samples
	t.Asks += o.Asks
	t.Handed += o.Handed
	t.Lost += o.Lost
	t.Doubled += o.Doubled
	t.Unproven += o.Unproven
	t.Excused += o.Excused
	t.Drift = max(t.Drift, o.Drift)
	t.Wrong = append(t.Wrong, o.Wrong...)
}

// check fails the test for what is not as promised.
func (t testimony) check(tb testing.TB) {
	tb.Helper()
	if t.Lost+t.Doubled+t.Unproven > 0 || t.Samples == 0 {
		tb.Errorf("of %d samples, as the devices have it: %d lost, %d there twice, %d unproven", t.Samples, t.Lost, t.Doubled, t.Unproven)
		for _, w := range t.Wrong {
			tb.Error(w)
		}
	}
}
