package faults

import (
	"time"

	"simone/mib"
	"simone/reconfig"
	"simone/sim/heap"
)

// eventKind says what happens.
type eventKind uint8

const (
	wakes      eventKind = 1 + iota // a list's polls are due
	polled                          // a poll was answered
	unanswered                      // a poll was not
	ticks                           // an engine's deadline has come
	asked                           // a request has arrived at a machine
	replied                         // its answer has arrived at the manager
	timedOut                        // no answer came
	told                            // a letter has arrived at a manager
	announces                       // a machine looks whether it has a parent
	comesBack                       // a process starts again
	ends                            // a process that has said that it stops does
	rebuilds                        // an engine is made anew of its store
	deepens                         // a machine looks at what its list says
	suffers                         // a fault of the scenario
)

// event is one thing that happens. It is kept by value: a poll makes no
// garbage.
type event struct {
	kind eventKind
	slot uint32
	node mib.NodeID
	n    int64 // a time in nanoseconds, or a number
	life uint64
	m    *machine
	mgr  *manager
	call *call
	ev   reconfig.Event // without its time
}

type queue = heap.Queue[reconfig.Instant, event]

// push has something happen at a time. What is to happen at one time happens
// in the order in which it was pushed.
func (w *World) push(at reconfig.Instant, ev event) heap.Handle {
	w.seq++
	return w.queue.Push(heap.Key[reconfig.Instant]{At: max(at, w.now), Rank: w.seq}, ev)
}

func (w *World) after(d time.Duration, ev event) heap.Handle { return w.push(w.now.Add(d), ev) }

// dispatch makes an event happen.
func (w *World) dispatch(ev event) {
	if until := w.stopped(&ev); until > w.now { // the process is stopped and does not know it
		h := w.push(until, ev)
		if ev.kind == timedOut {
			ev.call.timeout = h
		}
		return
	}
	switch ev.kind {
	case wakes:
		w.runList(ev.m, ev.life)
	case polled:
		if ev.m.life == ev.life {
			w.pollAnswered(ev)
		}
	case unanswered:
		if ev.m.life == ev.life {
			ev.m.list.Failed(ev.m.now(w), ev.node, ev.slot)
		}
	case ticks:
		if ev.mgr.life == ev.life && ev.mgr.tick == reconfig.Instant(ev.n) {
			ev.mgr.tick = 0
			w.tell(ev.mgr, reconfig.Ticked{At: ev.mgr.at(w)})
		}
	case asked:
		w.arrive(ev.call)
	case replied:
		w.answer(ev.call, ev.ev, true)
	case timedOut:
		w.answer(ev.call, reconfig.ActionFailed{Action: ev.call.id, Why: reconfig.TimedOut, Text: "no answer"}, false)
	case told:
		if _, joins := ev.ev.(reconfig.NodeJoined); joins && ev.m != nil && ev.m.gone {
			return // has waited for a process that was stopped: the inventory knows by now that it has left
		}
		if m := ev.mgr; m.life != 0 && (ev.m == nil || !w.links.blocked(ev.m.place, m.place) && !w.refuses(m, ev.m)) {
			w.tell(m, stamp(ev.ev, m.at(w)))
		}
	case announces:
		w.announce(ev.m)
	case comesBack:
		if !ev.m.up && ev.m.life == ev.life && !ev.m.gone {
			w.restart(ev.m)
		}
	case ends:
		if ev.m.life == ev.life {
			w.crash(ev.m)
		}
	case rebuilds:
		if ev.mgr.life == 0 && ev.mgr.lived == ev.life && ev.mgr.host.up {
			w.start(ev.mgr, false)
			w.hearAbove(ev.mgr)
		}
	case deepens:
		if ev.m.life == ev.life {
			w.deepen(ev.m)
		}
	case suffers:
		w.suffer(w.scenario.Faults[ev.n])
	}
}

// stopped is until when the process that an event is for does nothing.
func (w *World) stopped(ev *event) reconfig.Instant {
	switch ev.kind {
	case wakes, polled, unanswered, deepens, announces:
		return ev.m.paused
	case asked:
		return ev.call.to.paused
	case ticks, told:
		return ev.mgr.stoppedUntil()
	case replied, timedOut:
		return ev.call.by.stoppedUntil()
	}
	return 0
}

// stamp tells an event when it happened.
func stamp(ev reconfig.Event, at reconfig.At) reconfig.Event {
	switch ev := ev.(type) {
	case reconfig.ChildReported:
		ev.At = at
		return ev
	case reconfig.LogRead:
		ev.At = at
		return ev
	case reconfig.ActionDone:
		ev.At = at
		return ev
	case reconfig.ActionFailed:
		ev.At = at
		return ev
	case reconfig.NodeJoined:
		ev.At = at
		return ev
	case reconfig.ChildSilent:
		ev.At = at
		return ev
	case reconfig.NodeLeft:
		ev.At = at
		return ev
	case reconfig.OperatorAsked:
		ev.At = at
		return ev
	case reconfig.Measured:
		ev.At = at
		return ev
	case reconfig.Tuned:
		ev.At = at
		return ev
	}
	return ev
}
