package frontends

import (
	"strings"
	"testing"

	"simone/mib"
)

// What net-snmp does in its own way, whatever a subagent answers.
const (
	v1HasNoGenErr     = "net-snmp answers a GET of v1 with noSuchName whatever went wrong in a subagent"
	bulkLeavesTheView = "net-snmp cannot build the answer to a GETBULK when one of several columns leaves a view with exclusions (\"snmp_build: unknown failure\"), and cannot with objects of its own either"
	bulkEndsTooSoon   = "net-snmp ends a GETBULK after the row in which the first column is at the end of the view; RFC 3416 lets it when all are"
)

// reads are the requests that change nothing.
func reads() []request {
	at0 := mib.Instance
	one := func(names ...mib.OID) []mib.OID { return names }
	name, fence, count := at0(mib.SimoneNodeName), at0(mib.SimoneIlmFence), at0(mib.SimoneIlmSupportCount)
	outside := mib.MustOID("1.3.6.1.2.1.1.5.0")
	last := object(2, 18, 0)
	var out []request
	add := func(r request) { out = append(out, r.complete()) }

	// Every type, with every version.
	for _, version := range []string{"1", "2c", "3"} {
		var every []mib.OID
		for i, v := range values() {
			n := object(1, uint32(i+1), 0)
			says := n.String()
			if version == "1" && v.Type == mib.TypeCounter64 {
				says = "noSuchName at 1" // RFC 3584, section 4.2.2.1
			} else {
				every = append(every, n)
			}
			add(request{name: "Get/v" + version + "/" + v.Type.String(), verb: "get", version: version, names: one(n), says: says})
		}
		add(request{name: "Get/v" + version + "/EveryType", verb: "get", version: version, names: every, says: "noError"})
		add(request{name: "Get/v" + version + "/Groups", verb: "get", version: version, names: one(name, fence, count, at0(mib.SimoneTemperatureStu)), says: "noError"})
		add(request{name: "Get/v" + version + "/Row", verb: "get", version: version, says: "noError",
			names: one(mib.SimoneSupportName.Append(21), mib.SimoneSupportAddress.Append(21), mib.SimoneSupportEpoch.Append(21), mib.SimoneSupportRowStatus.Append(21))})
		panics := request{name: "Get/v" + version + "/Panic", verb: "get", version: version, names: one(name, object(3, 1, 0), count), says: "genErr at 2"}
		if version == "1" {
			panics.apart, panics.snmpd = v1HasNoGenErr, "noSuchName"
		}
		add(panics)
		add(request{name: "GetNext/v" + version + "/Columns", verb: "next", version: version, says: mib.SimoneSupportName.Append(22).String(),
			names: one(mib.SimoneSupportName.Append(21), mib.SimoneSupportKind, mib.SimoneSupportRowStatus.Append(23), mib.SimoneMIB)})
		add(request{name: "GetNext/v" + version + "/OverTheCounter64", verb: "next", version: version, names: one(object(1, 7, 0)), says: "noError"})
		add(request{name: "Walk/v" + version, verb: "walk", version: version, names: one(mib.SimoneMIB), says: last.String()})
		if version != "1" {
			add(request{name: "BulkWalk/v" + version, verb: "bulkwalk", version: version, names: one(mib.SimoneMIB), says: last.String()})
		}
	}

	// Exceptions (RFC 3416, sections 4.2.1 and 4.2.2), and what v1 has for them.
	for _, x := range []struct {
		name string
		oid  mib.OID
	}{
		{"OtherInstance", mib.SimoneNodeName.Append(1)},
		{"NoInstance", mib.SimoneNodeName},
		{"NoRow", mib.SimoneSupportName.Append(24)},
		{"IndexTooLong", mib.SimoneSupportName.Append(21, 1)},
		{"NoColumn", mib.SimoneSupportEntry.Append(99, 21)},
		{"NotAccessible", mib.SimoneSupportEntry.Append(1, 21)},
		{"NoObject", object(77, 0)},
		{"Root", mib.SimoneMIB},
		{"OutsideTheView", outside},
	} {
		add(request{name: "Get/Exception/" + x.name, verb: "get", names: one(x.oid), says: "NoSuch"})
		add(request{name: "Get/Exception/v1/" + x.name, verb: "get", version: "1", names: one(name, x.oid), says: "noSuchName at 2"})
	}
	add(request{name: "Get/Exception/AmongOthers", verb: "get", names: one(name, mib.SimoneSupportName.Append(24), object(77, 0), count), says: "NoSuchInstance"})
	add(request{name: "GetNext/EndOfMibView", verb: "next", names: one(usmStats().Append(6, 0)), says: "EndOfMibView"})
	add(request{name: "GetNext/EndOfMibView/AmongOthers", verb: "next", names: one(name, usmStats().Append(7), count), says: "EndOfMibView"})
	add(request{name: "GetNext/EndOfMibView/v1", verb: "next", version: "1", names: one(name, usmStats().Append(6, 0)), says: "noSuchName at 2"})
	add(request{name: "GetNext/LeavesTheSubtree", verb: "next", who: "operator", names: one(object(1, 10, 0)), says: "EndOfMibView"})

	// GETBULK (RFC 3416, section 4.2.3).
	bulk := func(label string, nonRepeaters, maxRepetitions int, says string, names ...mib.OID) {
		for _, version := range []string{"2c", "3"} {
			add(request{name: "GetBulk/v" + version + "/" + label, verb: "bulk", version: version, names: names,
				nonRepeaters: nonRepeaters, maxRepetitions: maxRepetitions, says: says})
		}
	}
	bulk("OneColumn", 0, 3, mib.SimoneSupportName.Append(22).String(), mib.SimoneSupportName)
	bulk("Columns", 0, 4, mib.SimoneSupportAddress.Append(23).String(), mib.SimoneSupportName, mib.SimoneSupportAddress, mib.SimoneSupportKind)
	bulk("PastTheColumn", 0, 10, mib.SimoneSupportAddress.Append(20).String(), mib.SimoneSupportName)
	bulk("NonRepeaters", 2, 3, object(1, 3, 0).String(), mib.SimoneNodeName, mib.SimoneIlmFence, object(1), object(2))
	bulk("NonRepeatersOnly", 2, 0, name.String(), mib.SimoneNodeName, mib.SimoneIlmFence, object(1))
	bulk("MoreNonRepeatersThanNames", 9, 5, name.String(), mib.SimoneNodeName, mib.SimoneIlmFence)
	bulk("NoRepetitions", 0, 0, "noError", mib.SimoneNodeName)
	bulk("EndOfMibView", 0, 3, "EndOfMibView", usmStats().Append(6, 0))
	bulk("EndOfMibViewOnTheWay", 0, 4, "EndOfMibView", usmStats().Append(4, 0))
	bulk("EndOfMibViewInOneColumn", 0, 3, "EndOfMibView", usmStats().Append(6, 0), mib.SimoneSupportName)
	for i := len(out) - 2; i < len(out); i++ {
		out[i].apart = bulkEndsTooSoon
	}
	bulk("EndOfMibViewNonRepeater", 1, 2, "EndOfMibView", usmStats().Append(6, 0), mib.SimoneSupportName)
	bulk("All", 0, 2000, last.String(), mib.SimoneSupportName)

	// Views: who may see what.
	for _, n := range []mib.OID{fence, name, object(1, 1, 0), object(1, 2, 0), object(2, 1, 0)} {
		add(request{name: "View/Get/" + mib.NameOf(n), verb: "get", who: "operator", names: one(n), says: n.String()})
		add(request{name: "View/GetNext/" + mib.NameOf(n), verb: "next", who: "operator", names: one(n), says: "noError"})
	}
	add(request{name: "View/GetBulk", verb: "bulk", who: "operator", names: one(mib.SimoneMIB), maxRepetitions: 12, says: "EndOfMibView"})
	add(request{name: "View/GetBulk/Columns", verb: "bulk", who: "operator", names: one(mib.SimoneMIB, object(1, 1)), maxRepetitions: 8, says: object(1, 10, 0).String()})
	add(request{name: "View/GetBulk/ColumnsToTheEnd", verb: "bulk", who: "operator", names: one(mib.SimoneMIB, object(1, 1)), maxRepetitions: 12, says: "EndOfMibView",
		apart: bulkLeavesTheView, snmpd: "genErr"})
	for _, verb := range []string{"walk", "bulkwalk"} {
		add(request{name: "View/" + verb, verb: verb, who: "operator", names: one(mib.SimoneMIB), says: object(1, 10, 0).String()})
		add(request{name: "View/Monitor/" + verb, verb: verb, version: "3", who: "monitor", names: one(mib.SimoneSupport), says: mib.SimoneSupportName.Append(20).String()})
	}
	return out
}

