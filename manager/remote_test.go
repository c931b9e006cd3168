package manager

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
	"simone/reconfig"
)

var childAddress = netip.MustParseAddrPort("127.0.0.7:161")

// newRemote makes the way to a fake child. It runs inside a synctest bubble.
func newRemote(a *fakeAgent) *remoteDelegate {
	return &remoteDelegate{
		poller: &fakeNetwork{agents: map[netip.AddrPort]*fakeAgent{childAddress: a}},
		clock:  NewClock(), child: 7, address: childAddress, credential: "c",
		controlTimeout: time.Second, probeTimeout: maxProbeTimeout,
	}
}

func wantFailure(t *testing.T, err error, why reconfig.Failure, text string) {
	t.Helper()
	var f *failure
	if !errors.As(err, &f) || f.why != why || !strings.Contains(f.text, text) {
		t.Fatalf("got %v, want a failure %q with %q", err, why, text)
	}
}

func exampleReport() reconfig.Report {
	return reconfig.Report{
		Fence:  mib.Fence{Parent: 1, Own: mib.Epoch{1<<16 | 3}, Term: 1, Seq: 9},
		Active: true, Windows: 12, Temperature: 17.5, Weighted: 16.25, Latency: 17500 * time.Microsecond,
		Intrusion: 1.25, Utilisation: 0.4321, Log: reconfig.Cursor{Incarnation: 5, Seq: 100},
		Lease: 250 * time.Millisecond, Capacity: 4096,
	}
}

func exampleRow(id mib.NodeID) reconfig.RowReport {
	return reconfig.RowReport{
		Row: mib.SupportRow{
			Node: id, Epoch: mib.Epoch{1<<16 | uint32(id)}, Slot: 40 + uint32(id), Due: 700 * time.Millisecond,
			Interval: time.Second, Kind: mib.KindLeaf, Name: fmt.Sprintf("n%d", id),
			Address: fmt.Sprintf("127.0.1.%d:161", id%250), Profile: "simone", Credential: "public",
		},
		First: 3, Samples: 37, Failing: id%5 == 0, Cost: 120 * time.Microsecond,
	}
}

// agentWithRows shows rows 1 to n, and a report with their digest.
func agentWithRows(n int) (*fakeAgent, reconfig.Report) {
	a := &fakeAgent{}
	r := exampleReport()
	for id := mib.NodeID(1); id <= mib.NodeID(n); id++ {
		row := exampleRow(id)
		a.putRow(row)
		r.Digest.Add(id, row.Row.Epoch)
	}
	a.putReport(r)
	return a, r
}

func probeOnce(t *testing.T, d *remoteDelegate, a reconfig.Probe) reconfig.ChildReported {
	t.Helper()
	done, err := d.probe(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return done(d.clock.Now()).(reconfig.ChildReported)
}

func TestProbeReadsTheSummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, want := agentWithRows(0)
		got := probeOnce(t, newRemote(a), reconfig.Probe{ID: 3, Child: 7})
		if got.Action != 3 || got.Child != 7 {
			t.Errorf("it answers action %d of child %d", got.Action, got.Child)
		}
		if fmt.Sprintf("%+v", got.Report) != fmt.Sprintf("%+v", want) {
			t.Errorf("got  %+v\nwant %+v", got.Report, want)
		}
		asked := a.asked()
		if len(asked) != 1 || asked[0].Retries != 0 || asked[0].Credential != "c" || !asked[0].Vars[0].Name.Equal(mib.Instance(mib.SimoneIlmFence)) {
			t.Errorf("asked %+v, want one request, sent once, the fence first", asked)
		}
	})
}

func TestProbeReadsNamedRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := agentWithRows(300)
		a.remove(mib.SimoneSupportEpoch.Append(17)) // as good as the whole row
		a.delay = 20 * time.Millisecond
		d := newRemote(a)
		var ids []mib.NodeID
		for id := mib.NodeID(1); id <= 310; id++ {
			ids = append(ids, id)
		}
		done, err := d.probe(t.Context(), reconfig.Probe{Child: 7, Rows: ids})
		if err != nil {
			t.Fatal(err)
		}
		requests := len(a.asked()) - 1 // row PDUs
		time.Sleep(80 * time.Millisecond)
		got := done(d.clock.Now()).(reconfig.ChildReported).Report
		if len(got.Rows) != 299 || got.Full {
			t.Fatalf("%d rows, full %v; want the 299 that are there", len(got.Rows), got.Full)
		}
		for i, r := range got.Rows {
			want := exampleRow(r.Row.Node)
			// Rows that were read earlier are due earlier: every answer ages.
			age := 80*time.Millisecond + time.Duration(requests-1-i0(r.Row.Node))*a.delay
			want.Row = mib.SupportRow{Node: r.Row.Node, Epoch: want.Row.Epoch, Slot: want.Row.Slot, Due: want.Row.Due - age}
			if r != want {
				t.Fatalf("row %d:\ngot  %+v\nwant %+v", i, r, want)
			}
		}
		for _, r := range a.asked() {
			if len(r.Vars) > 60 {
				t.Errorf("a request has %d variables, want at most 60", len(r.Vars))
			}
		}
	})
}

// i0 is in which row PDU, from 0, a node is read when 1, 2, ... are.
func i0(id mib.NodeID) int { return (int(id) - 1) / namedRows }

func TestProbeReadsAWholeList(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 300} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := agentWithRows(n)
				got := probeOnce(t, newRemote(a), reconfig.Probe{Child: 7, Full: true}).Report
				if !got.Full || len(got.Rows) != n {
					t.Fatalf("full %v, %d rows; want all %d", got.Full, len(got.Rows), n)
				}
				for i, r := range got.Rows {
					if want := exampleRow(mib.NodeID(i + 1)); r != want {
						t.Fatalf("row %d:\ngot  %+v\nwant %+v", i, r, want)
					}
				}
				for _, r := range a.asked() {
					if answered := len(r.Vars) * max(r.MaxRepetitions, 1); answered > 60 {
						t.Errorf("an answer may have %d variables, want at most 60", answered)
					}
				}
			})
		})
	}
}

func TestProbeStartsOver(t *testing.T) {
	raise := func(a *fakeAgent) {
		i, _ := a.find(mib.Instance(mib.SimoneIlmFence))
		f, _ := mib.ParseFence(a.vars[i].Value.Bytes)
		f.Seq++
		a.putScalar(mib.SimoneIlmFence, mib.Octets(f.Append(nil)))
	}
	stage := func(a *fakeAgent, id mib.NodeID) {
		row := exampleRow(id)
		a.putRow(row)
		i, _ := a.find(mib.Instance(mib.SimoneIlmDigest))
		d, _ := mib.ParseDigest(a.vars[i].Value.Bytes)
		d.Add(id, row.Row.Epoch)
		a.putScalar(mib.SimoneIlmDigest, mib.Octets(d.Append(nil)))
	}
	probes := map[string]reconfig.Probe{
		"whole list": {Child: 7, Full: true},
		"named rows": {Child: 7, Rows: []mib.NodeID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21}},
	}
	for name, p := range probes {
		t.Run("fence of a SET in the middle, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := agentWithRows(20)
				a.meddle = func(n int, _ mib.Request) *mib.Response {
					if n == 3 {
						stage(a, 21)
						raise(a)
					}
					return nil
				}
				got := probeOnce(t, newRemote(a), p).Report
				if len(got.Rows) != 21 || got.Fence.Seq != 10 {
					t.Errorf("%d rows at fence %v, want the 21 of the second reading", len(got.Rows), got.Fence)
				}
			})
		})
		t.Run("it never comes to rest, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := agentWithRows(20)
				a.meddle = func(int, mib.Request) *mib.Response { raise(a); return nil }
				_, err := newRemote(a).probe(t.Context(), p)
				wantFailure(t, err, reconfig.TimedOut, "changed while it was read, 3 times")
			})
		})
	}
	t.Run("a person adds a row without a fence", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, _ := agentWithRows(20)
			a.meddle = func(n int, _ mib.Request) *mib.Response {
				if n == 2 { // after the summary
					stage(a, 21)
				}
				return nil
			}
			if got := probeOnce(t, newRemote(a), reconfig.Probe{Child: 7, Full: true}).Report; len(got.Rows) != 21 {
				t.Errorf("%d rows, want the 21 of the second reading", len(got.Rows))
			}
		})
	})
	t.Run("a row goes between two columns", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, r := agentWithRows(3)
			gone := exampleRow(2)
			a.meddle = func(n int, _ mib.Request) *mib.Response {
				switch n {
				case 2:
					a.remove(mib.SimoneSupportCost.Append(2))
				case 3: // by now it has gone wholly
					for _, c := range wholeColumns() {
						a.remove(c.Append(2))
					}
					r.Digest.Remove(2, gone.Row.Epoch)
					a.putScalar(mib.SimoneIlmDigest, mib.Octets(r.Digest.Append(nil)))
				}
				return nil
			}
			if got := probeOnce(t, newRemote(a), reconfig.Probe{Child: 7, Full: true}).Report; len(got.Rows) != 2 {
				t.Errorf("%d rows, want 2", len(got.Rows))
			}
		})
	})
}

