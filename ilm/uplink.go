package ilm

import (
	"context"
	"errors"
	"time"

	"simone/mib"
)

// firstRetry is how soon a node announces itself again when nobody has
// acknowledged; it doubles up to Config.JoinEvery.
const firstRetry = 500 * time.Millisecond

// keepInTouch announces the node at the start, and again as long as it has no
// parent, and says goodbye at the end.
func (m *Manager) keepInTouch(ctx context.Context) {
	first := min(firstRetry, m.cfg.JoinEvery)
	pause, retry := time.Duration(0), first
	complained := false // in the log, that nobody answers
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		timer.Reset(pause)
		select {
		case <-ctx.Done():
			m.sayGoodbye(ctx)
			return
		case <-timer.C:
		}
		pause = m.cfg.JoinEvery
		if m.joined.Load() > 0 && m.HasParent() {
			continue
		}
		err := m.inform(ctx, mib.SimoneNodeJoined)
		switch {
		case err == nil:
			m.joined.Add(1)
			retry, complained = first, false
		case ctx.Err() == nil:
			if !complained {
				m.log.Warn("the manager above does not acknowledge that this node joins; trying again", "err", err)
				complained = true
			}
			pause, retry = retry, min(2*retry, m.cfg.JoinEvery)
		}
	}
}

// sayGoodbye tells the manager above that it need not wait for this node to
// fall silent. Nobody waits for an answer for long.
func (m *Manager) sayGoodbye(ctx context.Context) {
	if errors.Is(context.Cause(ctx), ErrKilled) || m.joined.Load() == 0 && !m.HasParent() {
		return // nobody knows it
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.cfg.Goodbye)
	defer cancel()
	began := time.Now()
	if err := m.inform(last, mib.SimoneNodeLeaving); err != nil {
		m.log.Info("nobody acknowledged the goodbye", "err", err)
		return
	}
	m.linger(min(m.cfg.Linger, max(m.cfg.Linger, m.cfg.Goodbye)*3/2-time.Since(began)))
}

// linger waits until the list is empty, as others have what was on it, but not
// for long: then they do have it, and only this node's log was not read to its
// end.
func (m *Manager) linger(limit time.Duration) {
	const look = 10 * time.Millisecond
	tick := time.NewTicker(look)
	defer tick.Stop()
	over := time.NewTimer(limit)
	defer over.Stop()
	for m.host.Len() > 0 {
		select {
		case <-tick.C:
		case <-over.C:
			return
		}
	}
}

// inform sends a notification with the objects that the MIB lists for it, as
// the node's own tree has them.
func (m *Manager) inform(ctx context.Context, notification mib.OID) error {
	var vars []mib.Variable
	if d, ok := mib.ObjectByOID(notification); ok {
		for _, name := range d.Objects {
			if object, ok := mib.ObjectByName(name); ok {
				instance := mib.Instance(object.OID)
				vars = append(vars, mib.Variable{Name: instance, Value: m.tree.Get(instance)})
			}
		}
	}
	return m.cfg.Notifier.Inform(ctx, notification, vars)
}
