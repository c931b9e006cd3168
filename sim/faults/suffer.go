package faults

import (
	"fmt"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// suffer makes a fault happen. What makes no sense now does not happen.
func (w *World) suffer(f Fault) {
	w.trace("--- %v %d %d %d", f.Kind, f.A, f.B, f.N)
	w.Suffered++
	if f.A < 0 || f.A >= len(w.machines) || f.B < 0 || f.B >= len(w.machines) {
		return
	}
	m := w.machines[f.A]
	switch f.Kind {
	case Join:
		for range max(f.N, 1) {
			w.join()
		}
		return
	case Heal:
		for i := range w.machines {
			w.links.set(f.A, i, false)
			w.links.set(i, f.A, false)
		}
		return
	case HealAll:
		w.links.heal()
		return
	case Cut, CutOneWay:
		w.links.set(f.A, f.B, true)
		if f.Kind == Cut {
			w.links.set(f.B, f.A, true)
		}
		return
	case Split:
		w.split(f)
		return
	case Weather:
		q := float64(f.N) / 100
		w.weather = weather{q, q, q / 2}
		return
	case PauseManager:
		w.top.paused = w.now.Add(time.Duration(f.N) * 100 * time.Millisecond)
		return
	case Depose:
		w.depose(time.Duration(f.N) * 100 * time.Millisecond)
		return
	case Rival:
		w.compete()
		return
	case StopOthers:
		w.stopOthers()
		return
	case Unclone:
		w.unclone()
		return
	case Backup:
		w.backUp()
		return
	case Restore:
		w.restore(f.N%2 == 1)
		return
	case Hold:
		w.wish(reconfig.AskPause, 0)
		return
	case Resume:
		w.wish(reconfig.AskResume, 0)
		return
	case Trigger:
		w.wish(reconfig.AskTrigger, 0)
		return
	case Tune:
		w.tune(time.Duration(f.N) * 100 * time.Millisecond)
		return
	}
	if m == nil || m.gone {
		return
	}
	switch f.Kind {
	case Crash:
		if m.place == 1 {
			w.die(m) // the tree is not without a top for long
			return
		}
		w.crash(m)
	case Restart:
		if !m.up {
			w.restart(m)
		}
	case Stop:
		w.stopOrderly(m)
	case Readdress:
		w.readdress(m)
	case Forget:
		if m.place != 1 {
			w.crash(m)
			w.forget(m, f.N%2 == 1)
		}
	case ForgetStore:
		if m.place != 1 && m.store != nil {
			w.die(m)
			w.trace("node %d loses what it kept as a manager", m.place)
			m.store = nil
			w.checks.forgetManager(m.id)
		}
	case ListFull, ListTorn, ListDies:
		m.listWrite = writeFault{max(f.N, 1), diskFull + writeEnd(f.Kind-ListFull)}
	case StoreFull, StoreTorn, StoreDies, DieIn:
		mgr := m.mgr
		if m.place == 1 {
			mgr = w.top
		}
		if mgr == nil {
			return
		}
		if f.Kind == DieIn {
			mgr.crashIn = max(f.N, 1)
		} else {
			mgr.write = writeFault{max(f.N, 1), diskFull + writeEnd(f.Kind-StoreFull)}
		}
	case Pause:
		if m.up {
			m.paused = w.now.Add(time.Duration(f.N) * 100 * time.Millisecond)
		}
	case Slow:
		m.slow = time.Duration(f.N) * time.Millisecond
	case Clock:
		m.jump += time.Duration(f.N) * time.Second
		if m.up {
			w.die(m)
		}
	case Drift:
		m.ppm = int64(f.N)
	case Clone:
		w.copyOf(m)
	case Heat:
		m.temp = float64(f.N) / 10
	case Drain:
		w.wish(reconfig.AskDrain, m.id)
	case Undrain:
		w.wish(reconfig.AskUndrain, m.id)
	case Pin:
		w.wish(reconfig.AskPin, m.id)
	case Unpin:
		w.wish(reconfig.AskUnpin, m.id)
	case Place:
		var places []reconfig.Place
		for id := m.id; id <= m.id+mib.NodeID(f.N); id++ {
			places = append(places, reconfig.Place{Node: id, At: mib.NodeID(f.B)})
		}
		w.push(w.now, event{kind: told, mgr: w.top, ev: reconfig.OperatorAsked{Ask: reconfig.AskPlace, Places: places}})
	case Leave:
		for i := f.A; i < min(f.A+max(f.N, 1), len(w.machines)); i++ {
			if m := w.machines[i]; m.place != 1 && !m.clone && !m.gone {
				w.leave(m)
			}
		}
	}
}

// wish is an operator's, told to whoever leads.
func (w *World) wish(ask reconfig.Ask, node mib.NodeID) {
	w.push(w.now, event{kind: told, mgr: w.top, ev: reconfig.OperatorAsked{Ask: ask, Node: node}})
}

// tune changes the poll interval.
func (w *World) tune(every time.Duration) {
	w.top.settings.Interval = every
	w.push(w.now, event{kind: told, mgr: w.top, ev: reconfig.Tuned{Settings: w.top.settings}})
}

// split parts machine A from the machines B to N, or all with even numbers
// from all with odd ones.
func (w *World) split(f Fault) {
	for a := 1; a < len(w.machines); a++ {
		for b := a + 1; b < len(w.machines); b++ {
			apart := a%2 != b%2
			if f.N > 0 {
				apart = (a >= f.B && a <= f.N) != (b >= f.B && b <= f.N)
			}
			if apart {
				w.links.set(a, b, true)
				w.links.set(b, a, f.A%2 == 0 || w.links.blocked(b, a)) // A odd: one way only
			}
		}
	}
}

// join adds a machine that the inventory does not know yet.
func (w *World) join() {
	if len(w.machines) >= w.links.size {
		return
	}
	m := w.addMachine(false)
	w.restart(m)
	w.announce(m)
}

// leave takes a machine out for good. One whose identity another has would
// live on as that.
func (w *World) leave(m *machine) {
	for _, o := range w.machines {
		if o != nil && o.clone && !o.gone && o.id == m.id {
			return
		}
	}
	w.crash(m)
	m.gone = true
	w.push(w.now, event{kind: told, mgr: w.top, ev: reconfig.NodeLeft{Node: m.id}})
}

// working is for how long a process works on when it has said that it stops.
const working = time.Second

// stopOrderly ends a process in good order: it says so, and works on until
// others have its nodes.
func (w *World) stopOrderly(m *machine) {
	if !m.up || m.clone || m.place == 1 {
		return
	}
	w.trace("node %d says that it stops", m.place)
	m.stopping = true
	if w.net.Float64() >= w.weather.loss {
		w.after(delay, event{kind: told, m: m, mgr: w.top, ev: reconfig.ChildSilent{Child: m.id}})
	}
	w.after(working, event{kind: ends, m: m, life: m.life})
}

// readdress starts a machine again at another address, of which the managers
// hear when it announces itself.
func (w *World) readdress(m *machine) {
	if m.place == 1 || m.clone {
		return
	}
	delete(w.addresses, m.address)
	w.readdressed++
	m.address = fmt.Sprintf("198.51.%d.%d:161", w.readdressed/250, 1+w.readdressed%250)
	w.addresses[m.address] = m
	if m.up {
		w.die(m)
	}
}

// copyOf starts a machine with the identity and a copy of the disk of another.
func (w *World) copyOf(m *machine) {
	if len(w.machines) >= w.links.size || m.place == 1 || m.clone {
		return
	}
	c := w.addMachine(m.candidate)
	w.trace("node %d has the identity of %d", c.place, m.place)
	c.id, c.name, c.clone, c.disk, c.role = m.id, m.name, true, cloneList(m.disk), m.role
	w.clones++
	m.copied = true
	w.restart(c)
	w.announce(c)
}

// unclone ends the machines with another's identity.
func (w *World) unclone() {
	for _, m := range w.machines {
		if m != nil && m.clone && !m.gone {
			w.crash(m)
			m.gone = true
		}
	}
}

// backup is a copy of the top's disk.
type backup struct {
	store *store
	list  reconfig.ListState
	used  bool // it has been restored
}

func (w *World) backUp() {
	w.backup = &backup{store: w.top.store.clone(), list: cloneList(w.machines[1].disk)}
}

// restore loses the top's disk and starts it from the backup: on its machine,
// where a file beside the store has counted the terms since, or on a new one
// without that file. The latter with a backup that has not been restored
// before: the terms of the first time would be used again, which is not
// promised to be noticed (docs/guarantees.md).
func (w *World) restore(elsewhere bool) {
	if w.backup == nil {
		return
	}
	own := w.machines[1]
	w.crash(own)
	if elsewhere && !w.backup.used {
		w.terms = 0
	}
	w.trace("the top is restored from its backup (terms counted to %d)", w.terms)
	w.top.store, own.disk = w.backup.store.clone(), cloneList(w.backup.list)
	w.backup.used, w.restored, w.backedUp = true, true, true
	w.checks.forgetChild(own.id)
	w.restart(own)
}

// heal ends every fault and, unless the scenario leaves them, what they have
// broken.
func (w *World) heal() {
	w.trace("--- calm")
	w.stopOthers()
	w.unclone()
	w.weather = weather{}
	w.top.crashIn, w.top.paused, w.top.write = 0, 0, writeFault{}
	for _, m := range w.machines {
		if m == nil || m.gone {
			continue
		}
		m.temp, m.slow, m.paused, m.listWrite = 1, 0, 0, writeFault{}
		if m.mgr != nil {
			m.mgr.crashIn, m.mgr.write = 0, writeFault{}
		}
		if m.stopping {
			w.crash(m)
		}
		if !m.up && (m.place == 1 || !w.scenario.Abandon) {
			w.restart(m)
		}
	}
	w.wish(reconfig.AskResume, 0)
	var off []int // from the top, both ways
	for i := 2; i < len(w.machines) && w.scenario.Abandon && w.scenario.Levels == 1; i++ {
		if w.links.blocked(1, i) && w.links.blocked(i, 1) {
			off = append(off, i)
		}
	}
	w.links.heal()
	if w.scenario.Abandon {
		for _, i := range off {
			w.links.set(1, i, true)
			w.links.set(i, 1, true)
		}
		return
	}
	for _, m := range w.machines {
		if m != nil && w.top.store.Nodes[m.id].Drained {
			w.wish(reconfig.AskUndrain, m.id)
		}
	}
}
