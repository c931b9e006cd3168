package ctl

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"simone/mib"
)

// TestFailures: every error names what is wrong and says what to do next, and
// has the exit code that --help promises.
func TestFailures(t *testing.T) {
	f := newFleet(t)
	f.node(10, "twin", "127.83.0.10:11161", 2, mib.KindLeaf, mib.PollUp, 100)
	f.node(11, "twin", "127.83.0.11:11161", 2, mib.KindLeaf, mib.PollUp, 100)
	alone := newAgent(t, "127.83.0.20:11161")
	alone.identity(0, "alone", mib.RoleLeaf, "", 0)
	alone.start()
	orphan := newAgent(t, "127.83.0.21:11161")
	orphan.identity(21, "orphan", mib.RoleLeaf, leaf5At, 5) // where nobody answers
	orphan.start()
	ring1 := newAgent(t, "127.83.0.22:11161")
	ring1.identity(22, "ring1", mib.RoleILM, "127.83.0.23:11161", 23)
	ring1.start()
	ring2 := newAgent(t, "127.83.0.23:11161")
	ring2.identity(23, "ring2", mib.RoleILM, "127.83.0.22:11161", 22)
	ring2.start()
	lost := newAgent(t, "127.83.0.24:11161")
	lost.identity(24, "lost", mib.RoleLeaf, "not an address", 5)
	lost.start()
	plain := newAgent(t, "127.83.0.25:11161") // no SIMONE node
	plain.put(mib.SimoneIlmError, mib.Text(""))
	plain.start()
	dir := t.TempDir()
	twoLines := filepath.Join(dir, "two")
	if err := os.WriteFile(twoLines, []byte("a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		name string
		args string
		code int
		says []string
	}{
		{"WrongAddress", "-a " + leaf5At + " tree", ExitUnreachable, []string{"nobody answers at " + leaf5At, "is simoned or simone-tlm running there? check --address"}},
		{"WrongCommunity", "-c guess tree", ExitUnreachable, []string{"nobody answers at " + tlmAt, "check --community"}},
		{"NoAddress", "-a 127.0.0.1:http tree", ExitUsage, []string{"127.0.0.1:http", "ports are 1 to 65535"}},
		{"EmptyHost", "-a :1161 tree", ExitUsage, []string{`":1161"`, "write it as HOST:PORT"}},
		{"NoSIMONE", "-a 127.83.0.25:11161 tree", ExitFailed, []string{"is no SIMONE node", "give --address that of a simoned or simone-tlm"}},
		{"NoManagerYet", "-a 127.83.0.20:11161 tree", ExitFailed, []string{"alone at 127.83.0.20:11161 has no manager yet", "wait until a manager has taken it in"}},
		{"DeadParent", "-a 127.83.0.21:11161 tree", ExitUnreachable, []string{"orphan at 127.83.0.21:11161 says that its manager is at " + leaf5At, "nobody answers", "give --address that of the TLM"}},
		{"ParentIsNoAddress", "-a 127.83.0.24:11161 tree", ExitFailed, []string{"lost at 127.83.0.24:11161", `"not an address"`, "give --address that of the TLM"}},
		{"Loop", "-a 127.83.0.22:11161 tree", ExitFailed, []string{"is a loop: 127.83.0.22:11161 -> 127.83.0.23:11161 -> 127.83.0.22:11161", "give --address that of the TLM"}},
		{"NoWriteCommunity", "drain n4", ExitUsage, []string{"there is no community for writing", "SIMONE_WRITE_COMMUNITY"}},
		{"ReadCommunityWrites", "-w public drain n4", ExitFailed, []string{"refuses to set simoneReconfigDrain.0: authorizationError", "check --write-community"}},
		{"WrongWriteCommunity", "-w guess drain n4", ExitUnreachable, []string{"nobody answers at " + tlmAt, "check --write-community"}},
		{"ThresholdOrder", "-w s3cret thresholds set merge=1 split=0.5", ExitFailed, []string{"refuses to set simoneThresholdSplit.0: inconsistentValue", "merge <= split <= migrate"}},
		{"NoSuchThreshold", "thresholds set spilt=3", ExitUsage, []string{`no threshold "spilt"`, "merge=0.1 split=17.5 migrate=500"}},
		{"ThresholdTwice", "thresholds set split=3 split=4", ExitUsage, []string{"threshold split is there twice"}},
		{"ThresholdNegative", "thresholds set split=-3", ExitUsage, []string{"split: -3 is negative"}},
		{"ThresholdNoNumber", "thresholds set split=1,5", ExitUsage, []string{`"1,5" is not a decimal number`}},
		{"ThresholdNoAssignment", "thresholds set split", ExitUsage, []string{`"split" is not NAME=VALUE`}},
		{"NoSuchNode", "node show ilm-x", ExitUsage, []string{`no node "ilm-x" among 10`, "did you mean ilm-a or ilm-b or ilm-c?", "simonectl node ls"}},
		{"NoSuchNodeAtAll", "node show quite-different", ExitUsage, []string{`no node "quite-different"`, "simonectl node ls"}},
		{"AmbiguousName", "-w s3cret pin twin", ExitUsage, []string{`2 nodes are called "twin"`, "10 at 127.83.0.10:11161, 11 at 127.83.0.11:11161"}},
		{"NoSuchMetric", "metrics n4 -m laod1", ExitFailed, []string{`no value of a metric "laod1"`}},
		{"NoAggregates", "metrics ilm-b --aggregate", ExitFailed, []string{"there are no values yet"}},
		{"UnknownCommand", "tre", ExitUsage, []string{`no command "simonectl tre"`, "did you mean tree?"}},
		{"UnknownSubcommand", "node shw n4", ExitUsage, []string{`no command "simonectl node shw"`, "did you mean show?", "knows ls, show"}},
		{"UnknownFlag", "tree --wach", ExitUsage, []string{"unknown flag: --wach", "--help"}},
		{"MissingArgument", "drain", ExitUsage, []string{"accepts 1 arg(s), received 0"}},
		{"NoFormat", "tree -o xml", ExitUsage, []string{`"xml" is no output format`, "-o yaml"}},
		{"NoTimeout", "tree --timeout 0s", ExitUsage, []string{"--timeout 0s"}},
		{"TooManyRetries", "tree --retries 11", ExitUsage, []string{"--retries 11"}},
		{"ShortInterval", "tree --watch --interval 1ms", ExitUsage, []string{"--interval 1ms is too short"}},
		{"TwoCommunities", "-c a --community-file b tree", ExitUsage, []string{"--community and --community-file are given both"}},
		{"NoCommunityFile", "--community-file " + dir + "/none tree", ExitUsage, []string{"/none", "mode 600"}},
		{"CommunityFileOfTwoLines", "--write-community-file " + twoLines + " pin 4", ExitUsage, []string{twoLines, "only line"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Enough for a loaded machine where somebody answers; where nobody
			// does, the test waits for it.
			r := simonectl(t, append([]string{"--timeout", "700ms", "--retries", "0"}, strings.Fields(c.args)...)...)
			if r.err == nil {
				t.Fatalf("no error; stdout:\n%s", r.stdout)
			}
			if r.code != c.code {
				t.Errorf("exit code %d, want %d: %v", r.code, c.code, r.err)
			}
			for _, s := range c.says {
				if !strings.Contains(r.err.Error(), s) {
					t.Errorf("the error does not say %q:\n%v", s, r.err)
				}
			}
			if strings.Contains(r.err.Error(), "guess") || strings.Contains(r.err.Error(), writeCommunity) {
				t.Errorf("the error shows a secret:\n%v", r.err)
			}
			if r.stdout != "" {
				t.Errorf("stdout: %s", r.stdout)
			}
		})
	}
}

// TestRefusalSaysWhy: the agent's own words stand in the error, if they are
// about this SET.
func TestRefusalSaysWhy(t *testing.T) {
	f := newFleet(t)
	for _, c := range []struct{ name, words, want, not string }{
		{"OfThisObject", "simoneThresholdSplit.0: it is out of order", "inconsistentValue: it is out of order", "the value does not go with others"},
		{"OfAnotherObject", "simoneIlmApply.0: row 3 is too old", "the value does not go with others", "row 3"},
		{"Nothing", "", "the value does not go with others", "inconsistentValue:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.tlm.put(mib.SimoneIlmError, mib.Text(c.words))
			r := simonectl(t, "-w", writeCommunity, "thresholds", "set", "split=0.01")
			if r.err == nil || !strings.Contains(r.err.Error(), c.want) || strings.Contains(r.err.Error(), c.not) {
				t.Errorf("%v", r.err)
			}
		})
	}
}

