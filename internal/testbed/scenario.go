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
	CrashParentSoon // before the N-th action from now
	RestartParent
	CutNode // no message passes between the parent and the node
	HealNode
	HideNode // the ILMs N cannot reach the node
	ShowNode
	Heat // the node's temperature is N
	Drain
	Undrain
	Trigger
	Lossy // N percent of messages are lost, doubled, late
	Backup
	Restore
	FaultKinds
)

func (k FaultKind) String() string {
	return [...]string{
		"crash", "restart", "crash parent in", "restart parent", "cut", "heal", "hide", "show", "heat",
		"drain", "undrain", "trigger", "lossy", "backup", "restore",
	}[k]
}

func (f Fault) String() string {
	return fmt.Sprintf("+%v %v node %d (%d)", f.After, f.Kind, f.Node, f.N)
}

// Suffer makes a fault happen.
func (w *World) Suffer(f Fault) {
	w.trace("--- %v %d %d", f.Kind, f.Node, f.N)
	n := w.Nodes[f.Node]
	p := &w.Parent
	switch f.Kind {
	case CrashNode:
		if n.Up && n.ID != p.Self {
			w.Crash(n)
		}
	case RestartNode:
		if !n.Up {
			w.Restart(n)
		}
	case CrashParentSoon:
		p.CrashIn = max(f.N, 1)
	case RestartParent:
		if p.Engine == nil {
			w.StartParent(false)
		}
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
		w.tell(reconfig.OperatorAsked{At: w.at(), Ask: reconfig.AskDrain, Node: f.Node})
	case Undrain:
		w.tell(reconfig.OperatorAsked{At: w.at(), Ask: reconfig.AskUndrain, Node: f.Node})
	case Trigger:
		w.tell(reconfig.OperatorAsked{At: w.at(), Ask: reconfig.AskTrigger})
	case Lossy:
		q := float64(f.N) / 100
		w.Net.Loss, w.Net.Double, w.Net.Late = q, q, q/2
	case Backup:
		w.TakeBackup()
	case Restore:
		if p.Backup != nil && p.Engine != nil {
			w.RestoreParent()
		}
	}
}

// Heal ends every fault.
func (w *World) Heal() {
	w.trace("--- everything heals")
	w.Net.Loss, w.Net.Double, w.Net.Late = 0, 0, 0
	w.Parent.CrashIn = 0
	if w.Parent.Engine == nil {
		w.StartParent(false)
	}
	for id := mib.NodeID(1); int(id) <= len(w.Nodes); id++ {
		n := w.Nodes[id]
		n.Cut, n.Temp = false, 1
		clear(n.Unseen)
		if !n.Up {
			w.Restart(n)
		}
		if w.Parent.Store.Nodes[id].Drained {
			w.tell(reconfig.OperatorAsked{At: w.at(), Ask: reconfig.AskUndrain, Node: id})
		}
	}
}
