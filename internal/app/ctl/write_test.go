package ctl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"simone/mib"
)

// TestWrites: each writing command sets what it says, and says what holds
// then.
func TestWrites(t *testing.T) {
	f := newFleet(t)
	file := filepath.Join(t.TempDir(), "community")
	if err := os.WriteFile(file, []byte(writeCommunity+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		args   string
		object mib.OID
		want   string
		says   string
	}{
		{"Drain", "-w s3cret drain n4", mib.SimoneReconfigDrain, "4", "n4 (4) is drained"},
		{"UndrainByID", "-w s3cret undrain 4", mib.SimoneReconfigUndrain, "4", "n4 (4) may have a support list again"},
		{"PinByAddress", "-w s3cret pin " + switchAt, mib.SimoneReconfigPin, "8", "switch (8) stays"},
		{"Unpin", "--write-community-file " + file + " unpin switch", mib.SimoneReconfigUnpin, "8", "switch (8) may move"},
		{"OneCommunityForBoth", "-c s3cret drain n5", mib.SimoneReconfigDrain, "5", "n5 (5)"},
		{"CommunityFileForBoth", "--community-file " + file + " drain ilm-a", mib.SimoneReconfigDrain, "2", "ilm-a (2)"},
		{"Move", "-w s3cret move n4 5 --to ilm-a", mib.SimoneReconfigPlace, mib.Octets([]byte{0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 2}).String(), "2 nodes on the way to ilm-a (2)"},
		{"Pause", "-w s3cret reconfig pause", mib.SimoneReconfigPaused, "1", "paused"},
		{"Resume", "-w s3cret reconfig resume", mib.SimoneReconfigPaused, "2", "go on"},
		{"Trigger", "-w s3cret reconfig trigger", mib.SimoneIlmTrigger, "1", "round 42 is done"},
		{"Threshold", "-w s3cret thresholds set split=12.5", mib.SimoneThresholdSplit, "12.5", "12.5"},
		{"Thresholds", "-w s3cret thresholds set migrate=2000 merge=15 split=1e3", mib.SimoneThresholdMerge, "15", "15-1000-2000"},
		{"FromALeaf", "-a " + leaf4At + " -w s3cret pin n5", mib.SimoneReconfigPin, "5", "n5 (5)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := simonectl(t, strings.Fields(c.args)...)
			if r.err != nil {
				t.Fatal(r.err)
			}
			if got := f.tlm.value(c.object).String(); got != c.want {
				t.Errorf("%s is %s, want %s", mib.NameOf(c.object), got, c.want)
			}
			if !strings.Contains(r.stdout, c.says) {
				t.Errorf("it does not say %q: %s", c.says, r.stdout)
			}
		})
	}
	t.Run("Environment", func(t *testing.T) {
		r := simonectlIn(t, map[string]string{envAddress: leaf4At, envWriteCommunity: writeCommunity}, "-o", "json", "pin", "n4")
		const want = "{\n  \"action\": \"pin\",\n  \"node_id\": 4,\n  \"node\": \"n4\",\n  \"text\": \"n4 (4) stays with its manager; simonectl unpin ends that\"\n}\n"
		if r.err != nil || r.stdout != want {
			t.Errorf("%v\n%s", r.err, r.stdout)
		}
	})
	t.Run("PausedIsShown", func(t *testing.T) {
		if r := simonectl(t, "-w", writeCommunity, "reconfig", "pause"); r.err != nil {
			t.Fatal(r.err)
		}
		if r := simonectl(t, "tree"); !strings.Contains(r.stdout, ", paused") {
			t.Errorf("%v\n%s", r.err, r.stdout)
		}
	})
}

// TestTriggerThatHangs: a round that does not end within the time-out is
// told as that.
func TestTriggerThatHangs(t *testing.T) {
	f := newFleet(t)
	f.tlm.mu.Lock()
	f.tlm.on = nil
	f.tlm.mu.Unlock()
	r := simonectl(t, "-w", writeCommunity, "--timeout", "300ms", "reconfig", "trigger")
	if r.err != nil || !strings.Contains(r.stdout, "has not ended yet") {
		t.Errorf("%v\n%s", r.err, r.stdout)
	}
}

// TestDrainWait: --wait returns when the node holds nothing, and not before.
func TestDrainWait(t *testing.T) {
	f := newFleet(t)
	if r := simonectl(t, "-w", writeCommunity, "drain", "--wait", "n4"); r.err != nil || !strings.Contains(r.stdout, "n4 (4) holds nothing any more: it may be stopped") {
		t.Errorf("%v\n%s", r.err, r.stdout)
	}
	r := simonectl(t, "-w", writeCommunity, "drain", "--wait", "--for", "600ms", "ilm-a")
	if ExitCode(r.err) != ExitFailed || !strings.Contains(r.err.Error(), "ilm-a (2) is not free: ") || !strings.Contains(r.err.Error(), "to hand over") {
		t.Errorf("%v", r.err)
	}
	if strings.Count(r.stderr, "to hand over") != 1 {
		t.Errorf("progress: %q", r.stderr)
	}
	if got := f.tlm.value(mib.SimoneReconfigDrain).String(); got != "2" {
		t.Errorf("simoneReconfigDrain is %s", got)
	}
	if r := simonectl(t, "-w", writeCommunity, "drain", "--wait", "--for", "-1s", "ilm-a"); ExitCode(r.err) != ExitUsage {
		t.Errorf("%v", r.err)
	}
}
