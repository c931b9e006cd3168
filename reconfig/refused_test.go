package reconfig

import (
	"testing"
	"time"

	"simone/mib"
)

// Rows that came to a node which is no ILM are sent again when it is promoted:
// that is no reason to keep the two apart. Rows that it can make no sense of
// are.
func TestRowsForNoIlmAreSentAgain(t *testing.T) {
	for _, c := range []struct {
		why    Failure
		banned bool
	}{{NotILM, false}, {Malformed, true}} {
		t.Run(c.why.String(), func(t *testing.T) {
			e := New(State{Nodes: map[mib.NodeID]Node{
				2: {ID: 2, Kind: mib.KindLeaf, Owner: 1, Wanted: true, Epoch: mib.Epoch{1}},
				3: {ID: 3, Kind: mib.KindLeaf, Owner: 2, Epoch: mib.Epoch{2}},
			}}, DefaultSettings(), 1)
			if _, err := e.Step(Restarted{At: At{1e18}}); err != nil {
				t.Fatal(err)
			}
			ilm := e.children[2]
			ilm.claimed, ilm.seen, ilm.full, ilm.report.Active = true, true, false, true
			ilm.set = &Control{ID: 99, Child: 2, ControlSet: ControlSet{Verb: Stage, Apply: mib.Apply{Stage: []mib.SupportRow{{Node: 3}}}}}
			e.failed(ActionFailed{At: At{1e18}, Action: 99, Why: c.why, Text: "no"})
			n := e.state.Nodes[3]
			if got := n.banned(2, e.now.Add(time.Minute)); got != c.banned {
				t.Errorf("node 3 is kept away from ILM 2: %v, want %v", got, c.banned)
			}
			if ilm.report.Active == !c.banned {
				t.Errorf("the node is taken for an ILM: %v", ilm.report.Active)
			}
			if !ilm.full || ilm.set != nil {
				t.Error("it is not read again")
			}
		})
	}
}
