package snmp

import (
	"net/netip"
	"slices"
	"time"
)

// agentLife is how long it is remembered who answers at an address that is not
// asked.
const agentLife = 15 * time.Minute

// agent is what is known of who answers at an address.
type agent struct {
	engine  *remote // SNMPv3; nil: not known
	manners manners
	walks   []walked // that were made of it, at most maxWalked
	used    time.Time

	// Of queries:
	out    int       // on their way
	line   line      // that wait for their turn
	free   time.Time // when the next one may be sent, as the rate is limited
	left   time.Time // when the last one was sent
	silent int       // that were not answered since the last answer
	rests  time.Time // until when none is sent
}

// walked is how many rows a walk found.
type walked struct {
	by   *preparedWalk
	rows int
}

// maxWalked is of how many walks that is remembered: whoever reads some objects
// less often than others makes several.
const maxWalked = 4

// rows is how many a walk found last; negative: who knows.
func (a *agent) rows(by *preparedWalk) int {
	for _, w := range a.walks {
		if w.by == by {
			return w.rows
		}
	}
	return -1
}

// found remembers how many rows a walk found.
func (a *agent) found(by *preparedWalk, rows int) {
	for i := range a.walks {
		if a.walks[i].by == by {
			a.walks[i].rows = rows
			return
		}
	}
	if len(a.walks) == maxWalked {
		a.walks = slices.Delete(a.walks, 0, 1)
	}
	a.walks = append(a.walks, walked{by, rows})
}

// agent gives the one at an address, which is being asked. mu is held.
func (p *Poller) agent(at netip.AddrPort, now time.Time) *agent {
	p.sweep(now)
	a := p.agents[at]
	if a == nil {
		a = &agent{}
		p.agents[at] = a
	}
	a.used = now
	return a
}

// sweep forgets agents that have not been asked for long. mu is held.
func (p *Poller) sweep(now time.Time) {
	if now.Sub(p.swept) < time.Minute {
		return
	}
	p.swept = now
	for address, a := range p.agents {
		if now.Sub(a.used) > agentLife && a.out == 0 {
			delete(p.agents, address)
		}
	}
}

// engines counts the engines of SNMPv3 that are known. mu is held.
func (p *Poller) engines() (n int) {
	for _, a := range p.agents {
		if a.engine != nil {
			n++
		}
	}
	return n
}

// manners are how an agent can be asked, as far as that was found out.
type manners struct {
	// most is how many variables an answer may have at most, as more were
	// tooBig; 0: no limit is known.
	most int
	// batch is how many variables a walk asks for at a time; 0: none yet.
	batch int
	// rtt and deviation are smoothed as those of TCP (RFC 6298, section 2);
	// an rtt of 0 is not known.
	rtt, deviation time.Duration
}

// minOverdue is what an answer may take in any case before it is overdue.
const minOverdue = 100 * time.Millisecond

// answered takes the round trip time of an answer.
func (m *manners) answered(rtt time.Duration) {
	rtt = max(rtt, time.Microsecond) // a stepped clock gives nonsense
	if m.rtt == 0 {
		m.rtt, m.deviation = rtt, rtt/2
		return
	}
	m.deviation += (max(rtt-m.rtt, m.rtt-rtt) - m.deviation) / 4
	m.rtt += (rtt - m.rtt) / 8
}

// overdue is after how long the answer has probably been lost; 0: who knows.
// One answer takes longer than another of the same agent for what is in it,
// so this is more lenient than TCP.
func (m *manners) overdue() time.Duration {
	if m.rtt == 0 {
		return 0
	}
	return max(2*m.rtt+8*m.deviation, minOverdue)
}

// tooBig notes that an answer of n variables was.
func (m *manners) tooBig(n int) {
	m.most = max(1, n/2)
	m.batch = min(m.batch, m.most)
}
