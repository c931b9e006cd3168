package tlm

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"simone/mib"
)

// Forwarder hands notifications on.
type Forwarder interface {
	// Inform sends an inform to the manager at an address and waits until it
	// is acknowledged, or gives up.
	Inform(ctx context.Context, to string, notification mib.OID, vars []mib.Variable) error
}

// StandbyOptions are what a Standby is made of. All but Logger must be given.
type StandbyOptions struct {
	// Standing is how things are.
	Standing  func() Standing
	Forwarder Forwarder
	Logger    *slog.Logger // nil discards
}

// Standby is a TLM that waits to take over: it shows who leads, and hands the
// informs of nodes on to that one. Create it with NewStandby, register its
// objects with Register, then call Run. All other methods are safe for
// concurrent use.
type Standby struct {
	o StandbyOptions

	handed chan *handed // to be sent

	// mu guards the fields below.
	mu    sync.Mutex
	known []*handed // by when they came, oldest first
}

// handed is an inform that is handed on.
type handed struct {
	trap   mib.OID
	vars   []mib.Variable
	key    []byte // what it says
	node   string // who says so: its UUID
	at     time.Time
	taken  bool               // the leader has acknowledged it
	flying bool               // it is on its way, or waits for a worker
	cancel context.CancelFunc // of what is on its way; nil before

	dropped bool // it is not to be sent any more
}

func uuidIn(vars []mib.Variable) string {
	return string(scalarValues(vars)[mib.SimoneNodeUuid.String()].Bytes)
}

// The bounds of informs that are handed on: how many at once, and for how long
// it is known what became of them. Those that stay without an answer come
// again within a second or so.
const (
	maxHanded   = 1024
	handedFor   = 10 * time.Second
	handOnWait  = 3 * time.Second
	handWorkers = 8
)

// NewStandby makes a Standby.
func NewStandby(o StandbyOptions) *Standby {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Standby{o: o, handed: make(chan *handed, maxHanded)}
}

// Register puts the objects of a standby into a tree.
func (s *Standby) Register(tree *mib.Tree) error { return registerStanding(tree, s.o.Standing) }

// Notified takes a notification of a node. It does not block. Whoever informs
// gets no answer before the leader has given one: what is not acknowledged
// comes again, or goes to another TLM.
func (s *Standby) Notified(_ netip.AddrPort, trap mib.OID, vars []mib.Variable) bool {
	if !trap.Equal(mib.SimoneNodeJoined) && !trap.Equal(mib.SimoneNodeLeaving) {
		return true // of no interest to the leader either
	}
	key := contents(trap, vars)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = slices.DeleteFunc(s.known, func(h *handed) bool { return !h.flying && now.Sub(h.at) > handedFor })
	for i, h := range s.known {
		if !bytes.Equal(h.key, key) {
			continue
		}
		if h.taken { // once: what comes after may be news
			s.known = slices.Delete(s.known, i, i+1)
			return true
		}
		if !h.flying {
			s.send(h)
		}
		return false
	}
	if len(s.known) >= maxHanded {
		return false
	}
	h := &handed{trap: trap, key: key, node: uuidIn(vars), at: now}
	if trap.Equal(mib.SimoneNodeLeaving) { // what it said before must not come after
		s.known = slices.DeleteFunc(s.known, func(before *handed) bool {
			if before.node != h.node {
				return false
			}
			before.dropped = true
			if before.cancel != nil {
				before.cancel()
			}
			return true
		})
	}
	for _, v := range vars {
		v.Name, v.Value.Bytes = slices.Clone(v.Name), bytes.Clone(v.Value.Bytes)
		h.vars = append(h.vars, v)
	}
	s.known = append(s.known, h)
	s.send(h)
	return false
}

// contents is what a notification says, to know it again.
func contents(trap mib.OID, vars []mib.Variable) []byte {
	key := []byte(trap.String())
	for _, v := range vars {
		key = append(append(key, v.Name.String()...), v.Value.String()...)
		key = append(key, v.Value.Bytes...)
	}
	return key
}

// send has a worker send it. s.mu is held.
func (s *Standby) send(h *handed) {
	select {
	case s.handed <- h:
		h.flying = true
	default: // it comes again
	}
}

// Run hands on what comes until ctx ends, and returns nil.
func (s *Standby) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range handWorkers {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case h := <-s.handed:
					s.handOn(ctx, h)
				}
			}
		})
	}
	workers.Wait()
	return nil
}

func (s *Standby) handOn(ctx context.Context, h *handed) {
	once, cancel := context.WithTimeout(ctx, handOnWait)
	defer cancel()
	s.mu.Lock()
	h.cancel = cancel
	dropped := h.dropped
	s.mu.Unlock()
	leader := s.o.Standing().Leader.Address
	taken := false
	if leader != "" && !dropped {
		err := s.o.Forwarder.Inform(once, leader, h.trap, h.vars)
		if err != nil && once.Err() == nil {
			s.o.Logger.Debug("an inform could not be handed on", "to", leader, "err", err)
		}
		taken = err == nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h.flying, h.taken, h.at = false, taken, time.Now()
}
