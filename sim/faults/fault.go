package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is one thing that goes wrong, or that an operator or a load does.
type Fault struct {
	At   time.Duration // since the world began
	Kind Kind
	A, B int // the machines that it concerns, if any
	N    int // how much, if it needs a number
}

// Kind says what a fault is.
type Kind int

// The faults. A and B are machines by number; 1 is the top.
const (
	Crash        Kind = iota // A's process ends
	Restart                  // A's process starts
	Stop                     // A says that it stops, works on for a second, and ends
	Forget                   // A ends and its rows are lost; N odd: all its disk
	ForgetStore              // A ends and what it keeps as a manager of ILMs is lost
	ListFull                 // the N-th write of A's list from now finds the disk full
	ListTorn                 // A dies in it: the transaction is not there
	ListDies                 // A dies just after it
	StoreFull                // likewise of what A keeps as a manager
	StoreTorn                //
	StoreDies                //
	DieIn                    // A dies before the N-th action of its engine from now
	Pause                    // A is stopped for N x 100 ms and does not know it
	PauseManager             // likewise, only the top's engine
	Depose                   // another leads; the old one pauses for N x 100 ms, then goes on
	Rival                    // a second manager runs on a copy of the top's store
	StopOthers               // deposed leaders and rivals end
	Cut                      // no message passes between A and B
	CutOneWay                // none from A to B
	Split                    // none between A and B..N, or with N = 0 between evens and odds
	Heal                     // messages pass again from and to A
	HealAll                  // everywhere
	Slow                     // A's answers take up to N ms longer
	Weather                  // N percent of messages are lost, doubled, late
	Clock                    // A ends; its clock is N s off when it is back
	Readdress                // A ends and has another address when it is back
	Drift                    // from A's next start its clock is N millionths fast
	Clone                    // a second machine has A's identity and a copy of its disk
	Unclone                  // such machines end
	Backup                   // the top's disk is copied
	Restore                  // the top loses its disk and starts from the copy; N odd: on a new machine, once

	Heat    // A's temperature is N / 10 stu
	Drain   // an operator's
	Undrain //
	Pin     //
	Unpin   //
	Place   // the nodes A to A+N are to go to B; B is 0: A is to be a leaf again
	Hold    // planned moves are paused
	Resume  //
	Trigger // a round now
	Tune    // the poll interval is N x 100 ms
	Join    // N machines are new, at least one
	Leave   // A goes for good, with the N-1 behind it
	kinds
)

var kindNames = [kinds]string{
	"crash", "restart", "stop", "forget", "forget-store", "list-full", "list-torn", "list-dies", "store-full", "store-torn", "store-dies", "die-in",
	"pause", "pause-manager", "depose", "rival", "stop-others", "cut", "cut-one-way", "split", "heal", "heal-all", "slow", "weather",
	"clock", "readdress", "drift", "clone", "unclone", "backup", "restore",
	"heat", "drain", "undrain", "pin", "unpin", "place", "hold", "resume", "trigger", "tune", "join", "leave",
}

func (k Kind) String() string { return kindNames[k] }

// harms reports whether something goes wrong, other than by somebody's wish
// or the load.
func (k Kind) harms() bool {
	switch k {
	case Restart, StopOthers, Heal, HealAll, Unclone, Backup:
		return false
	}
	return k < Heat || k == Join || k == Leave
}

// String writes a fault as a line of a scenario.
func (f Fault) String() string { return fmt.Sprintf("%v %v %d %d %d", f.At, f.Kind, f.A, f.B, f.N) }

// parseFault reads what String wrote.
func parseFault(line string) (f Fault, err error) {
	words := strings.Fields(line)
	if len(words) != 5 {
		return f, fmt.Errorf("%q is no fault: write TIME KIND A B N, for example 12.5s cut 1 7 0", line)
	}
	if f.At, err = time.ParseDuration(words[0]); err != nil {
		return f, fmt.Errorf("%q: %w", line, err)
	}
	k := slices.Index(kindNames[:], words[1])
	if k < 0 {
		return f, fmt.Errorf("%q: there is no fault %q: write one of %s", line, words[1], strings.Join(kindNames[:], ", "))
	}
	f.Kind = Kind(k)
	for i, to := range []*int{&f.A, &f.B, &f.N} {
		if *to, err = strconv.Atoi(words[2+i]); err != nil {
			return f, fmt.Errorf("%q: %w", line, err)
		}
	}
	return f, nil
}
