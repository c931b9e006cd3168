package manager

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
	"simone/profile"
	"simone/reconfig"
)

// samples reads what is in the log of a node.
func (b *bench) samples(t *testing.T, node mib.NodeID) []mib.Sample {
	t.Helper()
	_, records := b.ReadLog(reconfig.Cursor{Incarnation: 77}, 1000)
	var all []mib.Sample
	for _, r := range records {
		if r.Kind != mib.RecordSample || r.Node != node {
			continue
		}
		s, err := mib.ParseSample(r.Payload)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// An agent that finds an answer too big is asked for half as much until it
// answers, for all of it in parts, and from then on in such parts at once.
func TestTooBigHalves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 5
		b := newBench(t, nil)
		b.poller.answer = func(r mib.Request) (mib.Response, time.Duration, bool) {
			if len(r.Vars) > most {
				return mib.Response{Status: mib.TooBig}, time.Millisecond, true
			}
			return ones(r), time.Millisecond, true
		}
		b.run(t)
		b.promote(t)
		b.stage(t, row(20, 1))
		time.Sleep(1500 * time.Millisecond) // two polls
		whole := len(mib.Profiles()[0].Metrics)
		var want []int
		part := whole
		for ; part > most; part /= 2 {
			want = append(want, part)
		}
		for range 2 {
			for left := whole; left > 0; left -= part {
				want = append(want, min(left, part))
			}
		}
		var sizes []int
		for _, p := range b.poller.of(mib.VerbGet) {
			sizes = append(sizes, len(p.Vars))
		}
		if !slices.Equal(sizes, want) {
			t.Errorf("asked for %v variables at a time, want %v", sizes, want)
		}
		samples := b.samples(t, 20)
		if len(samples) != 2 {
			t.Fatalf("%d samples in the log, want 2", len(samples))
		}
		for _, s := range samples {
			if len(s.Values) != whole || s.RTT != time.Millisecond {
				t.Errorf("%d values of %d, round trip %v", len(s.Values), whole, s.RTT)
			}
		}
	})
}

// What came before an agent fell silent half-way is a sample.
func TestPartsThatCameAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		simone, _ := profile.BuiltInSet().Find(mib.ProfileSimone)
		first := profile.NewPlan(simone).Scalars(1)[0].OID
		b.poller.answer = func(r mib.Request) (mib.Response, time.Duration, bool) {
			switch {
			case len(r.Vars) > 9:
				return mib.Response{Status: mib.TooBig}, time.Millisecond, true
			case r.Vars[0].Name.Equal(first):
				return ones(r), time.Millisecond, true
			}
			return mib.Response{}, 0, false
		}
		b.run(t)
		b.promote(t)
		b.stage(t, row(20, 1))
		time.Sleep(1050 * time.Millisecond)
		if s := b.samples(t, 20); len(s) != 1 || len(s[0].Values) != 9 {
			t.Errorf("samples %+v, want one of nine values", s)
		}
		if c := b.Counts(); c.Failures != 0 {
			t.Errorf("counts are %+v", c)
		}
	})
}

// parrot is a Poller that answers every query at once with what it was given.
type parrot struct {
	Poller
	response mib.Response
	waiting  []*flight
	to       []netip.AddrPort
}

func (p *parrot) Prepare(mib.Request) (mib.Query, error) { return p, nil }

// PrepareWalk implements manager.Poller: no tables are read here.
func (*parrot) PrepareWalk(mib.Request, []mib.OID) (mib.Walk, error) {
	return nil, errors.ErrUnsupported
}

func (p *parrot) Together(f func()) { f() }

func (p *parrot) Ask(to netip.AddrPort, asker mib.Asker) {
	p.waiting, p.to = append(p.waiting, asker.(*flight)), append(p.to, to)
}

// answer answers what was asked.
func (p *parrot) answer() {
	p.response.Left, p.response.Sent, p.response.Received = time.Now(), time.Now(), time.Now()
	for i, f := range p.waiting {
		f.Answered(p.to[i], &p.response)
	}
	p.waiting, p.to = p.waiting[:0], p.to[:0]
}

// A poll costs memory for what is kept of it, its record in the report log, and
// for nothing else.
func TestPollsAllocateForTheLogOnly(t *testing.T) {
	synctest.Test(t, testAllocations)
}

func testAllocations(t *testing.T) {
	const nodes = 8
	p := &parrot{response: mib.Response{Attempts: 1}}
	for _, m := range mib.Profiles()[1].Metrics {
		p.response.Vars = append(p.response.Vars, mib.Variable{Name: m.OID, Value: mib.Gauge(7)})
	}
	b := newBench(t, func(cfg *Config) { cfg.Poller = p })
	b.node.id.ID = 0 // no announcements
	b.promote(t)
	var rows []mib.SupportRow
	for i := range mib.NodeID(nodes) {
		r := row(20+i, 1)
		r.Profile, r.Kind, r.Interval, r.Due = mib.ProfileSystem, mib.KindDevice, 100*time.Millisecond, 0
		rows = append(rows, r)
	}
	b.stage(t, rows...)
	next := time.Now()
	round := func() {
		next = next.Add(100 * time.Millisecond)
		time.Sleep(time.Until(next))
		b.sendDue()
		p.answer()
		for n, _ := b.results.outstanding(); n > 0; n, _ = b.results.outstanding() {
			f, _ := b.results.take(t.Context())
			b.work(f, time.Now(), 0)
			b.results.done()
		}
	}
	for range 3 {
		round()
	}
	before := b.Counts().Polls
	const rounds = 10
	allocs := testing.AllocsPerRun(rounds, round)
	polls := float64(b.Counts().Polls-before) / (rounds + 1)
	if polls != nodes {
		t.Fatalf("%v polls a round, want %d", polls, nodes)
	}
	if allocs > nodes+0.5 {
		t.Errorf("%v allocations a round of %d polls; want one each", allocs, nodes)
	}
}
