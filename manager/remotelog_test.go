package manager

import (
	"encoding/binary"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
	"simone/reconfig"
)

func exampleRecord(seq uint32) mib.Record {
	return mib.Record{
		Seq: seq, Kind: mib.RecordSample, Node: mib.NodeID(seq % 40), Slot: seq / 40, Age: time.Duration(seq) * time.Millisecond,
		Payload: mib.Sample{RTT: time.Millisecond, Values: []mib.MetricValue{{Metric: 1 << 30, Value: 0.5}}}.Append(nil),
	}
}

func agentWithLog(from, to uint32) *fakeAgent {
	a := &fakeAgent{}
	r := exampleReport()
	r.Log.Seq = to
	a.putReport(r)
	for seq := from; seq <= to; seq++ {
		a.putRecord(exampleRecord(seq))
	}
	a.put(mib.SimoneReportKind.Append(from), mib.Integer(1)) // what comes after
	return a
}

func readOnce(t *testing.T, d *remoteDelegate, from reconfig.Cursor) reconfig.LogRead {
	t.Helper()
	done, err := d.readLog(t.Context(), reconfig.ReadLog{ID: 4, Child: 7, From: from})
	if err != nil {
		t.Fatal(err)
	}
	return done(d.clock.Now()).(reconfig.LogRead)
}

func TestReadLog(t *testing.T) {
	for _, tt := range []struct {
		name        string
		first, last uint32 // in the log
		from        reconfig.Cursor
		want        []uint32 // first and last that are read; nil: none
	}{
		{"all of it", 1, 300, reconfig.Cursor{Incarnation: 5}, []uint32{1, 300}},
		{"from the cursor on", 1, 300, reconfig.Cursor{Incarnation: 5, Seq: 250}, []uint32{251, 300}},
		{"nothing new", 1, 300, reconfig.Cursor{Incarnation: 5, Seq: 300}, nil},
		{"what fell off is missing", 200, 300, reconfig.Cursor{Incarnation: 5, Seq: 10}, []uint32{200, 300}},
		{"another incarnation's cursor reads from the start", 1, 30, reconfig.Cursor{Incarnation: 4, Seq: 20}, []uint32{1, 30}},
		{"no more than the bound at a time", 1, maxLogRecords + 50, reconfig.Cursor{Incarnation: 5}, []uint32{1, maxLogRecords}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := agentWithLog(tt.first, tt.last)
				got := readOnce(t, newRemote(a), tt.from)
				if got.Action != 4 || got.Child != 7 || got.Incarnation != 5 {
					t.Errorf("got %+v", got)
				}
				if tt.want == nil {
					if len(got.Records) != 0 {
						t.Errorf("%d records, want none", len(got.Records))
					}
					return
				}
				for i, r := range got.Records {
					want := exampleRecord(tt.want[0] + uint32(i))
					if r.Seq != want.Seq || r.Kind != want.Kind || r.Node != want.Node || r.Slot != want.Slot || r.Age != want.Age || !slices.Equal(r.Payload, want.Payload) {
						t.Fatalf("record %d: got %+v, want %+v", i, r, want)
					}
				}
				if n := int(tt.want[1] - tt.want[0] + 1); len(got.Records) != n {
					t.Errorf("%d records, want %d", len(got.Records), n)
				}
			})
		})
	}
}

func TestReadLogCountsAgesFromTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := agentWithLog(1, 1)
		d := newRemote(a)
		a.delay = 30 * time.Millisecond
		done, err := d.readLog(t.Context(), reconfig.ReadLog{Child: 7, From: reconfig.Cursor{Incarnation: 5}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		got := done(d.clock.Now()).(reconfig.LogRead)
		// Answered, then one more exchange for the incarnation, then a second.
		if want := exampleRecord(1).Age + 30*time.Millisecond + time.Second; got.Records[0].Age != want {
			t.Errorf("age %v, want %v", got.Records[0].Age, want)
		}
	})
}

func TestReadLogFailures(t *testing.T) {
	again := func(a *fakeAgent) {
		a.putScalar(mib.SimoneIlmLogIncarnation, mib.Octets(binary.BigEndian.AppendUint64(nil, 6)))
	}
	for _, tt := range []struct {
		name string
		do   func(a *fakeAgent)
		why  reconfig.Failure
		text string
	}{
		{"the log begins again meanwhile", func(a *fakeAgent) {
			a.meddle = func(n int, _ mib.Request) *mib.Response {
				if n == 2 {
					again(a)
				}
				return nil
			}
		}, reconfig.TimedOut, "began again"},
		{"the child falls silent meanwhile", func(a *fakeAgent) {
			a.meddle = func(n int, _ mib.Request) *mib.Response {
				if n == 3 {
					return &mib.Response{Err: mib.ErrTimeout}
				}
				return nil
			}
		}, reconfig.TimedOut, "no answer"},
		{"a record that cannot be read", func(a *fakeAgent) { a.put(mib.SimoneReportRecord.Append(2), mib.Text("\x01")) }, reconfig.Malformed, "report record 2"},
		{"a record of another type", func(a *fakeAgent) { a.put(mib.SimoneReportRecord.Append(2), mib.Integer(1)) }, reconfig.Malformed, "record 2 is INTEGER"},
		{"no incarnation", func(a *fakeAgent) { a.putScalar(mib.SimoneIlmLogIncarnation, mib.Text("x")) }, reconfig.Malformed, "8 octets"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := agentWithLog(1, 30)
				tt.do(a)
				_, err := newRemote(a).readLog(t.Context(), reconfig.ReadLog{Child: 7, From: reconfig.Cursor{Incarnation: 5}})
				wantFailure(t, err, tt.why, tt.text)
			})
		})
	}
}

// Of samples of large tables fewer are read at a time: they are stored as one.
func TestReadLogIsBoundedInOctetsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := agentWithLog(1, 40)
		large := mib.Sample{}
		for row := range uint32(5000) {
			large.Values = append(large.Values, mib.MetricValue{Metric: 1, Instance: row + 1, Value: 0.1234567})
		}
		for seq := range uint32(40) {
			r := exampleRecord(seq + 1)
			r.Payload = large.Append(nil)
			a.putRecord(r)
		}
		d := newRemote(a)
		read := uint32(0)
		for times := 0; read < 40; times++ {
			got := readOnce(t, d, reconfig.Cursor{Incarnation: 5, Seq: read})
			octets := 0
			for _, r := range got.Records {
				octets += len(r.Payload)
			}
			if n := len(got.Records); n == 0 || octets > 2*maxLogOctets || times > 10 {
				t.Fatalf("%d records of %d octets at a time", n, octets)
			}
			read = got.Records[len(got.Records)-1].Seq
		}
	})
}
