//go:build linux

package testbed

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

// face is what must not change when somebody is hostile: everything that can
// be written, and what is made of it.
func (tr *tree) face(member string) string {
	tr.tb.Helper()
	at := tr.members[member].address
	var s strings.Builder
	scalars := []mib.OID{
		mib.SimoneNodeId, mib.SimoneNodeRole, mib.SimoneNodeLevel, mib.SimoneNodeParent, mib.SimoneNodeParentId,
		mib.SimoneNodePath, mib.SimoneNodeEpoch, mib.SimoneNodeMetricPeriod, mib.SimoneIlmAdminStatus,
		mib.SimoneIlmFence, mib.SimoneIlmDigest, mib.SimoneIlmTriggerInterval, mib.SimoneIlmPollInterval,
		mib.SimoneTemperatureStu, mib.SimoneTemperatureExpression, mib.SimoneTemperatureHistory,
	}
	if member == "tlm" {
		scalars = append(scalars, mib.SimoneThresholdMerge, mib.SimoneThresholdSplit, mib.SimoneThresholdMigrate,
			mib.SimonePolicy, mib.SimoneReconfigMode, mib.SimoneReconfigPaused, mib.SimoneIlmSubtreeDigest)
	}
	for _, o := range scalars {
		fmt.Fprintf(&s, "%s = %s\n", mib.NameOf(o), tr.text(member, o))
	}
	columns := []mib.OID{
		mib.SimoneSupportName, mib.SimoneSupportAddress, mib.SimoneSupportKind, mib.SimoneSupportProfile,
		mib.SimoneSupportCredential, mib.SimoneSupportInterval, mib.SimoneSupportEpoch,
	}
	if member == "tlm" {
		columns = append(columns, mib.SimoneNameOwner, mib.SimoneNameEpoch, mib.SimoneNameDrained, mib.SimoneNamePinned)
	}
	for _, c := range columns {
		cells, err := tr.client.column(at, c)
		if err != nil {
			tr.tb.Fatal(err)
		}
		for _, id := range slices.Sorted(maps.Keys(cells)) {
			fmt.Fprintf(&s, "%s.%d = %v\n", mib.NameOf(c), id, cells[id])
		}
	}
	return s.String()
}

// unchanged compares faces.
func unchanged(t *testing.T, before, after string) {
	t.Helper()
	if before == after {
		return
	}
	b, a := strings.Split(before, "\n"), strings.Split(after, "\n")
	for i := range max(len(b), len(a)) {
		if i >= len(b) || i >= len(a) || b[i] != a[i] {
			t.Fatalf("it has changed:\n%s\n---\n%s", before, after)
		}
	}
}

// The counters of RFC 3418 that tell of bad input.
var (
	inBadVersions  = mib.MustOID("1.3.6.1.2.1.11.3.0")
	inBadCommunity = mib.MustOID("1.3.6.1.2.1.11.4.0")
	inASNParseErrs = mib.MustOID("1.3.6.1.2.1.11.6.0")
)

