package ctl

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"simone/mib"
)

// healthy makes a fleet in which doctor finds nothing.
func healthy(t *testing.T) *fleet {
	f := newFleet(t)
	f.node(5, "n5", leaf5At, 2, mib.KindLeaf, mib.PollUp, 900)
	return f
}

// crowd adds so many nodes that one does not matter.
func crowd(f *fleet) {
	for id := range mib.NodeID(10) {
		f.node(20+id, "more", "127.83.1.1:161", 2, mib.KindDevice, mib.PollUp, 100)
	}
}

// diagnosis runs doctor and gives its checks by name.
func diagnosis(t *testing.T, args ...string) (map[string]Check, result) {
	t.Helper()
	r := simonectl(t, append([]string{"-o", "json", "--timeout", "700ms", "--retries", "0", "doctor"}, args...)...)
	var checks []Check
	if err := json.Unmarshal([]byte(r.stdout), &checks); err != nil {
		t.Fatalf("%v: %v\n%s", err, r.err, r.stdout)
	}
	by := make(map[string]Check)
	for _, k := range checks {
		if _, twice := by[k.Name]; twice {
			t.Errorf("check %q is there twice", k.Name)
		}
		by[k.Name] = k
		if (k.Status == OK) != (k.Remedy == "") {
			t.Errorf("check %q is %s, and its remedy is %q", k.Name, k.Status, k.Remedy)
		}
	}
	return by, r
}

func TestDoctorHealthy(t *testing.T) {
	healthy(t)
	r := simonectl(t, "doctor")
	if r.err != nil {
		t.Fatal(r.err)
	}
	golden(t, "doctor", r.stdout)
}

// TestDoctor: each check finds what it is for, and only a failed one fails
// the command.
func TestDoctor(t *testing.T) {
	for _, c := range []struct {
		name   string
		break_ func(*fleet)
		check  string
		status Health
		says   string
	}{
		{"Versions", func(f *fleet) { f.b.put(mib.SimoneNodeSoftware, mib.Text("simoned 0.9")) }, "versions", Warn, `ilm-b (3) runs "simoned 0.9"`},
		{"SilentILM", func(f *fleet) {
			f.tlm.table(mib.SimoneTreeEntry).put(mib.OID{3}, mib.SimoneTreeOperStatus, mib.Integer(int32(mib.IlmDown)))
		}, "silent ILMs", Fail, "ilm-b (3) at " + ilmBAt},
		{"UnreachableFromHere", func(f *fleet) { f.b.stop() }, "ILMs from here", Fail, "ilm-b (3): nobody answers at " + ilmBAt},
		{"NeverClaimed", func(f *fleet) { f.b.put(mib.SimoneIlmFence, mib.Octets(mib.Fence{}.Append(nil))) }, "claims", Fail, "ilm-b (3) was never claimed"},
		{"ClaimedByAnother", func(f *fleet) { f.b.put(mib.SimoneIlmFence, mib.Octets(mib.Fence{Parent: 99, Seq: 1}.Append(nil))) }, "claims", Fail, "claimed by node 99, and its manager is 1"},
		{"NoILMAnyMore", func(f *fleet) { f.b.put(mib.SimoneIlmOperStatus, mib.Integer(int32(mib.IlmDown))) }, "claims", Fail, "ilm-b (3) says that it is down"},
		{"Forgotten", func(f *fleet) { f.b.put(mib.SimoneIlmLease, mib.Gauge(65000)) }, "claims", Fail, "last asked by its manager 1m5s ago"},
		{"NoRounds", func(f *fleet) { f.tlm.put(mib.SimoneIlmLastRound, mib.Gauge(3001)) }, "windows", Warn, "tlm (1) completed its last trigger window 3s ago, and they take 1s"},
		{"NoRoundYet", func(f *fleet) { f.b.put(mib.SimoneIlmLastRound, mib.Gauge(mib.Never)) }, "windows", Warn, "ilm-b (3) has not completed a trigger window yet"},
		{"Clock", func(f *fleet) {
			f.a.table(mib.SimoneMetricEntry).put(mib.OID{0, mib.MetricNumber(mib.ProfileSimone, "load1"), 0},
				mib.SimoneMetricTime, func() mib.Value { return mib.DateAndTime(time.Now().Add(-time.Hour)) })
		}, "clocks", Warn, "that of ilm-a (2) is off by -59m"},
		{"NoOwner", func(f *fleet) { f.node(4, "n4", leaf4At, 0, mib.KindLeaf, mib.PollWaiting, mib.Never) }, "owners", Fail, "n4 (4)"},
		{"NoSampleYet", func(f *fleet) { crowd(f); f.node(4, "n4", leaf4At, 2, mib.KindLeaf, mib.PollWaiting, mib.Never) }, "first samples", Warn, "n4 (4) has no sample yet"},
		{"Failing", func(f *fleet) { crowd(f); f.node(5, "n5", leaf5At, 2, mib.KindLeaf, mib.PollFailing, 65000) }, "failing nodes", Warn, "n5 (5) at " + leaf5At + ", last sample 1m5s ago"},
		{"Coverage", func(f *fleet) { f.node(5, "n5", leaf5At, 2, mib.KindLeaf, mib.PollFailing, 65000) }, "coverage", Fail, "7 of 8 nodes have a recent sample"},
		{"NearlyCovered", func(f *fleet) {
			crowd(f)
			f.node(5, "n5", leaf5At, 2, mib.KindLeaf, mib.PollFailing, 65000)
		}, "coverage", Warn, "17 of 18 nodes have a recent sample"},
		{"Settings", func(f *fleet) { f.c.put(mib.SimonePolicy, mib.Text("balance")) }, "settings", Warn, "ilm-c (6) goes by policy balance"},
		{"LowerILMFromHere", func(f *fleet) { f.c.stop() }, "ILMs from here", Fail, "ilm-c (6): nobody answers at " + ilmCAt},
		{"Subtree", func(f *fleet) { f.a.put(mib.SimoneIlmSubtreeDigest, mib.Octets(mib.Digest{Count: 1}.Append(nil))) }, "subtrees", Warn, "ilm-a (2) was given 2 nodes, and 1 are polled in its subtree"},
		{"Store", func(f *fleet) {
			t := f.tlm.table(mib.SimoneEventEntry)
			t.mu.Lock()
			defer t.mu.Unlock()
			clear(t.rows)
		}, "store", Fail, "cannot read its events"},
		{"StaleFence", func(f *fleet) { f.c.put(mib.SimoneIlmStaleFences, mib.Counter32(1)) }, "stale fences", Warn, "ilm-c (6) refused 1 SET of an older manager"},
		{"Dropped", func(f *fleet) { f.c.put(mib.SimoneIlmLogDropped, mib.Counter32(12)) }, "report logs", Warn, "ilm-c (6) dropped 12 records"},
		{"Shed", func(f *fleet) { f.c.put(mib.SimoneIlmShedShare, mib.Hundredths(12.5)) }, "shed polls", Warn, "ilm-c (6) leaves out 12.5% of its polls"},
		{"Paused", func(f *fleet) { f.tlm.put(mib.SimoneReconfigPaused, mib.Truth(true)) }, "planned moves", Warn, "paused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := healthy(t)
			c.break_(f)
			checks, r := diagnosis(t)
			k := checks[c.check]
			if k.Status != c.status || !strings.Contains(k.Detail, c.says) {
				t.Errorf("check %q: %+v", c.check, k)
			}
			want := ExitOK
			if c.status == Fail {
				want = ExitFailed
			}
			if r.code != want {
				t.Errorf("exit code %d, want %d: %v", r.code, want, r.err)
			}
		})
	}
	t.Run("Unreachable", func(t *testing.T) {
		checks, r := diagnosis(t, "-a", leaf5At)
		k := checks["reachable"]
		if k.Status != Fail || !strings.Contains(k.Detail, "nobody answers") || !strings.Contains(k.Remedy, "check --address") || r.code != ExitFailed {
			t.Errorf("%+v, exit code %d", k, r.code)
		}
	})
}

