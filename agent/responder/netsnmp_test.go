package responder

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"simone/internal/snmp"
	"simone/mib"
)

// common are the arguments that every tool gets.
func common(version, community string, r *Responder, more ...string) []string {
	return append([]string{"-v" + version, "-c", community, "-On", "-r0", "-t2", r.Addr().String()}, more...)
}

// shown is how the tools print values().
func shown() []string {
	return []string{
		"INTEGER: -42",
		`STRING: "hello"`,
		"OID: .1.3.6.1.4.1.8072",
		"IpAddress: 192.0.2.7",
		"Counter32: 4294967295",
		"Gauge32: 2147483648",
		"Timeticks: (4711) 0:00:47.11",
		"Counter64: 18446744073709551615",
		"Opaque: Float: 1.000000",
	}
}

func TestNetSNMPGet(t *testing.T) {
	r := start(t, testConfig())
	for _, version := range []string{"1", "2c"} {
		for i, want := range shown() {
			t.Run(fmt.Sprintf("v%s/%d", version, i+1), func(t *testing.T) {
				name := object(1, uint32(i+1), 0).String()
				out, failed := tool(t, "snmpget", common(version, "public", r, name)...)
				if version == "1" && values()[i].Type == mib.TypeCounter64 {
					if !failed || !strings.Contains(out, "noSuchName") {
						t.Errorf("v1 shows a Counter64: %s", out)
					}
					return
				}
				if failed || out != name+" = "+want {
					t.Errorf("got %q, not %q", out, want)
				}
			})
		}
	}
	for _, tt := range []struct{ name, version, oid, want string }{
		{"NoSuchInstance", "2c", object(1, 1, 1).String(), "No Such Instance"},
		{"NoSuchObject", "2c", "1.3.6.1.3.1.0", "No Such Object"},
		{"NoSuchNameV1", "1", "1.3.6.1.3.1.0", "Reason: (noSuchName)"},
		{"SysName", "2c", "1.3.6.1.2.1.1.5.0", `STRING: "n1"`},
		{"SysObjectID", "1", "1.3.6.1.2.1.1.2.0", "OID: " + playpen().String()},
		{"Panic", "2c", object(3, 1, 0).String(), "Reason: (genError)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if out, _ := tool(t, "snmpget", common(tt.version, "public", r, tt.oid)...); !strings.Contains(out, tt.want) {
				t.Errorf("got %q, not %q", out, tt.want)
			}
		})
	}
	t.Run("UnknownCommunity", func(t *testing.T) {
		before := r.Stats().InBadCommunityNames
		out, failed := tool(t, "snmpget", "-v2c", "-c", "guess", "-r0", "-t0.2", r.Addr().String(), "1.3.6.1.2.1.1.5.0")
		if !failed || !strings.Contains(out, "Timeout") || r.Stats().InBadCommunityNames != before+1 {
			t.Errorf("got %q, %+v", out, r.Stats())
		}
	})
}