// TestLiveHostile: what is no SNMP is counted and dropped, what must not be is
// refused with a status that fits and words in simoneIlmError, and nothing
// changes.
func TestLiveHostile(t *testing.T) {
	t.Parallel()
	tr := plant(t, 2, time.Second, "tlm:mode=fixed", "tlm:ilms.start=1")
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled())
	ilm := tr.ilms()[0]

	good := func(vars ...mib.Variable) []byte {
		m := snmp.Message{Version: snmp.V2c, Community: []byte("private"), PDU: snmp.PDU{Verb: mib.VerbSet, RequestID: 77, Vars: vars}}
		b, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	set := good(scalar(mib.SimoneNodeMetricPeriod, mib.Gauge(60_000)))
	other := func(change func([]byte) []byte) []byte { return change(slices.Clone(set)) }
	for _, member := range []string{"tlm", ilm} {
		at := tr.members[member].address
		if member == ilm { // nobody else is to write to it now
			tr.expect(`level=(WARN|ERROR) .*(acknowledge|announce|join)`)
			tr.tlm().kill()
		}
		before := tr.face(member)
		for _, test := range []struct {
			name     string
			datagram []byte
			counter  mib.OID
		}{
			{"empty", nil, inASNParseErrs},
			{"garbage", []byte("GET / HTTP/1.1\r\n\r\n"), inASNParseErrs},
			{"zeros", make([]byte, 1400), inASNParseErrs},
			{"truncated", set[:len(set)-5], inASNParseErrs},
			{"truncated in the header", set[:3], inASNParseErrs},
			{"length that lies", other(func(b []byte) []byte { b[1] += 9; return b }), inASNParseErrs},
			{"length of 2^32", append([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}, set[2:]...), inASNParseErrs},
			{"more behind the end", append(slices.Clone(set), 0, 1, 2), inASNParseErrs},
			{"version 9", other(func(b []byte) []byte { b[4] = 9; return b }), inBadVersions},
			{"wrong community", other(func(b []byte) []byte { b[7] ^= 1; return b }), inBadCommunity},
		} {
			t.Run(member+"/"+test.name, func(t *testing.T) {
				count := tr.client.must(at, test.counter)[0].Uint
				c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := c.Write(test.datagram); err != nil {
					t.Fatal(err)
				}
				// Requests are answered one after another.
				if n := tr.client.must(at, test.counter)[0].Uint; n != count+1 {
					t.Errorf("%v is %d after %d", test.counter, n, count)
				}
				if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
					t.Fatal(err)
				}
				if n, err := c.Read(make([]byte, 100)); err == nil {
					t.Errorf("it was answered with %d octets", n)
				}
			})
		}
		tr.refusals(t, member)
		unchanged(t, before, tr.face(member))
	}
}