func TestProbeAsksForLessWhenAnswersAreTooBig(t *testing.T) {
	for name, p := range map[string]reconfig.Probe{
		"whole list": {Child: 7, Full: true},
		"named rows": {Child: 7, Rows: []mib.NodeID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := agentWithRows(10)
				a.meddle = func(_ int, r mib.Request) *mib.Response {
					if len(r.Vars)*max(r.MaxRepetitions, 1) > 16 {
						return &mib.Response{Status: mib.TooBig, Received: time.Now()}
					}
					return nil
				}
				if got := probeOnce(t, newRemote(a), p).Report; len(got.Rows) != 10 {
					t.Errorf("%d rows, want 10", len(got.Rows))
				}
			})
		})
	}
}

func TestProbeReadsOnAfterAnAnswerThatWasCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := agentWithRows(10)
		busy := false
		a.meddle = func(_ int, r mib.Request) *mib.Response {
			if r.Verb != mib.VerbGetBulk || busy {
				return nil
			}
			busy = true
			out := a.answer(r)
			busy = false
			out.Received = time.Now()
			out.Vars = out.Vars[:len(r.Vars)+5] // one row and the beginning of another
			return &out
		}
		if got := probeOnce(t, newRemote(a), reconfig.Probe{Child: 7, Full: true}).Report; len(got.Rows) != 10 {
			t.Errorf("%d rows, want 10", len(got.Rows))
		}
	})
}

func TestProbeFailures(t *testing.T) {
	full := reconfig.Probe{Child: 7, Full: true}
	for _, tt := range []struct {
		name string
		do   func(a *fakeAgent)
		why  reconfig.Failure
		text string
	}{
		{"no answer in time", func(a *fakeAgent) { a.delay = time.Minute }, reconfig.TimedOut, "no answer"},
		{"no ILM objects", func(a *fakeAgent) { a.remove(mib.Instance(mib.SimoneIlmFence)) }, reconfig.Malformed, "simoneIlmFence.0 is noSuchInstance"},
		{"wrong type", func(a *fakeAgent) { a.putScalar(mib.SimoneIlmLogHead, mib.Text("12")) }, reconfig.Malformed, "simoneIlmLogHead.0 is OCTET STRING"},
		{"short fence", func(a *fakeAgent) { a.putScalar(mib.SimoneIlmFence, mib.Text("abc")) }, reconfig.Malformed, "28 octets"},
		{"temperature is no number", func(a *fakeAgent) { a.putScalar(mib.SimoneTemperatureNow, mib.Text("hot")) }, reconfig.Malformed, `"hot"`},
		{"an error instead", func(a *fakeAgent) {
			a.meddle = func(int, mib.Request) *mib.Response { return &mib.Response{Status: mib.GenErr, Index: 4} }
		}, reconfig.Malformed, "genErr at variable 4"},
		{"an endless list", func(a *fakeAgent) {
			a.meddle = func(_ int, r mib.Request) *mib.Response {
				if r.Verb != mib.VerbGetBulk {
					return nil
				}
				out := &mib.Response{Received: time.Now()}
				for _, c := range wholeColumns() {
					i, _ := a.find(c.Append(1))
					out.Vars = append(out.Vars, a.vars[i])
				}
				return out
			}
		}, reconfig.Malformed, "after row 1 it answered row 1"},
		{"an empty answer", func(a *fakeAgent) {
			a.meddle = func(_ int, r mib.Request) *mib.Response {
				if r.Verb != mib.VerbGetBulk {
					return nil
				}
				return &mib.Response{Received: time.Now()}
			}
		}, reconfig.Malformed, "it answered 0 variables"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := agentWithRows(5)
				tt.do(a)
				began := time.Now()
				_, err := newRemote(a).probe(t.Context(), full)
				wantFailure(t, err, tt.why, tt.text)
				if tt.why == reconfig.TimedOut && time.Since(began) > maxProbeTimeout {
					t.Errorf("it took %v to find the child silent, want at most %v", time.Since(began), maxProbeTimeout)
				}
			})
		})
	}
}

