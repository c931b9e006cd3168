package manager

import (
	"errors"
	"maps"
	"net/netip"
	"time"

	"simone/mib"
	"simone/profile"
)

const (
	// pollRetries is how many further attempts a poll has unless its profile
	// says. With a time-out of at most a quarter of the interval, all three end
	// before the next slot.
	pollRetries = 2
	// maxPollTimeout is the most that one attempt waits unless the profile says.
	maxPollTimeout = time.Second
	// maxAsked is how many scalars are asked for at a time at most: about what
	// fits a frame.
	maxAsked = 64
	// minWalk is how long the tables of a node may take in any case.
	minWalk = 30 * time.Second
)

// asks is which question a poll puts: that of profiles, with a credential, at
// a pace. All nodes of whom these are the same share one.
type asks struct {
	profiles, credential string
	interval             time.Duration
	groups               profile.Groups
	probe                bool // of a node that has not answered: one attempt
	identify             bool // what the profiles depend on, and not they
}

// question is what a poll asks of a node: scalars, and then tables. Host.mu
// guards it.
type question struct {
	plan     *profile.Plan
	groups   profile.Groups
	identify bool // it asks what the device is
	scalars  []profile.Scalar
	vars     []mib.Variable // their names
	base     mib.Request    // without variables
	walk     mib.Walk       // nil: no tables
	along    mib.Query      // reads tables and with their first rows the scalars; nil: not to be had
	alone    mib.Query      // one more attempt at the scalars, where nobody answered along
	patience time.Duration  // for the tables
	prepare  func(mib.Request) (mib.Query, error)
	queries  map[stretch]mib.Query
}

// stretch is a part of a question's variables: from one until before another.
type stretch struct{ from, until int }

// refresh takes the profiles that the node holds now. h.mu is held.
func (h *Host) refresh() {
	if set := h.cfg.Profiles(); set != h.held {
		h.held, h.values.every = set, set.Every()
		maps.Copy(h.former, h.plans)
		clear(h.plans)
		clear(h.questions)
	}
}

// planOf gives the plan of profiles as a row names them. h.mu is held.
func (h *Host) planOf(profiles string) (*profile.Plan, error) {
	h.refresh()
	if p, have := h.plans[profiles]; have {
		return p, nil
	}
	found, err := h.held.Find(profiles)
	if p, had := h.former[profiles]; err != nil && had {
		return p, nil // the row is of before, and will be written anew
	}
	if err != nil {
		return nil, err
	}
	p := profile.NewPlan(found)
	h.plans[profiles] = p
	return p, nil
}

// ask gives the question of a poll. h.mu is held.
func (h *Host) ask(row *mib.SupportRow, state *rowState, slot uint32, probe bool) (*question, error) {
	a := asks{credential: row.Credential, interval: row.Interval, probe: probe}
	if state.row != row.Profile {
		state.row, state.profiles = row.Profile, row.Profile
	}
	plan, err := h.planOf(state.profiles)
	if errors.Is(err, profile.ErrAuto) {
		a.identify = true
		return h.question(a, nil)
	}
	if err != nil {
		return nil, err
	}
	a.profiles, a.groups = state.profiles, plan.Due(&state.past, slot, row.Interval)
	return h.question(a, plan)
}

// question gives one that was put before, or makes it. h.mu is held.
func (h *Host) question(a asks, plan *profile.Plan) (*question, error) {
	if q, have := h.questions[a]; have {
		return q, nil
	}
	q := &question{
		plan: plan, groups: a.groups, identify: a.identify,
		base: mib.Request{
			Credential: a.credential, Verb: mib.VerbGet, Timeout: min(maxPollTimeout, a.interval/4), Retries: pollRetries,
		},
		patience: max(minWalk, a.interval),
		prepare:  h.cfg.Poller.Prepare,
		queries:  make(map[stretch]mib.Query),
	}
	if a.identify {
		q.vars = []mib.Variable{{Name: profile.SysObjectID}}
	} else {
		q.scalars = plan.Scalars(a.groups)
		for _, s := range q.scalars {
			q.vars = append(q.vars, mib.Variable{Name: s.OID})
		}
		if plan.Timeout > 0 {
			q.base.Timeout = min(plan.Timeout, a.interval)
		}
		if plan.Retries > 0 {
			q.base.Retries = plan.Retries
		}
	}
	for i := range q.vars {
		q.vars[i].Value.Type = mib.TypeNull
	}
	if a.probe {
		q.base.Retries = 0
	}
	if columns := q.columns(); len(columns) > 0 {
		base := q.base
		base.MaxRepetitions = plan.MaxRepetitions
		var err error
		if q.walk, err = h.cfg.Poller.PrepareWalk(base, columns); err != nil {
			return nil, err
		}
		if err = h.prepareAlong(q, base, columns); err != nil {
			return nil, err
		}
	}
	h.questions[a] = q
	return q, nil
}

// maxAlong is how many scalars are read along with tables at most.
const maxAlong = 16

// prepareAlong has the scalars read with the first rows of the tables, which saves
// an exchange. Of the attempts the last one asks for the scalars alone: tables may
// take longer than a time-out.
func (h *Host) prepareAlong(q *question, base mib.Request, columns []mib.OID) (err error) {
	if !instancesZero(q.vars) || base.Retries == 0 {
		return nil
	}
	alone := base
	base.Vars = q.vars
	base.Retries--
	walk, err := h.cfg.Poller.PrepareWalk(base, columns)
	if err != nil {
		return err
	}
	alone.Vars, alone.Retries, alone.MaxRepetitions = q.vars, 0, 0
	q.along = whole{walk}
	q.alone, err = q.prepare(alone)
	return err
}

// instancesZero reports whether scalars can be read along: each has the instance
// 0, which is what comes next after itself.
func instancesZero(vars []mib.Variable) bool {
	for i := range vars {
		if n := len(vars[i].Name); n < 3 || vars[i].Name[n-1] != 0 {
			return false
		}
	}
	return len(vars) > 0 && len(vars) <= maxAlong
}

// whole is a question that its walk asks.
type whole struct{ mib.Walk }

// Ask implements mib.Query.
func (w whole) Ask(to netip.AddrPort, asker mib.Asker) { w.Walk.Ask(to, asker.(*flight)) }

func (q *question) columns() []mib.OID {
	if q.identify {
		return nil
	}
	return q.plan.Columns(q.groups)
}

// query gives what asks for a stretch of the variables, prepared once.
func (q *question) query(s stretch) (mib.Query, error) {
	if prepared, have := q.queries[s]; have {
		return prepared, nil
	}
	req := q.base
	req.Vars = q.vars[s.from:s.until]
	prepared, err := q.prepare(req)
	if err != nil {
		return nil, err
	}
	q.queries[s] = prepared
	return prepared, nil
}

// stretch gives the variables from one on, as many as an agent is asked for at
// a time; 0: as many as usual.
func (q *question) stretch(from, most int) stretch {
	if most == 0 {
		most = maxAsked
	}
	return stretch{from, min(len(q.vars), from+most)}
}