// TestLocalChecks looks at made-up machines.
func TestLocalChecks(t *testing.T) {
	const udp = "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\nUdp: 100 2 3 90 %s 0\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		env   map[string]string
		check string
		want  Health // empty: no such check
		says  string
	}{
		{"NoProc", nil, nil, "UDP buffer", "", ""},
		{"NoProcNet", nil, nil, "UDP losses", "", ""},
		{"SmallBuffer", map[string]string{"proc/sys/net/core/rmem_max": "212992\n"}, nil, "UDP buffer", Warn, "grants 208 KiB, and managers ask for 4096"},
		{"LargeBuffer", map[string]string{"proc/sys/net/core/rmem_max": "8388608\n"}, nil, "UDP buffer", OK, "8192 KiB"},
		{"NoLosses", map[string]string{"proc/net/snmp": strings.Replace(udp, "%s", "0", 1)}, nil, "UDP losses", OK, "no datagram"},
		{"Losses", map[string]string{"proc/net/snmp": "Ip: Forwarding\nIp: 1\n" + strings.Replace(udp, "%s", "17", 1)}, nil, "UDP losses", Warn, "17 datagrams"},
		{"OtherKernel", map[string]string{"proc/net/snmp": "Udp: InDatagrams\nUdp: 1\n"}, nil, "UDP losses", "", ""},
		{"NoMIBs", nil, nil, "walks by name", Warn, "SNMPv2-SMI, SNMPv2-TC, SNMPv2-CONF, SIMONE-MIB"},
		{"SomeMIBs", map[string]string{
			"home/.snmp/mibs/SIMONE-MIB.txt": "x", "usr/share/snmp/mibs/ietf/SNMPv2-SMI": "x", "usr/share/snmp/mibs/SNMPv2-TC.mib": "x",
		}, map[string]string{"HOME": "home"}, "walks by name", Warn, "directories: SNMPv2-CONF; "},
		{"AllMIBs", map[string]string{
			"home/.snmp/mibs/SIMONE-MIB.txt": "x", "a/SNMPv2-SMI.mib": "x", "b/SNMPv2-TC.mib": "x", "b/SNMPv2-CONF.mib": "x",
		}, map[string]string{"HOME": "home", "MIBDIRS": "+a:b"}, "walks by name", OK, "find SIMONE-MIB"},
		{"MIBDIRSInsteadOfAll", map[string]string{"home/.snmp/mibs/SIMONE-MIB.txt": "x"},
			map[string]string{"HOME": "home", "MIBDIRS": "a"}, "walks by name", Warn, "SIMONE-MIB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			t.Chdir(root)
			for name, text := range c.files {
				file := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			o, _, _ := surroundings(c.env)
			o.root = root
			var got Check
			for _, k := range o.localChecks() {
				if k.Name == c.check {
					got = k
				}
			}
			if got.Status != c.want || !strings.Contains(got.Detail, c.says) {
				t.Errorf("%+v", got)
			}
		})
	}
}
