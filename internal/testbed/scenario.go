package testbed

import (
	"fmt"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// Fault is one thing that goes wrong, or that an operator or a load does.
type Fault struct {
	After time.Duration // since the fault before
	Kind  FaultKind
	Node  mib.NodeID // of those that concern one
	N     int        // of those that need a number
}

// FaultKind says what a fault is.
type FaultKind int

// The faults.
const (
	CrashNode FaultKind = iota
	RestartNode
	ForgetNode      // it crashes and its rows are lost; N odd: all its disk
	CrashOnWrite    // it crashes at its next control SET, after the write
	CrashParentSoon // before the N-th action from now
	RestartParent
	PauseParent // for N x 100 ms
	Depose      // another leads; the old one pauses for N x 100 ms, then goes on
	Rival       // a second manager runs on a copy of the store
	StopOthers
	CutNode // no message passes between the parent and the node
	HealNode
	HideNode // the ILM N cannot reach the node
	ShowNode
	Heat // the node's temperature is N
	Drain
	Undrain
	Pin
	Unpin
	Pause
	Resume
	Trigger
	Tune  // the poll interval is N x 100 ms
	Lossy // N percent of messages are lost, doubled, late
	Backup
	Restore
	Join
	Leave
	Clock       // the node crashes; its clock is N minutes off when it is back
	ClockParent // likewise the parent
	FaultKinds
)

var faultNames = [FaultKinds]string{
	"crash", "restart", "forget", "crash on write", "crash parent in", "restart parent", "pause parent", "depose", "rival", "stop others",
	"cut", "heal", "hide", "show", "heat", "drain", "undrain", "pin", "unpin", "pause", "resume", "trigger", "tune", "lossy",
	"backup", "restore", "join", "leave", "clock", "clock of parent",
}

func (k FaultKind) String() string { return faultNames[k] }

func (f Fault) String() string {
	return fmt.Sprintf("+%v %v node %d (%d)", f.After, f.Kind, f.Node, f.N)
}

// Suffer makes a fault happen.
func (w *World) Suffer(f Fault) {
	w.trace("--- %v %d %d", f.Kind, f.Node, f.N)
	n := w.Nodes[f.Node]
	p := w.Parent
	down := func() bool { // crash, but not what is the parent's own
		if n.ID == p.Self {
			return false
		}
		if n.Up {
			w.Crash(n)
		}
		return true
	}
	switch f.Kind {
	case CrashNode:
		down()
	case RestartNode:
		if !n.Up && !n.Gone {
			w.Restart(n)
		}
	case ForgetNode:
		if down() {
			w.Forget(n, f.N%2 == 1)
		}
	case CrashOnWrite:
		n.FailWrite = n.ID != p.Self
	case CrashParentSoon:
		p.CrashIn = max(f.N, 1)
	case RestartParent:
		if p.Engine == nil {
			w.StartParent(false)
		}
	case PauseParent:
		w.PauseParent(time.Duration(f.N) * 100 * time.Millisecond)
	case Depose:
		w.Depose(time.Duration(f.N) * 100 * time.Millisecond)
	case Rival:
		w.Rival()
	case StopOthers:
		w.StopOthers()
	case CutNode:
		n.Cut = n.ID != p.Self
	case HealNode:
		n.Cut = false
	case HideNode:
		n.Unseen[mib.NodeID(f.N)] = true
	case ShowNode:
		clear(n.Unseen)
	case Heat:
		n.Temp = float64(f.N)
	case Drain:
		w.Ask(reconfig.AskDrain, f.Node)
	case Undrain:
		w.Ask(reconfig.AskUndrain, f.Node)
	case Pin:
		w.Ask(reconfig.AskPin, f.Node)
	case Unpin:
		w.Ask(reconfig.AskUnpin, f.Node)
	case Pause:
		w.Ask(reconfig.AskPause, 0)
	case Resume:
		w.Ask(reconfig.AskResume, 0)
	case Trigger:
		w.Ask(reconfig.AskTrigger, 0)
	case Tune:
		w.Tune(func(s *reconfig.Settings) { s.Interval = time.Duration(f.N) * 100 * time.Millisecond })
	case Lossy:
		q := float64(f.N) / 100
		w.Net.Loss, w.Net.Double, w.Net.Late = q, q, q/2
	case Backup:
		w.TakeBackup()
	case Restore:
		if p.Engine != nil {
			w.RestoreParent()
		}
	case Join:
		w.Join()
	case Leave:
		if n.ID != p.Self {
			w.Leave(n.ID)
		}
	case Clock:
		if down() {
			n.Skew += time.Duration(f.N) * time.Minute
		}
	case ClockParent:
		w.CrashParent()
		p.Skew += time.Duration(f.N) * time.Minute
	}
}

// Heal ends every fault.
func (w *World) Heal() {
	w.trace("--- everything heals")
	w.calm()
	for _, id := range w.ids {
		n := w.Nodes[id]
		n.Cut = false
		clear(n.Unseen)
		if !n.Up && !n.Gone {
			w.Restart(n)
		}
		if w.Parent.Store.Nodes[id].Drained {
			w.Ask(reconfig.AskUndrain, id)
		}
	}
}

// Abandon ends the network's and the parent's faults and the load; nodes that
// are down stay down, what is cut off stays cut off, what is drained stays
// drained.
func (w *World) Abandon() {
	w.trace("--- nothing more happens")
	w.calm()
}

func (w *World) calm() {
	w.StopOthers()
	w.Net.Loss, w.Net.Double, w.Net.Late = 0, 0, 0
	w.Parent.CrashIn = 0
	if w.Parent.Engine == nil {
		w.StartParent(false)
	}
	w.Ask(reconfig.AskResume, 0)
	for _, id := range w.ids {
		n := w.Nodes[id]
		n.Temp, n.FailWrite = 1, false
	}
}