// TestBrokenILM: an ILM that does not answer is shown as that, and the rest
// of the tree with it.
func TestBrokenILM(t *testing.T) {
	f := newFleet(t)
	f.b.stop()
	f.manager(9, "stray", "127.83.0.9:11161", 77, 2, 1, 1)
	f.manager(12, "x", "127.83.0.12:11161", 13, 2, 1, 1)
	f.manager(13, "y", "127.83.0.13:11161", 12, 2, 1, 1)
	r := simonectl(t, "--timeout", "700ms", "--retries", "0", "tree")
	if r.err != nil {
		t.Fatal(r.err)
	}
	golden(t, "tree_broken", r.stdout)
}

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want int
	}{
		{"None", nil, ExitOK},
		{"Any", errors.New("any"), ExitFailed},
		{"Usage", usage("", "typed wrongly"), ExitUsage},
		{"Wrapped", errors.Join(errors.New("first"), &Failure{Code: ExitUnreachable, Err: mib.ErrTimeout}), ExitUnreachable},
	} {
		if got := ExitCode(c.err); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestInterrupted: Ctrl-C ends a command that waits for an answer at once.
func TestInterrupted(t *testing.T) {
	o, _, _ := surroundings(nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	started := time.Now()
	err := run(ctx, o, []string{"-a", leaf5At, "--timeout", "1m", "tree"})
	if err == nil || !strings.Contains(err.Error(), "interrupted") || time.Since(started) > 30*time.Second {
		t.Errorf("%v after %v", err, time.Since(started))
	}
}
