package profile

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"simone/mib"
)

var (
	counterOID = oid("1.3.6.1.9.1.6")
	clockOID   = oid("1.3.6.1.9.1.19")
)

// rates reads one counter of row 7 as a device answers it.
type rates struct {
	plan *Plan
	past Past
	slot uint32
}

func newRates() *rates {
	return &rates{plan: NewPlan([]*Profile{{Name: "a", Objects: []Object{
		{Name: "in", OID: counterOID, Column: true, Kind: Rate, Discontinuity: clockOID},
	}}})}
}

type answer struct {
	at      time.Duration
	value   mib.Value
	upTime  uint32
	noTime  bool
	clock   uint32
	noClock bool
}

func (r *rates) poll(a answer) (rate float64, ok bool) {
	r.slot++
	read := begin(r.plan, 1)
	read.Take(mib.Variable{Name: counterOID.Append(7), Value: a.value}, a.at)
	if !a.noTime {
		read.Take(mib.Variable{Name: sysUpTime, Value: mib.Ticks(a.upTime)}, a.at)
	}
	if !a.noClock {
		read.Take(mib.Variable{Name: clockOID.Append(7), Value: mib.Ticks(a.clock)}, a.at)
	}
	values := read.End(&r.past, r.slot, 10*time.Second)
	if len(values) == 0 {
		return 0, false
	}
	return values[0].Value, true
}

func close(a, b float64) bool { return math.Abs(a-b) <= 1e-6*math.Max(math.Abs(a), math.Abs(b)) }

// Whatever a counter has grown by, less than half of its range, is its rate,
// wherever it began and also where it wraps (RFC 2578, section 7.1.6 and
// 7.1.10), as is sysUpTime.
func TestRateIsWhatTheCounterGrewBy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.SampledFrom([]int{32, 64}).Draw(t, "bits")
		value := func(n uint64) mib.Value {
			if bits == 32 {
				return mib.Counter32(uint32(n))
			}
			return mib.Counter64(n)
		}
		total := rapid.Uint64().Draw(t, "start")
		up := rapid.Uint32().Draw(t, "sysUpTime")
		at := time.Duration(0)
		r := newRates()
		if _, ok := r.poll(answer{at: at, value: value(total), upTime: up}); ok {
			t.Fatal("a rate of a single reading")
		}
		for range rapid.IntRange(1, 20).Draw(t, "polls") {
			most := uint64(math.MaxInt32 - 1)
			if bits == 64 {
				most = 1 << 62
			}
			grown := rapid.Uint64Range(0, most).Draw(t, "grown")
			passed := time.Duration(rapid.Int64Range(1, 300_000).Draw(t, "ms")) * time.Millisecond
			total, at, up = total+grown, at+passed, up+uint32(passed/tick)
			rate, ok := r.poll(answer{at: at, value: value(total), upTime: up})
			if want := float64(grown) / passed.Seconds(); !ok || !close(rate, want) {
				t.Fatalf("a counter of %d bits that grew by %d in %v has rate %v, %t, not %v", bits, grown, passed, rate, ok, want)
			}
		}
	})
}

// A counter that began anew has no rate for one poll, and then the right one;
// never one above what can be.
func TestCounterThatBeganAnewHasNoRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRates()
		up := rapid.Uint32Range(100, math.MaxUint32/2).Draw(t, "sysUpTime")
		raw := rapid.Uint64Range(0, math.MaxUint32).Draw(t, "before")
		r.poll(answer{value: mib.Counter64(raw), upTime: up})
		a := answer{at: 60 * time.Second, value: mib.Counter64(rapid.Uint64Range(0, math.MaxUint32).Draw(t, "after"))}
		switch rapid.IntRange(0, 1).Draw(t, "how") {
		case 0: // the agent restarted some time in the minute, before the last ten seconds
			a.upTime = rapid.Uint32Range(0, 5000).Draw(t, "sysUpTime after")
			if a.upTime == up {
				a.upTime++
			}
		case 1:
			a.upTime, a.clock = up+6000, rapid.Uint32Range(1, math.MaxUint32).Draw(t, "clock")
		}
		if rate, ok := r.poll(a); ok {
			t.Fatalf("rate %v after %+v", rate, a)
		}
		next := a
		next.at += 10 * time.Second
		next.upTime += 1000
		next.value = mib.Counter64(a.value.Uint + 5000)
		if rate, ok := r.poll(next); !ok || rate != 500 {
			t.Fatalf("one poll later the rate is %v, %t, not 500", rate, ok)
		}
	})
}