// refusals sends SETs that must not work.
func (tr *tree) refusals(t *testing.T, member string) {
	at := tr.members[member].address
	held := tr.client.must(at, mib.Instance(mib.SimoneIlmFence))[0].Bytes
	fence, err := mib.ParseFence(held)
	if err != nil {
		t.Fatal(err)
	}
	stale, next := fence, fence
	stale.Seq--
	next.Seq += 1000
	cell := func(column mib.OID, v mib.Value) mib.Variable {
		return mib.Variable{Name: column.Append(4711), Value: v}
	}
	row := mib.SupportRow{
		Node: 4711, Epoch: mib.Epoch{1 << 20}, Slot: 1, Interval: time.Second, Kind: mib.KindLeaf,
		Name: "x", Address: "127.0.0.1:1", Profile: "simone", Credential: "tree",
	}
	badAddress, badCredential := row, row
	badAddress.Address, badCredential.Credential = "nowhere", "stolen"
	apply := func(rows ...mib.SupportRow) mib.Variable {
		return scalar(mib.SimoneIlmApply, mib.Octets(mib.Apply{Stage: rows}.Append(nil)))
	}
	under := func(f mib.Fence) mib.Variable { return scalar(mib.SimoneIlmFence, mib.Octets(f.Append(nil))) }
	packed := mib.Apply{Stage: []mib.SupportRow{row}}.Append(nil)
	columns := func(address string) []mib.Variable {
		return []mib.Variable{
			under(next), cell(mib.SimoneSupportName, mib.Text("x")), cell(mib.SimoneSupportAddress, mib.Text(address)),
			cell(mib.SimoneSupportKind, mib.Integer(int32(mib.KindLeaf))), cell(mib.SimoneSupportProfile, mib.Text("simone")),
			cell(mib.SimoneSupportCredential, mib.Text("tree")), cell(mib.SimoneSupportRowStatus, mib.Integer(4)),
		}
	}
	for _, test := range []struct {
		name   string
		only   string // member, if not all
		vars   []mib.Variable
		status mib.ErrorStatus
		index  int
		words  string // of simoneIlmError; none for what never reaches a manager
	}{
		{"wrong type", "", []mib.Variable{scalar(mib.SimoneIlmAdminStatus, mib.Text("up"))}, mib.WrongType, 1, ""},
		{"wrong type of a threshold", "tlm", []mib.Variable{scalar(mib.SimoneThresholdSplit, mib.Integer(5))}, mib.WrongType, 1, ""},
		{"no number", "tlm", []mib.Variable{scalar(mib.SimoneThresholdSplit, mib.Text("warm"))}, mib.WrongValue, 1, ""},
		{"thresholds out of order", "tlm", []mib.Variable{scalar(mib.SimoneThresholdSplit, mib.Decimal(0.01))}, mib.InconsistentValue, 1, "simoneThresholdSplit"},
		{"unknown node", "tlm", []mib.Variable{scalar(mib.SimoneReconfigDrain, mib.Gauge(4711))}, mib.WrongValue, 1, "4711"},
		{"read-only", "", []mib.Variable{scalar(mib.SimoneIlmDigest, mib.Octets(make([]byte, 12)))}, mib.NotWritable, 1, ""},
		{"no such object", "", []mib.Variable{{Name: mib.SimoneMIB.Append(1, 99, 1, 0), Value: mib.Integer(1)}}, mib.NotWritable, 1, ""},
		{"outside the view", "", []mib.Variable{{Name: mib.MustOID("1.3.6.1.2.1.1.5.0"), Value: mib.Text("mine")}}, mib.NoAccess, 1, ""},
		{"second of two", "", []mib.Variable{scalar(mib.SimoneNodeMetricPeriod, mib.Gauge(60_000)), scalar(mib.SimoneIlmAdminStatus, mib.Integer(99))}, mib.WrongValue, 2, ""},
		{"row with a bad address", "", columns("nowhere"), mib.WrongValue, 3, "nowhere"},
		{"row with a name for an address", "", columns("host.example.net:161"), mib.WrongValue, 3, "host.example.net"},
		{"row without a fence", "", columns("127.0.0.1:1")[1:], mib.InconsistentValue, 1, "begins with simoneIlmFence.0"},
		{"packed row with a bad address", "", []mib.Variable{under(next), apply(badAddress)}, mib.WrongValue, 2, "nowhere"},
		{"packed row with an unknown credential", "", []mib.Variable{under(next), apply(badCredential)}, mib.ResourceUnavailable, 2, "stolen"},
		{"packed row cut short", "", []mib.Variable{under(next), scalar(mib.SimoneIlmApply, mib.Octets(packed[:len(packed)-3]))}, mib.WrongValue, 2, ""},
		{"packed nonsense", "", []mib.Variable{under(next), scalar(mib.SimoneIlmApply, mib.Text("nonsense"))}, mib.WrongValue, 2, ""},
		{"stale fence", "", []mib.Variable{under(stale), apply(row)}, mib.InconsistentValue, 1, "lower than the one seen"},
		{"same fence, other content", "", []mib.Variable{under(fence), apply(row)}, mib.InconsistentValue, 1, "used already"},
		{"short fence", "", []mib.Variable{scalar(mib.SimoneIlmFence, mib.Octets(make([]byte, 27))), apply(row)}, mib.WrongLength, 1, ""},
		{"announcement of an older manager", ilmOnly, []mib.Variable{
			scalar(mib.SimoneNodeEpoch, mib.Octets(make([]byte, 16))), scalar(mib.SimoneNodeParentId, mib.Gauge(9)),
		}, mib.InconsistentValue, 1, ""},
	} {
		if test.only == "tlm" && member != "tlm" || test.only == ilmOnly && member == "tlm" {
			continue
		}
		t.Run(member+"/"+test.name, func(t *testing.T) {
			r := tr.client.set(at, test.vars...)
			why := tr.text(member, mib.SimoneIlmError)
			if r.Err != nil || r.Status != test.status || r.Index != test.index {
				t.Errorf("%v, %v at %d; want %v at %d (simoneIlmError: %s)", r.Err, r.Status, r.Index, test.status, test.index, why)
			}
			if !strings.Contains(why, test.words) {
				t.Errorf("simoneIlmError says %q, nothing of %q", why, test.words)
			}
		})
	}
}

const ilmOnly = "ilm"
