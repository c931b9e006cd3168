//go:build linux

package testbed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"simone/internal/app/ctl"
	"simone/mib"
	"simone/reconfig"
)

// levelsSplit is a threshold that is set while a tree of levels runs.
const levelsSplit = "123.5"

// simonectl runs a command against the tree's TLM and gives what it prints.
func (tr *tree) simonectl(t *testing.T, args ...string) []byte {
	t.Helper()
	var out, problems bytes.Buffer
	if err := ctl.Main(t.Context(), append([]string{"-a", tr.tlm().address.String()}, args...), &out, &problems); err != nil {
		t.Fatalf("simonectl %s: %v\n%s%s", strings.Join(args, " "), err, &out, &problems)
	}
	return out.Bytes()
}

// rulesHold changes a threshold at the TLM and sees it, and the policy that is
// configured there, by snmpget at the ILMs of the second level, which are told
// by those of the first.
func (tr *tree) rulesHold(t *testing.T) {
	t.Helper()
	tr.simonectl(t, "--write-community", "private", "thresholds", "set", "split="+levelsSplit, "migrate=1000")
	took := eventually(t, levelsPatience, "a threshold that is set at the TLM holds on every level", tr.ruled(t))
	t.Logf("a threshold that was set at the TLM held at %d ILMs after %v", len(tr.lower(t)), took)
}

// rulesLast checks that they hold still, after all that the tree went through.
func (tr *tree) rulesLast(t *testing.T) {
	t.Helper()
	eventually(t, levelsPatience, "the threshold holds on every level", tr.ruled(t))
	var checks []ctl.Check
	if err := json.Unmarshal(tr.simonectl(t, "doctor", "-o", "json"), &checks); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(checks, func(c ctl.Check) bool { return c.Name == "settings" })
	if i < 0 || checks[i].Status != ctl.OK {
		t.Errorf("simonectl doctor, settings: %+v", checks)
	}
}

// lower names the ILMs on both levels.
func (tr *tree) lower(t *testing.T) []string {
	t.Helper()
	s, err := tr.levels()
	if err != nil {
		t.Fatal(err)
	}
	return append(s.managers(1), s.managers(2)...)
}

// ruled says which ILM does not go by the TLM's policy and threshold.
func (tr *tree) ruled(t *testing.T) func() string {
	return func() string {
		lower := tr.lower(t)
		for _, name := range lower {
			out, err := tool(t, "snmpget", "-v2c", "-c", "public", "-r1", "-t3", "-On", "-Ovq", tr.members[name].address.String(),
				mib.Instance(mib.SimonePolicy).String(), mib.Instance(mib.SimoneThresholdSplit).String())
			if words := strings.Fields(strings.ReplaceAll(out, `"`, "")); err != nil || !slices.Equal(words, []string{"paper", levelsSplit}) {
				return fmt.Sprintf("%s goes by %q, %v", name, words, err)
			}
		}
		return ""
	}
}

// tellsEvents: what an ILM with ILMs below does stands in its own
// simoneEventTable, as snmpwalk sees it, and in simonectl events; simonectl and
// simoneTreeTable know the ILMs of both levels.
func (tr *tree) tellsEvents(t *testing.T) {
	t.Helper()
	s, err := tr.levels()
	if err != nil {
		t.Fatal(err)
	}
	m := s.managers(1)[0]
	below := s.below(m)
	at := tr.members[m].address.String()
	kinds, err := tool(t, "snmpwalk", "-v2c", "-c", "public", "-r1", "-t3", "-On", "-Ovq", at, mib.SimoneEventKind.String())
	promotions := 0
	for _, kind := range strings.Fields(kinds) {
		if kind == fmt.Sprint(int(reconfig.KindPromote)) {
			promotions++
		}
	}
	if err != nil || promotions < len(below) {
		t.Errorf("snmpwalk of simoneEventKind at %s: %v, want the promotions of %v:\n%s", m, err, below, kinds)
	}
	rounds, err := tool(t, "snmpget", "-v2c", "-c", "public", "-r1", "-t3", "-On", "-Ovq", at, mib.Instance(mib.SimoneReconfigRounds).String())
	if err != nil || strings.TrimSpace(rounds) == "0" {
		t.Errorf("simoneReconfigRounds of %s is %q, %v", m, rounds, err)
	}

	var events []ctl.Event
	if err := json.Unmarshal(tr.simonectl(t, "events", "-n", "1000", "-o", "json"), &events); err != nil {
		t.Fatal(err)
	}
	told := func(manager, kind, node string) bool {
		return slices.ContainsFunc(events, func(e ctl.Event) bool {
			return e.ManagerName == manager && e.Kind == kind && (node == "" || e.NodeName == node)
		})
	}
	for _, b := range below {
		if !told(m, "promote", b) {
			t.Errorf("simonectl events does not tell that %s promoted %s", m, b)
		}
	}
	if !told("tlm", "promote", m) {
		t.Errorf("simonectl events does not tell that the TLM promoted %s", m)
	}
	if err := json.Unmarshal(tr.simonectl(t, "events", "--at", m, "-n", "1000", "-o", "json"), &events); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.ManagerName != m {
			t.Errorf("simonectl events --at %s shows one of %s", m, e.ManagerName)
		}
	}

	var managers []ctl.Manager
	if err := json.Unmarshal(tr.simonectl(t, "ilm", "ls", "-o", "json"), &managers); err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]ctl.Manager)
	for _, x := range managers {
		listed[x.Name] = x
	}
	for level := 1; level <= 2; level++ {
		for _, name := range s.managers(level) {
			x, ok := listed[name]
			if !ok || x.Level != uint32(level) || x.Temperature == nil || x.Status != mib.IlmUp.String() {
				t.Errorf("simonectl ilm ls shows %s, an ILM of level %d, as %+v", name, level, x)
			}
		}
	}
	parents, err := tr.client.column(tr.tlm().address, mib.SimoneTreeParentId)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range below {
		if v := parents[s.names[b].id]; mib.NodeID(v.Uint) != s.names[m].id {
			t.Errorf("simoneTreeParentId of %s is %v, want %d", b, v, s.names[m].id)
		}
	}
}
