package responder

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

// DefaultMaxBulk is how many octets of a GETBULK answer fit an Ethernet frame
// without fragments.
const DefaultMaxBulk = 1472

// Config is how a Responder is set up.
type Config struct {
	// Listen is host:port. Without a host it is every address of the
	// machine, and answers leave by the one that was asked; port 0 takes any.
	Listen string
	// Communities and Users are who may ask what, with v1 and v2c and with
	// v3: at least one of either.
	Communities []Community
	Users       []User
	// EngineID and Boots are the agent's as an SNMPv3 engine; see
	// snmp.EngineConfig. They are needed when there are Users.
	EngineID []byte
	Boots    snmp.BootStore
	// Notify gets the traps and informs of communities, and the informs of
	// users, that may send them; see snmp.ListenerConfig.Handle. nil refuses
	// them all.
	Notify func(snmp.Notification) bool
	// Observe, if not nil, is told of each request of a known community or
	// user before it is answered. It must be quick.
	Observe func(Observation)
	// MaxMessage is the most octets of any answer; 0 is snmp.MaxMessage.
	// What does not fit is answered with tooBig.
	MaxMessage int
	// MaxBulk is how many octets of a GETBULK answer are filled; 0 is
	// DefaultMaxBulk. A first variable that is longer goes out all the same.
	MaxBulk int
	// Logger hears of handlers that panic; nil is slog.Default().
	Logger *slog.Logger
}

// Community is who may ask what.
type Community struct {
	Name   string      // for logs and observers
	Secret snmp.Secret // what stands in messages
	// View is what may be read; the zero View is everything.
	View View
	// Write is what may be written; nil is nothing, the zero View everything.
	Write *View
	// Notify says that traps and informs are accepted.
	Notify bool
	// Sources are where the community may be used from; none is anywhere.
	Sources []netip.Prefix
}

// User is who may ask what with SNMPv3. The fields below the first are those
// of a Community.
type User struct {
	snmp.User // Level is the least that is demanded
	View      View
	Write     *View
	Notify    bool
	Sources   []netip.Prefix
}

// Observation is a request as it came in.
type Observation struct {
	Source    netip.AddrPort
	Received  time.Time // by the kernel's clock where it tells
	Community string    // its name, or with v3 the user's
	Verb      mib.Verb
	Vars      []mib.Variable // valid, with all it points to, until Observe returns
}

// Responder answers requests out of a tree, one after another, but for SETs:
// those wait for disks, and reading goes on meanwhile. A sender that has its
// answer sees its SET done; SETs are done in the order in which they came.
type Responder struct {
	*shared
	replays replays
	inbox   snmp.Inbox
	sets    chan pendingSet // nil while not running: SETs are done at once

	// Used again for each request, or taken along by a SET.
	datagram []byte
	request  snmp.Message
	response snmp.Message
	vars     []mib.Variable
	at       int // the wire's index of the variable that is worked on; 0 is none
	cursors  []mib.OID
	ended    []bool
	out      []byte
	exchange snmp.Exchange
	most     int // octets of the answer
	overhead int // of these, the most that is not variables
}

// shared is what serves all requests.
type shared struct {
	cfg         Config
	tree        *mib.Tree
	socket      *snmp.Socket
	engine      *snmp.Engine // nil: v3 is not spoken
	users       map[string]*access
	communities []access // of cfg.Communities, in their order
	counts      counters

	keysMu sync.Mutex // guards the users' keys in engine, which are not safe for concurrent use
}

// pendingSet is a SET that waits for its turn.
type pendingSet struct {
	desk *Responder // with the request, and nothing that others use
	from snmp.Datagram
	who  *access
}

// maxPendingSets is how many SETs may wait; with more, so do all requests.
const maxPendingSets = 64

// access is what a community or user may do.
type access struct {
	name    string
	view    View
	write   *View // nil: nothing
	notify  bool
	sources []netip.Prefix // none: from anywhere
	user    *snmp.User     // nil for a community
}

func (a *access) admits(source netip.Addr) bool {
	for _, p := range a.sources {
		if p.Contains(source.WithZone("")) {
			return true
		}
	}
	return len(a.sources) == 0
}

