package faults

import (
	"fmt"
	"strings"

	"simone/reconfig"
)

// Breakable is a rule that can be switched off, and what a hunt then finds.
type Breakable struct {
	Rule reconfig.Guards
	Says string
}

// Breakables lists the rules, in the order of docs/protocol.md. Each was found
// to be needed: without it, some scenario of the first 1,000 fails, or one that a
// hunt found (testdata/found).
func Breakables() []Breakable {
	return []Breakable{
		{reconfig.GuardClaim, "a manager after a start raises an ILM's fence before it reads it"},
		{reconfig.GuardReadFence, "nothing is concluded while a SET may still arrive"},
		{reconfig.GuardReadAll, "no new move before every list that can be reached has been read"},
		{reconfig.GuardTermRaise, "a fence above the own term raises it, and the manager begins again"},
		{reconfig.GuardTermJump, "no term twice, not even after a restore"},
		{reconfig.GuardTermEpoch, "epochs begin with the term"},
		{reconfig.GuardFreshEp, "rows are made and committed only at epochs of the own term"},
		{reconfig.GuardCondStore, "every write is conditional on still leading"},
		{reconfig.GuardWatermarkLog, "an earlier owner's row goes when its log is read to the fence"},
		{reconfig.GuardHold, "a target's samples are kept aside until the commit"},
		{reconfig.GuardFailFast, "a silent owner is not waited for"},
		{reconfig.GuardDeadMove, "a node that nobody reaches is committed without samples"},
		{reconfig.GuardDropTell, "a target is looked at again at the commit"},
		{reconfig.GuardBanYields, "with no other live ILM an excluded or drained one takes the row"},
		{reconfig.GuardBelow, "only rows below the owner's epoch are destroyed; if need be the owner's is raised first"},
		{reconfig.GuardIntentUp, "a raised owner's open intent is raised above it"},
		{reconfig.GuardCleanup, "a silent owner's row is destroyed when it is back"},
		{reconfig.GuardBootID, "cursor and acknowledgement carry the log's incarnation"},
		{reconfig.GuardStoreFirst, "no action before the write that it depends on"},
		{reconfig.GuardOneTxn, "samples, filled slots and cursor are one transaction"},
		{reconfig.GuardFilled, "a filled slot is not stored again"},
		{reconfig.GuardCurBatch, "the acknowledgement is the store's cursor"},
		{reconfig.GuardChildFence, "a lower fence is refused, an equal one with other content too"},
		{reconfig.GuardSuspicion, "half or more silent at once: wait two windows"},
		{reconfig.GuardDemoteLast, "an ILM becomes a leaf when its log is drained"},
		{reconfig.GuardGrant, "an ILM's epochs begin with those that the manager above has granted"},
		{reconfig.GuardRelay, "a log below is acknowledged only to where the manager above has acknowledged the copies"},
		{reconfig.GuardVouching, "a new ILM below gets no nodes before the manager above knows of it"},
		{reconfig.GuardAdoption, "the ILMs below one that is lost are taken over with all that they poll"},
		{reconfig.GuardHeirs, "the other nodes of a lost one wait until those were read"},
		{reconfig.GuardOutgrown, "who finds a row at a newer grant tells the manager above"},
		{reconfig.GuardRetract, "that a node is no ILM any more is said in each life and to each manager above"},
		{reconfig.GuardTakeBack, "an ILM that is drained takes back what it gave to those below"},
	}
}

// RuleByName finds a rule that can be switched off.
func RuleByName(name string) (Breakable, error) {
	var names []string
	for _, b := range Breakables() {
		if strings.EqualFold(b.Rule.String(), name) {
			return b, nil
		}
		names = append(names, b.Rule.String())
	}
	return Breakable{}, fmt.Errorf("there is no rule %q: write one of %s", name, strings.Join(names, ", "))
}
