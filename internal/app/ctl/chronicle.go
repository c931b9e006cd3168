package ctl

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"simone/mib"
)

// maxSources bounds how many managers a chronicle asks.
const maxSources = 256

// chronicle gathers the events of a tree's managers.
type chronicle struct {
	*client
	tlm      station
	at       string // the one manager to ask; empty: all
	names    *namer
	complain func(text string)

	sources []*source
	found   time.Time // when sources were looked for
}

// source is a manager with what has been read of its events.
type source struct {
	Manager
	endpoint
	next  []Event // just read
	after uint32  // events up to here have been read
	away  bool
	err   error
}

// again is how often a chronicle that goes on looks for new managers.
const again = 10 * time.Second

// find looks for the managers to ask. Those that were there keep what has been
// read of them.
func (r *chronicle) find(ctx context.Context) error {
	r.found = time.Now()
	managers, err := r.listed(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(managers, func(a, b Manager) int { return cmp.Compare(a.Level, b.Level) })
	if n := len(managers); n > maxSources {
		if r.sources == nil {
			r.complain(fmt.Sprintf("%d managers are asked of %d; simonectl events --at NODE asks another", maxSources, n))
		}
		managers = managers[:maxSources]
	}
	known := make(map[mib.NodeID]*source)
	for _, s := range r.sources {
		known[s.ID] = s
	}
	r.sources = nil
	for _, m := range managers {
		s := known[m.ID]
		if s == nil {
			s = new(source) // all that one which comes later has done is new
		}
		s.Manager = m
		r.sources = append(r.sources, s)
	}
	return nil
}

// listed is the managers that are to be asked.
func (r *chronicle) listed(ctx context.Context) ([]Manager, error) {
	if r.at == "" {
		return r.treeTable(ctx, r.tlm.endpoint)
	}
	n, _, err := r.client.find(ctx, r.tlm, r.at)
	if err != nil {
		return nil, err
	}
	return []Manager{{ID: n.ID, Name: n.Name, Address: n.Address}}, nil
}

// last reads the last events, at most n, the oldest first.
func (r *chronicle) last(ctx context.Context, n int) ([]Event, error) {
	// To go on from the newest one it has to be read, also if none is shown.
	r.read(ctx, func(s *source) ([]Event, error) { return r.lastEvents(ctx, s.endpoint, max(n, 1)) })
	if s := r.sources[0]; s.err != nil && (r.at != "" || s.ID == r.tlm.id) {
		return nil, s.err
	}
	events := r.merged(ctx)
	return events[max(0, len(events)-n):], nil
}

// more reads what has come since. Who does not answer is waited for.
func (r *chronicle) more(ctx context.Context) []Event {
	if r.at == "" && time.Since(r.found) > again {
		_ = r.find(ctx) // of the TLM's silence is told below
	}
	r.read(ctx, func(s *source) ([]Event, error) { return r.events(ctx, s.endpoint, s.after) })
	return r.merged(ctx)
}

// read asks every source.
func (r *chronicle) read(ctx context.Context, ask func(*source) ([]Event, error)) {
	var mu sync.Mutex // for complaints
	each(r.sources, func(s *source) {
		s.next, s.err = nil, nil
		if s.ID == r.tlm.id { // its address is known to work
			s.endpoint = r.tlm.endpoint
		} else if s.endpoint, s.err = resolve(ctx, s.Address); s.err != nil {
			return
		}
		s.next, s.err = ask(s)
		if ctx.Err() != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case s.err != nil && !s.away:
			r.complain(fmt.Sprintf("%s; its events are missing, still trying", brief(s.err)))
		case s.err == nil && s.away:
			r.complain(fmt.Sprintf("%v answers again", s.endpoint))
		}
		s.away = s.err != nil
	})
}

// merged is what has been read, in order of time; each manager's in its own.
func (r *chronicle) merged(ctx context.Context) []Event {
	events := []Event{}
	for _, s := range r.sources {
		if s.err != nil {
			continue
		}
		for i := range s.next {
			s.next[i].Manager = s.ID
			s.after = s.next[i].Sequence
		}
		events = append(events, s.next...)
		s.next = nil
	}
	slices.SortStableFunc(events, func(a, b Event) int { return a.Time.Compare(b.Time) })
	r.names.name(ctx, events)
	return events
}