func TestNetSNMPNextAndBulk(t *testing.T) {
	r := start(t, testConfig())
	lines := func(s string) []string { return strings.Split(s, "\n") }
	t.Run("GetNext", func(t *testing.T) {
		for _, version := range []string{"1", "2c"} {
			out, _ := tool(t, "snmpgetnext", common(version, "public", r, object(1).String(), object(1, 1, 0).String())...)
			want := object(1, 1, 0).String() + " = " + shown()[0] + "\n" + object(1, 2, 0).String() + " = " + shown()[1]
			if out != want {
				t.Errorf("v%s: got %q, not %q", version, out, want)
			}
		}
	})
	t.Run("GetNextSkipsCounter64InV1", func(t *testing.T) {
		out, _ := tool(t, "snmpgetnext", common("1", "public", r, object(1, 7, 0).String())...)
		if want := object(1, 9, 0).String() + " = " + shown()[8]; out != want {
			t.Errorf("got %q, not %q", out, want)
		}
	})
	t.Run("GetNextAtEnd", func(t *testing.T) {
		if out, _ := tool(t, "snmpgetnext", common("1", "public", r, "1.3.7")...); !strings.Contains(out, "noSuchName") {
			t.Errorf("v1: %q", out)
		}
		if out, _ := tool(t, "snmpgetnext", common("2c", "public", r, "1.3.7")...); !strings.Contains(out, "No more variables left") {
			t.Errorf("v2c: %q", out)
		}
	})
	t.Run("BulkGet", func(t *testing.T) {
		args := append([]string{"-Cn1", "-Cr3"}, common("2c", "public", r, "1.3.6.1.2.1.1.4", object(1).String(), object(2).String())...)
		out, _ := tool(t, "snmpbulkget", args...)
		want := []string{".1.3.6.1.2.1.1.4.0 = STRING: \"ops\""}
		for i := range uint32(3) {
			want = append(want, object(1, i+1, 0).String()+" = "+shown()[i],
				object(2, i+1, 0).String()+" = INTEGER: "+strconv.Itoa(int(i+1)))
		}
		if out != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nnot\n%s", out, strings.Join(want, "\n"))
		}
	})
	t.Run("BulkWalk", func(t *testing.T) {
		out, failed := tool(t, "snmpbulkwalk", common("2c", "public", r, object(1).String())...)
		got := lines(out)
		if failed || len(got) != len(shown()) {
			t.Fatalf("got %d lines: %s", len(got), out)
		}
		for i, l := range got {
			if want := object(1, uint32(i+1), 0).String() + " = " + shown()[i]; l != want {
				t.Errorf("got %q, not %q", l, want)
			}
		}
	})
	t.Run("WalkOfAllIsTheSameEachWay", func(t *testing.T) {
		// The counters change on the way; leave their values off.
		names := func(s string) string {
			var b strings.Builder
			for _, l := range lines(s) {
				name, _, _ := strings.Cut(l, " = ")
				if strings.HasPrefix(name, ".1.3") && !strings.HasSuffix(l, "No more variables left in this MIB View (It is past the end of the MIB tree)") {
					b.WriteString(name + "\n")
				}
			}
			return b.String()
		}
		bulk, failed := tool(t, "snmpbulkwalk", common("2c", "public", r, "1.3.6.1")...)
		walk, failed2 := tool(t, "snmpwalk", common("2c", "public", r, "1.3.6.1")...)
		if failed || failed2 || names(bulk) != names(walk) {
			t.Errorf("bulk walk:\n%s\nwalk:\n%s", names(bulk), names(walk))
		}
		if n := strings.Count(names(walk), "\n"); n != 7+20+9+18+5 {
			t.Errorf("%d variables", n)
		}
		v1, failed := tool(t, "snmpwalk", common("1", "public", r, "1.3.6.1")...)
		want := strings.Replace(names(walk), object(1, 8, 0).String()+"\n", "", 1)
		if failed || names(v1) != want {
			t.Errorf("v1:\n%s\nnot\n%s", v1, want)
		}
	})
}