// TestReadsAreAnsweredAlike: one tree, two front ends, one answer.
func TestReadsAreAnsweredAlike(t *testing.T) {
	a, b := both(t)
	for _, r := range reads() {
		t.Run(r.name, func(t *testing.T) {
			one, two := r.byGoSNMP(t, a), r.byGoSNMP(t, b)
			r.compare(t, "gosnmp", one, two)
			if !strings.Contains(one, r.says) {
				t.Errorf("%q is not in the answer\n%s", r.says, one)
			}
			if r.verb == "bulk" && r.nonRepeaters > len(r.names) {
				return // snmpbulkget will not ask that
			}
			r.compare(t, "net-snmp", r.byTool(t, a), r.byTool(t, b))
		})
	}
}

// compare compares what the two said to one asker.
func (r request) compare(t *testing.T, asker, responder, snmpd string) {
	t.Helper()
	switch {
	case r.apart == "":
		same(t, asker, responder, snmpd)
	case responder == snmpd:
		t.Errorf("asked by %s, both answer alike, against what is written of snmpd: %s", asker, r.apart)
	case r.snmpd != "" && !strings.Contains(snmpd, r.snmpd), r.snmpd == "" && !strings.HasPrefix(responder, snmpd):
		t.Errorf("asked by %s, snmpd says\n%s\nwhich is not that %s", asker, snmpd, r.apart)
	}
}

// same compares what the two said to one asker, and shows the first lines that
// differ.
func same(t *testing.T, asker, responder, snmpd string) {
	t.Helper()
	if responder == snmpd {
		return
	}
	a, b := strings.Split(responder, "\n"), strings.Split(snmpd, "\n")
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			t.Errorf("asked by %s, line %d of %d and %d:\nresponder: %s\nsnmpd:     %s", asker, i+1, len(a), len(b), x, y)
			return
		}
	}
}
