package manager

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
	"simone/profile"
)

// machine answers as an agent that has these variables, in order.
type machine struct {
	vars  func() []mib.Variable
	v1    bool
	silly int // from this answer to GETBULK on it is silent; 0: never
	bulks int
}

func (m *machine) answer(r mib.Request) (mib.Response, time.Duration, bool) {
	have := m.vars()
	var vars []mib.Variable
	for i, asked := range r.Vars {
		if r.Verb == mib.VerbGetBulk {
			for _, v := range have {
				if v.Name.HasPrefix(asked.Name) {
					vars = append(vars, v)
				}
			}
			continue
		}
		v := mib.Variable{Name: asked.Name, Value: mib.Value{Type: mib.TypeNoSuchInstance}}
		if at := slices.IndexFunc(have, func(h mib.Variable) bool { return h.Name.Equal(asked.Name) }); at >= 0 {
			v = have[at]
		} else if m.v1 {
			return mib.Response{Status: mib.NoSuchName, Index: i + 1, Vars: r.Vars}, time.Millisecond, true
		}
		vars = append(vars, v)
	}
	if r.Verb == mib.VerbGetBulk {
		m.bulks++
		if m.silly > 0 && m.bulks >= m.silly {
			return mib.Response{}, 0, false
		}
	}
	return mib.Response{Vars: vars}, time.Millisecond, true
}

func is(name string, v mib.Value) mib.Variable {
	return mib.Variable{Name: mib.MustOID(name), Value: v}
}

const (
	upTimeName = "1.3.6.1.2.1.1.3.0"
	identity   = "1.3.6.1.2.1.1.2.0"
	fuelName   = "1.3.6.1.4.1.99999.1.0"
	loavesName = "1.3.6.1.4.1.99999.2.1.4"
)

// baker has a profile of an oven.
func baker(t *testing.T, every time.Duration) (*profile.Set, *profile.Profile) {
	t.Helper()
	p := &profile.Profile{Name: "oven", Objects: []profile.Object{
		{Name: "fuel", OID: mib.MustOID(fuelName), Kind: profile.Value, Interval: every},
		{Name: "loaves", OID: mib.MustOID(loavesName), Column: true, Kind: profile.Rate},
	}}
	s, err := profile.NewSet([]*profile.Profile{p}, []profile.Choice{{Prefix: mib.MustOID("1.3.6.1.4.1.99999"), Profiles: "oven"}})
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

// value reads a cell of simoneMetricTable.
func (b *bench) value(metric, instance uint32) (mib.Value, bool) {
	v := b.tree.Get(mib.MetricInstance(20, metric, instance))
	return v, v.Type != mib.TypeNoSuchInstance
}

// A device is asked what it is before it is read, and again when it has
// restarted: it may have become another.
func TestAutoAsksWhatADeviceIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held, oven := baker(t, 0)
		began := time.Now()
		var other atomic.Bool
		m := &machine{vars: func() []mib.Variable {
			ticks, id := uint32(100_000+time.Since(began)/(10*time.Millisecond)), "1.3.6.1.4.1.99999.7"
			if other.Load() {
				ticks, id = 5, "0.0"
			}
			loaves := mib.Counter64(uint64(1000 + 10*time.Since(began).Seconds()))
			return []mib.Variable{is(identity, mib.ObjectID(mib.MustOID(id))), is(upTimeName, mib.Ticks(ticks)), is(fuelName, mib.Gauge(7)), is(loavesName+".3", loaves)}
		}}
		b := newBench(t, func(cfg *Config) { cfg.Profiles = func() *profile.Set { return held } })
		b.poller.answer = m.answer
		b.run(t)
		b.promote(t)
		r := row(20, 1)
		r.Kind, r.Profile = mib.KindDevice, profile.AutoName
		b.stage(t, r)
		time.Sleep(2500 * time.Millisecond) // three polls
		numbers := oven.Metrics()
		if v, ok := b.value(numbers[0].Number, 0); !ok || string(v.Bytes) != "7" {
			t.Errorf("fuel is %v, %t", v, ok)
		}
		if v, ok := b.value(numbers[1].Number, 3); !ok || string(v.Bytes) != "10" {
			t.Errorf("loaves are %v a second, %t", v, ok)
		}
		asked := func() (n int) {
			for _, a := range b.poller.of(mib.VerbGet) {
				if a.Vars[0].Name.Equal(mib.MustOID(identity)) {
					n++
				}
			}
			return n
		}
		if n := asked(); n != 1 {
			t.Errorf("asked %d times what it is, not once", n)
		}
		if got := len(b.samples(t, 20)); got != 3 {
			t.Errorf("%d samples of three polls", got)
		}
		other.Store(true)
		time.Sleep(2 * time.Second)
		if _, ok := b.value(numbers[0].Number, 0); ok || asked() != 2 {
			t.Errorf("an oven that has become something else still has fuel; asked %d times what it is", asked())
		}
	})
}