func TestNetSNMPSet(t *testing.T) {
	r := start(t, testConfig())
	sets := []struct{ kind, value, want string }{
		{"i", "-7", "INTEGER: -7"},
		{"s", "changed", `STRING: "changed"`},
		{"o", ".1.3.6.1", "OID: .1.3.6.1"},
		{"a", "127.0.0.9", "IpAddress: 127.0.0.9"},
		{"", "", ""}, // snmpset knows no Counter32
		{"u", "3000000000", "Gauge32: 3000000000"},
		{"t", "100", "Timeticks: (100) 0:00:01.00"},
	}
	for i, tt := range sets {
		if tt.kind == "" {
			continue
		}
		t.Run("Type_"+tt.kind, func(t *testing.T) {
			name := object(1, uint32(i+1), 0).String()
			out, failed := tool(t, "snmpset", common("2c", "private", r, name, tt.kind, tt.value)...)
			if failed || out != name+" = "+tt.want {
				t.Errorf("set: %s", out)
			}
			if out, _ := tool(t, "snmpget", common("2c", "public", r, name)...); out != name+" = "+tt.want {
				t.Errorf("get: %s", out)
			}
		})
	}

	// RFC 3416 names every status; RFC 3584, section 4.4, maps them for v1.
	for _, tt := range []struct {
		status mib.ErrorStatus
		v2, v1 string
	}{
		{mib.TooBig, "tooBig", "tooBig"},
		{mib.NoSuchName, "noSuchName", "noSuchName"},
		{mib.BadValue, "badValue", "badValue"},
		{mib.ReadOnly, "readOnly", "readOnly"},
		{mib.GenErr, "genError", "genError"},
		{mib.NoAccess, "noAccess", "noSuchName"},
		{mib.WrongType, "wrongType", "badValue"},
		{mib.WrongLength, "wrongLength", "badValue"},
		{mib.WrongEncoding, "wrongEncoding", "badValue"},
		{mib.WrongValue, "wrongValue", "badValue"},
		{mib.NoCreation, "noCreation", "noSuchName"},
		{mib.InconsistentValue, "inconsistentValue", "badValue"},
		{mib.ResourceUnavailable, "resourceUnavailable", "genError"},
		{mib.CommitFailed, "commitFailed", "genError"},
		{mib.UndoFailed, "undoFailed", "genError"},
		{mib.AuthorizationError, "authorizationError", "noSuchName"},
		{mib.NotWritable, "notWritable", "noSuchName"},
		{mib.InconsistentName, "inconsistentName", "noSuchName"},
	} {
		for version, want := range map[string]string{"1": tt.v1, "2c": tt.v2} {
			t.Run(tt.status.String()+"/v"+version, func(t *testing.T) {
				name := object(2, uint32(tt.status), 0).String()
				out, failed := tool(t, "snmpset", common(version, "private", r, name, "i", "1")...)
				if !failed || !strings.Contains(out, "("+want) && !strings.Contains(out, want) {
					t.Errorf("got %q, not %s", out, want)
				}
			})
		}
	}
	for _, tt := range []struct{ name, community, version, oid, want string }{
		{"ReadCommunity", "public", "2c", object(1, 1, 0).String(), "authorizationError"},
		{"ReadCommunityV1", "public", "1", object(1, 1, 0).String(), "noSuchName"},
		{"OutsideTheView", "operator", "2c", object(2, 1, 0).String(), "noAccess"},
		{"ExcludedFromTheView", "operator", "2c", object(1, 1, 0).String(), "noAccess"},
		{"NoHandler", "private", "2c", "1.3.6.1.3.1.0", "notWritable"},
		{"PanicInTest", "private", "2c", object(3, 1, 0).String(), "genError"},
		{"PanicInCommit", "private", "2c", object(3, 2, 0).String(), "genError"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if out, _ := tool(t, "snmpset", common(tt.version, tt.community, r, tt.oid, "i", "1")...); !strings.Contains(out, tt.want) {
				t.Errorf("got %q, not %s", out, tt.want)
			}
		})
	}
	t.Run("AllOrNothing", func(t *testing.T) {
		good, bad := object(1, 1, 0).String(), object(1, 2, 0).String()
		out, _ := tool(t, "snmpset", common("2c", "private", r, good, "i", "99", bad, "i", "99")...)
		if !strings.Contains(out, "wrongType") || !strings.Contains(out, "Failed object: "+bad) {
			t.Errorf("got %q", out)
		}
		if out, _ := tool(t, "snmpget", common("2c", "public", r, good)...); out != good+" = INTEGER: -7" {
			t.Errorf("the good half was written: %s", out)
		}
	})
}

func TestNetSNMPNotifications(t *testing.T) {
	got := make(chan snmp.Notification, 10)
	cfg := testConfig()
	cfg.Notify = func(n snmp.Notification) bool { got <- n; return true }
	r := start(t, cfg)
	trap := playpen().Append(0, 1).String()
	more := []string{"", trap, object(1, 2, 0).String(), "s", "uuid"}
	for _, name := range []string{"snmpinform", "snmptrap"} {
		t.Run(name, func(t *testing.T) {
			out, failed := tool(t, name, common("2c", "join", r, more...)...)
			if failed {
				t.Fatal(out)
			}
			n := <-got
			if n.Community != "join" || n.TrapOID.String() != trap || n.Inform != (name == "snmpinform") ||
				len(n.Vars) != 1 || n.Vars[0].Value.String() != "uuid" {
				t.Errorf("got %+v", n)
			}
		})
	}
	t.Run("TrapV1", func(t *testing.T) {
		out, failed := tool(t, "snmptrap", common("1", "join", r, playpen().String(), "127.0.0.1", "6", "3", "")...)
		if failed {
			t.Fatal(out)
		}
		if n := <-got; n.TrapOID.String() != playpen().Append(0, 3).String() {
			t.Errorf("got %+v", n)
		}
	})
	t.Run("NotAllowed", func(t *testing.T) {
		out, failed := tool(t, "snmpinform", append([]string{"-v2c", "-c", "public", "-r0", "-t0.2", r.Addr().String()}, more...)...)
		if !failed || len(got) != 0 || r.Stats().InBadCommunityUses != 1 {
			t.Errorf("%s, %+v", out, r.Stats())
		}
	})
}
