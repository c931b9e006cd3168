//go:build linux

package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"simone/mib"
)

// text reads a scalar as it is shown to people.
func (tr *tree) text(member string, object mib.OID) string {
	v, err := tr.client.get(tr.members[member].address, mib.Instance(object))
	if err != nil {
		return err.Error()
	}
	o, _ := mib.ObjectByOID(object)
	return o.Syntax.Format(v[0])
}

// shows says what is not as wanted in a scalar.
func (tr *tree) shows(member string, object mib.OID, want string) func() string {
	return func() string {
		if have := tr.text(member, object); have != want {
			return fmt.Sprintf("%s of %s is %s, want %s", mib.NameOf(object), member, have, want)
		}
		return ""
	}
}

// logs says whether a member has not logged a line with all these words.
func (tr *tree) logs(member string, words ...string) func() string {
	return func() string {
		for line := range strings.Lines(tr.members[member].log.String()) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return ""
			}
		}
		return fmt.Sprintf("%s logs no line with %q", member, words)
	}
}

// TestLiveReload: SIGHUP has a changed file take effect where that is possible
// at run time, says what needs a restart, and leaves everything as it is when
// the file is wrong.
func TestLiveReload(t *testing.T) {
	t.Parallel()
	tr := plant(t, 2, time.Second)
	tlm := tr.tlm()
	tlm.unset("poll")
	tlm.unset("trigger")
	tr.configure("tlm", replacing(t, "\npoll: 10s\n", "\npoll: 1s\n"))
	tr.configure("tlm", replacing(t, "\ntrigger: 10s\n", "\ntrigger: 1s\n"))
	tr.configure("n2", func(s string) string { return s })
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled())

	tr.configure("tlm", replacing(t, "split: 17.5 ", "split: 18.5 "))
	tr.configure("tlm", replacing(t, "\npoll: 1s\n", "\npoll: 2s\n"))
	tlm.signal(t, syscall.SIGHUP)
	eventually(t, patience, "thresholds are reloaded", tr.shows("tlm", mib.SimoneThresholdSplit, "18.5"))
	eventually(t, patience, "rows get the new interval", func() string {
		for _, m := range tr.sorted() {
			rows, err := tr.client.column(m.address, mib.SimoneSupportInterval)
			if err != nil {
				return err.Error()
			}
			for id, v := range rows {
				if v.Uint != 2000 {
					return fmt.Sprintf("%s polls node %d every %d ms", m.name, id, v.Uint)
				}
			}
		}
		return ""
	})

	t.Run("bad", func(t *testing.T) {
		tr.expect(`level=ERROR msg="the configuration was not reloaded; the old one stays in force"`)
		tr.configure("tlm", replacing(t, "split: 18.5 ", "splitt: 19.5"))
		tlm.signal(t, syscall.SIGHUP)
		eventually(t, patience, "the error is logged", tr.logs("tlm", "level=ERROR", "the old one stays in force", "tlm.yaml:", "splitt", "split"))
		if s := tr.shows("tlm", mib.SimoneThresholdSplit, "18.5")(); s != "" {
			t.Error(s)
		}
		tr.configure("tlm", replacing(t, "splitt: 19.5", "split: 20.5 "))
		tlm.signal(t, syscall.SIGHUP)
		eventually(t, patience, "the corrected file is reloaded", tr.shows("tlm", mib.SimoneThresholdSplit, "20.5"))
	})
	t.Run("SET", func(t *testing.T) { // whoever changed a key last wins
		tr.client.mustSet(tlm.address, scalar(mib.SimoneThresholdSplit, mib.Decimal(30)))
		tr.configure("tlm", replacing(t, "merge: 0.1 ", "merge: 0.2 "))
		tlm.signal(t, syscall.SIGHUP)
		eventually(t, patience, "the other key is reloaded", tr.shows("tlm", mib.SimoneThresholdMerge, "0.2"))
		if s := tr.shows("tlm", mib.SimoneThresholdSplit, "30")(); s != "" {
			t.Error(s)
		}
	})
	t.Run("node", func(t *testing.T) {
		tr.expect(`level=WARN msg="keys that changed take effect after a restart" keys=\[zone\]`)
		tr.configure("n2", replacing(t, "metric_period: 5s", "metric_period: 3s"))
		tr.configure("n2", replacing(t, "zone: default", "zone: cellar"))
		tr.members["n2"].signal(t, syscall.SIGHUP)
		eventually(t, patience, "the period is reloaded", tr.shows("n2", mib.SimoneNodeMetricPeriod, "3000"))
		eventually(t, patience, "the rest is logged", tr.logs("n2", "take effect after a restart", "zone"))
	})
}