// What is read every so often stays in between, with its age, and goes when it
// is not there any more. Of a table that ends half-way what came is kept.
func TestValuesStayBetweenReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held, oven := baker(t, 4*time.Second)
		began := time.Now()
		var dry atomic.Bool
		m := &machine{v1: true, vars: func() []mib.Variable {
			all := []mib.Variable{is(upTimeName, mib.Ticks(uint32(100_000+time.Since(began)/(10*time.Millisecond)))), is(loavesName+".3", mib.Counter32(7))}
			if !dry.Load() {
				all = append(all, is(fuelName, mib.Gauge(7)))
			}
			return all
		}}
		b := newBench(t, func(cfg *Config) { cfg.Profiles = func() *profile.Set { return held } })
		b.poller.answer = m.answer
		b.run(t)
		b.promote(t)
		r := row(20, 1)
		r.Profile = oven.Ref()
		b.stage(t, r)
		time.Sleep(3500 * time.Millisecond) // four polls
		fuel := oven.Metrics()[0].Number
		v, ok := b.value(fuel, 0)
		age := b.tree.Get(mib.SimoneMetricAge.Append(20, fuel, 0))
		if !ok || string(v.Bytes) != "7" || age.Uint < 3000 || age.Uint > 3600 {
			t.Errorf("fuel is %v, %t, of %v ms ago", v, ok, age)
		}
		n := 0
		for _, a := range b.poller.of(mib.VerbGet) {
			if slices.ContainsFunc(a.Vars, func(v mib.Variable) bool { return v.Name.Equal(mib.MustOID(fuelName)) }) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("fuel was asked for in %d of four polls", n)
		}
		dry.Store(true)
		time.Sleep(8 * time.Second)
		if _, ok := b.value(fuel, 0); !ok {
			t.Error("fuel is gone before three of its intervals are over")
		}
		time.Sleep(5 * time.Second)
		if v, ok := b.value(fuel, 0); ok {
			t.Errorf("fuel is %v, though there has been none for 13 s", v)
		}
		// SNMPv1: of a GET in which one thing is missing the others came.
		if _, ok := b.value(oven.Metrics()[1].Number, 3); !ok || b.Counts().Failures > 0 {
			t.Errorf("no loaves, counts %+v", b.Counts())
		}
	})
}

// From the second poll on, when it is known that the device answers it, scalars
// and table are one request; where that is not answered the scalars are asked for
// alone, and both apart until the table is read again.
func TestScalarsAreReadAlongWithTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held, oven := baker(t, 0)
		var silent atomic.Bool
		m := &machine{vars: func() []mib.Variable {
			return []mib.Variable{is(upTimeName, mib.Ticks(100_000)), is(fuelName, mib.Gauge(7)), is(loavesName+".3", mib.Counter32(7))}
		}}
		b := newBench(t, func(cfg *Config) { cfg.Profiles = func() *profile.Set { return held } })
		b.poller.answer = func(r mib.Request) (mib.Response, time.Duration, bool) {
			if r.Verb == mib.VerbGetBulk && silent.Load() {
				return mib.Response{}, 0, false
			}
			return m.answer(r)
		}
		b.run(t)
		b.promote(t)
		r := row(20, 1)
		r.Profile = oven.Ref()
		b.stage(t, r)
		seen := 0
		// poll lets one pass and says what was asked: g is GET, b GETBULK, with
		// how many scalars.
		poll := func() string {
			time.Sleep(time.Second)
			b.poller.mu.Lock()
			defer b.poller.mu.Unlock()
			var all []string
			for _, a := range b.poller.asked[seen:] {
				switch a.Verb {
				case mib.VerbGet:
					all = append(all, fmt.Sprint("g", len(a.Vars)))
				case mib.VerbGetBulk:
					all = append(all, fmt.Sprint("b", a.NonRepeaters))
				}
			}
			seen = len(b.poller.asked)
			return strings.Join(all, " ")
		}
		time.Sleep(50 * time.Millisecond) // polls are at 0.1 s
		for i, want := range []string{"g2 b0", "b2", "b2"} {
			if got := poll(); got != want {
				t.Errorf("poll %d asks %s, not %s", i, got, want)
			}
		}
		silent.Store(true)
		if got := poll(); got != "b2 g2 b0" {
			t.Errorf("a poll without a table asks %s", got)
		}
		poll() // may be late by the one before
		if n := b.Counts().Failures; n > 0 {
			t.Errorf("%d polls failed, though the scalars were answered", n)
		}
		silent.Store(false)
		for range 2 {
			poll()
		}
		if got := poll(); got != "b2" {
			t.Errorf("a poll with a table again asks %s", got)
		}
		if s := b.samples(t, 20); len(s) < 6 || len(s[0].Values) != 1 || s[1].Values[0].Value != 7 || len(s[1].Values) != 2 {
			t.Errorf("samples %+v", s)
		}
	})
}

