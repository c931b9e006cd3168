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
	// Late is the most that a GET left after its time, by the median of those
	// around it: the machine was busy.
	Late time.Duration
	// Drift is the most that the time of a node's schedule went away from the
	// number of its slots between its first sample and its last.
	Drift time.Duration
	Wrong []string // the first of all that is wrong, in words
	// below says that there are several levels: a sample is said to be by the
	// ILM right below the TLM, and whoever is below that has asked.
	below bool
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
// that is said to have polled, shortly before; one GET proves one sample. That
// slot numbers are in order proves nothing: how the GETs lie in time says
// whether there is one sample for each interval. A busy machine makes a GET
// late, but not those after it, so that a schedule which was torn shows in the
// medians before and after.
func (a audit) hear(devices []*device, managers map[uint16]mib.NodeID, since time.Time) testimony {
	t := testimony{below: a.levels}
	ids := make(map[string]mib.NodeID)
	for id, n := range a.state.Nodes {
		ids[n.Name] = id
	}
	for _, d := range devices {
		t.hear(a, d, ids[d.name], managers, since)
	}
	return t
}

// proof is a sample with the GET that proves it.
type proof struct {
	reconfig.Stored
	asked time.Time
	zero  time.Duration // of slot 0, by this GET, from the first one's on
}

func (t *testimony) hear(a audit, d *device, id mib.NodeID, managers map[uint16]mib.NodeID, since time.Time) {
	interval := a.interval(id)
	asks := d.polls(since)
	proofs := t.prove(a, d, a.samples[id], asks, managers, since, interval)
	if len(proofs) == 0 {
		return
	}
	for i := range proofs {
		p := &proofs[i]
		p.zero = p.asked.Sub(proofs[0].asked) - time.Duration(p.Slot-proofs[0].Slot)*interval
	}
	const spell = 9
	steady := 0 // since which numbers and time have kept step
	for i := 1; i < len(proofs); i++ {
		x, y := proofs[i-1], proofs[i]
		if y.By != x.By {
			t.Handed++
		}
		before, after := medianZero(proofs[max(i-spell, steady):i]), medianZero(proofs[i:min(i+spell, len(proofs))])
		late := (y.zero - after).Abs()
		missing := int(y.Slot) - int(x.Slot) - 1
		// What the numbers hide. At the ends of spells a single late GET may
		// be the median: it has to be the same with all that there is.
		// With several levels a GET may be taken for proof that a move's target
		// sent before it counted; there the drift tells.
		if hidden := (after - before).Round(interval); hidden != 0 && !t.below && i-steady >= spell/2 && len(proofs)-i >= spell/2 {
			missing += int(hidden / interval)
			steady = i
		}
		switch {
		case missing > 0 && t.below && a.pauses.over(x.asked, y.asked.Sub(x.asked)): // nobody could ask
		case missing > 0:
			t.Lost += missing
			t.wrong("%s: nothing between slots %d (by %d) and %d (by %d, asked for at %s), %v later%s", d.name,
				x.Slot, x.By, y.Slot, y.By, y.asked.Format("15:04:05.000"), y.asked.Sub(x.asked), d.around(y.asked, 2*interval))
		case missing < 0:
			t.Doubled -= missing
			t.wrong("%s: one too many between slots %d (by %d) and %d (by %d, asked for at %s), %v later%s", d.name,
				x.Slot, x.By, y.Slot, y.By, y.asked.Format("15:04:05.000"), y.asked.Sub(x.asked), d.around(y.asked, 2*interval))
		case steady != i:
			t.Late = max(t.Late, late)
		}
	}
	first, last := proofs[0], proofs[len(proofs)-1]
	t.Drift = max(t.Drift, (medianZero(proofs[max(len(proofs)-spell, 0):]) - medianZero(proofs[:min(spell, len(proofs))])).Abs())
	for _, x := range asks {
		if !x.at.Before(first.asked) && !x.at.After(last.asked) {
			t.Asks++
		}
	}
}

// prove finds the GET for each sample, in the order of slots.
func (t *testimony) prove(a audit, d *device, samples []reconfig.Stored, asks []asked, managers map[uint16]mib.NodeID, since time.Time, interval time.Duration) (proofs []proof) {
	slices.SortFunc(asks, func(x, y asked) int { return x.at.Compare(y.at) })
	samples = slices.Clone(samples)
	slices.SortFunc(samples, func(x, y reconfig.Stored) int { return cmp.Compare(x.Slot, y.Slot) })
	used := make(map[int]bool)
	for _, s := range samples {
		at := time.Unix(0, int64(s.At)) // by the TLM's clock, with ages added up on the way
		if at.Before(since.Add(2 * interval)) {
			continue
		}
		t.Samples++
		// GETs that were repeated, or that a move's target sent before it
		// counted, are proof too, of nothing: first those near are looked at.
		found := -1
		for i, x := range asks {
			if used[i] || !t.by(managers[x.by.Port()], s.By) || x.at.After(at.Add(interval/4)) || x.at.Before(at.Add(-interval)) {
				continue
			}
			if t.below { // of several managers: the nearest
				if found < 0 || x.at.Sub(at).Abs() < asks[found].at.Sub(at).Abs() {
					found = i
				}
				continue
			}
			if found = i; x.at.After(at.Add(-interval / 2)) {
				break
			}
		}
		if found < 0 && t.below && a.pauses.over(at.Add(-interval), 2*interval) {
			// Ages were added up while the machine stood still: this sample was
			// taken at another time than it seems, or the one before.
			t.Samples--
			continue
		}
		if found < 0 {
			t.Unproven++
			t.wrong("%s: the sample of slot %d, of %s by node %d, is proven by none of its GETs%s", d.name, s.Slot, at.Format("15:04:05.000"), s.By, d.around(at, interval))
			continue
		}
		for i := 0; i < found && !t.below; i++ { // what came before is of samples before
			used[i] = used[i] || managers[asks[i].by.Port()] == s.By
		}
		used[found] = true
		proofs = append(proofs, proof{Stored: s, asked: asks[found].at})
	}
	return proofs
}

// by reports whether who asked may be who is said to have polled.
func (t *testimony) by(asker, poller mib.NodeID) bool {
	return asker == poller || t.below && asker != 0
}

// medianZero is when slot 0 was due, by most of the GETs.
func medianZero(of []proof) time.Duration {
	zeros := make([]time.Duration, len(of))
	for i, p := range of {
		zeros[i] = p.zero
	}
	return quantile(zeros, 0.5)
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
	t.Late = max(t.Late, o.Late)
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
