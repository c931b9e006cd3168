package snmp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"simone/mib"
)

// Courtesy is how queries are put. The zero value will do.
type Courtesy struct {
	// Concurrency is how many queries to one address are on their way at a
	// time; 0 is one.
	Concurrency int
	// Gap is the least time between two queries to one address.
	Gap time.Duration
	// Rest is how long an agent that does not answer is left alone at most; 0
	// is a minute. The first rest is after the second query in a row that was
	// not answered, and as long as a time-out, each further one twice as long;
	// after it one datagram tries whether it is back.
	Rest time.Duration
	// Window is how many datagrams are on their way at a time, 0 is 256. One
	// that is older than answers usually are no longer counts: agents that are
	// silent, or slow, keep nobody waiting.
	Window int
}

// ErrBusy says that a request was not sent, as too many are on their way, or
// wait for the same agent: it is asked more than it answers.
var ErrBusy = errors.New("too many requests are on their way")

// maxLine is how many queries wait for the same agent at most.
const maxLine = 32

// ErrResting says that a query was not put, as the agent has not answered the
// ones before. It comes with mib.ErrTimeout.
var (
	ErrResting = errors.New("it is left alone for a while")
	errResting = fmt.Errorf("%w: %w", mib.ErrTimeout, ErrResting)
)

// restsWhen is how many queries in a row stay without an answer until an agent
// is left alone: of several targets behind one address one may be dead, and
// answers get lost.
const restsWhen = 2

const (
	defaultWindow = 256
	defaultRest   = time.Minute
	// The age from which on a datagram does not count against the window, a
	// multiple of the usual round trip time, is between these.
	leastGrace = 2 * time.Millisecond
	mostGrace  = 50 * time.Millisecond
	rttGrace   = 4
)

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// pending is a query that waits: it takes a fraction of the memory of a request.
type pending struct {
	to    netip.AddrPort
	query *Query
	asker mib.Asker
	agent *agent
}

// queried is what a request has more as a query.
type queried struct {
	*Query           // nil: it is none
	routine *routine // nil: it is put but once
	asker   mib.Asker
	agent   *agent
	counts  bool // against the window
	held    bool // until the gap to the one before is long enough
}

// packed are the variables as they stand in the message, if they are encoded
// already.
func (q *queried) packed() []byte {
	if q.Query == nil {
		return nil
	}
	return q.list
}

// layout is what an answer may look like; nil: who knows.
func (q *queried) layout() *layout {
	if q.routine == nil {
		return nil
	}
	return q.routine.layout
}

// line is a queue.
type line struct {
	all  []pending
	head int
}

func (l *line) size() int { return len(l.all) - l.head }

func (l *line) push(w pending) { l.all = append(l.all, w) }

func (l *line) pop() pending {
	w := l.all[l.head]
	l.all[l.head] = pending{}
	if l.head++; l.head > len(l.all)/2 { // move what is left to the front, rarely
		l.all = append(l.all[:0], l.all[l.head:]...)
		l.head = 0
	}
	return w
}

// queries are those of a poller, whose mu guards them.
type queries struct {
	courtesy Courtesy
	out      int           // that are not over
	waiting  int           // of these, in lines
	counted  int           // of these, against the window
	line     line          // for the window
	aging    []int32       // attempts that count or did, by when they were sent
	aged     int           // of aging, from the front, that do not count any more
	rtt      time.Duration // smoothed, of all agents; 0: not known
}

// complete gives the courtesy with its defaults.
func (c Courtesy) complete() Courtesy {
	c.Concurrency = max(c.Concurrency, 1)
	if c.Rest <= 0 {
		c.Rest = defaultRest
	}
	if c.Window <= 0 {
		c.Window = defaultWindow
	}
	return c
}

func newQueries(c Courtesy) queries {
	return queries{courtesy: c.complete()}
}

// Behave changes how queries are put from now on.
func (p *Poller) Behave(c Courtesy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queries.courtesy = c.complete()
}

// enter brings a query to its agent, or has it wait for its turn.
func (q *queries) enter(p *Poller, w pending, now time.Time) {
	q.out++
	w.agent = p.agent(w.to, now)
	switch a := w.agent; {
	case a.out < q.courtesy.Concurrency:
		a.out++
		q.launch(p, w, now)
	case a.line.size() < maxLine:
		q.waiting++
		a.line.push(w)
	default:
		p.stats.Shed++
		a.out++ // until it has been told
		p.endSoon(q.request(p, w), ErrBusy)
	}
}

// launch sends a query whose turn with the agent has come as soon as the
// window has room.
func (q *queries) launch(p *Poller, w pending, now time.Time) {
	switch free := w.agent.free; {
	case now.Before(w.agent.rests):
		p.stats.Spared++
		p.endSoon(q.request(p, w), errResting)
	case q.courtesy.Gap > 0 && now.Before(free):
		w.agent.free = free.Add(q.courtesy.Gap)
		r := q.request(p, w)
		r.query.held, r.due = true, free
		p.schedule(r, free)
	case q.counted >= q.courtesy.Window:
		q.waiting++
		q.line.push(w)
		q.wake(p)
	default:
		q.send(p, q.request(p, w), now)
	}
}