// An agent that goes wrong over non-repeaters is asked so once, and apart from
// then on.
func TestScalarsAreReadApartWhereTheyMustBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held, oven := baker(t, 0)
		m := &machine{vars: func() []mib.Variable {
			return []mib.Variable{is(upTimeName, mib.Ticks(100_000)), is(fuelName, mib.Gauge(7)), is(loavesName+".3", mib.Counter32(7))}
		}}
		b := newBench(t, func(cfg *Config) { cfg.Profiles = func() *profile.Set { return held } })
		var along atomic.Int64
		b.poller.answer = func(r mib.Request) (mib.Response, time.Duration, bool) {
			if r.NonRepeaters > 0 {
				along.Add(1)
				return mib.Response{Status: mib.GenErr}, time.Millisecond, true
			}
			return m.answer(r)
		}
		b.run(t)
		b.promote(t)
		r := row(20, 1)
		r.Profile = oven.Ref()
		b.stage(t, r)
		time.Sleep(6500 * time.Millisecond)
		if n, s := along.Load(), b.samples(t, 20); n != 1 || len(s) < 6 || len(s[len(s)-1].Values) != 2 || b.Counts().Failures > 0 {
			t.Errorf("asked along %d times, samples %+v, counts %+v", n, s, b.Counts())
		}
	})
}

// A table that is silent in the middle costs the sample nothing of what came
// before, and what is configured anew holds from the next poll on.
func TestTablesThatEndAndProfilesThatChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, oven := baker(t, 0)
		var held atomic.Pointer[profile.Set]
		held.Store(first)
		m := &machine{silly: 2, vars: func() []mib.Variable {
			return []mib.Variable{is(upTimeName, mib.Ticks(100_000)), is(fuelName, mib.Gauge(7)), is(loavesName+".3", mib.Counter32(7))}
		}}
		b := newBench(t, func(cfg *Config) { cfg.Profiles = held.Load })
		b.poller.answer = m.answer
		b.run(t)
		b.promote(t)
		r := row(20, 1)
		r.Profile = "oven"
		b.stage(t, r)
		time.Sleep(2500 * time.Millisecond)
		if s := b.samples(t, 20); len(s) < 2 || len(s[1].Values) != 1 || b.Counts().Failures > 0 {
			t.Errorf("samples %+v, counts %+v", s, b.Counts())
		}
		litres := *oven
		litres.Objects = slices.Clone(oven.Objects)
		litres.Objects[0].Unit = "litres"
		next, err := profile.NewSet([]*profile.Profile{&litres}, nil)
		if err != nil {
			t.Fatal(err)
		}
		r = row(20, 2)
		r.Profile = oven.Ref()
		b.stage(t, r)
		time.Sleep(2 * time.Second)
		held.Store(next)
		failures := b.Counts().Failures
		time.Sleep(2 * time.Second)
		if _, ok := b.value(oven.Metrics()[0].Number, 0); !ok || b.Counts().Failures > failures {
			t.Errorf("a row that names the profile as it was is not polled any more: %+v", b.Counts())
		}
		r = row(20, 3)
		r.Profile = litres.Ref()
		b.stage(t, r)
		time.Sleep(2 * time.Second)
		if _, ok := b.value(litres.Metrics()[0].Number, 0); !ok || litres.Metrics()[0].Number == oven.Metrics()[0].Number {
			t.Error("the profile that was read again is not polled")
		}
		r = row(21, 4)
		r.Profile = oven.Ref()
		e := b.tree.Set([]mib.Variable{fenceVar(b.fence()), applyVar(mib.Apply{Stage: []mib.SupportRow{r}})})
		if e == nil || e.Status != mib.ResourceUnavailable || !strings.Contains(e.Reason, "give all managers the same file") {
			t.Errorf("a row of the profile as it was: %v", e)
		}
	})
}
