package top

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"simone/agent"
	"simone/internal/config"
	"simone/internal/store/etcd"
	"simone/mib"
	"simone/tlm"
)

// seat is the place at the top for which several TLMs that share a store take
// turns.
type seat struct {
	member *etcd.Member
	self   tlm.Peer
}

var (
	_ tlm.Store     = (*etcd.Store)(nil)
	_ tlm.Forwarder = forwarder{}
)

// openSeat gets ready to share a store.
func (t *Top) openSeat(at config.EtcdStore) (*seat, error) {
	c := t.config
	secure := c.Etcd.TLS()
	if at.TLS && secure == nil {
		secure = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	self := tlm.Peer{Name: c.Name, Address: c.Address()}
	member, err := etcd.New(etcd.Config{
		Endpoints: at.Endpoints, Prefix: at.Prefix, Name: self.Name, Address: self.Address,
		TTL: time.Duration(c.Etcd.Lease), TLS: secure, User: c.Etcd.User, Password: c.Etcd.Password.Reveal(),
		History: c.StateDir(), Limits: etcd.Limits{Compact: c.Etcd.Compact}, Logger: t.options.Logger,
	})
	if err != nil {
		return nil, err
	}
	return &seat{member, self}, nil
}

// standing is how things are, as the MIB shows it.
func (s *seat) standing(leads func() error) tlm.Standing {
	now, _ := s.member.Standing()
	state := mib.Standby
	if leads != nil {
		state = mib.Leading
		if leads() != nil {
			state = mib.Suspended
		}
	}
	others := len(now.Others)
	if !now.Leading {
		others++ // this one
	}
	return tlm.Standing{
		State: state, Leader: tlm.Peer(now.Leader), Others: others, For: time.Since(now.Since), Trouble: now.Trouble,
	}
}

// takeTurns leads whenever it is this TLM's turn, and stands by otherwise,
// until ctx ends. The lease is given back when nothing acts on it any more.
func (t *Top) takeTurns(ctx context.Context) error {
	log := t.options.Logger
	candidacy, resign := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { _ = t.seat.member.Run(candidacy) })
	defer func() {
		resign()
		running.Wait()
	}()
	log.Info("standing by", "store", t.config.Store)
	failure, pause := "", minPause
	for ctx.Err() == nil {
		if err := t.wait(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		began := time.Now()
		store, err := t.seat.member.Lead(ctx)
		if err == nil {
			err = t.reign(ctx, store, began)
		}
		if err == nil || ctx.Err() != nil || t.seat.member.Held() != nil {
			failure, pause = "", minPause
			continue
		}
		// It could lead and cannot: a store of another release, say. Perhaps
		// another one can.
		if failure != err.Error() {
			failure = err.Error()
			log.Error("this manager cannot lead; trying again", "err", err)
		}
		t.seat.member.Yield(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
	return nil
}

// Pauses of a manager that could lead and cannot.
const (
	minPause = time.Second
	maxPause = 30 * time.Second
)

// wait stands by until it is this TLM's turn or ctx ends.
func (t *Top) wait(ctx context.Context) error {
	waiting, over := context.WithCancel(ctx)
	var forwarding sync.WaitGroup
	defer forwarding.Wait()
	defer over()
	shown := t.standby.Load() // there is one from the start
	if shown != nil {
		forwarding.Go(func() { _ = shown.Run(waiting) })
	}
	for {
		now, changed := t.seat.member.Standing()
		if now.Leading || ctx.Err() != nil {
			return nil
		}
		// What was known last is shown until it is known who leads instead.
		if now.Leader != (etcd.Who{}) && shown == nil {
			if err := t.standBy(tlm.Peer(now.Leader)); err != nil {
				return err
			}
			shown = t.standby.Load()
			forwarding.Go(func() { _ = shown.Run(waiting) })
		} else if shown != nil {
			if err := below(t.chassis.Node, tlm.Peer(now.Leader)); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-changed:
		}
	}
}

// reign leads until ctx ends or another one does.
func (t *Top) reign(ctx context.Context, store *etcd.Store, began time.Time) error {
	log := t.options.Logger
	m, err := t.lead(store, store.Held, func() tlm.Standing { return t.seat.standing(store.Held) })
	if err != nil {
		return err
	}
	m.TellLead(fmt.Sprintf("leads, ready after %v", time.Since(began).Round(time.Millisecond)))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var beside sync.WaitGroup
	beside.Go(func() { _ = store.Run(ctx) })
	beside.Go(func() {
		defer stop()
		t.seat.watch(ctx, store, m)
	})
	err = m.Run(ctx)
	stop()
	beside.Wait()
	if errors.Is(store.Held(), etcd.ErrDeposed) {
		log.Warn("another manager leads; standing by")
	}
	return err
}

// watch waits until another one leads, or ctx ends. When the lease is there
// again after it was lost, and nobody has led meanwhile, the engine goes on at
// once.
func (s *seat) watch(ctx context.Context, store *etcd.Store, m *tlm.Manager) {
	suspended := time.Time{} // since when; zero: it is not
	for {
		now, changed := s.member.Standing()
		switch held := store.Held() == nil; {
		case held && !suspended.IsZero():
			m.Conductor().Poke()
			m.TellLead(fmt.Sprintf("goes on, suspended for %v", time.Since(suspended).Round(time.Millisecond)))
			suspended = time.Time{}
		case !held && suspended.IsZero():
			suspended = time.Now()
		}
		if !now.Leading && now.Leader != (etcd.Who{}) && tlm.Peer(now.Leader) != s.self {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-store.Deposed():
			return
		case <-changed:
		}
	}
}

// standBy makes this TLM one that waits to take over from leader.
func (t *Top) standBy(leader tlm.Peer) error {
	n := t.chassis.Node
	n.SetRole(mib.RoleStandby)
	if err := below(n, leader); err != nil {
		return err
	}
	s := tlm.NewStandby(tlm.StandbyOptions{
		Standing: func() tlm.Standing { return t.seat.standing(nil) }, Forwarder: forwarder{t}, Logger: t.options.Logger,
	})
	tree := mib.NewTree()
	if err := errors.Join(n.Register(tree), s.Register(tree)); err != nil {
		return err
	}
	n.SetMetricSource(nil)
	t.front.Show(tree)
	t.standby.Store(s)
	t.manager.Store(nil)
	return nil
}

// below gives a standby's node its place: it has no number in the tree, and
// the way up leads to who leads.
func below(n *agent.Node, leader tlm.Peer) error {
	p := n.Place()
	p.ID, p.Level, p.Parent, p.ParentID, p.Path = 0, 0, leader.Address, 0, ""
	return n.SetPlace(p)
}

// forwarder hands informs on to the manager that leads.
type forwarder struct{ t *Top }

// Inform implements tlm.Forwarder.
func (f forwarder) Inform(ctx context.Context, to string, notification mib.OID, vars []mib.Variable) error {
	return f.t.chassis.UplinkTo(&f.t.configuration().Node, to).Inform(ctx, notification, vars)
}
