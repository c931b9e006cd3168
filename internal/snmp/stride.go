package snmp

import (
	"errors"
	"fmt"
	"net/netip"

	"simone/mib"
)

// preparedWalk is subtrees that are read of many agents: WalkColumns by
// queries, which wait for nobody.
type preparedWalk struct {
	poller *Poller
	base   mib.Request
	roots  []mib.OID
	// first are the queries that begin it, by repetitions. The poller's mu
	// guards them.
	first map[int]*Query
}

// PrepareWalk makes a walk of the subtrees at the roots, put as WalkColumns
// puts its requests; the address of base does not matter.
func (p *Poller) PrepareWalk(base mib.Request, roots []mib.OID) (mib.Walk, error) {
	if len(roots) == 0 {
		return nil, errors.New("walk: there is nothing to be read")
	}
	for _, root := range roots {
		if _, err := VariableSize(mib.Variable{Name: root, Value: mib.Value{Type: mib.TypeNull}}); err != nil {
			return nil, fmt.Errorf("walk: %w", err)
		}
	}
	return &preparedWalk{poller: p, base: base, roots: roots, first: make(map[int]*Query)}, nil
}

// Ask implements mib.Walk.
func (w *preparedWalk) Ask(to netip.AddrPort, walker mib.Walker) {
	p := w.poller
	p.mu.Lock()
	c, known := p.keys.Lookup(w.base.Credential)
	p.mu.Unlock()
	s := &stride{of: w, to: to, walker: walker}
	if !known {
		go s.end(&UnknownCredentialError{w.base.Credential})
		return
	}
	base := w.base
	base.Address = to
	s.walk = newWalk(base, w.roots, c.Version)
	p.manners(base, &s.walk.manners)
	if err := s.next(); err != nil {
		go s.end(err)
	}
}

// stride is a walk of one agent.
type stride struct {
	of      *preparedWalk
	to      netip.AddrPort
	walker  mib.Walker
	walk    *walk
	request mib.Request
	got     []mib.Variable
}

// next asks for what follows.
func (s *stride) next() error {
	s.request = s.walk.request()
	for i := range s.request.Vars {
		s.request.Vars[i].Value.Type = mib.TypeNull
	}
	q, err := s.query()
	if err != nil {
		return err
	}
	s.of.poller.Ask(s.to, q, s)
	return nil
}

// query prepares the request, which is the same for many agents if it is the
// first one.
func (s *stride) query() (*Query, error) {
	if s.walk.read > 0 || len(s.request.Vars) < len(s.of.roots) || s.request.Verb != mib.VerbGetBulk {
		return NewQuery(s.request)
	}
	p := s.of.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	q, have := s.of.first[s.request.MaxRepetitions]
	if have {
		return q, nil
	}
	req := s.request
	req.Vars = append([]mib.Variable(nil), req.Vars...) // the walk uses its own again
	q, err := NewQuery(req)
	if err == nil {
		s.of.first[req.MaxRepetitions] = q
	}
	return q, err
}

// Answered implements mib.Asker.
func (s *stride) Answered(to netip.AddrPort, r *mib.Response) {
	s.got = s.got[:0]
	err := s.walk.take(s.request, *r, func(_ int, v mib.Variable) error {
		if !v.Value.IsException() {
			s.got = append(s.got, v)
		}
		return nil
	})
	s.walk.own()
	goOn := true
	if r.Err == nil {
		told := *r
		told.Vars = s.got
		goOn = s.walker.Walked(to, &told)
	}
	switch {
	case err == nil && s.walk.more() && goOn:
		if err = s.next(); err == nil {
			return
		}
	case err == nil && s.walk.more():
		err = ErrCut
	}
	if err != nil {
		err = fmt.Errorf("walk %v: %w", s.walk.where(), err)
	}
	s.end(errors.Join(append(s.walk.problems, err)...))
}

// ErrCut says that a walk was ended by who wanted it.
var ErrCut = errors.New("it was cut off, as it took too long")

func (s *stride) end(err error) {
	if s.walk != nil {
		s.of.poller.learn(s.walk.base, s.walk.manners)
	}
	s.walker.Ended(s.to, err)
}

// own keeps the names that were read last, which were those of an answer.
func (w *walk) own() {
	for i := range w.columns {
		if c := &w.columns[i]; !c.over {
			c.name = append(c.name[:0], c.last...)
			c.last = c.name
		}
	}
}
