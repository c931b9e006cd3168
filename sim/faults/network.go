package faults

import (
	"time"

	"simone/mib"
	"simone/reconfig"
	"simone/sim/heap"
)

// weather is what happens to messages between a manager and another machine.
type weather struct {
	loss, double float64 // probabilities, for each message
	late         float64 // probability of a delay of up to four seconds
}

// How long things take when all is well, and what a manager waits for the
// answer to a SET and to a GET.
const (
	delay       = 200 * time.Microsecond
	jitter      = 300 * time.Microsecond // up to this much more, which reorders
	lateness    = 4 * time.Second
	pollTime    = 2 * time.Millisecond
	setTimeout  = time.Second
	readTimeout = 450 * time.Millisecond
)

// links says between which places no message passes, one way each.
type links struct {
	size int
	cut  []bool // from*size+to
	some int    // how many are cut
}

func newLinks(size int) links { return links{size: size, cut: make([]bool, size*size)} }

func (l *links) blocked(from, to int) bool { return l.some > 0 && l.cut[from*l.size+to] }

func (l *links) set(from, to int, cut bool) {
	i := from*l.size + to
	if from == to || l.cut[i] == cut {
		return
	}
	l.cut[i] = cut
	if cut {
		l.some++
	} else {
		l.some--
	}
}

func (l *links) heal() {
	clear(l.cut)
	l.some = 0
}

// call is a request of a manager to a child. Exactly one event answers it.
type call struct {
	by      *manager
	life    uint64 // of by
	id      reconfig.ActionID
	to      *machine
	action  reconfig.Action
	done    bool
	timeout heap.Handle
}

// ask sends a request.
func (w *World) ask(by *manager, child mib.NodeID, id reconfig.ActionID, timeout time.Duration, a reconfig.Action) {
	c := &call{by: by, life: by.life, id: id, to: w.childOf(by, child), action: a}
	c.timeout = w.after(timeout, event{kind: timedOut, call: c})
	if c.to == nil {
		return
	}
	w.send(by.place, c.to.place, 0, event{kind: asked, call: c})
}

// childOf is the machine that a manager takes for a child: who answers at the
// address that it knows.
func (w *World) childOf(m *manager, child mib.NodeID) *machine {
	if child == m.self {
		return m.host
	}
	n, known := m.engine.Node(child)
	if !known {
		return w.machines[child]
	}
	return w.at(child, n.Address)
}

// at is the machine at an address.
func (w *World) at(node mib.NodeID, address string) *machine {
	if w.clones == 0 && w.readdressed == 0 && int(node) < len(w.machines) {
		return w.machines[node]
	}
	return w.addresses[address]
}

// send carries a message from one place to another, or loses it.
func (w *World) send(from, to int, more time.Duration, ev event) {
	if from == to {
		w.after(more, ev)
		return
	}
	copies := 1
	if w.weather.double > 0 && w.net.Float64() < w.weather.double {
		copies = 2
	}
	for range copies {
		if w.weather.loss > 0 && w.net.Float64() < w.weather.loss {
			continue
		}
		d := delay + more + time.Duration(w.net.Int64N(int64(jitter)))
		if w.weather.late > 0 && w.net.Float64() < w.weather.late {
			d += time.Duration(w.net.Int64N(int64(lateness)))
		}
		w.after(d, ev)
	}
}

// arrive has a machine serve a request.
func (w *World) arrive(c *call) {
	m := c.to
	if !m.up || w.links.blocked(c.by.place, m.place) {
		return
	}
	if !c.by.rival && c.by.host != m {
		m.heard = w.now
	}
	reply := w.serve(c, m)
	if reply == nil {
		return
	}
	slow := time.Duration(0)
	if m.slow > 0 && c.by.host != m {
		slow = time.Duration(w.net.Int64N(int64(m.slow)))
	}
	w.send(m.place, c.by.place, slow, event{kind: replied, call: c, ev: reply})
}

// answer tells the manager what became of a request.
func (w *World) answer(c *call, ev reconfig.Event, came bool) {
	if c.done || came && w.links.blocked(c.to.place, c.by.place) {
		return
	}
	c.done = true
	if came {
		w.queue.Cancel(c.timeout)
	}
	if c.by.life == c.life {
		w.tell(c.by, stamp(ev, c.by.at(w)))
	}
}