// New checks the configuration and binds the socket. Handlers may be
// registered with the tree until Run is called.
func New(cfg Config, tree *mib.Tree) (*Responder, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("responder: %w", err)
	}
	addr, err := net.ResolveUDPAddr("udp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("responder: listen at %q: %w", cfg.Listen, err)
	}
	local := addr.AddrPort()
	socket, err := snmp.OpenSocket(netip.AddrPortFrom(local.Addr().Unmap(), local.Port()))
	if err != nil {
		return nil, fmt.Errorf("responder: %w", err)
	}
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = snmp.MaxMessage
	}
	if cfg.MaxBulk == 0 {
		cfg.MaxBulk = DefaultMaxBulk
	}
	cfg.MaxBulk = min(cfg.MaxBulk, cfg.MaxMessage)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	r := &Responder{shared: &shared{cfg: cfg, tree: tree, socket: socket}}
	for _, c := range cfg.Communities {
		r.communities = append(r.communities, access{name: c.Name, view: c.View, write: c.Write, notify: c.Notify, sources: c.Sources})
	}
	if err := r.openEngine(); err != nil {
		return nil, errors.Join(fmt.Errorf("responder: %w", err), socket.Close())
	}
	return r, nil
}

// minMessage is what RFC 3417, section 3.2.2, demands of everybody.
const minMessage = 484

func (c *Config) validate() error {
	if len(c.Communities)+len(c.Users) == 0 {
		return errors.New("there are no communities and no users; name at least one, or nobody can ask")
	}
	for i, m := range c.Communities {
		switch {
		case m.Name == "":
			return fmt.Errorf("community %d has no name", i+1)
		case m.Secret == "":
			return fmt.Errorf("community %q has no secret", m.Name)
		}
	}
	if c.MaxMessage != 0 && (c.MaxMessage < minMessage || c.MaxMessage > snmp.MaxMessage) {
		return fmt.Errorf("messages of at most %d octets; it must be %d to %d", c.MaxMessage, minMessage, snmp.MaxMessage)
	}
	if c.MaxBulk < 0 {
		return fmt.Errorf("GETBULK answers of %d octets", c.MaxBulk)
	}
	return nil
}

// Addr is where it listens.
func (r *Responder) Addr() netip.AddrPort { return r.socket.Addr() }

// Stats gives the counters.
func (r *Responder) Stats() Stats { return r.counts.stats() }

// Run serves until ctx ends, closes the socket and returns nil.
func (r *Responder) Run(ctx context.Context) error {
	r.sets = make(chan pendingSet, maxPendingSets)
	var setter sync.WaitGroup
	setter.Go(func() {
		for s := range r.sets {
			if ctx.Err() == nil { // else it is as good as lost on the way
				s.desk.finish(s.from, s.who)
			}
		}
	})
	err := r.socket.Serve(ctx, r.handle)
	close(r.sets)
	setter.Wait()
	if e := r.socket.Close(); e != nil && err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("responder: %w", err)
	}
	return nil
}

// handle deals with one datagram.
func (r *Responder) handle(b []byte, d snmp.Datagram, truncated bool) {
	r.counts.inPkts.Add(1)
	if truncated {
		r.counts.inASNParseErrs.Add(1)
		return
	}
	r.datagram = append(r.datagram[:0], b...) // a SET outlives the socket's buffer
	b = r.datagram
	if r.engine != nil {
		if v, ok := snmp.PeekVersion(b); ok && v == snmp.V3 {
			r.handleV3(b, d)
			return
		}
	}
	switch err := r.request.Decode(b); {
	case errors.Is(err, snmp.ErrVersion):
		r.counts.inBadVersions.Add(1)
		return
	case err != nil:
		r.counts.inASNParseErrs.Add(1)
		return
	}
	community := r.community(d.Source)
	if community == nil {
		r.counts.inBadCommunityNames.Add(1)
		return
	}
	r.most, r.overhead = r.cfg.MaxMessage, snmp.Overhead(r.request.Community)
	r.serve(b, d, community)
}

// serve deals with the PDU in r.request. b tells it from others.
func (r *Responder) serve(b []byte, d snmp.Datagram, who *access) {
	switch r.request.Verb {
	case mib.VerbGet, mib.VerbGetNext, mib.VerbGetBulk, mib.VerbSet:
		if r.cfg.Observe != nil {
			r.guard(func() {
				r.cfg.Observe(Observation{d.Source, d.Received, who.name, r.request.Verb, r.request.Vars})
			})
		}
		if r.request.Verb == mib.VerbSet && r.sets != nil {
			r.sets <- pendingSet{r.takeAlong(), d, who}
			return
		}
		r.finish(d, who)
	case mib.VerbInform, mib.VerbTrap, mib.VerbTrapV1:
		r.guard(func() { r.notified(b, d, who) })
	default:
		r.counts.inUnexpectedPDUs.Add(1)
	}
}

// takeAlong moves the request to a desk of its own.
func (r *Responder) takeAlong() *Responder {
	desk := &Responder{
		shared: r.shared, datagram: r.datagram, request: r.request, exchange: r.exchange, most: r.most, overhead: r.overhead,
	}
	r.datagram, r.request, r.exchange = nil, snmp.Message{}, snmp.Exchange{}
	return desk
}

