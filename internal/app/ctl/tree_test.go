package ctl

import (
	"encoding/json"
	"testing"
	"time"

	"simone/mib"
)

// deepen makes ilm-c an ILM that the TLM does not list: ilm-a, which manages
// it, answers for n7 too.
func (f *fleet) deepen() {
	f.tlm.table(mib.SimoneTreeEntry).drop(mib.OID{6})
	f.a.supports(7, "n7", leaf7At, mib.KindLeaf, mib.PollUp, 0)
	f.a.table(mib.SimoneSupportEntry).put(mib.OID{7}, mib.SimoneSupportVia, mib.Gauge(6))
}

// TestTreeGoesDown: ILMs below ILMs, which the TLM does not list, are found on
// the lists of those, and what they poll is shown below them, and once.
func TestTreeGoesDown(t *testing.T) {
	f := newFleet(t)
	f.deepen()
	r := simonectl(t, "tree")
	if r.err != nil {
		t.Fatal(r.err)
	}
	golden(t, "tree_deep", r.stdout)

	t.Run("JSON", func(t *testing.T) {
		r := simonectl(t, "tree", "-o", "json")
		var tree Tree
		if err := json.Unmarshal([]byte(r.stdout), &tree); err != nil {
			t.Fatalf("%v, %v", r.err, err)
		}
		a := tree.Root.Branches[0]
		if a.Name != "ilm-a" || len(a.Branches) != 1 || a.Branches[0].Name != "ilm-c" {
			t.Fatalf("ilm-a has %d ILMs below", len(a.Branches))
		}
		c := a.Branches[0]
		if c.Level != 2 || c.Parent != 2 || c.Temperature == nil || *c.Temperature != 3.5 || c.Heat != Warm || c.RTT == nil {
			t.Errorf("ilm-c: %+v", c)
		}
		if len(c.Leaves) != 1 || c.Leaves[0].ID != 7 || len(a.Leaves) != 2 {
			t.Errorf("below ilm-c are %+v, below ilm-a %+v", c.Leaves, a.Leaves)
		}
	})

	t.Run("Moving", func(t *testing.T) { // ilm-c has not got it yet
		f.a.supports(9, "n9", "127.83.0.9:11161", mib.KindLeaf, mib.PollUp, time.Millisecond)
		f.a.table(mib.SimoneSupportEntry).put(mib.OID{9}, mib.SimoneSupportVia, mib.Gauge(6))
		r := simonectl(t, "tree", "-o", "json")
		var tree Tree
		if err := json.Unmarshal([]byte(r.stdout), &tree); err != nil {
			t.Fatalf("%v, %v", r.err, err)
		}
		if a := tree.Root.Branches[0]; len(a.Leaves) != 3 || a.Leaves[2].ID != 9 || a.Leaves[2].Via != 6 {
			t.Errorf("below ilm-a are %+v", a.Leaves)
		}
		f.a.table(mib.SimoneSupportEntry).drop(mib.OID{9})
	})

	t.Run("Silent", func(t *testing.T) { // what ilm-a knows of its nodes is shown
		f.c.stop()
		r := simonectl(t, "--timeout", "700ms", "--retries", "0", "tree")
		if r.err != nil {
			t.Fatal(r.err)
		}
		golden(t, "tree_deep_broken", r.stdout)
	})
}
