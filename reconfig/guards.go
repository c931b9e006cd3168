package reconfig

import (
	"fmt"
	"slices"
	"strings"
)

// Guards is a set of rules of the moving protocol (docs/protocol.md). It exists
// for simulations, which switch one off to see that they notice: no
// configuration, command or object can reach Settings.Without.
type Guards uint64

// The rules that can be switched off, by the names in docs/protocol.md.
const (
	GuardClaim Guards = 1 << iota
	GuardReadFence
	GuardReadAll
	GuardTermRaise
	GuardTermJump
	GuardAnyTerm
	GuardTermEpoch
	GuardFreshEp
	GuardAdoptMove
	GuardTombRaise
	GuardCondStore // a host's
	GuardAtomic    // a host's
	GuardWatermarkSlot
	GuardWatermarkLog
	GuardHold
	GuardSampled
	GuardFailFast
	GuardDeadMove
	GuardDropTell
	GuardBanYields
	GuardBelow
	GuardIntentUp
	GuardAudit
	GuardCleanup
	GuardBootID
	GuardStoreFirst
	GuardOneTxn
	GuardFilled
	GuardCurBatch
	GuardChildFence
	GuardSuspicion
	GuardDemoteLast
	GuardGrant
	GuardRelay
	GuardVouching
	GuardAdoption
	GuardHeirs
	GuardLostChildren
	GuardTakeBack
	GuardKeptTerm
	GuardRegrant
	GuardOwnLevel
	GuardOutgrown
	GuardOwnRow
	GuardHeard
	GuardRetract
	GuardTrial // not a rule that is needed: without it moves wait for two slots
)

var guardNames = []string{
	"Claim", "ReadFence", "ReadAll", "TermRaise", "TermJump", "AnyTerm", "TermEpoch", "FreshEp", "AdoptMove", "TombRaise",
	"CondStore", "Atomic", "WatermarkSlot", "WatermarkLog", "Hold", "Sampled", "FailFast", "DeadMove", "DropTell", "BanYields",
	"Below", "IntentUp", "Audit", "Cleanup", "BootId", "StoreFirst", "OneTxn", "Filled", "CurBatch", "ChildFence", "Suspicion",
	"DemoteLast", "Grant", "Relay", "Vouching", "Adoption", "Heirs", "LostChildren", "TakeBack", "KeptTerm", "Regrant", "OwnLevel", "Outgrown", "OwnRow", "Heard", "Retract", "Trial",
}

// Has reports whether all of some rules are in the set.
func (r Guards) Has(some Guards) bool { return r&some == some }

// String names the rules, with commas between them.
func (r Guards) String() string {
	var names []string
	for i, name := range guardNames {
		if r.Has(1 << i) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// GuardByName finds a rule, whatever the case of its letters.
func GuardByName(name string) (Guards, error) {
	i := slices.IndexFunc(guardNames, func(known string) bool { return strings.EqualFold(known, name) })
	if i < 0 {
		return 0, fmt.Errorf("there is no rule %q: the rules are %s", name, strings.Join(guardNames, ", "))
	}
	return 1 << i, nil
}

// keeps reports whether a rule is in force.
func (e *Engine) keeps(g Guards) bool { return !e.settings.Without.Has(g) }

// keeps reports whether a rule is in force.
func (l *List) keeps(g Guards) bool { return !l.limits.Without.Has(g) }