// finish answers the request.
func (r *Responder) finish(d snmp.Datagram, who *access) {
	if !r.guard(func() { r.answer(who) }) {
		r.refuse(mib.GenErr, r.at)
	}
	r.send(d)
}

// guard calls f and reports whether it returned. A handler that panics costs
// one request, not the agent.
func (r *Responder) guard(f func()) (returned bool) {
	defer func() {
		if returned {
			return
		}
		r.counts.panics.Add(1)
		r.cfg.Logger.Error("handler panicked", "verb", fmt.Sprintf("%#x", byte(r.request.Verb)),
			"variables", len(r.request.Vars), "panic", recover(), "stack", string(debug.Stack()))
	}()
	f()
	return true
}

// community finds the request's community, if source may use it.
func (r *Responder) community(source netip.AddrPort) *access {
	for i := range r.communities {
		secret := r.cfg.Communities[i].Secret
		if subtle.ConstantTimeCompare([]byte(secret), r.request.Community) == 1 && r.communities[i].admits(source.Addr()) {
			return &r.communities[i]
		}
	}
	return nil
}

// notified passes a notification on and answers an inform.
func (r *Responder) notified(b []byte, d snmp.Datagram, who *access) {
	if !who.notify {
		r.counts.inBadCommunityUses.Add(1)
		return
	}
	if r.cfg.Notify == nil {
		r.counts.inUnexpectedPDUs.Add(1)
		return
	}
	answer, err := r.inbox.Deliver(&r.request, b, d, who.name, r.cfg.Notify)
	if err != nil {
		r.counts.inUnexpectedPDUs.Add(1)
		return
	}
	r.counts.inTraps.Add(1)
	if answer {
		r.respond(mib.NoError, 0, r.request.Vars)
		r.send(d)
	}
}

// respond makes the response: status, the wire's index, and variables.
func (r *Responder) respond(status mib.ErrorStatus, index int, vars []mib.Variable) {
	r.response.Version = r.request.Version
	r.response.Community = r.request.Community
	r.response.PDU = snmp.PDU{
		Verb:      mib.VerbResponse,
		RequestID: r.request.RequestID,
		Status:    status,
		Index:     index,
		Vars:      vars,
	}
}

// refuse makes an error response, whose variables are the request's. Index is
// the wire's, from 1; 0 is none.
func (r *Responder) refuse(status mib.ErrorStatus, index int) {
	vars := r.request.Vars
	if r.request.Version == snmp.V1 {
		status = statusV1(status)
	} else if status == mib.TooBig {
		vars = nil // RFC 3416, section 4.2.1
	}
	r.respond(status, index, vars)
}

// statusV1 maps what v1 does not know (RFC 3584, section 4.4).
func statusV1(s mib.ErrorStatus) mib.ErrorStatus {
	switch s {
	case mib.WrongValue, mib.WrongEncoding, mib.WrongType, mib.WrongLength, mib.InconsistentValue:
		return mib.BadValue
	case mib.NoAccess, mib.NotWritable, mib.NoCreation, mib.InconsistentName, mib.AuthorizationError:
		return mib.NoSuchName
	case mib.ResourceUnavailable, mib.CommitFailed, mib.UndoFailed:
		return mib.GenErr
	}
	return s
}

// send encodes the response and sends it. Too big a one gives way to tooBig.
func (r *Responder) send(d snmp.Datagram) {
	if !r.encode() {
		r.refuse(mib.TooBig, 0)
		if !r.encode() {
			r.counts.silentDrops.Add(1)
			return
		}
	}
	switch r.response.Status {
	case mib.TooBig:
		r.counts.outTooBigs.Add(1)
	case mib.NoSuchName:
		r.counts.outNoSuchNames.Add(1)
	case mib.BadValue:
		r.counts.outBadValues.Add(1)
	case mib.GenErr:
		r.counts.outGenErrs.Add(1)
	}
	if err := r.socket.Answer(r.out, d); err != nil {
		r.counts.sendFailures.Add(1)
		return
	}
	r.counts.outPkts.Add(1)
	r.counts.outResponses.Add(1)
}

// encode puts the response into r.out, and reports whether it may go out.
func (r *Responder) encode() bool {
	var err error
	if r.response.Version == snmp.V3 {
		r.keysMu.Lock()
		r.out, err = r.engine.Answer(r.out[:0], &r.exchange, &r.response)
		r.keysMu.Unlock()
	} else {
		r.out, err = r.response.Append(r.out[:0])
	}
	return err == nil && len(r.out) <= r.most
}
