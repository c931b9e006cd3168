package pollbench

import (
	"net/netip"
	"slices"
	"time"

	"simone/mib"
)

// The pace of a paced round: polls leave in ticks.
const (
	pace = 5000 // polls a second
	tick = 10 * time.Millisecond
)

// paced asks with the engine, so many a second, spread evenly.
type paced struct {
	*engine
	lateness []time.Duration // of each poll of the last round, from when it was due to when it left
}

func newPaced(targets []netip.AddrPort, req mib.Request, wanted int) (*paced, error) {
	e, err := newEngine(targets, "v2c", req, wanted)
	if err != nil {
		return nil, err
	}
	return &paced{engine: e, lateness: make([]time.Duration, 0, len(targets))}, nil
}

func (p *paced) round() (failed int, err error) {
	p.open.Store(int64(len(p.targets)))
	p.failed.Store(0)
	p.lateness = p.lateness[:0]
	began := time.Now()
	due := func(i int) time.Time { return began.Add(time.Duration(i) * time.Second / pace) }
	for next := 0; next < len(p.targets); {
		time.Sleep(time.Until(began.Add(time.Since(began).Truncate(tick) + tick)))
		p.poller.Together(func() {
			for now := time.Now(); next < len(p.targets) && !due(next).After(now); next++ {
				p.poller.Ask(p.targets[next], p.query, p)
				p.lateness = append(p.lateness, now.Sub(due(next)))
			}
		})
	}
	<-p.done
	return int(p.engine.failed.Load()), nil
}

// late is the 99th percentile of how late polls left in the last round.
func (p *paced) late() time.Duration {
	slices.Sort(p.lateness)
	if len(p.lateness) == 0 {
		return 0
	}
	return p.lateness[len(p.lateness)*99/100]
}
