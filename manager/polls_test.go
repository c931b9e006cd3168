package manager

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
	"simone/reconfig"
)

func TestPollsLeaveAtTheirSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.run(t)
		b.promote(t)
		began := time.Now()
		b.stage(t, row(20, 1))
		time.Sleep(3500 * time.Millisecond)
		polls := b.poller.of(mib.VerbGet)
		if len(polls) != 4 {
			t.Fatalf("%d polls in 3.5 s, want 4: at 0.1, 1.1, 2.1 and 3.1 s", len(polls))
		}
		for i, p := range polls {
			want := 100*time.Millisecond + time.Duration(i)*time.Second
			if at := p.at.Sub(began); at < want || at > want+5*time.Millisecond {
				t.Errorf("poll %d left at %v, want %v or within a tick of 5 ms after it", i, at, want)
			}
			if end := p.Timeout * time.Duration(1+p.Retries); end >= time.Second || p.Retries != 2 || p.Timeout != 250*time.Millisecond {
				t.Errorf("poll %d: time-out %v, retries %d; the attempts must end before the next slot", i, p.Timeout, p.Retries)
			}
		}
		_, records := b.ReadLog(reconfig.Cursor{Incarnation: 77}, 100)
		var slots []uint32
		for _, r := range records {
			if r.Kind == mib.RecordSample {
				slots = append(slots, r.Slot)
				if s, err := mib.ParseSample(r.Payload); err != nil || len(s.Values) != len(mib.Profiles()[0].Metrics) || s.RTT != time.Millisecond {
					t.Errorf("slot %d: sample %+v, %v", r.Slot, s, err)
				}
			}
		}
		if len(slots) != 4 || slots[0] != 5 || slots[3] != 8 {
			t.Errorf("slots in the log are %v, want 5 to 8", slots)
		}
	})
}

func TestOnlyWhatIsOnTheListIsPolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.run(t)
		b.promote(t)
		b.stage(t, row(20, 1), row(21, 1))
		time.Sleep(1500 * time.Millisecond)
		b.set(t, applyVar(mib.Apply{Destroy: []mib.Tombstone{{Node: 20, Epoch: mib.Epoch{1<<16 | 1}}}}))
		before := len(b.poller.of(mib.VerbGet))
		time.Sleep(2 * time.Second)
		after := b.poller.of(mib.VerbGet)[before:]
		if len(after) != 2 {
			t.Fatalf("%d polls in two seconds with one row left", len(after))
		}
		for _, p := range after {
			if p.Address.String() != row(21, 1).Address {
				t.Errorf("%v was polled after its row was destroyed", p.Address)
			}
		}
		if v := b.tree.Get(mib.MetricInstance(20, mib.Profiles()[0].Metrics[0].Number, 0)); v.Type != mib.TypeNoSuchInstance {
			t.Errorf("values of a destroyed row are still there: %v", v)
		}
	})
}

// An snmpd goes on to answer when the subagent behind it is gone: that it has
// no such object is no sample, and the node is not up.
func TestNoSuchObjectIsNoSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var absent atomic.Int32 // of the variables asked for, from the first
		b := newBench(t, nil)
		b.poller.answer = func(r mib.Request) (mib.Response, time.Duration, bool) {
			response := ones(r)
			for i := range min(int(absent.Load()), len(response.Vars)) {
				response.Vars[i].Value = mib.Value{Type: mib.TypeNoSuchObject}
			}
			return response, time.Millisecond, true
		}
		b.run(t)
		b.promote(t)
		b.stage(t, row(20, 1))
		for _, tt := range []struct {
			absent int32
			status mib.PollStatus
		}{{0, mib.PollUp}, {3, mib.PollUp}, {1000, mib.PollFailing}, {0, mib.PollUp}} {
			absent.Store(tt.absent)
			time.Sleep(9 * time.Second) // the longest back-off is 8 slots
			if status := mib.PollStatus(b.tree.Get(mib.SimoneSupportOperStatus.Append(20)).Int); status != tt.status {
				t.Errorf("with %d variables absent the node is %v, not %v", tt.absent, status, tt.status)
			}
		}
		_, records := b.ReadLog(reconfig.Cursor{Incarnation: 77}, 100)
		for _, r := range records {
			if s, err := mib.ParseSample(r.Payload); r.Kind == mib.RecordSample && (err != nil || len(s.Values) == 0) {
				t.Errorf("slot %d: sample %+v, %v", r.Slot, s, err)
			}
		}
	})
}

func TestDeadNodeBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dead atomic.Bool
		dead.Store(true)
		b := newBench(t, nil)
		b.poller.answer = func(r mib.Request) (mib.Response, time.Duration, bool) {
			return ones(r), time.Millisecond, !dead.Load()
		}
		b.run(t)
		b.promote(t)
		b.stage(t, row(20, 1))
		time.Sleep(60 * time.Second)
		polls := b.poller.of(mib.VerbGet)
		if len(polls) < 6 || len(polls) > 14 {
			t.Errorf("%d polls of a dead node in 60 slots, want few", len(polls))
		}
		if last := polls[len(polls)-1]; last.Retries != 0 {
			t.Errorf("a failing node is probed with %d retries", last.Retries)
		}
		status := func() mib.PollStatus {
			return mib.PollStatus(b.tree.Get(mib.SimoneSupportOperStatus.Append(20)).Int)
		}
		if status() != mib.PollFailing {
			t.Errorf("status is %v", status())
		}
		if c := b.Counts(); c.Failures != uint64(len(polls)) || c.Polls < c.Failures+4 {
			t.Errorf("%d polls left: counts are %+v", len(polls), c)
		}
		dead.Store(false)
		time.Sleep(9 * time.Second) // the longest back-off is 8 slots
		if status() != mib.PollUp {
			t.Errorf("status is %v after the node came back", status())
		}
		before := len(b.poller.of(mib.VerbGet))
		time.Sleep(5 * time.Second)
		if n := len(b.poller.of(mib.VerbGet)) - before; n != 5 {
			t.Errorf("%d polls in 5 slots after the node came back", n)
		}
		summed := mib.SimoneAggregateCount.Append(mib.Profiles()[0].Metrics[0].Number)
		if v := b.tree.Get(summed); v.Uint != 1 {
			t.Errorf("%v values are summed up while the node answers", v)
		}
		dead.Store(true)
		time.Sleep(5 * time.Second)
		if v := b.tree.Get(summed); !v.IsException() {
			t.Errorf("%v values of a dead node are summed up", v)
		}
	})
}

func TestLatencyIsMeasuredFromTheArrivalInTheKernel(t *testing.T) {
	for _, c := range []struct {
		name     string
		network  time.Duration // must not count
		slow     time.Duration
		starting time.Duration // of each of two polls that leave in one tick
		want     time.Duration
	}{
		{"nothing but work", 40 * time.Millisecond, 0, 0, 0},
		{"slowed worker", 40 * time.Millisecond, 30 * time.Millisecond, 0, 45 * time.Millisecond}, // 30 and, behind it, 60
		{"late departure", 40 * time.Millisecond, 0, 20 * time.Millisecond, 10 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, func(cfg *Config) {
					if c.slow > 0 {
						cfg.Slow = func() time.Duration { return c.slow }
					}
				})
				b.poller.starting = c.starting
				b.poller.answer = func(r mib.Request) (mib.Response, time.Duration, bool) { return ones(r), c.network, true }
				b.node.id.ID = 0 // no announcements in between
				b.run(t)
				b.promote(t)
				b.stage(t, row(20, 1), row(21, 1))
				time.Sleep(2500 * time.Millisecond)
				m := b.Measures()
				if m.Windows != 2 || m.Latency.Count != 2 {
					t.Fatalf("after 2.5 s of windows of 1 s: %+v", m)
				}
				if d := m.Latency.Mean - c.want; d < 0 || d > time.Microsecond {
					t.Errorf("latency is %v, want %v", m.Latency.Mean, c.want)
				}
				if want := c.want.Seconds() * 1000; m.Temperature < want || m.Temperature > want+0.01 {
					t.Errorf("temperature is %v, want %v", m.Temperature, want)
				}
				if m.Injected != c.slow {
					t.Errorf("injected is %v, want %v", m.Injected, c.slow)
				}
				if c.slow > 0 && (m.Utilisation < 0.06 || m.Utilisation > 0.0601) {
					t.Errorf("utilisation is %v, want 0.06: two results of 30 ms a second", m.Utilisation)
				}
				if b.read(t, mib.SimoneLatencyMean).Uint != uint64(m.Latency.Mean.Microseconds()) {
					t.Errorf("simoneLatencyMean is %v", b.read(t, mib.SimoneLatencyMean))
				}
			})
		})
	}
}

func TestOverflowIsCountedAsFailedPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(cfg *Config) {
			cfg.Backlog = 2
			cfg.Slow = func() time.Duration { return 800 * time.Millisecond }
		})
		var answers atomic.Int32 // a millisecond apart, so that the worker has taken the first
		b.poller.answer = func(r mib.Request) (mib.Response, time.Duration, bool) {
			return ones(r), time.Duration(answers.Add(1)) * time.Millisecond, true
		}
		b.run(t)
		b.promote(t)
		var rows []mib.SupportRow
		for id := mib.NodeID(20); id < 25; id++ {
			rows = append(rows, row(id, 1))
		}
		b.stage(t, rows...)
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		// One is being worked on, two wait, two had no room.
		if c := b.Counts(); c.Overflows != 2 || c.Failures != 2 {
			t.Errorf("counts are %+v, want 2 overflows that are failures", c)
		}
		if n := b.read(t, mib.SimoneIlmBacklog).Uint; n != 3 {
			t.Errorf("backlog is %d, want 3", n)
		}
		_, records := b.ReadLog(reconfig.Cursor{Incarnation: 77}, 100)
		for _, r := range records {
			if r.Kind == mib.RecordSample {
				t.Errorf("a sample of node %d is in the log before its result was worked on", r.Node)
			}
		}
	})
}

func TestWindowWithoutResultsTakesTheAgeOfTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(cfg *Config) { cfg.Slow = func() time.Duration { return time.Hour } })
		b.run(t)
		b.promote(t)
		b.stage(t, row(20, 1))
		time.Sleep(1100 * time.Millisecond)
		first := b.Measures().Temperature
		time.Sleep(time.Second)
		second := b.Measures().Temperature
		if first < 890 || first > 910 || second < first+990 {
			t.Errorf("temperatures are %v and %v stu while a result hangs since 0.1 s", first, second)
		}
	})
}

func TestPromotionBeginsTheWindowsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(cfg *Config) { cfg.Slow = func() time.Duration { return 20 * time.Millisecond } })
		b.run(t)
		synctest.Wait()
		time.Sleep(5 * time.Second)
		if m := b.Measures(); m.Windows != 0 || b.node.lastRole() != mib.RoleLeaf {
			t.Fatalf("a leaf has windows (%+v) or is a %v", m, b.node.lastRole())
		}
		b.promote(t)
		if b.node.lastRole() != mib.RoleILM {
			t.Errorf("role after promotion is %v", b.node.lastRole())
		}
		b.stage(t, row(20, 1))
		time.Sleep(3100 * time.Millisecond)
		if r := b.Report(nil, false); !r.Active || r.Windows != 3 || r.Temperature < 20 {
			t.Errorf("report of an ILM after 3 s: %+v", r)
		}
		b.set(t, applyVar(mib.Apply{Destroy: []mib.Tombstone{{Node: 20, Epoch: mib.Epoch{1<<16 | 1}}}}))
		b.set(t, scalar(mib.SimoneIlmAdminStatus, mib.Integer(int32(mib.IlmAdminDown))))
		if r := b.Report(nil, false); r.Active || r.Windows != 0 || r.Temperature != 0 || b.node.lastRole() != mib.RoleLeaf {
			t.Errorf("report after demotion: %+v, role %v", r, b.node.lastRole())
		}
	})
}

// TestWorkThatWasNotSeenYetIsNotCold: an ILM that has just got its first node
// has no temperature until a poll of it has come to an end, so that no policy
// merges it away for being cold.
func TestWorkThatWasNotSeenYetIsNotCold(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer bool
	}{{"Answered", true}, {"Missed", false}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, nil)
				if !tt.answer {
					b.poller.answer = func(mib.Request) (mib.Response, time.Duration, bool) {
						return mib.Response{Err: mib.ErrTimeout}, 750 * time.Millisecond, true
					}
				}
				b.run(t)
				b.promote(t)
				time.Sleep(2500 * time.Millisecond)
				if m := b.Measures(); m.Windows != 2 || m.Temperature != 0 {
					t.Errorf("an ILM without work: %+v", m)
				}
				late := row(20, 1)
				late.Due = 2500 * time.Millisecond
				b.stage(t, late)
				time.Sleep(2400 * time.Millisecond)
				if m := b.Measures(); m.Windows != 0 {
					t.Errorf("%d windows before the first poll, temperature %v", m.Windows, m.Temperature)
				}
				time.Sleep(2 * time.Second)
				if m := b.Measures(); m.Windows == 0 || tt.answer != (m.Latency.Count > 0) {
					t.Errorf("after the first poll: %+v", m)
				}
			})
		})
	}
}

func TestTriggerEndsTheWindowNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.run(t)
		b.promote(t)
		time.Sleep(300 * time.Millisecond)
		if e := b.tree.Set([]mib.Variable{scalar(mib.SimoneIlmTrigger, mib.Truth(true))}); e != nil {
			t.Fatal(e)
		}
		synctest.Wait()
		if m := b.Measures(); m.Windows != 1 {
			t.Errorf("%d windows right after the trigger", m.Windows)
		}
		time.Sleep(900 * time.Millisecond)
		if m := b.Measures(); m.Windows != 1 {
			t.Errorf("%d windows 900 ms after the trigger: the period begins anew with it", m.Windows)
		}
		time.Sleep(200 * time.Millisecond)
		if m := b.Measures(); m.Windows != 2 {
			t.Errorf("%d windows 1100 ms after the trigger", m.Windows)
		}
	})
}

func TestListOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.promote(t)
		b.stage(t, row(20, 1), row(21, 1))
		digest, fence := b.Report(nil, false).Digest, b.Report(nil, false).Fence
		again := newBench(t, func(cfg *Config) { cfg.Store = b.store })
		again.run(t)
		time.Sleep(1500 * time.Millisecond)
		r := again.Report(nil, true)
		if r.Digest != digest || r.Fence != fence || !r.Active || len(r.Rows) != 2 {
			t.Errorf("after a restart: %+v", r)
		}
		if again.node.lastRole() != mib.RoleILM {
			t.Errorf("role after a restart is %v", again.node.lastRole())
		}
		if n := len(again.poller.of(mib.VerbGet)); n != 4 {
			t.Errorf("%d polls in 1.5 s after a restart, want 4", n)
		}
	})
}

func TestStepOfTheWallClockIsNoLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := time.Now()
		time.Sleep(20 * time.Millisecond)
		arrived := time.Now()
		time.Sleep(5 * time.Millisecond)
		for _, c := range []struct {
			name string
			step time.Duration // of the wall clock since the time stamp
			want time.Duration
		}{
			{"none", 0, 5 * time.Millisecond},
			{"an hour forward", time.Hour, 25 * time.Millisecond},
			{"an hour back", -time.Hour, 0},
		} {
			if got := waited(&mib.Response{Sent: sent, Received: arrived.Add(-c.step).Round(0)}); got != c.want {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	})
}

// TestEverythingAtOnce is for the race detector: polls, walks, SETs, the door
// and new tunings together, and at the end the list says what the SETs said.
func TestEverythingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.run(t)
		b.promote(t)
		var rows []mib.SupportRow
		for id := mib.NodeID(20); id < 28; id++ {
			r := row(id, 1)
			r.Interval = 100 * time.Millisecond
			rows = append(rows, r)
		}
		b.stage(t, rows...)
		var others sync.WaitGroup
		for range 2 {
			others.Go(func() {
				for range 10 {
					for v, ok := b.tree.Next(mib.SimoneMIB); ok; v, ok = b.tree.Next(v.Name) {
					}
					time.Sleep(3 * time.Millisecond)
				}
			})
		}
		others.Go(func() {
			for i := range 20 {
				if err := b.Tune(Tuning{WeightA: float64(i), WeightB: 1, STU: time.Millisecond}); err != nil {
					t.Error(err)
				}
				_, _ = b.ReadLog(reconfig.Cursor{}, 10)
				_ = b.Report(nil, true)
				b.CloseWindow()
				time.Sleep(2 * time.Millisecond)
			}
		})
		for i := range uint32(20) {
			b.stage(t, row(40, i+1))
			b.set(t, applyVar(mib.Apply{Destroy: []mib.Tombstone{{Node: 40, Epoch: mib.Epoch{1<<16 | i + 1}}}}))
			time.Sleep(2 * time.Millisecond)
		}
		others.Wait()
		var want mib.Digest
		for _, r := range rows {
			want.Add(r.Node, r.Epoch)
		}
		if d := b.Report(nil, false).Digest; d != want {
			t.Errorf("digest %v, want %v", d, want)
		}
	})
}

// The kernel stamps replies by the wall clock. When that is set, neither
// latencies nor the age of the backlog jump.
func TestAStepOfTheWallClockMakesNothingHot(t *testing.T) {
	for _, step := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, nil)
				b.promote(t)
				b.stage(t, row(20, 1))
				sent := time.Now()
				time.Sleep(2 * time.Millisecond)
				f := &flight{host: b.Host, poll: reconfig.Poll{Row: row(20, 1), Slot: 1}, question: &question{}}
				f.some = true
				f.Answered(netip.AddrPort{}, &mib.Response{Sent: sent, Received: time.Now().Add(step), Left: sent, Attempts: 1})
				time.Sleep(time.Second)
				n, oldest := b.results.outstanding()
				if age := time.Since(oldest); n != 1 || age < time.Second || age > time.Second+2*time.Millisecond {
					t.Errorf("%d replies wait, the oldest for %v, want one for a second", n, age)
				}
				b.closeWindow()
				if got := b.Measures().Temperature; got > 2000 {
					t.Errorf("temperature %v for a second's backlog", got)
				}
			})
		})
	}
}
