package snmp

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"simone/mib"
)

// ListenerConfig is how a Listener is set up.
type ListenerConfig struct {
	// Listen is where notifications come in; port 0 takes any.
	Listen netip.AddrPort
	// Communities are those that may notify. Those of v1 may send traps of
	// v1, and those of v2c traps and informs.
	Communities []Credential
	// Handle gets each notification once, from the goroutine of Run; it must
	// not block. An inform that it does not accept (false) is not answered,
	// so that the sender tries again.
	Handle func(Notification) bool
}

// ListenerStats counts what a Listener was sent.
type ListenerStats struct {
	Received      uint64 // datagrams
	Accepted      uint64 // notifications, also repeated ones
	BadVersions   uint64 // of a version not spoken
	BadCommunity  uint64 // with a community that may not notify
	Malformed     uint64 // no message, or no notification
	SendFailed    uint64 // answers to informs that could not be sent
	RefusedByUser uint64 // informs that Handle did not accept
}

// Listener receives traps and informs on a socket of its own. (An agent that
// answers requests receives them on the agent's; see agent/responder.)
type Listener struct {
	cfg     ListenerConfig
	socket  *Socket
	inbox   Inbox
	message Message
	out     []byte

	received, badVersions, badCommunity, malformed, accepted, sendFailed, refused atomic.Uint64
}

// NewListener binds the socket.
func NewListener(cfg ListenerConfig) (*Listener, error) {
	if cfg.Handle == nil {
		return nil, errors.New("listener: there is no handler")
	}
	socket, err := OpenSocket(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listener: %w", err)
	}
	return &Listener{cfg: cfg, socket: socket}, nil
}

// Addr is where it listens.
func (l *Listener) Addr() netip.AddrPort { return l.socket.Addr() }

// Stats gives the counters.
func (l *Listener) Stats() ListenerStats {
	return ListenerStats{
		Received:      l.received.Load(),
		Accepted:      l.accepted.Load(),
		BadVersions:   l.badVersions.Load(),
		BadCommunity:  l.badCommunity.Load(),
		Malformed:     l.malformed.Load(),
		SendFailed:    l.sendFailed.Load(),
		RefusedByUser: l.refused.Load(),
	}
}

// Run serves until ctx ends, closes the socket and returns nil.
func (l *Listener) Run(ctx context.Context) error {
	err := l.socket.Serve(ctx, l.handle)
	if e := l.socket.Close(); e != nil && err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("listener: %w", err)
	}
	return nil
}

func (l *Listener) handle(b []byte, d Datagram, truncated bool) {
	l.received.Add(1)
	m := &l.message
	if truncated {
		l.malformed.Add(1)
		return
	}
	switch err := m.Decode(b); {
	case errors.Is(err, ErrVersion):
		l.badVersions.Add(1)
		return
	case err != nil:
		l.malformed.Add(1)
		return
	}
	name, ok := l.community(m)
	if !ok {
		l.badCommunity.Add(1)
		return
	}
	answer, err := l.inbox.Deliver(m, b, d, name, l.cfg.Handle)
	switch {
	case err != nil:
		l.malformed.Add(1)
		return
	case !answer:
		if m.Verb == mib.VerbInform {
			l.refused.Add(1)
		} else {
			l.accepted.Add(1)
		}
		return
	}
	l.accepted.Add(1)
	m.Verb, m.Status, m.Index = mib.VerbResponse, mib.NoError, 0
	if l.out, err = m.Append(l.out[:0]); err == nil {
		err = l.socket.Answer(l.out, d)
	}
	if err != nil {
		l.sendFailed.Add(1)
	}
}

func (l *Listener) community(m *Message) (name string, ok bool) {
	for i := range l.cfg.Communities {
		c := &l.cfg.Communities[i]
		if c.Version == m.Version && subtle.ConstantTimeCompare([]byte(c.Community), m.Community) == 1 {
			return c.Name, true
		}
	}
	return "", false
}
