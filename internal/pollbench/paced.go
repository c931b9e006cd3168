package pollbench

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

// The pace of a paced round: polls leave in ticks.
const (
	pace = 5000 // polls a second
	tick = 10 * time.Millisecond
)

// deadShare is one in so many targets, where some are dead.
const deadShare = 5

// paced asks with the engine, so many a second, spread evenly.
type paced struct {
	*engine
	visits   []visit
	lateness []time.Duration // of each poll of the last round, from when it was due to when it left
}

// visit is a target's turn in a round.
type visit struct {
	*paced
	to    netip.AddrPort
	query *snmp.Query
	due   time.Time
	dead  bool
}

// newPaced has the dead given up soon, so that a round ends. With the living
// patience is the usual one: where the machine leaves the farm no time they
// answer late, and when they do is not what this measures.
func newPaced(targets []netip.AddrPort, req mib.Request, wanted int, dead bool) (*paced, error) {
	e, err := newEngine(targets, "v2c", req, wanted)
	if err != nil {
		return nil, err
	}
	req.Credential, req.Timeout, req.Retries = "v2c", deadTimeout, 0
	silence, err := snmp.NewQuery(req)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	p := &paced{engine: e, visits: make([]visit, len(targets)), lateness: make([]time.Duration, 0, len(targets))}
	for i, to := range targets {
		p.visits[i] = visit{paced: p, to: to, query: e.query, dead: dead && i%deadShare == 0}
		if p.visits[i].dead {
			p.visits[i].query = silence
			p.visits[i].to = netip.AddrPortFrom(to.Addr(), silentPort)
		}
	}
	return p, nil
}

// The dead are at a port where nobody is.
const (
	silentPort  = 9 // discard
	deadTimeout = 250 * time.Millisecond
)

// Answered notes how late the poll of a living target was.
func (v *visit) Answered(to netip.AddrPort, r *mib.Response) {
	if v.dead {
		if v.open.Add(-1) == 0 {
			v.done <- struct{}{}
		}
		return
	}
	if r.Err == nil {
		v.lateness = append(v.lateness, r.Sent.Sub(v.due))
	}
	v.engine.Answered(to, r)
}

func (p *paced) round() (failed int, err error) {
	p.open.Store(int64(len(p.visits)))
	p.failed.Store(0)
	p.lateness = p.lateness[:0]
	began := time.Now()
	for next := 0; next < len(p.visits); {
		time.Sleep(time.Until(began.Add(time.Since(began).Truncate(tick) + tick)))
		p.poller.Together(func() {
			now := time.Now()
			for ; next < len(p.visits); next++ {
				v := &p.visits[next]
				if v.due = began.Add(time.Duration(next) * time.Second / pace); v.due.After(now) {
					return
				}
				p.poller.Ask(v.to, v.query, v)
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
