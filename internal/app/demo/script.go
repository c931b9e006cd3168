package demo

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"simone/manager"
	"simone/mib"
	"simone/reconfig"
)

// script is what happens to the fleet, and what the checker collects of it.
type script struct {
	fleet     *fleet
	began     time.Time
	histories []*history // of the members, in order

	// mu guards the fields below: the screen reads them.
	mu       sync.Mutex
	slowed   *member
	notes    []note
	killed   map[netip.Addr]time.Time
	stalls   []stall
	ilmStart int
	entries  []reconfig.Entry
}

// note is something that the demo did itself.
type note struct {
	at   time.Time
	text string
}

func newScript(f *fleet) *script {
	s := &script{fleet: f, began: time.Now(), killed: make(map[netip.Addr]time.Time)}
	for _, m := range f.members {
		s.histories = append(s.histories, &history{name: m.name})
	}
	return s
}

// formed waits until the tree stands: as many ILMs as it begins with, and
// every member with an owner that polls it.
func (s *script) formed(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ready := 0
		for _, c := range s.children() {
			if c.Ready {
				ready++
			}
		}
		covered, nodes := s.fleet.top.Manager().Coverage()
		if ready >= s.fleet.cfg.Start && nodes == len(s.fleet.members)+1 && covered == nodes {
			s.mu.Lock()
			s.ilmStart = ready
			s.mu.Unlock()
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// play lets things happen at their times and looks at the rings, until ctx is
// done.
func (s *script) play(ctx context.Context) {
	if err := s.formed(ctx); err != nil {
		return
	}
	s.say("the tree stands: %d ILMs, every node polled", s.ilmStart)
	d := s.fleet.cfg
	slow, unslow, kill := never(), never(), never()
	if d.Slow.After > 0 {
		slow = time.After(time.Until(s.began.Add(time.Duration(d.Slow.After))))
	}
	if d.Kill.After > 0 {
		kill = time.After(time.Until(s.began.Add(time.Duration(d.Kill.After))))
	}
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			s.collect()
		case <-slow:
			if s.slow() && d.Slow.For > 0 {
				unslow = time.After(time.Duration(d.Slow.For))
			}
		case <-unslow:
			s.unslow()
		case <-kill:
			s.kill()
		}
	}
}

// watch notes when the process did not run for half a poll interval and more:
// the machine was too busy, or stopped. It looks at nothing but the clock.
func (s *script) watch(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		if now.Sub(last) >= time.Duration(s.fleet.cfg.Poll)/2 {
			s.mu.Lock()
			s.stalls = append(s.stalls, stall{last, now})
			s.mu.Unlock()
		}
		last = now
	}
}

func never() <-chan time.Time { return nil }

func (s *script) children() []reconfig.ChildStatus {
	return s.fleet.top.Manager().Conductor().Children()
}

// slow makes the result worker of the ILM with the most nodes slow.
func (s *script) slow() bool {
	c, ok := s.busiest(nil)
	if !ok {
		return false
	}
	m := s.fleet.byID(c.ID)
	m.slow.Store(int64(s.fleet.cfg.Slow.By))
	s.mu.Lock()
	s.slowed = m
	s.mu.Unlock()
	s.say("injected: each result at %s now takes %v longer", m.name, time.Duration(s.fleet.cfg.Slow.By))
	return true
}

func (s *script) unslow() {
	s.mu.Lock()
	m := s.slowed
	s.slowed = nil
	s.mu.Unlock()
	if m != nil {
		m.slow.Store(0)
		s.say("injected: %s is as fast as before", m.name)
	}
}

// kill ends the ILM with the most nodes, other than the slowed one if there
// is a choice.
func (s *script) kill() {
	s.mu.Lock()
	spared := s.slowed
	s.mu.Unlock()
	c, ok := s.busiest(spared)
	if !ok {
		if c, ok = s.busiest(nil); !ok {
			return
		}
	}
	m := s.fleet.byID(c.ID)
	now := time.Now()
	s.mu.Lock()
	s.killed[m.at.Addr()] = now
	s.mu.Unlock()
	m.kill()
	for i, o := range s.fleet.members {
		if o == m {
			s.histories[i].died = now
		}
	}
	s.say("injected: %s with %d nodes is killed", m.name, c.Nodes)
}

func (s *script) busiest(not *member) (reconfig.ChildStatus, bool) {
	var best reconfig.ChildStatus
	for _, c := range s.children() {
		m := s.fleet.byID(c.ID)
		if c.Ready && !c.Retiring && m != nil && m != not && !m.dead.Load() && c.Nodes > best.Nodes {
			best = c
		}
	}
	return best, best.ID != 0
}

func (s *script) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, note{time.Now(), fmt.Sprintf(format, args...)})
}

// collect takes what the TLM stored and what the rings have recorded: in this
// order, so that what is held has been asked for.
func (s *script) collect() {
	clock := s.fleet.top.Chassis().Clock
	for i, m := range s.fleet.members {
		h := s.histories[i]
		if id := m.node.Chassis().Node.Place().ID; id != 0 {
			h.node = id
		}
		if h.node != 0 {
			s.collectHeld(h, clock)
		}
		h.look(m.ring)
	}
}

func (s *script) collectHeld(h *history, clock manager.Clock) {
	const window = 64 // samples a node gets between two looks, and more
	samples, err := s.fleet.top.Manager().Samples(h.node, window)
	if err != nil {
		return // the next look has them
	}
	known := make(map[uint32]int)
	for _, k := range h.held {
		if k.slot+window >= h.lastSlot {
			known[k.slot]++
		}
	}
	for i := len(samples) - 1; i >= 0; i-- {
		x := samples[i]
		if known[x.Slot] > 0 {
			known[x.Slot]--
			continue
		}
		h.held = append(h.held, held{slot: x.Slot, at: clock.Wall(x.At), by: s.address(x.By)})
		h.lastSlot = max(h.lastSlot, x.Slot)
	}
}

// address is where the requests of a manager come from.
func (s *script) address(id mib.NodeID) netip.Addr {
	if id == 1 {
		return netip.MustParseAddr(s.fleet.cfg.Base)
	}
	if m := s.fleet.byID(id); m != nil {
		return m.at.Addr()
	}
	return netip.Addr{}
}
