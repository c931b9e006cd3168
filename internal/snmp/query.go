package snmp

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"simone/mib"
)

// Query is a question that is put to many agents again and again. What is the
// same each time is encoded once. It does not change.
type Query struct {
	request mib.Request // without an address
	list    []byte      // the variables as they stand in a message
	names   [][]byte    // of them, each the element of its name
	own     *routine    // of a walk's; nil: one is found for it
	once    bool        // it is not put again: no routine comes of it
}

// NewQuery prepares what req asks; its address does not matter. The variables
// must not change any more.
func NewQuery(req mib.Request) (*Query, error) {
	switch req.Verb {
	case mib.VerbGet, mib.VerbGetNext, mib.VerbGetBulk:
	default:
		return nil, fmt.Errorf("query: 0x%02x reads nothing", byte(req.Verb))
	}
	q := new(Query)
	if err := q.fill(req); err != nil {
		return nil, err
	}
	for _, v := range req.Vars {
		q.names = append(q.names, appendOID(nil, v.Name))
	}
	return q, nil
}

// fill encodes what req asks.
func (q *Query) fill(req mib.Request) error {
	q.request, q.list = req, q.list[:0]
	for _, v := range req.Vars {
		if _, err := VariableSize(v); err != nil {
			return fmt.Errorf("query: %w", err)
		}
		q.list = appendVariable(q.list, v)
	}
	return nil
}

// prepared is a query with whom to have it put.
type prepared struct {
	poller *Poller
	query  *Query
}

// Ask implements mib.Query.
func (q *prepared) Ask(to netip.AddrPort, asker mib.Asker) { q.poller.Ask(to, q.query, asker) }

// Prepare is NewQuery for those who know no more of queries than mib says.
func (p *Poller) Prepare(req mib.Request) (mib.Query, error) {
	q, err := NewQuery(req)
	if err != nil {
		return nil, err
	}
	return &prepared{p, q}, nil
}

// Ask puts q to the agent at an address, as soon as that is kind: behind other
// queries to the same address, and when fewer datagrams are on their way than
// the configuration's window. It is Start for what is asked often: nothing is
// allocated. asker is told from the goroutine of Run, or after its end from one
// of its own; Ask never calls it itself.
func (p *Poller) Ask(to netip.AddrPort, q *Query, asker mib.Asker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.stats.Failed++
		go asker.Answered(to, &mib.Response{Err: net.ErrClosed})
		return
	}
	p.stats.Requests++
	p.queries.enter(p, pending{to: plain(to), query: q, asker: asker}, p.now())
	p.flushIfIdle()
}

// Together has f's queries and requests sent together, as few system calls as
// there can be. Nothing leaves before f returns, save what fills a batch.
func (p *Poller) Together(f func()) {
	p.mu.Lock()
	p.gathering++
	p.mu.Unlock()
	f()
	p.mu.Lock()
	p.gathering--
	p.flushIfIdle()
	p.mu.Unlock()
}

// now is the time, which does not go on while answers that came together are
// dealt with. mu is held.
func (p *Poller) now() time.Time {
	if p.draining {
		return p.passed
	}
	return time.Now()
}
