package manager

import (
	"time"

	"simone/mib"
)

// pollRetries is how many further attempts a poll has. With a time-out of at
// most a quarter of the interval, all three end before the next slot.
const pollRetries = 2

// maxPollTimeout is the most that one attempt waits.
const maxPollTimeout = time.Second

// asks is which question a poll puts: that of a profile, with a credential, at
// a pace. All nodes of whom these are the same share one.
type asks struct {
	profile, credential string
	interval            time.Duration
	probe               bool // of a node that has not answered: one attempt
}

// question is what a profile asks of a node. Host.mu guards it.
type question struct {
	profile mib.Profile
	vars    []mib.Variable
	base    mib.Request // without variables
	prepare func(mib.Request) (mib.Query, error)
	queries map[stretch]mib.Query
}

// stretch is a part of a question's variables: from one until before another.
type stretch struct{ from, until int }

// question gives the question of a poll, or false if its profile is not held
// (any more). h.mu is held.
func (h *Host) question(a asks) (*question, bool) {
	if q, have := h.questions[a]; have {
		return q, true
	}
	p, ok := h.cfg.Profiles(a.profile)
	if !ok {
		return nil, false
	}
	q := &question{
		profile: p,
		vars:    make([]mib.Variable, len(p.Metrics)),
		base: mib.Request{
			Credential: a.credential, Verb: mib.VerbGet, Timeout: min(maxPollTimeout, a.interval/4), Retries: pollRetries,
		},
		prepare: h.cfg.Poller.Prepare,
		queries: make(map[stretch]mib.Query),
	}
	if a.probe {
		q.base.Retries = 0
	}
	for i, o := range p.OIDs() {
		q.vars[i] = mib.Variable{Name: o, Value: mib.Value{Type: mib.TypeNull}}
	}
	h.questions[a] = q
	return q, true
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
// a time; 0: all.
func (q *question) stretch(from, most int) stretch {
	until := len(q.vars)
	if most > 0 {
		until = min(until, from+most)
	}
	return stretch{from, until}
}

// sample adds the values in the answer to a stretch, which stand in its order.
// Exceptions and what is no number are left out.
func (q *question) sample(values []mib.MetricValue, s stretch, vars []mib.Variable) []mib.MetricValue {
	metrics := q.profile.Metrics[s.from:s.until]
	for i := range vars[:min(len(vars), len(metrics))] {
		m := &metrics[i]
		if !vars[i].Name.Equal(m.OID) {
			continue
		}
		if f, err := mib.Number(vars[i].Value); err == nil {
			values = append(values, mib.MetricValue{Metric: m.Number, Value: f * m.Scale})
		}
	}
	return values
}