func TestRatesOfDoubtfulCounters(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after answer
		want          float64 // NaN: none
	}{
		{"Wrap", answer{value: mib.Counter32(math.MaxUint32 - 99), upTime: 1000}, answer{value: mib.Counter32(900), upTime: 2000}, 100},
		{"WrapWithoutUpTime", answer{value: mib.Counter32(math.MaxUint32 - 99), noTime: true}, answer{value: mib.Counter32(900), noTime: true}, 100},
		{"Cleared", answer{value: mib.Counter32(1_000_000), upTime: 1000}, answer{value: mib.Counter32(1000), upTime: 2000}, math.NaN()},
		{"Cleared64", answer{value: mib.Counter64(1 << 40), upTime: 1000}, answer{value: mib.Counter64(1000), upTime: 2000}, math.NaN()},
		{"Wrap64WithoutUpTime", answer{value: mib.Counter64(math.MaxUint64), noTime: true}, answer{value: mib.Counter64(9), noTime: true}, math.NaN()},
		{"OtherType", answer{value: mib.Counter32(100), upTime: 1000}, answer{value: mib.Counter64(200), upTime: 2000}, math.NaN()},
		{"GaugeThatCounts", answer{value: mib.Gauge(100), upTime: 1000}, answer{value: mib.Gauge(200), upTime: 2000}, 10},
		{"GaugeThatFell", answer{value: mib.Gauge(math.MaxUint32), upTime: 1000}, answer{value: mib.Gauge(9), upTime: 2000}, math.NaN()},
		{"UpTimeStandsStill", answer{value: mib.Counter32(100), upTime: 3}, answer{value: mib.Counter32(200), upTime: 3}, 10},
		{"UpTimeWraps", answer{value: mib.Counter32(100), upTime: math.MaxUint32 - 500}, answer{value: mib.Counter32(200), upTime: 500}, 10},
		{"RestartedLongAgo", answer{value: mib.Counter32(100), upTime: math.MaxUint32 / 2}, answer{value: mib.Counter32(200), upTime: 500}, math.NaN()},
		{"LostDiscontinuity", answer{value: mib.Counter32(100), upTime: 1000, clock: 5}, answer{value: mib.Counter32(200), upTime: 2000, noClock: true}, math.NaN()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRates()
			r.poll(tt.before)
			tt.after.at = tt.before.at + 10*time.Second
			rate, ok := r.poll(tt.after)
			if ok == math.IsNaN(tt.want) || ok && rate != tt.want {
				t.Errorf("rate %v, %t, not %v", rate, ok, tt.want)
			}
		})
	}
}

// A restart shows also where sysUpTime has grown beyond what it was.
func TestRestartThatSysUpTimeHides(t *testing.T) {
	r := newRates()
	r.poll(answer{value: mib.Counter64(100), upTime: 500}) // up for 5 s
	if rate, ok := r.poll(answer{at: time.Minute, value: mib.Counter64(4000), upTime: 4000}); ok {
		t.Errorf("rate %v, though the agent is up for 40 s and a minute has passed", rate)
	}
}

func TestCounterThatIsAwayForAPollGoesOn(t *testing.T) {
	r := newRates()
	r.poll(answer{value: mib.Counter64(100), upTime: 1000})
	r.slot++
	begin(r.plan, 1).End(&r.past, r.slot, 10*time.Second) // nothing was answered
	if rate, ok := r.poll(answer{at: 20 * time.Second, value: mib.Counter64(300), upTime: 3000}); !ok || rate != 10 {
		t.Errorf("rate %v, %t, not 10", rate, ok)
	}
}