// TestLiveStop: SIGTERM ends each daemon within two seconds with exit code 0.
// An ILM that stops so says goodbye, and its nodes need not wait for its
// silence to be noticed.
func TestLiveStop(t *testing.T) {
	t.Parallel()
	tr := plant(t, 4, time.Second)
	tr.start()
	eventually(t, patience, "the tree forms", tr.settled())
	lists, err := tr.lists()
	if err != nil {
		t.Fatal(err)
	}
	leaver := tr.ilms()[0]
	told := time.Now()
	tr.members[leaver].signal(t, syscall.SIGTERM)
	eventually(t, patience, "its nodes are on other lists", func() string {
		now, err := tr.lists()
		if err != nil {
			return err.Error()
		}
		delete(now, leaver)
		held := holders(now)
		for id := range lists[leaver] {
			if len(held[id]) == 0 {
				return fmt.Sprintf("node %d is on nobody's", id)
			}
		}
		return ""
	})
	took := time.Since(told)
	t.Logf("%d nodes of an ILM that says goodbye: on other lists after %v", len(lists[leaver]), took.Round(time.Millisecond))
	if limit := time.Second + slack + tr.pauses.since(told); took > limit {
		t.Errorf("taken over after %v; with a goodbye it takes no more than a trigger", took)
	}
	if code := tr.members[leaver].exit(t, 2*time.Second); code != 0 {
		t.Errorf("%s: exit code %d", leaver, code)
	}
	for _, name := range []string{"tlm", "n2", "n3", "n4", "n5"} { // the rest has nobody to say goodbye to
		if m := tr.members[name]; name != leaver {
			began := time.Now()
			m.signal(t, syscall.SIGTERM)
			if code := m.exit(t, 2*time.Second); code != 0 {
				t.Errorf("%s: exit code %d", name, code)
			}
			t.Logf("%s ended after %v", name, time.Since(began).Round(time.Millisecond))
		}
	}
}

// TestLiveRefusals: what a daemon cannot work with ends it with exit code 1
// and one line that says what is wrong where, and what to do.
func TestLiveRefusals(t *testing.T) {
	t.Parallel()
	tr := plant(t, 1, time.Second)
	tr.start()
	eventually(t, patience, "the daemons run", tr.settled())
	free := tr.base.Next().Next().String() + ":1161"
	other := filepath.Join(tr.dir, "other")
	file := func(name, change, to string) string {
		text, err := os.ReadFile(shipped(t, name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(replacing(t, change, to)(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct {
		name, program string
		args          []string
		code          int
		words         []string
	}{
		{"node's state", "simoned", []string{"-set", "listen=" + free, "-set", "state=" + filepath.Join(tr.dir, "n2")}, 1,
			[]string{"state directory", "n2 is in use by another process", "give each node its own"}},
		{"node's port", "simoned", []string{"-set", "listen=" + tr.members["n2"].address.String(), "-set", "state=" + other}, 1,
			[]string{tr.members["n2"].address.String(), "in use", "set listen to another"}},
		{"TLM's state", "simone-tlm", []string{"-set", "listen=" + free, "-set", "state=" + filepath.Join(tr.dir, "tlm")}, 1,
			[]string{"state directory", "tlm is in use by another process"}},
		{"TLM's store", "simone-tlm", []string{"-set", "listen=" + free, "-set", "state=" + other, "-set", "store=" + filepath.Join(tr.dir, "tlm", "tlm.db")}, 1,
			[]string{"store", "tlm.db", "another process has it open", "stop that process"}},
		{"TLM's port", "simone-tlm", []string{"-set", "listen=" + tr.tlm().address.String(), "-set", "state=" + other}, 1,
			[]string{tr.tlm().address.String(), "in use", "set listen to another"}},
		{"foreign address", "simoned", []string{"-set", "listen=192.0.2.1:1161", "-set", "state=" + other}, 1,
			[]string{"192.0.2.1:1161", "set listen to an address of this machine"}},
		{"good node", "simoned", []string{"-check", "-config", shipped(t, "simoned.yaml")}, 0, []string{"the configuration is valid"}},
		{"good TLM", "simone-tlm", []string{"-check", "-config", shipped(t, "tlm.yaml")}, 0, []string{"the configuration is valid"}},
		{"typo", "simone-tlm", []string{"-check", "-config", file("tlm.yaml", "\ntrigger:", "\ntriger:")}, 1,
			[]string{"tlm.yaml:", "triger", `did you mean "trigger"?`}},
		{"order of thresholds", "simone-tlm", []string{"-check", "-config", file("tlm.yaml", "split: 17.5 ", "split: 0.01 ")}, 1,
			[]string{"tlm.yaml:", "thresholds.split", "merge < split < migrate"}},
		{"bad address", "simoned", []string{"-check", "-config", file("simoned.yaml", "listen: 127.0.0.2:1161", "listen: 127.0.0.300:1161")}, 1,
			[]string{"simoned.yaml:", "127.0.0.300:1161", "write for example"}},
		{"no file", "simoned", []string{"-check", "-config", other + ".yaml"}, 1, []string{"other.yaml", "no such file"}},
		{"unknown flag", "simoned", []string{"-bogus"}, 1, []string{"-bogus", "Usage"}},
		{"unknown key", "simoned", []string{"-check", "-set", "foo=1"}, 1, []string{`no key "foo"`, "the keys here are"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, output := run(t, daemon(t, test.program), test.args...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			for _, w := range test.words {
				if !strings.Contains(output, w) {
					t.Errorf("it does not say %q", w)
				}
			}
			if strings.Contains(output, "goroutine") {
				t.Error("it panics")
			}
			if t.Failed() || testing.Verbose() {
				t.Log(output)
			}
		})
	}
	if s := tr.settled()(); s != "" {
		t.Error("those that ran before do not any more as they should: ", s)
	}
}
