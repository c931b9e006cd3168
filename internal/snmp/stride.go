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
	lead   []mib.OID
	roots  []mib.OID

	// The poller's mu guards the fields below.
	first  map[int]*Query // that begin it, by repetitions
	layout layout         // of the answers to these
	idle   []*stride
}

// maxIdle is how many strides are kept to be used again, maxLead how many
// instances are read along at most: what they leave is for the subtrees.
const (
	maxIdle = 1024
	maxLead = 16
)

// ErrLead says that instances cannot be read along with a walk.
var ErrLead = errors.New("only instances 0 can be read along, and not more than 16")

// PrepareWalk makes a walk of the subtrees at the roots, put as WalkColumns
// puts its requests; the address of base does not matter. The variables of base
// are instances that are read along with the first rows (as non-repeaters, RFC
// 3416, section 4.2.3), each that of a scalar, so that it is what comes after
// the scalar itself; else the error is ErrLead.
func (p *Poller) PrepareWalk(base mib.Request, roots []mib.OID) (mib.Walk, error) {
	if len(roots) == 0 {
		return nil, errors.New("walk: there is nothing to be read")
	}
	w := &preparedWalk{poller: p, base: base, roots: roots, first: make(map[int]*Query)}
	w.base.Vars = nil
	for _, v := range base.Vars {
		if n := len(v.Name); n < 3 || v.Name[n-1] != 0 || len(base.Vars) > maxLead {
			return nil, fmt.Errorf("walk: %v: %w", v.Name, ErrLead)
		}
		w.lead = append(w.lead, v.Name)
	}
	for _, names := range [][]mib.OID{w.lead, roots} {
		for _, name := range names {
			if _, err := VariableSize(mib.Variable{Name: name, Value: mib.Value{Type: mib.TypeNull}}); err != nil {
				return nil, fmt.Errorf("walk: %w", err)
			}
		}
	}
	return w, nil
}

// Ask implements mib.Walk.
func (w *preparedWalk) Ask(to netip.AddrPort, walker mib.Walker) {
	p := w.poller
	p.mu.Lock()
	s := w.take()
	s.to, s.walker = to, walker
	c, known := p.keys.Lookup(w.base.Credential)
	base := w.base
	base.Address = to
	s.walk.begin(base, w.lead, w.roots, c.Version)
	a := p.agent(plain(to), p.now())
	s.walk.manners, s.walk.rows = a.manners, a.rows(w)
	p.mu.Unlock()
	if !known {
		go s.end(&UnknownCredentialError{w.base.Credential})
		return
	}
	if err := s.next(); err != nil {
		go s.end(err)
	}
}

// take gives a stride. The poller's mu is held.
func (w *preparedWalk) take() *stride {
	if n := len(w.idle); n > 0 {
		s := w.idle[n-1]
		w.idle = w.idle[:n-1]
		return s
	}
	s := &stride{of: w}
	s.keep = func(_ int, v mib.Variable) error {
		if !v.Value.IsException() {
			s.got = append(s.got, v)
		}
		return nil
	}
	return s
}

// stride is a walk of one agent. It is used again, so that walks cost no memory.
type stride struct {
	of      *preparedWalk
	to      netip.AddrPort
	walker  mib.Walker
	walk    walk
	request mib.Request
	further Query // what asks for what follows the first answer
	keep    func(int, mib.Variable) error
	got     []mib.Variable
	told    mib.Response
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
	w := s.of
	if s.walk.read > 0 || len(s.request.Vars) < len(w.lead)+len(w.roots) || s.request.Verb != mib.VerbGetBulk {
		s.further.once = true
		return &s.further, s.further.fill(s.request)
	}
	p := w.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	q, have := w.first[s.request.MaxRepetitions]
	if have {
		return q, nil
	}
	req := s.request
	req.Vars = append([]mib.Variable(nil), req.Vars...) // the walk uses its own again
	q, err := NewQuery(req)
	if err == nil {
		q.own = &routine{layout: &w.layout}
		w.first[req.MaxRepetitions] = q
	}
	return q, err
}

// Answered implements mib.Asker.
func (s *stride) Answered(to netip.AddrPort, r *mib.Response) {
	s.got = s.got[:0]
	err := s.walk.take(s.request, *r, s.keep)
	s.walk.own()
	s.told = *r
	s.told.Vars = s.got
	goOn := s.walker.Walked(to, &s.told)
	switch {
	case err == nil && s.walk.more() && (goOn || r.Err != nil):
		if err = s.next(); err == nil {
			return
		}
	case err == nil && s.walk.more():
		err = ErrCut
	}
	if err != nil && s.walk.read > 0 {
		err = fmt.Errorf("walk %v: %w", s.walk.where(), err)
	}
	if len(s.walk.problems) > 0 {
		err = errors.Join(append(s.walk.problems, err)...)
	}
	s.end(err)
}

// ErrCut says that a walk was ended by who wanted it.
var ErrCut = errors.New("it was cut off, as it took too long")

// end notes what was found out, and tells the walker, who may walk again.
func (s *stride) end(err error) {
	p, to, walker := s.of.poller, s.to, s.walker
	p.mu.Lock()
	a := p.agent(plain(to), p.now())
	a.manners = s.walk.manners
	if err == nil {
		a.found(s.of, s.walk.longest())
	}
	if len(s.of.idle) < maxIdle {
		s.walker, s.told = nil, mib.Response{}
		clear(s.got)
		s.of.idle = append(s.of.idle, s)
	}
	p.mu.Unlock()
	walker.Ended(to, err)
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