func TestControlOnTheWire(t *testing.T) {
	fence := mib.Fence{Parent: 1, Own: mib.Epoch{65537}, Term: 1, Seq: 2}
	apply := mib.Apply{Stage: []mib.SupportRow{exampleRow(4).Row}, Destroy: []mib.Tombstone{{Node: 9, Epoch: mib.Epoch{65540}}}}
	for _, tt := range []struct {
		set  reconfig.ControlSet
		want string
	}{
		{reconfig.ControlSet{Verb: reconfig.Claim}, ""},
		{reconfig.ControlSet{Verb: reconfig.Stage, Apply: apply}, fmt.Sprintf("simoneIlmApply.0=%x", apply.Append(nil))},
		{reconfig.ControlSet{Verb: reconfig.Release, Apply: apply}, fmt.Sprintf("simoneIlmApply.0=%x", apply.Append(nil))},
		{reconfig.ControlSet{Verb: reconfig.Promote, Settings: reconfig.IlmSettings{TriggerMillis: 1000, PollMillis: 2000, Levels: 1, Below: 3, FanIn: 8, Rules: reconfig.Rules{
			Policy: "paper", Fixed: true, Paused: true, Thresholds: reconfig.Thresholds{Merge: 0.25, Split: 12.5, Migrate: 1000}, ChurnPercent: 7,
			Weighted: true, ToColdest: true, ProbeMillis: 250, Misses: 4, History: "0.5 0.5",
		}}},
			"simoneIlmTriggerInterval.0=1000 simoneIlmPollInterval.0=2000 simoneIlmLevels.0=1 simoneIlmBelow.0=3 simoneIlmFanIn.0=8 " +
				fmt.Sprintf("simoneThresholdMerge.0=%x simoneThresholdSplit.0=%x simoneThresholdMigrate.0=%x simonePolicy.0=%x ", "0.25", "12.5", "1000", "paper") +
				"simoneReconfigMode.0=2 simoneReconfigChurn.0=7 simoneReconfigMovesPerHour.0=0 simoneReconfigColdest.0=1 simoneReconfigWeighted.0=1 " +
				fmt.Sprintf("simoneReconfigProbeInterval.0=250 simoneReconfigProbeMisses.0=4 simoneReconfigHistory.0=%x simoneReconfigPaused.0=1 ", "0.5 0.5") +
				"simoneIlmAdminStatus.0=1"},
		{reconfig.ControlSet{Verb: reconfig.Demote}, "simoneIlmAdminStatus.0=2"},
		{reconfig.ControlSet{Verb: reconfig.Acknowledge, Cursor: reconfig.Cursor{Incarnation: 0x0102030405060708, Seq: 10}},
			"simoneIlmCursor.0=01020304050607080000000a"},
	} {
		t.Run(tt.set.Verb.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &fakeAgent{}
				set := tt.set
				set.Fence = fence
				done, err := newRemote(a).control(t.Context(), reconfig.Control{ID: 8, Child: 7, ControlSet: set})
				if err != nil {
					t.Fatal(err)
				}
				if got, ok := done(5).(reconfig.ActionDone); !ok || got.Action != 8 || got.Now != 5 {
					t.Errorf("got %+v", got)
				}
				asked := a.asked()
				if len(asked) != 1 || asked[0].Verb != mib.VerbSet || asked[0].Retries != 0 {
					t.Fatalf("asked %+v, want one SET without repetitions", asked)
				}
				if got, err := mib.ParseFence(asked[0].Vars[0].Value.Bytes); err != nil || got != fence || !asked[0].Vars[0].Name.Equal(mib.Instance(mib.SimoneIlmFence)) {
					t.Errorf("first variable %v, want the fence %v", asked[0].Vars[0], fence)
				}
				var words []string
				for _, v := range asked[0].Vars[1:] {
					value := v.Value.String()
					if v.Value.Type == mib.TypeOctetString {
						value = fmt.Sprintf("%x", v.Value.Bytes)
					}
					words = append(words, mib.NameOf(v.Name)+"="+value)
				}
				if got := strings.Join(words, " "); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
			})
		})
	}
}

