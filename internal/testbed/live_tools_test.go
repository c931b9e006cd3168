//go:build linux

package testbed

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"simone/mib"
)

// tool runs one of net-snmp's tools with the project's MIBs. Without the tool
// the test is skipped, but not in CI.
func tool(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	return toolOn(t, nil, name, args...)
}

// toolOn is tool on a host.
func toolOn(t *testing.T, on *host, name string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing; install the package snmp", name)
		}
		t.Skipf("%s is not installed (package snmp)", name)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	persistent := t.TempDir() // the tools keep things, in the user's home otherwise, and tell of new directories
	if err := os.Mkdir(filepath.Join(persistent, "cert_indexes"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "MIBS=", "SNMPCONFPATH="+t.TempDir(), "SNMP_PERSISTENT_DIR="+persistent, "LC_ALL=C")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if on != nil {
		on.do(func() { err = cmd.Start() })
	} else {
		err = cmd.Start()
	}
	if err == nil {
		err = cmd.Wait()
	}
	return out.String(), err
}

// TestLiveTools: what people have at hand, Debian's snmpwalk, snmptable and
// snmpset, work with a running tree.
func TestLiveTools(t *testing.T) {
	t.Parallel()
	tr := plant(t, 3, time.Second, "tlm:mode=fixed")
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled())
	names, err := tr.names()
	if err != nil {
		t.Fatal(err)
	}
	tlm := tr.tlm().address.String()
	ask := func(community, agent string, more ...string) []string {
		return append([]string{"-v2c", "-c", community, "-r0", "-t3", "-On", agent}, more...)
	}

	t.Run("snmpwalk", func(t *testing.T) {
		for _, m := range tr.sorted() {
			out, err := tool(t, "snmpwalk", ask("public", m.address.String(), "1")...)
			if err != nil {
				t.Fatalf("%s: %v\n%s", m.name, err, out)
			}
			var last mib.OID
			lines := 0
			for line := range strings.Lines(out) {
				name, _, ok := strings.Cut(line, " = ")
				if !ok { // a long value goes on
					continue
				}
				oid, err := mib.ParseOID(name)
				if err != nil {
					t.Fatalf("%s: %v in %q", m.name, err, line)
				}
				if oid.Compare(last) <= 0 && !strings.Contains(line, "No more variables") {
					t.Fatalf("%s: %v comes after %v", m.name, oid, last)
				}
				last = oid
				lines++
			}
			for _, want := range []string{mib.Instance(mib.SimoneNodeName).String() + ` = STRING: "` + m.name + `"`, ".1.3.6.1.2.1.1.5.0 = STRING: \"" + m.name + `"`} {
				if !strings.Contains(out, want) {
					t.Errorf("%s: the walk has no %s", m.name, want)
				}
			}
			t.Logf("%s: %d variables", m.name, lines)
		}
	})

	t.Run("snmptable", func(t *testing.T) {
		base := filepath.Join("..", "..", "mib", "base")
		if _, err := os.Stat(filepath.Join(base, "SNMPv2-TC.mib")); err != nil {
			t.Skip("the base MIB modules are missing; make mibs brings them")
		}
		out, err := tool(t, "snmptable", "-v2c", "-c", "public", "-r0", "-t3", "-m", "SIMONE-MIB", "-M", filepath.Join("..", "..", "mib")+":"+base,
			"-Cf", "|", "-Ci", tlm, "SIMONE-MIB::simoneSupportTable")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		table := strings.Split(strings.TrimSpace(out), "\n")
		if len(table) < 3 || !strings.HasPrefix(table[0], "SNMP table: SIMONE-MIB::simoneSupportTable") {
			t.Fatalf("no table:\n%s", out)
		}
		t.Log(out)
		head := strings.Split(table[2], "|")
		column := func(row, object string) string {
			at := slices.Index(head, object)
			cells := strings.Split(row, "|")
			if at < 0 || len(cells) != len(head) {
				t.Fatalf("no %s in %q", object, row)
			}
			return cells[at]
		}
		found := 0
		for _, row := range table[3:] {
			n, ok := names[column(row, "simoneSupportName")]
			if !ok || column(row, "index") != n.id.String() {
				t.Errorf("who is %q?", row)
				continue
			}
			found++
			for object, want := range map[string]string{
				"simoneSupportAddress": tr.members[n.name].address.String(), "simoneSupportKind": n.kind.String(),
				"simoneSupportInterval": "1000 milliseconds", "simoneSupportOperStatus": "up", "simoneSupportRowStatus": "active",
			} {
				if have := column(row, object); have != want {
					t.Errorf("%s of %s is %q, want %q", object, n.name, have, want)
				}
			}
			if e := column(row, "simoneSupportEpoch"); !regexp.MustCompile(`^1\.\d+/0\.0/0\.0/0\.0$`).MatchString(e) {
				t.Errorf("the epoch of %s reads %q", n.name, e)
			}
		}
		if want := 1 + len(tr.ilms()); found != want {
			t.Errorf("%d rows, want %d", found, want)
		}
	})

	t.Run("snmpset", func(t *testing.T) {
		leaf := ""
		for name, n := range names {
			if n.kind == mib.KindLeaf && name != "tlm" {
				leaf = name
			}
		}
		node := names[leaf].id
		rounds := tr.counter(mib.SimoneReconfigRounds)
		for _, test := range []struct {
			name, kind string
			vars       []string
			event      string
			words      string
		}{
			{"threshold", "tuned", []string{mib.Instance(mib.SimoneThresholdSplit).String(), "s", "25.5"}, "tuned", "25.5"},
			{"drain", "drain", []string{mib.Instance(mib.SimoneReconfigDrain).String(), "u", node.String()}, "drain", "node " + node.String()},
			{"undrain", "undrain", []string{mib.Instance(mib.SimoneReconfigUndrain).String(), "u", node.String()}, "undrain", "node " + node.String()},
			{"trigger", "trigger", []string{mib.Instance(mib.SimoneIlmTrigger).String(), "i", "1"}, "trigger", ""},
			{"pause", "pause", []string{mib.Instance(mib.SimoneReconfigPaused).String(), "i", "1"}, "pause", ""},
			{"resume", "resume", []string{mib.Instance(mib.SimoneReconfigPaused).String(), "i", "2"}, "resume", ""},
		} {
			t.Run(test.name, func(t *testing.T) {
				out, err := tool(t, "snmpset", ask("private", tlm, test.vars...)...)
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				eventually(t, patience, "it stands in simoneEventTable", func() string {
					kinds, err := tr.client.column(tr.tlm().address, mib.SimoneEventKind)
					if err != nil {
						return err.Error()
					}
					texts, err := tr.client.column(tr.tlm().address, mib.SimoneEventText)
					if err != nil {
						return err.Error()
					}
					o, _ := mib.ObjectByOID(mib.SimoneEventKind)
					var all []string
					for seq, k := range kinds {
						all = append(all, string(texts[seq].Bytes))
						if o.Syntax.Format(k) == test.event && strings.Contains(string(texts[seq].Bytes), test.words) {
							return ""
						}
					}
					return fmt.Sprintf("there is no %s with %q in %q", test.event, test.words, all)
				})
			})
		}
		if s := tr.shows("tlm", mib.SimoneThresholdSplit, "25.5")(); s != "" {
			t.Error(s)
		}
		if n := tr.counter(mib.SimoneReconfigRounds); n <= rounds {
			t.Errorf("%d rounds after %d", n, rounds)
		}
		out, err := tool(t, "snmpset", ask("public", tlm, mib.Instance(mib.SimoneThresholdSplit).String(), "s", "1")...)
		if err == nil {
			t.Errorf("the reading community may write: %s", out)
		}
		t.Log(strings.TrimSpace(out))
	})
}
