package tlm

import (
	"context"
	"time"

	"simone/internal/trace"
	"simone/mib"
	"simone/reconfig"
)

// Tracer keeps what was seen in each round (trace.Recorder). It is called by one
// goroutine, and its error means that this round is not kept.
type Tracer interface {
	Add(trace.Round) error
	Close() error
}

// tracing records each round. The engine does not wait for the disk.
type tracing struct {
	m      *Manager
	tracer Tracer
	kicked chan struct{} // holds one token when a round is over
	failed bool          // the last one was not kept, and the log knows
}

func newTracing(m *Manager, to Tracer) *tracing {
	return &tracing{m: m, tracer: to, kicked: make(chan struct{}, 1)}
}

// kick says that a round is over. Rounds that follow each other faster than they
// are written are recorded as one.
func (t *tracing) kick() {
	if t == nil {
		return
	}
	select {
	case t.kicked <- struct{}{}:
	default:
	}
}

func (t *tracing) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			if err := t.tracer.Close(); err != nil {
				t.m.log.Warn("the trace ends early", "err", err)
			}
			return nil
		case <-t.kicked:
		}
		err := t.tracer.Add(t.m.seen(time.Now()))
		if err != nil && !t.failed {
			t.m.log.Warn("rounds cannot be recorded; simonectl reconfig plan and rollback will not know of them", "err", err)
		}
		t.failed = err != nil
	}
}

// seen is what there is to record now.
func (m *Manager) seen(now time.Time) trace.Round {
	s := m.conductor.Settings()
	r := trace.Round{At: now, Settings: &trace.Settings{
		Policy: s.Policy, Automatic: s.Automatic, Thresholds: [3]float64{s.Thresholds.Merge, s.Thresholds.Split, s.Thresholds.Migrate},
		STU: m.settings.tuning().STU.Seconds(), Trigger: s.Trigger.Seconds(), Interval: s.Interval.Seconds(),
		Churn: s.Churn, MinILMs: s.MinILMs, MaxILMs: s.MaxILMs, Weighted: s.Weighted,
		Budget: s.MovesPerHour,
	}}
	for _, c := range m.conductor.Children() {
		if !c.Report.Active {
			continue
		}
		r.ILMs = append(r.ILMs, trace.ILM{
			ID: c.ID, Temperature: c.Report.Temperature, Latency: c.Report.Latency.Seconds(), Utilisation: c.Report.Utilisation,
			Nodes: c.Nodes, Silent: c.Silent,
		})
	}
	m.conductor.EachNode(func(n reconfig.Node, cost time.Duration, host reconfig.HostLoad) {
		if n.ID == selfID || n.Kind < mib.KindLeaf {
			return
		}
		seen := trace.Node{
			ID: n.ID, Name: n.Name, Owner: n.Owner, Candidate: n.Candidate, ILM: n.Wanted && !n.Retiring,
			Interval: n.Interval.Seconds(), Cost: cost.Seconds(),
		}
		if n.Candidate {
			seen.Load, seen.Speed = host.Load, host.Speed
		}
		r.Nodes = append(r.Nodes, seen)
	})
	return r
}