func TestControlRefused(t *testing.T) {
	for _, tt := range []struct {
		status mib.ErrorStatus
		index  int
		why    reconfig.Failure
	}{
		{mib.InconsistentValue, 1, reconfig.FenceStale},
		{mib.InconsistentValue, 2, reconfig.EpochStale},
		{mib.ResourceUnavailable, 2, reconfig.NotHeld},
		{mib.WrongValue, 2, reconfig.Malformed},
		{mib.NotWritable, 1, reconfig.TimedOut},
		{mib.NotWritable, 2, reconfig.Malformed},
		{mib.NoAccess, 1, reconfig.Malformed},
		{mib.AuthorizationError, 0, reconfig.Malformed},
		{mib.CommitFailed, 1, reconfig.TimedOut},
		{mib.GenErr, 1, reconfig.TimedOut},
	} {
		t.Run(fmt.Sprintf("%v at %d", tt.status, tt.index), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &fakeAgent{onSet: func([]mib.Variable) (mib.ErrorStatus, int) { return tt.status, tt.index }}
				a.putScalar(mib.SimoneIlmError, mib.Text("the very words"))
				_, err := newRemote(a).control(t.Context(), reconfig.Control{Child: 7, ControlSet: reconfig.ControlSet{Verb: reconfig.Stage}})
				wantFailure(t, err, tt.why, "the very words")
				wantFailure(t, err, tt.why, tt.status.String())
			})
		})
	}
	t.Run("demotion with rows", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for index, why := range map[int]reconfig.Failure{1: reconfig.FenceStale, 2: reconfig.Malformed} {
				a := &fakeAgent{onSet: func([]mib.Variable) (mib.ErrorStatus, int) { return mib.InconsistentValue, index }}
				_, err := newRemote(a).control(t.Context(), reconfig.Control{Child: 7, ControlSet: reconfig.ControlSet{Verb: reconfig.Demote}})
				wantFailure(t, err, why, "inconsistentValue")
			}
		})
	})
	t.Run("nobody behind the snmpd", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := &fakeAgent{onSet: func([]mib.Variable) (mib.ErrorStatus, int) { return mib.NotWritable, 1 }}
			began := time.Now()
			_, err := newRemote(a).control(t.Context(), reconfig.Control{Child: 7, ControlSet: reconfig.ControlSet{Verb: reconfig.Claim}})
			wantFailure(t, err, reconfig.TimedOut, "notWritable at variable 1")
			if d := time.Since(began); d < maxProbeTimeout {
				t.Errorf("given up after %v, so that the engine asks again without a pause", d)
			}
		})
	})
	t.Run("no answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := &fakeAgent{delay: time.Hour}
			began := time.Now()
			_, err := newRemote(a).control(t.Context(), reconfig.Control{Child: 7, ControlSet: reconfig.ControlSet{Verb: reconfig.Claim}})
			wantFailure(t, err, reconfig.TimedOut, "no answer")
			if d := time.Since(began); d != time.Second {
				t.Errorf("given up after %v, want the time-out of 1s", d)
			}
		})
	})
	t.Run("canceled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := newRemote(&fakeAgent{}).control(ctx, reconfig.Control{Child: 7, ControlSet: reconfig.ControlSet{Verb: reconfig.Claim}})
			wantFailure(t, err, reconfig.TimedOut, context.Canceled.Error())
		})
	})
}
