package tlm

import (
	"fmt"
	"sync"
	"time"

	"simone/manager"
	"simone/mib"
	"simone/reconfig"
)

// latest knows the newest sample of each node, and who has said that it stops.
type latest struct {
	// mu guards the fields below.
	mu      sync.Mutex
	samples map[mib.NodeID]lastSample
	stopped map[mib.NodeID]reconfig.Instant // nodes that said so, and when
}

type lastSample struct {
	slot uint32
	at   reconfig.Instant
}

func newLatest() *latest {
	return &latest{samples: make(map[mib.NodeID]lastSample), stopped: make(map[mib.NodeID]reconfig.Instant)}
}

// load takes the newest samples that the store has.
func (l *latest) load(c *manager.Conductor, s Store) error {
	for _, n := range c.Nodes() {
		samples, err := s.Samples(n.ID, 1)
		if err != nil {
			return fmt.Errorf("newest sample of node %d: %w", n.ID, err)
		}
		for _, x := range samples {
			l.put(x)
		}
	}
	return nil
}

// put takes a sample; it reports whether it is the newest of its node.
func (l *latest) put(s reconfig.Stored) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old, ok := l.samples[s.Node]; ok && old.slot >= s.Slot {
		return false
	}
	l.samples[s.Node] = lastSample{s.Slot, s.At}
	if at, ok := l.stopped[s.Node]; ok && s.At > at.Add(lastWords) {
		delete(l.stopped, s.Node)
	}
	return true
}

// lastWords is by how much the instants of a node's last sample, which went
// through other hands, and of its goodbye may be in the wrong order.
const lastWords = time.Second

// stop notes that a node has said that it stops. It reports false if it had
// said so already, and was not back since.
func (l *latest) stop(id mib.NodeID, at reconfig.Instant) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, said := l.stopped[id]; said {
		return false
	}
	l.stopped[id] = at
	return true
}

// back notes that a node is there again.
func (l *latest) back(id mib.NodeID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.stopped, id)
}

func (l *latest) hasStopped(id mib.NodeID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, said := l.stopped[id]
	return said
}

// of is when the node's newest sample was taken; 0: never.
func (l *latest) of(id mib.NodeID) reconfig.Instant {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.samples[id].at
}

// forget drops what belongs to nodes that are gone.
func (l *latest) forget(known func(mib.NodeID) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.samples {
		if !known(id) {
			delete(l.samples, id)
		}
	}
	for id := range l.stopped {
		if !known(id) {
			delete(l.stopped, id)
		}
	}
}

// missedIntervals without a sample make a node count as failing: two for
// polls that are lost, and one for the sample's way up.
const missedIntervals = 3

// status is what came of the polls of a node, as far as the samples tell that
// have come up, and whether it was stopped. interval is that of nodes without their own.
func (l *latest) status(n reconfig.Node, interval time.Duration, now reconfig.Instant) mib.PollStatus {
	if n.Interval > 0 {
		interval = n.Interval
	}
	switch at := l.of(n.ID); {
	case l.hasStopped(n.ID):
		return mib.PollStopped
	case at == 0:
		return mib.PollWaiting
	case now.Sub(at) > missedIntervals*interval:
		return mib.PollFailing
	}
	return mib.PollUp
}