// request makes a request of a query.
func (q *queries) request(p *Poller, w pending) *request {
	r := p.take()
	r.Request, r.Address = w.query.request, w.to
	r.query = queried{Query: w.query, routine: p.routines.find(w.query), asker: w.asker, agent: w.agent}
	if r.Timeout <= 0 {
		r.Timeout = p.timeout
	}
	return r
}

// release sends a query that was held, if the one before did not leave later
// than it should have.
func (q *queries) release(p *Poller, r *request, now time.Time) {
	if free := r.query.agent.left.Add(q.courtesy.Gap); now.Before(free) {
		r.due = free
		p.schedule(r, free)
		return
	}
	q.send(p, r, now)
}

func (q *queries) send(p *Poller, r *request, now time.Time) {
	r.query.held = false
	if err := p.admit(r); err != nil {
		p.endSoon(r, err)
		return
	}
	if r.query.agent.silent >= restsWhen {
		r.Retries = 0
	}
	q.counted++
	r.query.counts = true
	p.attempt(r, now)
	if len(r.ids) > 0 {
		q.aging = append(q.aging, r.last())
	}
}

// end gives the turn of a query that is over to the next in line, and notes
// what became of it.
func (q *queries) end(p *Poller, r *request, response *mib.Response) {
	q.out--
	q.discount(r)
	a := r.query.agent
	a.out--
	switch {
	case response.Err == nil:
		a.silent, a.rests = 0, time.Time{}
		rtt := response.RTT()
		a.manners.answered(rtt)
		q.answered(rtt)
	case errors.Is(response.Err, mib.ErrTimeout) && !errors.Is(response.Err, ErrResting):
		if a.silent++; a.silent >= restsWhen {
			rest := r.Timeout << min(a.silent-restsWhen, 20)
			a.rests = p.now().Add(min(rest, q.courtesy.Rest))
		}
	}
	if a.line.size() > 0 && a.out < q.courtesy.Concurrency && !p.closed {
		q.waiting--
		a.out++
		q.launch(p, a.line.pop(), p.now())
	}
}

// answered takes the round trip time of an answer.
func (q *queries) answered(rtt time.Duration) {
	rtt = min(max(rtt, time.Microsecond), mostGrace)
	if q.rtt == 0 {
		q.rtt = rtt
	}
	q.rtt += (rtt - q.rtt) / 64
}

// discount has a query no longer count against the window.
func (q *queries) discount(r *request) {
	if r.query.counts {
		r.query.counts = false
		q.counted--
	}
}

// grace is how old a datagram counts against the window.
func (q *queries) grace() time.Duration {
	if q.rtt == 0 {
		return mostGrace
	}
	return min(max(rttGrace*q.rtt, leastGrace), mostGrace)
}

// advance sends what waits for the window, as far as there is room.
func (q *queries) advance(p *Poller, now time.Time) {
	q.age(p, now)
	for q.line.size() > 0 && q.counted < q.courtesy.Window && !p.closed {
		q.waiting--
		q.send(p, q.request(p, q.line.pop()), now)
	}
	q.wake(p)
}

// wake has Run's goroutine woken when the window gets room.
func (q *queries) wake(p *Poller) {
	if at, ok := q.next(p); ok {
		p.wake(at)
	}
}

// age goes through the attempts from the oldest on, as far as their time is
// over.
func (q *queries) age(p *Poller, now time.Time) {
	for ; q.aged < len(q.aging); q.aged++ {
		s := p.slots.at(q.aging[q.aged])
		if s == nil || s.request == nil || !s.request.query.counts {
			continue
		}
		if s.sent.IsZero() || now.Sub(s.sent) < q.grace() {
			break
		}
		q.discount(s.request)
	}
	if q.aged > len(q.aging)/2 { // move what is left to the front, rarely
		q.aging = append(q.aging[:0], q.aging[q.aged:]...)
		q.aged = 0
	}
}

// next is when the window gets room, if something waits for that.
func (q *queries) next(p *Poller) (at time.Time, ok bool) {
	if q.line.size() == 0 || q.aged == len(q.aging) {
		return at, false
	}
	s := p.slots.at(q.aging[q.aged])
	if s == nil || s.sent.IsZero() { // it is about to be
		return time.Now().Add(leastGrace), true
	}
	return s.sent.Add(q.grace()), true
}

// giveUp ends the queries that wait.
func (q *queries) giveUp(p *Poller) {
	end := func(l *line) {
		for l.size() > 0 {
			p.endSoon(q.request(p, l.pop()), net.ErrClosed)
		}
	}
	end(&q.line)
	for _, a := range p.agents {
		a.out += a.line.size() // that get their turn to be told so
		end(&a.line)
	}
	q.waiting = 0
}
